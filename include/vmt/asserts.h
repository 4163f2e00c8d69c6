/* SPDX-License-Identifier: MIT */
/*
 * The assertions of VMTRACE, the same in every test framework. Do not include this file: include the adapter of your
 * framework, which says how a test fails there, after the framework's own header:
 *
 *     <vmt/cmocka.h>  <vmt/gtest.h>  <vmt/catch2.h>  <vmt/check.h>  <vmt/unity.h>  <vmt/criterion.h>
 *     <vmt/main.h>    for a test that is a program with a main() of its own
 *
 *     vmt_report *report;
 *     vmt_begin_or_skip(NULL);
 *     look_things_up();
 *     vmt_end_or_fail(&report);
 *     vmt_assert_pages_at_most(report, 40);
 *     vmt_report_free(report);
 *
 * An assertion that does not hold fails the test with the verdict: budget, actual value, window, scope, the labels or
 * allocation sites with the most pages. So does a value that could not be measured. One that holds with something to
 * say is a note in the output. Use them outside of a region, in the thread that runs the test. Each argument is
 * evaluated once. Every verdict also goes to the files that VMT_RESULTS_JSON and VMT_RESULTS_JUNIT name
 * (vmt_result_add() in vmt.h).
 *
 * The report of a test that failed by them is not released; it lies outside of what frameworks count as leaks.
 */
#ifndef VMT_ASSERTS_H
#define VMT_ASSERTS_H

#include <string.h>

#include "vmt.h"

#if !defined(VMT_FAIL_) || !defined(VMT_SKIP_) || !defined(VMT_NOTE_) || !defined(VMT_TEST_NAME_)
#error "include the header of a test framework: <vmt/cmocka.h>, <vmt/gtest.h>, ...; <vmt/asserts.h> lists them"
#endif

/* Any check of vmt.h by its name: VMT_ASSERT(pages_at_most, report, 40) is vmt_check_pages_at_most(), asserted. */
#define VMT_ASSERT(check, report, ...) VMT_JUDGE_(VMT_FAIL_, check, report, __VA_ARGS__)

/* The same, but the test goes on after it fails. Only where the framework has such a thing: gtest, catch2, criterion,
 * main. */
#ifdef VMT_FAIL_AND_GO_ON_
#define VMT_EXPECT(check, report, ...) VMT_JUDGE_(VMT_FAIL_AND_GO_ON_, check, report, __VA_ARGS__)
#endif

/* Distinct pages touched: at most n. */
#define vmt_assert_pages_at_most(report, n) VMT_ASSERT(pages_at_most, report, n)

/* Distinct pages touched: n, no more and no fewer. */
#define vmt_assert_pages_exactly(report, n) VMT_ASSERT(pages_exactly, report, n)

/* Touches, which are the faults that a memory of `window` pages takes: at most n. */
#define vmt_assert_touches_at_most(report, n) VMT_ASSERT(touches_at_most, report, n)

/* Peak number of distinct pages among any tau touches in a row: at most n. tau from 1. */
#define vmt_assert_working_set_at_most(report, tau, n) VMT_ASSERT(working_set_at_most, report, tau, n)

/* Distinct pages written: at most n. The region needs vmt_config.track_writes. */
#define vmt_assert_pages_written_at_most(report, n) VMT_ASSERT(pages_written_at_most, report, n)

/* Distinct pages touched of those that vmt_track() labelled `label`: at most n. A label that is unknown fails. */
#define vmt_assert_label_at_most(report, label, n) VMT_ASSERT(label_at_most, report, label, n)

/* Pages touched in a phase of vmt_mark(): at most n. A phase that the region did not have fails. */
#define vmt_assert_phase_at_most(report, phase, n) VMT_ASSERT(phase_at_most, report, phase, n)

/* Pages touched by a thread (tid; 0: the one that began the region): at most n. A thread that touched nothing fails. */
#define vmt_assert_thread_at_most(report, tid, n) VMT_ASSERT(thread_at_most, report, tid, n)

/* Misses of an LRU memory of `memory` pages, from 1: at most n. */
#define vmt_assert_misses_at_most(report, memory, n) VMT_ASSERT(misses_at_most, report, memory, n)

/* The smallest LRU memory that misses, beyond first touches, at most so many percent of the touches: at most n
 * pages. */
#define vmt_assert_memory_for_at_most(report, percent, n) VMT_ASSERT(memory_for_at_most, report, percent, n)

