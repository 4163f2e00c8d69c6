/* SPDX-License-Identifier: MIT */
/* To the debug information this is a header of the system, like a container's that allocates some functions down. */
#ifndef OF_THE_SYSTEM_H
#define OF_THE_SYSTEM_H

#include <stdint.h>

uintptr_t here(void);

#line 10 "/usr/include/of_the_system.h"
static inline __attribute__((always_inline)) uintptr_t allocate(void)
{
    volatile uintptr_t address = here();
    return address;
}

static inline __attribute__((always_inline)) uintptr_t insert(void)
{
    volatile uintptr_t address = allocate();
    return address;
}

#endif
