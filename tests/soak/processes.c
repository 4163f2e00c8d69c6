/* SPDX-License-Identifier: MIT */
/* Processes: children that work and answer, that are replaced, stopped, killed, and waited for in every way. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "children.h"
#include "soak.h"

extern char **environ;

/* ------------------------------------------------------------------------------------------- the program as a child */

int soak_child_main(int count, char **arguments)
{
    const char *what = count > 0 ? arguments[0] : "";
    uint64_t x = count > 1 ? strtoull(arguments[1], NULL, 0) : 0;
    if (strcmp(what, "status") == 0)
        return (int)x;
    if (strcmp(what, "sum") == 0) { /* of the standard input and what follows */
        char buffer[1000];
        for (ssize_t n; (n = read(0, buffer, sizeof buffer)) > 0;)
            for (ssize_t i = 0; i < n; i++)
                x = hash(x ^ (unsigned char)buffer[i]);
        for (int i = 2; i < count; i++)
            x = hash(x ^ strlen(arguments[i]));
        const char *variable = getenv("SOAK_VARIABLE");
        printf("%016llx %s\n", (unsigned long long)x, variable ? variable : "-");
        return 5;
    }
    if (strcmp(what, "signal") == 0) {
        sigset_t none;
        sigemptyset(&none);
        signal((int)x, SIG_DFL);
        sigprocmask(SIG_SETMASK, &none, NULL);
        raise((int)x);
    }
    return 90;
}

/* ------------------------------------------------------------------------------------------- waiting */

static int status_of(pid_t child)
{
    int status = 0;
    switch (below(5)) {
    case 0: {
        siginfo_t *info = calloc(1, sizeof *info);
        CHECK_IS(UNINTERRUPTED(waitid(P_PID, (id_t)child, info, WEXITED | WNOWAIT)), 0);
        CHECK_IS(info->si_signo, SIGCHLD);
        CHECK_IS(info->si_pid, child);
        int code = info->si_code, told = info->si_status;
        free(info);
        CHECK_IS(waitpid(child, &status, WNOHANG), child);
        CHECK(code == CLD_EXITED ? WIFEXITED(status) && told == WEXITSTATUS(status)
                                 : WIFSIGNALED(status) && told == WTERMSIG(status));
        return status;
    }
    case 1: {
        struct rusage *usage = get(sizeof *usage);
        CHECK_IS(UNINTERRUPTED(wait4(child, &status, 0, usage)), child);
        CHECK(usage->ru_maxrss >= 0);
        free(usage);
        return status;
    }
    case 2: {
        int fd = (int)syscall(SYS_pidfd_open, child, 0);
        CHECK(fd >= 0);
        struct pollfd one = {.fd = fd, .events = POLLIN};
        CHECK_IS(UNINTERRUPTED(poll(&one, 1, -1)), 1);
        siginfo_t info;
        CHECK_IS(waitid((idtype_t)3 /* P_PIDFD */, (id_t)fd, &info, WEXITED), 0);
        close(fd);
        return info.si_code == CLD_EXITED ? info.si_status << 8 : info.si_status;
    }
    case 3: {
        pid_t got;
        while ((got = waitpid(child, &status, WNOHANG)) == 0)
            usleep(300);
        CHECK_IS(got, child);
        return status;
    }
    default: {
        int *room = get(sizeof *room);
        CHECK_IS(UNINTERRUPTED(waitpid(child, room, 0)), child);
        status = *room;
        free(room);
        return status;
    }
    }
}

static void expect_exit(pid_t child, int code)
{
    CHECK(child > 0);
    int status = status_of(child);
    CHECK(WIFEXITED(status));
    CHECK_IS(WEXITSTATUS(status), code);
}

/* ------------------------------------------------------------------------------------------- fork */

