/* SPDX-License-Identifier: MIT */
/* The system calls of threads that the dispatch engine traces. See dispatch_internal.h. */
#define _GNU_SOURCE
#include "dispatch_internal.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>

#include "../harness/follow.h"
#include "../harness/os.h"
#include "../harness/pagedir.h"
#include "../harness/region.h"
#include "../harness/tell.h"
#include "../harness/trace_format.h"
#include "../harness/trace_write.h"
#include "../harness/window.h"
#include "../harness/wrap.h"

enum { SYS_CLONE3 = 435 }; /* Linux 5.3; older headers lack it */
enum { ERESTARTSYS = 512 }; /* include/linux/errno.h */

#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ull
#endif

/* ------------------------------------------------------------------------------------------- through the gate */

/* The stack was taken for a child that does not need it. */
static void give_back_stack(struct vmti_thread *t)
{
    t->child_own->parent = NULL;
    t->child_own->taken = false;
    t->child_own = NULL;
}

void vmti_engine_leave_gate(struct vmti_thread *t, struct vmti_frame *frame)
{
    vmti_regs regs;
    vmti_frame_get_regs(frame, &regs);
    enum vmti_gate_place place = vmti_gate_leave(&regs, &t->call);
    if (place == VMTI_GATE_OUTSIDE)
        return;
    vmti_frame_set_regs(frame, &regs);
    frame->call = place == VMTI_GATE_AFTER ? t->call.nr : -1;
    if (t->child_own) { /* a clone that has not been made: all signals but our own are blocked for it */
        vmti_frame_set_mask(frame, &t->clone_mask);
        give_back_stack(t);
    }
    if (t->sealed_trace) { /* the call has failed, or was not made */
        t->sealed_trace = false;
        vmti_trace_unseal(vmti_engine.r);
    }
    vmti_call_leave(&vmti_engine, t, place == VMTI_GATE_BEFORE ? -ERESTARTSYS : (int64_t)regs.rax);
}

/* Has the thread make its call in that way when the handler returns. */
static void go_through(struct vmti_thread *t, struct vmti_frame *frame, const char *way)
{
    vmti_regs regs;
    vmti_frame_get_regs(frame, &regs);
    struct vmti_gate_slots slots = {
        .back = t->call.ip, .action = &t->scratch_action, .mask = &t->clone_mask};
    regs.rsp -= VMTI_GATE_BYTES;
    if (vmti_any_tracked(regs.rsp, regs.rsp + sizeof slots)) {
        struct vmti_span *span = vmti_pin(vmti_engine.r, t, regs.rsp, regs.rsp + sizeof slots, true);
        if (span)
            span->done = VMTI_DONE_RECORDED;
        if (way == vmti_gate_plain)
            way = vmti_gate_exit; /* which takes the pin back */
    }
    memcpy((void *)(uintptr_t)regs.rsp, &slots, sizeof slots);
    regs.rip = (uintptr_t)way;
    vmti_frame_set_regs(frame, &regs);
    if (way == vmti_gate_plain)
        vmti_call_leave(&vmti_engine, t, 0);
}

/* ------------------------------------------------------------------------------------------- calls that we make */

/* Calls that do not wait, and whose end we must see: made here, at once. */
static bool is_made_here(const struct vmti_thread *t)
{
    switch (t->row ? t->row->effect : 0) {
    case VMTI_EFFECT_BRK:
    case VMTI_EFFECT_MMAP:
    case VMTI_EFFECT_MUNMAP:
    case VMTI_EFFECT_MREMAP:
    case VMTI_EFFECT_MPROTECT:
    case VMTI_EFFECT_MADVISE:
        return true;
    default:
        return t->call.nr == SYS_rt_sigaction;
    }
}

static void give_result(struct vmti_thread *t, struct vmti_frame *frame, int64_t result)
{
    vmti_regs regs;
    vmti_frame_get_regs(frame, &regs);
    vmti_regs_set_result(&regs, result);
    vmti_frame_set_regs(frame, &regs);
    vmti_call_leave(&vmti_engine, t, result);
}

