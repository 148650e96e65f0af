// SPDX-License-Identifier: GPL-2.0
/*
 * The one rule: no buffer is armed while anybody can read it. The reader here is a
 * pipe that holds pages by reference (vmsplice), and keeps them for as long as
 * nobody empties it, as a socket's queue does.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <sys/uio.h>

#include "device.h"

/* Pages by reference into the pipe: only where they lie, no copy. */
static void hold(int pipe_in, uint8_t *memory, size_t bytes)
{
	struct iovec pages = { memory, bytes };

	MUST(vmsplice(pipe_in, &pages, 1, 0) == (ssize_t)bytes);
}

/* What was held, read out: the pipe lets go of the pages. */
static void let_go(int pipe_out, uint8_t *into, size_t bytes)
{
	for (size_t done = 0; done < bytes; ) {
		ssize_t got = read(pipe_out, into + done, bytes - done);

		MUST(got > 0);
		done += got;
	}
}

static void hold_and_release(uint64_t buffer_bytes, size_t offset, int dontneed)
{
	static uint8_t data[2 * PAGE];
	struct ring ring = open_ring_at(DEVICE, buffer_bytes, 4);
	struct sluice_frame frame;
	int ends[2];

	MUST(pipe(ends) == 0);
	start(&ring);
	frame = read_frame(&ring);
	hold(ends[1], buffer_of(&ring, frame.buffer) + offset, 2 * PAGE);
	/* A page table that is emptied must not be taken for a reference that went. */
	if (dontneed)
		MUST(madvise(ring.memory, 4 * buffer_bytes, MADV_DONTNEED) == 0);
	release(&ring, frame.buffer);
	EXPECT_EQ(counts_of(&ring).quarantined, 1);
	EXPECT_ERRNO(write(ring.fd, &frame.buffer, 4), EINVAL);

	go_round(&ring, 50);
	EXPECT_SOON(counts_of(&ring).quarantines, 1);
	EXPECT_EQ(counts_of(&ring).quarantined, 1);
	let_go(ends[0], data, 2 * PAGE);
	EXPECT_EQ(wrong_words(data, 2 * PAGE, offset), 0);
	/* One that was not held back is nowhere to wait for. */
	if (tap_failures)
		exit(1);
	EXPECT_SOON(counts_of(&ring).quarantined, 0);
	/* It goes round again. */
	for (int i = 0; ; i++) {
		struct sluice_frame other = read_frame(&ring);

		release(&ring, other.buffer);
		if (other.buffer == frame.buffer)
			break;
		if (i == 100)
			DIE("buffer %u never came again", frame.buffer);
	}
	/* Counted, once. */
	EXPECT_EQ(counts_of(&ring).quarantines, 1);
	munmap(ring.memory, 4 * buffer_bytes);
	close(ring.fd);
}

TEST(a_buffer_released_while_it_is_still_sent_waits)
{
	reset_sim();
	hold_and_release(MIB, 0, 0);
	hold_and_release(MIB, MIB - 2 * PAGE, 0);
	hold_and_release(3 * PAGE, PAGE, 0);
	hold_and_release(MIB + PAGE, MIB - PAGE, 0);
}

TEST(single_pages_are_looked_at_one_by_one)
{
	reset_sim();
	set_parameter("sluice", "max_order", "0");
	hold_and_release(7 * PAGE, 5 * PAGE, 0);
	set_parameter("sluice", "max_order", "8");
	set_parameter("sluice", "split_pages", "1");
	hold_and_release(8 * PAGE, 6 * PAGE, 0);
}

TEST(unmapped_pages_do_not_hide_a_reference)
{
	reset_sim();
	hold_and_release(MIB, 4 * PAGE, 1);
	set_parameter("sluice", "max_order", "0");
	hold_and_release(8 * PAGE, 4 * PAGE, 1);
}

