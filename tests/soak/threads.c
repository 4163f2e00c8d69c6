/* SPDX-License-Identifier: MIT */
/* Threads and what they wait for: locks and the like in malloc'd memory. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include "soak.h"

static unsigned make_helpers(struct soak_helper *helpers, void *(*run)(void *), void *argument)
{
    unsigned n = (unsigned)between(1, 3);
    for (unsigned i = 0; i < n; i++)
        start_helper(&helpers[i], run, argument, NULL);
    return n;
}

static struct timespec soon(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_nsec += 2000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

/* ------------------------------------------------------------------------------------------- mutexes */

struct counted {
    pthread_mutex_t mutex;
    unsigned char room[5000];
    unsigned long sum;
};

static void *add_up(void *argument)
{
    struct counted *c = argument;
    for (int i = 0; i < 40; i++) {
        CHECK_IS(pthread_mutex_lock(&c->mutex), 0);
        unsigned long sum = c->sum;
        if (i % 8 == 0)
            sched_yield();
        c->sum = sum + 1;
        CHECK_IS(pthread_mutex_unlock(&c->mutex), 0);
    }
    return NULL;
}

static void mutexes(void)
{
    static const int kinds[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK,
                                PTHREAD_MUTEX_ADAPTIVE_NP};
    int kind = kinds[below(4)];
    struct counted *c = get(sizeof *c);
    pthread_mutexattr_t attributes;
    CHECK_IS(pthread_mutexattr_init(&attributes), 0);
    CHECK_IS(pthread_mutexattr_settype(&attributes, kind), 0);
    if (one_in(3))
        CHECK_IS(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT), 0);
    CHECK_IS(pthread_mutex_init(&c->mutex, &attributes), 0);
    c->sum = 0;
    struct soak_helper helpers[3];
    unsigned n = make_helpers(helpers, add_up, c);
    add_up(c);
    for (unsigned i = 0; i < n; i++)
        join_helper(&helpers[i]);
    CHECK_IS(c->sum, 40 * (n + 1));
    CHECK_IS(pthread_mutex_lock(&c->mutex), 0);
    if (kind == PTHREAD_MUTEX_ERRORCHECK)
        CHECK_IS(pthread_mutex_lock(&c->mutex), EDEADLK);
    struct timespec t = soon();
    if (kind == PTHREAD_MUTEX_NORMAL || kind == PTHREAD_MUTEX_ADAPTIVE_NP) {
        CHECK_IS(pthread_mutex_trylock(&c->mutex), EBUSY);
        int result = pthread_mutex_timedlock(&c->mutex, &t);
        CHECK(result == ETIMEDOUT || result == EDEADLK); /* with priority inheritance the kernel sees it */
    }
    CHECK_IS(pthread_mutex_unlock(&c->mutex), 0);
    CHECK_IS(pthread_mutex_destroy(&c->mutex), 0);
    pthread_mutexattr_destroy(&attributes);
    free(c);
}

static void *die_with_it(void *argument)
{
    struct counted *c = argument;
    int result = pthread_mutex_lock(&c->mutex);
    CHECK(result == 0 || result == EOWNERDEAD);
    if (result == EOWNERDEAD)
        CHECK_IS(pthread_mutex_consistent(&c->mutex), 0);
    c->sum++;
    return NULL;
}

/* Owners that die with the lock held: threads, and processes that share it. */
static void robust(void)
{
    bool processes = one_in(2);
    struct counted *c = processes ? mmap(NULL, sizeof *c, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)
                                  : calloc(1, sizeof *c);
    CHECK(c != MAP_FAILED && c);
    pthread_mutexattr_t attributes;
    CHECK_IS(pthread_mutexattr_init(&attributes), 0);
    CHECK_IS(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST), 0);
    if (processes)
        CHECK_IS(pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED), 0);
    if (one_in(2))
        CHECK_IS(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT), 0);
    CHECK_IS(pthread_mutex_init(&c->mutex, &attributes), 0);
    unsigned n = (unsigned)between(1, 3);
    for (unsigned i = 0; i < n; i++) {
        if (processes) {
            pid_t child = fork();
            if (child == 0) {
                die_with_it(c);
                _exit(7);
            }
            int status;
            CHECK_IS(UNINTERRUPTED(waitpid(child, &status, 0)), child);
            CHECK_IS(WEXITSTATUS(status), 7);
        } else {
            struct soak_helper helper;
            start_helper(&helper, die_with_it, c, NULL);
            join_helper(&helper);
        }
    }
    CHECK_IS(pthread_mutex_lock(&c->mutex), EOWNERDEAD);
    CHECK_IS(pthread_mutex_consistent(&c->mutex), 0);
    CHECK_IS(c->sum, n);
    CHECK_IS(pthread_mutex_unlock(&c->mutex), 0);
    CHECK_IS(pthread_mutex_destroy(&c->mutex), 0);
    pthread_mutexattr_destroy(&attributes);
    if (processes)
        CHECK_IS(munmap(c, sizeof *c), 0);
    else
        free(c);
}

