/* SPDX-License-Identifier: MIT */
/*
 * Timers that interrupt a program that touches its heap: setitimer, timer_create with signals and with threads,
 * timerfd; the work gets done and the timers fire.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <sys/time.h>
#include <sys/timerfd.h>

#include "behave.h"

static volatile int fired;

static void fire(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    fired++;
    touch_heap();
}

static unsigned long work(void)
{
    enum { PAGES = 300 };
    static char *pages;
    unsigned long sum = 0;
    pages = pages ? pages : memset(new_memory(PAGES * PAGE), 0, PAGES * PAGE);
    for (int k = 0; k < 20; k++)
        for (int i = 0; i < PAGES; i++)
            sum = sum * 31 + (unsigned char)(pages[i * PAGE] += (char)k);
    return sum;
}

static void interval(int which, long us)
{
    struct itimerval every = {{0, us}, {0, us}};
    setitimer(which, &every, NULL);
}

static int real(void)
{
    set_handler(SIGALRM, fire, SA_RESTART);
    interval(ITIMER_REAL, 5000);
    unsigned long sum = work();
    for (int i = 0; i < 20; i++)
        sleep_ms(3);
    while (fired < 20)
        pause();
    interval(ITIMER_REAL, 0);
    int count = fired;
    sleep_ms(30);
    printf("%lu, none after the end: %d\n", sum, fired == count);
    struct itimerval now;
    getitimer(ITIMER_REAL, &now);
    printf("%ld %ld\n", (long)now.it_value.tv_usec, (long)now.it_interval.tv_usec);
    return 0;
}

static int of_the_processor(void)
{
    set_handler(SIGPROF, fire, SA_RESTART);
    set_handler(SIGVTALRM, fire, SA_RESTART);
    interval(ITIMER_PROF, 10000);
    interval(ITIMER_VIRTUAL, 10000);
    unsigned long sum = work();
    while (fired < 10)
        ;
    interval(ITIMER_PROF, 0);
    interval(ITIMER_VIRTUAL, 0);
    printf("%lu\n", sum);
    return 0;
}

static void of_thread(union sigval value)
{
    touch_heap();
    __atomic_add_fetch((int *)value.sival_ptr, 1, __ATOMIC_SEQ_CST);
}

static int threads(void)
{
    int *count = memset(new_memory(PAGE), 0, PAGE);
    struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_value.sival_ptr = count};
    event.sigev_notify_function = of_thread;
    timer_t timer;
    struct itimerspec every = {{0, 10000000}, {0, 10000000}};
    result("timer_create", timer_create(CLOCK_MONOTONIC, &event, &timer));
    timer_settime(timer, 0, &every, NULL);
    unsigned long sum = work();
    while (__atomic_load_n(count, __ATOMIC_SEQ_CST) < 10)
        sleep_ms(1);
    result("timer_delete", timer_delete(timer));
    printf("%lu\n", sum);
    return 0;
}

static void value(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    fired += info->si_code == SI_TIMER && info->si_value.sival_int == 77;
}

static int signals(void)
{
    struct sigevent *event = memset(new_memory(PAGE), 0, PAGE);
    event->sigev_notify = SIGEV_SIGNAL;
    event->sigev_signo = SIGRTMIN + 2;
    event->sigev_value.sival_int = 77;
    set_handler(SIGRTMIN + 2, value, SA_RESTART);
    timer_t *timer = new_memory(PAGE);
    struct itimerspec *every = new_memory(PAGE), *now = new_memory(PAGE);
    *every = (struct itimerspec){{0, 5000000}, {0, 5000000}};
    timer_create(CLOCK_MONOTONIC, event, timer);
    timer_settime(*timer, 0, every, NULL);
    work();
    while (fired < 10)
        pause();
    timer_gettime(*timer, now);
    printf("%ld %d\n", now->it_interval.tv_nsec, now->it_value.tv_nsec <= 5000000);
    timer_delete(*timer);
    result("deleted", timer_gettime(*timer, now));
    return 0;
}

static int files(void)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct itimerspec *when = new_memory(PAGE);
    *when = (struct itimerspec){{0, 0}, {0, 30000000}};
    uint64_t *count = memset(new_memory(PAGE), 0, PAGE);
    result("settime", timerfd_settime(fd, 0, when, NULL));
    result("too early", read(fd, count, 8));
    struct pollfd wait = {fd, POLLIN, 0};
    result("poll", poll(&wait, 1, -1));
    result("read", read(fd, count, 8));
    printf("%lu, %lu\n", (unsigned long)*count, work());
    return 0;
}

static int alarms(void)
{
    set_handler(SIGALRM, fire, 0);
    alarm(100);
    printf("left %d\n", alarm(1) > 90);
    result("sleeps on", sleep(0));
    pause();
    printf("%d\n", fired);
    return 0;
}

/* Faster than a tracer can follow: the work gets done all the same, and so does waiting for the handler without a
 * call. */
static int storm(void)
{
    touch_heap(); /* the handler is not to be the first, which allocates */
    work();
    set_handler(SIGALRM, fire, SA_RESTART);
    interval(ITIMER_REAL, 50);
    printf("%lu\n", work());
    for (int from = fired; fired < from + 100;)
        ;
    interval(ITIMER_REAL, 0);
    return 0;
}

BEHAVIOURS({"storm", storm}, {"real", real}, {"of_the_processor", of_the_processor}, {"threads", threads},
           {"signals", signals}, {"files", files}, {"alarms", alarms})
