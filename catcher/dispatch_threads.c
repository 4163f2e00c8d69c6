/* SPDX-License-Identifier: MIT */
/* How threads begin and end to be traced by the dispatch engine. See dispatch_internal.h. */
#define _GNU_SOURCE
#include "dispatch_internal.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <ucontext.h>

#include "../harness/config.h"
#include "../harness/effects.h"
#include "../harness/os.h"
#include "../harness/pagedir.h"
#include "../harness/window.h"
#include "proc.h"

static bool is_gone(pid_t tid)
{
    return vmti_sys(SYS_kill, tid, 0, 0, 0, 0, 0) == -ESRCH;
}

/* ------------------------------------------------------------------------------------------- stacks */

enum { STACKS_PER_AREA = 64, AREAS_MOST = 1024, AREA_BYTES = STACKS_PER_AREA * VMTI_OWN_STACK_BYTES };

/* Kept for the process's life: a thread may be returning from a handler on one when a region has ended. */
static _Atomic uintptr_t areas[AREAS_MOST];

static struct vmti_own_stack *stack_in(uintptr_t area, unsigned i)
{
    return (struct vmti_own_stack *)(area + i * VMTI_OWN_STACK_BYTES);
}

struct vmti_own_stack *vmti_own_stack_at(uintptr_t address)
{
    for (unsigned a = 0; a < AREAS_MOST && areas[a]; a++)
        if (address - areas[a] < AREA_BYTES)
            return stack_in(areas[a], (unsigned)((address - areas[a]) / VMTI_OWN_STACK_BYTES));
    return NULL;
}

static bool add_area(unsigned a)
{
    uintptr_t bytes = AREA_BYTES + VMTI_OWN_STACK_BYTES, start = (uintptr_t)vmti_os_map(bytes);
    if (!start)
        return false;
    /* What was noted for the malloc'd memory that may have been here before holds no more. */
    vmti_dir_set(start >> VMTI_PAGE_SHIFT, (start + bytes - 1) >> VMTI_PAGE_SHIFT, UINT32_MAX, 0);
    areas[a] = (start + VMTI_OWN_STACK_BYTES - 1) & ~(uintptr_t)(VMTI_OWN_STACK_BYTES - 1);
    return true;
}

struct vmti_own_stack *vmti_own_stack_take(pid_t tid)
{
    struct vmti_own_stack *free = NULL;
    unsigned a = 0;
    for (; a < AREAS_MOST && areas[a]; a++)
        for (unsigned i = 0; i < STACKS_PER_AREA; i++) {
            struct vmti_own_stack *own = stack_in(areas[a], i);
            if (tid && own->tid == tid && !own->thread) { /* it had this one in the region before */
                free = own;
                goto found;
            }
            if (!free && !own->taken)
                free = own;
        }
    for (unsigned b = 0; !free && b < a; b++)
        for (unsigned i = 0; i < STACKS_PER_AREA && !free; i++)
            if (!stack_in(areas[b], i)->thread && !stack_in(areas[b], i)->parent && is_gone(stack_in(areas[b], i)->tid))
                free = stack_in(areas[b], i);
    if (!free && a < AREAS_MOST && add_area(a))
        free = stack_in(areas[a], 0);
    if (!free)
        return NULL;
found:
    memset(free, 0, sizeof *free);
    free->tid = tid;
    free->taken = true;
    return free;
}

void vmti_own_stacks_forget_others(const struct vmti_own_stack *own)
{
    for (unsigned a = 0; a < AREAS_MOST && areas[a]; a++)
        for (unsigned i = 0; i < STACKS_PER_AREA; i++) {
            struct vmti_own_stack *other = stack_in(areas[a], i);
            if (other == own || !other->taken)
                continue;
            other->thread = other->parent = NULL;
            other->taken = false;
        }
}

stack_t vmti_own_stack_as_altstack(const struct vmti_own_stack *own)
{
    return (stack_t){.ss_sp = (void *)own, .ss_flags = VMTI_SS_AUTODISARM, .ss_size = VMTI_OWN_STACK_BYTES};
}

/* ------------------------------------------------------------------------------------------- begin and end */

long vmti_engine_arm(struct vmti_own_stack *own, bool on)
{
    if (!on)
        return vmti_sys(SYS_prctl, VMTI_PR_SET_SYSCALL_USER_DISPATCH, 0 /* off */, 0, 0, 0, 0);
    return vmti_sys(SYS_prctl, VMTI_PR_SET_SYSCALL_USER_DISPATCH, 1 /* on */, vmti_gate_start,
                    vmti_gate_end - vmti_gate_start, &own->selector, 0);
}

