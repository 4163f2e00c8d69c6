/* SPDX-License-Identifier: MIT */
/* A child that reads and writes its parent's memory, by process_vm_readv, process_vm_writev and /proc/PID/mem. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/uio.h>

#include "behave.h"

enum { PAGES = 5000 }; /* more than a window */

static unsigned sum(const char *p, size_t n)
{
    unsigned value = 0;
    for (size_t i = 0; i < n; i += 64)
        value = value * 31 + (unsigned char)p[i];
    return value;
}

static int by_call(void)
{
    char *p = new_memory(PAGES * PAGE);
    for (int i = 0; i < PAGES; i++)
        memset(p + i * PAGE, i, PAGE);
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY); /* where Yama is */
    pid_t self = getpid(), child = fork();
    if (child == 0) {
        struct iovec local = {p, 20 * PAGE}, remote = {p + 50 * PAGE + 100, 20 * PAGE};
        result("process_vm_readv", process_vm_readv(self, &local, 1, &remote, 1, 0));
        printf("%u\n", sum(p, 20 * PAGE));
        memset(p, 'w', 5 * PAGE);
        local = (struct iovec){p, 5 * PAGE};
        result("process_vm_writev", process_vm_writev(self, &local, 1, &remote, 1, 0));
        _exit(0);
    }
    wait_and_print("child", child);
    printf("%u\n", sum(p, PAGES * PAGE));
    return 0;
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

BEHAVIOURS({"by_call", by_call}, {"by_file", by_file})
