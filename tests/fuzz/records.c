/* SPDX-License-Identifier: MIT */
/*
 * One region with every kind of record in its trace, in as few touches as that takes; VMT_TRACENAME names its file.
 * For the corpus: see make_corpus.sh.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmt/vmt.h>

enum { PAGE = 4096, PAGES = 12, LARGE = 300000 /* bytes: malloc maps them, and free unmaps them */ };

static unsigned char *pages;

static void *read_pages(void *unused)
{
    (void)unused;
    for (int i = 0; i < PAGES; i += 2)
        (void)*(volatile unsigned char *)(pages + i * PAGE);
    return NULL;
}

static int fill(void)
{
    int pipes[2];
    pthread_t thread;
    for (int i = 0; i < PAGES; i++)
        pages[i * PAGE] = i % 3 ? (unsigned char)i : 1; /* some hold that already */
    if (pthread_create(&thread, NULL, read_pages, NULL) || pthread_join(thread, NULL) || pipe(pipes))
        return 1;
    return write(pipes[1], pages, PAGE) != PAGE || read(pipes[0], pages + 5 * PAGE, PAGE) != PAGE;
}

static int come_and_go(void)
{
    volatile char *large = malloc(LARGE);
    char *small[4];
    if (!large)
        return 1;
    large[0] = large[LARGE - 1] = 1;
    for (int i = 0; i < 4; i++)
        if ((small[i] = malloc(2000)))
            memset(small[i], i, 2000);
    for (int i = 0; i < 4; i++)
        free(small[i]);
    free((void *)large);
    return 0;
}

int main(void)
{
    vmt_report *report;
    pages = aligned_alloc(PAGE, PAGES * PAGE);
    if (!pages)
        return 2;
    memset(pages, 1, PAGES * PAGE);
    if (vmt_track(pages, PAGES * PAGE, "pages") || vmt_begin(NULL)) {
        fprintf(stderr, "records: %s\n", vmt_error_text());
        return 2;
    }
    vmt_mark("fill");
    int failed = fill();
    vmt_mark("come and go");
    failed |= come_and_go();
    vmt_mark("");
    read_pages(NULL);
    if (vmt_end(&report) || failed)
        return 2;
    vmt_report_free(report);
    return 0;
}
