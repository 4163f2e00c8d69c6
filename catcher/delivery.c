/* SPDX-License-Identifier: MIT */
/*
 * Signals on their way to the program: what is a fault of ours, what the kernel would have dropped or left pending
 * without us, and what a handler finds in its frame. Runs in the catcher; see internal.h.
 */
#include "internal.h"

#include <errno.h>

#include "../harness/fault.h"
#include "../harness/window.h"

/* ------------------------------------------------------------------------------------------- interrupted calls */

/*
 * A few calls return EINTR even when no handler ran (epoll_wait, semop, sigtimedwait, …: signal(7), "Interruption of
 * system calls"); the others are restarted by the kernel. Without a tracer the kernel drops a signal that is ignored
 * when it is sent, and no call ever knows (kernel/signal.c, sig_ignored).
 */
void vmti_undo_interruption(struct vmti_thread *t)
{
    struct vmti_signals *s = &t->signals;
    vmti_regs regs;
    if (s->interrupted || s->rerunning || vmti_get_regs(t, &regs) || !vmti_regs_returned(&regs, t->call.ip) ||
        vmti_regs_result(&regs) != -EINTR)
        return;
    s->rerunning = true;
    s->rerun_result = vmti_regs_result(&regs);
    vmti_regs_rerun(&regs, t->call.args[0]);
    vmti_set_regs(t, &regs);
}

/* A signal that the program sees has come before the call could run again: so that one has interrupted it. */
static void redo_interruption(struct vmti_thread *t)
{
    struct vmti_signals *s = &t->signals;
    vmti_regs regs;
    if (!s->rerunning)
        return;
    s->rerunning = false;
    if (vmti_get_regs(t, &regs))
        return;
    vmti_regs_return(&regs, s->rerun_result);
    vmti_set_regs(t, &regs);
}

/* ------------------------------------------------------------------------------------------- frames */

/* The kernel writes the frame where the stack pointer, or the alternate stack, is. */
static void open_frame(struct vmti_catcher *c, struct vmti_thread *t)
{
    vmti_regs regs;
    if (vmti_get_regs(t, &regs))
        return;
    uintptr_t sp = vmti_regs_sp(&regs);
    if (sp <= c->r->sigframe_bytes)
        return;
    struct vmti_span *span = vmti_pin(c->r, t, sp - c->r->sigframe_bytes, sp, true);
    if (span)
        span->done = VMTI_DONE_RECORDED; /* which part of it the frame takes is not known */
}

/*
 * The handler's frame holds the mask that its return restores, and the program may look at it; the kernel's mask lacks
 * our own signals. So the thread stops once more when the frame is written: single-stepped into a handler, it does
 * before its first instruction (kernel/signal.c, signal_setup_done). If there is no handler after all, a system call
 * instead would go by unseen: PTRACE_SYSEMU_SINGLESTEP stops at it too, and does not make it.
 */
static void resume_to_frame(struct vmti_catcher *c, struct vmti_thread *t, int signal, uint64_t blocked)
{
    t->signals.frame_blocked = blocked;
    if (vmti_in_frame(t)) { /* the frame will be written with them */
        vmti_thread_resume(c, t, signal);
        return;
    }
    t->resumed_at = c->r->changes;
    t->state = VMTI_T_RUNNING;
    vmti_ptrace(PTRACE_SYSEMU_SINGLESTEP, t->tid, 0, (uintptr_t)signal);
}

bool vmti_handler_stop(struct vmti_thread *t, int signal, int event)
{
    vmti_regs regs;
    uint64_t blocked = t->signals.frame_blocked;
    t->signals.frame_blocked = 0;
    if (event || vmti_get_regs(t, &regs))
        return false;
    if (signal == (SIGTRAP | 0x80)) {
        vmti_regs_rerun(&regs, vmti_regs_arg(&regs, 0)); /* the entry of a call */
        vmti_set_regs(t, &regs);
    } else if (signal == SIGTRAP) {
        uintptr_t at = vmti_regs_sp(&regs) + VMTI_SIGFRAME_MASK;
        uint64_t mask;
        if (vmti_program_read(t->tid, &mask, at, sizeof mask)) {
            mask |= blocked;
            vmti_program_write(t->tid, at, &mask, sizeof mask);
        }
    } else {
        return false;
    }
    vmti_thread_continue(t, 0);
    return true;
}

/* ------------------------------------------------------------------------------------------- delivery */

/* Which of our own signals does the program believe that the thread blocks at this moment? */
static uint64_t blocks_now(const struct vmti_signals *s)
{
    return s->wait_mask ? s->wait_blocked : s->blocked;
}

static bool blocks(const struct vmti_signals *s, int signal)
{
    return blocks_now(s) & vmti_signal_bit(signal);
}

