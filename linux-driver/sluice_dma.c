// SPDX-License-Identifier: GPL-2.0
/*
 * The DMA engine, as any dmaengine client sees it
 * (Documentation/driver-api/dmaengine/client.rst).
 */
#include <linux/dma-mapping.h>
#include <linux/platform_device.h>
#include <linux/property.h>

#include "sluice.h"

/*
 * Where the engine reads from and how. An engine in front of a stream (mSGDMA,
 * AXI DMA) knows; one that reads a FIFO (PL330) is told by the node's reg,
 * sluice,bus-width (bytes) and sluice,burst (transfers).
 */
static int sluice_dma_configure(struct sluice_device *sluice)
{
	struct platform_device *pdev = to_platform_device(sluice->dev);
	struct resource *fifo = platform_get_resource(pdev, IORESOURCE_MEM, 0);
	struct dma_slave_config config = { .direction = DMA_DEV_TO_MEM };
	u32 width = 4, burst = 1;
	int ret;

	device_property_read_u32(sluice->dev, "sluice,bus-width", &width);
	device_property_read_u32(sluice->dev, "sluice,burst", &burst);
	config.src_addr_width = width;
	config.src_maxburst = burst;
	if (fifo)
		config.src_addr = fifo->start;
	ret = dmaengine_slave_config(sluice->chan, &config);
	return ret == -ENOSYS ? 0 : ret;
}

int sluice_dma_open(struct sluice_device *sluice)
{
	struct dma_slave_caps caps;
	int ret;

	sluice->chan = dma_request_chan(sluice->dev, "rx");
	if (IS_ERR(sluice->chan))
		return dev_err_probe(sluice->dev, PTR_ERR(sluice->chan),
				     "no DMA channel \"rx\": see dmas and dma-names\n");
	/* STOP must halt it: what it goes on writing to would be freed, or another's. */
	if (!sluice->chan->device->device_terminate_all) {
		dev_err(sluice->dev, "the DMA engine %s cannot be stopped: its driver has no terminate_all\n",
			dma_chan_name(sluice->chan));
		ret = -EOPNOTSUPP;
		goto err_release_chan;
	}
	ret = sluice_dma_configure(sluice);
	if (ret) {
		dev_err(sluice->dev, "the DMA engine refuses bus width or burst: %d\n", ret);
		goto err_release_chan;
	}
	if (!dma_get_slave_caps(sluice->chan, &caps) &&
	    caps.residue_granularity != DMA_RESIDUE_GRANULARITY_DESCRIPTOR)
		sluice->capabilities |= SLUICE_CAP_RESIDUE;
	/*
	 * dmaengine has no word for "lost"; metadata of a descriptor is how an
	 * engine that counts it can tell: 64 bits, the bytes lost before. Other
	 * engines have other uses for metadata, so the node must say that it is that.
	 */
	sluice->has_loss =
		device_property_read_bool(sluice->dev, "sluice,lost-metadata") &&
		dmaengine_is_metadata_mode_supported(sluice->chan, DESC_METADATA_CLIENT);
	if (sluice->has_loss)
		sluice->capabilities |= SLUICE_CAP_LOSS;
	return 0;

err_release_chan:
	dma_release_channel(sluice->chan);
	return ret;
}

void sluice_dma_close(struct sluice_device *sluice)
{
	dma_release_channel(sluice->chan);
}

static void sluice_dma_done(void *param, const struct dmaengine_result *result)
{
	struct sluice_buffer *buffer = param;
	u64 bytes = buffer->sluice->config.buffer_bytes;

	sluice_ring_fill(buffer, bytes - min_t(u64, result->residue, bytes),
			 result->result != DMA_TRANS_NOERROR);
}

/* What an engine calls that knows of no results. */
static void sluice_dma_done_plain(void *param)
{
	static const struct dmaengine_result whole = { .result = DMA_TRANS_NOERROR };

	sluice_dma_done(param, &whole);
}

/* Queues the buffer; sluice_dma_issue() starts what was queued. -EAGAIN: no room. */
int sluice_dma_submit(struct sluice_buffer *buffer)
{
	struct sluice_device *sluice = buffer->sluice;
	struct dma_async_tx_descriptor *desc;

	desc = dmaengine_prep_slave_sg(sluice->chan, buffer->sgt.sgl, buffer->sgt.nents,
				       DMA_DEV_TO_MEM, DMA_PREP_INTERRUPT | DMA_CTRL_ACK);
	if (!desc)
		return -EAGAIN;
	buffer->lost_metadata = 0;
	if (sluice->has_loss &&
	    dmaengine_desc_attach_metadata(desc, &buffer->lost_metadata,
					   sizeof(buffer->lost_metadata)))
		dev_warn_once(sluice->dev, "the DMA engine does not tell what was lost after all\n");
	desc->callback_result = sluice_dma_done;
	desc->callback = sluice_dma_done_plain;
	desc->callback_param = buffer;
	return dma_submit_error(dmaengine_submit(desc)) ? -EAGAIN : 0;
}

void sluice_dma_issue(struct sluice_device *sluice)
{
	dma_async_issue_pending(sluice->chan);
}

/* Nothing is written and nothing completes any more once this returns. */
void sluice_dma_stop(struct sluice_device *sluice)
{
	WARN_ON(dmaengine_terminate_sync(sluice->chan));
	/*
	 * An engine without device_synchronize (PL330) may be calling back at this
	 * moment, in a softirq, and those are read-side sections.
	 */
	if (!sluice->chan->device->device_synchronize)
		synchronize_rcu();
}
