/* SPDX-License-Identifier: MIT */
/*
 * two_versions [worse]: a table of 100 pages that is walked twice, and an index; the worse version's index is larger
 * and walked more often. In a window of at most 64 pages, each page of each walk is one touch: the table has 200, and
 * the index 80 on 80 pages, or 360 on 120. Nothing else differs between the two.
 */
#include <stdlib.h>
#include <string.h>

#include <vmt/vmt.h>

enum { PAGE = 4096, TABLE = 100, INDEX = 80, WORSE_INDEX = 120 };

static volatile unsigned char *table, *index_of_table;

__attribute__((noinline)) static void load_table(void)
{
    table = aligned_alloc(PAGE, TABLE * PAGE);
}

__attribute__((noinline)) static void build_index(size_t pages)
{
    index_of_table = aligned_alloc(PAGE, pages * PAGE);
    if (index_of_table && vmt_track((void *)index_of_table, pages * PAGE, "index") < 0)
        exit(2);
}

static void walk(volatile unsigned char *at, size_t pages, int times)
{
    while (times-- > 0)
        for (size_t i = 0; i < pages; i++)
            at[i * PAGE]++;
}

int main(int argc, char **argv)
{
    int worse = argc > 1 && strcmp(argv[1], "worse") == 0;
    size_t pages = worse ? WORSE_INDEX : INDEX;
    load_table();
    build_index(pages);
    if (!table || !index_of_table || vmt_mark("load") < 0)
        return 1;
    walk(table, TABLE, 2);
    if (vmt_mark("look up") < 0)
        return 1;
    walk(index_of_table, pages, worse ? 3 : 1);
    return 0;
}
