// SPDX-License-Identifier: Apache-2.0
/*
 * io_uring's SEND_ZC from registered buffers, by raw system calls (man 2 io_uring_setup,
 * io_uring_enter, io_uring_register). One send is in flight, so that the stream keeps its
 * order; its buffer is sent again only after its notifications, of which those of the whole
 * ring may be outstanding. Waiting for a result takes what else has come, so a frame mostly
 * costs one system call.
 */
#define _GNU_SOURCE
#include "sender.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	CHARGE_REGISTERED = 16,	/* of a byte to the send buffer, as in dev.sluice.transport.Transports */
	SUBMISSIONS = 8,	/* one is in use at a time */
	COMPLETIONS = 4096,	/* more than two for each part of each buffer of a ring of 64 */
};

struct uring {
	struct sender sender;
	int fd;

	/* Mapped; constant. */
	_Atomic uint32_t *sq_tail;
	uint32_t sq_mask;
	uint32_t *sq_array;
	struct io_uring_sqe *sqes;
	_Atomic uint32_t *cq_head;
	_Atomic uint32_t *cq_tail;
	uint32_t cq_mask;
	struct io_uring_cqe *cqes;

	unsigned int *pending;	/* notifications by buffer that have not come */
	unsigned int outstanding;	/* sum of these */
	uint32_t *notified_bytes;	/* by buffer: sent since it was last free */
	bool answered;	/* the send in flight has its result */
	int32_t result;	/* bytes, or an errno below 0 */
};

static void *at(void *base, uint32_t offset)
{
	return (unsigned char *)base + offset;
}

static void map_rings(struct uring *uring, const struct io_uring_params *params)
{
	size_t sq_bytes = params->sq_off.array + params->sq_entries * sizeof(uint32_t);
	size_t cq_bytes = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);
	size_t bytes = sq_bytes > cq_bytes ? sq_bytes : cq_bytes;
	int protection = PROT_READ | PROT_WRITE;
	int flags = MAP_SHARED | MAP_POPULATE;
	void *rings = mmap(NULL, bytes, protection, flags, uring->fd, IORING_OFF_SQ_RING);

	if (rings == MAP_FAILED)
		sender_failed("mmap of the rings");
	uring->sqes = mmap(NULL, params->sq_entries * sizeof(struct io_uring_sqe), protection, flags,
			   uring->fd, IORING_OFF_SQES);
	if (uring->sqes == MAP_FAILED)
		sender_failed("mmap of the submissions");
	uring->sq_tail = at(rings, params->sq_off.tail);
	uring->sq_mask = *(uint32_t *)at(rings, params->sq_off.ring_mask);
	uring->sq_array = at(rings, params->sq_off.array);
	uring->cq_head = at(rings, params->cq_off.head);
	uring->cq_tail = at(rings, params->cq_off.tail);
	uring->cq_mask = *(uint32_t *)at(rings, params->cq_off.ring_mask);
	uring->cqes = at(rings, params->cq_off.cqes);
}

static void set_up(struct uring *uring)
{
	/* Completions are worked on in io_uring_enter() only: 6.1 or later, and the fastest there is. */
	struct io_uring_params params = {
		.flags = IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		.cq_entries = COMPLETIONS,
	};
	struct iovec ring = {
		.iov_base = uring->sender.ring,
		.iov_len = uring->sender.buffers * uring->sender.frame_bytes,
	};

	uring->fd = (int)syscall(__NR_io_uring_setup, SUBMISSIONS, &params);
	if (uring->fd < 0)
		sender_unavailable("io_uring_setup");
	if (!(params.features & IORING_FEAT_SINGLE_MMAP)) {
		errno = ENOSYS;
		sender_unavailable("io_uring without IORING_FEAT_SINGLE_MMAP");
	}
	map_rings(uring, &params);
	if (syscall(__NR_io_uring_register, uring->fd, IORING_REGISTER_BUFFERS, &ring, 1) < 0)
		sender_unavailable("registering the ring's buffers with io_uring");
}

