/* SPDX-License-Identifier: MIT */
/* Runs in the catcher, at a stop: async-signal-safe, raw system calls only. */
#include "content.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "os.h"
#include "pagedir.h"
#include "pagemap.h" /* xxhash.h too, inlined */
#include "window.h"

/* An entry of the table; all zero: free. Page 0 is never tracked. */
struct vmti_content_entry {
    uint64_t page : 63;
    uint64_t lost : 1; /* there is no hash to compare with */
    uint64_t hash;
};

enum { FIRST_ROOM = 1024 };

static struct vmti_content_entry *slot(const struct vmti_content *content, uint64_t page)
{
    uint64_t at = XXH3_64bits(&page, sizeof page);
    struct vmti_content_entry *entry;
    do
        entry = &content->entries[at++ & (content->room - 1)];
    while (entry->page && entry->page != page);
    return entry;
}

static struct vmti_content_entry *find(const struct vmti_content *content, uint64_t page)
{
    struct vmti_content_entry *entry = slot(content, page);
    return entry->page ? entry : NULL;
}

/* A table of twice the size; three quarters of one are used at most. False: no memory. */
static bool grow(struct vmti_region *r)
{
    struct vmti_content *content = &r->content, old = *content;
    content->room = old.room ? 2 * old.room : FIRST_ROOM;
    content->entries = vmti_arena_alloc_table(&r->arena, content->room * sizeof *content->entries);
    if (!content->entries) {
        *content = old;
        return false;
    }
    for (uint64_t i = 0; i < old.room; i++)
        if (old.entries[i].page)
            *slot(content, old.entries[i].page) = old.entries[i];
    if (old.room)
        vmti_arena_free_table(&r->arena, old.entries, old.room * sizeof *old.entries);
    return true;
}

bool vmti_content_start(struct vmti_region *r)
{
    r->content.page = vmti_arena_alloc(&r->arena, VMTI_PAGE_SIZE);
    return r->content.page && grow(r);
}

/* The kernel reads for us, and refuses where there is nothing: behind the end of a file, say. */
static bool hash_page(struct vmti_region *r, uint64_t page, uint64_t *hash)
{
    unsigned char *copy = r->content.page;
    if (!vmti_program_read(r->catcher ? r->catcher : r->pid, copy, page << VMTI_PAGE_SHIFT, VMTI_PAGE_SIZE))
        return false;
    *hash = XXH3_64bits(copy, VMTI_PAGE_SIZE);
    return true;
}

/* Pages of a run that have no entry. */
static void keep_run(struct vmti_region *r, uint64_t first, uint64_t end, int protection)
{
    /* Where nothing is closed (vmti_suspend), a child that is not traced may be writing: it must not be stopped. */
    bool readable = (protection & PROT_READ) && !r->suspended &&
                    !vmti_os_protect(first << VMTI_PAGE_SHIFT, end << VMTI_PAGE_SHIFT, protection & ~PROT_WRITE);
    for (uint64_t page = first; page < end; page++) {
        struct vmti_content_entry entry = {.page = page};
        entry.lost = !readable || !hash_page(r, page, &entry.hash);
        if (4 * (r->content.used + 1) > 3 * r->content.room && !grow(r)) {
            vmti_lose(r, -ENOMEM, VMTI_STEP_MEMORY);
            return;
        }
        *slot(&r->content, page) = entry;
        r->content.used++;
    }
}

void vmti_content_keep(struct vmti_region *r, uint64_t first, uint64_t end, int protection)
{
    if (!r->content.entries)
        return;
    for (uint64_t run; first < end; first = run + 1) {
        /* What is leaving may be something else by now, which must stay as it is. */
        for (run = first; run < end && !find(&r->content, run) && !(vmti_dir_get(run) & VMTI_DIR_LEAVING);)
            run++;
        if (run > first)
            keep_run(r, first, run, protection);
    }
}

void vmti_content_lose(struct vmti_region *r, uintptr_t start, uintptr_t end)
{
    struct vmti_content *content = &r->content;
    if (!content->entries || start >= end)
        return;
    uint64_t first = start >> VMTI_PAGE_SHIFT, last = (end - 1) >> VMTI_PAGE_SHIFT;
    if (last - first < content->room) {
        for (uint64_t page = first; page <= last; page++) {
            struct vmti_content_entry *entry = find(content, page);
            if (entry)
                entry->lost = true;
        }
        return;
    }
    for (uint64_t i = 0; i < content->room; i++)
        if (content->entries[i].page >= first && content->entries[i].page <= last)
            content->entries[i].lost = true;
}

/* The hash of a page that may be closed. */
static bool hash_now(struct vmti_region *r, uint64_t page, uint64_t *hash)
{
    uint32_t word = vmti_dir_get(page);
    uintptr_t start = page << VMTI_PAGE_SHIFT;
    if (hash_page(r, page, hash))
        return true;
    if (!(word & VMTI_DIR_TRACKED) || (word & VMTI_DIR_LEAVING) || !(vmti_dir_prot(word) & PROT_READ) ||
        vmti_os_protect(start, start + VMTI_PAGE_SIZE, vmti_dir_prot(word) & ~PROT_WRITE))
        return false;
    bool done = hash_page(r, page, hash);
    vmti_settle(r, start, start + VMTI_PAGE_SIZE);
    return done;
}

void vmti_content_conclude(struct vmti_region *r)
{
    if (!r->content.entries || atomic_load(&r->state) == VMTI_LOST)
        return;
    r->counts.pages_unchanged = 0;
    for (struct vmti_page *page = r->pages; page; page = page->hh.next) {
        const struct vmti_content_entry *before =
            page->state & VMTI_PAGE_WRITTEN ? find(&r->content, page->page) : NULL;
        uint64_t hash;
        page->state &= (uint8_t)~VMTI_PAGE_UNCHANGED;
        if (before && !before->lost && hash_now(r, page->page, &hash) && hash == before->hash) {
            page->state |= VMTI_PAGE_UNCHANGED;
            r->counts.pages_unchanged++;
        }
    }
}
