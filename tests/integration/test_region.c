/* SPDX-License-Identifier: MIT */
/* What a region must not change for the program in it, and how it begins and ends. */
#define _GNU_SOURCE
#include "patterns.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static char *new_pages(size_t pages)
{
    char *p = aligned_alloc(PAGE, pages * PAGE);
    assert_non_null(p);
    memset(p, 1, pages * PAGE);
    return p;
}

static void begin_heap(uint64_t window)
{
    vmt_config config = config_for(VMT_SCOPE_HEAP, window);
    begin(&config);
}

/* ------------------------------------------------------------------------------------------- begin and end */

static void bad_configurations_are_named(void **state)
{
    (void)state;
    vmt_config config = config_for(VMT_SCOPE_HEAP, 7);
    assert_int_equal(vmt_begin(&config), -EINVAL);
    assert_non_null(strstr(vmt_error_text(), "\"7\""));
    assert_non_null(strstr(vmt_error_text(), "from 8"));
    config.window = 0;
    assert_int_equal(vmt_begin(&config), -EINVAL);
    config.window = UINT64_MAX;
    assert_int_equal(vmt_begin(&config), -EINVAL);
    assert_non_null(strstr(vmt_error_text(), "18446744073709551615"));
    config.window = 64;
    config.evict = 0;
    assert_int_equal(vmt_begin(&config), -EINVAL);
    assert_non_null(strstr(vmt_error_text(), "vmt_config.evict is \"0\""));
    config.evict = 58;
    assert_int_equal(vmt_begin(&config), -EINVAL);
    assert_non_null(strstr(vmt_error_text(), "\"58\""));
    assert_non_null(strstr(vmt_error_text(), "from 1 to 57"));
    config.window = 1000;
    config.evict = VMT_EVICT_MAX + 1;
    assert_int_equal(vmt_begin(&config), -EINVAL);
    assert_non_null(strstr(vmt_error_text(), "from 1 to 64"));
    config.evict = 1;
    config.scope = (vmt_scope)17;
    assert_int_equal(vmt_begin(&config), -EINVAL);
    assert_non_null(strstr(vmt_error_text(), "17"));
    config.size = 3;
    assert_int_equal(vmt_begin(&config), -EINVAL);
    assert_false(vmt_active());
}

