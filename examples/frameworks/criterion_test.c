/* SPDX-License-Identifier: MIT */
/* A budget in a test of Criterion, which runs each test in a process of its own. */
#include <stdlib.h>

#include <criterion/criterion.h>

#include <vmt/criterion.h>

#include "items.h"

Test(items, sum_keeps_to_its_budget)
{
    int *items = new_items();
    vmt_report *report;
    vmt_begin_or_skip(NULL);
    int sum = sum_every_tenth(items);
    vmt_end_or_fail(&report);
    cr_assert_eq(sum, ITEMS / 10);
    VMT_EXPECT(pages_at_most, report, SUM_BUDGET);
    vmt_assert_touches_at_most(report, ITEM_PAGES);
    vmt_report_free(report);
    free(items);
}
