/* SPDX-License-Identifier: MIT */
/* The trace: what is written is what is read, in memory and in a file, and no bytes can mislead or crash the reader. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "arena.h"
#include "owners.h"
#include "random.h"
#include "stacks.h"
#include "thread.h"
#include "trace_format.h"
#include "trace_read.h"
#include "trace_write.h"

static const char COMMAND[] = "./program\0--flag\0an argument"; /* its own NUL ends the last one */
static const uint64_t START_NS = 5000000000u;                  /* monotonic clock at the region's start */
static const uint64_t REALTIME_NS = 1700000000123456789u;
enum { THREADS = 3, WINDOW = 64, EVICT = 3, BLOCK_HEADER = sizeof(struct vmti_trace_block_header) };

/* ------------------------------------------------------------------------------------------- fixture */

/* A trace being written, with the trailer that belongs to it. */
struct writer {
    struct vmti_region region;
    struct vmti_thread threads[THREADS];
    struct vmti_trace_trailer trailer;
    int fd;
};

static void start(struct writer *w, int fd)
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

static int new_file(void)
{
    int fd = memfd_create("trace", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_true(fd >= 0);
    return fd;
}

static void start_in_memory(struct writer *w)
{
    start(w, -1);
}

static void start_in_file(struct writer *w)
{
    start(w, new_file());
}

/* The counts of the trailer are kept here as window.c keeps them, apart from the two that need a set of pages. */
static void touch(struct writer *w, uint64_t page, unsigned flags, int thread, uint64_t ns)
{
    w->trailer.touches++;
    if (flags & VMTI_REC_SYSCALL)
        w->trailer.syscall_touches++;
    else
        w->trailer.program_touches++;
    w->trailer.evictions += flags & VMTI_REC_EVICT ? EVICT : 0;
    vmti_trace_put_touch(&w->region, VMTI_REC_TOUCH, flags, page, &w->threads[thread], START_NS + ns);
}

static void upgrade(struct writer *w, uint64_t page, int thread, uint64_t ns)
{
    w->trailer.upgrades++;
    vmti_trace_put_touch(&w->region, VMTI_REC_UPGRADE, VMTI_REC_WRITE, page, &w->threads[thread], START_NS + ns);
}

static void drop(struct writer *w, uint64_t page, uint64_t count)
{
    w->trailer.drops += count;
    vmti_trace_put_drop(&w->region, page, count);
}

static void finish(struct writer *w)
{
    assert_int_equal(vmti_trace_finish(&w->region, &w->trailer), 0);
}

static void open_reader(struct writer *w, struct vmti_trace_reader *reader)
{
    int error = w->fd >= 0 ? vmti_trace_read_fd(reader, w->fd) : vmti_trace_read_memory(reader, &w->region.trace);
    assert_string_equal(reader->reason, "");
    assert_int_equal(error, 0);
}

static void release(struct writer *w)
{
    if (w->fd >= 0)
        close(w->fd);
    vmti_arena_free(&w->region.arena);
}

static uint64_t in_units(uint64_t ns)
{
    return ns / VMTI_TRACE_TIME_UNIT * VMTI_TRACE_TIME_UNIT;
}

static void each_way(void (*test)(void (*)(struct writer *)))
{
    test(start_in_memory);
    test(start_in_file);
}

/* ------------------------------------------------------------------------------------------- round trips */

static void expect_access(struct vmti_trace_reader *reader, unsigned kind, uint64_t page, unsigned flags,
                          uint32_t thread, uint64_t time_ns, uint64_t number)
{
    struct vmti_event event;
    assert_true(vmti_trace_read_next(reader, &event));
    assert_int_equal(event.kind, kind);
    assert_true(event.page == page);
    assert_int_equal(event.write, !!(flags & VMTI_REC_WRITE));
    assert_int_equal(event.syscall, !!(flags & VMTI_REC_SYSCALL));
    assert_int_equal(event.evicts, flags & VMTI_REC_EVICT ? EVICT : 0);
    assert_int_equal(event.thread, thread);
    assert_true(event.time_ns == time_ns);
    assert_true(event.touch == number);
}

static void expect_thread(struct vmti_trace_reader *reader, uint32_t index, uint32_t tid)
{
    struct vmti_event event;
    assert_true(vmti_trace_read_next(reader, &event));
    assert_int_equal(event.kind, VMTI_REC_THREAD);
    assert_int_equal(event.thread, index);
    assert_int_equal(event.tid, tid);
}

static void expect_owner(struct vmti_trace_reader *reader, uint32_t index, uint64_t page, uint64_t pages,
                         uint64_t bytes, uint64_t site, const char *label)
{
    struct vmti_event event;
    assert_true(vmti_trace_read_next(reader, &event));
    assert_int_equal(event.kind, VMTI_REC_OWNER);
    assert_int_equal(event.owner, index);
    assert_true(event.page == page && event.pages == pages && event.bytes == bytes && event.site == site);
    assert_int_equal(event.text_bytes, strlen(label));
    assert_memory_equal(event.text, label, strlen(label));
}

static void expect_mark(struct vmti_trace_reader *reader, const char *name, uint64_t ns)
{
    struct vmti_event event;
    assert_true(vmti_trace_read_next(reader, &event));
    assert_int_equal(event.kind, VMTI_REC_MARK);
    assert_int_equal(event.time_ns, ns);
    assert_int_equal(event.text_bytes, strlen(name));
    assert_memory_equal(event.text, name, strlen(name));
}

static void check_each_record_kind(void (*start_it)(struct writer *))
{
    const uint64_t high = UINT64_MAX >> VMTI_PAGE_SHIFT; /* the last page that has addresses */
    int label = vmti_name_new(&vmti_labels, "a label"), phase = vmti_name_new(&vmti_phases, "a phase");
    assert_true(label > 0 && phase > 0);
    uint32_t plain = vmti_owner_new(0x7f0000000, 10, 40000, 0x401234, 0, 0);
    uint32_t labelled = vmti_owner_new(0x555555554, 3, 12288, 0, (uint32_t)label, 0);

    struct writer w;
    start_it(&w);
    vmti_trace_put_module(&w.region, 0x400000, 0x402000, 0x1000, "/usr/bin/a program", 18);
    vmti_trace_put_owner(&w.region, plain);
    touch(&w, 0x7f0000000, 0, 0, 1000);
    touch(&w, 0x7f0000001, VMTI_REC_WRITE | VMTI_REC_SYSCALL | VMTI_REC_EVICT, 0, 2000);
    vmti_trace_put_owner(&w.region, labelled);
    touch(&w, 0x555555554, VMTI_REC_EVICT, 2, 2000);
    upgrade(&w, 0x7f0000000, 1, 1500); /* a clock that goes back is held */
    drop(&w, 0x7f0000000, 2);
    vmti_trace_put_mark(&w.region, (uint32_t)phase, START_NS + 9000);
    vmti_trace_put_mark(&w.region, 0, START_NS);
    touch(&w, high, VMTI_REC_SYSCALL, 1, UINT64_C(1) << 62);
    touch(&w, 0, 0, 0, UINT64_C(1) << 62);
    w.trailer.footprint = 5;
    w.trailer.pages_written = 2;
    w.trailer.end_code = 3;
    w.trailer.unknown_calls = 77;
    finish(&w);

    struct vmti_trace_reader reader;
    struct vmti_event event;
    open_reader(&w, &reader);
    for (int pass = 0; pass < 2; pass++) {
        assert_true(vmti_trace_read_next(&reader, &event));
        assert_int_equal(event.kind, VMTI_REC_MODULE);
        assert_true(event.start == 0x400000 && event.end == 0x402000 && event.offset == 0x1000);
        assert_int_equal(event.text_bytes, 18);
        assert_memory_equal(event.text, "/usr/bin/a program", 18);
        expect_owner(&reader, plain, 0x7f0000000, 10, 40000, 0x401234, "");
        expect_thread(&reader, 0, 4711);
        expect_access(&reader, VMTI_REC_TOUCH, 0x7f0000000, 0, 0, in_units(1000), 1);
        expect_access(&reader, VMTI_REC_TOUCH, 0x7f0000001, VMTI_REC_WRITE | VMTI_REC_SYSCALL | VMTI_REC_EVICT, 0,
                      in_units(2000), 2);
        expect_owner(&reader, labelled, 0x555555554, 3, 12288, 0, "a label");
        expect_thread(&reader, 2, 4713);
        expect_access(&reader, VMTI_REC_TOUCH, 0x555555554, VMTI_REC_EVICT, 2, in_units(2000), 3);
        expect_thread(&reader, 1, 4712);
        expect_access(&reader, VMTI_REC_UPGRADE, 0x7f0000000, VMTI_REC_WRITE, 1, in_units(2000), 3);
        assert_true(vmti_trace_read_next(&reader, &event));
        assert_int_equal(event.kind, VMTI_REC_DROP);
        assert_true(event.page == 0x7f0000000 && event.pages == 2);
        expect_mark(&reader, "a phase", in_units(9000));
        expect_mark(&reader, "", in_units(9000));
        expect_access(&reader, VMTI_REC_TOUCH, high, VMTI_REC_SYSCALL, 1, UINT64_C(1) << 62, 4);
        expect_access(&reader, VMTI_REC_TOUCH, 0, 0, 0, UINT64_C(1) << 62, 5);
        assert_false(vmti_trace_read_next(&reader, &event));
        assert_false(vmti_trace_read_next(&reader, &event));
        assert_true(reader.complete);
        assert_string_equal(reader.reason, "");
        assert_true(reader.has_trailer);
        assert_memory_equal(&reader.trailer, &w.trailer, sizeof w.trailer);
        vmti_trace_read_rewind(&reader);
    }

    struct vmti_trace_summary summary;
    assert_int_equal(vmti_trace_summarize(&reader, &summary), 0);
    assert_string_equal(summary.reason, "");
    assert_true(summary.complete);
    assert_int_equal(summary.touches, 5);
    assert_int_equal(summary.program_touches, 3);
    assert_int_equal(summary.syscall_touches, 2);
    assert_int_equal(summary.footprint, 5);
    assert_int_equal(summary.pages_written, 2);
    assert_int_equal(summary.evictions, 2 * EVICT);
    assert_int_equal(summary.upgrades, 1);
    assert_int_equal(summary.drops, 2);
    assert_int_equal(summary.thread_count, 3);
    assert_int_equal(summary.threads[0].touches, 3);
    assert_int_equal(summary.threads[1].tid, 4713);
    assert_int_equal(summary.threads[1].touches, 1);
    assert_int_equal(summary.threads[2].touches, 1);
    assert_int_equal(summary.owners.count, 2);
    assert_int_equal(summary.owners.owners[0].touched, 2);
    assert_int_equal(summary.owners.owners[1].touched, 1);
    assert_string_equal(summary.owners.owners[1].label, "a label");
    assert_int_equal(summary.module_count, 1);
    assert_string_equal(summary.modules[0].path, "/usr/bin/a program");
    vmti_trace_summary_free(&summary);
    vmti_trace_read_close(&reader);
    release(&w);
}

static void test_each_record_kind_is_read_as_it_was_written(void **state)
{
    (void)state;
    each_way(check_each_record_kind);
}

static void check_header(void (*start_it)(struct writer *))
{
    struct writer w;
    start_it(&w);
    finish(&w);
    struct vmti_trace_reader reader;
    open_reader(&w, &reader);
    assert_int_equal(reader.header.scope, VMT_SCOPE_REGION);
    assert_int_equal(reader.header.page_size, 4096);
    assert_int_equal(reader.header.flags, VMTI_TRACE_HAS_WRITES | VMTI_TRACE_HAS_WHOLE_PROGRAM);
    assert_int_equal(reader.header.window, WINDOW);
    assert_int_equal(reader.header.evict, EVICT);
    assert_true(reader.header.start_realtime_ns == REALTIME_NS);
    assert_int_equal(reader.header.pid, 4711);
    assert_int_equal(reader.header.engine, VMT_ENGINE_PTRACE);
    assert_int_equal(reader.header.command_bytes, sizeof COMMAND);
    assert_memory_equal(reader.command, COMMAND, sizeof COMMAND);
    struct vmti_event event;
    assert_false(vmti_trace_read_next(&reader, &event));
    assert_true(reader.complete); /* a region without a touch is complete too */
    vmti_trace_read_close(&reader);
    release(&w);
}

static void test_header_says_the_configuration(void **state)
{
    (void)state;
    each_way(check_header);
}

struct expected {
    uint64_t page, time_ns, pages;
    unsigned kind, flags;
    uint32_t thread;
};

enum { LONG_RECORDS = 120000 };

/* A long trace with all sizes of deltas; the records that it should hold are stored in `expected`. */
static void write_long(struct writer *w, struct expected *expected)
{
    uint64_t seed = 88172645463325252u, ns = 0, page = 0;
    for (size_t i = 0; i < LONG_RECORDS; i++) {
        uint64_t x = next_random(&seed);
        struct expected *e = &expected[i];
        ns += x % 7 ? x % 20000 : x % 20000000000u;
        switch (x >> 60) {
        case 0:
            page = next_random(&seed) >> VMTI_PAGE_SHIFT; /* anywhere */
            break;
        case 1:
            page -= page ? 1 : 0;
            break;
        default:
            page = (page + (x >> 40) % 3) & (UINT64_MAX >> VMTI_PAGE_SHIFT);
        }
        e->page = page;
        e->thread = (x >> 32) % 50 ? 0 : (uint32_t)(x >> 20) % THREADS;
        e->time_ns = in_units(ns);
        if ((x >> 50) % 20 == 0) {
            e->kind = VMTI_REC_DROP;
            e->pages = 1 + x % 3;
            if (page + e->pages > UINT64_MAX >> VMTI_PAGE_SHIFT)
                e->pages = 1;
            drop(w, page, e->pages);
        } else if ((x >> 50) % 20 == 1) {
            e->kind = VMTI_REC_UPGRADE;
            e->flags = VMTI_REC_WRITE;
            upgrade(w, page, (int)e->thread, ns);
        } else {
            e->kind = VMTI_REC_TOUCH;
            e->flags = (unsigned)x & (VMTI_REC_WRITE | VMTI_REC_SYSCALL | VMTI_REC_EVICT);
            touch(w, page, e->flags, (int)e->thread, ns);
        }
        if (i % 1000 == 0)
            vmti_trace_flush(&w->region);
    }
}

static void check_long(void (*start_it)(struct writer *))
{
    struct expected *expected = calloc(LONG_RECORDS, sizeof *expected);
    assert_non_null(expected);
    struct writer w;
    start_it(&w);
    write_long(&w, expected);
    finish(&w);
    assert_true(w.region.trace.bytes > 4 * VMTI_TRACE_BLOCK_BYTES); /* else it would say nothing about blocks */

    struct vmti_trace_reader reader;
    open_reader(&w, &reader);
    struct vmti_event event;
    uint64_t touches = 0, thread_records = 0;
    for (size_t i = 0; i < LONG_RECORDS; i++) {
        const struct expected *e = &expected[i];
        assert_true(vmti_trace_read_next(&reader, &event));
        if (event.kind == VMTI_REC_THREAD) {
            thread_records++;
            i--;
            continue;
        }
        assert_int_equal(event.kind, e->kind);
        assert_true(event.page == e->page);
        if (e->kind == VMTI_REC_DROP) {
            assert_true(event.pages == e->pages);
            continue;
        }
        touches += e->kind == VMTI_REC_TOUCH;
        assert_true(event.time_ns == e->time_ns);
        assert_int_equal(event.thread, e->thread);
        assert_int_equal(event.write, !!(e->flags & VMTI_REC_WRITE));
        assert_int_equal(event.syscall, !!(e->flags & VMTI_REC_SYSCALL));
        assert_int_equal(event.evicts, e->flags & VMTI_REC_EVICT ? EVICT : 0);
        assert_true(event.touch == touches);
    }
    assert_false(vmti_trace_read_next(&reader, &event));
    assert_true(reader.complete);
    assert_int_equal(thread_records, THREADS);
    vmti_trace_read_close(&reader);
    release(&w);
    free(expected);
}

static void test_traces_of_many_blocks_are_read_as_they_were_written(void **state)
{
    (void)state;
    each_way(check_long);
}

static void test_written_blocks_are_used_again(void **state)
{
    (void)state;
    struct writer w;
    start_in_file(&w);
    uint64_t seed = 1;
    while (w.region.trace.bytes < 8 * 1024 * 1024) {
        for (int i = 0; i < 1000; i++)
            touch(&w, next_random(&seed) >> VMTI_PAGE_SHIFT, 0, 0, 0);
        vmti_trace_flush(&w.region);
        assert_null(w.region.trace.first_full);
        assert_null(w.region.trace.last_full);
    }
    assert_true(w.region.arena.bytes <= 512 * 1024);
    finish(&w);
    release(&w);
}

/* The headers of the blocks alone say how far the program had come when each was full. */
static void test_headers_tell_touches_and_footprint(void **state)
{
    (void)state;
    struct writer w;
    enum { BLOCKS = 8 };
    uint64_t touches[BLOCKS + 1], footprints[BLOCKS + 1], blocks = 0;
    start_in_file(&w);
    while (blocks < BLOCKS) {
        const struct vmti_trace_block *current = w.region.trace.current;
        touches[blocks] = w.trailer.touches;
        footprints[blocks] = w.region.counts.footprint;
        if (w.trailer.touches % 3 == 0)
            w.region.counts.footprint++; /* as window.c does before it tells the touch */
        touch(&w, 7 * (w.trailer.touches / 3), 0, 0, 100000 * w.trailer.touches);
        blocks += w.region.trace.current != current;
    }
    touches[BLOCKS] = w.trailer.touches;
    footprints[BLOCKS] = w.trailer.footprint = w.region.counts.footprint;
    finish(&w);
    struct vmti_trace_reader reader;
    struct vmti_trace_summary summary;
    open_reader(&w, &reader);
    assert_int_equal(vmti_trace_summarize(&reader, &summary), 0);
    assert_string_equal(summary.reason, "");
    uint64_t at = reader.header.header_bytes, before = 0;
    for (uint64_t i = 0; i <= BLOCKS + 1; i++) {
        struct vmti_trace_block_header header;
        bool last = i == BLOCKS + 1;
        assert_int_equal(pread(w.fd, &header, sizeof header, (off_t)at), sizeof header);
        at += sizeof header + header.payload_bytes;
        assert_int_equal(header.type, last ? VMTI_BLOCK_TRAILER : VMTI_BLOCK_DATA);
        assert_int_equal(header.first_touch, before);
        assert_int_equal(header.first_touch + header.touches, last ? summary.touches : touches[i]);
        assert_int_equal(header.footprint, last ? summary.footprint : footprints[i]);
        before += header.touches;
    }
    vmti_trace_summary_free(&summary);
    vmti_trace_read_close(&reader);
    release(&w);
}

static void test_a_block_waits_for_its_flush(void **state)
{
    (void)state;
    struct writer w;
    start_in_file(&w);
    struct stat st;
    assert_int_equal(fstat(w.fd, &st), 0);
    off_t before = st.st_size;
    assert_true(before > 0);
    while (!w.region.trace.first_full)
        touch(&w, w.trailer.touches, 0, 0, 0);
    assert_int_equal(fstat(w.fd, &st), 0);
    assert_true(st.st_size == before);
    vmti_trace_flush(&w.region);
    assert_int_equal(fstat(w.fd, &st), 0);
    assert_true(st.st_size > before);
    finish(&w);
    release(&w);
}

/* ------------------------------------------------------------------------------------------- owners */

static uint64_t count_owner_records(struct writer *w)
{
    struct vmti_trace_reader reader;
    struct vmti_event event;
    uint64_t n = 0;
    open_reader(w, &reader);
    while (vmti_trace_read_next(&reader, &event))
        n += event.kind == VMTI_REC_OWNER;
    vmti_trace_read_close(&reader);
    return n;
}

static void test_an_owner_is_recorded_once_and_again_when_it_has_grown(void **state)
{
    (void)state;
    uint32_t first = vmti_owner_new(100, 2, 64, 0x1234, 0, 0);
    uint32_t last = first;
    while (last < first + 5000)
        last = vmti_owner_new(10000 + last * 2, 1, 64, 0, 0, 0);
    struct writer w;
    start_in_memory(&w);
    for (int i = 0; i < 3; i++) {
        vmti_trace_put_owner(&w.region, first);
        vmti_trace_put_owner(&w.region, last); /* grows the table of those seen */
        vmti_trace_put_owner(&w.region, 0);
        vmti_trace_put_owner(&w.region, UINT32_MAX);
    }
    assert_true(vmti_owner_extend(first, 102, 0x1234, 0));
    vmti_trace_put_owner(&w.region, first);
    vmti_trace_put_owner(&w.region, first);
    finish(&w);
    assert_int_equal(count_owner_records(&w), 3);
    release(&w);
}

static void add_owner(struct vmti_page_owners *map, uint32_t index, uint64_t page, uint64_t pages)
{
    struct vmti_event event = {.kind = VMTI_REC_OWNER, .owner = index, .page = page, .pages = pages, .text = ""};
    assert_int_equal(vmti_page_owners_add(map, &event), 0);
}

static __attribute__((noinline)) uint32_t take_stack(void)
{
    uint32_t number = vmti_stack_take((uintptr_t)__builtin_return_address(0));
    __asm__ volatile("" ::: "memory"); /* no tail call */
    return number;
}

static __attribute__((noinline)) uint32_t take_stack_deep(unsigned depth)
{
    uint32_t number = depth ? take_stack_deep(depth - 1) : take_stack();
    __asm__ volatile("" ::: "memory");
    return number;
}

/* A stack is told once, before the first owner that has it; without the request, not at all. */
static void test_stacks_are_told_before_their_owners(void **state)
{
    (void)state;
    uint32_t numbers[4] = {take_stack_deep(0), take_stack_deep(1), take_stack_deep(100), 0}, owners[8];
    assert_int_equal(vmti_stack_take(12345), 0); /* nothing returns there */
    assert_true(numbers[0] && numbers[1] && numbers[2] && numbers[0] != numbers[1] && numbers[1] != numbers[2]);
    for (int i = 0; i < 8; i++)
        owners[i] = vmti_owner_new(1000 + (uint64_t)i, 1, 64, 0x1234, 0, numbers[i % 4]);
    assert_false(vmti_owner_extend(owners[0], 1001, 0x1234, numbers[1]));
    for (int with = 0; with < 2; with++) {
        struct writer w = {0};
        w.region.window = WINDOW;
        w.region.evict = EVICT;
        w.region.stacks = with;
        w.fd = -1;
        assert_int_equal(vmti_trace_start(&w.region, -1, COMMAND, sizeof COMMAND, REALTIME_NS, START_NS), 0);
        for (int i = 0; i < 8; i++)
            vmti_trace_put_owner(&w.region, owners[i]);
        finish(&w);
        struct vmti_trace_reader reader;
        struct vmti_event event;
        struct vmti_page_owners map = {0};
        unsigned told = 0;
        open_reader(&w, &reader);
        assert_int_equal(reader.header.flags, with ? VMTI_TRACE_HAS_STACKS : 0);
        while (vmti_trace_read_next(&reader, &event)) {
            told += event.kind == VMTI_REC_STACK;
            assert_int_equal(vmti_page_owners_add(&map, &event), 0);
        }
        assert_true(reader.complete);
        assert_int_equal(told, with ? 3 : 0);
        for (int i = 0; i < 8; i++) {
            const struct vmti_trace_stack *stack = vmti_page_owners_find(&map, 1000 + (uint64_t)i)->stack;
            const struct vmti_call_stack *taken = vmti_call_stack(numbers[i % 4]);
            assert_int_equal(stack != NULL, with && taken);
            if (!stack)
                continue;
            assert_int_equal(stack->number, numbers[i % 4]);
            assert_int_equal(stack->count, taken->count);
            for (uint32_t k = 0; k < stack->count; k++)
                assert_true(stack->frames[k] == taken->frames[k]);
        }
        assert_int_equal(vmti_call_stack(numbers[2])->count, VMTI_TRACE_STACK_MAX);
        vmti_page_owners_free(&map);
        vmti_trace_read_close(&reader);
        release(&w);
    }
}

static void test_a_page_belongs_to_its_last_owner(void **state)
{
    (void)state;
    struct vmti_page_owners map = {0};
    add_owner(&map, 1, 10, 10);
    add_owner(&map, 2, 14, 2); /* in the middle of 1 */
    assert_int_equal(vmti_page_owners_find(&map, 13)->index, 1);
    assert_int_equal(vmti_page_owners_find(&map, 14)->index, 2);
    assert_int_equal(vmti_page_owners_find(&map, 15)->index, 2);
    assert_int_equal(vmti_page_owners_find(&map, 16)->index, 1);
    add_owner(&map, 1, 10, 12); /* 1 grows: 2 keeps its pages */
    assert_int_equal(vmti_page_owners_find(&map, 14)->index, 2);
    assert_int_equal(vmti_page_owners_find(&map, 21)->index, 1);
    assert_null(vmti_page_owners_find(&map, 22));
    assert_null(vmti_page_owners_find(&map, 9));
    vmti_page_owners_free(&map);

    /* Against an array of pages. */
    enum { PAGES = 200, ROUNDS = 3000 };
    uint32_t model[PAGES] = {0};
    uint64_t seed = 99;
    for (uint32_t index = 1; index < ROUNDS; index++) {
        uint64_t page = next_random(&seed) % PAGES, pages = next_random(&seed) % 12;
        if (page + pages > PAGES)
            pages = PAGES - page;
        add_owner(&map, index, page, pages);
        for (uint64_t i = page; i < page + pages; i++)
            model[i] = index;
        for (uint64_t i = 0; i < PAGES; i++) {
            const struct vmti_trace_owner *owner = vmti_page_owners_find(&map, i);
            assert_int_equal(owner ? owner->index : 0, model[i]);
        }
    }
    vmti_page_owners_free(&map);
}

/* ------------------------------------------------------------------------------------------- summary */

static void test_summary_counts_as_a_plain_model_does(void **state)
{
    (void)state;
    enum { PAGES = 500, TOUCHES = 30000 };
    static uint8_t touched[PAGES], written[PAGES];
    uint64_t threads[THREADS] = {0}, seed = 7;
    struct writer w;
    start_in_file(&w);
    for (int i = 0; i < TOUCHES; i++) {
        uint64_t x = next_random(&seed), page = x % PAGES;
        int thread = (int)((x >> 20) % THREADS);
        if ((x >> 30) % 10 == 0) {
            if (touched[page]) {
                upgrade(&w, page, thread, (uint64_t)i * 1000);
                written[page] = 1;
            }
            continue;
        }
        unsigned flags = (x >> 40) % 50 == 0 ? VMTI_REC_WRITE : 0;
        touch(&w, page, flags, thread, (uint64_t)i * 1000);
        threads[thread]++;
        touched[page] = 1;
        written[page] |= flags == VMTI_REC_WRITE;
    }
    for (int i = 0; i < PAGES; i++) {
        w.trailer.footprint += touched[i];
        w.trailer.pages_written += written[i];
    }
    finish(&w);
    struct vmti_trace_reader reader;
    struct vmti_trace_summary summary;
    open_reader(&w, &reader);
    assert_int_equal(vmti_trace_summarize(&reader, &summary), 0);
    assert_string_equal(summary.reason, "");
    assert_true(summary.complete);
    assert_int_equal(summary.footprint, w.trailer.footprint);
    assert_int_equal(summary.pages_written, w.trailer.pages_written);
    assert_int_equal(summary.touches, w.trailer.touches);
    assert_int_equal(summary.thread_count, THREADS);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(summary.threads[i].touches, threads[summary.threads[i].index]);
        assert_int_equal(summary.threads[i].tid, 4711 + summary.threads[i].index);
    }
    vmti_trace_summary_free(&summary);
    vmti_trace_read_close(&reader);
    release(&w);
}

