// SPDX-License-Identifier: GPL-2.0
/*
 * Who owns each buffer. Each state is named by its owner:
 *
 *	FREE		the driver; clean, synced for the device, not armed
 *	ARMED		the DMA engine, which alone may write to it
 *	FILLED		the driver; a frame that waits to be read
 *	LENT		the process, until it releases it
 *	QUARANTINED	whoever still references its pages: the process released
 *			it, or died, and something is sending from it
 *
 *	FREE --arm--> ARMED --done--> FILLED --lend--> LENT
 *	 ^              |                ^               |
 *	 |<-stop, error-+                +-----keep------+
 *	 |<------------------ release, reclaim ----------+
 *	 |                                               |
 *	 +<-settle-- QUARANTINED <--still referenced-----+
 *
 * No buffer is armed while anybody can read it: only a FREE buffer is armed, and
 * a buffer becomes FREE only here, after sluice_memory_in_use() said no.
 *
 * Only this file writes a state, with ring.lock held. The DMA engine's
 * completion moves ARMED to FILLED at any time; everything else happens under
 * io_lock, so that a state other than ARMED stays what it is while io_lock is
 * held.
 */
#include <linux/list_sort.h>
#include <linux/random.h>

#include "sluice.h"

#define CREATE_TRACE_POINTS
#include "sluice_trace.h"

/*
 * How soon a quarantined buffer is looked at again, in jiffies: nothing tells
 * when the last reference goes.
 */
#define SETTLE_DELAY	1

static u64 sluice_ring_starved_locked(struct sluice_ring *ring)
{
	return ktime_to_ns(ktime_sub(ktime_get(), ring->starved_since));
}

static void sluice_ring_move_locked(struct sluice_buffer *buffer, enum sluice_state to)
{
	struct sluice_ring *ring = &buffer->sluice->ring;
	bool starved = !ring->count[SLUICE_ARMED];

	lockdep_assert_held(&ring->lock);
	ring->count[buffer->state]--;
	buffer->state = to;
	ring->count[to]++;
	list_move_tail(&buffer->link, &ring->in[to]);
	if (!ring->running)
		return;
	if (starved && ring->count[SLUICE_ARMED])
		ring->starved += sluice_ring_starved_locked(ring);
	else if (!starved && !ring->count[SLUICE_ARMED])
		ring->starved_since = ktime_get();
}

static void sluice_ring_move(struct sluice_buffer *buffer, enum sluice_state to)
{
	struct sluice_ring *ring = &buffer->sluice->ring;
	unsigned long flags;

	spin_lock_irqsave(&ring->lock, flags);
	sluice_ring_move_locked(buffer, to);
	spin_unlock_irqrestore(&ring->lock, flags);
}

/* The first buffer in a state, or NULL. It stays so while io_lock is held, unless ARMED. */
static struct sluice_buffer *sluice_ring_first(struct sluice_ring *ring, enum sluice_state state)
{
	struct sluice_buffer *buffer;
	unsigned long flags;

	spin_lock_irqsave(&ring->lock, flags);
	buffer = list_first_entry_or_null(&ring->in[state], struct sluice_buffer, link);
	spin_unlock_irqrestore(&ring->lock, flags);
	return buffer;
}

static void sluice_ring_settle_soon(struct sluice_device *sluice)
{
	/* Unbound: it may have much to clear. */
	queue_delayed_work(system_unbound_wq, &sluice->settle, SETTLE_DELAY);
}

void sluice_ring_init(struct sluice_ring *ring)
{
	int state;

	spin_lock_init(&ring->lock);
	for (state = 0; state < SLUICE_STATES; state++)
		INIT_LIST_HEAD(&ring->in[state]);
	init_waitqueue_head(&ring->readable);
}

/* The buffers of new memory: FREE. */
void sluice_ring_populate(struct sluice_device *sluice)
{
	struct sluice_ring *ring = &sluice->ring;
	u32 i;

	lockdep_assert_held(&sluice->memory_lock);
	spin_lock_irq(&ring->lock);
	for (i = 0; i < sluice->config.buffer_count; i++) {
		sluice->buffers[i].state = SLUICE_FREE;
		list_add_tail(&sluice->buffers[i].link, &ring->in[SLUICE_FREE]);
		ring->count[SLUICE_FREE]++;
	}
	spin_unlock_irq(&ring->lock);
}

