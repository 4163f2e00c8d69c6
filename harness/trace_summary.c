/* SPDX-License-Identifier: MIT */
/* One pass over a trace: what it says in all, and its working sets. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define HASH_NONFATAL_OOM 1
#define HASH_FUNCTION(key, bytes, hash) ((hash) = (unsigned)XXH3_64bits((key), (bytes)))
#include <uthash.h>
#include <utlist.h>

#include "grow.h"
#include "trace_read.h"

/* ------------------------------------------------------------------------------------------- owners of pages */

/* Pages [start, end) belong to owners[id]. Spans of one tree are disjoint, so "overlaps" is an equality for it. */
struct span {
    uint64_t start, end;
    size_t id;
};

static int compare_spans(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    return x->end <= y->start ? -1 : x->start >= y->end;
}

struct known {
    uint32_t index;
    size_t id;
};

static int compare_known(const void *a, const void *b)
{
    const struct known *x = a, *y = b;
    return x->index < y->index ? -1 : x->index > y->index;
}

static bool add_span(struct vmti_page_owners *map, uint64_t start, uint64_t end, size_t id)
{
    if (start >= end)
        return true;
    struct span *span = malloc(sizeof *span);
    if (!span)
        return false;
    *span = (struct span){start, end, id};
    if (tsearch(span, &map->spans, compare_spans))
        return true;
    free(span);
    return false;
}

/* Gives the pages [start, end) to owners[id]; owners that had some of them keep the others. */
static bool assign_span(struct vmti_page_owners *map, uint64_t start, uint64_t end, size_t id)
{
    if (start >= end)
        return true;
    struct span key = {start, end, id};
    void *found;
    while ((found = tfind(&key, &map->spans, compare_spans))) {
        struct span *old = *(struct span **)found;
        struct span was = *old;
        tdelete(old, &map->spans, compare_spans);
        free(old);
        if (!add_span(map, was.start, start, was.id) || !add_span(map, end, was.end, was.id))
            return false;
    }
    return add_span(map, start, end, id);
}

/* The owner with this index, made if it is new. */
static struct vmti_trace_owner *get_owner(struct vmti_page_owners *map, uint32_t index)
{
    struct known key = {.index = index};
    void *found = tfind(&key, &map->known, compare_known);
    if (found)
        return &map->owners[(*(struct known **)found)->id];
    void *owners = vmti_grow(map->owners, map->count, &map->capacity, sizeof *map->owners);
    if (!owners)
        return NULL;
    map->owners = owners;
    struct known *known = malloc(sizeof *known);
    if (!known)
        return NULL;
    *known = (struct known){index, map->count};
    if (!tsearch(known, &map->known, compare_known)) {
        free(known);
        return NULL;
    }
    struct vmti_trace_owner *owner = &map->owners[map->count++];
    memset(owner, 0, sizeof *owner);
    owner->index = index;
    return owner;
}

