/* SPDX-License-Identifier: MIT */
/* The dispatch engine's handler, and its begin and end. See dispatch_internal.h. */
#define _GNU_SOURCE
#include "dispatch_internal.h"

#include <errno.h>
#include <string.h>
#include <ucontext.h>

#include "../harness/config.h"
#include "../harness/os.h"
#include "../harness/region.h"
#include "../harness/tell.h"
#include "../harness/trace_format.h"
#include "../harness/trace_write.h"
#include "../harness/window.h"
#include "../harness/wrap.h"

struct vmti_catcher vmti_engine;

/* ------------------------------------------------------------------------------------------- the lock */

/* Held in handlers, where nothing interrupts, and over a fork (make_clone()): 0 free, 1 held, 2 held and waited for. */
static _Atomic uint32_t held;

void vmti_engine_lock(void)
{
    uint32_t free = 0;
    if (vmti_likely(atomic_compare_exchange_strong(&held, &free, 1)))
        return;
    while (atomic_exchange(&held, 2))
        vmti_os_futex_wait(&held, 2, NULL);
}

void vmti_engine_unlock(void)
{
    if (vmti_unlikely(atomic_exchange(&held, 0) == 2))
        vmti_sys(SYS_futex, &held, 1 /* FUTEX_WAKE */, 1, 0, 0, 0);
}

void vmti_engine_lock_for(struct vmti_thread *t)
{
    if (vmti_likely(!t->holds_lock))
        vmti_engine_lock();
    t->holds_lock = false;
}

void vmti_engine_unlock_for(struct vmti_thread *t)
{
    if (vmti_likely(!t->holds_lock))
        vmti_engine_unlock();
}

void vmti_engine_unlock_copy(void)
{
    atomic_store(&held, 0);
}

/* ------------------------------------------------------------------------------------------- stops */

void vmti_engine_begin_stop(struct vmti_thread *t, struct vmti_frame *frame)
{
    vmti_engine.r->catcher = t->tid;
    t->frame = frame;
    t->state = VMTI_T_STOPPED;
}

void vmti_engine_finish_trace(int end, int end_code)
{
    struct vmti_catcher *c = &vmti_engine;
    if (c->ended)
        return;
    c->ended = true;
    c->end = end;
    c->end_code = end_code;
    vmti_catcher_conclude(c->r);
    vmti_catcher_put_trailer(c, atomic_load(&c->r->state) == VMTI_LOST);
}

/* What the default action of these is does not end the process (signal(7)); nobody can handle the first two. */
static bool ends_process(int signal)
{
    switch (signal) {
    case SIGKILL:
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
    case SIGCHLD:
    case SIGCONT:
    case SIGURG:
    case SIGWINCH:
        return false;
    default:
        return true;
    }
}

/* The default action: the signal is sent again and finds it when our handler returns. */
static void deliver_default(struct vmti_thread *t, struct vmti_frame *frame, int signal)
{
    struct vmti_sigaction none = {.handler = (uint64_t)SIG_DFL};
    if (ends_process(signal) && !t->other_process)
        vmti_engine_finish_trace(VMTI_END_SIGNAL, signal);
    vmti_sys(SYS_rt_sigaction, signal, &none, 0, sizeof none.mask, 0, 0);
    if (signal != frame->signal ||
        vmti_sys(SYS_rt_tgsigqueueinfo, vmti_engine.r->pid, t->tid, signal, frame->info, 0, 0))
        vmti_sys(SYS_tkill, t->tid, signal, 0, 0, 0, 0); /* also where the kernel takes no siginfo of its own from us */
    vmti_change_mask(t, 0, vmti_signal_bit(signal));
}

static bool push(struct vmti_thread *t, struct vmti_frame *frame, int signal)
{
    struct vmti_signals *s = &t->signals;
    const struct vmti_sigaction *action = &frame->action;
    uint64_t mask;
    vmti_frame_get_mask(frame, &mask);
    uint64_t inside = mask | action->mask | (action->flags & SA_NODEFER ? 0 : vmti_signal_bit(signal));
    uint64_t blocked = s->frame_blocked;
    s->frame_blocked = 0;
    return vmti_frame_push(frame, action, &t->stack, mask | blocked, inside & ~VMTI_OWN_MASK);
}

