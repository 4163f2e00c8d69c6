/* SPDX-License-Identifier: MIT */
/* vmtrace run --follow: what is said at the end of the traces of further processes. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../harness/trace_format.h"
#include "cmd.h"

struct counts {
    uint64_t traces, running, untraced, broken;
};

/* BASE.PID or BASE.PID.NUMBER? */
static bool is_followed_name(const char *name, const char *base)
{
    size_t n = strlen(base);
    if (strncmp(name, base, n) != 0)
        return false;
    for (unsigned part = 0; part < 2; part++) {
        size_t digits = name[n] == '.' ? strspn(name + n + 1, "0123456789") : 0;
        if (!digits)
            return false;
        n += digits + 1;
        if (!name[n])
            return true;
    }
    return false;
}

/* Is the process gone, or at least past its last instruction? Where it cannot be told it is not. */
static bool has_ended(uint32_t pid)
{
    char path[32], stat[512];
    if (kill((pid_t)pid, 0) < 0 && errno == ESRCH)
        return true;
    snprintf(path, sizeof path, "/proc/%" PRIu32 "/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT && access("/proc/self/stat", R_OK) == 0;
    ssize_t n = read(fd, stat, sizeof stat - 1);
    close(fd);
    if (n <= 0)
        return errno == ESRCH;
    stat[n] = '\0';
    const char *state = strrchr(stat, ')'); /* proc_pid_stat(5) */
    return state && state[1] == ' ' && (state[2] == 'Z' || state[2] == 'X');
}

/* How did the trace end? The trailer is its last block. */
static void count_end(int fd, struct counts *counts)
{
    struct {
        struct vmti_trace_block_header header;
        struct vmti_trace_trailer trailer;
    } last;
    struct stat st;
    bool has_trailer = fstat(fd, &st) == 0 && st.st_size >= (off_t)sizeof last &&
                       pread(fd, &last, sizeof last, st.st_size - (off_t)sizeof last) == (ssize_t)sizeof last &&
                       last.header.magic == VMTI_TRACE_BLOCK_MAGIC && last.header.type == VMTI_BLOCK_TRAILER;
    if (has_trailer && last.trailer.end == VMTI_END_LOST && !last.trailer.touches)
        counts->untraced++;
    else if (!has_trailer || last.trailer.end == VMTI_END_LOST)
        counts->broken++;
}

static void count_trace(int fd, uint64_t since, struct counts *counts)
{
    struct vmti_trace_header header;
    if (pread(fd, &header, sizeof header, 0) != (ssize_t)sizeof header ||
        memcmp(header.magic, VMTI_TRACE_MAGIC, sizeof header.magic) != 0 || header.start_realtime_ns < since)
        return; /* not of this run; or its catcher has only just begun */
    counts->traces++;
    /* The catcher holds the lock until it has written everything. That of a process which has ended does so at once. */
    if (flock(fd, LOCK_SH | LOCK_NB) < 0 && !has_ended(header.pid)) {
        counts->running++;
        return;
    }
    while (flock(fd, LOCK_SH) < 0 && errno == EINTR)
        ;
    count_end(fd, counts);
}

void vmti_cmd_sum_up_followed(const char *trace, uint64_t since)
{
    const char *base = strrchr(trace, '/') + 1; /* it is absolute */
    char *folder = strndup(trace, (size_t)(base - trace));
    DIR *dir = folder ? opendir(folder) : NULL;
    struct counts counts = {0};
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        if (!is_followed_name(entry->d_name, base))
            continue;
        int fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
        if (fd < 0)
            continue;
        count_trace(fd, since, &counts);
        close(fd);
    }
    if (!dir)
        fprintf(stderr, "vmtrace: the further traces cannot be counted: %s: %s\n", folder ? folder : trace, strerror(errno));
    else
        fprintf(stderr, "vmtrace: %" PRIu64 " further trace%s in %s.PID", counts.traces,
                counts.traces == 1 ? "" : "s", trace);
    if (counts.running)
        fprintf(stderr, "; %" PRIu64 " of processes that still run", counts.running);
    if (counts.untraced)
        fprintf(stderr, "; %" PRIu64 " say why their process was not traced", counts.untraced);
    if (counts.broken)
        fprintf(stderr, "; %" PRIu64 " not complete", counts.broken);
    if (dir) {
        fputc('\n', stderr);
        closedir(dir);
    }
    free(folder);
}
