// SPDX-License-Identifier: GPL-2.0
/*
 * For tests only: pins a process's pages, as a registered buffer of io_uring does,
 * which kernel 6.1 refuses for a driver's mapping. Write struct sluice_pin to
 * /dev/sluice_pin; the pins go when that is closed, by whichever process holds it
 * last.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#define MOST_PAGES	1024

struct sluice_pin {
	__u64 address;
	__u64 pages;
};

struct pins {
	int count;
	struct page *pages[MOST_PAGES];
};

static int pin_open(struct inode *inode, struct file *file)
{
	file->private_data = kvzalloc(sizeof(struct pins), GFP_KERNEL);
	return file->private_data ? 0 : -ENOMEM;
}

static int pin_release(struct inode *inode, struct file *file)
{
	struct pins *pins = file->private_data;

	unpin_user_pages(pins->pages, pins->count);
	kvfree(pins);
	return 0;
}

static ssize_t pin_write(struct file *file, const char __user *from, size_t count, loff_t *at)
{
	struct pins *pins = file->private_data;
	struct sluice_pin pin;
	int got;

	if (count != sizeof(pin) || copy_from_user(&pin, from, sizeof(pin)))
		return -EFAULT;
	if (pin.pages > MOST_PAGES - pins->count)
		return -ENOSPC;
	got = pin_user_pages_fast(pin.address, pin.pages, FOLL_WRITE, pins->pages + pins->count);
	if (got < 0)
		return got;
	pins->count += got;
	return got == pin.pages ? count : -EFAULT;
}

static const struct file_operations pin_fops = {
	.owner = THIS_MODULE,
	.open = pin_open,
	.release = pin_release,
	.write = pin_write,
};

static struct miscdevice pin_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "sluice_pin",
	.fops = &pin_fops,
};
module_misc_device(pin_device);

MODULE_DESCRIPTION("Pins pages, for tests of sluice");
MODULE_LICENSE("GPL");
