/* SPDX-License-Identifier: MIT */
/* Pipes, sockets, queues, and waiting for them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "soak.h"

static void close_both(const int *fds)
{
    CHECK_IS(close(fds[0]), 0);
    CHECK_IS(close(fds[1]), 0);
}

static void pipes(void)
{
    int fds[2];
    CHECK_IS(pipe2(fds, O_CLOEXEC | (one_in(2) ? O_NONBLOCK : 0)), 0);
    size_t bytes = between(1, 60000);
    unsigned char *out = get(bytes), *in = get(bytes + 1);
    fill(out, bytes, 5);
    in[bytes] = 0xab;
    size_t n = between(1, 12), at = 0;
    struct iovec *parts = get(n * sizeof *parts);
    for (size_t i = 0; i < n; i++) {
        size_t part = i + 1 == n ? bytes - at : below(bytes - at + 1);
        parts[i] = (struct iovec){out + at, part};
        at += part;
    }
    CHECK_IS(writev(fds[1], parts, (int)n), bytes);
    int waiting;
    CHECK_IS(ioctl(fds[0], FIONREAD, &waiting), 0);
    CHECK_IS(waiting, bytes);
    for (at = 0; at < bytes;) {
        size_t part = between(1, bytes - at);
        if (one_in(2)) {
            struct iovec two[2] = {{in + at, part / 2}, {in + at + part / 2, part - part / 2}};
            CHECK_IS(readv(fds[0], two, 2), part);
        } else
            CHECK_IS(read(fds[0], in + at, part), part);
        at += part;
    }
    CHECK(filled(in, bytes, 5));
    CHECK_IS(in[bytes], 0xab);
    mix(bytes);
    free(parts);
    free(out);
    free(in);
    close_both(fds);
}

/* A message with parts, a descriptor and more room than it needs. */
static void messages(void)
{
    static const int kinds[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    int kind = kinds[below(3)], fds[2], passed[2];
    CHECK_IS(socketpair(AF_UNIX, kind | SOCK_CLOEXEC, 0, fds), 0);
    CHECK_IS(pipe2(passed, O_CLOEXEC), 0);
    size_t bytes = between(1, 20000), shorter = bytes / 2;
    unsigned char *out = get(bytes), *in = calloc(1, bytes + 100);
    fill(out, bytes, 7);
    struct iovec *parts = get(2 * sizeof *parts);
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(2 * sizeof(int))];
    } *control = calloc(1, sizeof *control);
    struct msghdr *message = calloc(1, sizeof *message);
    parts[0] = (struct iovec){out, bytes / 4};
    parts[1] = (struct iovec){out + bytes / 4, bytes - bytes / 4};
    *message = (struct msghdr){
        .msg_iov = parts, .msg_iovlen = 2, .msg_control = control, .msg_controllen = CMSG_SPACE(sizeof(int))};
    control->header = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(&control->header), &passed[1], sizeof(int));
    CHECK_IS(sendmsg(fds[0], message, 0), bytes);
    if (one_in(2))
        CHECK_IS(recv(fds[1], in, 1, MSG_PEEK), 1);
    bool truncated = kind != SOCK_STREAM && one_in(3) && bytes > 1;
    memset(control, 0, sizeof *control);
    parts[0] = (struct iovec){in, truncated ? shorter : bytes};
    parts[1] = (struct iovec){in + bytes, truncated ? 0 : 100};
    message->msg_controllen = sizeof control->room;
    CHECK_IS(recvmsg(fds[1], message, MSG_CMSG_CLOEXEC), truncated ? shorter : bytes);
    CHECK_IS(message->msg_flags & MSG_TRUNC, truncated ? MSG_TRUNC : 0);
    CHECK(filled(in, (truncated ? shorter : bytes) / 8 * 8, 7));
    CHECK_IS(in[bytes], 0);
    CHECK_IS(control->header.cmsg_type, SCM_RIGHTS);
    CHECK_IS(control->header.cmsg_len, CMSG_LEN(sizeof(int)));
    int fd;
    memcpy(&fd, CMSG_DATA(&control->header), sizeof fd);
    CHECK_IS(write(fd, "through", 7), 7);
    CHECK_IS(read(passed[0], in, 100), 7);
    CHECK_IS(memcmp(in, "through", 7), 0);
    close(fd);
    mix(bytes * 2 + truncated);
    free(out);
    free(in);
    free(parts);
    free(control);
    free(message);
    close_both(passed);
    close_both(fds);
}

