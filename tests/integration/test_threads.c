/* SPDX-License-Identifier: MIT */
/* Whose touches count: every thread's by thread, or those of one alone, whatever the others do meanwhile. */
#define _GNU_SOURCE
#include "patterns.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../older_systems.h"
#include "trace_read.h"

enum { OWN = 40, OTHER = 40, ROUNDS = 4, WINDOW = 16 };

/* What the other thread does; nothing of it is on the heap. */
static struct {
    volatile char *pages; /* OTHER of them */
    int ends[2];
    bool calls;           /* by system calls, with buffers larger than the window */
    _Atomic unsigned rounds;
    atomic_bool stop, stopped, leave;
} other;

static void *disturb(void *none)
{
    (void)none;
    while (!atomic_load(&other.stop)) {
        if (other.calls) {
            if (write(other.ends[1], (char *)other.pages, 20 * PAGE / 2) < 0 ||
                read(other.ends[0], (char *)other.pages + 20 * PAGE, 20 * PAGE / 2) < 0) {
                perror("a call of the other thread");
                abort();
            }
        } else {
            for (int i = 0; i < OTHER; i++)
                other.pages[i * PAGE]++;
        }
        atomic_fetch_add(&other.rounds, 1);
    }
    atomic_store(&other.stopped, true);
    while (!atomic_load(&other.leave)) /* its end, with calls and frees, is not part of what is counted */
        ;
    return NULL;
}

static void wait_for_others(void)
{
    unsigned seen = atomic_load(&other.rounds);
    while (atomic_load(&other.rounds) < seen + 2) /* one that began after this */
        sched_yield();
}

static void sweep(volatile char *own, bool disturbed)
{
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < OWN; i++) {
            own[i * PAGE] = (char)round;
            if (disturbed && i % 10 == 5)
                wait_for_others();
        }
    }
}

struct counted {
    uint64_t touches, program, syscall, footprint, evictions, written, peak, listed;
};

static const char *trace_file; /* NULL: in memory */

static void prepare_other(char *pages, bool calls)
{
    other.pages = pages;
    other.calls = calls;
    atomic_store(&other.stop, false);
    atomic_store(&other.stopped, false);
    atomic_store(&other.leave, false);
    atomic_store(&other.rounds, 0);
}

static struct counted count_sweeps(vmt_threads threads, bool disturbed, bool calls, bool writes, uint64_t window)
{
    char *heap = aligned_alloc(PAGE, (OWN + OTHER) * PAGE);
    pthread_t thread;
    memset(heap, 1, (OWN + OTHER) * PAGE);
    prepare_other(heap + OWN * PAGE, calls);
    vmt_config config = config_for(VMT_SCOPE_HEAP, window);
    config.threads = threads;
    config.track_writes = writes;
    config.trace_path = trace_file;
    if (disturbed) {
        pthread_create(&thread, NULL, disturb, NULL);
        while (!atomic_load(&other.rounds))
            sched_yield();
    }
    begin(&config);
    if (disturbed)
        wait_for_others();
    sweep(heap, disturbed);
    atomic_store(&other.stop, true);
    while (disturbed && !atomic_load(&other.stopped))
        sched_yield();
    vmt_report *report = end();
    atomic_store(&other.leave, true);
    if (disturbed)
        pthread_join(thread, NULL);
    struct counted counted = {
        .touches = vmt_report_touches(report),
        .program = vmt_report_program_touches(report),
        .syscall = vmt_report_syscall_touches(report),
        .footprint = vmt_report_footprint(report),
        .evictions = vmt_report_evictions(report),
        .written = vmt_report_pages_written(report),
        .peak = vmt_report_peak_open(report),
    };
    vmt_page_info info;
    for (uint64_t i = 0; i < counted.footprint; i++) {
        assert_int_equal(vmt_report_page(report, i, &info), 0);
        counted.listed += info.touches;
    }
    assert_int_equal(vmt_report_threads_counted(report), threads);
    vmt_report_free(report);
    free(heap);
    return counted;
}

static void others_do_not_count(void **state)
{
    (void)state;
    for (int writes = 0; writes < 2; writes++) {
        struct counted alone = count_sweeps(VMT_THREADS_THIS, false, false, writes, WINDOW);
        assert_int_equal(alone.footprint, OWN);
        assert_int_equal(alone.touches, ROUNDS * OWN);
        assert_int_equal(alone.evictions, ROUNDS * OWN - WINDOW);
        assert_int_equal(alone.written, writes ? OWN : 0);
        assert_int_equal(alone.listed, ROUNDS * OWN);
        for (int calls = 0; calls < 2; calls++) {
            struct counted disturbed = count_sweeps(VMT_THREADS_THIS, true, calls, writes, WINDOW);
            assert_memory_equal(&alone, &disturbed, sizeof alone);
        }
    }
}

