/* SPDX-License-Identifier: MIT */
/* A trace that a test writes, with the trailer that belongs to it, and reads. */
#ifndef VMTI_TESTS_TRACE_WRITER_H
#define VMTI_TESTS_TRACE_WRITER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "arena.h"
#include "thread.h"
#include "trace_format.h"
#include "trace_read.h"
#include "trace_write.h"

static const char COMMAND[] = "./program\0--flag\0an argument"; /* its own NUL ends the last one */
static const uint64_t START_NS = 5000000000u;                  /* monotonic clock at the region's start */
static const uint64_t REALTIME_NS = 1700000000123456789u;
enum { THREADS = 3, WINDOW = 64, EVICT = 3, BLOCK_HEADER = sizeof(struct vmti_trace_block_header) };

/* A trace being written, with the trailer that belongs to it. */
struct writer {
    struct vmti_region region;
    struct vmti_thread threads[THREADS];
    struct vmti_trace_trailer trailer;
    int fd;
};

static inline void start(struct writer *w, int fd)
{
    memset(w, 0, sizeof *w);
    w->fd = fd;
    w->region.window = WINDOW;
    w->region.evict = EVICT;
    w->region.scope = VMT_SCOPE_REGION;
    w->region.track_writes = true;
    w->region.whole_program = true;
    w->region.pid = 4711;
    for (int i = 0; i < THREADS; i++) {
        w->threads[i].index = (uint32_t)i;
        w->threads[i].tid = 4711 + i;
    }
    w->trailer.end = VMTI_END_EXIT;
    assert_int_equal(vmti_trace_start(&w->region, fd, COMMAND, sizeof COMMAND, REALTIME_NS, START_NS), 0);
}

static inline int new_file(void)
{
    int fd = memfd_create("trace", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_true(fd >= 0);
    return fd;
}

static inline void start_in_memory(struct writer *w)
{
    start(w, -1);
}

static inline void start_in_file(struct writer *w)
{
    start(w, new_file());
}

/* The counts of the trailer are kept here as window.c keeps them, apart from the two that need a set of pages. */
static inline void touch(struct writer *w, uint64_t page, unsigned flags, int thread, uint64_t ns)
{
    w->trailer.touches++;
    if (flags & VMTI_REC_SYSCALL)
        w->trailer.syscall_touches++;
    else
        w->trailer.program_touches++;
    w->trailer.evictions += flags & VMTI_REC_EVICT ? EVICT : 0;
    vmti_trace_put_touch(&w->region, VMTI_REC_TOUCH, flags, page, &w->threads[thread], START_NS + ns);
}

static inline void upgrade(struct writer *w, uint64_t page, int thread, uint64_t ns)
{
    w->trailer.upgrades++;
    vmti_trace_put_touch(&w->region, VMTI_REC_UPGRADE, VMTI_REC_WRITE, page, &w->threads[thread], START_NS + ns);
}

static inline void drop(struct writer *w, uint64_t page, uint64_t count)
{
    w->trailer.drops += count;
    vmti_trace_put_drop(&w->region, page, count);
}

static inline void finish(struct writer *w)
{
    assert_int_equal(vmti_trace_finish(&w->region, &w->trailer), 0);
}

static inline void open_reader(struct writer *w, struct vmti_trace_reader *reader)
{
    int error = w->fd >= 0 ? vmti_trace_read_fd(reader, w->fd) : vmti_trace_read_memory(reader, &w->region.trace);
    assert_string_equal(reader->reason, "");
    assert_int_equal(error, 0);
}

static inline void release(struct writer *w)
{
    if (w->fd >= 0)
        close(w->fd);
    vmti_arena_free(&w->region.arena);
}

static inline uint64_t in_units(uint64_t ns)
{
    return ns / VMTI_TRACE_TIME_UNIT * VMTI_TRACE_TIME_UNIT;
}

static inline void each_way(void (*test)(void (*)(struct writer *)))
{
    test(start_in_memory);
    test(start_in_file);
}

#endif
