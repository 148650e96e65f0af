// SPDX-License-Identifier: GPL-2.0
/*
 * The calls of the process that opened the device: see
 * include/uapi/linux/sluice.h for what they promise.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/poll.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "sluice.h"

static struct sluice_device *sluice_of(struct file *file)
{
	return file->private_data;
}

/* Opened for reading only: it may ask, and nothing changes for it. */
static bool sluice_only_looks(struct file *file)
{
	return !(file->f_mode & FMODE_WRITE);
}

/* io_lock for a call that may wait, or not. Fails once the device is gone. */
static int sluice_enter(struct sluice_device *sluice, bool nowait)
{
	if (nowait) {
		if (!mutex_trylock(&sluice->io_lock))
			return -EAGAIN;
	} else if (mutex_lock_interruptible(&sluice->io_lock)) {
		return -ERESTARTSYS;
	}
	if (sluice->gone) {
		mutex_unlock(&sluice->io_lock);
		return -ENODEV;
	}
	return 0;
}

static void sluice_leave(struct sluice_device *sluice)
{
	mutex_unlock(&sluice->io_lock);
}

/* Whoever had it is gone, and it is not kept for them. */
static void sluice_reset(struct sluice_device *sluice)
{
	sluice_ring_stop(sluice);
	sluice_ring_reclaim(sluice);
	sluice->kept = false;
}

/* The ring is this process's from now on: the one that was kept for its user, or a new one. */
static void sluice_take(struct sluice_device *sluice)
{
	if (sluice->kept && !uid_eq(sluice->owner, current_euid()))
		sluice_reset(sluice);
	if (sluice->kept) {
		sluice_ring_adopt(sluice);
	} else {
		sluice_ring_reset_counts(sluice);
		sluice->config.flags = 0;
	}
	sluice->kept = false;
	sluice->owner = current_euid();
}

static int sluice_open(struct inode *inode, struct file *file)
{
	struct sluice_device *sluice =
		container_of(file->private_data, struct sluice_device, misc);
	int ret;

	/* misc_open() holds its lock, so the device is not being removed here. */
	if (test_and_set_bit(0, &sluice->opened))
		return -EBUSY;
	ret = sluice_enter(sluice, false);
	if (ret) {
		clear_bit(0, &sluice->opened);
		return ret;
	}
	if (!sluice_only_looks(file))
		sluice_take(sluice);
	kref_get(&sluice->ref);
	sluice_leave(sluice);

	file->private_data = sluice;
	file->f_mode |= FMODE_NOWAIT;
	return stream_open(inode, file);
}

/* After the last mapping went: each holds the file. */
static int sluice_release(struct inode *inode, struct file *file)
{
	struct sluice_device *sluice = sluice_of(file);

	mutex_lock(&sluice->io_lock);
	if (!sluice->gone && !sluice_only_looks(file)) {
		if (sluice->config.flags & SLUICE_KEEP) {
			sluice_ring_keep(sluice);
			sluice->kept = true;
		} else {
			sluice_reset(sluice);
		}
	}
	mutex_unlock(&sluice->io_lock);
	clear_bit_unlock(0, &sluice->opened);
	sluice_put(sluice);
	return 0;
}

static ssize_t sluice_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct sluice_device *sluice = sluice_of(iocb->ki_filp);
	bool nowait = iocb->ki_flags & IOCB_NOWAIT;
	bool nonblock = nowait || iocb->ki_filp->f_flags & O_NONBLOCK;
	struct sluice_buffer *buffer;
	ssize_t done = 0;
	int ret;

	if (sluice_only_looks(iocb->ki_filp))
		return -EBADF;
	if (!iov_iter_count(to))
		return 0;
	if (iov_iter_count(to) < sizeof(struct sluice_frame))
		return -EINVAL;

	ret = sluice_enter(sluice, nowait);
	if (ret)
		return ret;
	while (!sluice_ring_readable(&sluice->ring)) {
		sluice_leave(sluice);
		if (nonblock)
			return -EAGAIN;
		if (wait_event_interruptible(sluice->ring.readable,
					     READ_ONCE(sluice->gone) ||
					     sluice_ring_readable(&sluice->ring)))
			return -ERESTARTSYS;
		ret = sluice_enter(sluice, false);
		if (ret)
			return ret;
	}
	while (iov_iter_count(to) >= sizeof(struct sluice_frame) &&
	       (buffer = sluice_ring_next_filled(&sluice->ring))) {
		struct sluice_frame frame = {
			.buffer = buffer->index,
			.bytes = buffer->bytes,
			.sequence = buffer->sequence,
			.time = buffer->time,
			.lost = buffer->lost,
			.position = buffer->position,
		};

		sluice_memory_for_cpu(buffer);
		/* A frame that the process was not told of stays for the next read. */
		if (copy_to_iter(&frame, sizeof(frame), to) != sizeof(frame)) {
			done = done ?: -EFAULT;
			break;
		}
		sluice_ring_lend(buffer);
		done += sizeof(frame);
	}
	sluice_leave(sluice);
	return done;
}