struct vmti_thread *vmti_engine_adopt(struct vmti_frame *frame, struct vmti_own_stack *own,
                                      const struct vmti_thread *parent)
{
    struct vmti_region *r = vmti_engine.r;
    ucontext_t *context = frame->context;
    stack_t had = context->uc_stack;
    pid_t tid = vmti_own_tid();
    struct vmti_thread *t = vmti_thread_find(r, tid);
    if (t) { /* one that has ended, and had the same number */
        vmti_engine_ending -= t->ending;
        vmti_thread_remove(r, t);
    }
    t = vmti_thread_add(r, tid);
    if (!t || (!own && !(own = vmti_own_stack_take(t->tid)))) {
        vmti_lose(r, -ENOMEM, VMTI_STEP_MEMORY);
        return NULL;
    }
    own->tid = t->tid;
    own->parent = NULL;
    t->own = own;
    t->tls = vmti_thread_pointer();
    vmti_exempt_tls(r, t->tls);
    if (parent) {
        t->clone_flags = parent->clone_flags;
        t->other_process = !(t->clone_flags & CLONE_THREAD);
        t->vfork_parent = t->clone_flags & CLONE_VFORK ? parent->tid : 0;
        if (!vmti_signals_inherit(r, t, parent))
            vmti_lose(r, -ENOMEM, VMTI_STEP_MEMORY);
        /* sas_ss_reset(), but for vfork: kernel/fork.c, copy_process() */
        t->stack = t->clone_flags & CLONE_VFORK ? parent->stack : (struct vmti_stack){.flags = SS_DISABLE};
    } else {
        t->stack = (struct vmti_stack){(uintptr_t)had.ss_sp, had.ss_size, had.ss_flags & ~SS_ONSTACK};
    }
    if (!vmti_window_make_room(r, vmti_window_floor(r->counts.threads_now, r->evict)))
        vmti_lose(r, -ENOMEM, VMTI_STEP_MEMORY);
    t->resumed_at = r->changes;
    context->uc_stack = vmti_own_stack_as_altstack(own); /* which the handler's return sets */
    if (vmti_engine_arm(own, true)) {
        vmti_lose(r, -EIO, VMTI_STEP_DISPATCH);
        return NULL;
    }
    own->thread = t;
    return t;
}

void vmti_engine_let_go(struct vmti_thread *t, struct vmti_frame *frame)
{
    ucontext_t *context = frame->context;
    vmti_storm_let_in(&vmti_engine, t);
    vmti_signals_give_mask_back(vmti_engine.r, t);
    context->uc_stack =
        (stack_t){.ss_sp = (void *)t->stack.start, .ss_flags = t->stack.flags, .ss_size = t->stack.bytes};
    t->own->thread = NULL;
    t->own->selector = VMTI_SELECTOR_ALLOW;
    vmti_engine_arm(t->own, false);
}

uint32_t vmti_engine_ending;

void vmti_engine_note_end(struct vmti_thread *t)
{
    t->own->thread = NULL;
    t->own->selector = VMTI_SELECTOR_ALLOW;
    t->ending = true;
    vmti_engine_ending++;
}

void vmti_engine_reap(void)
{
    struct vmti_region *r = vmti_engine.r;
    for (struct vmti_thread *t = r->threads, *next; t; t = next) {
        next = t->hh.next;
        if (!t->ending || !is_gone(t->tid))
            continue;
        vmti_engine_ending--;
        vmti_thread_remove(r, t);
    }
}

/* ------------------------------------------------------------------------------------------- other threads */

/* A thread can be armed and disarmed by itself alone, so each is sent a signal. A call that this interrupts and that
 * the kernel does not resume by itself runs again. */
static struct {
    struct vmti_sigaction libc;
    _Atomic uint32_t answers;
    bool arm;
} telling;

/* Where a thread runs on its alternate stack it cannot be given another (sigaltstack(2), EPERM): it is told again. */
static bool is_on_altstack(const ucontext_t *context)
{
    uintptr_t sp = (uintptr_t)context->uc_mcontext.gregs[REG_RSP], start = (uintptr_t)context->uc_stack.ss_sp;
    return !(context->uc_stack.ss_flags & SS_DISABLE) && sp > start && sp - start <= context->uc_stack.ss_size;
}

/* The thread, if it is traced from now on. */
static struct vmti_thread *arm(struct vmti_frame *frame)
{
    struct vmti_thread *t;
    if (is_on_altstack(frame->context) || !(t = vmti_engine_adopt(frame, NULL, NULL)))
        return NULL;
    t->frame = frame;
    vmti_signals_take_mask(t);
    t->frame = NULL;
    vmti_context_rerun((ucontext_t *)frame->context, -EINTR, -1, 0);
    return t;
}

static void disarm(struct vmti_thread *t, struct vmti_frame *frame)
{
    vmti_engine_begin_stop(t, frame);
    vmti_engine_leave_gate(t, frame);
    vmti_undo_interruption(t);
    vmti_engine_let_go(t, frame);
    t->frame = NULL;
}

