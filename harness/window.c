/* SPDX-License-Identifier: MIT */
/* Runs in the catcher, at a stop: async-signal-safe, raw system calls only. */
#include "window.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "arena.h"
#include "content.h"
#include "os.h"
#include "pagedir.h"
#include "pagemap.h"
#include "thread.h"
#include "trace_format.h"
#include "trace_write.h"
#include "walk.h"

static inline uint64_t page_of(uintptr_t address)
{
    return address >> VMTI_PAGE_SHIFT;
}

/* The page after the last one that [.., end) reaches. */
static inline uint64_t page_end(uintptr_t end)
{
    return (end >> VMTI_PAGE_SHIFT) + ((end & (VMTI_PAGE_SIZE - 1)) != 0);
}

bool vmti_is_tracked(uint64_t page)
{
    return vmti_dir_get(page) & VMTI_DIR_TRACKED;
}

bool vmti_any_tracked(uintptr_t start, uintptr_t end)
{
    if (start >= end)
        return false;
    if (page_of(start) == page_of(end - 1))
        return vmti_is_tracked(page_of(start));
    uint64_t page = page_of(start);
    return vmti_dir_next_run(&page, page_end(end), VMTI_DIR_TRACKED, 0) != 0;
}

void vmti_lose(struct vmti_region *r, int error, unsigned step)
{
    if (atomic_load(&r->state) == VMTI_LOST)
        return;
    r->error = error;
    r->error_step = step;
    atomic_store(&r->state, VMTI_LOST);
    vmti_open_all(r);
}

/* ------------------------------------------------------------------------------------------- protections */

enum { PIN_NONE = 0, PIN_READ = 1, PIN_WRITE = 2 };

static int pinned_as(struct vmti_region *r, uint64_t page)
{
    int pin = PIN_NONE;
    for (struct vmti_thread *t = r->pinning; t; t = t->pinning_next)
        for (struct vmti_span_block *block = t->spans; block; block = block->next)
            for (uint32_t i = 0; i < block->used; i++)
                if (page >= page_of(block->spans[i].start) && page < page_end(block->spans[i].end)) {
                    if (block->spans[i].writes)
                        return PIN_WRITE;
                    pin = PIN_READ;
                }
    return pin;
}

/* The protection that a tracked page must have now. */
static int wanted_protection(struct vmti_region *r, uint64_t page, uint32_t word)
{
    int asked = vmti_dir_prot(word);
    if (vmti_unlikely(r->suspended))
        return asked;
    struct vmti_page *entry = vmti_pagemap_find(r, page);
    bool in_window = entry && (entry->state & (VMTI_PAGE_IN_WINDOW | VMTI_PAGE_WITH_OTHERS));
    if (in_window && (entry->state & VMTI_PAGE_WRITABLE))
        return asked;
    int pin = r->pinning ? pinned_as(r, page) : PIN_NONE;
    if (pin == PIN_WRITE || (pin == PIN_READ && !r->track_writes))
        return asked;
    if (in_window || pin == PIN_READ)
        return asked & ~PROT_WRITE;
    return PROT_NONE;
}

/* Gives the tracked pages of [first, end) the protection that they must have now, in as few calls as possible. */
static void apply(struct vmti_region *r, uint64_t first, uint64_t end)
{
    if (vmti_unlikely(atomic_load_explicit(&r->state, memory_order_relaxed) == VMTI_LOST))
        return;
    uint64_t run_start = 0;
    int run_protection = -1;
    for (uint64_t page = first; page <= end; page++) {
        int protection = -1;
        if (page < end) {
            uint32_t word = vmti_dir_get(page);
            if (word & VMTI_DIR_TRACKED)
                protection = wanted_protection(r, page, word);
            /* A call is unmapping it, and may have done so: what is there now may be something else. It is not closed,
             * and opened only for a thread that has met it closed. */
            if ((word & VMTI_DIR_LEAVING) && protection == PROT_NONE)
                protection = -1;
        }
        if (protection == run_protection)
            continue;
        if (run_protection >= 0) {
            if (vmti_unlikely(r->track_content) && (run_protection & PROT_WRITE))
                vmti_content_keep(r, run_start, page, run_protection);
            long error = vmti_os_protect(run_start << VMTI_PAGE_SHIFT, page << VMTI_PAGE_SHIFT, run_protection);
            /* ENOMEM: a split would exceed vm.max_map_count, or the pages are not mapped (mprotect(2)). */
            if (vmti_unlikely(error) && !(vmti_dir_get(run_start) & VMTI_DIR_LEAVING)) {
                vmti_lose(r, (int)error, VMTI_STEP_MAPPINGS);
                return;
            }
        }
        run_start = page;
        run_protection = protection;
    }
}