/* ------------------------------------------------------------------------------------------ conditions and the like */

struct queue {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned items, taken, wanted;
};

static void *take(void *argument)
{
    struct queue *q = argument;
    CHECK_IS(pthread_mutex_lock(&q->mutex), 0);
    for (;;) {
        while (!q->items && q->taken < q->wanted) {
            struct timespec far = soon();
            far.tv_sec += 100;
            CHECK_IS(one_in(2) ? pthread_cond_wait(&q->changed, &q->mutex)
                               : pthread_cond_timedwait(&q->changed, &q->mutex, &far),
                     0);
        }
        if (!q->items)
            break;
        q->items--;
        if (++q->taken == q->wanted)
            CHECK_IS(pthread_cond_broadcast(&q->changed), 0);
    }
    CHECK_IS(pthread_mutex_unlock(&q->mutex), 0);
    return NULL;
}

static void conditions(void)
{
    struct queue *q = calloc(1, sizeof *q);
    CHECK_IS(pthread_mutex_init(&q->mutex, NULL), 0);
    CHECK_IS(pthread_cond_init(&q->changed, NULL), 0);
    q->wanted = (unsigned)between(5, 60);
    struct soak_helper helpers[3];
    unsigned n = make_helpers(helpers, take, q);
    for (unsigned left = q->wanted; left;) {
        unsigned some = (unsigned)between(1, left);
        CHECK_IS(pthread_mutex_lock(&q->mutex), 0);
        q->items += some;
        CHECK_IS(some > 1 ? pthread_cond_broadcast(&q->changed) : pthread_cond_signal(&q->changed), 0);
        CHECK_IS(pthread_mutex_unlock(&q->mutex), 0);
        left -= some;
    }
    for (unsigned i = 0; i < n; i++)
        join_helper(&helpers[i]);
    CHECK_IS(q->taken, q->wanted);
    CHECK_IS(pthread_mutex_lock(&q->mutex), 0);
    struct timespec t = soon();
    CHECK_IS(pthread_cond_timedwait(&q->changed, &q->mutex, &t), ETIMEDOUT);
    CHECK_IS(pthread_mutex_unlock(&q->mutex), 0);
    CHECK_IS(pthread_cond_destroy(&q->changed), 0);
    free(q);
}

struct meeting {
    pthread_barrier_t barrier;
    atomic_uint arrived, last;
    unsigned people;
};

static void *meet(void *argument)
{
    struct meeting *m = argument;
    for (unsigned round = 1; round <= 5; round++) {
        atomic_fetch_add(&m->arrived, 1);
        int result = pthread_barrier_wait(&m->barrier);
        CHECK(result == 0 || result == PTHREAD_BARRIER_SERIAL_THREAD);
        m->last += result != 0;
        CHECK(m->arrived >= round * m->people);
    }
    return NULL;
}

static void barriers(void)
{
    struct meeting *m = calloc(1, sizeof *m);
    m->people = (unsigned)between(2, 4);
    CHECK_IS(pthread_barrier_init(&m->barrier, NULL, m->people), 0);
    struct soak_helper helpers[3];
    for (unsigned i = 0; i + 1 < m->people; i++)
        start_helper(&helpers[i], meet, m, NULL);
    meet(m);
    for (unsigned i = 0; i + 1 < m->people; i++)
        join_helper(&helpers[i]);
    CHECK_IS(m->last, 5);
    CHECK_IS(pthread_barrier_destroy(&m->barrier), 0);
    free(m);
}

