/* SPDX-License-Identifier: MIT */
/*
 * allocations: two threads that allocate, resize, fill, check and release, and hand blocks to each other; then a child
 * that does so in its copy. Prints the same whatever the allocator and the tracer; status 1 if a content was wrong.
 */
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SLOTS = 256, STEPS = 6000 };

struct slot {
    unsigned char *block;
    size_t bytes;
    unsigned char fill;
};

static struct slot slots[SLOTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long wrong;

static void *new_block(unsigned step, size_t bytes)
{
    void *p = NULL;
    switch (step % 5) {
    case 0:
        return malloc(bytes);
    case 1:
        return calloc(bytes, 1);
    case 2:
        return posix_memalign(&p, 64, bytes) ? NULL : p;
    case 3:
        return aligned_alloc(32, (bytes + 31) & ~(size_t)31);
    default:
        return realloc(NULL, bytes);
    }
}

static void check(const struct slot *slot)
{
    for (size_t i = 0; i < slot->bytes; i += 61)
        wrong += slot->block[i] != slot->fill;
    wrong += malloc_usable_size(slot->block) < slot->bytes;
}

static void *churn(void *seed)
{
    uint32_t x = (uint32_t)(uintptr_t)seed;
    uintptr_t sum = 0;
    for (unsigned step = 0; step < STEPS; step++) {
        x = x * 1664525u + 1013904223u;
        size_t bytes = 1 + (x >> 16) % 700 * (x % 40 ? 1 : 300);
        pthread_mutex_lock(&lock);
        struct slot *slot = &slots[(x >> 8) % SLOTS];
        if (slot->block && step % 3) {
            check(slot);
            size_t kept = bytes < slot->bytes ? bytes : slot->bytes;
            slot->block = realloc(slot->block, bytes);
            slot->bytes = kept;
            check(slot);
        } else {
            if (slot->block)
                check(slot);
            free(slot->block);
            slot->block = new_block(step, bytes);
        }
        slot->bytes = bytes;
        slot->fill = (unsigned char)x;
        memset(slot->block, slot->fill, bytes);
        pthread_mutex_unlock(&lock);
        sum += bytes;
    }
    return (void *)sum;
}

int main(void)
{
    pthread_t threads[2];
    uintptr_t sum = 0;
    for (uintptr_t i = 0; i < 2; i++)
        if (pthread_create(&threads[i], NULL, churn, (void *)(i + 1)))
            return 2;
    for (int i = 0; i < 2; i++) {
        void *result;
        pthread_join(threads[i], &result);
        sum += (uintptr_t)result;
    }
    fflush(stdout);
    pid_t child = fork(); /* has the same heap, and uses it */
    if (child == 0)
        _exit(churn((void *)3) && !wrong ? 7 : 1);
    int status;
    waitpid(child, &status, 0);
    for (int i = 0; i < SLOTS; i++) {
        if (slots[i].block)
            check(&slots[i]);
        free(slots[i].block);
    }
    printf("%ju bytes in %d steps; the child ended with %d\n", (uintmax_t)sum, 2 * STEPS, WEXITSTATUS(status));
    return wrong ? 1 : 0;
}
