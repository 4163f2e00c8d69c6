/* SPDX-License-Identifier: MIT */
/* A budget in a test of Unity. */
#include <stdlib.h>

#include <unity.h>

#include <vmt/unity.h>

#include "items.h"

static int *items;

void setUp(void)
{
    items = new_items();
}

void tearDown(void)
{
    if (vmt_active()) /* an assertion jumped out of the region */
        vmt_end(NULL);
    free(items);
}

static void sum_keeps_to_its_budget(void)
{
    vmt_report *report;
    vmt_begin_or_skip(NULL);
    int sum = sum_every_tenth(items);
    vmt_end_or_fail(&report);
    TEST_ASSERT_EQUAL_INT(ITEMS / 10, sum);
    vmt_assert_pages_at_most(report, SUM_BUDGET);
    vmt_assert_touches_at_most(report, ITEM_PAGES);
    vmt_report_free(report);
}

int main(void)
{
    UNITY_BEGIN();
    RUN_TEST(sum_keeps_to_its_budget);
    return UNITY_END();
}
