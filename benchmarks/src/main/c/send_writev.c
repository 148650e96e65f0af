// SPDX-License-Identifier: Apache-2.0
/*
 * The limit of what copies and gathers: writev(2) of as many frames as the pipeline sends
 * together (GATHERED_BYTES of dev.sluice.stream.Outbox, and a quarter of the ring).
 */
#include "sender.h"

#include <sys/uio.h>

enum {
	GATHERED_BYTES = 1 << 20,
	MOST_FRAMES = 256,	/* of 4 KiB, the least there is */
};

/* Writes all of it; the parts are used up. */
static void write_all(const struct sender *sender, struct iovec *parts, int count)
{
	while (count > 0) {
		ssize_t written = writev(sender->socket, parts, count);

		if (written < 0)
			sender_failed("writev");
		for (; count > 0 && (size_t)written >= parts->iov_len; parts++, count--)
			written -= (ssize_t)parts->iov_len;
		if (count > 0) {
			parts->iov_base = (unsigned char *)parts->iov_base + written;
			parts->iov_len -= (size_t)written;
		}
	}
}

static unsigned int frames_together(const struct sender *sender)
{
	size_t frames = (GATHERED_BYTES + sender->frame_bytes - 1) / sender->frame_bytes;
	size_t quarter = sender->buffers / 4;

	return (unsigned int)(frames < quarter ? frames : quarter > 0 ? quarter : 1);
}

int main(int argc, char **argv)
{
	struct iovec parts[MOST_FRAMES];
	struct sender sender;
	unsigned int buffer = 0, together;
	uint64_t sent = 0;

	sender_open(&sender, argc, argv);
	together = frames_together(&sender);
	while (sender_goes_on(&sender, sent)) {
		for (unsigned int i = 0; i < together; i++) {
			parts[i] = (struct iovec){
				.iov_base = sender_buffer(&sender, buffer),
				.iov_len = sender.frame_bytes,
			};
			buffer = (buffer + 1) % sender.buffers;
		}
		write_all(&sender, parts, (int)together);
		sent += together * sender.frame_bytes;
	}
	sender_finish(&sender, sent);
	return 0;
}
