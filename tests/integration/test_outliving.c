/* SPDX-License-Identifier: MIT */
/*
 * Work of the kernel's that goes on when its call has returned: io_uring, AIO, vmsplice and sends without a copy, natively
 * and in a region whose small window has closed the buffers again before the kernel comes to them.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <linux/aio_abi.h>
#include <linux/errqueue.h>
#include <linux/io_uring.h>

enum { PAGES = 64, WINDOW = 8 };

#include "compared.h"

static void prepare_child(void)
{
    alarm(20); /* a completion that never comes */
}

/* Closes what lies before page 32. */
static void close_buffers(volatile char *p)
{
    for (int i = 32; i < PAGES; i++)
        p[i * PAGE] = 1;
}

static int new_file(int flags)
{
    const char *folder = getenv("TMPDIR");
    char name[4096];
    snprintf(name, sizeof name, "%s/vmt-outliving-XXXXXX", folder ? folder : "/tmp");
    int file = mkstemp(name), direct = open(name, O_RDWR | flags);
    for (int i = 0; i < 16 * PAGE; i += 16)
        dprintf(file, "%015d\n", i);
    unlink(name);
    close(file);
    return direct;
}

static unsigned sum(const char *p, size_t bytes)
{
    unsigned n = 0;
    for (size_t i = 0; i < bytes; i++)
        n = n * 31 + (unsigned char)p[i];
    return n;
}

/* ------------------------------------------------------------------------------------------- AIO, pipes, sockets */

static void aio(char *p, int flags)
{
    aio_context_t context = 0;
    int file = new_file(flags);
    tell("\nfile %d", file >= 0);
    if (file < 0 || CALL(syscall(SYS_io_setup, 8, &context)))
        exit(SKIPPED);
    struct iovec two[2] = {{p + 4 * PAGE, PAGE}, {p + 6 * PAGE, PAGE}};
    struct iocb read_one = {.aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = (uint32_t)file,
                            .aio_buf = (uint64_t)p, .aio_nbytes = 2 * PAGE, .aio_data = 1};
    struct iocb read_two = {.aio_lio_opcode = IOCB_CMD_PREADV, .aio_fildes = (uint32_t)file,
                            .aio_buf = (uint64_t)two, .aio_nbytes = 2, .aio_data = 2};
    struct iocb write_one = {.aio_lio_opcode = IOCB_CMD_PWRITE, .aio_fildes = (uint32_t)file, .aio_offset = 8 * PAGE,
                             .aio_buf = (uint64_t)(p + 8 * PAGE), .aio_nbytes = 2 * PAGE, .aio_data = 3};
    struct iocb *list[] = {&read_one, &read_two, &write_one};
    CALL(syscall(SYS_io_submit, context, 3, list));
    close_buffers(p);
    struct io_event events[3];
    long results[4] = {0};
    for (int got = 0; got < 3;) {
        long n = syscall(SYS_io_getevents, context, 1, 3, events, NULL);
        if (n <= 0)
            break;
        got += (int)n;
        for (long i = 0; i < n; i++)
            results[events[i].data] = (long)events[i].res;
    }
    tell("\nresults %ld %ld %ld, sums %u %u", results[1], results[2], results[3], sum(p, 2 * PAGE), sum(p + 4 * PAGE, 3 * PAGE));
    CALL(pread(file, p + 12 * PAGE, 2 * PAGE, 8 * PAGE));
    tell("\nwritten %u", sum(p + 12 * PAGE, 2 * PAGE));
    syscall(SYS_io_destroy, context);
}

static void aio_direct(char *p)
{
    aio(p, O_DIRECT);
}

static void aio_buffered(char *p)
{
    aio(p, 0);
}

