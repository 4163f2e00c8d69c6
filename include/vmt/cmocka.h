/* SPDX-License-Identifier: MIT */
/*
 * VMTRACE assertions for cmocka: the checks of vmt/vmt.h, failing the test that calls them.
 *
 *     vmt_report *report;
 *     assert_int_equal(vmt_begin(NULL), 0);
 *     look_things_up();
 *     assert_int_equal(vmt_end(&report), 0);
 *     vmt_assert_pages_at_most(report, 40);
 *     vmt_report_free(report);
 *
 * Include it after <cmocka.h> and the headers that cmocka asks for (<stdarg.h>, <stddef.h>, <stdint.h>, <setjmp.h>).
 * Works with cmocka 1.1.5 and later, 2.x included. Use these in the thread that runs the test and outside of a region:
 * a report exists only after vmt_end(). Each argument is evaluated once.
 *
 * A failing assertion prints the verdict (budget, actual value, window, scope, the labels or allocation sites with the
 * most pages) and fails with the file and line of its caller. A value that could not be measured fails too. The
 * report of a failed test is not released; it lies outside of what cmocka counts as leaks.
 */
#ifndef VMT_CMOCKA_H
#define VMT_CMOCKA_H

#include <string.h>

#include "vmt.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Distinct pages touched: at most n. */
#define vmt_assert_pages_at_most(report, n) VMT_CMOCKA_ASSERT_(vmt_check_pages_at_most((report), (n), &vmt_verdict_))

/* Distinct pages touched: n, no more and no fewer. */
#define vmt_assert_pages_exactly(report, n) VMT_CMOCKA_ASSERT_(vmt_check_pages_exactly((report), (n), &vmt_verdict_))

/* Touches, which are the faults that a memory of `window` pages takes: at most n. */
#define vmt_assert_touches_at_most(report, n)                                                                          \
    VMT_CMOCKA_ASSERT_(vmt_check_touches_at_most((report), (n), &vmt_verdict_))

/* Peak number of distinct pages among any tau touches in a row: at most n. tau from 1. */
#define vmt_assert_working_set_at_most(report, tau, n)                                                                 \
    VMT_CMOCKA_ASSERT_(vmt_check_working_set_at_most((report), (tau), (n), &vmt_verdict_))

/* Distinct pages written: at most n. The region needs vmt_config.track_writes. */
#define vmt_assert_pages_written_at_most(report, n)                                                                    \
    VMT_CMOCKA_ASSERT_(vmt_check_pages_written_at_most((report), (n), &vmt_verdict_))

/* Distinct pages touched of those that vmt_track() labelled `label`: at most n. A label that is unknown fails. */
#define vmt_assert_label_at_most(report, label, n)                                                                     \
    VMT_CMOCKA_ASSERT_(vmt_check_label_at_most((report), (label), (n), &vmt_verdict_))

/* Pages touched in a phase of vmt_mark(): at most n. A phase that the region did not have fails. */
#define vmt_assert_phase_at_most(report, phase, n)                                                                     \
    VMT_CMOCKA_ASSERT_(vmt_check_phase_at_most((report), (phase), (n), &vmt_verdict_))

/* Pages touched by a thread (tid; 0: the one that began the region): at most n. A thread that touched nothing fails. */
#define vmt_assert_thread_at_most(report, tid, n)                                                                      \
    VMT_CMOCKA_ASSERT_(vmt_check_thread_at_most((report), (tid), (n), &vmt_verdict_))

/* Misses of an LRU memory of `memory` pages, from 1: at most n. */
#define vmt_assert_misses_at_most(report, memory, n)                                                                   \
    VMT_CMOCKA_ASSERT_(vmt_check_misses_at_most((report), (memory), (n), &vmt_verdict_))

/* The smallest LRU memory that misses, beyond first touches, at most so many percent of the touches: at most n pages. */
#define vmt_assert_memory_for_at_most(report, percent, n)                                                              \
    VMT_CMOCKA_ASSERT_(vmt_check_memory_for_at_most((report), (percent), (n), &vmt_verdict_))

/* All touches in order, by allocation and offset, in one number: `expected`. */
#define vmt_assert_fingerprint(report, expected)                                                                       \
    VMT_CMOCKA_ASSERT_(vmt_check_fingerprint((report), (expected), &vmt_verdict_))

/* Calls fn(arg) so many times, each in a region of its own: at most n pages each. config NULL: as for vmt_begin(). */
#define vmt_assert_each(fn, arg, calls, n, config)                                                                     \
    VMT_CMOCKA_ASSERT_(vmt_check_each((fn), (arg), (calls), (n), (config), &vmt_verdict_))

/* The baseline of this name (vmt_check_baseline() in vmt.h): fails if it is broken, or there is none, or it could not be
 * measured. What is better than it, what it does not name, and what was recorded is printed, and passes. */
#define vmt_assert_baseline(report, name)                                                                              \
    do {                                                                                                               \
        vmt_verdict vmt_verdict_;                                                                                      \
        bool vmt_holds_ = vmt_check_baseline((report), (name), &vmt_verdict_);                                         \
        if (!vmt_holds_ || vmt_verdict_.outcome == VMT_BETTER || strchr(vmt_verdict_.text, '\n'))                      \
            vmt_cmocka_print_(&vmt_verdict_);                                                                          \
        if (!vmt_holds_)                                                                                               \
            fail();                                                                                                    \
    } while (0)

/*
 * A teardown for cmocka_unit_test_setup_teardown() and cmocka_unit_test_teardown(): ends a region that a failed
 * assertion left open by jumping out of it, and drops its result. Call it from a teardown of your own if there is one.
 * Does nothing where no region is open. Returns 0, or -1 with a message if the region was lost before.
 */
static inline int vmt_cmocka_teardown(void **state)
{
    (void)state;
    if (!vmt_active() || vmt_end(NULL) == 0)
        return 0;
    print_error("vmt_end: %s\n", vmt_error_text());
    return -1;
}

/* ------------------------------------------------------------------------------------- not part of the interface */

/* cmocka after 1.1.5 keeps messages for the test's result in every output format; 1.1.5 writes them at once. */
static void vmt_cmocka_keep_error_(const char *format, ...) VMT_PRINTF(1, 2)
    __attribute__((weakref("cmocka_print_error")));

/* Line by line, because print_error() of 1.1.5 cuts a message at 1,023 bytes. */
static inline void vmt_cmocka_print_(const vmt_verdict *verdict)
{
    for (const char *line = verdict->text; *line;) {
        int length = (int)strcspn(line, "\n");
        if (vmt_cmocka_keep_error_)
            vmt_cmocka_keep_error_("%.*s\n", length, line);
        else
            print_error("%.*s\n", length, line);
        line += length + (line[length] == '\n');
    }
}

#define VMT_CMOCKA_ASSERT_(check)                                                                                      \
    do {                                                                                                               \
        vmt_verdict vmt_verdict_;                                                                                      \
        if (!(check)) {                                                                                                \
            vmt_cmocka_print_(&vmt_verdict_);                                                                          \
            fail();                                                                                                    \
        }                                                                                                              \
    } while (0)

#ifdef __cplusplus
}
#endif
#endif