struct pair {
    sem_t there, back;
    unsigned rounds, value;
};

static void *play_back(void *argument)
{
    struct pair *p = argument;
    for (unsigned i = 0; i < p->rounds; i++) {
        CHECK_IS(UNINTERRUPTED(sem_wait(&p->there)), 0);
        p->value = p->value * 3 + 1;
        CHECK_IS(sem_post(&p->back), 0);
    }
    return NULL;
}

static void semaphores(void)
{
    struct pair *p = get(sizeof *p);
    CHECK_IS(sem_init(&p->there, 0, 0), 0);
    CHECK_IS(sem_init(&p->back, 0, 0), 0);
    p->rounds = (unsigned)between(1, 60);
    p->value = 1;
    struct soak_helper helper;
    start_helper(&helper, play_back, p, NULL);
    for (unsigned i = 0; i < p->rounds; i++) {
        p->value += i;
        CHECK_IS(sem_post(&p->there), 0);
        CHECK_IS(UNINTERRUPTED(sem_wait(&p->back)), 0);
    }
    join_helper(&helper);
    mix(p->value);
    CHECK_FAILS(sem_trywait(&p->back), EAGAIN);
    struct timespec t = soon();
    errno = 0;
    CHECK_IS(UNINTERRUPTED(sem_timedwait(&p->back, &t)), -1);
    CHECK_IS(errno, ETIMEDOUT);
    CHECK_IS(sem_destroy(&p->there), 0);
    CHECK_IS(sem_destroy(&p->back), 0);
    free(p);
}

struct table {
    pthread_rwlock_t lock;
    uint64_t a, room[600], b;
};

static void *read_and_write(void *argument)
{
    struct table *t = argument;
    for (int i = 0; i < 40; i++) {
        if (one_in(4)) {
            CHECK_IS(pthread_rwlock_wrlock(&t->lock), 0);
            t->a++;
            t->b++;
        } else {
            CHECK_IS(pthread_rwlock_rdlock(&t->lock), 0);
            CHECK_IS(t->a, t->b);
        }
        CHECK_IS(pthread_rwlock_unlock(&t->lock), 0);
    }
    return NULL;
}

static void readers(void)
{
    struct table *t = calloc(1, sizeof *t);
    CHECK_IS(pthread_rwlock_init(&t->lock, NULL), 0);
    struct soak_helper helpers[3];
    unsigned n = make_helpers(helpers, read_and_write, t);
    read_and_write(t);
    for (unsigned i = 0; i < n; i++)
        join_helper(&helpers[i]);
    mix(t->a);
    CHECK_IS(pthread_rwlock_destroy(&t->lock), 0);
    free(t);
}

static void *wait_for_word(void *argument)
{
    atomic_uint *word = argument;
    while (*word == 0) {
        long result = syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
        CHECK(result == 0 || errno == EAGAIN || (errno == EINTR && soak_retry_eintr));
    }
    atomic_fetch_add(word, 1);
    return NULL;
}

static void futexes(void)
{
    atomic_uint *word = get(sizeof *word);
    *word = 0;
    struct soak_helper helpers[3];
    unsigned n = make_helpers(helpers, wait_for_word, word);
    if (one_in(2))
        usleep((useconds_t)below(2000));
    *word = 1;
    CHECK(syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0) <= n);
    for (unsigned i = 0; i < n; i++)
        join_helper(&helpers[i]);
    CHECK_IS(*word, n + 1);
    struct timespec *t = calloc(1, sizeof *t);
    t->tv_nsec = 1000000;
    errno = 0;
    CHECK_IS(UNINTERRUPTED(syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, n + 1, t, NULL, 0)), -1);
    CHECK_IS(errno, ETIMEDOUT);
    CHECK_FAILS(syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 0, t, NULL, 0), EAGAIN);
    free(t);
    free(word);
}

/* ------------------------------------------------------------------------------------------- lives of threads */

static void *do_little(void *argument)
{
    size_t bytes = between(1, 3 * PAGE);
    unsigned char *p = get(bytes);
    fill(p, bytes, 3);
    mix_bytes(p, bytes);
    free(p);
    return argument;
}

