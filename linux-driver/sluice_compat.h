/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between the kernels that Sluice builds for (6.1.30 and later), a
 * function each. Kbuild looks into the kernel's headers and defines SLUICE_HAVE_*,
 * since vendors' trees carry newer interfaces back under older versions.
 */
#ifndef SLUICE_COMPAT_H
#define SLUICE_COMPAT_H

#include <linux/mm.h>
#include <linux/platform_device.h>

/* Mappings of all pages of the folio, into all processes. */
static inline int sluice_folio_mapcount(struct folio *folio)
{
#ifdef SLUICE_HAVE_LARGE_MAPCOUNT
	return folio_mapcount(folio);
#else
	/*
	 * folio_mapcount() is there, and not exported. page_mapcount() asks for each page
	 * whether it belongs to hugetlbfs, an eighth of all that MSG_ZEROCOPY took.
	 */
	long i, pages = folio_nr_pages(folio), mapcount = 0;

	/* None is mapped as a whole: vm_insert_page() maps page by page. */
	for (i = 0; i < pages; i++)
		mapcount += atomic_read(&folio_page(folio, i)->_mapcount) + 1;
	return mapcount;
#endif
}

static inline void sluice_vm_flags_set(struct vm_area_struct *vma, unsigned long flags)
{
#ifdef SLUICE_HAVE_VM_FLAGS_SET
	vm_flags_set(vma, flags);
#else
	vma->vm_flags |= flags;
#endif
}

/* platform_driver.remove returned an int before 6.11; remove_new came with 6.3 and 6.1.30. */
#ifdef SLUICE_HAVE_VOID_REMOVE
#define SLUICE_REMOVE(function) .remove = function
#else
#define SLUICE_REMOVE(function) .remove_new = function
#endif

#endif /* SLUICE_COMPAT_H */