static void test_summary_does_not_believe_a_trailer_that_its_records_contradict(void **state)
{
    (void)state;
    struct writer w;
    start_in_memory(&w);
    touch(&w, 1, 0, 0, 0);
    w.trailer.footprint = 2; /* it is 1 */
    finish(&w);
    struct vmti_trace_reader reader;
    struct vmti_trace_summary summary;
    open_reader(&w, &reader);
    assert_int_equal(vmti_trace_summarize(&reader, &summary), 0);
    assert_false(summary.complete);
    assert_non_null(strstr(summary.reason, "trailer"));
    vmti_trace_summary_free(&summary);
    vmti_trace_read_close(&reader);
    release(&w);

    start_in_memory(&w);
    touch(&w, 1, 0, 0, 0);
    w.trailer.touches = 2;
    finish(&w);
    struct vmti_event event;
    open_reader(&w, &reader);
    assert_true(vmti_trace_read_next(&reader, &event));
    assert_true(vmti_trace_read_next(&reader, &event));
    assert_false(vmti_trace_read_next(&reader, &event));
    assert_false(reader.complete);
    assert_non_null(strstr(reader.reason, "counts 2 touches, but the records are 1"));
    vmti_trace_read_close(&reader);
    release(&w);
}

static void test_a_lost_region_is_not_complete(void **state)
{
    (void)state;
    struct writer w;
    start_in_memory(&w);
    touch(&w, 1, 0, 0, 0);
    w.trailer.footprint = 1;
    w.trailer.end = VMTI_END_LOST;
    w.trailer.end_code = -ENOMEM;
    finish(&w);
    struct vmti_trace_reader reader;
    struct vmti_trace_summary summary;
    open_reader(&w, &reader);
    assert_int_equal(vmti_trace_summarize(&reader, &summary), 0);
    assert_true(summary.has_trailer);
    assert_false(summary.complete);
    assert_non_null(strstr(summary.reason, strerror(ENOMEM)));
    vmti_trace_summary_free(&summary);
    vmti_trace_read_close(&reader);
    release(&w);
}

