/* SPDX-License-Identifier: MIT */
/*
 * What a region costs apart from what runs in it.
 *
 *   regions pairs BYTES COUNT   first: vmt_begin and vmt_end of the process's first region over a heap of that size.
 *                               pair: of each of COUNT regions after that one
 *   regions start BYTES         start: the first vmt_begin, of a region that closes nothing beside a heap of that size
 *   regions memory BYTES PAGES FILE  touched: bytes of the manager's a page touched. untouched: bytes of the process,
 *                               but for the heap, before anything is touched. The trace goes to FILE: it does not count
 */
#define _GNU_SOURCE
#include <fcntl.h>

#include "bench.h"

static void time_pair(void)
{
    BATCH (1) {
        begin_region(VMT_WINDOW_DEFAULT, VMT_SCOPE_HEAP, NULL);
        vmt_end(NULL);
    }
}

static void time_pairs(size_t bytes, size_t count)
{
    if (bytes)
        make_heap(bytes);
    start_batches();
    time_pair();
    print_batches("first", 1);
    start_batches();
    for (size_t i = 0; i < count; i++)
        time_pair();
    print_batches("pair", 1);
}

static void time_start(size_t bytes)
{
    make_heap(bytes);
    start_batches();
    BATCH (1)
        begin_region(VMT_WINDOW_DEFAULT, VMT_SCOPE_RANGES, NULL);
    vmt_end(NULL);
    print_batches("start", 1);
}

/* Memory of the process that no file is behind, without that of its heap, which is all resident. */
static double read_resident(size_t heap_bytes)
{
    static char text[4096];
    int fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (n <= 0)
        die("/proc/self/smaps_rollup: %m");
    text[n] = '\0';
    close(fd);
    const char *line = strstr(text, "\nAnonymous:");
    if (!line)
        die("/proc/self/smaps_rollup has no line Anonymous");
    return strtod(line + sizeof "\nAnonymous:" - 1, NULL) * 1024 - (double)heap_bytes;
}

static void measure_memory(size_t bytes, uint64_t pages, const char *trace)
{
    char *heap = make_heap(bytes);
    if (pages * PAGE > bytes)
        die("PAGES up to those of the heap");
    unlink(trace);
    begin_region(VMT_WINDOW_DEFAULT, VMT_SCOPE_HEAP, trace);
    double before = read_resident(bytes);
    for (uint64_t i = 0; i < pages; i++)
        access_page(heap, (uint32_t)i);
    double after = read_resident(bytes);
    vmt_report *report = end_region();
    print_value("untouched", before);
    if (pages && has_touches(report, pages, "touched"))
        print_value("touched", (after - before) / (double)pages);
    vmt_report_free(report);
    unlink(trace);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "pairs") == 0)
        time_pairs(parse_number(argv[2]), parse_number(argv[3]));
    else if (argc == 3 && strcmp(argv[1], "start") == 0)
        time_start(parse_number(argv[2]));
    else if (argc == 5 && strcmp(argv[1], "memory") == 0)
        measure_memory(parse_number(argv[2]), parse_number(argv[3]), argv[4]);
    else
        die("usage: regions pairs BYTES COUNT | regions start BYTES | regions memory BYTES PAGES FILE");
    return 0;
}
