/* SPDX-License-Identifier: MIT */
/* A budget in a test of cmocka. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <vmt/cmocka.h>

#include "items.h"

static int *items;

static int make_items(void **state)
{
    (void)state;
    items = new_items();
    return items ? 0 : -1;
}

static int free_items(void **state)
{
    (void)state;
    free(items);
    return 0;
}

static void sum_keeps_to_its_budget(void **state)
{
    (void)state;
    vmt_report *report;
    vmt_begin_or_skip(NULL);
    int sum = sum_every_tenth(items);
    vmt_end_or_fail(&report);
    assert_int_equal(sum, ITEMS / 10);
    vmt_assert_pages_at_most(report, SUM_BUDGET);
    vmt_assert_touches_at_most(report, ITEM_PAGES);
    vmt_report_free(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sum_keeps_to_its_budget, vmt_cmocka_setup, vmt_cmocka_teardown),
    };
    return vmt_cmocka_run_group_tests(tests, make_items, free_items);
}
