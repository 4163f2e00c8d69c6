/* SPDX-License-Identifier: MIT */
/*
 * A system call, natively and (compiled with BENCH_TRACED) inside a region: calls COUNT.
 *
 * getppid; a read of 64 bytes into memory that is not tracked, into a page that is open, and into closed pages, each
 * of which it opens; a read of 1 MiB into untracked memory, and into 256 closed pages; sendmsg of two buffers, the same
 * way. Natively the three kinds of memory are the same thing to the kernel.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "bench.h"

enum {
    HEAP = 16 << 20,
    WINDOW = 64,
    CALLS_A_BATCH = 8,
    SMALL = 64,
    LARGE = 1 << 20,
    QUEUE = 8, /* messages between two times that the socket is emptied: net.unix.max_dgram_qlen is 10 by default */
};

static char *heap;
static struct order order;
static uint64_t expected; /* touches in this region so far */

static void begin(void)
{
#ifdef BENCH_TRACED
    begin_region(WINDOW, VMT_SCOPE_HEAP, NULL);
#endif
    expected = 0;
}

static void end(const char *key)
{
#ifdef BENCH_TRACED
    vmt_report *report = end_region();
    if (has_touches(report, expected, key))
        print_batches(key, 1);
    vmt_report_free(report);
#else
    print_batches(key, 1);
#endif
}

static void read_exactly(int fd, void *buffer, size_t bytes)
{
    if (read(fd, buffer, bytes) != (ssize_t)bytes)
        die("read of %zu bytes: %m", bytes);
}

static void time_getppid(size_t count)
{
    begin();
    start_batches();
    for (size_t done = 0; done < count; done += CALLS_A_BATCH)
        BATCH (CALLS_A_BATCH)
            for (int i = 0; i < CALLS_A_BATCH; i++)
                syscall(SYS_getppid);
    end("getppid");
}

enum memory { UNTRACKED, OPEN, CLOSED };

static void time_small_reads(const char *key, enum memory memory, size_t count)
{
    static char own[SMALL];
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    begin();
    if (memory == OPEN) {
        access_page(heap, 0);
        expected = 1;
    }
    start_batches();
    const uint32_t *next = order.pages;
    for (size_t done = 0; done < count; done += CALLS_A_BATCH)
        BATCH (CALLS_A_BATCH)
            for (int i = 0; i < CALLS_A_BATCH; i++)
                read_exactly(fd, memory == UNTRACKED ? own : heap + (memory == CLOSED ? (size_t)*next++ * PAGE : 0),
                             SMALL);
    if (memory == CLOSED)
        expected = (uint64_t)(next - order.pages);
    end(key);
    close(fd);
}

static void time_large_reads(const char *key, enum memory memory, size_t count)
{
    static char own[LARGE];
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    begin();
    start_batches();
    for (size_t i = 0; i < count; i++) {
        char *buffer = memory == UNTRACKED ? own : heap + i * LARGE % HEAP;
        BATCH (1)
            read_exactly(fd, buffer, LARGE);
        expected += memory == CLOSED ? LARGE / PAGE : 0;
    }
    end(key);
    close(fd);
}

static void time_messages(const char *key, enum memory memory, size_t count)
{
    static char own[2][SMALL], sink[2 * SMALL];
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair))
        die("socketpair: %m");
    struct iovec parts[2] = {{own[0], SMALL}, {own[1], SMALL}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    begin();
    if (memory == OPEN) {
        parts[0].iov_base = heap;
        parts[1].iov_base = heap + PAGE;
        access_page(heap, 0);
        access_page(heap, 1);
        expected = 2;
    }
    start_batches();
    const uint32_t *next = order.pages;
    for (size_t done = 0; done < count; done += QUEUE) {
        BATCH (QUEUE)
            for (int i = 0; i < QUEUE; i++) {
                if (memory == CLOSED) {
                    parts[0].iov_base = heap + (size_t)*next++ * PAGE;
                    parts[1].iov_base = heap + (size_t)*next++ * PAGE;
                }
                if (sendmsg(pair[0], &message, 0) != 2 * SMALL)
                    die("sendmsg: %m");
            }
        for (int i = 0; i < QUEUE; i++)
            read_exactly(pair[1], sink, sizeof sink);
    }
    if (memory == CLOSED)
        expected = (uint64_t)(next - order.pages);
    end(key);
    close(pair[0]);
    close(pair[1]);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        die("usage: calls COUNT");
    size_t count = parse_number(argv[1]);
    bind_to_cpu();
    heap = make_heap(HEAP);
    order = make_order("random", HEAP / PAGE, WINDOW, 2 * count + 64);
    time_getppid(count);
    time_small_reads("read64.untracked", UNTRACKED, count);
    time_small_reads("read64.open", OPEN, count);
    time_small_reads("read64.closed", CLOSED, count);
    time_large_reads("read1m.untracked", UNTRACKED, count / 64 + 1);
    time_large_reads("read1m.closed", CLOSED, count / 64 + 1);
    time_messages("sendmsg.untracked", UNTRACKED, count);
    time_messages("sendmsg.open", OPEN, count);
    time_messages("sendmsg.closed", CLOSED, count);
    return 0;
}
