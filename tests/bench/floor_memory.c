/* SPDX-License-Identifier: MIT */
/*
 * What a region cannot avoid: floor_memory BYTES COUNT, on a heap of that size, every page of it written.
 * close, open: one mprotect of it. pair: both. fork, vfork: of a child that leaves at once.
 * helper: the smallest helper, from clone to attached; it is measured once, for it stays.
 */
#define _GNU_SOURCE
#include "helper.h"

static double closing[64], opening[64];

static void print_middle(const char *key, const double *times, size_t count)
{
    batch_count = count;
    memcpy(batches, times, count * sizeof *times);
    print_batches(key, 1);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        die("usage: floor_memory BYTES COUNT");
    size_t bytes = parse_number(argv[1]), count = parse_number(argv[2]);
    if (!count || count > sizeof closing / sizeof *closing)
        die("COUNT from 1 to %zu", sizeof closing / sizeof *closing);
    bind_to_cpu();
    char *heap = make_heap(bytes);
    double both[sizeof closing / sizeof *closing];
    for (size_t i = 0; i < count; i++) {
        int64_t start = now_ns();
        if (mprotect(heap, bytes, PROT_NONE))
            die("mprotect: %m");
        int64_t middle = now_ns();
        mprotect(heap, bytes, PROT_READ | PROT_WRITE);
        int64_t end = now_ns();
        closing[i] = (double)(middle - start) / 1000;
        opening[i] = (double)(end - middle) / 1000;
        both[i] = closing[i] + opening[i];
    }
    print_middle("close", closing, count);
    print_middle("open", opening, count);
    print_middle("pair", both, count);

    start_batches();
    for (size_t i = 0; i < count; i++) {
        int64_t start = now_ns();
        pid_t child = fork();
        if (child == 0)
            _exit(0);
        int64_t end = now_ns();
        if (child < 0)
            die("fork: %m");
        note_batch(start, end, 1);
        waitpid(child, NULL, 0);
    }
    print_batches("fork", 1);
    start_batches();
    for (size_t i = 0; i < count; i++) {
        int64_t start = now_ns();
        pid_t child = vfork();
        if (child == 0)
            _exit(0);
        int64_t end = now_ns();
        if (child < 0)
            die("vfork: %m");
        note_batch(start, end, 1);
        waitpid(child, NULL, 0);
    }
    print_batches("vfork", 1);

    struct helper helper = {.resume = PTRACE_CONT};
    int64_t start = now_ns();
    if (has_helper(&helper, "helper"))
        print_value("helper", (double)(now_ns() - start) / 1000);
    return 0;
}