/* All memory goes, whoever owns it. Frames that nobody was told of are lost. */
void sluice_ring_forget(struct sluice_device *sluice)
{
	struct sluice_ring *ring = &sluice->ring;
	struct sluice_buffer *buffer;
	int state;

	lockdep_assert_held(&sluice->memory_lock);
	spin_lock_irq(&ring->lock);
	WARN_ON(ring->running);
	list_for_each_entry(buffer, &ring->in[SLUICE_FILLED], link) {
		ring->lost += buffer->bytes;
		ring->unreported_lost += buffer->lost + buffer->bytes;
	}
	for (state = 0; state < SLUICE_STATES; state++) {
		INIT_LIST_HEAD(&ring->in[state]);
		ring->count[state] = 0;
	}
	spin_unlock_irq(&ring->lock);
}

/* A new opener's ring counts from 0; what an earlier one left in quarantine was its own. */
void sluice_ring_reset_counts(struct sluice_device *sluice)
{
	struct sluice_ring *ring = &sluice->ring;
	struct sluice_buffer *buffer;
	u64 id;

	lockdep_assert_held(&sluice->io_lock);
	list_for_each_entry(buffer, &ring->in[SLUICE_QUARANTINED], link)
		buffer->quarantine_counted = true;
	do {
		id = get_random_u64();
	} while (!id);
	spin_lock_irq(&ring->lock);
	ring->id = id;
	ring->next_sequence = 0;
	ring->produced = 0;
	ring->unreported_lost = 0;
	ring->frames = 0;
	ring->bytes = 0;
	ring->lost = 0;
	ring->starved = 0;
	ring->quarantines = 0;
	ring->errors = 0;
	spin_unlock_irq(&ring->lock);
}

/*
 * FREE -> ARMED, all of them, while the engine runs. An engine that takes no
 * more descriptors gets the rest later. False if it took none of those there are.
 */
bool sluice_ring_arm_free(struct sluice_device *sluice)
{
	struct sluice_ring *ring = &sluice->ring;
	struct sluice_buffer *buffer;
	bool submitted = false, refused = false;

	lockdep_assert_held(&sluice->io_lock);
	while (ring->running && (buffer = sluice_ring_first(ring, SLUICE_FREE))) {
		trace_sluice_arm(buffer);
		/* Before the engine has it: it may be done before submit returns. */
		sluice_ring_move(buffer, SLUICE_ARMED);
		if (sluice_dma_submit(buffer)) {
			sluice_ring_move(buffer, SLUICE_FREE);
			sluice_ring_settle_soon(sluice);
			refused = true;
			break;
		}
		submitted = true;
	}
	if (submitted)
		sluice_dma_issue(sluice);
	return submitted || !refused;
}

/* ARMED -> FREE, once the engine is halted. */
int sluice_ring_stop(struct sluice_device *sluice)
{
	struct sluice_ring *ring = &sluice->ring;
	struct sluice_buffer *buffer, *next;

	lockdep_assert_held(&sluice->io_lock);
	if (!ring->running)
		return -EALREADY;
	sluice_dma_stop(sluice);
	spin_lock_irq(&ring->lock);
	if (!ring->count[SLUICE_ARMED])
		ring->starved += sluice_ring_starved_locked(ring);
	ring->running = false;
	list_for_each_entry_safe(buffer, next, &ring->in[SLUICE_ARMED], link)
		sluice_ring_move_locked(buffer, SLUICE_FREE);
	spin_unlock_irq(&ring->lock);
	wake_up_interruptible_poll(&ring->readable, EPOLLIN | EPOLLRDNORM);
	return 0;
}

/* -EIO: the engine does not take buffers like these. */
int sluice_ring_start(struct sluice_device *sluice)
{
	struct sluice_ring *ring = &sluice->ring;

	lockdep_assert_held(&sluice->io_lock);
	if (ring->running)
		return -EALREADY;
	spin_lock_irq(&ring->lock);
	ring->running = true;
	ring->starved_since = ktime_get();
	spin_unlock_irq(&ring->lock);
	if (!sluice_ring_arm_free(sluice)) {
		dev_err(sluice->dev, "the DMA engine does not take buffers of %llu bytes in %u pieces\n",
			sluice->config.buffer_bytes, sluice->buffers[0].sgt.nents);
		sluice_ring_stop(sluice);
		return -EIO;
	}
	return 0;
}

static u64 sluice_ring_clock(struct sluice_device *sluice)
{
	switch (sluice->config.clock) {
	case CLOCK_MONOTONIC:
		return ktime_get_ns();
	case CLOCK_TAI:
		return ktime_get_clocktai_ns();
	default:
		return ktime_get_real_ns();
	}
}

/*
 * ARMED -> FILLED: the engine is done, in any context. What a failed transfer
 * brought cannot be trusted and counts as lost; its buffer, which nobody saw,
 * goes to FREE and is armed again a little later, so that an engine that only
 * fails does not take the processor.
 */
