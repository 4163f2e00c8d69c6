/* SPDX-License-Identifier: MIT */
/*
 * The start of a whole program under `vmtrace run`, which preloads this library and says how to trace in VMT_RUN. The
 * constructor takes that, and itself, out of the environment again, so that the program and its children see the
 * environment that the user gave. catcher/cmd_run.c writes what this reads.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config.h"
#include "follow.h"
#include "region.h"
#include "wrap.h"

/* What `vmtrace run` answers when it cannot trace; env, nice and timeout use the same number for their own failures. */
enum { EXIT_CANNOT_TRACE = 125 };

static void give_up(const char *what, const char *why)
{
    dprintf(STDERR_FILENO, "vmtrace: %s%s%s\n", what, *why ? ": " : "", why);
    _exit(EXIT_CANNOT_TRACE);
}

/* Takes the value of `key` from "key=value;"; the text after it, or NULL. */
static const char *take(const char *at, const char *key, char *value, size_t bytes)
{
    size_t n = strlen(key);
    if (strncmp(at, key, n) != 0 || at[n] != '=')
        return NULL;
    at += n + 1;
    size_t length = strcspn(at, ";");
    if (length >= bytes || at[length] != ';')
        return NULL;
    memcpy(value, at, length);
    value[length] = '\0';
    return at + length + 1;
}

/* The environment is read and changed here by its array alone: a program may have functions getenv and unsetenv of its
 * own, as bash has, and those come first in symbol order. */
static char **find_variable(const char *name)
{
    size_t n = strlen(name);
    for (char **variable = environ; variable && *variable; variable++)
        if (strncmp(*variable, name, n) == 0 && (*variable)[n] == '=')
            return variable;
    return NULL;
}

static void remove_variable(char **variable)
{
    for (; *variable; variable++)
        variable[0] = variable[1];
}

/* LD_PRELOAD as the user had it: without the first `bytes` bytes, which are ours; -1: it was not set. Done in place. */
static void restore_preload(long bytes)
{
    char **variable = find_variable("LD_PRELOAD");
    if (!variable)
        return;
    char *value = strchr(*variable, '=') + 1;
    if (bytes < 0 || (size_t)bytes > strlen(value))
        remove_variable(variable);
    else
        memmove(value, value + bytes, strlen(value + bytes) + 1);
}

/* What LD_PRELOAD begins with: the library that the first `bytes` bytes, or all, name. "": it does not fit. */
static void read_library(long bytes, char *library, size_t room)
{
    char **variable = find_variable("LD_PRELOAD");
    const char *value = variable ? strchr(*variable, '=') + 1 : "";
    size_t length = bytes < 0 ? strlen(value) : bytes > 0 ? (size_t)bytes - 1 : 0;
    if (length >= room || length > strlen(value))
        length = 0;
    memcpy(library, value, length);
    library[length] = '\0';
}

/* The order in VMT_RUN, as cmd_run.c and follow_exec.c write it. */
struct order {
    char window[24], evict[8], scope[16], engine[16], writes[4], content[4], live[4], stacks[4],
        preload[24], follow[8], since[24], catcher[16], trace[4096];
};

static bool read_order(const char *run, struct order *order)
{
    const char *at = take(run + 2, "window", order->window, sizeof order->window);
    at = at ? take(at, "evict", order->evict, sizeof order->evict) : NULL;
    at = at ? take(at, "scope", order->scope, sizeof order->scope) : NULL;
    at = at ? take(at, "engine", order->engine, sizeof order->engine) : NULL;
    at = at ? take(at, "writes", order->writes, sizeof order->writes) : NULL;
    at = at ? take(at, "content", order->content, sizeof order->content) : NULL;
    at = at ? take(at, "live", order->live, sizeof order->live) : NULL;
    at = at ? take(at, "stacks", order->stacks, sizeof order->stacks) : NULL;
    at = at ? take(at, "preload", order->preload, sizeof order->preload) : NULL;
    at = at ? take(at, "follow", order->follow, sizeof order->follow) : NULL;
    at = at ? take(at, "since", order->since, sizeof order->since) : NULL;
    at = at ? take(at, "catcher", order->catcher, sizeof order->catcher) : NULL;
    if (!at || strncmp(at, "trace=", 6) != 0 || strlen(at + 6) >= sizeof order->trace)
        return false;
    strcpy(order->trace, at + 6);
    return true;
}

__attribute__((constructor)) static void start_whole_program(void)
{
    char **variable = find_variable("VMT_RUN");
    if (!variable || getauxval(AT_SECURE)) /* privileged programs take no orders from the environment */
        return;
    const char *run = strchr(*variable, '=') + 1;
    vmt_config config;
    struct order order;
    char library[4096];
    if (strncmp(run, "1;window=", 9) != 0) /* not from `vmtrace run` */
        return;
    memset(&config, 0, sizeof config);
    if (!read_order(run, &order) || !vmti_scope_parse(order.scope, &config.scope) ||
        !vmti_engine_parse(order.engine, &config.engine))
        give_up("VMT_RUN does not fit this libvmt; are command and library of one version?", run);
    config.size = sizeof config;
    config.window = strtoull(order.window, NULL, 10);
    config.evict = strtoull(order.evict, NULL, 10);
    config.track_writes = strcmp(order.writes, "1") == 0;
    config.track_content = strcmp(order.content, "1") == 0;
    config.live_bytes = strcmp(order.live, "1") == 0;
    config.stacks = strcmp(order.stacks, "1") == 0;
    config.trace_path = order.trace;
    read_library(strtol(order.preload, NULL, 10), library, sizeof library);
    restore_preload(strtol(order.preload, NULL, 10));
    vmti_wrap_start(); /* it looks there, too */
    remove_variable(find_variable("VMT_RUN"));
    bool further = strcmp(order.follow, "next") == 0;
    if (*order.follow != '0' && *library)
        vmti_follow_start(&config, library, strtoull(order.since, NULL, 10), further);
    /* The catcher of the program that this one has replaced is a child of this process still: when it is gone, its
     * trace is complete, and there is nothing left that the program would not have natively. */
    pid_t catcher = (pid_t)strtol(order.catcher, NULL, 10);
    if (further && catcher > 0)
        while (waitpid(catcher, NULL, __WCLONE) < 0 && errno == EINTR)
            ;
    /* A program that was followed runs on untraced where it cannot be traced. */
    if (vmti_region_begin(&config, true) < 0 && !further)
        give_up(vmt_error_text(), "");
}
