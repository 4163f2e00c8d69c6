/* SPDX-License-Identifier: MIT */
/* A peer: the fault of floor_faults.c by GNU libsigsegv's handler. libsigsegv_faults BYTES WINDOW COUNT PATTERN... */
#define _GNU_SOURCE
#include "watched.h"

int main(int argc, char **argv)
{
    if (argc < 5)
        die("usage: libsigsegv_faults BYTES WINDOW COUNT PATTERN...");
    size_t bytes = parse_number(argv[1]), window = parse_number(argv[2]), count = parse_number(argv[3]);
    bind_to_cpu();
    char *heap = make_heap(bytes);
    for (int i = 4; i < argc; i++) {
        struct order order = make_order(argv[i], bytes / PAGE, window, count);
        watch_memory(heap, bytes, window);
        warm_up(heap, &order);
        time_accesses(heap, &order);
        unwatch_memory();
        print_batches(argv[i], 1);
        drop_order(&order);
    }
    return 0;
}