TEST(pages_thrown_out_of_the_page_table_come_back)
{
	struct ring ring = open_ring(64 * KIB, 4);
	struct sluice_frame frame;
	uint8_t *data;

	start(&ring);
	frame = read_frame(&ring);
	data = buffer_of(&ring, frame.buffer);
	REQUIRE(madvise(ring.memory, 4 * 64 * KIB, MADV_DONTNEED) == 0);
	EXPECT_EQ(wrong_words(data, frame.bytes, 0), 0);
	/* By a write too, and the device's next frame is not in its way. */
	REQUIRE(madvise(ring.memory, 4 * 64 * KIB, MADV_DONTNEED) == 0);
	data[0] = 1;
	EXPECT_EQ(data[0], 1);
	release(&ring, frame.buffer);
	go_round(&ring, 20);
	EXPECT_EQ(counts_of(&ring).quarantines, 0);
}

TEST(a_healthy_reader_causes_no_quarantine)
{
	struct ring ring = open_ring(64 * KIB, 16);

	start(&ring);
	go_round(&ring, 2000);
	EXPECT_EQ(counts_of(&ring).quarantines, 0);
	EXPECT_EQ(counts_of(&ring).frames >= 2000, 1);
}

static sigjmp_buf fault;

static void on_fault(int signal)
{
	siglongjmp(fault, signal);
}

static int faults(const volatile uint8_t *at)
{
	struct sigaction action = { .sa_handler = on_fault }, before;
	int signal;

	sigaction(SIGBUS, &action, &before);
	signal = sigsetjmp(fault, 1);
	if (!signal)
		(void)*at;
	sigaction(SIGBUS, &before, NULL);
	return signal;
}

/* A process that takes a frame, sends it, and dies. Gives the buffer's number. */
static uint32_t die_with_pages_in_flight(int pipe_in)
{
	uint32_t *buffer = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
				-1, 0);
	int status;
	pid_t pid;

	MUST(buffer != MAP_FAILED);
	pid = fork();
	if (!pid) {
		struct ring ring = open_ring(MIB, 4);

		start(&ring);
		read_frame(&ring);
		*buffer = read_frame(&ring).buffer;
		while (counts_of(&ring).filled < 2)
			usleep(1000);
		hold(pipe_in, buffer_of(&ring, *buffer), 4 * PAGE);
		kill(getpid(), SIGKILL);
	}
	MUST(waitpid(pid, &status, 0) == pid);
	MUST(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	return *buffer;
}

TEST(what_a_killed_process_was_sending_waits_and_all_buffers_come_back)
{
	static uint8_t data[4 * PAGE];
	struct ring ring;
	uint32_t held;
	int ends[2];

	MUST(pipe(ends) == 0);
	held = die_with_pages_in_flight(ends[1]);
	EXPECT_SOON(sysfs_count("quarantined"), 1);
	EXPECT_EQ(sysfs_count("free"), 3);

	/* The next opener sees nothing of the old one's, and the engine runs without that buffer. */
	ring.fd = open_device(DEVICE, O_RDWR);
	REQUIRE(ring.fd >= 0);
	ring = map_ring(ring.fd);
	REQUIRE(ring.buffer_count == 4);
	for (uint32_t i = 0; i < 4; i++) {
		if (i == held)
			EXPECT_EQ(faults(buffer_of(&ring, i)), SIGBUS);
		else
			EXPECT(is_zero(buffer_of(&ring, i), MIB));
	}
	start(&ring);
	EXPECT_EQ(read_frame(&ring).sequence, 0);
	for (uint32_t i = 0; i < 4; i++)
		write(ring.fd, &i, 4);
	go_round(&ring, 20);
	EXPECT_EQ(counts_of(&ring).quarantined, 1);

	let_go(ends[0], data, 4 * PAGE);
	/* It was the second frame. */
	EXPECT_EQ(wrong_words(data, 4 * PAGE, MIB), 0);
	EXPECT_SOON(counts_of(&ring).quarantined, 0);
	EXPECT_EQ(faults(buffer_of(&ring, held)), 0);
	for (int i = 0; ; i++) {
		struct sluice_frame frame = read_frame(&ring);

		EXPECT_EQ(wrong_words(buffer_of(&ring, frame.buffer), frame.bytes,
				      frame.sequence * MIB), 0);
		release(&ring, frame.buffer);
		if (frame.buffer == held)
			break;
		if (i == 100)
			DIE("buffer %u never came again", held);
	}
}

