/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "locality.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The last touch of a page. Slots are given out in order of time, one for each touch; when they are used up, those of
 * last touches are numbered anew from 0. */
struct vmti_last_use {
    uint64_t page;                 /* its number and 1; 0: the place is empty */
    uint64_t time : 63, again : 1; /* the touch's number, from 1; was it not the first one of the page? */
    uint32_t slot, order;          /* order: how many pages were touched before this one first was */
};

enum { WORD_BITS = 64, BLOCK_WORDS = 4, BLOCK_SLOTS = WORD_BITS * BLOCK_WORDS, FIRST_PLACES = 16 };

void vmti_locality_free(struct vmti_locality *l)
{
    free(l->uses);
    free(l->live);
    free(l->counts);
    free(l->hits);
    free(l->peaks);
    memset(l, 0, sizeof *l);
}

/* ------------------------------------------------------------------------------------------- slots */

/* Of the slots before this one, how many are last uses? */
static uint64_t live_before(const struct vmti_locality *l, uint64_t slot)
{
    uint64_t block = slot / BLOCK_SLOTS, word = block * BLOCK_WORDS, last = slot / WORD_BITS, count = 0;
    for (uint64_t i = block; i; i &= i - 1)
        count += l->counts[i];
    for (; word < last; word++)
        count += (uint64_t)__builtin_popcountll(l->live[word]);
    return count + (uint64_t)__builtin_popcountll(l->live[last] & (((uint64_t)1 << slot % WORD_BITS) - 1));
}

static void add_to_block(struct vmti_locality *l, uint64_t slot, uint32_t by)
{
    for (uint64_t i = slot / BLOCK_SLOTS + 1; i <= l->slots / BLOCK_SLOTS; i += i & -i)
        l->counts[i] += by;
}

static void set_slot(struct vmti_locality *l, uint64_t slot)
{
    l->live[slot / WORD_BITS] |= (uint64_t)1 << slot % WORD_BITS;
    add_to_block(l, slot, 1);
}

static void clear_slot(struct vmti_locality *l, uint64_t slot)
{
    l->live[slot / WORD_BITS] &= ~((uint64_t)1 << slot % WORD_BITS);
    add_to_block(l, slot, (uint32_t)-1);
}

/* Numbers the last uses anew, with slots for three times as many touches after them. */
static int compact(struct vmti_locality *l)
{
    for (uint64_t i = 0; i < l->places; i++)
        if (l->uses[i].page)
            l->uses[i].slot = (uint32_t)live_before(l, l->uses[i].slot);
    uint64_t slots = (4 * l->pages / BLOCK_SLOTS + 4) * BLOCK_SLOTS;
    if (slots > UINT32_MAX)
        return -ENOMEM;
    if (slots > l->slots) {
        uint64_t *live = realloc(l->live, slots / 8);
        if (live)
            l->live = live;
        uint32_t *counts = realloc(l->counts, (slots / BLOCK_SLOTS + 1) * sizeof *counts);
        if (counts)
            l->counts = counts;
        if (!live || !counts)
            return -ENOMEM;
        l->slots = slots;
    }
    memset(l->live, 0, l->slots / 8);
    memset(l->counts, 0, (l->slots / BLOCK_SLOTS + 1) * sizeof *l->counts);
    for (uint64_t slot = 0; slot < l->pages; slot++)
        set_slot(l, slot);
    l->next_slot = l->pages;
    return 0;
}

/* ------------------------------------------------------------------------------------------- pages */

/* Where to begin to look for it. The upper half of a product spreads neighbours (Knuth, TAOCP 3, 6.4), and scales to
 * any number of places. */
static uint64_t first_place(uint64_t places, uint64_t page)
{
    return (((page + 1) * 0x9e3779b97f4a7c15u >> 32) * places) >> 32;
}

static struct vmti_last_use *find_place(struct vmti_last_use *uses, uint64_t places, uint64_t page)
{
    uint64_t at = first_place(places, page);
    while (uses[at].page && uses[at].page != page + 1)
        at = at + 1 == places ? 0 : at + 1;
    return &uses[at];
}