static void bad_environment_is_named(void **state)
{
    (void)state;
    static const struct { const char *name, *value; } bad[] = {
        {"VMT_SIZE", "0"},      {"VMT_SIZE", "-5"},     {"VMT_SIZE", "many"}, {"VMT_SIZE", "7"},
        {"VMT_SIZE", "64k"},    {"VMT_SIZE", ""},       {"VMT_SIZE", " 64"},  {"VMT_SIZE", "99999999999999999999999"},
        {"VMT_SIZE", "1000000"}, {"VMT_SCOPE", "heaps"}, {"VMT_WRITES", "yes"}, {"VMT_ENGINE", "magic"},
        {"VMT_EVICT", "0"},     {"VMT_EVICT", "65"},    {"VMT_EVICT", "1.5"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        vmt_config config;
        setenv(bad[i].name, bad[i].value, 1);
        assert_int_equal(vmt_config_init(&config), -EINVAL);
        assert_non_null(strstr(vmt_error_text(), bad[i].name));
        assert_non_null(strstr(vmt_error_text(), bad[i].value));
        assert_int_equal(vmt_begin(NULL), -EINVAL);
        unsetenv(bad[i].name);
    }
    setenv("VMT_SIZE", "100", 1);
    setenv("VMT_SCOPE", "region", 1);
    setenv("VMT_WRITES", "1", 1);
    setenv("VMT_EVICT", "9", 1);
    vmt_config config;
    assert_int_equal(vmt_config_init(&config), 0);
    assert_int_equal(config.window, 100);
    assert_int_equal(config.scope, VMT_SCOPE_REGION);
    assert_true(config.track_writes);
    assert_int_equal(config.evict, 9);
    unsetenv("VMT_EVICT");
    unsetenv("VMT_SIZE");
    unsetenv("VMT_SCOPE");
    unsetenv("VMT_WRITES");
}

static void end_without_begin(void **state)
{
    (void)state;
    vmt_report *report = (vmt_report *)state;
    assert_int_equal(vmt_end(&report), -EINVAL);
    assert_null(report);
    assert_false(vmt_active());
}

static void many_regions(void **state)
{
    (void)state;
    char *p = new_pages(4);
    for (int i = 0; i < 200; i++) {
        begin_heap(16);
        (void)*(volatile char *)p;
        vmt_report *report = end();
        assert_int_equal(vmt_report_touches(report), 1);
        vmt_report_free(report);
    }
    free(p);
}

static void region_left_by_longjmp(void **state)
{
    (void)state;
    char *p = new_pages(4);
    jmp_buf jump;
    if (!setjmp(jump)) {
        begin_heap(16);
        (void)*(volatile char *)p;
        longjmp(jump, 1);
    }
    assert_true(vmt_active());
    begin_heap(16);
    (void)*(volatile char *)(p + PAGE);
    vmt_report *report = end();
    assert_int_equal(vmt_report_dropped_regions(report), 1);
    assert_int_equal(vmt_report_footprint(report), 1);
    vmt_report_free(report);
    free(p);
}

/* ------------------------------------------------------------------------------------------- invisibility */

static volatile sig_atomic_t sigchlds;

static void count_sigchld(int signal)
{
    (void)signal;
    sigchlds++;
}

static void wait_sees_own_children_alone(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = count_sigchld}, old;
    sigaction(SIGCHLD, &action, &old);
    sigchlds = 0;
    begin_heap(16);
    pid_t none = waitpid(-1, NULL, WNOHANG);
    int none_errno = errno;
    pid_t child = fork();
    if (child == 0)
        _exit(7);
    int status = 0;
    pid_t got = wait(&status);
    pid_t after = waitpid(-1, NULL, 0);
    int after_errno = errno;
    vmt_report_free(end());
    sigaction(SIGCHLD, &old, NULL);
    assert_int_equal(none, -1);
    assert_int_equal(none_errno, ECHILD);
    assert_int_equal(got, child);
    assert_int_equal(WEXITSTATUS(status), 7);
    assert_int_equal(after, -1);
    assert_int_equal(after_errno, ECHILD);
    assert_int_equal(sigchlds, 1);
}

static void pipe_ends_are_not_held(void **state)
{
    (void)state;
    int ends[2];
    char *p = new_pages(2);
    assert_int_equal(pipe(ends), 0);
    begin_heap(16);
    ssize_t written = write(ends[1], "x", 1);
    close(ends[1]);
    ssize_t one = read(ends[0], p, 100), none = read(ends[0], p + PAGE, 100);
    vmt_report_free(end());
    close(ends[0]);
    free(p);
    assert_int_equal(written, 1);
    assert_int_equal(one, 1);
    assert_int_equal(none, 0); /* end of file: nobody else has the writing end */
}

static int exit_pipe;

static void at_exit(void)
{
    if (write(exit_pipe, "handler\n", 8) != 8)
        _exit(9);
}

/* Buffered output and exit handlers run once, in a process that exits normally after a region, and inside one. */
static void exit_handlers_run_once(void **state)
{
    (void)state;
    for (int inside = 0; inside < 2; inside++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            dup2(ends[1], STDOUT_FILENO);
            exit_pipe = ends[1];
            atexit(at_exit);
            printf("buffered\n");
            vmt_config config;
            if (vmt_config_init(&config) || vmt_begin(&config))
                _exit(8);
            if (!inside && vmt_end(NULL))
                _exit(8);
            exit(3);
        }
        close(ends[1]);
        char text[100] = "";
        size_t used = 0;
        ssize_t n;
        while (used < sizeof text - 1 && (n = read(ends[0], text + used, sizeof text - 1 - used)) > 0)
            used += (size_t)n;
        close(ends[0]);
        int status;
        waitpid(child, &status, 0);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 3);
        assert_string_equal(text, "handler\nbuffered\n");
    }
}

