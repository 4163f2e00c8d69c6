/* SPDX-License-Identifier: MIT */
/*
 * Handlers of a program's own: what sigaction, sigprocmask and sigpending read back, masks and flags, the siginfo of
 * each kind of fault, queues of real-time signals, and signals that are waited for.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>

#include "../context.h"
#include "behave.h"

static sigjmp_buf before;

static void noted(int signal, siginfo_t *info, void *context)
{
    (void)context;
    sigset_t mask;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    say("signal %d code %d value %d blocked: itself %d USR2 %d SEGV %d\n", signal, info->si_code,
        info->si_code == SI_QUEUE ? info->si_value.sival_int : 0, sigismember(&mask, signal),
        sigismember(&mask, SIGUSR2), sigismember(&mask, SIGSEGV));
}

/* What was set is what is read. */
static int read_back(void)
{
    static const int signals[] = {SIGUSR1, SIGSEGV, SIGBUS, SIGTRAP, SIGCHLD, SIGSYS, SIGTERM};
    static const int flags[] = {0, SA_RESTART, SA_NODEFER | SA_ONSTACK, SA_NOCLDWAIT | SA_NOCLDSTOP};
    struct sigaction action, old, now;
    for (size_t s = 0; s < sizeof signals / sizeof *signals; s++) {
        for (size_t f = 0; f < sizeof flags / sizeof *flags; f++) {
            memset(&action, 0, sizeof action);
            action.sa_sigaction = noted;
            action.sa_flags = SA_SIGINFO | flags[f];
            sigaddset(&action.sa_mask, SIGUSR2);
            if (f & 1)
                sigaddset(&action.sa_mask, SIGSEGV);
            if (sigaction(signals[s], &action, &old) < 0 || sigaction(signals[s], NULL, &now) < 0)
                return 1;
            printf("%d: was %d %x, is %d %x, mask %d %d %d\n", signals[s], old.sa_sigaction == noted,
                   (unsigned)old.sa_flags, now.sa_sigaction == noted, (unsigned)now.sa_flags,
                   sigismember(&now.sa_mask, SIGUSR2), sigismember(&now.sa_mask, SIGSEGV),
                   sigismember(&now.sa_mask, SIGUSR1));
        }
        printf("signal() gives back the handler: %d\n", signal(signals[s], SIG_IGN) == (sighandler_t)(void *)noted);
        printf("and ignored: %d\n", signal(signals[s], SIG_DFL) == SIG_IGN);
    }
    result("SIGKILL", sigaction(SIGKILL, &action, NULL));
    result("SIGSTOP", sigaction(SIGSTOP, &action, NULL));
    result("none", sigaction(65, &action, NULL));
    result("a bad pointer", syscall(SYS_rt_sigaction, SIGUSR1, (void *)8, NULL, 8));
    result("a bad size", syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 4));
    return 0;
}

static int masks(void)
{
    struct sigaction action = {.sa_sigaction = noted, .sa_flags = SA_SIGINFO};
    sigset_t all, old, now;
    sigfillset(&all);
    sigfillset(&action.sa_mask);
    sigdelset(&action.sa_mask, SIGSEGV); /* behave_segv.c */
    for (int i = 0; i < 6; i++)
        sigaction(SIGRTMIN + i, &action, NULL);
    sigprocmask(SIG_SETMASK, &all, &old);
    sigprocmask(SIG_BLOCK, NULL, &now);
    for (int i = 1; i <= SIGRTMAX; i++)
        putchar('0' + sigismember(&now, i));
    putchar('\n');
    for (int i = 0; i < 12; i++)
        sigqueue(getpid(), SIGRTMIN + 5 - i % 6, (union sigval){i});
    raise(SIGUSR1);
    raise(SIGUSR1);
    sigpending(&now);
    printf("pending %d %d %d\n", sigismember(&now, SIGRTMIN), sigismember(&now, SIGUSR1), sigismember(&now, SIGUSR2));
    signal(SIGUSR1, SIG_IGN); /* drops it */
    sigpending(&now);
    printf("pending %d\n", sigismember(&now, SIGUSR1));
    touch_heap();
    sigprocmask(SIG_SETMASK, &old, NULL);
    result("a bad size", syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, NULL, 4));
    result("a bad how", sigprocmask(77, &all, NULL));

    set_handler(SIGUSR1, noted, SA_NODEFER);
    raise(SIGUSR1);
    set_handler(SIGUSR1, noted, SA_RESETHAND);
    raise(SIGUSR1);
    sigaction(SIGUSR1, NULL, &action);
    printf("reset %d flags %x\n", action.sa_handler == SIG_DFL, (unsigned)action.sa_flags);
    raise(SIGUSR1); /* the end */
    return 0;
}

static void change_mask(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info;
    sigaddset(&((ucontext_t *)context)->uc_sigmask, SIGUSR2);
    sigdelset(&((ucontext_t *)context)->uc_sigmask, SIGTERM);
}

static int mask_of_the_frame(void)
{
    sigset_t now;
    sigemptyset(&now);
    sigaddset(&now, SIGTERM);
    sigprocmask(SIG_BLOCK, &now, NULL);
    set_handler(SIGUSR1, change_mask, 0);
    raise(SIGUSR1);
    sigprocmask(SIG_BLOCK, NULL, &now);
    printf("%d %d\n", sigismember(&now, SIGUSR2), sigismember(&now, SIGTERM));
    printf("%u\n", touch_heap());
    return 0;
}

