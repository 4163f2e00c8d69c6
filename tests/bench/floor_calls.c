/* SPDX-License-Identifier: MIT */
/*
 * The floor of a system call that somebody looks at before it runs: floor_calls MECHANISM COUNT, on getppid.
 *
 *   dispatch    Syscall User Dispatch; a SIGSYS handler in the process makes the call; nobody traces
 *   sigsys      the same, and a tracer sees each SIGSYS on its way to the handler (PTRACE_CONT)
 *   trampoline  the tracer swallows the SIGSYS and sends the thread to code that makes the call and returns
 *   seccomp     a filter that answers SECCOMP_RET_TRACE: one stop, before the call
 *   syscall     PTRACE_SYSCALL: one stop before the call and one after
 *
 * That dispatch calls nothing but what is in the allowed region while it is on: the selector is set around the loop.
 */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/ucontext.h>
#include <sys/user.h>

#include "helper.h"

#ifndef PR_SET_SYSCALL_USER_DISPATCH /* Linux 5.11 */
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif
enum { ALLOW = 0, BLOCK = 1, CALLS_A_BATCH = 8 };

/* The allowed region: a call with arguments as a C function's, the way back from a handler, and the trampoline. */
extern const char allowed_start[], allowed_end[], trampoline[];
extern long allowed_call(long nr, long a, long b, long c, long d, long e);
extern void allowed_return(void);
uintptr_t trampoline_back; /* where the thread was; one thread, so one word will do */
__asm__(".text\n"
        "allowed_start:\n"
        "allowed_call: mov %rdi, %rax; mov %rsi, %rdi; mov %rdx, %rsi; mov %rcx, %rdx; mov %r8, %r10; mov %r9, %r8\n"
        "    syscall; ret\n"
        "allowed_return: mov $15, %eax; syscall\n" /* rt_sigreturn */
        "trampoline: syscall; mov trampoline_back(%rip), %rcx; jmp *%rcx\n"
        "allowed_end: nop\n");

static volatile char selector;

static void handle_call(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info;
    greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
    g[REG_RAX] = allowed_call(g[REG_RAX], g[REG_RDI], g[REG_RSI], g[REG_RDX], g[REG_R10], g[REG_R8]);
}

/* sigaction(2) of libc would put a restorer outside of the allowed region. */
static bool start_dispatch(const char *key)
{
    struct {
        void (*handler)(int, siginfo_t *, void *);
        unsigned long flags;
        void (*restorer)(void);
        unsigned long mask;
    } action = {handle_call, SA_SIGINFO | SA_NODEFER | 0x04000000 /* SA_RESTORER */, allowed_return, 0};
    raw_call(SYS_rt_sigaction, SIGSYS, (long)&action, 0, 8);
    if (prctl(PR_SET_SYSCALL_USER_DISPATCH, 1, allowed_start, allowed_end - allowed_start, &selector) == 0)
        return true;
    printf("%s - Syscall User Dispatch (Linux 5.11) is refused: %m\n", key);
    return false;
}

static bool start_filter(const char *key)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0)
        return true;
    printf("%s - a seccomp filter is refused: %m\n", key);
    return false;
}

/* A SIGSYS of dispatch comes with the registers as before the call, and the address after it (kernel: entry/
 * syscall_user_dispatch.c rolls the call back). */
static long use_trampoline(pid_t program, long number)
{
    if (number != SIGSYS)
        return number;
    raw_call(SYS_ptrace, PTRACE_PEEKUSER, program, offsetof(struct user_regs_struct, rip), (long)&trampoline_back);
    raw_call(SYS_ptrace, PTRACE_POKEUSER, program, offsetof(struct user_regs_struct, rip), (long)trampoline);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        die("usage: floor_calls MECHANISM COUNT");
    const char *mechanism = argv[1];
    size_t count = parse_number(argv[2]);
    bool dispatch = strcmp(mechanism, "dispatch") == 0, frame = strcmp(mechanism, "sigsys") == 0,
         jump = strcmp(mechanism, "trampoline") == 0, filter = strcmp(mechanism, "seccomp") == 0,
         both = strcmp(mechanism, "syscall") == 0;
    if (!dispatch && !frame && !jump && !filter && !both)
        die("no mechanism \"%s\"", mechanism);
    bind_to_cpu();
    struct helper helper = {.resume = both ? PTRACE_SYSCALL : PTRACE_CONT,
                            .options = PTRACE_O_TRACESYSGOOD | (filter ? PTRACE_O_TRACESECCOMP : 0),
                            .answer = jump ? use_trampoline : NULL};
    if (!dispatch && !has_helper(&helper, mechanism))
        return 0;
    if (dispatch || frame || jump) {
        if (!start_dispatch(mechanism))
            return 0;
    } else if (filter && !start_filter(mechanism)) {
        return 0;
    }
    pid_t parent = getppid();
    start_batches();
    for (size_t done = 0; done < count; done += CALLS_A_BATCH) {
        selector = dispatch || frame || jump ? BLOCK : ALLOW;
        BATCH (CALLS_A_BATCH)
            for (int i = 0; i < CALLS_A_BATCH; i++)
                if (syscall(SYS_getppid) != parent)
                    die("getppid does not return the parent");
        selector = ALLOW;
    }
    print_batches(mechanism, 1);
    return 0;
}
