/* SPDX-License-Identifier: MIT */
/*
 * processes WHAT [ARGUMENT]...: makes processes in one way, each of which touches memory, and looks at what it can see
 * of it: registers, signals, what wait() gives. Prints what went wrong, and "done".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../older_systems.h"

extern char **environ;

#define CHECK(x)                                                                                                       \
    ((x) ? (void)0 : (void)(printf("line %d: " #x " does not hold (%s)\n", __LINE__, strerror(errno)), fflush(stdout)))

enum { BYTES = 100000 };
static char *block;

static void touch(int value)
{
    memset(block, value, BYTES);
    char *mine = malloc(BYTES);
    memset(mine, value, BYTES);
    CHECK(memcmp(mine, block, BYTES) == 0);
    free(mine);
}

static void kilobytes(size_t n)
{
    char *much = malloc(n * 1024);
    for (size_t i = 0; i < n; i++)
        ((volatile char *)much)[i * 1024] = 1;
    free(much);
}

/* Reaps the child and nothing else. */
static void reap(pid_t child, int want)
{
    int status = 0;
    CHECK(child > 0);
    CHECK(waitpid(-1, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == want);
    CHECK(waitpid(-1, &status, 0) == -1 && errno == ECHILD);
}

static pid_t fork_somehow(int way)
{
    switch (way % 4) {
    case 0:
        return fork();
    case 1:
        return _Fork();
#ifdef SYS_fork
    case 2:
        return (pid_t)syscall(SYS_fork);
#endif
    default:
        return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    }
}

static void forks(int count)
{
    for (int i = 0; i < count; i++) {
        pid_t child = fork_somehow(i);
        if (child == 0) {
            touch(i);
            _exit(i % 100);
        }
        reap(child, i % 100);
    }
}

/* A fork by the instruction, with registers set that a call preserves; did it? */
#ifdef __x86_64__
static long fork_with_registers(const unsigned char *before, unsigned char *after, bool *same)
{
    unsigned long red = 0x1234567890abcdefUL, seen = 0, r12 = 0, r15 = 0, rdi = 0, r9 = 0;
    long child;
    __asm__ volatile(
        "movdqu 0(%[b]), %%xmm0; movdqu 16(%[b]), %%xmm5; movdqu 32(%[b]), %%xmm15\n"
        "mov $0x1212, %%r12; mov $0x1515, %%r15; mov $0x0d01, %%rdi; mov $0x0909, %%r9\n"
        "mov %[red], -120(%%rsp)\n"
        "mov $57, %%eax; syscall\n"
        "movdqu %%xmm0, 0(%[a]); movdqu %%xmm5, 16(%[a]); movdqu %%xmm15, 32(%[a])\n"
        "mov -120(%%rsp), %[seen]\n"
        "mov %%r12, %[r12]; mov %%r15, %[r15]; mov %%rdi, %[rdi]; mov %%r9, %[r9]\n"
        : "=&a"(child), [seen] "=&r"(seen), [r12] "=m"(r12), [r15] "=m"(r15), [rdi] "=m"(rdi), [r9] "=m"(r9)
        : [a] "r"(after), [b] "r"(before), [red] "r"(red)
        : "rcx", "r11", "r12", "r15", "rdi", "r9", "xmm0", "xmm5", "xmm15", "memory", "cc");
    *same = seen == red && r12 == 0x1212 && r15 == 0x1515 && rdi == 0x0d01 && r9 == 0x0909;
    return child;
}
#elif defined(__aarch64__)
static long fork_with_registers(const unsigned char *before, unsigned char *after, bool *same)
{
    register long x0 __asm__("x0") = SIGCHLD;
    register unsigned long x1 __asm__("x1") = 0, x2 __asm__("x2") = 0, x3 __asm__("x3") = 0, x4 __asm__("x4") = 0;
    register unsigned long x5 __asm__("x5") = 0x0505, x7 __asm__("x7") = 0x0707, x8 __asm__("x8") = SYS_clone;
    register unsigned long x9 __asm__("x9") = 0x0909, x17 __asm__("x17") = 0x1717, x28 __asm__("x28") = 0x2828;
    __asm__ volatile("ldr q0, [%[b]]; ldr q5, [%[b], #16]; ldr q31, [%[b], #32]\n"
                     "svc #0\n"
                     "str q0, [%[a]]; str q5, [%[a], #16]; str q31, [%[a], #32]\n"
                     : "+r"(x0), "+r"(x1), "+r"(x5), "+r"(x7), "+r"(x8), "+r"(x9), "+r"(x17), "+r"(x28)
                     : [a] "r"(after), [b] "r"(before), "r"(x2), "r"(x3), "r"(x4)
                     : "v0", "v5", "v31", "memory", "cc");
    *same =
        x1 == 0 && x5 == 0x0505 && x7 == 0x0707 && x8 == SYS_clone && x9 == 0x0909 && x17 == 0x1717 && x28 == 0x2828;
    return x0;
}
#endif

static void registers(void)
{
    _Alignas(64) unsigned char before[512], after[512];
    bool same;
    for (unsigned i = 0; i < sizeof before; i++)
        before[i] = (unsigned char)(i * 7 + 1);
    long child = fork_with_registers(before, after, &same);
    same = same && memcmp(before, after, 48) == 0;
    if (child == 0)
        _exit(same ? 7 : 8);
    CHECK(same);
    reap((pid_t)child, 7);
}

static volatile sig_atomic_t handled;

static void handler(int signal)
{
    (void)signal;
    handled++;
    pid_t child = fork(); /* also right where a forked child begins */
    if (child == 0)
        _exit(3);
    int status;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
}

/* Masks and handlers in the child; a signal that comes at once; SIGSEGV blocked. */
static void signals(void)
{
    struct sigaction action = {.sa_handler = handler}, seen;
    sigset_t set, old;
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGSEGV);
    sigaction(SIGUSR1, &action, NULL);
    for (int round = 0; round < 4; round++) {
        sigemptyset(&set);
        sigaddset(&set, SIGUSR2);
        if (round & 1)
            sigaddset(&set, SIGSEGV);
        sigprocmask(SIG_SETMASK, &set, NULL);
        pid_t child = fork();
        if (child == 0) {
            touch(round);
            sigprocmask(SIG_BLOCK, NULL, &old);
            CHECK(sigismember(&old, SIGUSR2) && !sigismember(&old, SIGTERM));
            CHECK(sigismember(&old, SIGSEGV) == (round & 1));
            sigaction(SIGUSR1, NULL, &seen);
            CHECK(seen.sa_handler == handler && sigismember(&seen.sa_mask, SIGSEGV));
            sigaction(SIGSEGV, NULL, &seen);
            CHECK(seen.sa_handler == SIG_DFL);
            while (!handled)
                usleep(1000);
            _exit(5);
        }
        kill(child, SIGUSR1);
        reap(child, 5);
    }
}

