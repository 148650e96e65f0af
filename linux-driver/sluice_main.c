// SPDX-License-Identifier: GPL-2.0
/*
 * Sluice: DMA buffers that a process reads, and the network sends, by reference.
 * A platform driver that makes a /dev/sluiceN of each DMA channel it is bound to.
 */
#include <linux/idr.h>
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/platform_device.h>
#include <linux/property.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "sluice.h"
#include "sluice_compat.h"

/* The origin's buffers; 16 of them are 130 ms of gigabit Ethernet. */
static unsigned long buffer_bytes = SZ_1M;
module_param(buffer_bytes, ulong, 0644);
MODULE_PARM_DESC(buffer_bytes, "bytes of a buffer until CONFIGURE, whole pages (default 1 MiB)");

static unsigned int buffer_count = 16;
module_param(buffer_count, uint, 0644);
MODULE_PARM_DESC(buffer_count, "number of buffers until CONFIGURE (default 16)");

static DEFINE_IDA(sluice_numbers);

/* One value a file, of the same moment as the call; COUNTS has all of one moment. */
#define SLUICE_COUNT_ATTR(field)						\
static ssize_t field##_show(struct device *dev, struct device_attribute *attr,	\
			    char *buf)						\
{										\
	struct miscdevice *misc = dev_get_drvdata(dev);				\
	struct sluice_device *sluice =						\
		container_of(misc, struct sluice_device, misc);			\
	struct sluice_counts counts;						\
										\
	sluice_ring_counts(&sluice->ring, &counts);				\
	return sysfs_emit(buf, "%llu\n", (unsigned long long)counts.field);	\
}										\
static DEVICE_ATTR_RO(field)

SLUICE_COUNT_ATTR(free);
SLUICE_COUNT_ATTR(armed);
SLUICE_COUNT_ATTR(filled);
SLUICE_COUNT_ATTR(lent);
SLUICE_COUNT_ATTR(quarantined);
SLUICE_COUNT_ATTR(frames);
SLUICE_COUNT_ATTR(bytes);
SLUICE_COUNT_ATTR(lost);
SLUICE_COUNT_ATTR(starved);
SLUICE_COUNT_ATTR(quarantines);
SLUICE_COUNT_ATTR(errors);

static struct attribute *sluice_attrs[] = {
	&dev_attr_free.attr,
	&dev_attr_armed.attr,
	&dev_attr_filled.attr,
	&dev_attr_lent.attr,
	&dev_attr_quarantined.attr,
	&dev_attr_frames.attr,
	&dev_attr_bytes.attr,
	&dev_attr_lost.attr,
	&dev_attr_starved.attr,
	&dev_attr_quarantines.attr,
	&dev_attr_errors.attr,
	NULL
};
ATTRIBUTE_GROUPS(sluice);

static void sluice_settle(struct work_struct *work)
{
	struct sluice_device *sluice =
		container_of(to_delayed_work(work), struct sluice_device, settle);

	mutex_lock(&sluice->io_lock);
	if (!sluice->gone)
		sluice_ring_settle(sluice);
	mutex_unlock(&sluice->io_lock);
}

static void sluice_free(struct kref *ref)
{
	struct sluice_device *sluice = container_of(ref, struct sluice_device, ref);

	put_device(sluice->dev);
	kfree(sluice);
}

void sluice_put(struct sluice_device *sluice)
{
	kref_put(&sluice->ref, sluice_free);
}

/* sluiceN: by the alias in the device tree, or else the lowest that is free. */
static int sluice_number(struct device *dev)
{
	int alias = dev->of_node ? of_alias_get_id(dev->of_node, "sluice") : -ENODEV;

	if (alias >= 0)
		return ida_alloc_range(&sluice_numbers, alias, alias, GFP_KERNEL);
	return ida_alloc(&sluice_numbers, GFP_KERNEL);
}

