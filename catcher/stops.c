/* SPDX-License-Identifier: MIT */
/* What each kind of stop means (ptrace(2), "Stopped states"). Runs in the catcher; see internal.h. */
#include "internal.h"

#include <errno.h>
#include <string.h>

#include "../harness/effects.h"
#include "../harness/pagedir.h"
#include "../harness/tell.h"
#include "../harness/trace_format.h"
#include "../harness/trace_write.h"
#include "../harness/walk.h"
#include "../harness/window.h"

/* ------------------------------------------------------------------------------------------- system calls */

/* The program talks to us. */
static void hear(struct vmti_catcher *c, struct vmti_thread *t)
{
    uintptr_t start = t->call.args[1], end = t->call.args[2];
    switch (t->call.args[0]) {
    case VMTI_TELL_END:
        c->ended = true;
        c->end = VMTI_END_REGION;
        break;
    case VMTI_TELL_ADOPT:
        vmti_adopt_unknown(c->r, start, end);
        break;
    case VMTI_TELL_TRACK:
        vmti_track_in_region(c->r, start, end);
        break;
    case VMTI_TELL_UNTRACK:
        vmti_untrack_in_region(c->r, start, end);
        break;
    case VMTI_TELL_MARK:
        vmti_trace_put_mark(c->r, (uint32_t)start, vmti_os_now(CLOCK_MONOTONIC));
        break;
    default:
        break;
    }
}

/* Calls that are not the program's: vmt_begin() waits for us by a futex, and see VMTI_OWN_CALL. */
static bool is_own_call(struct vmti_region *r, const struct vmti_call *call)
{
    switch (call->nr) {
    case VMTI_TELL_NR:
        return true;
    case SYS_futex:
        return call->args[0] == (uintptr_t)&r->state;
    case SYS_mmap:
    case SYS_rt_sigaction:
        return (int)call->args[4] == VMTI_OWN_CALL;
    default:
        return false;
    }
}

/* The call that the thread is about to make does not run: at its exit it gives t->refused. */
static void skip_call(struct vmti_thread *t)
{
    vmti_regs regs;
    if (vmti_get_regs(t, &regs))
        return;
    vmti_regs_skip_call(&regs);
    vmti_set_regs(t, &regs);
}

static void give_refusal(struct vmti_thread *t)
{
    vmti_regs regs;
    if (vmti_get_regs(t, &regs))
        return;
    vmti_regs_set_result(&regs, t->refused);
    vmti_set_regs(t, &regs);
}

/*
 * Where a register holds first the first argument and then the result, the kernel keeps the argument for a restart of
 * the call: the program's, or the one that replaced it at the entry. (arch/arm64/kernel/syscall.c and ptrace.c: seen
 * on Linux 6.1.192 is the latter.) A call that has been set back gets the program's.
 */
static void give_first_back(struct vmti_thread *t)
{
    vmti_regs regs;
    if (!vmti_get_regs(t, &regs) && vmti_regs_in_call(&regs, t->call.ip) && vmti_regs_arg(&regs, 0) == t->first_given) {
        vmti_regs_set_arg(&regs, 0, t->call.args[0]);
        vmti_set_regs(t, &regs);
    }
    t->first_given = 0;
}

bool vmti_call_enter(struct vmti_catcher *c, struct vmti_thread *t, const struct vmti_entry *entry)
{
    struct vmti_region *r = c->r;
    t->in_call = true;
    t->row = NULL;
    t->refused = 0;
    /* restart_syscall(2) goes on with the call before it, which was interrupted by a stop: that is still in t->call,
     * for where a handler ran in between the call is not resumed (kernel/signal.c of the processor: EINTR). */
    if (entry->nr != SYS_restart_syscall) {
        uint64_t first = t->call.args[0];
        t->call.nr = (int64_t)entry->nr;
        memcpy(t->call.args, entry->args, sizeof t->call.args);
        if (vmti_unlikely(t->first_given) && t->first_given == entry->args[0])
            t->call.args[0] = first; /* the call again, restarted without a stop */
    }
    t->first_given = 0;
    t->call.ip = entry->ip;
    t->call.sp = entry->sp;
    if (is_own_call(r, &t->call)) {
        t->signals.rerunning = false;
        if (t->call.nr == VMTI_TELL_NR)
            hear(c, t);
        return true;
    }
    if (!t->signals.rerunning)
        r->counts.syscalls++;
    bool native = entry->arch == VMTI_AUDIT_ARCH && !(entry->nr & VMTI_FOREIGN_NR);
    t->row = native ? vmti_row(t->call.nr) : NULL;
    if (!t->row) {
        t->signals.rerunning = false;
        if (!r->counts.unknown_calls++)
            r->first_unknown = t->call.nr;
        return true;
    }
    if (t->row->pointers && vmti_walk_call(r, t, &t->call, t->row))
        r->counts.syscalls_walked++;
    if (t->refused) { /* the walk cannot make it safe */
        r->counts.refused_calls++;
        skip_call(t);
        return true;
    }
    if (t->row->effect)
        vmti_effect_before(r, t);
    if (t->spans)
        vmti_note_pinned(r, t);
    vmti_signals_before(c, t);
    t->signals.rerunning = false;
    if (t->row->effect == VMTI_EFFECT_CLONE) {
        vmti_child_before(c, t);
    } else if (t->row->effect == VMTI_EFFECT_WAIT && vmti_waits_has_no_child(c, t)) {
        t->refused = -ECHILD;
        skip_call(t);
    } else if (t->row->effect == VMTI_EFFECT_EXEC) {
        vmti_follow_exec_before(c, t);
    } else if (t->row->effect == VMTI_EFFECT_PTRACE) {
        return !vmti_child_before_traceme(c, t);
    }
    return true;
}

