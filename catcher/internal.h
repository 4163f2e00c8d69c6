/* SPDX-License-Identifier: MIT */
/*
 * Inside the catcher. All files of this folder but cmd_*.c and those of the dispatch engine (dispatch_internal.h) run
 * in the helper, except vmti_catcher_start() and _stop(): no libc but memcpy and memset, no locks, no malloc; memory is
 * the region's arena. One thread makes all requests and waits: ptrace belongs to a thread (ptrace(2)). What looks at a
 * thread by stopped.h alone answers the dispatch engine's stops too, in that thread's handler; there
 * vmti_region.catcher is its number, by which the program's memory is read.
 */
#ifndef VMTI_CATCHER_INTERNAL_H
#define VMTI_CATCHER_INTERNAL_H

#include <sys/wait.h>

#include "../harness/handlers.h"
#include "../harness/thread.h"
#include "../harness/types.h"
#include "catcher.h"
#include "ptrace.h"
#include "stopped.h"

/* What the dispatch engine's threads are sent: libc's signal for that purpose (SIGSETXID, nptl/descr.h; musl has
 * SIGSYNCCALL there), which no libc lets a program block. */
enum { VMTI_TELLING_SIGNAL = 33 };

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
    uint32_t put_off;      /* threads with a signal that is put off: see storm.c */
    int alarm;             /* read end of the pipe of alarm.c; -1: there is none */
    pid_t turn;            /* the thread that was asked first at the last wait */
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

/* The same after a stop that can come between a fault and the stop for it: the fault is judged by what was open when
 * the thread ran last. */
VMTI_HIDDEN void vmti_thread_continue(struct vmti_thread *t, int signal);

/* Is the thread, stopped in a call, inside an allocator? */
VMTI_HIDDEN bool vmti_thread_in_allocator(struct vmti_region *r, struct vmti_thread *t);

/* ---- catcher.c */

/* Waits for one report of a thread and answers it. False: there is nothing left to wait for. */
VMTI_HIDDEN bool vmti_catcher_step(struct vmti_catcher *c);

/* At the region's end: measures what is measured then, where it was asked for. May lose the region. */
VMTI_HIDDEN void vmti_catcher_conclude(struct vmti_region *r);
/* Ends the trace; lost: the region was. */
VMTI_HIDDEN void vmti_catcher_put_trailer(struct vmti_catcher *c, bool lost);
/* The same for now: vmti_trace_unseal() takes it back. */
VMTI_HIDDEN void vmti_catcher_seal_trace(struct vmti_catcher *c);

/* Opens a trace file, locked until the catcher is gone, and empties it. Negative errno: EEXIST if it is there and is no
 * trace; EALREADY if it was begun at `since` (realtime ns; 0: it may be) or later; EWOULDBLOCK if another catcher
 * writes it. */
VMTI_HIDDEN int vmti_catcher_open_trace(const char *path, uint64_t since);

/* That of the region. One that the environment names gets a number more while another region of this run has the
 * file. */
VMTI_HIDDEN int vmti_catcher_open_region_trace(struct vmti_region *r);

/* ---- follow.c: `vmtrace run --follow` */

/* Opens FILE.PID, or FILE.PID.2, …, if this run has a trace there already; path has room for the number. */
VMTI_HIDDEN int vmti_follow_open_trace(char *path);
/* Has a forked child, stopped where it begins, open and with its handlers and mask, start in our stub when it is let
 * go; regs are its registers. If it cannot be followed it is left as it is. */
VMTI_HIDDEN void vmti_follow_copy(struct vmti_thread *t, const vmti_regs *regs);
/* Is the process of t, in what the kernel says of it, one that a catcher can be started for as for ours? With
 * `same_user` also with the credentials that ours has. False where it cannot be told. */
VMTI_HIDDEN bool vmti_follow_is_like_us(pid_t tid, bool same_user);

/* ---- follow_exec.c: `vmtrace run --follow` */

