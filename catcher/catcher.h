/* SPDX-License-Identifier: MIT */
/*
 * The catcher: a helper made by clone(CLONE_VM) that ptraces the process that made it. It shares the memory, so it
 * looks at the manager's tables and opens and closes pages itself at a stop; nothing is injected, and the program has
 * no handler of ours. It is in a thread group of its own, with its own descriptors, session and signal handlers.
 *
 * In it no libc function may run that uses thread-local storage, locks or memory of malloc: raw system calls, memcpy,
 * memset and the manager's functions that say so are all.
 */
#ifndef VMTI_CATCHER_H
#define VMTI_CATCHER_H

#include "../harness/types.h"

/* Starts the catcher of r and waits until the region is traced. 0, or the negative errno in r->error. */
VMTI_HIDDEN int vmti_catcher_start(struct vmti_region *r);

/* Has the catcher end the region and waits until it is gone. 0; r->state says how it went. */
VMTI_HIDDEN void vmti_catcher_stop(struct vmti_region *r);

#endif