/* rt_sigreturn. */
static void return_from_handler(struct vmti_thread *t, struct vmti_frame *frame)
{
    struct vmti_stack stack;
    uint64_t mask;
    t->in_call = false;
    vmti_storm_let_in(&vmti_engine, t); /* another mask is set */
    bool popped = vmti_frame_pop(frame, t->call.sp, &stack, &mask);
    vmti_unpin_all(vmti_engine.r, t, 0);
    if (!popped) { /* "bad frame": the kernel forces SIGSEGV */
        frame->deliver = SIGSEGV;
        frame->action = (struct vmti_sigaction){.handler = (uint64_t)SIG_DFL};
        return;
    }
    if (!vmti_own_stack_at(stack.start)) /* a frame of the kernel's from before the thread was traced */
        t->stack = stack;
    mask &= ~VMTI_OWN_MASK; /* those are in effect[0]: vmti_signals_before() */
    vmti_frame_set_mask(frame, &mask);
    t->effect[1] = 0;
    vmti_signals_after(&vmti_engine, t, 0);
}

/* sigaltstack: the kernel has the one of ours (kernel/signal.c, do_sigaltstack). */
static int64_t set_stack(struct vmti_thread *t)
{
    stack_t wanted, had = {.ss_sp = (void *)t->stack.start, .ss_flags = t->stack.flags, .ss_size = t->stack.bytes};
    bool on = vmti_is_on_stack(&t->stack, t->call.sp);
    enum { LEAST = 2048 };
    if (on)
        had.ss_flags |= SS_ONSTACK;
    if (t->call.args[0]) {
        if (!vmti_program_read(vmti_engine.r->catcher, &wanted, t->call.args[0], sizeof wanted))
            return -EFAULT;
        int mode = wanted.ss_flags & ~VMTI_SS_AUTODISARM;
        if (on)
            return -EPERM;
        if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
            return -EINVAL;
        if (mode == SS_DISABLE)
            wanted.ss_sp = NULL, wanted.ss_size = 0;
        else if (wanted.ss_size < LEAST)
            return -ENOMEM;
        t->stack = (struct vmti_stack){(uintptr_t)wanted.ss_sp, wanted.ss_size, wanted.ss_flags};
    }
    if (t->call.args[1] && !vmti_program_write(vmti_engine.r->catcher, t->call.args[1], &had, sizeof had))
        return -EFAULT;
    return 0;
}

/* rt_sigprocmask: the mask is the one that our handler's return sets (kernel/signal.c). What a storm has put off the
 * program does not block, unless it says so now. Our own signals are signals.c's. */
static int64_t set_mask(struct vmti_thread *t, struct vmti_frame *frame)
{
    struct vmti_signals *s = &t->signals;
    const uint64_t *args = t->call.args;
    uint64_t mask, had, given, never = vmti_signal_bit(SIGKILL) | vmti_signal_bit(SIGSTOP) | VMTI_OWN_MASK;
    if (args[3] != sizeof mask)
        return -EINVAL;
    vmti_frame_get_mask(frame, &mask);
    had = mask & ~s->put_off;
    if (args[1]) {
        if (!vmti_program_read(vmti_engine.r->catcher, &given, args[1], sizeof given))
            return -EFAULT;
        given &= ~never;
        if ((int)args[0] != SIG_BLOCK && (int)args[0] != SIG_UNBLOCK && (int)args[0] != SIG_SETMASK)
            return -EINVAL;
        mask = (int)args[0] == SIG_BLOCK ? had | given : (int)args[0] == SIG_UNBLOCK ? had & ~given : given;
        if (mask & s->put_off)
            vmti_storm_let_in(&vmti_engine, t);
        mask |= s->put_off;
        vmti_frame_set_mask(frame, &mask);
    }
    if (args[2] && !vmti_program_write(vmti_engine.r->catcher, args[2], &had, sizeof had))
        return -EFAULT;
    return 0;
}

/* ----------------------------------------------------------------------------------- the program's own dispatch */

