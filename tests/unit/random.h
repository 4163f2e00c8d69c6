/* SPDX-License-Identifier: MIT */
/* xorshift64 (Marsaglia 2003): the same numbers in every run; the state is not 0. */
#ifndef VMTI_TESTS_RANDOM_H
#define VMTI_TESTS_RANDOM_H

#include <stdint.h>

static inline uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

#endif
