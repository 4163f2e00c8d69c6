/* SPDX-License-Identifier: MIT */
/*
 * soak [OPTIONS] SEED: a random program. Threads, forks, signals, mappings and system calls on malloc'd memory, in an
 * order that the seed says; what it prints and how it ends depend on the seed alone, so a native run and a traced one
 * must be the same byte for byte. It checks itself as it goes: status 99 and a line on stderr that names operation,
 * thread and step say that something was not as it must be.
 *
 * soak.sh compares native runs with traced ones, and says for a difference how to replay it:
 *
 *   VMTRACE=build/bin/vmtrace tests/soak/soak.sh --program build/tests/programs/soak --seed 17
 *   build/bin/vmtrace run -q -n 64 -o /tmp/trace build/tests/programs/soak 17
 *
 * To reduce a seed: each step of each thread draws from a random state of its own, so that the others stay as they were
 * if some are left out.
 *
 *   --only=LIST       do these operations alone: groups (heap) or operations (heap.churn), with commas between
 *   --without=LIST    leave these out
 *   --threads=MASK    only these threads take steps: 5 means 0 and 2
 *   --steps=A-B       only these steps; --steps=B from the first
 *   --end=NAME        end like this, not as the seed says
 *   --chain=N         how often it may still replace itself by execve with another seed
 *   --retry-eintr     repeat calls that an ignored signal has interrupted
 *   --verbose         tell each step on stderr
 *   --list            the operations
 *   --tracing SEED    the options of `vmtrace run` to trace this seed with
 */
#define _GNU_SOURCE
#include "soak.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "children.h"

struct soak_settings soak;
__thread struct soak_thread *me;
bool soak_retry_eintr;
char soak_folder[256];
atomic_ulong soak_shared_sum;

static const struct soak_group *const groups[] = {&soak_heap,    &soak_maps,    &soak_files,
                                                  &soak_talk,    &soak_signals, &soak_processes,
                                                  &soak_threads, &soak_misc,    &soak_edges};
enum { GROUPS = sizeof groups / sizeof groups[0], OPERATIONS_MAX = 256 };

static struct {
    const struct soak_operation *operation;
    bool on;
    atomic_uint runs;
} operations[OPERATIONS_MAX];
static size_t operation_count;
static unsigned operation_weights;

static unsigned thread_mask = ~0u;
static uint64_t first_step, last_step = UINT64_MAX;
static unsigned chain = 2;
static bool verbose, option_retry_eintr;
static char only[512], without[512];

static struct soak_thread states[SOAK_THREADS];
static pthread_t threads[SOAK_THREADS];
static pthread_barrier_t meeting;
static pthread_rwlock_t world = PTHREAD_RWLOCK_INITIALIZER;
static atomic_uint threads_left;

/* ------------------------------------------------------------------------------------------ random numbers, digests */

