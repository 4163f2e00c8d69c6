/* SPDX-License-Identifier: MIT */
/*
 * Stops and continuations: of the program by its child and by itself, of children, as waitpid tells them (WUNTRACED,
 * WCONTINUED), and job control on a terminal.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <utmp.h>

#include "behave.h"

static volatile int continued;

static void count(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    continued++;
}

static void *touch(void *none)
{
    for (int i = 0; i < 300; i++)
        touch_heap();
    return none;
}

/* A child stops the whole program, sees that it is stopped, and lets it go on. */
static int by_child(void)
{
    char path[64];
    pid_t self = getpid();
    pthread_t thread;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)self);
    set_handler(SIGCONT, count, SA_RESTART);
    pthread_create(&thread, NULL, touch, NULL);
    for (int i = 0; i < 4; i++) {
        pid_t child = fork();
        if (child == 0) {
            int stopped = 0;
            sleep_ms(5);
            kill(self, SIGSTOP);
            for (int tries = 0; tries < 2000 && !stopped; tries++) {
                char state = task_state(path);
                stopped = state == 'T' || state == 't';
                sleep_ms(1);
            }
            sleep_ms(5);
            kill(self, SIGCONT);
            _exit(stopped);
        }
        wait_and_print("stopped", child);
        while (continued == i)
            sleep_ms(1);
        printf("continued %d\n", continued);
    }
    pthread_join(thread, NULL);
    return 0;
}

/* The program stops itself; who lets it go on has waited for that. */
static int by_itself(void)
{
    char path[64];
    pid_t self = getpid();
    snprintf(path, sizeof path, "/proc/%d/stat", (int)self);
    static const int signals[] = {SIGSTOP, SIGTSTP, SIGTTIN};
    setpgid(0, 0);
    for (int i = 0; i < 3; i++) {
        touch_heap();
        pid_t child = fork();
        if (child == 0) {
            for (int seen = 0; seen < 20; sleep_ms(2)) {
                char state = task_state(path);
                seen = state == 'T' || state == 't' ? seen + 1 : 0;
            }
            kill(self, SIGCONT);
            _exit(0);
        }
        raise(signals[i]);
        wait_and_print("went on", child);
    }
    return 0;
}

static int of_child(void)
{
    int status, ends[2];
    char byte = 'x';
    touch_heap();
    if (pipe(ends) < 0)
        return 1;
    pid_t child = fork();
    if (child == 0) {
        raise(SIGSTOP);
        if (read(ends[0], &byte, 1) != 1) /* so that the parent sees it continued */
            _exit(1);
        touch_heap();
        raise(SIGTSTP);
        if (read(ends[0], &byte, 1) != 1)
            _exit(1);
        _exit(5);
    }
    do {
        if (waitpid(child, &status, WUNTRACED | WCONTINUED) != child)
            return 1;
        print_status("child", status);
        if (WIFSTOPPED(status))
            kill(child, SIGCONT);
        if (WIFCONTINUED(status) && write(ends[1], &byte, 1) != 1)
            return 1;
    } while (!WIFEXITED(status));
    child = fork();
    if (child == 0) {
        for (;;)
            pause();
    }
    siginfo_t info;
    kill(child, SIGSTOP);
    result("waitid", waitid(P_PID, (id_t)child, &info, WSTOPPED));
    printf("code %d status %d\n", info.si_code, info.si_status);
    kill(child, SIGCONT);
    result("waitid", waitid(P_PID, (id_t)child, &info, WCONTINUED));
    printf("code %d status %d\n", info.si_code, info.si_status);
    kill(child, SIGKILL);
    result("waitid", waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT));
    printf("code %d status %d\n", info.si_code, info.si_status);
    wait_and_print("child", child);
    return 0;
}

/* What a shell does: a job in the foreground of a terminal, stopped by ^Z, resumed, interrupted by ^C. */
static int on_a_terminal(void)
{
    int master, slave, status;
    if (openpty(&master, &slave, NULL, NULL, NULL) < 0)
        return 1;
    touch_heap();
    pid_t shell = fork();
    if (shell == 0) {
        close(master);
        login_tty(dup(slave));
        signal(SIGTTOU, SIG_IGN);
        pid_t job = fork();
        if (job == 0) {
            setpgid(0, 0);
            signal(SIGTTOU, SIG_IGN);
            tcsetpgrp(0, getpid());
            signal(SIGTTOU, SIG_DFL);
            puts("ready");
            for (;;)
                touch_heap();
        }
        setpgid(job, job);
        while (waitpid(job, &status, WUNTRACED) == job) {
            tcsetpgrp(0, getpid());
            print_status("job", status);
            if (!WIFSTOPPED(status))
                break;
            tcsetpgrp(0, job);
            kill(-job, SIGCONT);
            puts("again");
        }
        _exit(3);
    }
    close(slave);
    FILE *terminal = fdopen(master, "r+");
    char line[100];
    setvbuf(terminal, NULL, _IONBF, 0);
    while (fgets(line, sizeof line, terminal)) {
        fputs(line, stdout);
        if (strstr(line, "ready") && write(master, "\032", 1) != 1)
            return 1;
        if (strstr(line, "again")) {
            sleep_ms(50);
            if (write(master, "\003", 1) != 1)
                return 1;
        }
    }
    wait_and_print("shell", shell);
    return 0;
}

/* The traced program is itself the job. */
static volatile int interrupts;

static void interrupted(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    interrupts++;
}

static int foreground(void)
{
    int master, slave;
    if (setsid() < 0 && getpgrp() != getpid())
        return 1;
    if (openpty(&master, &slave, NULL, NULL, NULL) < 0 || ioctl(slave, TIOCSCTTY, 0) < 0)
        return puts("SKIP: leads a session with a terminal already"), 77;
    set_handler(SIGINT, interrupted, SA_RESTART);
    set_handler(SIGWINCH, interrupted, SA_RESTART);
    tcsetpgrp(slave, getpgrp());
    for (int i = 0; i < 3; i++) {
        if (write(master, "\003", 1) != 1)
            return 1;
        while (interrupts == i)
            touch_heap();
    }
    struct winsize size = {.ws_row = 30, .ws_col = 77};
    ioctl(master, TIOCSWINSZ, &size);
    while (interrupts == 3)
        touch_heap();
    memset(&size, 0, sizeof size);
    ioctl(slave, TIOCGWINSZ, &size);
    printf("%d %dx%d\n", interrupts, size.ws_row, size.ws_col);
    return 0;
}

BEHAVIOURS({"by_child", by_child}, {"by_itself", by_itself}, {"of_child", of_child}, {"on_a_terminal", on_a_terminal},
           {"foreground", foreground})