/* The child takes steps like any thread, and sends its digest. */
static void child_works(void)
{
    int fds[2];
    CHECK_IS(pipe2(fds, O_CLOEXEC), 0);
    unsigned steps = (unsigned)between(1, 6), code = (unsigned)below(90);
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        CHECK(getpid() != parent);
        CHECK_IS(getppid(), parent);
        CHECK_IS(getpid(), syscall(SYS_gettid));
        soak_steps_of_child(steps);
        for (size_t i = 0; i < SOAK_SLOTS; i++)
            CHECK(filled(me->slots[i].memory, me->slots[i].bytes, me->slots[i].key));
        CHECK_IS(write(fds[1], &me->digest, 8), 8);
        _exit((int)code);
    }
    close(fds[1]);
    uint64_t *digest = get(8);
    CHECK_IS(read(fds[0], digest, 8), 8);
    mix(*digest);
    free(digest);
    close(fds[0]);
    expect_exit(child, (int)code);
    mix(code);
}

static void *work_in_child(void *argument)
{
    (void)argument;
    soak_steps_of_child(2);
    return NULL;
}

static void child_with_threads(void)
{
    int fds[2];
    CHECK_IS(pipe2(fds, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        struct soak_helper helpers[3];
        for (int i = 0; i < 3; i++) {
            size_t bytes = some_size();
            void *p = get(bytes);
            fill(p, bytes, 1);
            free(p);
            start_helper(&helpers[i], work_in_child, NULL, NULL);
            join_helper(&helpers[i]); /* one at a time: they have one folder */
        }
        CHECK_IS(write(fds[1], &me->digest, 8), 8);
        if (soak.threads == 1) /* exit() would flush the streams that other threads were in the middle of */
            exit(0);
        _exit(0);
    }
    close(fds[1]);
    uint64_t digest;
    CHECK_IS(read(fds[0], &digest, 8), 8);
    mix(digest);
    close(fds[0]);
    expect_exit(child, 0);
}

static void many_children(void)
{
    pid_t children[8];
    unsigned n = (unsigned)between(2, 8);
    size_t bytes = 10 * PAGE;
    unsigned char *memory = get(bytes);
    fill(memory, bytes, 5);
    for (unsigned i = 0; i < n; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            CHECK(filled(memory, bytes, 5));
            memset(memory, (int)i, bytes);
            _exit((int)i);
        }
        CHECK(children[i] > 0);
        memory[below(bytes)] ^= 0; /* copied on write here, too */
    }
    for (unsigned i = n; i-- > 0;)
        expect_exit(children[i], (int)i);
    CHECK(filled(memory, bytes, 5));
    free(memory);
}

/* Nobody else has children now. */
static void wait_for_any(void)
{
    unsigned n = (unsigned)between(1, 5), sum = 0;
    for (unsigned i = 0; i < n; i++) {
        pid_t child = fork();
        if (child == 0)
            _exit((int)(10 + i));
        CHECK(child > 0);
    }
    for (unsigned i = 0; i < n; i++) {
        int status;
        CHECK(UNINTERRUPTED(waitpid(-1, &status, 0)) > 0);
        CHECK(WIFEXITED(status));
        sum += (unsigned)WEXITSTATUS(status);
    }
    CHECK_IS(sum, n * 10 + n * (n - 1) / 2);
    CHECK_FAILS(waitpid(-1, NULL, 0), ECHILD);
    CHECK_FAILS(wait(NULL), ECHILD);
    CHECK_FAILS(waitid(P_ALL, 0, NULL, WEXITED), ECHILD);
}

static void killed(void)
{
    static const int signals[] = {SIGKILL, SIGTERM, SIGUSR1, SIGALRM, SIGHUP, SIGPIPE, SIGABRT, SIGSEGV};
    int signal = signals[below(8)];
    bool by_parent = one_in(2);
    pid_t child = fork();
    if (child == 0) {
        struct sigaction action = {.sa_handler = SIG_DFL};
        if (signal != SIGKILL)
            sigaction(signal, &action, NULL);
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        if (!by_parent)
            raise(signal);
        for (;;)
            pause();
    }
    CHECK(child > 0);
    if (by_parent) {
        signal = one_in(2) ? SIGKILL : SIGSTOP; /* whatever the child has set up by then */
        CHECK_IS(kill(child, signal), 0);
        if (signal == SIGSTOP) {
            int status;
            CHECK_IS(UNINTERRUPTED(waitpid(child, &status, WUNTRACED)), child);
            CHECK(WIFSTOPPED(status));
            CHECK_IS(WSTOPSIG(status), SIGSTOP);
            CHECK_IS(kill(child, SIGCONT), 0);
            CHECK_IS(UNINTERRUPTED(waitpid(child, &status, WCONTINUED)), child);
            CHECK(WIFCONTINUED(status));
            CHECK_IS(kill(child, SIGKILL), 0);
            signal = SIGKILL;
        }
    }
    int status = status_of(child);
    CHECK(WIFSIGNALED(status));
    CHECK_IS(WTERMSIG(status), signal);
    mix((uint64_t)signal);
}

