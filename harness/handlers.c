/* SPDX-License-Identifier: MIT */
/* The functions vmti_action_* run in the catcher; the handler runs in the program, at any point of it:
 * async-signal-safe, raw system calls only. */
#define _GNU_SOURCE
#include "handlers.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "../catcher/dispatch.h"
#include "os.h"
#include "pagedir.h"
#include "region.h"
#include "thread.h"
#include "window.h"

/* The region whose faults the handler looks after. */
static _Atomic(struct vmti_region *) watched;

/* ------------------------------------------------------------------------------------------- actions */

bool vmti_action_needs_change(const struct vmti_region *r, int signal, const struct vmti_sigaction *action)
{
    if (vmti_is_dispatched(r))
        return vmti_dispatch_needs_change(signal, action);
    return vmti_is_own_signal(signal) || (action->mask & VMTI_OWN_MASK);
}

void vmti_action_for_kernel(const struct vmti_region *r, int signal, struct vmti_sigaction *action)
{
    if (vmti_is_dispatched(r)) {
        vmti_dispatch_action(signal, action);
        return;
    }
    if (vmti_is_own_signal(signal)) {
        /* SA_NODEFER: else the kernel blocks it while the program's handler runs, which may use closed pages.
         * Without SA_RESETHAND: the net stays, and does what that says. */
        uint64_t flags = (action->flags | SA_SIGINFO | SA_NODEFER) & ~(uint64_t)SA_RESETHAND;
        bool own_handler = vmti_action_has_handler(action);
        if (!own_handler)
            *action = r->net_action;
        action->handler = r->net_action.handler;
        if (own_handler)
            action->flags = flags;
    }
    action->mask &= ~VMTI_OWN_MASK;
}

void vmti_action_for_program(const struct vmti_region *r, const struct vmti_actions *set, int signal,
                             struct vmti_sigaction *action)
{
    const struct vmti_sigaction *wanted = &set->of[signal - 1];
    if (vmti_is_own_signal(signal) || vmti_is_dispatched(r))
        *action = *wanted;
    else
        action->mask |= wanted->mask & VMTI_OWN_MASK;
}

/* ------------------------------------------------------------------------------------------- the net */

static bool catcher_is_dead(const struct vmti_region *r)
{
    siginfo_t info;
    memset(&info, 0, sizeof info);
    /* WNOWAIT leaves it to vmt_end to reap. */
    long error = vmti_sys(SYS_waitid, P_PID, r->catcher, &info, WEXITED | WNOHANG | WNOWAIT | __WCLONE, 0, 0);
    return error == -ECHILD || (!error && info.si_pid == r->catcher);
}

/* A fault of ours that nobody answered: everything is opened, and the instruction runs again. */
static bool catch_orphaned_fault(struct vmti_region *r, const siginfo_t *info, const ucontext_t *context)
{
    if (info->si_code != SEGV_ACCERR && info->si_code != SEGV_MAPERR)
        return false;
    uint32_t word = vmti_dir_get((uintptr_t)info->si_addr >> VMTI_PAGE_SHIFT);
    if (!(word & VMTI_DIR_TRACKED) || !(vmti_dir_prot(word) & (vmti_fault_wrote(context) ? PROT_WRITE : PROT_READ)))
        return false;
    if (!catcher_is_dead(r))
        return false;
    /* The marks in the directory stay until vmt_end: other threads may be on their way here. */
    vmti_lose(r, -EOWNERDEAD, VMTI_STEP_KILLED);
    vmti_open_all(r);
    return true;
}

/*
 * The catcher has been killed just now (catcher/alarm.c): everything is opened before this thread goes on. A call that
 * it was about to make has met closed pages, perhaps, or was interrupted by this signal: it runs again.
 */
static void catch_alarm(struct vmti_region *r, ucontext_t *context)
{
    vmti_lose(r, -EOWNERDEAD, VMTI_STEP_KILLED);
    vmti_open_all(r);
    pid_t tid = vmti_own_tid();
    const struct vmti_thread *t;
    HASH_FIND(hh, r->threads, &tid, sizeof tid, t);
    int64_t nr = t && t->in_call ? t->call.nr : -1;
    uint64_t first = t ? t->call.args[0] : 0;
    if (!vmti_context_rerun(context, -EFAULT, nr, first))
        vmti_context_rerun(context, -EINTR, nr, first);
}

