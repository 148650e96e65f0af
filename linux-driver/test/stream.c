// SPDX-License-Identifier: GPL-2.0
/*
 * What comes out of the device: every word right, in order, what is missing counted
 * to the byte. The simulated FPGA writes a 64-bit counter, lost bytes included.
 */
#define _GNU_SOURCE
#include "device.h"

struct progress {
	uint64_t frames;
	uint64_t position;	/* of the stream: bytes and lost bytes so far */
	uint64_t bytes;
	uint64_t lost;
	uint64_t shortened;
};

/*
 * Reads frames in batches, checks each against the stream's position and releases
 * them, until so many have come.
 */
static struct progress stream(const struct ring *ring, uint64_t frames)
{
	struct sluice_frame batch[BATCH];
	uint32_t buffers[BATCH];
	struct progress p = { 0 };
	uint64_t last = 0;

	while (p.frames < frames) {
		ssize_t got = read(ring->fd, batch, sizeof(batch));

		MUST(got > 0 && got % sizeof(*batch) == 0);
		got /= sizeof(*batch);
		for (ssize_t i = 0; i < got; i++) {
			const struct sluice_frame *frame = &batch[i];

			p.lost += frame->lost;
			p.position += frame->lost;
			if (frame->sequence != p.frames)
				DIE("frame %llu follows %llu", (unsigned long long)frame->sequence,
				    (unsigned long long)p.frames - 1);
			if (frame->position != p.position)
				DIE("frame %llu says it is at %llu, and is at %llu",
				    (unsigned long long)p.frames,
				    (unsigned long long)frame->position,
				    (unsigned long long)p.position);
			if (frame->buffer >= ring->buffer_count || frame->flags ||
			    frame->bytes > ring->buffer_bytes || frame->time < last)
				DIE("frame %llu makes no sense", (unsigned long long)p.frames);
			if (wrong_words(buffer_of(ring, frame->buffer), frame->bytes, p.position))
				exit(1);
			last = frame->time;
			p.shortened += frame->bytes < ring->buffer_bytes;
			p.bytes += frame->bytes;
			p.position += frame->bytes;
			p.frames++;
			buffers[i] = frame->buffer;
		}
		MUST(write(ring->fd, buffers, 4 * got) == 4 * got);
	}
	return p;
}

static void stream_with(uint64_t buffer_bytes, uint32_t buffer_count)
{
	/* Enough that each buffer comes round three times. */
	uint64_t frames = 3 * buffer_count + 1;
	struct ring ring = open_ring_at(DEVICE, buffer_bytes, buffer_count);
	struct sluice_counts counts;
	struct progress p;

	start(&ring);
	p = stream(&ring, frames);
	EXPECT_EQ(p.lost, 0);
	EXPECT_EQ(p.bytes, p.frames * buffer_bytes);
	stop(&ring);
	counts = counts_of(&ring);
	EXPECT_EQ(counts.free + counts.filled, buffer_count);
	EXPECT_EQ(counts.quarantines, 0);
	EXPECT_EQ(counts.lost, 0);
	EXPECT_EQ(counts.errors, 0);
	munmap(ring.memory, buffer_bytes * buffer_count);
	close(ring.fd);
}

static void stream_with_all_sizes(void)
{
	stream_with(PAGE, 2);
	stream_with(PAGE, 256);
	stream_with(3 * PAGE, 2);
	stream_with(3 * PAGE, 64);
	stream_with(MIB, 2);
	stream_with(MIB, 16);
	stream_with(MIB + PAGE, 3);
	stream_with(4 * MIB, 2);
	stream_with(7 * MIB, 3);
}

TEST_WITHIN(every_word_is_right_for_any_size_and_count, 120)
{
	reset_sim();
	stream_with_all_sizes();
}

TEST_WITHIN(many_large_buffers, 120)
{
	reset_sim();
	stream_with(MIB, 256);
}

TEST_WITHIN(every_word_is_right_with_single_pages, 120)
{
	reset_sim();
	set_parameter("sluice", "max_order", "0");
	stream_with(PAGE, 16);
	stream_with(3 * PAGE, 8);
	stream_with(MIB, 4);
	stream_with(MIB + PAGE, 2);
	stream_with(7 * MIB, 2);
}

TEST(every_word_is_right_with_split_pages)
{
	reset_sim();
	set_parameter("sluice", "split_pages", "1");
	stream_with(3 * PAGE, 8);
	stream_with(MIB + PAGE, 4);
}

TEST(a_single_buffer_streams_too)
{
	reset_sim();
	stream_with(64 * KIB, 1);
}

TEST(a_rate_it_can_hold_loses_nothing)
{
	struct ring ring = open_ring(64 * KIB, 16);

	set_sim("rate", 4 * MIB);
	start(&ring);
	EXPECT_EQ(stream(&ring, 100).lost, 0);
	stop(&ring);
	EXPECT_EQ(counts_of(&ring).lost, 0);
}

TEST(a_rate_that_is_set_while_it_streams_holds_at_once)
{
	struct ring ring = open_ring(64 * KIB, 4);
	time_t began;

	start(&ring);
	for (int i = 0; i < 400; i++)
		release(&ring, read_frame(&ring).buffer);
	set_sim("rate", MIB);
	began = time(NULL);
	for (int i = 0; i < 8; i++)
		release(&ring, read_frame(&ring).buffer);
	EXPECT(time(NULL) - began < 5);
}

