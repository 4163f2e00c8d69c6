/* SPDX-License-Identifier: MIT */
/*
 * Deaths that dump core: of a child, as its parent sees it, and of the program itself. Where the core goes is the
 * system's affair (core(5)); whether one was made is told to the parent.
 */
#define _GNU_SOURCE
#include <sys/resource.h>

#include "behave.h"

static void allow(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_CORE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_CORE, &limit);
}

static int of_children(void)
{
    static const int signals[] = {SIGABRT, SIGSEGV, SIGQUIT, SIGTERM, SIGKILL};
    allow();
    touch_heap();
    for (int i = 0; i < 6; i++) {
        int status;
        pid_t child = fork();
        if (child == 0) {
            touch_heap();
            if (i == 5)
                *bad_address(8) = 1;
            raise(signals[i]);
            _exit(1);
        }
        waitpid(child, &status, 0);
        printf("signal %d core %d\n", WTERMSIG(status), WCOREDUMP(status));
    }
    return 0;
}

static int aborts(void)
{
    allow();
    touch_heap();
    abort();
    return 1;
}

/* More pages than a window, for dumped_core.sh to look at: most are closed when the core is made. */
char *remembered;
volatile unsigned pages_sum;

static int faults(void)
{
    allow();
    remembered = memset(new_memory(200 * PAGE), 3, 200 * PAGE);
    pages_sum = touch_heap();
    *bad_address(8) = 1;
    return 1;
}

static int quits(void)
{
    allow();
    touch_heap();
    raise(SIGQUIT);
    return 1;
}

BEHAVIOURS({"of_children", of_children}, {"aborts", aborts}, {"faults", faults}, {"quits", quits})
