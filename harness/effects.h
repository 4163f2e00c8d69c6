/* SPDX-License-Identifier: MIT */
/*
 * What a system call does to the address space, followed in the page directory: the virtual view. The protection that
 * the program asked for is a tracked page's word in the directory; the manager applies it while the page is open.
 * Called by the engine at the stops of thread t; async-signal-safe.
 */
#ifndef VMTI_EFFECTS_H
#define VMTI_EFFECTS_H

#include "types.h"

/* Before the call runs (its pointers have been walked). */
VMTI_HIDDEN void vmti_effect_before(struct vmti_region *r, struct vmti_thread *t);

/* After it has returned. */
VMTI_HIDDEN void vmti_effect_after(struct vmti_region *r, struct vmti_thread *t, int64_t result);

/* The pages of [start, end) are mapped no more, or are now something else: they leave the window and are not
 * tracked. */
VMTI_HIDDEN void vmti_forget(struct vmti_region *r, uintptr_t start, uintptr_t end);

/* The pages of [start, end) are opened and not tracked from now on: the kernel reaches them without a system call. */
VMTI_HIDDEN void vmti_exempt(struct vmti_region *r, uintptr_t start, uintptr_t end);

/* The same for what the kernel and we reach through a thread pointer. */
VMTI_HIDDEN void vmti_exempt_tls(struct vmti_region *r, uintptr_t tls);

/* Linux 6.3. */
enum { VMTI_PR_SET_MDWE = 65, VMTI_PR_GET_MDWE = 66 };

/* The same for memory that may be executed, where the kernel would refuse to open it again: it gives PROT_EXEC to no
 * page that lacks it (PR_SET_MDWE, prctl(2)). */
VMTI_HIDDEN void vmti_exempt_code(struct vmti_region *r);

/* New memory of an allocator, mapped with protection `prot`: tracked and closed. */
VMTI_HIDDEN void vmti_adopt_heap(struct vmti_region *r, uintptr_t start, uintptr_t end, int prot);

/* What the program tells by vmti_tell(): malloc gave memory in pages that the region does not know; vmt_track() and
 * vmt_untrack() have marked pages. */
VMTI_HIDDEN void vmti_adopt_unknown(struct vmti_region *r, uintptr_t start, uintptr_t end);
VMTI_HIDDEN void vmti_track_in_region(struct vmti_region *r, uintptr_t start, uintptr_t end);
VMTI_HIDDEN void vmti_untrack_in_region(struct vmti_region *r, uintptr_t start, uintptr_t end);

#endif
