/* SPDX-License-Identifier: MIT */
/*
 * ptrace requests as raw calls (ptrace(2)). Each returns 0 or a negative errno; -ESRCH means that the thread is dead or
 * not stopped any more: SIGKILL ends a stop at any moment, so callers go on waiting then.
 */
#ifndef VMTI_PTRACE_H
#define VMTI_PTRACE_H

#include <linux/ptrace.h>
#include <signal.h>
#include <stddef.h>
#include <sys/user.h>

#include "../harness/os.h"

static inline long vmti_ptrace(long request, pid_t tid, uintptr_t address, uintptr_t data)
{
    return vmti_sys(SYS_ptrace, request, tid, address, data, 0, 0);
}

/* Runs on to the next system call or signal; delivers `signal` if it is not 0. */
static inline long vmti_ptrace_resume(pid_t tid, int signal)
{
    return vmti_ptrace(PTRACE_SYSCALL, tid, 0, (uintptr_t)signal);
}

/* Gets or sets the first `sets` sets of the vmti_regs at that address. */
static inline long vmti_ptrace_regsets(long request, pid_t tid, uintptr_t regs, unsigned sets)
{
    static const struct { uintptr_t type; size_t at, bytes; } regset[] = VMTI_REGSETS;
    long error = 0;
    for (unsigned i = 0; !error && i < sets && i < sizeof regset / sizeof regset[0]; i++) {
        struct { uintptr_t base; size_t bytes; } place = {regs + regset[i].at, regset[i].bytes};
        error = vmti_ptrace(request, tid, regset[i].type, (uintptr_t)&place);
    }
    return error;
}

enum { VMTI_REGSETS_ALL = 8 };

static inline long vmti_ptrace_get_regs(pid_t tid, vmti_regs *regs)
{
    return vmti_ptrace_regsets(PTRACE_GETREGSET, tid, (uintptr_t)regs, VMTI_REGSETS_ALL);
}

static inline long vmti_ptrace_set_regs(pid_t tid, const vmti_regs *regs)
{
    return vmti_ptrace_regsets(PTRACE_SETREGSET, tid, (uintptr_t)regs, VMTI_REGSETS_ALL);
}

/* At a call's entry: what the call is given. Also at its exit, if the register is not that of the result: what the
 * program finds. */
static inline long vmti_ptrace_set_arg(pid_t tid, unsigned i, uint64_t value)
{
#if VMTI_POKES_ARGUMENTS
    return vmti_ptrace(PTRACE_POKEUSR, tid, vmti_arg_offset(i), value);
#else
    vmti_regs regs; /* the arguments are in the first set */
    long error = vmti_ptrace_regsets(PTRACE_GETREGSET, tid, (uintptr_t)&regs, 1);
    vmti_regs_set_arg(&regs, i, value);
    return error ? error : vmti_ptrace_regsets(PTRACE_SETREGSET, tid, (uintptr_t)&regs, 1);
#endif
}

static inline long vmti_ptrace_get_siginfo(pid_t tid, siginfo_t *info)
{
    return vmti_ptrace(PTRACE_GETSIGINFO, tid, 0, (uintptr_t)info);
}

/* The blocked signals of a stopped thread; bit n-1 is signal n. */
static inline long vmti_ptrace_get_mask(pid_t tid, uint64_t *mask)
{
    return vmti_ptrace(PTRACE_GETSIGMASK, tid, sizeof *mask, (uintptr_t)mask);
}

static inline long vmti_ptrace_set_mask(pid_t tid, const uint64_t *mask)
{
    return vmti_ptrace(PTRACE_SETSIGMASK, tid, sizeof *mask, (uintptr_t)mask);
}

#endif
