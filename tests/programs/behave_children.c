/* SPDX-License-Identifier: MIT */
/*
 * Children of every make: posix_spawn with attributes, vfork, system, popen, clone with odd flags, children that fork
 * on, daemon(), and children of a thread; what they inherit of masks and handlers.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "behave.h"

extern char **environ;

enum { STACK = 65536, SHARED = 50 * PAGE };

static int spawn(void)
{
    touch_heap();
    for (int k = 0; k < 4; k++) {
        char **argv = new_memory(2 * PAGE), *text = new_memory(5 * PAGE);
        strcpy(text, "echo hello; sed -n -E '/Sig(Blk|Ign|Cgt)/p' /proc/self/status; exit 3");
        argv[0] = strdup("sh");
        argv[1] = strdup("-c");
        argv[2] = text;
        argv[3] = NULL;
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, 1, 2);
        posix_spawn_file_actions_addopen(&actions, 7, "/dev/null", O_RDWR, 0);
        posix_spawnattr_t attributes;
        posix_spawnattr_init(&attributes);
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        sigaddset(&set, SIGSEGV);
        posix_spawnattr_setsigmask(&attributes, &set);
        posix_spawnattr_setsigdefault(&attributes, &set);
        posix_spawnattr_setpgroup(&attributes, 0);
        posix_spawnattr_setflags(&attributes, (short)(k & 1 ? POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                                  POSIX_SPAWN_SETPGROUP
                                                            : 0));
        pid_t child;
        int error = posix_spawnp(&child, k == 3 ? "no_such_program" : "sh", &actions, &attributes, argv, environ);
        if (!error)
            wait_and_print("child", child);
        printf("posix_spawn: %d\n", error);
        free(text);
        free(argv);
    }
    return 0;
}

static int shells(void)
{
    char line[64];
    touch_heap();
    print_status("system", system("exit 4"));
    print_status("system", system("kill -TERM $$"));
    FILE *pipe = popen("echo one; echo two; exit 5", "r");
    while (fgets(line, sizeof line, pipe))
        printf("read %s", line);
    print_status("pclose", pclose(pipe));
    pipe = popen("sort -r; exit 6", "w");
    fputs("a\nc\nb\n", pipe);
    print_status("pclose", pclose(pipe));
    return 0;
}

static int vforks(void)
{
    for (volatile int i = 0; i < 5; i++) {
        char *pages = memset(new_memory(SHARED), 0, SHARED);
        pid_t child = vfork();
        if (child == 0) {
            for (int k = 0; k < 50; k++)
                pages[k * PAGE] = 1;
            char **argv = (char **)(void *)(pages + 3 * PAGE);
            argv[0] = (char *)(uintptr_t) "sh";
            argv[1] = (char *)(uintptr_t) "-c";
            argv[2] = (char *)(uintptr_t) "exit 7";
            argv[3] = NULL;
            execv(i == 2 ? "/no/such/file" : "/bin/sh", argv);
            _exit(9);
        }
        wait_and_print("vfork", child);
        printf("seen here: %d\n", pages[49 * PAGE]);
        free(pages);
    }
    return 0;
}

static int touch_and_exit(void *argument)
{
    char *pages = argument;
    for (int i = 0; i < 50; i++)
        pages[i * PAGE] = (char)(i + 1);
    say("in the child\n");
    _exit(11);
}

static int touch_and_execute(void *argument)
{
    char *pages = argument;
    for (int i = 0; i < 50; i++)
        pages[i * PAGE] = (char)(i + 2);
    execl("/bin/sh", "sh", "-c", "exit 12", NULL);
    _exit(1);
}

static int clones(void)
{
    static const struct {
        const char *name;
        int flags;
        int (*run)(void *);
    } all[] = {{"as fork", SIGCHLD, touch_and_exit},
               {"VM", CLONE_VM | SIGCHLD, touch_and_exit},
               {"VM, execve", CLONE_VM | SIGCHLD, touch_and_execute},
               {"VM and VFORK", CLONE_VM | CLONE_VFORK | SIGCHLD, touch_and_execute},
               {"VM and FILES", CLONE_VM | CLONE_FILES | CLONE_FS | SIGCHLD, touch_and_exit},
               {"FILES", CLONE_FILES | SIGCHLD, touch_and_exit},
               {"UNTRACED", CLONE_UNTRACED | SIGCHLD, touch_and_exit},
               {"VM and UNTRACED", CLONE_VM | CLONE_UNTRACED | SIGCHLD, touch_and_execute},
               {"VFORK", CLONE_VFORK | SIGCHLD, touch_and_exit},
               {"PTRACE", CLONE_PTRACE | SIGCHLD, touch_and_exit}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char *pages = memset(new_memory(SHARED), 0, SHARED), *stack = new_memory(STACK);
        pid_t child = clone(all[i].run, stack + STACK, all[i].flags, pages);
        wait_and_print(all[i].name, child);
        printf("seen here: %d\n", pages[49 * PAGE]);
        free(pages);
        free(stack);
    }
    return 0;
}

/* Its parent is ours; what it tells goes through a pipe. */
static int sibling(void *argument)
{
    char *text = argument;
    touch_heap();
    if (write((int)text[0], "done", 4) != 4)
        _exit(1);
    _exit(0);
}

