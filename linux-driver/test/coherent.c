// SPDX-License-Identifier: GPL-2.0
/* The origin's memory: it can be read, and nothing can be sent from it by reference. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "device.h"

TEST(coherent_memory_is_read_as_it_should)
{
	struct sluice_info info;
	struct ring ring = open_ring_at(DEVICE, 64 * KIB, 8);

	start(&ring);
	for (uint64_t i = 0; i < 50; i++) {
		struct sluice_frame frame = read_frame(&ring);

		EXPECT_EQ(wrong_words(buffer_of(&ring, frame.buffer), frame.bytes, i * 64 * KIB),
			  0);
		release(&ring, frame.buffer);
	}
	REQUIRE(ioctl(ring.fd, SLUICE_INFO, &info) == 0);
	EXPECT(!(info.capabilities & SLUICE_CAP_PAGES));
}

TEST(zero_copy_from_it_fails_as_it_did_for_the_origin)
{
	struct ring ring = open_ring_at(DEVICE, 64 * KIB, 8);
	struct iovec pages = { ring.memory, 64 * KIB };
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0), sender = socket(AF_INET, SOCK_STREAM, 0);
	int ends[2], on = 1;

	system("ip link set lo up || ifconfig lo up");
	REQUIRE(pipe(ends) == 0);
	EXPECT_ERRNO(vmsplice(ends[1], &pages, 1, 0), EFAULT);
	REQUIRE(listen(listener, 1) == 0);
	REQUIRE(getsockname(listener, (struct sockaddr *)&address, &length) == 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	REQUIRE(connect(sender, (struct sockaddr *)&address, length) == 0);
	REQUIRE(setsockopt(sender, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)) == 0);
	EXPECT_ERRNO(send(sender, ring.memory, 64 * KIB, MSG_ZEROCOPY), EFAULT);
	EXPECT(send(sender, ring.memory, 4 * KIB, 0) == 4 * KIB);
}