TEST(new_buffers_can_be_made_while_old_ones_are_still_sent)
{
	static uint8_t data[4 * PAGE];
	struct ring ring;
	int ends[2];

	MUST(pipe(ends) == 0);
	die_with_pages_in_flight(ends[1]);
	EXPECT_SOON(sysfs_count("quarantined"), 1);
	ring = open_ring(64 * KIB, 8);
	EXPECT_EQ(counts_of(&ring).quarantined, 0);
	start(&ring);
	go_round(&ring, 50);
	let_go(ends[0], data, 4 * PAGE);
	EXPECT_EQ(wrong_words(data, 4 * PAGE, MIB), 0);
}

TEST(nothing_is_left_for_the_next_opener)
{
	struct ring ring = open_ring(MIB, 4);

	EXPECT(is_zero(ring.memory, 4 * MIB));
	start(&ring);
	EXPECT_SOON(counts_of(&ring).filled, 4);
	for (int i = 0; i < 3; i++)
		read_frame(&ring);
	EXPECT(!is_zero(ring.memory, 4 * MIB));
	munmap(ring.memory, 4 * MIB);
	close(ring.fd);
	ring = open_ring(MIB, 4);
	EXPECT(is_zero(ring.memory, 4 * MIB));
	/* Nor what the process itself wrote. */
	memset(ring.memory, 0x55, 4 * MIB);
	munmap(ring.memory, 4 * MIB);
	close(ring.fd);
	ring = open_ring(MIB, 4);
	EXPECT(is_zero(ring.memory, 4 * MIB));
}

/* What a process knew of its kept ring when it died. */
struct left {
	uint64_t ring;
	struct sluice_frame last;	/* that it read */
};

/*
 * Three frames read and the first of them released, the engine going on, and killed.
 * With a rate of 0 the ring is full by then.
 */
static struct left leave_a_kept_ring(unsigned long rate)
{
	struct left *left = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
				 -1, 0);
	struct sluice_config config = configuration(64 * KIB, 6);
	int status;
	pid_t pid;

	MUST(left != MAP_FAILED);
	reset_sim();
	set_sim("rate", rate);
	pid = fork();
	if (!pid) {
		struct ring ring = { .fd = open_device(DEVICE, O_RDWR) };
		struct sluice_frame first;

		config.flags = SLUICE_KEEP;
		MUST(ioctl(ring.fd, SLUICE_CONFIGURE, &config) == 0);
		ring = map_ring(ring.fd);
		left->ring = info_of(ring.fd).ring;
		start(&ring);
		first = read_frame(&ring);
		read_frame(&ring);
		release(&ring, first.buffer);
		left->last = read_frame(&ring);
		while (!rate && counts_of(&ring).filled < 4)
			usleep(1000);
		kill(getpid(), SIGKILL);
	}
	MUST(waitpid(pid, &status, 0) == pid);
	MUST(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	return *left;
}

/* It would be kept again: leaves nothing for the next test. */
static void end_kept_ring(struct ring *ring)
{
	struct sluice_config config = configuration(PAGE, 2);

	stop(ring);
	munmap(ring->memory, ring->buffer_bytes * ring->buffer_count);
	MUST(ioctl(ring->fd, SLUICE_CONFIGURE, &config) == 0);
	close(ring->fd);
}

TEST(a_kept_ring_is_offered_again_in_order)
{
	struct left left = leave_a_kept_ring(0);
	struct sluice_info info;
	struct ring ring;

	ring.fd = open_device(DEVICE, O_RDWR);
	info = info_of(ring.fd);
	EXPECT_EQ(info.flags, SLUICE_KEEP);
	EXPECT_EQ(info.state, SLUICE_RUNNING);
	EXPECT(info.ring == left.ring);
	EXPECT_EQ(counts_of(&ring).sequence, 1);
	EXPECT_EQ(counts_of(&ring).position, 64 * KIB);
	ring = map_ring(ring.fd);
	for (uint64_t sequence = 1; sequence < 20; sequence++) {
		struct sluice_frame frame = read_frame(&ring);

		EXPECT_EQ(frame.sequence, sequence);
		EXPECT_EQ(frame.position, sequence * 64 * KIB);
		EXPECT_EQ(wrong_words(buffer_of(&ring, frame.buffer), frame.bytes,
				      sequence * 64 * KIB), 0);
		release(&ring, frame.buffer);
	}
	end_kept_ring(&ring);
}

