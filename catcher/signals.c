/* SPDX-License-Identifier: MIT */
/*
 * Masks and handlers that the program sets in a region: see handlers.h. What it believes is in struct vmti_signals;
 * this file keeps it at the calls, delivery.c at the signals. Runs in the catcher; see internal.h.
 */
#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "../harness/arena.h"
#include "../harness/window.h"

#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ull
#endif

/* The flags that the kernel knows: those of sigaction(2), SA_RESTORER and SA_EXPOSE_TAGBITS. */
#define VMTI_ACTION_FLAGS                                                                                              \
    ((uint64_t)SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER |                       \
     (uint32_t)SA_RESETHAND | 0x04000000 | 0x800)

/* What a call returns to user space as EINTR or runs again, as its exit stop shows it (include/linux/errno.h). */
enum { ERESTARTSYS = 512, ERESTARTNOHAND = 514, ERESTART_RESTARTBLOCK = 516 };

/* ------------------------------------------------------------------------------------------- actions */

bool vmti_signals_inherit(struct vmti_region *r, struct vmti_thread *child, const struct vmti_thread *parent)
{
    struct vmti_signals *s = &child->signals;
    /* Pending signals are not inherited, the mask is (fork(2), clone(2)). */
    s->blocked = parent->signals.blocked;
    s->actions = parent->signals.actions;
    if (!(child->clone_flags & CLONE_SIGHAND)) {
        struct vmti_actions *own = r->actions_free;
        if (own)
            r->actions_free = own->free_next;
        else if (!(own = vmti_arena_alloc(&r->arena, sizeof *own)))
            return false;
        *own = *s->actions;
        own->users = 0;
        if (child->clone_flags & CLONE_CLEAR_SIGHAND)
            for (int i = 0; i < VMTI_SIGNALS; i++)
                if (vmti_action_has_handler(&own->of[i]))
                    own->of[i] = (struct vmti_sigaction){.handler = (uint64_t)SIG_DFL};
        s->actions = own;
    }
    s->actions->users++;
    return true;
}

void vmti_signals_forget(struct vmti_region *r, struct vmti_thread *t)
{
    struct vmti_actions *actions = t->signals.actions;
    if (actions == &r->actions || --actions->users)
        return;
    actions->free_next = r->actions_free;
    r->actions_free = actions;
}

/* The action that the kernel is given for what a program wants. A process with handlers of its own needs no net. */
static void for_kernel(struct vmti_region *r, struct vmti_thread *t, int signal, struct vmti_sigaction *action)
{
    if (t->signals.actions == &r->actions || vmti_is_dispatched(r)) {
        vmti_action_for_kernel(r, signal, action);
        return;
    }
    action->mask &= ~VMTI_OWN_MASK;
    if (vmti_is_own_signal(signal))
        action->flags |= SA_NODEFER;
}

/* Has the kernel take `action` for the signal. */
static void inject_action(struct vmti_region *r, struct vmti_thread *t, int signal, const struct vmti_sigaction *action)
{
    struct vmti_injection in;
    if (vmti_in_frame(t)) {
        vmti_sys(SYS_rt_sigaction, signal, action, 0, sizeof action->mask, 0, 0);
        return;
    }
    r->call_action = *action;
    if (!vmti_inject_begin(&in, r, t->tid))
        return;
    vmti_inject_call(&in, SYS_rt_sigaction, (uint64_t)signal, (uint64_t)&r->call_action, 0, sizeof action->mask);
    vmti_inject_end(&in);
}

void vmti_signals_default_action(struct vmti_region *r, struct vmti_thread *t, int signal)
{
    inject_action(r, t, signal, &(struct vmti_sigaction){.handler = (uint64_t)SIG_DFL});
}

/* ------------------------------------------------------------------------------------------- masks */

/* One that is pending comes to its stop then, and is kept there: see delivery.c. */
void vmti_signals_take_mask(struct vmti_thread *t)
{
    uint64_t mask;
    if (vmti_get_mask(t, &mask) || !(mask & VMTI_OWN_MASK))
        return;
    t->signals.blocked |= mask & VMTI_OWN_MASK;
    mask &= ~VMTI_OWN_MASK;
    vmti_set_mask(t, &mask);
}

