// SPDX-License-Identifier: GPL-2.0
/* Each call of the device: what it does, and what it says to every bad argument. */
#define _GNU_SOURCE
#include <sys/uio.h>

#include "device.h"

/* Volatile, or the compiler sees that nothing is there. */
static void *volatile bad_address = (void *)8;

TEST(info_describes_the_device)
{
	struct sluice_info info;
	struct ring ring = open_ring(3 * PAGE, 5);

	memset(&info, 0xff, sizeof(info));
	REQUIRE(ioctl(ring.fd, SLUICE_INFO, &info) == 0);
	EXPECT_EQ(info.abi, SLUICE_ABI);
	EXPECT_EQ(info.state, SLUICE_STOPPED);
	EXPECT_EQ(info.capabilities, SLUICE_CAP_PAGES | SLUICE_CAP_LOSS | SLUICE_CAP_RESIDUE);
	EXPECT_EQ(info.buffer_bytes, 3 * PAGE);
	EXPECT_EQ(info.buffer_count, 5);
	EXPECT_EQ(info.clock, CLOCK_REALTIME);
	EXPECT_EQ(info.flags, 0);
	EXPECT(info.ring != 0);
	EXPECT(is_zero((uint8_t *)info.reserved, sizeof(info.reserved)));
	start(&ring);
	REQUIRE(ioctl(ring.fd, SLUICE_INFO, &info) == 0);
	EXPECT_EQ(info.state, SLUICE_RUNNING);
	EXPECT_ERRNO(ioctl(ring.fd, SLUICE_INFO, bad_address), EFAULT);
	EXPECT_ERRNO(ioctl(ring.fd, SLUICE_COUNTS, bad_address), EFAULT);
}

TEST(buffers_of_compounds_alone_can_be_registered)
{
	struct sluice_config config = configuration(252 * 1024, 2);
	struct ring ring = open_ring(MIB, 2);
	int fd = ring.fd;

	EXPECT(info_of(fd).capabilities & SLUICE_CAP_REGISTER);
	munmap(ring.memory, 2 * MIB);
	REQUIRE(ioctl(fd, SLUICE_CONFIGURE, &config) == 0);
	EXPECT(!(info_of(fd).capabilities & SLUICE_CAP_REGISTER));
	ring = map_ring(fd);
	EXPECT(!(info_of(fd).capabilities & SLUICE_CAP_REGISTER)); /* 63 pages: one is single */
}

TEST(second_opener_gets_busy)
{
	struct ring ring = open_ring(MIB, 2);

	EXPECT_ERRNO(open(DEVICE, O_RDWR), EBUSY);
	EXPECT_ERRNO(open(DEVICE, O_RDONLY), EBUSY);
	/* The mapping alone keeps it open, and so does a duplicate. */
	close(ring.fd);
	EXPECT_ERRNO(open(DEVICE, O_RDWR), EBUSY);
	munmap(ring.memory, 2 * MIB);
	ring.fd = open(DEVICE, O_RDWR);
	EXPECT(ring.fd >= 0);
}

TEST(unknown_ioctls_are_refused)
{
	struct ring ring = open_ring(PAGE, 2);
	char argument[256] = { 0 };

	EXPECT_ERRNO(ioctl(ring.fd, _IO(0xDA, 0x05), 0), ENOTTY);
	EXPECT_ERRNO(ioctl(ring.fd, _IOR(0xDA, 0x00, char[64]), argument), ENOTTY);
	EXPECT_ERRNO(ioctl(ring.fd, 0x5401 /* TCGETS */, argument), ENOTTY);
	EXPECT_ERRNO(ioctl(ring.fd, 0, 0), ENOTTY);
}

TEST(bad_configurations_are_refused_and_change_nothing)
{
	struct sluice_config bad[] = {
		configuration(0, 4), configuration(PAGE, 0), configuration(PAGE - 1, 4),
		configuration(PAGE + 8, 4), configuration(1ULL << 63, 2),
		configuration(~0ULL & ~(PAGE - 1), ~0U), configuration(PAGE, 4),
		configuration(PAGE, 4), configuration(PAGE, 4), configuration(PAGE, 4),
		configuration(PAGE, 4), configuration(1ULL << 32, 1),
	};
	int fd = open_device(DEVICE, O_RDWR);
	struct sluice_config good = configuration(2 * PAGE, 7);
	struct sluice_info info;

	bad[6].clock = 2;
	bad[7].clock = ~0U;
	bad[8].flags = 2;
	bad[9].reserved[0] = 1;
	bad[10].reserved[2] = 1;
	REQUIRE(ioctl(fd, SLUICE_CONFIGURE, &good) == 0);
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		EXPECT_ERRNO(ioctl(fd, SLUICE_CONFIGURE, &bad[i]), EINVAL);
		if (errno != EINVAL)
			FAIL("that was number %u", i);
	}
	EXPECT_ERRNO(ioctl(fd, SLUICE_CONFIGURE, bad_address), EFAULT);
	REQUIRE(ioctl(fd, SLUICE_INFO, &info) == 0);
	EXPECT_EQ(info.buffer_bytes, 2 * PAGE);
	EXPECT_EQ(info.buffer_count, 7);
}