/* Places are looked up at random: with small pages each look-up in a large table misses the TLB too. Only advice. */
static void ask_for_huge_pages(void *table, uint64_t bytes)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start = ((uintptr_t)table + page - 1) & -page;
    uintptr_t end = ((uintptr_t)table + bytes) & -page;
    if (end > start && end - start > (4u << 20))
        madvise((void *)start, end - start, MADV_HUGEPAGE);
}

/* At most four places of five are in use. */
static int grow_table(struct vmti_locality *l)
{
    uint64_t places = l->places ? l->places + l->places / 2 : FIRST_PLACES;
    struct vmti_last_use *uses = places <= UINT32_MAX ? calloc(places, sizeof *uses) : NULL;
    if (!uses)
        return -ENOMEM;
    ask_for_huge_pages(uses, places * sizeof *uses);
    for (uint64_t i = 0; i < l->places; i++)
        if (l->uses[i].page)
            *find_place(uses, places, l->uses[i].page - 1) = l->uses[i];
    free(l->uses);
    l->uses = uses;
    l->places = places;
    return 0;
}

static int note_hit(struct vmti_locality *l, uint64_t distance)
{
    if (distance >= l->hits_room) {
        uint64_t room = distance + distance / 4 + 64;
        uint64_t *hits = realloc(l->hits, room * sizeof *hits);
        if (!hits)
            return -ENOMEM;
        memset(hits + l->hits_room, 0, (room - l->hits_room) * sizeof *hits);
        l->hits = hits;
        l->hits_room = room;
    }
    l->hits[distance]++;
    return 0;
}

/* How many taus are not longer than this? See vmti_locality_tau(). */
static unsigned taus_within(uint64_t interval)
{
    unsigned log = 63 - (unsigned)__builtin_clzll(interval);
    unsigned count = log ? 2 * log + (interval >> (log - 1) & 1) : 1;
    return count < VMTI_LOCALITY_TAUS ? count : VMTI_LOCALITY_TAUS;
}

static void note_interval(struct vmti_intervals *intervals, uint64_t interval)
{
    struct vmti_intervals *bin = &intervals[taus_within(interval)];
    bin->count++;
    bin->sum += interval;
}

/* ------------------------------------------------------------------------------------------- peaks */

enum { PEAK_LOG = 22, PEAK_TOUCHES = 1 << PEAK_LOG };

/* For the taus 1, 2, 4 and so on up to PEAK_TOUCHES. */
struct vmti_peaks {
    uint32_t now[PEAK_LOG + 1], most[PEAK_LOG + 1]; /* distinct pages among the last tau touches */
    uint64_t last_use[PEAK_TOUCHES / WORD_BITS];    /* bit t of a ring: touch t is the last one of its page */
};

int vmti_locality_want_peaks(struct vmti_locality *l)
{
    l->peaks = calloc(1, sizeof *l->peaks);
    return l->peaks ? 0 : -ENOMEM;
}

static uint64_t *ring_word(struct vmti_peaks *peaks, uint64_t touch)
{
    return &peaks->last_use[touch % PEAK_TOUCHES / WORD_BITS];
}

/* Of the touch `touch`, so many after the last one of its page; UINT64_MAX: there was none. */
static void note_peaks(struct vmti_peaks *peaks, uint64_t touch, uint64_t interval)
{
    if (interval <= PEAK_TOUCHES)
        *ring_word(peaks, touch - interval) &= ~((uint64_t)1 << (touch - interval) % WORD_BITS);
    for (unsigned log = 0; log <= PEAK_LOG; log++) {
        uint64_t tau = (uint64_t)1 << log, before = touch - tau;
        if (before >= touch) /* there are not so many yet: the bit is 0 */
            before = touch;
        uint32_t now = peaks->now[log] + (interval > tau) - (*ring_word(peaks, before) >> before % WORD_BITS & 1);
        peaks->now[log] = now;
        peaks->most[log] = now > peaks->most[log] ? now : peaks->most[log];
    }
    *ring_word(peaks, touch) |= (uint64_t)1 << touch % WORD_BITS;
}

