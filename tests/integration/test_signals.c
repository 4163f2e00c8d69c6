/* SPDX-License-Identifier: MIT */
/* What a program sees of its signals inside a region: nothing that it would not see outside. Each test runs natively
 * too. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>
#include <vmt/cmocka.h>

enum { PAGE = 4096, PAGES = 40, WINDOW = 8 };

static char *heap;           // PAGES pages that the region closes
static volatile sig_atomic_t calls, code, blocked_inside, blocked_in_frame;
static sigjmp_buf back;

/* More pages than the window holds, so that some are always closed. */
static void touch_heap(void)
{
    for (int i = 0; i < PAGES; i++)
        heap[i * PAGE]++;
}

static int is_blocked(int signal)
{
    sigset_t set;
    sigprocmask(SIG_BLOCK, NULL, &set);
    return sigismember(&set, signal);
}

static int is_pending(int signal)
{
    sigset_t set;
    sigpending(&set);
    return sigismember(&set, signal);
}

static void mask(int how, int signal)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    sigprocmask(how, &set, NULL);
}

static int tested = SIGSEGV; // or SIGSYS: the signals that a region needs for itself

static void note(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    calls++;
    code = info->si_code;
    blocked_inside = is_blocked(tested);
    blocked_in_frame = sigismember(&((ucontext_t *)context)->uc_sigmask, tested);
    touch_heap();
}

static void block_on_return(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    sigaddset(&((ucontext_t *)context)->uc_sigmask, tested);
}

static void jump_out(int signal)
{
    (void)signal;
    calls++;
    touch_heap();
    siglongjmp(back, 1);
}

static void handle(int signal, void (*handler)(int, siginfo_t *, void *), int flags, int also_blocked)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
    sigemptyset(&action.sa_mask);
    if (also_blocked)
        sigaddset(&action.sa_mask, also_blocked);
    assert_int_equal(sigaction(signal, &action, NULL), 0);
    calls = code = blocked_inside = blocked_in_frame = 0;
}

struct way {
    bool region;
    int signal;
};

/* *state: whether to open a region, and which signal it is about. */
static void begin(void **state)
{
    vmt_config config;
    assert_int_equal(vmt_config_init(&config), 0);
    config.window = WINDOW;
    heap = calloc(PAGES, PAGE);
    assert_non_null(heap);
    tested = ((struct way *)*state)->signal;
    if (((struct way *)*state)->region)
        assert_int_equal(vmt_begin(&config), 0);
    touch_heap();
}

static void end(void **state)
{
    touch_heap();
    if (((struct way *)*state)->region)
        assert_int_equal(vmt_end(NULL), 0);
    for (int i = 0; i < PAGES; i++)
        assert_int_equal(heap[i * PAGE], heap[0]);
    free(heap);
}

/* ------------------------------------------------------------------------------------------- SIGSEGV that is sent */

static void one_sent_to_the_thread_waits_while_pages_fault(void **state)
{
    begin(state);
    mask(SIG_BLOCK, tested);
    raise(tested);
    touch_heap();
    assert_true(is_pending(tested));
    sigset_t set;
    siginfo_t info;
    sigemptyset(&set);
    sigaddset(&set, tested);
    assert_int_equal(sigwaitinfo(&set, &info), tested);
    assert_int_equal(info.si_code, SI_USER); // libc makes that of SI_TKILL
    assert_int_equal(info.si_pid, getpid());
    assert_false(is_pending(tested));
    touch_heap();
    assert_true(is_blocked(tested));
    mask(SIG_UNBLOCK, tested);
    end(state);
}

static void one_sent_to_the_process_waits_while_pages_fault(void **state)
{
    begin(state);
    handle(tested, note, 0, 0);
    mask(SIG_BLOCK, tested);
    kill(getpid(), tested);
    touch_heap();
    assert_true(is_pending(tested));
    assert_int_equal(calls, 0);
    mask(SIG_UNBLOCK, tested);
    assert_int_equal(calls, 1);
    assert_int_equal(code, SI_USER);
    assert_true(blocked_inside);
    assert_false(blocked_in_frame);
    assert_false(is_blocked(tested));
    end(state);
}

