/* SPDX-License-Identifier: MIT */
/*
 * Calls that block while a signal with a handler comes: which are restarted with SA_RESTART, which return EINTR, and
 * what they leave in memory (signal(7)). All structures are in malloc'd memory. The signal is sent when the thread is
 * asleep in the call; what ends the call, if it is restarted, comes after that.
 */
#define _GNU_SOURCE
#include <mqueue.h>
#include <poll.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

#include "behave.h"

static volatile int handled;
static pthread_t blocked;
static pid_t blocked_tid;

static void on_signal(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    handled++;
    char *block = malloc(70000);
    block[60000] = 1;
    free(block);
    touch_heap();
}

static void *interrupt(void *fd)
{
    until_asleep(getpid(), blocked_tid);
    pthread_kill(blocked, SIGUSR1);
    sleep_ms(20);
    if (fd) {
        until_asleep(getpid(), blocked_tid);
        if (write((int)(intptr_t)fd, "x", 1) != 1)
            exit(95);
    }
    return NULL;
}

#define TRY(name, fd, call)                                                          \
    do {                                                                             \
        pthread_t other;                                                             \
        handled = 0;                                                                 \
        pthread_create(&other, NULL, interrupt, (void *)(intptr_t)(fd));             \
        errno = 0;                                                                   \
        long value = (call);                                                         \
        int error = errno;                                                           \
        pthread_join(other, NULL);                                                   \
        errno = error;                                                               \
        result(name, value);                                                         \
        printf("  handled %d\n", handled);                                           \
    } while (0)

static void prepare(int restart)
{
    blocked = pthread_self();
    blocked_tid = getpid();
    touch_heap();
    set_handler(SIGUSR1, on_signal, restart ? SA_RESTART : 0);
}

static void files(int restart)
{
    prepare(restart);
    int ends[2], sockets[2];
    char *buffer = new_memory(3 * PAGE);
    if (pipe(ends) < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets) < 0)
        exit(1);
    /* without SA_RESTART the byte stays in the pipe, and the next call does not block: so it has one of its own */
    TRY("read", restart ? ends[1] : 0, read(ends[0], buffer + 5000, 10));
    struct iovec *vector = new_memory(PAGE);
    vector->iov_base = buffer + PAGE - 6;
    vector->iov_len = 20;
    TRY("readv", restart ? ends[1] : 0, readv(ends[0], vector, 1));
    struct msghdr *message = memset(new_memory(PAGE), 0, PAGE);
    message->msg_iov = vector;
    message->msg_iovlen = 1;
    TRY("recvmsg", restart ? sockets[1] : 0, recvmsg(sockets[0], message, 0));
    int timer = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec when = {{0, 0}, {0, 200000000}};
    timerfd_settime(timer, 0, &when, NULL);
    TRY("timerfd", 0, read(timer, buffer, 8));
    pid_t child = fork();
    if (child == 0) {
        sleep_ms(300);
        _exit(5);
    }
    int *status = new_memory(PAGE);
    TRY("waitpid", 0, waitpid(child, status, 0) == child ? 1 : -1);
    if (restart)
        print_status("child", *status);
    else
        wait_and_print("child", child);
}

static void ipc(int restart)
{
    prepare(restart);
    char *buffer = new_memory(3 * PAGE);
    int semaphores = semget(IPC_PRIVATE, 1, 0600), queue = msgget(IPC_PRIVATE, 0600);
    struct sembuf down = {0, -1, 0};
    TRY("semop", 0, semop(semaphores, &down, 1)); /* never restarted */
    semctl(semaphores, 0, IPC_RMID);
    TRY("msgrcv", 0, msgrcv(queue, buffer, 100, 0, 0));
    msgctl(queue, IPC_RMID, NULL);
    sem_t *semaphore = new_memory(PAGE);
    sem_init(semaphore, 0, 0);
    struct timespec *until = new_memory(PAGE);
    clock_gettime(CLOCK_REALTIME, until);
    until->tv_nsec += 300000000;
    until->tv_sec += until->tv_nsec / 1000000000;
    until->tv_nsec %= 1000000000;
    TRY("sem_timedwait", 0, sem_timedwait(semaphore, until));
}

static void waits(int restart)
{
    prepare(restart);
    int ends[2];
    if (pipe(ends) < 0)
        exit(1);
    struct pollfd *fds = new_memory(PAGE);
    *fds = (struct pollfd){ends[0], POLLIN, 0};
    sigset_t *set = new_memory(PAGE), none;
    sigemptyset(set);
    sigemptyset(&none);
    struct timespec *time = new_memory(PAGE), *rest = memset(new_memory(PAGE), 0, PAGE);
    *time = (struct timespec){0, 300000000};
    TRY("poll", 0, poll(fds, 1, 300));
    TRY("sigsuspend", 0, sigsuspend(set));
    TRY("pause", 0, pause());
    TRY("nanosleep", 0, nanosleep(time, rest));
    printf("  rest %d\n", rest->tv_nsec > 0 && rest->tv_nsec < time->tv_nsec);
    TRY("clock_nanosleep", 0, clock_nanosleep(CLOCK_MONOTONIC, 0, time, rest));
    sigaddset(set, SIGUSR1);
    sigprocmask(SIG_BLOCK, set, NULL);
    TRY("ppoll", 0, ppoll(fds, 1, time, &none));
    TRY("pselect", 0, pselect(0, NULL, NULL, NULL, time, &none));
    int epoll = epoll_create1(0);
    struct epoll_event *events = new_memory(PAGE);
    TRY("epoll_pwait", 0, epoll_pwait(epoll, events, 3, 300, &none));
    siginfo_t *info = new_memory(PAGE);
    TRY("sigtimedwait", 0, sigtimedwait(set, info, time));
    printf("  code %d\n", info->si_code);
    int fd = signalfd(-1, set, 0);
    struct signalfd_siginfo *from = new_memory(PAGE);
    TRY("signalfd", 0, read(fd, from, sizeof *from));
    printf("  signal %u\n", from->ssi_signo);
    sigprocmask(SIG_UNBLOCK, set, NULL);
}

#define BOTH(what)                                                                   \
    static int what##_plain(void) { return what(0), 0; }                             \
    static int what##_restart(void) { return what(1), 0; }
BOTH(files)
BOTH(ipc)
BOTH(waits)

BEHAVIOURS({"files", files_plain}, {"files_restart", files_restart}, {"ipc", ipc_plain}, {"ipc_restart", ipc_restart},
           {"waits", waits_plain}, {"waits_restart", waits_restart})
