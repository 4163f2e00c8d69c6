/* SPDX-License-Identifier: MIT */
/*
 * Live heap bytes: how many bytes of each page are in live blocks of the malloc family now, and how many were at most
 * at once since the region began. Counted only in a process that was started with the request (VMT_LIVE=1, or `vmtrace
 * run --live`), for each block must be counted from its start: then the functions that the wrappers call next are
 * replaced by counting ones, and no other process pays. A block counts with what malloc_usable_size() says, on both
 * sides, so the sums are exact. C++ operators count where they call malloc and free, as libstdc++'s do; an allocator's
 * own do not, and where one is used nothing can be told.
 */
#ifndef VMTI_LIVE_H
#define VMTI_LIVE_H

#include "wrap.h"

/* The process counts. Constant once the wrappers have found the next definitions. */
extern VMTI_HIDDEN bool vmti_live_on;

/* Starts counting: changes the next definitions, before the first block. */
VMTI_HIDDEN void vmti_live_start(struct vmti_next *next);

/* This operator new is used, from there. False: by its own allocator alone, so far; ask again at the next use. */
VMTI_HIDDEN bool vmti_live_note_operator(const void *definition, const void *caller);

/* A block of so many bytes comes, or goes. Async-signal-safe, lock-free. */
VMTI_HIDDEN void vmti_live_add(const void *block, size_t bytes);
VMTI_HIDDEN void vmti_live_remove(const void *block, size_t bytes);

/* Most bytes of the page that were in live blocks at once since vmti_live_begin(). */
VMTI_HIDDEN uint32_t vmti_live_most(uint64_t page);

/* A region begins: what was most is what is now. Async-signal-safe. */
VMTI_HIDDEN void vmti_live_begin(void);

/* In the engine, at the region's end: keeps the counts of the pages touched, and their sum: VMTI_TRACE_NO_LIVE_BYTES if
 * it could not be told. May be called again. */
VMTI_HIDDEN void vmti_live_conclude(struct vmti_region *r);

#endif