/* ------------------------------------------------------------------------------------------- working set */

static uint64_t naive_peak(const uint64_t *pages, size_t count, uint64_t tau)
{
    uint64_t peak = 0;
    for (size_t last = 0; last < count; last++) {
        size_t first = tau > last ? 0 : last + 1 - (size_t)tau;
        uint64_t distinct = 0;
        for (size_t i = first; i <= last; i++) {
            bool seen = false;
            for (size_t j = first; j < i && !seen; j++)
                seen = pages[j] == pages[i];
            distinct += !seen;
        }
        if (distinct > peak)
            peak = distinct;
    }
    return peak;
}

static void test_working_set_equals_the_naive_model(void **state)
{
    (void)state;
    enum { SEQUENCES = 60, LONGEST = 120 };
    uint64_t seed = 2026;
    for (int sequence = 0; sequence < SEQUENCES; sequence++) {
        uint64_t pages[LONGEST];
        size_t count = 1 + next_random(&seed) % LONGEST;
        uint64_t of = 1 + next_random(&seed) % 40;
        struct writer w;
        if (sequence % 2)
            start_in_memory(&w);
        else
            start_in_file(&w);
        for (size_t i = 0; i < count; i++) {
            pages[i] = next_random(&seed) % of;
            touch(&w, pages[i], 0, 0, i);
            if (next_random(&seed) % 4 == 0)
                upgrade(&w, pages[i], 0, i); /* not a touch */
        }
        finish(&w);
        struct vmti_trace_reader reader;
        open_reader(&w, &reader);
        uint64_t peak, taus[] = {1, 2, 3, 5, 16, 40, count - 1, count, count + 1, UINT64_MAX};
        for (size_t i = 0; i < sizeof taus / sizeof *taus; i++) {
            if (!taus[i])
                continue;
            assert_int_equal(vmti_trace_working_set(&reader, taus[i], &peak), 0);
            assert_int_equal(peak, naive_peak(pages, count, taus[i]));
        }
        assert_int_equal(vmti_trace_working_set(&reader, 0, &peak), -EINVAL);
        vmti_trace_read_close(&reader);
        release(&w);
    }
}

