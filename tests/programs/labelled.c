/* SPDX-License-Identifier: MIT */
/*
 * One region, in which two threads read 40 labelled pages and allocate and free memory: the label's budget of 40 pages
 * holds, that of 39 is broken. Standard C and POSIX threads alone, for systems that the tests' own libraries are not
 * there for.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <vmt/vmt.h>

enum { PAGES = 40, PAGE = 4096, THREADS = 2 };

static unsigned char *pages;

static void *read_half(void *first)
{
    uintptr_t sum = 0;
    for (size_t i = (size_t)(uintptr_t)first; i < PAGES; i += THREADS) {
        unsigned char *block = malloc(PAGE);
        if (!block)
            return NULL;
        block[PAGE - 1] = pages[i * PAGE];
        sum += block[PAGE - 1];
        free(block);
    }
    return (void *)sum;
}

int main(void)
{
    pages = aligned_alloc(PAGE, PAGES * PAGE);
    if (!pages)
        return 1;
    for (size_t i = 0; i < PAGES; i++)
        pages[i * PAGE] = (unsigned char)i;
    vmt_report *report;
    uintptr_t sum = 0;
    pthread_t threads[THREADS];
    if (vmt_track(pages, PAGES * PAGE, "pages") != 0 || vmt_begin(NULL) != 0) {
        printf("%s\n", vmt_error_text());
        return 1;
    }
    for (size_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, read_half, (void *)(uintptr_t)i) != 0)
            return 1;
    for (size_t i = 0; i < THREADS; i++) {
        void *half;
        pthread_join(threads[i], &half);
        sum += (uintptr_t)half;
    }
    if (vmt_end(&report) != 0) {
        printf("%s\n", vmt_error_text());
        return 1;
    }
    vmt_verdict verdict;
    bool held = vmt_check_label_at_most(report, "pages", PAGES, &verdict);
    bool broken = !vmt_check_label_at_most(report, "pages", PAGES - 1, &verdict);
    printf("sum %u, %s\n%s\n", (unsigned)sum, held && broken ? "exact" : "not exact", verdict.text);
    vmt_report_free(report);
    return sum == PAGES * (PAGES - 1) / 2 && held && broken ? 0 : 1;
}
