/* SPDX-License-Identifier: MIT */
/*
 * VMTRACE assertions for Check: those of vmt/asserts.h, in both of its modes (CK_FORK). Include it after <check.h>.
 *
 * A failing assertion is ck_abort_msg(). Check has no skipped tests: a skip returns from the test's function, and
 * Check counts it as passed; to CTest the program is skipped all the same, with vmt_add_test(). Begin a region in the
 * test, not before the runner: with CK_FORK=yes each test is a process of its own.
 */
#ifndef VMT_CHECK_H
#define VMT_CHECK_H

#include <stdio.h>
#include <string.h>

#include "vmt.h"

/* A test's function is its name and "_fn". */
static inline const char *vmt_check_name_(const char *function)
{
    static char name[128];
    size_t n = strlen(function);
    if (n > 3 && strcmp(function + n - 3, "_fn") == 0)
        n -= 3;
    snprintf(name, sizeof name, "%.*s", (int)n, function);
    return name;
}

#define VMT_TEST_NAME_ vmt_check_name_(__func__)
#define VMT_FAIL_(text) ck_abort_msg("%s", (text))
#define VMT_SKIP_(reason) return
#define VMT_NOTE_(text) printf("%s\n", (text))

#include "asserts.h"

#endif
