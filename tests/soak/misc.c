/* SPDX-License-Identifier: MIT */
/* Coroutines, jumps, deep stacks, and what a process can ask of itself. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <math.h>
#include <regex.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "soak.h"

/* ------------------------------------------------------------------------------------------- coroutines */

struct routine {
    ucontext_t context;
    unsigned char *stack;
    unsigned left;
    uint64_t value;
    bool done;
};

static __thread struct routine *routine;
static __thread ucontext_t *back;

static void routine_main(void)
{
    while (routine->left--) {
        volatile unsigned char room[2000];
        memset((void *)room, (int)routine->left, sizeof room);
        char text[40];
        routine->value = hash(routine->value + room[100]);
        snprintf(text, sizeof text, "%llu", (unsigned long long)routine->value);
        void *p = get(strlen(text) * 30);
        free(p);
        CHECK(getppid() >= 0);
        CHECK_IS(swapcontext(&routine->context, back), 0);
    }
    routine->done = true;
}

/* On malloc'd stacks, switched in an order of their own. */
static void coroutines(void)
{
    unsigned n = (unsigned)between(1, 5), left = n;
    size_t bytes = between(4, 8) * PAGE;
    struct routine *all = calloc(n, sizeof *all);
    back = get(sizeof *back);
    for (unsigned i = 0; i < n; i++) {
        all[i].stack = get(bytes);
        all[i].left = (unsigned)between(1, 8);
        all[i].value = i;
        CHECK_IS(getcontext(&all[i].context), 0);
        all[i].context.uc_stack.ss_sp = all[i].stack;
        all[i].context.uc_stack.ss_size = bytes;
        all[i].context.uc_link = back;
        makecontext(&all[i].context, routine_main, 0);
    }
    while (left) {
        routine = &all[below(n)];
        if (routine->done)
            continue;
        CHECK_IS(swapcontext(back, &routine->context), 0);
        left -= routine->done;
        mix(routine->value);
    }
    for (unsigned i = 0; i < n; i++)
        free(all[i].stack);
    free(all);
    free(back);
}

/* ------------------------------------------------------------------------------------------- jumps and depth */

static __thread jmp_buf *target;

static uint64_t dive(unsigned levels)
{
    volatile unsigned char room[1500];
    memset((void *)room, (int)levels, sizeof room);
    if (!levels && target)
        longjmp(*target, 1);
    if (!levels)
        return 0;
    return dive(levels - 1) + room[levels];
}

static void jumps(void)
{
    target = get(sizeof *target);
    for (volatile unsigned i = 1; i < 6; i++)
        if (setjmp(*target) == 0) {
            dive(i * 10);
            CHECK(!"not jumped");
        }
    free((void *)target);
}

static uint64_t climb(unsigned levels)
{
    volatile uint64_t room[50];
    for (unsigned i = 0; i < 50; i++)
        room[i] = hash(levels + i);
    return levels ? hash(climb(levels - 1) ^ room[levels % 50]) : room[0];
}

static void depth(void)
{
    mix(climb((unsigned)between(1, 250)));
}

/* ------------------------------------------------------------------------------------------- the process itself */

static void affinity(void)
{
    cpu_set_t *all = get(sizeof *all), *now = get(sizeof *now);
    CHECK_IS(sched_getaffinity(0, sizeof *all, all), 0);
    int count = CPU_COUNT(all), chosen = 0;
    CHECK(count > 0);
    for (int wanted = (int)below((unsigned)count), i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, all) && wanted-- == 0)
            chosen = i;
    CPU_ZERO(now);
    CPU_SET(chosen, now);
    CHECK_IS(sched_setaffinity(0, sizeof *now, now), 0);
    CPU_ZERO(now);
    CHECK_IS(sched_getaffinity(0, sizeof *now, now), 0);
    CHECK(CPU_COUNT(now) == 1 && CPU_ISSET(chosen, now));
    CHECK_IS(pthread_setaffinity_np(pthread_self(), sizeof *all, all), 0);
    CHECK_IS(sched_getaffinity(0, sizeof *now, now), 0);
    CHECK(CPU_EQUAL(all, now));
    CPU_ZERO(now);
    CHECK_FAILS(sched_setaffinity(0, sizeof *now, now), EINVAL);
    free(all);
    free(now);
}

