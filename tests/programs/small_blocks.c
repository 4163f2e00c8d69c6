/* SPDX-License-Identifier: MIT */
/*
 * small_blocks: a megabyte in small blocks, half of it from a second thread, walked through in a region: whatever the
 * allocator underneath, the pages seen are the pages that hold blocks. Once the blocks are there before the region, and
 * then no other page may be seen; once they are allocated inside. Ends with 0, or with 1 and a sentence.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <vmt/vmt.h>

enum { PAGE = 4096, BYTES = 1 << 20, BLOCKS = 20000 };

/* Static: these are not tracked, and no page that is has anything but blocks to be touched for. */
static volatile unsigned char *blocks[BLOCKS];
static size_t sizes[BLOCKS], count;
static uintptr_t holding[2 * BLOCKS], seen[2 * BLOCKS];

static void check(int failed, const char *what)
{
    if (!failed)
        return;
    fprintf(stderr, "%s: %s\n", what, vmt_error_text());
    exit(1);
}

static void allocate(size_t bytes)
{
    static const size_t mix[] = {16, 24, 40, 100, 64, 333, 8, 500, 48, 1000};
    for (size_t sum = 0; sum < bytes && count < BLOCKS; count++) {
        sizes[count] = mix[count % (sizeof mix / sizeof *mix)];
        blocks[count] = malloc(sizes[count]);
        check(!blocks[count], "malloc");
        sum += sizes[count];
    }
}

static void *allocate_half(void *unused)
{
    (void)unused;
    allocate(BYTES / 2);
    return NULL;
}

static void allocate_all(void)
{
    pthread_t thread;
    allocate(BYTES / 2);
    check(pthread_create(&thread, NULL, allocate_half, NULL), "pthread_create");
    check(pthread_join(thread, NULL), "pthread_join");
}

static void walk(void)
{
    for (size_t i = 0; i < count; i++) {
        blocks[i][0]++;
        blocks[i][sizes[i] - 1]++;
    }
}

static int by_address(const void *a, const void *b)
{
    uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
    return (x > y) - (x < y);
}

/* Sorts, and leaves one of each. */
static size_t distinct(uintptr_t *addresses, size_t n)
{
    size_t kept = 0;
    qsort(addresses, n, sizeof *addresses, by_address);
    for (size_t i = 0; i < n; i++)
        if (!kept || addresses[kept - 1] != addresses[i])
            addresses[kept++] = addresses[i];
    return kept;
}

static void compare(const vmt_report *report, int others_allowed)
{
    size_t held = 0, got = 0, missing = 0, n = 0;
    for (size_t i = 0; i < count; i++) {
        holding[held++] = (uintptr_t)blocks[i] & -(uintptr_t)PAGE;
        holding[held++] = ((uintptr_t)blocks[i] + sizes[i] - 1) & -(uintptr_t)PAGE;
    }
    held = distinct(holding, held);
    vmt_page_info info;
    while (got < 2 * BLOCKS && vmt_report_page(report, got, &info) == 0)
        seen[got++] = info.address;
    if (distinct(seen, got) != got || got != vmt_report_footprint(report)) {
        fprintf(stderr, "a page is in the report twice\n");
        exit(1);
    }
    for (size_t i = 0; i < held; i++) {
        while (n < got && seen[n] < holding[i])
            n++;
        missing += n == got || seen[n] != holding[i];
    }
    printf("%zu pages hold %zu blocks; %zu pages were seen\n", held, count, got);
    if (missing || (got != held && !others_allowed)) {
        fprintf(stderr, "%zu pages were not seen, %zu others were\n", missing, got - (held - missing));
        exit(1);
    }
}

static void release_all(void)
{
    while (count)
        free((void *)blocks[--count]);
}

int main(void)
{
    vmt_config config;
    vmt_report *report;
    check(vmt_config_init(&config), "vmt_config_init");
    config.window = 64;

    allocate_all();
    config.scope = VMT_SCOPE_HEAP;
    check(vmt_begin(&config), "vmt_begin");
    walk();
    check(vmt_end(&report), "vmt_end");
    compare(report, 0);
    vmt_report_free(report);
    release_all();

    /* What the allocator keeps in reserve by now is given out again, to be watched from its allocation on. */
    config.scope = VMT_SCOPE_REGION;
    check(vmt_begin(&config), "vmt_begin");
    allocate_all();
    walk();
    check(vmt_end(&report), "vmt_end");
    compare(report, 1); /* the allocator's own records too */
    vmt_report_free(report);
    release_all();
    return 0;
}
