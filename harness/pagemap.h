/* SPDX-License-Identifier: MIT */
/* The page map: one entry for each page ever touched in the region. See pagemap.c for what may run here. */
#ifndef VMTI_PAGEMAP_H
#define VMTI_PAGEMAP_H

#include "types.h"
#include "uthash_arena.h"

/* The table takes most of it (56 bytes), so the rest is packed; ARCHITECTURE.md says what a page takes. */
struct vmti_page {
    uint64_t page;             /* address >> VMTI_PAGE_SHIFT */
    uint64_t changed_at : 40;  /* the region's count of changes when it was last touched or upgraded; 40 bits are
                                * months */
    uint64_t owner : 24;       /* the first that was known at a touch, or at the end */
    uint32_t touches;          /* 0 while it is being made, and where only threads that do not count have opened it */
    uint32_t opens : 24;       /* how often it has entered a window; compared with what a slot of the FIFO remembers */
    uint32_t state : 8;        /* VMTI_PAGE_* */
    UT_hash_handle hh;
};

_Static_assert(sizeof(struct vmti_page) == 80, "see ARCHITECTURE.md, what a page takes");

/* The entry of a page, or NULL. */
VMTI_HIDDEN struct vmti_page *vmti_pagemap_find(struct vmti_region *r, uint64_t page);

/* The entry of a page, made if there is none. NULL: no memory. */
VMTI_HIDDEN struct vmti_page *vmti_pagemap_get(struct vmti_region *r, uint64_t page);

#endif
