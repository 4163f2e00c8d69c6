/* SPDX-License-Identifier: MIT */
/* Runs in the catcher: async-signal-safe, raw system calls only. */
#include "pagemap.h"

struct vmti_page *vmti_pagemap_find(struct vmti_region *r, uint64_t page)
{
    struct vmti_page *entry;
    HASH_FIND(hh, r->pages, &page, sizeof page, entry);
    return entry;
}

struct vmti_page *vmti_pagemap_get(struct vmti_region *r, uint64_t page)
{
    struct vmti_page *entry = vmti_pagemap_find(r, page);
    if (entry)
        return entry;
    entry = vmti_arena_alloc(&r->arena, sizeof *entry);
    if (!entry)
        return NULL;
    entry->page = page;
    HASH_ADD(hh, r->pages, page, sizeof page, entry);
    return entry->hh.tbl ? entry : NULL; /* uthash leaves tbl NULL when it could not add */
}