static void test_working_set_of_an_incomplete_trace_is_an_error(void **state)
{
    (void)state;
    struct writer w;
    start_in_file(&w);
    while (w.region.trace.bytes == 0)
        touch(&w, w.trailer.touches % 20, 0, 0, 0);
    vmti_trace_flush(&w.region); /* and no end */
    struct vmti_trace_reader reader;
    uint64_t peak;
    open_reader(&w, &reader);
    assert_int_equal(vmti_trace_working_set(&reader, 100, &peak), -EIO);
    assert_int_equal(peak, 20);
    vmti_trace_read_close(&reader);
    release(&w);
}

/* ------------------------------------------------------------------------------------------- damage */

struct bytes {
    unsigned char *data;
    size_t size;
};

static struct bytes contents(int fd)
{
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    struct bytes file = {malloc((size_t)st.st_size), (size_t)st.st_size};
    assert_non_null(file.data);
    assert_int_equal(pread(fd, file.data, file.size, 0), st.st_size);
    return file;
}

/* A small trace with each kind of record, in several blocks. */
static struct bytes small_trace(void)
{
    uint32_t owner = vmti_owner_new(0x1000, 4, 16384, 0x400100, (uint32_t)vmti_name_new(&vmti_labels, "small"), 0);
    struct writer w;
    start_in_file(&w);
    vmti_trace_put_module(&w.region, 0x400000, 0x500000, 0, "/bin/small", 10);
    vmti_trace_put_owner(&w.region, owner);
    for (uint64_t i = 0; i < 40; i++) {
        touch(&w, 0x1000 + i % 7, i % 3 ? 0 : VMTI_REC_WRITE, (int)i % THREADS, i * 1000);
        if (i == 20)
            drop(&w, 0x1000, 3);
        if (i == 30)
            upgrade(&w, 0x1001, 0, i * 1000);
    }
    w.trailer.footprint = 7;
    w.trailer.pages_written = 7;
    finish(&w);
    struct bytes file = contents(w.fd);
    release(&w);
    assert_true(file.size < 1024);
    return file;
}

