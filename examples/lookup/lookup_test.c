/* SPDX-License-Identifier: MIT */
/*
 * How many pages may a few look-ups walk through? Both structures are built before the regions, so that the budgets
 * count the look-ups alone.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <vmt/vmt.h>
#include <vmt/cmocka.h>

#include "lookup.h"

/* 320,000 bytes of items: 79 pages as an array; 157 as list nodes, which malloc makes 32 bytes each. */
enum { ITEMS = 20000 };

/* The four binary searches below look at 22 pages in all: each jumps 6 or 7 times, the first time to the same page, and
 * then stays where it is. Two more for other places of the array in its first page. */
enum { TABLE_BUDGET = 24 };

/* Walking the list to an item near its end touches every page of it: 157, with some room for malloc's own. */
enum { LIST_BUDGET = 165 };

static const uint64_t keys[] = {2 * 19990, 2 * 12345, 2 * 777, 2 * 8000};

static struct array *array;
static struct list *list;

static int build(void **state)
{
    (void)state;
    array = array_new(ITEMS);
    list = list_new(ITEMS);
    return array && list ? 0 : -1;
}

static int destroy(void **state)
{
    (void)state;
    array_free(array);
    list_free(list);
    return 0;
}

static vmt_config window_of_64(void)
{
    vmt_config config;
    assert_int_equal(vmt_config_init(&config), 0);
    config.window = 64;
    return config;
}

/* The table of the program. It was an array when its budget was set. */
static const struct item *table_find(uint64_t key)
{
#ifdef TABLE_IS_LIST
    return list_find(list, key);
#else
    return array_find(array, key);
#endif
}

static void table_look_ups_stay_within_their_budget(void **state)
{
    (void)state;
    vmt_config config = window_of_64();
    vmt_report *report = NULL;
    uint64_t sum = 0;

    if (vmt_begin(&config) < 0)
        fail_msg("%s", vmt_error_text());
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        sum += table_find(keys[i])->value;
    assert_int_equal(vmt_end(&report), 0);

    assert_int_equal(sum, 4 * 1000 + 19990 + 12345 + 777 + 8000);
    vmt_assert_pages_at_most(report, TABLE_BUDGET);
    vmt_assert_touches_at_most(report, TABLE_BUDGET); /* they all fit in the window: none is touched twice */
    vmt_report_free(report);
}

static void list_look_up_walks_the_list_once(void **state)
{
    (void)state;
    vmt_config config = window_of_64();
    vmt_report *report = NULL;

    if (vmt_begin(&config) < 0)
        fail_msg("%s", vmt_error_text());
    const struct item *item = list_find(list, keys[0]);
    assert_int_equal(vmt_end(&report), 0);

    assert_int_equal(item->value, 1000 + 19990);
    vmt_assert_pages_at_most(report, LIST_BUDGET);
    vmt_assert_touches_at_most(report, LIST_BUDGET);
    vmt_assert_working_set_at_most(report, 64, 64);
    vmt_report_free(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(table_look_ups_stay_within_their_budget, vmt_cmocka_teardown),
        cmocka_unit_test_teardown(list_look_up_walks_the_list_once, vmt_cmocka_teardown),
    };
    return cmocka_run_group_tests(tests, build, destroy);
}