static ssize_t sluice_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct sluice_device *sluice = sluice_of(iocb->ki_filp);
	ssize_t done = 0;
	int ret;

	if (iov_iter_count(from) % sizeof(u32))
		return -EINVAL;
	ret = sluice_enter(sluice, iocb->ki_flags & IOCB_NOWAIT);
	if (ret)
		return ret;
	while (iov_iter_count(from)) {
		u32 index;

		if (copy_from_iter(&index, sizeof(index), from) != sizeof(index)) {
			ret = -EFAULT;
			break;
		}
		ret = -EINVAL;
		if (!sluice->buffers || index >= sluice->config.buffer_count)
			break;
		ret = sluice_ring_release(&sluice->buffers[index]);
		if (ret)
			break;
		done += sizeof(index);
	}
	/* Also what the engine had no room for when it was free. */
	sluice_ring_arm_free(sluice);
	sluice_leave(sluice);
	return done ?: ret;
}

static __poll_t sluice_poll(struct file *file, poll_table *wait)
{
	struct sluice_device *sluice = sluice_of(file);

	poll_wait(file, &sluice->ring.readable, wait);
	if (READ_ONCE(sluice->gone))
		return EPOLLIN | EPOLLRDNORM | EPOLLHUP | EPOLLERR;
	if (sluice_ring_readable(&sluice->ring))
		return EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM;
	return EPOLLOUT | EPOLLWRNORM;
}

static bool sluice_config_valid(const struct sluice_config *config)
{
	u64 total;

	return !memchr_inv(config->reserved, 0, sizeof(config->reserved)) &&
	       !(config->flags & ~SLUICE_KEEP) &&
	       (config->clock == CLOCK_REALTIME || config->clock == CLOCK_MONOTONIC ||
		config->clock == CLOCK_TAI) &&
	       config->buffer_bytes && !(config->buffer_bytes & ~PAGE_MASK) &&
	       config->buffer_bytes <= U32_MAX && /* a residue has 32 bits */
	       config->buffer_count &&
	       !check_mul_overflow(config->buffer_bytes, (u64)config->buffer_count, &total);
}

/*
 * Makes buffers as asked for. Those that are right already stay. Those that go
 * may still be sent from: then their pages are freed when that is over.
 */
static int sluice_reconfigure(struct sluice_device *sluice, const struct sluice_config *config)
{
	struct sluice_config before = sluice->config;
	bool same = config->buffer_bytes == before.buffer_bytes &&
		    config->buffer_count == before.buffer_count;
	int ret = 0;

	if (!sluice_config_valid(config))
		return -EINVAL;
	if (sluice->ring.running)
		return -EBUSY;
	mutex_lock(&sluice->memory_lock);
	if (sluice->mappings) {
		ret = -EBUSY;
	} else if (same && sluice->buffers) {
		sluice->config = *config;
	} else {
		sluice_memory_free(sluice);
		sluice->config = *config;
		ret = sluice_memory_alloc(sluice);
		/* The next mmap() or START tries again with what was there before. */
		if (ret)
			sluice->config = before;
	}
	mutex_unlock(&sluice->memory_lock);
	return ret;
}

static int sluice_start(struct sluice_device *sluice)
{
	int ret;

	mutex_lock(&sluice->memory_lock);
	ret = sluice_memory_alloc(sluice);
	if (!ret)
		sluice->used = true;
	mutex_unlock(&sluice->memory_lock);
	return ret ?: sluice_ring_start(sluice);
}

static void sluice_info(struct sluice_device *sluice, struct sluice_info *info)
{
	*info = (struct sluice_info) {
		.abi = SLUICE_ABI,
		.state = sluice->ring.running ? SLUICE_RUNNING : SLUICE_STOPPED,
		.capabilities = sluice->capabilities | sluice_memory_registers(sluice),
		.buffer_count = sluice->config.buffer_count,
		.buffer_bytes = sluice->config.buffer_bytes,
		.clock = sluice->config.clock,
		.flags = sluice->config.flags,
		.ring = sluice->ring.id, /* written under io_lock only */
	};
}

