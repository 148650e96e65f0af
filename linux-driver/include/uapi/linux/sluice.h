/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Sluice: DMA buffers that a process reads, and the network sends, by reference.
 *
 * A device, /dev/sluiceN, is one DMA channel with its buffers. One process opens
 * it at a time (EBUSY for the second).
 *
 * A descriptor opened for reading only is for looking: INFO, COUNTS and poll(). All
 * else gives EBADF (mmap() EINVAL), and the ring stays as it is: a kept one waits
 * for its owner, whoever looked.
 *
 * mmap(): all buffers back to back from offset 0, MAP_SHARED, the whole length, of
 *	a descriptor opened for reading and writing; EINVAL otherwise. Buffer i starts at i * buffer_bytes.
 * read(): as many struct sluice_frame as are filled and fit, oldest first; the
 *	process may read their buffers until it releases them. Waits for one, or
 *	EAGAIN. 0 on a stopped device with no frame left. EINVAL for less room
 *	than one frame, ENODEV once the device is gone.
 * write(): an array of __u32, the buffers to release. One that the process does
 *	not hold ends the call: a short count, or EINVAL if it is the first.
 * poll(): readable when read() would not wait; hang-up when the device is gone.
 */
#ifndef _UAPI_LINUX_SLUICE_H
#define _UAPI_LINUX_SLUICE_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define SLUICE_ABI		2

/* sluice_info.capabilities */
#define SLUICE_CAP_PAGES	(1U << 0) /* the mapping can be sent by reference */
#define SLUICE_CAP_LOSS		(1U << 1) /* the DMA engine tells what was lost */
#define SLUICE_CAP_RESIDUE	(1U << 2) /* the DMA engine can end a transfer early */
/*
 * The buffers that there are now, if any, can be released while they are registered
 * with io_uring: pins are told from references, as they are not in a single page.
 */
#define SLUICE_CAP_REGISTER	(1U << 3)

/* sluice_info.state */
#define SLUICE_STOPPED		0
#define SLUICE_RUNNING		1

/* sluice_config.flags, sluice_info.flags */
/*
 * The ring outlives the process: the engine goes on filling free buffers, and the
 * next opener of the same user gets what was lent and not released, then what was
 * filled since. Any other user's gets a stopped, zeroed ring. INFO shows the flag to
 * an opener before it configured anything: then it has a ring that was kept.
 */
#define SLUICE_KEEP		(1U << 0)

/* One filled buffer. Field widths and offsets are the same on 32 and 64 bits. */
struct sluice_frame {
	__u32 buffer;
	__u32 flags;		/* none yet: 0 */
	__aligned_u64 bytes;	/* valid, from the start of the buffer */
	__aligned_u64 sequence;	/* counts frames from 0 */
	__aligned_u64 time;	/* of completion, nanoseconds of the configured clock */
	__aligned_u64 lost;	/* bytes lost between the frame before and this one */
	__aligned_u64 position;	/* of the first byte in all that the device produced since
				 * its ring was begun, lost bytes included: that of the frame
				 * before, its bytes, and what was lost between them
				 */
};

/* The device as it is now. Its size never changes, or a program could not ask for abi. */
struct sluice_info {
	__u32 abi;
	__u32 state;
	__u32 capabilities;
	__u32 buffer_count;
	__aligned_u64 buffer_bytes;
	__u32 clock;
	__u32 flags;
	__aligned_u64 ring;	/* names the ring that sequences and positions count in: random,
				 * another for each opener; a kept ring's stays. 0 before the first
				 */
	__u32 reserved[2];	/* 0 */
};

/* What it is to be: any number of buffers, each any whole number of pages. */
struct sluice_config {
	__aligned_u64 buffer_bytes; /* less than 4 GiB */
	__u32 buffer_count;
	__u32 clock;		/* CLOCK_REALTIME, CLOCK_MONOTONIC or CLOCK_TAI */
	__u32 flags;
	__u32 reserved[3];	/* must be 0 */
};

/*
 * How many buffers are in each state, at one moment, and totals since the open;
 * of a kept ring, since its first opener's.
 */
struct sluice_counts {
	__u32 free;
	__u32 armed;
	__u32 filled;
	__u32 lent;
	__u32 quarantined;
	__u32 reserved;		/* 0 */
	__aligned_u64 frames;	/* filled */
	__aligned_u64 bytes;	/* valid bytes in them */
	__aligned_u64 lost;	/* bytes lost, as far as is known */
	__aligned_u64 starved;	/* nanoseconds in which no buffer was armed */
	__aligned_u64 quarantines; /* of buffers that stayed in use for a while */
	__aligned_u64 errors;	/* transfers that failed */
	/* Where read() goes on in the ring's stream, whether it would wait or not. */
	__aligned_u64 sequence;	/* of its next frame */
	__aligned_u64 position;	/* of that, or of what was lost before it */
};

/* Also of a device that is gone; all but this and COUNTS give ENODEV then. */
#define SLUICE_INFO		_IOR(0xDA, 0x00, struct sluice_info)
/*
 * EBUSY while running or mapped, EINVAL: nothing is changed then. ENOMEM: as it was
 * before, but frames that were not read are lost, as they are when it succeeds.
 */
#define SLUICE_CONFIGURE	_IOW(0xDA, 0x01, struct sluice_config)
/* Arms every free buffer and lets the engine run. EALREADY, ENOMEM, EIO. */
#define SLUICE_START		_IO(0xDA, 0x02)
/* Halts it: what was armed is free, what was filled can still be read. EALREADY. */
#define SLUICE_STOP		_IO(0xDA, 0x03)
#define SLUICE_COUNTS		_IOR(0xDA, 0x04, struct sluice_counts)

#endif /* _UAPI_LINUX_SLUICE_H */
