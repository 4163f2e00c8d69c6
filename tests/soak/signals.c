/* SPDX-License-Identifier: MIT */
/*
 * Signals. Each thread has real-time signals of its own, and sends standard ones only to itself; all of them are
 * blocked between operations. Their counting handler is set once for the process, and counts by thread.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "soak.h"

static const int counted[] = {SIGUSR1, SIGUSR2, SIGHUP, SIGIO, SIGPWR, SIGSYS, SIGXCPU, SIGSTKFLT};
enum { COUNTED = sizeof counted / sizeof counted[0] };

int own_signal(unsigned n)
{
    return SIGRTMIN + (int)(me->index * SOAK_THREAD_SIGNALS + n);
}

static int send_self(int signal)
{
    return (int)syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), signal);
}

static void count(int signal, siginfo_t *info, void *context)
{
    (void)context;
    int error = errno;
    CHECK_IS(info->si_signo, signal);
    me->hits[signal]++;
    me->order = hash(me->order ^ ((uint64_t)signal << 40) ^ (uint64_t)(info->si_code == SI_QUEUE ? info->si_int : 0));
    for (size_t i = 0; i < SOAK_SCRATCH; i += PAGE)
        me->scratch[i + 100]++;
    errno = error;
}

static void set_handler(int signal, void (*handler)(int, siginfo_t *, void *), int flags, const sigset_t *mask)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
    if (mask)
        action.sa_mask = *mask;
    CHECK_IS(sigaction(signal, &action, NULL), 0);
}

void soak_blocked(sigset_t *set)
{
    sigemptyset(set);
    for (int i = SIGRTMIN; i < SIGRTMIN + SOAK_THREADS * SOAK_THREAD_SIGNALS; i++)
        sigaddset(set, i);
    for (size_t i = 0; i < COUNTED; i++)
        sigaddset(set, counted[i]);
    sigaddset(set, SIGALRM);
    sigaddset(set, SIGVTALRM);
    sigaddset(set, SIGPROF);
    sigaddset(set, SIGPIPE);
}

void soak_handle_signals(void)
{
    for (int i = SIGRTMIN; i < SIGRTMIN + SOAK_THREADS * SOAK_THREAD_SIGNALS; i++)
        set_handler(i, count, SA_RESTART, NULL);
    for (size_t i = 0; i < COUNTED; i++)
        set_handler(counted[i], count, i % 2 ? SA_RESTART : SA_ONSTACK, NULL);
}

static void begin_counting(void)
{
    for (int i = 0; i < 65; i++)
        me->hits[i] = 0;
    me->order = 0;
}

static void only_signal(sigset_t *set, int signal)
{
    sigemptyset(set);
    sigaddset(set, signal);
}

static void unblock(int signal)
{
    sigset_t set;
    only_signal(&set, signal);
    CHECK_IS(pthread_sigmask(SIG_UNBLOCK, &set, NULL), 0);
}

static void block(int signal)
{
    sigset_t set;
    only_signal(&set, signal);
    CHECK_IS(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
}

static bool is_pending(int signal)
{
    sigset_t set;
    CHECK_IS(sigpending(&set), 0);
    return sigismember(&set, signal);
}

/* ------------------------------------------------------------------------------------------- sent and counted */

static void standard(void)
{
    int signal = counted[below(COUNTED)];
    begin_counting();
    CHECK(!is_pending(signal));
    unsigned n = (unsigned)between(1, 4);
    for (unsigned i = 0; i < n; i++)
        CHECK_IS(send_self(signal), 0);
    CHECK(is_pending(signal));
    CHECK_IS(me->hits[signal], 0);
    unblock(signal);
    CHECK_IS(me->hits[signal], 1); /* they are one */
    for (unsigned i = 0; i < n; i++)
        CHECK_IS(one_in(2) ? send_self(signal) : raise(signal), 0);
    CHECK_IS(me->hits[signal], n + 1);
    block(signal);
    mix(me->order);
}

