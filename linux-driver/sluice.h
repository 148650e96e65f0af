/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the driver share. Each concern is one file:
 *
 *	sluice_main.c	probe and remove, the device node, sysfs
 *	sluice_file.c	the calls of the process that opened the device
 *	sluice_ring.c	who owns each buffer: the only file that writes a state
 *	sluice_dma.c	the DMA engine: submit, completion, stop
 *	sluice_memory.c	the pages: allocation, mapping, who references them
 */
#ifndef SLUICE_H
#define SLUICE_H

#include <linux/dmaengine.h>
#include <linux/kref.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/scatterlist.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <uapi/linux/sluice.h>

struct sluice_device;
struct vm_area_struct;

/* Who owns a buffer; see sluice_ring.c. */
enum sluice_state {
	SLUICE_FREE,
	SLUICE_ARMED,
	SLUICE_FILLED,
	SLUICE_LENT,
	SLUICE_QUARANTINED,
	SLUICE_STATES
};

struct sluice_buffer {
	/* Constant while the ring has memory. */
	struct sluice_device *sluice;
	u32 index;
	struct page **pages;	/* all of them, in order */
	struct sg_table sgt;	/* the same, for the DMA engine */

	/* Under sluice_ring.lock, written by sluice_ring.c only. */
	enum sluice_state state;
	struct list_head link;	/* in sluice_ring.in[state] */
	u64 bytes;
	u64 sequence;
	u64 time;
	u64 lost;
	u64 position;

	/* The DMA engine's while ARMED: what it lost before this transfer. */
	u64 lost_metadata;

	/*
	 * Holds what an earlier opener left. Written under io_lock and memory_lock,
	 * read under either.
	 */
	bool stale;
	bool dma_mapped;	/* likewise; false only after a failure */
	bool quarantine_counted; /* under io_lock */
	bool orphaned;		/* likewise: lent to a process that died */
};

struct sluice_ring {
	spinlock_t lock;

	/* Under the lock. */
	bool running;
	struct list_head in[SLUICE_STATES];	/* the buffers in each state, as they came */
	u32 count[SLUICE_STATES];		/* how many */
	u64 id;			/* of all that is counted from 0 here; 0: there was no opener yet */
	u64 next_sequence;
	u64 produced;		/* bytes, those lost included */
	u64 unreported_lost;
	ktime_t starved_since;		/* valid while running and none is ARMED */
	u64 frames, bytes, lost, starved, quarantines, errors;

	wait_queue_head_t readable;	/* also of those who wait for the device to go */
};

/*
 * Locks, outermost first: io_lock, mmap_lock of the process, memory_lock,
 * ring.lock. read() and write() copy to and from the process under io_lock, and
 * may fault there; so mmap() and faults, which come with mmap_lock held, must
 * not need it, and take memory_lock.
 */
struct sluice_device {
	/* Constant after probe. */
	struct device *dev;
	struct dma_chan *chan;
	struct miscdevice misc;
	char name[16];
	int number;
	u32 capabilities;
	bool has_loss;

	struct kref ref;	/* the bound driver's, and the open file's */
	unsigned long opened;	/* bit 0: somebody has it open */

	/* One call at a time; moves buffers between all states but ARMED -> FILLED. */
	struct mutex io_lock;
	bool kept;		/* the ring is waiting for its owner to come back */
	kuid_t owner;		/* who is that */
	struct delayed_work settle; /* ends quarantines, arms what could not be */

	/* The existence of memory, and who maps it. gone: under io_lock as well. */
	struct mutex memory_lock;
	bool gone;
	struct sluice_config config;
	struct sluice_buffer *buffers;	/* config.buffer_count, or NULL: no memory yet */
	struct page **pages;		/* of all buffers, in order */
	unsigned int mappings;
	bool used;		/* mapped or started: not all zero any more */

	struct sluice_ring ring;
};

/* sluice_main.c */
void sluice_put(struct sluice_device *sluice);

/* sluice_file.c */
extern const struct file_operations sluice_fops;

/* sluice_ring.c */
void sluice_ring_init(struct sluice_ring *ring);
void sluice_ring_populate(struct sluice_device *sluice);
void sluice_ring_forget(struct sluice_device *sluice);
void sluice_ring_reset_counts(struct sluice_device *sluice);
int sluice_ring_start(struct sluice_device *sluice);
int sluice_ring_stop(struct sluice_device *sluice);
bool sluice_ring_arm_free(struct sluice_device *sluice);
void sluice_ring_fill(struct sluice_buffer *buffer, u64 bytes, bool failed);
struct sluice_buffer *sluice_ring_next_filled(struct sluice_ring *ring);
void sluice_ring_lend(struct sluice_buffer *buffer);
int sluice_ring_release(struct sluice_buffer *buffer);
void sluice_ring_settle(struct sluice_device *sluice);
void sluice_ring_reclaim(struct sluice_device *sluice);
void sluice_ring_keep(struct sluice_device *sluice);
void sluice_ring_adopt(struct sluice_device *sluice);
bool sluice_ring_readable(struct sluice_ring *ring);
void sluice_ring_counts(struct sluice_ring *ring, struct sluice_counts *counts);

/* sluice_dma.c */
int sluice_dma_open(struct sluice_device *sluice);
void sluice_dma_close(struct sluice_device *sluice);
int sluice_dma_submit(struct sluice_buffer *buffer);
void sluice_dma_issue(struct sluice_device *sluice);
void sluice_dma_stop(struct sluice_device *sluice);

/* sluice_memory.c */
extern const u32 sluice_memory_capabilities;
int sluice_memory_alloc(struct sluice_device *sluice);
void sluice_memory_free(struct sluice_device *sluice);
u32 sluice_memory_registers(struct sluice_device *sluice);
bool sluice_memory_in_use(struct sluice_buffer *buffer);
bool sluice_memory_pinned(struct sluice_buffer *buffer);
int sluice_memory_zero(struct sluice_buffer *buffer);
void sluice_memory_for_cpu(struct sluice_buffer *buffer);
void sluice_memory_for_device(struct sluice_buffer *buffer);
int sluice_memory_map(struct sluice_device *sluice, struct vm_area_struct *vma);
struct page *sluice_memory_page(struct sluice_device *sluice, unsigned long index);

#endif /* SLUICE_H */
