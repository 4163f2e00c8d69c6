/* SPDX-License-Identifier: MIT */
/*
 * A stopped thread, whichever engine stopped it: at a ptrace stop, or in a handler of the dispatch engine, whose frame
 * is what it goes on with. Each returns 0 or a negative errno; -ESRCH: the thread is dead, which wait tells.
 */
#ifndef VMTI_STOPPED_H
#define VMTI_STOPPED_H

#include "../harness/thread.h"
#include "frame.h"
#include "ptrace.h"

/* A macro, as vmti_is_dispatched(). */
#define vmti_in_frame(t) (VMTI_HAS_DISPATCH && (t)->frame)

static inline long vmti_get_regs(const struct vmti_thread *t, vmti_regs *regs)
{
    return vmti_in_frame(t) ? vmti_frame_get_regs(t->frame, regs) : vmti_ptrace_get_regs(t->tid, regs);
}

static inline long vmti_set_regs(const struct vmti_thread *t, const vmti_regs *regs)
{
    return vmti_in_frame(t) ? vmti_frame_set_regs(t->frame, regs) : vmti_ptrace_set_regs(t->tid, regs);
}

static inline long vmti_set_arg(const struct vmti_thread *t, unsigned i, uint64_t value)
{
    return vmti_in_frame(t) ? vmti_frame_set_arg(t->frame, i, value) : vmti_ptrace_set_arg(t->tid, i, value);
}

/* The blocked signals; bit n-1 is signal n. */
static inline long vmti_get_mask(const struct vmti_thread *t, uint64_t *mask)
{
    return vmti_in_frame(t) ? vmti_frame_get_mask(t->frame, mask) : vmti_ptrace_get_mask(t->tid, mask);
}

static inline long vmti_set_mask(const struct vmti_thread *t, const uint64_t *mask)
{
    return vmti_in_frame(t) ? vmti_frame_set_mask(t->frame, mask) : vmti_ptrace_set_mask(t->tid, mask);
}

/* Changes it by these signals. */
static inline void vmti_change_mask(const struct vmti_thread *t, uint64_t block, uint64_t unblock)
{
    uint64_t mask;
    if (vmti_get_mask(t, &mask))
        return;
    mask = (mask | block) & ~unblock;
    vmti_set_mask(t, &mask);
}

/* Of the signal that it stopped for. */
static inline long vmti_get_siginfo(const struct vmti_thread *t, siginfo_t *info)
{
    return vmti_in_frame(t) ? vmti_frame_get_siginfo(t->frame, info) : vmti_ptrace_get_siginfo(t->tid, info);
}

static inline long vmti_set_siginfo(const struct vmti_thread *t, const siginfo_t *info)
{
    return vmti_in_frame(t) ? vmti_frame_set_siginfo(t->frame, info)
                    : vmti_ptrace(PTRACE_SETSIGINFO, t->tid, 0, (uintptr_t)info);
}

#endif
