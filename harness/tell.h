/* SPDX-License-Identifier: MIT */
/*
 * How the traced program talks to its catcher: system calls with a number that no kernel has. The catcher halts them as
 * it halts any call; without one the kernel answers ENOSYS and nothing happens.
 */
#ifndef VMTI_TELL_H
#define VMTI_TELL_H

#include "arch.h"

/* Far above the highest number in use (below 600 in 2026) and below bit 30, which marks the x32 ABI. */
#define VMTI_TELL_NR 0x2d564d54L

enum vmti_tell {
    VMTI_TELL_BEGIN = 1, /* close the tracked pages and trace from here on */
    VMTI_TELL_END = 2,   /* open everything and leave */
    VMTI_TELL_ADOPT = 3, /* [a, b) holds malloc'd memory that is not tracked yet */
    VMTI_TELL_TRACK = 4, /* [a, b) has been marked for tracking by vmt_track() */
    VMTI_TELL_UNTRACK = 5,
    VMTI_TELL_MARK = 6,  /* the phase with the number a begins; 0: none */
};

static inline long vmti_tell(enum vmti_tell what, uintptr_t a, uintptr_t b)
{
    return vmti_syscall6(VMTI_TELL_NR, (uint64_t)what, a, b, 0, 0, 0);
}

#endif
