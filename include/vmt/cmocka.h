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
 * A failing assertion prints the verdict on standard error and fails with the file and line of its caller. With
 * CMOCKA_MESSAGE_OUTPUT=XML, TAP or SUBUNIT in the environment the verdict is in that output, too (with 1.1.5 its
 * first line, if it is longer than 959 bytes).
 *
 * What to know of cmocka:
 * - An assertion of any kind in a region jumps past vmt_end(): give such tests the teardown below.
 * - An assertion on another thread than the test's ends the process: cmocka has nowhere to jump to, and shows no
 *   message of its own. Let the thread say what it found, and assert that in the test.
 * - Its runner handles SIGSEGV, SIGILL, SIGFPE, SIGBUS and SIGSYS by signal() around each test and fixture. A handler
 *   of the program's from before, or from a setup, is not there in the test: install it in the test. (Regions are not
 *   disturbed, and a crash in one is reported as ever.) After the run its flags are lost, unless
 *   vmt_cmocka_run_group_tests() runs it.
 * - test_malloc() and its like, which UNIT_TESTING puts in malloc's place, write each byte of a block, and add some
 *   100 bytes to it: 100 pages that nobody uses are 101 pages touched and not 2; 1,000 blocks of 16 bytes take 37
 *   pages and not 10. Compile the code that a region measures without UNIT_TESTING.
 * - 1.1.5 writes the text of fail_msg() to standard error alone, in every format.
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
 * A setup and a teardown for cmocka_unit_test_setup_teardown(), cmocka_unit_test_teardown() and the like; either alone
 * will do. A failing assertion jumps out of an open region: they end it, and drop its result, so that what follows is
 * not traced. Call them from a setup or a teardown of your own if there is one. They do nothing where no region is
 * open. Both return 0, or -1 with a message if the region was lost before.
 */
static inline int vmt_cmocka_teardown(void **state)
{
    (void)state;
    if (!vmt_active() || vmt_end(NULL) == 0)
        return 0;
    fprintf(stderr, "vmt_end: %s\n", vmt_error_text());
    return -1;
}

static inline int vmt_cmocka_setup(void **state)
{
    return vmt_cmocka_teardown(state);
}

/*
 * cmocka_run_group_tests(), and what vmt_discover_tests() of CMake needs: with VMT_LIST_TESTS=1 in the environment it
 * writes the tests' names, one a line after "vmt test: ", runs nothing and returns 0; with VMT_RUN_TEST=NAME it runs
 * that test alone, with the group's setup and teardown, and returns 0 where the group has none of that name.
 */
#define vmt_cmocka_run_group_tests(tests, setup, teardown)                                                             \
    (vmt_cmocka_wants_((tests), sizeof(tests) / sizeof((tests)[0]))                                                    \
         ? vmt_cmocka_ran_(cmocka_run_group_tests(tests, setup, teardown))                                             \
         : 0)

/* ------------------------------------------------------------------------------------- not part of the interface */

/* In cmocka after 1.1.5: adds to the message of the test that fails, in every output format. */
static void vmt_cmocka_add_message_(const char *format, ...) VMT_PRINTF(1, 2)
    __attribute__((weakref("cmocka_print_error")));

/* Is another output format than STDOUT, or one beside it, asked for? */
static inline int vmt_cmocka_has_messages_(void)
{
    const char *format = getenv("CMOCKA_MESSAGE_OUTPUT");
    return format && *format && strcmp(format, "STDOUT") != 0;
}

/*
 * The text goes to standard error: there it is also if this is not the test's thread, of which cmocka shows no message.
 * (print_error() of 1.1.5 cuts it at 1,023 bytes, and that of 2.0 writes to standard output, into the XML.) In formats
 * that have messages it is one, too. 1.1.5 has one way to say so, the expression of an assertion, and cuts it as well:
 * then its first line must do.
 */
static inline void vmt_cmocka_fail_(const char *text, const char *file, int line)
{
    char message[960];
    fprintf(stderr, "%s\n", text);
    if (vmt_cmocka_has_messages_()) {
        size_t length = strlen(text) < sizeof message ? strlen(text) : strcspn(text, "\n");
        snprintf(message, sizeof message, "%.*s", (int)length, text);
        if (!vmt_cmocka_add_message_)
            _assert_true(0, message, file, line);
        else
            vmt_cmocka_add_message_("%s\n", message);
    }
    _fail(file, line);
}

/*
 * cmocka handles five signals while a test or a fixture runs, and puts the program's handlers back by signal(), which
 * forgets their masks and flags, SA_SIGINFO among them. So they are kept by sigaction() (where a strict -std=c11 does
 * not hide it).
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
#define VMT_NOTE_(text) fprintf(stderr, "%s\n", (text))
#define VMT_SKIP_(reason) skip()
#define VMT_FAIL_(text) vmt_cmocka_fail_((text), __FILE__, __LINE__)

#ifdef __cplusplus
}
#endif

#include "asserts.h"

#endif
