/* SPDX-License-Identifier: MIT */
/*
 * Inside the dispatch engine. But for vmti_dispatch_start() and _stop() all of it runs in handlers of ours, in any
 * thread, on a stack of that thread's own, with all signals blocked and its selector off: async-signal-safe, raw system
 * calls only, memory of the region's arena. The region's state is read and written under the engine's lock.
 */
#ifndef VMTI_DISPATCH_INTERNAL_H
#define VMTI_DISPATCH_INTERNAL_H

#include "dispatch.h"
#include "frame.h"
#include "gate.h"
#include "internal.h"

/* linux/prctl.h, asm-generic/siginfo.h; older headers lack them */
enum {
    VMTI_PR_SET_SYSCALL_USER_DISPATCH = 59,
    VMTI_SELECTOR_ALLOW = 0,
    VMTI_SELECTOR_BLOCK = 1,
    VMTI_SYS_USER_DISPATCH = 2, /* si_code */
};

enum { VMTI_RESTORER_FLAG = 0x04000000 }; /* asm/signal.h, SA_RESTORER */

/* ---- dispatch.c */

/* What the catcher's functions are given: here the one of all threads. */
extern VMTI_HIDDEN struct vmti_catcher vmti_engine;

VMTI_HIDDEN void vmti_engine_lock(void);
VMTI_HIDDEN void vmti_engine_unlock(void);
/* The same at a stop of t, which may have kept it; and at its end. */
VMTI_HIDDEN void vmti_engine_lock_for(struct vmti_thread *t);
VMTI_HIDDEN void vmti_engine_unlock_for(struct vmti_thread *t);
/* In a copy of the process: the thread that held the lock is not here. */
VMTI_HIDDEN void vmti_engine_unlock_copy(void);

VMTI_HIDDEN void vmti_engine_handle(int signal, siginfo_t *info, void *context);

/* The thread has stopped in a handler of ours; what was decided meanwhile happens when that returns. */
VMTI_HIDDEN void vmti_engine_begin_stop(struct vmti_thread *t, struct vmti_frame *frame);
VMTI_HIDDEN void vmti_engine_end_stop(struct vmti_thread *t, struct vmti_frame *frame);

/* Closes what the region has written into its trace, with the end that the process is about to have. */
VMTI_HIDDEN void vmti_engine_finish_trace(int end, int end_code);

/* ---- dispatch_threads.c */

/*
 * The stack of a thread for our handlers, and what must be at hand in them without thread-local storage: a child may
 * share that with its parent (clone(2) without CLONE_SETTLS). Lies at the stack's low end.
 */
struct vmti_own_stack {
    volatile char selector;      /* the kernel reads it at each call of the thread */
    _Atomic bool taken;
    pid_t tid;                   /* of the thread that has it, or had it last: in use until that is gone */
    bool leaving;                /* the thread ends the region */
    struct vmti_thread *thread;  /* NULL: not traced, not yet or no longer */
    struct vmti_thread *parent;  /* of a child that has not started */
    uint64_t child_sp;           /* ... its stack pointer */
    uint64_t clone_args[16];     /* for clone3: what the kernel is given as its argument */
};

enum { VMTI_OWN_STACK_BYTES = 64 * 1024 };

/* A stack that nobody has. NULL: no memory. */
VMTI_HIDDEN struct vmti_own_stack *vmti_own_stack_take(pid_t tid);
/* The one that `address` lies in, or NULL. */
VMTI_HIDDEN struct vmti_own_stack *vmti_own_stack_at(uintptr_t address);

/* It is given to the thread as its alternate stack with SS_AUTODISARM (Linux 4.7), for the kernel takes another one
 * from a signal frame only where the thread is on none (kernel/signal.c, restore_altstack()). */
VMTI_HIDDEN stack_t vmti_own_stack_as_altstack(const struct vmti_own_stack *own);
/* In a copy of the process, where no other thread is. */
VMTI_HIDDEN void vmti_own_stacks_forget_others(const struct vmti_own_stack *own);

static inline uintptr_t vmti_own_stack_top(const struct vmti_own_stack *own)
{
    return (uintptr_t)own + VMTI_OWN_STACK_BYTES - 64;
}

/* The thread that runs, in the handler that `frame` is of, is traced from now on. parent: it is a new child, for which
 * that one has taken `own`. Returns it, with its selector off; NULL: no memory, and the region is lost. */
VMTI_HIDDEN struct vmti_thread *vmti_engine_adopt(struct vmti_frame *frame, struct vmti_own_stack *own,
                                                  const struct vmti_thread *parent);
/* It is traced no longer, and goes on with the alternate stack and the mask that it believes to have. */
VMTI_HIDDEN void vmti_engine_let_go(struct vmti_thread *t, struct vmti_frame *frame);
/* The thread is about to end. What the kernel reads at its end stays pinned until it is gone. */
VMTI_HIDDEN void vmti_engine_note_end(struct vmti_thread *t);
/* Forgets threads that have ended. */
VMTI_HIDDEN void vmti_engine_reap(void);
extern VMTI_HIDDEN uint32_t vmti_engine_ending; /* threads that are about to end */

/* Arms, or disarms, all threads but the calling one. 0, or negative errno. */
VMTI_HIDDEN int vmti_engine_tell_threads(struct vmti_region *r, bool arm);

/* Arms the calling thread, or disarms it. 0, or negative errno. */
VMTI_HIDDEN long vmti_engine_arm(struct vmti_own_stack *own, bool on);

/* ---- dispatch_calls.c */

/* The thread is about to make a system call. */
VMTI_HIDDEN void vmti_engine_enter_call(struct vmti_thread *t, struct vmti_frame *frame);
/* If a signal has found the thread in the gate: it is where the program has made the call, or where it has come
 * back. */
VMTI_HIDDEN void vmti_engine_leave_gate(struct vmti_thread *t, struct vmti_frame *frame);
/* The thread is in the gate after a clone: as the parent, or as the child. */
VMTI_HIDDEN void vmti_engine_after_clone(struct vmti_frame *frame);

#endif
