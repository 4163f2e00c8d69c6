/* SPDX-License-Identifier: MIT */
/*
 * transfers THREADS ROUNDS: each thread writes pieces of its heap to a file and reads them back to other places of it;
 * nearly every call reaches a page that a small window has closed. Prints how many went wrong; ends with 1 if one did.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 200, BYTES = 3000, THREADS_MOST = 16 };

static atomic_int wrong;
static int rounds;

static void check(const char *what, long result)
{
    if (result == BYTES)
        return;
    atomic_fetch_add(&wrong, 1);
    dprintf(STDOUT_FILENO, "%s: %ld, errno %d\n", what, result, errno);
}

static void *transfer(void *unused)
{
    int fd = memfd_create("transfers", MFD_CLOEXEC);
    char *heap = calloc(PAGES, PAGE);
    for (int i = 0; i < rounds; i++) {
        char *from = heap + i * 37 % (PAGES - 1) * PAGE + 5, *to = heap + i * 53 % (PAGES - 1) * PAGE + 9;
        memset(from, i, BYTES);
        check("pwrite", pwrite(fd, from, BYTES, 0));
        check("pread", pread(fd, to, BYTES, 0));
        for (int at = 0; at < BYTES; at += 500)
            if (to[at] != (char)i) {
                atomic_fetch_add(&wrong, 1);
                break;
            }
    }
    close(fd);
    free(heap);
    return unused;
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS_MOST];
    int count = argc == 3 ? atoi(argv[1]) : 0;
    rounds = argc == 3 ? atoi(argv[2]) : 0;
    if (count < 1 || count > THREADS_MOST || rounds < 1)
        return 2;
    for (int i = 1; i < count; i++)
        if (pthread_create(&threads[i], NULL, transfer, NULL))
            return 2;
    transfer(NULL);
    for (int i = 1; i < count; i++)
        pthread_join(threads[i], NULL);
    printf("%d wrong\n", wrong);
    return wrong != 0;
}
