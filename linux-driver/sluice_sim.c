// SPDX-License-Identifier: GPL-2.0
/*
 * The simulated FPGA: a DMA engine (a dmaengine provider with slave_sg, residue
 * and metadata) whose channels produce a stream of 64-bit little-endian words that
 * count up. A channel counts from 0 and produces at its rate from the first transfer
 * issued to the termination, armed buffers or not: what comes while none is armed is lost,
 * and the words go on counting, so that a reader sees exactly what is missing. With
 * no rate it produces what is asked for, and loses nothing.
 *
 * The driver under test cannot tell it from hardware. Like hardware it writes to
 * DMA addresses, not to the pages; it takes these for physical addresses, so it
 * needs a machine without an IOMMU, and one with coherent caches.
 */
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/dmaengine.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/property.h>
#include <linux/slab.h>

#include "sluice_compat.h"

#define SIM_MAX_CHANNELS	16
#define SIM_WORD		sizeof(__le64)

static unsigned int channels = 1;
module_param(channels, uint, 0444);
MODULE_PARM_DESC(channels, "number of channels, each its own /dev/sluiceN (default 1)");

/* A terabyte a second: the position has 64 bits, which last for half a year then. */
#define SIM_MAX_RATE		1000000000000ULL

static unsigned long rate;

static int sim_rate_set(const char *value, const struct kernel_param *param)
{
	unsigned long wanted;
	int ret = kstrtoul(value, 0, &wanted);

	if (ret)
		return ret;
	if (wanted > SIM_MAX_RATE)
		return -ERANGE;
	WRITE_ONCE(rate, wanted);
	return 0;
}

static const struct kernel_param_ops sim_rate_ops = {
	.set = sim_rate_set,
	.get = param_get_ulong,
};
module_param_cb(rate, &sim_rate_ops, &rate, 0644);
MODULE_PARM_DESC(rate, "bytes per second of each channel, 0: as fast as it can (default)");

static unsigned int short_every;
module_param(short_every, uint, 0644);
MODULE_PARM_DESC(short_every, "every so many transfers one ends early, 0: none (default)");

static unsigned int error_every;
module_param(error_every, uint, 0644);
MODULE_PARM_DESC(error_every, "every so many transfers one fails, 0: none (default)");

static unsigned int stall_every;
module_param(stall_every, uint, 0644);
MODULE_PARM_DESC(stall_every, "every so many transfers the source falls silent, 0: never (default)");

static unsigned int stall_ms = 100;
module_param(stall_ms, uint, 0644);
MODULE_PARM_DESC(stall_ms, "for so many milliseconds (default 100)");

enum sim_pattern { SIM_COUNTER, SIM_STAMP };
static const char * const sim_patterns[] = { "counter", "stamp" };
static int sim_pattern;

static int sim_pattern_set(const char *value, const struct kernel_param *param)
{
	int match = sysfs_match_string(sim_patterns, value);

	if (match < 0)
		return match;
	WRITE_ONCE(sim_pattern, match);
	return 0;
}

static int sim_pattern_get(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%s\n", sim_patterns[READ_ONCE(sim_pattern)]);
}

static const struct kernel_param_ops sim_pattern_ops = {
	.set = sim_pattern_set,
	.get = sim_pattern_get,
};
module_param_cb(pattern, &sim_pattern_ops, NULL, 0644);
MODULE_PARM_DESC(pattern, "counter (default), or stamp: only the first word of each page is written");

/*
 * A transfer. Prepared, it belongs to the client until submitted; then it is in one
 * of the channel's lists, or the one being filled.
 */
struct sim_transfer {
	struct dma_async_tx_descriptor tx;
	struct list_head link;
	struct scatterlist *sgl;
	unsigned int sg_len;
	u32 bytes;
	u64 *lost;			/* the client's metadata, or NULL */
	struct dmaengine_result result;
};

struct sim_channel {
	struct dma_chan chan;
	struct platform_device *client;

	spinlock_t lock;
	/* Under the lock. */
	struct list_head submitted;	/* not issued */
	struct list_head issued;
	struct sim_transfer *filled;	/* by the worker, at this moment; or NULL */
	struct list_head done;		/* their callbacks are due */
	dma_cookie_t last_done;
	bool producing;			/* since the first issue, until terminated */
	bool stalled;			/* nothing comes */
	ktime_t since;			/* position 0 was produced then, at the rate */
	unsigned long since_rate;	/* the rate that holds for */
	u64 since_position;
	u64 position;			/* bytes of the stream that came, lost ones too */
	u64 unreported_lost;
	unsigned long transfers;	/* filled since then */
	unsigned int generation;	/* counts terminations */