/* t is about to replace its program: has the next one started with libvmt preloaded, if it can be. */
VMTI_HIDDEN void vmti_follow_exec_before(struct vmti_catcher *c, struct vmti_thread *t);
/* It has not: takes everything back. */
VMTI_HIDDEN void vmti_follow_exec_after(struct vmti_catcher *c, struct vmti_thread *t, int64_t result);
/* The room for the environment goes. */
VMTI_HIDDEN void vmti_follow_exec_forget(struct vmti_thread *t);

/* ---- stops.c */

/* A system call that a thread is about to make. */
struct vmti_entry {
    uint64_t nr, args[6];
    uint64_t ip, sp; /* after its instruction */
    uint32_t arch;   /* AUDIT_ARCH_ */
};

/* False: the thread has been let go. t->refused: the call is not to run. */
VMTI_HIDDEN bool vmti_call_enter(struct vmti_catcher *c, struct vmti_thread *t, const struct vmti_entry *entry);
VMTI_HIDDEN void vmti_call_leave(struct vmti_catcher *c, struct vmti_thread *t, int64_t result);

/* Answers a stop of t. */
VMTI_HIDDEN void vmti_stop_handle(struct vmti_catcher *c, struct vmti_thread *t, int status);

/* ---- children.c */

/* t is about to make a child: notes the flags of the clone. */
VMTI_HIDDEN void vmti_child_before(struct vmti_catcher *c, struct vmti_thread *t);
/* The parent's report of a new child. */
VMTI_HIDDEN void vmti_child_reported(struct vmti_catcher *c, struct vmti_thread *parent);
/* A new child's first stop. */
VMTI_HIDDEN void vmti_child_stopped(struct vmti_catcher *c, pid_t tid);
/* t asks for a tracer. True: it has been let go. */
VMTI_HIDDEN bool vmti_child_before_traceme(struct vmti_catcher *c, struct vmti_thread *t);
/* A thread goes on after its vfork. */
VMTI_HIDDEN void vmti_child_gone_on(struct vmti_catcher *c, struct vmti_thread *parent);
/* A process that shares P's memory is gone by execve, or by its own wish. */
VMTI_HIDDEN void vmti_child_exec(struct vmti_catcher *c, struct vmti_thread *t);

/* ---- signals.c */

/* Before and after a call that sets masks or handlers, or waits: keeps our own signals out of masks, and the program's
 * view right. */
VMTI_HIDDEN void vmti_signals_before(struct vmti_catcher *c, struct vmti_thread *t);
VMTI_HIDDEN void vmti_signals_after(struct vmti_catcher *c, struct vmti_thread *t, int64_t result);
/* Keeps our own signals out of the mask of a stopped thread, when it is attached or has set one; gives it back before
 * the thread is let go. */
VMTI_HIDDEN void vmti_signals_take_mask(struct vmti_thread *t);
VMTI_HIDDEN void vmti_signals_give_mask_back(struct vmti_region *r, struct vmti_thread *t);
/* The same for those that are kept, alone. */
VMTI_HIDDEN void vmti_signals_give_kept_back(struct vmti_region *r, struct vmti_thread *t);
/* A new child has its parent's, or copies of them; child->clone_flags say. False: no memory. */
VMTI_HIDDEN bool vmti_signals_inherit(struct vmti_region *r, struct vmti_thread *child,
                                      const struct vmti_thread *parent);
VMTI_HIDDEN void vmti_signals_forget(struct vmti_region *r, struct vmti_thread *t);
/* Gives the signal the default action, through the stopped thread, whose stop is that at the end of a call
 * afterwards. */
VMTI_HIDDEN void vmti_signals_default_action(struct vmti_region *r, struct vmti_thread *t, int signal);
/* That of our own signals which is kept for the thread or for its process; NULL: none. */
VMTI_HIDDEN struct vmti_kept *vmti_signals_kept(struct vmti_region *r, struct vmti_thread *t, int signal);
/* Is a signal like that in the own queue of the stopped thread? */
VMTI_HIDDEN bool vmti_signal_is_queued(pid_t tid, bool (*like)(const siginfo_t *info));