static void sluice_default_config(struct sluice_device *sluice)
{
	struct sluice_config *config = &sluice->config;
	u32 bytes = min_t(unsigned long, buffer_bytes, U32_MAX & PAGE_MASK), count = buffer_count;

	device_property_read_u32(sluice->dev, "sluice,buffer-bytes", &bytes);
	device_property_read_u32(sluice->dev, "sluice,buffer-count", &count);
	config->buffer_bytes = max_t(u64, PAGE_ALIGN((u64)bytes), PAGE_SIZE);
	config->buffer_count = max(count, 1U);
	config->clock = CLOCK_REALTIME;
	if (config->buffer_bytes != bytes || config->buffer_count != count)
		dev_warn(sluice->dev, "%u buffers of %u bytes asked for, %u of %llu taken\n",
			 count, bytes, config->buffer_count, config->buffer_bytes);
}

static int sluice_probe(struct platform_device *pdev)
{
	struct sluice_device *sluice;
	int ret;

	sluice = kzalloc(sizeof(*sluice), GFP_KERNEL);
	if (!sluice)
		return -ENOMEM;
	kref_init(&sluice->ref);
	mutex_init(&sluice->io_lock);
	mutex_init(&sluice->memory_lock);
	sluice_ring_init(&sluice->ring);
	INIT_DELAYED_WORK(&sluice->settle, sluice_settle);
	sluice->dev = get_device(&pdev->dev);
	sluice->capabilities = sluice_memory_capabilities;
	sluice_default_config(sluice);

	sluice->number = sluice_number(&pdev->dev);
	if (sluice->number < 0) {
		ret = sluice->number;
		goto err_free;
	}
	ret = sluice_dma_open(sluice);
	if (ret)
		goto err_free_number;

	snprintf(sluice->name, sizeof(sluice->name), "sluice%d", sluice->number);
	sluice->misc.minor = MISC_DYNAMIC_MINOR;
	sluice->misc.name = sluice->name;
	sluice->misc.fops = &sluice_fops;
	sluice->misc.parent = &pdev->dev;
	sluice->misc.groups = sluice_groups;
	sluice->misc.mode = 0600;
	platform_set_drvdata(pdev, sluice);
	ret = misc_register(&sluice->misc);
	if (ret)
		goto err_close_dma;
	dev_info(&pdev->dev, "/dev/%s on DMA channel %s\n", sluice->name,
		 dma_chan_name(sluice->chan));
	return 0;

err_close_dma:
	sluice_dma_close(sluice);
err_free_number:
	ida_free(&sluice_numbers, sluice->number);
err_free:
	put_device(sluice->dev);
	kfree(sluice);
	return ret;
}

/*
 * The process may have it open and mapped; its calls fail from now on. Pages that
 * it maps, or that the network still sends, live as long as that lasts.
 */
static void sluice_remove(struct platform_device *pdev)
{
	struct sluice_device *sluice = platform_get_drvdata(pdev);

	misc_deregister(&sluice->misc);
	mutex_lock(&sluice->io_lock);
	sluice_ring_stop(sluice);
	mutex_lock(&sluice->memory_lock);
	WRITE_ONCE(sluice->gone, true);
	sluice_memory_free(sluice);
	mutex_unlock(&sluice->memory_lock);
	mutex_unlock(&sluice->io_lock);
	wake_up_poll(&sluice->ring.readable, EPOLLIN | EPOLLRDNORM | EPOLLHUP | EPOLLERR);
	cancel_delayed_work_sync(&sluice->settle);
	sluice_dma_close(sluice);
	ida_free(&sluice_numbers, sluice->number);
	sluice_put(sluice);
}

static const struct of_device_id sluice_of_match[] = {
	{ .compatible = "sluice,dma-ring" },
	{ }
};
MODULE_DEVICE_TABLE(of, sluice_of_match);

/* The simulated FPGA's. */
static const struct platform_device_id sluice_id_table[] = {
	{ .name = "sluice" },
	{ }
};
MODULE_DEVICE_TABLE(platform, sluice_id_table);

static struct platform_driver sluice_driver = {
	.probe = sluice_probe,
	SLUICE_REMOVE(sluice_remove),
	.id_table = sluice_id_table,
	.driver = {
		.name = "sluice",
		.of_match_table = sluice_of_match,
	},
};
module_platform_driver(sluice_driver);

MODULE_DESCRIPTION("DMA buffers that the network sends by reference");
MODULE_LICENSE("GPL");