void vmti_settle(struct vmti_region *r, uintptr_t start, uintptr_t end)
{
    uint64_t page = page_of(start), limit = page_end(end), length;
    while ((length = vmti_dir_next_run(&page, limit, VMTI_DIR_TRACKED, 0))) {
        apply(r, page, page + length);
        page += length;
    }
}

uint64_t vmti_open_run(uint64_t *page, uint64_t limit)
{
    uint64_t length = vmti_dir_next_run(page, limit, VMTI_DIR_TRACKED, VMTI_DIR_PROT | VMTI_DIR_LEAVING);
    int protection = length ? vmti_dir_prot(vmti_dir_get(*page)) : PROT_NONE;
    /* To open never means to close: what is leaving may be something else by now. */
    if (protection != PROT_NONE)
        vmti_os_protect(*page << VMTI_PAGE_SHIFT, (*page + length) << VMTI_PAGE_SHIFT, protection);
    return length;
}

void vmti_open_all(struct vmti_region *r)
{
    r->let_go_at = ++r->changes;
    uint64_t page = 0, length;
    while ((length = vmti_open_run(&page, UINT64_MAX)))
        page += length;
}

void vmti_suspend(struct vmti_region *r)
{
    uint64_t page = 0, length;
    if (!r->suspended++)
        while ((length = vmti_open_run(&page, UINT64_MAX)))
            page += length;
}

void vmti_resume(struct vmti_region *r)
{
    if (!--r->suspended)
        vmti_settle(r, 0, UINTPTR_MAX);
}

/* ------------------------------------------------------------------------------------------- the FIFO */

bool vmti_counts(const struct vmti_region *r, const struct vmti_thread *t)
{
    return !r->this_thread_alone || t->tid == r->begin_tid;
}

/* A page that was dropped leaves its slot behind; a slot counts only while it is where the page was last opened. */
static bool slot_counts(const struct vmti_fifo *fifo, const struct vmti_slot *slot)
{
    return (slot->entry->state & fifo->state) && slot->entry->opens == slot->opens;
}

/* Squeezes the slots out that drops left behind. The ring has at least twice the window's size, so that this happens at
 * most once in `window` drops. */
static void compact_ring(struct vmti_fifo *fifo)
{
    uint64_t mask = fifo->capacity - 1, to = fifo->head;
    for (uint64_t from = fifo->head; from != fifo->tail; from++)
        if (slot_counts(fifo, &fifo->ring[from & mask]))
            fifo->ring[to++ & mask] = fifo->ring[from & mask];
    fifo->tail = to;
}

/* The oldest page that the window holds leaves it. */
static struct vmti_page *leave(struct vmti_fifo *fifo)
{
    const struct vmti_slot *slot;
    do
        slot = &fifo->ring[fifo->head++ & (fifo->capacity - 1)];
    while (!slot_counts(fifo, slot));
    fifo->live--;
    slot->entry->state &= (uint8_t)~(fifo->state | VMTI_PAGE_WRITABLE);
    return slot->entry;
}

/* The page enters the window. How many pages leave it for that: 0, or r->evict, which are in r->leaving in order of
 * address. */
static unsigned enter(struct vmti_region *r, struct vmti_fifo *fifo, struct vmti_page *entry)
{
    entry->changed_at = ++r->changes;
    entry->opens++;
    entry->state |= fifo->state;
    if (fifo->tail - fifo->head == fifo->capacity)
        compact_ring(fifo);
    fifo->ring[fifo->tail++ & (fifo->capacity - 1)] = (struct vmti_slot){entry, entry->opens};
    if (++fifo->live <= r->room)
        return 0;
    unsigned count = 0;
    for (; count < r->evict; count++) {
        uint64_t page = leave(fifo)->page;
        unsigned i = count;
        for (; i && r->leaving[i - 1] > page; i--)
            r->leaving[i] = r->leaving[i - 1];
        r->leaving[i] = page;
    }
    r->closings += count;
    return count;
}