uint64_t hash(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

uint64_t draw(void)
{
    me->random += 0x9e3779b97f4a7c15u;
    return hash(me->random);
}

uint64_t below(uint64_t n)
{
    return n ? draw() % n : 0;
}
uint64_t between(uint64_t low, uint64_t high)
{
    return low + below(high - low + 1);
}
bool one_in(unsigned n)
{
    return below(n) == 0;
}
void mix(uint64_t value)
{
    me->digest = hash(me->digest ^ value);
}

void mix_bytes(const void *memory, size_t bytes)
{
    const unsigned char *p = memory;
    uint64_t sum = bytes;
    for (size_t i = 0; i < bytes; i++)
        sum = sum * 31 + p[i];
    mix(sum);
}

void fill(void *memory, size_t bytes, uint64_t key)
{
    unsigned char *p = memory;
    size_t i = 0;
    for (; i + 8 <= bytes; i += 8) {
        uint64_t word = (key + i) * 0x9e3779b97f4a7c15u;
        memcpy(p + i, &word, 8);
    }
    for (; i < bytes; i++)
        p[i] = (unsigned char)(key + i);
}

bool filled(const void *memory, size_t bytes, uint64_t key)
{
    const unsigned char *p = memory;
    size_t i = 0;
    for (; i + 8 <= bytes; i += 8) {
        uint64_t word;
        memcpy(&word, p + i, 8);
        if (word != (key + i) * 0x9e3779b97f4a7c15u)
            return false;
    }
    for (; i < bytes; i++)
        if (p[i] != (unsigned char)(key + i))
            return false;
    return true;
}

size_t some_size(void)
{
    switch (below(10)) {
    case 0:
        return below(2) ? 0 : 1;
    case 1:
    case 2:
    case 3:
        return between(1, 128);
    case 4:
    case 5:
    case 6:
        return between(100, 2000);
    case 7:
        return between(2000, 20000);
    case 8:
        return between(1, 16) * PAGE - 16 * below(2);
    default:
        return between(100, 300) * 1024;
    }
}

void *get(size_t bytes)
{
    void *p = malloc(bytes);
    CHECK(p || !bytes);
    return p;
}

_Noreturn void soak_fail(const char *file, int line, const char *text, int64_t value, int64_t expected)
{
    int error = errno;
    char out[600];
    const char *name = strrchr(file, '/');
    int n = snprintf(
        out, sizeof out,
        "FAIL: seed %" PRIu64 " thread %u step %" PRIu64 "%s: %s: %s:%d: %s (%" PRId64 ", not %" PRId64
        "; errno %d; thread %ld of process %d, which %d made)\n",
        soak.seed, me ? me->index : 99, me ? me->step : 0, me && me->in_child ? " in a child" : "",
        me && me->operation ? me->operation : "?", name ? name + 1 : file, line, text, value, expected, error,
        syscall(SYS_gettid), (int)syscall(SYS_getpid), (int)syscall(SYS_getppid));
    if (write(STDERR_FILENO, out, (size_t)n) < 0)
        _exit(98);
    if (getenv("SOAK_STOP"))
        raise(SIGSTOP); /* for a debugger */
    _exit(99);
}

/* ------------------------------------------------------------------------------------------- steps */

/* Is name in a list with commas, itself or its group? */
static bool listed(const char *list, const char *name)
{
    size_t group = strcspn(name, "."), whole = strlen(name);
    for (const char *p = list; *p;) {
        size_t n = strcspn(p, ",");
        if ((n == whole || n == group) && strncmp(p, name, n) == 0)
            return true;
        p += n + (p[n] == ',');
    }
    return false;
}

static void collect_operations(void)
{
    for (size_t g = 0; g < GROUPS; g++)
        for (size_t i = 0; i < groups[g]->count; i++) {
            const struct soak_operation *operation = &groups[g]->operations[i];
            if (operation_count == OPERATIONS_MAX)
                abort();
            operations[operation_count].operation = operation;
            operations[operation_count++].on =
                (!*only || listed(only, operation->name)) && !listed(without, operation->name);
            operation_weights += operation->weight;
        }
}

static bool allowed(const struct soak_operation *operation)
{
    if ((operation->flags & SOAK_ALONE) && soak.threads > 1)
        return false;
    if ((operation->flags & SOAK_CHLD) && (me->in_child || (!soak.chld_blocked && soak.threads > 1)))
        return false;
    if (me->in_child && ((operation->flags & SOAK_NO_CHILD) || me->depth > 2))
        return false;
    return true;
}

static void one_step(void)
{
    uint64_t at = below(operation_weights);
    size_t i = 0;
    while (at >= operations[i].operation->weight)
        at -= operations[i++].operation->weight;
    const struct soak_operation *operation = operations[i].operation;
    if (!operations[i].on || !allowed(operation))
        return;
    const char *before = me->operation;
    me->operation = operation->name;
    if (verbose)
        dprintf(STDERR_FILENO, "thread %u step %" PRIu64 "%s: %s\n", me->index, me->step,
                me->in_child ? " in a child" : "", operation->name);
    if (operation->flags & SOAK_EXCLUSIVE)
        CHECK_IS(pthread_rwlock_wrlock(&world), 0);
    else if (operation->flags & SOAK_FORKS)
        CHECK_IS(pthread_rwlock_rdlock(&world), 0);
    operation->run();
    if (operation->flags & (SOAK_EXCLUSIVE | SOAK_FORKS))
        CHECK_IS(pthread_rwlock_unlock(&world), 0);
    if (verbose)
        dprintf(STDERR_FILENO, "thread %u step %" PRIu64 "%s: %s: %016" PRIx64 "\n", me->index, me->step,
                me->in_child ? " in a child" : "", operation->name, me->digest);
    atomic_fetch_add(&operations[i].runs, 1);
    me->operation = before;
}

void soak_steps_of_child(unsigned count)
{
    uint64_t seed = draw();
    for (unsigned i = 0; i < count; i++) {
        me->random = hash(seed + i); /* how much an operation draws may depend on time */
        one_step();
    }
}

static void take_steps(void)
{
    for (uint64_t step = 0; step < soak.steps; step++) {
        me->step = step;
        me->random = hash(soak.seed ^ hash(me->index * 1000003 + step));
        if (soak.meet && step % 16 == 15)
            pthread_barrier_wait(&meeting);
        if (step >= first_step && step <= last_step && (thread_mask >> me->index & 1))
            one_step();
    }
    for (size_t i = 0; i < SOAK_SLOTS; i++) {
        CHECK(filled(me->slots[i].memory, me->slots[i].bytes, me->slots[i].key));
        free(me->slots[i].memory);
        me->slots[i] = (struct soak_slot){0};
    }
}

/* The child of a fork has one thread, whatever other threads held. */
static void in_child_of_fork(void)
{
    pthread_rwlock_init(&world, NULL);
    if (!me)
        return;
    me->in_child = true;
    me->depth++;
}

static void begin_thread(struct soak_thread *state)
{
    me = state;
    me->scratch = get(SOAK_SCRATCH);
    fill(me->scratch, SOAK_SCRATCH, 1);
    if (soak.alternate_stacks && me->index % 2) {
        size_t bytes = 16384;
        stack_t stack = {.ss_sp = get(bytes), .ss_size = bytes};
        CHECK_IS(sigaltstack(&stack, NULL), 0);
    }
}

static void *helper_main(void *argument)
{
    struct soak_helper *helper = argument;
    begin_thread(helper->state);
    helper->result = helper->run(helper->argument);
    stack_t off = {.ss_flags = SS_DISABLE}, old;
    CHECK_IS(sigaltstack(&off, &old), 0);
    if (!(old.ss_flags & SS_DISABLE))
        free(old.ss_sp);
    return helper->result;
}

void start_helper(struct soak_helper *helper, void *(*run)(void *), void *argument, const pthread_attr_t *attributes)
{
    *helper = (struct soak_helper){.run = run, .argument = argument, .state = calloc(1, sizeof *helper->state)};
    CHECK(helper->state != NULL);
    helper->state->index = me->index;
    helper->state->step = me->step;
    helper->state->operation = me->operation;
    helper->state->random = draw();
    helper->state->depth = me->depth;
    helper->state->in_child = me->in_child;
    CHECK_IS(pthread_create(&helper->thread, attributes, helper_main, helper), 0);
}

void *join_helper(struct soak_helper *helper)
{
    void *result;
    CHECK_IS(pthread_join(helper->thread, &result), 0);
    mix(helper->state->digest);
    free(helper->state->scratch);
    free(helper->state);
    return result;
}

/* ------------------------------------------------------------------------------------------- the end */

enum soak_end {
    END_RETURN,        /* from main */
    END_EXIT,          /* exit() */
    END_EXIT_NOW,      /* _exit() */
    END_QUICK,         /* quick_exit() */
    END_MAIN_LEAVES,   /* the main thread ends first, the last one exits */
    END_LAST_THREAD,   /* ... or ends like the others */
    END_GROUP,         /* exit_group by a thread while others run */
    END_SIGNAL,        /* killed by a signal, sent to the process */
    END_THREAD_SIGNAL, /* ... to the thread, by itself */
    END_FAULT,         /* by an access that is its own fault */
    END_ABORT,
    END_CHILD_KILLS, /* a child sends SIGKILL */
    END_EXEC,        /* replaces itself by the program with another seed, by the main thread */
    END_THREAD_EXEC, /* ... by another thread while others run */
    ENDS
};

static const char *const end_names[ENDS] = {"return",      "exit",        "exit-now", "quick",         "main-leaves",
                                            "last-thread", "group",       "signal",   "thread-signal", "fault",
                                            "abort",       "child-kills", "exec",     "thread-exec"};

static void settle(uint64_t seed)
{
    struct soak_thread state = {.random = hash(seed)};
    me = &state;
    soak.seed = seed;
    soak.threads = one_in(4) ? 1 : (unsigned)between(2, SOAK_THREADS);
    soak.steps = one_in(6) ? between(100, 200) : between(10, 60);
    switch (below(4)) {
    case 0:
        soak.window = 4 * SOAK_THREADS + 8; /* no more than what its threads need */
        if (soak.threads == 1)
            soak.window = 8;
        break;
    case 1:
        soak.window = 512;
        break;
    default:
        soak.window = 64;
    }
    soak.writes = one_in(4);
    soak.scope = (unsigned)below(8);
    soak.end = (unsigned)below(ENDS);
    soak.end_code = (unsigned)below(90);
    soak.meet = one_in(2);
    soak.chld_blocked = one_in(2);
    soak.segv_on_stack = one_in(2);
    soak.segv_no_defer = one_in(2);
    soak.alternate_stacks = one_in(2);
    soak.small_stacks = one_in(4);
    soak.fixed_threshold = one_in(2);
    unsigned most = soak.window - 7 < 64 ? soak.window - 7 : 64;
    soak.evict = one_in(3) && most > 1 ? (unsigned)between(2, most) : 1;
    /* A SIGCHLD that its receiver blocks for a moment (system() does) wakes another thread that does not block it, and
     * interrupts its epoll_wait(), though nobody handles it. */
    soak_retry_eintr |= !soak.chld_blocked && soak.threads > 1;
    me = NULL;
}

static void print_results(void)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < soak.threads; i++) {
        printf("thread %u: %016" PRIx64 "\n", i, states[i].digest);
        total += hash(states[i].digest);
    }
    for (size_t i = 0; i < operation_count; i++)
        if (operations[i].runs)
            printf("%s: %u\n", operations[i].operation->name, operations[i].runs);
    printf("shared: %lu\ntotal: %016" PRIx64 "\n", soak_shared_sum, total);
    fflush(stdout);
}

