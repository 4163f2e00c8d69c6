/* SPDX-License-Identifier: MIT */
/* The walk through memory, in bins: which pages were touched when. Two passes over the trace. */
#define _GNU_SOURCE
#include "study.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../harness/grow.h"

/* ------------------------------------------------------------------------------------------- a set of pages */

/* A hash table with linear probing, of which at most half the places are in use. */
struct place {
    uint64_t page; /* its number and 1; 0: the place is empty */
    uint64_t rank; /* in order of addresses, once the set is complete */
};

struct pages {
    struct place *places; /* a power of two of them */
    uint64_t room, count;
    uint64_t *sorted;
};

static struct place *find_place(const struct pages *pages, uint64_t page)
{
    uint64_t at = ((page + 1) * 0x9e3779b97f4a7c15u >> 24) & (pages->room - 1);
    while (pages->places[at].page && pages->places[at].page != page + 1)
        at = (at + 1) & (pages->room - 1);
    return &pages->places[at];
}

static int add_page(struct pages *pages, uint64_t page)
{
    if (2 * pages->count >= pages->room) {
        struct pages larger = {.room = pages->room ? 2 * pages->room : 64};
        larger.places = calloc(larger.room, sizeof *larger.places);
        if (!larger.places)
            return -ENOMEM;
        for (uint64_t i = 0; i < pages->room; i++)
            if (pages->places[i].page)
                *find_place(&larger, pages->places[i].page - 1) = pages->places[i];
        free(pages->places);
        pages->places = larger.places;
        pages->room = larger.room;
    }
    struct place *place = find_place(pages, page);
    if (!place->page) {
        place->page = page + 1;
        pages->count++;
    }
    return 0;
}

