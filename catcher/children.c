/* SPDX-License-Identifier: MIT */
/*
 * New threads and processes of the program. What shares its memory (threads, vfork children) is traced; what has a copy
 * (fork) is opened and let go before its first instruction, or begins a region of its own there: see follow.c. Runs in
 * the catcher; see internal.h for what may be called.
 */
#define _GNU_SOURCE
#include "dispatch_internal.h"

#include <errno.h>
#include <sched.h>

#include "../harness/config.h"
#include "../harness/effects.h"
#include "../harness/pagedir.h"
#include "../harness/trace_format.h"
#include "../harness/window.h"
#include "../harness/wrap.h"

/* The kernel writes the new thread's number there when it starts, and zero when it ends: outside of any call. */
static void keep_open(struct vmti_catcher *c, uint64_t flags, uintptr_t child_tid)
{
    if (flags & (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID))
        vmti_exempt(c->r, child_tid, child_tid + sizeof(int));
}

void vmti_child_before(struct vmti_catcher *c, struct vmti_thread *t)
{
    switch (t->call.nr) {
    case SYS_clone:
        t->clone_flags = t->call.args[0];
        /* We must see every child. */
        if (t->clone_flags & CLONE_UNTRACED)
            vmti_ptrace_set_arg(t->tid, 0, t->clone_flags & ~(uint64_t)CLONE_UNTRACED);
        keep_open(c, t->clone_flags, t->call.args[VMTI_CLONE_CHILD_TID]);
        break;
    case 435: { /* clone3 (not in every SYS_ list) */
        struct { uint64_t flags, pidfd, child_tid; } args = {0}; /* head of struct clone_args (linux/sched.h) */
        vmti_program_read(c->r->catcher, &args, t->call.args[0], sizeof args);
        t->clone_flags = args.flags;
        if (args.flags & CLONE_UNTRACED) {
            args.flags &= ~(uint64_t)CLONE_UNTRACED;
            vmti_program_write(c->r->catcher, t->call.args[0], &args.flags, sizeof args.flags);
        }
        keep_open(c, args.flags, args.child_tid);
        break;
    }
    case SYS_vfork:
        t->clone_flags = CLONE_VM | CLONE_VFORK;
        break;
    default:
        t->clone_flags = 0;
        break;
    }
}

/* ------------------------------------------------------------------------------------------- fork */

/* Opens pages of the copy. Threads of P may have mapped more since the fork: what is not there is left out, by
 * halves. */
static long open_run(struct vmti_injection *in, uint64_t page, uint64_t length, int prot)
{
    long error =
        vmti_inject_call(in, SYS_mprotect, page << VMTI_PAGE_SHIFT, length << VMTI_PAGE_SHIFT, (uint64_t)prot, 0);
    if (error != -ENOMEM || length == 1)
        return error;
    error = open_run(in, page, length / 2, prot);
    return error == -ESRCH ? error : open_run(in, page + length / 2, length - length / 2, prot);
}

/* Opens the pages of the copy and gives it the program's handlers. False: the child is gone. */
static bool open_copy(struct vmti_region *r, struct vmti_injection *in)
{
    uint64_t page = 0, length;
    while ((length = vmti_dir_next_run(&page, UINT64_MAX, VMTI_DIR_TRACKED, VMTI_DIR_PROT))) {
        if (open_run(in, page, length, vmti_dir_prot(vmti_dir_get(page))) == -ESRCH)
            return false;
        page += length;
    }
    for (int signal = 1; signal <= VMTI_SIGNALS; signal++) {
        struct vmti_sigaction action = r->actions.of[signal - 1];
        if (!vmti_action_needs_change(r, signal, &action))
            continue;
        /* Given in a place that the child has its own copy of. */
        uint64_t place = (uint64_t)&r->call_action;
        if (!vmti_program_write(in->tid, place, &action, sizeof action) ||
            vmti_inject_call(in, SYS_rt_sigaction, (uint64_t)signal, place, 0, sizeof action.mask))
            return false;
    }
    return true;
}

/* A child with a copy of the memory: opens its pages, gives it what its parent believes to have, and lets it go. */
static void let_copy_go(struct vmti_catcher *c, struct vmti_thread *t)
{
    struct vmti_injection in;
    if (vmti_inject_begin(&in, c->r, t->tid)) {
        bool open = atomic_load(&c->r->state) == VMTI_TRACING && open_copy(c->r, &in);
        /* In the child's copy of our variables, no region is open. */
        bool off = false;
        uint32_t mask = VMTI_DIR_HEAP;
        vmti_program_write(t->tid, (uintptr_t)&vmti_in_region, &off, sizeof off);
        vmti_program_write(t->tid, (uintptr_t)&vmti_note_mask, &mask, sizeof mask);
        vmti_inject_end(&in);
        vmti_signals_give_mask_back(c->r, t);
        if (open)
            vmti_follow_copy(t, &in.saved);
    }
    vmti_affinity_give_back(t);
    vmti_ptrace(PTRACE_DETACH, t->tid, 0, 0);
    c->r->counts.threads--;
    vmti_thread_remove(c->r, t);
}

