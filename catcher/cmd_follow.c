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
    int unwritten; /* negative errno of one that could not be written to its end */
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

bool vmti_cmd_last_trailer(int fd, struct vmti_trace_trailer *trailer)
{
    struct {
        struct vmti_trace_block_header header;
        struct vmti_trace_trailer trailer;
    } last;
    struct stat st;
    if (fstat(fd, &st) < 0 || st.st_size < (off_t)sizeof last ||
        pread(fd, &last, sizeof last, st.st_size - (off_t)sizeof last) != (ssize_t)sizeof last ||
        last.header.magic != VMTI_TRACE_BLOCK_MAGIC || last.header.type != VMTI_BLOCK_TRAILER)
        return false;
    *trailer = last.trailer;
    return true;
}

static void count_end(int fd, struct counts *counts)
{
    struct vmti_trace_trailer trailer;
    bool ended = vmti_cmd_last_trailer(fd, &trailer);
    if (ended && trailer.end == VMTI_END_UNWRITTEN)
        counts->unwritten = trailer.end_code;
    if (ended && trailer.end == VMTI_END_LOST && !trailer.touches)
        counts->untraced++;
    else if (!ended || trailer.end == VMTI_END_LOST || trailer.end == VMTI_END_UNWRITTEN)
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

static void print(const char *trace, const struct counts *counts)
{
    fprintf(stderr, "vmtrace: %" PRIu64 " further trace%s in %s.PID", counts->traces, counts->traces == 1 ? "" : "s",
            trace);
    if (counts->running)
        fprintf(stderr, "; %" PRIu64 " of processes that still run", counts->running);
    if (counts->untraced)
        fprintf(stderr, "; %" PRIu64 " say why their process was not traced", counts->untraced);
    if (counts->broken)
        fprintf(stderr, "; %" PRIu64 " not complete", counts->broken);
    fputc('\n', stderr);
}

bool vmti_cmd_sum_up_followed(const char *trace, uint64_t since, bool quiet)
{
    const char *base = strrchr(trace, '/') + 1; /* it is absolute */
    char *folder = strndup(trace, (size_t)(base - trace));
    DIR *dir = folder ? opendir(folder) : NULL;
    if (!dir) {
        vmti_cmd_error("cannot count the traces %s.PID: %s", trace, strerror(errno));
        free(folder);
        return true;
    }
    struct counts counts = {0};
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (!is_followed_name(entry->d_name, base))
            continue;
        int fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
        if (fd < 0)
            continue;
        count_trace(fd, since, &counts);
        close(fd);
    }
    closedir(dir);
    free(folder);
    if (!quiet)
        print(trace, &counts);
    if (counts.unwritten)
        vmti_cmd_error("traces %s.PID could not be written to their ends: %s", trace, strerror(-counts.unwritten));
    return !counts.unwritten;
}
