/* SPDX-License-Identifier: MIT */
/* What a page and a touch take: counts of bytes, which ARCHITECTURE.md promises. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arena.h"
#include "pagemap.h"
#include "random.h"
#include "thread.h"
#include "trace_format.h"
#include "trace_read.h"
#include "trace_write.h"

enum { BYTES_PER_PAGE = 96, BYTES_PER_TOUCH = 4 };

/* ------------------------------------------------------------------------------------------- a page */

static size_t used(const struct vmti_arena *arena)
{
    return arena->bytes - (arena->end - arena->next);
}

/* A page's entry, its part of the table's arrays, its word in the directory, and its 16th of a pointer in the
 * report. */
static void expect_small(const struct vmti_region *r, uint64_t pages)
{
    size_t bytes = used(&r->arena) + pages * sizeof(uint32_t) + pages / 16 * sizeof(void *);
    if (bytes > pages * BYTES_PER_PAGE)
        fail_msg("%zu bytes for %llu pages", bytes, (unsigned long long)pages);
}

static void fill(uint64_t pages, uint64_t first, uint64_t step)
{
    static struct vmti_region region;
    struct vmti_region *r = &region;
    size_t tables = 0;
    memset(r, 0, sizeof *r);
    for (uint64_t i = 0; i < pages; i++) {
        struct vmti_page *entry = vmti_pagemap_get(r, first + i * step);
        assert_non_null(entry);
        entry->touches = (uint32_t)i + 1;
        /* When the table has just grown it is at its largest for a page. */
        if (i >= 10000 && r->pages->hh.tbl->num_buckets != tables)
            expect_small(r, i + 1);
        tables = r->pages->hh.tbl->num_buckets;
    }
    expect_small(r, pages);
    uint64_t i = 0;
    for (struct vmti_page *entry = r->pages; entry; entry = entry->hh.next, i++)
        assert_int_equal(entry->page, first + i * step); /* in order of their first touch */
    assert_int_equal(i, pages);
    uint64_t random = 88172645463325252u;
    for (i = 0; i < 10000; i++) {
        uint64_t at = next_random(&random) % pages;
        assert_int_equal(vmti_pagemap_find(r, first + at * step)->touches, at + 1);
        assert_ptr_equal(vmti_pagemap_get(r, first + at * step), vmti_pagemap_find(r, first + at * step));
    }
    assert_null(vmti_pagemap_find(r, first + pages * step));
    vmti_arena_free(&r->arena);
}

static void a_page_takes_at_most_96_bytes(void **state)
{
    (void)state;
    static const uint64_t steps[] = {1, 17, 512, 262144};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        fill(10000, 0x7f0000000, steps[i]);
        fill(100000, 0x555555555, steps[i]);
    }
    fill(1000000, 0x7f0000000, 1);
}

/* What changes in an entry is packed: each field holds what it must, and leaves its neighbours alone. */
static void fields_hold_what_they_must(void **state)
{
    (void)state;
    struct vmti_page page;
    memset(&page, 0, sizeof page);
    page.page = UINT64_MAX;
    page.touches = UINT32_MAX;
    page.changed_at = 1000000000000u;
    page.owner = 0xffffff;
    page.opens--;
    page.state |= VMTI_PAGE_IN_WINDOW | VMTI_PAGE_WRITABLE | VMTI_PAGE_WRITTEN | VMTI_PAGE_WITH_OTHERS;
    page.state &= (uint8_t)~VMTI_PAGE_WRITTEN;
    page.opens++;
    assert_true(page.page == UINT64_MAX && page.touches == UINT32_MAX && page.changed_at == 1000000000000u);
    assert_true(page.owner == 0xffffff && page.opens == 0);
    assert_int_equal(page.state, VMTI_PAGE_IN_WINDOW | VMTI_PAGE_WRITABLE | VMTI_PAGE_WITH_OTHERS);
}

/* ------------------------------------------------------------------------------------------- the arena */