	struct mutex filling;		/* held while it writes to a transfer's memory */
	struct task_struct *worker;
	wait_queue_head_t wake;

	struct tasklet_struct complete;	/* calls back, as an interrupt would */
};

struct sim {
	struct dma_device dma;
	struct dma_slave_map *map;
	char (*names)[20];		/* "sluice." and a number */
	struct sim_channel channel[SIM_MAX_CHANNELS];
};

static struct platform_device *sim_device;

static struct sim_channel *to_sim(struct dma_chan *chan)
{
	return container_of(chan, struct sim_channel, chan);
}

static struct sim_transfer *to_transfer(struct dma_async_tx_descriptor *tx)
{
	return container_of(tx, struct sim_transfer, tx);
}

/* Where the stream would be by now, in whole words, and a rate that changed from now on. */
static u64 sim_due_locked(struct sim_channel *sim)
{
	ktime_t now = ktime_get();
	u64 due = sim->since_position +
		  mul_u64_u64_div_u64(ktime_to_ns(ktime_sub(now, sim->since)), sim->since_rate,
				      NSEC_PER_SEC);
	unsigned long wanted = READ_ONCE(rate);

	if (sim->stalled)
		return sim->position;
	due = max(due - due % SIM_WORD, sim->position);
	if (wanted != sim->since_rate) {
		sim->since = now;
		sim->since_rate = wanted;
		sim->since_position = due;
	}
	return due;
}

/* What came until now found no transfer. */
static void sim_lose_locked(struct sim_channel *sim)
{
	u64 due = sim_due_locked(sim);

	sim->unreported_lost += due - sim->position;
	sim->position = due;
}

static dma_cookie_t sim_submit(struct dma_async_tx_descriptor *tx)
{
	struct sim_channel *sim = to_sim(tx->chan);
	unsigned long flags;

	spin_lock_irqsave(&sim->lock, flags);
	tx->cookie = ++sim->chan.cookie;
	if (tx->cookie < DMA_MIN_COOKIE)
		tx->cookie = sim->chan.cookie = DMA_MIN_COOKIE;
	list_add_tail(&to_transfer(tx)->link, &sim->submitted);
	spin_unlock_irqrestore(&sim->lock, flags);
	return tx->cookie;
}

static int sim_attach(struct dma_async_tx_descriptor *tx, void *data, size_t len)
{
	if (len != sizeof(u64))
		return -EINVAL;
	to_transfer(tx)->lost = data;
	return 0;
}

static struct dma_descriptor_metadata_ops sim_metadata_ops = {
	.attach = sim_attach,
};

static struct dma_async_tx_descriptor *
sim_prep_slave_sg(struct dma_chan *chan, struct scatterlist *sgl, unsigned int sg_len,
		  enum dma_transfer_direction direction, unsigned long flags, void *context)
{
	struct sim_transfer *transfer;
	struct scatterlist *sg;
	int i;

	if (direction != DMA_DEV_TO_MEM)
		return NULL;
	transfer = kzalloc(sizeof(*transfer), GFP_NOWAIT);
	if (!transfer)
		return NULL;
	dma_async_tx_descriptor_init(&transfer->tx, chan);
	transfer->tx.tx_submit = sim_submit;
	transfer->tx.flags = flags;
	transfer->tx.metadata_ops = &sim_metadata_ops;
	transfer->tx.desc_metadata_mode = DESC_METADATA_CLIENT;
	transfer->sgl = sgl;
	transfer->sg_len = sg_len;
	for_each_sg(sgl, sg, sg_len, i)
		transfer->bytes += sg_dma_len(sg);
	return &transfer->tx;
}

static void sim_issue_pending(struct dma_chan *chan)
{
	struct sim_channel *sim = to_sim(chan);
	unsigned long flags;

	spin_lock_irqsave(&sim->lock, flags);
	if (!sim->producing) {
		sim->producing = true;
		sim->since = ktime_get();
		sim->since_rate = READ_ONCE(rate);
		sim->since_position = 0;
		sim->position = 0;
		sim->unreported_lost = 0;
		sim->transfers = 0;
	} else if (list_empty(&sim->issued) && !sim->filled) {
		sim_lose_locked(sim);
	}
	list_splice_tail_init(&sim->submitted, &sim->issued);
	spin_unlock_irqrestore(&sim->lock, flags);
	wake_up(&sim->wake);
}

static int sim_config(struct dma_chan *chan, struct dma_slave_config *config)
{
	return 0;
}