static int compare_pages(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The set is complete: gives each its rank. */
static int rank_pages(struct pages *pages)
{
    uint64_t count = 0;
    pages->sorted = malloc(pages->count * sizeof *pages->sorted);
    if (!pages->sorted)
        return -ENOMEM;
    for (uint64_t i = 0; i < pages->room; i++)
        if (pages->places[i].page)
            pages->sorted[count++] = pages->places[i].page - 1;
    qsort(pages->sorted, count, sizeof *pages->sorted, compare_pages);
    for (uint64_t rank = 0; rank < count; rank++)
        find_place(pages, pages->sorted[rank])->rank = rank;
    return 0;
}

/* The rank of the first page from `page` on. */
static uint64_t rank_from(const struct pages *pages, uint64_t page)
{
    uint64_t low = 0, high = pages->count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (pages->sorted[middle] < page)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ------------------------------------------------------------------------------------------- the window, replayed */

/* A page by its rank, and the touch that opened it. Out of date if the page was dropped since: the page's own entry of
 * pass.opened says which touch did open it last. */
struct slot {
    uint64_t rank, touch;
};

struct fifo {
    struct slot *slots; /* a ring, a power of two */
    uint64_t room, head, tail;
};

/* ------------------------------------------------------------------------------------------- the passes */

struct pass {
    struct vmti_study *study;
    struct vmti_walk *walk;
    struct pages pages;
    struct fifo fifo;
    uint64_t *opened;     /* by rank: the touch that opened the page; 0: it is closed */
    uint64_t *touches;    /* by rank */
    uint64_t next_bin_at; /* the first touch of the next bin */
    size_t mark_room;
};

uint64_t vmti_walk_first_touch(const struct vmti_walk *walk, uint64_t touches, unsigned bin)
{
    /* The smallest number of which bin_of() is this bin. */
    return walk->bins ? (touches * bin + walk->bins - 1) / walk->bins + 1 : 1;
}

const uint32_t *vmti_walk_cell(const struct vmti_walk *walk, unsigned bin, unsigned row)
{
    return &walk->cells[((size_t)bin * walk->rows + row) * VMTI_WALK_KINDS];
}

static uint64_t bin_of(const struct pass *pass, uint64_t touch)
{
    return (touch - 1) * pass->walk->bins / pass->study->summary.touches;
}

static uint64_t row_of(const struct pass *pass, uint64_t rank)
{
    return rank * pass->walk->rows / pass->pages.count;
}

static void count(struct pass *pass, uint64_t touch, uint64_t rank, enum vmti_walk_kind kind)
{
    size_t cell = (size_t)bin_of(pass, touch) * pass->walk->rows + row_of(pass, rank);
    uint32_t *n = &pass->walk->cells[cell * VMTI_WALK_KINDS + kind];
    *n += *n < UINT32_MAX;
}

/* Leaves out what is out of date, and makes room. */
static int renew(struct pass *pass)
{
    struct fifo *fifo = &pass->fifo, renewed = {.room = 64};
    uint64_t live = 0;
    for (uint64_t i = fifo->head; i < fifo->tail; i++) {
        const struct slot *slot = &fifo->slots[i & (fifo->room - 1)];
        live += pass->opened[slot->rank] == slot->touch;
    }
    while (renewed.room < 2 * live)
        renewed.room *= 2;
    renewed.slots = malloc(renewed.room * sizeof *renewed.slots);
    if (!renewed.slots)
        return -ENOMEM;
    for (uint64_t i = fifo->head; i < fifo->tail; i++) {
        struct slot slot = fifo->slots[i & (fifo->room - 1)];
        if (pass->opened[slot.rank] == slot.touch)
            renewed.slots[renewed.tail++] = slot;
    }
    free(fifo->slots);
    *fifo = renewed;
    return 0;
}

static int push(struct pass *pass, struct slot slot)
{
    struct fifo *fifo = &pass->fifo;
    if (fifo->tail - fifo->head == fifo->room && renew(pass) < 0)
        return -ENOMEM;
    fifo->slots[fifo->tail++ & (fifo->room - 1)] = slot;
    return 0;
}

static void evict(struct pass *pass, uint64_t touch, unsigned evicts)
{
    struct fifo *fifo = &pass->fifo;
    while (evicts && fifo->head < fifo->tail) {
        struct slot oldest = fifo->slots[fifo->head++ & (fifo->room - 1)];
        if (pass->opened[oldest.rank] != oldest.touch)
            continue;
        pass->opened[oldest.rank] = 0;
        count(pass, touch, oldest.rank, VMTI_WALK_EVICTIONS);
        evicts--;
    }
}

static int take_touch(struct pass *pass, const struct vmti_event *event)
{
    uint64_t rank = find_place(&pass->pages, event->page)->rank, bin = bin_of(pass, event->touch);
    if (event->touch == pass->next_bin_at) {
        pass->walk->bin_time_ns[bin] = event->time_ns;
        pass->next_bin_at = vmti_walk_first_touch(pass->walk, pass->study->summary.touches, (unsigned)bin + 1);
    }
    count(pass, event->touch, rank,
          event->syscall ? VMTI_WALK_CALLS
          : event->write ? VMTI_WALK_WRITES
                         : VMTI_WALK_READS);
    pass->touches[rank]++;
    evict(pass, event->touch, event->evicts);
    pass->opened[rank] = event->touch;
    return push(pass, (struct slot){rank, event->touch});
}

static void take_drop(struct pass *pass, const struct vmti_event *event)
{
    for (uint64_t rank = rank_from(&pass->pages, event->page);
         rank < pass->pages.count && pass->pages.sorted[rank] - event->page < event->pages; rank++)
        pass->opened[rank] = 0;
}

static void take_upgrade(struct pass *pass, const struct vmti_event *event)
{
    const struct place *place = find_place(&pass->pages, event->page);
    if (place->page) /* else the trace is not what vmtrace writes */
        count(pass, event->touch, place->rank, VMTI_WALK_UPGRADES);
}

static int take_mark(struct pass *pass, const struct vmti_event *event)
{
    struct vmti_study *study = pass->study;
    if (study->mark_count == VMTI_STUDY_MARKS) {
        study->marks_left_out++;
        return 0;
    }
    void *marks = vmti_grow(study->marks, study->mark_count, &pass->mark_room, sizeof *study->marks);
    if (!marks)
        return -ENOMEM;
    study->marks = marks;
    struct vmti_study_mark *mark = &study->marks[study->mark_count++];
    *mark = (struct vmti_study_mark){.touches = study->reader.touches, .time_ns = event->time_ns};
    memcpy(mark->name, event->text, event->text_bytes);
    return 0;
}

/* The first pass: which pages there are. */
static int collect(struct pass *pass, const struct vmti_event *event)
{
    return event->kind == VMTI_REC_TOUCH  ? add_page(&pass->pages, event->page)
           : event->kind == VMTI_REC_MARK ? take_mark(pass, event)
                                          : 0;
}

/* The second: when they were touched, and how they left the window. */
static int replay(struct pass *pass, const struct vmti_event *event)
{
    if (event->kind == VMTI_REC_TOUCH)
        return take_touch(pass, event);
    if (event->kind == VMTI_REC_DROP)
        take_drop(pass, event);
    else if (event->kind == VMTI_REC_UPGRADE && event->touch)
        take_upgrade(pass, event);
    return 0;
}

static int read_events(struct pass *pass, int (*take)(struct pass *, const struct vmti_event *))
{
    struct vmti_trace_reader *reader = &pass->study->reader;
    struct vmti_event event;
    int error = 0;
    vmti_trace_read_rewind(reader);
    while (!error && vmti_trace_read_next(reader, &event))
        error = take(pass, &event);
    return error;
}

static void describe_rows(struct pass *pass)
{
    struct vmti_walk *walk = pass->walk;
    uint64_t most = 0;
    for (uint64_t rank = 0; rank < pass->pages.count; rank++) {
        struct vmti_walk_row *row = &walk->row[row_of(pass, rank)];
        uint64_t page = pass->pages.sorted[rank];
        if (!row->pages++) {
            row->first = page;
            most = 0;
        }
        row->last = page;
        row->touches += pass->touches[rank];
        if (pass->touches[rank] > most) {
            most = pass->touches[rank];
            row->hottest = page;
        }
    }
    for (unsigned i = 0; i < walk->rows; i++)
        walk->row[i].owner = vmti_page_owners_find(&pass->study->summary.owners, walk->row[i].hottest);
}

static int bin_touches(struct pass *pass, unsigned bins, unsigned rows)
{
    struct vmti_walk *walk = pass->walk;
    uint64_t touches = pass->study->summary.touches, pages = pass->pages.count;
    int error = rank_pages(&pass->pages);
    if (error)
        return error;
    walk->bins = touches < bins ? (unsigned)touches : bins;
    walk->rows = pages < rows ? (unsigned)pages : rows;
    walk->row = calloc(walk->rows, sizeof *walk->row);
    walk->bin_time_ns = calloc(walk->bins, sizeof *walk->bin_time_ns);
    walk->cells = calloc((size_t)walk->bins * walk->rows, VMTI_WALK_KINDS * sizeof *walk->cells);
    pass->opened = calloc(pages, sizeof *pass->opened);
    pass->touches = calloc(pages, sizeof *pass->touches);
    if (!walk->row || !walk->bin_time_ns || !walk->cells || !pass->opened || !pass->touches)
        return -ENOMEM;
    error = read_events(pass, replay);
    if (!error)
        describe_rows(pass);
    return error;
}

int vmti_study_walk(struct vmti_study *study, unsigned bins, unsigned rows)
{
    struct pass pass = {.study = study, .walk = &study->walk, .next_bin_at = 1};
    int error = read_events(&pass, collect);
    if (!error && pass.pages.count)
        error = bin_touches(&pass, bins, rows);
    free(pass.pages.places);
    free(pass.pages.sorted);
    free(pass.fifo.slots);
    free(pass.opened);
    free(pass.touches);
    if (error)
        snprintf(study->reason, sizeof study->reason, "cannot report on %s: no memory was left", study->path);
    return error;
}