/* Threads that are in the middle of something when the process ends. */
static void *keep_busy(void *argument)
{
    size_t bytes = 20 * PAGE;
    unsigned char *memory = get(bytes);
    for (uint64_t i = (uintptr_t)argument;; i++) {
        memory[hash(i) % bytes]++;
        if (i % 64 == 0)
            free(get(hash(i) % 5000));
        if (i % 512 == 0)
            sched_yield();
    }
    return NULL;
}

static void start_busy_threads(void)
{
    for (unsigned i = 0; i < 3; i++) {
        pthread_t thread;
        CHECK_IS(pthread_create(&thread, NULL, keep_busy, (void *)(uintptr_t)(i * 777777)), 0);
        pthread_detach(thread);
    }
}

static void replace_self(void)
{
    char seed[32], chain_left[32], only_these[600], without_these[600];
    snprintf(seed, sizeof seed, "%" PRIu64, soak.seed + 1000003);
    snprintf(chain_left, sizeof chain_left, "--chain=%u", chain - 1);
    snprintf(only_these, sizeof only_these, "--only=%s", only);
    snprintf(without_these, sizeof without_these, "--without=%s", without);
    execl("/proc/thread-self/exe", "soak", chain_left, only_these, without_these, seed,
          option_retry_eintr ? "--retry-eintr" : (char *)NULL, (char *)NULL);
    CHECK(!"execve");
}

