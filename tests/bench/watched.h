/* SPDX-License-Identifier: MIT */
/*
 * A peer: a range of memory of which `window` pages are open at a time, by a fault handler of GNU libsigsegv's. System
 * calls that point into it get EFAULT, as with every handler in the process.
 */
#ifndef BENCH_WATCHED_H
#define BENCH_WATCHED_H

#include <sigsegv.h>

#include "bench.h"

enum { WATCHED_WINDOW = 1024 };

static struct {
    char *start;
    size_t bytes, window, head;
    char **ring;
} watched;

/* libsigsegv wants 1 for "resolved". */
static int open_watched(void *address, int serious)
{
    (void)serious;
    char *page = (char *)((uintptr_t)address & ~(uintptr_t)(PAGE - 1));
    if (page < watched.start || page >= watched.start + watched.bytes)
        return 0;
    mprotect(page, PAGE, PROT_READ | PROT_WRITE);
    if (watched.ring[watched.head])
        mprotect(watched.ring[watched.head], PAGE, PROT_NONE);
    watched.ring[watched.head] = page;
    watched.head = watched.head + 1 == watched.window ? 0 : watched.head + 1;
    return 1;
}

static inline void unwatch_memory(void)
{
    mprotect(watched.start, watched.bytes, PROT_READ | PROT_WRITE);
}

static inline void watch_memory(char *start, size_t bytes, size_t window)
{
    watched.start = start;
    watched.bytes = bytes;
    watched.window = window;
    watched.head = 0;
    watched.ring = map_own(window * sizeof *watched.ring);
    if (sigsegv_install_handler(open_watched) || mprotect(start, bytes, PROT_NONE))
        die("libsigsegv cannot watch this memory");
}
#endif