static bool sluice_changes(unsigned int cmd)
{
	return cmd == SLUICE_CONFIGURE || cmd == SLUICE_START || cmd == SLUICE_STOP;
}

static long sluice_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct sluice_device *sluice = sluice_of(file);
	void __user *user = (void __user *)arg;
	union {
		struct sluice_info info;
		struct sluice_counts counts;
		struct sluice_config config;
	} u;
	long ret;

	if (sluice_only_looks(file) && sluice_changes(cmd))
		return -EBADF;
	if (mutex_lock_interruptible(&sluice->io_lock))
		return -ERESTARTSYS;
	if (sluice->gone && cmd != SLUICE_INFO && cmd != SLUICE_COUNTS) {
		sluice_leave(sluice);
		return -ENODEV;
	}
	ret = 0;
	switch (cmd) {
	case SLUICE_INFO:
		sluice_info(sluice, &u.info);
		if (copy_to_user(user, &u.info, sizeof(u.info)))
			ret = -EFAULT;
		break;
	case SLUICE_CONFIGURE:
		if (copy_from_user(&u.config, user, sizeof(u.config)))
			ret = -EFAULT;
		else
			ret = sluice_reconfigure(sluice, &u.config);
		break;
	case SLUICE_START:
		ret = sluice_start(sluice);
		break;
	case SLUICE_STOP:
		ret = sluice_ring_stop(sluice);
		break;
	case SLUICE_COUNTS:
		sluice_ring_counts(&sluice->ring, &u.counts);
		if (copy_to_user(user, &u.counts, sizeof(u.counts)))
			ret = -EFAULT;
		break;
	default:
		ret = -ENOTTY;
	}
	sluice_leave(sluice);
	return ret;
}

static void sluice_vm_open(struct vm_area_struct *vma)
{
	struct sluice_device *sluice = vma->vm_private_data;

	mutex_lock(&sluice->memory_lock);
	sluice->mappings++;
	mutex_unlock(&sluice->memory_lock);
}

static void sluice_vm_close(struct vm_area_struct *vma)
{
	struct sluice_device *sluice = vma->vm_private_data;

	mutex_lock(&sluice->memory_lock);
	sluice->mappings--;
	mutex_unlock(&sluice->memory_lock);
}

/* All or nothing: which buffers a process maps is not kept anywhere. */
static int sluice_vm_may_split(struct vm_area_struct *vma, unsigned long address)
{
	return -EINVAL;
}

/*
 * A page that was not mapped by mmap(), or that madvise(MADV_DONTNEED) unmapped.
 * SIGBUS while it holds what an earlier opener sent from and the network still
 * has: such a buffer is not lent to anybody.
 */
static vm_fault_t sluice_vm_fault(struct vm_fault *vmf)
{
	struct sluice_device *sluice = vmf->vma->vm_private_data;
	struct page *page = NULL;

	mutex_lock(&sluice->memory_lock);
	if (!sluice->gone)
		page = sluice_memory_page(sluice, vmf->pgoff);
	if (page)
		get_page(page);
	mutex_unlock(&sluice->memory_lock);
	if (!page)
		return VM_FAULT_SIGBUS;
	vmf->page = page;
	return 0;
}

static const struct vm_operations_struct sluice_vm_ops = {
	.open = sluice_vm_open,
	.close = sluice_vm_close,
	.may_split = sluice_vm_may_split,
	.fault = sluice_vm_fault,
};

static int sluice_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct sluice_device *sluice = sluice_of(file);
	int ret = -ENODEV;

	mutex_lock(&sluice->memory_lock);
	if (sluice->gone)
		goto unlock;
	ret = -EINVAL;
	if (!(vma->vm_flags & VM_SHARED) || vma->vm_pgoff ||
	    vma->vm_end - vma->vm_start !=
	    sluice->config.buffer_bytes * sluice->config.buffer_count)
		goto unlock;
	ret = sluice_memory_alloc(sluice);
	if (ret)
		goto unlock;
	/* Before: another thread may write to what is mapped already. */
	sluice->used = true;
	ret = sluice_memory_map(sluice, vma);
	if (ret)
		goto unlock;
	vma->vm_ops = &sluice_vm_ops;
	vma->vm_private_data = sluice;
	sluice->mappings++;
unlock:
	mutex_unlock(&sluice->memory_lock);
	return ret;
}

const struct file_operations sluice_fops = {
	.owner = THIS_MODULE,
	.open = sluice_open,
	.release = sluice_release,
	.read_iter = sluice_read_iter,
	.write_iter = sluice_write_iter,
	.poll = sluice_poll,
	.mmap = sluice_mmap,
	.unlocked_ioctl = sluice_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};