/* prctl(PR_SET_SYSCALL_USER_DISPATCH): the kernel has ours (kernel/entry/syscall_user_dispatch.c). */
static int64_t set_dispatch(struct vmti_thread *t)
{
    const uint64_t *args = t->call.args;
    bool on = args[1] == 1;
    if (!on && (args[1] != 0 || args[2] || args[3] || args[4]))
        return -EINVAL;
    if (on && args[2] && args[2] + args[3] <= args[2])
        return -EINVAL;
    t->dispatch.on = on;
    t->dispatch.start = args[2];
    t->dispatch.bytes = args[3];
    t->dispatch.selector = args[4];
    return 0;
}

/* Would the kernel stop the call for the program? Then what stopped it for us is what the program is sent. */
static bool is_dispatched_by_program(const struct vmti_thread *t, const struct vmti_frame *frame)
{
    uint8_t selector = VMTI_SELECTOR_BLOCK;
    vmti_regs regs;
    if (vmti_likely(!t->dispatch.on))
        return false;
    vmti_frame_get_regs(frame, &regs);
    if (regs.rip - t->dispatch.start < t->dispatch.bytes)
        return false;
    if (t->dispatch.selector)
        vmti_program_read(vmti_engine.r->catcher, &selector, t->dispatch.selector, sizeof selector);
    return selector == VMTI_SELECTOR_BLOCK;
}

/* ------------------------------------------------------------------------------------------- ends */

/* Is it P's last thread? */
static bool is_last(const struct vmti_thread *t)
{
    for (const struct vmti_thread *other = vmti_engine.r->threads; other; other = other->hh.next)
        if (other != t && !other->other_process && !other->ending)
            return false;
    return !t->other_process;
}

/* The thread, or the process, ends: it makes the call itself, undispatched. As in the kernel no signal comes before its
 * end: our handler would not know the thread any more. */
static void end_thread(struct vmti_thread *t, struct vmti_frame *frame)
{
    const uint64_t all = ~(uint64_t)0;
    vmti_regs regs;
    vmti_storm_let_in(&vmti_engine, t);
    vmti_frame_set_mask(frame, &all);
    vmti_frame_get_regs(frame, &regs);
    regs.rip -= VMTI_SYSCALL_INSN;
    vmti_frame_set_regs(frame, &regs);
    if (is_last(t) || (t->call.nr == SYS_exit_group && !t->other_process))
        vmti_engine_finish_trace(VMTI_END_EXIT, (int)t->call.args[0] & 0xff);
    vmti_engine_note_end(t);
}

/* The trace ends here, if the call does not fail. */
static void seal_trace(struct vmti_thread *t, int end, int end_code)
{
    if (t->other_process || vmti_engine.ended)
        return;
    vmti_engine.end = end;
    vmti_engine.end_code = end_code;
    vmti_catcher_seal_trace(&vmti_engine);
    vmti_engine.end = VMTI_END_EXIT;
    t->sealed_trace = true;
}

/* Does the process end itself by the one signal that no handler comes before? */
static bool kills_itself(const struct vmti_call *call)
{
    uint64_t self = (uint64_t)vmti_engine.r->pid;
    return (call->nr == SYS_kill && call->args[0] == self && call->args[1] == SIGKILL) ||
           (call->nr == SYS_tgkill && call->args[0] == self && call->args[2] == SIGKILL);
}

/* The new program begins with this thread's mask, ignored signals and pending signals. */
static void make_exec(struct vmti_thread *t, struct vmti_frame *frame)
{
    struct vmti_region *r = vmti_engine.r;
    struct vmti_signals *s = &t->signals;
    uint64_t mask;
    vmti_storm_let_in(&vmti_engine, t);
    seal_trace(t, VMTI_END_EXEC, 0);
    if (!s->blocked && !s->ignored_for_exec) {
        go_through(t, frame, vmti_gate_exit);
        return;
    }
    t->scratch_action = (struct vmti_sigaction){.handler = (uint64_t)SIG_DFL};
    vmti_dispatch_action(SIGSYS, &t->scratch_action);
    vmti_frame_get_mask(frame, &t->clone_mask);
    mask = t->clone_mask | s->blocked;
    vmti_frame_set_mask(frame, &mask);
    vmti_signals_give_kept_back(r, t);
    go_through(t, frame, vmti_gate_exec);
}