static void splice_pages(char *p)
{
    int ends[2];
    struct iovec two[2] = {{p + PAGE + 100, PAGE}, {p + 5 * PAGE, PAGE}};
    CALL(pipe(ends));
    CALL(vmsplice(ends[1], two, 2, SPLICE_F_GIFT));
    close_buffers(p);
    CALL(read(ends[0], p + 10 * PAGE, 2 * PAGE));
    tell("\nread %u", sum(p + 10 * PAGE, 2 * PAGE));
}

static void send_without_copy(char *p)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    int listening = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (bind(listening, (void *)&address, length) || listen(listening, 1) ||
        getsockname(listening, (void *)&address, &length))
        exit(SKIPPED);
    int from = socket(AF_INET, SOCK_STREAM, 0);
    CALL(connect(from, (void *)&address, length));
    int to = accept(listening, NULL, NULL);
    CALL(setsockopt(from, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof one));
    struct iovec two[2] = {{p + 4 * PAGE, PAGE}, {p + 6 * PAGE, PAGE}};
    struct msghdr message = {.msg_iov = two, .msg_iovlen = 2};
    struct mmsghdr messages[2] = {{.msg_hdr = message}, {.msg_hdr = message}};
    CALL(send(from, p, 3 * PAGE, MSG_ZEROCOPY));
    CALL(sendmsg(from, &message, MSG_ZEROCOPY));
    CALL(sendmmsg(from, messages, 2, MSG_ZEROCOPY));
    close_buffers(p);
    unsigned total = 0;
    for (int left = 9 * PAGE; left > 0;) {
        ssize_t n = recv(to, p + 10 * PAGE, PAGE, 0);
        if (n <= 0)
            break;
        for (ssize_t i = 0; i < n; i++)
            total = total * 31 + (unsigned char)p[10 * PAGE + i];
        left -= (int)n;
    }
    tell("\nreceived %u", total);
}

/* ------------------------------------------------------------------------------------------- io_uring */

struct ring {
    int fd;
    unsigned *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
    struct io_uring_sqe *sqes;
    struct io_uring_cqe *cqes;
    unsigned queued;
};

static struct ring new_ring(unsigned flags)
{
    struct ring r = {0};
    struct io_uring_params params = {.flags = flags};
    r.fd = (int)syscall(SYS_io_uring_setup, 16, &params);
    if (r.fd < 0 && (errno == ENOSYS || errno == EPERM))
        exit(SKIPPED);
    size_t bytes = params.sq_off.array + params.sq_entries * sizeof(unsigned);
    size_t cq_bytes = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
    char *sq = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r.fd, IORING_OFF_SQ_RING);
    char *cq = mmap(NULL, cq_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r.fd, IORING_OFF_CQ_RING);
    r.sqes = mmap(NULL, params.sq_entries * sizeof *r.sqes, PROT_READ | PROT_WRITE, MAP_SHARED, r.fd, IORING_OFF_SQES);
    r.sq_tail = (unsigned *)(sq + params.sq_off.tail);
    r.sq_mask = (unsigned *)(sq + params.sq_off.ring_mask);
    r.sq_array = (unsigned *)(sq + params.sq_off.array);
    r.cq_head = (unsigned *)(cq + params.cq_off.head);
    r.cq_tail = (unsigned *)(cq + params.cq_off.tail);
    r.cq_mask = (unsigned *)(cq + params.cq_off.ring_mask);
    r.cqes = (struct io_uring_cqe *)(cq + params.cq_off.cqes);
    return r;
}

static struct io_uring_sqe *queue(struct ring *r, int opcode, int fd, const void *addr, unsigned len, uint64_t off)
{
    unsigned tail = *r->sq_tail, i = tail & *r->sq_mask;
    struct io_uring_sqe *sqe = &r->sqes[i];
    memset(sqe, 0, sizeof *sqe);
    sqe->opcode = (uint8_t)opcode;
    sqe->fd = fd;
    sqe->addr = (uint64_t)addr;
    sqe->len = len;
    sqe->off = off;
    sqe->user_data = r->queued++;
    r->sq_array[i] = i;
    __atomic_store_n(r->sq_tail, tail + 1, __ATOMIC_RELEASE);
    return sqe;
}