/* Opens the page that has entered, and closes those that have left, neighbours at once. */
static void apply_entry(struct vmti_region *r, const struct vmti_page *entered, unsigned leaving)
{
    apply(r, entered->page, entered->page + 1);
    for (unsigned i = 0, next; i < leaving; i = next) {
        for (next = i + 1; next < leaving && r->leaving[next] == r->leaving[next - 1] + 1;)
            next++;
        apply(r, r->leaving[i], r->leaving[next - 1] + 1);
    }
}

static bool make_room(struct vmti_region *r, struct vmti_fifo *fifo, uint64_t pages)
{
    uint64_t capacity = 16;
    while (capacity < 2 * pages)
        capacity *= 2;
    struct vmti_slot *ring = vmti_arena_alloc(&r->arena, capacity * sizeof *ring);
    if (!ring)
        return false;
    if (fifo->ring) {
        compact_ring(fifo);
        for (uint64_t i = 0; i < fifo->live; i++)
            ring[i] = fifo->ring[(fifo->head + i) & (fifo->capacity - 1)];
    }
    fifo->ring = ring;
    fifo->capacity = capacity;
    fifo->head = 0;
    fifo->tail = fifo->live;
    return true;
}

bool vmti_window_make_room(struct vmti_region *r, uint64_t pages)
{
    if (pages <= r->room)
        return true;
    r->fifo.state = VMTI_PAGE_IN_WINDOW;
    r->others.state = VMTI_PAGE_WITH_OTHERS;
    if (!make_room(r, &r->fifo, pages) || (r->this_thread_alone && !make_room(r, &r->others, pages)))
        return false;
    r->room = pages;
    return true;
}

static void note_open(struct vmti_region *r, uint64_t pages)
{
    if (pages > r->counts.peak_open)
        r->counts.peak_open = pages;
}

/* ------------------------------------------------------------------------------------------- touches */

static void record_written(struct vmti_region *r, struct vmti_page *entry)
{
    if (r->track_writes && !(entry->state & VMTI_PAGE_WRITTEN)) {
        entry->state |= VMTI_PAGE_WRITTEN;
        r->counts.pages_written++;
    }
}

static unsigned record_flags(unsigned flags, bool track_writes)
{
    return (flags & VMTI_TOUCH_WRITE && track_writes ? VMTI_REC_WRITE : 0) |
           (flags & VMTI_TOUCH_SYSCALL ? VMTI_REC_SYSCALL : 0);
}

/* For a thread that does not count. It has what it opens for writing too, and may write what the window holds: to see
 * the first write of the thread that counts is left. */
static void open_for_others(struct vmti_region *r, struct vmti_page *entry, unsigned flags)
{
    if (entry->state & (VMTI_PAGE_IN_WINDOW | VMTI_PAGE_WITH_OTHERS)) {
        if ((flags & VMTI_TOUCH_WRITE) && !(entry->state & VMTI_PAGE_WRITABLE)) {
            entry->state |= VMTI_PAGE_WRITABLE;
            entry->changed_at = ++r->changes;
            apply(r, entry->page, entry->page + 1);
        }
        return;
    }
    entry->state |= VMTI_PAGE_WRITABLE;
    apply_entry(r, entry, enter(r, &r->others, entry));
}

