/* SPDX-License-Identifier: MIT */
/*
 * Array against linked list: 10,000 numbers are added up.
 *
 * As an array they are 80,000 bytes: 20 pages, or 21, as it need not begin with a page. That is the budget. It means:
 * to add the numbers up, nothing but the numbers is looked at. As a list each number is a block of its own, of 32 bytes
 * with its pointer and what malloc adds: 79 pages for the same sum. That is the variant that breaks the budget.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <vmt/cmocka.h>
#include <vmt/vmt.h>

enum { NUMBERS = 10000, BUDGET = 21 };

#ifdef BROKEN

struct number {
    struct number *next;
    uint64_t value;
};

static struct number *numbers;

static void add_number(uint64_t value)
{
    struct number *number = malloc(sizeof *number);
    assert_non_null(number);
    *number = (struct number){.next = numbers, .value = value};
    numbers = number;
}

static uint64_t sum(void)
{
    uint64_t sum = 0;
    for (const struct number *number = numbers; number; number = number->next)
        sum += number->value;
    return sum;
}

static void free_numbers(void)
{
    for (struct number *next; numbers; numbers = next) {
        next = numbers->next;
        free(numbers);
    }
}

#else

static uint64_t *numbers;
static size_t count;

static void add_number(uint64_t value)
{
    if (!numbers)
        numbers = malloc(NUMBERS * sizeof *numbers);
    assert_non_null(numbers);
    numbers[count++] = value;
}

static uint64_t sum(void)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += numbers[i];
    return sum;
}

static void free_numbers(void)
{
    free(numbers);
}

#endif

static void a_sum_looks_at_the_numbers_alone(void **state)
{
    (void)state;
    vmt_report *report;
    for (uint64_t i = 0; i < NUMBERS; i++)
        add_number(i);

    assert_int_equal(vmt_begin(NULL), 0);
    uint64_t result = sum();
    assert_int_equal(vmt_end(&report), 0);

    assert_int_equal(result, (uint64_t)NUMBERS * (NUMBERS - 1) / 2);
    vmt_assert_pages_at_most(report, BUDGET);
    vmt_report_free(report);
    free_numbers();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_sum_looks_at_the_numbers_alone, vmt_cmocka_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
