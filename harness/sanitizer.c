/* SPDX-License-Identifier: MIT */
/* See sanitizer.h. */
#include "sanitizer.h"

#include <errno.h>
#include <stdlib.h>

#include "error.h"

/* What a runtime defines; NULL where it is not in the process. */
#define WEAK __attribute__((weak))
extern void __asan_init(void) WEAK;
extern void __hwasan_init(void) WEAK;
extern void __lsan_init(void) WEAK;
extern void __msan_init(void) WEAK;
extern void __tsan_init(void) WEAK;
extern void __lsan_do_leak_check(void) WEAK;
extern void __lsan_disable(void) WEAK;
extern void __lsan_enable(void) WEAK;
extern void __msan_scoped_disable_interceptor_checks(void) WEAK;
extern void __msan_scoped_enable_interceptor_checks(void) WEAK;
extern int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void *, size_t),
                                                     void (*)(const volatile void *)) WEAK;

/* sanitizer/asan_interface.h; the addresses are one byte before those that calls return to. */
extern size_t __asan_get_alloc_stack(void *block, void **trace, size_t room, int *thread) WEAK;

enum vmti_sanitizer vmti_sanitizer(void)
{
    return __asan_init     ? VMTI_ADDRESS_SANITIZER
           : __hwasan_init ? VMTI_HWADDRESS_SANITIZER
           : __tsan_init   ? VMTI_THREAD_SANITIZER
           : __msan_init   ? VMTI_MEMORY_SANITIZER
           : __lsan_init   ? VMTI_LEAK_SANITIZER
                           : VMTI_NO_SANITIZER;
}

int vmti_sanitizer_check(void)
{
    if (__hwasan_init)
        return vmti_fail(-ENOTSUP, "vmt_begin: this program is built with HWAddressSanitizer, whose pointers have tags "
                                   "that the manager does not know; build it with AddressSanitizer, or skip the test");
    return 0;
}

const void *vmti_sanitizer_site(const volatile void *block)
{
    void *trace[2]; /* the first one is the runtime's own function */
    int thread;
    if (!__asan_get_alloc_stack || __asan_get_alloc_stack((void *)block, trace, 2, &thread) < 2)
        return NULL;
    return (const char *)trace[1] + 1;
}

bool vmti_sanitizer_hook(void (*given)(const volatile void *, size_t), void (*taken)(const volatile void *))
{
    return __sanitizer_install_malloc_and_free_hooks && __sanitizer_install_malloc_and_free_hooks(given, taken) != 0;
}

void vmti_sanitizer_pass_over(bool pass_over)
{
    if (__lsan_disable && __lsan_enable)
        (pass_over ? __lsan_disable : __lsan_enable)();
    if (__msan_scoped_disable_interceptor_checks && __msan_scoped_enable_interceptor_checks)
        (pass_over ? __msan_scoped_disable_interceptor_checks : __msan_scoped_enable_interceptor_checks)();
}

void vmti_sanitizer_before_leaks(void (*end)(void))
{
    static bool asked;
    if (__lsan_do_leak_check && !asked)
        asked = atexit(end) == 0; /* the runtime's own was asked for at its start, and comes after this one */
}
