/* SPDX-License-Identifier: MIT */
/*
 * The smallest helper that can answer a stop: another process that shares the memory (clone(CLONE_VM)) and ptraces the
 * one that made it. It has no thread-local storage of its own, so it makes raw calls alone and its file is compiled
 * without a stack protector. This is what the catcher's costs are measured against; it keeps no records and checks
 * nothing.
 */
#ifndef BENCH_HELPER_H
#define BENCH_HELPER_H

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "bench.h"

static inline long raw_call(long nr, long a, long b, long c, long d)
{
    long result;
    register long r10 __asm__("r10") = d;
    __asm__ volatile("syscall" : "=a"(result) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
    return result;
}

/* What a helper does: how it lets the program run on, and what it does at a stop with that signal. */
struct helper {
    long resume;                                /* PTRACE_CONT or PTRACE_SYSCALL */
    long options;                               /* PTRACE_O_... */
    long (*answer)(pid_t program, long signal); /* returns the signal to deliver; NULL: none of it but SIGSYS */
    pid_t program;
    _Atomic int ready; /* 1: attached; else the negative errno */
};

static inline int run_helper(void *argument)
{
    struct helper *helper = argument;
    pid_t program = helper->program;
    int status;
    long result = raw_call(SYS_ptrace, PTRACE_SEIZE, program, 0, helper->options);
    if (result == 0) {
        raw_call(SYS_ptrace, PTRACE_INTERRUPT, program, 0, 0);
        raw_call(SYS_wait4, program, (long)&status, __WALL, 0);
    }
    atomic_store(&helper->ready, result == 0 ? 1 : (int)result);
    long signal = 0;
    while (result == 0) {
        if (raw_call(SYS_ptrace, helper->resume, program, 0, signal) < 0 ||
            raw_call(SYS_wait4, program, (long)&status, __WALL, 0) < 0 || !WIFSTOPPED(status))
            break;
        signal = WSTOPSIG(status);
        if (status >> 16 || signal == (SIGTRAP | 0x80)) /* an event or a call: nothing to answer */
            signal = 0;
        else if (helper->answer)
            signal = helper->answer(program, signal);
    }
    raw_call(SYS_exit_group, 0, 0, 0, 0);
    return 0;
}

/* Starts it and waits until it has attached; returns 0 or a negative errno. */
static inline int start_helper(struct helper *helper)
{
    enum { STACK = 64 * 1024 };
    static char *stack;
    if (!stack)
        stack = map_own(STACK);
    helper->program = getpid();
    atomic_store(&helper->ready, 0);
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0); /* for Yama; fails where there is none */
    if (clone(run_helper, stack + STACK, CLONE_VM, helper) < 0)
        return -errno;
    int ready;
    while ((ready = atomic_load(&helper->ready)) == 0)
        sched_yield();
    return ready < 0 ? ready : 0;
}

/* For a program whose only figure is `key`: prints why there is no helper. */
static inline bool has_helper(struct helper *helper, const char *key)
{
    int error = start_helper(helper);
    if (error)
        printf("%s - ptrace is refused: %s\n", key, strerror(-error));
    return error == 0;
}
#endif