static void one_that_waits_comes_when_the_old_mask_is_back(void **state)
{
    sigset_t set, old;
    begin(state);
    handle(tested, note, 0, 0);
    sigemptyset(&set);
    sigaddset(&set, tested);
    sigprocmask(SIG_BLOCK, &set, &old);
    raise(tested);
    touch_heap();
    assert_int_equal(calls, 0);
    sigprocmask(SIG_SETMASK, &old, NULL);
    assert_int_equal(calls, 1);
    assert_int_equal(code, SI_TKILL);
    end(state);
}

static void one_that_waits_is_read_from_a_signalfd(void **state)
{
    begin(state);
    mask(SIG_BLOCK, tested);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, tested);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    struct signalfd_siginfo info;
    assert_true(fd >= 0);
    assert_int_equal(read(fd, &info, sizeof info), -1);
    assert_int_equal(errno, EAGAIN);
    kill(getpid(), tested);
    touch_heap();
    assert_int_equal(read(fd, &info, sizeof info), sizeof info);
    assert_int_equal(info.ssi_signo, tested);
    assert_int_equal(info.ssi_pid, getpid());
    assert_false(is_pending(tested));
    close(fd);
    mask(SIG_UNBLOCK, tested);
    end(state);
}

static atomic_bool stop_faults;
static char *own_page;

static void open_own_page(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    calls += info->si_code <= 0;
    mprotect(own_page, PAGE, PROT_READ | PROT_WRITE);
}

static void *fault_on_own_page(void *unused)
{
    while (!atomic_load(&stop_faults)) {
        mprotect(own_page, PAGE, PROT_NONE);
        own_page[9]++;
    }
    return unused;
}

static void one_waits_while_another_thread_handles_faults(void **state)
{
    begin(state);
    pthread_t other;
    handle(SIGSEGV, open_own_page, 0, 0);
    own_page = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    atomic_store(&stop_faults, false);
    assert_int_equal(pthread_create(&other, NULL, fault_on_own_page, NULL), 0);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    for (int i = 0; i < 10; i++) {
        pthread_sigmask(SIG_BLOCK, &set, NULL);
        pthread_kill(pthread_self(), SIGSEGV);
        touch_heap();
        assert_int_equal(sigwaitinfo(&set, NULL), SIGSEGV);
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    }
    atomic_store(&stop_faults, true);
    pthread_join(other, NULL);
    munmap(own_page, PAGE);
    assert_int_equal(calls, 0);
    end(state);
}

static void one_that_is_ignored_is_gone(void **state)
{
    begin(state);
    signal(tested, SIG_IGN);
    raise(tested);
    touch_heap();
    struct sigaction action;
    sigaction(tested, NULL, &action);
    assert_ptr_equal(action.sa_handler, SIG_IGN);
    end(state);
}

/* Linux queues it while it is blocked, and drops it where it would be delivered. */
static void one_that_waits_and_is_ignored_is_gone_when_it_comes(void **state)
{
    begin(state);
    signal(tested, SIG_IGN);
    mask(SIG_BLOCK, tested);
    raise(tested);
    touch_heap();
    assert_true(is_pending(tested));
    mask(SIG_UNBLOCK, tested);
    touch_heap();
    assert_false(is_pending(tested));
    handle(tested, note, 0, 0);
    mask(SIG_BLOCK, tested);
    mask(SIG_UNBLOCK, tested);
    end(state);
    assert_int_equal(calls, 0);
}

static void one_that_waits_is_gone_once_it_is_ignored(void **state)
{
    begin(state);
    handle(tested, note, 0, 0);
    mask(SIG_BLOCK, tested);
    raise(tested);
    kill(getpid(), tested);
    touch_heap();
    assert_true(is_pending(tested));
    signal(tested, SIG_IGN);
    assert_false(is_pending(tested));
    handle(tested, note, 0, 0);
    mask(SIG_UNBLOCK, tested);
    end(state);
    assert_int_equal(calls, 0);
}

/* ------------------------------------------------------------------------------------------- masks and handlers */