static void touch_page(struct vmti_region *r, struct vmti_thread *t, uint64_t page, uint32_t word, unsigned flags,
                       uint64_t now)
{
    struct vmti_page *entry = vmti_pagemap_get(r, page);
    if (vmti_unlikely(!entry)) {
        vmti_lose(r, -ENOMEM, VMTI_STEP_MEMORY);
        return;
    }
    if (vmti_unlikely(!vmti_counts(r, t))) {
        open_for_others(r, entry, flags);
        return;
    }
    bool write = flags & VMTI_TOUCH_WRITE;
    if (entry->state & VMTI_PAGE_IN_WINDOW) {
        if (!write)
            return;
        if (!(entry->state & VMTI_PAGE_WRITABLE)) {
            entry->state |= VMTI_PAGE_WRITABLE;
            entry->changed_at = ++r->changes;
            r->counts.upgrades++;
            vmti_trace_put_touch(r, VMTI_REC_UPGRADE, record_flags(flags, true), page, t, now);
            apply(r, page, page + 1);
        }
        record_written(r, entry);
        return;
    }
    if (entry->state & VMTI_PAGE_WITH_OTHERS) { /* it is this thread's from now on */
        entry->state &= (uint8_t)~(VMTI_PAGE_WITH_OTHERS | VMTI_PAGE_WRITABLE);
        r->others.live--;
    }

    if (!entry->touches)
        r->counts.footprint++;
    if (!entry->owner)
        entry->owner = word & VMTI_DIR_OWNER;
    r->counts.touches++;
    if (flags & VMTI_TOUCH_SYSCALL)
        r->counts.syscall_touches++;
    else
        r->counts.program_touches++;
    entry->touches++;
    if (write || !r->track_writes)
        entry->state |= VMTI_PAGE_WRITABLE;
    if (write)
        record_written(r, entry);

    unsigned leaving = enter(r, &r->fifo, entry);
    r->counts.evictions += leaving;
    note_open(r, r->fifo.live);
    if (entry->owner)
        vmti_trace_put_owner(r, entry->owner);
    vmti_trace_put_touch(r, VMTI_REC_TOUCH, record_flags(flags, r->track_writes) | (leaving ? VMTI_REC_EVICT : 0), page,
                         t, now);
    apply_entry(r, entry, leaving);
}

void vmti_touch(struct vmti_region *r, struct vmti_thread *t, uintptr_t start, uintptr_t end, unsigned flags)
{
    if (vmti_unlikely(atomic_load_explicit(&r->state, memory_order_relaxed) == VMTI_LOST))
        return;
    uint64_t now = vmti_os_now(CLOCK_MONOTONIC);
    uint64_t page = page_of(start), limit = page_end(end), length;
    while ((length = vmti_dir_next_run(&page, limit, VMTI_DIR_TRACKED, 0))) {
        for (; length; length--, page++) {
            uint32_t word = vmti_dir_get(page);
            /* What the program itself closed stays closed: the kernel gives EFAULT there. */
            if (vmti_dir_prot(word) != PROT_NONE)
                touch_page(r, t, page, word, flags, now);
        }
    }
}

void vmti_drop_range(struct vmti_region *r, uintptr_t start, uintptr_t end)
{
    uint64_t page = page_of(start), limit = page_end(end), length;
    while ((length = vmti_dir_next_run(&page, limit, VMTI_DIR_TRACKED, 0))) {
        uint64_t run_start = 0, run = 0;
        for (; length; length--, page++) {
            struct vmti_page *entry = vmti_pagemap_find(r, page);
            bool dropped = entry && (entry->state & VMTI_PAGE_IN_WINDOW);
            if (entry && (entry->state & VMTI_PAGE_WITH_OTHERS)) {
                entry->state &= (uint8_t)~(VMTI_PAGE_WITH_OTHERS | VMTI_PAGE_WRITABLE);
                r->others.live--;
            }
            if (dropped) {
                entry->state &= (uint8_t)~(VMTI_PAGE_IN_WINDOW | VMTI_PAGE_WRITABLE);
                r->fifo.live--;
                r->counts.drops++;
                if (!run++)
                    run_start = page;
            }
            if (run && (!dropped || length == 1)) {
                vmti_trace_put_drop(r, run_start, run);
                run = 0;
            }
        }
    }
}

void vmti_name_pages(struct vmti_region *r)
{
    for (struct vmti_page *entry = r->pages; entry; entry = entry->hh.next) {
        if (!entry->touches)
            continue;
        if (!entry->owner)
            entry->owner = vmti_dir_get(entry->page) & VMTI_DIR_OWNER;
        if (entry->owner)
            vmti_trace_put_owner(r, entry->owner);
    }
}

/* ------------------------------------------------------------------------------------------- pins */