static void submit(struct ring *r, unsigned count)
{
    CALL(syscall(SYS_io_uring_enter, r->fd, count, 0, 0, NULL, 0));
}

/* Waits for what was queued, and tells the results in order of queueing. */
static void reap_all(struct ring *r)
{
    long results[64] = {0};
    for (unsigned got = 0; got < r->queued; got++) {
        while (__atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE) == *r->cq_head)
            syscall(SYS_io_uring_enter, r->fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0);
        const struct io_uring_cqe *cqe = &r->cqes[*r->cq_head & *r->cq_mask];
        results[cqe->user_data % 64] = cqe->res;
        __atomic_store_n(r->cq_head, *r->cq_head + 1, __ATOMIC_RELEASE);
    }
    for (unsigned i = 0; i < r->queued; i++)
        tell("\nresult %u: %ld", i, results[i]);
    r->queued = 0;
}

/* At once, by a worker, and with memory that is fixed beforehand. */
static void ring_of_files(char *p)
{
    struct ring r = new_ring(0);
    int file = new_file(0);
    struct iovec *two = (struct iovec *)(p + 20 * PAGE);
    two[0] = (struct iovec){p + 4 * PAGE, PAGE};
    two[1] = (struct iovec){p + 6 * PAGE, PAGE};
    close_buffers(p);
    queue(&r, IORING_OP_READ, file, p, 2 * PAGE, 0);
    queue(&r, IORING_OP_READV, file, two, 2, PAGE)->flags = IOSQE_ASYNC;
    queue(&r, IORING_OP_WRITE, file, p + 8 * PAGE, 2 * PAGE, 8 * PAGE)->flags = IOSQE_ASYNC;
    submit(&r, 3);
    reap_all(&r);
    close_buffers(p);
    tell("\nsums %u %u", sum(p, 2 * PAGE), sum(p + 4 * PAGE, 3 * PAGE));
    queue(&r, IORING_OP_READ, file, p + 12 * PAGE, 2 * PAGE, 8 * PAGE)->flags = IOSQE_ASYNC;
    submit(&r, 1);
    reap_all(&r);
    tell("\nwritten %u", sum(p + 12 * PAGE, 2 * PAGE));
    strcpy(p + 16 * PAGE, "/proc/self/exe");
    close_buffers(p);
    queue(&r, IORING_OP_OPENAT, AT_FDCWD, p + 16 * PAGE, 0, 0)->flags = IOSQE_ASYNC;
    queue(&r, IORING_OP_STATX, AT_FDCWD, p + 16 * PAGE, STATX_SIZE, (uint64_t)(p + 18 * PAGE))->flags = IOSQE_ASYNC;
    submit(&r, 2);
    close_buffers(p);
    reap_all(&r);
    tell("\nsize %d", ((struct statx *)(p + 18 * PAGE))->stx_size > 0);
    struct iovec fixed = {p + 24 * PAGE, 2 * PAGE};
    CALL(syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_BUFFERS, &fixed, 1));
    close_buffers(p);
    queue(&r, IORING_OP_READ_FIXED, file, p + 24 * PAGE, 2 * PAGE, 0);
    submit(&r, 1);
    reap_all(&r);
    tell("\nfixed %u", sum(p + 24 * PAGE, 2 * PAGE));
}