void sluice_ring_fill(struct sluice_buffer *buffer, u64 bytes, bool failed)
{
	struct sluice_device *sluice = buffer->sluice;
	struct sluice_ring *ring = &sluice->ring;
	u64 lost = sluice->has_loss ? buffer->lost_metadata : 0;
	unsigned long flags;

	spin_lock_irqsave(&ring->lock, flags);
	if (WARN_ON_ONCE(buffer->state != SLUICE_ARMED))
		goto unlock;
	if (failed) {
		ring->errors++;
		lost += bytes;
	}
	ring->lost += lost;
	ring->unreported_lost += lost;
	ring->produced += lost;
	if (failed || !bytes) {
		sluice_ring_move_locked(buffer, SLUICE_FREE);
		sluice_ring_settle_soon(sluice);
		goto unlock;
	}
	buffer->bytes = bytes;
	buffer->lost = ring->unreported_lost;
	buffer->sequence = ring->next_sequence++;
	buffer->time = sluice_ring_clock(sluice);
	buffer->position = ring->produced;
	ring->produced += bytes;
	ring->unreported_lost = 0;
	ring->frames++;
	ring->bytes += bytes;
	sluice_ring_move_locked(buffer, SLUICE_FILLED);
	trace_sluice_done(buffer);
unlock:
	spin_unlock_irqrestore(&ring->lock, flags);
	wake_up_interruptible_poll(&ring->readable, EPOLLIN | EPOLLRDNORM);
}

/* The oldest frame, or NULL. */
struct sluice_buffer *sluice_ring_next_filled(struct sluice_ring *ring)
{
	return sluice_ring_first(ring, SLUICE_FILLED);
}

/* FILLED -> LENT. The caller has synced it for the processor and told the process. */
void sluice_ring_lend(struct sluice_buffer *buffer)
{
	lockdep_assert_held(&buffer->sluice->io_lock);
	sluice_ring_move(buffer, SLUICE_LENT);
	trace_sluice_lend(buffer);
}

static void sluice_ring_quarantine(struct sluice_buffer *buffer)
{
	trace_sluice_quarantine(buffer);
	buffer->quarantine_counted = false;
	sluice_ring_move(buffer, SLUICE_QUARANTINED);
	sluice_ring_settle_soon(buffer->sluice);
}

/*
 * Counts a quarantine that lasts. The network reports a send as complete just
 * before it drops its references (skb_release_data() in net/core/skbuff.c), so a
 * process on another processor can release its buffer in between; that is over
 * when the buffer is looked at again.
 */
static void sluice_ring_count_quarantine(struct sluice_buffer *buffer)
{
	struct sluice_ring *ring = &buffer->sluice->ring;

	if (buffer->quarantine_counted)
		return;
	buffer->quarantine_counted = true;
	spin_lock_irq(&ring->lock);
	ring->quarantines++;
	spin_unlock_irq(&ring->lock);
}

/*
 * LENT -> FREE, or QUARANTINED if somebody can still read it. -EINVAL if the
 * process does not hold it. Arming is the caller's next step.
 */
int sluice_ring_release(struct sluice_buffer *buffer)
{
	lockdep_assert_held(&buffer->sluice->io_lock);
	if (READ_ONCE(buffer->state) != SLUICE_LENT)
		return -EINVAL;
	trace_sluice_release(buffer);
	if (sluice_memory_in_use(buffer)) {
		sluice_ring_quarantine(buffer);
		return 0;
	}
	buffer->orphaned = false;
	sluice_memory_for_device(buffer);
	sluice_ring_move(buffer, SLUICE_FREE);
	return 0;
}

/* Leaves nothing of an earlier opener in the buffer, unless it is still read. */
static bool sluice_ring_clean(struct sluice_buffer *buffer)
{
	struct sluice_device *sluice = buffer->sluice;
	int ret = 0;

	if (sluice_memory_in_use(buffer))
		return false;
	mutex_lock(&sluice->memory_lock);
	if (buffer->stale)
		ret = sluice_memory_zero(buffer);
	else
		sluice_memory_for_device(buffer);
	buffer->stale = ret;
	mutex_unlock(&sluice->memory_lock);
	buffer->orphaned = false;
	return !ret;
}