TEST(more_memory_than_there_is_is_refused_and_the_device_goes_on)
{
	struct sluice_config huge = configuration(1ULL << 31, 1 << 20);
	struct sluice_config most = configuration(MIB, 1 << 20);
	struct ring ring = { .fd = open_device(DEVICE, O_RDWR) };
	struct sluice_config good = configuration(PAGE, 4);

	REQUIRE(ioctl(ring.fd, SLUICE_CONFIGURE, &good) == 0);
	EXPECT_ERRNO(ioctl(ring.fd, SLUICE_CONFIGURE, &huge), ENOMEM);
	EXPECT_ERRNO(ioctl(ring.fd, SLUICE_CONFIGURE, &most), ENOMEM);
	reset_sim();
	ring = map_ring(ring.fd);
	EXPECT_EQ(ring.buffer_count, 4);
	start(&ring);
	EXPECT_EQ(read_frame(&ring).bytes, PAGE);
}

TEST(configure_is_refused_while_running_or_mapped)
{
	struct ring ring = open_ring(PAGE, 4);
	struct sluice_config config = configuration(PAGE, 8);

	EXPECT_ERRNO(ioctl(ring.fd, SLUICE_CONFIGURE, &config), EBUSY);
	start(&ring);
	EXPECT_ERRNO(ioctl(ring.fd, SLUICE_CONFIGURE, &config), EBUSY);
	munmap(ring.memory, 4 * PAGE);
	EXPECT_ERRNO(ioctl(ring.fd, SLUICE_CONFIGURE, &config), EBUSY);
	stop(&ring);
	EXPECT(ioctl(ring.fd, SLUICE_CONFIGURE, &config) == 0);
}

TEST(start_and_stop_say_when_it_is_so_already)
{
	struct ring ring = open_ring(PAGE, 4);

	EXPECT_ERRNO(ioctl(ring.fd, SLUICE_STOP), EALREADY);
	start(&ring);
	EXPECT_ERRNO(ioctl(ring.fd, SLUICE_START), EALREADY);
	stop(&ring);
	EXPECT_ERRNO(ioctl(ring.fd, SLUICE_STOP), EALREADY);
	start(&ring);
}

TEST(maps_all_buffers_shared_or_nothing)
{
	struct ring ring = open_ring(2 * PAGE, 3);
	uint64_t all = 6 * PAGE;

	munmap(ring.memory, all);
	EXPECT_ERRNO((long)mmap(NULL, all, PROT_READ, MAP_PRIVATE, ring.fd, 0), EINVAL);
	EXPECT_ERRNO((long)mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE, ring.fd, 0),
		     EINVAL);
	EXPECT_ERRNO((long)mmap(NULL, all - PAGE, PROT_READ, MAP_SHARED, ring.fd, 0), EINVAL);
	EXPECT_ERRNO((long)mmap(NULL, all + PAGE, PROT_READ, MAP_SHARED, ring.fd, 0), EINVAL);
	EXPECT_ERRNO((long)mmap(NULL, all - PAGE, PROT_READ, MAP_SHARED, ring.fd, PAGE), EINVAL);
	EXPECT_ERRNO((long)mmap(NULL, all, PROT_READ, MAP_SHARED, ring.fd, PAGE), EINVAL);
	ring.memory = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, 0);
	REQUIRE(ring.memory != MAP_FAILED);
	EXPECT_ERRNO(munmap(ring.memory, PAGE), EINVAL);
	EXPECT_ERRNO(munmap(ring.memory + PAGE, PAGE), EINVAL);
	EXPECT_ERRNO((long)mremap(ring.memory, all, all + PAGE, MREMAP_MAYMOVE), EFAULT);
	EXPECT(munmap(ring.memory, all) == 0);
}

