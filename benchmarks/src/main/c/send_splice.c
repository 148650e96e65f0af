// SPDX-License-Identifier: Apache-2.0
/*
 * vmsplice(2) of the ring's memory into a pipe and splice(2) from there: what sendfile does,
 * for memory that is no file's. Its pages travel by reference everywhere and no completion
 * ever comes, as in send_file.c.
 */
#define _GNU_SOURCE
#include "sender.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PIPE_BYTES = 1 << 20 };	/* the most that a user may ask for (fs.pipe-max-size) */

int main(int argc, char **argv)
{
	struct sender sender;
	unsigned int buffer = 0;
	uint64_t sent = 0;
	int pipes[2];

	sender_open(&sender, argc, argv);
	sender_make_room(&sender, 1);
	if (pipe2(pipes, O_CLOEXEC) || fcntl(pipes[1], F_SETPIPE_SZ, PIPE_BYTES) < 0)
		sender_failed("pipe");
	while (sender_goes_on(&sender, sent)) {
		struct iovec left = {
			.iov_base = sender_buffer(&sender, buffer),
			.iov_len = sender.frame_bytes,
		};

		while (left.iov_len > 0) {
			ssize_t piped = vmsplice(pipes[1], &left, 1, 0);

			if (piped <= 0)
				sender_failed("vmsplice");
			left.iov_base = (unsigned char *)left.iov_base + piped;
			left.iov_len -= (size_t)piped;
			while (piped > 0) {
				ssize_t sent_now = splice(pipes[0], NULL, sender.socket, NULL, (size_t)piped,
							  left.iov_len > 0 ? SPLICE_F_MORE : 0);

				if (sent_now <= 0)
					sender_failed("splice");
				piped -= sent_now;
			}
		}
		sent += sender.frame_bytes;
		buffer = (buffer + 1) % sender.buffers;
	}
	sender_finish(&sender, sent);
	return 0;
}
