/* SPDX-License-Identifier: MIT */
/* Tests that fail, each in its way, for cmocka.sh, which looks at what cmocka says of them. A word says which group. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <vmt/cmocka.h>

enum { PAGE = 4096, PAGES = 10 };

static char *pages;

static int make_pages(void **state)
{
    (void)state;
    pages = aligned_alloc(PAGE, PAGES * PAGE);
    return pages ? (memset(pages, 1, PAGES * PAGE), 0) : -1;
}

static int free_pages(void **state)
{
    (void)state;
    free(pages);
    return 0;
}

static void walk(void)
{
    for (int i = 0; i < PAGES; i++)
        ++*(volatile char *)(pages + i * PAGE);
}

static void breaks_a_budget(void **state)
{
    (void)state;
    vmt_report *report;
    vmt_begin_or_skip(NULL);
    walk();
    vmt_end_or_fail(&report);
    vmt_assert_pages_at_most(report, 4);
}

static void fails_with_a_message(void **state)
{
    (void)state;
    fail_msg("%s", "a sentence of fail_msg");
}

/* A check of the test's own, as any of vmt.h's: it holds, and has something to say. */
static bool vmt_check_noted(const vmt_report *report, const char *what, vmt_verdict *verdict)
{
    (void)report;
    *verdict = (vmt_verdict){.outcome = VMT_HELD};
    snprintf(verdict->text, sizeof verdict->text, "held\nnote: %s", what);
    return true;
}

static void passes(void **state)
{
    (void)state;
    VMT_ASSERT(noted, NULL, "it passes");
}

static void *assert_in_thread(void *nothing)
{
    walk();
    assert_int_equal(1, 2);
    return nothing;
}

/* An assertion on another thread has nowhere to jump to: cmocka ends the process. */
static void asserts_on_another_thread(void **state)
{
    (void)state;
    pthread_t thread;
    vmt_begin_or_skip(NULL);
    pthread_create(&thread, NULL, assert_in_thread, NULL);
    pthread_join(thread, NULL);
    vmt_end(NULL);
}

static void *find_in_thread(void *result)
{
    walk();
    *(int *)result = 1;
    return NULL;
}

/* The way round: the thread says what it found, and the test's thread asserts it after the region. */
static void asserts_for_another_thread(void **state)
{
    (void)state;
    pthread_t thread;
    int found = 0;
    vmt_report *report;
    vmt_begin_or_skip(NULL);
    int error = pthread_create(&thread, NULL, find_in_thread, &found);
    if (!error)
        error = pthread_join(thread, NULL);
    vmt_end_or_fail(&report);
    assert_int_equal(error, 0);
    assert_int_equal(found, 1);
    vmt_assert_pages_at_most(report, 4);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest formats[] = {
        cmocka_unit_test_setup_teardown(breaks_a_budget, vmt_cmocka_setup, vmt_cmocka_teardown),
        cmocka_unit_test(fails_with_a_message),
        cmocka_unit_test(passes),
    };
    const struct CMUnitTest for_threads[] = {
        cmocka_unit_test_setup_teardown(asserts_for_another_thread, vmt_cmocka_setup, vmt_cmocka_teardown),
        cmocka_unit_test(passes),
    };
    const struct CMUnitTest on_threads[] = {
        cmocka_unit_test_setup_teardown(asserts_on_another_thread, vmt_cmocka_setup, vmt_cmocka_teardown),
        cmocka_unit_test(passes),
    };
    const char *group = argc == 2 ? argv[1] : "";
    if (strcmp(group, "formats") == 0)
        return vmt_cmocka_run_group_tests(formats, make_pages, free_pages);
    if (strcmp(group, "for_threads") == 0)
        return vmt_cmocka_run_group_tests(for_threads, make_pages, free_pages);
    if (strcmp(group, "on_threads") == 0)
        return vmt_cmocka_run_group_tests(on_threads, make_pages, free_pages);
    return 99;
}
