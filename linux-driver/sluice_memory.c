// SPDX-License-Identifier: GPL-2.0
/*
 * The pages of the buffers. A buffer is a chain of compound allocations in
 * falling orders, so it can have any number of pages, needs no split_page(), and
 * the network can join the neighbouring pages of one compound into one fragment.
 * get_user_pages(), with which everything zero-copy starts, takes them from a
 * mapping made by vm_insert_page(), as it does not from dma_mmap_coherent().
 */
#include <linux/dma-mapping.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/module.h>

#include "sluice.h"
#include "sluice_compat.h"

/* 1 MiB with pages of 4 KiB: what one descriptor of most engines still takes. */
static unsigned int max_order = 8;
module_param(max_order, uint, 0644);
MODULE_PARM_DESC(max_order, "highest order of a compound allocation, 0 to 8 (default)");

static bool split_pages;
module_param(split_pages, bool, 0644);
MODULE_PARM_DESC(split_pages, "split the allocations into single pages; for comparison only");

const u32 sluice_memory_capabilities = SLUICE_CAP_PAGES;

/*
 * Below the size that a page table maps at once: a fault would map such a compound
 * whole, with 512 mapcounts and one reference.
 */
#define SLUICE_MAX_ORDER	8U

/*
 * All devices together may ask for more; one that asks for more than this would
 * drive the machine out of memory before it failed.
 */
static u64 sluice_memory_limit(void)
{
	u64 pages = totalram_pages() - totalhigh_pages();

	return pages * 3 / 4 << PAGE_SHIFT;
}

static unsigned long sluice_memory_pages_each(struct sluice_device *sluice)
{
	return sluice->config.buffer_bytes >> PAGE_SHIFT;
}

/*
 * Low memory that does not move: a NIC without HIGHDMA copies from anywhere
 * else, and io_uring refuses to register movable pages. Above order 0 a failure
 * costs nothing, so no reclaim for it; and at order 0 no OOM killer.
 */
static gfp_t sluice_memory_gfp(struct sluice_device *sluice, unsigned int order)
{
	gfp_t gfp = GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN;

	if (IS_ENABLED(CONFIG_ZONE_DMA32) &&
	    dma_get_mask(sluice->chan->device->dev) <= DMA_BIT_MASK(32))
		gfp |= __GFP_DMA32;
	if (!order)
		return gfp | __GFP_RETRY_MAYFAIL;
	gfp |= __GFP_NORETRY;
	gfp &= ~__GFP_RECLAIM;
	return split_pages ? gfp : gfp | __GFP_COMP;
}

static int sluice_memory_alloc_pages(struct sluice_device *sluice, struct page **pages,
				     unsigned long count)
{
	unsigned int order = min(max_order, SLUICE_MAX_ORDER);
	unsigned long i, done = 0;

	while (done < count) {
		struct page *page;

		order = min_t(unsigned int, order, ilog2(count - done));
		page = alloc_pages(sluice_memory_gfp(sluice, order), order);
		if (!page) {
			if (!order)
				return -ENOMEM;
			order--;
			continue;
		}
		if (order && split_pages)
			split_page(page, order);
		for (i = 0; i < 1UL << order; i++)
			pages[done++] = page + i;
	}
	return 0;
}

/*
 * Maps a zeroed buffer for DMA. The zeros must reach memory first: what follows,
 * for DMA_FROM_DEVICE, may drop them from the caches (ARMv7 does), and the
 * process would see whatever was in these pages before.
 */
static int sluice_memory_dma_map(struct sluice_buffer *buffer)
{
	struct device *dev = buffer->sluice->chan->device->dev;
	int ret;

	ret = dma_map_sgtable(dev, &buffer->sgt, DMA_TO_DEVICE, 0);
	if (ret)
		return ret;
	dma_unmap_sgtable(dev, &buffer->sgt, DMA_TO_DEVICE, 0);
	ret = dma_map_sgtable(dev, &buffer->sgt, DMA_FROM_DEVICE, 0);
	buffer->dma_mapped = !ret;
	return ret;
}

/* No sync: it could write to pages that are still sent (a bounce buffer's copy). */
static void sluice_memory_dma_unmap(struct sluice_buffer *buffer)
{
	if (buffer->dma_mapped)
		dma_unmap_sgtable(buffer->sluice->chan->device->dev, &buffer->sgt,
				  DMA_FROM_DEVICE, DMA_ATTR_SKIP_CPU_SYNC);
	buffer->dma_mapped = false;
}

