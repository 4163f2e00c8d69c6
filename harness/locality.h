/* SPDX-License-Identifier: MIT */
/*
 * The locality of a stream of touches, in one pass: misses of an LRU memory of every size (Mattson et al. 1970, by a
 * tree of counts over the order of last uses: Bennett and Kruskal 1975, Olken 1981), and the average working set
 * (Denning 1968).
 *
 * What the stream is of, a trace gives: the touches that a FIFO of N pages misses. So the figures are of the touches,
 * and vmti_locality_bounds() says what they tell of the program. Runs in ordinary program context: calls malloc. At
 * most 100 bytes a distinct page, and O(log pages) a touch.
 */
#ifndef VMTI_LOCALITY_H
#define VMTI_LOCALITY_H

#include "types.h"

/* The lengths of time for which working sets are kept: 1, 2, 3, 4, 6, 8, 12, 16, ... touches, two for each doubling. */
enum { VMTI_LOCALITY_TAUS = 96 };

struct vmti_peaks;

struct vmti_locality {
    uint64_t touches;
    uint64_t pages; /* distinct ones */

    /* --- private --- */
    struct vmti_last_use *uses; /* a hash table of places, with linear probing */
    uint64_t places;
    uint64_t *live;   /* bit s: slot s is some page's last use; slots are in order of time */
    uint32_t *counts; /* Fenwick tree of how many there are in each block of slots */
    uint64_t slots, next_slot;
    uint64_t *hits; /* touches by stack distance, from 1 */
    uint64_t hits_room;
    struct vmti_intervals {
        uint64_t count, sum;
    } intervals[VMTI_LOCALITY_TAUS + 1]; /* between two touches of a page, by how many taus are not longer */
    struct vmti_peaks *peaks;            /* NULL: not wanted */
};

/* Zero is an empty one. */
VMTI_HIDDEN void vmti_locality_free(struct vmti_locality *l);

/* Before the first touch: peaks of the working sets are wanted too. They take half a MiB, and some 50 ns a touch. 0, or
 * -ENOMEM. */
VMTI_HIDDEN int vmti_locality_want_peaks(struct vmti_locality *l);

/* This page is soon to be touched: its place is fetched meanwhile. Changes nothing. */
VMTI_HIDDEN void vmti_locality_expect(const struct vmti_locality *l, uint64_t page);

/* The next touch. 0, or -ENOMEM (or more than 2^30 pages): the figures are not to be used then. */
VMTI_HIDDEN int vmti_locality_touch(struct vmti_locality *l, uint64_t page);

/* Misses of an LRU memory of so many pages, which is empty at first. */
VMTI_HIDDEN uint64_t vmti_locality_misses(const struct vmti_locality *l, uint64_t memory);

/* Touches with this stack distance: so many distinct pages since the last touch of the page, itself included. */
VMTI_HIDDEN uint64_t vmti_locality_hits(const struct vmti_locality *l, uint64_t distance);

/* Pages with one touch. */
VMTI_HIDDEN uint64_t vmti_locality_once(const struct vmti_locality *l);

/* How many pages were touched before this one first was; it has been touched. */
VMTI_HIDDEN uint64_t vmti_locality_order(const struct vmti_locality *l, uint64_t page);

/* The smallest memory that has at most so many misses; 0: none, for each page misses once. */
VMTI_HIDDEN uint64_t vmti_locality_memory_for(const struct vmti_locality *l, uint64_t misses);

/* The i-th tau, i below VMTI_LOCALITY_TAUS. */
VMTI_HIDDEN uint64_t vmti_locality_tau(unsigned i);

/* The average working set for each tau: the number of distinct pages among the last tau touches, over all touches. One
 * without touches has none: 0. */
VMTI_HIDDEN void vmti_locality_working_sets(const struct vmti_locality *l, double averages[VMTI_LOCALITY_TAUS]);

/* The peak working set of the i-th tau: the most distinct pages among any tau touches in a row. False: it is not known.
 * It is, if peaks were wanted, for the taus 1, 2, 4 up to 2^22, and for those as long as the whole stream. */
VMTI_HIDDEN bool vmti_locality_peak(const struct vmti_locality *l, unsigned i, uint64_t *peak);

/*
 * What the misses of a memory of so many pages are for all accesses of the program, of which a strict FIFO of `window`
 * pages has seen the touches: between *low and *high. Each stack distance in the trace is within window - 1 of that in
 * the program, and what is not in the trace has a distance of at most 2 window - 2 (ARCHITECTURE.md). False: the memory
 * is too small to say, below 3 window - 2 pages.
 */
VMTI_HIDDEN bool vmti_locality_bounds(const struct vmti_locality *l, uint64_t window, uint64_t memory, uint64_t *low,
                                      uint64_t *high);

#endif
