/* SPDX-License-Identifier: MIT */
/* Where a tracer shows most easily: faults in handlers, masks with SIGSEGV in them, stops, code on the heap. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../context.h"
#include "soak.h"

static int send_self(int signal)
{
    return (int)syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), signal);
}

static void change_mask(int how, int signal)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    CHECK_IS(pthread_sigmask(how, &set, NULL), 0);
}

/* Reads and writes all over the heap, in calls and without. */
static void use_heap(void)
{
    size_t bytes = between(1, 40) * PAGE;
    unsigned char *p = get(bytes);
    fill(p, bytes, 5);
    int fds[2];
    CHECK_IS(pipe2(fds, O_CLOEXEC), 0);
    CHECK_IS(write(fds[1], p, PAGE), PAGE);
    CHECK_IS(read(fds[0], p, PAGE), PAGE);
    CHECK(filled(p, bytes, 5));
    close(fds[0]);
    close(fds[1]);
    free(p);
}

/* ------------------------------------------------------------------------------------------- SIGSEGV in masks */

static void blocked_segv(void)
{
    sigset_t set, old, now;
    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    if (one_in(2))
        sigfillset(&set);
    CHECK_IS(pthread_sigmask(SIG_BLOCK, &set, &old), 0);
    CHECK_IS(sigismember(&old, SIGSEGV), 0);
    use_heap();
    CHECK_IS(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
    CHECK_IS(sigismember(&now, SIGSEGV), 1);
    if (one_in(2)) { /* sent, it waits */
        CHECK_IS(send_self(SIGSEGV), 0);
        use_heap();
        CHECK_IS(sigpending(&now), 0);
        CHECK_IS(sigismember(&now, SIGSEGV), 1);
        sigemptyset(&now);
        sigaddset(&now, SIGSEGV);
        siginfo_t *info = get(sizeof *info);
        if (one_in(2)) {
            CHECK_IS(sigwaitinfo(&now, info), SIGSEGV);
            CHECK_IS(info->si_code, SI_USER); /* glibc makes that of SI_TKILL */
            CHECK_IS(info->si_pid, getpid());
        } else {
            int fd = signalfd(-1, &now, SFD_CLOEXEC);
            struct signalfd_siginfo *read_info = get(sizeof *read_info);
            CHECK_IS(read(fd, read_info, sizeof *read_info), sizeof *read_info);
            CHECK_IS(read_info->ssi_signo, SIGSEGV);
            free(read_info);
            close(fd);
        }
        free(info);
        CHECK_IS(sigpending(&now), 0);
        CHECK_IS(sigismember(&now, SIGSEGV), 0);
    }
    use_heap();
    CHECK_IS(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
    CHECK_IS(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
    for (int i = 1; i < 65; i++)
        CHECK_IS(sigismember(&now, i), sigismember(&old, i));
}

/* A mask with all signals but one, while the thread waits. */
static void full_wait_mask(void)
{
    int signal = own_signal(0);
    sigset_t all;
    sigfillset(&all);
    sigdelset(&all, signal);
    me->hits[signal] = 0;
    CHECK_IS(send_self(signal), 0);
    struct pollfd *none = calloc(1, sizeof *none);
    none->fd = -1;
    CHECK_FAILS(one_in(2) ? ppoll(none, 1, NULL, &all) : sigsuspend(&all), EINTR);
    free(none);
    CHECK_IS(me->hits[signal], 1);
    use_heap();
}

static volatile sig_atomic_t mask_seen_wrong;
static __thread int seen_code, seen_pid;
static __thread bool seen_segv, seen_self;

static void look_at_mask(int signal, siginfo_t *info, void *context)
{
    ucontext_t *c = context;
    sigset_t now;
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    seen_self = sigismember(&now, signal);
    seen_segv = sigismember(&now, SIGSEGV);
    seen_code = info->si_code;
    seen_pid = info->si_pid;
    mask_seen_wrong += sigismember(&c->uc_sigmask, signal);
    me->scratch[me->hits[signal] % SOAK_SCRATCH]++;
    me->hits[signal]++;
    if (info->si_code == SI_QUEUE && info->si_int == 1)
        sigaddset(&c->uc_sigmask, signal); /* blocked when the handler has returned */
    if (info->si_code == SI_QUEUE && info->si_int == 2)
        sigaddset(&c->uc_sigmask, SIGSEGV);
}

static void masks_of_handlers(void)
{
    int signal = own_signal(1), value = (int)below(3);
    bool segv_in_mask = one_in(2), no_defer = one_in(2);
    struct sigaction action = {.sa_sigaction = look_at_mask, .sa_flags = SA_SIGINFO | (no_defer ? SA_NODEFER : 0)}, old,
                     now;
    if (segv_in_mask)
        sigaddset(&action.sa_mask, SIGSEGV);
    CHECK_IS(sigaction(signal, &action, &old), 0);
    CHECK_IS(sigaction(signal, NULL, &now), 0);
    CHECK_IS(sigismember(&now.sa_mask, SIGSEGV), segv_in_mask);
    change_mask(SIG_UNBLOCK, signal);
    me->hits[signal] = 0;
    mask_seen_wrong = 0;
    CHECK_IS(pthread_sigqueue(pthread_self(), signal, (union sigval){.sival_int = value}), 0);
    CHECK_IS(me->hits[signal], 1);
    CHECK_IS(seen_code, SI_QUEUE);
    CHECK_IS(seen_pid, getpid());
    CHECK_IS(seen_self, !no_defer);
    CHECK_IS(seen_segv, segv_in_mask);
    CHECK_IS(mask_seen_wrong, 0);
    sigset_t after;
    CHECK_IS(pthread_sigmask(SIG_BLOCK, NULL, &after), 0);
    CHECK_IS(sigismember(&after, signal), value == 1);
    CHECK_IS(sigismember(&after, SIGSEGV), value == 2);
    use_heap();
    change_mask(SIG_UNBLOCK, SIGSEGV);
    change_mask(SIG_BLOCK, signal);
    CHECK_IS(sigaction(signal, &old, NULL), 0);
}

/* ------------------------------------------------------------------------------------------- faults */

static __thread unsigned char *second;
static __thread unsigned mended;

/* Mends one page by touching another that must be mended too. */
static bool mend_both(void *address)
{
    unsigned char *page = (unsigned char *)((uintptr_t)address & -(uintptr_t)PAGE);
    mended++;
    if (mprotect(page, PAGE, PROT_READ | PROT_WRITE))
        return false;
    if (page != second && soak.segv_no_defer)
        second[7]++;
    return true;
}

static void fault_in_fault(void)
{
    bool heap = one_in(2);
    unsigned char *p = heap ? aligned_alloc(PAGE, 2 * PAGE)
                            : mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED && p);
    memset(p, 0, 2 * PAGE);
    second = p + PAGE;
    for (int i = 0; i < 4; i++) {
        mended = 0;
        CHECK_IS(mprotect(p, 2 * PAGE, one_in(2) ? PROT_READ : PROT_NONE), 0);
        begin_mending(mend_both);
        ((volatile unsigned char *)p)[below(PAGE)]++;
        CHECK_IS(end_mending(), soak.segv_no_defer ? 2 : 1);
        CHECK_IS(mended, soak.segv_no_defer ? 2 : 1);
    }
    CHECK_IS(mprotect(p, 2 * PAGE, PROT_READ | PROT_WRITE), 0);
    CHECK_IS(second[7], soak.segv_no_defer ? 4 : 0);
    if (heap)
        free(p);
    else
        CHECK_IS(munmap(p, 2 * PAGE), 0);
}

/* The kernel changes what lies before the hole. */
static void half_protected(void)
{
    unsigned char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    CHECK_IS(munmap(p + 2 * PAGE, PAGE), 0);
    CHECK_FAILS(mprotect(p, 4 * PAGE, PROT_NONE), ENOMEM);
    CHECK_IS(touch(p, false), SEGV_ACCERR);
    CHECK_IS(touch(p + PAGE, true), SEGV_ACCERR);
    CHECK_IS(touch(p + 2 * PAGE, true), SEGV_MAPERR);
    CHECK_IS(touch(p + 3 * PAGE, true), 0);
    CHECK_IS(munmap(p, 4 * PAGE), 0);
}

static void guards(void)
{
    size_t pages = between(2, 8);
    unsigned char *p = aligned_alloc(PAGE, pages * PAGE);
    fill(p, pages * PAGE, 3);
    size_t at = below(pages);
    if (madvise(p + at * PAGE, PAGE, 102 /* MADV_GUARD_INSTALL */) == 0) { /* Linux 6.13 */
        CHECK_IS(touch(p + at * PAGE + below(PAGE), one_in(2)), SEGV_MAPERR);
        CHECK_IS(touch(p + at * PAGE, one_in(2)), SEGV_MAPERR);
        CHECK_IS(madvise(p + at * PAGE, PAGE, 103 /* MADV_GUARD_REMOVE */), 0);
    } else {
        CHECK_IS(errno, EINVAL);
        memset(p + at * PAGE, 0, PAGE);
    }
    for (size_t i = 0; i < pages; i++) {
        if (i != at)
            CHECK(filled(p + i * PAGE, PAGE, 3 + i * PAGE));
        CHECK_IS(touch(p + i * PAGE, true), 0);
    }
    CHECK_IS(p[at * PAGE + 9], 0);
    free(p);
}

/* A function that gives the value. */
#ifdef __x86_64__
enum { CODE_FROM_END = 3 };
static void write_code(unsigned char *at, unsigned value)
{
    *at = 0xb8; /* mov $value, %eax; ret */
    memcpy(at + 1, &value, 4);
    at[5] = 0xc3;
}
#else
enum { CODE_FROM_END = 4 };
static void write_code(unsigned char *at, unsigned value)
{
    uint32_t code[] = {0x52800000 | (value & 0xffff) << 5, 0x72a00000 | value >> 16 << 5,
                       0xd65f03c0}; /* movz w0, #low; movk w0, #high, lsl #16; ret */
    memcpy(at, code, sizeof code);
    __builtin___clear_cache((char *)at, (char *)at + sizeof code);
}
#endif

/* Code in memory from malloc, made executable and changed. */
static void code(void)
{
    bool heap = one_in(2);
    unsigned char *p = heap ? aligned_alloc(PAGE, 2 * PAGE)
                            : mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED && p);
    size_t at = PAGE - CODE_FROM_END; /* across both pages */
    for (unsigned i = 1; i < 5; i++) {
        unsigned value = (unsigned)draw();
        CHECK_IS(mprotect(p, 2 * PAGE, PROT_READ | PROT_WRITE), 0);
        write_code(p + at, value);
        CHECK_IS(mprotect(p, 2 * PAGE, PROT_READ | PROT_EXEC), 0);
        unsigned (*function)(void);
        unsigned char *start = p + at;
        memcpy(&function, &start, sizeof function);
        CHECK_IS(function(), value);
        CHECK_IS(touch(p + at, true), SEGV_ACCERR);
    }
    CHECK_IS(mprotect(p, 2 * PAGE, PROT_READ | PROT_WRITE), 0);
    if (heap)
        free(p);
    else
        CHECK_IS(munmap(p, 2 * PAGE), 0);
}

__attribute__((noinline)) static unsigned sink(unsigned depth)
{
    volatile unsigned char room[1000];
    room[depth % 1000] = (unsigned char)depth;
    return depth > 1000000 ? 0 : sink(depth + 1) + room[depth % 1000];
}

/* A stack that overflows, caught on an alternate one. */
static void *overflow(void *argument)
{
    (void)argument;
    stack_t stack = {.ss_sp = get(8 * PAGE), .ss_size = 8 * PAGE}, old;
    CHECK_IS(sigaltstack(&stack, &old), 0);
    for (volatile int i = 0; i < 2; i++) {
        struct soak_fault *fault = &me->fault;
        if (sigsetjmp(fault->jump, 1) == 0) {
            fault->armed = 1;
            mix(sink(0));
            CHECK(!"no overflow");
        }
        CHECK_IS(fault->signal, SIGSEGV);
    }
    CHECK_IS(sigaltstack(&old, NULL), 0);
    free(stack.ss_sp);
    return NULL;
}

static void overflows(void)
{
    if (!soak.segv_on_stack)
        return;
    pthread_attr_t attributes;
    struct soak_helper helper;
    CHECK_IS(pthread_attr_init(&attributes), 0);
    CHECK_IS(pthread_attr_setstacksize(&attributes, 32 * PAGE), 0);
    CHECK_IS(pthread_attr_setguardsize(&attributes, 4 * PAGE), 0);
    start_helper(&helper, overflow, NULL, &attributes);
    join_helper(&helper);
    pthread_attr_destroy(&attributes);
}

static __thread sigjmp_buf after_trap;

static void trapped(int signal, siginfo_t *info, void *context)
{
    me->hits[signal]++;
    me->scratch[60]++;
    seen_code = info->si_code;
    if (signal == SIGILL)
        context_skip_illegal(context);
    else if (signal == SIGTRAP)
        context_leave_trap(context);
    else if (signal == SIGFPE)
        siglongjmp(after_trap, 1);
}

/* Instructions that the CPU refuses. */
static void traps(void)
{
    static const int signals[] = {
        SIGILL, SIGTRAP,
#ifdef __x86_64__
        SIGFPE /* others divide by zero */
#endif
    };
    int signal = signals[below(sizeof signals / sizeof *signals)];
    struct sigaction action = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO}, old;
    CHECK_IS(sigaction(signal, &action, &old), 0);
    me->hits[signal] = 0;
    for (volatile int i = 0; i < 3; i++) {
        if (signal == SIGILL)
            __asm__ volatile(ILLEGAL_INSTRUCTION ::: "memory");
        else if (signal == SIGTRAP)
            __asm__ volatile(BREAKPOINT_INSTRUCTION ::: "memory");
        else if (sigsetjmp(after_trap, 1) == 0) {
            volatile int zero = 0;
            volatile int result = 5 / zero;
            (void)result;
        }
    }
    CHECK_IS(me->hits[signal], 3);
    CHECK_IS(seen_code, signal == SIGILL ? ILLEGAL_SI_CODE : signal == SIGTRAP ? BREAKPOINT_SI_CODE : FPE_INTDIV);
    CHECK_IS(sigaction(signal, &old, NULL), 0);
}