TEST(a_moved_mapping_still_works)
{
	struct ring ring = open_ring(2 * PAGE, 3);
	uint8_t *place = mmap(NULL, 6 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct sluice_frame frame;

	ring.memory = mremap(ring.memory, 6 * PAGE, 6 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place);
	REQUIRE(ring.memory == place);
	start(&ring);
	frame = read_frame(&ring);
	EXPECT_EQ(wrong_words(buffer_of(&ring, frame.buffer), frame.bytes, 0), 0);
	release(&ring, frame.buffer);
	EXPECT_EQ(counts_of(&ring).quarantines, 0);
}

TEST(read_says_what_it_cannot_do)
{
	struct ring ring = open_ring(PAGE, 4);
	struct sluice_frame frames[2];

	EXPECT_ERRNO(read(ring.fd, frames, sizeof(*frames) - 1), EINVAL);
	EXPECT_EQ(read(ring.fd, frames, 0), 0);
	/* Stopped, and nothing there: the end. */
	EXPECT_EQ(read(ring.fd, frames, sizeof(frames)), 0);
	set_sim("rate", 1);
	start(&ring);
	MUST(fcntl(ring.fd, F_SETFL, O_NONBLOCK) == 0);
	EXPECT_ERRNO(read(ring.fd, frames, sizeof(frames)), EAGAIN);
	EXPECT_ERRNO(read(ring.fd, frames, sizeof(*frames) - 1), EINVAL);
	EXPECT_ERRNO(lseek(ring.fd, 0, SEEK_SET), ESPIPE);
}

TEST(read_and_write_can_be_told_not_to_wait)
{
	struct ring ring = open_ring(PAGE, 4);
	struct sluice_frame frame;
	struct iovec to = { &frame, sizeof(frame) };
	struct iovec from = { &frame.buffer, sizeof(frame.buffer) };

	set_sim("rate", 1);
	start(&ring);
	EXPECT_ERRNO(preadv2(ring.fd, &to, 1, -1, RWF_NOWAIT), EAGAIN);
	set_sim("rate", 0);
	frame = read_frame(&ring);
	EXPECT_EQ(pwritev2(ring.fd, &from, 1, -1, RWF_NOWAIT), 4);
}

TEST(a_frame_that_could_not_be_told_of_comes_again)
{
	struct ring ring = open_ring(PAGE, 4);
	uint8_t *edge = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			     -1, 0);
	struct sluice_frame *frames = (struct sluice_frame *)(edge + PAGE) - 1;
	struct sluice_frame frame;

	munmap(edge + PAGE, PAGE);
	start(&ring);
	EXPECT_SOON(counts_of(&ring).filled, 4);
	EXPECT_ERRNO(read(ring.fd, bad_address, 4 * sizeof(frame)), EFAULT);
	EXPECT_EQ(counts_of(&ring).lent, 0);
	/* One fits before the end of the page, the second does not. */
	EXPECT_EQ(read(ring.fd, frames, 4 * sizeof(frame)), sizeof(frame));
	EXPECT_EQ(frames[0].sequence, 0);
	for (unsigned int i = 1; i < 4; i++)
		EXPECT_EQ(read_frame(&ring).sequence, i);
	EXPECT_EQ(counts_of(&ring).lent, 4);
}

TEST(write_refuses_what_the_process_does_not_hold)
{
	struct ring ring = open_ring(PAGE, 4);
	uint32_t none[] = { 0, 1, 2, 3, 4, ~0U }, twice[2], mixed[3];
	struct sluice_frame frame;

	EXPECT_EQ(write(ring.fd, none, 0), 0);
	EXPECT_ERRNO(write(ring.fd, none, 3), EINVAL);
	EXPECT_ERRNO(write(ring.fd, none, 5), EINVAL);
	EXPECT_ERRNO(write(ring.fd, bad_address, 4), EFAULT);
	for (unsigned int i = 0; i < 6; i++)
		EXPECT_ERRNO(write(ring.fd, &none[i], 4), EINVAL);
	start(&ring);
	EXPECT_SOON(counts_of(&ring).filled, 4);
	/* Filled, and not lent. */
	for (unsigned int i = 0; i < 4; i++)
		EXPECT_ERRNO(write(ring.fd, &none[i], 4), EINVAL);
	frame = read_frame(&ring);
	twice[0] = twice[1] = frame.buffer;
	EXPECT_EQ(write(ring.fd, twice, 8), 4);
	EXPECT_ERRNO(write(ring.fd, twice, 4), EINVAL);
	mixed[0] = read_frame(&ring).buffer;
	mixed[1] = 77;
	mixed[2] = read_frame(&ring).buffer;
	EXPECT_EQ(write(ring.fd, mixed, 12), 4);
	EXPECT_EQ(write(ring.fd, &mixed[2], 4), 4);
	EXPECT_EQ(counts_of(&ring).lent, 0);
}

