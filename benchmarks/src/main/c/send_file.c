// SPDX-License-Identifier: Apache-2.0
/*
 * sendfile(2) from the ring's file. Its pages travel by reference on loopback, too, and no
 * completion ever comes: buffers are sent again because nobody writes to them. A DMA engine
 * would have to be kept from them until the receiver has read.
 */
#include "sender.h"

#include <sys/sendfile.h>

int main(int argc, char **argv)
{
	struct sender sender;
	unsigned int buffer = 0;
	uint64_t sent = 0;

	sender_open(&sender, argc, argv);
	while (sender_goes_on(&sender, sent)) {
		off_t at = (off_t)((size_t)buffer * sender.frame_bytes);
		off_t end = at + (off_t)sender.frame_bytes;

		while (at < end)
			if (sendfile(sender.socket, sender.ring_fd, &at, (size_t)(end - at)) <= 0)
				sender_failed("sendfile");
		sent += sender.frame_bytes;
		buffer = (buffer + 1) % sender.buffers;
	}
	sender_finish(&sender, sent);
	return 0;
}