void vmti_signals_give_mask_back(struct vmti_region *r, struct vmti_thread *t)
{
    if (t->signals.blocked)
        vmti_change_mask(t, t->signals.blocked, 0);
    vmti_signals_give_kept_back(r, t);
}

void vmti_signals_give_kept_back(struct vmti_region *r, struct vmti_thread *t)
{
    struct vmti_signals *s = &t->signals;
    for (int i = 0; i < VMTI_OWN_SIGNALS; i++) {
        if (s->kept[i].has)
            vmti_sys(SYS_tkill, t->tid, vmti_own_signal(i), 0, 0, 0, 0);
        else if (r->kept[i].has && s->actions == &r->actions)
            vmti_sys(SYS_kill, r->pid, vmti_own_signal(i), 0, 0, 0, 0);
        r->kept[i].has = r->kept[i].has && s->actions != &r->actions;
    }
}

/* In a handler of ours all signals are blocked. */
static bool is_pending(struct vmti_thread *t, int signal, bool (*like)(const siginfo_t *info))
{
    uint64_t set = 0;
    if (!vmti_in_frame(t))
        return vmti_signal_is_queued(t->tid, like);
    if (like(t->frame->info) && t->frame->info->si_code <= 0)
        return true; /* it is what the handler is for */
    vmti_sys(SYS_rt_sigpending, &set, sizeof set, 0, 0, 0, 0);
    return set & vmti_signal_bit(signal);
}

bool vmti_signal_is_queued(pid_t tid, bool (*like)(const siginfo_t *info))
{
    siginfo_t info[8];
    struct ptrace_peeksiginfo_args from = {.off = 0, .flags = 0 /* the thread's own queue */, .nr = 8};
    for (;;) {
        long n = vmti_ptrace(PTRACE_PEEKSIGINFO, tid, (uintptr_t)&from, (uintptr_t)info);
        for (long i = 0; i < n; i++)
            if (like(&info[i]))
                return true;
        if (n < from.nr)
            return false;
        from.off += (uint64_t)n;
    }
}

/* ------------------------------------------------------------------------------------------- signals that are kept */

struct vmti_kept *vmti_signals_kept(struct vmti_region *r, struct vmti_thread *t, int signal)
{
    int i = vmti_own_index(signal);
    if (t->signals.kept[i].has)
        return &t->signals.kept[i];
    return r->kept[i].has && t->signals.actions == &r->actions ? &r->kept[i] : NULL;
}

/* Which are kept for the thread or for its process. */
static uint64_t kept_signals(struct vmti_region *r, struct vmti_thread *t)
{
    uint64_t kept = 0;
    for (int i = 0; i < VMTI_OWN_SIGNALS; i++)
        if (vmti_unlikely(vmti_signals_kept(r, t, vmti_own_signal(i)) != NULL))
            kept |= vmti_signal_bit(vmti_own_signal(i));
    return kept;
}

/* Sends them to the thread once more; their siginfo is put right where they arrive. */
static void offer(struct vmti_thread *t, uint64_t signals)
{
    for (int i = 0; i < VMTI_OWN_SIGNALS; i++)
        if (signals & vmti_signal_bit(vmti_own_signal(i)))
            vmti_sys(SYS_tkill, t->tid, vmti_own_signal(i), 0, 0, 0, 0);
}

/* Could the call find a pending signal, itself or by a signalfd? */
static bool looks_at_signals(int64_t nr)
{
    switch (nr) {
    case SYS_rt_sigtimedwait:
    case SYS_read:
    case SYS_readv:
    case SYS_poll:
    case SYS_ppoll:
    case SYS_select:
    case SYS_pselect6:
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
    case 441: /* epoll_pwait2 */
        return true;
    default:
        return false;
    }
}

/* At the call's entry. The kernel does not block it: so if the call does not take it, it comes to its stop, and is kept
 * again; a call that it has interrupted goes on without it. */
static void offer_before(struct vmti_region *r, struct vmti_thread *t)
{
    struct vmti_signals *s = &t->signals;
    uint64_t kept = kept_signals(r, t);
    if (vmti_likely(!kept))
        return;
    if (looks_at_signals(t->call.nr) && !s->just_kept)
        s->offered = kept;
    else
        s->offered = s->wait_mask ? kept & ~s->wait_blocked : 0;
    s->just_kept = false;
    if (vmti_in_frame(t) && s->offered == VMTI_OWN_MASK) /* one of them is to stop the call's end */
        s->offered = vmti_signal_bit(SIGSEGV);
    if (vmti_in_frame(t) && s->offered) /* where it is not blocked it would come before the call */
        vmti_change_mask(t, s->offered, 0);
    offer(t, s->offered);
}