static enum dma_status sim_tx_status(struct dma_chan *chan, dma_cookie_t cookie,
				     struct dma_tx_state *state)
{
	struct sim_channel *sim = to_sim(chan);
	unsigned long flags;
	enum dma_status status;

	spin_lock_irqsave(&sim->lock, flags);
	status = dma_async_is_complete(cookie, sim->last_done, chan->cookie);
	dma_set_tx_state(state, sim->last_done, chan->cookie, 0);
	spin_unlock_irqrestore(&sim->lock, flags);
	return status;
}

static void sim_free_list(struct list_head *transfers)
{
	struct sim_transfer *transfer, *next;

	list_for_each_entry_safe(transfer, next, transfers, link)
		kfree(transfer);
}

static int sim_terminate_all(struct dma_chan *chan)
{
	struct sim_channel *sim = to_sim(chan);
	LIST_HEAD(dropped);
	unsigned long flags;

	spin_lock_irqsave(&sim->lock, flags);
	sim->generation++;
	sim->producing = false;
	list_splice_tail_init(&sim->submitted, &dropped);
	list_splice_tail_init(&sim->issued, &dropped);
	list_splice_tail_init(&sim->done, &dropped);
	spin_unlock_irqrestore(&sim->lock, flags);
	sim_free_list(&dropped);
	return 0;
}

static void sim_synchronize(struct dma_chan *chan)
{
	struct sim_channel *sim = to_sim(chan);

	/* The worker drops what it was filling, and finds nothing else. */
	mutex_lock(&sim->filling);
	mutex_unlock(&sim->filling);
	tasklet_unlock_wait(&sim->complete);
}

/* Each word is its place in the stream. The DMA address is taken for a physical one. */
static void sim_write(struct sim_transfer *transfer, u64 position, u32 bytes)
{
	u32 step = READ_ONCE(sim_pattern) == SIM_STAMP ? PAGE_SIZE : SIM_WORD;
	struct scatterlist *sg;
	int i;

	for_each_sg(transfer->sgl, sg, transfer->sg_len, i) {
		__le64 *words = phys_to_virt(sg_dma_address(sg));
		u32 part = min_t(u32, bytes, sg_dma_len(sg)), at;

		for (at = 0; at < part; at += step)
			words[at / SIM_WORD] = cpu_to_le64((position + at) / SIM_WORD);
		position += part;
		bytes -= part;
		if (!bytes)
			return;
		cond_resched();
	}
}

static bool sim_every(unsigned long count, unsigned int every)
{
	return every && count % every == 0;
}

/*
 * Waits until the first transfer's bytes came, fills it, and leaves its callback to
 * the tasklet. 0, or how many nanoseconds there is nothing to do.
 */
static u64 sim_work(struct sim_channel *sim)
{
	struct sim_transfer *transfer;
	unsigned int generation;
	u64 position, due, wait;
	u32 bytes;

	spin_lock_irq(&sim->lock);
	transfer = list_first_entry_or_null(&sim->issued, struct sim_transfer, link);
	if (!transfer) {
		spin_unlock_irq(&sim->lock);
		return U64_MAX;
	}
	bytes = transfer->bytes;
	if (sim_every(sim->transfers + 1, READ_ONCE(short_every)) && bytes > SIM_WORD)
		bytes = bytes / 2 - bytes / 2 % SIM_WORD;
	due = sim_due_locked(sim);
	if (sim->since_rate && due < sim->position + bytes) {
		wait = div64_u64((sim->position + bytes - due) * NSEC_PER_SEC, sim->since_rate);
		spin_unlock_irq(&sim->lock);
		return max_t(u64, wait, 1);
	}
	list_del(&transfer->link);
	sim->filled = transfer;
	generation = sim->generation;
	position = sim->position;
	spin_unlock_irq(&sim->lock);

	sim_write(transfer, position, bytes);

	spin_lock_irq(&sim->lock);
	sim->filled = NULL;
	if (generation == sim->generation) {
		sim->transfers++;
		transfer->result.result = sim_every(sim->transfers, READ_ONCE(error_every)) ?
					  DMA_TRANS_READ_FAILED : DMA_TRANS_NOERROR;
		transfer->result.residue = transfer->bytes - bytes;
		if (transfer->lost) {
			*transfer->lost = sim->unreported_lost;
			sim->unreported_lost = 0;
		}
		sim->position += bytes;
		list_add_tail(&transfer->link, &sim->done);
		/* From here on what comes finds no transfer. */
		if (list_empty(&sim->issued) && sim->since_rate)
			sim_lose_locked(sim);
		tasklet_schedule(&sim->complete);
	} else {
		kfree(transfer);
	}
	spin_unlock_irq(&sim->lock);
	return 0;
}