static int clone_parent(void)
{
    int ends[2];
    if (pipe(ends) < 0)
        return 1;
    pid_t child = fork();
    if (child == 0) {
        char *text = new_memory(PAGE), *stack = new_memory(STACK);
        text[0] = (char)ends[1];
        pid_t other = clone(sibling, stack + STACK, CLONE_PARENT | SIGCHLD, text);
        result("not a child of mine", waitpid(other, NULL, 0));
        _exit(5);
    }
    wait_and_print("child", child);
    char buffer[8] = "";
    result("read", read(ends[0], buffer, 4));
    int status;
    if (wait(&status) > 0)
        print_status("its sibling", status);
    return 0;
}

/* Generations: each forks the next, adds up and returns it. */
static int generations(int left, unsigned char *pages)
{
    for (int i = 0; i < 50; i++)
        pages[i * PAGE]++;
    if (left == 0)
        return pages[49 * PAGE];
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(generations(left - 1, pages));
    waitpid(child, &status, 0);
    return WEXITSTATUS(status) + 1;
}

static int forks(void)
{
    unsigned char *pages = memset(new_memory(SHARED), 0, SHARED);
    printf("%d, here %d\n", generations(6, pages), pages[0]);
    pid_t children[20];
    for (int i = 0; i < 20; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            pages[(i % 50) * PAGE] += 5;
            _exit(pages[(i % 50) * PAGE] + i);
        }
    }
    for (int i = 0; i < 20; i++)
        wait_and_print("child", children[i]);
    return 0;
}

static int daemons(void)
{
    touch_heap();
    int ends[2];
    char text[64];
    if (pipe(ends) < 0)
        return 1;
    pid_t child = fork();
    if (child == 0) {
        if (daemon(1, 1) < 0)
            _exit(1);
        int length = snprintf(text, sizeof text, "%u, own session %d\n", touch_heap(), getsid(0) != getsid(getppid()));
        if (write(ends[1], text, (size_t)length) != length)
            _exit(1);
        _exit(0);
    }
    wait_and_print("who became a daemon", child);
    close(ends[1]);
    ssize_t n = read(ends[0], text, sizeof text);
    printf("%.*s", (int)n, text);
    return 0;
}

static int daemon_itself(void)
{
    touch_heap();
    if (daemon(1, 1) < 0) /* the parent, which is traced, ends with 0 */
        return 1;
    return 9;
}

/* Children of a thread, while others touch memory; what is inherited of the mask. */
static volatile int stop;

static void *keep_touching(void *none)
{
    char *pages = memset(new_memory(SHARED), 0, SHARED);
    while (!stop)
        for (int i = 0; i < 50; i++)
            pages[i * PAGE]++;
    return none;
}

static void *fork_many(void *none)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        if (child == 0) {
            pthread_sigmask(SIG_BLOCK, NULL, &set);
            _exit((int)(touch_heap() % 100) + sigismember(&set, SIGUSR1));
        }
        wait_and_print("child of a thread", child);
    }
    return none;
}

static int of_threads(void)
{
    pthread_t busy, forking;
    touch_heap();
    pthread_create(&busy, NULL, keep_touching, NULL);
    pthread_create(&forking, NULL, fork_many, NULL);
    pthread_join(forking, NULL);
    stop = 1;
    pthread_join(busy, NULL);
    return 0;
}

static void noted(int signal, siginfo_t *info, void *context)
{
    (void)info, (void)context;
    say("handled %d\n", signal);
}

static int handlers(void)
{
    struct sigaction now;
    sigset_t set;
    int signals[] = {SIGUSR1, SIGSEGV, SIGCHLD};
    set_handler(SIGUSR1, noted, 0);
    set_handler(SIGSEGV, noted, 0);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 3; i++) {
            sigaction(signals[i], NULL, &now);
            printf("%d: %d %d %x\n", signals[i], now.sa_handler == SIG_DFL, now.sa_sigaction == noted,
                   (unsigned)now.sa_flags);
        }
        sigprocmask(SIG_BLOCK, NULL, &set);
        printf("blocked %d\n", sigismember(&set, SIGSEGV));
        raise(SIGSEGV);
        raise(SIGUSR1);
        _exit(1);
    }
    wait_and_print("child", child);
    child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        *bad_address(8) = 1;
        _exit(1);
    }
    wait_and_print("child", child);
    return 0;
}

static int names(void)
{
    char name[20] = "";
    int signal = 0;
    touch_heap();
    prctl(PR_SET_NAME, "a name");
    prctl(PR_GET_NAME, name);
    prctl(PR_SET_PDEATHSIG, SIGUSR2);
    prctl(PR_GET_PDEATHSIG, &signal);
    printf("%s %d\n", name, signal);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t child = fork();
    if (child == 0) {
        if (fork() == 0) {
            sleep_ms(30);
            _exit(8);
        }
        _exit(7);
    }
    wait_and_print("child", child);
    int status;
    if (wait(&status) > 0)
        print_status("its orphan", status);
    return 0;
}

BEHAVIOURS({"spawn", spawn}, {"shells", shells}, {"vforks", vforks}, {"clones", clones},
           {"clone_parent", clone_parent}, {"forks", forks}, {"daemons", daemons}, {"daemon_itself", daemon_itself},
           {"of_threads", of_threads}, {"handlers", handlers}, {"names", names})