static void *thread_that_replaces_self(void *argument)
{
    (void)argument;
    replace_self();
    return NULL;
}

static void die_of(int signal, bool of_thread)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    if (signal != SIGKILL) {
        struct sigaction action = {.sa_handler = SIG_DFL};
        CHECK_IS(sigaction(signal, &action, NULL), 0);
        CHECK_IS(pthread_sigmask(SIG_UNBLOCK, &set, NULL), 0);
    }
    if (of_thread)
        syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), signal);
    else
        kill(getpid(), signal);
    for (;;)
        pause();
}

/* All steps are done. Runs in the last thread. */
static void finish(void)
{
    static const int deadly[] = {SIGTERM, SIGKILL, SIGUSR1, SIGHUP, SIGPIPE, SIGALRM, SIGQUIT, SIGSEGV, SIGBUS, 50};
    int deadly_signal = deadly[soak.end_code % (sizeof deadly / sizeof deadly[0])];
    int code = (int)soak.end_code;
    soak_remove_folder();
    print_results();
    me->operation = "end";
    if (soak.end >= END_EXEC && chain == 0)
        soak.end = END_EXIT;
    switch (soak.end) {
    case END_EXIT:
    case END_MAIN_LEAVES:
        exit(code);
    case END_EXIT_NOW:
        _exit(code);
    case END_QUICK:
        quick_exit(code);
    case END_GROUP:
        start_busy_threads();
        usleep(2000);
        syscall(SYS_exit_group, code);
        break;
    case END_SIGNAL:
        die_of(deadly_signal, false);
        break;
    case END_THREAD_SIGNAL:
        if (code % 2)
            start_busy_threads();
        die_of(deadly_signal, true);
        break;
    case END_FAULT: {
        struct sigaction action = {.sa_handler = SIG_DFL};
        CHECK_IS(sigaction(SIGSEGV, &action, NULL), 0);
        *(volatile char *)(uintptr_t)(code % 2 ? 16 : 0x7ffffffff000) = 1;
        break;
    }
    case END_ABORT:
        abort();
    case END_CHILD_KILLS: {
        pid_t parent = getpid(), child = fork();
        if (child == 0) {
            kill(parent, SIGKILL);
            _exit(0);
        }
        CHECK(child > 0);
        for (;;)
            pause();
    }
    case END_EXEC:
        if (code % 2)
            start_busy_threads();
        replace_self();
        break;
    case END_THREAD_EXEC: {
        pthread_t thread;
        start_busy_threads();
        CHECK_IS(pthread_create(&thread, NULL, thread_that_replaces_self, NULL), 0);
        for (;;)
            pause();
    }
    default: /* END_RETURN, END_LAST_THREAD */
        break;
    }
}