TEST(what_a_full_ring_loses_is_counted_to_the_byte)
{
	struct ring ring = open_ring(16 * KIB, 4);
	struct sluice_counts counts;
	struct progress p;

	set_sim("rate", 8 * MIB);
	start(&ring);
	/* Nobody reads for half a second: 4 buffers are full after 8 ms. */
	usleep(500000);
	counts = counts_of(&ring);
	EXPECT_EQ(counts.filled, 4);
	EXPECT(counts.starved > 300000000);
	/* Position and words agree in each frame, or stream() would not return. */
	p = stream(&ring, 8);
	EXPECT(p.lost > 2 * MIB);
	EXPECT_EQ(p.lost % 8, 0);
	EXPECT(counts_of(&ring).lost >= p.lost);
}

TEST(losses_again_and_again_are_exact)
{
	struct ring ring = open_ring(16 * KIB, 3);
	uint64_t position = 0, lost = 0;

	set_sim("rate", 16 * MIB);
	start(&ring);
	for (unsigned int i = 0; i < 60; i++) {
		struct sluice_frame frame = read_frame(&ring);

		position += frame.lost;
		lost += frame.lost;
		if (wrong_words(buffer_of(&ring, frame.buffer), frame.bytes, position))
			return;
		position += frame.bytes;
		usleep(1000 * (i % 7));
		release(&ring, frame.buffer);
	}
	EXPECT(lost > 0);
	EXPECT_EQ(position, lost + 60 * 16 * KIB);
}

TEST(short_transfers_give_their_valid_bytes)
{
	struct ring ring = open_ring(64 * KIB, 4);
	struct progress p;

	set_sim("short_every", 3);
	start(&ring);
	p = stream(&ring, 30);
	EXPECT(p.shortened >= 10);
	EXPECT_EQ(p.lost, 0);
	EXPECT_EQ(p.bytes, p.frames * 64 * KIB - p.shortened * 32 * KIB);
}

TEST(failed_transfers_are_counted_as_lost_and_the_stream_goes_on)
{
	struct ring ring = open_ring(64 * KIB, 4);
	struct progress p;
	struct sluice_counts counts;

	set_sim("error_every", 5);
	start(&ring);
	p = stream(&ring, 40);
	stop(&ring);
	counts = counts_of(&ring);
	EXPECT(counts.errors >= 9);
	EXPECT(p.lost >= 9 * 64 * KIB);
	EXPECT_EQ(counts.lost, counts.errors * 64 * KIB);
}

TEST(an_engine_that_only_fails_does_not_take_the_processor)
{
	struct ring ring = open_ring(PAGE, 4);
	struct sluice_counts counts;

	set_sim("error_every", 1);
	start(&ring);
	usleep(500000);
	counts = counts_of(&ring);
	EXPECT_EQ(counts.frames, 0);
	EXPECT(counts.errors >= 4);
	/* Armed again once a tick, four at a time: 250 ticks a second. */
	EXPECT(counts.errors < 4 * 1000);
	set_sim("error_every", 0);
	EXPECT(read_frame(&ring).lost >= counts.errors * PAGE);
}

TEST(a_source_that_falls_silent_loses_nothing)
{
	struct ring ring = open_ring(16 * KIB, 4);

	/* 100 ms of silence, and a ring for 60 ms: if it were not silent, it would lose. */
	set_sim("rate", MIB);
	set_sim("stall_every", 10);
	start(&ring);
	EXPECT_EQ(stream(&ring, 35).lost, 0);
}

TEST(silence_is_no_loss_with_a_full_ring_either)
{
	struct ring ring = open_ring(16 * KIB, 2);
	uint32_t first, second;

	set_sim("rate", MIB);
	set_sim("stall_every", 2);
	set_sim("stall_ms", 1000);
	start(&ring);
	first = read_frame(&ring).buffer;
	second = read_frame(&ring).buffer;
	usleep(500000);
	release(&ring, first);
	release(&ring, second);
	/* 512 KiB would have come meanwhile. */
	EXPECT(read_frame(&ring).lost < 64 * KIB);
}

TEST(stop_and_start_begin_a_new_count_in_the_same_ring)
{
	struct ring ring = open_ring(64 * KIB, 4);

	for (unsigned int i = 0; i < 50; i++) {
		struct sluice_frame frames[5];
		ssize_t got;

		start(&ring);
		read_frame(&ring);
		stop(&ring);
		got = read(ring.fd, frames, sizeof(frames));
		for (uint32_t b = 0; b < 4; b++)
			write(ring.fd, &b, 4);
		REQUIRE(got >= 0);
		EXPECT_EQ(counts_of(&ring).free, 4);
	}
	EXPECT(counts_of(&ring).frames >= 50);
}

TEST_WITHIN(two_channels_do_not_know_of_each_other, 120)
{
	struct ring first = open_ring(64 * KIB, 8);
	struct ring second = open_ring_at("/dev/sluice1", 3 * PAGE, 5);
	int status;
	pid_t pid;

	start(&first);
	start(&second);
	pid = fork();
	if (!pid) {
		/* The mapping does not come along: the child makes its own. */
		second = map_ring(second.fd);
		_exit(stream(&second, 200).lost != 0);
	}
	EXPECT_EQ(stream(&first, 200).lost, 0);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
}