void vmti_engine_end_stop(struct vmti_thread *t, struct vmti_frame *frame)
{
    struct vmti_region *r = vmti_engine.r;
    int signal = frame->deliver;
    if (vmti_unlikely(signal && vmti_action_has_handler(&frame->action))) {
        if ((frame->action.flags & SA_RESETHAND) && !vmti_is_own_signal(signal)) {
            struct vmti_sigaction once = t->signals.actions->of[signal - 1];
            vmti_dispatch_action(signal, &once);
            vmti_sys(SYS_rt_sigaction, signal, &once, 0, sizeof once.mask, 0, 0);
        }
        if (push(t, frame, signal))
            signal = 0;
        else if (signal != SIGSEGV) { /* kernel/signal.c, force_sigsegv() */
            *frame->info = (siginfo_t){.si_signo = SIGSEGV, .si_code = SI_KERNEL};
            frame->signal = SIGSEGV;
            frame->deliver = 0;
            vmti_signal_stop(&vmti_engine, t, SIGSEGV);
            signal = frame->deliver && vmti_action_has_handler(&frame->action) && push(t, frame, SIGSEGV) ? 0 : SIGSEGV;
        }
    } else if (vmti_unlikely(!signal && t->signals.dying)) { /* it faults again and finds the default action */
        vmti_engine_finish_trace(VMTI_END_SIGNAL, frame->signal);
    }
    if (vmti_unlikely(signal))
        deliver_default(t, frame, signal);
    if (vmti_unlikely(r->trace.first_full != NULL))
        vmti_trace_flush(r);
    t->frame = NULL;
    t->resumed_at = r->changes;
    t->state = VMTI_T_RUNNING;
}

/* ------------------------------------------------------------------------------------------- the handler */

/* What the program wanted before the region, for threads that are not traced: not yet, or no longer. */
static struct vmti_sigaction untraced[VMTI_SIGNALS];

/* As near to what the kernel would have done as a handler can. */
static void handle_untraced(int signal, siginfo_t *info, ucontext_t *context)
{
    struct vmti_sigaction action = untraced[signal - 1];
    uint64_t mask;
    if (action.handler == (uint64_t)SIG_IGN && info->si_code <= 0)
        return;
    if (!vmti_action_has_handler(&action)) {
        action = (struct vmti_sigaction){.handler = (uint64_t)SIG_DFL};
        vmti_sys(SYS_rt_sigaction, signal, &action, 0, sizeof action.mask, 0, 0);
        if (info->si_code <= 0 || signal != SIGSEGV)
            vmti_sys(SYS_tkill, vmti_own_tid(), signal, 0, 0, 0, 0);
        return;
    }
    memcpy(&mask, &context->uc_sigmask, sizeof mask);
    mask |= action.mask | (action.flags & SA_NODEFER ? 0 : vmti_signal_bit(signal));
    vmti_sys(SYS_rt_sigprocmask, SIG_SETMASK, &mask, 0, sizeof mask, 0, 0);
    ((void (*)(int, siginfo_t *, void *))action.handler)(signal, info, context);
}

/* A thread that is armed makes no call before all are, and the pages are closed: one made now would be walked while
 * nothing is tracked, and meet closed pages in the kernel. */
static void wait_for_start(void)
{
    _Atomic uint32_t *state = &vmti_engine.r->state;
    while (vmti_unlikely(atomic_load_explicit(state, memory_order_acquire) == VMTI_STARTING))
        vmti_os_futex_wait(state, VMTI_STARTING, NULL);
}

