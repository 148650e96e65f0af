// SPDX-License-Identifier: GPL-2.0
/*
 * What else can refer to a buffer's pages than a queue that sends them: pins, the
 * page table of whoever received them, more references than one would think. A
 * buffer is armed when the last of them is gone, and no later.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <linux/tcp.h>

#include "device.h"

static void connect_pair(int *sender, int *receiver)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	*sender = socket(AF_INET, SOCK_STREAM, 0);
	MUST(bind(listener, (void *)&address, length) == 0 && listen(listener, 1) == 0);
	MUST(getsockname(listener, (void *)&address, &length) == 0);
	MUST(connect(*sender, (void *)&address, length) == 0);
	*receiver = accept(listener, NULL, NULL);
	MUST(*receiver >= 0);
	close(listener);
}

static void splice_to(int sender, uint8_t *memory, size_t bytes)
{
	struct iovec pages = { memory, bytes };
	int ends[2];

	MUST(pipe(ends) == 0);
	MUST(vmsplice(ends[1], &pages, 1, 0) == (ssize_t)bytes);
	MUST(splice(ends[0], NULL, sender, NULL, bytes, 0) == (ssize_t)bytes);
	close(ends[0]);
	close(ends[1]);
}

/* Maps what came, without a copy, at least the first page; and nothing else keeps it. */
static volatile uint64_t *receive_mapped(int receiver, size_t bytes)
{
	struct tcp_zerocopy_receive zc = { 0 };
	socklen_t length = sizeof(zc);
	static uint8_t rest[8 * PAGE];
	struct pollfd readable = { .fd = receiver, .events = POLLIN };
	void *at = mmap(NULL, bytes, PROT_READ, MAP_SHARED, receiver, 0);
	int ends[2];
	size_t left;

	MUST(at != MAP_FAILED);
	MUST(setsockopt(receiver, SOL_SOCKET, SO_RCVLOWAT, &(int){ bytes }, sizeof(int)) == 0);
	MUST(poll(&readable, 1, 10000) == 1);
	zc.address = (uintptr_t)at;
	zc.length = bytes;
	MUST(getsockopt(receiver, IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, &zc, &length) == 0);
	MUST(zc.length >= PAGE);
	MUST(setsockopt(receiver, SOL_SOCKET, SO_RCVLOWAT, &(int){ 1 }, sizeof(int)) == 0);
	for (left = bytes - zc.length; left; ) {
		ssize_t got = recv(receiver, rest, left, 0);

		MUST(got > 0);
		left -= got;
	}
	/* A packet that was mapped whole stays queued until something reads behind it. */
	MUST(fcntl(receiver, F_SETFL, O_NONBLOCK) == 0);
	MUST(pipe(ends) == 0);
	MUST(splice(receiver, NULL, ends[1], NULL, PAGE, SPLICE_F_NONBLOCK) < 0 && errno == EAGAIN);
	close(ends[0]);
	close(ends[1]);
	return at;
}

/*
 * A packet that was read on another processor than it came in on is freed by the
 * latter when that next receives (skb_attempt_defer_free()): let each receive.
 */
static void free_deferred_packets(void)
{
	for (int cpu = 0; cpu < sysconf(_SC_NPROCESSORS_ONLN); cpu++) {
		int sender, receiver;
		char byte = 0;
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		MUST(sched_setaffinity(0, sizeof(set), &set) == 0);
		connect_pair(&sender, &receiver);
		MUST(write(sender, &byte, 1) == 1 && read(receiver, &byte, 1) == 1);
		close(sender);
		close(receiver);
	}
}

/* Only single pages can be mapped so. */
static struct ring open_single_pages(void)
{
	reset_sim();
	set_parameter("sluice", "max_order", "0");
	return open_ring_at(DEVICE, 8 * PAGE, 4);
}

TEST(what_the_receiver_maps_is_not_written_to)
{
	struct ring ring = open_single_pages();
	volatile uint64_t *mapped;
	struct sluice_frame frame;
	int sender, receiver;

	connect_pair(&sender, &receiver);
	start(&ring);
	frame = read_frame(&ring);
	splice_to(sender, buffer_of(&ring, frame.buffer), 8 * PAGE);
	mapped = receive_mapped(receiver, 8 * PAGE);
	EXPECT_EQ(mapped[1], 1);
	release(&ring, frame.buffer);
	EXPECT_EQ(counts_of(&ring).quarantined, 1);
	go_round(&ring, 50);
	EXPECT_EQ(mapped[1], 1);
	munmap((void *)mapped, 8 * PAGE);
	free_deferred_packets();
	EXPECT_SOON(counts_of(&ring).quarantined, 0);
}

