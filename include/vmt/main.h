/* SPDX-License-Identifier: MIT */
/*
 * VMTRACE assertions for a test that is a program with a main() of its own: those of vmt/asserts.h.
 *
 *     int main(void)
 *     {
 *         vmt_report *report;
 *         vmt_begin_or_skip(NULL);                    // exits with 77 where the machine cannot trace
 *         look_things_up();
 *         vmt_end_or_fail(&report);
 *         vmt_assert_pages_at_most(report, 40);       // a failure exits with 1
 *         VMT_EXPECT(touches_at_most, report, 100);   // a failure counts
 *         vmt_report_free(report);
 *         return vmt_main_status();                   // 1 if any counted, else 0
 *     }
 *
 * Failures go to standard error, with file and line.
 */
#ifndef VMT_MAIN_H
#define VMT_MAIN_H

#include <stdio.h>
#include <stdlib.h>

#include "vmt.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One for all files that include this. */
extern int vmt_main_failures_;
__attribute__((weak)) int vmt_main_failures_;

static inline void vmt_main_fail_(const char *text, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, text);
    vmt_main_failures_++;
}

/* The exit status for main(). */
static inline int vmt_main_status(void)
{
    return vmt_main_failures_ ? EXIT_FAILURE : EXIT_SUCCESS;
}

#ifdef __cplusplus
}
#endif

#define VMT_TEST_NAME_ __func__
#define VMT_FAIL_AND_GO_ON_(text) vmt_main_fail_((text), __FILE__, __LINE__)
#define VMT_FAIL_(text)                                                                                                \
    do {                                                                                                               \
        vmt_main_fail_((text), __FILE__, __LINE__);                                                                    \
        exit(EXIT_FAILURE);                                                                                            \
    } while (0)
#define VMT_SKIP_(reason) exit(77)
#define VMT_NOTE_(text) fprintf(stderr, "%s\n", (text))

#include "asserts.h"

#endif
