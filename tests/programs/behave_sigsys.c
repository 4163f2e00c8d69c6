/* SPDX-License-Identifier: MIT */
/*
 * SIGSYS, which a region needs for itself, where the program has its own: calls trapped by a filter (seccomp(2),
 * SECCOMP_RET_TRAP) or by Syscall User Dispatch, handled, blocked, ignored and left to the default action.
 */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../context.h"
#include "behave.h"

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif

/* Answers the call itself: it gives 4711, less what the call was given. */
static void answer(int signal, siginfo_t *info, void *context)
{
    say("signal %d code %d call %d\n", signal, info->si_code, info->si_syscall);
    context_set_result(context, 4711 - (long)context_argument(context, 0));
    touch_heap();
}

static int trap_getpgid(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static int trapped_and_handled(void)
{
    set_handler(SIGSYS, answer, 0);
    if (trap_getpgid())
        return 77;
    for (int i = 0; i < 5; i++)
        printf("%ld %u\n", syscall(SYS_getpgid, i), touch_heap());
    return 0;
}

static int trapped_in_child(void)
{
    set_handler(SIGSYS, answer, 0);
    if (trap_getpgid())
        return 77;
    fflush(stdout);
    pid_t child = fork();
    if (!child)
        _exit((int)syscall(SYS_getpgid, 4700));
    int status;
    waitpid(child, &status, 0);
    printf("%#x\n", (unsigned)status);
    return 0;
}

static int trapped_while_blocked(void)
{
    sigset_t set;
    set_handler(SIGSYS, answer, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGSYS);
    sigprocmask(SIG_BLOCK, &set, NULL);
    if (trap_getpgid())
        return 77;
    fflush(stdout);
    return (int)syscall(SYS_getpgid, 0) & 1;
}

static int trapped_and_ignored(void)
{
    signal(SIGSYS, SIG_IGN);
    if (trap_getpgid())
        return 77;
    return (int)syscall(SYS_getpgid, 0) & 1;
}

static int trapped(void)
{
    if (trap_getpgid())
        return 77;
    return (int)syscall(SYS_getpgid, 0) & 1;
}

/* ------------------------------------------------------------------------------------------- dispatch */

static volatile char selector;

/* As emulators do: the handler lets its own calls through, and the return from it. */
static void emulate(int signal, siginfo_t *info, void *context)
{
    selector = 0;
    long result = 4711 - (long)context_argument(context, 0);
    if (info->si_syscall != SYS_getpgid)
        result = syscall(info->si_syscall, context_argument(context, 0), context_argument(context, 1),
                         context_argument(context, 2));
    context_set_result(context, result);
    say("signal %d code %d call %d\n", signal, info->si_code, info->si_syscall);
    touch_heap();
}

static int dispatched(void)
{
    int ends[2];
    char text[6] = "";
    set_handler(SIGSYS, emulate, 0);
    if (pipe(ends) || prctl(PR_SET_SYSCALL_USER_DISPATCH, 1, 0, 0, &selector))
        return 77;
    for (int i = 0; i < 5; i++) {
        selector = 1;
        long result = syscall(SYS_getpgid, i);
        printf("%ld %u\n", result, touch_heap()); /* the selector is off again */
    }
    selector = 1;
    long written = syscall(SYS_write, ends[1], "hello", 5);
    selector = 1;
    long got = syscall(SYS_read, ends[0], text, 5);
    printf("%ld %ld %s\n", written, got, text);
    prctl(PR_SET_SYSCALL_USER_DISPATCH, 0, 0, 0, 0);
    return 0;
}

BEHAVIOURS({"trapped_and_handled", trapped_and_handled}, {"trapped_in_child", trapped_in_child},
           {"trapped_while_blocked", trapped_while_blocked}, {"trapped_and_ignored", trapped_and_ignored},
           {"trapped", trapped}, {"dispatched", dispatched})