/* Real-time signals wait in line: lowest number first, each in the order of sending, with its value. */
static void queue(void)
{
    begin_counting();
    unsigned n = (unsigned)between(1, 12), sent[SOAK_THREAD_SIGNALS] = {0};
    sigset_t own, old;
    sigemptyset(&own);
    for (unsigned i = 0; i < SOAK_THREAD_SIGNALS; i++)
        sigaddset(&own, own_signal(i));
    bool to_process = one_in(2);
    for (unsigned i = 0; i < n; i++) {
        unsigned which = (unsigned)below(SOAK_THREAD_SIGNALS);
        union sigval value = {.sival_int = (int)i};
        if (to_process)
            CHECK_IS(sigqueue(getpid(), own_signal(which), value), 0);
        else
            CHECK_IS(pthread_sigqueue(pthread_self(), own_signal(which), value), 0);
        sent[which]++;
    }
    CHECK_IS(pthread_sigmask(SIG_UNBLOCK, &own, &old), 0);
    CHECK_IS(sigismember(&old, own_signal(0)), 1);
    CHECK_IS(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
    for (unsigned i = 0; i < SOAK_THREAD_SIGNALS; i++)
        CHECK_IS(me->hits[own_signal(i)], sent[i]);
    mix(me->order);
}

static void wait_for_it(void)
{
    sigset_t *set = get(sizeof *set);
    siginfo_t *info = get(sizeof *info);
    struct timespec *timeout = get(sizeof *timeout);
    sigemptyset(set);
    for (unsigned i = 0; i < SOAK_THREAD_SIGNALS; i++)
        sigaddset(set, own_signal(i));
    *timeout = (struct timespec){0, (long)below(2) * 100000};
    CHECK_IS(UNINTERRUPTED(sigtimedwait(set, info, timeout)), -1);
    CHECK_IS(errno, EAGAIN);
    unsigned n = (unsigned)between(1, 6);
    for (unsigned i = 0; i < n; i++)
        CHECK_IS(
            sigqueue(getpid(), own_signal((unsigned)below(SOAK_THREAD_SIGNALS)), (union sigval){.sival_int = (int)i}),
            0);
    timeout->tv_sec = 100;
    int last = 0;
    for (unsigned i = 0; i < n; i++) {
        memset(info, 0x55, sizeof *info);
        int got = one_in(2) ? sigtimedwait(set, info, timeout) : sigwaitinfo(set, info);
        CHECK(got >= last);
        last = got;
        CHECK_IS(info->si_signo, got);
        CHECK_IS(info->si_code, SI_QUEUE);
        CHECK_IS(info->si_pid, getpid());
        CHECK_IS(info->si_uid, getuid());
        mix((uint64_t)(got - own_signal(0)) * 100 + (uint64_t)info->si_int);
    }
    free(set);
    free(info);
    free(timeout);
}

static void read_signals(void)
{
    sigset_t *set = get(sizeof *set);
    sigemptyset(set);
    for (unsigned i = 0; i < SOAK_THREAD_SIGNALS; i++)
        sigaddset(set, own_signal(i));
    int fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
    CHECK(fd >= 0);
    struct signalfd_siginfo *info = get(8 * sizeof *info);
    CHECK_FAILS(read(fd, info, 8 * sizeof *info), EAGAIN);
    unsigned n = (unsigned)between(1, 8);
    for (unsigned i = 0; i < n; i++)
        CHECK_IS(
            sigqueue(getpid(), own_signal((unsigned)below(SOAK_THREAD_SIGNALS)), (union sigval){.sival_int = (int)i}),
            0);
    struct pollfd poll_it = {.fd = fd, .events = POLLIN};
    CHECK_IS(poll(&poll_it, 1, 1000), 1);
    ssize_t got = read(fd, info, 8 * sizeof *info);
    CHECK_IS(got, n * sizeof *info);
    for (unsigned i = 0; i < n; i++)
        mix((uint64_t)((int)info[i].ssi_signo - own_signal(0)) * 100 + (uint64_t)info[i].ssi_int);
    close(fd);
    free(info);
    free(set);
}

static void suspend(void)
{
    int signal = own_signal(0);
    begin_counting();
    sigset_t now, other;
    CHECK_IS(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
    other = now;
    sigdelset(&other, signal);
    for (unsigned n = (unsigned)between(1, 4); n; n--) {
        unsigned before = me->hits[signal];
        CHECK_IS(send_self(signal), 0);
        switch (below(5)) {
        case 0:
            CHECK_FAILS(sigsuspend(&other), EINTR);
            break;
        case 1:
            CHECK_FAILS(ppoll(NULL, 0, NULL, &other), EINTR);
            break;
        case 2:
            CHECK_FAILS(pselect(0, NULL, NULL, NULL, NULL, &other), EINTR);
            break;
        case 3: {
            int fd = epoll_create1(EPOLL_CLOEXEC);
            struct epoll_event event;
            CHECK_FAILS(epoll_pwait(fd, &event, 1, -1, &other), EINTR);
            close(fd);
            break;
        }
        default: {
            struct timespec timeout = {100, 0};
            CHECK_FAILS(ppoll(NULL, 0, &timeout, &other), EINTR);
        }
        }
        CHECK_IS(me->hits[signal], before + 1);
        sigset_t after;
        CHECK_IS(pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
        for (int i = 1; i < 65; i++)
            CHECK_IS(sigismember(&after, i), sigismember(&now, i));
    }
    mix(me->order);
}

/* ------------------------------------------------------------------------------------------- kinds of handlers */

static __thread sigjmp_buf out_of_handler;
static __thread unsigned depth, deepest, wanted_depth;

static void jump_out(int signal, siginfo_t *info, void *context)
{
    (void)info;
    (void)context;
    me->hits[signal]++;
    me->scratch[5]++;
    siglongjmp(out_of_handler, 7);
}

static void nest(int signal, siginfo_t *info, void *context)
{
    (void)context;
    (void)info;
    volatile unsigned char room[3000];
    room[depth] = me->scratch[depth * 50];
    depth++;
    deepest = depth > deepest ? depth : deepest;
    if (depth < wanted_depth)
        send_self(signal);
    depth--;
    me->scratch[depth * 50] = room[depth];
    me->hits[signal]++;
}

static void jump_out_of_handler(int signal)
{
    set_handler(signal, jump_out, one_in(2) ? SA_ONSTACK : 0, NULL);
    for (volatile int i = 0; i < 5; i++) {
        int value = sigsetjmp(out_of_handler, 1);
        if (value == 0) {
            send_self(signal);
            CHECK(!"not jumped");
        }
        CHECK_IS(value, 7);
    }
    CHECK_IS(me->hits[signal], 5);
}

static void changed_handlers(void)
{
    int signal = own_signal(1);
    begin_counting();
    unblock(signal);
    switch (below(6)) {
    case 0: /* out of the handler: the mask as before */
        jump_out_of_handler(signal);
        break;
    case 1:
    case 2: /* in itself */
        wanted_depth = (unsigned)between(2, 5);
        deepest = 0;
        set_handler(signal, nest, SA_NODEFER | (one_in(2) ? SA_ONSTACK : 0) * !soak.alternate_stacks, NULL);
        send_self(signal);
        CHECK_IS(deepest, wanted_depth);
        CHECK_IS(me->hits[signal], wanted_depth);
        break;
    case 3: { /* once */
        set_handler(signal, count, SA_RESETHAND, NULL);
        send_self(signal);
        CHECK_IS(me->hits[signal], 1);
        struct sigaction now;
        CHECK_IS(sigaction(signal, NULL, &now), 0);
        CHECK(now.sa_handler == SIG_DFL);
        break;
    }
    case 4: { /* ignored: gone, though blocked when it came */
        block(signal);
        CHECK_IS(send_self(signal), 0);
        CHECK(is_pending(signal));
        struct sigaction ignore = {.sa_handler = SIG_IGN};
        CHECK_IS(sigaction(signal, &ignore, NULL), 0);
        CHECK(!is_pending(signal));
        set_handler(signal, count, 0, NULL);
        unblock(signal);
        CHECK_IS(me->hits[signal], 0);
        break;
    }
    default: { /* blocked by the other's mask */
        sigset_t mask;
        only_signal(&mask, own_signal(2));
        set_handler(signal, count, 0, &mask);
        struct sigaction now;
        CHECK_IS(sigaction(signal, NULL, &now), 0);
        CHECK_IS(sigismember(&now.sa_mask, own_signal(2)), 1);
        CHECK_IS(sigismember(&now.sa_mask, SIGSEGV), 0);
        CHECK(now.sa_sigaction == count);
        send_self(signal);
        CHECK_IS(me->hits[signal], 1);
    }
    }
    block(signal);
    set_handler(signal, count, SA_RESTART, NULL);
    mix(me->hits[signal]);
}

static uint64_t deep(unsigned levels, int signal)
{
    volatile unsigned char room[700];
    memset((void *)room, (int)levels, sizeof room);
    if (levels)
        return deep(levels - 1, signal) + room[levels % 700];
    send_self(signal);
    return me->hits[signal];
}

/* Handlers on another stack, malloc'd or mapped, while this one is deep. */
static void alternate_stack(void)
{
    int signal = own_signal(2);
    stack_t old, now;
    size_t bytes = between(3, 8) * PAGE;
    begin_counting();
    stack_t stack = {.ss_sp = get(bytes), .ss_size = bytes};
    CHECK_IS(sigaltstack(&stack, &old), 0);
    set_handler(signal, count, SA_ONSTACK | SA_RESTART, NULL);
    unblock(signal);
    mix(deep((unsigned)between(1, 30), signal));
    block(signal);
    set_handler(signal, count, SA_RESTART, NULL);
    CHECK_IS(sigaltstack(NULL, &now), 0);
    CHECK(now.ss_sp == stack.ss_sp);
    CHECK_IS(now.ss_size, bytes);
    CHECK_IS(now.ss_flags, 0);
    stack_t small = {.ss_sp = stack.ss_sp, .ss_size = 100};
    CHECK_FAILS(sigaltstack(&small, NULL), ENOMEM);
    CHECK_IS(sigaltstack(&old, NULL), 0);
    memset(stack.ss_sp, 1, bytes);
    free(stack.ss_sp);
}

/* ------------------------------------------------------------------------------------------- blocked calls */

struct poke {
    pthread_t target;
    int signal;
    struct soak_thread *state;
    unsigned wanted; /* stop after so many have been handled; 0: until done */
    atomic_bool done;
    int write_fd;
};

/* Sends signals to a thread that is about to wait, until it says that it has seen enough. */
static void *poke(void *argument)
{
    struct poke *p = argument;
    struct timespec pause = {0, 1000000};
    while (!p->done) {
        if (p->wanted && p->state->hits[p->signal] >= p->wanted) {
            CHECK_IS(write(p->write_fd, "x", 1), 1);
            return NULL;
        }
        CHECK_IS(pthread_kill(p->target, p->signal), 0);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

/* One of the calls that a handler without SA_RESTART interrupts, or, restartable, one that waits for the reader. */
static int wait_somehow(unsigned how, const int *pipe_fds, int epoll_fd, int semaphore)
{
    char byte;
    struct timespec long_time = {100, 0};
    struct pollfd one = {.fd = pipe_fds[0], .events = POLLIN};
    struct epoll_event event;
    switch (how) {
    case 0:
        return (int)read(pipe_fds[0], &byte, 1);
    case 1:
        return poll(&one, 1, -1);
    case 2:
        return epoll_wait(epoll_fd, &event, 1, -1);
    case 3:
        return nanosleep(&long_time, NULL);
    case 4: {
        fd_set set;
        FD_ZERO(&set);
        FD_SET(pipe_fds[0], &set);
        return select(pipe_fds[0] + 1, &set, NULL, NULL, NULL);
    }
    case 5: {
        struct sembuf down = {0, -1, 0};
        return semop(semaphore, &down, 1);
    }
    case 6: {
        sigset_t set;
        only_signal(&set, own_signal(3));
        return sigtimedwait(&set, NULL, &long_time);
    }
    case 7:
        return pause();
    case 8: {
        errno = clock_nanosleep(CLOCK_MONOTONIC, 0, &long_time, NULL);
        return errno ? -1 : 0;
    }
    default: {
        unsigned word = 0;
        return (int)syscall(SYS_futex, &word, 0 /* FUTEX_WAIT */, 0, &long_time, NULL, 0);
    }
    }
}

static void interrupted(void)
{
    int signal = own_signal(0), fds[2], epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int semaphore = semget(IPC_PRIVATE, 1, IPC_CREAT | 0600);
    CHECK_IS(pipe2(fds, O_CLOEXEC), 0);
    CHECK(epoll_fd >= 0 && semaphore >= 0);
    struct epoll_event event = {.events = EPOLLIN};
    CHECK_IS(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fds[0], &event), 0);
    begin_counting();
    struct poke p = {.target = pthread_self(), .signal = signal, .state = me};
    set_handler(signal, count, 0, NULL);
    struct soak_helper helper;
    start_helper(&helper, poke, &p, NULL);
    unblock(signal);
    for (unsigned n = (unsigned)between(1, 3); n; n--) {
        unsigned how = (unsigned)below(10);
        mix(how);
        errno = 0;
        int result = wait_somehow(how, fds, epoll_fd, semaphore);
        if (result != -1 || errno != EINTR)
            soak_fail(__FILE__, __LINE__, "a wait of this kind was to be interrupted", how, result);
    }
    p.done = true;
    join_helper(&helper);
    block(signal);
    set_handler(signal, count, SA_RESTART, NULL);
    CHECK(me->hits[signal] > 0 || soak_retry_eintr);
    CHECK_IS(semctl(semaphore, 0, IPC_RMID), 0);
    close(epoll_fd);
    close(fds[0]);
    close(fds[1]);
}

static void restarted(void)
{
    int signal = own_signal(0), fds[2];
    if (one_in(2))
        CHECK_IS(pipe2(fds, O_CLOEXEC), 0);
    else
        CHECK_IS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    begin_counting();
    struct poke p = {
        .target = pthread_self(), .signal = signal, .state = me, .wanted = (unsigned)between(1, 4), .write_fd = fds[1]};
    struct soak_helper helper;
    start_helper(&helper, poke, &p, NULL);
    unblock(signal);
    char *byte = get(1);
    CHECK_IS(read(fds[0], byte, 1), 1);
    CHECK_IS(*byte, 'x');
    join_helper(&helper);
    block(signal);
    CHECK(me->hits[signal] >= p.wanted);
    free(byte);
    close(fds[0]);
    close(fds[1]);
}

/* Signals that are ignored by default reach a thread that waits: it must not notice. */
static void ignored(void)
{
    int fds[2];
    CHECK_IS(pipe2(fds, O_CLOEXEC), 0);
    struct poke p = {.target = pthread_self(), .signal = one_in(2) ? SIGURG : SIGWINCH, .state = me};
    struct soak_helper helper;
    start_helper(&helper, poke, &p, NULL);
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event;
    struct timespec time = {0, 5000000};
    switch (below(4)) {
    case 0:
        CHECK_IS(UNINTERRUPTED(epoll_wait(epoll_fd, &event, 1, 5)), 0);
        break;
    case 1:
        CHECK_IS(UNINTERRUPTED(nanosleep(&time, NULL)), 0);
        break;
    case 2: {
        sigset_t set;
        only_signal(&set, own_signal(3));
        errno = 0;
        CHECK_IS(UNINTERRUPTED(sigtimedwait(&set, NULL, &time)), -1);
        CHECK_IS(errno, EAGAIN);
        break;
    }
    default: {
        struct pollfd one = {.fd = fds[0], .events = POLLIN};
        CHECK_IS(UNINTERRUPTED(poll(&one, 1, 5)), 0);
    }
    }
    p.done = true;
    join_helper(&helper);
    close(epoll_fd);
    close(fds[0]);
    close(fds[1]);
}

/* ------------------------------------------------------------------------------------------- timers */

/* A timer interrupts work on the heap; its handler works on the heap too. */
static void timer(void)
{
    int signal = own_signal(3);
    begin_counting();
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = signal};
    event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    timer_t id;
    CHECK_IS(timer_create(CLOCK_MONOTONIC, &event, &id), 0);
    unblock(signal);
    struct itimerspec often = {{0, 2000000}, {0, 1000000}};
    CHECK_IS(timer_settime(id, 0, &often, NULL), 0);
    size_t bytes = 30 * PAGE;
    unsigned char *memory = get(bytes);
    uint64_t sum = 0;
    memset(memory, 1, bytes);
    for (uint64_t i = 0; i < 2000; i++)
        sum += memory[hash(i) % bytes];
    CHECK_IS(sum, 2000);
    while (me->hits[signal] < 3)
        sum += memory[(sum + me->hits[signal]) * 5000 % bytes];
    CHECK_IS(timer_delete(id), 0);
    block(signal);
    sigset_t set;
    only_signal(&set, signal);
    struct timespec none = {0, 0};
    while (sigtimedwait(&set, NULL, &none) > 0) /* one that was on its way */
        ;
    free(memory);
}

static void interval_timer(void)
{
    static const int which[] = {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF}, sent[] = {SIGALRM, SIGVTALRM, SIGPROF};
    size_t kind = below(3);
    int signal = sent[kind];
    begin_counting();
    set_handler(signal, count, SA_RESTART, NULL);
    unblock(signal);
    struct itimerval often = {{0, 2000}, {0, 1000}}, off = {{0, 0}, {0, 0}};
    CHECK_IS(setitimer(which[kind], &often, NULL), 0);
    size_t bytes = 20 * PAGE;
    unsigned char *memory = get(bytes);
    memset(memory, 0, bytes);
    for (uint64_t i = 0; me->hits[signal] < 3; i++)
        memory[hash(i) % bytes]++;
    CHECK_IS(setitimer(which[kind], &off, NULL), 0);
    block(signal);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    CHECK_IS(sigaction(signal, &ignore, NULL), 0); /* one that was on its way is dropped */
    free(memory);
}

static const struct soak_operation operations[] = {
    {"signals.standard", 12, 0, standard},
    {"signals.queue", 12, 0, queue},
    {"signals.wait", 8, 0, wait_for_it},
    {"signals.signalfd", 6, 0, read_signals},
    {"signals.suspend", 10, 0, suspend},
    {"signals.handlers", 14, 0, changed_handlers},
    {"signals.alternate-stack", 8, 0, alternate_stack},
    {"signals.interrupted", 6, 0, interrupted},
    {"signals.restarted", 6, 0, restarted},
    {"signals.ignored", 5, 0, ignored},
    {"signals.timer", 4, 0, timer},
    {"signals.interval-timer", 3, SOAK_EXCLUSIVE, interval_timer},
};
const struct soak_group soak_signals = SOAK_GROUP(operations);
