/* SPDX-License-Identifier: MIT */
/*
 * Programs that print what the system does, to be run natively and under `vmtrace run` by behave.sh: behave_NAME list
 * prints the names of its cases, behave_NAME CASE runs one. What a case prints and how it ends is the same in every
 * native run.
 */
#ifndef VMT_TESTS_BEHAVE_H
#define VMT_TESTS_BEHAVE_H

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../older_systems.h"

enum { PAGE = 4096 };

struct behaviour {
    const char *name;
    int (*run)(void);
};

#define BEHAVIOURS(...)                                                             \
    int main(int argc, char **argv)                                                 \
    {                                                                               \
        static const struct behaviour all[] = {__VA_ARGS__};                        \
        return run_behaviour(all, sizeof all / sizeof *all, argc, argv);            \
    }

static inline int run_behaviour(const struct behaviour *all, size_t count, int argc, char **argv)
{
    setvbuf(stdout, NULL, _IONBF, 0); /* in order with what children write */
    for (size_t i = 0; argc == 2 && i < count; i++) {
        if (strcmp(argv[1], "list") == 0)
            puts(all[i].name);
        else if (strcmp(argv[1], all[i].name) == 0)
            return all[i].run();
    }
    return argc == 2 && strcmp(argv[1], "list") == 0 ? 0 : 2;
}

/* From handlers: no stdio, no malloc. */
static inline void say(const char *format, ...)
{
    char line[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (n > 0 && write(1, line, (size_t)n) != n)
        _exit(97);
}

/* A result, and the name of the error if it is one. */
static inline void result(const char *what, long value)
{
    printf("%s: %ld%s%s\n", what, value, value < 0 ? " " : "", value < 0 ? strerrorname_np(errno) : "");
}

static inline void *new_memory(size_t bytes)
{
    void *p = aligned_alloc(PAGE, (bytes + PAGE - 1) / PAGE * PAGE);
    if (!p)
        exit(98);
    return p;
}

/* Touches pages of the heap, and a system call among them, so that there is something to trace. */
static inline unsigned touch_heap(void)
{
    enum { PAGES = 100 };
    static unsigned char *pages;
    unsigned sum = 0;
    if (!pages)
        pages = memset(new_memory(PAGES * PAGE), 1, PAGES * PAGE);
    for (int i = 0; i < PAGES; i++)
        sum += pages[i * PAGE] += 2;
    char *block = malloc(3000);
    memset(block, 1, 3000);
    free(block);
    return sum;
}

/* An address that the compiler does not know to be bad. */
static inline volatile char *bad_address(uintptr_t address)
{
    volatile uintptr_t at = address;
    return (volatile char *)at;
}

static inline void sleep_ms(long ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&time, &time) < 0 && errno == EINTR)
        ;
}

/* The letter of a task in /proc: PATH/stat. '?': it is gone. */
static inline char task_state(const char *path)
{
    char text[512] = "";
    FILE *file = fopen(path, "r");
    if (!file)
        return '?';
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    char *end = n ? strrchr(text, ')') : NULL;
    return end ? end[2] : '?';
}

/* Waits until the thread sleeps in a system call, and has done so for some time. */
static inline void until_asleep(pid_t process, pid_t thread)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/stat", (int)process, (int)thread);
    for (int seen = 0; seen < 5; sleep_ms(2))
        seen = task_state(path) == 'S' ? seen + 1 : 0;
}

static inline void set_handler(int signal, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
    if (sigaction(signal, &action, NULL) < 0)
        exit(96);
}

static inline void print_status(const char *what, int status)
{
    if (WIFEXITED(status))
        printf("%s: exit %d\n", what, WEXITSTATUS(status));
    else if (WIFSIGNALED(status))
        printf("%s: signal %d\n", what, WTERMSIG(status));
    else if (WIFSTOPPED(status))
        printf("%s: stopped %d event %d\n", what, WSTOPSIG(status), status >> 16);
    else
        printf("%s: continued %d\n", what, WIFCONTINUED(status));
}

static inline void wait_and_print(const char *what, pid_t child)
{
    int status = 0;
    pid_t got;
    while ((got = waitpid(child, &status, 0)) < 0 && errno == EINTR)
        ;
    if (got != child)
        result(what, got);
    else
        print_status(what, status);
}

#endif