/* ------------------------------------------------------------------------------------------- clone */

/*
 * A child that shares the memory begins on a stack of ours, and is given its own when it has been adopted. It has
 * copies of our handlers, whatever the program wants for it; what that is vmti_signals_inherit() keeps. All signals
 * wait until parent and child are out of the gate.
 */
static void make_clone(struct vmti_thread *t, struct vmti_frame *frame)
{
    struct vmti_region *r = vmti_engine.r;
    uint64_t all = ~VMTI_OWN_MASK;
    vmti_regs regs;
    vmti_frame_get_regs(frame, &regs);
    bool shares = t->clone_flags & CLONE_VM;
    vmti_storm_let_in(&vmti_engine, t); /* the child begins with this mask */
    uint64_t child_sp = regs.rsp;
    struct vmti_own_stack *own = vmti_own_stack_take(0);
    if (!own) {
        give_result(t, frame, -ENOMEM);
        return;
    }
    if (t->call.nr == SYS_clone) {
        if (t->call.args[1])
            child_sp = t->call.args[1];
        if (shares)
            vmti_frame_set_arg(frame, 1, vmti_own_stack_top(own));
    } else if (t->call.nr == SYS_CLONE3) {
        struct {
            uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_bytes;
        } *args = (void *)own->clone_args;
        size_t bytes = t->call.args[1];
        if (bytes >= sizeof *args && bytes <= sizeof own->clone_args &&
            vmti_program_read(r->catcher, args, t->call.args[0], bytes)) {
            if (args->stack)
                child_sp = args->stack + args->stack_bytes;
            args->flags &= ~CLONE_CLEAR_SIGHAND;
            if (shares) {
                args->stack = (uint64_t)own;
                args->stack_bytes = vmti_own_stack_top(own) - args->stack;
            }
            vmti_frame_set_arg(frame, 0, (uint64_t)args);
        }
    }
    /* A vfork's child has the parent's stack: what is the parent's there is not in use while it waits. */
    own->parent = t;
    own->child_sp = child_sp;
    t->child_own = own;
    atomic_store(&t->child_started, 0);
    vmti_frame_get_mask(frame, &t->clone_mask);
    vmti_frame_set_mask(frame, &all);
    /* What a copy is made of must not change meanwhile: the lock is held until the call has returned. */
    t->holds_lock = !shares;
    go_through(t, frame, vmti_gate_clone);
}

/* In a copy of the process, whose only thread this is: nothing of ours is left. */
static void let_copy_go(struct vmti_thread *t, struct vmti_frame *frame)
{
    struct vmti_region *r = vmti_engine.r;
    vmti_regs regs;
    uint64_t page = 0, length, mask = t->clone_mask;
    bool tracing = atomic_load(&r->state) == VMTI_TRACING;
    vmti_engine_unlock_copy();
    while (tracing && (length = vmti_dir_next_run(&page, UINT64_MAX, VMTI_DIR_TRACKED, VMTI_DIR_PROT)))
        for (; length; length--, page++) /* one by one: some may not be there */
            vmti_os_protect(page << VMTI_PAGE_SHIFT, (page + 1) << VMTI_PAGE_SHIFT, vmti_dir_prot(vmti_dir_get(page)));
    vmti_handlers_give_back(r);
    if (t->clone_flags & CLONE_CLEAR_SIGHAND)
        for (int signal = 1; signal <= VMTI_SIGNALS; signal++) {
            struct vmti_sigaction none = {.handler = (uint64_t)SIG_DFL};
            if (vmti_action_has_handler(&r->actions.of[signal - 1]))
                vmti_sys(SYS_rt_sigaction, signal, &none, 0, sizeof none.mask, 0, 0);
        }
    vmti_frame_set_mask(frame, &mask);
    for (int i = 0; i < VMTI_OWN_SIGNALS; i++) /* pending signals are not inherited (fork(2)) */
        t->signals.kept[i].has = r->kept[i].has = false;
    t->tid = vmti_own_tid();
    t->frame = frame;
    vmti_engine_let_go(t, frame);
    vmti_frame_get_regs(frame, &regs);
    regs.rsp = t->child_own->child_sp;
    regs.rip = regs.rcx = t->call.ip;
    regs.rdi = t->call.args[0];
    vmti_frame_set_regs(frame, &regs);
    vmti_own_stacks_forget_others(t->own);
    vmti_in_region = false;
    atomic_store(&vmti_note_mask, VMTI_DIR_HEAP);
    r->trace.hold = NULL; /* of the parent alone (MADV_DONTFORK) */
    vmti_trace_let_file_go(&r->trace);
    r->pid = t->tid;
    if (tracing)
        vmti_follow_copy(t, &regs);
}

