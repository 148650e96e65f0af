// SPDX-License-Identifier: GPL-2.0
/*
 * For tests only: the driver with the memory that the origin had. All buffers are
 * one piece of coherent memory, mapped by dma_mmap_coherent(): the process can read
 * them, and get_user_pages(), hence everything zero-copy, fails with EFAULT. Takes
 * the place of sluice.ko.
 */
#include <linux/dma-mapping.h>
#include <linux/mm.h>

#include "../../sluice_main.c"
#include "../../sluice_file.c"
#include "../../sluice_ring.c"
#include "../../sluice_dma.c"

const u32 sluice_memory_capabilities;

u32 sluice_memory_registers(struct sluice_device *sluice)
{
	return 0;
}

static void *coherent_memory;
static dma_addr_t coherent_address;

static size_t coherent_bytes(struct sluice_device *sluice)
{
	return sluice->config.buffer_bytes * sluice->config.buffer_count;
}

int sluice_memory_alloc(struct sluice_device *sluice)
{
	u32 i;

	if (sluice->buffers)
		return 0;
	coherent_memory = dma_alloc_coherent(sluice->chan->device->dev, coherent_bytes(sluice),
					     &coherent_address, GFP_KERNEL);
	if (!coherent_memory)
		return -ENOMEM;
	sluice->buffers = kvcalloc(sluice->config.buffer_count, sizeof(*sluice->buffers),
				   GFP_KERNEL);
	if (!sluice->buffers)
		goto err_free;
	for (i = 0; i < sluice->config.buffer_count; i++) {
		struct sluice_buffer *buffer = &sluice->buffers[i];

		buffer->sluice = sluice;
		buffer->index = i;
		if (sg_alloc_table(&buffer->sgt, 1, GFP_KERNEL))
			goto err_free;
		sg_dma_address(buffer->sgt.sgl) =
			coherent_address + i * sluice->config.buffer_bytes;
		sg_dma_len(buffer->sgt.sgl) = sluice->config.buffer_bytes;
	}
	sluice_ring_populate(sluice);
	return 0;

err_free:
	sluice_memory_free(sluice);
	return -ENOMEM;
}

void sluice_memory_free(struct sluice_device *sluice)
{
	u32 i;

	sluice_ring_forget(sluice);
	for (i = 0; sluice->buffers && i < sluice->config.buffer_count; i++)
		sg_free_table(&sluice->buffers[i].sgt);
	if (coherent_memory)
		dma_free_coherent(sluice->chan->device->dev, coherent_bytes(sluice),
				  coherent_memory, coherent_address);
	coherent_memory = NULL;
	kvfree(sluice->buffers);
	sluice->buffers = NULL;
	sluice->used = false;
}

int sluice_memory_map(struct sluice_device *sluice, struct vm_area_struct *vma)
{
	return dma_mmap_coherent(sluice->chan->device->dev, vma, coherent_memory,
				 coherent_address, coherent_bytes(sluice));
}

int sluice_memory_zero(struct sluice_buffer *buffer)
{
	u64 bytes = buffer->sluice->config.buffer_bytes;

	memset(coherent_memory + buffer->index * bytes, 0, bytes);
	return 0;
}

/* Nothing can refer to it, so nothing does. */
bool sluice_memory_in_use(struct sluice_buffer *buffer)
{
	return false;
}

bool sluice_memory_pinned(struct sluice_buffer *buffer)
{
	return false;
}

struct page *sluice_memory_page(struct sluice_device *sluice, unsigned long index)
{
	return NULL;
}

void sluice_memory_for_cpu(struct sluice_buffer *buffer)
{
}

void sluice_memory_for_device(struct sluice_buffer *buffer)
{
}