/* In a window that holds all, every page is touched once, and the sum does not depend on who ran when. */
static void all_count_unless_told(void **state)
{
    (void)state;
    struct counted both = count_sweeps(VMT_THREADS_ALL, true, false, false, 128);
    assert_int_equal(both.footprint, OWN + OTHER);
    assert_int_equal(both.touches, OWN + OTHER);
    struct counted one = count_sweeps(VMT_THREADS_THIS, true, false, false, 128);
    assert_int_equal(one.footprint, OWN);
    assert_int_equal(one.touches, OWN);
}

static void trace_has_one_thread(void **state)
{
    (void)state;
    char name[] = "/tmp/vmt-threads-XXXXXX";
    int file = mkstemp(name);
    assert_true(file >= 0);
    trace_file = name;
    count_sweeps(VMT_THREADS_THIS, true, true, true, WINDOW);
    trace_file = NULL;
    struct vmti_trace_reader reader;
    struct vmti_trace_summary summary;
    assert_int_equal(vmti_trace_read_file(&reader, name), 0);
    assert_int_equal(vmti_trace_summarize(&reader, &summary), 0);
    assert_true(summary.complete);
    assert_true(reader.header.flags & VMTI_TRACE_HAS_ONE_THREAD);
    assert_int_equal(summary.thread_count, 1);
    assert_int_equal(summary.threads[0].tid, getpid());
    assert_int_equal(summary.threads[0].touches, ROUNDS * OWN);
    assert_int_equal(summary.footprint, OWN);
    assert_int_equal(summary.pages_written, OWN);
    vmti_trace_summary_free(&summary);
    vmti_trace_read_close(&reader);
    unlink(name);
    close(file);
}

/* ------------------------------------------------------------------------------------------- pages in common */

enum { SHARED = 48, INCREMENTS = 3000, THREADS = 3 };

static _Atomic uint32_t *shared_page(char *pages, uint32_t *random)
{
    *random = *random * 1664525 + 1013904223;
    return (_Atomic uint32_t *)(pages + (*random >> 16) % SHARED * PAGE);
}

static char *shared;

static void *add_at_random(void *seed)
{
    uint32_t random = (uint32_t)(uintptr_t)seed;
    for (int i = 0; i < INCREMENTS; i++)
        atomic_fetch_add(shared_page(shared, &random), 1);
    return NULL;
}

static void pages_in_common_lose_nothing(void **state)
{
    (void)state;
    shared = aligned_alloc(PAGE, SHARED * PAGE);
    for (int writes = 0; writes < 2; writes++) {
        pthread_t threads[THREADS];
        memset(shared, 0, SHARED * PAGE);
        vmt_config config = config_for(VMT_SCOPE_HEAP, WINDOW);
        config.threads = VMT_THREADS_THIS;
        config.track_writes = writes;
        begin(&config);
        for (uintptr_t i = 0; i < THREADS; i++)
            pthread_create(&threads[i], NULL, add_at_random, (void *)(i + 1));
        add_at_random((void *)99);
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        for (int i = 0; i < SHARED; i++) /* each is this thread's now, or was */
            atomic_fetch_add((_Atomic uint32_t *)(shared + i * PAGE), 0);
        vmt_report *report = end();
        uint64_t total = 0;
        for (int i = 0; i < SHARED; i++)
            total += *(uint32_t *)(shared + i * PAGE);
        assert_int_equal(total, (THREADS + 1) * INCREMENTS);
        assert_true(vmt_report_footprint(report) >= SHARED - WINDOW);
        assert_true(vmt_report_peak_open(report) <= vmt_report_window_raised_to(report));
        vmt_report_free(report);
    }
    free(shared);
}

/* ------------------------------------------------------------------------------------------- by thread */

enum { WALKERS = 4, EACH = 20 };
static char *walked;
static pthread_barrier_t there;

static void *walk_own(void *number)
{
    volatile char *own = walked + (uintptr_t)number * EACH * PAGE;
    pthread_barrier_wait(&there);
    for (int round = 0; round < 5; round++)
        for (uintptr_t i = 0; i < EACH - (uintptr_t)number; i++) /* 20, 19, 18, 17 pages */
            own[i * PAGE]++;
    return NULL;
}

