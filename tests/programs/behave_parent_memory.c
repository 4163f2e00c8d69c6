/* SPDX-License-Identifier: MIT */
/* A child that reads and writes its parent's memory by /proc/PID/mem. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/prctl.h>

#include "behave.h"

enum { PAGES = 5000 }; /* more than a window */

static unsigned sum(const char *p, size_t n)
{
    unsigned value = 0;
    for (size_t i = 0; i < n; i += 64)
        value = value * 31 + (unsigned char)p[i];
    return value;
}

static int by_file(void)
{
    char *p = new_memory(PAGES * PAGE), path[64];
    for (int i = 0; i < PAGES; i++)
        memset(p + i * PAGE, i, PAGE);
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
    snprintf(path, sizeof path, "/proc/%d/mem", (int)getpid());
    pid_t child = fork();
    if (child == 0) {
        int fd = open(path, O_RDWR);
        result("pread", pread(fd, p, 20 * PAGE, (off_t)(uintptr_t)(p + 50 * PAGE + 100)));
        printf("%u\n", sum(p, 20 * PAGE));
        memset(p, 'w', 5 * PAGE);
        result("pwrite", pwrite(fd, p, 5 * PAGE, (off_t)(uintptr_t)(p + 50 * PAGE + 100)));
        _exit(0);
    }
    wait_and_print("child", child);
    printf("%u\n", sum(p, PAGES * PAGE));
    return 0;
}

BEHAVIOURS({"by_file", by_file})