static void masks_and_handlers_are_the_programs(void **state)
{
    (void)state;
    char *p = new_pages(64);
    sigset_t all, old, seen, before;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, NULL, &before);
    struct sigaction mine = {.sa_handler = count_sigchld}, read_back = {0}, was;
    sigfillset(&mine.sa_mask);
    begin_heap(8);
    sigprocmask(SIG_SETMASK, &all, &old);
    sigprocmask(SIG_BLOCK, NULL, &seen);
    for (int i = 0; i < 64; i++)
        p[i * PAGE]++; /* faults with every signal blocked */
    sigaction(SIGUSR1, &mine, &was);
    sigaction(SIGUSR1, NULL, &read_back);
    sigset_t middle;
    sigprocmask(SIG_SETMASK, &old, &middle);
    vmt_report_free(end());
    sigset_t after;
    sigprocmask(SIG_BLOCK, NULL, &after);
    struct sigaction read_later;
    sigaction(SIGUSR1, &was, &read_later);
    assert_true(sigismember(&seen, SIGSEGV) && sigismember(&seen, SIGUSR2));
    assert_true(sigismember(&middle, SIGSEGV));
    assert_true(sigismember(&read_back.sa_mask, SIGSEGV));
    assert_true(sigismember(&read_later.sa_mask, SIGSEGV));
    assert_memory_equal(&after, &before, 8);
    free(p);
}

static sigjmp_buf fault_jump;
static void *volatile fault_address;

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    fault_address = info->si_addr;
    siglongjmp(fault_jump, 1);
}

static void own_faults_reach_own_handler(void **state)
{
    (void)state;
    char *closed = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *p = new_pages(16);
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO}, old;
    sigaction(SIGSEGV, &action, &old);
    begin_heap(8);
    volatile int caught = 0;
    for (volatile int i = 0; i < 16; i++) { /* volatile: counted on between sigsetjmp and siglongjmp */
        p[i * PAGE]++;
        if (!sigsetjmp(fault_jump, 1))
            *(volatile char *)(closed + i) = 1;
        else
            caught += fault_address == closed + i;
    }
    /* A page of the heap that the program closes itself. */
    mprotect(p, PAGE, PROT_READ);
    volatile int read_only = 0;
    if (!sigsetjmp(fault_jump, 1))
        *(volatile char *)p = 1;
    else
        read_only = fault_address == p;
    mprotect(p, PAGE, PROT_READ | PROT_WRITE);
    *(volatile char *)p = 1;
    vmt_report *report = end();
    sigaction(SIGSEGV, &old, NULL);
    assert_int_equal(caught, 16);
    assert_int_equal(read_only, 1);
    assert_int_equal(vmt_report_footprint(report), 16);
    vmt_report_free(report);
    munmap(closed, PAGE);
    free(p);
}

static char *frames_heap;
static ucontext_t frames_back, frames_coroutine;
static volatile int frames_done;

static void use_the_heap(int signal)
{
    (void)signal;
    for (int i = 0; i < 100; i++)
        frames_heap[i * PAGE]++;
}

static void raise_on_a_heap_stack(void)
{
    raise(SIGUSR1);
    frames_done = 1;
}

/* A signal frame on a stack in tracked memory: written and read by the kernel, and out of the window in between. */
static void signal_frames_on_heap_stacks(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = use_the_heap}, old;
    sigaction(SIGUSR1, &action, &old);
    frames_heap = new_pages(100);
    frames_done = 0;
    getcontext(&frames_coroutine);
    frames_coroutine.uc_stack.ss_sp = new_pages(16);
    frames_coroutine.uc_stack.ss_size = 16 * PAGE;
    frames_coroutine.uc_link = &frames_back;
    makecontext(&frames_coroutine, raise_on_a_heap_stack, 0);
    begin_heap(16);
    swapcontext(&frames_back, &frames_coroutine);
    vmt_report_free(end());
    sigaction(SIGUSR1, &old, NULL);
    free(frames_coroutine.uc_stack.ss_sp);
    free(frames_heap);
    assert_int_equal(frames_done, 1);
}

/* ------------------------------------------------------------------------------------------- memory that changes */

static void memory_allocated_inside(void **state)
{
    (void)state;
    vmt_config config = config_for(VMT_SCOPE_REGION, 64);
    char *before = new_pages(8);
    begin(&config);
    for (int i = 0; i < 8; i++)
        before[i * PAGE]++; /* not of this scope */
    volatile char *p = malloc(40 * PAGE);
    for (int i = 0; i < 40; i++)
        p[i * PAGE] = (char)i;
    volatile char *q = malloc(400 * PAGE); /* a mapping of its own in glibc */
    for (int i = 0; i < 400; i++)
        q[i * PAGE] = (char)i;
    volatile char *r = realloc((char *)q, 4000 * PAGE);
    int wrong = 0;
    for (int i = 0; i < 400; i++)
        wrong += r[i * PAGE] != (char)i;
    for (int i = 0; i < 40; i++)
        wrong += p[i * PAGE] != (char)i;
    r[3999 * PAGE] = 1;
    r = realloc((char *)r, 200 * PAGE); /* shrinks in place */
    for (int i = 0; i < 200; i++)
        wrong += r[i * PAGE] != (char)i;
    free((char *)r);
    free((char *)p);
    vmt_report *report = end();
    assert_int_equal(wrong, 0);
    assert_true(vmt_report_footprint(report) >= 440);
    vmt_report_free(report);
    free(before);
}

