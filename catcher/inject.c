/* SPDX-License-Identifier: MIT */
/*
 * Calls that the catcher has a stopped thread make, unseen by the program. Few need it: what belongs to the shared memory the
 * catcher does itself. Runs in the catcher; see internal.h.
 */
#include "internal.h"

#include <errno.h>

/* A `syscall` instruction in the text of this library. */
extern VMTI_HIDDEN const char vmti_syscall_insn[];
__asm__(".pushsection .text\n"
        ".hidden vmti_syscall_insn\n"
        ".globl vmti_syscall_insn\n"
        "vmti_syscall_insn: syscall\n"
        ".popsection\n");

bool vmti_inject_begin(struct vmti_injection *in, pid_t tid)
{
    uint64_t all = ~(uint64_t)0;
    in->tid = tid;
    in->stop_again = false;
    if (vmti_ptrace_get_regs(tid, &in->saved) || vmti_ptrace_get_mask(tid, &in->mask) || vmti_ptrace_set_mask(tid, &all))
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
        long got;
        do
            got = vmti_sys(SYS_wait4, in->tid, &status, __WALL, 0, 0, 0);
        while (got == -EINTR);
        if (got < 0 || !WIFSTOPPED(status))
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