static void come_and_go(void)
{
    unsigned n = (unsigned)between(1, 12);
    for (unsigned i = 0; i < n; i++) {
        struct soak_helper helper;
        pthread_attr_t attributes;
        CHECK_IS(pthread_attr_init(&attributes), 0);
        size_t bytes = 32 * PAGE;
        void *stack = NULL;
        if (one_in(3)) { /* on memory from malloc */
            stack = aligned_alloc(PAGE, bytes);
            CHECK_IS(pthread_attr_setstack(&attributes, stack, bytes), 0);
        } else if (one_in(2))
            CHECK_IS(pthread_attr_setstacksize(&attributes, bytes), 0);
        start_helper(&helper, do_little, &attributes, &attributes);
        CHECK(join_helper(&helper) == &attributes);
        pthread_attr_destroy(&attributes);
        free(stack);
    }
}

static void at_once(void)
{
    struct soak_helper helpers[10];
    unsigned n = (unsigned)between(2, 10);
    for (unsigned i = 0; i < n; i++)
        start_helper(&helpers[i], do_little, NULL, NULL);
    for (unsigned i = n; i-- > 0;)
        join_helper(&helpers[i]);
}

static void *post_and_leave(void *argument)
{
    uint64_t one = 1;
    if (write(*(int *)argument, &one, 8) != 8)
        _exit(97);
    return NULL;
}

static void detached(void)
{
    unsigned n = (unsigned)between(1, 4);
    int *fd = get(sizeof *fd);
    *fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
    pthread_attr_t attributes;
    CHECK_IS(pthread_attr_init(&attributes), 0);
    CHECK_IS(pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED), 0);
    for (unsigned i = 0; i < n; i++) {
        pthread_t thread;
        CHECK_IS(pthread_create(&thread, &attributes, post_and_leave, fd), 0);
    }
    uint64_t one;
    for (unsigned i = 0; i < n; i++)
        CHECK_IS(read(*fd, &one, 8), 8);
    pthread_attr_destroy(&attributes);
    close(*fd);
    free(fd);
}

static void count_cleanup(void *argument)
{
    ++*(unsigned *)argument;
}

struct cancelled {
    unsigned cleaned;
    int fds[2];
    unsigned how;
    atomic_bool ready;
};

static void *wait_to_be_cancelled(void *argument)
{
    struct cancelled *c = argument;
    pthread_cleanup_push(count_cleanup, &c->cleaned);
    char *room = get(100);
    pthread_cleanup_push(free, room);
    c->ready = true;
    for (;;) {
        switch (c->how) {
        case 0:
            if (read(c->fds[0], room, 1) >= 0)
                _exit(96);
            break;
        case 1:
            pause();
            break;
        case 2:
            sleep(100);
            break;
        default:
            while (c->how)
                pthread_testcancel();
        }
    }
    pthread_cleanup_pop(1);
    pthread_cleanup_pop(1);
    return NULL;
}

static void cancellation(void)
{
    struct cancelled *c = calloc(1, sizeof *c);
    CHECK_IS(pipe2(c->fds, O_CLOEXEC), 0);
    c->how = (unsigned)below(4);
    pthread_t thread;
    CHECK_IS(pthread_create(&thread, NULL, wait_to_be_cancelled, c), 0);
    while (one_in(2) && !c->ready)
        sched_yield();
    while (!c->ready)
        usleep(100);
    CHECK_IS(pthread_cancel(thread), 0);
    void *result;
    CHECK_IS(pthread_join(thread, &result), 0);
    CHECK(result == PTHREAD_CANCELED);
    CHECK_IS(c->cleaned, 1);
    close(c->fds[0]);
    close(c->fds[1]);
    free(c);
}

static pthread_key_t key;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static atomic_uint destroyed[SOAK_THREADS];

static void destroy(void *value)
{
    unsigned *index = value;
    atomic_fetch_add(&destroyed[*index], 1);
    free(index);
}

static void make_key(void)
{
    CHECK_IS(pthread_key_create(&key, destroy), 0);
}

static __thread unsigned char own_room[6000];

