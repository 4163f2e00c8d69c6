/* SPDX-License-Identifier: MIT */
/*
 * tool_region WHAT [TRACE]: a test binary as a user's, for tools.sh to build with each sanitizer and to run under each
 * tool.
 *   region    a region with counts that are known, with system calls, a thread and a child in it
 *   overflow, race, uninitialised, undefined, leak   the same region, with a mistake in it that a sanitizer finds
 *   left      the program ends inside of a region
 * With TRACE the region's trace is written there, and compared with the baseline "region".
 * Ends with 0; 77 where vmt_begin says that it cannot work here, with its sentence; 1 with a sentence otherwise.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vmt/vmt.h>

enum { PAGE = 4096, PAGES = 40 };

static unsigned char *block;
static int shared, failures;

/* Pages that the region allocates itself; the report must say that it was this function. */
__attribute__((noinline)) static unsigned char *give(void)
{
    unsigned char *volatile given = malloc(4 * PAGE);
    return given;
}

__attribute__((format(printf, 2, 3))) static void expect(bool holds, const char *format, ...)
{
    if (holds)
        return;
    va_list args;
    va_start(args, format);
    printf("not so: ");
    vprintf(format, args);
    printf("\n");
    va_end(args);
    failures++;
}

static void *in_thread(void *to)
{
    shared++; /* with `race` the other thread does so at the same time */
    memset(to, 7, PAGE);
    return NULL;
}

static void make_mistake(const char *what)
{
    if (strcmp(what, "overflow") == 0) {
        volatile char *small = malloc(10);
        small[10] = 1;
        free((void *)small);
    } else if (strcmp(what, "uninitialised") == 0) {
        volatile int *values = malloc(PAGE);
        if (values[3] == 5)
            puts("five");
        free((void *)values);
    } else if (strcmp(what, "undefined") == 0) {
        volatile int most = INT_MAX;
        most++;
    } else if (strcmp(what, "leak") == 0) {
        char *volatile lost = malloc(1234);
        lost[0] = 1;
        lost = NULL;
    }
}

/* A small block, a large one, a thread, a child, and calls with pointers to closed pages. */
static void work(const char *what)
{
    for (int i = 0; i < PAGES / 2; i++)
        block[i * PAGE + 8]++;
    pthread_t thread;
    int error = pthread_create(&thread, NULL, in_thread, block + PAGES / 2 * PAGE);
    expect(error == 0, "a thread begins: %s", strerror(error));
    if (strcmp(what, "race") == 0)
        shared++;
    if (!error)
        pthread_join(thread, NULL);
    int ends[2];
    expect(pipe(ends) == 0, "a pipe: %s", strerror(errno));
    memset(block + (PAGES / 2 + 1) * PAGE, 3, 100);
    expect(write(ends[1], block + (PAGES / 2 + 1) * PAGE, 100) == 100, "write: %s", strerror(errno));
    expect(read(ends[0], block + (PAGES / 2 + 2) * PAGE, 100) == 100, "read: %s", strerror(errno));
    expect(block[(PAGES / 2 + 2) * PAGE + 99] == 3, "what was written is read");
    close(ends[0]);
    close(ends[1]);
    volatile unsigned char *given = give();
    given[PAGE] = 1;
    free((void *)given);
    pid_t child = fork();
    if (child == 0)
        _exit(block[3] == 0 ? 33 : 34);
    int status = 0;
    expect(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 33, "the child's status");
    make_mistake(what);
}

static int region(const char *what, const char *trace, int *footprint)
{
    vmt_config config;
    vmt_report *report; /* not given a value: MemorySanitizer must see that vmt_end does */
    if (vmt_config_init(&config)) {
        printf("vmt_config_init: %s\n", vmt_error_text());
        return 1;
    }
    config.trace_path = trace;
    int error = vmt_begin(&config);
    if (error) {
        printf("%s: %s\n", error == -ENOTSUP ? "SKIP" : "vmt_begin", vmt_error_text());
        return error == -ENOTSUP ? 77 : 1;
    }
    work(what);
    error = vmt_end(&report);
    if (error) {
        printf("vmt_end: %s\n", vmt_error_text());
        return 1;
    }
    int pages = (int)vmt_report_label_pages(report, "block");
    expect(pages == PAGES / 2 + 3, "%d pages of the block are touched, not %d", pages, PAGES / 2 + 3);
    *footprint = (int)vmt_report_footprint(report);
    int given = 0;
    for (int i = 0; i < *footprint; i++) {
        vmt_page_info page;
        expect(vmt_report_page(report, (uint64_t)i, &page) == 0, "page %d: %s", i, vmt_error_text());
        given += page.touches && (uintptr_t)page.site - (uintptr_t)give < 512;
    }
#ifndef NO_SITES
    expect(given > 0, "no page is known to be of the function that allocated it");
#endif
    vmt_verdict verdict;
    expect(vmt_check_pages_at_most(report, (uint64_t)*footprint, &verdict), "%s", verdict.text);
    expect(!vmt_check_pages_at_most(report, 1, &verdict) && strstr(verdict.text, "over"), "%s", verdict.text);
    const vmt_locality *of_block;
    expect(vmt_locality_of_label(report, "block", &of_block) == 0 && (int)vmt_locality_pages(of_block) == pages, "%s",
           vmt_error_text());
    expect(!trace || vmt_check_baseline(report, "region", &verdict), "%s", verdict.text);
    uint64_t peak;
    expect(vmt_report_working_set(report, 10, &peak) == 0 && peak == 10, "the working set is %d", (int)peak);
    vmt_report_free(report);
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "region";
    int first = 0, again = 0, ended;
    block = aligned_alloc(PAGE, PAGES * PAGE);
    if (!block || vmt_track(block, PAGES * PAGE, "block")) {
        printf("vmt_track: %s\n", vmt_error_text());
        return 1;
    }
    memset(block, 0, PAGES * PAGE);
    if (strcmp(what, "left") == 0) {
        if ((ended = vmt_begin(NULL)))
            printf("vmt_begin: %s\n", vmt_error_text());
        else
            puts("left");
        return ended ? 1 : 0;
    }
    /* The second one has nothing new of libc's in it: its counts come again from run to run. */
    if ((ended = region("region", NULL, &first)) || (ended = region(what, argc > 2 ? argv[2] : NULL, &again)))
        return ended;
    free(block);
    printf("footprint %d pages\n", again);
    fflush(stdout);
    return failures ? 1 : 0;
}
