/* SPDX-License-Identifier: MIT */
/*
 * wait4 and waitid with __WALL or __WCLONE see the catcher, which is a child of the program with exit signal 0: they
 * would wait for it for ever where they should return ECHILD. Runs in the catcher; see internal.h.
 */
#include "internal.h"

#include "proc.h"

#ifndef __WALL
#error "needs the flags of wait(2)"
#endif

/* The exit signal is this field of proc_pid_stat(5), counted from the one after the name. */
enum { EXIT_SIGNAL_FIELD = 38 - 2 };

/* __WCLONE without __WALL waits for children that do not end with SIGCHLD, and no others (kernel/exit.c,
 * eligible_child). */
static bool is_waited_for(pid_t child, bool all)
{
    char stat[1024];
    int64_t number = SIGCHLD;
    if (all)
        return true;
    const char *at = vmti_proc_after_name(stat, vmti_proc_read(child, 0, "/stat", stat, sizeof stat));
    for (int field = 2; field <= EXIT_SIGNAL_FIELD; field++) /* the first is a letter */
        if (!vmti_proc_number(&at, &number))
            return false;
    return number != SIGCHLD;
}

struct search {
    struct vmti_region *r;
    pid_t waiter; /* the thread whose children count; 0: those of all threads */
    bool all;
};

static long is_tracee(void *context, pid_t pid)
{
    struct search *search = context;
    char status[512];
    int64_t tracer = 0;
    if (pid == search->r->pid || vmti_proc_read(pid, 0, "/status", status, sizeof status) <= 0)
        return 0;
    const char *line = vmti_proc_line(status, "TracerPid:");
    if (!line || !vmti_proc_number(&line, &tracer))
        return 0;
    return tracer && vmti_thread_find(search->r, (pid_t)tracer) != NULL;
}

/* Is there, beside the catcher, a child of the program or a process that it traces? True where it cannot be told. */
static bool has_others(struct search *search)
{
    char children[4096];
    for (struct vmti_thread *t = search->r->threads; t; t = t->hh.next) {
        if (t->other_process || (search->waiter && t->tid != search->waiter))
            continue;
        long n = vmti_proc_read(search->r->pid, t->tid, "/children", children, sizeof children);
        if (n < 0 || n == (long)sizeof children - 1) /* no CONFIG_PROC_CHILDREN, or very many */
            return true;
        int64_t child;
        for (const char *at = children; vmti_proc_number(&at, &child);)
            if (child != search->r->catcher && is_waited_for((pid_t)child, search->all))
                return true;
    }
    return vmti_proc_each("/proc", is_tracee, search) != 0;
}

bool vmti_waits_has_no_child(struct vmti_catcher *c, const struct vmti_thread *t)
{
    enum { WAITID_P_ALL = 0 };
    bool waitid = t->call.nr == SYS_waitid;
    uint64_t options = t->call.args[waitid ? 3 : 2];
    bool any = waitid ? (int)t->call.args[0] == WAITID_P_ALL : (int)t->call.args[0] == -1;
    if (!any || vmti_is_dispatched(c->r) || !(options & ((uint32_t)__WALL | (uint32_t)__WCLONE)) || t->other_process)
        return false;
    struct search search = {c->r, options & __WNOTHREAD ? t->tid : 0, options & __WALL};
    return !has_others(&search);
}