static void discarded_pages_are_new(void **state)
{
    (void)state;
    char *p = new_pages(16);
    begin_heap(64);
    for (int i = 0; i < 16; i++)
        p[i * PAGE]++;
    madvise(p, 8 * PAGE, MADV_DONTNEED);
    int sum = 0;
    for (int i = 0; i < 16; i++)
        sum += p[i * PAGE];
    vmt_report *report = end();
    assert_int_equal(sum, 8 * 2); /* the discarded half is zero */
    assert_int_equal(vmt_report_footprint(report), 16);
    assert_int_equal(vmt_report_touches(report), 24);
    vmt_report_free(report);
    free(p);
}

/* ------------------------------------------------------------------------------------------- calls */

static void calls_into_closed_pages(void **state)
{
    (void)state;
    char *p = new_pages(64);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    for (int i = 0; i < 20 * PAGE; i++)
        p[i] = (char)(i * 7);
    begin_heap(8);
    struct iovec *vector = (struct iovec *)(p + 40 * PAGE);
    ssize_t written = write(ends[1], p, 10 * PAGE); /* more than the window */
    vector[0] = (struct iovec){p + 20 * PAGE, 5 * PAGE};
    vector[1] = (struct iovec){p + 30 * PAGE + 5, 8 * PAGE};
    ssize_t got = readv(ends[0], vector, 2);
    int bad = (int)syscall(SYS_write, ends[1], (void *)8, 1); /* an error is the kernel's to give */
    int bad_errno = errno;
    vmt_report *report = end();
    assert_int_equal(written, 10 * PAGE);
    assert_int_equal(got, 10 * PAGE);
    assert_int_equal(bad, -1);
    assert_int_equal(bad_errno, EFAULT);
    assert_memory_equal(p + 20 * PAGE, p, 5 * PAGE);
    assert_memory_equal(p + 30 * PAGE + 5, p + 5 * PAGE, 5 * PAGE);
    /* 10 pages written from; the vector's page; 5 pages read into, and 6 with the odd 5 bytes. */
    assert_int_equal(vmt_report_footprint(report), 10 + 1 + 5 + 6);
    assert_int_equal(vmt_report_syscall_touches(report), 10 + 5 + 6);
    assert_int_equal(vmt_report_program_touches(report), 1);
    assert_true(vmt_report_peak_open(report) > 8);
    vmt_report_free(report);
    close(ends[0]);
    close(ends[1]);
    free(p);
}

/* Only what the call says it wrote counts. */
static void short_reads_touch_little(void **state)
{
    (void)state;
    char *p = new_pages(64);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "hello", 5), 5);
    begin_heap(16);
    ssize_t got = read(ends[0], p, 64 * PAGE);
    (void)*(volatile char *)(p + 9 * PAGE);
    vmt_report *report = end();
    assert_int_equal(got, 5);
    assert_int_equal(vmt_report_footprint(report), 2);
    assert_int_equal(vmt_report_syscall_touches(report), 1);
    assert_int_equal(vmt_report_program_touches(report), 1);
    vmt_report_free(report);
    close(ends[0]);
    close(ends[1]);
    free(p);
}

/* A page that was open already, and left the window while a call had it pinned, is closed after the call. */
static void pinned_pages_close_when_they_have_left_the_window(void **state)
{
    (void)state;
    char *p = new_pages(40);
    int zero = open("/dev/zero", O_RDONLY);
    assert_true(zero >= 0);
    begin_heap(8);
    struct iovec *vector = (struct iovec *)p;
    vector[0] = (struct iovec){p + PAGE, 16 * PAGE};
    ssize_t got = readv(zero, vector, 1);
    (void)*(volatile char *)(p + 100); /* evicted by the call's own pages */
    vmt_report *report = end();
    assert_int_equal(got, 16 * PAGE);
    assert_int_equal(vmt_report_touches(report), 18);
    vmt_report_free(report);
    close(zero);
    free(p);
}