static void sim_stall(struct sim_channel *sim)
{
	spin_lock_irq(&sim->lock);
	sim->stalled = true;
	spin_unlock_irq(&sim->lock);
	wait_event_interruptible_timeout(sim->wake, kthread_should_stop(),
					 msecs_to_jiffies(READ_ONCE(stall_ms)));
	/* Silent, not lossy: the stream goes on where it stopped. */
	spin_lock_irq(&sim->lock);
	sim->stalled = false;
	sim->since = ktime_get();
	sim->since_position = sim->position;
	spin_unlock_irq(&sim->lock);
}

static bool sim_has_work(struct sim_channel *sim)
{
	unsigned long flags;
	bool has;

	spin_lock_irqsave(&sim->lock, flags);
	has = !list_empty(&sim->issued);
	spin_unlock_irqrestore(&sim->lock, flags);
	return has;
}

static int sim_worker(void *data)
{
	struct sim_channel *sim = data;
	unsigned long before;
	u64 wait;

	while (!kthread_should_stop()) {
		before = sim->transfers;
		mutex_lock(&sim->filling);
		wait = sim_work(sim);
		mutex_unlock(&sim->filling);
		if (sim->transfers != before && sim_every(sim->transfers, READ_ONCE(stall_every)))
			sim_stall(sim);
		else if (wait == U64_MAX)
			wait_event_interruptible(sim->wake, sim_has_work(sim) ||
						 kthread_should_stop());
		else if (wait)
			/* At most 10 ms, so that a rate that is changed holds soon. */
			fsleep(min_t(u64, div_u64(wait, NSEC_PER_USEC) + 1, 10 * USEC_PER_MSEC));
		else
			cond_resched();
	}
	return 0;
}

static void sim_complete(struct tasklet_struct *tasklet)
{
	struct sim_channel *sim = from_tasklet(sim, tasklet, complete);
	struct sim_transfer *transfer;
	struct dma_async_tx_descriptor *tx;

	for (;;) {
		spin_lock_irq(&sim->lock);
		transfer = list_first_entry_or_null(&sim->done, struct sim_transfer, link);
		if (transfer) {
			list_del(&transfer->link);
			sim->last_done = transfer->tx.cookie;
		}
		spin_unlock_irq(&sim->lock);
		if (!transfer)
			return;
		tx = &transfer->tx;
		if (tx->callback_result)
			tx->callback_result(tx->callback_param, &transfer->result);
		else if (tx->callback)
			tx->callback(tx->callback_param);
		kfree(transfer);
	}
}

static void sim_free_chan_resources(struct dma_chan *chan)
{
	sim_terminate_all(chan);
	sim_synchronize(chan);
}

static int sim_start_channel(struct sim *sims, struct sim_channel *sim, int number)
{
	spin_lock_init(&sim->lock);
	INIT_LIST_HEAD(&sim->submitted);
	INIT_LIST_HEAD(&sim->issued);
	INIT_LIST_HEAD(&sim->done);
	mutex_init(&sim->filling);
	init_waitqueue_head(&sim->wake);
	tasklet_setup(&sim->complete, sim_complete);
	sim->chan.device = &sims->dma;
	sim->chan.cookie = DMA_MIN_COOKIE;
	sim->last_done = DMA_MIN_COOKIE;
	list_add_tail(&sim->chan.device_node, &sims->dma.channels);
	sim->worker = kthread_run(sim_worker, sim, "sluice_sim/%d", number);
	return PTR_ERR_OR_ZERO(sim->worker);
}

static void sim_stop_channels(struct sim *sims)
{
	unsigned int i;

	for (i = 0; i < channels; i++) {
		if (IS_ERR_OR_NULL(sims->channel[i].worker))
			continue;
		kthread_stop(sims->channel[i].worker);
		tasklet_kill(&sims->channel[i].complete);
	}
}

static bool sim_filter(struct dma_chan *chan, void *wanted)
{
	return to_sim(chan) == wanted;
}

static const struct property_entry sim_client_properties[] = {
	PROPERTY_ENTRY_BOOL("sluice,lost-metadata"),
	{ }
};

static struct platform_device *sim_register_client(struct device *parent, unsigned int number)
{
	struct platform_device_info info = {
		.parent = parent,
		.name = "sluice",
		.id = number,
		.properties = sim_client_properties,
	};

	return platform_device_register_full(&info);
}

