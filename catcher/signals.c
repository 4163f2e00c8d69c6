/* SPDX-License-Identifier: MIT */
/* Masks and handlers that the program sets in a region: see handlers.h. Runs in the catcher; see internal.h. */
#include "internal.h"

#include <string.h>

#include "../harness/window.h"

/* ------------------------------------------------------------------------------------------- masks */

void vmti_signals_take_mask(struct vmti_thread *t)
{
    uint64_t mask;
    if (vmti_ptrace_get_mask(t->tid, &mask) || !(mask & VMTI_SIGSEGV_BIT))
        return;
    mask &= ~VMTI_SIGSEGV_BIT;
    vmti_ptrace_set_mask(t->tid, &mask);
    t->segv_blocked = true;
}

void vmti_signals_give_mask_back(pid_t tid, bool segv_blocked)
{
    uint64_t mask;
    if (!segv_blocked || vmti_ptrace_get_mask(tid, &mask))
        return;
    mask |= VMTI_SIGSEGV_BIT;
    vmti_ptrace_set_mask(tid, &mask);
}

/* ------------------------------------------------------------------------------------------- calls */

/* Has the call read what is at `with`, in the thread's scratch, instead of what argument i points to. */
static void replace_argument(struct vmti_thread *t, unsigned i, const void *with)
{
    if (vmti_ptrace_set_arg(t->tid, i, (uint64_t)with))
        return;
    t->replaced = (uint8_t)(i + 1);
    t->replaced_value = t->call.args[i];
}

/* A mask that the call sets while it waits. */
static void replace_mask(struct vmti_catcher *c, struct vmti_thread *t, unsigned i)
{
    uint64_t *mask = &t->scratch[0];
    if (!t->call.args[i] || !vmti_program_read(c->r->pid, mask, t->call.args[i], sizeof *mask) ||
        !(*mask & VMTI_SIGSEGV_BIT))
        return;
    *mask &= ~VMTI_SIGSEGV_BIT;
    replace_argument(t, i, mask);
}

/* pselect6 and io_pgetevents: the last argument is a structure with a pointer to the mask and its size. */
static void replace_packed_mask(struct vmti_catcher *c, struct vmti_thread *t, unsigned i)
{
    uint64_t *mask = &t->scratch[0], *packed = &t->scratch[1];
    if (!t->call.args[i] || !vmti_program_read(c->r->pid, packed, t->call.args[i], 2 * sizeof *packed) || !packed[0] ||
        !vmti_program_read(c->r->pid, mask, packed[0], sizeof *mask) || !(*mask & VMTI_SIGSEGV_BIT))
        return;
    *mask &= ~VMTI_SIGSEGV_BIT;
    packed[0] = (uint64_t)mask;
    replace_argument(t, i, packed);
}

void vmti_signals_before(struct vmti_catcher *c, struct vmti_thread *t)
{
    switch (t->call.nr) {
    case SYS_rt_sigaction: {
        struct vmti_sigaction *action = &t->wanted_action;
        /* Read now: the call may write the old action over it. */
        t->effect[0] = t->call.args[1] && vmti_program_read(c->r->pid, action, t->call.args[1], sizeof *action);
        if (!t->effect[0] || !vmti_action_needs_change((int)t->call.args[0], action))
            break;
        struct vmti_sigaction *given = (struct vmti_sigaction *)t->scratch;
        *given = *action;
        vmti_action_for_kernel(c->r, (int)t->call.args[0], given);
        replace_argument(t, 1, given);
        break;
    }
    case SYS_rt_sigprocmask:
        /* Read now: the call may write the old mask over it. */
        t->effect[0] = t->call.args[1] && vmti_program_read(c->r->pid, &t->effect[1], t->call.args[1], sizeof t->effect[1]);
        break;
    case SYS_rt_sigsuspend:
        replace_mask(c, t, 0);
        break;
    case SYS_ppoll:
        replace_mask(c, t, 3);
        break;
    case SYS_epoll_pwait:
    case 441: /* epoll_pwait2 */
        replace_mask(c, t, 4);
        break;
    case SYS_pselect6:
    case 333: /* io_pgetevents */
        replace_packed_mask(c, t, 5);
        break;
    default:
        break;
    }
}

static void after_sigaction(struct vmti_catcher *c, struct vmti_thread *t)
{
    struct vmti_sigaction old;
    int signal = (int)t->call.args[0];
    if (t->call.args[2] && vmti_program_read(c->r->pid, &old, t->call.args[2], sizeof old)) {
        struct vmti_sigaction shown = old;
        vmti_action_for_program(c->r, signal, &shown);
        if (memcmp(&old, &shown, sizeof old))
            vmti_program_write(c->r->pid, t->call.args[2], &shown, sizeof shown);
    }
    if (t->effect[0] && !t->other_process) /* a vfork child has handlers of its own */
        vmti_action_note(c->r, signal, &t->wanted_action);
}

static void after_sigprocmask(struct vmti_catcher *c, struct vmti_thread *t)
{
    uint64_t mask;
    bool was_blocked = t->segv_blocked;
    if (t->effect[0]) {
        bool named = t->effect[1] & VMTI_SIGSEGV_BIT;
        if (t->call.args[0] == SIG_SETMASK)
            t->segv_blocked = named;
        else if (named)
            t->segv_blocked = t->call.args[0] == SIG_BLOCK;
        if (named && t->call.args[0] != SIG_UNBLOCK && !vmti_ptrace_get_mask(t->tid, &mask)) {
            mask &= ~VMTI_SIGSEGV_BIT;
            vmti_ptrace_set_mask(t->tid, &mask);
        }
    }
    if (was_blocked && t->call.args[2] && vmti_program_read(c->r->pid, &mask, t->call.args[2], sizeof mask)) {
        mask |= VMTI_SIGSEGV_BIT;
        vmti_program_write(c->r->pid, t->call.args[2], &mask, sizeof mask);
    }
}

void vmti_signals_after(struct vmti_catcher *c, struct vmti_thread *t, int64_t result)
{
    if (t->replaced) {
        vmti_ptrace_set_arg(t->tid, t->replaced - 1u, t->replaced_value);
        t->replaced = 0;
    }
    if (t->call.nr == SYS_rt_sigreturn) {
        uint64_t mask; /* a handler may have changed the mask that its frame restores */
        if (!vmti_ptrace_get_mask(t->tid, &mask) && (mask & VMTI_SIGSEGV_BIT)) {
            mask &= ~VMTI_SIGSEGV_BIT;
            vmti_ptrace_set_mask(t->tid, &mask);
        }
        return;
    }
    if (result != 0)
        return;
    if (t->call.nr == SYS_rt_sigaction)
        after_sigaction(c, t);
    else if (t->call.nr == SYS_rt_sigprocmask)
        after_sigprocmask(c, t);
}

/* ------------------------------------------------------------------------------------------- delivery */

void vmti_signals_open_frame(struct vmti_catcher *c, struct vmti_thread *t)
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
