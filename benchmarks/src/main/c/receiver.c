// SPDX-License-Identifier: Apache-2.0
/*
 * The other end of every rival: reads with a buffer of 1 MiB and throws away what comes, and
 * prints a line for each connection, one after the other, with what came and what it cost.
 * Two ports: on one all bytes are payload, on the other the sender speaks framing = sluice and
 * is answered (layout and types: dev.sluice.wire.Header). It ends when standard input does.
 *
 *	receiver [PORT]
 *
 * With a port it connects there instead, once somebody listens, for a stream of payload alone.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	READ_BYTES = 1 << 20,
	ACKNOWLEDGE_BYTES = 1 << 20,	/* as dev.sluice.receive.Receiver does */
	HEADER_BYTES = 64,
	MOST_TRIES = 3000,	/* to connect, 10 ms apart */
	MAGIC = 0x45434c53,
	FRAME = 1,
	END = 2,
	HELLO = 3,
	WELCOME = 4,
	ACK = 5,
	FLAG_NEW = 1,
	FLAG_FINISHED = 2,
};

/* 64 bytes on the wire, little endian, without padding. */
struct header {
	uint32_t magic;
	uint8_t version;
	uint8_t type;
	uint16_t flags;
	uint32_t stream;
	uint32_t payload_bytes;
	uint64_t sequence;
	uint64_t time;
	uint64_t source_offset;
	uint64_t lost_bytes;
	uint64_t received_bytes;
	uint32_t streams;
	uint32_t crc;
};
_Static_assert(sizeof(struct header) == HEADER_BYTES, "a header has 64 bytes");

struct stream {
	int fd;
	bool framed;
	uint64_t bytes;
	uint64_t payload;

	/* Framed only. */
	struct header header;	/* the last whole one, or what has come of the next */
	size_t header_filled;
	uint32_t payload_left;	/* of the frame */
	uint64_t unacknowledged;
	struct header place;	/* of the next ACK */
};

static unsigned char data[READ_BYTES];
static uint32_t crc_table[256];

static void die(const char *what)
{
	fprintf(stderr, "receiver: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static void nonsense(const char *what)
{
	errno = EPROTO;
	die(what);
}

/* CRC-32C, reflected (RFC 3720, appendix B.4). */
static void make_crc_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
		crc_table[i] = crc;
	}
}

static uint32_t crc32c(const void *bytes, size_t count)
{
	const unsigned char *byte = bytes;
	uint32_t crc = ~0u;

	while (count--)
		crc = crc >> 8 ^ crc_table[(crc ^ *byte++) & 0xff];
	return ~crc;
}

static void say(struct stream *stream, uint8_t type)
{
	struct header *answer = &stream->place;

	answer->type = type;
	answer->received_bytes = htole64(stream->payload);
	answer->crc = htole32(crc32c(answer, offsetof(struct header, crc)));
	if (write(stream->fd, answer, sizeof(*answer)) != sizeof(*answer))
		die("write");
	stream->unacknowledged = 0;
}

/* A header has come whole. */
static void take_header(struct stream *stream)
{
	const struct header *header = &stream->header;
	uint32_t payload = le32toh(header->payload_bytes);

	if (le32toh(header->magic) != MAGIC)
		nonsense("a header");
	stream->place.version = header->version;
	stream->place.magic = header->magic;
	switch (header->type) {
	case HELLO:
		if (le32toh(header->streams) != 1)
			nonsense("a HELLO of several streams");
		stream->place.stream = header->stream;
		stream->place.flags = htole16(FLAG_NEW);
		say(stream, WELCOME);
		break;
	case FRAME:
		stream->payload_left = payload;
		stream->unacknowledged += HEADER_BYTES + payload;
		stream->place.flags = 0;
		stream->place.sequence = htole64(le64toh(header->sequence) + 1);
		stream->place.source_offset = htole64(le64toh(header->source_offset) + payload);
		break;
	case END:
		stream->place.flags = htole16(FLAG_FINISHED);
		stream->place.sequence = header->sequence;
		stream->place.source_offset = header->source_offset;
		say(stream, ACK);
		break;
	default:	/* KEEP_ALIVE: it only says that somebody is there */
		break;
	}
}

