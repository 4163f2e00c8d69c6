/* SPDX-License-Identifier: MIT */
/*
 * Work of the kernel's that goes on when its call has returned: io_uring, AIO, vmsplice and sends without a copy,
 * natively and in a region whose small window has closed the buffers again before the kernel comes to them.
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
    static char text[16 * PAGE + 1];
    snprintf(name, sizeof name, "%s/vmt-outliving-XXXXXX", folder ? folder : "/tmp");
    int file = mkstemp(name), direct = open(name, O_RDWR | flags);
    for (int i = 0; i < 16 * PAGE; i += 16)
        snprintf(text + i, 17, "%015d\n", i);
    if (write(file, text, 16 * PAGE) != 16 * PAGE)
        exit(SKIPPED);
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
    tell("\nresults %ld %ld %ld, sums %u %u", results[1], results[2], results[3], sum(p, 2 * PAGE),
         sum(p + 4 * PAGE, 3 * PAGE));
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
    struct { /* struct io_uring_buf */
        uint64_t addr;
        uint32_t len;
        uint16_t bid, resv;
    } *entries = (void *)(p + 2 * PAGE);
    struct {
        uint64_t address;
        uint32_t entries;
        uint16_t group, flags;
        uint64_t rest[3];
    } ring = {(uint64_t)entries, 4, 3, 0, {0}};
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

/* What headers of Linux 5.10 do not have; a kernel that does not have it says so natively as well. */
enum {
    OP_LINKAT = 39,
    OP_FSETXATTR = 41,
    OP_SETXATTR,
    OP_FGETXATTR,
    OP_GETXATTR,
    OP_URING_CMD = 46,
    OP_WAITID = 50,
    OP_FUTEX_WAIT,
    OP_FUTEX_WAKE,
    OP_FUTEX_WAITV,
    OP_BIND = 56,
    OP_EPOLL_WAIT = 59,
    OP_READV_FIXED,
    OP_PIPE = 62,
    OP_OF_NO_KERNEL = 200,
    SETUP_SQE128 = 1 << 10,
    SETUP_NO_MMAP = 1 << 14,
    ENTER_REGISTERED_RING = 1 << 4,
    REGISTER_RING_FDS = 20,
};

/* One request, whose memory is closed when it is submitted, and closed again before its result is waited for. */
static void do_one(struct ring *r, char *p)
{
    close_buffers(p);
    submit(r, 1);
    close_buffers(p);
    reap_all(r);
}

/* Names, and what goes with them. */
static void ring_of_names(char *p)
{
    struct ring r = new_ring(0);
    const char *parent = getenv("TMPDIR");
    char folder[1024], *one = p, *two = p + 2 * PAGE, *three = p + 4 * PAGE, *path = p + 12 * PAGE;
    struct {
        uint64_t flags, mode, resolve;
    } *how = (void *)(p + 6 * PAGE); /* struct open_how */
    char *attribute = p + 8 * PAGE, *value = p + 10 * PAGE, *got = p + 14 * PAGE;
    snprintf(folder, sizeof folder, "%s/vmt-names-XXXXXX", parent ? parent : "/tmp");
    int dir = open(mkdtemp(folder) ? folder : "/nowhere", O_RDONLY | O_DIRECTORY);
    strcpy(one, "one");
    strcpy(two, "two");
    strcpy(three, "three");
    strcat(strcpy(path, folder), "/one");
    strcpy(attribute, "user.vmt");
    strcpy(value, "value");
    how->flags = O_RDWR | O_CREAT;
    how->mode = 0600;
    how->resolve = 0;
    queue(&r, IORING_OP_OPENAT2, dir, one, sizeof *how, (uint64_t)how)->flags = IOSQE_ASYNC;
    do_one(&r, p);
    int file = openat(dir, "one", O_RDWR);
    tell("\nopened %d", file >= 0);
    queue(&r, OP_LINKAT, dir, one, (unsigned)dir, (uint64_t)two)->flags = IOSQE_ASYNC;
    do_one(&r, p);
    queue(&r, IORING_OP_RENAMEAT, dir, two, (unsigned)dir, (uint64_t)three);
    do_one(&r, p);
    tell("\nrenamed %d", faccessat(dir, "three", F_OK, 0));
    queue(&r, OP_FSETXATTR, file, attribute, 5, (uint64_t)value)->flags = IOSQE_ASYNC;
    do_one(&r, p);
    struct io_uring_sqe *sqe = queue(&r, OP_GETXATTR, 0, attribute, 100, (uint64_t)got);
    memcpy((char *)sqe + 48, &path, sizeof path); /* addr3 */
    do_one(&r, p);
    tell("\nattribute %.5s", got);
    strcpy(value, "other");
    sqe = queue(&r, OP_SETXATTR, 0, attribute, 5, (uint64_t)value);
    memcpy((char *)sqe + 48, &path, sizeof path);
    do_one(&r, p);
    queue(&r, OP_FGETXATTR, file, attribute, 100, (uint64_t)(got + PAGE));
    do_one(&r, p);
    tell("\nattribute %.5s", got + PAGE);
    queue(&r, IORING_OP_UNLINKAT, dir, three, 0, 0)->flags = IOSQE_ASYNC;
    do_one(&r, p);
    CALL(unlinkat(dir, "one", 0));
    CALL(rmdir(folder));
}