static void submit(struct uring *uring, unsigned int buffer, size_t offset)
{
	struct sender *sender = &uring->sender;
	uint32_t tail = atomic_load_explicit(uring->sq_tail, memory_order_relaxed);
	uint32_t slot = tail & uring->sq_mask;

	uring->sqes[slot] = (struct io_uring_sqe){
		.opcode = IORING_OP_SEND_ZC,
		.ioprio = IORING_RECVSEND_FIXED_BUF | IORING_SEND_ZC_REPORT_USAGE,
		.fd = sender->socket,
		.addr = (uintptr_t)(sender_buffer(sender, buffer) + offset),
		.len = (uint32_t)(sender->frame_bytes - offset),
		/* The kernel goes on with what did not fit: a result that is short is rare. */
		.msg_flags = MSG_WAITALL,
		.user_data = buffer,
	};
	uring->sq_array[slot] = slot;
	/* Release: the kernel, which acquires the tail, must see the entry. */
	atomic_store_explicit(uring->sq_tail, tail + 1, memory_order_release);
	uring->answered = false;
}

static void complete(struct uring *uring, const struct io_uring_cqe *cqe)
{
	unsigned int buffer = (unsigned int)cqe->user_data;

	if (cqe->flags & IORING_CQE_F_NOTIF) {
		uring->pending[buffer]--;
		uring->outstanding--;
		if ((uint32_t)cqe->res & IORING_NOTIF_USAGE_ZC_COPIED)
			uring->sender.copied += uring->notified_bytes[buffer];
		uring->notified_bytes[buffer] = 0;
		return;
	}
	uring->answered = true;
	uring->result = cqe->res;
	/* An error, too, can have a notification behind it. */
	if (cqe->flags & IORING_CQE_F_MORE) {
		uring->pending[buffer]++;
		uring->outstanding++;
	}
	if (cqe->res > 0)
		uring->notified_bytes[buffer] += (uint32_t)cqe->res;
}

/* Hands over what was submitted, waits for a completion, and takes all there are. */
static void enter(struct uring *uring, unsigned int submitted)
{
	uint32_t head = atomic_load_explicit(uring->cq_head, memory_order_relaxed);

	while (syscall(__NR_io_uring_enter, uring->fd, submitted, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		if (errno != EINTR)
			sender_failed("io_uring_enter");
	/* Acquire: pairs with the kernel's release of the tail, behind the entries. */
	while (head != atomic_load_explicit(uring->cq_tail, memory_order_acquire))
		complete(uring, &uring->cqes[head++ & uring->cq_mask]);
	/* Release: the kernel may write to these entries again when it sees the head. */
	atomic_store_explicit(uring->cq_head, head, memory_order_release);
}

static void send_frame(struct uring *uring, unsigned int buffer)
{
	for (size_t offset = 0; offset < uring->sender.frame_bytes; offset += (size_t)uring->result) {
		submit(uring, buffer, offset);
		enter(uring, 1);
		while (!uring->answered)
			enter(uring, 0);
		if (uring->result <= 0) {
			errno = -uring->result;
			if (errno == EINVAL || errno == EOPNOTSUPP)
				sender_unavailable("SEND_ZC from registered buffers");
			sender_failed("SEND_ZC");
		}
	}
}

int main(int argc, char **argv)
{
	static struct uring uring;
	struct sender *sender = &uring.sender;
	unsigned int buffer = 0;
	uint64_t sent = 0;

	sender_open(sender, argc, argv);
	sender_make_room(sender, CHARGE_REGISTERED);
	uring.pending = calloc(sender->buffers, sizeof(*uring.pending));
	uring.notified_bytes = calloc(sender->buffers, sizeof(*uring.notified_bytes));
	if (!uring.pending || !uring.notified_bytes)
		sender_failed("calloc");
	set_up(&uring);
	while (sender_goes_on(sender, sent)) {
		while (uring.pending[buffer])
			enter(&uring, 0);
		send_frame(&uring, buffer);
		sent += sender->frame_bytes;
		buffer = (buffer + 1) % sender->buffers;
	}
	while (uring.outstanding)
		enter(&uring, 0);
	sender_finish(sender, sent);
	return 0;
}
