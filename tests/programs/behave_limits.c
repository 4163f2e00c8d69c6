/* SPDX-License-Identifier: MIT */
/*
 * Resource limits: what is read back, and what happens at them. Of RLIMIT_AS and RLIMIT_DATA only what is far from the
 * limit is the same: the tracer's own memory counts too.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "behave.h"

static int limit(int which, rlim_t value)
{
    struct rlimit now = {0}, set = {value, value};
    int status = setrlimit(which, &set);
    getrlimit(which, &now);
    printf("limit %d: %d, %lu\n", which, status, (unsigned long)now.rlim_cur);
    return status;
}

static void memory(size_t bytes)
{
    errno = 0;
    char *p = malloc(bytes);
    printf("%zu MiB: %d %s\n", bytes >> 20, p != NULL, p ? "" : strerrorname_np(errno));
    for (size_t i = 0; p && bytes < 100 << 20 && i < bytes; i += PAGE)
        p[i] = 1;
    free(p);
}

static int address_space(void)
{
    touch_heap();
    limit(RLIMIT_AS, (rlim_t)16 << 30);
    memory(10 << 20);
    memory((size_t)20 << 30);
    memory(1 << 20);
    errno = 0;
    void *p = mmap(NULL, (size_t)20 << 30, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    result("mmap", p == MAP_FAILED ? -1 : 0);
    return 0;
}

static int data(void)
{
    touch_heap();
    limit(RLIMIT_DATA, (rlim_t)16 << 30);
    memory(10 << 20);
    memory((size_t)20 << 30);
    return 0;
}

static int files(void)
{
    int count = 0, fd;
    touch_heap();
    limit(RLIMIT_NOFILE, 40);
    while ((fd = open("/dev/null", O_RDONLY)) >= 0)
        count++;
    result("open", fd);
    printf("%d, the last was %d\n", count > 0, fcntl(39, F_GETFD) >= 0);
    result("closed", close(39));
    result("again", open("/dev/null", O_RDONLY));
    touch_heap();
    return 0;
}

static volatile int handled;

static void noted(int signal, siginfo_t *info, void *context)
{
    (void)info, (void)context;
    handled = signal;
}

static int file_size(void)
{
    char *block = memset(new_memory(4 * PAGE), 'x', 4 * PAGE);
    set_handler(SIGXFSZ, noted, 0);
    limit(RLIMIT_FSIZE, 10000);
    int fd = open("file", O_CREAT | O_RDWR | O_TRUNC, 0600);
    result("write", write(fd, block, 4 * PAGE));
    result("write", write(fd, block, 4 * PAGE));
    printf("%d\n", handled);
    signal(SIGXFSZ, SIG_DFL);
    unlink("file");
    result("write", write(fd, block, 4 * PAGE));
    return 0;
}

static int stack(void)
{
    touch_heap();
    limit(RLIMIT_STACK, 1 << 20);
    execl("/bin/sh", "sh", "-c", "ulimit -s", NULL);
    return 1;
}

static int processor(void)
{
    set_handler(SIGXCPU, noted, 0);
    struct rlimit set = {1, 2};
    result("setrlimit", setrlimit(RLIMIT_CPU, &set));
    while (!handled)
        ;
    printf("%d, %u\n", handled, touch_heap());
    signal(SIGXCPU, SIG_DFL);
    for (;;)
        ((volatile char *)&set)[0]++;
    return 0;
}

static int locked(void)
{
    touch_heap();
    limit(RLIMIT_MEMLOCK, 16 * PAGE);
    char *p = new_memory(64 * PAGE);
    result("mlock", mlock(p, 8 * PAGE));
    result("munlock", munlock(p, 8 * PAGE));
    if (geteuid() != 0)
        result("mlock", mlock(p, 64 * PAGE));
    limit(RLIMIT_MEMLOCK, 0);
    memory(1 << 20);
    return 0;
}

static int priorities(void)
{
    touch_heap();
    result("nice", nice(3));
    result("getpriority", getpriority(PRIO_PROCESS, 0));
    cpu_set_t all, one;
    result("getaffinity", sched_getaffinity(0, sizeof all, &all));
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &all)) {
            CPU_SET(i, &one);
            break;
        }
    result("setaffinity", sched_setaffinity(0, sizeof one, &one));
    CPU_ZERO(&all);
    sched_getaffinity(0, sizeof all, &all);
    printf("same %d, count %d\n", CPU_EQUAL(&all, &one), CPU_COUNT(&all));
    struct rusage usage;
    result("getrusage", getrusage(RUSAGE_SELF, &usage));
    result("of children", getrusage(RUSAGE_CHILDREN, &usage));
    printf("%ld %ld\n", (long)usage.ru_utime.tv_sec, usage.ru_maxrss);
    return 0;
}

BEHAVIOURS({"address_space", address_space}, {"data", data}, {"files", files}, {"file_size", file_size},
           {"stack", stack}, {"processor", processor}, {"locked", locked}, {"priorities", priorities})
