/* SPDX-License-Identifier: MIT */
/*
 * cmocka's test_malloc(), which UNIT_TESTING puts in malloc's place, under a region: it writes each byte of a block,
 * and adds a header and two guards to it. So what is counted is not what the code under test does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <vmt/cmocka.h>

enum { PAGE = 4096, PAGES = 100, BLOCKS = 1000, BLOCK_BYTES = 16 };

static vmt_report *report_of_large_block(void *(*allocate)(size_t bytes), void (*release)(void *block))
{
    vmt_report *report = NULL;
    vmt_begin_or_skip(NULL);
    void *block = allocate(PAGES * PAGE);
    release(block);
    vmt_end_or_fail(&report);
    return report;
}

static vmt_report *report_of_small_blocks(void *(*allocate)(size_t bytes), void (*release)(void *block))
{
    static void *blocks[BLOCKS];
    vmt_report *report = NULL;
    vmt_begin_or_skip(NULL);
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = allocate(BLOCK_BYTES);
    vmt_end_or_fail(&report);
    for (int i = 0; i < BLOCKS; i++)
        release(blocks[i]);
    return report;
}

static void *cmocka_allocate(size_t bytes)
{
    return test_malloc(bytes);
}

static void cmocka_release(void *block)
{
    test_free(block);
}

/* A block that nobody uses: malloc writes its header into the first page, and uses a page of its own. */
static void a_large_block_is_touched_whole(void **state)
{
    (void)state;
    vmt_report *report = report_of_large_block(malloc, free);
    print_message("malloc(100 pages): %u pages touched\n", (unsigned)vmt_report_footprint(report));
    vmt_assert_pages_at_most(report, 2);
    vmt_report_free(report);

    report = report_of_large_block(cmocka_allocate, cmocka_release);
    print_message("test_malloc(100 pages): %u pages touched\n", (unsigned)vmt_report_footprint(report));
    assert_true(vmt_report_footprint(report) >= PAGES && vmt_report_footprint(report) <= PAGES + 3);
    vmt_report_free(report);
}

static void small_blocks_take_more_pages(void **state)
{
    (void)state;
    vmt_report *report = report_of_small_blocks(malloc, free);
    unsigned ours = (unsigned)vmt_report_footprint(report);
    print_message("1,000 times malloc(16): %u pages touched\n", ours);
    assert_true(ours >= 7 && ours <= 10); /* 32 bytes each */
    vmt_report_free(report);

    report = report_of_small_blocks(cmocka_allocate, cmocka_release);
    unsigned theirs = (unsigned)vmt_report_footprint(report);
    print_message("1,000 times test_malloc(16): %u pages touched\n", theirs);
    assert_true(theirs >= 3 * ours);
    vmt_report_free(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_large_block_is_touched_whole, vmt_cmocka_setup, vmt_cmocka_teardown),
        cmocka_unit_test_setup_teardown(small_blocks_take_more_pages, vmt_cmocka_setup, vmt_cmocka_teardown),
    };
    return vmt_cmocka_run_group_tests(tests, NULL, NULL);
}
