/* SPDX-License-Identifier: MIT */
/* The same code several times: what its runs came to, and whether they did the same. */
#define _GNU_SOURCE
#include "patterns.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vmt/cmocka.h>

enum { PAGES = 60, WINDOW = 8 };

static volatile char *pages;
static unsigned run;

static int map_pages(void **state)
{
    (void)state;
    pages = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages == MAP_FAILED || vmt_track((void *)pages, PAGES * PAGE, NULL) ? -1 : 0;
}

static int unmap_pages(void **state)
{
    (void)state;
    vmt_untrack((void *)pages, PAGES * PAGE);
    return munmap((void *)pages, PAGES * PAGE);
}

static int start_over(void **state)
{
    (void)state;
    run = 0;
    return 0;
}

/* Touches as many pages in its n-th run as arg's n-th number says, and writes to every other one. */
static void walk_run(void *arg)
{
    const unsigned *lengths = arg;
    unsigned length = lengths[run++];
    for (unsigned i = 0; i < length; i++) {
        if (i % 2)
            pages[i * PAGE] = 1;
        else
            (void)pages[i * PAGE];
    }
}

static void runs_have_a_spread(void **state)
{
    (void)state;
    unsigned lengths[] = {30, 10, 50, 40, 10, 20};
    vmt_config config = config_for(VMT_SCOPE_RANGES, WINDOW);
    vmt_measurement m;
    config.track_writes = true;
    assert_int_equal(vmt_measure(walk_run, lengths, 6, &config, &m), 0);
    assert_int_equal(run, 6);
    assert_int_equal(m.repeats, 6);
    assert_int_equal(m.pages.min, 10);
    assert_int_equal(m.pages.median, 20); /* of 10 10 20 30 40 50 */
    assert_int_equal(m.pages.max, 50);
    assert_int_equal(m.touches.max, 50);
    assert_int_equal(m.pages_written.min, 5);
    assert_int_equal(m.pages_written.max, 25);
    assert_int_equal(vmt_report_footprint(m.least), 10);
    assert_int_equal(vmt_report_footprint(m.most), 50);
    assert_false(m.same_fingerprints);
    assert_int_equal(m.first_different_run, 2);
    assert_int_equal(m.first_different_touch, 11);
    vmt_assert_pages_at_most(m.least, 10);
    vmt_measurement_free(&m);
    assert_null(m.least);
}

static void equal_runs_have_one_fingerprint(void **state)
{
    (void)state;
    unsigned lengths[] = {30, 30, 30, 30, 30};
    vmt_config config = config_for(VMT_SCOPE_RANGES, WINDOW);
    vmt_measurement m;
    assert_int_equal(vmt_measure(walk_run, lengths, 5, &config, &m), 0);
    assert_true(m.same_fingerprints);
    assert_int_equal(m.first_different_run, 0);
    assert_int_equal(m.first_different_touch, 0);
    assert_int_equal(m.pages.min, 30);
    assert_int_equal(m.pages.max, 30);
    assert_ptr_equal(m.least, m.most);
    vmt_measurement_free(&m);
    run = 0;
    assert_int_equal(vmt_measure(walk_run, lengths, 1, &config, &m), 0);
    assert_int_equal(m.pages.median, 30);
    assert_true(m.same_fingerprints);
    vmt_measurement_free(&m);
    vmt_measurement_free(NULL);
}

/* What it frees, the next run gets again. Not inlined: its owner is known by the place of the call. */
static __attribute__((noinline)) void allocate(void *arg)
{
    volatile char *block = malloc(20 * PAGE);
    *(bool *)arg = block;
    for (int i = 0; block && i < 20; i++)
        block[i * PAGE + PAGE / 2] = 1;
    free((void *)block);
}

static void runs_that_allocate_find_the_same_memory(void **state)
{
    (void)state;
    bool allocated;
    vmt_config config = config_for(VMT_SCOPE_HEAP, WINDOW);
    vmt_measurement m;
    /* The pages get their owner in the first run, and have it in the others. */
    begin(&config);
    allocate(&allocated);
    vmt_report_free(end());
    assert_int_equal(vmt_measure(allocate, &allocated, 10, &config, &m), 0);
    assert_true(allocated);
    assert_true(m.same_fingerprints);
    assert_int_equal(m.pages.min, m.pages.max);
    assert_true(m.pages.min >= 20 && m.pages.min <= 22); /* and malloc's headers */
    vmt_measurement_free(&m);
}