static volatile uintptr_t base;

static void describe(int signal, siginfo_t *info, void *context)
{
    ucontext_t *frame = context;
    intptr_t offset = (intptr_t)((uintptr_t)info->si_addr - base);
    if (signal == SIGTRAP)
        say("signal %d code %d trap %lu\n", signal, info->si_code, (unsigned long)context_trap(frame));
    else if (signal == SIGSYS)
        say("signal %d code %d call %d\n", signal, info->si_code, info->si_syscall);
    else
        say("signal %d code %d at %lx trap %lu error %lx same address %d\n", signal, info->si_code,
            (unsigned long)offset, (unsigned long)context_trap(frame), (unsigned long)context_error(frame),
            context_fault_address(frame) == base + (uintptr_t)offset);
    touch_heap();
    if (signal == SIGTRAP)
        context_leave_trap(frame);
    else
        siglongjmp(before, 1);
}

#define ATTEMPT(origin, ...)                                                                                           \
    do {                                                                                                               \
        base = (uintptr_t)(origin);                                                                                    \
        if (!sigsetjmp(before, 1)) {                                                                                   \
            __VA_ARGS__;                                                                                               \
            puts("went well");                                                                                         \
        }                                                                                                              \
    } while (0)

static int faults(void)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        set_handler(signals[i], describe, 0);
    volatile char *heap = memset(new_memory(4 * PAGE), 1, 4 * PAGE);
    ATTEMPT(0, *bad_address(16) = 1);
    mprotect((char *)(uintptr_t)heap, PAGE, PROT_NONE);
    mprotect((char *)(uintptr_t)heap + PAGE, PAGE, PROT_READ);
    ATTEMPT(heap, heap[100]++);
    ATTEMPT(heap, heap[PAGE + 100]++);
    ATTEMPT(heap, printf("%d\n", heap[PAGE + 100]));
    ATTEMPT(heap, heap[2 * PAGE + 100]++);
    ATTEMPT(heap, ((void (*)(void))(uintptr_t)(heap + 3 * PAGE))());
    mprotect((char *)(uintptr_t)heap, 2 * PAGE, PROT_READ | PROT_WRITE);
    ATTEMPT(0, *bad_address(0x8000000000000000)); /* not canonical: no address is told */
    int fd = memfd_create("short", 0);
    volatile char *mapped = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ATTEMPT(mapped, mapped[PAGE + 7] = 1);
#ifdef __x86_64__ /* others do not trap there, or have no single step of a program's own */
    volatile int zero = 0;
    ATTEMPT(0, base = (uintptr_t) && divide; divide
            : __asm__ volatile("movl $1, %%eax; cltd; idivl %0" ::"m"(zero)
                               : "eax", "edx"));
    __asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq; nop" ::: "memory", "cc"); /* a single step */
#endif
    __asm__ volatile(BREAKPOINT_INSTRUCTION);
    printf("%u\n", touch_heap() > 0);
    return 0;
}

static int illegal(void)
{
    set_handler(SIGILL, describe, 0);
    uint8_t *code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(code, ILLEGAL_CODE, ILLEGAL_BYTES);
    __builtin___clear_cache((char *)code, (char *)code + ILLEGAL_BYTES);
    ATTEMPT(code, ((void (*)(void))(uintptr_t)code)());
    return 0;
}

/* Hundreds of faults of its own, each left by a jump, between those of the tracer. */
static void jump(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    siglongjmp(before, 1);
}

static int many_faults(void)
{
    set_handler(SIGSEGV, jump, 0);
    volatile int count = 0;
    for (volatile int i = 0; i < 300; i++) {
        if (!sigsetjmp(before, 1))
            *bad_address((uintptr_t)i % 7) = 1;
        count++;
        touch_heap();
    }
    printf("%d\n", count);
    return 0;
}

static int waited_for(void)
{
    sigset_t set, now;
    int got;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGRTMIN + 1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    siginfo_t *info = new_memory(PAGE);
    for (int i = 0; i < 4; i++) {
        sigqueue(getpid(), i & 1 ? SIGUSR1 : SIGRTMIN + 1, (union sigval){i});
        touch_heap();
        got = sigwaitinfo(&set, info);
        printf("%d code %d value %d from itself %d\n", got, info->si_code, info->si_value.sival_int,
               info->si_pid == getpid());
    }
    struct timespec none = {0, 0};
    result("none is left", sigtimedwait(&set, info, &none));
    int fd = signalfd(-1, &set, SFD_NONBLOCK);
    struct signalfd_siginfo *from = new_memory(PAGE);
    result("none to read", read(fd, from, sizeof *from));
    raise(SIGUSR1);
    result("one", read(fd, from, sizeof *from));
    printf("%u code %d\n", from->ssi_signo, from->ssi_code);
    raise(SIGUSR1);
    sigwait(&set, &got);
    sigpending(&now);
    printf("%d, pending %d\n", got, sigismember(&now, SIGUSR1));
    return 0;
}

BEHAVIOURS({"read_back", read_back}, {"masks", masks}, {"mask_of_the_frame", mask_of_the_frame}, {"faults", faults},
           {"illegal", illegal}, {"many_faults", many_faults}, {"waited_for", waited_for})
