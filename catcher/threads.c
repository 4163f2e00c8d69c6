/* SPDX-License-Identifier: MIT */
/* Runs in the catcher; see internal.h for what may be called. */
#include "internal.h"

#include <errno.h>
#include <string.h>

#include "../harness/arena.h"
#include "../harness/fault.h"
#include "../harness/window.h"
#include "proc.h"

struct vmti_thread *vmti_thread_find(struct vmti_region *r, pid_t tid)
{
    struct vmti_thread *t;
    HASH_FIND(hh, r->threads, &tid, sizeof tid, t);
    return t;
}

struct vmti_thread *vmti_thread_add(struct vmti_region *r, pid_t tid)
{
    struct vmti_thread *t = r->thread_free;
    if (t)
        r->thread_free = t->pinning_next;
    else
        t = vmti_arena_alloc(&r->arena, sizeof *t);
    if (!t)
        return NULL;
    memset(t, 0, sizeof *t);
    t->tid = tid;
    t->index = (uint32_t)r->counts.threads;
    t->signals.actions = &r->actions;
    HASH_ADD(hh, r->threads, tid, sizeof tid, t);
    if (!t->hh.tbl)
        return NULL;
    r->counts.threads++;
    r->counts.threads_now++;
    return t;
}

void vmti_thread_remove(struct vmti_region *r, struct vmti_thread *t)
{
    vmti_unpin_all(r, t, -EINTR);
    vmti_signals_forget(r, t);
    vmti_follow_exec_forget(t);
    HASH_DEL(r->threads, t);
    r->counts.threads_now--;
    t->pinning_next = r->thread_free;
    r->thread_free = t;
}

void vmti_thread_resume(struct vmti_catcher *c, struct vmti_thread *t, int signal)
{
    t->resumed_at = c->r->changes;
    if (vmti_in_frame(t))
        t->frame->deliver = signal;
    else
        vmti_thread_continue(t, signal);
}

void vmti_thread_continue(struct vmti_thread *t, int signal)
{
    t->state = VMTI_T_RUNNING;
    /* Every stop takes back an interrupt that is pending (kernel/signal.c, ptrace_stop). */
    if (t->halting)
        vmti_ptrace(PTRACE_INTERRUPT, t->tid, 0, 0);
    vmti_ptrace_resume(t->tid, signal);
}

bool vmti_thread_in_allocator(struct vmti_region *r, struct vmti_thread *t)
{
    /* The thread pointer as it is now: a program may set its own. */
    vmti_regs regs;
    int depth = 0;
    return !vmti_ptrace_get_regs(t->tid, &regs) &&
           vmti_program_read(r->catcher, &depth, vmti_regs_tls(&regs) + r->allocator_depth_offset, sizeof depth) &&
           depth > 0;
}

/* ------------------------------------------------------------------------------------------- halting */

/*
 * The call that a thread waits in, which the registers do not tell any more once it has stopped: proc_pid_syscall(5)
 * has it before. One that begins to wait between this and its stop returns EINTR, if it is of those that the kernel
 * does not restart.
 */
static void note_blocked_call(struct vmti_region *r, struct vmti_thread *t)
{
    char text[256];
    uint64_t word[8]; /* six arguments, the stack pointer, the address behind the instruction */
    int64_t nr = 0;
    const char *at = text;
    if (vmti_proc_read(r->pid, t->tid, "/syscall", text, sizeof text) <= 0 || !vmti_proc_number(&at, &nr))
        return; /* it runs */
    for (unsigned i = 0; i < 8; i++)
        if (!vmti_proc_hex(&at, &word[i]))
            return;
    t->call.nr = nr;
    memcpy(t->call.args, word, sizeof t->call.args);
    t->call.sp = word[6];
    t->call.ip = word[7];
}

static long seize(void *catcher, pid_t tid)
{
    struct vmti_catcher *c = catcher;
    struct vmti_region *r = c->r;
    if (vmti_thread_find(r, tid))
        return 0;
    long error = vmti_ptrace(PTRACE_SEIZE, tid, 0, VMTI_PTRACE_OPTIONS);
    if (error == -ESRCH) /* it has exited since */
        return 0;
    r->error_step = VMTI_STEP_SEIZE;
    if (error)
        return error;
    struct vmti_thread *t = vmti_thread_add(r, tid);
    if (!t) {
        r->error_step = VMTI_STEP_MEMORY;
        return -ENOMEM;
    }
    if (!VMTI_REGS_KEEP_CALL)
        note_blocked_call(r, t);
    vmti_ptrace(PTRACE_INTERRUPT, tid, 0, 0);
    return 0;
}

/* Seizes and interrupts threads that are not known yet. The number of new ones, or negative errno. */
static long seize_new(struct vmti_catcher *c)
{
    uint64_t before = c->r->counts.threads;
    char folder[VMTI_PROC_PATH_BYTES];
    vmti_proc_path(folder, c->r->pid, 0, "/task");
    c->r->error_step = VMTI_STEP_TASKS;
    long error = vmti_proc_each(folder, seize, c);
    return error ? error : (long)(c->r->counts.threads - before);
}