static void each_run_has_its_trace(void **state)
{
    (void)state;
    char folder[] = "/tmp/vmt-test-XXXXXX", name[64], expected[80];
    unsigned lengths[] = {10, 10, 10};
    assert_non_null(mkdtemp(folder));
    snprintf(name, sizeof name, "%s/trace", folder);
    vmt_config config = config_for(VMT_SCOPE_RANGES, WINDOW);
    config.trace_path = name;
    vmt_measurement m;
    assert_int_equal(vmt_measure(walk_run, lengths, 3, &config, &m), 0);
    assert_true(m.same_fingerprints);
    assert_string_equal(vmt_report_trace_path(m.least), name);
    vmt_measurement_free(&m);
    for (int i = 1; i <= 3; i++) {
        snprintf(expected, sizeof expected, i == 1 ? "%s" : "%s.%d", name, i);
        assert_int_equal(unlink(expected), 0);
    }
    assert_int_equal(rmdir(folder), 0);
}

static void what_cannot_be_measured_is_named(void **state)
{
    (void)state;
    unsigned lengths[] = {10};
    vmt_measurement m;
    vmt_config config = config_for(VMT_SCOPE_RANGES, WINDOW);
    assert_int_equal(vmt_measure(walk_run, lengths, 0, &config, &m), -EINVAL);
    assert_non_null(strstr(vmt_error_text(), "repeats is 0"));
    assert_int_equal(vmt_measure(NULL, NULL, 1, &config, &m), -EINVAL);
    assert_int_equal(vmt_measure(walk_run, lengths, 1, &config, NULL), -EINVAL);
    config.window = 3;
    assert_int_equal(vmt_measure(walk_run, lengths, 1, &config, &m), -EINVAL);
    assert_non_null(strstr(vmt_error_text(), "\"3\""));
    assert_int_equal(run, 0);
    vmt_verdict v;
    assert_false(vmt_check_each(walk_run, lengths, 1, 100, &config, &v));
    assert_int_equal(v.outcome, VMT_NOT_MEASURED);
    assert_non_null(strstr(v.text, "call 1 of 1: "));
    assert_false(vmt_check_each(walk_run, lengths, 0, 100, NULL, &v));
    assert_int_equal(v.outcome, VMT_NOT_MEASURED);
    assert_int_equal(run, 0);
}

static void the_worst_call_decides(void **state)
{
    (void)state;
    unsigned lengths[] = {5, 7, 40, 3, 40, 6, 1, 2, 3, 4};
    vmt_config config = config_for(VMT_SCOPE_RANGES, WINDOW);
    vmt_verdict v;
    assert_false(vmt_check_each(walk_run, lengths, 10, 12, &config, &v));
    assert_int_equal(run, 10);
    assert_int_equal(v.outcome, VMT_BROKEN);
    assert_int_equal(v.actual, 40);
    assert_int_equal(strncmp(v.text, "call 3 of 10 touched 40 pages, budget 12 pages: 28 over\n", 56), 0);
    run = 0;
    assert_true(vmt_check_each(walk_run, lengths, 10, 40, &config, &v));
    assert_string_equal(v.text, "call 3 of 10 touched 40 pages, budget 40 pages: held");
}

/* In one region the second call would find open what the first has touched; with regions of their own both count. */
static void each_call_counts_all_of_its_pages(void **state)
{
    (void)state;
    unsigned lengths[] = {5, 5, 5, 5};
    vmt_config config = config_for(VMT_SCOPE_RANGES, WINDOW);
    begin(&config);
    walk_run(lengths);
    vmt_mark("second");
    walk_run(lengths);
    vmt_report *report = end();
    const vmt_locality *second;
    assert_int_equal(vmt_locality_of_phase(report, "second", &second), 0);
    assert_int_equal(vmt_locality_pages(second), 0);
    vmt_report_free(report);
    run = 0;
    vmt_assert_each(walk_run, lengths, 4, 5, &config);
    run = 0;
    vmt_verdict v;
    assert_false(vmt_check_each(walk_run, lengths, 4, 4, &config, &v));
    assert_int_equal(strncmp(v.text, "call 1 of 4 ", 12), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(runs_have_a_spread, start_over),
        cmocka_unit_test_setup(equal_runs_have_one_fingerprint, start_over),
        cmocka_unit_test_setup(runs_that_allocate_find_the_same_memory, start_over),
        cmocka_unit_test_setup(each_run_has_its_trace, start_over),
        cmocka_unit_test_setup(what_cannot_be_measured_is_named, start_over),
        cmocka_unit_test_setup(the_worst_call_decides, start_over),
        cmocka_unit_test_setup(each_call_counts_all_of_its_pages, start_over),
    };
    return cmocka_run_group_tests(tests, map_pages, unmap_pages);
}
