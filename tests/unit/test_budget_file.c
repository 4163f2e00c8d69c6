/* SPDX-License-Identifier: MIT */
/* What a budget file may hold, and what is said of what it may not: harness/budget_file.c alone. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "budget_file.h"
#include "error.h"
#include "random.h"

static char sentence[512], lines[1024];

int vmti_fail(int error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    return error;
}

/* Writes what was read: "[section]" or "section: what(argument) <= limit", with the line. */
static int note(const struct vmti_limit *limit, void *context)
{
    const struct vmti_part *s = &limit->section, *w = &limit->what, *a = &limit->argument;
    size_t used = strlen(lines);
    (void)context;
    if (!w->text)
        snprintf(lines + used, sizeof lines - used, "%u [%.*s]\n", limit->line, (int)s->bytes, s->text);
    else
        snprintf(lines + used, sizeof lines - used, "%u %.*s: %.*s(%.*s) %s %llu\n", limit->line, (int)s->bytes,
                 s->text, (int)w->bytes, w->text, (int)a->bytes, a->text ? a->text : "",
                 limit->exactly ? "==" : "<=", (unsigned long long)limit->limit);
    return 0;
}

static int parse(const char *text)
{
    lines[0] = sentence[0] = '\0';
    return vmti_budget_file_parse("budgets", text, strlen(text), note, NULL);
}

static void good_files_are_read(void **state)
{
    (void)state;
    static const struct { const char *text, *lines;
    } good[] = {
        {"", ""},
        {"\n\n  \t\n# only a comment", ""},
        {"[a]", "1 [a]\n"},
        {"[a]\npages <= 40", "1 [a]\n2 a: pages() <= 40\n"},
        {"[a]\r\n\tpages<=40\t# why\r\n", "1 [a]\n2 a: pages() <= 40\n"},
        {"[a]\npages == 0#\n\n[b c] # d\ntouches <= 18446744073709551615\n",
         "1 [a]\n2 a: pages() == 0\n4 [b c]\n5 b c: touches() <= 18446744073709551615\n"},
        {"[finds [x] in it]\nworking_set(64) <= 1\nlabel(an index, (or two) <= 007\n",
         "1 [finds [x] in it]\n2 finds [x] in it: working_set(64) <= 1\n"
         "3 finds [x] in it: label(an index, (or two) <= 7\n"},
        {"[*]\nanything_at_all <= 1\n", "1 [*]\n2 *: anything_at_all() <= 1\n"},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(parse(good[i].text), 0);
        assert_string_equal(lines, good[i].lines);
    }
}

static void bad_lines_are_named(void **state)
{
    (void)state;
    static const struct { const char *text, *sentence;
    } bad[] = {
        {"pages <= 1", "budgets:1: a section \"[test]\" is expected before the first limit"},
        {"[]", "budgets:1: the name of a test in the brackets, or * for all, is expected, not \"[]\""},
        {"\n[a", "budgets:2: a section \"[test]\", with its closing bracket, is expected, not \"[a\""},
        {"[a] b", "budgets:1: nothing after a section is expected, not \"b\""},
        {"[a]\n<= 1", "budgets:2: a section \"[test]\", or a limit like \"pages <= 40\", is expected, not \"<= 1\""},
        {"[a]\nPages <= 1",
         "budgets:2: a section \"[test]\", or a limit like \"pages <= 40\", is expected, not \"Pages <= 1\""},
        {"[a]\npages", "budgets:2: <= or == is expected, not \"\""},
        {"[a]\npages = 1", "budgets:2: <= or == is expected, not \"= 1\""},
        {"[a]\npages >= 1", "budgets:2: <= or == is expected, not \">= 1\""},
        {"[a]\npages <=", "budgets:2: a whole number is expected, not \"\""},
        {"[a]\npages <= -1", "budgets:2: a whole number is expected, not \"-1\""},
        {"[a]\npages <= 1.5", "budgets:2: nothing after the number is expected, not \".5\""},
        {"[a]\npages <= 1 page", "budgets:2: nothing after the number is expected, not \"page\""},
        {"[a]\npages <= 18446744073709551616",
         "budgets:2: a whole number below 2^64 is expected, not \"18446744073709551616\""},
        {"[a]\nlabel( <= 1", "budgets:2: a value and a closing parenthesis is expected, not \"( <= 1\""},
        {"[a]\nlabel() <= 1", "budgets:2: a value and a closing parenthesis is expected, not \"() <= 1\""},
        {"[a]\npages <= \x01\x7f", "budgets:2: a whole number is expected, not \"??\""},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(parse(bad[i].text), -EINVAL);
        assert_string_equal(sentence, bad[i].sentence);
    }
    assert_string_equal(lines, "1 [a]\n"); /* what came before it was read */
}

static int stop_at_second(const struct vmti_limit *limit, void *calls)
{
    (void)limit;
    return ++*(int *)calls == 2 ? -EIO : 0;
}

static void a_call_may_stop_it(void **state)
{
    (void)state;
    static const char text[] = "[a]\npages <= 1\npages <= 2\n";
    int calls = 0;
    assert_int_equal(vmti_budget_file_parse("budgets", text, sizeof text - 1, stop_at_second, &calls), -EIO);
    assert_int_equal(calls, 2);
}

/* Any bytes: an answer, and a sentence if it is -EINVAL. Behind their end is a page that nobody may read. */
static void any_bytes_are_answered(void **state)
{
    (void)state;
    static const char *const words[] = {"[",
                                        "]",
                                        "a",
                                        "pages",
                                        "label",
                                        "(",
                                        ")",
                                        "<=",
                                        "==",
                                        "<",
                                        "=",
                                        "7",
                                        "#",
                                        "\n",
                                        " ",
                                        "\t",
                                        "\r",
                                        "\xff",
                                        "99999999999999999999",
                                        "*"};
    enum { PAGE = 4096 };
    char *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(page != MAP_FAILED && mprotect(page + PAGE, PAGE, PROT_NONE) == 0);
    uint64_t seed = 5;
    unsigned refused = 0;
    for (int i = 0; i < 20000; i++) {
        char text[256] = "";
        if (next_random(&seed) % 2)
            strcpy(text, "[a]\n");
        for (uint64_t n = next_random(&seed) % 12; n; n--)
            strcat(text, words[next_random(&seed) % (sizeof words / sizeof *words)]);
        size_t bytes = strlen(text);
        memcpy(page + PAGE - bytes, text, bytes);
        lines[0] = sentence[0] = '\0';
        int error = vmti_budget_file_parse("budgets", page + PAGE - bytes, bytes, note, NULL);
        assert_true(error == 0 || (error == -EINVAL && strncmp(sentence, "budgets:", 8) == 0));
        refused += error != 0;
    }
    assert_true(refused > 5000 && refused < 19900);
    munmap(page, 2 * PAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_files_are_read),
        cmocka_unit_test(bad_lines_are_named),
        cmocka_unit_test(a_call_may_stop_it),
        cmocka_unit_test(any_bytes_are_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