static void count(int signal)
{
    (void)signal;
    handled++;
}

/* A signal to a child as soon as it is there, also one that stops it. */
static void kills(int times)
{
    signal(SIGUSR1, count);
    for (int i = 0; i < times; i++) {
        pid_t child = fork();
        int status = 0;
        if (child == 0) {
            touch(i);
            while (!handled)
                usleep(100);
            _exit(6);
        }
        if (i % 4 == 0) {
            kill(child, SIGSTOP);
            CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
            kill(child, SIGCONT);
        }
        kill(child, SIGUSR1);
        reap(child, 6);
    }
}

/* Sends SIGUSR1 to each new child of `parent` as soon as it is there. Its own process, for a traced thread would
 * wait. */
static void send_to_children(pid_t parent, int cpu)
{
    cpu_set_t cpus; /* all but the one that the parent and its catcher share */
    if (sched_getaffinity(0, sizeof cpus, &cpus) == 0) {
        CPU_CLR((unsigned)cpu, &cpus);
        sched_setaffinity(0, sizeof cpus, &cpus);
    }
    char path[64], text[4096];
    long known[8] = {getpid()};
    snprintf(path, sizeof path, "/proc/%ld/task/%ld/children", (long)parent, (long)parent);
    for (unsigned i = 1; getppid() == parent;) {
        FILE *f = fopen(path, "r");
        size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
        text[n] = '\0';
        if (f)
            fclose(f);
        for (char *at = text; n && *at; at += strspn(at, " ")) {
            long child = strtol(at, &at, 10);
            bool seen = false;
            for (unsigned k = 0; k < 8; k++)
                seen |= known[k] == child;
            if (!seen && child > 0) {
                known[1 + i++ % 7] = child;
                kill((pid_t)child, SIGUSR1);
            }
        }
    }
}

static void killed(int times)
{
    struct sigaction action = {.sa_handler = count};
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGSEGV); /* the catcher takes that out, and gives it back to a child: it takes longer */
    for (int i = 1; i <= 64; i++)
        if (i != SIGCHLD && i != SIGSEGV && i != SIGCONT && i != SIGTERM)
            sigaction(i, &action, NULL);
    int cpu = sched_getcpu();
    pid_t parent = getpid(), sender = fork();
    if (sender == 0) {
        send_to_children(parent, cpu);
        _exit(0);
    }
    for (int i = 0; i < times; i++) {
        int status = 0;
        pid_t child = fork();
        if (child == 0) {
            while (!handled)
                usleep(100);
            _exit(6);
        }
        CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 6);
    }
    kill(sender, SIGKILL);
    waitpid(sender, NULL, 0);
}

