/* SPDX-License-Identifier: MIT */
/*
 * A workload to compare tools on: hash_table ENTRIES LOOKUPS fills a table, one malloc'd entry at a time, looks keys up
 * at random, and prints a sum that says that it worked. Compiled with BENCH_LIBSIGSEGV its memory is watched by a
 * handler of GNU libsigsegv's instead, WINDOW pages open at a time: what a program can do by itself.
 */
#define _GNU_SOURCE
#include "bench.h"
#ifdef BENCH_LIBSIGSEGV
#include "watched.h"
#endif

struct entry {
    struct entry *next;
    uint64_t key, value, rest[3];
};

static void *allocate(size_t bytes)
{
#ifdef BENCH_LIBSIGSEGV
    static char *next, *end;
    if (!next) {
        size_t room = (size_t)64 << 20;
        next = map_own(room);
        end = next + room;
        watch_memory(next, room, WATCHED_WINDOW);
    }
    char *block = next;
    next += (bytes + 15) & ~(size_t)15;
    if (next > end)
        die("no room for so many entries");
    return block;
#else
    void *block = calloc(1, bytes);
    if (!block)
        die("no memory");
    return block;
#endif
}

int main(int argc, char **argv)
{
    if (argc != 3)
        die("usage: hash_table ENTRIES LOOKUPS");
    uint64_t entries = parse_number(argv[1]), lookups = parse_number(argv[2]), random = 1, sum = 0, buckets = 1;
    while (buckets < entries)
        buckets *= 2;
    struct entry **table = allocate(buckets * sizeof *table);
    for (uint64_t i = 0; i < entries; i++) {
        struct entry *entry = allocate(sizeof *entry);
        uint64_t hash = i * 0x9e3779b97f4a7c15u >> 20 & (buckets - 1);
        *entry = (struct entry){.next = table[hash], .key = i, .value = i * i};
        table[hash] = entry;
    }
    for (uint64_t i = 0; i < lookups; i++) {
        uint64_t key = next_random(&random) % (2 * entries); /* every second one is not there */
        const struct entry *entry = table[key * 0x9e3779b97f4a7c15u >> 20 & (buckets - 1)];
        while (entry && entry->key != key)
            entry = entry->next;
        sum += entry ? entry->value : 1;
    }
#ifdef BENCH_LIBSIGSEGV
    unwatch_memory();
#endif
    printf("%llu\n", (unsigned long long)sum);
    return 0;
}
