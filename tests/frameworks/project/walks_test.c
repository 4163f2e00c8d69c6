/* SPDX-License-Identifier: MIT */
/* Tests with regions, one without, and one that fails if it is asked to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <vmt/cmocka.h>
#include <vmt/vmt.h>

enum { PAGE = 4096, PAGES = 10 };

static char *pages;

static int make_pages(void **state)
{
    (void)state;
    pages = aligned_alloc(PAGE, PAGES * PAGE);
    for (int i = 0; i < PAGES * PAGE; i++)
        pages[i] = 1;
    return pages ? 0 : -1;
}

static int free_pages(void **state)
{
    (void)state;
    free(pages);
    return 0;
}

static void walk(int n)
{
    for (int i = 0; i < n; i++)
        ++*(volatile char *)(pages + i * PAGE);
}

static void walks_ten_pages(void **state)
{
    (void)state;
    vmt_report *report;
    vmt_begin_or_skip(NULL);
    walk(10);
    vmt_end_or_fail(&report);
    vmt_assert_pages_at_most(report, 10);
    vmt_assert_budgets(report);
    vmt_report_free(report);
}

static void walks_five_pages(void **state)
{
    (void)state;
    vmt_report *report;
    assert_int_equal(vmt_track(pages, 5 * PAGE, "five pages"), 0);
    vmt_begin_or_skip(NULL);
    walk(5);
    vmt_end_or_fail(&report);
    vmt_assert_label_at_most(report, "five pages", 5);
    vmt_report_free(report);
}

static void needs_no_region(void **state)
{
    (void)state;
#ifdef FAILS
    assert_int_equal(1, 2);
#endif
}

int main(void)
{
    const struct CMUnitTest regions[] = {
        cmocka_unit_test_setup_teardown(walks_ten_pages, vmt_cmocka_setup, vmt_cmocka_teardown),
        cmocka_unit_test_setup_teardown(walks_five_pages, vmt_cmocka_setup, vmt_cmocka_teardown),
    };
    const struct CMUnitTest others[] = {cmocka_unit_test(needs_no_region)};
#ifdef ANOTHER_MAIN
    return cmocka_run_group_tests(regions, make_pages, free_pages) + cmocka_run_group_tests(others, NULL, NULL);
#else
    return vmt_cmocka_run_group_tests(regions, make_pages, free_pages) + vmt_cmocka_run_group_tests(others, NULL, NULL);
#endif
}
