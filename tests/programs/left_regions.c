/* SPDX-License-Identifier: MIT */
/*
 * Tests that fail inside a region, each followed by one that finds everything as it should be. To be run by
 * integration/left_regions.sh, which knows what cmocka must say: those named fails_ fail, those named is_clean pass.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <vmt/vmt.h>
#include <vmt/cmocka.h>

enum { PAGE = 4096, PAGES = 32 };

static volatile unsigned char *memory;
static vmt_report *earlier; /* of a region that ended well */
static sigset_t mask_before;

static void begin(void)
{
    vmt_config config;
    if (vmt_config_init(&config))
        fail_msg("vmt_config_init: %s", vmt_error_text());
    config.window = 8;
    config.trace_path = NULL;
    if (vmt_begin(&config))
        fail_msg("vmt_begin: %s", vmt_error_text());
}

static void walk(size_t pages)
{
    for (size_t i = 0; i < pages; i++)
        memory[i * PAGE]++;
}

static int setup(void **state)
{
    (void)state;
    memory = aligned_alloc(PAGE, PAGES * PAGE);
    memset((void *)memory, 0, PAGES * PAGE);
    sigprocmask(SIG_BLOCK, NULL, &mask_before);
    begin();
    walk(5);
    return vmt_end(&earlier);
}

static int teardown(void **state)
{
    (void)state;
    vmt_report_free(earlier);
    free((void *)memory);
    return 0;
}

/* ------------------------------------------------------------------------------------------- failing */

static void fails_by_a_check(void **state)
{
    (void)state;
    begin();
    walk(10);
    vmt_assert_pages_at_most(earlier, 4);
    fail_msg("not reached");
}

static void fails_by_an_assertion(void **state)
{
    (void)state;
    begin();
    walk(12);
    assert_int_equal(memory[PAGES * PAGE - 1], 99);
}

static void fails_by_a_crash(void **state)
{
    (void)state;
    volatile unsigned char *volatile nothing = NULL;
    begin();
    walk(14);
    *nothing = 1;
    fail_msg("not reached");
}

/* One that cmocka catches and that is no fault. */
static void fails_by_a_signal(void **state)
{
    (void)state;
    begin();
    walk(16);
    raise(SIGFPE);
    fail_msg("not reached");
}

/* ------------------------------------------------------------------------------------------- clean */

static void check_region(uint64_t dropped)
{
    vmt_report *report;
    begin();
    walk(20);
    walk(20);
    assert_int_equal(vmt_end(&report), 0);
    assert_int_equal(vmt_report_dropped_regions(report), dropped);
    vmt_assert_pages_exactly(report, 20);
    assert_int_equal(vmt_report_touches(report), 40);
    assert_false(vmt_active());
    vmt_report_free(report);
}

/* After a test with vmt_cmocka_teardown. */
static void is_clean(void **state)
{
    (void)state;
    assert_false(vmt_active());
    check_region(0);
}

/* After one without: the region is open until the next begins. */
static void is_clean_after_a_begin(void **state)
{
    (void)state;
    assert_true(vmt_active());
    check_region(1);
}

/* What cmocka changes itself when it leaves a signal handler by longjmp is not looked at here. */
static void is_clean_of_blocked_signals(void **state)
{
    (void)state;
    sigset_t mask;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    assert_memory_equal(&mask, &mask_before, 8);
    check_region(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(fails_by_a_check, vmt_cmocka_teardown),
        cmocka_unit_test(is_clean),
        cmocka_unit_test(fails_by_a_check),
        cmocka_unit_test(is_clean_after_a_begin),
        cmocka_unit_test_teardown(fails_by_an_assertion, vmt_cmocka_teardown),
        cmocka_unit_test(is_clean),
        cmocka_unit_test(is_clean_of_blocked_signals),
        cmocka_unit_test(fails_by_a_signal),
        cmocka_unit_test(is_clean_after_a_begin),
        cmocka_unit_test_teardown(fails_by_a_crash, vmt_cmocka_teardown),
        cmocka_unit_test(is_clean),
        cmocka_unit_test(fails_by_an_assertion),
        cmocka_unit_test(is_clean_after_a_begin),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