static int poll_result;

static void *poll_nothing(void *argument)
{
    poll_result = poll(argument, 1, 500);
    return NULL;
}

/* A call that was interrupted by our attaching, and that the kernel resumes by restart_syscall, finds its memory
 * open. */
static void interrupted_calls_are_resumed(void **state)
{
    (void)state;
    char *p = new_pages(40);
    struct pollfd *none = (struct pollfd *)p;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    none->fd = ends[0];
    none->events = POLLIN;
    pthread_t thread;
    poll_result = 99;
    pthread_create(&thread, NULL, poll_nothing, none);
    usleep(100000);
    begin_heap(8);
    for (int i = 1; i < 40; i++)
        p[i * PAGE]++; /* evicts the page with the pollfd, if it is not pinned */
    pthread_join(thread, NULL);
    vmt_report_free(end());
    close(ends[0]);
    close(ends[1]);
    free(p);
    assert_int_equal(poll_result, 0);
}

/* ------------------------------------------------------------------------------------------- threads, processes */

enum { THREADS = 4, STEPS = 2000, SHARED_PAGES = 256 };

static pthread_barrier_t all_there;

static void *count_up(void *argument)
{
    pthread_barrier_wait(&all_there);
    char *shared = ((void **)argument)[0];
    uint32_t x = (uint32_t)(uintptr_t)((void **)argument)[1] + 1;
    for (int i = 0; i < STEPS; i++) {
        x = x * 1664525u + 1013904223u;
        __atomic_fetch_add((int *)(shared + (x >> 8) % SHARED_PAGES * PAGE), 1, __ATOMIC_RELAXED);
        if (i % 500 == 0)
            free(malloc(1000 + (size_t)i));
    }
    return NULL;
}

static void count_with_threads(uint64_t window, uint64_t raised_to)
{
    char *shared = aligned_alloc(PAGE, SHARED_PAGES * PAGE);
    memset(shared, 0, SHARED_PAGES * PAGE);
    begin_heap(window);
    pthread_t threads[THREADS];
    void *arguments[THREADS][2];
    pthread_barrier_init(&all_there, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) {
        arguments[i][0] = shared;
        arguments[i][1] = (void *)(uintptr_t)i;
        pthread_create(&threads[i], NULL, count_up, arguments[i]);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    vmt_report *report = end();
    int sum = 0;
    for (int i = 0; i < SHARED_PAGES; i++)
        sum += *(int *)(shared + i * PAGE);
    assert_int_equal(sum, THREADS * STEPS);
    assert_int_equal(vmt_report_threads(report), THREADS + 1);
    assert_true(vmt_report_footprint(report) >= SHARED_PAGES);
    assert_int_equal(vmt_report_window(report), window);
    assert_int_equal(vmt_report_window_raised_to(report), raised_to);
    vmt_report_free(report);
    free(shared);
}

static void threads_lose_nothing(void **state)
{
    (void)state;
    count_with_threads(32, 32);
    count_with_threads(8, 4 * (THREADS + 1)); /* 4 pages for each: see vmti_window_floor */
}

static void *touch_until_told(void *argument)
{
    char *shared = ((void **)argument)[0];
    volatile int *stop = ((void **)argument)[1];
    uintptr_t n = 0;
    while (!*stop)
        __atomic_fetch_add((int *)(shared + n++ % SHARED_PAGES * PAGE), 1, __ATOMIC_RELAXED);
    return (void *)n;
}

/* Regions begin and end while other threads fault and are blocked. */
static void begin_and_end_beside_running_threads(void **state)
{
    (void)state;
    char *shared = aligned_alloc(PAGE, SHARED_PAGES * PAGE);
    memset(shared, 0, SHARED_PAGES * PAGE);
    volatile int stop = 0;
    void *argument[2] = {shared, (void *)&stop};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, touch_until_told, argument);
    for (int i = 0; i < 20; i++) {
        begin_heap(16);
        usleep(2000);
        vmt_report *report = end();
        assert_int_equal(vmt_report_threads(report), 3);
        vmt_report_free(report);
    }
    stop = 1;
    uintptr_t n = 0;
    for (int i = 0; i < 2; i++) {
        void *result;
        pthread_join(threads[i], &result);
        n += (uintptr_t)result;
    }
    uintptr_t sum = 0;
    for (int i = 0; i < SHARED_PAGES; i++)
        sum += (unsigned)*(int *)(shared + i * PAGE);
    assert_int_equal(sum, n);
    free(shared);
}