static void touches_are_told_by_thread(void **state)
{
    (void)state;
    char name[] = "/tmp/vmt-threads-XXXXXX";
    int file = mkstemp(name);
    pthread_t threads[WALKERS];
    assert_true(file >= 0);
    walked = mmap(NULL, WALKERS * EACH * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_int_equal(vmt_track(walked, WALKERS * EACH * PAGE, "walked"), 0);
    pthread_barrier_init(&there, NULL, WALKERS + 1);
    for (uintptr_t i = 0; i < WALKERS; i++)
        pthread_create(&threads[i], NULL, walk_own, (void *)i);
    vmt_config config = config_for(VMT_SCOPE_RANGES, 128);
    config.trace_path = name;
    begin(&config);
    pthread_barrier_wait(&there);
    for (int i = 0; i < WALKERS; i++)
        pthread_join(threads[i], NULL);
    vmt_report *report = end();
    assert_int_equal(vmt_report_footprint(report), 20 + 19 + 18 + 17);
    assert_int_equal(vmt_report_touches(report), 20 + 19 + 18 + 17);
    assert_int_equal(vmt_report_threads(report), WALKERS + 1);
    struct vmti_trace_reader reader;
    struct vmti_trace_summary summary;
    assert_int_equal(vmti_trace_read_file(&reader, name), 0);
    assert_int_equal(vmti_trace_summarize(&reader, &summary), 0);
    unsigned seen = 0;
    for (size_t i = 0; i < summary.thread_count; i++) {
        assert_true(summary.threads[i].touches >= 17 && summary.threads[i].touches <= 20);
        seen |= 1u << summary.threads[i].touches;
    }
    assert_int_equal(summary.thread_count, WALKERS);
    assert_int_equal(seen, 0xfu << 17);
    vmti_trace_summary_free(&summary);
    vmti_trace_read_close(&reader);
    vmt_report_free(report);
    vmt_untrack(walked, WALKERS * EACH * PAGE);
    munmap(walked, WALKERS * EACH * PAGE);
    unlink(name);
    close(file);
}

/* ------------------------------------------------------------------------------------------- the option */

/* The heap's end goes up and down. The kernel has taken pages back before the call has returned, and meanwhile another
 * thread's touches evict. */
static void heap_shrinks_beside_evictions(void **state)
{
    (void)state;
    enum { GROWN = 24, TIMES = 1000 };
    pthread_t thread;
    vmt_report *report;
    bool refused = false;
    char *heap = aligned_alloc(PAGE, OTHER * PAGE);
    vmt_config config = config_for(VMT_SCOPE_HEAP, WINDOW);
    prepare_other(heap, false);
    pthread_create(&thread, NULL, disturb, NULL);
    begin(&config);
    for (int i = 0; i < TIMES && !refused; i++) {
        volatile char *p = sbrk(GROWN * PAGE);
        refused = p == (void *)-1;
        for (int j = 0; !refused && j < GROWN; j++)
            p[j * PAGE] = 1;
        refused = refused || sbrk(-GROWN * PAGE) == (void *)-1;
    }
    int error = vmt_end(&report);
    atomic_store(&other.stop, true);
    atomic_store(&other.leave, true);
    pthread_join(thread, NULL);
    if (error)
        fail_msg("vmt_end: %s", vmt_error_text());
    assert_false(refused);
    assert_true(vmt_report_touches(report) >= (uint64_t)TIMES * GROWN);
    vmt_report_free(report);
    free(heap);
}

static void *map_and_unmap(void *none)
{
    (void)none;
    while (!atomic_load(&other.stop)) {
        void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        munmap(page, PAGE);
    }
    return NULL;
}

/* A page goes away and comes back. Before its moves have returned, other threads evict it, and map something where it
 * was. */
static void pages_move_beside_evictions(void **state)
{
    (void)state;
    enum { MOVED = 4, TIMES = 1500 };
    pthread_t thread, mapping;
    vmt_report *report;
    bool refused = false;
    char *heap = aligned_alloc(PAGE, (MOVED + OTHER) * PAGE);
    vmt_config config = config_for(VMT_SCOPE_HEAP, WINDOW);
    memset(heap, 0, (MOVED + OTHER) * PAGE);
    prepare_other(heap + MOVED * PAGE, false);
    pthread_create(&thread, NULL, disturb, NULL);
    pthread_create(&mapping, NULL, map_and_unmap, NULL);
    begin(&config);
    for (int i = 0; i < TIMES && !refused; i++) {
        char *p = heap + i % MOVED * PAGE;
        char *q = mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
        refused = q == MAP_FAILED;
        if (refused)
            break;
        *p = 1;
        refused = *q != i / MOVED % 100 || mremap(q, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p) != p;
        *p = (char)((*p + 1) % 100);
    }
    int error = vmt_end(&report);
    atomic_store(&other.stop, true);
    atomic_store(&other.leave, true);
    pthread_join(thread, NULL);
    pthread_join(mapping, NULL);
    if (error)
        fail_msg("vmt_end: %s", vmt_error_text());
    assert_false(refused);
    assert_true(vmt_report_touches(report) >= TIMES);
    vmt_report_free(report);
    free(heap);
}

/* A newer thread touches pages all the time, and an older one few: that is done long before the newer one ends. */
enum { FEW = 3, TOO_MANY = 100000 };
static struct {
    volatile char *pages; /* OTHER for the newer thread, then FEW for the older one */
    _Atomic int touches;  /* of the newer one; -1: it may not have the priority */
    atomic_bool done;
} turns;

/* With a real-time priority a thread that is resumed runs at once, before the catcher waits for the next stop. */
static void *touch_all_the_time(void *none)
{
    (void)none;
    const struct sched_param before_others = {.sched_priority = 1};
    if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &before_others)) {
        atomic_store(&turns.touches, -1);
        return NULL;
    }
    for (int n = 0; n < TOO_MANY && !atomic_load(&turns.done); n++) {
        turns.pages[n % OTHER * PAGE]++;
        atomic_store(&turns.touches, n + 1);
    }
    return NULL;
}