static void a_handler_finds_the_mask_of_the_interrupted_code(void **state)
{
    begin(state);
    handle(SIGUSR1, note, 0, 0);
    raise(SIGUSR1);
    assert_false(blocked_inside);
    assert_false(blocked_in_frame);
    mask(SIG_BLOCK, tested);
    raise(SIGUSR1);
    assert_true(blocked_inside);
    assert_true(blocked_in_frame);
    assert_true(is_blocked(tested));
    mask(SIG_UNBLOCK, tested);
    handle(SIGUSR1, note, 0, tested);
    raise(SIGUSR1);
    assert_true(blocked_inside);
    assert_false(blocked_in_frame);
    assert_false(is_blocked(tested));
    handle(SIGUSR1, block_on_return, 0, 0);
    raise(SIGUSR1);
    assert_true(is_blocked(tested));
    touch_heap();
    mask(SIG_UNBLOCK, tested);
    end(state);
}

static void its_own_handler_has_it_blocked_as_it_asked(void **state)
{
    begin(state);
    handle(tested, note, 0, 0);
    raise(tested);
    assert_true(blocked_inside);
    handle(tested, note, SA_NODEFER, 0);
    raise(tested);
    assert_false(blocked_inside);
    assert_int_equal(calls, 1);
    end(state);
}

static void a_handler_that_is_for_once_leaves_the_default(void **state)
{
    begin(state);
    handle(tested, note, (int)SA_RESETHAND, 0);
    raise(tested);
    struct sigaction action;
    sigaction(tested, NULL, &action);
    assert_ptr_equal(action.sa_handler, SIG_DFL);
    assert_true(action.sa_flags & SA_RESETHAND);
    assert_true(action.sa_flags & SA_SIGINFO);
    assert_int_equal(calls, 1);
    handle(SIGUSR1, note, (int)SA_RESETHAND, 0);
    raise(SIGUSR1);
    sigaction(SIGUSR1, NULL, &action);
    assert_ptr_equal(action.sa_handler, SIG_DFL);
    end(state);
}

static void faults_jump_out_of_their_handler(void **state)
{
    begin(state);
    struct sigaction action = {.sa_handler = jump_out};
    sigaction(SIGSEGV, &action, NULL);
    calls = 0;
    for (volatile int i = 0; i < 50; i++) {
        if (!sigsetjmp(back, 1))
            *(volatile char *)(uintptr_t)(8 + i) = 1;
        assert_false(is_blocked(SIGSEGV));
        touch_heap();
    }
    assert_int_equal(calls, 50);
    end(state);
}

static pthread_t waiter;
static pid_t waiter_tid;
static atomic_bool waited; // it has come back

static void *send_to_the_process(void *unused)
{
    (void)unused;
    usleep(20000);
    kill(getpid(), tested); // blocked everywhere
    usleep(20000);
    touch_heap();
    pthread_kill(waiter, SIGUSR1);
    return NULL;
}

static void a_call_waits_with_the_mask_that_it_was_given(void **state)
{
    begin(state);
    sigset_t all, wait;
    handle(tested, note, 0, 0);
    handle(SIGUSR1, note, 0, 0);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL); // the other thread's too
    wait = all;
    sigdelset(&wait, SIGUSR1);
    pthread_t other;
    waiter = pthread_self();
    for (int round = 0; round < 2; round++) {
        calls = 0;
        assert_int_equal(pthread_create(&other, NULL, send_to_the_process, NULL), 0);
        assert_int_equal(round ? ppoll(NULL, 0, NULL, &wait) : sigsuspend(&wait), -1);
        assert_int_equal(errno, EINTR);
        assert_int_equal(calls, 1);
        assert_int_equal(code, SI_TKILL);
        assert_true(blocked_inside);
        assert_true(blocked_in_frame);
        pthread_join(other, NULL);
        assert_true(is_pending(tested));
        assert_true(is_blocked(tested));
        sigset_t none = all;
        sigdelset(&none, tested);
        calls = 0;
        assert_int_equal(sigsuspend(&none), -1); // is let in
        assert_int_equal(calls, 1);
        assert_int_equal(code, SI_USER);
        assert_false(is_pending(tested));
    }
    sigset_t nothing;
    sigemptyset(&nothing);
    sigprocmask(SIG_SETMASK, &nothing, NULL);
    end(state);
}