static void many_messages(void)
{
    int fds[2];
    CHECK_IS(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
    unsigned n = (unsigned)between(1, 8);
    struct mmsghdr *messages = calloc(n, sizeof *messages);
    struct iovec *parts = calloc(n, sizeof *parts);
    for (unsigned i = 0; i < n; i++) {
        size_t bytes = between(1, 3000);
        parts[i] = (struct iovec){get(bytes), bytes};
        fill(parts[i].iov_base, bytes, i);
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
    }
    CHECK_IS(sendmmsg(fds[0], messages, n, 0), n);
    for (unsigned i = 0; i < n; i++) {
        CHECK_IS(messages[i].msg_len, parts[i].iov_len);
        memset(parts[i].iov_base, 0, parts[i].iov_len);
        messages[i].msg_len = 0;
    }
    CHECK_IS(UNINTERRUPTED(recvmmsg(fds[1], messages, n, 0, NULL)), n);
    for (unsigned i = 0; i < n; i++) {
        CHECK_IS(messages[i].msg_len, parts[i].iov_len);
        CHECK(filled(parts[i].iov_base, parts[i].iov_len, i));
        mix(messages[i].msg_len);
        free(parts[i].iov_base);
    }
    CHECK_FAILS(recv(fds[1], parts, 1, MSG_DONTWAIT), EAGAIN);
    free(messages);
    free(parts);
    close_both(fds);
}

static void *answer(void *argument)
{
    int listening = *(int *)argument;
    struct sockaddr_un *peer = get(sizeof *peer);
    socklen_t *room = get(sizeof *room);
    *room = sizeof *peer;
    int fd = accept4(listening, (struct sockaddr *)peer, room, SOCK_CLOEXEC);
    CHECK(fd >= 0);
    free(peer);
    free(room);
    size_t total = 0;
    unsigned char *buffer = get(7000);
    for (ssize_t n; (n = recv(fd, buffer, 7000, 0)) > 0; total += (size_t)n)
        for (ssize_t at = 0; at < n;) {
            ssize_t sent = send(fd, buffer + at, (size_t)(n - at), MSG_NOSIGNAL);
            CHECK(sent > 0);
            at += sent;
        }
    mix(total);
    free(buffer);
    close(fd);
    return NULL;
}

static void server(void)
{
    int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un *address = calloc(1, sizeof *address);
    address->sun_family = AF_UNIX;
    snprintf(address->sun_path, sizeof address->sun_path, "%.100s", in_folder("socket"));
    CHECK_IS(bind(listening, (struct sockaddr *)address, sizeof *address), 0);
    CHECK_IS(listen(listening, 3), 0);
    struct soak_helper helper;
    start_helper(&helper, answer, &listening, NULL);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_IS(connect(fd, (struct sockaddr *)address, sizeof *address), 0);
    size_t bytes = between(1, 30000);
    unsigned char *out = get(bytes), *in = calloc(1, bytes);
    fill(out, bytes, 9);
    CHECK_IS(send(fd, out, bytes, 0), bytes);
    size_t got = 0; /* less than all only where a signal comes */
    do {
        ssize_t n = recv(fd, in + got, bytes - got, MSG_WAITALL);
        CHECK(n > 0);
        got += (size_t)n;
    } while (soak_retry_eintr && got < bytes);
    CHECK_IS(got, bytes);
    CHECK(filled(in, bytes, 9));
    CHECK_IS(shutdown(fd, SHUT_WR), 0);
    CHECK_IS(recv(fd, in, bytes, 0), 0);
    join_helper(&helper);
    socklen_t *length = get(sizeof *length);
    *length = sizeof *address;
    CHECK_IS(getsockname(listening, (struct sockaddr *)address, length), 0);
    CHECK(strcmp(address->sun_path, in_folder("socket")) == 0);
    int *kind = get(sizeof *kind);
    *length = sizeof *kind;
    CHECK_IS(getsockopt(fd, SOL_SOCKET, SO_TYPE, kind, length), 0);
    CHECK_IS(*kind, SOCK_STREAM);
    CHECK_IS(unlink(address->sun_path), 0);
    free(length);
    free(kind);
    free(address);
    free(out);
    free(in);
    close(fd);
    close(listening);
}

static void timeouts(void)
{
    int fds[2];
    CHECK_IS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    struct timeval soon = {0, 3000};
    CHECK_IS(setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon), 0);
    char byte;
    errno = 0;
    CHECK_IS(UNINTERRUPTED(recv(fds[0], &byte, 1, 0)), -1);
    CHECK_IS(errno, EAGAIN);
    CHECK_IS(shutdown(fds[1], SHUT_RDWR), 0); /* a child of another thread may have it open */
    close(fds[1]);
    CHECK_IS(recv(fds[0], &byte, 1, 0), 0);
    CHECK_FAILS(send(fds[0], &byte, 1, MSG_NOSIGNAL), EPIPE);
    close(fds[0]);
}