static bool is_segv(const siginfo_t *info)
{
    return info->si_signo == SIGSEGV;
}

static bool is_sys(const siginfo_t *info)
{
    return info->si_signo == SIGSYS;
}

/* At its exit: has it been taken? Then by who was told of it, and with whose siginfo. */
static void offer_after(struct vmti_region *r, struct vmti_thread *t, int signal, int64_t result)
{
    struct vmti_signals *s = &t->signals;
    struct vmti_kept *kept = vmti_signals_kept(r, t, signal);
    if (!(s->offered & vmti_signal_bit(signal)))
        return;
    s->offered &= ~vmti_signal_bit(signal);
    if (vmti_in_frame(t))
        vmti_change_mask(t, 0, vmti_signal_bit(signal));
    if (!kept || is_pending(t, signal, signal == SIGSEGV ? is_segv : is_sys)) {
        /* If it has interrupted the call, that is to run again, and not to be interrupted again. */
        s->just_kept |= result == -EINTR || (result <= -ERESTARTSYS && result >= -ERESTART_RESTARTBLOCK);
        return;
    }
    kept->has = false;
    if (t->call.nr == SYS_rt_sigtimedwait && result == signal && t->call.args[1]) {
        vmti_program_write(r->catcher, t->call.args[1], &kept->info, sizeof kept->info);
    } else if (t->call.nr == SYS_read) {
        /* The head of a struct signalfd_siginfo (linux/signalfd.h). */
        struct { uint32_t signal; int32_t error, code; uint32_t pid, uid; } one;
        enum { SIGNALFD_SIGINFO_BYTES = 128 };
        for (int64_t at = 0; at + SIGNALFD_SIGINFO_BYTES <= result; at += SIGNALFD_SIGINFO_BYTES) {
            if (!vmti_program_read(r->catcher, &one, t->call.args[1] + (uint64_t)at, sizeof one) ||
                one.signal != (uint32_t)signal)
                continue;
            one.code = kept->info.si_code;
            one.pid = (uint32_t)kept->info.si_pid;
            one.uid = kept->info.si_uid;
            vmti_program_write(r->catcher, t->call.args[1] + (uint64_t)at, &one, sizeof one);
        }
    }
}

static void show_pending(struct vmti_region *r, struct vmti_thread *t)
{
    uint64_t set, pending = kept_signals(r, t) & t->signals.blocked;
    if (!pending || !vmti_program_read(r->catcher, &set, t->call.args[0], sizeof set))
        return;
    set |= pending;
    vmti_program_write(r->catcher, t->call.args[0], &set, sizeof set);
}

/* The program believes now that it blocks these of our own signals, and no other. */
static void mask_set(struct vmti_region *r, struct vmti_thread *t, uint64_t blocked)
{
    t->signals.blocked = blocked;
    offer(t, kept_signals(r, t) & ~t->signals.blocked);
}

/* ------------------------------------------------------------------------------------------- before a call */

/* Words of a thread's scratch, by what lies there. */
enum { SCRATCH_ACTION = 0, SCRATCH_MASK = 0, SCRATCH_PACKED = 1, SCRATCH_TIME = 4 };

/* Has the call find this as its argument i. */
static void replace_argument(struct vmti_thread *t, unsigned i, uint64_t value)
{
    if (vmti_set_arg(t, i, value))
        return;
    t->replaced |= (uint8_t)(1u << i);
    if (i == 0 && !VMTI_REGS_KEEP_CALL)
        t->first_given = value;
}

/* A mask that the call sets while it waits. True: the kernel must be given another, which is in the scratch. */
static bool take_wait_mask(struct vmti_catcher *c, struct vmti_thread *t, uint64_t address)
{
    struct vmti_signals *s = &t->signals;
    uint64_t *mask = &t->scratch[SCRATCH_MASK];
    if (!address || !vmti_program_read(c->r->catcher, mask, address, sizeof *mask))
        return false;
    s->wait_mask = true;
    s->wait_blocked = *mask & VMTI_OWN_MASK;
    if (!s->wait_blocked)
        return false;
    *mask &= ~VMTI_OWN_MASK;
    return true;
}

