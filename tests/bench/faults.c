/* SPDX-License-Identifier: MIT */
/*
 * A fault inside a region.
 *
 *   faults window                                        the largest window that a region may have here
 *   faults time BYTES WINDOW COUNT PATTERN...            PATTERN: microseconds a fault; the trace is kept in memory
 *   faults trace BYTES WINDOW COUNT FILE PATTERN...      PATTERN.bytes: of the file, a touch. PATTERN.rate: records a
 *                                                        second, from begin to end. PATTERN.writes: calls of the
 *                                                        catcher that write, a touch
 *   faults threads BYTES WINDOW COUNT THREADS...         THREADS: faults a second of so many threads, COUNT each, at
 *                                                        random over the same pages
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "bench.h"

static void find_window(void)
{
    uint64_t good = VMT_WINDOW_FLOOR, bad = (uint64_t)1 << 32;
    while (bad - good > 1) {
        vmt_config config;
        if (vmt_config_init(&config))
            die("%s", vmt_error_text());
        config.window = good + (bad - good) / 2;
        config.scope = VMT_SCOPE_RANGES;
        int error = vmt_begin(&config);
        if (!error)
            vmt_end(NULL);
        if (error)
            bad = config.window;
        else
            good = config.window;
    }
    print_value("window", (double)good);
}

static void time_faults(size_t bytes, uint64_t window, size_t count, char **patterns)
{
    char *heap = make_heap(bytes);
    for (; *patterns; patterns++) {
        struct order order = make_order(*patterns, bytes / PAGE, window, count);
        begin_region(window, VMT_SCOPE_HEAP, NULL);
        warm_up(heap, &order);
        time_accesses(heap, &order);
        vmt_report *report = end_region();
        if (has_touches(report, window + count, *patterns))
            print_batches(*patterns, 1);
        vmt_report_free(report);
        drop_order(&order);
    }
}

/* Of the tracer of this process; -1 if nothing says. A region may hide its tracer from the process: so another asks. */
static double read_writes(pid_t process)
{
    char path[64], line[256];
    long tracer = 0, writes = -1;
    snprintf(path, sizeof path, "/proc/%d/status", process);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "TracerPid: %ld", &tracer) == 1)
            break;
    if (file)
        fclose(file);
    snprintf(path, sizeof path, "/proc/%ld/io", tracer ? tracer : process);
    file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "syscw: %ld", &writes) == 1)
            break;
    if (file)
        fclose(file);
    return (double)writes;
}

/* A child that was forked before the region answers each byte with the number of writes. */
static int questions[2], answers[2];

static void start_reader(void)
{
    pid_t process = getpid();
    if (pipe(questions) || pipe(answers))
        die("pipe: %m");
    pid_t child = fork();
    if (child < 0)
        die("fork: %m");
    if (child)
        return;
    close(questions[1]);
    char byte;
    while (read(questions[0], &byte, 1) == 1) {
        double writes = read_writes(process);
        if (write(answers[1], &writes, sizeof writes) != sizeof writes)
            break;
    }
    _exit(0);
}

static double ask_reader(void)
{
    double writes = -1;
    if (write(questions[1], "?", 1) != 1 || read(answers[0], &writes, sizeof writes) != sizeof writes)
        return -1;
    return writes;
}

static void measure_trace(size_t bytes, uint64_t window, size_t count, const char *path, char **patterns)
{
    char *heap = make_heap(bytes);
    start_reader();
    for (; *patterns; patterns++) {
        char key[64];
        struct order order = make_order(*patterns, bytes / PAGE, window, count);
        unlink(path);
        begin_region(window, VMT_SCOPE_HEAP, path);
        double before = ask_reader();
        int64_t start = now_ns();
        warm_up(heap, &order);
        time_accesses(heap, &order);
        int64_t end = now_ns();
        double after = ask_reader();
        vmt_report *report = end_region();
        double touches = (double)vmt_report_touches(report);
        struct stat file;
        if (stat(path, &file))
            die("%s: %m", path);
        snprintf(key, sizeof key, "%s.bytes", *patterns);
        if (has_touches(report, window + count, key))
            print_value(key, (double)file.st_size / touches);
        snprintf(key, sizeof key, "%s.rate", *patterns);
        print_value(key, touches / ((double)(end - start) / 1e9));
        snprintf(key, sizeof key, "%s.writes", *patterns);
        if (before < 0 || after < 0)
            printf("%s - /proc/PID/io of the catcher cannot be read\n", key);
        else /* the question itself is one, where the catcher makes the program's calls */
            print_value(key, (after - before) / touches);
        vmt_report_free(report);
        drop_order(&order);
        unlink(path);
    }
}

