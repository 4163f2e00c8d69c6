/* SPDX-License-Identifier: MIT */
/*
 * What a test of another project looks like. C11 without extensions and C++17 alike; BUDGET_PAGES decides whether it
 * holds: every page of 40 is read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#ifdef __cplusplus
extern "C" { /* cmocka's header does not say so itself */
#endif
#include <cmocka.h>
#ifdef __cplusplus
}
#endif

#include <vmt/cmocka.h>
#include <vmt/vmt.h>

enum { PAGES = 40 };

static unsigned char *pages;

static int set_up(void **state)
{
    (void)state;
    pages = (unsigned char *)aligned_alloc(4096, PAGES * 4096);
    if (!pages)
        return -1;
    for (size_t i = 0; i < PAGES; i++)
        pages[i * 4096] = (unsigned char)i;
    return 0;
}

static int tear_down(void **state)
{
    int status = vmt_cmocka_teardown(state);
    free(pages);
    return status;
}

static void reading_every_page(void **state)
{
    (void)state;
    vmt_report *report;
    unsigned sum = 0;
    assert_int_equal(vmt_begin(NULL), 0);
    for (size_t i = 0; i < PAGES; i++)
        sum += pages[i * 4096];
    assert_int_equal(vmt_end(&report), 0);
    assert_int_equal(sum, PAGES * (PAGES - 1) / 2);
    vmt_assert_pages_at_most(report, BUDGET_PAGES);
    vmt_report_free(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reading_every_page, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