/* Counters and timers that become ready, found by each kind of waiting. */
static void ready(void)
{
    unsigned n = (unsigned)between(1, 10), wanted = (unsigned)below(n);
    int *fds = get(n * sizeof *fds);
    for (unsigned i = 0; i < n; i++) {
        fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | (i % 2 ? EFD_SEMAPHORE : 0));
        CHECK(fds[i] >= 0);
    }
    uint64_t *value = get(sizeof *value);
    *value = 3;
    CHECK_IS(write(fds[wanted], value, 8), 8);
    switch (below(5)) {
    case 0: {
        struct pollfd *polls = calloc(n, sizeof *polls);
        for (unsigned i = 0; i < n; i++)
            polls[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
        CHECK_IS(poll(polls, n, -1), 1);
        for (unsigned i = 0; i < n; i++)
            CHECK_IS(polls[i].revents, i == wanted ? POLLIN : 0);
        free(polls);
        break;
    }
    case 1: {
        struct pollfd *polls = calloc(n, sizeof *polls);
        struct timespec *timeout = calloc(1, sizeof *timeout);
        for (unsigned i = 0; i < n; i++)
            polls[i] = (struct pollfd){.fd = fds[i], .events = POLLIN | POLLOUT};
        CHECK_IS(ppoll(polls, n, timeout, NULL), n);
        free(polls);
        free(timeout);
        break;
    }
    case 2: {
        fd_set *set = calloc(1, sizeof *set);
        struct timeval *timeout = calloc(1, sizeof *timeout);
        timeout->tv_sec = 9;
        int top = 0;
        for (unsigned i = 0; i < n; i++) {
            FD_SET(fds[i], set);
            top = fds[i] > top ? fds[i] : top;
        }
        CHECK_IS(select(top + 1, set, NULL, NULL, timeout), 1);
        for (unsigned i = 0; i < n; i++)
            CHECK_IS(!!FD_ISSET(fds[i], set), i == wanted);
        CHECK(timeout->tv_sec <= 9);
        free(set);
        free(timeout);
        break;
    }
    default: {
        int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        struct epoll_event *events = calloc(n, sizeof *events);
        for (unsigned i = 0; i < n; i++) {
            events->events = EPOLLIN | (one_in(2) ? EPOLLET : 0);
            events->data.u64 = i * 1000000007ull;
            CHECK_IS(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fds[i], events), 0);
        }
        CHECK_IS(UNINTERRUPTED(epoll_wait(epoll_fd, events, (int)n, -1)), 1);
        CHECK_IS(events->data.u64, wanted * 1000000007ull);
        CHECK_FAILS(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fds[0], events), EEXIST);
        CHECK_IS(epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fds[wanted], NULL), 0);
        CHECK_IS(UNINTERRUPTED(epoll_wait(epoll_fd, events, (int)n, (int)below(3))), 0);
        free(events);
        close(epoll_fd);
    }
    }
    CHECK_IS(read(fds[wanted], value, 8), 8);
    CHECK_IS(*value, wanted % 2 ? 1 : 3);
    mix(wanted);
    for (unsigned i = 0; i < n; i++)
        close(fds[i]);
    free(value);
    free(fds);
}

static void timer(void)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    CHECK(fd >= 0);
    struct itimerspec *when = calloc(1, sizeof *when), *old = calloc(1, sizeof *old);
    when->it_value.tv_nsec = (long)between(1, 3000000);
    CHECK_IS(timerfd_settime(fd, 0, when, old), 0);
    CHECK_IS(old->it_value.tv_nsec, 0);
    uint64_t *count = get(8);
    CHECK_IS(read(fd, count, 8), 8);
    CHECK_IS(*count, 1);
    CHECK_IS(timerfd_gettime(fd, old), 0);
    CHECK_IS(old->it_value.tv_nsec, 0);
    free(when);
    free(old);
    free(count);
    close(fd);
}

static void *fill_pipe(void *argument)
{
    int *fds = argument;
    unsigned char *buffer = get(30000);
    fill(buffer, 30000, 3);
    for (int i = 0; i < 6; i++)
        for (size_t at = 0; at < 30000;) {
            size_t n = between(1, 30000 - at);
            ssize_t done = write(fds[1], buffer + at, n);
            CHECK(done > 0);
            at += (size_t)done;
        }
    free(buffer);
    return NULL;
}

