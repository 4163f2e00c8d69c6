/* SPDX-License-Identifier: MIT */
/* A vfork child asks to be traced by its parent before its execve, as children of gdb and strace do. */
#define _GNU_SOURCE
#include <sys/ptrace.h>

#include "behave.h"

static int start(void)
{
    touch_heap();
    int status;
    pid_t child = vfork();
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
            _exit(errno);
        execl("/bin/sh", "sh", "-c", "exit 6", NULL);
        _exit(1);
    }
    waitpid(child, &status, 0);
    print_status("child", status);
    result("continue", ptrace(PTRACE_CONT, child, NULL, NULL));
    wait_and_print("child", child);
    return 0;
}

BEHAVIOURS({"start", start})
