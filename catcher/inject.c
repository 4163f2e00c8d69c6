/* SPDX-License-Identifier: MIT */
/*
 * Calls that the catcher has a stopped thread make, unseen by the program. Few need it: what belongs to the shared
 * memory the catcher does itself. Runs in the catcher; see internal.h.
 */
#include "internal.h"

#include <errno.h>

#include "proc.h"

/* An instruction that makes a call, in the text of this library. */
extern VMTI_HIDDEN const char vmti_syscall_insn[];
__asm__(".pushsection .text\n"
        ".hidden vmti_syscall_insn\n"
        ".globl vmti_syscall_insn\n"
        "vmti_syscall_insn: " VMTI_ASM_SYSCALL "\n"
        ".popsection\n");

/* The end of a process's first thread is not reported before its other threads have been waited for (ptrace(2)): those
 * are for later, so that one is looked at. */
static bool is_dead(pid_t tid)
{
    char stat[512];
    const char *state = vmti_proc_after_name(stat, vmti_proc_read(tid, 0, "/stat", stat, sizeof stat));
    return !*state || state[1] == 'Z' || state[1] == 'X';
}

bool vmti_inject_wait(struct vmti_region *r, pid_t tid, int *status)
{
    bool first_of_many = tid == r->pid && r->counts.threads_now > 1;
    for (;;) {
        long got = vmti_sys(SYS_wait4, tid, status, __WALL | (first_of_many ? WNOHANG : 0), 0, 0, 0);
        if (got == tid)
            return WIFSTOPPED(*status);
        if (got < 0 && got != -EINTR)
            return false;
        if (got == 0) {
            struct timespec moment = {0, 20000};
            if (is_dead(tid))
                return false;
            vmti_sys(SYS_nanosleep, &moment, 0, 0, 0, 0, 0);
        }
    }
}

bool vmti_inject_begin(struct vmti_injection *in, struct vmti_region *r, pid_t tid)
{
    uint64_t all = ~(uint64_t)0;
    in->r = r;
    in->tid = tid;
    in->stop_again = false;
    if (vmti_ptrace_get_regs(tid, &in->saved) || vmti_ptrace_get_mask(tid, &in->mask) ||
        vmti_ptrace_set_mask(tid, &all))
        return false;
    in->regs = in->saved;
    return true;
}

long vmti_inject_call(struct vmti_injection *in, long nr, uint64_t a, uint64_t b, uint64_t d, uint64_t e)
{
    vmti_regs_set_call(&in->regs, (uint64_t)vmti_syscall_insn, nr, a, b, d, e);
    if (vmti_ptrace_set_regs(in->tid, &in->regs))
        return -ESRCH;
    for (int stop = 0; stop < 2;) { /* its entry and its exit */
        int status;
        if (vmti_ptrace_resume(in->tid, 0))
            return -ESRCH;
        if (!vmti_inject_wait(in->r, in->tid, &status))
            return -ESRCH;
        if (vmti_stop_signal(status) == (SIGTRAP | 0x80))
            stop++;
        else if (vmti_stop_signal(status) != SIGTRAP) /* the one signal that cannot be blocked and does not kill */
            in->stop_again = true;
    }
    if (vmti_ptrace_get_regs(in->tid, &in->regs))
        return -ESRCH;
    return vmti_regs_result(&in->regs);
}

void vmti_inject_end(struct vmti_injection *in)
{
    vmti_ptrace_set_regs(in->tid, &in->saved);
    vmti_ptrace_set_mask(in->tid, &in->mask);
    if (in->stop_again)
        vmti_sys(SYS_tkill, in->tid, SIGSTOP, 0, 0, 0, 0);
}
