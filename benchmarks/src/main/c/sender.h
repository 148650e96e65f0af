/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the rivals in C have in common: the command line, a ring of page-backed buffers,
 * the connection, and the marks between which time and CPU are taken.
 */
#ifndef SENDER_H
#define SENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum {
	EXIT_USAGE = 64,	/* sysexits.h: the command line is wrong */
	EXIT_UNAVAILABLE = 69,	/* sysexits.h: this machine cannot do it; standard error says why */
};

enum phase { WARMING_UP, MEASURING, DONE };

/* Times in ns since some start, each of its own clock. */
struct instant {
	uint64_t wall;
	uint64_t sender;
	uint64_t receiver;
	uint64_t machine;
};

struct sender {
	/* Constant after sender_open(). */
	int socket;
	int ring_fd;
	unsigned char *ring;	/* the buffers back to back; nobody writes to them */
	size_t frame_bytes;
	unsigned int buffers;

	/* Written by the sender where its transport can tell: bytes that the kernel copied after all. */
	uint64_t copied;

	/* Private to sender.c. */
	int receiver_pid;
	clockid_t receiver_clock;
	uint64_t warm_up_ns;
	uint64_t measure_ns;
	uint64_t until;
	enum phase phase;
	uint64_t first_bytes;
	uint64_t last_bytes;
	struct instant first;
	struct instant last;
};

/* Connects to the receiver on 127.0.0.1 and maps the ring. Ends the process if it cannot. */
void sender_open(struct sender *sender, int argc, char **argv);

/*
 * Makes the room in the send buffer that Sluice makes for what goes by reference: as many
 * bytes as may wait, each charged to it so many times at most. Where that is not allowed,
 * the kernel tunes it, as it does for Sluice.
 */
void sender_make_room(const struct sender *sender, int charge);

/* The buffer of this number. */
unsigned char *sender_buffer(const struct sender *sender, unsigned int buffer);

/* Asked before each frame, with all bytes handed to the kernel so far: whether there is to be another. */
bool sender_goes_on(struct sender *sender, uint64_t bytes);

/*
 * Ends the stream, waits until the receiver has read it, and prints the figures as one
 * line. All that is outstanding must have been reaped.
 */
void sender_finish(struct sender *sender, uint64_t bytes);

/* Ends the process with a message, with errno in it. */
__attribute__((noreturn)) void sender_failed(const char *what);

/* The same, but the machine lacks it, and it is no defect. */
__attribute__((noreturn)) void sender_unavailable(const char *what);

#endif