/* Has the threads that `chosen` halt, and waits until they have. Stops that come before are answered as always. */
static void halt(struct vmti_catcher *c, bool (*chosen)(struct vmti_catcher *c, struct vmti_thread *t))
{
    for (;;) {
        bool waiting = false;
        for (struct vmti_thread *t = c->r->threads; t; t = t->hh.next) {
            if (t->state == VMTI_T_RUNNING && !t->halting && chosen(c, t)) {
                /* A thread that is gone has no stop to wait for. */
                t->halting = !vmti_ptrace(PTRACE_INTERRUPT, t->tid, 0, 0);
            }
            waiting |= t->halting;
        }
        if (!waiting || c->gone || !vmti_catcher_step(c))
            return;
    }
}

static bool is_fault(const siginfo_t *info)
{
    return info->si_signo == SIGSEGV && info->si_code > 0;
}

/* The call that the thread was in is noted, for the kernel may resume it by restart_syscall, which does not say. */
static void note_call(struct vmti_thread *t)
{
#if VMTI_REGS_KEEP_CALL /* else see note_blocked_call() */
    vmti_regs regs;
    if (vmti_ptrace_get_regs(t->tid, &regs) || vmti_regs_nr(&regs) < 0 || vmti_regs_nr(&regs) == SYS_restart_syscall)
        return;
    t->call.nr = vmti_regs_nr(&regs);
    for (unsigned i = 0; i < 6; i++)
        t->call.args[i] = vmti_regs_arg(&regs, i);
#else
    (void)t;
#endif
}

bool vmti_thread_halted(struct vmti_thread *t)
{
    if (!t->halting)
        return false;
    t->halting = false;
    /* One that waits is answered first; then the thread is halted again. The stop of an interrupt comes before it
     * (kernel/signal.c, get_signal: the traps of job control first, then synchronous signals). */
    if (vmti_signal_is_queued(t->tid, is_fault))
        return false;
    t->state = VMTI_T_STOPPED;
    note_call(t);
    vmti_undo_interruption(t);
    return true;
}

/* ------------------------------------------------------------------------------------------- attach, release */

static bool any_thread(struct vmti_catcher *c, struct vmti_thread *t)
{
    (void)c;
    (void)t;
    return true;
}

int vmti_threads_attach(struct vmti_catcher *c)
{
    long found;
    /* Until no thread is new: a thread that was not seized yet may have made others meanwhile. */
    do {
        found = seize_new(c);
        if (found < 0)
            return c->r->error = (int)found;
        halt(c, any_thread);
        if (c->gone)
            return c->r->error = -ESRCH;
    } while (found);
    for (struct vmti_thread *t = c->r->threads; t; t = t->hh.next) {
        struct ptrace_syscall_info info;
        /* before Linux 5.3 */
        if (vmti_ptrace(PTRACE_GET_SYSCALL_INFO, t->tid, sizeof info, (uintptr_t)&info) == -EIO) {
            c->r->error_step = VMTI_STEP_SEIZE;
            return c->r->error = -EIO;
        }
        vmti_regs regs;
        if (!vmti_ptrace_get_regs(t->tid, &regs))
            t->tls = vmti_regs_tls(&regs);
        vmti_signals_take_mask(t);
        vmti_alarm_add(c, t);
        vmti_affinity_take(c, t);
    }
    return 0;
}

/* Could the thread be between a fault on a page that was closed then and our answer to it? Not if it sleeps: it does so
 * in a system call, and what it touches later is open. If it runs, or is at a stop that we have not been told of yet,
 * it could. (The state letter of proc_pid_stat(5).) */
static bool may_have_faulted(struct vmti_catcher *c, struct vmti_thread *t)
{
    char stat[512];
    const char *state = vmti_proc_after_name(stat, vmti_proc_read(c->r->pid, t->tid, "/stat", stat, sizeof stat));
    return *state && (state[1] == 'R' || state[1] == 't' || state[1] == 'T');
}

/* Those that must be at a stop to be let go: see above; and those that have something to be given back. */
static bool must_halt(struct vmti_catcher *c, struct vmti_thread *t)
{
    return t->replaced || t->signals.put_off || t->signals.blocked || may_have_faulted(c, t);
}

void vmti_threads_release(struct vmti_catcher *c)
{
    halt(c, must_halt);
    /* Those that sleep in a call are let go by the catcher's exit: a PTRACE_INTERRUPT could be seen by the program as
     * EINTR, and the end of a tracer cannot. */
    for (struct vmti_thread *t = c->r->threads; t; t = t->hh.next) {
        vmti_affinity_give_back(t);
        if (t->state == VMTI_T_STOPPED) {
            vmti_signals_give_mask_back(c->r, t);
            vmti_ptrace(PTRACE_DETACH, t->tid, 0, 0);
        }
    }
}