TEST(what_the_receiver_maps_is_not_the_next_openers)
{
	volatile uint64_t *mapped;
	int sender, receiver, status;
	struct ring ring;
	pid_t pid;

	connect_pair(&sender, &receiver);
	pid = fork();
	if (!pid) {
		ring = open_single_pages();
		start(&ring);
		splice_to(sender, buffer_of(&ring, read_frame(&ring).buffer), 8 * PAGE);
		for (;;)
			pause();
	}
	mapped = receive_mapped(receiver, 8 * PAGE);
	kill(pid, SIGKILL);
	MUST(waitpid(pid, &status, 0) == pid);
	EXPECT_SOON(sysfs_count("quarantined"), 1);
	ring.fd = open_device(DEVICE, O_RDWR);
	ring = map_ring(ring.fd);
	start(&ring);
	go_round(&ring, 50);
	EXPECT_EQ(mapped[1], 1);
	munmap((void *)mapped, 8 * PAGE);
	free_deferred_packets();
	EXPECT_SOON(counts_of(&ring).quarantined, 0);
	/* Not its doing. */
	EXPECT_EQ(counts_of(&ring).quarantines, 0);
}

TEST(a_thousand_references_are_not_taken_for_a_pin)
{
	struct ring ring = open_ring(PAGE, 4);
	struct sluice_frame frame;
	uint64_t data[PAGE / 8];
	int ends[8][2];

	start(&ring);
	frame = read_frame(&ring);
	for (unsigned int i = 0; i < 1024; i++) {
		struct iovec page = { buffer_of(&ring, frame.buffer), PAGE };

		if (i % 128 == 0)
			MUST(pipe(ends[i / 128]) == 0 &&
			     fcntl(ends[i / 128][1], F_SETPIPE_SZ, 128 * PAGE) > 0);
		MUST(vmsplice(ends[i / 128][1], &page, 1, SPLICE_F_NONBLOCK) == PAGE);
	}
	release(&ring, frame.buffer);
	EXPECT_EQ(counts_of(&ring).quarantined, 1);
	go_round(&ring, 50);
	MUST(read(ends[0][0], data, PAGE) == PAGE);
	EXPECT_EQ(data[1], 1);
}

static int pin(uint8_t *memory, uint64_t pages)
{
	uint64_t what[2] = { (uintptr_t)memory, pages };
	int fd = open("/dev/sluice_pin", O_WRONLY);

	MUST(fd >= 0);
	MUST(write(fd, what, sizeof(what)) == sizeof(what));
	return fd;
}

TEST(a_living_processes_pins_do_not_hold_its_buffers)
{
	struct ring ring = open_ring(64 * KIB, 4);
	uint8_t data[PAGE];
	struct sluice_frame frame;
	struct iovec page;
	int ends[2], pins;

	pins = pin(ring.memory, 4 * 16);
	start(&ring);
	go_round(&ring, 50);
	EXPECT_EQ(counts_of(&ring).quarantined, 0);
	EXPECT_EQ(counts_of(&ring).quarantines, 0);
	/* And do not hide what does. */
	frame = read_frame(&ring);
	MUST(pipe(ends) == 0);
	page = (struct iovec){ buffer_of(&ring, frame.buffer), PAGE };
	MUST(vmsplice(ends[1], &page, 1, 0) == PAGE);
	release(&ring, frame.buffer);
	EXPECT_EQ(counts_of(&ring).quarantined, 1);
	go_round(&ring, 50);
	MUST(read(ends[0], data, PAGE) == PAGE);
	EXPECT_EQ(wrong_words(data, PAGE, frame.sequence * 64 * KIB), 0);
	EXPECT_SOON(counts_of(&ring).quarantined, 0);
	close(pins);
}