static void ring_of_sockets(char *p)
{
    struct ring r = new_ring(0);
    struct sockaddr_in *address = (struct sockaddr_in *)p, *peer = (struct sockaddr_in *)(p + 2 * PAGE);
    socklen_t *peer_length = (socklen_t *)(p + 4 * PAGE), length = sizeof *address;
    int listening = socket(AF_INET, SOCK_STREAM, 0), from = socket(AF_INET, SOCK_STREAM, 0);
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    queue(&r, OP_BIND, listening, address, 0, sizeof *address);
    do_one(&r, p);
    if (listen(listening, 1) || getsockname(listening, (void *)address, &length))
        exit(SKIPPED);
    *peer_length = sizeof *peer;
    close_buffers(p);
    queue(&r, IORING_OP_ACCEPT, listening, peer, 0, (uint64_t)peer_length);
    queue(&r, IORING_OP_CONNECT, from, address, 0, sizeof *address)->flags = IOSQE_ASYNC;
    submit(&r, 2);
    close_buffers(p);
    reap_all(&r);
    tell("\npeer %d of %u bytes", peer->sin_family, *peer_length);
    struct iovec *two = (struct iovec *)(p + 6 * PAGE);
    struct msghdr *message = (struct msghdr *)(p + 8 * PAGE);
    two[0] = (struct iovec){p + 10 * PAGE, 100};
    two[1] = (struct iovec){p + 12 * PAGE, 50};
    *message = (struct msghdr){.msg_iov = two, .msg_iovlen = 2};
    queue(&r, IORING_OP_SENDMSG, from, message, 1, 0)->flags = IOSQE_ASYNC;
    do_one(&r, p);
    struct {
        uint32_t events;
        uint64_t data;
    } __attribute__((packed)) *event = (void *)(p + 14 * PAGE), *ready = (void *)(p + 16 * PAGE);
    int epoll = (int)syscall(SYS_epoll_create1, 0);
    event->events = POLLOUT;
    event->data = 4711;
    queue(&r, IORING_OP_EPOLL_CTL, epoll, event, 1 /* EPOLL_CTL_ADD */, (uint64_t)from)->flags = IOSQE_ASYNC;
    do_one(&r, p);
    queue(&r, OP_EPOLL_WAIT, epoll, ready, 2, 0);
    do_one(&r, p);
    tell("\nready %d", ready->data == 4711);
    queue(&r, OP_PIPE, 0, p + 18 * PAGE, 0, 0);
    do_one(&r, p);
}