static void forked_children_are_free(void **state)
{
    (void)state;
    char *p = new_pages(64);
    begin_heap(8);
    pid_t child = fork();
    if (child == 0) {
        int sum = 0;
        for (int i = 0; i < 64; i++)
            sum += p[i * PAGE];
        pid_t grandchild = fork();
        if (grandchild == 0)
            _exit(p[63 * PAGE] == 1 && !vmt_active() ? 0 : 1);
        int status;
        waitpid(grandchild, &status, 0);
        free(malloc(100));
        _exit(sum == 64 && status == 0 ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    int in_system = system("exit 5");
    vmt_report *report = end();
    assert_int_equal(status, 0);
    assert_int_equal(WEXITSTATUS(in_system), 5);
    assert_true(vmt_report_program_touches(report) < 32); /* none of the child's */
    vmt_report_free(report);
    free(p);
}

/* ------------------------------------------------------------------------------------------- what it says */

/* Runs `body` in a child with its stderr in a pipe, and stores what came there. The child's exit status. */
static int with_stderr(void (*body)(void), char *text, size_t bytes)
{
    int ends[2], status;
    size_t used = 0;
    ssize_t n;
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        body();
        _exit(9);
    }
    close(ends[1]);
    while (used < bytes - 1 && (n = read(ends[0], text + used, bytes - 1 - used)) > 0)
        used += (size_t)n;
    text[used] = '\0';
    close(ends[0]);
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void make_unknown_calls(void)
{
    for (int i = 0; i < 2; i++) {
        begin_heap(16);
        long result = syscall(977);
        int error = errno;
        vmt_report_free(end());
        if (result != -1 || error != ENOSYS)
            _exit(1);
    }
    _exit(0);
}

static void calls_without_a_row_are_named_once(void **state)
{
    (void)state;
    char text[1000];
    assert_int_equal(with_stderr(make_unknown_calls, text, sizeof text), 0);
    char *first = strstr(text, "number 977");
    assert_non_null(first);
    assert_null(strstr(first + strlen("number 977"), "977"));
}

static void begin_while_traced(void)
{
    vmt_config config;
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) || vmt_config_init(&config))
        _exit(1);
    int error = vmt_begin(&config);
    dprintf(STDERR_FILENO, "%s", vmt_error_text());
    _exit(error == -EPERM && !vmt_active() ? 0 : 2);
}

static void another_tracer_is_named(void **state)
{
    (void)state;
    char text[1000], tracer[64];
    assert_int_equal(with_stderr(begin_while_traced, text, sizeof text), 0);
    snprintf(tracer, sizeof tracer, "process %ld traces this one already", (long)getpid());
    assert_non_null(strstr(text, tracer));
    assert_non_null(strstr(text, "run it without"));
}

/* ------------------------------------------------------------------------------------------- the catcher's end */

static pid_t find_catcher(void)
{
    char path[64], text[100] = "";
    snprintf(path, sizeof path, "/proc/self/task/%ld/children", syscall(SYS_gettid));
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return 0;
    if (read(fd, text, sizeof text - 1) < 0)
        text[0] = '\0';
    close(fd);
    return (pid_t)atoi(text);
}

static void death_of_the_catcher_is_told(void **state)
{
    (void)state;
    char *p = new_pages(16);
    begin_heap(8);
    pid_t catcher = find_catcher();
    int killed = catcher > 0 ? kill(catcher, SIGKILL) : -1;
    int sum = 0;
    for (int i = 0; i < 16; i++) /* the pages are closed still */
        sum += p[i * PAGE];
    vmt_report *report;
    int error = vmt_end(&report);
    assert_int_equal(killed, 0);
    assert_int_equal(error, -EOWNERDEAD);
    assert_null(report);
    assert_non_null(strstr(vmt_error_text(), "died"));
    assert_int_equal(sum, 16);
    begin_heap(8); /* and the next region is as good as any */
    p[0]++;
    report = end();
    assert_int_equal(vmt_report_footprint(report), 1);
    vmt_report_free(report);
    free(p);
}