/* The scatter-gather table: few entries, and none too long for the DMA engine. */
static int sluice_memory_describe(struct sluice_buffer *buffer)
{
	struct sluice_device *sluice = buffer->sluice;
	struct device *dev = sluice->chan->device->dev;
	size_t longest = min_t(size_t, dma_get_max_seg_size(dev), dma_max_mapping_size(dev));

	longest = max_t(size_t, ALIGN_DOWN(min_t(size_t, longest, SZ_1G), PAGE_SIZE), PAGE_SIZE);
	return sg_alloc_table_from_pages_segment(&buffer->sgt, buffer->pages,
						 sluice_memory_pages_each(sluice), 0,
						 sluice->config.buffer_bytes, longest, GFP_KERNEL);
}

/* The allocations that a buffer's pages came in, one after the other. */
#define for_each_sluice_folio(buffer, page, count, i)				\
	for (i = 0; i < (count) && (page = (buffer)->pages[i]);			\
	     i += compound_nr(page))

static void sluice_memory_free_buffer(struct sluice_buffer *buffer)
{
	struct sluice_device *sluice = buffer->sluice;
	unsigned long count = sluice_memory_pages_each(sluice), i, next;
	struct page *page;

	sluice_memory_dma_unmap(buffer);
	sg_free_table(&buffer->sgt);
	/* The last reference frees a page: ours, or one that still sends it. */
	for (i = 0; i < count && (page = buffer->pages[i]); i = next) {
		next = i + compound_nr(page);
		put_page(page);
	}
}