struct worker {
    pthread_t thread;
    char *heap;
    uint64_t pages, count, random;
};

/* Accesses of all threads so far, and when each 16th of them came. */
enum { ACCESSES_A_STAMP = 16 };
static _Atomic uint64_t accesses;
static int64_t stamps[MOST_BATCHES];
static pthread_barrier_t barrier;

static void *run_worker(void *argument)
{
    struct worker *worker = argument;
    pthread_barrier_wait(&barrier);
    for (uint64_t i = 0; i < worker->count; i++) {
        access_page(worker->heap, pick_page("random", worker->pages, i, &worker->random));
        uint64_t done = atomic_fetch_add(&accesses, 1);
        if (done % ACCESSES_A_STAMP == 0 && done / ACCESSES_A_STAMP < MOST_BATCHES)
            stamps[done / ACCESSES_A_STAMP] = now_ns();
    }
    return NULL;
}

/* Microseconds between two stamps: not the whole time, for other programs have some of that. */
static double time_between_stamps(void)
{
    uint64_t n = atomic_load(&accesses) / ACCESSES_A_STAMP;
    start_batches();
    for (uint64_t i = 1; i < n && i < MOST_BATCHES; i++)
        note_batch(stamps[i - 1], stamps[i], 1);
    return sort_batches();
}

static void time_threads(size_t bytes, uint64_t window, uint64_t count, char **numbers)
{
    char *heap = make_heap(bytes);
    for (; *numbers; numbers++) {
        enum { MOST = 64 };
        static struct worker workers[MOST];
        uint64_t n = parse_number(*numbers);
        if (!n || n > MOST)
            die("THREADS from 1 to %d", MOST);
        pthread_barrier_init(&barrier, NULL, (unsigned)n);
        atomic_store(&accesses, 0);
        begin_region(window, VMT_SCOPE_HEAP, NULL);
        for (uint64_t i = 0; i < n; i++) {
            workers[i] = (struct worker){.heap = heap, .pages = bytes / PAGE, .count = count, .random = i + 1};
            if (pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]))
                die("pthread_create: no thread");
        }
        for (uint64_t i = 0; i < n; i++)
            pthread_join(workers[i].thread, NULL);
        vmt_report *report = end_region();
        /* Some accesses find their page open. */
        double faults = ACCESSES_A_STAMP * (double)vmt_report_touches(report) / (double)(n * count);
        print_value(*numbers, faults / (time_between_stamps() / 1e6));
        vmt_report_free(report);
        pthread_barrier_destroy(&barrier);
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "window") == 0) {
        find_window();
    } else if (argc >= 6 && strcmp(argv[1], "time") == 0) {
        time_faults(parse_number(argv[2]), parse_number(argv[3]), parse_number(argv[4]), argv + 5);
    } else if (argc >= 7 && strcmp(argv[1], "trace") == 0) {
        measure_trace(parse_number(argv[2]), parse_number(argv[3]), parse_number(argv[4]), argv[5], argv + 6);
    } else if (argc >= 6 && strcmp(argv[1], "threads") == 0) {
        time_threads(parse_number(argv[2]), parse_number(argv[3]), parse_number(argv[4]), argv + 5);
    } else {
        die("usage: faults window|time|trace|threads ... (faults.c says which arguments)");
    }
    return 0;
}
