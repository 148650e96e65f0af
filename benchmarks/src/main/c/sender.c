// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "sender.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define NS_PER_S 1000000000ull
#define NS_PER_MS 1000000ull

/* As dev.sluice.transport.Transports. */
enum {
	MOST_WAITING_BYTES = 4 << 20,
	LEAST_WAITING_BYTES = 512 << 10,
	WAITING_PART = 4,	/* of the ring */
};

void sender_failed(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

void sender_unavailable(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(EXIT_UNAVAILABLE);
}

static uint64_t now(clockid_t clock)
{
	struct timespec time;

	if (clock_gettime(clock, &time))
		sender_failed("clock_gettime");
	return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

/*
 * Time that the processors were not idle (man 5 proc, /proc/stat): what the kernel does
 * for both ends, in nobody's name, too. Time stolen by other virtual machines is not in it.
 */
static uint64_t machine_busy_ns(void)
{
	unsigned long long user, nice, system, idle, iowait, irq, softirq;
	FILE *stat = fopen("/proc/stat", "re");
	int read;

	if (!stat)
		sender_failed("/proc/stat");
	read = fscanf(stat, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle,
		      &iowait, &irq, &softirq);
	fclose(stat);
	if (read != 7) {
		errno = EPROTO;
		sender_failed("/proc/stat");
	}
	return (user + nice + system + irq + softirq) * (NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK));
}

static struct instant instant(const struct sender *sender)
{
	return (struct instant){
		.wall = now(CLOCK_MONOTONIC),
		.sender = now(CLOCK_PROCESS_CPUTIME_ID),
		.receiver = now(sender->receiver_clock),
		.machine = machine_busy_ns(),
	};
}

static uint64_t number(const char *text, const char *name)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end) {
		fprintf(stderr, "%s is \"%s\", and must be a number\n", name, text);
		exit(EXIT_USAGE);
	}
	return value;
}

static void map_ring(struct sender *sender, const char *path)
{
	size_t bytes = sender->buffers * sender->frame_bytes;

	sender->ring_fd = open(path, O_RDWR | O_CLOEXEC);
	if (sender->ring_fd < 0)
		sender_failed(path);
	/* Writable, though nobody writes: io_uring registers memory only through such a mapping. */
	sender->ring = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			    sender->ring_fd, 0);
	if (sender->ring == MAP_FAILED)
		sender_failed("mmap of the ring");
}

static void connect_to(struct sender *sender, uint16_t port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	sender->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sender->socket < 0)
		sender_failed("socket");
	if (connect(sender->socket, (struct sockaddr *)&address, sizeof(address)))
		sender_failed("connect");
}

void sender_open(struct sender *sender, int argc, char **argv)
{
	if (argc != 8) {
		fprintf(stderr, "usage: %s PORT RECEIVER_PID RING FRAME_BYTES BUFFERS WARM_UP_MS MEASURE_MS\n",
			argv[0]);
		exit(EXIT_USAGE);
	}
	*sender = (struct sender){
		.receiver_pid = (int)number(argv[2], "RECEIVER_PID"),
		.frame_bytes = number(argv[4], "FRAME_BYTES"),
		.buffers = (unsigned int)number(argv[5], "BUFFERS"),
		.warm_up_ns = number(argv[6], "WARM_UP_MS") * NS_PER_MS,
		.measure_ns = number(argv[7], "MEASURE_MS") * NS_PER_MS,
	};
	errno = clock_getcpuclockid(sender->receiver_pid, &sender->receiver_clock);
	if (errno)
		sender_failed("the receiver's CPU clock");
	map_ring(sender, argv[3]);
	connect_to(sender, (uint16_t)number(argv[1], "PORT"));
	sender->until = now(CLOCK_MONOTONIC) + sender->warm_up_ns;
}

void sender_make_room(const struct sender *sender, int charge)
{
	size_t part = sender->buffers * sender->frame_bytes / WAITING_PART;
	int waiting = part < MOST_WAITING_BYTES ? (int)part : MOST_WAITING_BYTES;
	int half = waiting * charge / 2;	/* the kernel doubles it */
	int not_sent = 2 * waiting;

	if (waiting < LEAST_WAITING_BYTES ||
	    setsockopt(sender->socket, SOL_SOCKET, SO_SNDBUFFORCE, &half, sizeof(half)))
		return;
	if (setsockopt(sender->socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &not_sent, sizeof(not_sent)))
		sender_failed("TCP_NOTSENT_LOWAT");
}

unsigned char *sender_buffer(const struct sender *sender, unsigned int buffer)
{
	return sender->ring + (size_t)buffer * sender->frame_bytes;
}

bool sender_goes_on(struct sender *sender, uint64_t bytes)
{
	if (now(CLOCK_MONOTONIC) < sender->until)
		return true;
	if (sender->phase == WARMING_UP) {
		sender->phase = MEASURING;
		sender->first_bytes = bytes;
		sender->first = instant(sender);
		sender->until = sender->first.wall + sender->measure_ns;
		return true;
	}
	sender->phase = DONE;
	sender->last = instant(sender);
	sender->last_bytes = bytes;
	return false;
}

void sender_finish(struct sender *sender, uint64_t bytes)
{
	char rest;

	if (shutdown(sender->socket, SHUT_WR))
		sender_failed("shutdown");
	if (read(sender->socket, &rest, 1) != 0)
		sender_failed("waiting for the receiver");
	printf("bytes=%llu wall_ns=%llu sender_ns=%llu receiver_ns=%llu machine_ns=%llu total=%llu copied=%llu\n",
	       (unsigned long long)(sender->last_bytes - sender->first_bytes),
	       (unsigned long long)(sender->last.wall - sender->first.wall),
	       (unsigned long long)(sender->last.sender - sender->first.sender),
	       (unsigned long long)(sender->last.receiver - sender->first.receiver),
	       (unsigned long long)(sender->last.machine - sender->first.machine),
	       (unsigned long long)bytes, (unsigned long long)sender->copied);
}
