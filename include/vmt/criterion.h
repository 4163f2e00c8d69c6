/* SPDX-License-Identifier: MIT */
/*
 * VMTRACE assertions for Criterion (2.4 and later): those of vmt/asserts.h. Include it after <criterion/criterion.h>.
 *
 *     vmt_assert_pages_at_most(report, 40);       // fatal, as cr_assert is
 *     VMT_EXPECT(touches_at_most, report, 100);   // goes on, as cr_expect does
 *
 * Each test is a program of its own, begun anew; begin a region in the test. With VMT_TRACENAME=FILE the traces of a
 * run are FILE, FILE.2, FILE.3, ..., in the order in which their regions begin.
 */
#ifndef VMT_CRITERION_H
#define VMT_CRITERION_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <criterion/hooks.h>

#include "vmt.h"

/* In the runner, before all tests, which inherit it: libvmt writes over no trace that was begun since. */
static inline void vmt_criterion_before_(struct criterion_test_set *set)
{
    struct timespec now;
    char since[32];
    (void)set;
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(since, sizeof since, "%lld%09ld", (long long)now.tv_sec, now.tv_nsec);
    setenv("VMT_TRACE_SINCE", since, 1);
}

/* In the runner, after all tests: those that were skipped here skip the whole, as far as CTest is concerned. */
static inline void vmt_criterion_after_(struct criterion_global_stats *stats)
{
    for (struct criterion_suite_stats *suite = stats->suites; suite; suite = suite->next)
        for (struct criterion_test_stats *test = suite->tests; test; test = test->next)
            if (test->test_status == CR_STATUS_SKIPPED && test->message && strncmp(test->message, "vmt: ", 5) == 0)
                vmt_end_as_skipped(0);
}

/* What ReportHook(PRE_ALL) and (POST_ALL) do, whose names would clash where several files include this. */
CR_SECTION_(CR_HOOK_SECTION_STRINGIFY(PRE_ALL))
static f_report_hook vmt_criterion_first_hook_ __attribute__((used)) CR_SECTION_SUFFIX_ =
    (f_report_hook)vmt_criterion_before_;

CR_SECTION_(CR_HOOK_SECTION_STRINGIFY(POST_ALL))
static f_report_hook vmt_criterion_hook_ __attribute__((used)) CR_SECTION_SUFFIX_ = (f_report_hook)vmt_criterion_after_;

#define VMT_TEST_NAME_ (criterion_current_test ? criterion_current_test->name : "(no test)")
#define VMT_FAIL_(text) cr_assert_fail("%s", (text))
#define VMT_FAIL_AND_GO_ON_(text) cr_expect_fail("%s", (text))
#define VMT_SKIP_(reason) cr_skip_test("vmt: %s", (reason))
#define VMT_NOTE_(text) printf("%s\n", (text))

#include "asserts.h"

#endif