static void deliver(struct vmti_catcher *c, struct vmti_thread *t, int signal)
{
    struct vmti_signals *s = &t->signals;
    struct vmti_sigaction *action = &s->actions->of[signal - 1];
    if (!vmti_is_own_signal(signal) && vmti_action_has_handler(action) && vmti_storm_puts_off(c, t, signal))
        return;
    vmti_storm_let_in(c, t);
    redo_interruption(t);
    s->interrupted = true;
    if (vmti_in_frame(t))
        t->frame->action = *action;
    if (!vmti_action_has_handler(action)) {
        vmti_thread_resume(c, t, signal);
        return;
    }
    open_frame(c, t);
    s->delivered_at = vmti_os_now(CLOCK_MONOTONIC);
    uint64_t before = s->blocked;
    s->blocked = blocks_now(s) | (action->mask & VMTI_OWN_MASK);
    if (vmti_is_own_signal(signal) && !(action->flags & SA_NODEFER))
        s->blocked |= vmti_signal_bit(signal);
    s->wait_mask = false; /* the handler returns to the thread's own */
    /* The kernel does it too (kernel/signal.c, get_signal); for the net, the net. */
    if ((action->flags & SA_RESETHAND) &&
        !(vmti_is_own_signal(signal) && s->actions == &c->r->actions && !vmti_is_dispatched(c->r)))
        action->handler = (uint64_t)SIG_DFL;
    if (before)
        resume_to_frame(c, t, signal, before);
    else
        vmti_thread_resume(c, t, signal);
}

/* ------------------------------------------------------------------------------------------- our own signals */

/* A thread of P that does not block it takes what was sent to P. */
static struct vmti_thread *find_taker(struct vmti_region *r, int signal)
{
    for (struct vmti_thread *t = r->threads; t; t = t->hh.next)
        if (t->signals.actions == &r->actions && !t->other_process && !blocks(&t->signals, signal))
            return t;
    return NULL;
}

/*
 * One that was sent, and that the program believes to block. The kernel does not, for a fault meanwhile would reset the
 * action; so the catcher keeps it until the program takes it: see signals.c.
 */
static void keep(struct vmti_catcher *c, struct vmti_thread *t, int signal, const siginfo_t *info)
{
    struct vmti_region *r = c->r;
    struct vmti_signals *s = &t->signals;
    int i = vmti_own_index(signal);
    bool to_process = info->si_code != SI_TKILL && s->actions == &r->actions;
    struct vmti_thread *taker = to_process ? find_taker(r, signal) : NULL;
    vmti_undo_interruption(t);
    if (!vmti_signals_kept(r, t, signal)) { /* a queue takes one of a kind */
        struct vmti_kept *kept = taker ? &taker->signals.kept[i] : to_process ? &r->kept[i] : &s->kept[i];
        kept->has = true;
        kept->info = *info;
        if (taker)
            vmti_sys(SYS_tkill, taker->tid, signal, 0, 0, 0, 0);
    }
    vmti_thread_resume(c, t, 0);
}

/* One that was sent now reaches the program: if it was kept, as it was. */
static void deliver_sent(struct vmti_catcher *c, struct vmti_thread *t, int signal)
{
    struct vmti_kept *kept = vmti_signals_kept(c->r, t, signal);
    if (kept) {
        kept->has = false;
        vmti_set_siginfo(t, &kept->info);
    }
    deliver(c, t, signal);
}

static void own_signal_stop(struct vmti_catcher *c, struct vmti_thread *t, int signal)
{
    struct vmti_signals *s = &t->signals;
    const struct vmti_sigaction *action = &s->actions->of[signal - 1];
    siginfo_t info;
    if (vmti_get_siginfo(t, &info))
        return; /* dead; wait tells */
    bool sent = info.si_code <= 0;
    if (!sent && signal == SIGSEGV && (info.si_code == SEGV_MAPERR || info.si_code == SEGV_ACCERR) &&
        vmti_fault(c->r, t, vmti_untag((uintptr_t)info.si_addr)) == VMTI_FAULT_OURS) {
        vmti_thread_resume(c, t, 0);
    } else if (sent && blocks(s, signal)) {
        keep(c, t, signal, &info);
    } else if (sent && vmti_action_ignores(signal, action)) {
        struct vmti_kept *kept = vmti_signals_kept(c->r, t, signal);
        if (kept) /* it was blocked when it came, and is dropped now: kernel/signal.c, get_signal */
            kept->has = false;
        vmti_undo_interruption(t);
        vmti_thread_resume(c, t, 0);
    } else if (sent) {
        deliver_sent(c, t, signal);
    } else if (!s->dying && (blocks(s, signal) || !vmti_action_has_handler(action))) {
        /* The program does not survive this: it faults again, or is sent it again, and finds the default action. */
        s->dying = true;
        vmti_signals_default_action(c->r, t, signal);
        vmti_thread_resume(c, t, signal == SIGSEGV ? 0 : signal);
    } else {
        deliver(c, t, signal);
    }
}

void vmti_signal_stop(struct vmti_catcher *c, struct vmti_thread *t, int signal)
{
    if (vmti_is_own_signal(signal)) {
        own_signal_stop(c, t, signal);
    } else if (vmti_action_ignores(signal, &t->signals.actions->of[signal - 1])) {
        vmti_undo_interruption(t);
        vmti_thread_resume(c, t, 0);
    } else {
        deliver(c, t, signal);
    }
}