void vmti_engine_handle(int signal, siginfo_t *info, void *context)
{
    struct vmti_own_stack *own = vmti_own_stack_at((uintptr_t)__builtin_frame_address(0));
    struct vmti_frame frame = {.signal = signal, .info = info, .context = context, .call = -1};
    uintptr_t ip = vmti_frame_ip(&frame);
    if (vmti_unlikely(ip == (uintptr_t)vmti_gate_halt)) { /* also for what was sent: no other signal comes there */
        vmti_engine_after_clone(&frame);
        return;
    }
    struct vmti_thread *t = own ? own->thread : NULL;
    if (vmti_unlikely(!t)) {
        handle_untraced(signal, info, context);
        return;
    }
    own->selector = VMTI_SELECTOR_ALLOW;
    wait_for_start();
    vmti_engine_lock_for(t);
    if (vmti_unlikely(vmti_engine_ending))
        vmti_engine_reap();
    vmti_engine_begin_stop(t, &frame);
    if (vmti_unlikely(t->signals.put_off))
        vmti_storm_stop(&vmti_engine, t, signal);
    bool dispatched = signal == SIGSYS && info->si_code == VMTI_SYS_USER_DISPATCH;
    if (dispatched && ip != (uintptr_t)vmti_gate_told) {
        vmti_engine_enter_call(t, &frame);
    } else if (signal == SIGSEGV && info->si_code > 0 && !vmti_gate_holds(ip)) {
        if (vmti_unlikely(!t->in_call && t->spans)) /* pinned for a signal frame, which is written by now */
            vmti_unpin_all(vmti_engine.r, t, 0);
        vmti_signal_stop(&vmti_engine, t, signal);
    } else {
        bool halted = signal == SIGSEGV && info->si_code > 0;
        vmti_engine_leave_gate(t, &frame);
        if (!t->in_call && t->spans)
            vmti_unpin_all(vmti_engine.r, t, 0);
        if (vmti_unlikely(vmti_storm_is_moment(t, info)))
            vmti_undo_interruption(t);
        else if (!dispatched && !halted)
            vmti_signal_stop(&vmti_engine, t, signal);
    }
    vmti_engine_end_stop(t, &frame);
    vmti_engine_unlock_for(t);
    if (vmti_likely(own->thread && !own->leaving))
        own->selector = VMTI_SELECTOR_BLOCK;
}

/* ------------------------------------------------------------------------------------------- actions */

bool vmti_dispatch_needs_change(int signal, const struct vmti_sigaction *action)
{
    return vmti_is_own_signal(signal) || vmti_action_has_handler(action) ||
           (action->handler == (uint64_t)SIG_DFL && ends_process(signal));
}

void vmti_dispatch_action(int signal, struct vmti_sigaction *action)
{
    const uint64_t kept = SA_NOCLDSTOP | SA_NOCLDWAIT | SA_RESTART;
    if (!vmti_dispatch_needs_change(signal, action))
        return;
    *action = (struct vmti_sigaction){
        .handler = (uint64_t)(uintptr_t)vmti_engine_handle,
        .flags = (action->flags & kept) | SA_SIGINFO | SA_ONSTACK | VMTI_RESTORER_FLAG,
        .restorer = (uint64_t)(uintptr_t)vmti_gate_restorer,
        .mask = ~(uint64_t)0,
    };
}

/* ------------------------------------------------------------------------------------------- begin and end */

static uint64_t block_all(void)
{
    uint64_t all = ~(uint64_t)0, old = 0;
    vmti_sys(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old, sizeof all, 0, 0);
    return old;
}

/* Thread-local storage may lie in closed pages. */
static bool in_allocator(struct vmti_region *r, struct vmti_thread *t)
{
    int depth;
    (void)t; /* which is the one that runs */
    return vmti_program_read(r->catcher, &depth, (uintptr_t)&vmti_allocator_depth, sizeof depth) && depth > 0;
}

static int open_trace(struct vmti_region *r)
{
    int fd = -1;
    if (r->trace_path && (fd = vmti_catcher_open_region_trace(r)) < 0)
        return fd;
    int error = vmti_trace_start(r, fd, r->command, r->command_bytes, vmti_os_now(CLOCK_REALTIME),
                                 vmti_os_now(CLOCK_MONOTONIC));
    if (!error && fd >= 0)
        error = vmti_trace_share_file(r);
    return error;
}