TEST(the_engine_goes_on_for_a_dead_process_and_what_is_lost_is_counted)
{
	struct left left = leave_a_kept_ring(8 * MIB);
	struct ring ring = { .fd = -1 };
	uint64_t at = 64 * KIB, lost = 0;

	/* Nobody has it open, and the ring fills until there is no buffer for what comes. */
	EXPECT_SOON(sysfs_count("filled"), 6);
	usleep(100000);
	ring.fd = open_device(DEVICE, O_RDWR);
	EXPECT(info_of(ring.fd).ring == left.ring);
	ring = map_ring(ring.fd);
	/* The frames that it held, what came since, and what comes from now on. */
	for (uint64_t sequence = 1; sequence < 40; sequence++) {
		struct sluice_frame frame = read_frame(&ring);

		EXPECT_EQ(frame.sequence, sequence);
		EXPECT_EQ(frame.position, at + frame.lost);
		EXPECT_EQ(wrong_words(buffer_of(&ring, frame.buffer), frame.bytes, frame.position),
			  0);
		if (sequence == left.last.sequence)
			EXPECT_EQ(frame.position, left.last.position);
		at = frame.position + frame.bytes;
		lost += frame.lost;
		release(&ring, frame.buffer);
		EXPECT_EQ(counts_of(&ring).sequence, sequence + 1);
		EXPECT_EQ(counts_of(&ring).position, at);
	}
	EXPECT(lost > 0);
	end_kept_ring(&ring);
}

TEST(who_only_looks_leaves_a_kept_ring_to_its_owner)
{
	struct left left = leave_a_kept_ring(0);
	struct sluice_info info;
	struct ring ring;
	int status;
	pid_t pid;

	MUST(chmod(DEVICE, 0666) == 0);
	pid = fork();
	if (!pid) {
		MUST(setuid(65534) == 0);
		ring.fd = open_device(DEVICE, O_RDONLY);
		MUST(ring.fd >= 0);
		info = info_of(ring.fd);
		EXPECT_EQ(info.flags, SLUICE_KEEP);
		EXPECT_EQ(info.state, SLUICE_RUNNING);
		EXPECT_EQ(counts_of(&ring).filled, 6);
		EXPECT_ERRNO(ioctl(ring.fd, SLUICE_STOP), EBADF);
		exit(tap_failures != 0);
	}
	MUST(waitpid(pid, &status, 0) == pid);
	EXPECT_EQ(status, 0);
	chmod(DEVICE, 0600);
	/* So does its owner, who opens it for more and does nothing with it. */
	close(open_device(DEVICE, O_RDWR));
	ring.fd = open_device(DEVICE, O_RDWR);
	EXPECT(info_of(ring.fd).ring == left.ring);
	ring = map_ring(ring.fd);
	EXPECT_EQ(read_frame(&ring).sequence, 1);
	end_kept_ring(&ring);
}

TEST(a_kept_ring_is_not_for_another_user)
{
	struct left left = leave_a_kept_ring(0);
	struct sluice_info info;
	struct ring ring;
	int status;
	pid_t pid;

	MUST(chmod(DEVICE, 0666) == 0);
	pid = fork();
	if (!pid) {
		MUST(setuid(65534) == 0);
		ring.fd = open_device(DEVICE, O_RDWR);
		MUST(ring.fd >= 0);
		info = info_of(ring.fd);
		EXPECT_EQ(info.state, SLUICE_STOPPED);
		EXPECT_EQ(info.flags, 0);
		EXPECT(info.ring != left.ring);
		ring = map_ring(ring.fd);
		EXPECT(is_zero(ring.memory, 6 * 64 * KIB));
		EXPECT_EQ(counts_of(&ring).free, 6);
		EXPECT_EQ(counts_of(&ring).frames, 0);
		exit(tap_failures != 0);
	}
	MUST(waitpid(pid, &status, 0) == pid);
	EXPECT_EQ(status, 0);
	chmod(DEVICE, 0600);
}