/* Walks over what was read, from header to header. */
static void take(struct stream *stream, size_t count)
{
	const unsigned char *at = data;

	while (count) {
		size_t part;

		if (stream->payload_left) {
			part = count < stream->payload_left ? count : stream->payload_left;
			stream->payload_left -= (uint32_t)part;
			stream->payload += part;
		} else {
			part = HEADER_BYTES - stream->header_filled;
			part = count < part ? count : part;
			memcpy((unsigned char *)&stream->header + stream->header_filled, at, part);
			stream->header_filled += part;
		}
		at += part;
		count -= part;
		if (!stream->payload_left && stream->unacknowledged >= ACKNOWLEDGE_BYTES)
			say(stream, ACK);
		if (stream->header_filled == HEADER_BYTES) {
			stream->header_filled = 0;
			take_header(stream);
		}
	}
}

/* What was not acknowledged is before it waits: a sender may hold its buffers until then. */
static ssize_t read_framed(struct stream *stream)
{
	ssize_t got = recv(stream->fd, data, sizeof(data), MSG_DONTWAIT);

	if (got >= 0 || errno != EAGAIN)
		return got;
	if (stream->unacknowledged && !stream->payload_left)
		say(stream, ACK);
	return read(stream->fd, data, sizeof(data));
}

static void receive(struct stream *stream)
{
	ssize_t got;

	while ((got = stream->framed ? read_framed(stream) : read(stream->fd, data, sizeof(data))) > 0) {
		stream->bytes += (uint64_t)got;
		if (stream->framed)
			take(stream, (size_t)got);
		else
			stream->payload += (uint64_t)got;
	}
	if (got < 0)
		die("read");
	if (stream->payload_left || stream->header_filled)
		nonsense("the stream ends inside a frame");
}

static uint64_t cpu_ns(void)
{
	struct rusage used;

	if (getrusage(RUSAGE_SELF, &used))
		die("getrusage");
	return ((uint64_t)used.ru_utime.tv_sec + (uint64_t)used.ru_stime.tv_sec) * 1000000000 +
	       ((uint64_t)used.ru_utime.tv_usec + (uint64_t)used.ru_stime.tv_usec) * 1000;
}

static uint64_t wall_ns(void)
{
	struct timespec time;

	if (clock_gettime(CLOCK_MONOTONIC, &time))
		die("clock_gettime");
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void serve(int fd, bool framed)
{
	struct stream stream = { .fd = fd, .framed = framed };
	uint64_t cpu = cpu_ns(), wall = wall_ns();

	receive(&stream);
	/* Before the connection is closed, which tells the sender that all has come. */
	printf("bytes=%llu payload=%llu cpu_ns=%llu wall_ns=%llu\n", (unsigned long long)stream.bytes,
	       (unsigned long long)stream.payload, (unsigned long long)(cpu_ns() - cpu),
	       (unsigned long long)(wall_ns() - wall));
	close(stream.fd);
}

static int accepted(int listener)
{
	int fd = accept(listener, NULL, NULL);

	if (fd < 0)
		die("accept");
	return fd;
}

static int connected(const char *port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) },
		.sin_port = htons((uint16_t)atoi(port)),
	};
	struct timespec moment = { .tv_nsec = 10000000 };

	for (int tries = 0; tries < MOST_TRIES; tries++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0)
			die("socket");
		if (!connect(fd, (struct sockaddr *)&address, sizeof(address)))
			return fd;
		if (errno != ECONNREFUSED)
			die("connect");
		close(fd);
		nanosleep(&moment, NULL);
	}
	die("nobody listens");
	return -1;
}

static int listener(unsigned int *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) || listen(fd, 1) ||
	    getsockname(fd, (struct sockaddr *)&address, &length))
		die("listen");
	*port = ntohs(address.sin_port);
	return fd;
}

int main(int argc, char **argv)
{
	unsigned int raw_port, framed_port;
	struct pollfd ready[3] = { { .events = POLLIN }, { .events = POLLIN }, { .fd = STDIN_FILENO, .events = POLLIN } };

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1) {
		serve(connected(argv[1]), false);
		return 0;
	}
	make_crc_table();
	ready[0].fd = listener(&raw_port);
	ready[1].fd = listener(&framed_port);
	printf("raw=%u framed=%u\n", raw_port, framed_port);
	for (;;) {
		if (poll(ready, 3, -1) < 0)
			die("poll");
		if (ready[2].revents)
			return 0;
		if (ready[0].revents)
			serve(accepted(ready[0].fd), false);
		if (ready[1].revents)
			serve(accepted(ready[1].fd), true);
	}
}