/* What was sent to the thread when it was in the gate reaches it outside of it. */
static void put_off_sent(const struct vmti_frame *frame)
{
    if (frame->info->si_code <= 0)
        vmti_sys(SYS_rt_tgsigqueueinfo, vmti_sys(SYS_getpid, 0, 0, 0, 0, 0, 0), vmti_own_tid(), frame->signal,
                 frame->info, 0, 0);
}

static void start_child(struct vmti_frame *frame, struct vmti_own_stack *own)
{
    struct vmti_thread *parent = own->parent;
    vmti_regs regs;
    uint64_t mask = parent->clone_mask;
    vmti_frame_get_regs(frame, &regs);
    regs.rsp = own->child_sp;
    regs.rip = regs.rcx = parent->call.ip;
    regs.rdi = parent->call.args[0];
    regs.rsi = parent->call.args[1];
    vmti_frame_set_regs(frame, &regs);
    vmti_frame_set_mask(frame, &mask);
    vmti_engine_lock();
    bool traced = vmti_engine_adopt(frame, own, parent);
    vmti_engine_unlock();
    atomic_store(&parent->child_started, 1);
    vmti_os_futex_wake(&parent->child_started);
    put_off_sent(frame);
    if (traced)
        own->selector = VMTI_SELECTOR_BLOCK;
}

/* A child that shares the memory reads what it inherits from its parent's thread. A vfork's has gone on before its
 * parent. */
static void wait_for_child(struct vmti_thread *t, pid_t child)
{
    siginfo_t info = {.si_pid = 0};
    struct timespec moment = {0, 100 * 1000 * 1000};
    while (!atomic_load(&t->child_started)) {
        vmti_os_futex_wait(&t->child_started, 0, &moment);
        if (!(t->clone_flags & CLONE_THREAD) &&
            !vmti_sys(SYS_waitid, P_PID, child, &info, WEXITED | WNOHANG | WNOWAIT | __WALL, 0, 0) &&
            info.si_pid == child)
            return; /* killed before it could start */
    }
}

void vmti_engine_after_clone(struct vmti_frame *frame)
{
    struct vmti_region *r = vmti_engine.r;
    vmti_regs regs;
    vmti_frame_get_regs(frame, &regs);
    struct vmti_own_stack *own = vmti_own_stack_at(regs.rsp);
    if (own && own->parent) {
        start_child(frame, own);
        return;
    }
    /* A copy has its parent's alternate stack, with what lies there; a vfork's child has that very stack. */
    own = vmti_own_stack_at((uintptr_t)__builtin_frame_address(0));
    own->selector = VMTI_SELECTOR_ALLOW;
    struct vmti_thread *t = own->thread;
    pid_t tid = vmti_own_tid();
    if (t->tid != tid) {
        if (t->clone_flags & CLONE_VM)
            start_child(frame, t->child_own);
        else
            let_copy_go(t, frame);
        return;
    }
    int64_t result = (int64_t)regs.rax;
    if (result > 0 && (t->clone_flags & CLONE_VM) && !(t->clone_flags & CLONE_VFORK))
        wait_for_child(t, (pid_t)result);
    vmti_engine_lock_for(t);
    vmti_engine_begin_stop(t, frame);
    if (t->child_own->parent == t) /* no child has taken it; another thread may have taken it since */
        give_back_stack(t);
    t->child_own = NULL;
    for (struct vmti_thread *child = r->threads, *next; child; child = next) {
        next = child->hh.next;
        if (child->vfork_parent != tid || !(t->clone_flags & CLONE_VFORK) || child->tid != (pid_t)result)
            continue;
        child->own->thread = NULL;
        child->own->taken = false;
        vmti_engine_ending -= child->ending;
        vmti_thread_remove(r, child);
    }
    put_off_sent(frame);
    vmti_frame_set_mask(frame, &t->clone_mask);
    vmti_frame_set_arg(frame, 0, t->call.args[0]);
    vmti_frame_set_arg(frame, 1, t->call.args[1]);
    vmti_engine_leave_gate(t, frame);
    vmti_engine_end_stop(t, frame);
    vmti_engine_unlock();
    own->selector = VMTI_SELECTOR_BLOCK;
}