/* A client without a device tree finds its channel by its own name: sluice.N. */
static int sim_name_clients(struct device *dev, struct sim *sims)
{
	unsigned int i;

	sims->map = devm_kcalloc(dev, channels, sizeof(*sims->map), GFP_KERNEL);
	sims->names = devm_kcalloc(dev, channels, sizeof(*sims->names), GFP_KERNEL);
	if (!sims->map || !sims->names)
		return -ENOMEM;
	for (i = 0; i < channels; i++) {
		snprintf(sims->names[i], sizeof(sims->names[i]), "sluice.%u", i);
		sims->map[i].devname = sims->names[i];
		sims->map[i].slave = "rx";
		sims->map[i].param = &sims->channel[i];
	}
	sims->dma.filter.map = sims->map;
	sims->dma.filter.mapcnt = channels;
	sims->dma.filter.fn = sim_filter;
	return 0;
}

static int sim_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	struct dma_device *dma;
	struct sim *sims;
	unsigned int i;
	int ret;

	sims = devm_kzalloc(dev, sizeof(*sims), GFP_KERNEL);
	if (!sims)
		return -ENOMEM;
	platform_set_drvdata(pdev, sims);
	ret = dma_coerce_mask_and_coherent(dev, DMA_BIT_MASK(64));
	if (ret)
		return ret;
	/* It fails only without dma_parms, which a platform device has. */
	dma_set_max_seg_size(dev, SZ_1G);
	ret = sim_name_clients(dev, sims);
	if (ret)
		return ret;

	dma = &sims->dma;
	dma->dev = dev;
	dma_cap_set(DMA_SLAVE, dma->cap_mask);
	dma_cap_set(DMA_PRIVATE, dma->cap_mask);
	dma->src_addr_widths = BIT(DMA_SLAVE_BUSWIDTH_4_BYTES) | BIT(DMA_SLAVE_BUSWIDTH_8_BYTES);
	dma->dst_addr_widths = dma->src_addr_widths;
	dma->directions = BIT(DMA_DEV_TO_MEM);
	dma->residue_granularity = DMA_RESIDUE_GRANULARITY_BURST;
	dma->desc_metadata_modes = DESC_METADATA_CLIENT;
	dma->device_free_chan_resources = sim_free_chan_resources;
	dma->device_prep_slave_sg = sim_prep_slave_sg;
	dma->device_config = sim_config;
	dma->device_issue_pending = sim_issue_pending;
	dma->device_tx_status = sim_tx_status;
	dma->device_terminate_all = sim_terminate_all;
	dma->device_synchronize = sim_synchronize;
	INIT_LIST_HEAD(&dma->channels);
	for (i = 0; i < channels; i++) {
		ret = sim_start_channel(sims, &sims->channel[i], i);
		if (ret)
			goto err_stop_channels;
	}
	ret = dma_async_device_register(dma);
	if (ret)
		goto err_stop_channels;
	for (i = 0; i < channels; i++) {
		sims->channel[i].client = sim_register_client(dev, i);
		if (IS_ERR(sims->channel[i].client)) {
			ret = PTR_ERR(sims->channel[i].client);
			goto err_unregister;
		}
	}
	return 0;

err_unregister:
	while (i--)
		platform_device_unregister(sims->channel[i].client);
	dma_async_device_unregister(dma);
err_stop_channels:
	sim_stop_channels(sims);
	return ret;
}

static void sim_remove(struct platform_device *pdev)
{
	struct sim *sims = platform_get_drvdata(pdev);
	unsigned int i;

	for (i = 0; i < channels; i++)
		platform_device_unregister(sims->channel[i].client);
	dma_async_device_unregister(&sims->dma);
	sim_stop_channels(sims);
}

static struct platform_driver sim_driver = {
	.probe = sim_probe,
	SLUICE_REMOVE(sim_remove),
	.driver = {
		.name = "sluice_sim",
		/* Its channels hold this module, and nothing else holds the device. */
		.suppress_bind_attrs = true,
	},
};

static int __init sim_init(void)
{
	int ret;

	if (!channels || channels > SIM_MAX_CHANNELS) {
		pr_err("sluice_sim: channels=%u, and it can have 1 to %d\n", channels,
		       SIM_MAX_CHANNELS);
		return -EINVAL;
	}
	ret = platform_driver_register(&sim_driver);
	if (ret)
		return ret;
	sim_device = platform_device_register_simple("sluice_sim", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(sim_device)) {
		platform_driver_unregister(&sim_driver);
		return PTR_ERR(sim_device);
	}
	return 0;
}
module_init(sim_init);

static void __exit sim_exit(void)
{
	platform_device_unregister(sim_device);
	platform_driver_unregister(&sim_driver);
}
module_exit(sim_exit);

MODULE_DESCRIPTION("Simulated FPGA: a DMA engine that makes up its data");
MODULE_LICENSE("GPL");
