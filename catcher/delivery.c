/* SPDX-License-Identifier: MIT */
/*
 * Signals on their way to the program: what is a fault of ours, what the kernel would have dropped or left pending without
 * us, and what a handler finds in its frame. Runs in the catcher; see internal.h.
 */
#include "internal.h"

#include <errno.h>

#include "../harness/fault.h"
#include "../harness/window.h"

/* ------------------------------------------------------------------------------------------- interrupted calls */

/*
 * A few calls return EINTR even when no handler ran (epoll_wait, semop, sigtimedwait, …: signal(7), "Interruption of system
 * calls"); the others are restarted by the kernel. Without a tracer the kernel drops a signal that is ignored when it is
 * sent, and no call ever knows (kernel/signal.c, sig_ignored).
 */
void vmti_undo_interruption(struct vmti_thread *t)
{
    struct vmti_signals *s = &t->signals;
    vmti_regs regs;
    if (s->interrupted || s->rerunning || vmti_ptrace_get_regs(t->tid, &regs) || vmti_regs_nr(&regs) < 0 ||
        vmti_regs_result(&regs) != -EINTR)
        return;
    s->rerunning = true;
    s->rerun_result = vmti_regs_result(&regs);
    vmti_regs_rerun(&regs);
    vmti_ptrace_set_regs(t->tid, &regs);
}

/* A signal that the program sees has come before the call could run again: so that one has interrupted it. */
static void redo_interruption(struct vmti_thread *t)
{
    struct vmti_signals *s = &t->signals;
    vmti_regs regs;
    if (!s->rerunning)
        return;
    s->rerunning = false;
    if (vmti_ptrace_get_regs(t->tid, &regs))
        return;
    vmti_regs_return(&regs, s->rerun_result);
    vmti_ptrace_set_regs(t->tid, &regs);
}

/* ------------------------------------------------------------------------------------------- frames */

/* The kernel writes the frame where the stack pointer, or the alternate stack, is. */
static void open_frame(struct vmti_catcher *c, struct vmti_thread *t)
{
    vmti_regs regs;
    if (vmti_ptrace_get_regs(t->tid, &regs))
        return;
    uintptr_t sp = vmti_regs_sp(&regs);
    if (sp <= VMTI_SIGFRAME_BYTES)
        return;
    struct vmti_span *span = vmti_pin(c->r, t, sp - VMTI_SIGFRAME_BYTES, sp, true);
    if (span)
        span->done = VMTI_DONE_RECORDED; /* which part of it the frame takes is not known */
}

/*
 * The handler's frame holds the mask that its return restores, and the program may look at it; the kernel's mask lacks
 * SIGSEGV. So the thread stops once more when the frame is written: single-stepped into a handler, it does before its first
 * instruction (arch/x86/kernel/signal.c, signal_setup_done). If there is no handler after all, a system call instead
 * would go by unseen: PTRACE_SYSEMU_SINGLESTEP stops at it too, and does not make it.
 */
static void resume_to_frame(struct vmti_catcher *c, struct vmti_thread *t, int signal)
{
    t->signals.patching_frame = true;
    t->resumed_at = c->r->changes;
    t->state = VMTI_T_RUNNING;
    vmti_ptrace(PTRACE_SYSEMU_SINGLESTEP, t->tid, 0, (uintptr_t)signal);
}

bool vmti_handler_stop(struct vmti_thread *t, int signal, int event)
{
    vmti_regs regs;
    t->signals.patching_frame = false;
    if (event || vmti_ptrace_get_regs(t->tid, &regs))
        return false;
    if (signal == (SIGTRAP | 0x80)) {
        vmti_regs_rerun(&regs);
        vmti_ptrace_set_regs(t->tid, &regs);
    } else if (signal == SIGTRAP) {
        uintptr_t at = vmti_regs_sp(&regs) + VMTI_SIGFRAME_MASK;
        uint64_t mask;
        if (vmti_program_read(t->tid, &mask, at, sizeof mask)) {
            mask |= VMTI_SIGSEGV_BIT;
            vmti_program_write(t->tid, at, &mask, sizeof mask);
        }
    } else {
        return false;
    }
    vmti_thread_continue(t, 0);
    return true;
}

/* ------------------------------------------------------------------------------------------- delivery */

/* Does the program believe that the thread blocks SIGSEGV at this moment? */
static bool blocks_segv(const struct vmti_signals *s)
{
    return s->wait_mask ? s->wait_blocks_segv : s->segv_blocked;
}