/* Makes the buffers that config asks for: zeroed, mapped for DMA. -ENOMEM. */
int sluice_memory_alloc(struct sluice_device *sluice)
{
	unsigned long each = sluice_memory_pages_each(sluice);
	int ret;
	u32 i;

	lockdep_assert_held(&sluice->memory_lock);
	if (sluice->buffers)
		return 0;
	if (sluice->config.buffer_bytes * sluice->config.buffer_count > sluice_memory_limit())
		return -ENOMEM;
	sluice->pages = kvcalloc(sluice->config.buffer_count, each * sizeof(*sluice->pages),
				 GFP_KERNEL | __GFP_NOWARN);
	sluice->buffers = kvcalloc(sluice->config.buffer_count, sizeof(*sluice->buffers),
				   GFP_KERNEL | __GFP_NOWARN);
	if (!sluice->pages || !sluice->buffers)
		goto err_free;
	for (i = 0; i < sluice->config.buffer_count; i++) {
		struct sluice_buffer *buffer = &sluice->buffers[i];

		buffer->sluice = sluice;
		buffer->index = i;
		buffer->pages = sluice->pages + i * each;
		ret = sluice_memory_alloc_pages(sluice, buffer->pages, each);
		if (ret)
			goto err_free;
		ret = sluice_memory_describe(buffer) ?: sluice_memory_dma_map(buffer);
		if (ret)
			goto err_free;
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

	lockdep_assert_held(&sluice->memory_lock);
	sluice_ring_forget(sluice);
	if (sluice->buffers && sluice->pages)
		for (i = 0; i < sluice->config.buffer_count && sluice->buffers[i].pages; i++)
			sluice_memory_free_buffer(&sluice->buffers[i]);
	kvfree(sluice->buffers);
	kvfree(sluice->pages);
	sluice->buffers = NULL;
	sluice->pages = NULL;
	sluice->used = false;
}

/*
 * The pins of pin_user_pages(). Those of a single page are mixed with its
 * references, and 1024 of these look like one of them; so there they are taken for
 * references, all of them.
 */
static int sluice_folio_pins(struct folio *folio)
{
	return folio_test_large(folio) ? atomic_read(&folio->_pincount) : 0;
}

/*
 * Whether anything refers to these pages but the driver, so many mappings of the
 * opener, and its pins. What else maps them reads them: TCP_ZEROCOPY_RECEIVE maps
 * what was spliced to it. Mappings and pins are read before and after the
 * references: one that came or went meanwhile could hide a reference.
 */
static bool sluice_folio_in_use(struct folio *folio, unsigned int mappings)
{
	int mapped, pins, excess;

	do {
		mapped = sluice_folio_mapcount(folio);
		pins = sluice_folio_pins(folio);
		smp_rmb(); /* with the atomic operations of mapping and pinning */
		excess = folio_ref_count(folio) - mapped - 1;
		smp_rmb(); /* likewise */
	} while (sluice_folio_mapcount(folio) != mapped || sluice_folio_pins(folio) != pins);
	return excess != pins || mapped > (long)mappings * folio_nr_pages(folio);
}

/*
 * Whether somebody can still read the buffer: a socket's queue, a pipe, a
 * retransmission. The pins of a living process are its registered buffers
 * (io_uring), which say nothing about sends in flight, and its completions do. In
 * what a process left behind when it died, pins are all there is to go by; and of
 * what nobody may map since, every reference is somebody else's.
 */
bool sluice_memory_in_use(struct sluice_buffer *buffer)
{
	unsigned long i, count = sluice_memory_pages_each(buffer->sluice);
	unsigned int mappings = READ_ONCE(buffer->sluice->mappings);
	struct page *page;

	for_each_sluice_folio(buffer, page, count, i) {
		struct folio *folio = page_folio(page);

		if (buffer->stale ? folio_ref_count(folio) != 1 :
				    sluice_folio_in_use(folio, mappings) ||
				    (buffer->orphaned && sluice_folio_pins(folio)))
			return true;
	}
	return false;
}

/* SLUICE_CAP_REGISTER if no page is single, where sluice_folio_pins() sees none; or 0. */
u32 sluice_memory_registers(struct sluice_device *sluice)
{
	unsigned long i, count;
	u32 capability = 0;

	mutex_lock(&sluice->memory_lock);
	if (sluice->buffers) {
		count = sluice_memory_pages_each(sluice) * sluice->config.buffer_count;
		for (i = 0; i < count && PageCompound(sluice->pages[i]);)
			i += compound_nr(sluice->pages[i]);
		capability = i == count ? SLUICE_CAP_REGISTER : 0;
	}
	mutex_unlock(&sluice->memory_lock);
	return capability;
}

/* Whether any of its pages is pinned, by whomever. */
bool sluice_memory_pinned(struct sluice_buffer *buffer)
{
	unsigned long i, count = sluice_memory_pages_each(buffer->sluice);
	struct page *page;

	for_each_sluice_folio(buffer, page, count, i)
		if (sluice_folio_pins(page_folio(page)))
			return true;
	return false;
}

/*
 * Leaves nothing in the buffer that nobody reads any more. The mapping for DMA is
 * made anew, so that the zeros reach memory, and the bounce buffer if there is one.
 */
int sluice_memory_zero(struct sluice_buffer *buffer)
{
	unsigned long i, count = sluice_memory_pages_each(buffer->sluice);

	lockdep_assert_held(&buffer->sluice->memory_lock);
	sluice_memory_dma_unmap(buffer);
	for (i = 0; i < count; i++)
		clear_highpage(buffer->pages[i]);
	cond_resched();
	return sluice_memory_dma_map(buffer);
}

/* Makes what the device wrote visible to the processor. */
void sluice_memory_for_cpu(struct sluice_buffer *buffer)
{
	dma_sync_sgtable_for_cpu(buffer->sluice->chan->device->dev, &buffer->sgt,
				 DMA_FROM_DEVICE);
}

/* Hands all of it to the device: the process may have touched any byte. */
void sluice_memory_for_device(struct sluice_buffer *buffer)
{
	dma_sync_sgtable_for_device(buffer->sluice->chan->device->dev, &buffer->sgt,
				    DMA_FROM_DEVICE);
}

/* Maps all buffers, but those that still hold an earlier opener's data: a fault maps these. */
int sluice_memory_map(struct sluice_device *sluice, struct vm_area_struct *vma)
{
	unsigned long each = sluice_memory_pages_each(sluice), page;
	u32 i;
	int ret;

	lockdep_assert_held(&sluice->memory_lock);
	sluice_vm_flags_set(vma, VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP | VM_MIXEDMAP);
	for (i = 0; i < sluice->config.buffer_count; i++) {
		struct sluice_buffer *buffer = &sluice->buffers[i];
		unsigned long start = vma->vm_start + i * each * PAGE_SIZE;

		if (buffer->stale)
			continue;
		for (page = 0; page < each; page++) {
			ret = vm_insert_page(vma, start + page * PAGE_SIZE, buffer->pages[page]);
			if (ret)
				return ret;
		}
	}
	return 0;
}

/* The page at an index into the mapping, or NULL if the process must not see it (yet). */
struct page *sluice_memory_page(struct sluice_device *sluice, unsigned long index)
{
	unsigned long each = sluice_memory_pages_each(sluice);

	lockdep_assert_held(&sluice->memory_lock);
	if (!sluice->buffers || index / each >= sluice->config.buffer_count ||
	    sluice->buffers[index / each].stale)
		return NULL;
	return sluice->pages[index];
}
