/* SPDX-License-Identifier: MIT */
/*
 * How fast touches are measured: locality PATTERN PAGES RECORDS passes so many records to what reads traces, and prints
 * how many it takes a second on one core (all of them, growing tables included) and how many bytes a distinct page it
 * takes at most.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <malloc.h>

#include "../older_systems.h"
#include "locality.h"

enum { AT_ONCE = 4096 };

static size_t allocated(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        die("usage: locality PATTERN PAGES RECORDS");
    uint64_t pages = parse_number(argv[2]), records = parse_number(argv[3]), random = 88172645463325252u;
    static uint64_t next[AT_ONCE + 64];
    struct vmti_locality locality = {0};
    int64_t ns = 0;
    size_t before = allocated();
    double most = 0;
    bind_to_cpu();
    for (uint64_t i = 0; i < records; i += AT_ONCE) {
        for (unsigned j = 0; j < AT_ONCE; j++)
            next[j] = 0x7f1234567u + pick_page(argv[1], pages, i + j, &random);
        int64_t start = now_ns();
        for (unsigned j = 0; j < AT_ONCE; j++) {
            vmti_locality_expect(&locality, next[j + 64]); /* as the reader of a trace does */
            if (vmti_locality_touch(&locality, next[j]) < 0)
                die("no memory");
        }
        ns += now_ns() - start;
        double bytes = (double)(allocated() - before) / (double)locality.pages;
        if (locality.pages >= pages / 4 && bytes > most)
            most = bytes;
    }
    print_value("rate", (double)locality.touches / (double)ns * 1e9);
    print_value("bytes", most);
    vmti_locality_free(&locality);
    return 0;
}
