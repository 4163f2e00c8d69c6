/* SPDX-License-Identifier: MIT */
/*
 * SIGSEGV as a signal like others: blocked, pending, waited for, ignored, in masks of handlers, reset by its handler,
 * and what happens if a fault cannot be handled (signal(7): a fault while it is blocked or ignored kills).
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <sys/signalfd.h>
#include <ucontext.h>

#include "behave.h"

static void noted(int signal, siginfo_t *info, void *context)
{
    (void)context;
    sigset_t mask;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    say("signal %d code %d, SEGV blocked %d\n", signal, info->si_code, sigismember(&mask, SIGSEGV));
}

static sigset_t only_segv(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    return set;
}

static void block(void)
{
    sigset_t set = only_segv();
    sigprocmask(SIG_BLOCK, &set, NULL);
}

static int mask_of_handler(void)
{
    struct sigaction action = {.sa_sigaction = noted, .sa_flags = SA_SIGINFO, .sa_mask = only_segv()};
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    set_handler(SIGSEGV, noted, 0);
    raise(SIGSEGV);
    set_handler(SIGSEGV, noted, SA_NODEFER);
    raise(SIGSEGV);
    return 0;
}

static void change_mask(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info;
    sigaddset(&((ucontext_t *)context)->uc_sigmask, SIGSEGV);
}

static int mask_of_the_frame(void)
{
    sigset_t now;
    set_handler(SIGUSR1, change_mask, 0);
    raise(SIGUSR1);
    sigprocmask(SIG_BLOCK, NULL, &now);
    printf("%d, %u\n", sigismember(&now, SIGSEGV), touch_heap());
    return 0;
}

static int blocked_and_waited_for(void)
{
    sigset_t set = only_segv(), now;
    int got;
    block();
    printf("%u\n", touch_heap());
    raise(SIGSEGV);
    puts("alive");
    sigpending(&now);
    printf("pending %d, %u\n", sigismember(&now, SIGSEGV), touch_heap());
    sigwait(&set, &got);
    sigpending(&now);
    printf("got %d, pending %d\n", got, sigismember(&now, SIGSEGV));
    return 0;
}

static int blocked_and_read(void)
{
    sigset_t set = only_segv();
    block();
    int fd = signalfd(-1, &set, SFD_NONBLOCK);
    struct signalfd_siginfo from;
    kill(getpid(), SIGSEGV);
    result("read", read(fd, &from, sizeof from));
    printf("%u\n", from.ssi_signo);
    return 0;
}

static int blocked_and_handled(void)
{
    sigset_t set = only_segv();
    set_handler(SIGSEGV, noted, 0);
    block();
    raise(SIGSEGV);
    puts("after raise");
    touch_heap();
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    puts("after unblocking");
    return 0;
}

static int blocked_and_killed(void)
{
    sigset_t set = only_segv();
    block();
    raise(SIGSEGV);
    printf("alive, %u\n", touch_heap());
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    puts("not reached");
    return 0;
}

static int blocked_fault(void)
{
    set_handler(SIGSEGV, noted, 0);
    block();
    printf("%u\n", touch_heap());
    *bad_address(8) = 1;
    return 0;
}

static int blocked_over_execve(void)
{
    block();
    execl("/bin/sed", "sed", "-n", "-E", "/Sig(Blk|Ign)/p", "/proc/self/status", NULL);
    return 1;
}

static int ignored(void)
{
    signal(SIGSEGV, SIG_IGN);
    raise(SIGSEGV);
    kill(getpid(), SIGSEGV);
    printf("ignored, %u\n", touch_heap());
    execl("/bin/sh", "sh", "-c", "sed -n -E '/Sig(Ign|Blk)/p' /proc/self/status; kill -SEGV $$; echo alive", NULL);
    return 1;
}

static int ignored_fault(void)
{
    signal(SIGSEGV, SIG_IGN);
    printf("%u\n", touch_heap());
    *bad_address(8) = 1;
    return 0;
}

static int ignored_in_child(void)
{
    signal(SIGSEGV, SIG_IGN);
    return system("sed -n /SigIgn/p /proc/self/status; kill -SEGV $$; echo alive");
}

static int reset_by_handler(void)
{
    struct sigaction now;
    set_handler(SIGSEGV, noted, SA_RESETHAND);
    raise(SIGSEGV);
    sigaction(SIGSEGV, NULL, &now);
    printf("default %d, flags %x, %u\n", now.sa_handler == SIG_DFL, (unsigned)now.sa_flags, touch_heap());
    *bad_address(8) = 1;
    return 0;
}

static void fault_again(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    say("in the handler\n");
    touch_heap();
    *bad_address(16) = 1;
}

static int fault_in_handler(void)
{
    set_handler(SIGSEGV, fault_again, 0);
    *bad_address(8) = 1;
    return 0;
}

static sigjmp_buf inner;
static volatile int depth;

static void nest(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    if (depth++ == 0) {
        if (!sigsetjmp(inner, 1))
            *bad_address(16) = 1;
        say("back in the outer handler, depth %d\n", depth);
        _exit(3);
    }
    siglongjmp(inner, 1);
}

static int nested(void)
{
    set_handler(SIGSEGV, nest, SA_NODEFER);
    *bad_address(8) = 1;
    return 0;
}

static int returns_to_the_fault(void)
{
    set_handler(SIGSEGV, noted, SA_RESETHAND);
    *bad_address(8) = 1;
    return 0;
}

BEHAVIOURS({"mask_of_handler", mask_of_handler}, {"mask_of_the_frame", mask_of_the_frame},
           {"blocked_and_waited_for", blocked_and_waited_for}, {"blocked_and_read", blocked_and_read},
           {"blocked_and_handled", blocked_and_handled}, {"blocked_and_killed", blocked_and_killed},
           {"blocked_fault", blocked_fault}, {"blocked_over_execve", blocked_over_execve}, {"ignored", ignored},
           {"ignored_fault", ignored_fault}, {"ignored_in_child", ignored_in_child},
           {"reset_by_handler", reset_by_handler}, {"fault_in_handler", fault_in_handler}, {"nested", nested},
           {"returns_to_the_fault", returns_to_the_fault})