static void *fork_in_thread(void *number)
{
    for (int i = 0; i < 5; i++) {
        pid_t child = fork_somehow(i);
        int status = 0;
        if (child == 0) {
            if (i % 4) /* a lock of malloc may be held for ever */
                memset(block, i, BYTES);
            else
                touch((int)(long)number);
            _exit(11);
        }
        CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 11);
    }
    return NULL;
}

static volatile int stop;

static void *allocate(void *unused)
{
    while (!stop)
        free(memset(malloc(300000), 1, 300000));
    return unused;
}

static void threads(void)
{
    pthread_t busy, forking[4];
    pthread_create(&busy, NULL, allocate, NULL);
    for (long i = 0; i < 4; i++)
        pthread_create(&forking[i], NULL, fork_in_thread, (void *)i);
    for (int i = 0; i < 4; i++)
        pthread_join(forking[i], NULL);
    stop = 1;
    pthread_join(busy, NULL);
}

/* A child of a child of a child …, each of which waits. */
static void depth(int levels)
{
    touch(levels);
    if (!levels)
        return;
    pid_t child = fork();
    if (child == 0) {
        depth(levels - 1);
        _exit(4);
    }
    reap(child, 4);
}

/* As daemon(3) does: the grandchild outlives us. It writes to the file when it is done. */
static void daemon_to(const char *file)
{
    pid_t child = fork();
    if (child == 0) {
        touch(8);
        setsid();
        if (fork())
            _exit(0);
        usleep(300000);
        touch(9);
        FILE *f = fopen(file, "w");
        fprintf(f, "%ld\n", (long)getpid());
        fclose(f);
        _exit(12);
    }
    reap(child, 0);
}

static void spawn(char **argv)
{
    pid_t child = 0;
    CHECK(posix_spawn(&child, argv[0], NULL, NULL, argv, environ) == 0);
    reap(child, 0);
    CHECK(posix_spawn(&child, "/no/such/program", NULL, NULL, argv, environ) == ENOENT);
    CHECK(waitpid(-1, NULL, 0) == -1);
}

static void vforks(char **argv)
{
    pid_t child = vfork();
    if (child == 0) {
        execv(argv[0], argv);
        _exit(99);
    }
    reap(child, 0);
    child = vfork();
    if (child == 0)
        _exit(17);
    reap(child, 17);
}

static void shells(char **argv)
{
    char line[100] = "";
    CHECK(WEXITSTATUS(system("exit 13")) == 13);
    FILE *f = popen(argv[0], "r");
    CHECK(f && fgets(line, sizeof line, f));
    CHECK(pclose(f) == 0);
    fputs(line, stdout);
}

/* execve that fails leaves all as it was; then one that does not. */
static void execs(char **argv)
{
    void *volatile bad = (void *)16;
    char *words[] = {"x", NULL}, *variables[] = {"A=1", "LD_PRELOAD=", "B=2", NULL}, *before[4];
    memcpy(before, variables, sizeof before);
    CHECK(execve("/no/such/program", words, variables) == -1 && errno == ENOENT);
    CHECK(execve("/etc/passwd", words, variables) == -1 && errno == EACCES);
    CHECK(execve("/etc", words, variables) == -1 && errno == EACCES);
    CHECK(execve(argv[0], words, (char **)bad) == -1 && errno == EFAULT);
    CHECK(execve((char *)bad, words, variables) == -1 && errno == EFAULT);
    CHECK(execve(argv[0], (char **)bad, variables) == -1 && errno == EFAULT);
    CHECK(memcmp(before, variables, sizeof before) == 0 && strcmp(variables[1], "LD_PRELOAD=") == 0);
    touch(1);
    fflush(stdout);
    execv(argv[0], argv);
    CHECK(!"execv came back");
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    const char *what = argv[1];
    char *nothing[] = {"/bin/true", NULL}, **rest = argc > 2 ? argv + 2 : nothing;
    block = malloc(BYTES);
    touch(1);
    if (strcmp(what, "forks") == 0)
        forks(atoi(rest[0]));
    else if (strcmp(what, "kilobytes") == 0)
        kilobytes((size_t)atoi(rest[0]));
    else if (strcmp(what, "registers") == 0)
        registers();
    else if (strcmp(what, "signals") == 0)
        signals();
    else if (strcmp(what, "kills") == 0)
        kills(atoi(rest[0]));
    else if (strcmp(what, "killed") == 0)
        killed(atoi(rest[0]));
    else if (strcmp(what, "threads") == 0)
        threads();
    else if (strcmp(what, "depth") == 0)
        depth(atoi(rest[0]));
    else if (strcmp(what, "daemon") == 0)
        daemon_to(rest[0]);
    else if (strcmp(what, "spawn") == 0)
        spawn(rest);
    else if (strcmp(what, "vforks") == 0)
        vforks(rest);
    else if (strcmp(what, "shells") == 0)
        shells(rest);
    else if (strcmp(what, "execs") == 0)
        execs(rest);
    else
        return 2;
    puts("done");
    return 0;
}
