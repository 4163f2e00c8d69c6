/* SPDX-License-Identifier: MIT */
/*
 * A trace's file where the program has the same table of descriptors as who writes it (the dispatch engine). It is open
 * while a block is written, and else there is no descriptor that the program could see or close: a mapping of the first
 * page keeps the file, and its lock with it (flock(2): an open file description's, which a mapping holds).
 * Async-signal-safe, raw system calls only.
 */
#include <errno.h>
#include <sys/stat.h>

#include "../catcher/proc.h"
#include "arena.h"
#include "os.h"
#include "trace_write.h"

static bool is_file(const struct vmti_trace *trace, int fd)
{
    struct stat status;
    return !vmti_sys(SYS_fstat, fd, &status, 0, 0, 0, 0) && status.st_dev == trace->device &&
           status.st_ino == trace->inode;
}

/* Where the program has as many files as it may, the limit is raised for a moment, as far as that goes. */
static long open_beyond_limit(const char *path)
{
    enum { FLAGS = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, NOFILE = 7 /* RLIMIT_NOFILE */ };
    struct { uint64_t soft, hard; } limit, most;
    long fd = vmti_os_open(path, FLAGS, 0);
    if (fd != -EMFILE || vmti_sys(SYS_prlimit64, 0, NOFILE, 0, &limit, 0, 0))
        return fd;
    most.soft = most.hard = limit.hard;
    vmti_sys(SYS_prlimit64, 0, NOFILE, &most, 0, 0, 0);
    fd = vmti_os_open(path, FLAGS, 0);
    vmti_sys(SYS_prlimit64, 0, NOFILE, &limit, 0, 0, 0);
    return fd;
}

int vmti_trace_open_file(struct vmti_trace *trace)
{
    if (!trace->path || (trace->fd >= 0 && is_file(trace, trace->fd)))
        return 0;
    long fd = open_beyond_limit(trace->path);
    if (fd < 0)
        return (int)fd;
    if (!is_file(trace, (int)fd) || vmti_sys(SYS_lseek, fd, trace->written, 0 /* SEEK_SET */, 0, 0, 0) < 0) {
        vmti_os_close((int)fd);
        return -ESTALE;
    }
    trace->fd = (int)fd;
    return 0;
}

void vmti_trace_close_file(struct vmti_trace *trace)
{
    if (!trace->path || trace->fd < 0 || trace->keep_open)
        return;
    vmti_os_close(trace->fd);
    trace->fd = VMTI_TRACE_CLOSED;
}

int vmti_trace_share_file(struct vmti_region *r)
{
    enum { PATH_BYTES = 4096 };
    struct vmti_trace *trace = &r->trace;
    struct stat status;
    char link[VMTI_PROC_PATH_BYTES];
    char *path = vmti_arena_alloc(trace->arena, PATH_BYTES);
    if (!path)
        return -ENOMEM;
    *vmti_put_number(vmti_put_text(link, "/proc/self/fd/"), (uint64_t)trace->fd) = '\0';
    long length = vmti_sys(SYS_readlinkat, AT_FDCWD, link, path, PATH_BYTES - 1, 0, 0);
    long error = length < 0 ? length : vmti_sys(SYS_fstat, trace->fd, &status, 0, 0, 0, 0);
    if (error)
        return (int)error;
    path[length] = '\0';
    long map = vmti_sys(SYS_mmap, 0, VMTI_PAGE_SIZE, PROT_READ, MAP_SHARED, trace->fd, 0);
    if (map < 0 && map > -4096)
        return (int)map;
    vmti_sys(SYS_madvise, map, VMTI_PAGE_SIZE, MADV_DONTFORK, 0, 0, 0);
    trace->hold = (void *)map;
    trace->device = status.st_dev;
    trace->inode = status.st_ino;
    trace->path = path;
    vmti_trace_close_file(trace);
    return 0;
}

void vmti_trace_let_file_go(struct vmti_trace *trace)
{
    if (!trace->path)
        return;
    if (trace->hold)
        vmti_os_unmap(trace->hold, VMTI_PAGE_SIZE);
    if (trace->fd >= 0)
        vmti_os_close(trace->fd);
    trace->hold = NULL;
    trace->fd = VMTI_TRACE_CLOSED;
}

void vmti_trace_move_file(struct vmti_trace *trace, int least)
{
    enum { HIGH = 1000, AMONG = 24 }; /* where few programs look for one, and the table stays small */
    struct { uint64_t soft, hard; } limit = {0, 0};
    vmti_sys(SYS_prlimit64, 0, 7 /* RLIMIT_NOFILE */, 0, &limit, 0, 0);
    int from = limit.soft > HIGH ? HIGH : limit.soft > 2 * AMONG ? (int)limit.soft - AMONG : 0;
    long fd = vmti_sys(SYS_fcntl, trace->fd, F_DUPFD_CLOEXEC, from > least ? from : least, 0, 0, 0);
    if (fd < 0)
        return;
    vmti_os_close(trace->fd);
    trace->fd = (int)fd;
}

void vmti_trace_keep_open(struct vmti_trace *trace)
{
    if (!trace->path || trace->keep_open || vmti_trace_open_file(trace))
        return;
    trace->keep_open = true;
    vmti_trace_move_file(trace, 0);
}

/* A file that may grow no more: the kernel sends the program a signal for it (setrlimit(2), RLIMIT_FSIZE), which it
 * must not see. All signals are blocked. */
static void take_signal_back(void)
{
    uint64_t set = (uint64_t)1 << (25 - 1); /* SIGXFSZ */
    struct timespec none = {0, 0};
    vmti_sys(SYS_rt_sigtimedwait, &set, 0, &none, sizeof set, 0, 0);
}

long vmti_trace_write_bytes(const struct vmti_trace *trace, const void *data, size_t bytes)
{
    enum { FSIZE = 1 /* RLIMIT_FSIZE */ };
    struct { uint64_t soft, hard; } limit, most;
    long n = vmti_sys(SYS_write, trace->fd, data, bytes, 0, 0, 0);
    if (n != -EFBIG || !trace->path)
        return n;
    take_signal_back();
    if (vmti_sys(SYS_prlimit64, 0, FSIZE, 0, &limit, 0, 0) || limit.soft == limit.hard)
        return n;
    most.soft = most.hard = limit.hard;
    vmti_sys(SYS_prlimit64, 0, FSIZE, &most, 0, 0, 0);
    n = vmti_sys(SYS_write, trace->fd, data, bytes, 0, 0, 0);
    if (n == -EFBIG)
        take_signal_back();
    vmti_sys(SYS_prlimit64, 0, FSIZE, &limit, 0, 0, 0);
    return n;
}