TEST(poll_says_readable_when_read_would_not_wait)
{
	struct ring ring = open_ring(PAGE, 2);
	struct pollfd events = { .fd = ring.fd, .events = POLLIN };

	/* Stopped: read() gives 0 at once. */
	EXPECT_EQ(poll(&events, 1, 0), 1);
	EXPECT_EQ(events.revents, POLLIN);
	set_sim("rate", PAGE * 10);
	start(&ring);
	EXPECT_EQ(poll(&events, 1, 0), 0);
	EXPECT_EQ(poll(&events, 1, 10000), 1);
	EXPECT_EQ(events.revents, POLLIN);
	EXPECT_EQ(read_frame(&ring).sequence, 0);
	EXPECT_EQ(poll(&events, 1, 0), 0);
	stop(&ring);
	EXPECT_EQ(poll(&events, 1, 0), 1);
}

TEST(stop_wakes_a_reader_and_leaves_what_was_filled)
{
	struct ring ring = open_ring(PAGE, 4);
	struct sluice_frame frames[5];
	pid_t pid;
	int status;

	start(&ring);
	EXPECT_SOON(counts_of(&ring).filled, 4);
	stop(&ring);
	EXPECT_EQ(read(ring.fd, frames, sizeof(frames)), 4 * sizeof(*frames));
	EXPECT_EQ(read(ring.fd, frames, sizeof(frames)), 0);
	/* Released while stopped: free, not armed. */
	release(&ring, frames[0].buffer);
	EXPECT_EQ(counts_of(&ring).free, 1);
	EXPECT_EQ(counts_of(&ring).armed, 0);

	set_sim("rate", 1);
	start(&ring);
	pid = fork();
	if (!pid)
		_exit(read(ring.fd, frames, sizeof(frames)) != 0);
	usleep(200000);
	EXPECT_EQ(waitpid(pid, &status, WNOHANG), 0);
	stop(&ring);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
}

TEST(time_is_of_the_configured_clock)
{
	static const clockid_t clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_TAI };

	for (unsigned int i = 0; i < 3; i++) {
		struct sluice_config config = configuration(PAGE, 2);
		struct timespec before, after;
		struct ring ring;
		uint64_t time;

		config.clock = clocks[i];
		ring.fd = open_device(DEVICE, O_RDWR);
		MUST(ioctl(ring.fd, SLUICE_CONFIGURE, &config) == 0);
		reset_sim();
		clock_gettime(clocks[i], &before);
		start(&ring);
		time = read_frame(&ring).time;
		clock_gettime(clocks[i], &after);
		EXPECT(time >= before.tv_sec * 1000000000ULL + before.tv_nsec);
		EXPECT(time <= after.tv_sec * 1000000000ULL + after.tv_nsec);
		close(ring.fd);
	}
}

TEST(sysfs_shows_the_counts)
{
	static const char * const names[] = { "free", "armed", "filled", "lent", "quarantined",
		"frames", "bytes", "lost", "starved", "quarantines", "errors" };
	struct ring ring = open_ring(MIB, 6);
	long long sum = 0;

	start(&ring);
	EXPECT_SOON(sysfs_count("filled"), 6);
	read_frame(&ring);
	stop(&ring);
	EXPECT_EQ(sysfs_count("filled"), 5);
	EXPECT_EQ(sysfs_count("lent"), 1);
	EXPECT_EQ(sysfs_count("frames"), 6);
	EXPECT_EQ(sysfs_count("bytes"), 6 * MIB);
	EXPECT(sysfs_count("starved") > 0);
	/* The first five are the states. */
	for (unsigned int i = 0; i < 5; i++)
		sum += sysfs_count(names[i]);
	EXPECT_EQ(sum, 6);
	for (unsigned int i = 5; i < sizeof(names) / sizeof(*names); i++)
		EXPECT(sysfs_count(names[i]) >= 0);
}