/* ---- delivery.c */

/* The stop for a signal that is about to be delivered. */
VMTI_HIDDEN void vmti_signal_stop(struct vmti_catcher *c, struct vmti_thread *t, int signal);
/* The thread was resumed to stop at a handler's first instruction. False: this stop is another. */
VMTI_HIDDEN bool vmti_handler_stop(struct vmti_thread *t, int signal, int event);
/* The thread stopped for what the program must not see: if the call that it was in has returned EINTR for it, it runs
 * again. */
VMTI_HIDDEN void vmti_undo_interruption(struct vmti_thread *t);

/* ---- waits.c */

/* Would the wait4 or waitid that t is about to make find no child but the catcher? */
VMTI_HIDDEN bool vmti_waits_has_no_child(struct vmti_catcher *c, const struct vmti_thread *t);

/* ---- storm.c */

/* A signal is about to be delivered to a handler. True: it comes too soon after another, and the thread runs on
 * without. */
VMTI_HIDDEN bool vmti_storm_puts_off(struct vmti_catcher *c, struct vmti_thread *t, int signal);
/* A thread with a signal that was put off has stopped for `signal`: that may have lasted long enough. */
VMTI_HIDDEN void vmti_storm_stop(struct vmti_catcher *c, struct vmti_thread *t, int signal);
/* Is this the end of the moment that the thread has had? (The dispatch engine's.) */
VMTI_HIDDEN bool vmti_storm_is_moment(const struct vmti_thread *t, const siginfo_t *info);
/* It is put off no longer. */
VMTI_HIDDEN void vmti_storm_let_in(struct vmti_catcher *c, struct vmti_thread *t);
/* wait4 for any thread while signals are put off. */
VMTI_HIDDEN long vmti_storm_wait(struct vmti_catcher *c, int *status);

/* ---- inject.c */

struct vmti_injection {
    struct vmti_region *r;
    pid_t tid;
    vmti_regs saved, regs;
    uint64_t mask;   /* of the thread: no signal is delivered meanwhile */
    bool stop_again; /* a SIGSTOP came meanwhile */
};

/* The thread is at a stop that is not the entry of a call. False: it is gone. */
VMTI_HIDDEN bool vmti_inject_begin(struct vmti_injection *in, struct vmti_region *r, pid_t tid);
/* The result of the call, or -ESRCH if the thread is gone. */
VMTI_HIDDEN long vmti_inject_call(struct vmti_injection *in, long nr, uint64_t a, uint64_t b, uint64_t d, uint64_t e);
VMTI_HIDDEN void vmti_inject_end(struct vmti_injection *in);
/* Waits for the next stop of this thread. False: it is gone. */
VMTI_HIDDEN bool vmti_inject_wait(struct vmti_region *r, pid_t tid, int *status);

/* ---- alarm.c */

VMTI_HIDDEN void vmti_alarm_start(struct vmti_catcher *c);
/* From now on the thread is told of the catcher's death; or no longer. */
VMTI_HIDDEN void vmti_alarm_add(struct vmti_catcher *c, struct vmti_thread *t);
VMTI_HIDDEN void vmti_alarm_remove(struct vmti_thread *t);
/* The catcher is about to exit. */
VMTI_HIDDEN void vmti_alarm_stop(struct vmti_catcher *c);

/* ---- affinity.c */

VMTI_HIDDEN void vmti_affinity_start(struct vmti_catcher *c);
/* Puts a thread on the catcher's CPU; its own mask is kept. */
VMTI_HIDDEN void vmti_affinity_take(struct vmti_catcher *c, struct vmti_thread *t);
/* A child begins with its parent's mask. */
VMTI_HIDDEN void vmti_affinity_inherit(struct vmti_thread *child, const struct vmti_thread *parent);
VMTI_HIDDEN void vmti_affinity_give_back(const struct vmti_thread *t);
VMTI_HIDDEN void vmti_affinity_after(struct vmti_catcher *c, struct vmti_thread *t, int64_t result);

#endif
