/* SPDX-License-Identifier: MIT */
/* Phases of a region; and what its trace tells by phase, thread, label and site, and as a fingerprint. */
#define _GNU_SOURCE
#include "patterns.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "insight.h"

enum { PAGES = 40 };

static char *pages;
static char trace[] = "/tmp/vmt-test-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    pages = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int fd = mkstemp(trace);
    close(fd);
    return pages == MAP_FAILED || fd < 0;
}

static int tear_down(void **state)
{
    (void)state;
    munmap(pages, PAGES * PAGE);
    return unlink(trace);
}

static void touch(int first, int count)
{
    for (int i = first; i < first + count; i++)
        ((volatile char *)pages)[i * PAGE]++;
}

static void begin_traced(void)
{
    vmt_config config = config_for(VMT_SCOPE_RANGES, 16);
    unlink(trace);
    config.trace_path = trace;
    begin(&config);
}

static struct vmti_insight end_and_read(unsigned by)
{
    struct vmti_trace_reader reader;
    struct vmti_insight insight;
    vmt_report_free(end());
    assert_int_equal(vmti_trace_read_file(&reader, trace), 0);
    assert_int_equal(vmti_insight_read(&reader, by, &insight), 0);
    vmti_trace_read_close(&reader);
    return insight;
}

static void mark(const char *phase)
{
    int error = vmt_mark(phase); /* no assertion in a region: it would jump out */
    if (error)
        abort();
}

/* The next group, which has to be there. */
static const struct vmti_group *expect_group(const struct vmti_insight *insight, enum vmti_grouping by,
                                             const struct vmti_group *before, const char *name, uint64_t touches,
                                             uint64_t footprint)
{
    const struct vmti_group *group = vmti_group_next(insight, by, before);
    assert_non_null(group);
    assert_string_equal(vmti_group_key(group)->name, name);
    assert_int_equal(vmti_group_locality(group)->touches, touches);
    assert_int_equal(vmti_group_locality(group)->pages, footprint);
    return group;
}

static void touches_belong_to_the_phase_that_is_on(void **state)
{
    (void)state;
    assert_int_equal(vmt_track(pages, PAGES * PAGE, NULL), 0);
    begin_traced();
    touch(0, 3);
    mark("build");
    touch(3, 5);
    mark("look up");
    touch(8, 12);
    touch(0, 3); /* 17 other pages since */
    mark("build");
    touch(25, 2);
    mark("nothing");
    mark(NULL);
    touch(30, 4);
    struct vmti_insight insight = end_and_read(1u << VMTI_BY_PHASE);
    assert_int_equal(insight.all.pages, 26);
    assert_int_equal(insight.all.touches, 29);
    assert_int_equal(insight.pages_once, 23);
    const struct vmti_group *group = expect_group(&insight, VMTI_BY_PHASE, NULL, "build", 7, 7);
    group = expect_group(&insight, VMTI_BY_PHASE, group, "look up", 15, 15);
    assert_null(vmti_group_next(&insight, VMTI_BY_PHASE, group));
    vmti_insight_free(&insight);
    vmt_untrack(pages, PAGES * PAGE);
}

static void phases_are_refused_where_they_make_no_sense(void **state)
{
    (void)state;
    char name[80];
    memset(name, 'x', 64);
    name[64] = '\0';
    assert_int_equal(vmt_mark("early"), -EINVAL);
    assert_non_null(strstr(vmt_error_text(), "no region is open"));
    begin_traced();
    int error = vmt_mark(name);
    name[63] = '\0';
    int fits = vmt_mark(name);
    vmt_report_free(end());
    assert_int_equal(error, -EINVAL);
    assert_int_equal(fits, 0);
}

static void *touch_ten(void *unused)
{
    touch(20, 10);
    return unused;
}

static void touches_are_put_together_by_thread_and_label(void **state)
{
    (void)state;
    assert_int_equal(vmt_track(pages, 5 * PAGE, "left"), 0);
    assert_int_equal(vmt_track(pages + 5 * PAGE, 15 * PAGE, "right"), 0);
    assert_int_equal(vmt_track(pages + 20 * PAGE, 20 * PAGE, NULL), 0);
    begin_traced();
    pthread_t thread;
    int error = pthread_create(&thread, NULL, touch_ten, NULL);
    if (!error)
        pthread_join(thread, NULL);
    touch(5, 3);
    touch(0, 1);
    touch(5, 1); /* open */
    struct vmti_insight insight = end_and_read(1u << VMTI_BY_THREAD | 1u << VMTI_BY_LABEL | 1u << VMTI_BY_SITE);
    assert_int_equal(error, 0);
    assert_int_equal(insight.all.touches, 14);
    assert_int_equal(insight.pages_once, 14);
    const struct vmti_group *group = expect_group(&insight, VMTI_BY_THREAD, NULL, "", 10, 10);
    uint64_t other = vmti_group_key(group)->number;
    group = expect_group(&insight, VMTI_BY_THREAD, group, "", 4, 4);
    assert_int_not_equal(vmti_group_key(group)->number, other);
    group = expect_group(&insight, VMTI_BY_LABEL, NULL, "right", 3, 3);
    group = expect_group(&insight, VMTI_BY_LABEL, group, "left", 1, 1);
    assert_null(vmti_group_next(&insight, VMTI_BY_LABEL, group));
    /* Three calls of vmt_track. */
    group = expect_group(&insight, VMTI_BY_SITE, NULL, "", 10, 10);
    group = expect_group(&insight, VMTI_BY_SITE, group, "", 3, 3);
    group = expect_group(&insight, VMTI_BY_SITE, group, "", 1, 1);
    assert_null(vmti_group_next(&insight, VMTI_BY_SITE, group));
    vmti_insight_free(&insight);
    vmt_untrack(pages, PAGES * PAGE);
}

static uint64_t fingerprint_of(int first, int second)
{
    assert_int_equal(vmt_track(pages, PAGES * PAGE, NULL), 0); /* a new owner */
    begin_traced();
    touch(first, 1);
    touch(second, 1);
    struct vmti_insight insight = end_and_read(0);
    uint64_t fingerprint = insight.fingerprint;
    vmti_insight_free(&insight);
    vmt_untrack(pages, PAGES * PAGE);
    return fingerprint;
}

static void a_fingerprint_is_of_pages_and_their_order(void **state)
{
    (void)state;
    uint64_t fingerprint = fingerprint_of(1, 7);
    assert_true(fingerprint_of(1, 7) == fingerprint);
    assert_true(fingerprint_of(7, 1) != fingerprint);
    assert_true(fingerprint_of(1, 8) != fingerprint);
    assert_true(fingerprint_of(1, 1) != fingerprint);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(touches_belong_to_the_phase_that_is_on),
        cmocka_unit_test(phases_are_refused_where_they_make_no_sense),
        cmocka_unit_test(touches_are_put_together_by_thread_and_label),
        cmocka_unit_test(a_fingerprint_is_of_pages_and_their_order),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
