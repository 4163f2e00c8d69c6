/* SPDX-License-Identifier: MIT */
/*
 * Call stacks of allocations, on request (vmt_config.stacks): one is captured where a new owner is made, each different
 * one is kept once, and owners have its number. The unwinder is libgcc's _Unwind_Backtrace: libgcc is loaded before the
 * program starts, for libvmt needs it, and since glibc 2.35 it finds the tables of a frame by _dl_find_object(3), which
 * takes no lock and allocates nothing. Before that it takes the loader's lock, with which malloc may be called: so it
 * is not used there. Its one-time initialisation is made when the request is. It believes the unwind tables: code whose
 * tables are wrong (assembly) may crash it, code that has none ends the stack.
 */
#ifndef VMTI_STACKS_H
#define VMTI_STACKS_H

#include "types.h"

enum { VMTI_STACK_FRAMES = 32, VMTI_STACK_BITS = 22 };

/* Numbered from 1, in order of their first capture. */
struct vmti_call_stack {
    uint64_t hash;
    uint32_t next;                       /* with the same low bits of the hash; 0: none */
    uint32_t count;                      /* of frames */
    uintptr_t frames[VMTI_STACK_FRAMES]; /* return addresses; the first is that of the allocating call */
};

/* Stacks are captured. Once on, it stays so. */
extern VMTI_HIDDEN _Atomic bool vmti_stacks_on;

/* Turns it on. 0, or -ENOSYS with a sentence: not with this libc. */
VMTI_HIDDEN int vmti_stacks_start(void);

/* In a malloc wrapper: the number of the calling thread's stack from the call on that returns to `site`; 0 if there is
 * none, or no memory for it. Takes no lock, allocates nothing through malloc; a call from within itself gives 0. */
VMTI_HIDDEN uint32_t vmti_stack_take(uintptr_t site);

/* The stack with this number, or NULL. Async-signal-safe. */
VMTI_HIDDEN const struct vmti_call_stack *vmti_call_stack(uint32_t number);

#endif
