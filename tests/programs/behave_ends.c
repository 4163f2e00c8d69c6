/* SPDX-License-Identifier: MIT */
/*
 * How a program with threads ends: threads cancelled, both ways; exit, _exit, execve, abort and a deadly signal while
 * other threads fault; a main thread that goes first.
 */
#define _GNU_SOURCE
#include <sched.h>

#include "behave.h"

static void clean_up(void *block)
{
    memset(block, 7, 20000);
    free(block);
    say("cleaned up\n");
}

_Noreturn static void touch_for_ever(char *pages)
{
    for (unsigned i = 0;; i++)
        ((volatile char *)pages)[i * 4099U % 200000]++;
}

static void *spin(void *none)
{
    (void)none;
    touch_for_ever(new_memory(200000));
}

static void start_spinners(void)
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, spin, NULL);
    sleep_ms(20);
}

static void *sleep_for_ever(void *none)
{
    char *block = malloc(20000);
    pthread_cleanup_push(clean_up, block);
    for (;;)
        pause();
    pthread_cleanup_pop(0);
    return none;
}

static void *spin_until_cancelled(void *none)
{
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    char *block = malloc(200000);
    pthread_cleanup_push(clean_up, block);
    touch_for_ever(block);
    pthread_cleanup_pop(0);
    return none;
}

static int cancel(void)
{
    start_spinners();
    void *(*const bodies[])(void *) = {sleep_for_ever, spin_until_cancelled};
    for (int i = 0; i < 2; i++) {
        pthread_t thread;
        void *value;
        pthread_create(&thread, NULL, bodies[i], NULL);
        sleep_ms(30);
        pthread_cancel(thread);
        pthread_join(thread, &value);
        printf("cancelled %d\n", value == PTHREAD_CANCELED);
    }
    return 4;
}

static void *exit_from_thread(void *none)
{
    (void)none;
    sleep_ms(20);
    exit(5);
}

static int exit_of_thread(void)
{
    pthread_t thread;
    start_spinners();
    pthread_create(&thread, NULL, exit_from_thread, NULL);
    pause();
    return 1;
}

static void *execute(void *none)
{
    char **argv = new_memory(5 * PAGE);
    argv[0] = strdup("sh");
    argv[1] = strdup("-c");
    argv[2] = strdup("[ $$ = $PPID ] || echo executed; exit 6");
    argv[3] = NULL;
    sleep_ms(20);
    execv("/bin/sh", argv);
    return none;
}

static int execve_of_thread(void)
{
    pthread_t thread;
    start_spinners();
    pthread_create(&thread, NULL, execute, NULL);
    pause();
    return 1;
}

static int execve_of_main(void)
{
    start_spinners();
    execute(NULL);
    return 1;
}

static int exit_of_main(void)
{
    start_spinners();
    return 9;
}

static int exit_group_of_main(void)
{
    start_spinners();
    _exit(8);
}

static int kill_itself(void)
{
    start_spinners();
    raise(SIGKILL);
    return 1;
}

static int abort_itself(void)
{
    start_spinners();
    abort();
}

static int fault(void)
{
    start_spinners();
    *bad_address(8) = 0;
    return 1;
}

static int alarm_kills(void)
{
    start_spinners();
    alarm(1);
    pause();
    return 1;
}

static void *last(void *then_execute)
{
    char *pages = memset(new_memory(400000), 0, 400000);
    long sum = 0;
    for (int round = 0; round < 5; round++) {
        sleep_ms(10);
        for (int i = 0; i < 400000; i += PAGE)
            sum += pages[i] += (char)round;
    }
    say("the last thread: %ld\n", sum);
    if (then_execute)
        execute(NULL);
    return NULL;
}

static int main_first(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, last, NULL);
    pthread_exit(NULL);
    return 1;
}

static int main_first_then_execve(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, last, "");
    pthread_exit(NULL);
    return 1;
}

static void *brief(void *none)
{
    touch_heap();
    static int count;
    __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
    if (none)
        *(int *)none = 1;
    return &count;
}

static int detached(void)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    static int count;
    for (int i = 0; i < 200; i++) {
        pthread_t thread;
        int done = 0, error = pthread_create(&thread, &attributes, brief, &done);
        if (error)
            return 1;
        while (!__atomic_load_n(&done, __ATOMIC_SEQ_CST))
            sched_yield();
        count++;
    }
    printf("%d\n", count);
    return 0;
}

BEHAVIOURS({"cancel", cancel}, {"exit_of_thread", exit_of_thread}, {"execve_of_thread", execve_of_thread},
           {"execve_of_main", execve_of_main}, {"exit_of_main", exit_of_main},
           {"exit_group_of_main", exit_group_of_main}, {"kill_itself", kill_itself}, {"abort_itself", abort_itself},
           {"fault", fault}, {"alarm_kills", alarm_kills}, {"main_first", main_first},
           {"main_first_then_execve", main_first_then_execve}, {"detached", detached})
