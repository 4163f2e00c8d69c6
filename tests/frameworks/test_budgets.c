/* SPDX-License-Identifier: MIT */
/* vmt_check_budgets(): which sections are a test's, which limits there are, and what a verdict says. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <vmt/cmocka.h>

enum { PAGE = 4096, PAGES = 10 };

static vmt_report *report;
static vmt_verdict verdict;
static char *pages;

static int make_report(void **state)
{
    (void)state;
    vmt_config config;
    pages = aligned_alloc(PAGE, PAGES * PAGE);
    if (!pages || vmt_config_init(&config))
        return -1;
    memset(pages, 1, PAGES * PAGE);
    vmt_track(pages, 4 * PAGE, "first four");
    config.track_writes = true;
    if (vmt_begin(&config))
        return 0; /* each test is skipped */
    for (int i = 0; i < PAGES; i++)
        if (i % 2)
            *(volatile char *)(pages + i * PAGE) = 1;
        else
            (void)*(volatile char *)(pages + i * PAGE);
    return vmt_end(&report);
}

static int free_report(void **state)
{
    (void)state;
    vmt_report_free(report);
    free(pages);
    return 0;
}

/* The verdict on a file with this text, for the test `test`. The file has a name that begins with /proc. */
static bool check(const char *text, const char *test)
{
    char path[64];
    if (!report)
        vmt_begin_or_skip(NULL);
    int fd = memfd_create("budgets", 0);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    setenv("VMT_BUDGETS", path, 1);
    bool held = vmt_check_budgets(report, test, &verdict);
    unsetenv("VMT_BUDGETS");
    close(fd);
    assert_int_equal(held, verdict.outcome == VMT_HELD);
    return held;
}

static void assert_says(const char *text)
{
    if (!strstr(verdict.text, text))
        fail_msg("\"%s\" is not in \"%s\"", text, verdict.text);
}

static void limits_hold_up_to_their_value(void **state)
{
    (void)state;
    assert_true(check("[a]\npages <= 10\npages == 10\ntouches <= 10\nworking_set(3) <= 3\npages_written <= 5\n"
                      "label(first four) <= 4\n", "a"));
    assert_says("6 limits of /proc/self/fd/");
    static const char *const broken[] = {
        "pages <= 9",          "pages == 11",        "touches <= 9",
        "working_set(3) <= 2", "pages_written <= 4", "label(first four) <= 3",
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        char text[128], line[128];
        snprintf(text, sizeof text, "[a]\npages <= 10\n%s # why\n", broken[i]);
        assert_false(check(text, "a"));
        assert_int_equal(verdict.outcome, VMT_BROKEN);
        snprintf(line, sizeof line, ":3: %s\n", broken[i]);
        assert_says(line);
        assert_says("\nwindow 64 pages");
    }
    assert_false(check("[a]\npages <= 9\ntouches <= 8\n", "a"));
    assert_int_equal(verdict.budget, 9);
    assert_int_equal(verdict.actual, 10);
    assert_says(":2: pages <= 9\ntouched 10 pages, budget 9 pages: 1 over\n");
    assert_says("\nand /proc/self/fd/");
    assert_says(":3: took 10 touches");
}

static void sections_are_for_tests(void **state)
{
    (void)state;
    static const char text[] = "[a]\npages <= 1\n[b]\npages <= 10\n[c]\n";
    assert_false(check(text, "a"));
    assert_true(check(text, "b"));
    assert_true(check(text, "c"));
    assert_says("nothing in it");
    assert_false(check(text, "d"));
    assert_int_equal(verdict.outcome, VMT_NOT_MEASURED);
    assert_says("no section [d], and no [*]");
    assert_false(check("[*]\npages <= 1\n[b]\npages <= 10\n", "b"));
    assert_true(check("[*]\npages <= 10\n", "d"));
    setenv("VMT_CTEST_NAME", "whole program", 1);
    assert_true(check("[whole program]\npages <= 10\n", "d"));
    assert_false(check("[d]\npages <= 10\n[whole program]\npages <= 9\n", "d"));
    assert_false(check("[e]\n", "d"));
    assert_says("no section [d], no [whole program], and no [*]");
    unsetenv("VMT_CTEST_NAME");
}