static void handle_telling(int signal, siginfo_t *info, void *context)
{
    struct vmti_own_stack *own = vmti_own_stack_at((uintptr_t)__builtin_frame_address(0));
    struct vmti_thread *t = own ? own->thread : NULL;
    if (t)
        own->selector = VMTI_SELECTOR_ALLOW;
    if (info->si_code != SI_QUEUE || info->si_ptr != &telling) { /* libc's */
        if (vmti_action_has_handler(&telling.libc))
            ((void (*)(int, siginfo_t *, void *))telling.libc.handler)(signal, info, context);
        if (t)
            own->selector = VMTI_SELECTOR_BLOCK;
        return;
    }
    struct vmti_thread *traced = t;
    struct vmti_frame frame = {.signal = signal, .info = info, .context = context, .call = -1};
    vmti_engine_lock();
    if (telling.arm && !t) {
        traced = arm(&frame);
    } else if (!telling.arm && t) {
        disarm(t, &frame);
        traced = NULL;
    }
    vmti_engine_unlock();
    atomic_fetch_add(&telling.answers, 1);
    vmti_os_futex_wake(&telling.answers);
    if (traced)
        traced->own->selector = VMTI_SELECTOR_BLOCK;
}

/* A thread of the kernel's that works for io_uring: it runs nothing of the program's, and no handler. */
static bool is_worker(pid_t tid)
{
    enum { FLAGS_FIELD = 9 - 2, PF_IO_WORKER = 0x10, PF_USER_WORKER = 0x4000 }; /* proc_pid_stat(5), linux/sched.h */
    char stat[512];
    int64_t flags = 0;
    const char *at = vmti_proc_after_name(stat, vmti_proc_read(vmti_engine.r->pid, tid, "/stat", stat, sizeof stat));
    for (int field = 2; field <= FLAGS_FIELD; field++) /* the first is a letter */
        if (!vmti_proc_number(&at, &flags))
            return false;
    return flags & (PF_IO_WORKER | PF_USER_WORKER);
}

static long tell_thread(void *told, pid_t tid)
{
    struct vmti_region *r = vmti_engine.r;
    vmti_engine_lock();
    const struct vmti_thread *t = vmti_thread_find(r, tid);
    bool done = telling.arm ? t != NULL : !t || !t->own->thread;
    vmti_engine_unlock();
    if (done || tid == vmti_own_tid() || is_worker(tid))
        return 0;
    siginfo_t info = {.si_signo = VMTI_TELLING_SIGNAL, .si_code = SI_QUEUE};
    info.si_pid = r->pid;
    info.si_ptr = &telling;
    uint32_t answers = atomic_load(&telling.answers);
    if (vmti_sys(SYS_rt_tgsigqueueinfo, r->pid, tid, VMTI_TELLING_SIGNAL, &info, 0, 0))
        return 0; /* it has ended since */
    struct timespec moment = {0, 10 * 1000 * 1000};
    while (atomic_load(&telling.answers) == answers && !is_gone(tid))
        vmti_os_futex_wait(&telling.answers, answers, &moment);
    ++*(uint32_t *)told;
    return 0;
}

/* Until no thread is new: one that was not armed yet may have made others meanwhile. */
int vmti_engine_tell_threads(struct vmti_region *r, bool arming)
{
    char folder[VMTI_PROC_PATH_BYTES];
    /* A thread to be armed is given its stack by the return from the handler, so that runs on none that it has already.
     * One that is armed finds it for a signal of libc's alone, whose handler makes calls. */
    struct vmti_sigaction ours = {(uint64_t)(uintptr_t)handle_telling,
                                  SA_SIGINFO | SA_RESTART | VMTI_RESTORER_FLAG | (arming ? 0 : SA_ONSTACK),
                                  (uint64_t)(uintptr_t)vmti_gate_restorer, arming ? ~VMTI_OWN_MASK : ~(uint64_t)0};
    enum { ROUNDS_MOST = 2000 };
    uint32_t told, rounds = 0;
    long error;
    telling.arm = arming;
    vmti_sys(SYS_rt_sigaction, VMTI_TELLING_SIGNAL, &ours, &telling.libc, sizeof ours.mask, 0, 0);
    vmti_proc_path(folder, r->pid, 0, "/task");
    do {
        struct timespec moment = {0, 1000 * 1000};
        told = 0;
        error = vmti_proc_each(folder, tell_thread, &told);
        if (++rounds > 2 && told)
            vmti_sys(SYS_nanosleep, &moment, 0, 0, 0, 0, 0);
        if (!error && rounds == ROUNDS_MOST)
            error = -EBUSY;
    } while (!error && told);
    vmti_sys(SYS_rt_sigaction, VMTI_TELLING_SIGNAL, &telling.libc, 0, sizeof ours.mask, 0, 0);
    return (int)error;
}