/* ------------------------------------------------------------------------------------------- processes */

static int wait_for(pid_t child)
{
    int status;
    CHECK(child > 0);
    CHECK_IS(UNINTERRUPTED(waitpid(child, &status, 0)), child);
    return status;
}

/* A child stops its parent and lets it go on. Alone: a stop interrupts epoll_wait and its like (signal(7)). */
static void stopped(void)
{
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        for (int i = 0; i < 3; i++) {
            kill(parent, SIGSTOP);
            usleep(1000);
            kill(parent, SIGCONT);
            usleep(500);
        }
        kill(parent, SIGCONT);
        _exit(3);
    }
    use_heap();
    CHECK_IS(WEXITSTATUS(wait_for(child)), 3);
    use_heap();
}

/* The program traces a child of its own, and reads its heap. */
static void traced(void)
{
    uint64_t *value = get(3 * PAGE);
    value[300] = draw();
    pid_t child = fork();
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
            _exit(90);
        raise(SIGSTOP);
        _exit(value[300] == 77 ? 5 : 6);
    }
    int status = wait_for(child);
    CHECK(WIFSTOPPED(status));
    CHECK_IS(WSTOPSIG(status), SIGSTOP);
    errno = 0;
    CHECK_IS(ptrace(PTRACE_PEEKDATA, child, &value[300], NULL), value[300]);
    CHECK_IS(errno, 0);
    CHECK_IS(ptrace(PTRACE_POKEDATA, child, &value[300], (void *)77), 0);
    siginfo_t *info = get(sizeof *info);
    CHECK_IS(ptrace(PTRACE_GETSIGINFO, child, NULL, info), 0);
    CHECK_IS(info->si_signo, SIGSTOP);
    free(info);
    CHECK_IS(ptrace(PTRACE_CONT, child, NULL, NULL), 0);
    CHECK_IS(WEXITSTATUS(wait_for(child)), 5);
    free(value);
}