/* More than a pipe holds: the writer blocks in the middle of its buffer. */
static void through_pipe(void)
{
    int fds[2];
    CHECK_IS(one_in(2) ? pipe2(fds, O_CLOEXEC) : socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    struct soak_helper helper;
    start_helper(&helper, fill_pipe, fds, NULL);
    unsigned char *buffer = get(30000);
    for (int i = 0; i < 6; i++) {
        for (size_t at = 0; at < 30000;) {
            size_t n = between(1, 30000 - at);
            ssize_t got = read(fds[0], buffer + at, n);
            CHECK(got > 0);
            at += (size_t)got;
        }
        CHECK(filled(buffer, 30000, 3));
    }
    free(buffer);
    join_helper(&helper);
    close_both(fds);
}

static void queues(void)
{
    int id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
    CHECK(id >= 0);
    size_t bytes = between(1, 4000);
    struct {
        long type;
        unsigned char text[4000];
    } *message = get(sizeof *message);
    for (long type = 1; type <= 3; type++) {
        message->type = type;
        fill(message->text, bytes, (uint64_t)type);
        CHECK_IS(msgsnd(id, message, bytes, 0), 0);
    }
    CHECK_IS(msgrcv(id, message, 4000, 2, 0), bytes);
    CHECK_IS(message->type, 2);
    CHECK(filled(message->text, bytes, 2));
    CHECK_IS(msgrcv(id, message, 4000, -3, 0), bytes);
    CHECK_IS(message->type, 1);
    struct msqid_ds *info = get(sizeof *info);
    CHECK_IS(msgctl(id, IPC_STAT, info), 0);
    CHECK_IS(info->msg_qnum, 1);
    CHECK_FAILS(msgrcv(id, message, 4000, 9, IPC_NOWAIT), ENOMSG);
    CHECK_IS(msgctl(id, IPC_RMID, NULL), 0);
    free(info);
    free(message);
    int set = semget(IPC_PRIVATE, 3, IPC_CREAT | 0600);
    CHECK(set >= 0);
    struct sembuf *changes = get(2 * sizeof *changes);
    changes[0] = (struct sembuf){0, 2, 0};
    changes[1] = (struct sembuf){2, 5, 0};
    CHECK_IS(semop(set, changes, 2), 0);
    unsigned short *values = get(3 * sizeof *values);
    CHECK_IS(semctl(set, 0, GETALL, values), 0);
    CHECK(values[0] == 2 && values[1] == 0 && values[2] == 5);
    changes[0] = (struct sembuf){1, -1, 0};
    struct timespec soon = {0, 1000000};
    errno = 0;
    CHECK_IS(UNINTERRUPTED(semtimedop(set, changes, 1, &soon)), -1);
    CHECK_IS(errno, EAGAIN);
    CHECK_IS(semctl(set, 0, IPC_RMID), 0);
    free(changes);
    free(values);
}

static void posix_queue(void)
{
    char name[80];
    snprintf(name, sizeof name, "/soak.%d.%u", getpid(), me->index);
    struct mq_attr *attributes = calloc(1, sizeof *attributes);
    attributes->mq_maxmsg = 4;
    attributes->mq_msgsize = 2000;
    mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0600, attributes);
    if (queue == (mqd_t)-1) { /* not in every container */
        free(attributes);
        return;
    }
    CHECK_IS(mq_unlink(name), 0);
    size_t bytes = between(1, 2000);
    unsigned char *text = get(2000);
    fill(text, bytes, 4);
    CHECK_IS(mq_send(queue, (char *)text, bytes, 3), 0);
    CHECK_IS(mq_send(queue, (char *)text, bytes / 2, 8), 0);
    memset(text, 0, 2000);
    unsigned *priority = get(sizeof *priority);
    CHECK_IS(mq_receive(queue, (char *)text, 2000, priority), bytes / 2);
    CHECK_IS(*priority, 8);
    CHECK_IS(mq_receive(queue, (char *)text, 2000, NULL), bytes);
    CHECK(filled(text, bytes, 4));
    CHECK_FAILS(mq_receive(queue, (char *)text, 2000, NULL), EAGAIN);
    CHECK_IS(mq_getattr(queue, attributes), 0);
    CHECK_IS(attributes->mq_msgsize, 2000);
    free(priority);
    free(text);
    free(attributes);
    CHECK_IS(mq_close(queue), 0);
}

static const struct soak_operation operations[] = {
    {"talk.pipes", 12, 0, pipes},
    {"talk.messages", 12, 0, messages},
    {"talk.many-messages", 5, 0, many_messages},
    {"talk.server", 6, 0, server},
    {"talk.timeouts", 4, 0, timeouts},
    {"talk.ready", 12, 0, ready},
    {"talk.timer", 4, 0, timer},
    {"talk.through-pipe", 6, 0, through_pipe},
    {"talk.queues", 5, 0, queues},
    {"talk.posix-queue", 3, 0, posix_queue},
};
const struct soak_group soak_talk = SOAK_GROUP(operations);
