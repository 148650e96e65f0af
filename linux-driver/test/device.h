/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests do with a device again and again. */
#ifndef DEVICE_H
#define DEVICE_H

#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include <linux/sluice.h>

#include "tap.h"

#define DEVICE		"/dev/sluice0"
#define PAGE		4096UL
#define KIB		1024UL
#define MIB		(1024UL * KIB)
#define BATCH		64

struct ring {
	int fd;
	uint8_t *memory;
	uint64_t buffer_bytes;
	uint32_t buffer_count;
};

/* Prints a line that makes sense as a diagnostic, and ends the test. */
#define DIE(format, ...)							\
	do {									\
		FAIL(format, ##__VA_ARGS__);					\
		exit(1);							\
	} while (0)

#define MUST(condition)								\
	do {									\
		if (!(condition))						\
			DIE("%s (errno: %s)", #condition, strerror(errno));	\
	} while (0)

static inline void set_parameter(const char *module, const char *name, const char *value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/module/%s/parameters/%s", module, name);
	fd = open(path, O_WRONLY);
	MUST(fd >= 0);
	MUST(write(fd, value, strlen(value)) == (ssize_t)strlen(value));
	close(fd);
}

static inline void set_sim(const char *name, unsigned long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%lu", value);
	set_parameter("sluice_sim", name, text);
}

/* As it is when it was just loaded; tests leave it as they like. */
static inline void reset_sim(void)
{
	set_parameter("sluice_sim", "pattern", "counter");
	set_sim("rate", 0);
	set_sim("short_every", 0);
	set_sim("error_every", 0);
	set_sim("stall_every", 0);
	set_sim("stall_ms", 100);
	set_parameter("sluice", "max_order", "8");
	set_parameter("sluice", "split_pages", "0");
}

static inline struct sluice_config configuration(uint64_t buffer_bytes, uint32_t buffer_count)
{
	struct sluice_config config = {
		.buffer_bytes = buffer_bytes,
		.buffer_count = buffer_count,
	};

	return config;
}

static inline struct sluice_info info_of(int fd)
{
	struct sluice_info info;

	MUST(ioctl(fd, SLUICE_INFO, &info) == 0);
	return info;
}

static inline struct sluice_counts counts_of(const struct ring *ring)
{
	struct sluice_counts counts;

	MUST(ioctl(ring->fd, SLUICE_COUNTS, &counts) == 0);
	return counts;
}

/* A process that dies lets go of its device a little later than its parent hears. */
static inline int open_device(const char *path, int flags)
{
	for (int tries = 0; ; tries++) {
		int fd = open(path, flags);

		if (fd >= 0 || errno != EBUSY || tries == 1000)
			return fd;
		usleep(10000);
	}
}

static inline struct ring map_ring(int fd)
{
	struct ring ring = { .fd = fd };
	struct sluice_info info = info_of(fd);

	ring.buffer_bytes = info.buffer_bytes;
	ring.buffer_count = info.buffer_count;
	ring.memory = mmap(NULL, info.buffer_bytes * info.buffer_count, PROT_READ | PROT_WRITE,
			   MAP_SHARED, fd, 0);
	MUST(ring.memory != MAP_FAILED);
	return ring;
}

/* Opened, configured, mapped, not started. */
static inline struct ring open_ring_at(const char *path, uint64_t buffer_bytes,
				       uint32_t buffer_count)
{
	struct sluice_config config = configuration(buffer_bytes, buffer_count);
	int fd = open_device(path, O_RDWR | O_CLOEXEC);

	MUST(fd >= 0);
	MUST(ioctl(fd, SLUICE_CONFIGURE, &config) == 0);
	return map_ring(fd);
}

static inline struct ring open_ring(uint64_t buffer_bytes, uint32_t buffer_count)
{
	reset_sim();
	return open_ring_at(DEVICE, buffer_bytes, buffer_count);
}

static inline void start(const struct ring *ring)
{
	MUST(ioctl(ring->fd, SLUICE_START) == 0);
}

static inline void stop(const struct ring *ring)
{
	MUST(ioctl(ring->fd, SLUICE_STOP) == 0);
}

static inline uint8_t *buffer_of(const struct ring *ring, uint32_t buffer)
{
	return ring->memory + buffer * ring->buffer_bytes;
}

/* Waits for a frame. */
static inline struct sluice_frame read_frame(const struct ring *ring)
{
	struct sluice_frame frame;

	MUST(read(ring->fd, &frame, sizeof(frame)) == sizeof(frame));
	return frame;
}

static inline void release(const struct ring *ring, uint32_t buffer)
{
	MUST(write(ring->fd, &buffer, sizeof(buffer)) == sizeof(buffer));
}

/* Reads and releases frames: the DMA engine goes round the ring. */
static inline void go_round(const struct ring *ring, unsigned int frames)
{
	for (unsigned int i = 0; i < frames; i++)
		release(ring, read_frame(ring).buffer);
}

/* Words of the counter that are not what the stream has at that position. */
static inline unsigned long wrong_words(const uint8_t *data, uint64_t bytes, uint64_t position)
{
	const uint64_t *words = (const uint64_t *)data;
	unsigned long wrong = 0;

	for (uint64_t i = 0; i < bytes / 8; i++) {
		if (words[i] == position / 8 + i)
			continue;
		if (!wrong++)
			FAIL("word %llu at stream byte %llu is %#llx, not %#llx",
			     (unsigned long long)i, (unsigned long long)position,
			     (unsigned long long)words[i],
			     (unsigned long long)(position / 8 + i));
	}
	return wrong;
}

static inline int is_zero(const uint8_t *data, uint64_t bytes)
{
	const uint64_t *words = (const uint64_t *)data;

	for (uint64_t i = 0; i < bytes / 8; i++)
		if (words[i])
			return 0;
	return 1;
}

/* Waits up to 10 s for a count to become what it should. */
#define EXPECT_SOON(actual, expected)						\
	do {									\
		for (int tap_i = 0; tap_i < 1000 && (actual) != (expected); tap_i++) \
			usleep(10000);						\
		EXPECT_EQ(actual, expected);					\
	} while (0)

/* The value of a file in /sys/class/misc/sluice0. */
static inline long long sysfs_count(const char *name)
{
	char path[128], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/sys/class/misc/sluice0/%s", name);
	fd = open(path, O_RDONLY);
	MUST(fd >= 0);
	MUST(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return atoll(text);
}

#endif /* DEVICE_H */
