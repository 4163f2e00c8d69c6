/* SPDX-License-Identifier: MIT */
/*
 * Opening, closing, touching and pinning pages. Called by the engine at a stop of thread t, one stop at a time;
 * async-signal-safe, takes no lock, uses the region's arena alone.
 */
#ifndef VMTI_WINDOW_H
#define VMTI_WINDOW_H

#include "types.h"

/* Does what the thread touches count? */
VMTI_HIDDEN bool vmti_counts(const struct vmti_region *r, const struct vmti_thread *t);

/* Makes room for `pages` in the window, if it has less; it never gets smaller again. False: no memory. */
VMTI_HIDDEN bool vmti_window_make_room(struct vmti_region *r, uint64_t pages);

/* Is the page tracked in the current region? */
VMTI_HIDDEN bool vmti_is_tracked(uint64_t page);

/* Does [start, end) hold a tracked page? */
VMTI_HIDDEN bool vmti_any_tracked(uintptr_t start, uintptr_t end);

enum vmti_touch_flags {
    VMTI_TOUCH_WRITE = 1 << 0,
    VMTI_TOUCH_SYSCALL = 1 << 1,
};

/*
 * Records touches of the tracked pages of [start, end) that are not in the window, in address order, opens them and
 * evicts what leaves the window. With VMTI_TOUCH_WRITE a page open for reading is upgraded. For a thread that does not
 * count, what is not open enters the other window, and nothing is recorded.
 */
VMTI_HIDDEN void vmti_touch(struct vmti_region *r, struct vmti_thread *t, uintptr_t start, uintptr_t end,
                            unsigned flags);

/*
 * Opens the tracked pages of [start, end) for the kernel and keeps them open until vmti_unpin_all(t); records nothing.
 * `writes`: for writing too. Returns the span, to say what counts as touched at the exit, or NULL if no page of it is
 * tracked (nothing to do) or memory ran out (the region is lost then).
 */
VMTI_HIDDEN struct vmti_span *vmti_pin(struct vmti_region *r, struct vmti_thread *t, uintptr_t start, uintptr_t end,
                                       bool writes);

/* The walk of t's call is over: counts the pages that it keeps open beside the window's. */
VMTI_HIDDEN void vmti_note_pinned(struct vmti_region *r, struct vmti_thread *t);

/* The call of t has returned `result`: records what it touched, then closes what is not in the window. */
VMTI_HIDDEN void vmti_unpin_all(struct vmti_region *r, struct vmti_thread *t, int64_t result);

/* Gives every tracked page of [start, end) the protection that it must have now: closed, if it is neither in the window
 * nor pinned. */
VMTI_HIDDEN void vmti_settle(struct vmti_region *r, uintptr_t start, uintptr_t end);

/* The pages of [start, end) leave the window without eviction, and are left as they are. */
VMTI_HIDDEN void vmti_drop_range(struct vmti_region *r, uintptr_t start, uintptr_t end);

/* At the region's end: finds the owners of pages that were touched before their allocation had returned. */
VMTI_HIDDEN void vmti_name_pages(struct vmti_region *r);

/* Opens the next run of tracked pages at or after *page and before `limit` that the program gave one protection, with
 * that protection, in the window or not. Those that are leaving are a run apart. Its length, with *page at its start;
 * 0: there is none. */
VMTI_HIDDEN uint64_t vmti_open_run(uint64_t *page, uint64_t limit);

/* Opens every tracked page with the protection that the program asked for. */
VMTI_HIDDEN void vmti_open_all(struct vmti_region *r);

/* Opens all that is tracked, and closes nothing until as many calls of the other. What is touched meanwhile, and is
 * open for that alone, is not seen. */
VMTI_HIDDEN void vmti_suspend(struct vmti_region *r);
VMTI_HIDDEN void vmti_resume(struct vmti_region *r);

/* Opens all, marks the region as lost with this reason. */
VMTI_HIDDEN void vmti_lose(struct vmti_region *r, int error, unsigned step);

#endif
