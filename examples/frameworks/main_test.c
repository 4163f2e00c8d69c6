/* SPDX-License-Identifier: MIT */
/* A budget in a test that is a program. */
#include <assert.h>
#include <stdlib.h>

#include <vmt/main.h>

#include "items.h"

int main(void)
{
    int *items = new_items();
    vmt_report *report;
    vmt_begin_or_skip(NULL);
    int sum = sum_every_tenth(items);
    vmt_end_or_fail(&report);
    VMT_EXPECT(pages_exactly, report, ITEM_PAGES);
    vmt_assert_pages_at_most(report, SUM_BUDGET);
    vmt_assert_touches_at_most(report, ITEM_PAGES);
    vmt_report_free(report);
    free(items);
    return sum == ITEMS / 10 ? vmt_main_status() : EXIT_FAILURE;
}