/* Requests that wait for a time, a word or a process. */
static void ring_of_waits(char *p)
{
    enum { SIZE_U32 = 2, PRIVATE = 128, TIMEOUT_UPDATE = 2 };
    struct ring r = new_ring(0);
    struct __kernel_timespec *longer = (struct __kernel_timespec *)p,
                             *shorter = (struct __kernel_timespec *)(p + 2 * PAGE);
    *longer = (struct __kernel_timespec){.tv_sec = 1000};
    *shorter = (struct __kernel_timespec){.tv_nsec = 1000000};
    close_buffers(p);
    queue(&r, IORING_OP_TIMEOUT, -1, longer, 1, 0);
    submit(&r, 1);
    close_buffers(p);
    queue(&r, IORING_OP_TIMEOUT_REMOVE, -1, NULL, 0, (uint64_t)shorter)->timeout_flags =
        TIMEOUT_UPDATE; /* of user_data 0 */
    submit(&r, 1);
    close_buffers(p);
    reap_all(&r);

    uint32_t *word = (uint32_t *)(p + 4 * PAGE), *other = (uint32_t *)(p + 6 * PAGE);
    struct {
        uint64_t value, address;
        uint32_t flags, rest;
    } *waiter = (void *)(p + 8 * PAGE); /* struct futex_waitv */
    uint64_t any = UINT32_MAX;
    *word = *other = 7;
    for (int i = 0; i < 2; i++) {
        waiter[i].value = 7;
        waiter[i].address = (uint64_t)(i ? other : word);
        waiter[i].flags = SIZE_U32 | PRIVATE;
        waiter[i].rest = 0;
    }
    close_buffers(p);
    memcpy((char *)queue(&r, OP_FUTEX_WAIT, SIZE_U32 | PRIVATE, word, 0, 7) + 48, &any, sizeof any);
    queue(&r, OP_FUTEX_WAITV, 0, waiter, 2, 0);
    submit(&r, 2);
    close_buffers(p);
    memcpy((char *)queue(&r, OP_FUTEX_WAKE, SIZE_U32 | PRIVATE, word, 0, 2) + 48, &any, sizeof any);
    submit(&r, 1);
    close_buffers(p);
    reap_all(&r);

    siginfo_t *info = (siginfo_t *)(p + 10 * PAGE);
    pid_t child = fork();
    if (!child)
        _exit(5);
    struct io_uring_sqe *sqe = queue(&r, OP_WAITID, child, NULL, P_PID, (uint64_t)info);
    sqe->splice_fd_in = WEXITED; /* file_index */
    do_one(&r, p);
    tell("\nstatus %d", info->si_pid == child ? info->si_status : -1);
    waitpid(child, NULL, 0);

    int32_t none[2] = {-1, -1}, *slots = (int32_t *)(p + 12 * PAGE);
    CALL(syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_FILES, none, 2));
    slots[0] = slots[1] = STDERR_FILENO;
    queue(&r, IORING_OP_FILES_UPDATE, -1, slots, 2, 0)->flags = IOSQE_ASYNC;
    do_one(&r, p);
    struct iovec fixed = {p + 20 * PAGE, 2 * PAGE}, *in_it = (struct iovec *)(p + 14 * PAGE);
    CALL(syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_BUFFERS, &fixed, 1));
    *in_it = fixed;
    queue(&r, OP_READV_FIXED, new_file(0), in_it, 1, 0);
    do_one(&r, p);
    tell("\nread %u", sum(fixed.iov_base, fixed.iov_len));
    queue(&r, IORING_OP_MADVISE, -1, p + 16 * PAGE, 2 * PAGE, 0)->fadvise_advice = MADV_DONTNEED;
    do_one(&r, p);
    tell("\nempty %d %d", p[16 * PAGE], p[18 * PAGE - 1]);
}

