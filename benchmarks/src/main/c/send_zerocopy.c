// SPDX-License-Identifier: Apache-2.0
/*
 * send(2) with MSG_ZEROCOPY (Documentation/networking/msg_zerocopy.rst). A buffer is sent
 * again only when all sends that read from it have been notified. Notifications are reaped
 * as late as possible, since the kernel merges those that wait: one call then takes many.
 */
#define _GNU_SOURCE
#include "sender.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Sends that can be outstanding: a power of two, so that ids may wrap. */
enum { IDS = 1 << 16 };

enum { CHARGE = 2 };	/* of a byte to the send buffer, as in dev.sluice.transport.Transports */

struct zerocopy {
	struct sender sender;
	unsigned int *pending;	/* sends by buffer that were not notified */
	unsigned int outstanding;	/* sum of these */
	uint32_t next_id;	/* of the next successful send, as the kernel counts */
	unsigned int owner[IDS];	/* buffer of an outstanding id */
	uint32_t bytes[IDS];	/* that this send took */
};

static void settle(struct zerocopy *zerocopy, const struct sock_extended_err *error)
{
	uint32_t id = error->ee_info;

	for (;; id++) {	/* ee_info to ee_data, both included; the ids wrap */
		unsigned int slot = id % IDS;

		zerocopy->pending[zerocopy->owner[slot]]--;
		zerocopy->outstanding--;
		if (error->ee_code & SO_EE_CODE_ZEROCOPY_COPIED)
			zerocopy->sender.copied += zerocopy->bytes[slot];
		if (id == error->ee_data)
			return;
	}
}

/* Takes one notification; false if there is none now. */
static bool reap_one(struct zerocopy *zerocopy)
{
	char control[128];
	struct msghdr message = { .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *part;
	struct sock_extended_err error;

	if (recvmsg(zerocopy->sender.socket, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
		if (errno == EAGAIN)
			return false;
		sender_failed("recvmsg from the error queue");
	}
	part = CMSG_FIRSTHDR(&message);
	if (!part || part->cmsg_level != SOL_IP || part->cmsg_type != IP_RECVERR) {
		errno = EPROTO;
		sender_failed("error queue");
	}
	memcpy(&error, CMSG_DATA(part), sizeof(error));
	if (error.ee_origin != SO_EE_ORIGIN_ZEROCOPY) {
		errno = (int)error.ee_errno;
		sender_failed("connection");
	}
	settle(zerocopy, &error);
	return true;
}

/* Waits for a notification, and takes all there are. */
static void reap(struct zerocopy *zerocopy)
{
	struct pollfd ready = { .fd = zerocopy->sender.socket };

	if (poll(&ready, 1, -1) < 0)
		sender_failed("poll");
	while (reap_one(zerocopy))
		;
}

static size_t send_some(struct zerocopy *zerocopy, unsigned int buffer, size_t at)
{
	struct sender *sender = &zerocopy->sender;
	const unsigned char *from = sender_buffer(sender, buffer) + at;
	int flags = MSG_ZEROCOPY;
	ssize_t sent;

	while (zerocopy->outstanding >= IDS)
		reap(zerocopy);
	while ((sent = send(sender->socket, from, sender->frame_bytes - at, flags)) < 0) {
		if (errno != ENOBUFS)
			sender_failed("send");
		/* With nothing outstanding no notification would ever come: this one goes plainly. */
		if (zerocopy->outstanding)
			reap(zerocopy);
		else
			flags = 0;
	}
	if (flags) {
		unsigned int slot = zerocopy->next_id++ % IDS;

		zerocopy->owner[slot] = buffer;
		zerocopy->bytes[slot] = (uint32_t)sent;
		zerocopy->pending[buffer]++;
		zerocopy->outstanding++;
	}
	return (size_t)sent;
}

int main(int argc, char **argv)
{
	static struct zerocopy zerocopy;
	struct sender *sender = &zerocopy.sender;
	unsigned int buffer = 0;
	uint64_t sent = 0;
	int on = 1;

	sender_open(sender, argc, argv);
	sender_make_room(sender, CHARGE);
	zerocopy.pending = calloc(sender->buffers, sizeof(*zerocopy.pending));
	if (!zerocopy.pending)
		sender_failed("calloc");
	/* Without it, the flag would silently be ignored. */
	if (setsockopt(sender->socket, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)))
		sender_unavailable("SO_ZEROCOPY");
	while (sender_goes_on(sender, sent)) {
		while (zerocopy.pending[buffer])
			reap(&zerocopy);
		for (size_t at = 0; at < sender->frame_bytes;)
			at += send_some(&zerocopy, buffer, at);
		sent += sender->frame_bytes;
		buffer = (buffer + 1) % sender->buffers;
	}
	while (zerocopy.outstanding)
		reap(&zerocopy);
	sender_finish(sender, sent);
	return 0;
}
