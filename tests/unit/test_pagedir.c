/* SPDX-License-Identifier: MIT */
/* The page directory against an array: what is set, and the runs that a search finds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pagedir.h"

enum { CHUNK = 1 << VMTI_DIR_CHUNK_SHIFT, PAGES = 3 * CHUNK, SETS = 400, FINDS = 2000 };
/* The chunk before it is never made. */
static const uint64_t FIRST = 77 * (uint64_t)CHUNK;
static uint32_t model[PAGES];

static uint64_t next_random(uint64_t *x)
{
    *x ^= *x << 13, *x ^= *x >> 7, *x ^= *x << 17;
    return *x >> 11;
}

/* Some bits, so that few kinds of words are many. */
static uint32_t random_bits(uint64_t *x)
{
    static const uint32_t bits[] = {VMTI_DIR_HEAP, VMTI_DIR_TRACKED, VMTI_DIR_LEAVING, 5, VMTI_DIR_PROT};
    uint32_t word = 0;
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
        word |= next_random(x) % 2 ? bits[i] : 0;
    return word;
}

/* Mostly short ones, and those across chunks. */
static void random_range(uint64_t *x, uint64_t *first, uint64_t *end)
{
    uint64_t most = next_random(x) % 8 == 0 ? PAGES : 40;
    *first = next_random(x) % 4 == 0 ? (next_random(x) % 2 + 1) * CHUNK - next_random(x) % 30 : next_random(x) % PAGES;
    *end = *first + 1 + next_random(x) % most;
    if (*end > PAGES)
        *end = PAGES;
}

static uint64_t find_in_model(uint64_t *page, uint64_t limit, uint32_t any, uint32_t same)
{
    uint64_t at = *page, start;
    while (at < limit && !(model[at] & any))
        at++;
    for (start = at; at < limit && (model[at] & any) && !((model[at] ^ model[start]) & same);)
        at++;
    *page = at > start ? start : 0;
    return at - start;
}

static void test_words_and_runs_are_those_of_an_array(void **state)
{
    (void)state;
    uint64_t x = 88172645463325252u, first, end, page = FIRST;
    assert_int_equal(vmti_dir_next_run(&page, FIRST + PAGES, UINT32_MAX, 0), 0);
    for (int set = 0; set < SETS; set++) {
        random_range(&x, &first, &end);
        uint32_t mask = random_bits(&x), value = next_random(&x) % 3 ? random_bits(&x) : 0;
        assert_true(vmti_dir_set(FIRST + first, FIRST + end - 1, mask, value));
        for (uint64_t i = first; i < end; i++)
            model[i] = (model[i] & ~mask) | (value & mask);
    }
    for (uint64_t i = 0; i < PAGES; i++)
        assert_int_equal(vmti_dir_get(FIRST + i), model[i]);
    for (int find = 0; find < FINDS; find++) {
        random_range(&x, &first, &end);
        uint32_t any = random_bits(&x), same = random_bits(&x);
        uint64_t expected_at = first, found_at = FIRST + first;
        uint64_t expected = find_in_model(&expected_at, end, any, same);
        assert_int_equal(vmti_dir_next_run(&found_at, FIRST + end, any, same), expected);
        if (expected)
            assert_int_equal(found_at, FIRST + expected_at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_and_runs_are_those_of_an_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