struct counts {
    bool opened, complete;
    uint64_t touches, program_touches, syscall_touches, footprint, pages_written, evictions, drops, upgrades;
};

/* All that a trace file makes its readers say. */
static struct counts read_all(int fd)
{
    struct counts counts = {0};
    struct vmti_trace_reader reader;
    struct vmti_trace_summary summary;
    int error = vmti_trace_read_fd(&reader, fd);
    assert_true((error == 0) == (reader.reason[0] == '\0'));
    if (error == 0) {
        assert_int_equal(vmti_trace_summarize(&reader, &summary), 0);
        assert_true(summary.complete == (summary.reason[0] == '\0'));
        counts = (struct counts){true,
                                 summary.complete,
                                 summary.touches,
                                 summary.program_touches,
                                 summary.syscall_touches,
                                 summary.footprint,
                                 summary.pages_written,
                                 summary.evictions,
                                 summary.drops,
                                 summary.upgrades};
        vmti_trace_summary_free(&summary);
        uint64_t peak;
        int result = vmti_trace_working_set(&reader, 5, &peak);
        assert_true(result == 0 || result == -EIO);
        assert_true(result == -EIO || peak <= 5);
    }
    vmti_trace_read_close(&reader);
    return counts;
}

static struct counts read_bytes(int fd, const void *data, size_t size)
{
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(pwrite(fd, data, size, 0), (ssize_t)size);
    return read_all(fd);
}

static void assert_same_counts(const struct counts *a, const struct counts *b)
{
    assert_true(a->touches == b->touches && a->program_touches == b->program_touches);
    assert_true(a->syscall_touches == b->syscall_touches && a->footprint == b->footprint);
    assert_true(a->pages_written == b->pages_written && a->evictions == b->evictions);
    assert_true(a->drops == b->drops && a->upgrades == b->upgrades);
}

static void test_a_trace_cut_anywhere_is_not_complete(void **state)
{
    (void)state;
    struct bytes file = small_trace();
    int fd = new_file();
    struct counts whole = read_bytes(fd, file.data, file.size);
    assert_true(whole.complete);
    assert_int_equal(whole.touches, 40);
    uint64_t most = 0;
    for (size_t size = 0; size < file.size; size++) {
        struct counts counts = read_bytes(fd, file.data, size);
        assert_false(counts.complete);
        assert_true(counts.touches >= most && counts.touches <= whole.touches);
        most = counts.touches;
    }
    assert_int_equal(most, 40); /* without its trailer, all records are still there */
    unsigned char *longer = malloc(file.size + 1);
    assert_non_null(longer);
    memcpy(longer, file.data, file.size);
    longer[file.size] = 0;
    assert_false(read_bytes(fd, longer, file.size + 1).complete);
    free(longer);
    free(file.data);
    close(fd);
}