/* QUARANTINED -> FREE where the last reference is gone; then arms what is FREE. */
void sluice_ring_settle(struct sluice_device *sluice)
{
	struct sluice_ring *ring = &sluice->ring;
	struct sluice_buffer *buffer, *next;

	lockdep_assert_held(&sluice->io_lock);
	/* Under io_lock nobody else moves what is QUARANTINED, so no ring.lock for the walk. */
	list_for_each_entry_safe(buffer, next, &ring->in[SLUICE_QUARANTINED], link)
		if (sluice_ring_clean(buffer))
			sluice_ring_move(buffer, SLUICE_FREE);
		else
			sluice_ring_count_quarantine(buffer);
	sluice_ring_arm_free(sluice);
	if (!list_empty(&ring->in[SLUICE_QUARANTINED]))
		sluice_ring_settle_soon(sluice);
}

/*
 * The opener is gone, and its mappings with it. All its buffers are cleaned and
 * FREE, or QUARANTINED until they can be. The engine is halted.
 */
void sluice_ring_reclaim(struct sluice_device *sluice)
{
	u32 i;

	lockdep_assert_held(&sluice->io_lock);
	if (!sluice->buffers || !sluice->used)
		return;
	for (i = 0; i < sluice->config.buffer_count; i++) {
		struct sluice_buffer *buffer = &sluice->buffers[i];

		mutex_lock(&sluice->memory_lock);
		buffer->stale = true;
		mutex_unlock(&sluice->memory_lock);
		if (sluice_ring_clean(buffer))
			sluice_ring_move(buffer, SLUICE_FREE);
		else if (buffer->state != SLUICE_QUARANTINED)
			sluice_ring_quarantine(buffer);
	}
	sluice->used = false;
}

static int sluice_ring_by_sequence(void *unused, const struct list_head *a,
				   const struct list_head *b)
{
	u64 first = list_entry(a, struct sluice_buffer, link)->sequence;
	u64 second = list_entry(b, struct sluice_buffer, link)->sequence;

	return first > second ? 1 : -1;
}

/*
 * LENT -> FILLED, in sequence: the opener is gone and its ring is kept. What the
 * network still sends of them is no matter: they are read again, not written.
 */
void sluice_ring_keep(struct sluice_device *sluice)
{
	struct sluice_ring *ring = &sluice->ring;
	struct sluice_buffer *buffer, *next;

	lockdep_assert_held(&sluice->io_lock);
	spin_lock_irq(&ring->lock);
	list_for_each_entry_safe(buffer, next, &ring->in[SLUICE_LENT], link) {
		buffer->orphaned = true;
		sluice_ring_move_locked(buffer, SLUICE_FILLED);
	}
	list_sort(NULL, &ring->in[SLUICE_FILLED], sluice_ring_by_sequence);
	spin_unlock_irq(&ring->lock);
}

/*
 * The owner of a kept ring is back. Pins that it makes from now on are its own;
 * only where the dead process's are still there they cannot be told apart.
 */
void sluice_ring_adopt(struct sluice_device *sluice)
{
	u32 i;

	lockdep_assert_held(&sluice->io_lock);
	for (i = 0; sluice->buffers && i < sluice->config.buffer_count; i++)
		if (sluice->buffers[i].orphaned && !sluice_memory_pinned(&sluice->buffers[i]))
			sluice->buffers[i].orphaned = false;
}

/* Whether read() would not wait: a frame is there, or none will come. */
bool sluice_ring_readable(struct sluice_ring *ring)
{
	unsigned long flags;
	bool readable;

	spin_lock_irqsave(&ring->lock, flags);
	readable = !ring->running || ring->count[SLUICE_FILLED];
	spin_unlock_irqrestore(&ring->lock, flags);
	return readable;
}

void sluice_ring_counts(struct sluice_ring *ring, struct sluice_counts *counts)
{
	struct sluice_buffer *next;
	unsigned long flags;

	memset(counts, 0, sizeof(*counts));
	spin_lock_irqsave(&ring->lock, flags);
	counts->free = ring->count[SLUICE_FREE];
	counts->armed = ring->count[SLUICE_ARMED];
	counts->filled = ring->count[SLUICE_FILLED];
	counts->lent = ring->count[SLUICE_LENT];
	counts->quarantined = ring->count[SLUICE_QUARANTINED];
	counts->frames = ring->frames;
	counts->bytes = ring->bytes;
	counts->lost = ring->lost;
	counts->starved = ring->starved;
	if (ring->running && !ring->count[SLUICE_ARMED])
		counts->starved += sluice_ring_starved_locked(ring);
	counts->quarantines = ring->quarantines;
	counts->errors = ring->errors;
	next = list_first_entry_or_null(&ring->in[SLUICE_FILLED], struct sluice_buffer, link);
	counts->sequence = next ? next->sequence : ring->next_sequence;
	counts->position = next ? next->position - next->lost :
				  ring->produced - ring->unreported_lost;
	spin_unlock_irqrestore(&ring->lock, flags);
}
