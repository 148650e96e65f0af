// SPDX-License-Identifier: GPL-2.0
/*
 * The other end of a measurement: says where it listens, takes one connection, throws
 * away what comes, and says how much that was. Or, as "sink counter" or "sink stamp",
 * checks the words of the simulated FPGA's pattern: all of them, or the first of each page.
 * As "sink deaf" it reads nothing, until there is a file let-go.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAGE		4096

static void die(const char *what)
{
	fprintf(stderr, "sink: %s: %s\n", what, strerror(errno));
	exit(1);
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t length = sizeof(address);
	uint64_t total = 0, wrong = 0, step = 0;
	static uint8_t data[1 << 20];
	size_t have = 0;
	int fd, peer, deaf = argc > 1 && !strcmp(argv[1], "deaf"), least = 1;

	if (argc > 1)
		step = strcmp(argv[1], "stamp") ? 8 : PAGE;
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (deaf)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least));
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) || listen(fd, 1) ||
	    getsockname(fd, (struct sockaddr *)&address, &length))
		die("listen");
	printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
	fflush(stdout);
	peer = accept(fd, NULL, NULL);
	if (peer < 0)
		die("accept");
	while (deaf) {
		if (!access("let-go", F_OK))
			return 0;
		usleep(100000);
	}
	for (;;) {
		ssize_t ret = read(peer, data + have, sizeof(data) - have);
		size_t whole;

		if (ret < 0)
			die("read");
		if (ret == 0)
			break;
		have += ret;
		if (!step) {
			total += have;
			have = 0;
			continue;
		}
		whole = have / PAGE * PAGE;
		for (size_t at = 0; at < whole; at += step) {
			uint64_t word, expected = (total + at) / 8;

			memcpy(&word, data + at, sizeof(word));
			if (word != expected && wrong++ < 10)
				fprintf(stderr, "sink: at byte %" PRIu64 " is %#" PRIx64 ", not %#" PRIx64 "\n",
					total + at, word, expected);
		}
		total += whole;
		have -= whole;
		memmove(data, data + whole, have);
	}
	printf("bytes=%" PRIu64 " wrong=%" PRIu64 "\n", total + have, wrong);
	return wrong != 0;
}
