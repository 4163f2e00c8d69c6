/* SPDX-License-Identifier: MIT */
/* The page map: one entry for each page ever touched in the region. See pagemap.c for what may run here. */
#ifndef VMTI_PAGEMAP_H
#define VMTI_PAGEMAP_H

#include "types.h"
#include "uthash_arena.h"

struct vmti_page {
    uint64_t page;       /* address >> VMTI_PAGE_SHIFT */
    uint64_t changed_at; /* the region's count of changes when it was last touched or upgraded */
    uint32_t touches;    /* 0 while it is being made, and where only threads that do not count have opened it */
    uint32_t opens;      /* how often it has entered a window */
    uint32_t owner;      /* the first that was known at a touch, or at the end */
    uint8_t state;       /* VMTI_PAGE_* */
    UT_hash_handle hh;
};

/* The entry of a page, or NULL. */
VMTI_HIDDEN struct vmti_page *vmti_pagemap_find(struct vmti_region *r, uint64_t page);

/* The entry of a page, made if there is none. NULL: no memory. */
VMTI_HIDDEN struct vmti_page *vmti_pagemap_get(struct vmti_region *r, uint64_t page);

#endif