static int start(struct vmti_region *r, uint64_t mask)
{
    int error = open_trace(r);
    if (error) {
        r->error_step = VMTI_STEP_TRACE_OPEN;
        return error;
    }
    struct vmti_thread *t = vmti_thread_add(r, vmti_own_tid());
    if (!t || !(t->own = vmti_own_stack_take(t->tid))) {
        r->error_step = VMTI_STEP_MEMORY;
        return -ENOMEM;
    }
    stack_t ours = vmti_own_stack_as_altstack(t->own), had;
    if ((error = (int)vmti_engine_arm(t->own, true))) {
        r->error_step = VMTI_STEP_DISPATCH;
        return error;
    }
    if ((error = (int)vmti_sys(SYS_sigaltstack, &ours, &had, 0, 0, 0, 0))) {
        vmti_engine_arm(t->own, false);
        r->error_step = VMTI_STEP_ALTSTACK;
        return error;
    }
    t->stack = (struct vmti_stack){(uintptr_t)had.ss_sp, had.ss_size, had.ss_flags};
    t->tls = vmti_thread_pointer();
    t->signals.blocked = mask & VMTI_OWN_MASK;
    vmti_handlers_take(r);
    memcpy(untraced, r->actions.of, sizeof untraced);
    t->own->thread = t;
    r->error_step = VMTI_STEP_TASKS;
    if ((error = vmti_engine_tell_threads(r, true)))
        return error;
    vmti_engine_lock();
    error = vmti_region_close_pages(r);
    vmti_engine_unlock();
    return error;
}

/* All threads run as they did before the region. t is the calling one, all of whose signals are blocked; NULL: it is
 * not traced. */
static void let_all_go(struct vmti_region *r, struct vmti_thread *t)
{
    vmti_engine_lock();
    vmti_region_open_pages(r);
    vmti_catcher_conclude(r);
    vmti_engine_unlock();
    vmti_engine_tell_threads(r, false);
    memcpy(untraced, r->actions.of, sizeof untraced);
    vmti_handlers_give_back(r);
    if (!t)
        return;
    vmti_engine_arm(t->own, false);
    t->own->thread = NULL;
    t->own->leaving = false;
    vmti_signals_give_kept_back(r, t);
    stack_t had = {.ss_sp = (void *)t->stack.start, .ss_flags = t->stack.flags, .ss_size = t->stack.bytes};
    vmti_sys(SYS_sigaltstack, &had, 0, 0, 0, 0, 0);
}

int vmti_dispatch_start(struct vmti_region *r)
{
    uint64_t mask = block_all();
    vmti_engine = (struct vmti_catcher){.r = r, .alarm = -1, .end = VMTI_END_EXIT};
    vmti_engine_ending = 0;
    r->in_allocator = in_allocator;
    r->catcher = vmti_own_tid(); /* who reads the program's memory: later the thread that stops */
    int error = r->error = start(r, mask);
    struct vmti_thread *t = vmti_thread_find(r, vmti_own_tid());
    atomic_store(&r->state, error ? VMTI_FAILED : VMTI_TRACING);
    vmti_os_futex_wake(&r->state);
    if (error && t && t->own && t->own->thread)
        let_all_go(r, t);
    if (error && r->trace.fd >= 0 && !r->trace.path)
        vmti_os_close(r->trace.fd);
    if (error)
        vmti_trace_let_file_go(&r->trace);
    if (!error)
        mask &= ~VMTI_OWN_MASK;
    vmti_sys(SYS_rt_sigprocmask, SIG_SETMASK, &mask, 0, sizeof mask, 0, 0);
    if (!error)
        t->own->selector = VMTI_SELECTOR_BLOCK;
    return error;
}

void vmti_dispatch_stop(struct vmti_region *r)
{
    /* Answered with the thread, whose signals are all blocked then; by the kernel where this thread could not be
     * armed. */
    long answer = vmti_tell(VMTI_TELL_END, 0, 0);
    struct vmti_thread *t = answer == -ENOSYS ? NULL : (struct vmti_thread *)answer;
    uint64_t mask = t ? t->clone_mask | t->signals.blocked : block_all();
    let_all_go(r, t);
    bool lost = atomic_load(&r->state) == VMTI_LOST;
    vmti_engine.end = VMTI_END_REGION;
    vmti_engine.ended = true;
    vmti_catcher_put_trailer(&vmti_engine, lost);
    vmti_trace_let_file_go(&r->trace);
    if (!lost)
        atomic_store(&r->state, VMTI_ENDED);
    vmti_sys(SYS_rt_sigprocmask, SIG_SETMASK, &mask, 0, sizeof mask, 0, 0);
}