/* ------------------------------------------------------------------------------------------- vfork, clone */

static void vforked(void)
{
    volatile unsigned char *memory = get(3 * PAGE);
    memset((void *)memory, 0, 3 * PAGE);
    int code = (int)below(90);
    char text[16];
    snprintf(text, sizeof text, "%d", code);
    char *arguments[] = {"soak", "--child", "status", text, NULL};
    bool replaced = one_in(2);
    pid_t child = vfork();
    if (child == 0) {
        memory[PAGE] = 7; /* shared with the parent */
        memory[2 * PAGE]++;
        if (replaced) {
            execve("/proc/thread-self/exe", arguments, environ);
            _exit(99);
        }
        _exit(code);
    }
    CHECK_IS(memory[PAGE], 7);
    CHECK_IS(memory[2 * PAGE], 1);
    expect_exit(child, code);
    free((void *)memory);
    mix((uint64_t)code);
}

static void vfork_fails(void)
{
    volatile int error = 0;
    char *name = get(200);
    memset(name, 'x', 199);
    memcpy(name, "/no/such", 8);
    name[199] = 0;
    char **arguments = get(2 * sizeof *arguments);
    arguments[0] = name;
    arguments[1] = NULL;
    pid_t child = vfork();
    if (child == 0) {
        execve(name, arguments, environ);
        error = errno;
        _exit(3);
    }
    CHECK_IS(error, ENOENT);
    expect_exit(child, 3);
    free(name);
    free(arguments);
}

