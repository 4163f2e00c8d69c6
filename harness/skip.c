/* SPDX-License-Identifier: MIT */
/*
 * No framework but for the test's own main() can say "skipped" to CTest by its exit status: cmocka, GoogleTest and the
 * others exit with 0 when all that they had was skipped. So the status is set here, at the very end of the process,
 * when both a handler of on_exit(3) has seen the status and this library's destructor has run. The handler comes last
 * where libvmt is a shared library, for the loader's own handler, which runs the destructors, is registered after
 * those of libraries; the destructor does where it is linked statically.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmt/vmt.h"

/* NULL with musl, which has none: there the status stays the framework's. */
extern int on_exit(void (*function)(int status, void *argument), void *argument) __attribute__((weak));

/* Shared with forked children, in which some frameworks run each test. NULL: nobody asked. */
static _Atomic int *skipped;
static pid_t asked;     /* the process that was asked */
static int skip_status; /* for it, if it has skipped and exits with 0 */
static int exit_status = -1;
static int good_status; /* what it exits with when nothing failed; 0 is another one */
static bool destroyed;

static void change_status(void)
{
    bool good = exit_status == 0 || exit_status == good_status;
    if (!destroyed || !good || !*skipped || getpid() != asked)
        return;
    fflush(NULL);
    _exit(skip_status);
}

static void see_status(int status, void *nothing)
{
    (void)nothing;
    exit_status = status;
    change_status();
}

/* By the environment's array: a program may have an unsetenv() of its own, which comes first in symbol order. */
static void take_out(const char *name)
{
    size_t n = strlen(name);
    char **to = environ;
    for (char **from = environ; *from; from++)
        if (strncmp(*from, name, n) != 0 || (*from)[n] != '=')
            *to++ = *from;
    *to = NULL;
}

/* 101: before preload.c's, after which a program under `vmtrace run` cannot be told from others: that is no test. */
__attribute__((constructor(101))) static void look_at_environment(void)
{
    static const char name[] = "VMT_SKIP_STATUS";
    const char *value = secure_getenv(name);
    char *end;
    if (!value || secure_getenv("VMT_RUN"))
        return;
    long status = strtol(value, &end, 10);
    if (*end || end == value || status < 1 || status > 255) {
        dprintf(STDERR_FILENO, "vmt: %s is \"%s\": allowed are exit statuses from 1 to 255; it is ignored\n", name,
                value);
        return;
    }
    if (!on_exit) {
        dprintf(STDERR_FILENO, "vmt: %s: this C library has no on_exit(3); a skipped test will end as a passed one\n",
                name);
        return;
    }
    void *page = mmap(NULL, sizeof *skipped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED || on_exit(see_status, NULL) != 0) {
        dprintf(STDERR_FILENO, "vmt: %s: no memory; a skipped test will end as a passed one\n", name);
        return;
    }
    skipped = page;
    asked = getpid();
    skip_status = (int)status;
    take_out(name); /* a program that this one starts has a status of its own */
}

/* 101: after the program's own (lower ones are the compiler's). */
__attribute__((destructor(101))) static void destroy(void)
{
    destroyed = true;
    change_status();
}

void vmt_end_as_skipped(int status)
{
    good_status = status;
    if (skipped)
        *skipped = 1;
}

bool vmt_cannot_trace(int error)
{
    return error == -EPERM || error == -ENOSYS || error == -ENOTSUP;
}