static void test_no_flipped_bit_goes_unnoticed(void **state)
{
    (void)state;
    struct bytes file = small_trace();
    int fd = new_file();
    for (size_t bit = 0; bit < file.size * 8; bit++) {
        file.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        assert_false(read_bytes(fd, file.data, file.size).complete);
        file.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    free(file.data);
    close(fd);
}

static void test_random_damage_never_yields_other_counts(void **state)
{
    (void)state;
    enum { MUTATIONS = 20000 };
    struct bytes file = small_trace();
    unsigned char *data = malloc(file.size * 2);
    assert_non_null(data);
    int fd = new_file();
    struct counts whole = read_bytes(fd, file.data, file.size);
    uint64_t seed = 20260101;
    for (int i = 0; i < MUTATIONS; i++) {
        size_t size = file.size;
        memcpy(data, file.data, size);
        for (uint64_t n = 1 + next_random(&seed) % 4; n; n--) {
            uint64_t x = next_random(&seed);
            size_t at = (size_t)(x >> 8) % size, length = 1 + (size_t)(x >> 40) % 16;
            if (length > size - at)
                length = size - at;
            switch (x % 5) {
            case 0: /* other bytes */
                for (size_t j = at; j < at + length; j++)
                    data[j] = (unsigned char)next_random(&seed);
                break;
            case 1: /* the largest numbers */
                memset(data + at, 0xff, length);
                break;
            case 2: /* a piece is gone */
                memmove(data + at, data + at + length, size - at - length);
                size -= length;
                break;
            case 3: /* a piece is there twice */
                if (size + length > file.size * 2)
                    break;
                memmove(data + at + length, data + at, size - at);
                size += length;
                break;
            default: /* cut off */
                size = at ? at : 1;
            }
            if (size == 0)
                size = 1;
        }
        struct counts counts = read_bytes(fd, data, size);
        if (counts.complete)
            assert_same_counts(&counts, &whole);
    }
    free(data);
    free(file.data);
    close(fd);
}

static void test_a_missing_block_is_noticed(void **state)
{
    (void)state;
    struct writer w;
    start_in_file(&w);
    while (w.region.trace.bytes < 3 * VMTI_TRACE_BLOCK_BYTES)
        touch(&w, 3 * w.trailer.touches, 0, 0, 100 * w.trailer.touches);
    w.trailer.footprint = w.trailer.touches;
    finish(&w);
    assert_true(read_all(w.fd).complete);
    struct bytes file = contents(w.fd);
    struct vmti_trace_header header;
    struct vmti_trace_block_header first, second;
    memcpy(&header, file.data, sizeof header);
    memcpy(&first, file.data + header.header_bytes, sizeof first);
    size_t at = header.header_bytes + BLOCK_HEADER + first.payload_bytes;
    memcpy(&second, file.data + at, sizeof second);
    size_t bytes = BLOCK_HEADER + second.payload_bytes;
    memmove(file.data + at, file.data + at + bytes, file.size - at - bytes);
    struct counts counts = read_bytes(w.fd, file.data, file.size - bytes);
    assert_false(counts.complete);
    assert_int_equal(counts.touches, second.first_touch); /* those before it are kept */
    free(file.data);
    release(&w);
}

/* ------------------------------------------------------------------- forgeries: right checksums, wrong contents */

static uint32_t forged_flags; /* of the file's header */

static struct bytes forge(const struct vmti_trace_block_header *block, const void *payload, size_t payload_bytes)
{
    struct vmti_trace_header header = {.magic = VMTI_TRACE_MAGIC,
                                       .version = VMTI_TRACE_VERSION,
                                       .header_bytes = sizeof header + 8,
                                       .page_size = 4096,
                                       .flags = forged_flags,
                                       .window = WINDOW,
                                       .evict = EVICT,
                                       .time_unit_ns = VMTI_TRACE_TIME_UNIT};
    struct bytes file = {malloc(header.header_bytes + BLOCK_HEADER + payload_bytes),
                         header.header_bytes + BLOCK_HEADER + payload_bytes};
    assert_non_null(file.data);
    memcpy(file.data, &header, sizeof header);
    uint64_t checksum = XXH3_64bits(file.data, sizeof header);
    memcpy(file.data + sizeof header, &checksum, sizeof checksum);
    unsigned char *at = file.data + header.header_bytes;
    struct vmti_trace_block_header sealed = *block;
    sealed.checksum = 0;
    memcpy(at, &sealed, sizeof sealed);
    memcpy(at + BLOCK_HEADER, payload, payload_bytes);
    sealed.checksum = XXH3_64bits(at, BLOCK_HEADER + payload_bytes);
    memcpy(at, &sealed, sizeof sealed);
    return file;
}

static uint64_t forged_touches = 1; /* that the next block says to have */

/* What the reader says of a file with one data block that holds a good touch and then these bytes. */
static void assert_refused(int fd, const void *record, size_t bytes, const char *what)
{
    unsigned char payload[256] = {VMTI_REC_TOUCH, 20, 0};
    assert_true(bytes <= sizeof payload - 3);
    memcpy(payload + 3, record, bytes);
    struct vmti_trace_block_header block = {
        .magic = VMTI_TRACE_BLOCK_MAGIC, .payload_bytes = (uint32_t)(3 + bytes), .records = 2,
        .touches = forged_touches};
    struct bytes file = forge(&block, payload, 3 + bytes);
    struct counts counts = read_bytes(fd, file.data, file.size);
    assert_true(counts.opened);
    assert_false(counts.complete);
    assert_int_equal(counts.touches, 1); /* what is before it is kept */
    struct vmti_trace_reader reader;
    struct vmti_event event;
    assert_int_equal(vmti_trace_read_fd(&reader, fd), 0);
    while (vmti_trace_read_next(&reader, &event))
        ;
    if (!strstr(reader.reason, what))
        fail_msg("\"%s\" does not say \"%s\"", reader.reason, what);
    vmti_trace_read_close(&reader);
    free(file.data);
}

#define HUGE_VARINT "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" /* 2^64 - 1 */

static void test_forged_records_are_refused(void **state)
{
    (void)state;
    int fd = new_file();
#define REFUSED(record) assert_refused(fd, record, sizeof record - 1, "a malformed record")
    REFUSED("\x06");                                                     /* AGAIN without a page */
    REFUSED("\xff\xff");                                                 /* ... with half of one */
    REFUSED("\x29");                                                     /* UPGRADE of the same page without a time */
    REFUSED("\x80\x00\x00");                                             /* TOUCH with a flag of UPGRADE's */
    REFUSED("\x02\x00" HUGE_VARINT);                                     /* DROP of 2^64 - 1 pages */
    REFUSED("\x02\x00\xff\xff\xff\xff\xff\xff\xff\x7f");                 /* ... of pages beyond the last address */
    REFUSED("\x03\x01\x01" HUGE_VARINT "\x00\x00\x00");                  /* OWNER of 2^64 - 1 pages */
    REFUSED("\x03\x01" HUGE_VARINT "\x01\x00\x00\x00");                  /* ... at page 2^64 - 1 */
    REFUSED("\x03\x01\x01\x01\x01\x01" HUGE_VARINT "x");                 /* ... with a label of 2^64 - 1 bytes */
    REFUSED("\x03\x01\x01\x01\x01\x01\x40" "0123456789012345678901234567890123456789012345678901234567890123");
    REFUSED("\x03\x01\x01\x01\x01\x01\x05" "1234");                      /* ... longer than the block */
    REFUSED("\x05\x01\x02\x00" HUGE_VARINT "x");                         /* MODULE with a path of 2^64 - 1 bytes */
    REFUSED("\x05\x02\x01\x00\x01x");                                    /* ... that ends before it starts */
    REFUSED("\x05\x00" HUGE_VARINT "\x01\x00");                          /* ... beyond the largest offset */
    REFUSED("\x04" HUGE_VARINT "\x01");                                  /* THREAD 2^64 - 1 */
    REFUSED("\x40" HUGE_VARINT "\x00\x00");                              /* TOUCH by thread 2^64 - 1 */
    REFUSED("\x00" HUGE_VARINT "\x00");                                  /* ... of a page beyond the last address */
    REFUSED("\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x03");         /* a varint of 65 bits */
    REFUSED("\x00\x00\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00");     /* a varint of 11 bytes */
    REFUSED("\x00\x00\xff");                                             /* a varint that the block cuts */
    REFUSED("\x06");                                                     /* no such kind */
    REFUSED("\x80\x00\x00");                                             /* no such flag */
    REFUSED("\x0a\x00\x01");                                             /* a flag that a DROP has not */
    REFUSED("\x15\x01\x01\x02");                                         /* STACK in a trace without */
    REFUSED("\x0b\x01\x01\x01\x01\x01\x01\x00");                         /* ... an OWNER with one */
    forged_flags = VMTI_TRACE_HAS_STACKS;
    REFUSED("\x15\x00\x01\x02");                                         /* STACK of number 0 */
    REFUSED("\x15\x01\x00");                                             /* ... of no frames */
    REFUSED("\x15\x01\x21" "012345678901234567890123456789012");         /* ... of 33 */
    REFUSED("\x15\x01\x02\x02");                                         /* ... with fewer than it says */
    REFUSED("\x15" HUGE_VARINT "\x01\x02");                              /* ... of number 2^64 - 1 */
    REFUSED("\x0b\x01\x01\x01\x01\x01\x00\x00");                         /* OWNER with stack 0 */
    REFUSED("\x1b\x01\x01\x01\x01\x01\x01\x00");                         /* ... with a flag that it has not */
    forged_flags = 0;
#undef REFUSED
    assert_refused(fd, "\x04\x00\x01\x04\x01\x02", 6, "more records"); /* two THREADs, where there is one record */
    assert_refused(fd, "", 0, "fewer records");
    assert_refused(fd, "\x04\x00\x01", 3, "has no end"); /* good, or the next would say nothing */
    forged_touches = 2;
    assert_refused(fd, "\x04\x00\x01", 3, "another number of touches");
    forged_touches = 1;
    close(fd);
}

static void test_times_beyond_64_bits_are_refused(void **state)
{
    (void)state;
    unsigned char payload[] = "\x00\x14" HUGE_VARINT "\x00\x00\x01"; /* the second touch is one unit later */
    struct vmti_trace_block_header block = {
        .magic = VMTI_TRACE_BLOCK_MAGIC, .payload_bytes = sizeof payload - 1, .records = 2};
    struct bytes file = forge(&block, payload, sizeof payload - 1);
    int fd = new_file();
    struct counts counts = read_bytes(fd, file.data, file.size);
    assert_int_equal(counts.touches, 1);
    struct vmti_trace_reader reader;
    struct vmti_event event;
    assert_int_equal(vmti_trace_read_fd(&reader, fd), 0);
    assert_true(vmti_trace_read_next(&reader, &event));
    assert_true(event.time_ns == UINT64_MAX); /* units that do not fit into nanoseconds: the most there is */
    assert_false(vmti_trace_read_next(&reader, &event));
    vmti_trace_read_close(&reader);
    free(file.data);
    close(fd);
}

static void test_forged_block_headers_are_refused(void **state)
{
    (void)state;
    unsigned char payload[sizeof(struct vmti_trace_trailer)] = {0};
    const struct vmti_trace_block_header good = {.magic = VMTI_TRACE_BLOCK_MAGIC,
                                                 .payload_bytes = sizeof payload,
                                                 .type = VMTI_BLOCK_TRAILER};
    struct vmti_trace_block_header forged[11];
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++)
        forged[i] = good;
    forged[0].magic++;
    forged[1].payload_bytes = UINT32_MAX;
    forged[2].payload_bytes = UINT32_MAX - BLOCK_HEADER + 1;
    forged[3].payload_bytes = VMTI_TRACE_BLOCK_BYTES - BLOCK_HEADER; /* allowed, but the file has fewer */
    forged[4].payload_bytes--;
    forged[5].type = 2;
    forged[6].records = 1;
    forged[7].first_touch = UINT64_MAX;
    forged[8].type = VMTI_BLOCK_DATA; /* its zeros are not 0 records */
    forged[9].footprint = 1; /* of no touches */
    forged[10].touches = 1; /* in no records */
    int fd = new_file();
    struct bytes file = forge(&good, payload, sizeof payload);
    assert_true(read_bytes(fd, file.data, file.size).complete); /* else the others would say nothing */
    free(file.data);
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) {
        file = forge(&forged[i], payload, forged[i].payload_bytes < sizeof payload ? forged[i].payload_bytes
                                                                                    : sizeof payload);
        struct counts counts = read_bytes(fd, file.data, file.size);
        assert_true(counts.opened);
        assert_false(counts.complete);
        free(file.data);
    }
    struct vmti_trace_trailer trailers[4] = {{.end = VMTI_END_UNWRITTEN + 1},
                                            {.pages_written = 1, .pages_unchanged = 1},
                                            {.footprint = 1, .live_bytes = 1},
                                            {.live_bytes = VMTI_TRACE_NO_LIVE_BYTES}};
    for (size_t i = 0; i < sizeof trailers / sizeof *trailers; i++) { /* an end that there is not, and what was not measured */
        file = forge(&good, &trailers[i], sizeof trailers[i]);
        assert_false(read_bytes(fd, file.data, file.size).complete);
        free(file.data);
    }
    close(fd);
}

