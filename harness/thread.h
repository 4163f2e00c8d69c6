/* SPDX-License-Identifier: MIT */
/* A traced thread. */
#ifndef VMTI_THREAD_H
#define VMTI_THREAD_H

#include <signal.h>

#include "syscalls.h"
#include "types.h"
#include "uthash_arena.h"

/* What a thread believes of its signals, and what the catcher does to keep that true: catcher/signals.c, delivery.c. */
struct vmti_signals {
    struct vmti_actions *actions;
    uint64_t blocked;       /* of our own signals (handlers.h): those that the program believes to block */
    struct vmti_kept kept[VMTI_OWN_SIGNALS];
    uint64_t offered;       /* of those: sent to it once more, for the call that it is in to find */
    bool just_kept;         /* one of those has interrupted the call, and did nothing else */
    bool dying;             /* a fault that it does not survive: the default action has been set */
    uint64_t ignored_for_exec; /* the kernel has been given SIG_IGN for these, which an execve keeps */
    bool wait_mask;         /* the call, or the one just interrupted, has a mask of its own while it waits: */
    uint64_t wait_blocked;  /* these are in it */
    uint64_t frame_blocked; /* resumed to stop again when a handler's frame has been written; its mask lacks these */
    bool rerunning;         /* set back to the start of the call that it was in: */
    int64_t rerun_result;   /* what that had returned */
    bool interrupted;       /* since the call's end a signal has been delivered that is not ignored */
    uint64_t put_off;       /* the kernel blocks this signal for a moment: see storm.c */
    uint64_t delivered_at;  /* monotonic nanoseconds: when a signal was last delivered to a handler */
    uint64_t returned_at;   /* ... when a handler has returned; 0: long ago */
    uint64_t wait_started;  /* monotonic nanoseconds: when the call with a timeout began that may be run again */
};

struct vmti_thread {
    pid_t tid;
    struct vmti_frame *frame; /* of the handler of ours that it is in; NULL: at a ptrace stop */
    struct vmti_own_stack *own; /* for our handlers */
    struct vmti_stack stack; /* the alternate stack that the program believes to have set */
    uint64_t clone_mask;    /* the blocked signals while it makes a child, for which all are blocked */
    struct vmti_own_stack *child_own; /* of the child that it makes */
    _Atomic uint32_t child_started; /* a child that shares the memory has taken what it needs of this one */
    struct { uint64_t start, bytes, selector; bool on; } dispatch; /* that the program has set for itself (prctl(2)) */
    struct vmti_sigaction scratch_action;
    bool sealed_trace;      /* the trace ends with the call that it makes */
    int moment_timer;       /* see storm.c */
    bool holds_lock;        /* the dispatch engine's, from one stop to the next */
    bool ending;            /* its last call has been let through */
    uint32_t index;         /* in the order seen, from 0 */
    bool in_call;           /* between the entry stop and the exit stop of a call */
    bool recorded;          /* its THREAD record is in the trace */
    bool halting;           /* was interrupted by the catcher, and its stop has not come yet */
    bool other_process;     /* shares the memory but is not a thread of P: a vfork child */
    pid_t vfork_parent;     /* of a vfork child */
    bool suspends;          /* its vfork child is not traced: nothing is closed until it goes on */
    uint64_t clone_flags;   /* of the child that it is making, or that it was made with */
    struct vmti_signals signals;
    int alarm;              /* descriptor by which it hears of the catcher's death, plus 1: see alarm.c */
    uint8_t state;          /* of the catcher: enum vmti_thread_state in catcher.h */
    uintptr_t tls;          /* thread pointer, when the thread was first seen */
    uintptr_t altstack;     /* alternate signal stack, if known */
    size_t altstack_bytes;
    struct vmti_call call;
    const struct vmti_row *row;
    uint64_t call_touches;  /* touches of the region when the call was walked */
    struct vmti_span_block *spans, *spans_last; /* pinned, in the order of the walk */
    struct vmti_thread *pinning_next;
    int refused;            /* the call is not to run: the negative errno that it is to give */
    uint64_t resumed_at;    /* the region's count of changes when the thread was last resumed */
    uint64_t effect[4];     /* what an effect keeps from the entry to the exit */
    struct { uint64_t start, bytes; } *ranges; /* ... of process_madvise: as struct iovec; NULL until the first */
    uint64_t affinity[16];  /* the processors that the program lets it run on, a bit each; see affinity.c */
    bool has_affinity;
    uint64_t scratch[8];    /* for the arguments that the catcher replaces during a call: see signals.c */
    struct vmti_sigaction wanted_action; /* by rt_sigaction */
    uint8_t replaced;       /* a bit for each argument of the call that the catcher replaced */
    uint64_t first_given;   /* the first, where its register is that of the result too: see stops.c; 0: not replaced */
    void *exec_room;        /* the environment for the execve that it is in: see follow_exec.c */
    size_t exec_bytes;
    bool exec_alone;        /* its next execve is left as it is */
    UT_hash_handle hh;
};

#endif