static void replace_mask(struct vmti_catcher *c, struct vmti_thread *t, unsigned i)
{
    if (take_wait_mask(c, t, t->call.args[i]))
        replace_argument(t, i, (uint64_t)&t->scratch[SCRATCH_MASK]);
}

/* pselect6 and io_pgetevents: the last argument is a structure with a pointer to the mask and its size. */
static void replace_packed_mask(struct vmti_catcher *c, struct vmti_thread *t, unsigned i)
{
    uint64_t *packed = &t->scratch[SCRATCH_PACKED];
    if (!t->call.args[i] || !vmti_program_read(c->r->catcher, packed, t->call.args[i], 2 * sizeof *packed) ||
        !take_wait_mask(c, t, packed[0]))
        return;
    packed[0] = (uint64_t)&t->scratch[SCRATCH_MASK];
    replace_argument(t, i, (uint64_t)packed);
}

/* Nanoseconds that the call has waited before it was interrupted and run again; 0 for one that is new. */
static uint64_t waited(struct vmti_thread *t)
{
    uint64_t now = vmti_os_now(CLOCK_MONOTONIC);
    if (!t->signals.rerunning || !t->signals.wait_started) {
        t->signals.wait_started = now;
        return 0;
    }
    return now - t->signals.wait_started;
}

/* A call that was interrupted by what the program does not see waits no longer for that. Argument i: milliseconds. */
static void shorten_milliseconds(struct vmti_thread *t, unsigned i)
{
    int64_t timeout = (int32_t)t->call.args[i], past = (int64_t)(waited(t) / 1000000);
    if (past && timeout > 0)
        replace_argument(t, i, (uint64_t)(timeout > past ? timeout - past : 0));
}

/* Argument i: a struct timespec. */
static void shorten_timespec(struct vmti_catcher *c, struct vmti_thread *t, unsigned i)
{
    struct timespec *left = (struct timespec *)&t->scratch[SCRATCH_TIME];
    uint64_t past = waited(t);
    if (!past || !t->call.args[i] || !vmti_program_read(c->r->catcher, left, t->call.args[i], sizeof *left))
        return;
    left->tv_sec -= (int64_t)(past / 1000000000);
    left->tv_nsec -= (int64_t)(past % 1000000000);
    if (left->tv_nsec < 0) {
        left->tv_nsec += 1000000000;
        left->tv_sec--;
    }
    if (left->tv_sec < 0)
        left->tv_sec = left->tv_nsec = 0;
    replace_argument(t, i, (uint64_t)left);
}

/*
 * An execve keeps ignored signals ignored, and gives others the default (execve(2)): where the program ignores one of
 * ours, the kernel must know. The call is put off for that, and made again.
 */
static void inject_ignored(struct vmti_region *r, struct vmti_thread *t, uint64_t ignored)
{
    for (int i = 0; i < VMTI_OWN_SIGNALS; i++)
        if (ignored & vmti_signal_bit(vmti_own_signal(i)))
            inject_action(r, t, vmti_own_signal(i), &t->signals.actions->of[vmti_own_signal(i) - 1]);
    t->signals.ignored_for_exec = ignored;
}

static void before_exec(struct vmti_region *r, struct vmti_thread *t)
{
    struct vmti_signals *s = &t->signals;
    uint64_t ignored = 0;
    for (int i = 0; i < VMTI_OWN_SIGNALS; i++)
        if (s->actions->of[vmti_own_signal(i) - 1].handler == (uint64_t)SIG_IGN)
            ignored |= vmti_signal_bit(vmti_own_signal(i));
    if (!ignored || s->ignored_for_exec)
        return;
    vmti_regs regs, skipped;
    int status;
    if (vmti_in_frame(t)) {
        inject_ignored(r, t, ignored);
        return;
    }
    if (vmti_get_regs(t, &regs))
        return;
    skipped = regs;
    vmti_regs_skip_call(&skipped);
    if (vmti_set_regs(t, &skipped) || vmti_ptrace_resume(t->tid, 0) || !vmti_inject_wait(r, t->tid, &status))
        return; /* dead; wait tells */
    inject_ignored(r, t, ignored);
    vmti_regs_rerun(&regs, t->call.args[0]);
    vmti_set_regs(t, &regs);
    t->in_call = false;
}