/* A process that pins its first frame's buffer and dies; who holds pins keeps them. */
static void die_with_pins(int pins, uint32_t flags)
{
	int status;
	pid_t pid;

	reset_sim();
	pid = fork();
	if (!pid) {
		struct sluice_config config = configuration(64 * KIB, 4);
		struct ring ring = { .fd = open_device(DEVICE, O_RDWR) };
		uint64_t what[2] = { 0, 16 };

		config.flags = flags;
		MUST(ioctl(ring.fd, SLUICE_CONFIGURE, &config) == 0);
		ring = map_ring(ring.fd);
		start(&ring);
		what[0] = (uintptr_t)buffer_of(&ring, read_frame(&ring).buffer);
		MUST(write(pins, what, sizeof(what)) == sizeof(what));
		kill(getpid(), SIGKILL);
	}
	MUST(waitpid(pid, &status, 0) == pid);
	MUST(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

TEST(a_dead_processes_pins_hold_its_buffers)
{
	int pins = open("/dev/sluice_pin", O_WRONLY);

	die_with_pins(pins, 0);
	EXPECT_SOON(sysfs_count("quarantined"), 1);
	usleep(100000);
	EXPECT_EQ(sysfs_count("quarantined"), 1);
	EXPECT_EQ(sysfs_count("free"), 3);
	close(pins);
	EXPECT_SOON(sysfs_count("free"), 4);
}

TEST(a_dead_processes_pins_hold_what_is_kept_once_it_is_released)
{
	int pins = open("/dev/sluice_pin", O_WRONLY);
	struct ring ring;
	struct sluice_frame frame;

	die_with_pins(pins, SLUICE_KEEP);
	ring.fd = open_device(DEVICE, O_RDWR);
	ring = map_ring(ring.fd);
	frame = read_frame(&ring);
	EXPECT_EQ(frame.sequence, 0);
	EXPECT_EQ(wrong_words(buffer_of(&ring, frame.buffer), frame.bytes, 0), 0);
	release(&ring, frame.buffer);
	EXPECT_EQ(counts_of(&ring).quarantined, 1);
	go_round(&ring, 20);
	EXPECT_EQ(counts_of(&ring).quarantined, 1);
	close(pins);
	EXPECT_SOON(counts_of(&ring).quarantined, 0);
	stop(&ring);
	munmap(ring.memory, 4 * 64 * KIB);
	MUST(ioctl(ring.fd, SLUICE_CONFIGURE, &(struct sluice_config){
		.buffer_bytes = PAGE, .buffer_count = 2 }) == 0);
}

/* A compound that a page table can map at once would have 512 mappings of one reference. */
TEST(no_compound_is_mapped_at_once)
{
	static uint8_t data[PAGE];
	struct iovec page;
	struct ring ring;
	uint8_t *place;
	int ends[2], status;
	pid_t pid;

	MUST(pipe(ends) == 0);
	pid = fork();
	if (!pid) {
		reset_sim();
		set_parameter("sluice", "max_order", "10");
		ring = open_ring_at(DEVICE, 2 * MIB, 4);
		start(&ring);
		page = (struct iovec){ buffer_of(&ring, read_frame(&ring).buffer), PAGE };
		MUST(vmsplice(ends[1], &page, 1, 0) == PAGE);
		kill(getpid(), SIGKILL);
	}
	MUST(waitpid(pid, &status, 0) == pid);
	MUST(WIFSIGNALED(status));
	EXPECT_SOON(sysfs_count("quarantined"), 1);
	/* The quarantined buffer is mapped by a fault, once it is free, where that would be possible. */
	ring = (struct ring){ open_device(DEVICE, O_RDWR), NULL, 2 * MIB, 4 };
	place = mmap(NULL, 16 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	place = (void *)(((uintptr_t)place + 2 * MIB - 1) & ~(2 * MIB - 1));
	ring.memory = mmap(place, 8 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, ring.fd, 0);
	MUST(ring.memory == place);
	MUST(read(ends[0], data, PAGE) == PAGE);
	EXPECT_SOON(counts_of(&ring).quarantined, 0);
	start(&ring);
	for (uint64_t i = 0; i < 20; i++) {
		struct sluice_frame frame = read_frame(&ring);

		EXPECT_EQ(wrong_words(buffer_of(&ring, frame.buffer), frame.bytes, i * 2 * MIB), 0);
		release(&ring, frame.buffer);
	}
	EXPECT_EQ(counts_of(&ring).quarantined, 0);
}