/* A ring that lies in the program's own memory, with large entries (Linux 6.5). */
static void ring_in_own_memory(char *p)
{
    enum { ENTRIES = 4, LARGE = 128 };
    struct io_uring_params params = {.flags = SETUP_NO_MMAP | SETUP_SQE128};
    int file = new_file(0);
    char *ring = p, *sqes = p + PAGE;
    memset(p, 0, 2 * PAGE);
    memcpy((char *)&params + 72, &sqes, sizeof sqes);  /* sq_off.user_addr */
    memcpy((char *)&params + 112, &ring, sizeof ring); /* cq_off.user_addr */
    int fd = (int)CALL(syscall(SYS_io_uring_setup, ENTRIES, &params));
    if (fd < 0)
        return;
    for (unsigned i = 0; i < 2; i++) {
        struct io_uring_sqe *sqe = (struct io_uring_sqe *)(sqes + i * LARGE);
        memset(sqe, 0, LARGE);
        sqe->opcode = IORING_OP_READ;
        sqe->fd = file;
        sqe->addr = (uint64_t)(p + (4 + 2 * i) * PAGE);
        sqe->len = PAGE;
        sqe->off = i * PAGE;
        ((unsigned *)(ring + params.sq_off.array))[i] = i;
    }
    close_buffers(p);
    __atomic_store_n((unsigned *)(ring + params.sq_off.tail), 2, __ATOMIC_RELEASE);
    CALL(syscall(SYS_io_uring_enter, fd, 2, 2, IORING_ENTER_GETEVENTS, NULL, 0));
    tell("\ndone %u, sums %u %u", *(unsigned *)(ring + params.cq_off.tail), sum(p + 4 * PAGE, PAGE),
         sum(p + 6 * PAGE, PAGE));
}

/* A ring that io_uring_enter is given by its number in a table of the thread's (Linux 5.18). */
static void ring_by_number(char *p)
{
    struct ring r = new_ring(0), another = new_ring(0);
    struct {
        uint32_t offset, rest;
        uint64_t data;
    } update = {UINT32_MAX, 0, (uint64_t)r.fd};
    if (CALL(syscall(SYS_io_uring_register, r.fd, REGISTER_RING_FDS, &update, 1)) != 1)
        return;
    close_buffers(p);
    queue(&r, IORING_OP_READ, new_file(0), p, 2 * PAGE, 0);
    CALL(syscall(SYS_io_uring_enter, update.offset, 1, 1, IORING_ENTER_GETEVENTS | ENTER_REGISTERED_RING, NULL, 0));
    close_buffers(p);
    reap_all(&r);
    tell("\nread %u", sum(p, 2 * PAGE));
    close(another.fd);
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

static void submit_unknown(int operation)
{
    vmt_config config = config_for(VMT_SCOPE_RANGES, WINDOW);
    begin(&config);
    told->used = 0;
    struct ring r = new_ring(0);
    queue(&r, operation, STDIN_FILENO, NULL, 0, 0);
    submit(&r, 1);
    queue(&r, IORING_OP_NOP, -1, NULL, 0, 0);
    submit(&r, 1);
    vmt_report_free(end());
}

/* Nothing can be opened for an operation that is not known, or that means something else for each descriptor. */
static void unknown_operations_are_told(void **state)
{
    static const struct {
        int operation;
        const char *command;
    } unknown[] = {{OP_URING_CMD, "io_uring_enter with command 0x2e"},
                   {OP_OF_NO_KERNEL, "io_uring_enter with command 0xc8"}};
    (void)state;
    close(new_ring_or_skip().fd);
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        char text[1024] = "";
        size_t used = 0;
        int ends[2], status;
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork(); /* it is said once a process */
        assert_true(child >= 0);
        if (!child) {
            dup2(ends[1], STDERR_FILENO);
            submit_unknown(unknown[i].operation);
            _exit(0);
        }
        close(ends[1]);
        for (ssize_t n; used < sizeof text - 1 && (n = read(ends[0], text + used, sizeof text - 1 - used)) > 0;)
            used += (size_t)n;
        close(ends[0]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        if (!strstr(text, "1 system call is not in the table") || !strstr(text, unknown[i].command))
            fail_msg("says: %s", text);
    }
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
        CASE(ring_of_names, 0),
        CASE(ring_of_sockets, 0),
        CASE(ring_of_waits, 0),
        CASE(ring_in_own_memory, 0),
        CASE(ring_by_number, 0),
        cmocka_unit_test(polled_ring_is_refused),
        cmocka_unit_test(pages_left_open_are_counted),
        cmocka_unit_test(unknown_operations_are_told), /* before one of whose unknown calls this process is told */
        cmocka_unit_test(ring_from_before_is_not_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
