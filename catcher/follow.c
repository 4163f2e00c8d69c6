/* SPDX-License-Identifier: MIT */
/*
 * `vmtrace run --follow`: forked children, and what a followed process is called. A child is stopped before its first
 * instruction (children.c). There every kind of fork is alike, also one that no handler of libc's sees. The catcher
 * lets it go in a stub of ours (harness/follow.c), which begins a region and goes on where the fork would have
 * returned. Runs in the catcher; see internal.h for what may be called.
 */
#include "internal.h"

#include <errno.h>
#include <string.h>

#include "../harness/follow.h"
#include "proc.h"

/* ------------------------------------------------------------------------------------------- names */

int vmti_follow_open_trace(char *path)
{
    enum { MOST = 100000 };
    char *end = path + strlen(path);
    for (unsigned n = 1; n < MOST; n++) {
        if (n > 1)
            *vmti_put_number(vmti_put_text(end, "."), n) = '\0';
        int fd = vmti_catcher_open_trace(path, vmti_following.since);
        /* Taken by an image that this process had before, by one that had this number before, or by something else. */
        if (fd != -EEXIST && fd != -EALREADY && fd != -EWOULDBLOCK && fd != -ELOOP && fd != -EISDIR)
            return fd;
    }
    return -EEXIST;
}

/* ------------------------------------------------------------------------------------------- /proc/PID/status */

enum { STATUS_BYTES = 8192 };

/* Do both have the line, with the same value? */
static bool same_line(const char *a, const char *b, const char *key)
{
    const char *p = vmti_proc_line(a, key), *q = vmti_proc_line(b, key);
    if (!p || !q)
        return p == q;
    while (*p == *q && *p && *p != '\n')
        p++, q++;
    return *p == *q;
}

/* Are the real, effective, saved and file-system number of a Uid or Gid line one? */
static bool all_one(const char *numbers)
{
    const char *at = numbers;
    size_t length = 0;
    if (!at)
        return false;
    at++; /* a tab before each number */
    while (at[length] >= '0' && at[length] <= '9')
        length++;
    for (unsigned i = 1; i < 4; i++)
        if (memcmp(at, at + i * (length + 1), length) != 0)
            return false;
    return true;
}

bool vmti_follow_is_like_us(pid_t tid, bool same_user)
{
    char own[STATUS_BYTES], other[STATUS_BYTES], name[16], link[16];
    /* The numbers in /proc are ours only if it belongs to our PID namespace. */
    pid_t self = (pid_t)vmti_sys(SYS_getpid, 0, 0, 0, 0, 0, 0);
    *vmti_put_number(name, (uint64_t)self) = '\0';
    long n = vmti_sys(SYS_readlinkat, AT_FDCWD, "/proc/self", link, sizeof link, 0, 0);
    if (n != (long)strlen(name) || memcmp(link, name, (size_t)n) != 0)
        return false;
    if (vmti_proc_read(self, 0, "/status", own, sizeof own) <= 0 ||
        vmti_proc_read(tid, 0, "/status", other, sizeof other) <= 0)
        return false;
    /* A filter that the program has set since may kill it for a call of ours. (Seccomp_filters: Linux 5.9.) */
    if (!same_line(own, other, "Seccomp:") || !same_line(own, other, "Seccomp_filters:"))
        return false;
    /* Where the real and the effective user differ the loader ignores LD_PRELOAD (ld.so(8), secure-execution mode); and
     * what we may read, another user may not. */
    return !same_user || (same_line(own, other, "Uid:") && same_line(own, other, "Gid:") &&
                          all_one(vmti_proc_line(other, "Uid:")) && all_one(vmti_proc_line(other, "Gid:")));
}

/* ------------------------------------------------------------------------------------------- fork */

void vmti_follow_copy(struct vmti_thread *t, const vmti_regs *regs)
{
    struct vmti_follow_context context = {.regs = *regs};
    if (!vmti_following.on || !vmti_following.forks || !vmti_follow_is_like_us(t->tid, false) ||
        vmti_get_mask(t, &context.mask))
        return;
    uintptr_t place = (vmti_regs_sp(regs) - VMTI_RED_ZONE - sizeof context) & ~(uintptr_t)15;
    /* A signal would find the child on our stack. Our own are blocked as the program has them: so it is what the new
     * catcher takes for the program's wish. */
    uint64_t mask = ~VMTI_OWN_MASK | (context.mask & VMTI_OWN_MASK);
    vmti_regs start = *regs;
    vmti_regs_set_start(&start, (uintptr_t)vmti_follow_stub, place);
    if (!vmti_program_write(t->tid, place, &context, sizeof context) || vmti_set_mask(t, &mask))
        return;
    vmti_set_regs(t, &start);
}