/* An execve that fails leaves all as it was. */
static void not_replaced(void)
{
    enum { WORDS = 40 };
    char **words = calloc(WORDS + 1, sizeof *words);
    for (int i = 0; i < WORDS; i++) {
        size_t n = below(3000);
        words[i] = get(n + 1);
        memset(words[i], 'w', n);
        words[i][n] = 0;
    }
    CHECK_FAILS(execve("/no/such/program", words, words), ENOENT);
    CHECK_FAILS(execve("/", words, words), EACCES);
    CHECK_FAILS(execve("/dev/null", words, words), EACCES);
    void *volatile bad = (void *)16;
    CHECK_FAILS(execve(bad, words, words), EFAULT);
    CHECK_FAILS(execve("/proc/thread-self/exe", (char **)bad, words), EFAULT);
    use_heap();
    for (int i = 0; i < WORDS; i++)
        free(words[i]);
    free(words);
}

static void fork_in_handler(int signal, siginfo_t *info, void *context)
{
    (void)context;
    (void)info;
    pid_t child = fork();
    if (child == 0) {
        me->scratch[PAGE]++;
        _exit(me->scratch[PAGE + 1] == me->scratch[PAGE + 2] ? 8 : 9);
    }
    seen_code = WEXITSTATUS(wait_for(child));
    me->hits[signal]++;
}

