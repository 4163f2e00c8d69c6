/* SPDX-License-Identifier: MIT */
/* Runs in the catcher: async-signal-safe, raw system calls only. */
#include "pagemap.h"

/* Entries come from the arena this many at a time, so that none is padded to its alignment. */
enum { BATCH = 51 };

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
    if (!r->pages_left) {
        r->next_page = vmti_arena_alloc(&r->arena, BATCH * sizeof *entry);
        if (!r->next_page)
            return NULL;
        r->pages_left = BATCH;
    }
    r->pages_left--;
    entry = r->next_page++;
    entry->page = page;
    HASH_ADD(hh, r->pages, page, sizeof page, entry);
    return entry->hh.tbl ? entry : NULL; /* uthash leaves tbl NULL when it could not add */
}
