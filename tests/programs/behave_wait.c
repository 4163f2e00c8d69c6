/* SPDX-License-Identifier: MIT */
/* A program without children has none, whatever the kind of children asked for; one with a child has that alone. */
#define _GNU_SOURCE
#include <sched.h>

#include "behave.h"

static int kinds(void)
{
    static const struct {
        const char *name;
        int options;
    } all[] = {{"any", 0}, {"__WALL", __WALL}, {"__WCLONE", __WCLONE}, {"__WNOTHREAD", __WNOTHREAD},
               {"__WALL | __WNOTHREAD", __WALL | __WNOTHREAD}};
    siginfo_t info;
    touch_heap();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        result(all[i].name, waitpid(-1, NULL, all[i].options | WNOHANG));
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        result(all[i].name, waitpid(0, NULL, all[i].options | WNOHANG));
    result("waitid", waitid(P_ALL, 0, &info, WEXITED | WNOHANG));
    result("waitid, __WALL", waitid(P_ALL, 0, &info, WEXITED | WNOHANG | __WALL));
    return 0;
}

static int until_none(void)
{
    touch_heap();
    for (int i = 0; i < 3; i++)
        if (fork() == 0)
            _exit(i);
    int sum = 0, status, count = 0;
    while (wait4(-1, &status, __WALL, NULL) > 0) {
        sum += WEXITSTATUS(status);
        count++;
    }
    printf("%d children, sum %d, then %s\n", count, sum, strerrorname_np(errno));
    return 0;
}

BEHAVIOURS({"kinds", kinds}, {"until_none", until_none})
