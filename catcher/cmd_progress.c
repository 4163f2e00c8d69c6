/* SPDX-License-Identifier: MIT */
/*
 * vmtrace run: how far the program has come, on a terminal. Told from the headers of the blocks that its trace has so
 * far: what is in the block that is being filled, at most 64 KiB, is not counted yet.
 *
 * The text stands at the right end of the row that the cursor is in, and the cursor is put back: what the program
 * prints goes where it would have gone, and over the text if it comes there. When the program ends that row, what stood
 * there stays, and the next text is in the row below.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "../harness/trace_format.h"
#include "cmd.h"

enum { FIRST_MS = 2000, NEXT_MS = 250, RATE_NS = 1000000000, COLUMNS = 80, TEXT_BYTES = 160 };

struct progress {
    const char *path;
    pid_t pid;
    uint64_t since;                    /* realtime ns: an older trace is another run's */
    int fd;                            /* of the trace; -1: not there yet */
    uint64_t unit;                     /* of its times, ns */
    uint64_t offset;                   /* of the next block */
    uint64_t touches, footprint, time; /* as the last header says; ns */
    uint64_t rate_touches, rate_time;  /* from where the rate is counted, */
    uint64_t rate;                     /* touches a second */
};

/* The trace of this run, once its header is there. */
static bool open_trace(struct progress *p)
{
    struct vmti_trace_header header;
    if (p->fd >= 0)
        return true;
    int fd = open(p->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd >= 0 && pread(fd, &header, sizeof header, 0) == (ssize_t)sizeof header &&
        memcmp(header.magic, VMTI_TRACE_MAGIC, sizeof header.magic) == 0 && header.version == VMTI_TRACE_VERSION &&
        header.pid == (uint32_t)p->pid && header.start_realtime_ns >= p->since) {
        p->fd = fd;
        p->unit = header.time_unit_ns;
        p->offset = header.header_bytes;
        return true;
    }
    if (fd >= 0)
        close(fd);
    return false;
}

/* Reads the headers of the blocks that have come since. */
static void look(struct progress *p)
{
    struct vmti_trace_block_header header;
    if (!open_trace(p))
        return;
    while (pread(p->fd, &header, sizeof header, (off_t)p->offset) == (ssize_t)sizeof header &&
           header.magic == VMTI_TRACE_BLOCK_MAGIC && header.type == VMTI_BLOCK_DATA &&
           header.payload_bytes <= VMTI_TRACE_BLOCK_BYTES - sizeof header) {
        p->offset += sizeof header + header.payload_bytes;
        p->touches = header.first_touch + header.touches;
        p->footprint = header.footprint;
        /* A block's time is that of its start: what has come in the blocks before it took so long. */
        p->time = header.time * p->unit;
        if (p->time >= p->rate_time + RATE_NS) {
            p->rate =
                (uint64_t)((double)(header.first_touch - p->rate_touches) * 1e9 / (double)(p->time - p->rate_time));
            p->rate_touches = header.first_touch;
            p->rate_time = p->time;
        }
    }
}

/* May this process write to its terminal now, and is the terminal's screen a sequence of lines? An editor's is not. */
static bool is_free(void)
{
    struct termios terminal;
    struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
    return tcgetpgrp(STDERR_FILENO) == getpgrp() && tcgetattr(STDERR_FILENO, &terminal) == 0 &&
           (terminal.c_lflag & ICANON) && poll(&ready, 1, 0) == 1 && ready.revents & POLLOUT;
}

static void put(const char *bytes, size_t n)
{
    ssize_t written;
    do
        written = write(STDERR_FILENO, bytes, n); /* what is lost here is rewritten soon */
    while (written < 0 && errno == EINTR);
}

/* Shows the text, whose last column is the last but one of the row: none is scrolled. "" erases. ECMA-48: DECSC, CHA,
 * EL, DECRC. */
static void show(const char *text)
{
    char bytes[TEXT_BYTES + 32];
    struct winsize size;
    int columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : COLUMNS;
    int most = columns - 1 < TEXT_BYTES ? columns - 1 : TEXT_BYTES, length = (int)strlen(text);
    static int column = 1; /* where the last one began */
    int begin = columns - (length < most ? length : most);
    int n = snprintf(bytes, sizeof bytes, "\0337\033[%dG\033[K\033[%dG%.*s\0338", column < begin ? column : begin,
                     begin, most, text);
    column = begin;
    put(bytes, (size_t)n);
}

static void show_progress(struct progress *p)
{
    char text[TEXT_BYTES], rate[48] = "";
    look(p);
    if (p->rate)
        snprintf(rate, sizeof rate, ", %" PRIu64 " touches a second", p->rate);
    if (p->touches)
        snprintf(text, sizeof text, "vmtrace: %" PRIu64 " touches, footprint %" PRIu64 " pages%s", p->touches,
                 p->footprint, rate);
    else
        snprintf(text, sizeof text, "vmtrace: tracing, not a block of the trace is full yet");
    show(text);
}

void vmti_cmd_wait_with_progress(pid_t child, const char *trace, uint64_t since)
{
    struct progress p = {.path = trace, .pid = child, .since = since, .fd = -1};
    int pidfd = isatty(STDERR_FILENO) ? (int)syscall(SYS_pidfd_open, child, 0) : -1;
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    struct timespec start, now;
    bool shown = false;
    if (pidfd < 0)
        return;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (int64_t next = FIRST_MS, left = next; left > 0;) {
        int answer = poll(&ended, 1, (int)left);
        if (answer > 0 || (answer < 0 && errno != EINTR))
            break;
        clock_gettime(CLOCK_MONOTONIC, &now);
        int64_t passed = (now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000;
        if (passed >= next) {
            if (is_free()) {
                show_progress(&p);
                shown = true;
            }
            next = passed + NEXT_MS;
        }
        left = next - passed;
    }
    if (shown && is_free())
        show("");
    if (p.fd >= 0)
        close(p.fd);
    close(pidfd);
}
