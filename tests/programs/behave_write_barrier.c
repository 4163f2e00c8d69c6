/* SPDX-License-Identifier: MIT */
/*
 * A program that closes its own pages and opens them in its SIGSEGV handler, as collectors do: it sees each of its own
 * faults once, with the address, the code and the kind of access, and none of the tracer's.
 */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <sys/mman.h>

#include "../context.h"
#include "behave.h"

enum { PAGES = 64, AREAS = 3 };

static char *area[AREAS];
static volatile int faults[AREAS], other_codes, writes;

static void open_page(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    int saved = errno;
    char *at = info->si_addr;
    for (int k = 0; k < AREAS; k++) {
        if (!area[k] || at < area[k] || at >= area[k] + PAGES * PAGE)
            continue;
        other_codes += info->si_code != SEGV_ACCERR;
        writes += context_wrote(context);
        faults[k]++;
        char *block = malloc(5000);
        block[100] = 1;
        free(block);
        mprotect((char *)((uintptr_t)at & ~(uintptr_t)(PAGE - 1)), PAGE, PROT_READ | PROT_WRITE);
        errno = saved;
        return;
    }
    _exit(99);
}

static int one_thread(void)
{
    area[0] = new_memory(PAGES * PAGE);
    area[1] = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    area[2] = (char *)(((uintptr_t)sbrk((PAGES + 1) * PAGE) + PAGE - 1) & ~(uintptr_t)(PAGE - 1));
    set_handler(SIGSEGV, open_page, 0);
    for (int k = 0; k < AREAS; k++)
        memset(area[k], k + 1, PAGES * PAGE);
    unsigned sum = 0;
    for (int round = 0; round < 10; round++) {
        for (int k = 0; k < AREAS; k++) {
            volatile char *pages = area[k];
            mprotect(area[k], PAGES * PAGE, round & 1 ? PROT_READ : PROT_NONE);
            for (int i = 0; i < PAGES; i += 1 + round % 3) {
                if (!(round & 1) || i % 2)
                    pages[i * PAGE + round]++;
                sum += (unsigned char)pages[i * PAGE + round];
            }
            mprotect(area[k], PAGES * PAGE, PROT_READ | PROT_WRITE);
            for (int i = 0; i < PAGES; i++)
                sum = sum * 31 + (unsigned char)pages[i * PAGE + round];
        }
    }
    printf("faults %d %d %d, other codes %d, writes %d, sum %u\n", faults[0], faults[1], faults[2], other_codes, writes,
           sum);
    return 0;
}

/* A call that meets such a page fails; the handler is not asked. */
static int calls(void)
{
    int ends[2];
    area[0] = memset(new_memory(PAGES * PAGE), 'x', PAGES * PAGE);
    set_handler(SIGSEGV, open_page, 0);
    if (pipe(ends) < 0)
        return 1;
    mprotect(area[0], PAGE, PROT_NONE);
    result("write from a closed page", write(ends[1], area[0], 10));
    result("write from it and an open one", write(ends[1], area[0] + PAGE - 5, 10));
    mprotect(area[0], PAGE, PROT_READ);
    result("write from a page for reading", write(ends[1], area[0] + PAGE - 5, 10));
    result("read into it", read(ends[0], area[0], 5));
    result("read into an open one and it", read(ends[0], area[0] + PAGE, 5));
    mprotect(area[0], PAGE, PROT_READ | PROT_WRITE);
    printf("faults %d\n", faults[0]);
    return 0;
}

/* Four threads count in pages that a fifth closes all the time. */
enum { THREADS = 4, ROUNDS = 4000 };
static atomic_int stop, opened;

static void open_page_of_threads(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    char *at = info->si_addr;
    int saved = errno;
    if (at < area[0] || at >= area[0] + PAGES * PAGE)
        _exit(98);
    opened++;
    mprotect((char *)((uintptr_t)at & ~(uintptr_t)(PAGE - 1)), PAGE, PROT_READ | PROT_WRITE);
    errno = saved;
}

static void *count(void *seed)
{
    unsigned x = (unsigned)(uintptr_t)seed;
    for (int i = 0; i < ROUNDS; i++) {
        x = x * 1103515245 + 12345;
        unsigned page = (x >> 16) % PAGES;
        __atomic_add_fetch((unsigned *)(void *)(area[0] + page * PAGE + 128), 1, __ATOMIC_RELAXED);
        if (i % 64 == 0) {
            char *block = malloc(9000);
            block[0] = block[8999] = 1;
            free(block);
        }
    }
    return NULL;
}

static void *close_pages(void *none)
{
    while (!stop) {
        for (int i = 0; i < PAGES; i += 16)
            mprotect(area[0] + i * PAGE, 16 * PAGE, i % 32 ? PROT_READ : PROT_NONE);
        sleep_ms(1);
    }
    return none;
}

static int threads(void)
{
    pthread_t counters[THREADS], closer;
    area[0] = memset(new_memory(PAGES * PAGE), 0, PAGES * PAGE);
    set_handler(SIGSEGV, open_page_of_threads, 0);
    mprotect(area[0], PAGES * PAGE, PROT_NONE);
    pthread_create(&closer, NULL, close_pages, NULL);
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&counters[i], NULL, count, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(counters[i], NULL);
    stop = 1;
    pthread_join(closer, NULL);
    mprotect(area[0], PAGES * PAGE, PROT_READ | PROT_WRITE);
    unsigned sum = 0;
    for (int i = 0; i < PAGES; i++)
        sum += *(unsigned *)(void *)(area[0] + i * PAGE + 128);
    printf("sum %u, opened some %d\n", sum, opened > 0);
    return 0;
}

BEHAVIOURS({"one_thread", one_thread}, {"calls", calls}, {"threads", threads})
