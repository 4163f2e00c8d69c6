/* SPDX-License-Identifier: MIT */
/*
 * Signal handlers during a region. SIGSEGV must be neither blocked nor ignored while pages are closed: a fault would
 * reset its handler to the default before the catcher even sees a stop (kernel/signal.c, force_sig_info_to_task); and
 * so with SIGSYS, by which dispatched calls stop. So these, our own signals, are kept out of every handler's mask, and
 * have a handler of ours for as long as the region lasts. The program is shown what it set: catcher/signals.c.
 *
 * Our handler is a net below the catcher, which answers every fault of ours at its stop: it runs for the program's own
 * faults, and passes them on to the program's own handler with the same frame; and for ours only if the catcher has
 * died: then it opens everything, and the program goes on.
 */
#ifndef VMTI_HANDLERS_H
#define VMTI_HANDLERS_H

#include <signal.h>

#include "types.h"

static inline uint64_t vmti_signal_bit(int signal)
{
    return (uint64_t)1 << (signal - 1);
}

#define VMTI_OWN_MASK (vmti_signal_bit(SIGSEGV) | vmti_signal_bit(SIGSYS))

static inline bool vmti_is_own_signal(int signal)
{
    return signal == SIGSEGV || signal == SIGSYS;
}

static inline int vmti_own_signal(int index)
{
    return index == VMTI_OWN_SIGSEGV ? SIGSEGV : SIGSYS;
}

static inline int vmti_own_index(int signal)
{
    return signal == SIGSEGV ? VMTI_OWN_SIGSEGV : VMTI_OWN_SIGSYS;
}

/* Does the kernel have to be given something else than this action of the program's? */
VMTI_HIDDEN bool vmti_action_needs_change(const struct vmti_region *r, int signal, const struct vmti_sigaction *action);

static inline bool vmti_action_has_handler(const struct vmti_sigaction *action)
{
    return action->handler != (uint64_t)SIG_DFL && action->handler != (uint64_t)SIG_IGN;
}

/* Does the program ignore the signal, itself or by the default action (signal(7), "Standard signals")? */
static inline bool vmti_action_ignores(int signal, const struct vmti_sigaction *action)
{
    return action->handler == (uint64_t)SIG_IGN ||
           (action->handler == (uint64_t)SIG_DFL &&
            (signal == SIGCHLD || signal == SIGCONT || signal == SIGURG || signal == SIGWINCH));
}

/* Makes of the action that P wants the one that the kernel gets during the region. */
VMTI_HIDDEN void vmti_action_for_kernel(const struct vmti_region *r, int signal, struct vmti_sigaction *action);

/* Makes of the kernel's action the one that was set in place of which it is: `set` are all that were. */
VMTI_HIDDEN void vmti_action_for_program(const struct vmti_region *r, const struct vmti_actions *set, int signal,
                                         struct vmti_sigaction *action);

/* In P, before the catcher attaches, and after it has left. */
VMTI_HIDDEN void vmti_handlers_take(struct vmti_region *r);
VMTI_HIDDEN void vmti_handlers_give_back(struct vmti_region *r);

#endif