/* Output and status of a spawned process that reads what it is sent. */
static void spawned(void)
{
    int in[2], out[2];
    CHECK_IS(pipe2(in, O_CLOEXEC), 0);
    CHECK_IS(pipe2(out, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    CHECK_IS(posix_spawn_file_actions_init(&actions), 0);
    CHECK_IS(posix_spawn_file_actions_adddup2(&actions, in[0], 0), 0);
    CHECK_IS(posix_spawn_file_actions_adddup2(&actions, out[1], 1), 0);
    CHECK_IS(posix_spawnattr_init(&attributes), 0);
    sigset_t none;
    sigemptyset(&none);
    if (one_in(2)) {
        CHECK_IS(posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK), 0);
        CHECK_IS(posix_spawnattr_setsigmask(&attributes, &none), 0);
    }
    char *more[4], *seed = get(30), *variable = get(60), **environment = get(2 * sizeof *environment);
    for (int i = 0; i < 4; i++) {
        size_t n = below(2000);
        more[i] = get(n + 1);
        memset(more[i], 'a' + i, n);
        more[i][n] = 0;
    }
    snprintf(seed, 30, "%llu", (unsigned long long)draw());
    snprintf(variable, 60, "SOAK_VARIABLE=%llu", (unsigned long long)draw());
    environment[0] = variable;
    environment[1] = NULL;
    char *arguments[] = {"soak", "--child", "sum", seed, more[0], more[1], more[2], more[3], NULL};
    pid_t child;
    CHECK_IS(posix_spawn(&child, "/proc/thread-self/exe", &actions, &attributes, arguments, environment), 0);
    close(in[0]);
    close(out[1]);
    size_t bytes = between(1, 20000);
    unsigned char *text = get(bytes);
    fill(text, bytes, draw());
    CHECK_IS(write(in[1], text, bytes), bytes);
    close(in[1]);
    memset(text, 0, bytes);
    char answer[100] = {0};
    size_t got = 0;
    ssize_t n;
    while ((n = read(out[0], answer + got, sizeof answer - got)) > 0)
        got += (size_t)n;
    CHECK(got > 16);
    mix_bytes(answer, got);
    close(out[0]);
    expect_exit(child, 5);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    for (int i = 0; i < 4; i++)
        free(more[i]);
    free(seed);
    free(variable);
    free(environment);
    free(text);
}

static void spawn_fails(void)
{
    char *arguments[] = {"x", NULL};
    pid_t child = -5;
    CHECK_IS(posix_spawn(&child, "/no/such/program", NULL, NULL, arguments, environ), ENOENT);
    int error = posix_spawnp(&child, "no-such-program-at-all", NULL, NULL, arguments, environ);
    CHECK(error == ENOENT || error == EACCES); /* of a folder in PATH */
}

static void replaced(void)
{
    int code = (int)below(90), signal = one_in(2) ? SIGTERM : SIGKILL;
    bool by_signal = one_in(3);
    char text[16];
    snprintf(text, sizeof text, "%d", by_signal ? signal : code);
    pid_t child = fork();
    if (child == 0) {
        execl("/proc/thread-self/exe", "soak", "--child", by_signal ? "signal" : "status", text, (char *)NULL);
        _exit(98);
    }
    CHECK(child > 0);
    int status = status_of(child);
    CHECK_IS(status & 0x7f, by_signal ? signal : 0);
    if (!by_signal)
        CHECK_IS(WEXITSTATUS(status), code);
    mix((uint64_t)(status & ~0x80));
}

static void shell(void)
{
    char command[100];
    unsigned code = (unsigned)below(100);
    snprintf(command, sizeof command, "exit %u", code);
    int status = system(command);
    CHECK(WIFEXITED(status));
    CHECK_IS(WEXITSTATUS(status), code);
    mix(code);
}

static void piped(void)
{
    char line[200], command[100];
    unsigned long long value = draw();
    snprintf(command, sizeof command, "echo %llu; exit 4", value);
    FILE *f = popen(command, "re");
    CHECK(f != NULL);
    CHECK(fgets(line, sizeof line, f) != NULL);
    CHECK(strtoull(line, NULL, 10) == value);
    mix(value);
    CHECK(fgets(line, sizeof line, f) == NULL);
    int status = pclose(f);
    CHECK(WIFEXITED(status));
    CHECK_IS(WEXITSTATUS(status), 4);
}

struct cloned {
    unsigned char *memory;
    size_t bytes;
    int code;
};

static int cloned_main(void *argument)
{
    struct cloned *c = argument; /* no libc: it shares the thread's TLS with its parent */
    for (size_t i = 0; i < c->bytes; i += 64)
        c->memory[i]++;
    return c->code;
}

/* A process that shares the memory, on a malloc'd stack; the parent waits as after vfork, or not. */
static void cloned(void)
{
    size_t bytes = 16 * PAGE;
    unsigned char *stack = get(bytes);
    struct cloned *c = get(sizeof *c);
    c->bytes = between(64, 10 * PAGE);
    c->memory = calloc(1, c->bytes);
    c->code = (int)below(90);
    int flags = SIGCHLD | CLONE_VM | (one_in(2) ? CLONE_VFORK : 0) | (one_in(2) ? CLONE_FILES | CLONE_FS : 0);
    pid_t child = clone(cloned_main, stack + bytes, flags, c);
    expect_exit(child, c->code);
    for (size_t i = 0; i < c->bytes; i += 64)
        CHECK_IS(c->memory[i], 1);
    mix((uint64_t)c->code);
    free(c->memory);
    free(c);
    free(stack);
}

/* fork by clone3, with a pidfd and the child's number on the heap. */
static void clone_three(void)
{
    struct clone_args *a = calloc(1, sizeof *a);
    int *pidfd = get(sizeof *pidfd), *parent_tid = get(sizeof *parent_tid), *child_tid = get(sizeof *child_tid);
    a->flags = CLONE_PIDFD | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID;
    a->pidfd = (uintptr_t)pidfd;
    a->parent_tid = (uintptr_t)parent_tid;
    a->child_tid = (uintptr_t)child_tid;
    a->exit_signal = SIGCHLD;
    *child_tid = 0;
    long child = syscall(SYS_clone3, a, sizeof *a);
    if (child == 0)
        syscall(SYS_exit_group, *child_tid == syscall(SYS_getpid) ? 6 : 7);
    if (child < 0 && errno == ENOSYS) { /* containers */
        child = fork();
        if (child == 0)
            _exit(6);
        *parent_tid = (int)child;
        *pidfd = dup(0);
    }
    CHECK(child > 0);
    CHECK_IS(*parent_tid, child);
    CHECK_IS(*child_tid, 0);
    expect_exit((pid_t)child, 6);
    CHECK_IS(fcntl(*pidfd, F_GETFD) >= 0, 1);
    close(*pidfd);
    free(a);
    free(pidfd);
    free(parent_tid);
    free(child_tid);
}

/* ------------------------------------------------------------------------------------------- SIGCHLD */

static volatile sig_atomic_t deaths, last_pid, last_status;

static void on_death(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    me->scratch[200]++;
    last_pid = info->si_pid;
    last_status = info->si_status;
    deaths++;
}

static void drain_chld(void)
{
    sigset_t set;
    struct timespec none = {0, 0};
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    while (sigtimedwait(&set, NULL, &none) > 0)
        ;
}

static void death_handled(void)
{
    sigset_t old, set;
    CHECK_IS(pthread_sigmask(SIG_BLOCK, NULL, &old), 0);
    drain_chld();
    struct sigaction action = {.sa_sigaction = on_death, .sa_flags = SA_SIGINFO | SA_RESTART}, before;
    CHECK_IS(sigaction(SIGCHLD, &action, &before), 0);
    deaths = 0;
    int code = (int)below(90);
    pid_t child = fork();
    if (child == 0)
        _exit(code);
    CHECK(child > 0);
    set = old;
    sigdelset(&set, SIGCHLD);
    while (!deaths)
        CHECK_FAILS(sigsuspend(&set), EINTR);
    CHECK_IS(deaths, 1);
    CHECK_IS(last_pid, child);
    CHECK_IS(last_status, code);
    expect_exit(child, code);
    CHECK_IS(sigaction(SIGCHLD, &before, NULL), 0);
    CHECK_IS(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
}

/* The handler runs while the parent waits for the child. */
static void death_while_waiting(void)
{
    sigset_t old, set;
    CHECK_IS(pthread_sigmask(SIG_BLOCK, NULL, &old), 0);
    drain_chld();
    struct sigaction action = {.sa_sigaction = on_death, .sa_flags = SA_SIGINFO | SA_RESTART}, before;
    CHECK_IS(sigaction(SIGCHLD, &action, &before), 0);
    set = old;
    sigdelset(&set, SIGCHLD);
    CHECK_IS(pthread_sigmask(SIG_SETMASK, &set, NULL), 0);
    deaths = 0;
    pid_t child = fork();
    if (child == 0) {
        usleep(1000);
        _exit(9);
    }
    CHECK(child > 0);
    int status;
    CHECK_IS(waitpid(child, &status, 0), child);
    CHECK_IS(WEXITSTATUS(status), 9);
    CHECK_IS(deaths, 1);
    CHECK_IS(sigaction(SIGCHLD, &before, NULL), 0);
    CHECK_IS(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
}

/* With SIGCHLD ignored, children leave nothing behind. */
static void death_ignored(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    if (one_in(2)) {
        ignore.sa_handler = SIG_DFL;
        ignore.sa_flags = SA_NOCLDWAIT;
    }
    CHECK_IS(sigaction(SIGCHLD, &ignore, &before), 0);
    pid_t child = fork();
    if (child == 0)
        _exit(1);
    CHECK(child > 0);
    errno = 0;
    CHECK_IS(UNINTERRUPTED(waitpid(child, NULL, 0)), -1);
    CHECK_IS(errno, ECHILD);
    CHECK_IS(sigaction(SIGCHLD, &before, NULL), 0);
}

static void death_read(void)
{
    sigset_t old, *set = get(sizeof *set);
    CHECK_IS(pthread_sigmask(SIG_BLOCK, NULL, &old), 0);
    drain_chld();
    sigemptyset(set);
    sigaddset(set, SIGCHLD);
    int fd = signalfd(-1, set, SFD_CLOEXEC);
    CHECK(fd >= 0);
    pid_t child = fork();
    if (child == 0)
        _exit(11);
    struct signalfd_siginfo *info = get(sizeof *info);
    CHECK_IS(read(fd, info, sizeof *info), sizeof *info);
    CHECK_IS(info->ssi_signo, SIGCHLD);
    CHECK_IS(info->ssi_pid, child);
    CHECK_IS(info->ssi_status, 11);
    expect_exit(child, 11);
    close(fd);
    free(info);
    free(set);
    CHECK_IS(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
}

/* ------------------------------------------------------------------------------------------- around processes */

/* The child of a child that has ended belongs to this one. */
static void adopted(void)
{
    CHECK_IS(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    int fds[2];
    CHECK_IS(pipe2(fds, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        pid_t middle = getpid(), grandchild = fork();
        if (grandchild == 0) {
            while (getppid() == middle)
                usleep(200);
            grandchild = getpid();
            if (write(fds[1], &grandchild, sizeof grandchild) < 0)
                _exit(1);
            _exit(12);
        }
        _exit(grandchild < 0);
    }
    expect_exit(child, 0);
    pid_t grandchild;
    CHECK_IS(read(fds[0], &grandchild, sizeof grandchild), sizeof grandchild);
    expect_exit(grandchild, 12);
    CHECK_IS(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
    close(fds[0]);
    close(fds[1]);
}

static void group(void)
{
    pid_t child = fork();
    if (child == 0) {
        if (setpgid(0, 0) != 0 || getpgrp() != getpid())
            _exit(1);
        _exit(setsid() == -1 && errno == EPERM ? 2 : 3);
    }
    expect_exit(child, 2);
    CHECK_FAILS(setpgid(child, 0), ESRCH);
    CHECK_FAILS(kill(child, 0), ESRCH);
    child = fork();
    if (child == 0)
        _exit(setsid() == getpid() ? 4 : 5);
    expect_exit(child, 4);
}

static const struct soak_operation operations[] = {
    {"processes.works", 14, SOAK_FORKS, child_works},
    {"processes.threads", 6, SOAK_FORKS, child_with_threads},
    {"processes.many", 5, SOAK_FORKS, many_children},
    {"processes.wait-for-any", 4, SOAK_EXCLUSIVE, wait_for_any},
    {"processes.killed", 6, SOAK_FORKS, killed},
    {"processes.vfork", 6, SOAK_FORKS, vforked},
    {"processes.vfork-fails", 3, SOAK_FORKS, vfork_fails},
    {"processes.spawn", 5, SOAK_FORKS, spawned},
    {"processes.spawn-fails", 3, SOAK_FORKS, spawn_fails},
    {"processes.exec", 4, SOAK_FORKS, replaced},
    {"processes.system", 3, SOAK_FORKS | SOAK_NO_CHILD, shell},
    {"processes.popen", 3, SOAK_FORKS | SOAK_NO_CHILD, piped},
    {"processes.clone", 6, SOAK_FORKS, cloned},
    {"processes.clone3", 3, SOAK_FORKS, clone_three},
    {"processes.death-handled", 4, SOAK_EXCLUSIVE | SOAK_CHLD, death_handled},
    {"processes.death-while-waiting", 4, SOAK_EXCLUSIVE | SOAK_CHLD, death_while_waiting},
    {"processes.death-ignored", 4, SOAK_EXCLUSIVE, death_ignored},
    {"processes.death-read", 4, SOAK_EXCLUSIVE | SOAK_CHLD, death_read},
    {"processes.adopted", 3, SOAK_EXCLUSIVE, adopted},
    {"processes.group", 3, SOAK_FORKS, group},
};
const struct soak_group soak_processes = SOAK_GROUP(operations);
