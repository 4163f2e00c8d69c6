/* SPDX-License-Identifier: MIT */
/*
 * A signal that is ignored, by SIG_IGN or by default, is not there: a call that blocks meanwhile goes on to its
 * timeout. Under ptrace each such signal stops the thread, and what the call then returns is the tracer's care.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "behave.h"

/* Sends a signal when the program sleeps: SIGCHLD by ending. */
static pid_t start_sender(int signal)
{
    pid_t parent = getpid(), child = fork();
    if (child != 0)
        return child;
    until_asleep(parent, parent);
    if (signal != SIGCHLD) {
        kill(parent, signal);
        sleep_ms(250);
    }
    _exit(3);
}

#define TRY(name, call)                                                              \
    do {                                                                             \
        pid_t sender = start_sender(signal);                                         \
        errno = 0;                                                                   \
        long value = (call);                                                         \
        result(name, value);                                                         \
        waitpid(sender, NULL, 0);                                                    \
    } while (0)

static int try_all(int signal)
{
    struct epoll_event event;
    struct timespec time = {0, 200000000}, until;
    struct timeval timeout = {0, 200000};
    sigset_t set;
    char byte;
    int sockets[2], epoll = epoll_create1(0), semaphores = semget(IPC_PRIVATE, 1, 0600);
    struct sembuf down = {0, -1, 0};
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) < 0)
        return 1;
    setsockopt(sockets[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    struct pollfd fd = {sockets[0], POLLIN, 0};
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    TRY("epoll_wait", epoll_wait(epoll, &event, 1, 200));
    TRY("sigtimedwait", sigtimedwait(&set, NULL, &time));
    TRY("semtimedop", semtimedop(semaphores, &down, 1, &time));
    semctl(semaphores, 0, IPC_RMID);
    TRY("recv", recv(sockets[0], &byte, 1, 0));
    TRY("read", read(sockets[0], &byte, 1));
    TRY("poll", poll(&fd, 1, 200));
    TRY("ppoll", ppoll(&fd, 1, &time, NULL));
    struct timeval wait = timeout;
    TRY("select", select(0, NULL, NULL, NULL, &wait));
    TRY("nanosleep", nanosleep(&time, NULL));
    sem_t *semaphore = new_memory(PAGE);
    sem_init(semaphore, 0, 0);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 200000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    TRY("sem_timedwait", sem_timedwait(semaphore, &until));
    return 0;
}

static int by_default(void)
{
    touch_heap();
    return try_all(SIGCHLD);
}

static int by_default_window(void)
{
    touch_heap();
    return try_all(SIGWINCH);
}

static int ignored(void)
{
    touch_heap();
    signal(SIGUSR1, SIG_IGN);
    return try_all(SIGUSR1);
}

static int continued(void)
{
    touch_heap();
    return try_all(SIGCONT);
}

BEHAVIOURS({"by_default", by_default}, {"by_default_window", by_default_window}, {"ignored", ignored},
           {"continued", continued})