static void large_tables_are_given_back(void **state)
{
    (void)state;
    struct vmti_arena arena = {0};
    char *piece = vmti_arena_alloc(&arena, 100);
    size_t before = arena.bytes;
    unsigned char *tables[3];
    for (int i = 0; i < 3; i++) {
        tables[i] = vmti_arena_alloc_table(&arena, (size_t)(1 << i) * 16384);
        assert_non_null(tables[i]);
        assert_int_equal((uintptr_t)tables[i] % 16, 0);
        assert_int_equal(tables[i][(1 << i) * 16384 - 1], 0);
        memset(tables[i], 0xff, (size_t)(1 << i) * 16384);
    }
    assert_true(arena.bytes >= before + 7 * 16384);
    vmti_arena_free_table(&arena, tables[1], 2 * 16384);
    vmti_arena_free_table(&arena, tables[0], 16384);
    tables[0] = vmti_arena_alloc_table(&arena, 16384);
    assert_int_equal(tables[0][0], 0);
    vmti_arena_free_table(&arena, tables[2], 4 * 16384);
    vmti_arena_free_table(&arena, tables[0], 16384);
    assert_int_equal(arena.bytes, before);
    memset(piece, 1, 100);
    void *small = vmti_arena_alloc_table(&arena, 1000);
    assert_non_null(small);
    vmti_arena_free_table(&arena, small, 1000); /* stays */
    assert_int_equal(arena.bytes, before);
    assert_null(vmti_arena_alloc_table(&arena, SIZE_MAX - 4096));
    vmti_arena_free(&arena);
}

/* ------------------------------------------------------------------------------------------- a touch */

enum { PAGES = 100000, REFERENCES = 200000, N = 64 };

/* What a walk refers to as its i-th: a page from 0 to PAGES - 1. */
typedef uint32_t (*pattern)(uint64_t i, uint64_t *random);

static uint32_t in_order(uint64_t i, uint64_t *random)
{
    (void)random;
    return (uint32_t)(i % PAGES);
}

static uint32_t backwards(uint64_t i, uint64_t *random)
{
    return PAGES - 1 - in_order(i, random);
}

static uint32_t at_random(uint64_t i, uint64_t *random)
{
    (void)i;
    return (uint32_t)(next_random(random) % PAGES);
}

/* The k-th most frequent page is referred to 1/k times as often as the first, and is anywhere. */
static uint32_t by_zipf(uint64_t i, uint64_t *random)
{
    static double sums[PAGES];
    (void)i;
    if (!sums[0])
        for (uint32_t k = 0; k < PAGES; k++)
            sums[k] = (k ? sums[k - 1] : 0) + 1.0 / (k + 1);
    double at = (double)(next_random(random) >> 11) / (double)(UINT64_C(1) << 53) * sums[PAGES - 1];
    uint32_t low = 0, high = PAGES - 1;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (sums[middle] < at)
            low = middle + 1;
        else
            high = middle;
    }
    return (uint32_t)(low * UINT64_C(7919) % PAGES);
}

/* What a trace says of a touch or an upgrade. */
struct access {
    uint64_t page, time_ns;
    unsigned kind;
    unsigned evicts;
};

static struct access accesses[2 * REFERENCES];

struct written {
    uint64_t touches, upgrades, bytes;
};

static uint64_t in_units(uint64_t ns)
{
    return ns / VMTI_TRACE_TIME_UNIT * VMTI_TRACE_TIME_UNIT;
}

/* The trace of a walk through a window of N pages, as window.c writes it; each touch takes `ns` and up to a third more.
 * upgrade_every: of so many touches one is followed by the page's first write. */