TEST(tracepoints_tell_a_buffers_life)
{
	static const char * const steps[] = { "sluice_arm", "sluice_done", "sluice_lend",
		"sluice_release" };
	char text[65536] = "";
	struct ring ring;
	int fd;

	ring = open_ring(PAGE, 1);
	fd = open("/sys/kernel/tracing/events/sluice/enable", O_WRONLY);
	REQUIRE(fd >= 0);
	REQUIRE(write(fd, "1", 1) == 1);
	start(&ring);
	release(&ring, read_frame(&ring).buffer);
	read_frame(&ring);
	stop(&ring);
	REQUIRE(write(fd, "0", 1) == 1);
	close(fd);
	fd = open("/sys/kernel/tracing/trace", O_RDONLY);
	REQUIRE(read(fd, text, sizeof(text) - 1) > 0);
	for (unsigned int i = 0; i < 4; i++)
		if (!strstr(text, steps[i]))
			FAIL("no %s in the trace", steps[i]);
	EXPECT(strstr(text, "sluice0 buffer=0 sequence=0 bytes=4096 lost=0") != NULL);
}

TEST(a_waiting_reader_can_be_interrupted)
{
	struct ring ring = open_ring(PAGE, 4);
	struct sigaction action = { .sa_handler = SIG_DFL };
	struct sluice_frame frame;
	int status;
	pid_t pid;

	set_sim("rate", 1);
	start(&ring);
	pid = fork();
	if (!pid) {
		sigaction(SIGTERM, &action, NULL);
		_exit(read(ring.fd, &frame, sizeof(frame)) != 0);
	}
	usleep(200000);
	kill(pid, SIGTERM);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	EXPECT_EQ(counts_of(&ring).lent, 0);
}

TEST(a_read_only_opener_can_look_and_no_more)
{
	struct sluice_config config = configuration(PAGE, 4);
	struct ring ring = { .fd = open_device(DEVICE, O_RDONLY) };
	struct pollfd events = { .fd = ring.fd, .events = POLLIN };
	struct sluice_frame frame;
	struct sluice_info info;

	REQUIRE(ring.fd >= 0);
	info = info_of(ring.fd);
	counts_of(&ring);
	EXPECT_EQ(poll(&events, 1, 0), 1);
	EXPECT_ERRNO((long)mmap(NULL, info.buffer_bytes * info.buffer_count, PROT_READ, MAP_SHARED,
				ring.fd, 0), EINVAL);
	EXPECT_ERRNO(read(ring.fd, &frame, sizeof(frame)), EBADF);
	EXPECT_ERRNO(write(ring.fd, &info, 4), EBADF);
	EXPECT_ERRNO(ioctl(ring.fd, SLUICE_CONFIGURE, &config), EBADF);
	EXPECT_ERRNO(ioctl(ring.fd, SLUICE_START), EBADF);
	EXPECT_ERRNO(ioctl(ring.fd, SLUICE_STOP), EBADF);
	EXPECT_ERRNO(ioctl(ring.fd, 0x5401 /* TCGETS */, &config), ENOTTY);
	/* Who looks has no ring: the one before is still named. */
	close(ring.fd);
	ring.fd = open_device(DEVICE, O_RDONLY);
	EXPECT_EQ(info_of(ring.fd).ring, info.ring);
}

TEST(each_opener_begins_a_ring_of_its_own)
{
	struct ring ring = open_ring(PAGE, 4);
	uint64_t before = info_of(ring.fd).ring;

	EXPECT_EQ(counts_of(&ring).sequence, 0);
	EXPECT_EQ(counts_of(&ring).position, 0);
	start(&ring);
	go_round(&ring, 10);
	EXPECT_EQ(counts_of(&ring).sequence, 10);
	EXPECT_EQ(counts_of(&ring).position, 10 * PAGE);
	EXPECT_EQ(read_frame(&ring).position, 10 * PAGE);
	stop(&ring);
	EXPECT_EQ(info_of(ring.fd).ring, before);
	munmap(ring.memory, 4 * PAGE);
	close(ring.fd);
	ring = open_ring(PAGE, 4);
	EXPECT(info_of(ring.fd).ring != before);
	start(&ring);
	EXPECT_EQ(read_frame(&ring).position, 0);
}

