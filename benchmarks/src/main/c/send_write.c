// SPDX-License-Identifier: Apache-2.0
/* The limit of what copies: write(2). */
#include "sender.h"

#include <unistd.h>

int main(int argc, char **argv)
{
	struct sender sender;
	unsigned int buffer = 0;
	uint64_t sent = 0;

	sender_open(&sender, argc, argv);
	while (sender_goes_on(&sender, sent)) {
		const unsigned char *frame = sender_buffer(&sender, buffer);

		for (size_t at = 0; at < sender.frame_bytes;) {
			ssize_t written = write(sender.socket, frame + at, sender.frame_bytes - at);

			if (written < 0)
				sender_failed("write");
			at += (size_t)written;
		}
		sent += sender.frame_bytes;
		buffer = (buffer + 1) % sender.buffers;
	}
	sender_finish(&sender, sent);
	return 0;
}