void vmti_call_leave(struct vmti_catcher *c, struct vmti_thread *t, int64_t result)
{
    if (!t->in_call) /* made to skip it: see signals.c */
        return;
    t->in_call = false;
    if (!t->row)
        return;
    if (t->refused) {
        give_refusal(t);
        vmti_unpin_all(c->r, t, t->refused);
        return;
    }
    /* What these read and write of the program's memory is pinned still. */
    vmti_signals_after(c, t, result);
    if (t->row->effect == VMTI_EFFECT_SCHED_GETAFFINITY || t->row->effect == VMTI_EFFECT_SCHED_SETAFFINITY)
        vmti_affinity_after(c, t, result);
    vmti_unpin_all(c->r, t, result);
    vmti_child_gone_on(c, t);
    if (t->exec_room)
        vmti_follow_exec_after(c, t, result);
    if (t->row->effect)
        vmti_effect_after(c->r, t, result);
}

static void syscall_stop(struct vmti_catcher *c, struct vmti_thread *t)
{
    struct ptrace_syscall_info info;
    if (vmti_ptrace(PTRACE_GET_SYSCALL_INFO, t->tid, sizeof info, (uintptr_t)&info) < 0)
        return; /* dead; wait tells */
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
        struct vmti_entry entry = {.nr = info.entry.nr, .ip = info.instruction_pointer, .sp = info.stack_pointer,
                                   .arch = info.arch};
        for (int i = 0; i < 6; i++)
            entry.args[i] = info.entry.args[i];
        if (!vmti_call_enter(c, t, &entry))
            return;
    }
    if (info.op == PTRACE_SYSCALL_INFO_EXIT)
        vmti_call_leave(c, t, info.exit.rval);
    if (!c->ended || t->halting) /* one that halts goes on to its interrupt, where a call may be restarted */
        vmti_thread_resume(c, t, 0);
}

/* ------------------------------------------------------------------------------------------- all */

/* The thread that made the execve has the number of the process's first thread now, and what that one had is gone. */
static void become_first(struct vmti_catcher *c, struct vmti_thread *first)
{
    unsigned long former = 0;
    vmti_ptrace(PTRACE_GETEVENTMSG, first->tid, 0, (uintptr_t)&former);
    const struct vmti_thread *t = vmti_thread_find(c->r, (pid_t)former);
    if (!t || t == first)
        return;
    first->signals = t->signals;
    first->has_affinity = t->has_affinity;
    memcpy(first->affinity, t->affinity, sizeof t->affinity);
}

static void event_stop(struct vmti_catcher *c, struct vmti_thread *t, int event, int signal)
{
    switch (event) {
    case PTRACE_EVENT_CLONE:
    case PTRACE_EVENT_FORK:
    case PTRACE_EVENT_VFORK:
        if (!t->in_call) /* its entry came before we attached */
            t->clone_flags = event == PTRACE_EVENT_FORK ? 0 : event == PTRACE_EVENT_VFORK ? 0x4100 : 0x10100;
        vmti_child_reported(c, t);
        vmti_thread_continue(t, 0);
        break;
    case PTRACE_EVENT_EXEC:
        if (t->other_process) {
            vmti_child_exec(c, t);
        } else {
            become_first(c, t);
            c->ended = true;
            c->end = VMTI_END_EXEC;
            t->state = VMTI_T_STOPPED;
        }
        break;
    case PTRACE_EVENT_STOP:
        if (signal != SIGTRAP) { /* group stop: it ends by SIGCONT, not by us */
            t->state = VMTI_T_LISTENING;
            t->halting = false;
            vmti_ptrace(PTRACE_LISTEN, t->tid, 0, 0);
        } else if (!vmti_thread_halted(t)) {
            vmti_undo_interruption(t);
            vmti_thread_continue(t, 0);
        }
        break;
    default:
        vmti_thread_continue(t, 0);
        break;
    }
}

void vmti_stop_handle(struct vmti_catcher *c, struct vmti_thread *t, int status)
{
    int event = vmti_stop_event(status), signal = vmti_stop_signal(status);
    t->state = VMTI_T_STOPPED;
    if (vmti_unlikely(t->signals.put_off))
        vmti_storm_stop(c, t, signal);
    if (vmti_unlikely(t->signals.frame_blocked) && vmti_handler_stop(t, signal, event))
        return;
    if (vmti_unlikely(t->first_given) && !t->in_call && signal != (SIGTRAP | 0x80))
        give_first_back(t);
    if (!t->in_call && t->spans) /* pinned for a signal frame, which is written by now */
        vmti_unpin_all(c->r, t, 0);
    if (signal == (SIGTRAP | 0x80))
        syscall_stop(c, t);
    else if (event)
        event_stop(c, t, event, signal);
    else
        vmti_signal_stop(c, t, signal);
}