TEST(new_buffers_lose_the_old_ones_frames_and_say_so)
{
	struct ring ring = open_ring(64 * KIB, 4);
	struct sluice_config config = configuration(32 * KIB, 4);
	uint64_t id = info_of(ring.fd).ring;
	struct sluice_frame frame;

	start(&ring);
	frame = read_frame(&ring);
	EXPECT_SOON(counts_of(&ring).filled, 3);
	stop(&ring);
	munmap(ring.memory, 4 * 64 * KIB);
	REQUIRE(ioctl(ring.fd, SLUICE_CONFIGURE, &config) == 0);
	EXPECT_EQ(counts_of(&ring).free, 4);
	EXPECT_EQ(counts_of(&ring).lost, 3 * 64 * KIB);
	EXPECT_EQ(counts_of(&ring).sequence, 4);
	EXPECT_EQ(counts_of(&ring).position, 64 * KIB);
	EXPECT_ERRNO(write(ring.fd, &frame.buffer, 4), EINVAL);
	ring = map_ring(ring.fd);
	start(&ring);
	frame = read_frame(&ring);
	EXPECT_EQ(frame.lost, 3 * 64 * KIB);
	/* It is the same stream of bytes. */
	EXPECT_EQ(frame.position, 4 * 64 * KIB);
	EXPECT_EQ(info_of(ring.fd).ring, id);
}

static void bind_driver(const char *what)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/platform/drivers/sluice/%s", what);
	fd = open(path, O_WRONLY);
	MUST(fd >= 0);
	MUST(write(fd, "sluice.0", 8) == 8);
	close(fd);
}

TEST(a_device_that_goes_away_says_so)
{
	struct ring ring = open_ring(2 * PAGE, 4);
	struct pollfd events = { .fd = ring.fd, .events = POLLIN };
	struct sluice_frame frame, other;
	struct sluice_info info;
	pid_t pid;
	int status;

	start(&ring);
	frame = read_frame(&ring);
	for (int i = 0; i < 3; i++)
		read_frame(&ring);
	pid = fork();
	if (!pid)
		_exit(read(ring.fd, &other, sizeof(other)) == -1 && errno == ENODEV ? 0 : 1);
	usleep(100000);
	bind_driver("unbind");
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(poll(&events, 1, 0), 1);
	EXPECT(events.revents & POLLHUP);
	EXPECT_ERRNO(read(ring.fd, &other, sizeof(other)), ENODEV);
	EXPECT_ERRNO(write(ring.fd, &frame.buffer, 4), ENODEV);
	EXPECT_ERRNO(ioctl(ring.fd, SLUICE_START), ENODEV);
	EXPECT_ERRNO(ioctl(ring.fd, 0), ENODEV);
	/* The account of it is still there. */
	EXPECT_EQ(ioctl(ring.fd, SLUICE_INFO, &info), 0);
	EXPECT_EQ(info.state, SLUICE_STOPPED);
	EXPECT_EQ(counts_of(&ring).frames, 4);
	EXPECT_EQ(counts_of(&ring).free, 0);
	EXPECT_EQ(counts_of(&ring).lost, 0);
	/* What was lent can still be read, until the process lets go of it. */
	EXPECT_EQ(wrong_words(buffer_of(&ring, frame.buffer), frame.bytes, 0), 0);
	EXPECT_ERRNO(open(DEVICE, O_RDWR), ENOENT);
	bind_driver("bind");
	/* The old one is still open, and the new one is another. */
	for (int i = 0; i < 100 && access(DEVICE, F_OK); i++)
		usleep(10000);
	close(ring.fd);
	munmap(ring.memory, 8 * PAGE);
	ring = open_ring(PAGE, 2);
	start(&ring);
	EXPECT_EQ(read_frame(&ring).sequence, 0);
}

TEST(a_device_that_goes_away_counts_what_nobody_read)
{
	struct ring ring = open_ring(64 * KIB, 4);

	start(&ring);
	read_frame(&ring);
	EXPECT_SOON(counts_of(&ring).filled, 3);
	bind_driver("unbind");
	EXPECT_EQ(counts_of(&ring).lost, 3 * 64 * KIB);
	bind_driver("bind");
}

TEST(the_simulated_fpga_refuses_what_it_cannot_do)
{
	static const char * const bad[][2] = {
		{ "rate", "-1" }, { "rate", "18446744073709551615" }, { "rate", "fast" },
		{ "pattern", "noise" }, { "short_every", "x" }, { "channels", "2" },
	};

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char path[128];
		int fd;

		snprintf(path, sizeof(path), "/sys/module/sluice_sim/parameters/%s", bad[i][0]);
		fd = open(path, O_WRONLY);
		/* channels cannot be opened for writing. */
		EXPECT(fd >= 0 || !strcmp(bad[i][0], "channels"));
		if (fd >= 0 && write(fd, bad[i][1], strlen(bad[i][1])) >= 0)
			FAIL("%s=%s is taken", bad[i][0], bad[i][1]);
		close(fd);
	}
}
