/* SPDX-License-Identifier: MIT */
/*
 * The dispatch engine: no helper. Each thread stops itself: at a fault by SIGSEGV, at a system call by SIGSYS (Syscall
 * User Dispatch, Documentation/admin-guide/syscall-user-dispatch.rst, Linux 5.11), at a signal of the program's by a
 * handler of ours that comes first. What the catcher does at a ptrace stop is done in the handler, by the same code.
 */
#ifndef VMTI_DISPATCH_H
#define VMTI_DISPATCH_H

#include "../harness/types.h"

/* Begins and ends the region in the calling thread. 0, or negative errno with r->error and r->error_step set. */
VMTI_HIDDEN int vmti_dispatch_start(struct vmti_region *r);
VMTI_HIDDEN void vmti_dispatch_stop(struct vmti_region *r);

/* Does the kernel have to be given another action than this one of the program's? */
VMTI_HIDDEN bool vmti_dispatch_needs_change(int signal, const struct vmti_sigaction *action);
/* The action that the kernel is given for one of the program's. */
VMTI_HIDDEN void vmti_dispatch_action(int signal, struct vmti_sigaction *action);

#endif
