/* SPDX-License-Identifier: MIT */
/*
 * A program that ptraces others: a child that asked for it, stopped at each call; one that it attached to; memory and
 * registers read and written; exec and exit as events.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "behave.h"

static long *word;

/* The number of the call that the child is in; its registers too. */
static long long call_of(pid_t child, struct user_regs_struct *registers)
{
#ifdef __x86_64__
    ptrace(PTRACE_GETREGS, child, NULL, registers);
    return (long long)registers->orig_rax;
#else
    struct iovec all = {registers, sizeof *registers};
    ptrace(PTRACE_GETREGSET, child, (void *)NT_PRSTATUS, &all);
    return (long long)registers->regs[8];
#endif
}

static int calls(void)
{
    word = memset(new_memory(PAGE), 0, PAGE);
    touch_heap();
    pid_t child = fork();
    if (child == 0) {
        result("traceme", ptrace(PTRACE_TRACEME, 0, NULL, NULL));
        raise(SIGSTOP);
        *word = 0x1234;
        syscall(SYS_getppid);
        syscall(SYS_getpgid, 0);
        _exit(*word == 0x5678 ? 4 : 5);
    }
    int status, stops = 0;
    waitpid(child, &status, 0);
    print_status("child", status);
    result("options", ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXIT)));
    while (ptrace(PTRACE_SYSCALL, child, NULL, NULL) == 0 && waitpid(child, &status, 0) == child) {
        print_status("child", status);
        if (!WIFSTOPPED(status))
            break;
        struct user_regs_struct *registers = new_memory(PAGE);
        printf("call %lld, word %lx\n", call_of(child, registers),
               (unsigned long)ptrace(PTRACE_PEEKDATA, child, word, NULL));
        if (stops++ == 1)
            result("poke", ptrace(PTRACE_POKEDATA, child, word, (void *)0x5678));
        free(registers);
        touch_heap();
    }
    return 0;
}

static int attach(void)
{
    int status;
    touch_heap();
    pid_t child = fork();
    if (child == 0) {
        for (;;)
            pause();
    }
    until_asleep(child, child);
    result("attach", ptrace(PTRACE_ATTACH, child, NULL, NULL));
    waitpid(child, &status, __WALL);
    print_status("child", status);
    siginfo_t *info = new_memory(PAGE);
    result("siginfo", ptrace(PTRACE_GETSIGINFO, child, NULL, info));
    printf("signal %d\n", info->si_signo);
    result("detach", ptrace(PTRACE_DETACH, child, NULL, NULL));
    result("seize", ptrace(PTRACE_SEIZE, child, NULL, NULL));
    result("interrupt", ptrace(PTRACE_INTERRUPT, child, NULL, NULL));
    waitpid(child, &status, __WALL);
    print_status("child", status);
    result("kill", kill(child, SIGKILL));
    wait_and_print("child", child);
    return 0;
}

static int execve_event(void)
{
    int status;
    touch_heap();
    pid_t child = fork();
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        execl("/bin/sh", "sh", "-c", "exit 6", NULL);
        _exit(1);
    }
    waitpid(child, &status, 0);
    ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)PTRACE_O_TRACEEXEC);
    for (;;) {
        ptrace(PTRACE_CONT, child, NULL, NULL);
        if (waitpid(child, &status, 0) != child)
            return 1;
        print_status("child", status);
        if (!WIFSTOPPED(status))
            break;
    }
    return 0;
}

static int single_steps(void)
{
    int status, steps = 0;
    touch_heap();
    pid_t child = fork();
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        _exit(7);
    }
    waitpid(child, &status, 0);
    for (; steps < 10; steps++) {
        ptrace(PTRACE_SINGLESTEP, child, NULL, NULL);
        waitpid(child, &status, 0);
        print_status("step", status);
    }
    ptrace(PTRACE_CONT, child, NULL, NULL);
    wait_and_print("child", child);
    return 0;
}

BEHAVIOURS({"calls", calls}, {"attach", attach}, {"execve_event", execve_event}, {"single_steps", single_steps})
