/* SPDX-License-Identifier: MIT */
/*
 * The runtime of a sanitizer in this process (AddressSanitizer and its like), if there is one. It has an allocator of
 * its own and stands before libvmt in symbol order, but tells of each block (sanitizer/allocator_interface.h).
 */
#ifndef VMTI_SANITIZER_H
#define VMTI_SANITIZER_H

#include <stddef.h>

#include "trace_format.h"
#include "types.h"

/* That of this process, of those that have an allocator. */
VMTI_HIDDEN enum vmti_sanitizer vmti_sanitizer(void);

/* Has the runtime call these for each block that it has given out, or is about to take back. False if it cannot. */
VMTI_HIDDEN bool vmti_sanitizer_hook(void (*given)(const volatile void *, size_t),
                                     void (*taken)(const volatile void *));

/* The return address of the call that a block is from, for which the first of them is called; NULL: the runtime does
 * not tell. */
VMTI_HIDDEN const void *vmti_sanitizer_site(const volatile void *block);

/* The runtime's: the size of a block. It is there where the hooks are. */
extern size_t __sanitizer_get_allocated_size(const volatile void *block) __attribute__((weak));

/* 0; or -ENOTSUP and a sentence if no region can be traced under this runtime. */
VMTI_HIDDEN int vmti_sanitizer_check(void);

/* LeakSanitizer traces this process by ptrace when it ends: `end` is called before that, if it is there. */
VMTI_HIDDEN void vmti_sanitizer_before_leaks(void (*end)(void));

/* Until this thread is told so again with false (calls nest), LeakSanitizer passes over what it allocates, for
 * libraries whose thread-local memory it does not find (sanitizer/lsan_interface.h); and MemorySanitizer over what it
 * has libc's functions read: what this library has written itself is not known as written
 * (sanitizer/msan_interface.h). */
VMTI_HIDDEN void vmti_sanitizer_pass_over(bool pass_over);

/* This library, which is not instrumented, has written there for the program: MemorySanitizer cannot know. */
extern void __msan_unpoison(const volatile void *from, size_t bytes) __attribute__((weak));
static inline void vmti_stored(const void *at, size_t bytes)
{
    if (vmti_unlikely(__msan_unpoison != NULL))
        __msan_unpoison(at, bytes);
}

#endif