static int compare_stacks(const void *a, const void *b)
{
    const struct vmti_trace_stack *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

static const struct vmti_trace_stack *find_stack(const struct vmti_page_owners *map, uint32_t number)
{
    struct vmti_trace_stack key = {.number = number};
    void *found = tfind(&key, &map->stacks, compare_stacks);
    return found ? *(struct vmti_trace_stack **)found : NULL;
}

/* The first one with a number counts. */
static int add_stack(struct vmti_page_owners *map, const struct vmti_event *event)
{
    if (find_stack(map, event->stack))
        return 0;
    struct vmti_trace_stack *stack = malloc(sizeof *stack);
    if (!stack)
        return -ENOMEM;
    stack->number = event->stack;
    stack->count = event->frame_count;
    memcpy(stack->frames, event->frames, event->frame_count * sizeof *stack->frames);
    if (tsearch(stack, &map->stacks, compare_stacks))
        return 0;
    free(stack);
    return -ENOMEM;
}

int vmti_page_owners_add(struct vmti_page_owners *map, const struct vmti_event *event)
{
    if (event->kind == VMTI_REC_STACK)
        return add_stack(map, event);
    struct vmti_trace_owner *owner = get_owner(map, event->owner);
    if (!owner)
        return -ENOMEM;
    /* The pages that an earlier record gave it may belong to another owner since. */
    uint64_t had = owner->first_page == event->page ? owner->pages : 0;
    owner->first_page = event->page;
    owner->pages = event->pages;
    owner->bytes = event->bytes;
    owner->site = event->site;
    owner->stack = event->stack ? find_stack(map, event->stack) : NULL;
    memcpy(owner->label, event->text, event->text_bytes);
    owner->label[event->text_bytes] = '\0';
    return assign_span(map, event->page + had, event->page + event->pages, (size_t)(owner - map->owners)) ? 0 : -ENOMEM;
}

struct vmti_trace_owner *vmti_page_owners_find(const struct vmti_page_owners *map, uint64_t page)
{
    struct span key = {page, page + 1, 0};
    void *found = tfind(&key, &map->spans, compare_spans);
    return found ? &map->owners[(*(struct span **)found)->id] : NULL;
}

void vmti_page_owners_free(struct vmti_page_owners *map)
{
    tdestroy(map->spans, free);
    tdestroy(map->known, free);
    tdestroy(map->stacks, free);
    free(map->owners);
    memset(map, 0, sizeof *map);
}

/* ------------------------------------------------------------------------------------------- summary */

struct page {
    uint64_t page;
    bool written;
    bool owned; /* counted for its owner */
    UT_hash_handle hh;
};

struct thread {
    uint32_t index;
    size_t id; /* in summary->threads */
    UT_hash_handle hh;
};

struct pass {
    struct vmti_trace_summary *summary;
    struct page *pages;
    struct thread *threads, *last_thread;
    size_t thread_capacity, module_capacity;
};

static struct thread *get_thread(struct pass *pass, uint32_t index)
{
    struct thread *thread = pass->last_thread;
    if (thread && thread->index == index)
        return thread;
    HASH_FIND(hh, pass->threads, &index, sizeof index, thread);
    if (thread)
        return pass->last_thread = thread;
    struct vmti_trace_summary *summary = pass->summary;
    void *threads =
        vmti_grow(summary->threads, summary->thread_count, &pass->thread_capacity, sizeof *summary->threads);
    if (!threads)
        return NULL;
    summary->threads = threads;
    thread = malloc(sizeof *thread);
    if (!thread)
        return NULL;
    thread->index = index;
    thread->id = summary->thread_count;
    HASH_ADD(hh, pass->threads, index, sizeof index, thread);
    if (!thread->hh.tbl) { /* uthash leaves it NULL when it could not add */
        free(thread);
        return NULL;
    }
    summary->threads[summary->thread_count++] = (struct vmti_trace_thread){.index = index};
    return pass->last_thread = thread;
}

/* A page may be touched before the trace tells whose it is: an allocator writes its header before it returns. */
static void count_for_owner(struct vmti_trace_summary *summary, struct page *page)
{
    struct vmti_trace_owner *owner = page->owned ? NULL : vmti_page_owners_find(&summary->owners, page->page);
    if (owner) {
        owner->touched++;
        page->owned = true;
    }
}

static int count_access(struct pass *pass, const struct vmti_event *event)
{
    struct vmti_trace_summary *summary = pass->summary;
    struct thread *thread = get_thread(pass, event->thread);
    if (!thread)
        return -ENOMEM;
    struct page *page;
    HASH_FIND(hh, pass->pages, &event->page, sizeof event->page, page);
    if (event->kind == VMTI_REC_TOUCH) {
        summary->threads[thread->id].touches++;
        if (!page) {
            page = malloc(sizeof *page);
            if (!page)
                return -ENOMEM;
            page->page = event->page;
            page->written = page->owned = false;
            HASH_ADD(hh, pass->pages, page, sizeof page->page, page);
            if (!page->hh.tbl) {
                free(page);
                return -ENOMEM;
            }
            summary->footprint++;
        }
        count_for_owner(summary, page);
    }
    if (page && !page->written && (event->write || event->kind == VMTI_REC_UPGRADE)) {
        page->written = true;
        summary->pages_written++;
    }
    return 0;
}

static int add_module(struct pass *pass, const struct vmti_event *event)
{
    struct vmti_trace_summary *summary = pass->summary;
    void *modules =
        vmti_grow(summary->modules, summary->module_count, &pass->module_capacity, sizeof *summary->modules);
    if (!modules)
        return -ENOMEM;
    summary->modules = modules;
    char *path = malloc(event->text_bytes + 1);
    if (!path)
        return -ENOMEM;
    memcpy(path, event->text, event->text_bytes);
    path[event->text_bytes] = '\0';
    struct vmti_trace_module module = {event->start, event->end, event->offset, path};
    summary->modules[summary->module_count++] = module;
    return 0;
}

static int take_event(struct pass *pass, const struct vmti_event *event)
{
    struct thread *thread;
    switch (event->kind) {
    case VMTI_REC_TOUCH:
    case VMTI_REC_UPGRADE:
        return count_access(pass, event);
    case VMTI_REC_OWNER:
    case VMTI_REC_STACK:
        return vmti_page_owners_add(&pass->summary->owners, event);
    case VMTI_REC_THREAD:
        thread = get_thread(pass, event->thread);
        if (!thread)
            return -ENOMEM;
        pass->summary->threads[thread->id].tid = event->tid;
        return 0;
    case VMTI_REC_MODULE:
        return add_module(pass, event);
    default:
        return 0;
    }
}

/* What the reader knows at the end, and what only this pass can compare with the trailer. */
static void conclude(const struct vmti_trace_reader *reader, struct vmti_trace_summary *summary)
{
    summary->touches = reader->touches;
    summary->program_touches = reader->program_touches;
    summary->syscall_touches = reader->syscall_touches;
    summary->evictions = reader->evictions;
    summary->drops = reader->drops;
    summary->upgrades = reader->upgrades;
    summary->complete = reader->complete;
    memcpy(summary->reason, reader->reason, sizeof summary->reason);
    summary->has_trailer = reader->has_trailer;
    summary->trailer = reader->trailer;
    if (!(reader->header.flags & VMTI_TRACE_HAS_WRITES))
        summary->pages_written = 0;
    if (summary->complete && (summary->footprint != summary->trailer.footprint ||
                              summary->pages_written != summary->trailer.pages_written)) {
        summary->complete = false;
        snprintf(summary->reason, sizeof summary->reason,
                 "the trailer counts %" PRIu64 " pages touched and %" PRIu64 " written, but the records are of %" PRIu64
                 " and %" PRIu64 ": it is damaged",
                 summary->trailer.footprint, summary->trailer.pages_written, summary->footprint,
                 summary->pages_written);
    }
}

int vmti_trace_summarize(struct vmti_trace_reader *reader, struct vmti_trace_summary *summary)
{
    struct pass pass = {.summary = summary};
    struct vmti_event event;
    int error = 0;
    memset(summary, 0, sizeof *summary);
    vmti_trace_read_rewind(reader);
    while (!error && vmti_trace_read_next(reader, &event))
        error = take_event(&pass, &event);

    struct page *page, *next_page;
    HASH_ITER(hh, pass.pages, page, next_page)
    {
        count_for_owner(summary, page);
        HASH_DEL(pass.pages, page);
        free(page);
    }
    struct thread *thread, *next_thread;
    HASH_ITER(hh, pass.threads, thread, next_thread)
    {
        HASH_DEL(pass.threads, thread);
        free(thread);
    }
    conclude(reader, summary);
    if (error) {
        summary->complete = false;
        snprintf(summary->reason, sizeof summary->reason, "no memory was left to read it");
    }
    return error ? error : reader->error;
}

void vmti_trace_summary_free(struct vmti_trace_summary *summary)
{
    for (size_t i = 0; i < summary->module_count; i++)
        free(summary->modules[i].path);
    free(summary->modules);
    free(summary->threads);
    vmti_page_owners_free(&summary->owners);
    memset(summary, 0, sizeof *summary);
}

/* ------------------------------------------------------------------------------------------- working set */

/* A page of the last tau touches. The list is in order of last use, so the page to leave is at its head. */
struct used {
    uint64_t page;
    uint64_t last_touch;
    struct used *prev, *next;
    UT_hash_handle hh;
};

int vmti_trace_working_sets(struct vmti_trace_reader *reader, uint64_t tau, uint64_t *peak, double *average)
{
    double sum = 0;
    *peak = 0;
    *average = 0;
    if (tau == 0)
        return -EINVAL;
    struct used *by_page = NULL, *by_use = NULL, *used, *next, *spare = NULL;
    uint64_t count = 0;
    int error = 0;
    struct vmti_event event;
    vmti_trace_read_rewind(reader);
    while (!error && vmti_trace_read_next(reader, &event)) {
        if (event.kind != VMTI_REC_TOUCH)
            continue;
        HASH_FIND(hh, by_page, &event.page, sizeof event.page, used);
        if (used) {
            DL_DELETE(by_use, used);
        } else {
            used = spare ? spare : malloc(sizeof *used);
            spare = NULL;
            if (used) {
                used->page = event.page;
                HASH_ADD(hh, by_page, page, sizeof used->page, used);
            }
            if (!used || !used->hh.tbl) { /* uthash leaves it NULL when it could not add */
                free(used);
                error = -ENOMEM;
                break;
            }
            count++;
        }
        used->last_touch = event.touch;
        DL_APPEND(by_use, used);
        /* The touches that count are those after touch - tau; only the one at touch - tau can have left just now. */
        if (tau < event.touch && by_use->last_touch <= event.touch - tau) {
            used = by_use;
            DL_DELETE(by_use, used);
            HASH_DEL(by_page, used);
            free(spare);
            spare = used;
            count--;
        }
        if (count > *peak)
            *peak = count;
        sum += (double)count;
    }
    free(spare);
    HASH_ITER(hh, by_page, used, next)
    {
        HASH_DEL(by_page, used);
        free(used);
    }
    if (error)
        return error;
    if (reader->touches)
        *average = sum / (double)reader->touches;
    return reader->complete ? 0 : -EIO;
}

int vmti_trace_working_set(struct vmti_trace_reader *reader, uint64_t tau, uint64_t *peak)
{
    double average;
    return vmti_trace_working_sets(reader, tau, peak, &average);
}