bool vmti_locality_peak(const struct vmti_locality *l, unsigned i, uint64_t *peak)
{
    uint64_t tau = vmti_locality_tau(i);
    if (!l->peaks)
        return false;
    if (tau >= l->touches)
        *peak = l->pages;
    else if (tau <= PEAK_TOUCHES && (tau & (tau - 1)) == 0)
        *peak = l->peaks->most[__builtin_ctzll(tau)];
    else
        return false;
    return true;
}

/* ------------------------------------------------------------------------------------------- touches */

void vmti_locality_expect(const struct vmti_locality *l, uint64_t page)
{
    if (l->places)
        __builtin_prefetch(&l->uses[first_place(l->places, page)]);
}

int vmti_locality_touch(struct vmti_locality *l, uint64_t page)
{
    if (5 * l->pages >= 4 * l->places && grow_table(l) < 0)
        return -ENOMEM;
    if (l->next_slot == l->slots && compact(l) < 0)
        return -ENOMEM;
    struct vmti_last_use *use = find_place(l->uses, l->places, page);
    uint64_t interval = UINT64_MAX;
    l->touches++;
    if (use->page) {
        if (note_hit(l, l->pages - live_before(l, use->slot)) < 0)
            return -ENOMEM;
        interval = l->touches - use->time;
        note_interval(l->intervals, interval);
        clear_slot(l, use->slot);
        use->again = 1;
    } else {
        use->page = page + 1;
        use->order = (uint32_t)l->pages++;
    }
    if (l->peaks)
        note_peaks(l->peaks, l->touches, interval);
    use->time = l->touches;
    use->slot = (uint32_t)l->next_slot++;
    set_slot(l, use->slot);
    return 0;
}

/* ------------------------------------------------------------------------------------------- figures */

uint64_t vmti_locality_hits(const struct vmti_locality *l, uint64_t distance)
{
    return distance < l->hits_room ? l->hits[distance] : 0;
}

uint64_t vmti_locality_misses(const struct vmti_locality *l, uint64_t memory)
{
    uint64_t misses = l->touches;
    for (uint64_t d = 1; d <= memory && d < l->hits_room; d++)
        misses -= l->hits[d];
    return misses;
}

uint64_t vmti_locality_once(const struct vmti_locality *l)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < l->places; i++)
        count += l->uses[i].page && !l->uses[i].again;
    return count;
}

uint64_t vmti_locality_order(const struct vmti_locality *l, uint64_t page)
{
    return find_place(l->uses, l->places, page)->order;
}

uint64_t vmti_locality_memory_for(const struct vmti_locality *l, uint64_t misses)
{
    uint64_t left = l->touches, memory = 1;
    if (misses < l->pages)
        return 0;
    for (;; memory++) {
        left -= vmti_locality_hits(l, memory);
        if (left <= misses)
            return memory;
    }
}

uint64_t vmti_locality_tau(unsigned i)
{
    return i == 0 ? 1 : (uint64_t)(i % 2 ? 2 : 3) << (i - 1) / 2;
}

/*
 * A touch keeps its page in the working set of tau for the next tau moments, or until the page's next touch, or to the
 * end. So the sum over all moments is that of min(tau, interval) over all touches.
 */
void vmti_locality_working_sets(const struct vmti_locality *l, double averages[VMTI_LOCALITY_TAUS])
{
    struct vmti_intervals intervals[VMTI_LOCALITY_TAUS + 1];
    memcpy(intervals, l->intervals, sizeof intervals);
    for (uint64_t i = 0; i < l->places; i++)
        if (l->uses[i].page)
            note_interval(intervals, l->touches + 1 - l->uses[i].time);
    uint64_t shorter = 0, longer = l->touches;
    for (unsigned i = 0; i < VMTI_LOCALITY_TAUS; i++) {
        shorter += intervals[i].sum;
        longer -= intervals[i].count;
        double all = (double)shorter + (double)vmti_locality_tau(i) * (double)longer;
        averages[i] = l->touches ? all / (double)l->touches : 0;
    }
}

bool vmti_locality_bounds(const struct vmti_locality *l, uint64_t window, uint64_t memory, uint64_t *low,
                          uint64_t *high)
{
    if (memory < 3 * window - 2)
        return false;
    *low = vmti_locality_misses(l, memory + (window - 1));
    *high = vmti_locality_misses(l, memory - (window - 1));
    return true;
}
