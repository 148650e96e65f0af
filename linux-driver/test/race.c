// SPDX-License-Identifier: GPL-2.0
/*
 * The one rule with several processors: buffers are sent from and released at once,
 * while page tables are emptied and filled, and what arrives later must be what was
 * sent. Random, by a seed that is printed; SEED=N repeats the choices, not the races.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/uio.h>

#include "device.h"

#define SECONDS		5
#define MOST_HELD	256

/* What is in the pipe: whole pages, each of a place in the stream. */
struct held {
	pthread_mutex_t lock;
	uint64_t position[MOST_HELD];
	unsigned int first, count;
};

static struct ring ring;
static struct held held = { .lock = PTHREAD_MUTEX_INITIALIZER };
static int ends[2];
static volatile int over;
static unsigned int seed;
static unsigned long pages_checked;

static unsigned int seed_of_today(void)
{
	const char *given = getenv("SEED");

	return given ? strtoul(given, NULL, 10) : (unsigned int)time(NULL);
}

/* Empties page tables, which come back by faults. */
static void *throw_out(void *unused)
{
	unsigned int mine = seed + 1;

	while (!over) {
		uint32_t buffer = rand_r(&mine) % ring.buffer_count;

		MUST(madvise(ring.memory, ring.buffer_count * ring.buffer_bytes,
			     MADV_DONTNEED) == 0);
		(void)*(volatile uint8_t *)buffer_of(&ring, buffer);
		usleep(rand_r(&mine) % 500);
	}
	return unused;
}

/* Takes pages out of the pipe, some time after they went in, and looks at each word. */
static void *take_out(void *unused)
{
	static uint8_t page[PAGE];
	unsigned int mine = seed + 2;

	for (;;) {
		uint64_t position;

		usleep(rand_r(&mine) % 1000);
		pthread_mutex_lock(&held.lock);
		if (!held.count) {
			pthread_mutex_unlock(&held.lock);
			if (over)
				return unused;
			continue;
		}
		position = held.position[held.first];
		pthread_mutex_unlock(&held.lock);
		for (size_t done = 0; done < PAGE; ) {
			ssize_t got = read(ends[0], page + done, PAGE - done);

			MUST(got > 0);
			done += got;
		}
		if (wrong_words(page, PAGE, position))
			exit(1);
		pages_checked++;
		pthread_mutex_lock(&held.lock);
		held.first = (held.first + 1) % MOST_HELD;
		held.count--;
		pthread_mutex_unlock(&held.lock);
	}
}

static void send_some(const struct sluice_frame *frame, uint64_t position, unsigned int *random)
{
	uint64_t page = rand_r(random) % (frame->bytes / PAGE) * PAGE;
	struct iovec what = { buffer_of(&ring, frame->buffer) + page, PAGE };

	pthread_mutex_lock(&held.lock);
	if (held.count < MOST_HELD &&
	    vmsplice(ends[1], &what, 1, SPLICE_F_NONBLOCK) == PAGE) {
		held.position[(held.first + held.count) % MOST_HELD] = position + page;
		held.count++;
	}
	pthread_mutex_unlock(&held.lock);
}

static void race(uint64_t buffer_bytes)
{
	pthread_t thrower, taker;
	struct sluice_counts counts;
	unsigned int random = seed;
	uint64_t position = 0;
	time_t end;

	over = 0;
	pages_checked = 0;
	ring = open_ring_at(DEVICE, buffer_bytes, 16);
	MUST(pipe(ends) == 0);
	MUST(fcntl(ends[1], F_SETPIPE_SZ, MOST_HELD * PAGE) > 0);
	start(&ring);
	MUST(pthread_create(&thrower, NULL, throw_out, NULL) == 0);
	MUST(pthread_create(&taker, NULL, take_out, NULL) == 0);
	for (end = time(NULL) + SECONDS; time(NULL) < end; ) {
		struct sluice_frame frame = read_frame(&ring);

		for (unsigned int i = rand_r(&random) % 4; i; i--)
			send_some(&frame, position, &random);
		position += frame.bytes;
		release(&ring, frame.buffer);
	}
	over = 1;
	pthread_join(thrower, NULL);
	pthread_join(taker, NULL);
	EXPECT_SOON(counts_of(&ring).quarantined, 0);
	counts = counts_of(&ring);
	printf("# seed %u, buffers of %llu KiB: %lu pages right, %llu quarantines in %llu frames\n",
	       seed, (unsigned long long)buffer_bytes / 1024, pages_checked,
	       (unsigned long long)counts.quarantines, (unsigned long long)counts.frames);
	EXPECT(pages_checked > 100);
	munmap(ring.memory, 16 * buffer_bytes);
	close(ring.fd);
}

TEST(compounds_are_not_armed_while_they_are_sent)
{
	seed = seed_of_today();
	reset_sim();
	race(64 * KIB);
}

TEST(single_pages_are_not_armed_while_they_are_sent)
{
	seed = seed_of_today();
	reset_sim();
	set_parameter("sluice", "max_order", "0");
	race(32 * KIB);
}
