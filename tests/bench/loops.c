/* SPDX-License-Identifier: MIT */
/*
 * Code that the harness should not slow down: loops COUNT, natively and (with BENCH_TRACED) linked with libvmt.
 *
 * Nanoseconds for one malloc and free: pair64 a block of 64 bytes that is freed at once; mixed among 1,000 live blocks
 * of 16 to 4,096 bytes. Linked with libvmt also pair64.inside and mixed.inside, in a region whose window holds them.
 * Then a loop over 32 pages, nanoseconds a page: open.outside and, in a region that has opened them, open.inside; the
 * two in turn in one process, on the same pages.
 */
#define _GNU_SOURCE
#include "bench.h"

enum { WINDOW = 1024, LIVE = 1000, PAIRS_A_BATCH = 1024, OPEN_PAGES = 32, SWEEPS_A_BATCH = 8, TURNS = 9 };

static void *volatile block; /* the compiler may drop a malloc whose block goes nowhere */
static void *live[LIVE];

static void time_pairs(const char *key, size_t count)
{
    start_batches();
    for (size_t done = 0; done < count; done += PAIRS_A_BATCH)
        BATCH (PAIRS_A_BATCH)
            for (int i = 0; i < PAIRS_A_BATCH; i++) {
                block = malloc(64);
                free(block);
            }
    print_batches(key, 1000);
}

/* The same sizes and places in each run; whether they are drawn or not is the same cost everywhere. */
static void replace_some(int count, uint64_t *random)
{
    for (int i = 0; i < count; i++) {
        uint64_t draw = next_random(random);
        void **place = &live[draw % LIVE];
        free(*place);
        *place = malloc(16 + (draw >> 12) % (4096 - 16));
    }
}

static void time_mixed(const char *key, size_t count)
{
    uint64_t random = 1;
    replace_some(16 * LIVE, &random);
    start_batches();
    for (size_t done = 0; done < count; done += PAIRS_A_BATCH)
        BATCH (PAIRS_A_BATCH)
            replace_some(PAIRS_A_BATCH, &random);
    print_batches(key, 1000);
    for (int i = 0; i < LIVE; i++) {
        free(live[i]);
        live[i] = NULL;
    }
}

#ifdef BENCH_TRACED
static uint64_t sum_pages(const char *pages)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < (size_t)OPEN_PAGES * PAGE; i += sizeof sum)
        sum += *(const volatile uint64_t *)(pages + i);
    return sum;
}

/* Leaves the batches unsorted: in a region they are not to be sorted, for qsort() may call malloc. */
static void time_sweeps(const char *pages, size_t count)
{
    start_batches();
    for (size_t done = 0; done < count; done += SWEEPS_A_BATCH)
        BATCH (SWEEPS_A_BATCH * OPEN_PAGES)
            for (int i = 0; i < SWEEPS_A_BATCH; i++)
                sum_pages(pages);
}

static void time_open_pages(size_t count)
{
    char *pages = make_heap(OPEN_PAGES * PAGE);
    double outside[TURNS], inside[TURNS];
    for (int turn = 0; turn < TURNS; turn++) {
        sum_pages(pages);
        time_sweeps(pages, count);
        outside[turn] = sort_batches();
        begin_region(VMT_WINDOW_DEFAULT, VMT_SCOPE_HEAP, NULL);
        sum_pages(pages); /* opens them */
        time_sweeps(pages, count);
        vmt_report *report = end_region();
        inside[turn] = sort_batches();
        if (vmt_report_touches(report) != OPEN_PAGES)
            die("%llu touches of %d open pages", (unsigned long long)vmt_report_touches(report), OPEN_PAGES);
        vmt_report_free(report);
    }
    batch_count = TURNS;
    memcpy(batches, outside, sizeof outside);
    print_batches("open.outside", 1000);
    memcpy(batches, inside, sizeof inside);
    print_batches("open.inside", 1000);
}
#endif

int main(int argc, char **argv)
{
    if (argc != 2)
        die("usage: loops COUNT");
    size_t count = parse_number(argv[1]);
    bind_to_cpu();
    time_pairs("pair64", count);
    time_mixed("mixed", count);
#ifdef BENCH_TRACED
    begin_region(WINDOW, VMT_SCOPE_HEAP, NULL);
    time_pairs("pair64.inside", count);
    time_mixed("mixed.inside", count);
    vmt_end(NULL);
    time_open_pages(count / (SWEEPS_A_BATCH * OPEN_PAGES) + 1);
#endif
    return 0;
}