static void net(int signal, siginfo_t *info, void *context)
{
    struct vmti_region *r = atomic_load(&watched);
    if (!r) /* the region has just ended, and the program's handler is in place: let it fault again */
        return;
    if (signal == SIGSEGV && catch_orphaned_fault(r, info, context))
        return;
    if (signal == SIGSEGV && info->si_code == SI_SIGIO) {
        catch_alarm(r, context);
        return;
    }
    struct vmti_sigaction *wanted = &r->actions.of[signal - 1], action = *wanted;
    if (!vmti_action_has_handler(&action)) {
        /* The default action. A fault happens again and finds it; other signals are sent again. (The kernel does
         * the same for a fault whose signal is ignored; ignored ones that were sent do not come here.) */
        action = (struct vmti_sigaction){.handler = (uint64_t)SIG_DFL};
        vmti_sys(SYS_rt_sigaction, signal, &action, 0, sizeof action.mask, VMTI_OWN_CALL, 0);
        if (info->si_code <= 0 || signal == SIGSYS)
            vmti_sys(SYS_rt_tgsigqueueinfo, vmti_sys(SYS_getpid, 0, 0, 0, 0, 0, 0),
                     vmti_own_tid(), signal, info, 0, 0);
        return;
    }
    if (action.flags & SA_RESETHAND)
        wanted->handler = (uint64_t)SIG_DFL;
    ((void (*)(int, siginfo_t *, void *))action.handler)(signal, info, context);
}

/* ------------------------------------------------------------------------------------------- begin and end */

/* What a handler returns to. Unwinders know a signal frame by these very instructions (libgcc, md-unwind-support.h;
 * gdb). */
__asm__(".pushsection .text\n"
        ".balign 16\n"
        "    nop\n"
        ".globl vmti_restorer\n"
        ".hidden vmti_restorer\n"
        "vmti_restorer: " VMTI_ASM_SIGRETURN "\n"
        ".popsection\n");
extern VMTI_HIDDEN const char vmti_restorer[];

void vmti_handlers_take(struct vmti_region *r)
{
    for (int signal = 1; signal <= VMTI_SIGNALS; signal++) /* fails for none but a signal that does not exist */
        vmti_sys(SYS_rt_sigaction, signal, 0, &r->actions.of[signal - 1], sizeof r->actions.of->mask, 0, 0);
    atomic_store(&watched, r);
    /* Not through libc: a sanitizer may keep SIGSEGV to itself there. */
    if (!vmti_is_dispatched(r))
        r->net_action = (struct vmti_sigaction){
            .handler = (uint64_t)(uintptr_t)net,
            .flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK | 0x04000000 /* SA_RESTORER */,
            .restorer = (uint64_t)(uintptr_t)vmti_restorer,
        };
    for (int signal = 1; signal <= VMTI_SIGNALS; signal++) {
        struct vmti_sigaction action = r->actions.of[signal - 1];
        if (!vmti_action_needs_change(r, signal, &action))
            continue;
        vmti_action_for_kernel(r, signal, &action);
        vmti_sys(SYS_rt_sigaction, signal, &action, 0, sizeof action.mask, 0, 0);
    }
}

void vmti_handlers_give_back(struct vmti_region *r)
{
    for (int signal = 1; signal <= VMTI_SIGNALS; signal++) {
        struct vmti_sigaction action;
        if (!vmti_action_needs_change(r, signal, &r->actions.of[signal - 1]) ||
            vmti_sys(SYS_rt_sigaction, signal, 0, &action, sizeof action.mask, 0, 0))
            continue;
        vmti_action_for_program(r, &r->actions, signal, &action);
        vmti_sys(SYS_rt_sigaction, signal, &action, 0, sizeof action.mask, 0, 0);
    }
    atomic_store(&watched, NULL);
}
