/* SPDX-License-Identifier: MIT */
/*
 * Inside the catcher. All of catcher.c, threads.c, stops.c, children.c, signals.c and affinity.c runs in the helper,
 * except vmti_catcher_start() and _stop(): no libc but memcpy and memset, no locks, no malloc; memory is the region's
 * arena. One thread makes all requests and waits: ptrace belongs to a thread (ptrace(2)).
 */
#ifndef VMTI_CATCHER_INTERNAL_H
#define VMTI_CATCHER_INTERNAL_H

#include <sys/wait.h>

#include "../harness/handlers.h"
#include "../harness/thread.h"
#include "../harness/types.h"
#include "catcher.h"
#include "ptrace.h"

/* vmti_thread.state */
enum vmti_thread_state {
    VMTI_T_RUNNING,   /* or blocked in the kernel */
    VMTI_T_STOPPED,   /* at a stop that has been reported, and not yet resumed */
    VMTI_T_HELD,      /* a new child whose parent has not reported it yet, stopped */
    VMTI_T_EXPECTED,  /* a new child that its parent has reported, not yet stopped */
    VMTI_T_LISTENING, /* in a group stop */
};

struct vmti_catcher {
    struct vmti_region *r;
    unsigned cpu;          /* that the catcher and the program share */
    bool moved_program;    /* the program's threads were put on that CPU */
    bool ended;            /* P is gone, has replaced itself, or has said that the region ends */
    bool gone;             /* P is gone */
    int end;               /* enum vmti_trace_end */
    int end_code;
};

/* wait4 status of a stop. */
static inline int vmti_stop_signal(int status) { return (status >> 8) & 0xff; }
static inline int vmti_stop_event(int status) { return status >> 16; }

/* Options of every tracee. No PTRACE_O_EXITKILL: if the catcher dies, the program lives. */
#define VMTI_PTRACE_OPTIONS                                                                                            \
    (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC)

/* ---- threads.c */

VMTI_HIDDEN struct vmti_thread *vmti_thread_find(struct vmti_region *r, pid_t tid);
/* NULL: no memory. */
VMTI_HIDDEN struct vmti_thread *vmti_thread_add(struct vmti_region *r, pid_t tid);
VMTI_HIDDEN void vmti_thread_remove(struct vmti_region *r, struct vmti_thread *t);

/* Seizes and halts every thread of P. 0, or negative errno with r->error_step set. */
VMTI_HIDDEN int vmti_threads_attach(struct vmti_catcher *c);

/* Waits until no thread can be between a fault and its stop, all pages being open; then lets all of them go. */
VMTI_HIDDEN void vmti_threads_release(struct vmti_catcher *c);

/* The thread has come to the stop of an interrupt. True: it was ours, and the thread stays stopped. */
VMTI_HIDDEN bool vmti_thread_halted(struct vmti_thread *t);

/* Resumes a stopped thread; the death of the thread is reported by wait. */
VMTI_HIDDEN void vmti_thread_resume(struct vmti_catcher *c, struct vmti_thread *t, int signal);

/* The same after a stop that can come between a fault and the stop for it: the fault is judged by what was open when the
 * thread ran last. */
VMTI_HIDDEN void vmti_thread_continue(struct vmti_thread *t, int signal);

/* Is the thread, stopped in a call, inside an allocator? */
VMTI_HIDDEN bool vmti_thread_in_allocator(struct vmti_region *r, struct vmti_thread *t);

/* ---- catcher.c */

/* Waits for one report of a thread and answers it. False: there is nothing left to wait for. */
VMTI_HIDDEN bool vmti_catcher_step(struct vmti_catcher *c);

/* ---- stops.c */

/* Answers a stop of t. */
VMTI_HIDDEN void vmti_stop_handle(struct vmti_catcher *c, struct vmti_thread *t, int status);

/* ---- children.c */

/* t is about to make a child: notes the flags of the clone. */
VMTI_HIDDEN void vmti_child_before(struct vmti_catcher *c, struct vmti_thread *t);
/* The parent's report of a new child. */
VMTI_HIDDEN void vmti_child_reported(struct vmti_catcher *c, struct vmti_thread *parent);
/* A new child's first stop. */
VMTI_HIDDEN void vmti_child_stopped(struct vmti_catcher *c, pid_t tid);
/* A process that shares P's memory is gone by execve. */
VMTI_HIDDEN void vmti_child_exec(struct vmti_catcher *c, struct vmti_thread *t);

/* ---- signals.c */

/* Before and after a call that sets masks or handlers: keeps SIGSEGV out of them, and the program's view right. */
VMTI_HIDDEN void vmti_signals_before(struct vmti_catcher *c, struct vmti_thread *t);
VMTI_HIDDEN void vmti_signals_after(struct vmti_catcher *c, struct vmti_thread *t, int64_t result);
/* Of a stopped thread, when it is attached and before it is let go. */
VMTI_HIDDEN void vmti_signals_take_mask(struct vmti_thread *t);
VMTI_HIDDEN void vmti_signals_give_mask_back(pid_t tid, bool segv_blocked);
/* A signal is about to be delivered: opens the stack that the kernel will write its frame to. */
VMTI_HIDDEN void vmti_signals_open_frame(struct vmti_catcher *c, struct vmti_thread *t);

/* ---- affinity.c */

VMTI_HIDDEN void vmti_affinity_start(struct vmti_catcher *c);
/* Puts a thread on the catcher's CPU; its own mask is kept. */
VMTI_HIDDEN void vmti_affinity_take(struct vmti_catcher *c, struct vmti_thread *t);
/* A child begins with its parent's mask. */
VMTI_HIDDEN void vmti_affinity_inherit(struct vmti_thread *child, const struct vmti_thread *parent);
VMTI_HIDDEN void vmti_affinity_give_back(const struct vmti_thread *t);
VMTI_HIDDEN void vmti_affinity_after(struct vmti_catcher *c, struct vmti_thread *t, int64_t result);

#endif