static struct vmti_span *add_span(struct vmti_region *r, struct vmti_thread *t)
{
    struct vmti_span_block *block = t->spans_last;
    if (!block || block->used == VMTI_SPANS_PER_BLOCK) {
        block = r->span_free;
        if (block)
            r->span_free = block->next;
        else
            block = vmti_arena_alloc(&r->arena, sizeof *block);
        if (!block)
            return NULL;
        block->next = NULL;
        block->used = 0;
        if (t->spans_last) {
            t->spans_last->next = block;
        } else {
            t->spans = block;
            t->pinning_next = r->pinning;
            r->pinning = t;
        }
        t->spans_last = block;
    }
    struct vmti_span *span = &block->spans[block->used++];
    memset(span, 0, sizeof *span);
    return span;
}

struct vmti_span *vmti_pin(struct vmti_region *r, struct vmti_thread *t, uintptr_t start, uintptr_t end, bool writes)
{
    if (!vmti_any_tracked(start, end))
        return NULL;
    bool must_open = false;
    uint64_t page = page_of(start), limit = page_end(end), length;
    while (!must_open && (length = vmti_dir_next_run(&page, limit, VMTI_DIR_TRACKED, 0)))
        for (; length && !must_open; length--, page++) {
            struct vmti_page *entry = vmti_pagemap_find(r, page);
            must_open = !entry || !(entry->state & VMTI_PAGE_IN_WINDOW) ||
                        (writes && !(entry->state & VMTI_PAGE_WRITABLE));
        }
    struct vmti_span *span = add_span(r, t);
    if (vmti_unlikely(!span)) {
        vmti_lose(r, -ENOMEM, VMTI_STEP_MEMORY);
        return NULL;
    }
    span->start = start;
    span->end = end;
    span->writes = writes;
    span->opened = must_open;
    span->closings = r->closings;
    if (must_open)
        vmti_settle(r, start, end);
    return span;
}

void vmti_note_pinned(struct vmti_region *r, struct vmti_thread *t)
{
    uint64_t only_pinned = 0;
    if (!vmti_counts(r, t))
        return;
    for (struct vmti_span_block *block = t->spans; block; block = block->next)
        for (uint32_t i = 0; i < block->used; i++) {
            const struct vmti_span *span = &block->spans[i];
            if (!span->opened)
                continue;
            uint64_t page = page_of(span->start), limit = page_end(span->end), length;
            while ((length = vmti_dir_next_run(&page, limit, VMTI_DIR_TRACKED, 0)))
                for (; length; length--, page++) {
                    struct vmti_page *entry = vmti_pagemap_find(r, page);
                    only_pinned += !entry || !(entry->state & VMTI_PAGE_IN_WINDOW);
                }
        }
    note_open(r, r->fifo.live + only_pinned);
    if (r->fifo.live + only_pinned > r->room)
        r->counts.over_window++;
}

void vmti_unpin_all(struct vmti_region *r, struct vmti_thread *t, int64_t result)
{
    if (!t->spans)
        return;
    for (struct vmti_span_block *block = t->spans; block; block = block->next)
        for (uint32_t i = 0; i < block->used; i++) {
            struct vmti_span *span = &block->spans[i];
            uint64_t done = vmti_span_done(r, t, span, result);
            if (done)
                vmti_touch(r, t, span->start, span->start + done,
                           VMTI_TOUCH_SYSCALL | (span->writes ? VMTI_TOUCH_WRITE : 0));
        }
    struct vmti_thread **link = &r->pinning;
    while (*link != t)
        link = &(*link)->pinning_next;
    *link = t->pinning_next;
    struct vmti_span_block *first = t->spans, *last = t->spans_last;
    t->spans = t->spans_last = NULL;
    t->pinning_next = NULL;
    for (struct vmti_span_block *block = first; block; block = block->next)
        for (uint32_t i = 0; i < block->used; i++)
            /* Also what was open before, if it may have left the window since: the pin kept it open. */
            if (block->spans[i].opened || block->spans[i].closings != r->closings)
                vmti_settle(r, block->spans[i].start, block->spans[i].end);
    last->next = r->span_free;
    r->span_free = first;
}
