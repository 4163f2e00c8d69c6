/* SPDX-License-Identifier: MIT */
/*
 * Threads that meet in malloc'd memory: barriers, mutexes and conditions on closed pages, robust mutexes whose owner
 * ends, threads made by clone itself with CLONE_CHILD_CLEARTID on closed pages.
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>

#include "behave.h"

enum { THREADS = 24, STACK = 65536 };

static pthread_barrier_t *barrier;
static pthread_mutex_t *mutex;
static pthread_cond_t *condition;
static long *sum;
static int *turn;

static void *meet(void *index)
{
    long self = (long)(intptr_t)index;
    char *from = malloc(100000), *to = malloc(100000);
    memset(from, (int)self, 100000);
    memset(to, 0, 100000);
    for (int k = 0; k < 20; k++) {
        memcpy(to + 4090 - k, from + 8180 + k, (size_t)(9000 + k * 64));
        memcpy(from + 12280 - k, to + 4096 * 3 - 10, (size_t)(4096 + k));
        pthread_mutex_lock(mutex);
        *sum += to[5000] + from[13000];
        pthread_mutex_unlock(mutex);
        if (k % 10 == 0)
            pthread_barrier_wait(barrier);
    }
    pthread_mutex_lock(mutex);
    while (*turn != self)
        pthread_cond_wait(condition, mutex);
    ++*turn;
    pthread_cond_broadcast(condition);
    pthread_mutex_unlock(mutex);
    free(from);
    free(to);
    return NULL;
}

static int many(void)
{
    barrier = new_memory(sizeof *barrier);
    mutex = new_memory(sizeof *mutex);
    condition = new_memory(sizeof *condition);
    sum = memset(new_memory(PAGE), 0, PAGE);
    turn = memset(new_memory(PAGE), 0, PAGE);
    pthread_barrier_init(barrier, NULL, THREADS);
    pthread_mutex_init(mutex, NULL);
    pthread_cond_init(condition, NULL);
    pthread_t threads[THREADS];
    void *stacks[THREADS];
    for (int i = 0; i < THREADS; i++) {
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        stacks[i] = new_memory(STACK);
        if (i % 2)
            pthread_attr_setstack(&attributes, stacks[i], STACK);
        if (pthread_create(&threads[i], &attributes, meet, (void *)(intptr_t)i))
            return 1;
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++)
        free(stacks[i]);
    printf("%ld %d\n", *sum, *turn);
    return 0;
}

enum { MUTEXES = 40, WAITERS = 4 };
static pthread_mutex_t *mutexes[MUTEXES];
static pthread_barrier_t locked;

static void *end_with_locks(void *none)
{
    for (int i = 0; i < MUTEXES; i++)
        pthread_mutex_lock(mutexes[i]);
    pthread_barrier_wait(&locked);
    sleep_ms(20);
    touch_heap();
    return none;
}

static void *lock_one(void *index)
{
    pthread_mutex_t *one = mutexes[(intptr_t)index];
    int error = pthread_mutex_lock(one);
    if (error == EOWNERDEAD)
        pthread_mutex_consistent(one);
    pthread_mutex_unlock(one);
    return (void *)(intptr_t)error;
}

static int robust(void)
{
    for (int kind = 0; kind < 4; kind++) {
        pthread_mutexattr_t attributes;
        pthread_mutexattr_init(&attributes);
        pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
        if (kind & 1)
            pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
        if (kind & 2)
            pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
        for (int i = 0; i < MUTEXES; i++) {
            mutexes[i] = new_memory(PAGE);
            pthread_mutex_init(mutexes[i], &attributes);
        }
        pthread_t owner, waiters[WAITERS];
        pthread_barrier_init(&locked, NULL, 2);
        pthread_create(&owner, NULL, end_with_locks, NULL);
        pthread_barrier_wait(&locked);
        for (intptr_t i = 0; i < WAITERS; i++)
            pthread_create(&waiters[i], NULL, lock_one, (void *)(i * 9));
        pthread_join(owner, NULL);
        int dead = 0;
        for (int i = 0; i < WAITERS; i++) {
            void *error;
            pthread_join(waiters[i], &error);
            dead += (intptr_t)error == EOWNERDEAD;
        }
        for (int i = 0; i < MUTEXES; i++) {
            dead += pthread_mutex_lock(mutexes[i]) == EOWNERDEAD;
            pthread_mutex_consistent(mutexes[i]);
            pthread_mutex_unlock(mutexes[i]);
            free(mutexes[i]);
        }
        printf("kind %d: %d owners died\n", kind, dead);
    }
    return 0;
}

static atomic_long total;

static int raw_thread(void *argument)
{
    char *pages = argument;
    for (int k = 0; k < 10; k++) {
        for (int i = 0; i < 60; i++) {
            pages[i * PAGE + 100]++;
            syscall(SYS_getppid);
        }
    }
    long own = 0;
    for (int i = 0; i < 60; i++)
        own += pages[i * PAGE + 100];
    total += own;
    syscall(SYS_exit, 0);
    return 0;
}

static int raw_clone(void)
{
    enum { RAW = 6 };
    int *tid[RAW];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < RAW; i++) {
            tid[i] = new_memory(PAGE);
            *tid[i] = -1;
            char *stack = new_memory(STACK), *pages = memset(new_memory(60 * PAGE), 0, 60 * PAGE);
            int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                        CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
            if (clone(raw_thread, stack + STACK - 256, flags, pages, tid[i], NULL, tid[i]) < 0)
                return 1;
        }
        for (int i = 0; i < RAW; i++) {
            int now;
            while ((now = __atomic_load_n(tid[i], __ATOMIC_SEQ_CST)) != 0)
                syscall(SYS_futex, tid[i], FUTEX_WAIT, now, NULL, NULL, 0);
        }
    }
    printf("%ld\n", total);
    return 0;
}

/* Signals to a thread and to the process find who may take them. */
static volatile int taken[3];
static pthread_t taker[2];

static void take(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    for (int i = 0; i < 2; i++)
        if (pthread_equal(pthread_self(), taker[i])) {
            taken[i]++;
            return;
        }
    taken[2]++;
}

static volatile int stop;

static void *take_signals(void *unblock)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    if (unblock)
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    while (!stop)
        touch_heap();
    return NULL;
}

static int signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    touch_heap();
    set_handler(SIGUSR1, take, 0);
    set_handler(SIGUSR2, take, 0);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < 2; i++)
        pthread_create(&taker[i], NULL, take_signals, i ? "" : NULL);
    for (int i = 0; i < 50; i++) {
        int before = taken[0], other = taken[1];
        pthread_kill(taker[0], SIGUSR1);
        while (taken[0] == before)
            sched_yield();
        kill(getpid(), SIGUSR2); /* one thread alone does not block it */
        while (taken[1] == other)
            sched_yield();
    }
    stop = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(taker[i], NULL);
    printf("%d %d %d\n", taken[0], taken[1], taken[2]);
    return 0;
}

BEHAVIOURS({"many", many}, {"robust", robust}, {"raw_clone", raw_clone}, {"signals", signals})