/* ------------------------------------------------------------------------------------------- all */

/* What may take the name of the trace's file, or the right to open it. */
static bool may_lose_file(int64_t nr)
{
    enum { SYS_LANDLOCK_RESTRICT_SELF = 446 };
    switch (nr) {
    case SYS_chroot:
    case SYS_pivot_root:
    case SYS_unshare:
    case SYS_setns:
    case SYS_setuid:
    case SYS_setgid:
    case SYS_setreuid:
    case SYS_setregid:
    case SYS_setresuid:
    case SYS_setresgid:
    case SYS_setfsuid:
    case SYS_setfsgid:
    case SYS_setgroups:
    case SYS_capset:
    case SYS_setrlimit:
    case SYS_LANDLOCK_RESTRICT_SELF:
        return true;
    default:
        return false;
    }
}

/* The trace file's descriptor, if there is one, is in the program's table. It is not there for the program: what would
 * close it, does not, or it moves. */
static int64_t hide_descriptor(struct vmti_thread *t)
{
    struct vmti_trace *trace = &vmti_engine.r->trace;
    if (vmti_unlikely(may_lose_file(t->call.nr) || (t->call.nr == SYS_prlimit64 && t->call.args[2])))
        vmti_trace_keep_open(trace);
    if (vmti_likely(trace->fd < 0 || (int)t->call.args[t->call.nr == SYS_close ? 0 : 1] != trace->fd))
        return 0;
    if (t->call.nr == SYS_close)
        return -EBADF;
    if (t->call.nr == SYS_dup2 || t->call.nr == SYS_dup3)
        vmti_trace_move_file(trace, trace->fd + 1);
    return 0;
}

/* seccomp(2): from then on the thread may read, write, exit and return from handlers. */
static bool makes_strict(const struct vmti_call *call)
{
    enum { SECCOMP_CALL = 317, SECCOMP_OPTION = 22, STRICT = 1, SET_STRICT = 0 };
    return (call->nr == SYS_prctl && call->args[0] == SECCOMP_OPTION && call->args[1] == STRICT) ||
           (call->nr == SECCOMP_CALL && call->args[0] == SET_STRICT);
}

/* ptrace(2): from then on the parent is told of each of its signals, and of ours. */
static bool asks_for_tracer(const struct vmti_thread *t)
{
    enum { TRACEME = 0 };
    return t->call.nr == SYS_ptrace && t->call.args[0] == TRACEME && !t->other_process;
}

/* The engine cannot go on in this thread, which makes the call itself and is traced no longer. */
static void abandon(struct vmti_thread *t, struct vmti_frame *frame, int error, unsigned step)
{
    struct vmti_region *r = vmti_engine.r;
    vmti_regs regs;
    vmti_frame_get_regs(frame, &regs);
    regs.rip -= VMTI_SYSCALL_INSN;
    vmti_frame_set_regs(frame, &regs);
    t->in_call = false;
    vmti_unpin_all(r, t, -EINTR);
    vmti_lose(r, error, step);
    vmti_engine_finish_trace(VMTI_END_LOST, 0);
    vmti_engine_let_go(t, frame);
    if (is_last(t))
        vmti_handlers_give_back(r);
}

/* The thread goes on in vmti_dispatch_stop(), where nothing stops it. */
static struct vmti_thread *leave_region(struct vmti_thread *t, struct vmti_frame *frame)
{
    uint64_t all = ~(uint64_t)0;
    vmti_storm_let_in(&vmti_engine, t);
    vmti_frame_get_mask(frame, &t->clone_mask);
    vmti_frame_set_mask(frame, &all);
    t->own->leaving = true;
    return t;
}

