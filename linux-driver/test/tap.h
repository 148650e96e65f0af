/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A small harness for tests in C; include it in one file per program, it brings main().
 *
 *	TEST(second_opener_gets_busy)
 *	{
 *		int fd = open("/dev/sluice0", O_RDWR);
 *
 *		REQUIRE(fd >= 0);
 *		EXPECT_ERRNO(open("/dev/sluice0", O_RDWR), EBUSY);
 *	}
 *
 * EXPECT goes on after a failure, REQUIRE returns from the function it is in. Each
 * test runs in a process of its own: what it opened, mapped or forked is gone before
 * the next one starts, and a crash or a hang is one failed test. Prints TAP; the
 * arguments, if any, are parts of the names of the tests to run.
 */
#ifndef TAP_H
#define TAP_H

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define TAP_SECONDS		60 /* emulated: a hundred times what it takes on hardware */
#define TAP_DIAGNOSTICS		10 /* one wrong word rarely comes alone: the first few tell */

struct tap_test {
	const char *name;
	unsigned int seconds;
	void (*run)(void);
	struct tap_test *next;
};

static struct tap_test *tap_first, **tap_last = &tap_first;
static unsigned long tap_failures;

/* A test that may take longer than TAP_SECONDS. */
#define TEST_WITHIN(test_name, limit)						\
	static void test_name(void);						\
	__attribute__((constructor)) static void tap_add_##test_name(void)	\
	{									\
		static struct tap_test test = { #test_name, limit, test_name, NULL }; \
										\
		*tap_last = &test;						\
		tap_last = &test.next;						\
	}									\
	static void test_name(void)

#define TEST(test_name) TEST_WITHIN(test_name, TAP_SECONDS)

/* Counts a failure and, for the first few, says what it was. */
#define FAIL(format, ...)							\
	do {									\
		if (++tap_failures <= TAP_DIAGNOSTICS)				\
			printf("# %s:%d: " format "\n", __FILE__, __LINE__, ##__VA_ARGS__); \
	} while (0)

#define EXPECT(condition)							\
	do {									\
		if (!(condition))						\
			FAIL("%s (errno: %s)", #condition, strerror(errno));	\
	} while (0)

#define REQUIRE(condition)							\
	do {									\
		if (!(condition)) {						\
			FAIL("%s (errno: %s)", #condition, strerror(errno));	\
			return;							\
		}								\
	} while (0)

#define EXPECT_EQ(actual, expected)						\
	do {									\
		long long tap_a = (long long)(actual), tap_e = (long long)(expected); \
										\
		if (tap_a != tap_e)						\
			FAIL("%s is %lld, not %s = %lld", #actual, tap_a, #expected, tap_e); \
	} while (0)

/* The call returns -1 and sets this errno. */
#define EXPECT_ERRNO(call, expected)						\
	do {									\
		errno = 0;							\
		long long tap_r = (long long)(call);				\
										\
		if (tap_r != -1 || errno != (expected))				\
			FAIL("%s gives %lld (%s), not %s", #call, tap_r,	\
			     strerror(errno), #expected);			\
	} while (0)

static int tap_run(const struct tap_test *test)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		setpgid(0, 0);
		alarm(test->seconds);
		test->run();
		if (tap_failures > TAP_DIAGNOSTICS)
			printf("# and %lu more\n", tap_failures - TAP_DIAGNOSTICS);
		exit(tap_failures != 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		printf("# cannot run it: %s\n", strerror(errno));
		return 1;
	}
	/* What it left behind might hold the device open: the next test waits for its end. */
	kill(-pid, SIGKILL);
	while (wait(NULL) > 0)
		;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		printf("# still running after %u s\n", test->seconds);
	else if (WIFSIGNALED(status))
		printf("# killed: %s\n", strsignal(WTERMSIG(status)));
	return status != 0;
}

int main(int argc, char **argv)
{
	int count = 0, failed = 0;

	/* Unbuffered, or a test that is killed takes its diagnostics with it. */
	setvbuf(stdout, NULL, _IONBF, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (struct tap_test *test = tap_first; test; test = test->next) {
		int wanted = argc < 2, bad;

		for (int i = 1; i < argc && !wanted; i++)
			wanted = strstr(test->name, argv[i]) != NULL;
		if (!wanted)
			continue;
		bad = tap_run(test);
		failed += bad;
		printf("%s %d - %s\n", bad ? "not ok" : "ok", ++count, test->name);
	}
	printf("1..%d\n", count);
	return failed != 0 || count == 0;
}

#endif /* TAP_H */