static void *thread_main(void *argument)
{
    begin_thread(argument);
    take_steps();
    if (atomic_fetch_sub(&threads_left, 1) == 1)
        finish();
    return NULL;
}

/* ------------------------------------------------------------------------------------------- start */

static void start_threads(void)
{
    sigset_t blocked;
    soak_blocked(&blocked);
    if (soak.chld_blocked)
        sigaddset(&blocked, SIGCHLD);
    CHECK_IS(pthread_sigmask(SIG_BLOCK, &blocked, NULL), 0);
    threads_left = soak.threads;
    CHECK_IS(pthread_barrier_init(&meeting, NULL, soak.threads), 0);
    for (unsigned i = 0; i < soak.threads; i++) {
        states[i].index = i;
        char name[300];
        snprintf(name, sizeof name, "%s/%u", soak_folder, i);
        CHECK_IS(mkdir(name, 0700), 0);
    }
    begin_thread(&states[0]);
    soak_handle_faults();
    soak_handle_signals();
    CHECK_IS(pthread_atfork(NULL, NULL, in_child_of_fork), 0);
    for (unsigned i = 1; i < soak.threads; i++) {
        pthread_attr_t attributes;
        CHECK_IS(pthread_attr_init(&attributes), 0);
        if (soak.small_stacks) {
            size_t bytes = 64 * PAGE; /* never freed */
            void *stack = aligned_alloc(PAGE, bytes);
            CHECK_IS(pthread_attr_setstack(&attributes, stack, bytes), 0);
        }
        CHECK_IS(pthread_create(&threads[i], &attributes, thread_main, &states[i]), 0);
        pthread_attr_destroy(&attributes);
    }
}

static _Noreturn void usage(void)
{
    fprintf(stderr, "usage: soak [OPTIONS] SEED\nThe comment at the start of soak.c tells the options.\n");
    exit(2);
}