static void make_call(struct vmti_thread *t, struct vmti_frame *frame)
{
    enum { CALL_PRCTL_DISPATCH = VMTI_PR_SET_SYSCALL_USER_DISPATCH, CALL_PRCTL_TSC = 26, TSC_SIGSEGV = 2 };
    vmti_regs regs;
    if (!t->refused && t->row)
        t->refused = (int)hide_descriptor(t);
    if (t->call.nr == VMTI_TELL_NR) {
        give_result(t, frame, t->call.args[0] == VMTI_TELL_END ? (int64_t)leave_region(t, frame) : 0);
        return;
    }
    if (t->refused) {
        give_result(t, frame, t->refused);
        return;
    }
    switch (t->call.nr) {
    case SYS_rt_sigreturn:
        return_from_handler(t, frame);
        return;
    case SYS_sigaltstack:
        give_result(t, frame, set_stack(t));
        return;
    case SYS_rt_sigprocmask:
        give_result(t, frame, set_mask(t, frame));
        return;
    case SYS_exit:
    case SYS_exit_group:
        end_thread(t, frame);
        return;
    case SYS_execve:
    case SYS_execveat:
        make_exec(t, frame);
        return;
    case SYS_prctl:
        if (t->call.args[0] == CALL_PRCTL_DISPATCH) {
            give_result(t, frame, set_dispatch(t));
            return;
        }
        vmti_os_clock_by_call |= t->call.args[0] == CALL_PRCTL_TSC && t->call.args[1] == TSC_SIGSEGV;
        break;
    default:
        break;
    }
    if (t->row && t->row->effect == VMTI_EFFECT_CLONE) {
        make_clone(t, frame);
        return;
    }
    if (is_made_here(t)) {
        vmti_frame_get_regs(frame, &regs);
        give_result(t, frame, vmti_syscall6(t->call.nr, regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9));
        return;
    }
    bool told = t->spans || (t->row && t->row->effect) || t->replaced || t->signals.wait_mask || t->signals.offered ||
                t->call.nr == SYS_rt_sigpending;
    if (vmti_unlikely(kills_itself(&t->call))) {
        seal_trace(t, VMTI_END_SIGNAL, SIGKILL);
        told = true;
    }
    bool sys_blocked = t->signals.offered & vmti_signal_bit(SIGSYS);
    go_through(t, frame, sys_blocked ? vmti_gate_halting : told ? vmti_gate_exit : vmti_gate_plain);
}

void vmti_engine_enter_call(struct vmti_thread *t, struct vmti_frame *frame)
{
    vmti_regs regs;
    struct vmti_entry entry = {.arch = frame->info->si_arch};
    if (t->in_call) /* a handler was left by a jump */
        vmti_call_leave(&vmti_engine, t, -EINTR);
    if (is_dispatched_by_program(t, frame)) {
        vmti_signal_stop(&vmti_engine, t, SIGSYS);
        return;
    }
    vmti_frame_get_regs(frame, &regs);
    entry.nr = regs.rax;
    entry.ip = regs.rip;
    entry.sp = regs.rsp;
    for (unsigned i = 0; i < 6; i++)
        entry.args[i] = vmti_regs_arg(&regs, i);
    regs.rcx = regs.rip;
    regs.r11 = regs.eflags;
    vmti_frame_set_regs(frame, &regs);
    frame->call = (int64_t)entry.nr;
    if (!vmti_call_enter(&vmti_engine, t, &entry)) { /* it is traced no longer, and makes the call itself */
        regs.rip -= VMTI_SYSCALL_INSN;
        vmti_frame_set_regs(frame, &regs);
    } else if (vmti_unlikely(makes_strict(&t->call))) {
        abandon(t, frame, -EPERM, VMTI_STEP_SECCOMP);
    } else if (vmti_unlikely(asks_for_tracer(t))) {
        abandon(t, frame, -EBUSY, VMTI_STEP_TRACEME);
    } else {
        make_call(t, frame);
    }
}
