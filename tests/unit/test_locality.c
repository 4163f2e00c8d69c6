/* SPDX-License-Identifier: MIT */
/* Misses, stack distances and working sets against the plainest way to count them; and what a FIFO's touches tell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <malloc.h>

#include <cmocka.h>

#include "../older_systems.h"
#include "locality.h"

static uint64_t next_random(uint64_t *x)
{
    *x ^= *x << 13, *x ^= *x >> 7, *x ^= *x << 17;
    return *x >> 11;
}

/* ------------------------------------------------------------------------------------------- streams */

struct stream {
    uint64_t *pages;
    size_t length;
};

static struct stream new_stream(size_t length)
{
    struct stream s = {malloc(length * sizeof *s.pages), length};
    assert_non_null(s.pages);
    return s;
}

/* Some pages often, many seldom, and now and then a walk; page numbers as addresses have them. */
static struct stream random_stream(size_t length, uint64_t pages, uint64_t seed)
{
    struct stream s = new_stream(length);
    uint64_t x = seed * 2654435761u + 88172645463325252u, walk = 0;
    for (size_t i = 0; i < length; i++) {
        uint64_t draw = next_random(&x), page;
        if (draw % 4 == 0)
            page = walk++ % pages;
        else if (draw % 4 == 1)
            page = (draw >> 8) % pages;
        else
            page = (draw >> 8) % pages % ((draw >> 32) % pages + 1);
        s.pages[i] = 0x7f1234567u + page * (seed % 3 == 0 ? 1 : 0x40001);
    }
    return s;
}

static struct vmti_locality measure(const struct stream *s)
{
    struct vmti_locality l = {0};
    for (size_t i = 0; i < s->length; i++)
        assert_int_equal(vmti_locality_touch(&l, s->pages[i]), 0);
    return l;
}

/* ------------------------------------------------------------------------------------------- the plainest way */

/* Mattson's stack: touches by distance, [0] those of new pages. */
static uint64_t *stack_of(const struct stream *s, size_t most)
{
    uint64_t *hits = calloc(most + 1, sizeof *hits), *stack = malloc(most * sizeof *stack);
    size_t depth = 0;
    for (size_t i = 0; i < s->length; i++) {
        size_t at = 0;
        while (at < depth && stack[at] != s->pages[i])
            at++;
        if (at == depth) {
            hits[0]++;
            depth++;
        } else {
            hits[at + 1]++;
        }
        memmove(stack + 1, stack, at * sizeof *stack);
        stack[0] = s->pages[i];
    }
    free(stack);
    return hits;
}

/* How many pages come before the first use of this one? */
static uint64_t order_of(const struct stream *s, uint64_t page)
{
    uint64_t before = 0;
    for (size_t i = 0; s->pages[i] != page; i++) {
        size_t j = 0;
        while (s->pages[j] != s->pages[i])
            j++;
        before += j == i;
    }
    return before;
}

static double working_set_of(const struct stream *s, uint64_t tau)
{
    uint64_t sum = 0;
    for (size_t t = 0; t < s->length; t++) {
        size_t from = t + 1 > tau ? t + 1 - tau : 0;
        for (size_t i = from; i <= t; i++) {
            size_t j = from;
            while (s->pages[j] != s->pages[i])
                j++;
            sum += j == i;
        }
    }
    return (double)sum / (double)s->length;
}

/* By how often each page is among the last tau; pages are below `pages`. */
static uint64_t peak_of(const struct stream *s, uint64_t first, uint64_t pages, uint64_t tau)
{
    uint32_t *uses = calloc(pages, sizeof *uses);
    uint64_t distinct = 0, peak = 0;
    for (size_t t = 0; t < s->length; t++) {
        distinct += uses[s->pages[t] - first]++ == 0;
        if (t >= tau)
            distinct -= --uses[s->pages[t - tau] - first] == 0;
        peak = distinct > peak ? distinct : peak;
    }
    free(uses);
    return peak;
}

/* ------------------------------------------------------------------------------------------- tests */

static void check_misses(const struct stream *s, size_t most)
{
    struct vmti_locality l = measure(s);
    uint64_t *hits = stack_of(s, most), misses = s->length;
    assert_int_equal(l.touches, s->length);
    assert_int_equal(l.pages, hits[0]);
    for (size_t memory = 1; memory <= most + 2; memory++) {
        uint64_t here = memory <= most ? hits[memory] : 0;
        misses -= here;
        assert_int_equal(vmti_locality_hits(&l, memory), here);
        assert_int_equal(vmti_locality_misses(&l, memory), misses);
        uint64_t smallest = vmti_locality_memory_for(&l, misses);
        assert_true(smallest <= memory && smallest > 0 && vmti_locality_misses(&l, smallest) <= misses);
        assert_true(smallest == 1 || vmti_locality_misses(&l, smallest - 1) > misses);
    }
    assert_int_equal(misses, l.pages);
    for (size_t i = 0; i < s->length && i < 200; i += 7)
        assert_int_equal(vmti_locality_order(&l, s->pages[i]), order_of(s, s->pages[i]));
    assert_int_equal(vmti_locality_memory_for(&l, l.pages - 1), 0);
    free(hits);
    vmti_locality_free(&l);
}

