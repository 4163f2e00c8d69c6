/* SPDX-License-Identifier: MIT */
/* Sentences about failures: what happened, and what to do. */
#define _GNU_SOURCE
#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "syscalls.h"

static __thread char text[1024];

const char *vmt_error_text(void)
{
    return text;
}

int vmti_fail(int error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return error;
}

/* The number after `key` in a small /proc file, or `missing`. */
static long proc_number(const char *path, const char *key, long missing)
{
    char buffer[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return missing;
    ssize_t n = read(fd, buffer, sizeof buffer - 1);
    close(fd);
    if (n <= 0)
        return missing;
    buffer[n] = '\0';
    const char *at = strstr(buffer, key);
    return at ? strtol(at + strlen(key), NULL, 10) : missing;
}

static int seize_denied(const struct vmti_region *r)
{
    long tracer = proc_number("/proc/self/status", "TracerPid:", 0);
    if (tracer > 0)
        return vmti_fail(r->error,
                         "cannot trace: process %ld traces this one already (gdb, strace or rr?), and a process has at "
                         "most one tracer; run it without that tool",
                         tracer);
    long yama = proc_number("/proc/sys/kernel/yama/ptrace_scope", "", 0);
    if (yama >= 2)
        return vmti_fail(r->error,
                         "cannot trace: kernel.yama.ptrace_scope is %ld, which forbids ptrace to %s; set it to 1 or 0 "
                         "(sysctl kernel.yama.ptrace_scope=1)",
                         yama, yama == 2 ? "all but administrators" : "everyone until the next boot");
    return vmti_fail(
        r->error,
        "cannot trace: ptrace was denied (%s); in a container allow it (docker run --cap-add=SYS_PTRACE, or "
        "a seccomp profile with ptrace), and do not make the process undumpable (prctl PR_SET_DUMPABLE)",
        strerror(-r->error));
}

void vmti_unknown_text(char *to, size_t bytes, uint64_t calls, int64_t first, uint64_t command)
{
    const struct vmti_row *row = vmti_row(first);
    char name[64];
    if (row)
        snprintf(name, sizeof name, "%s with command 0x%llx", row->name, (unsigned long long)command);
    else
        snprintf(name, sizeof name, "number %lld", (long long)first);
    snprintf(to, bytes,
             "%llu system call%s not in the table, the first %s: memory that only such a call points to is not "
             "opened for it, and it may have failed with EFAULT",
             (unsigned long long)calls, calls == 1 ? " is" : "s are", name);
}

void vmti_left_open_text(char *to, size_t bytes, uint64_t pages)
{
    snprintf(to, bytes,
             "%llu page%s left open from a call of io_uring_enter on, because the kernel reaches %s after the call",
             (unsigned long long)pages, pages == 1 ? " was" : "s were", pages == 1 ? "it" : "them");
}

void vmti_refused_text(char *to, size_t bytes, uint64_t calls)
{
    snprintf(to, bytes,
             "%llu call%s of io_uring_setup with IORING_SETUP_SQPOLL got EPERM: what such a ring submits without a "
             "call cannot be traced",
             (unsigned long long)calls, calls == 1 ? "" : "s");
}

static int trace_not_opened(const struct vmti_region *r, const char *why)
{
    enum { SHOWN = 700 }; /* bytes of the path, which has up to 4,095: what is wrong comes after it */
    switch (r->error) {
    case -EEXIST:
        return vmti_fail(r->error,
                         "cannot write the trace: %.*s exists and is not a trace; name another file or remove it",
                         SHOWN, r->trace_path);
    case -ELOOP: /* O_NOFOLLOW: open(2) */
        return vmti_fail(
            r->error,
            "cannot write the trace: %.*s is a symbolic link, and a trace is not written through one; name "
            "the file that it leads to",
            SHOWN, r->trace_path);
    case -EWOULDBLOCK:
        return vmti_fail(-EBUSY, "cannot write the trace: another region is writing %.*s; name another file", SHOWN,
                         r->trace_path);
    default:
        return vmti_fail(r->error, "cannot write the trace %.*s: %s", SHOWN, r->trace_path, why);
    }
}

int vmti_fail_region(const struct vmti_region *r)
{
    const char *why = strerror(-r->error);
    switch (r->error_step) {
    case VMTI_STEP_SEIZE:
        if (r->error == -EPERM || r->error == -EACCES || r->error == -ENOSYS)
            return seize_denied(r);
        if (r->error == -EIO || r->error == -EINVAL)
            return vmti_fail(-ENOSYS,
                             "cannot trace: this kernel lacks a ptrace request that the catcher needs; Linux 5.3 or "
                             "newer is required");
        return vmti_fail(r->error, "cannot trace: attaching failed (%s)", why);
    case VMTI_STEP_CLONE:
        return vmti_fail(r->error, "cannot start the catcher: %s; check the limits on processes (ulimit -u) and memory",
                         why);
    case VMTI_STEP_TRACE_OPEN:
        return trace_not_opened(r, why);
    case VMTI_STEP_MEMORY:
        return vmti_fail(r->error, "the region is not valid: no memory was left for its records (%s); everything was "
                                   "opened and the program went on", why);
    case VMTI_STEP_MAPPINGS:
        return vmti_fail(r->error, "the region is not valid: the kernel refused to split a mapping (%s); lower the "
                                   "window (now %llu pages) or raise vm.max_map_count; everything was opened and the "
                                   "program went on", why, (unsigned long long)r->window);
    case VMTI_STEP_WINDOW:
        return vmti_fail(r->error,
                         "vmt_config.window is %llu: this process has %llu mappings already, which leaves room "
                         "for a window of at most %llu pages; choose a smaller one or raise vm.max_map_count",
                         (unsigned long long)r->window, (unsigned long long)r->mappings,
                         (unsigned long long)vmti_window_limit(r->mappings_limit, r->mappings, r->this_thread_alone));
    case VMTI_STEP_THREADS:
        return vmti_fail(r->error,
                         "vmt_config.window is %llu: with the %llu threads that this process has, and %llu pages that "
                         "leave it at once, it must be at least %llu pages",
                         (unsigned long long)r->window, (unsigned long long)r->counts.threads_now,
                         (unsigned long long)r->evict,
                         (unsigned long long)vmti_window_floor(r->counts.threads_now, r->evict));
    case VMTI_STEP_TASKS:
        if (r->error == -EBUSY)
            return vmti_fail(r->error,
                             "cannot trace: another thread runs on its alternate signal stack and does not leave it; "
                             "begin the region when no signal handler runs");
        return vmti_fail(r->error, "cannot trace: the threads of this process could not be listed (%s); is /proc "
                                   "mounted?", why);
    case VMTI_STEP_DISPATCH:
        if (!VMTI_HAS_DISPATCH)
            return vmti_fail(-ENOSYS, "cannot trace: the dispatch engine needs Syscall User Dispatch, which Linux does "
                                      "not have on " VMTI_PROCESSOR "; use the engine ptrace");
        return vmti_fail(
            -ENOSYS,
            "cannot trace: the dispatch engine needs Syscall User Dispatch, and this kernel refuses it (%s); "
            "Linux 5.11 or newer is required; use the engine ptrace",
            why);
    case VMTI_STEP_ALTSTACK:
        return vmti_fail(r->error,
                         "vmt_begin: this thread runs on its alternate signal stack, where the dispatch engine cannot "
                         "begin; call it outside of signal handlers");
    case VMTI_STEP_KILLED:
        return vmti_fail(-EOWNERDEAD,
                         "the region is not valid: the catcher (process %ld) died before the region's end; "
                         "was it killed? Everything was opened and the program went on",
                         (long)r->catcher);
    case VMTI_STEP_SECCOMP:
        return vmti_fail(
            r->error, "the region is not valid: the program allows itself no system calls any more (seccomp's strict "
                      "mode), and the dispatch engine needs some; use the engine ptrace; everything was opened and "
                      "the program went on");
    case VMTI_STEP_TRACEME:
        return vmti_fail(r->error,
                         "the region is not valid: the program asked for another tracer (PTRACE_TRACEME), and a "
                         "process has one; everything was opened and the program went on");
    default:
        return vmti_fail(r->error, "the region failed: %s", why);
    }
}