static void threads_are_answered_in_turn(void **state)
{
    (void)state;
    pthread_t newer;
    vmt_config config;
    turns.pages = mmap(NULL, (OTHER + FEW) * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(turns.pages != MAP_FAILED);
    assert_int_equal(vmt_config_init(&config), 0);
    config.engine = VMT_ENGINE_PTRACE; /* with the other one each thread stops itself */
    config.window = WINDOW;
    assert_int_equal(vmt_track((void *)turns.pages, (OTHER + FEW) * PAGE, "turns"), 0);
    assert_int_equal(vmt_begin(&config), 0);
    assert_int_equal(pthread_create(&newer, NULL, touch_all_the_time, NULL), 0);
    while (!atomic_load(&turns.touches))
        sched_yield();
    for (int n = 0; n < FEW; n++)
        turns.pages[(OTHER + n) * PAGE]++;
    int touches = atomic_load(&turns.touches);
    atomic_store(&turns.done, true);
    pthread_join(newer, NULL);
    assert_int_equal(vmt_end(NULL), 0);
    assert_int_equal(vmt_untrack((void *)turns.pages, (OTHER + FEW) * PAGE), 0);
    munmap((void *)turns.pages, (OTHER + FEW) * PAGE);
    if (touches < 0) {
        print_message("SKIP: no real-time priority is allowed here (RLIMIT_RTPRIO)\n");
        skip();
    }
    assert_true(touches < TOO_MANY);
}

static void option_is_read_and_checked(void **state)
{
    (void)state;
    vmt_config config;
    setenv("VMT_THREADS", "this", 1);
    assert_int_equal(vmt_config_init(&config), 0);
    assert_int_equal(config.threads, VMT_THREADS_THIS);
    setenv("VMT_THREADS", "all", 1);
    assert_int_equal(vmt_config_init(&config), 0);
    assert_int_equal(config.threads, VMT_THREADS_ALL);
    setenv("VMT_THREADS", "some", 1);
    assert_int_equal(vmt_config_init(&config), -EINVAL);
    assert_non_null(strstr(vmt_error_text(), "\"some\": allowed are all and this"));
    unsetenv("VMT_THREADS");
    assert_int_equal(vmt_config_init(&config), 0);
    config.threads = (vmt_threads)2;
    assert_int_equal(vmt_begin(&config), -EINVAL);
    assert_non_null(strstr(vmt_error_text(), "vmt_config.threads is 2"));
}

int main(void)
{
    if (pipe(other.ends))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(others_do_not_count),
        cmocka_unit_test(all_count_unless_told),
        cmocka_unit_test(trace_has_one_thread),
        cmocka_unit_test(pages_in_common_lose_nothing),
        cmocka_unit_test(touches_are_told_by_thread),
        cmocka_unit_test(heap_shrinks_beside_evictions),
        cmocka_unit_test(pages_move_beside_evictions),
        cmocka_unit_test(threads_are_answered_in_turn),
        cmocka_unit_test(option_is_read_and_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