static void forked_in_handler(void)
{
    int signal = own_signal(3);
    bool on_stack = one_in(2);
    struct sigaction action = {.sa_sigaction = fork_in_handler, .sa_flags = SA_SIGINFO | (on_stack ? SA_ONSTACK : 0)},
                     before;
    stack_t stack = {.ss_sp = get(16 * PAGE), .ss_size = 16 * PAGE}, old;
    CHECK_IS(sigaltstack(&stack, &old), 0);
    me->hits[signal] = 0;
    me->scratch[PAGE + 1] = me->scratch[PAGE + 2] = 4;
    CHECK_IS(sigaction(signal, &action, &before), 0);
    change_mask(SIG_UNBLOCK, signal);
    CHECK_IS(send_self(signal), 0);
    change_mask(SIG_BLOCK, signal);
    CHECK_IS(me->hits[signal], 1);
    CHECK_IS(seen_code, 8);
    CHECK_IS(sigaction(signal, &before, NULL), 0);
    CHECK_IS(sigaltstack(&old, NULL), 0);
    free(stack.ss_sp);
}

/* A timer's handler jumps out of work on the heap. */
static void jump_from_timer(int signal, siginfo_t *info, void *context)
{
    (void)info;
    (void)context;
    me->hits[signal]++;
    me->scratch[77]++;
    siglongjmp(after_trap, 1);
}