static struct written trace_walk(pattern pattern, uint64_t ns, unsigned upgrade_every)
{
    static struct vmti_region region;
    static uint32_t fifo[N];
    static bool open[PAGES];
    struct vmti_thread thread = {.tid = 4711};
    struct written written = {0};
    uint64_t random = 88172645463325252u, now = 0;
    size_t count = 0;
    memset(&region, 0, sizeof region);
    memset(open, 0, sizeof open);
    region.window = N;
    region.evict = 1;
    region.track_writes = upgrade_every != 0;
    assert_int_equal(vmti_trace_start(&region, -1, NULL, 0, 0, 0), 0);
    for (uint64_t i = 0; i < REFERENCES; i++) {
        uint32_t page = pattern(i, &random);
        if (open[page])
            continue;
        unsigned flags = 0;
        if (written.touches >= N) {
            open[fifo[written.touches % N]] = false;
            flags = VMTI_REC_EVICT;
        }
        fifo[written.touches % N] = page;
        open[page] = true;
        now += ns + next_random(&random) % (ns / 3);
        written.touches++;
        accesses[count++] = (struct access){0x7f1234567 + page, in_units(now), VMTI_REC_TOUCH, flags != 0};
        vmti_trace_put_touch(&region, VMTI_REC_TOUCH, flags, 0x7f1234567 + page, &thread, now);
        if (upgrade_every && written.touches % upgrade_every == 0) {
            now += ns;
            written.upgrades++;
            accesses[count++] = (struct access){0x7f1234567 + page, in_units(now), VMTI_REC_UPGRADE, false};
            vmti_trace_put_touch(&region, VMTI_REC_UPGRADE, VMTI_REC_WRITE, 0x7f1234567 + page, &thread, now);
        }
    }
    struct vmti_trace_trailer trailer = {.touches = written.touches, .program_touches = written.touches,
                                         .evictions = written.touches - N, .upgrades = written.upgrades};
    assert_int_equal(vmti_trace_finish(&region, &trailer), 0);
    written.bytes = region.trace.bytes;

    struct vmti_trace_reader reader;
    struct vmti_event event;
    assert_int_equal(vmti_trace_read_memory(&reader, &region.trace), 0);
    size_t read = 0;
    while (vmti_trace_read_next(&reader, &event)) {
        if (event.kind == VMTI_REC_THREAD)
            continue;
        const struct access *a = &accesses[read++];
        if (event.kind != a->kind || event.page != a->page || event.time_ns != a->time_ns ||
            event.evicts != a->evicts || event.thread || event.syscall || event.write != (a->kind == VMTI_REC_UPGRADE))
            fail_msg("record %zu is not what was written", read);
    }
    assert_int_equal(read, count);
    assert_string_equal(reader.reason, "");
    assert_true(reader.complete && reader.touches == written.touches);
    vmti_trace_read_close(&reader);
    vmti_arena_free(&region.arena);
    return written;
}

static const struct {
    const char *name;
    pattern pattern;
} patterns[] = {{"in order", in_order}, {"backwards", backwards}, {"at random", at_random}, {"by Zipf's law", by_zipf}};

static void a_touch_takes_at_most_4_bytes(void **state)
{
    (void)state;
    static const uint64_t times[] = {3000, 11000, 15500, 40000}; /* ns: what a fault takes, and a while more */
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        for (size_t k = 0; k < sizeof times / sizeof *times; k++) {
            struct written written = trace_walk(patterns[i].pattern, times[k], 0);
            if (written.bytes > written.touches * BYTES_PER_TOUCH)
                fail_msg("%s: %.3f bytes a touch", patterns[i].name, (double)written.bytes / (double)written.touches);
            if (i < 2) /* neighbours */
                assert_true(written.bytes < written.touches * 2 + written.touches / 100);
        }
}

/* With write tracking, a fault is a touch or an upgrade; a page that is written at once takes one of each. */
static void an_upgrade_takes_one_or_two(void **state)
{
    (void)state;
    static const uint64_t times[] = {3000, 11000, 15500, 40000};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        for (size_t k = 0; k < sizeof times / sizeof *times; k++) {
            struct written none = trace_walk(patterns[i].pattern, times[k], 0);
            for (unsigned every = 1; every <= 4; every += 3) {
                struct written some = trace_walk(patterns[i].pattern, times[k], every);
                assert_int_equal(some.upgrades, some.touches / every);
                assert_true(some.bytes <= (some.touches + some.upgrades) * BYTES_PER_TOUCH);
                uint64_t more = some.bytes - none.bytes, most = some.upgrades * (k < 2 ? 1 : 2);
                assert_true(more <= most + some.upgrades / 100);
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_takes_at_most_96_bytes),
        cmocka_unit_test(fields_hold_what_they_must),
        cmocka_unit_test(large_tables_are_given_back),
        cmocka_unit_test(a_touch_takes_at_most_4_bytes),
        cmocka_unit_test(an_upgrade_takes_one_or_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