static void ask(void)
{
    char *name = get(100), old[16];
    CHECK_IS(prctl(PR_GET_NAME, old), 0);
    snprintf(name, 100, "soak%u", (unsigned)below(1000));
    CHECK_IS(prctl(PR_SET_NAME, name), 0);
    char *got = get(16);
    CHECK_IS(prctl(PR_GET_NAME, got), 0);
    CHECK_IS(strcmp(name, got), 0);
    CHECK_IS(prctl(PR_SET_NAME, old), 0);
    free(got);
    free(name);
    size_t bytes = between(1, 10000);
    unsigned char *random = calloc(1, bytes);
    CHECK_IS(getrandom(random, bytes < 256 ? bytes : 256, 0), bytes < 256 ? bytes : 256);
    free(random);
    struct rlimit *limit = get(sizeof *limit);
    CHECK_IS(getrlimit(RLIMIT_CORE, limit), 0);
    CHECK_IS(limit->rlim_max, 0);
    CHECK_IS(prlimit(0, RLIMIT_NOFILE, NULL, limit), 0);
    CHECK(limit->rlim_cur > 10);
    free(limit);
    struct utsname *system = get(sizeof *system);
    CHECK_IS(uname(system), 0);
    mix_bytes(system->machine, strlen(system->machine));
    free(system);
    struct sysinfo *info = get(sizeof *info);
    CHECK_IS(sysinfo(info), 0);
    CHECK(info->totalram > 0);
    free(info);
    struct tms *times_now = get(sizeof *times_now);
    CHECK(times(times_now) != (clock_t)-1);
    free(times_now);
    struct timespec *a = get(sizeof *a), *b = get(sizeof *b);
    CHECK_IS(clock_gettime(CLOCK_MONOTONIC, a), 0);
    CHECK_IS(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, b), 0);
    CHECK(b->tv_sec > a->tv_sec || (b->tv_sec == a->tv_sec && b->tv_nsec >= a->tv_nsec));
    CHECK_IS(clock_getres(CLOCK_REALTIME, a), 0);
    CHECK_IS(clock_gettime(CLOCK_THREAD_CPUTIME_ID, b), 0);
    free(a);
    free(b);
    unsigned *cpu = get(2 * sizeof *cpu);
    CHECK_IS(syscall(SYS_getcpu, cpu, cpu + 1, NULL), 0);
    free(cpu);
    gid_t *groups = get(100 * sizeof *groups);
    CHECK(getgroups(100, groups) >= 0);
    free(groups);
    uid_t *ids = get(3 * sizeof *ids);
    CHECK_IS(getresuid(&ids[0], &ids[1], &ids[2]), 0);
    CHECK_IS(ids[1], geteuid());
    free(ids);
    void *head = NULL;
    size_t length = 0;
    CHECK_IS(syscall(SYS_get_robust_list, 0, &head, &length), 0);
    CHECK_IS(length, 24);
    CHECK(getauxval(AT_PAGESZ) == PAGE);
    CHECK_FAILS(syscall(1000), ENOSYS);
}

static void read_about_itself(void)
{
    static const char *const files[] = {"maps", "stat", "status", "cmdline", "auxv", "smaps", "comm"};
    char name[60];
    snprintf(name, sizeof name, "/proc/thread-self/%s", files[below(7)]); /* the main thread may have ended */
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    size_t bytes = between(100, 6000);
    char *buffer = get(bytes);
    ssize_t n;
    while ((n = read(fd, buffer, bytes)) > 0)
        CHECK(n <= (ssize_t)bytes);
    CHECK_IS(n, 0);
    free(buffer);
    close(fd);
}

static void libraries(void)
{
    void *library = dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL);
    CHECK(library != NULL);
    double (*cosine)(double) = (double (*)(double))dlsym(library, "cos");
    CHECK(cosine != NULL);
    mix((uint64_t)(cosine((double)below(100)) * 1e6 + 2e6));
    CHECK(dlopen("libno-such-thing.so", RTLD_NOW) == NULL);
    CHECK(dlerror() != NULL);
    CHECK_IS(dlclose(library), 0);
}

/* Locales and time zones have locks that fork does not reset. */
static void patterns(void)
{
    regex_t *pattern = get(sizeof *pattern);
    CHECK_IS(regcomp(pattern, "([a-z]+)([0-9]+)(x|y)*$", REG_EXTENDED), 0);
    regmatch_t *matches = get(4 * sizeof *matches);
    char text[200];
    for (int i = 0; i < 5; i++) {
        snprintf(text, sizeof text, "%llu abc%llu%s", (unsigned long long)draw(), (unsigned long long)draw(),
                 one_in(2) ? "xyxy" : "z");
        int result = regexec(pattern, text, 4, matches, 0);
        mix(result ? 1 : (uint64_t)matches[2].rm_eo);
    }
    regfree(pattern);
    free(pattern);
    free(matches);
    locale_t c = newlocale(LC_ALL_MASK, "C.UTF-8", NULL);
    if (c)
        freelocale(c);
    char *env = strdup(getenv("PATH") ? getenv("PATH") : "");
    for (char *save = NULL, *word = strtok_r(env, ":", &save); word; word = strtok_r(NULL, ":", &save))
        CHECK(*word);
    free(env);
    time_t t = (time_t)below(2000000000);
    struct tm *parts = get(sizeof *parts);
    CHECK(gmtime_r(&t, parts) == parts);
    mix((uint64_t)timegm(parts));
    mix(strftime(text, sizeof text, "%F %T", parts));
    mix_bytes(text, strlen(text));
    free(parts);
}

static const struct soak_operation operations[] = {
    {"misc.coroutines", 12, 0, coroutines},
    {"misc.jumps", 6, 0, jumps},
    {"misc.depth", 6, 0, depth},
    {"misc.affinity", 4, 0, affinity},
    {"misc.ask", 5, 0, ask},
    {"misc.read-itself", 5, 0, read_about_itself},
    {"misc.libraries", 3, SOAK_NO_CHILD, libraries},
    {"misc.patterns", 4, SOAK_NO_CHILD, patterns},
};
const struct soak_group soak_misc = SOAK_GROUP(operations);