/* The mask that it restores is that of its frame, which a handler may have changed. effect[0]: what of it is ours;
 * effect[1]: and is in it still, for the frame is open for reading only. */
static void before_sigreturn(struct vmti_catcher *c, struct vmti_thread *t)
{
    uintptr_t at = t->call.sp + VMTI_SIGFRAME_MASK - VMTI_SIGFRAME_TAKEN;
    uint64_t mask;
    t->effect[0] = t->effect[1] = 0;
    if (!vmti_program_read(c->r->catcher, &mask, at, sizeof mask) || !(mask & VMTI_OWN_MASK))
        return;
    t->effect[0] = mask & VMTI_OWN_MASK;
    mask &= ~VMTI_OWN_MASK;
    t->effect[1] = !vmti_program_write(c->r->catcher, at, &mask, sizeof mask);
}

void vmti_signals_before(struct vmti_catcher *c, struct vmti_thread *t)
{
    struct vmti_signals *s = &t->signals;
    s->wait_mask = false;
    switch (t->call.nr) {
    case SYS_rt_sigaction: {
        struct vmti_sigaction *action = &t->wanted_action;
        int signal = (int)t->call.args[0];
        /* Read now: the call may write the old action over it. */
        t->effect[0] = t->call.args[1] && vmti_program_read(c->r->catcher, action, t->call.args[1], sizeof *action);
        if (vmti_is_dispatched(c->r) && t->call.args[2]) /* most of what the kernel has is ours */
            replace_argument(t, 2, 0);
        if (!t->effect[0] || !vmti_action_needs_change(c->r, signal, action))
            break;
        struct vmti_sigaction *given = (struct vmti_sigaction *)&t->scratch[SCRATCH_ACTION];
        *given = *action;
        for_kernel(c->r, t, signal, given);
        replace_argument(t, 1, (uint64_t)given);
        break;
    }
    case SYS_rt_sigprocmask:
        /* Read now: the call may write the old mask over it. */
        t->effect[0] =
            t->call.args[1] && vmti_program_read(c->r->catcher, &t->effect[1], t->call.args[1], sizeof t->effect[1]);
        if (!t->effect[0] || t->call.args[0] == SIG_UNBLOCK || !(t->effect[1] & VMTI_OWN_MASK))
            break;
        t->scratch[SCRATCH_MASK] = t->effect[1] & ~VMTI_OWN_MASK;
        replace_argument(t, 1, (uint64_t)&t->scratch[SCRATCH_MASK]);
        break;
    case SYS_rt_sigreturn:
        before_sigreturn(c, t);
        break;
    case SYS_rt_sigsuspend:
        replace_mask(c, t, 0);
        break;
    case SYS_ppoll:
        replace_mask(c, t, 3);
        break;
    case SYS_epoll_wait:
        shorten_milliseconds(t, 3);
        break;
    case SYS_epoll_pwait:
        shorten_milliseconds(t, 3);
        replace_mask(c, t, 4);
        break;
    case 441: /* epoll_pwait2 */
        shorten_timespec(c, t, 3);
        replace_mask(c, t, 4);
        break;
    case SYS_rt_sigtimedwait:
        shorten_timespec(c, t, 2);
        break;
    case SYS_semtimedop:
        shorten_timespec(c, t, 3);
        break;
    case SYS_io_getevents:
        shorten_timespec(c, t, 4);
        break;
    case SYS_pselect6:
    case SYS_io_pgetevents:
        replace_packed_mask(c, t, 5);
        break;
    case SYS_execve:
    case SYS_execveat:
        before_exec(c->r, t);
        break;
    default:
        break;
    }
    offer_before(c->r, t);
}

/* ------------------------------------------------------------------------------------------- after a call */

/* The kernel drops what is pending of a signal that becomes ignored, for all threads (kernel/signal.c,
 * do_sigaction). */
static void drop_kept(struct vmti_region *r, const struct vmti_actions *actions, int signal)
{
    int i = vmti_own_index(signal);
    for (struct vmti_thread *t = r->threads; t; t = t->hh.next)
        if (t->signals.actions == actions)
            t->signals.kept[i].has = false;
    if (actions == &r->actions)
        r->kept[i].has = false;
}