static void deliver(struct vmti_catcher *c, struct vmti_thread *t, int signal)
{
    struct vmti_signals *s = &t->signals;
    struct vmti_sigaction *action = &s->actions->of[signal - 1];
    redo_interruption(t);
    s->interrupted = true;
    if (!vmti_action_has_handler(action)) {
        vmti_thread_resume(c, t, signal);
        return;
    }
    open_frame(c, t);
    bool was_blocked = s->segv_blocked;
    s->segv_blocked = blocks_segv(s) || (action->mask & VMTI_SIGSEGV_BIT) ||
                      (signal == SIGSEGV && !(action->flags & SA_NODEFER));
    s->wait_mask = false; /* the handler returns to the thread's own */
    /* The kernel does it too (kernel/signal.c, get_signal); for the net, the net. */
    if ((action->flags & SA_RESETHAND) && !(signal == SIGSEGV && s->actions == &c->r->actions))
        action->handler = (uint64_t)SIG_DFL;
    if (was_blocked)
        resume_to_frame(c, t, signal);
    else
        vmti_thread_resume(c, t, signal);
}

/* ------------------------------------------------------------------------------------------- SIGSEGV */

/*
 * One that was sent, and that the program believes to block. From now on the kernel blocks it, and a signal that is blocked
 * when its stop ends goes back to where it was, as it was (kernel/signal.c, ptrace_signal).
 */
static void hold_back(struct vmti_catcher *c, struct vmti_thread *t)
{
    struct vmti_signals *s = &t->signals;
    uint64_t mask;
    vmti_undo_interruption(t);
    if (!vmti_ptrace_get_mask(t->tid, &mask)) {
        mask |= VMTI_SIGSEGV_BIT;
        vmti_ptrace_set_mask(t->tid, &mask);
    }
    s->segv_held = true;
    vmti_thread_resume(c, t, SIGSEGV);
}

/*
 * A fault while the kernel blocks SIGSEGV: it has unblocked it and set its action to the default (kernel/signal.c,
 * force_sig_info_to_task). If one that was sent waited in the thread's own queue, it has come in the fault's place, for a queue
 * takes one of a kind (legacy_queue): it is kept, the instruction runs again and faults, and then it is put back.
 */
static void repair_after_fault(struct vmti_catcher *c, struct vmti_thread *t)
{
    vmti_signals_restore_action(c->r, t, true);
    vmti_thread_resume(c, t, 0);
}

static void keep_what_a_fault_took_out(struct vmti_catcher *c, struct vmti_thread *t, const siginfo_t *info)
{
    struct vmti_signals *s = &t->signals;
    s->lost_info = *info;
    s->has_lost_info = true;
    s->segv_held = false;
    vmti_signals_restore_action(c->r, t, false);
    vmti_thread_resume(c, t, 0);
}

static void put_back(struct vmti_catcher *c, struct vmti_thread *t)
{
    t->signals.has_lost_info = false;
    vmti_ptrace(PTRACE_SETSIGINFO, t->tid, 0, (uintptr_t)&t->signals.lost_info);
    hold_back(c, t);
}

static void segv_stop(struct vmti_catcher *c, struct vmti_thread *t)
{
    struct vmti_signals *s = &t->signals;
    siginfo_t info;
    if (vmti_ptrace_get_siginfo(t->tid, &info))
        return; /* dead; wait tells */
    bool sent = info.si_code <= 0;
    if (!sent && (info.si_code == SEGV_MAPERR || info.si_code == SEGV_ACCERR) &&
        vmti_fault(c->r, t, (uintptr_t)info.si_addr) == VMTI_FAULT_OURS) {
        if (vmti_unlikely(s->has_lost_info))
            put_back(c, t);
        else if (vmti_unlikely(s->segv_held))
            repair_after_fault(c, t);
        else
            vmti_thread_resume(c, t, 0);
        return;
    }
    bool blocked = blocks_segv(s);
    if (sent && blocked && s->segv_held) {
        keep_what_a_fault_took_out(c, t, &info);
    } else if (sent && blocked) {
        hold_back(c, t);
    } else if (sent && vmti_action_ignores(SIGSEGV, &s->actions->of[SIGSEGV - 1])) {
        vmti_undo_interruption(t);
        vmti_thread_resume(c, t, 0);
    } else if (!sent && !s->dying && (blocked || !vmti_action_has_handler(&s->actions->of[SIGSEGV - 1]))) {
        /* The program does not survive this: it faults again, and finds the default action. */
        s->dying = true;
        vmti_signals_default_action(c->r, t);
        vmti_thread_resume(c, t, 0);
    } else {
        deliver(c, t, SIGSEGV);
    }
}

void vmti_signal_stop(struct vmti_catcher *c, struct vmti_thread *t, int signal)
{
    if (signal == SIGSEGV) {
        segv_stop(c, t);
    } else if (vmti_action_ignores(signal, &t->signals.actions->of[signal - 1])) {
        vmti_undo_interruption(t);
        vmti_thread_resume(c, t, 0);
    } else {
        deliver(c, t, signal);
    }
}