static sigjmp_buf after_own_fault;

static void leave_fault(int signal)
{
    (void)signal;
    siglongjmp(after_own_fault, 1);
}

/* Splits a mapping of its own until no mapping more is allowed, and then touches a closed page between closed ones. */
static int go_on_without_mappings(char *p, size_t limit)
{
    char *own = mmap(NULL, 2 * (limit + 1) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (own == MAP_FAILED)
        return 2;
    char *fixed = own;
    own += 2 * PAGE;
    mprotect(fixed, PAGE, PROT_READ); /* a mapping by itself: to open it takes no other */
    vmt_track(fixed, PAGE, NULL);
    begin_heap(8);
    for (size_t i = 0; i < limit && !mprotect(own + 2 * i * PAGE, PAGE, PROT_READ); i++)
        ;
    p[20 * PAGE] = 2; /* no mapping for it: the region is lost */
    signal(SIGSEGV, leave_fault);
    if (!sigsetjmp(after_own_fault, 1)) {
        *fixed = 2; /* the program's own fault, as ever */
        return 3;
    }
    p[30 * PAGE] = 2;
    if (vmt_end(NULL) != -ENOMEM || !strstr(vmt_error_text(), "max_map_count"))
        return 4;
    return p[20 * PAGE] == 2 && p[30 * PAGE] == 2 ? 0 : 5;
}

static void a_lost_region_lets_the_program_go_on(void **state)
{
    (void)state;
    size_t limit = 0;
    FILE *file = fopen("/proc/sys/vm/max_map_count", "r");
    if (!file || fscanf(file, "%zu", &limit) != 1)
        limit = 0;
    if (file)
        fclose(file);
    if (!limit || limit > 200000)
        skip(); /* would take long */
    char *p = new_pages(40);
    pid_t child = fork();
    if (!child) {
        alarm(60);
        _exit(go_on_without_mappings(p, limit));
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    free(p);
}

static atomic_bool calls_enough;

static void *make_calls(void *unused)
{
    while (!atomic_load(&calls_enough))
        syscall(SYS_getppid);
    return unused;
}

/* Each stop at a call takes back the interrupt by which the catcher halts the thread. */
static void an_end_halts_a_thread_that_is_always_in_calls(void **state)
{
    (void)state;
    pthread_t other;
    atomic_store(&calls_enough, false);
    assert_int_equal(pthread_create(&other, NULL, make_calls, NULL), 0);
    for (int i = 0; i < 5; i++) {
        begin_heap(8);
        for (int j = 0; j < 20; j++)
            syscall(SYS_getppid);
        assert_int_equal(vmt_end(NULL), 0);
    }
    atomic_store(&calls_enough, true);
    pthread_join(other, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_configurations_are_named),
        cmocka_unit_test(bad_environment_is_named),
        cmocka_unit_test(end_without_begin),
        cmocka_unit_test(many_regions),
        cmocka_unit_test(region_left_by_longjmp),
        cmocka_unit_test(wait_sees_own_children_alone),
        cmocka_unit_test(pipe_ends_are_not_held),
        cmocka_unit_test(exit_handlers_run_once),
        cmocka_unit_test(masks_and_handlers_are_the_programs),
        cmocka_unit_test(own_faults_reach_own_handler),
        cmocka_unit_test(signal_frames_on_heap_stacks),
        cmocka_unit_test(memory_allocated_inside),
        cmocka_unit_test(discarded_pages_are_new),
        cmocka_unit_test(calls_into_closed_pages),
        cmocka_unit_test(short_reads_touch_little),
        cmocka_unit_test(pinned_pages_close_when_they_have_left_the_window),
        cmocka_unit_test(interrupted_calls_are_resumed),
        cmocka_unit_test(threads_lose_nothing),
        cmocka_unit_test(begin_and_end_beside_running_threads),
        cmocka_unit_test(an_end_halts_a_thread_that_is_always_in_calls),
        cmocka_unit_test(forked_children_are_free),
        cmocka_unit_test(calls_without_a_row_are_named_once),
        cmocka_unit_test(another_tracer_is_named),
        cmocka_unit_test(death_of_the_catcher_is_told),
        cmocka_unit_test(a_lost_region_lets_the_program_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