/* Requests that wait, and are done when the buffers have been closed by other work. */
static void ring_that_waits(char *p)
{
    struct ring r = new_ring(0);
    int ends[2], sockets[2];
    CALL(pipe(ends));
    CALL(socketpair(AF_UNIX, SOCK_DGRAM, 0, sockets));
    struct iovec *two = (struct iovec *)(p + 20 * PAGE);
    struct msghdr *message = (struct msghdr *)(p + 22 * PAGE);
    struct __kernel_timespec *moment = (struct __kernel_timespec *)(p + 24 * PAGE);
    two[0] = (struct iovec){p + 4 * PAGE, 10};
    two[1] = (struct iovec){p + 6 * PAGE, 10};
    *message = (struct msghdr){.msg_iov = two, .msg_iovlen = 2};
    *moment = (struct __kernel_timespec){.tv_nsec = 1000000};
    close_buffers(p);
    queue(&r, IORING_OP_READ, ends[0], p + 100, 100, (uint64_t)-1);
    queue(&r, IORING_OP_RECVMSG, sockets[0], message, 1, 0);
    queue(&r, IORING_OP_TIMEOUT, -1, moment, 1, 0);
    submit(&r, 3);
    close_buffers(p);
    CALL(write(ends[1], "a pipe", 6));
    CALL(write(sockets[1], "a message in two", 16));
    close_buffers(p);
    reap_all(&r);
    tell("\nread %.6s, received %.10s %.6s", p + 100, p + 4 * PAGE, p + 6 * PAGE);
    queue(&r, IORING_OP_RECV, sockets[0], p + 8 * PAGE, 100, 0);
    queue(&r, IORING_OP_SEND, sockets[1], p + 100, 6, 0)->flags = IOSQE_ASYNC;
    submit(&r, 2);
    close_buffers(p);
    reap_all(&r);
    tell("\nreceived %.6s", p + 8 * PAGE);
    /* Buffers that the kernel chooses from. */
    queue(&r, IORING_OP_PROVIDE_BUFFERS, 4, p + 10 * PAGE, PAGE, 0)->buf_group = 7;
    submit(&r, 1);
    reap_all(&r);
    struct io_uring_sqe *sqe = queue(&r, IORING_OP_RECV, sockets[0], NULL, 100, 0);
    sqe->flags = IOSQE_BUFFER_SELECT;
    sqe->buf_group = 7;
    submit(&r, 1);
    close_buffers(p);
    CALL(write(sockets[1], "chosen", 6));
    reap_all(&r);
    int chosen = 0;
    for (int i = 10; i < 14; i++)
        chosen += !memcmp(p + i * PAGE, "chosen", 6);
    tell("\nchosen %d", chosen);
}

/* Buffers that the program hands out in memory of its own, without a call. */
static void ring_of_buffers(char *p)
{
    struct ring r = new_ring(0);
    int sockets[2];
    CALL(socketpair(AF_UNIX, SOCK_DGRAM, 0, sockets));
    struct io_uring_buf *entries = (struct io_uring_buf *)(p + 2 * PAGE);
    struct { uint64_t address; uint32_t entries; uint16_t group, flags; uint64_t rest[3]; } ring = {(uint64_t)entries, 4, 3, 0, {0}};
    memset(entries, 0, PAGE);
    if (CALL(syscall(SYS_io_uring_register, r.fd, 22 /* IORING_REGISTER_PBUF_RING */, &ring, 1)))
        return; /* Linux before 5.19 */
    for (uint16_t i = 0; i < 4; i++) {
        entries[i].addr = (uint64_t)(p + (8 + 2 * i) * PAGE);
        entries[i].len = 100;
        entries[i].bid = i;
    }
    __atomic_store_n(&entries[0].resv, 4, __ATOMIC_RELEASE); /* the tail */
    for (int i = 0; i < 2; i++) {
        struct io_uring_sqe *sqe = queue(&r, IORING_OP_RECV, sockets[0], NULL, 100, 0);
        sqe->flags = IOSQE_BUFFER_SELECT;
        sqe->buf_group = 3;
    }
    submit(&r, 2);
    close_buffers(p);
    CALL(write(sockets[1], "chosen", 6));
    CALL(write(sockets[1], "another", 7));
    reap_all(&r);
    int chosen = 0;
    for (int i = 8; i < 16; i += 2)
        chosen += !memcmp(p + i * PAGE, "chosen", 6) + !memcmp(p + i * PAGE, "another", 7);
    tell("\nchosen %d", chosen);
}