static void *use_storage(void *argument)
{
    (void)argument;
    CHECK_IS(pthread_once(&key_once, make_key), 0);
    CHECK(pthread_getspecific(key) == NULL);
    unsigned *index = get(sizeof *index);
    *index = me->index;
    CHECK_IS(pthread_setspecific(key, index), 0);
    for (size_t i = 0; i < sizeof own_room; i++)
        CHECK_IS(own_room[i], 0);
    memset(own_room, 1, sizeof own_room);
    CHECK(pthread_getspecific(key) == index);
    return NULL;
}

static void storage(void)
{
    unsigned before = destroyed[me->index];
    struct soak_helper helpers[3];
    unsigned n = make_helpers(helpers, use_storage, NULL);
    for (unsigned i = 0; i < n; i++)
        join_helper(&helpers[i]);
    CHECK_IS(destroyed[me->index], before + n);
    mix(n);
}

static int c11_main(void *argument)
{
    ++*(int *)argument;
    return 42;
}

static void c11(void)
{
    int *value = calloc(1, sizeof *value), result;
    thrd_t thread;
    CHECK_IS(thrd_create(&thread, c11_main, value), thrd_success);
    CHECK_IS(thrd_join(thread, &result), thrd_success);
    CHECK_IS(result, 42);
    CHECK_IS(*value, 1);
    free(value);
}

/* What commutes is the same whatever the order. */
static void shared_sum(void)
{
    if (me->in_child)
        return;
    for (uint64_t n = between(1, 50); n; n--)
        atomic_fetch_add(&soak_shared_sum, below(1000));
}

/* A mutex, a condition and a semaphore between processes. */
static void between_processes(void)
{
    struct shared {
        struct queue q;
        sem_t done;
    } *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(s != MAP_FAILED);
    pthread_mutexattr_t attributes;
    pthread_condattr_t condition;
    CHECK_IS(pthread_mutexattr_init(&attributes), 0);
    CHECK_IS(pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED), 0);
    CHECK_IS(pthread_condattr_init(&condition), 0);
    CHECK_IS(pthread_condattr_setpshared(&condition, PTHREAD_PROCESS_SHARED), 0);
    CHECK_IS(pthread_mutex_init(&s->q.mutex, &attributes), 0);
    CHECK_IS(pthread_cond_init(&s->q.changed, &condition), 0);
    CHECK_IS(sem_init(&s->done, 1, 0), 0);
    s->q.wanted = (unsigned)between(3, 20);
    pid_t child = fork();
    if (child == 0) {
        take(&s->q);
        sem_post(&s->done);
        _exit(0);
    }
    CHECK(child > 0);
    for (unsigned i = 0; i < s->q.wanted; i++) {
        CHECK_IS(pthread_mutex_lock(&s->q.mutex), 0);
        s->q.items++;
        CHECK_IS(pthread_cond_signal(&s->q.changed), 0);
        CHECK_IS(pthread_mutex_unlock(&s->q.mutex), 0);
    }
    CHECK_IS(UNINTERRUPTED(sem_wait(&s->done)), 0);
    int status;
    CHECK_IS(UNINTERRUPTED(waitpid(child, &status, 0)), child);
    CHECK_IS(status, 0);
    CHECK_IS(s->q.taken, s->q.wanted);
    CHECK_IS(munmap(s, sizeof *s), 0);
}

static const struct soak_operation operations[] = {
    {"threads.mutexes", 8, 0, mutexes},
    {"threads.robust", 6, SOAK_FORKS, robust},
    {"threads.conditions", 8, 0, conditions},
    {"threads.barriers", 5, 0, barriers},
    {"threads.semaphores", 6, 0, semaphores},
    {"threads.readers", 6, 0, readers},
    {"threads.futexes", 6, 0, futexes},
    {"threads.come-and-go", 6, 0, come_and_go},
    {"threads.at-once", 5, 0, at_once},
    {"threads.detached", 4, 0, detached},
    {"threads.cancel", 5, 0, cancellation},
    {"threads.storage", 5, 0, storage},
    {"threads.c11", 3, 0, c11},
    {"threads.shared-sum", 5, 0, shared_sum},
    {"threads.between-processes", 4, SOAK_FORKS, between_processes},
};
const struct soak_group soak_threads = SOAK_GROUP(operations);
