/* SPDX-License-Identifier: MIT */
/* The example of the README: a region, a budget, and a test that fails because its code walks too much memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <vmt/cmocka.h>
#include <vmt/vmt.h>

enum { ITEMS = 40 * 1024 };

static int *new_items(void)
{
    int *items = malloc(ITEMS * sizeof *items);
    assert_non_null(items);
    for (int i = 0; i < ITEMS; i++)
        items[i] = i % 10 == 0;
    return items;
}

/* README: begin */
static void summing_every_tenth_item(void **state)
{
    (void)state;
    int *items = new_items(), sum = 0; /* 160 KiB: 40 pages */
    vmt_report *report;
    assert_int_equal(vmt_begin(NULL), 0);
    for (int i = 0; i < ITEMS; i += 10)
        sum += items[i];
    assert_int_equal(vmt_end(&report), 0);
    assert_int_equal(sum, ITEMS / 10);
    vmt_assert_pages_at_most(report, 10);
    vmt_report_free(report);
    free(items);
}
/* README: end */

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(summing_every_tenth_item)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
