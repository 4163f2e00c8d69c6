/* SPDX-License-Identifier: MIT */
/* A budget in a test of Check, which runs each test in a process of its own if CK_FORK is not "no". */
#include <stdlib.h>

#include <check.h>

#include <vmt/check.h>

#include "items.h"

START_TEST(sum_keeps_to_its_budget)
{
    int *items = new_items();
    vmt_report *report;
    vmt_begin_or_skip(NULL);
    int sum = sum_every_tenth(items);
    vmt_end_or_fail(&report);
    ck_assert_int_eq(sum, ITEMS / 10);
    vmt_assert_pages_at_most(report, SUM_BUDGET);
    vmt_assert_touches_at_most(report, ITEM_PAGES);
    vmt_report_free(report);
    free(items);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("items");
    TCase *budgets = tcase_create("budgets");
    tcase_add_test(budgets, sum_keeps_to_its_budget);
    suite_add_tcase(suite, budgets);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
