/* SPDX-License-Identifier: MIT */
/*
 * A program that gives up privileges, makes itself not dumpable, filters its system calls or dies with a core: tracing
 * goes on, and what it may do is what it may do natively.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "behave.h"

static void work(void)
{
    char *p = memset(new_memory(100 * PAGE), 0, 100 * PAGE);
    int ends[2];
    printf("%u\n", touch_heap());
    if (pipe(ends) == 0) {
        result("write", write(ends[1], p, 5000));
        result("read", read(ends[0], p + 50 * PAGE, 5000));
    }
    pid_t child = fork();
    if (child == 0)
        _exit((int)(touch_heap() % 100));
    wait_and_print("child", child);
}

static int not_dumpable(void)
{
    touch_heap();
    result("set", prctl(PR_SET_DUMPABLE, 0));
    result("get", prctl(PR_GET_DUMPABLE));
    work();
    result("set", prctl(PR_SET_DUMPABLE, 1));
    work();
    return 0;
}

static int not_dumpable_threads(void)
{
    prctl(PR_SET_DUMPABLE, 0);
    pthread_t thread;
    if (pthread_create(&thread, NULL, (void *(*)(void *))(void *)touch_heap, NULL))
        return 1;
    pthread_join(thread, NULL);
    printf("%u\n", touch_heap());
    return 0;
}

static int other_user(void)
{
    if (geteuid() != 0)
        return puts("SKIP: needs root"), 77;
    touch_heap();
    result("setgroups", setgroups(0, NULL));
    result("setegid", setegid(65534));
    result("seteuid", seteuid(65534));
    printf("%d %d\n", (int)geteuid(), prctl(PR_GET_DUMPABLE));
    result("open", open("/etc/shadow", O_RDONLY));
    work();
    result("seteuid", seteuid(0));
    work();
    result("setuid", setuid(65534));
    result("setuid back", setuid(0));
    work();
    return 0;
}

static int no_new_privileges(void)
{
    touch_heap();
    result("set", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    result("get", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    work();
    return 0;
}

/* Calls that are in the list get this action; all others are allowed. */
static int filter(const int *calls, int count, unsigned action)
{
    struct sock_filter *code = new_memory(PAGE);
    unsigned short n = 0;
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < count; i++) {
        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i], 0, 1);
        code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action);
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog *program = new_memory(PAGE);
    *program = (struct sock_fprog){n, code};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program);
}

static void on_sys(int signal, siginfo_t *info, void *context)
{
    (void)context;
    say("signal %d code %d call %d arch %x\n", signal, info->si_code, info->si_syscall == SYS_getpgid, info->si_arch);
}

static int filtered(void)
{
    static const int denied[] = {SYS_getppid, SYS_getsid}, trapped[] = {SYS_getpgid};
    touch_heap();
    set_handler(SIGSYS, on_sys, 0);
    result("filter", filter(denied, 2, SECCOMP_RET_ERRNO | ENOTTY));
    result("filter", filter(trapped, 1, SECCOMP_RET_TRAP));
    errno = 0;
    result("getppid", syscall(SYS_getppid));
    result("getpgid", syscall(SYS_getpgid, 0) == SYS_getpgid);
    work();
    return 0;
}

static int killed_by_filter(void)
{
    static const int denied[] = {SYS_getppid};
    touch_heap();
    result("filter", filter(denied, 1, SECCOMP_RET_KILL_PROCESS));
    work();
    syscall(SYS_getppid);
    return 0;
}

static int strict(void)
{
    static char *pages;
    pages = memset(new_memory(100 * PAGE), 0, 100 * PAGE);
    touch_heap();
    puts("from now on read, write, exit");
    result("strict", prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
    unsigned sum = 0;
    for (int i = 0; i < 100; i++)
        sum += (unsigned char)(pages[i * PAGE] += 3);
    say("%u\n", sum);
    syscall(SYS_exit, 7);
    return 1;
}

static int strict_broken(void)
{
    touch_heap();
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
    touch_heap();
    syscall(SYS_getppid);
    return 1;
}

BEHAVIOURS({"not_dumpable", not_dumpable}, {"not_dumpable_threads", not_dumpable_threads},
           {"other_user", other_user}, {"no_new_privileges", no_new_privileges}, {"filtered", filtered},
           {"killed_by_filter", killed_by_filter}, {"strict", strict}, {"strict_broken", strict_broken})
