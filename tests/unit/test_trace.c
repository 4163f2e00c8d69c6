/* SPDX-License-Identifier: MIT */
/* The trace: what is written is what is read, in memory and in a file; and what one pass over it tells. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "owners.h"
#include "random.h"
#include "stacks.h"
#include "trace_writer.h"

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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