static struct ring new_ring_or_skip(void)
{
    struct io_uring_params params = {0};
    int fd = (int)syscall(SYS_io_uring_setup, 4, &params);
    if (fd < 0)
        skip();
    close(fd);
    return new_ring(0);
}

static void polled_ring_is_refused(void **state)
{
    (void)state;
    struct io_uring_params params = {0};
    int fd = (int)syscall(SYS_io_uring_setup, 4, &params);
    if (fd < 0)
        skip();
    close(fd);
    vmt_config config = config_for(VMT_SCOPE_RANGES, WINDOW);
    begin(&config);
    params = (struct io_uring_params){.flags = IORING_SETUP_SQPOLL, .sq_thread_idle = 1};
    long polled = syscall(SYS_io_uring_setup, 4, &params);
    int error = errno;
    params = (struct io_uring_params){0};
    fd = (int)syscall(SYS_io_uring_setup, 4, &params);
    vmt_report *report = end();
    assert_int_equal(polled, -1);
    assert_int_equal(error, EPERM);
    assert_true(fd >= 0);
    assert_int_equal(vmt_report_refused_calls(report), 1);
    close(fd);
    vmt_report_free(report);
}

/* What is left open, from the submission on, is touched once, and counted. */
static void pages_left_open_are_counted(void **state)
{
    (void)state;
    char *p = aligned_alloc(PAGE, PAGES * PAGE);
    int file = new_file(0);
    close(new_ring_or_skip().fd);
    memset(p, 1, PAGES * PAGE);
    assert_int_equal(vmt_track(p, PAGES * PAGE, "buffers"), 0);
    vmt_config config = config_for(VMT_SCOPE_RANGES, WINDOW);
    begin(&config);
    told->used = 0;
    struct ring r = new_ring(0);
    queue(&r, IORING_OP_READ, file, p, 3 * PAGE, 0);
    submit(&r, 1);
    reap_all(&r);
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 13; i++)
            p[i * PAGE]++;
    vmt_report *report = end();
    assert_int_equal(vmt_report_left_open(report), 3);
    assert_int_equal(vmt_report_footprint(report), 13);
    assert_int_equal(vmt_report_touches(report), 3 + 3 * 10);
    vmt_report_free(report);
    vmt_untrack(p, PAGES * PAGE);
    free(p);
    close(file);
    close(r.fd);
}

/* A region that begins when a ring and its workers are there. */
static void ring_from_before_is_not_followed(void **state)
{
    (void)state;
    struct ring r = new_ring_or_skip();
    int file = new_file(0);
    char *p = aligned_alloc(PAGE, 4 * PAGE);
    told->used = 0;
    queue(&r, IORING_OP_READ, file, p, PAGE, 0)->flags = IOSQE_ASYNC;
    submit(&r, 1);
    reap_all(&r);
    vmt_config config = config_for(VMT_SCOPE_RANGES, WINDOW);
    begin(&config);
    queue(&r, IORING_OP_NOP, -1, NULL, 0, 0);
    submit(&r, 1);
    reap_all(&r);
    vmt_report *report = end();
    assert_int_equal(vmt_report_left_open(report), 0);
    vmt_report_free(report);
    free(p);
    close(file);
    close(r.fd);
}

int main(void)
{
    make_told();
    const struct CMUnitTest tests[] = {
        CASE(aio_direct, 0),
        CASE(aio_buffered, 0),
        CASE(splice_pages, 0),
        CASE(send_without_copy, 0),
        CASE(ring_of_files, 0),
        CASE(ring_that_waits, 0),
        CASE(ring_of_buffers, 0),
        cmocka_unit_test(polled_ring_is_refused),
        cmocka_unit_test(pages_left_open_are_counted),
        cmocka_unit_test(ring_from_before_is_not_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