static void test_forged_file_headers_are_refused(void **state)
{
    (void)state;
    struct vmti_trace_block_header block = {.magic = VMTI_TRACE_BLOCK_MAGIC};
    struct bytes file = forge(&block, "", 0);
    struct vmti_trace_header good;
    memcpy(&good, file.data, sizeof good);
    struct vmti_trace_header forged[16];
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++)
        forged[i] = good;
    forged[0].magic[7] = '2';
    forged[1].version = VMTI_TRACE_VERSION + 1;
    forged[2].header_bytes = UINT32_MAX & ~7u;
    forged[3].header_bytes = 0;
    forged[4].header_bytes += 4;
    forged[5].command_bytes = UINT32_MAX;
    forged[6].command_bytes = 1;
    forged[7].page_size = 0;
    forged[8].page_size = 4097;
    forged[9].time_unit_ns = 0;
    forged[10].scope = 3;
    forged[11].window = 0;
    forged[12].evict = 0;
    forged[13].evict = VMT_EVICT_MAX + 1;
    forged[14].flags = VMTI_TRACE_HAS_CONTENT; /* without write tracking */
    forged[15].flags = VMTI_SANITIZERS << VMTI_TRACE_SANITIZER_SHIFT;
    int fd = new_file();
    assert_true(read_bytes(fd, file.data, file.size).opened);
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) {
        memcpy(file.data, &forged[i], sizeof good);
        uint64_t checksum = XXH3_64bits(file.data, sizeof good);
        memcpy(file.data + sizeof good, &checksum, sizeof checksum);
        assert_false(read_bytes(fd, file.data, file.size).opened);
    }
    free(file.data);
    close(fd);
}

static void test_random_payloads_with_right_checksums_are_survived(void **state)
{
    (void)state;
    enum { PAYLOADS = 20000, LONGEST = 200 };
    uint64_t seed = 314159;
    int fd = new_file();
    for (int i = 0; i < PAYLOADS; i++) {
        unsigned char payload[LONGEST];
        size_t bytes = next_random(&seed) % LONGEST;
        for (size_t j = 0; j < bytes; j++) {
            uint64_t x = next_random(&seed) >> 16;
            /* Small numbers and record tags more often than chance has them. */
            payload[j] = (unsigned char)(x & 1 ? x >> 8 : x & 2 ? (x >> 8) % 8 : (x >> 8) % 2 ? 0xff : 1);
        }
        struct vmti_trace_block_header block = {.magic = VMTI_TRACE_BLOCK_MAGIC,
                                                .payload_bytes = (uint32_t)bytes,
                                                .records = (uint32_t)(next_random(&seed) % 60)};
        struct bytes file = forge(&block, payload, bytes);
        assert_false(read_bytes(fd, file.data, file.size).complete); /* it has no trailer */
        free(file.data);
    }
    close(fd);
}

/* ------------------------------------------------------------------------------------------- files that are none */