static void an_execve_keeps_it_ignored(void **state)
{
    begin(state);
    signal(tested, SIG_IGN);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    char *arguments[] = {"cat", "/proc/self/status", NULL}, *environment[] = {NULL};
    pid_t child = vfork();
    if (!child) {
        dup2(ends[1], 1);
        execve("/no/such/program", arguments, environment);
        execve("/bin/cat", arguments, environment);
        _exit(127);
    }
    close(ends[1]);
    char text[8192] = "";
    assert_true(read(ends[0], text, sizeof text - 1) > 0);
    close(ends[0]);
    waitpid(child, NULL, 0);
    const char *ignored = strstr(text, "SigIgn:");
    assert_non_null(ignored);
    assert_true(strtoull(ignored + strlen("SigIgn:"), NULL, 16) >> (tested - 1) & 1);
    touch_heap();
    end(state);
}

/* ------------------------------------------------------------------------------------------- signals it ignores */

// Is the waiter in a call that waits? One that is sent before would not interrupt it.
static bool is_waiting(void)
{
    static const int calls_that_wait[] = {
#ifdef SYS_epoll_wait
        SYS_epoll_wait,
#endif
        SYS_epoll_pwait, 441 /* epoll_pwait2 */, SYS_rt_sigtimedwait, SYS_semtimedop};
    char path[64];
    int nr = -1;
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", (int)waiter_tid);
    FILE *file = fopen(path, "r");
    if (!file)
        return true; // a kernel without it: time must do
    if (fscanf(file, "%d", &nr) != 1)
        nr = -1; // it runs
    fclose(file);
    for (unsigned i = 0; i < sizeof calls_that_wait / sizeof *calls_that_wait; i++)
        if (nr == calls_that_wait[i])
            return true;
    return false;
}

static void *send_to_the_waiter(void *signals)
{
    for (const int *signal = signals; *signal; signal++) {
        usleep(15000);
        while (!waited && !is_waiting())
            usleep(1000);
        pthread_kill(waiter, *signal);
    }
    return NULL;
}

static int wait_once(int how, int milliseconds)
{
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    struct epoll_event event;
    struct sembuf operation = {0, -1, 0};
    sigset_t set;
    int fd, result, error;
    switch (how) {
    case 0:
        fd = epoll_create1(EPOLL_CLOEXEC);
        result = epoll_wait(fd, &event, 1, milliseconds);
        break;
    case 1:
        fd = epoll_create1(EPOLL_CLOEXEC);
        result = (int)syscall(441 /* epoll_pwait2 */, fd, &event, 1, &time, NULL, 0);
        break;
    case 2:
        sigemptyset(&set);
        sigaddset(&set, SIGUSR2);
        return sigtimedwait(&set, NULL, &time) < 0 ? -errno : 0;
    default:
        fd = semget(IPC_PRIVATE, 1, 0600);
        result = semtimedop(fd, &operation, 1, &time);
        error = errno;
        semctl(fd, 0, IPC_RMID);
        return result < 0 ? -error : result;
    }
    error = errno;
    close(fd);
    return result < 0 ? -error : result;
}

/* Runs its time, and no less. */
static void a_wait_is_not_interrupted_by_signals_that_are_ignored(void **state)
{
    static int ignored[] = {SIGCHLD, SIGWINCH, SIGUSR1, 0};
    static const int results[] = {0, 0, -EAGAIN, -EAGAIN};
    begin(state);
    signal(SIGUSR1, SIG_IGN);
    waiter = pthread_self();
    waiter_tid = (pid_t)syscall(SYS_gettid);
    for (int how = 0; how < 4; how++) {
        pthread_t sender;
        struct timespec start, stop;
        waited = false;
        assert_int_equal(pthread_create(&sender, NULL, send_to_the_waiter, ignored), 0);
        clock_gettime(CLOCK_MONOTONIC, &start);
        assert_int_equal(wait_once(how, 60), results[how]);
        waited = true;
        clock_gettime(CLOCK_MONOTONIC, &stop);
        assert_true((stop.tv_sec - start.tv_sec) * 1000000000L + stop.tv_nsec - start.tv_nsec >= 59 * 1000 * 1000);
        pthread_join(sender, NULL);
    }
    end(state);
}

