/* SPDX-License-Identifier: MIT */
/*
 * All contact of the manager with the kernel, as raw calls: usable in the catcher, which shares the program's memory
 * but has no libc state of its own. Each returns the kernel's value, a negative errno on failure.
 */
#ifndef VMTI_OS_H
#define VMTI_OS_H

#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>

#include "types.h"

#define vmti_sys(nr, a, b, c, d, e, f)                                                                                 \
    vmti_syscall6((nr), (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), (uint64_t)(e), (uint64_t)(f))

/* Our own calls, where the catcher would otherwise take them for the program's, carry this where the kernel does not
 * look: as the descriptor of an anonymous mapping (mmap(2)), as the fifth argument of a call with four. No descriptor
 * is as high, and Valgrind takes none that is below -1. */
enum { VMTI_OWN_CALL = 0x7f564d54 };

/* Fresh zeroed pages, or NULL. */
static inline void *vmti_os_map(size_t bytes)
{
    long p = vmti_sys(SYS_mmap, 0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                      VMTI_OWN_CALL, 0);
    return p < 0 && p > -4096 ? NULL : (void *)p;
}

static inline long vmti_os_unmap(void *p, size_t bytes)
{
    return vmti_sys(SYS_munmap, p, bytes, 0, 0, 0, 0);
}

static inline long vmti_os_protect(uintptr_t start, uintptr_t end, int prot)
{
    return vmti_sys(SYS_mprotect, start, end - start, prot, 0, 0, 0);
}

static inline long vmti_os_open(const char *path, int flags, int mode)
{
    return vmti_sys(SYS_openat, AT_FDCWD, path, flags, mode, 0, 0);
}

static inline long vmti_os_close(int fd)
{
    return vmti_sys(SYS_close, fd, 0, 0, 0, 0, 0);
}

static inline long vmti_os_read(int fd, void *to, size_t bytes)
{
    return vmti_sys(SYS_read, fd, to, bytes, 0, 0, 0);
}

static inline long vmti_os_futex_wait(_Atomic uint32_t *word, uint32_t value, const struct timespec *relative)
{
    return vmti_sys(SYS_futex, word, 0 /* FUTEX_WAIT: not private, the catcher is another process */, value, relative,
                    0, 0);
}

static inline long vmti_os_futex_wake(_Atomic uint32_t *word)
{
    return vmti_sys(SYS_futex, word, 1 /* FUTEX_WAKE */, INT32_MAX, 0, 0, 0);
}

static inline pid_t vmti_own_tid(void)
{
    return (pid_t)vmti_sys(SYS_gettid, 0, 0, 0, 0, 0, 0);
}

/* Reads or writes memory of a process through the kernel, which refuses what is bad or closed. The program's own is
 * reached through the catcher, which shares it: a process whose first thread has ended is not found by that thread's
 * number. */
static inline bool vmti_program_read(pid_t pid, void *to, uintptr_t from, size_t bytes)
{
    struct { void *base; size_t bytes; } local = {to, bytes}, remote = {(void *)from, bytes};
    return vmti_sys(SYS_process_vm_readv, pid, &local, 1, &remote, 1, 0) == (long)bytes;
}

static inline bool vmti_program_write(pid_t pid, uintptr_t to, const void *from, size_t bytes)
{
    struct { void *base; size_t bytes; } local = {(void *)from, bytes}, remote = {(void *)to, bytes};
    return vmti_sys(SYS_process_vm_writev, pid, &local, 1, &remote, 1, 0) == (long)bytes;
}

/* libc's clock_gettime cannot be called: the program has forbidden itself the processor's time stamp (prctl(2),
 * PR_SET_TSC) and we run in its threads, or the function is a sanitizer's. */
extern VMTI_HIDDEN bool vmti_os_clock_by_call;

/* Nanoseconds of a clock. clock_gettime is answered by the vDSO without a system call; it touches errno only on
 * failure, and with a valid clock and pointer it does not fail. */
static inline uint64_t vmti_os_now(clockid_t clock)
{
    struct timespec t;
    if (vmti_unlikely(vmti_os_clock_by_call))
        vmti_sys(SYS_clock_gettime, clock, &t, 0, 0, 0, 0);
    else
        clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#endif