static void test_what_is_no_trace_is_refused_in_words(void **state)
{
    (void)state;
    char directory[] = "/tmp/vmt-test-trace-XXXXXX", path[PATH_MAX];
    assert_non_null(mkdtemp(directory));
    struct vmti_trace_reader reader;
    struct vmti_event event;

    snprintf(path, sizeof path, "%s/nothing", directory);
    assert_int_equal(vmti_trace_read_file(&reader, path), -ENOENT);
    assert_non_null(strstr(reader.reason, strerror(ENOENT)));
    assert_false(vmti_trace_read_next(&reader, &event));
    vmti_trace_read_close(&reader);

    assert_int_equal(vmti_trace_read_file(&reader, directory), -EISDIR);
    vmti_trace_read_close(&reader);

    snprintf(path, sizeof path, "%s/fifo", directory);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(vmti_trace_read_file(&reader, path), -EINVAL); /* and does not wait for a writer */
    assert_non_null(strstr(reader.reason, "regular"));
    vmti_trace_read_close(&reader);
    unlink(path);

    snprintf(path, sizeof path, "%s/file", directory);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(vmti_trace_read_file(&reader, path), -EINVAL);
    assert_non_null(strstr(reader.reason, "empty"));
    vmti_trace_read_close(&reader);

    static const char text[] = "This is a text, and long enough for a header; it is not one, though. Really not.";
    assert_int_equal(write(fd, text, sizeof text), sizeof text);
    assert_int_equal(vmti_trace_read_file(&reader, path), -EINVAL);
    assert_non_null(strstr(reader.reason, "not a trace"));
    vmti_trace_read_close(&reader);
    close(fd);
    unlink(path);
    assert_int_equal(rmdir(directory), 0);
}

/* ------------------------------------------------------------------------------------------- failures of writing */

static void test_a_failed_header_is_the_result_of_start(void **state)
{
    (void)state;
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(full >= 0);
    struct vmti_region region = {.window = WINDOW, .evict = EVICT};
    assert_int_equal(vmti_trace_start(&region, full, COMMAND, sizeof COMMAND, 0, 0), -ENOSPC);
    struct vmti_thread thread = {.tid = 1};
    struct vmti_trace_trailer trailer = {0};
    vmti_trace_put_touch(&region, VMTI_REC_TOUCH, 0, 1, &thread, 0); /* harmless */
    assert_int_equal(vmti_trace_finish(&region, &trailer), -ENOSPC);
    vmti_arena_free(&region.arena);
    close(full);
}

static void test_nothing_is_written_after_an_error(void **state)
{
    (void)state;
    struct writer w;
    start_in_file(&w);
    while (w.region.trace.bytes < VMTI_TRACE_BLOCK_BYTES)
        touch(&w, w.trailer.touches, 0, 0, 0);
    vmti_trace_flush(&w.region);
    struct stat before, after;
    assert_int_equal(fstat(w.fd, &before), 0);
    assert_int_equal(fcntl(w.fd, F_ADD_SEALS, F_SEAL_GROW), 0); /* a write beyond the end fails with EPERM now */
    for (int i = 0; i < 100000; i++) {
        touch(&w, w.trailer.touches, 0, 0, 0);
        if (i % 1000 == 0)
            vmti_trace_flush(&w.region);
    }
    assert_int_equal(w.region.trace.error, -EPERM);
    assert_int_equal(vmti_trace_finish(&w.region, &w.trailer), -EPERM);
    assert_int_equal(fstat(w.fd, &after), 0);
    assert_true(after.st_size == before.st_size);
    struct counts counts = read_all(w.fd);
    assert_true(counts.opened);
    assert_false(counts.complete);
    assert_true(counts.touches > 10000); /* the first blocks are there */
    release(&w);
}

static void test_not_even_a_trailer_is_written_after_an_error(void **state)
{
    (void)state;
    struct writer w;
    start_in_file(&w);
    for (int i = 0; i < 2000; i++)
        touch(&w, w.trailer.touches, 0, 0, 0);
    /* Room for a trailer, but not for the block before it: its write fails with EPERM. */
    off_t end = lseek(w.fd, 0, SEEK_CUR);
    assert_int_equal(ftruncate(w.fd, end + 500), 0);
    assert_int_equal(fcntl(w.fd, F_ADD_SEALS, F_SEAL_GROW), 0);
    assert_int_equal(vmti_trace_finish(&w.region, &w.trailer), -EPERM);
    assert_true(lseek(w.fd, 0, SEEK_CUR) == end);
    release(&w);
}

static void test_nothing_follows_the_trailer(void **state)
{
    (void)state;
    struct writer w;
    start_in_memory(&w);
    touch(&w, 1, 0, 0, 0);
    finish(&w);
    vmti_trace_put_touch(&w.region, VMTI_REC_TOUCH, 0, 2, &w.threads[0], START_NS);
    vmti_trace_put_drop(&w.region, 2, 1);
    assert_int_equal(vmti_trace_finish(&w.region, &w.trailer), 0);
    struct vmti_trace_reader reader;
    struct vmti_event event;
    open_reader(&w, &reader);
    while (vmti_trace_read_next(&reader, &event))
        ;
    assert_true(reader.complete);
    assert_int_equal(reader.touches, 1);
    vmti_trace_read_close(&reader);
    release(&w);
}

static void test_an_unfinished_trace_in_memory_is_not_complete(void **state)
{
    (void)state;
    struct writer w;
    start_in_memory(&w);
    while (w.region.trace.bytes == 0)
        touch(&w, w.trailer.touches, 0, 0, 0);
    struct vmti_trace_reader reader;
    struct vmti_event event;
    open_reader(&w, &reader);
    while (vmti_trace_read_next(&reader, &event))
        ;
    assert_false(reader.complete);
    assert_false(reader.has_trailer);
    assert_true(reader.touches > 0);
    vmti_trace_read_close(&reader);
    release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_record_kind_is_read_as_it_was_written),
        cmocka_unit_test(test_header_says_the_configuration),
        cmocka_unit_test(test_traces_of_many_blocks_are_read_as_they_were_written),
        cmocka_unit_test(test_written_blocks_are_used_again),
        cmocka_unit_test(test_headers_tell_touches_and_footprint),
        cmocka_unit_test(test_a_block_waits_for_its_flush),
        cmocka_unit_test(test_an_owner_is_recorded_once_and_again_when_it_has_grown),
        cmocka_unit_test(test_stacks_are_told_before_their_owners),
        cmocka_unit_test(test_a_page_belongs_to_its_last_owner),
        cmocka_unit_test(test_summary_counts_as_a_plain_model_does),
        cmocka_unit_test(test_summary_does_not_believe_a_trailer_that_its_records_contradict),
        cmocka_unit_test(test_a_lost_region_is_not_complete),
        cmocka_unit_test(test_working_set_equals_the_naive_model),
        cmocka_unit_test(test_working_set_of_an_incomplete_trace_is_an_error),
        cmocka_unit_test(test_a_trace_cut_anywhere_is_not_complete),
        cmocka_unit_test(test_no_flipped_bit_goes_unnoticed),
        cmocka_unit_test(test_random_damage_never_yields_other_counts),
        cmocka_unit_test(test_a_missing_block_is_noticed),
        cmocka_unit_test(test_forged_records_are_refused),
        cmocka_unit_test(test_times_beyond_64_bits_are_refused),
        cmocka_unit_test(test_forged_block_headers_are_refused),
        cmocka_unit_test(test_forged_file_headers_are_refused),
        cmocka_unit_test(test_random_payloads_with_right_checksums_are_survived),
        cmocka_unit_test(test_what_is_no_trace_is_refused_in_words),
        cmocka_unit_test(test_a_failed_header_is_the_result_of_start),
        cmocka_unit_test(test_nothing_is_written_after_an_error),
        cmocka_unit_test(test_not_even_a_trailer_is_written_after_an_error),
        cmocka_unit_test(test_nothing_follows_the_trailer),
        cmocka_unit_test(test_an_unfinished_trace_in_memory_is_not_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