static bool option(const char *argument, const char *name, const char **value)
{
    size_t n = strlen(name);
    if (strncmp(argument, name, n) != 0 || argument[n] != '=')
        return false;
    *value = argument + n + 1;
    return true;
}

int main(int argc, char **argv)
{
    const char *value, *seed = NULL, *end = NULL;
    bool list = false, tracing = false;
    if (argc > 1 && strcmp(argv[1], "--child") == 0)
        return soak_child_main(argc - 2, argv + 2);
    for (int i = 1; i < argc; i++) {
        if (option(argv[i], "--only", &value))
            snprintf(only, sizeof only, "%s", value);
        else if (option(argv[i], "--without", &value))
            snprintf(without, sizeof without, "%s", value);
        else if (option(argv[i], "--threads", &value))
            thread_mask = (unsigned)strtoul(value, NULL, 0);
        else if (option(argv[i], "--steps", &value)) {
            const char *to = strchr(value, '-');
            first_step = to ? strtoull(value, NULL, 0) : 0;
            last_step = strtoull(to ? to + 1 : value, NULL, 0);
        } else if (option(argv[i], "--end", &value))
            end = value;
        else if (option(argv[i], "--chain", &value))
            chain = (unsigned)strtoul(value, NULL, 0);
        else if (strcmp(argv[i], "--retry-eintr") == 0)
            soak_retry_eintr = option_retry_eintr = true;
        else if (strcmp(argv[i], "--verbose") == 0)
            verbose = true;
        else if (strcmp(argv[i], "--list") == 0)
            list = true;
        else if (strcmp(argv[i], "--tracing") == 0)
            tracing = true;
        else if (argv[i][0] >= '0' && argv[i][0] <= '9' && !seed)
            seed = argv[i];
        else
            usage();
    }
    collect_operations();
    if (list) {
        for (size_t i = 0; i < operation_count; i++)
            puts(operations[i].operation->name);
        return 0;
    }
    if (!seed)
        usage();
    settle(strtoull(seed, NULL, 0));
    if (tracing) {
        printf("-n %u", soak.window);
        if (soak.evict > 1)
            printf(" --evict=%u", soak.evict);
        printf("%s%s\n", soak.writes ? " --writes" : "",
               soak.scope == 0   ? " --scope region"
               : soak.scope == 1 ? " --scope ranges"
                                 : "");
        return 0;
    }
    for (unsigned i = 0; end && i < ENDS; i++)
        if (strcmp(end, end_names[i]) == 0)
            soak.end = i;
    printf("seed %" PRIu64 ": %u threads, %" PRIu64 " steps, end %s %u,%s%s%s%s%s%s%s\n", soak.seed, soak.threads,
           soak.steps, end_names[soak.end], soak.end_code, soak.meet ? " meet" : "",
           soak.chld_blocked ? " chld-blocked" : "", soak.segv_on_stack ? " on-stack" : "",
           soak.segv_no_defer ? " no-defer" : "", soak.alternate_stacks ? " alternate-stacks" : "",
           soak.small_stacks ? " small-stacks" : "", soak.fixed_threshold ? " fixed-threshold" : "");
    fflush(stdout);
    CHECK_IS(prctl(PR_SET_DUMPABLE, 1), 0);
    CHECK_IS(setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}), 0);
    if (soak.fixed_threshold)
        CHECK_IS(mallopt(M_MMAP_THRESHOLD, 128 * 1024), 1);
    const char *temporary = getenv("TMPDIR");
    snprintf(soak_folder, sizeof soak_folder, "%s/soak.XXXXXX", temporary ? temporary : "/tmp");
    CHECK(mkdtemp(soak_folder) != NULL);
    start_threads();
    take_steps();
    if (soak.end == END_MAIN_LEAVES || soak.end == END_LAST_THREAD) {
        if (atomic_fetch_sub(&threads_left, 1) == 1)
            finish();
        pthread_exit(NULL);
    }
    for (unsigned i = 1; i < soak.threads; i++)
        CHECK_IS(pthread_join(threads[i], NULL), 0);
    finish();
    return (int)soak.end_code;
}