static void after_sigaction(struct vmti_catcher *c, struct vmti_thread *t)
{
    struct vmti_sigaction old;
    int signal = (int)t->call.args[0];
    if (signal < 1 || signal > VMTI_SIGNALS)
        return;
    if (t->call.args[2] && vmti_is_dispatched(c->r)) {
        vmti_regs regs;
        if (!vmti_program_write(c->r->catcher, t->call.args[2], &t->signals.actions->of[signal - 1], sizeof old) &&
            !vmti_get_regs(t, &regs)) {
            vmti_regs_set_result(&regs, -EFAULT); /* the action has been set all the same */
            vmti_set_regs(t, &regs);
        }
    } else if (t->call.args[2] && vmti_program_read(c->r->catcher, &old, t->call.args[2], sizeof old)) {
        struct vmti_sigaction shown = old;
        vmti_action_for_program(c->r, t->signals.actions, signal, &shown);
        if (memcmp(&old, &shown, sizeof old))
            vmti_program_write(c->r->catcher, t->call.args[2], &shown, sizeof shown);
    }
    if (!t->effect[0])
        return;
    /* As the kernel shows it afterwards: no mask holds these two, and unknown flags are dropped (kernel/signal.c,
     * do_sigaction). */
    struct vmti_sigaction *wanted = &t->signals.actions->of[signal - 1];
    *wanted = t->wanted_action;
    wanted->mask &= ~(vmti_signal_bit(SIGKILL) | vmti_signal_bit(SIGSTOP));
    wanted->flags &= VMTI_ACTION_FLAGS;
    if (vmti_is_own_signal(signal) && vmti_action_ignores(signal, wanted))
        drop_kept(c->r, t->signals.actions, signal);
}

static void after_sigprocmask(struct vmti_catcher *c, struct vmti_thread *t)
{
    struct vmti_signals *s = &t->signals;
    uint64_t old;
    if (s->blocked && t->call.args[2] && vmti_program_read(c->r->catcher, &old, t->call.args[2], sizeof old)) {
        old |= s->blocked;
        vmti_program_write(c->r->catcher, t->call.args[2], &old, sizeof old);
    }
    if (!t->effect[0])
        return;
    uint64_t named = t->effect[1] & VMTI_OWN_MASK;
    if (t->call.args[0] == SIG_SETMASK)
        mask_set(c->r, t, named);
    else
        mask_set(c->r, t, t->call.args[0] == SIG_BLOCK ? s->blocked | named : s->blocked & ~named);
}

void vmti_signals_after(struct vmti_catcher *c, struct vmti_thread *t, int64_t result)
{
    struct vmti_signals *s = &t->signals;
    for (unsigned i = 0; t->replaced; i++, t->replaced >>= 1)
        if ((t->replaced & 1) && (i || VMTI_REGS_KEEP_CALL)) /* else the result is there: see stops.c */
            vmti_set_arg(t, i, t->call.args[i]);
    s->interrupted = false;
    if (s->wait_mask && result != -EINTR && result != -ERESTARTNOHAND)
        s->wait_mask = false;
    if (vmti_unlikely(s->offered))
        for (int i = 0; i < VMTI_OWN_SIGNALS; i++)
            offer_after(c->r, t, vmti_own_signal(i), result);
    if (t->call.nr == SYS_rt_sigreturn) {
        if (t->effect[1])
            vmti_signals_take_mask(t);
        mask_set(c->r, t, t->effect[0]);
        s->returned_at = vmti_os_now(CLOCK_MONOTONIC);
        return;
    }
    if (s->ignored_for_exec && (t->call.nr == SYS_execve || t->call.nr == SYS_execveat)) { /* it has failed */
        for (int i = 0; i < VMTI_OWN_SIGNALS; i++) {
            int signal = vmti_own_signal(i);
            struct vmti_sigaction action = s->actions->of[signal - 1];
            for_kernel(c->r, t, signal, &action);
            if (s->ignored_for_exec & vmti_signal_bit(signal))
                inject_action(c->r, t, signal, &action);
        }
        s->ignored_for_exec = 0;
    }
    if (result != 0)
        return;
    if (t->call.nr == SYS_rt_sigaction)
        after_sigaction(c, t);
    else if (t->call.nr == SYS_rt_sigprocmask)
        after_sigprocmask(c, t);
    else if (t->call.nr == SYS_rt_sigpending)
        show_pending(c->r, t);
}
