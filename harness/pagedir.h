/* SPDX-License-Identifier: MIT */
/*
 * The page directory: one 32-bit word for each page of the address space, in chunks of 1 GiB that are mapped when the
 * first page of one is set; a page that was never allocated costs nothing. Readers take no lock. The malloc wrappers
 * set ownership from the program's threads; the catcher (or, outside a region, begin and end) sets what belongs to a
 * region. Async-signal-safe.
 */
#ifndef VMTI_PAGEDIR_H
#define VMTI_PAGEDIR_H

#include "types.h"

/* Bits of a word. */
#define VMTI_DIR_OWNER 0x00ffffffu /* index of the owner; 0: none known */
#define VMTI_DIR_HEAP (1u << 24)   /* holds memory that malloc gave */
#define VMTI_DIR_RANGE (1u << 25)  /* named by vmt_track() */
#define VMTI_DIR_TRACKED (1u << 26) /* may be closed in the current region */
#define VMTI_DIR_KNOWN (1u << 30)  /* the current region has decided about it: set with TRACKED, stays if that goes */
#define VMTI_DIR_PROT_SHIFT 27     /* three bits: PROT_READ, _WRITE, _EXEC that the program asked for (tracked pages) */
#define VMTI_DIR_PROT (7u << VMTI_DIR_PROT_SHIFT)
#define VMTI_DIR_LEAVING (1u << 31) /* a call that unmaps it has begun */

enum { VMTI_DIR_CHUNK_SHIFT = 18, VMTI_DIR_TOP = 1 << (VMTI_ADDRESS_BITS - VMTI_PAGE_SHIFT - VMTI_DIR_CHUNK_SHIFT) };

struct vmti_dir_chunk {
    _Atomic uint32_t low, high; /* bounds of the pages ever set: [low, high) */
    _Alignas(8) _Atomic uint32_t word[(1u << VMTI_DIR_CHUNK_SHIFT) + 1]; /* the last one is no page's, and 0 */
};

extern VMTI_HIDDEN _Atomic(struct vmti_dir_chunk *) vmti_dir_top[VMTI_DIR_TOP];

/* The word of a page; the one after it is that of the next page, or 0. NULL: no page near it was ever set. */
static inline const _Atomic uint32_t *vmti_dir_word(uint64_t page)
{
    uint64_t top = page >> VMTI_DIR_CHUNK_SHIFT;
    if (vmti_unlikely(top >= VMTI_DIR_TOP))
        return NULL;
    const struct vmti_dir_chunk *chunk = atomic_load_explicit(&vmti_dir_top[top], memory_order_acquire);
    return chunk ? &chunk->word[page & ((1u << VMTI_DIR_CHUNK_SHIFT) - 1)] : NULL;
}

static inline uint32_t vmti_dir_get(uint64_t page)
{
    const _Atomic uint32_t *word = vmti_dir_word(page);
    return word ? atomic_load_explicit(word, memory_order_relaxed) : 0;
}

/* Sets the bits of `mask` of the words of pages [first, last] to those of `value`. False: no memory; nothing was set
 * for some of the pages. */
VMTI_HIDDEN bool vmti_dir_set(uint64_t first, uint64_t last, uint32_t mask, uint32_t value);

/* Finds the next run of pages at or after *page whose words have a bit of `any` set and the same bits in `same`.
 * Stops before page `limit`. Returns the run's length and sets *page to its start; 0: none. */
VMTI_HIDDEN uint64_t vmti_dir_next_run(uint64_t *page, uint64_t limit, uint32_t any, uint32_t same);

static inline int vmti_dir_prot(uint32_t word)
{
    return (int)((word & VMTI_DIR_PROT) >> VMTI_DIR_PROT_SHIFT);
}

#endif
