/* SPDX-License-Identifier: MIT */
/*
 * What the programs of the bench share: the clock, a heap, orders in which pages are accessed, batches, and how a
 * figure is printed for bench.py: one line "KEY VALUE MEAN", or "KEY - WHY" where there is none.
 *
 * A figure is the lower quartile of short batches: what else runs on the machine falls out of it as long as a quarter
 * of them is left alone. The mean over all is printed beside it.
 */
#ifndef BENCH_H
#define BENCH_H

#include <math.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, MOST_BATCHES = 1 << 16 };

__attribute__((noreturn, format(printf, 1, 2))) static inline void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

/* No system call: the vDSO answers. */
static inline int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static inline uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static inline uint64_t parse_number(const char *text)
{
    char *end;
    uint64_t n = strtoull(text, &end, 10);
    if (!*text || *end)
        die("\"%s\" is not a number", text);
    return n;
}

/* Memory that no scope tracks but VMT_SCOPE_RANGES: a mapping of the program's own. */
static inline void *map_own(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        die("no %zu bytes of memory", bytes);
    return memory;
}

/* One block of malloc's, every page of it written to; starts at a page. Never freed. */
static inline char *make_heap(size_t bytes)
{
    char *block = malloc(bytes + PAGE);
    if (!block)
        die("no heap of %zu bytes", bytes);
    block += PAGE - (uintptr_t)block % PAGE;
    for (size_t i = 0; i < bytes; i += PAGE)
        block[i] = 1;
    return block;
}

/* ---------------------------------------------------------------- orders */

struct order {
    uint32_t *pages;
    size_t warm, count; /* the first `warm` fill the window; then come `count` to be timed */
};

static inline uint32_t pick_page(const char *pattern, uint64_t pages, uint64_t i, uint64_t *random)
{
    switch (*pattern) {
    case 's': /* sequential */
        return (uint32_t)(i % pages);
    case 'r': /* random */
        return (uint32_t)((next_random(random) << 20 ^ next_random(random)) % pages);
    case 'z': { /* zipf: the k-th page is taken with a probability of about 1/k; neighbours in rank lie apart */
        double u = (double)(next_random(random) & 0x7fffffff) / 0x80000000u;
        uint64_t rank = (uint64_t)exp(u * log((double)pages));
        return (uint32_t)(rank * 2654435761u % pages);
    }
    default:
        die("no pattern \"%s\"", pattern);
    }
}

/*
 * Accesses in the order of `pattern`, those left out that would find their page in a FIFO of `window`. These change
 * nothing in a FIFO, so every access that is left is a fault: the cost of one is the time by their number.
 */
static inline struct order make_order(const char *pattern, uint64_t pages, uint64_t window, size_t count)
{
    struct order order = {.warm = window, .count = count};
    if (pages <= window)
        die("%llu pages fit into a window of %llu: no faults", (unsigned long long)pages, (unsigned long long)window);
    order.pages = map_own((window + count) * sizeof *order.pages);
    uint32_t *opened = map_own(pages * sizeof *opened); /* by page: at which fault, from 1 */
    uint64_t random = 88172645463325252u;
    size_t faults = 0;
    for (uint64_t i = 0; faults < window + count; i++) {
        uint32_t page = pick_page(pattern, pages, i, &random);
        if (opened[page] && faults - opened[page] < window)
            continue;
        order.pages[faults++] = page;
        opened[page] = (uint32_t)faults;
    }
    munmap(opened, pages * sizeof *opened);
    return order;
}

static inline void drop_order(struct order *order)
{
    munmap(order->pages, (order->warm + order->count) * sizeof *order->pages);
}

static inline void access_page(char *heap, uint32_t page)
{
    (*(volatile char *)(heap + (size_t)page * PAGE))++;
}

/* ---------------------------------------------------------------- batches */

static double batches[MOST_BATCHES]; /* static: not in the heap, so never closed */
static size_t batch_count;

static inline void start_batches(void)
{
    batch_count = 0;
}

static inline void note_batch(int64_t start, int64_t end, uint64_t operations)
{
    if (batch_count < MOST_BATCHES)
        batches[batch_count++] = (double)(end - start) / (double)operations / 1000.0;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Their lower quartile, in microseconds an operation. */
static inline double sort_batches(void)
{
    if (!batch_count)
        die("nothing was timed");
    qsort(batches, batch_count, sizeof *batches, compare_doubles);
    return batches[batch_count / 4];
}

/* Microseconds times `scale`. */
static inline void print_batches(const char *key, double scale)
{
    double sum = 0;
    for (size_t i = 0; i < batch_count; i++)
        sum += batches[i];
    printf("%s %.6f %.6f\n", key, sort_batches() * scale, sum / (double)batch_count * scale);
    fflush(stdout);
}

static inline void print_value(const char *key, double value)
{
    printf("%s %.6f %.6f\n", key, value, value);
    fflush(stdout);
}

/* One batch: what is timed stands in the braces after it. Not for nesting. */
#define BATCH(operations)                                                                                              \
    for (int64_t start_ = now_ns(), once_ = 1; once_; once_ = 0, note_batch(start_, now_ns(), (operations)))

/* The accesses of an order, in batches. */
enum { FAULTS_A_BATCH = 8 };

static inline void warm_up(char *heap, const struct order *order)
{
    for (size_t i = 0; i < order->warm; i++)
        access_page(heap, order->pages[i]);
}

static inline void time_accesses(char *heap, const struct order *order)
{
    const uint32_t *next = order->pages + order->warm;
    start_batches();
    for (size_t done = 0; done + FAULTS_A_BATCH <= order->count; done += FAULTS_A_BATCH)
        BATCH (FAULTS_A_BATCH)
            for (int i = 0; i < FAULTS_A_BATCH; i++)
                access_page(heap, *next++);
}

/* To the CPU that the program runs on, as a region does with its program. */
static inline void bind_to_cpu(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((unsigned)sched_getcpu(), &set);
    sched_setaffinity(0, sizeof set, &set);
}

/* ---------------------------------------------------------------- regions, in the programs that have any */

#ifdef BENCH_TRACED
#include "vmt/vmt.h"

static inline void begin_region(uint64_t window, vmt_scope scope, const char *trace)
{
    vmt_config config;
    int error = vmt_config_init(&config); /* the engine is in the environment */
    if (!error) {
        config.window = window;
        config.scope = scope;
        config.trace_path = trace;
        error = vmt_begin(&config);
    }
    if (error)
        die("%s", vmt_error_text());
}

static inline vmt_report *end_region(void)
{
    vmt_report *report;
    if (vmt_end(&report))
        die("%s", vmt_error_text());
    return report;
}

/* Prints why, and returns false, if a region did not take exactly the faults that its figure is divided by. */
static inline bool has_touches(const vmt_report *report, uint64_t expected, const char *key)
{
    uint64_t touches = vmt_report_touches(report);
    if (touches == expected)
        return true;
    printf("%s - the region counts %llu touches where there were %llu\n", key, (unsigned long long)touches,
           (unsigned long long)expected);
    return false;
}
#endif
#endif
