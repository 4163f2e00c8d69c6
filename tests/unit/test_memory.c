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

enum { BYTES_PER_PAGE = 96 };

static uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

/* ------------------------------------------------------------------------------------------- a page */

static size_t used(const struct vmti_arena *arena)
{
    return arena->bytes - (arena->end - arena->next);
}

/* A page's entry, its part of the table's arrays, and its word in the directory. */
static void expect_small(const struct vmti_region *r, uint64_t pages)
{
    size_t bytes = used(&r->arena) + pages * sizeof(uint32_t);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_takes_at_most_96_bytes),
        cmocka_unit_test(fields_hold_what_they_must),
        cmocka_unit_test(large_tables_are_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