static void jumps_from_timer(void)
{
    int signal = own_signal(2);
    struct sigaction action = {.sa_sigaction = jump_from_timer, .sa_flags = SA_SIGINFO}, before;
    CHECK_IS(sigaction(signal, &action, &before), 0);
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = signal};
    event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    timer_t id;
    CHECK_IS(timer_create(CLOCK_MONOTONIC, &event, &id), 0);
    size_t bytes = 20 * PAGE;
    unsigned char *volatile memory = calloc(1, bytes);
    me->hits[signal] = 0;
    for (volatile int i = 0; i < 4; i++) {
        if (sigsetjmp(after_trap, 1) == 0) {
            struct itimerspec once = {{0, 0}, {0, 300000}};
            CHECK_IS(timer_settime(id, 0, &once, NULL), 0);
            change_mask(SIG_UNBLOCK, signal);
            for (uint64_t k = 0;; k++) {
                memory[hash(k) % bytes] ^= 1;
                if (k % 100 == 0)
                    (void)getppid();
            }
        }
    }
    CHECK_IS(me->hits[signal], 4);
    change_mask(SIG_BLOCK, signal);
    CHECK_IS(timer_delete(id), 0);
    CHECK_IS(sigaction(signal, &before, NULL), 0);
    free(memory);
}

/* What the process shows of itself has nothing of a tracer's in it. */
static void own_tasks(void)
{
    DIR *d = opendir("/proc/thread-self/fd");
    CHECK(d != NULL);
    unsigned descriptors = 0;
    for (struct dirent *entry; (entry = readdir(d));)
        descriptors += entry->d_name[0] != '.';
    closedir(d);
    CHECK(descriptors < 20);
    d = opendir("/proc/self/task");
    CHECK(d != NULL);
    unsigned tasks = 0;
    for (struct dirent *entry; (entry = readdir(d));)
        tasks += entry->d_name[0] != '.';
    closedir(d);
    CHECK(tasks == 1 || me->in_child); /* where a helper thread may do this */
    const char *preloaded = getenv("LD_PRELOAD");
    CHECK(!preloaded || !strstr(preloaded, "libvmt"));
    CHECK(getenv("VMT_RUN") == NULL);
}

static const struct soak_operation operations[] = {
    {"edges.blocked-segv", 8, 0, blocked_segv},
    {"edges.full-wait-mask", 5, 0, full_wait_mask},
    {"edges.masks-of-handlers", 6, 0, masks_of_handlers},
    {"edges.fault-in-fault", 6, 0, fault_in_fault},
    {"edges.half-protected", 4, SOAK_ALONE, half_protected},
    {"edges.guards", 4, 0, guards},
    {"edges.code", 5, 0, code},
    {"edges.overflows", 4, 0, overflows},
    {"edges.traps", 4, SOAK_EXCLUSIVE, traps},
    {"edges.stopped", 6, SOAK_ALONE, stopped},
    {"edges.traced", 3, SOAK_FORKS, traced},
    {"edges.not-replaced", 4, 0, not_replaced},
    {"edges.forked-in-handler", 4, SOAK_FORKS, forked_in_handler},
    {"edges.jumps-from-timer", 4, 0, jumps_from_timer},
    {"edges.own-tasks", 3, SOAK_ALONE, own_tasks},
};
const struct soak_group soak_edges = SOAK_GROUP(operations);