static void test_misses_are_those_of_a_stack(void **state)
{
    (void)state;
    static const struct {
        size_t length, pages;
    } sizes[] = {{1, 1}, {50, 3}, {3000, 1}, {5000, 40}, {20000, 700}, {30000, 3000}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (uint64_t seed = 1; seed <= 4; seed++) {
            struct stream s = random_stream(sizes[i].length, sizes[i].pages, seed);
            check_misses(&s, sizes[i].pages);
            free(s.pages);
        }
}

static void test_working_sets_are_averages(void **state)
{
    (void)state;
    struct vmti_locality none = {0};
    double averages[VMTI_LOCALITY_TAUS];
    vmti_locality_working_sets(&none, averages);
    assert_true(averages[0] == 0 && averages[VMTI_LOCALITY_TAUS - 1] == 0);
    for (unsigned i = 0; i + 1 < VMTI_LOCALITY_TAUS; i++)
        assert_true(vmti_locality_tau(i) < vmti_locality_tau(i + 1));
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct stream s = random_stream(600, 60, seed);
        struct vmti_locality l = measure(&s);
        vmti_locality_working_sets(&l, averages);
        for (unsigned i = 0; i < 24; i++) {
            double difference = averages[i] - working_set_of(&s, vmti_locality_tau(i));
            assert_true(difference < 1e-9 && difference > -1e-9);
        }
        vmti_locality_free(&l);
        free(s.pages);
    }
}

static void check_peaks(size_t length, uint64_t pages, unsigned first_tau)
{
    const uint64_t first = 0x7f1234567u; /* a seed that 3 divides: neighbours */
    struct stream s = random_stream(length, pages, 3);
    struct vmti_locality l = {0};
    uint64_t peak;
    assert_int_equal(vmti_locality_want_peaks(&l), 0);
    for (size_t i = 0; i < s.length; i++)
        assert_int_equal(vmti_locality_touch(&l, s.pages[i]), 0);
    for (unsigned i = first_tau; i < VMTI_LOCALITY_TAUS; i++) {
        uint64_t tau = vmti_locality_tau(i);
        if (vmti_locality_peak(&l, i, &peak))
            assert_int_equal(peak, peak_of(&s, first, pages, tau));
        else
            assert_true(tau < length && (tau > 1 << 22 || tau & (tau - 1)));
    }
    vmti_locality_free(&l);
    free(s.pages);
}

static void test_working_sets_have_peaks(void **state)
{
    (void)state;
    uint64_t peak;
    struct vmti_locality unwanted = {0};
    assert_int_equal(vmti_locality_touch(&unwanted, 1), 0);
    assert_false(vmti_locality_peak(&unwanted, 0, &peak));
    vmti_locality_free(&unwanted);
    check_peaks(1, 1, 0);
    check_peaks(600, 60, 0);
    check_peaks(50000, 4000, 0);
    check_peaks(9000000, 200000, 40); /* longer than what is kept of the past */
}

/* What a strict FIFO of N pages misses of a program's accesses; and, where `leave` is more, one that so many leave at
 * once. */
static struct stream seen_by_fifo(const struct stream *program, size_t window, size_t leave)
{
    struct stream trace = new_stream(program->length);
    size_t first = 0;
    trace.length = 0;
    for (size_t i = 0; i < program->length; i++) {
        size_t at = first;
        while (at < trace.length && trace.pages[at] != program->pages[i])
            at++;
        if (at < trace.length)
            continue;
        if (trace.length - first == window)
            first += leave;
        trace.pages[trace.length++] = program->pages[i];
    }
    return trace;
}

static void test_bounds_hold_for_the_whole_program(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct stream program = random_stream(20000, 300, seed);
        struct vmti_locality whole = measure(&program);
        for (size_t window = 8; window <= 64; window *= 2)
            for (size_t leave = 1; leave <= window - 7; leave += window / 3) {
                struct stream trace = seen_by_fifo(&program, window, leave);
                struct vmti_locality seen = measure(&trace);
                uint64_t low, high, told = 0;
                assert_false(vmti_locality_bounds(&seen, window, 3 * window - 3, &low, &high));
                for (uint64_t memory = 1; memory <= 320; memory++) {
                    if (!vmti_locality_bounds(&seen, window, memory, &low, &high))
                        continue;
                    uint64_t misses = vmti_locality_misses(&whole, memory);
                    assert_true(low <= misses && misses <= high);
                    told++;
                }
                assert_int_equal(told, 320 - (3 * window - 3));
                vmti_locality_free(&seen);
                free(trace.pages);
            }
        vmti_locality_free(&whole);
        free(program.pages);
    }
}

/* At its most, while a table grows. */
static void test_a_page_takes_at_most_100_bytes(void **state)
{
    (void)state;
    struct vmti_locality l = {0};
    uint64_t x = 42;
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    for (int i = 0; i < 1000000; i++) {
        assert_int_equal(vmti_locality_touch(&l, next_random(&x) % 700000 * 0x10001), 0);
        if (i > 50000 && i % 64 == 0)
            assert_true(mallinfo2().uordblks + mallinfo2().hblkhd - before <= 100 * l.pages);
    }
    vmti_locality_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_misses_are_those_of_a_stack),
        cmocka_unit_test(test_working_sets_are_averages),
        cmocka_unit_test(test_working_sets_have_peaks),
        cmocka_unit_test(test_bounds_hold_for_the_whole_program),
        cmocka_unit_test(test_a_page_takes_at_most_100_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