static void a_wait_is_interrupted_by_a_signal_that_is_handled(void **state)
{
    static int mixed[] = {SIGCHLD, SIGWINCH, SIGUSR1, 0};
    begin(state);
    waiter = pthread_self();
    waiter_tid = (pid_t)syscall(SYS_gettid);
    for (int how = 0; how < 4; how++) {
        pthread_t sender;
        handle(SIGUSR1, note, SA_RESTART, 0);
        waited = false;
        assert_int_equal(pthread_create(&sender, NULL, send_to_the_waiter, mixed), 0);
        assert_int_equal(wait_once(how, 60000), -EINTR);
        waited = true;
        assert_int_equal(calls, 1);
        pthread_join(sender, NULL);
    }
    end(state);
}

/* ------------------------------------------------------------------------------------------- timers */

static void count(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    calls++;
}

static void wait_for_calls(int more)
{
    for (int from = calls; calls < from + more;)
        touch_heap();
}

static void a_timer_that_fires_all_the_time_outlives_the_region(void **state)
{
    const struct itimerval often = {{0, 50}, {0, 50}}, never = {{0, 0}, {0, 0}};
    for (int i = 0; i < 20; i++) {
        begin(state);
        handle(SIGALRM, count, SA_RESTART, 0);
        setitimer(ITIMER_REAL, &often, NULL);
        wait_for_calls(10);
        if (((struct way *)*state)->region)
            assert_int_equal(vmt_end(NULL), 0);
        wait_for_calls(10);
        setitimer(ITIMER_REAL, &never, NULL);
        free(heap);
    }
}

static int restore_defaults(void **state)
{
    static const int used[] = {SIGSEGV, SIGSYS, SIGUSR1, SIGUSR2, SIGALRM};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        signal(used[i], SIG_DFL);
    return vmt_cmocka_teardown(state);
}

static struct way natively = {false, SIGSEGV}, in_region = {true, SIGSEGV};
static struct way natively_sigsys = {false, SIGSYS}, in_region_sigsys = {true, SIGSYS};

#define BOTH_WAYS(test)                                                                                                \
    {#test " (natively)", test, NULL, restore_defaults, &natively}, {#test, test, NULL, restore_defaults, &in_region}

#define BOTH_SIGNALS(test)                                                                                             \
    BOTH_WAYS(test), {#test " (SIGSYS, natively)", test, NULL, restore_defaults, &natively_sigsys},                    \
        {#test " (SIGSYS)", test, NULL, restore_defaults, &in_region_sigsys}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH_SIGNALS(one_sent_to_the_thread_waits_while_pages_fault),
        BOTH_SIGNALS(one_sent_to_the_process_waits_while_pages_fault),
        BOTH_SIGNALS(one_that_waits_comes_when_the_old_mask_is_back),
        BOTH_SIGNALS(one_that_waits_is_read_from_a_signalfd),
        BOTH_WAYS(one_waits_while_another_thread_handles_faults),
        BOTH_SIGNALS(one_that_is_ignored_is_gone),
        BOTH_SIGNALS(one_that_waits_and_is_ignored_is_gone_when_it_comes),
        BOTH_SIGNALS(one_that_waits_is_gone_once_it_is_ignored),
        BOTH_SIGNALS(a_handler_finds_the_mask_of_the_interrupted_code),
        BOTH_SIGNALS(its_own_handler_has_it_blocked_as_it_asked),
        BOTH_SIGNALS(a_handler_that_is_for_once_leaves_the_default),
        BOTH_WAYS(faults_jump_out_of_their_handler),
        BOTH_SIGNALS(a_call_waits_with_the_mask_that_it_was_given),
        BOTH_SIGNALS(an_execve_keeps_it_ignored),
        BOTH_WAYS(a_wait_is_not_interrupted_by_signals_that_are_ignored),
        BOTH_WAYS(a_wait_is_interrupted_by_a_signal_that_is_handled),
        BOTH_WAYS(a_timer_that_fires_all_the_time_outlives_the_region),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
