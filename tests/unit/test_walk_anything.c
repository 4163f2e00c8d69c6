/* SPDX-License-Identifier: MIT */
/* The walker on arguments and memory at random. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>

#include "fake_window.h"

static uint64_t seed;

static uint64_t random_bits(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return seed >> 20;
}

static uint64_t odd_number(void)
{
    static const uint64_t numbers[] = {
        0,
        1,
        2,
        8,
        16,
        64,
        4096,
        4097,
        INT_MAX,
        0x80000000,
        UINT_MAX,
        (uint64_t)1 << VMTI_ADDRESS_BITS,
        (uint64_t)1 << 63,
        ((uint64_t)1 << VMTI_ADDRESS_BITS) - 8,
        UINT64_MAX,
    };
    return numbers[random_bits() % (sizeof numbers / sizeof numbers[0])];
}

static uint64_t anything(void)
{
    switch (random_bits() % 4) {
    case 0:
        return odd_number();
    case 1:
        return random_bits() % 64;
    default:
        return WORD(arena + random_bits() % (4 * PAGE));
    }
}

/* Walks the call, and looks at the spans with some results. */
static void walk_anything(const struct vmti_call *call)
{
    static const int64_t results[] = {0, 1, 100, -EFAULT, RESTART_BLOCK, INT64_MAX, INT64_MIN};
    walks = 0;
    vmti_walk_call(&region, &thread, call, vmti_row(call->nr));
    for (unsigned i = 0; i < walks; i++) {
        const struct vmti_span *span = &walked[i].span;
        assert_true(span->start < span->end && span->end <= (uint64_t)1 << VMTI_ADDRESS_BITS);
        for (unsigned k = 0; k < sizeof results / sizeof results[0]; k++)
            assert_true(vmti_span_done(&region, &thread, span, results[k]) <= span->end - span->start);
    }
}

static void fill_with_anything(void)
{
    open_pages(arena_start(), arena_end());
    for (size_t i = 0; i < 4 * PAGE / sizeof(uint64_t); i++)
        ((uint64_t *)arena)[i] = random_bits() % 3 ? anything() : random_bits();
}

static void no_argument_can_mislead_the_walker(void **state)
{
    (void)state;
    seed = 12345;
    for (unsigned round = 0; round < 50; round++) {
        fill_with_anything();
        for (int64_t nr = 0; nr < vmti_row_end(); nr++) {
            if (!vmti_row(nr) || !vmti_row(nr)->pointers)
                continue;
            struct vmti_call call = {.nr = nr};
            for (unsigned k = 0; k < 6; k++)
                call.args[k] = anything();
            walk_anything(&call);
        }
    }
}

static void no_command_can_mislead_the_walker(void **state)
{
    (void)state;
    static const uint64_t commands[] = {
        /* ioctl */
        0xc020660b,
        0xc0189436,
        0xc0686611,
        0xc0606610,
        0x8912,
        0x8913,
        0x8946,
        0x89b0,
        0x89f0,
        0x890b,
        0x8b01,
        0x2285,
        0x1269,
        0xc028aa03,
        0x40085203,
        0xc008240a,
        0x4008240b,
        0x401054d5,
        0x40085203,
        0xc0405a5a,
        0x80405a5a,
        0x40405a5a,
        0x5a5a,
        /* ptrace, quotactl, prctl, arch_prctl */
        0x4204,
        0x4205,
        0x4209,
        0x420a,
        0x420b,
        0x420c,
        0x420d,
        0x420e,
        0x420f,
        0x4210,
        0x4211,
        0x4212,
        0x80000700,
        0x580800,
        0x53564d41,
        0x41555856,
        0x1003,
    };
    enum { SMALL = 64, COMMANDS = SMALL + sizeof commands / sizeof commands[0] };
    seed = 54321;
    for (int64_t nr = 0; nr < vmti_row_end(); nr++) {
        const struct vmti_row *row = vmti_row(nr);
        unsigned by = 0;
        while (row && by < row->args && row->arg[by].kind != VMTI_ARG_BY)
            by++;
        if (!row || by >= row->args)
            continue;
        fill_with_anything();
        for (unsigned c = 0; c < COMMANDS; c++)
            for (unsigned at = 0; at < by; at++) {
                struct vmti_call call = {.nr = nr};
                for (unsigned k = 0; k < 6; k++)
                    call.args[k] = random_bits() % 4 ? WORD(arena + random_bits() % (4 * PAGE)) : random_bits() % 256;
                call.args[at] = c < SMALL ? c : commands[c - SMALL];
                walk_anything(&call);
            }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_argument_can_mislead_the_walker),
        TEST(no_command_can_mislead_the_walker),
    };
    return cmocka_run_group_tests_name("walk_anything", tests, NULL, NULL);
}