static void what_is_not_understood_is_named(void **state)
{
    (void)state;
    static const struct { const char *line, *sentence; } bad[] = {
        {"pagez <= 1", "\"pagez\" cannot be limited; what can is: pages, touches, working_set"},
        {"touches == 1", "\"touches == 1\": only <= is allowed here"},
        {"pages(3) <= 1", "\"pages(3) <= 1\": it has no value in parentheses"},
        {"working_set <= 1", "\"working_set <= 1\": a value in parentheses is missing"},
        {"working_set(0) <= 1", "the value in parentheses is a whole number from 1"},
        {"working_set(many) <= 1", "the value in parentheses is a whole number from 1"},
        {"label(0123456789012345678901234567890123456789012345678901234567890123) <= 1", "is longer than 63 bytes"},
        {"pages <= ten", "a whole number is expected"},
        {"label(no such label) <= 1", "'no such label'"}, /* not measured, as by the check */
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        /* In a section of another test, too: a file with an error in it sets nothing. */
        char text[256];
        snprintf(text, sizeof text, "[a]\npages <= 10\n[%s]\n%s\n", i + 1 < sizeof bad / sizeof *bad ? "b" : "a",
                 bad[i].line);
        assert_false(check(text, "a"));
        assert_int_equal(verdict.outcome, VMT_NOT_MEASURED);
        assert_says(":4: ");
        assert_says(bad[i].sentence);
    }
}

static void files_that_cannot_be_read(void **state)
{
    (void)state;
    if (!report)
        vmt_begin_or_skip(NULL);
    assert_true(vmt_check_budgets(report, "a", &verdict));
    assert_says("VMT_BUDGETS names no budget file");
    setenv("VMT_BUDGETS", "/no/such/file", 1);
    assert_false(vmt_check_budgets(report, "a", &verdict));
    assert_int_equal(verdict.outcome, VMT_NOT_MEASURED);
    assert_says("VMT_BUDGETS: cannot read /no/such/file: No such file");
    setenv("VMT_BUDGETS", "/", 1);
    assert_false(vmt_check_budgets(report, "a", &verdict));
    assert_says("cannot read /: not a file");
    int ends[2]; /* of a pipe that nobody writes to: nothing waits for it */
    char path[64], sentence[128];
    assert_int_equal(pipe(ends), 0);
    close(ends[1]);
    snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
    snprintf(sentence, sizeof sentence, "cannot read %s: not a file", path);
    setenv("VMT_BUDGETS", path, 1);
    assert_false(vmt_check_budgets(report, "a", &verdict));
    assert_says(sentence);
    close(ends[0]);
    unsetenv("VMT_BUDGETS");
    assert_false(check("", "a"));
    assert_says("no section [a]");
    vmt_report *kept = report;
    report = NULL;
    setenv("VMT_BUDGETS", "/dev/null", 1);
    assert_false(vmt_check_budgets(report, "a", &verdict));
    unsetenv("VMT_BUDGETS");
    report = kept;
}

/* What CTest says of skipping is for this program alone: none that it starts gets it. */
static void the_environment_loses_the_skip_status(void **state)
{
    (void)state;
    assert_null(getenv("VMT_SKIP_STATUS"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_hold_up_to_their_value),
        cmocka_unit_test(sections_are_for_tests),
        cmocka_unit_test(what_is_not_understood_is_named),
        cmocka_unit_test(files_that_cannot_be_read),
        cmocka_unit_test(the_environment_loses_the_skip_status),
    };
    return vmt_cmocka_run_group_tests(tests, make_report, free_report);
}
