/* SPDX-License-Identifier: MIT */
/*
 * What the program hears if the catcher dies. The catcher alone holds the write end of a pipe; for each thread it opens
 * the read end once more, owned by that thread and with SIGSEGV as its signal (fcntl(2), F_SETOWN_EX and F_SETSIG).
 * When it is killed, the kernel closes its files, which sends these signals, and only then lets the threads go
 * (kernel/exit.c, do_exit: exit_files and exit_task_work before exit_notify): the net opens everything before one of
 * them runs on. Runs in the catcher; see internal.h.
 */
#define _GNU_SOURCE
#include "internal.h"

#include "proc.h"

void vmti_alarm_start(struct vmti_catcher *c)
{
    enum { RLIMIT_OF_FILES = 7, HIGHEST = 2048 }; /* a higher one costs each region a larger table of files */
    struct { uint64_t soft, hard; } limit;
    int ends[2];
    c->alarm = -1;
    if (vmti_sys(SYS_prlimit64, 0, RLIMIT_OF_FILES, 0, &limit, 0, 0) ||
        vmti_sys(SYS_pipe2, ends, O_CLOEXEC, 0, 0, 0, 0))
        return;
    /* The files of a dying process are released from the highest number down (kernel/task_work.c: last in, first out),
     * and a read end that is gone sends nothing. */
    uint64_t high = (limit.soft < HIGHEST ? limit.soft : HIGHEST) - 1;
    long writer = vmti_sys(SYS_fcntl, ends[1], F_DUPFD_CLOEXEC, high, 0, 0, 0);
    vmti_os_close(ends[1]);
    c->alarm = writer < 0 ? -1 : ends[0];
}

void vmti_alarm_add(struct vmti_catcher *c, struct vmti_thread *t)
{
    char path[VMTI_PROC_PATH_BYTES];
    struct { int type; pid_t pid; } owner = {F_OWNER_TID, t->tid};
    if (c->alarm < 0 || t->alarm)
        return;
    *vmti_put_number(vmti_put_text(path, "/proc/self/fd/"), (uint64_t)c->alarm) = '\0';
    long fd = vmti_os_open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
    if (fd < 0) /* too many open files: this thread hears by its next fault, as those beyond HIGHEST do */
        return;
    t->alarm = (int)fd + 1;
    if (vmti_sys(SYS_fcntl, fd, F_SETOWN_EX, &owner, 0, 0, 0) || vmti_sys(SYS_fcntl, fd, F_SETSIG, SIGSEGV, 0, 0, 0) ||
        vmti_sys(SYS_fcntl, fd, F_SETFL, O_ASYNC | O_NONBLOCK, 0, 0, 0))
        vmti_alarm_remove(t);
}

void vmti_alarm_remove(struct vmti_thread *t)
{
    if (t->alarm)
        vmti_os_close(t->alarm - 1);
    t->alarm = 0;
}

void vmti_alarm_stop(struct vmti_catcher *c)
{
    for (struct vmti_thread *t = c->r->threads; t; t = t->hh.next)
        vmti_alarm_remove(t);
}
