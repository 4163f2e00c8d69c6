/* SPDX-License-Identifier: MIT */
/*
 * The io_uring rings of the program: what their submissions point to is reached by the kernel after the call, through
 * the page tables: by the submitting thread when a wait is over, or by a worker (io_uring/tctx.c, io-wq.c). It cannot
 * be told when that ends, so those pages are touched at the submission, and left open from then on. (What AIO,
 * vmsplice, sends without a copy and registered buffers need later, the kernel has looked up and holds when the call
 * returns: mm/gup.c.) Runs in the catcher: async-signal-safe.
 */
#ifndef VMTI_RINGS_H
#define VMTI_RINGS_H

#include "types.h"
#include "walk.h"

/* A ring was made or resized (io_uring_setup, IORING_REGISTER_RESIZE_RINGS): `params` is its struct io_uring_params. */
VMTI_HIDDEN void vmti_ring_note(struct vmti_region *r, struct vmti_thread *t, int fd, uint64_t params);

/* A part of a ring may have been mapped. */
VMTI_HIDDEN void vmti_ring_mapped(struct vmti_region *r, int fd, uint64_t offset, uintptr_t start);

/* Buffers that the kernel chooses from: `entries` of struct io_uring_buf at `address`, in the program's memory. */
VMTI_HIDDEN void vmti_ring_note_buffers(struct vmti_region *r, struct vmti_thread *t, uint64_t address,
                                        uint64_t entries);

/* Follows the next `count` submissions of ring `fd`; of all rings where `fd` is the index of a registered one. */
VMTI_HIDDEN void vmti_ring_walk(struct vmti_walk *w, int fd, bool registered, uint64_t count);

/* Touches [addr, addr + len) for the call, and leaves it open from now on. */
VMTI_HIDDEN void vmti_leave_open(struct vmti_region *r, struct vmti_thread *t, uint64_t addr, uint64_t len,
                                 bool writes);

#endif