/* ------------------------------------------------------------------------------------------- every child */

/* Both the parent's report and the child's first stop have come. */
static void start(struct vmti_catcher *c, struct vmti_thread *t)
{
    if (!(t->clone_flags & CLONE_VM)) {
        let_copy_go(c, t);
        return;
    }
    t->other_process = !(t->clone_flags & CLONE_THREAD);
    vmti_alarm_add(c, t);
    /* With too small a window threads could evict each other's pages for ever. */
    if (!vmti_window_make_room(c->r, vmti_window_floor(c->r->counts.threads_now, c->r->evict)))
        vmti_lose(c->r, -ENOMEM, VMTI_STEP_MEMORY);
    vmti_regs regs;
    if (!vmti_ptrace_get_regs(t->tid, &regs)) {
        t->tls = vmti_regs_tls(&regs);
        vmti_exempt(c->r, t->tls - VMTI_PAGE_SIZE, t->tls + VMTI_PAGE_SIZE);
    }
    vmti_thread_resume(c, t, 0);
}

void vmti_child_reported(struct vmti_catcher *c, struct vmti_thread *parent)
{
    unsigned long message = 0;
    if (vmti_ptrace(PTRACE_GETEVENTMSG, parent->tid, 0, (uintptr_t)&message))
        return;
    struct vmti_thread *t = vmti_thread_find(c->r, (pid_t)message);
    bool held = t && t->state == VMTI_T_HELD;
    if (!t) {
        t = vmti_thread_add(c->r, (pid_t)message);
        if (!t)
            return;
        t->state = VMTI_T_EXPECTED;
    }
    t->clone_flags = parent->clone_flags;
    t->vfork_parent = t->clone_flags & CLONE_VFORK ? parent->tid : 0;
    if (!vmti_signals_inherit(c->r, t, parent))
        vmti_lose(c->r, -ENOMEM, VMTI_STEP_MEMORY);
    vmti_affinity_inherit(t, parent);
    /* A copy has the mappings of this moment. So it is answered before any other thread is, which may change them. */
    int status;
    bool copy = !(t->clone_flags & CLONE_VM);
    if (held || (copy && vmti_inject_wait(c->r, t->tid, &status)))
        start(c, t);
    else if (copy)
        vmti_thread_remove(c->r, t); /* killed before its first stop */
}

void vmti_child_stopped(struct vmti_catcher *c, pid_t tid)
{
    struct vmti_thread *t = vmti_thread_find(c->r, tid);
    if (t && t->state == VMTI_T_EXPECTED) {
        start(c, t);
        return;
    }
    /* The stop of a new child can be reported before its parent's (ptrace(2), PTRACE_EVENT_CLONE). */
    if (!t && (t = vmti_thread_add(c->r, tid)))
        t->state = VMTI_T_HELD;
}

void vmti_child_exec(struct vmti_catcher *c, struct vmti_thread *t)
{
    if (vmti_in_frame(t)) {
        vmti_engine_let_go(t, t->frame);
        vmti_thread_remove(c->r, t);
        return;
    }
    vmti_affinity_give_back(t);
    vmti_signals_give_mask_back(c->r, t);
    vmti_ptrace(PTRACE_DETACH, t->tid, 0, 0);
    vmti_thread_remove(c->r, t);
}

/* ------------------------------------------------------------------------------------------- PTRACE_TRACEME */

/*
 * A process has one tracer. A vfork child that asks its parent for that, as the children of debuggers do before their
 * execve, is let go: it shares the memory, so all of it is opened until the parent goes on. A program that asks for
 * itself is let go for good.
 */
bool vmti_child_before_traceme(struct vmti_catcher *c, struct vmti_thread *t)
{
    struct vmti_region *r = c->r;
    struct vmti_thread *parent = t->vfork_parent ? vmti_thread_find(r, t->vfork_parent) : NULL;
    if ((int)t->call.args[0] != PTRACE_TRACEME)
        return false;
    if (!t->other_process && vmti_is_dispatched(r)) /* see dispatch_calls.c */
        return false;
    if (!t->other_process) {
        vmti_lose(r, -EBUSY, VMTI_STEP_TRACEME);
        c->ended = true;
        c->end = VMTI_END_REGION; /* which lets all threads go */
        return true;
    }
    if (!parent)
        return false;
    if (!parent->suspends)
        vmti_suspend(r);
    parent->suspends = true;
    vmti_child_exec(c, t);
    return true;
}

void vmti_child_gone_on(struct vmti_catcher *c, struct vmti_thread *parent)
{
    if (parent->suspends)
        vmti_resume(c->r);
    parent->suspends = false;
}