/* All touches in order, by allocation and offset, in one number: `expected`. */
#define vmt_assert_fingerprint(report, expected) VMT_ASSERT(fingerprint, report, expected)

/* The baseline of this name (vmt_check_baseline() in vmt.h): fails if it is broken, or there is none, or it could not
 * be measured. What is better than it, what it does not name, and what was recorded is a note. */
#define vmt_assert_baseline(report, name) VMT_ASSERT(baseline, report, name)

/* Calls fn(arg) so many times, each in a region of its own: at most n pages each. config NULL: as for vmt_begin(). */
#define vmt_assert_each(fn, arg, calls, n, config)                                                                     \
    VMT_JUDGE_CALL_(VMT_FAIL_, NULL, "each(" #fn ", " #arg ", " #calls ", " #n ", " #config ")",                       \
                    vmt_check_each((fn), (arg), (calls), (n), (config), &vmt_verdict_))

/* The limits that the budget file of VMT_BUDGETS sets for this test: vmt_check_budgets(). Call it in the test's own
 * function, for some frameworks have no other name for the test. */
#define vmt_assert_budgets(report)                                                                                     \
    do {                                                                                                               \
        vmt_verdict vmt_verdict_;                                                                                      \
        if (!vmt_check_budgets((report), VMT_TEST_NAME_, &vmt_verdict_))                                               \
            VMT_FAIL_(vmt_verdict_.text);                                                                              \
    } while (0)

/*
 * `error` is what vmt_begin(), or vmt::region::error() of vmt/vmt.hpp, returned. Where it says that the machine cannot
 * trace (vmt_cannot_trace()), the test is skipped, with the reason in its output and in the files of results; any
 * other error fails it; 0 does nothing.
 */
#define vmt_skip_if_untraceable(error)                                                                                 \
    do {                                                                                                               \
        int vmt_error_ = (error);                                                                                      \
        if (vmt_cannot_trace(vmt_error_)) {                                                                            \
            vmt_result_skip(vmt_error_text(), VMT_TEST_NAME_, __FILE__, __LINE__);                                     \
            VMT_SKIP_(vmt_error_text());                                                                               \
        } else if (vmt_error_) {                                                                                       \
            VMT_FAIL_(vmt_error_text());                                                                               \
        }                                                                                                              \
    } while (0)

/* vmt_begin(config), judged so. */
#define vmt_begin_or_skip(config) vmt_skip_if_untraceable(vmt_begin(config))

/* vmt_end(report); an error fails the test with its sentence. */
#define vmt_end_or_fail(report)                                                                                        \
    do {                                                                                                               \
        if (vmt_end(report))                                                                                           \
            VMT_FAIL_(vmt_error_text());                                                                               \
    } while (0)

/* ------------------------------------------------------------------------------------- not part of the interface */

/*
 * What an adapter defines: VMT_FAIL_(text) fails the test with this text and leaves it; VMT_FAIL_AND_GO_ON_(text) does
 * not leave it; VMT_SKIP_(reason) leaves it as skipped; VMT_NOTE_(text) shows a text; VMT_TEST_NAME_ is the running
 * test's name.
 */
#define VMT_JUDGE_(fail, check, report, ...)                                                                           \
    do {                                                                                                               \
        const vmt_report *vmt_report_ = (report);                                                                      \
        VMT_JUDGE_CALL_(fail, vmt_report_, #check "(" #__VA_ARGS__ ")",                                                \
                        vmt_check_##check(vmt_report_, __VA_ARGS__, &vmt_verdict_));                                   \
    } while (0)

/* `call` fills vmt_verdict_ and is true if it holds. A verdict that holds says more than one line only if it is a
 * note. */
#define VMT_JUDGE_CALL_(fail, report, check, call)                                                                     \
    do {                                                                                                               \
        vmt_verdict vmt_verdict_;                                                                                      \
        bool vmt_held_ = (call);                                                                                       \
        vmt_result_add((report), &vmt_verdict_, (check), VMT_TEST_NAME_, __FILE__, __LINE__);                          \
        if (!vmt_held_)                                                                                                \
            fail(vmt_verdict_.text);                                                                                   \
        else if (vmt_verdict_.outcome != VMT_HELD || strchr(vmt_verdict_.text, '\n'))                                  \
            VMT_NOTE_(vmt_verdict_.text);                                                                              \
    } while (0)

#endif
