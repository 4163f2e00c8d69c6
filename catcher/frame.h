/* SPDX-License-Identifier: MIT */
/*
 * The dispatch engine's stops: a handler of ours runs in the thread, and what the kernel has put into its frame is what
 * the thread goes on with when the handler returns. Everything here runs in such a handler: async-signal-safe.
 */
#ifndef VMTI_FRAME_H
#define VMTI_FRAME_H

#include <signal.h>

#include "../harness/types.h"

struct vmti_frame {
    int signal;
    siginfo_t *info;
    void *context;   /* ucontext_t */
    int64_t call;    /* the system call that the signal has interrupted, or that is about to run; -1: none */
    int deliver;     /* the signal that is to be delivered when our handler returns; 0: none */
    struct vmti_sigaction action; /* what the program has set for it */
};

/* SS_AUTODISARM (linux/signal.h), as what libc's headers make of it has another type. */
enum { VMTI_SS_AUTODISARM = (int)(1u << 31) };

/* kernel: include/linux/sched/signal.h, on_sig_stack() */
static inline bool vmti_is_on_stack(const struct vmti_stack *stack, uintptr_t sp)
{
    return !(stack->flags & (SS_DISABLE | VMTI_SS_AUTODISARM)) && sp > stack->start &&
           sp - stack->start <= stack->bytes;
}

VMTI_HIDDEN uintptr_t vmti_frame_ip(const struct vmti_frame *frame);
VMTI_HIDDEN long vmti_frame_get_regs(const struct vmti_frame *frame, vmti_regs *regs);
VMTI_HIDDEN long vmti_frame_set_regs(struct vmti_frame *frame, const vmti_regs *regs);
VMTI_HIDDEN long vmti_frame_set_arg(struct vmti_frame *frame, unsigned i, uint64_t value);
VMTI_HIDDEN long vmti_frame_get_mask(const struct vmti_frame *frame, uint64_t *mask);
VMTI_HIDDEN long vmti_frame_set_mask(struct vmti_frame *frame, const uint64_t *mask);
VMTI_HIDDEN long vmti_frame_get_siginfo(const struct vmti_frame *frame, siginfo_t *info);
VMTI_HIDDEN long vmti_frame_set_siginfo(struct vmti_frame *frame, const siginfo_t *info);

/*
 * Has the thread go on in the program's handler, as the kernel would have: the frame is written again where the program
 * expects it, with the mask that the program believes in, and is what the handler's return goes back to. False: it
 * cannot be written there.
 */
VMTI_HIDDEN bool vmti_frame_push(struct vmti_frame *frame, const struct vmti_sigaction *action,
                                 struct vmti_stack *stack, uint64_t shown_mask, uint64_t handler_mask);

/* The thread returns from a handler of the program's: goes on with the frame at `sp`. False: there is none. */
VMTI_HIDDEN bool vmti_frame_pop(struct vmti_frame *frame, uintptr_t sp, struct vmti_stack *stack, uint64_t *mask);

#endif
