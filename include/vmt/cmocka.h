/* SPDX-License-Identifier: MIT */
/*
 * VMTRACE assertions for cmocka: those of vmt/asserts.h, failing the test that calls them.
 *
 *     vmt_report *report;
 *     vmt_begin_or_skip(NULL);
 *     look_things_up();
 *     vmt_end_or_fail(&report);
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

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmt.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A setup and a teardown for cmocka_unit_test_setup_teardown(), cmocka_unit_test_teardown() and the like; either alone will
 * do. A failing assertion jumps out of an open region: they end it, and drop its result, so that what follows is not traced.
 * Call them from a setup or a teardown of your own if there is one. They do nothing where no region is open. Both return 0,
 * or -1 with a message if the region was lost before.
 */
static inline int vmt_cmocka_teardown(void **state)
{
    (void)state;
    if (!vmt_active() || vmt_end(NULL) == 0)
        return 0;
    print_error("vmt_end: %s\n", vmt_error_text());
    return -1;
}

static inline int vmt_cmocka_setup(void **state)
{
    return vmt_cmocka_teardown(state);
}

/*
 * cmocka_run_group_tests(), and what vmt_discover_tests() of CMake needs: with VMT_LIST_TESTS=1 in the environment it writes
 * the tests' names, one a line after "vmt test: ", runs nothing and returns 0; with VMT_RUN_TEST=NAME it runs that test
 * alone, with the group's setup and teardown, and returns 0 where the group has none of that name.
 */
#define vmt_cmocka_run_group_tests(tests, setup, teardown)                                                             \
    (vmt_cmocka_wants_((tests), sizeof(tests) / sizeof((tests)[0]))                                                    \
         ? vmt_cmocka_ran_(cmocka_run_group_tests(tests, setup, teardown))                                             \
         : 0)

/* ------------------------------------------------------------------------------------- not part of the interface */

/* cmocka after 1.1.5 keeps messages for the test's result in every output format; 1.1.5 writes them at once. */
static void vmt_cmocka_keep_error_(const char *format, ...) VMT_PRINTF(1, 2)
    __attribute__((weakref("cmocka_print_error")));

/* Line by line, because print_error() of 1.1.5 cuts a message at 1,023 bytes. */
static inline void vmt_cmocka_print_(const char *text)
{
    for (const char *line = text; *line;) {
        int length = (int)strcspn(line, "\n");
        if (vmt_cmocka_keep_error_)
            vmt_cmocka_keep_error_("%.*s\n", length, line);
        else
            print_error("%.*s\n", length, line);
        line += length + (line[length] == '\n');
    }
}

/*
 * cmocka handles five signals while a test or a fixture runs, and puts the program's handlers back by signal(), which forgets
 * their masks and flags, SA_SIGINFO among them. So they are kept by sigaction() (where a strict -std=c11 does not hide it).
 */
#ifdef SA_SIGINFO
enum { VMT_CMOCKA_SIGNALS_ = 5 };
static const int vmt_cmocka_signals_[VMT_CMOCKA_SIGNALS_] = {SIGSEGV, SIGILL, SIGFPE, SIGBUS, SIGSYS};
static struct sigaction vmt_cmocka_actions_[VMT_CMOCKA_SIGNALS_];
#endif

/* Is the group to be run? */
static inline int vmt_cmocka_wants_(const struct CMUnitTest *tests, size_t count)
{
    const char *list = getenv("VMT_LIST_TESTS"), *one = getenv("VMT_RUN_TEST");
    int wanted = !one || !*one;
    if (list && strcmp(list, "1") == 0) {
        for (size_t i = 0; i < count; i++)
            printf("vmt test: %s\n", tests[i].name);
        return 0;
    }
    for (size_t i = 0; i < count && !wanted; i++)
        wanted = strcmp(tests[i].name, one) == 0;
    if (one && *one)
        cmocka_set_test_filter(one); /* names are those of functions: nothing in them stands for something else */
#ifdef SA_SIGINFO
    for (int i = 0; i < VMT_CMOCKA_SIGNALS_; i++)
        sigaction(vmt_cmocka_signals_[i], NULL, &vmt_cmocka_actions_[i]);
#endif
    return wanted;
}

static inline int vmt_cmocka_ran_(int status)
{
#ifdef SA_SIGINFO
    for (int i = 0; i < VMT_CMOCKA_SIGNALS_; i++)
        sigaction(vmt_cmocka_signals_[i], &vmt_cmocka_actions_[i], NULL);
#endif
    return status;
}

#define VMT_TEST_NAME_ __func__
#define VMT_NOTE_(text) print_message("%s\n", (text))
#define VMT_SKIP_(reason) skip()
#define VMT_FAIL_(text)                                                                                                \
    do {                                                                                                               \
        vmt_cmocka_print_(text);                                                                                       \
        fail();                                                                                                        \
    } while (0)

#ifdef __cplusplus
}
#endif

#include "asserts.h"

#endif
