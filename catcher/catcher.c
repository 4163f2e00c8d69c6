/* SPDX-License-Identifier: MIT */
/* The life of the catcher: made by vmt_begin, gone after vmt_end or with the program. */
#define _GNU_SOURCE
#include "internal.h"
#include "proc.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "../harness/arena.h"
#include "../harness/config.h"
#include "../harness/content.h"
#include "../harness/live.h"
#include "../harness/region.h"
#include "../harness/tell.h"
#include "../harness/trace_format.h"
#include "../harness/trace_write.h"
#include "../harness/window.h"
#include "../harness/wrap.h"

enum { STACK_BYTES = 256 * 1024, TLS_BYTES = 8192 };
enum { CLOSE_RANGE = 436 }; /* SYS_close_range: Linux 5.9; older headers lack it */

/* ------------------------------------------------------------------------------------------- in the catcher */

/* Nothing of the program's shall be held, shared or answered to: descriptors, terminal, signals. */
static void become_invisible(void)
{
    uint64_t all = ~(uint64_t)0;
    vmti_sys(SYS_rt_sigprocmask, SIG_SETMASK, &all, 0, sizeof all, 0, 0);
    /* The program's handlers were copied. SIGCHLD is not queued for stops (SA_NOCLDSTOP): wait4 tells of them. */
    struct {
        uint64_t handler, flags, restorer, mask;
    } action = {(uint64_t)SIG_DFL, 0, 0, 0};
    for (int signal = 1; signal <= 64; signal++) {
        action.flags = signal == SIGCHLD ? SA_NOCLDSTOP : 0;
        vmti_sys(SYS_rt_sigaction, signal, &action, 0, sizeof action.mask, 0, 0);
    }
    /* Not in the program's process group: a signal to the group is not for the catcher. */
    vmti_sys(SYS_setsid, 0, 0, 0, 0, 0, 0);
    vmti_sys(SYS_prctl, PR_SET_NAME, "vmt-catcher", 0, 0, 0, 0);
}

static void close_descriptors(void)
{
    if (vmti_sys(CLOSE_RANGE, 0, ~0u, 0, 0, 0, 0) == 0)
        return;
    struct { uint64_t soft, hard; } limit = {1024, 1024}; /* Linux before 5.9 */
    vmti_sys(SYS_prlimit64, 0, 7 /* RLIMIT_NOFILE */, 0, &limit, 0, 0);
    for (uint64_t fd = 0; fd < limit.soft && fd < 1048576; fd++)
        vmti_os_close((int)fd);
}

/* The trace file, locked until the catcher is gone: who waits for the lock finds the trace complete. */
int vmti_catcher_open_trace(const char *path, uint64_t since)
{
    struct vmti_trace_header header;
    long fd = vmti_os_open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
    if (fd < 0)
        return (int)fd;
    long error = vmti_sys(SYS_flock, fd, LOCK_EX | LOCK_NB, 0, 0, 0, 0);
    struct stat status;
    if (!error)
        error = vmti_sys(SYS_fstat, fd, &status, 0, 0, 0, 0);
    if (!error && !S_ISREG(status.st_mode))
        error = -EEXIST;
    if (!error && status.st_size > 0) {
        long n = vmti_os_read((int)fd, &header, sizeof header);
        if (n < (long)sizeof header.magic || memcmp(header.magic, VMTI_TRACE_MAGIC, sizeof header.magic) != 0)
            error = -EEXIST;
        else if (since && n == (long)sizeof header && header.start_realtime_ns >= since)
            error = -EALREADY;
    }
    if (!error)
        error = vmti_sys(SYS_ftruncate, fd, 0, 0, 0, 0, 0);
    if (!error)
        error = vmti_sys(SYS_lseek, fd, 0, 0 /* SEEK_SET */, 0, 0, 0) < 0 ? -EIO : 0;
    if (!error)
        return (int)fd;
    vmti_os_close((int)fd);
    return (int)error;
}

int vmti_catcher_open_region_trace(struct vmti_region *r)
{
    enum { MOST = 1000000000 }; /* there is room for nine digits */
    if (r->followed)
        return vmti_follow_open_trace(r->trace_path);
    if (!r->trace_number)
        return vmti_catcher_open_trace(r->trace_path, 0);
    char *end = r->trace_path + strlen(r->trace_path);
    for (; r->trace_number < MOST; r->trace_number++) {
        if (r->trace_number > 1)
            *vmti_put_number(vmti_put_text(end, "."), r->trace_number) = '\0';
        int fd = vmti_catcher_open_trace(r->trace_path, r->trace_since);
        if (fd != -EALREADY && fd != -EWOULDBLOCK)
            return fd;
    }
    return -EALREADY;
}

static void set_state(struct vmti_region *r, uint32_t state)
{
    atomic_store(&r->state, state);
    vmti_os_futex_wake(&r->state);
}

static int start_tracing(struct vmti_catcher *c)
{
    struct vmti_region *r = c->r;
    int fd = -1;
    close_descriptors();
    if (r->trace_path) {
        fd = vmti_catcher_open_region_trace(r);
        if (fd < 0) {
            r->error_step = VMTI_STEP_TRACE_OPEN;
            return r->error = fd;
        }
    }
    vmti_sys(SYS_chdir, "/", 0, 0, 0, 0, 0); /* does not keep a file system busy */
    int error = vmti_trace_start(r, fd, r->command, r->command_bytes, vmti_os_now(CLOCK_REALTIME),
                                 vmti_os_now(CLOCK_MONOTONIC));
    if (error) {
        r->error_step = VMTI_STEP_TRACE_OPEN;
        return r->error = error;
    }
    vmti_affinity_start(c);
    vmti_alarm_start(c);
    if (vmti_threads_attach(c))
        return r->error;
    return vmti_region_close_pages(r);
}

static struct vmti_trace_trailer make_trailer(struct vmti_catcher *c, bool lost)
{
    struct vmti_region *r = c->r;
    const struct vmti_counts *n = &r->counts;
    vmti_name_pages(r);
    return (struct vmti_trace_trailer){
        .end = lost ? VMTI_END_LOST : (uint32_t)c->end,
        .end_code = lost ? r->error : c->end_code,
        .touches = n->touches,
        .program_touches = n->program_touches,
        .syscall_touches = n->syscall_touches,
        .footprint = n->footprint,
        .pages_written = n->pages_written,
        .pages_unchanged = n->pages_unchanged,
        .live_bytes = n->live_bytes,
        .evictions = n->evictions,
        .upgrades = n->upgrades,
        .drops = n->drops,
        .peak_open = n->peak_open,
        .threads = n->threads,
        .syscalls = n->syscalls,
        .syscalls_walked = n->syscalls_walked,
        .unknown_calls = n->unknown_calls,
        .over_window = n->over_window,
        .left_open = n->left_open,
        .refused_calls = n->refused_calls,
        .room = r->room,
        .first_unknown = r->first_unknown,
        .first_unknown_command = r->first_unknown_command,
        .end_time = (vmti_os_now(CLOCK_MONOTONIC) - r->trace.start_ns) / VMTI_TRACE_TIME_UNIT,
    };
}

void vmti_catcher_conclude(struct vmti_region *r)
{
    vmti_content_conclude(r);
    vmti_live_conclude(r);
}

void vmti_catcher_put_trailer(struct vmti_catcher *c, bool lost)
{
    struct vmti_trace_trailer trailer = make_trailer(c, lost);
    vmti_trace_finish(c->r, &trailer);
}

void vmti_catcher_seal_trace(struct vmti_catcher *c)
{
    vmti_catcher_conclude(c->r);
    struct vmti_trace_trailer trailer = make_trailer(c, atomic_load(&c->r->state) == VMTI_LOST);
    vmti_trace_seal(c->r, &trailer);
}

static void finish(struct vmti_catcher *c)
{
    struct vmti_region *r = c->r;
    bool lost = atomic_load(&r->state) == VMTI_LOST;
    if (c->end == VMTI_END_REGION && !lost)
        vmti_region_open_pages(r);
    vmti_catcher_conclude(r);
    lost = atomic_load(&r->state) == VMTI_LOST;
    if (c->end == VMTI_END_REGION || c->end == VMTI_END_EXEC)
        vmti_threads_release(c);
    vmti_catcher_put_trailer(c, lost);
    if (!lost)
        atomic_store(&r->state, VMTI_ENDED);
}

/*
 * Has the thread whose turn it is stopped, or ended? Of several tracees wait4(-1) tells of the newest (kernel/ptrace.c,
 * __ptrace_link adds it at the head of the list; kernel/exit.c, ptrace_do_wait walks that). Where the scheduler lets a
 * thread that is resumed run at once, as before Linux 6.6, this one has stopped again by the next wait, and the others
 * would never get on.
 */
static long wait_in_turn(struct vmti_catcher *c, int *status)
{
    struct vmti_thread *t = vmti_thread_find(c->r, c->turn);
    t = t && t->hh.next ? t->hh.next : c->r->threads;
    c->turn = t->tid;
    return vmti_sys(SYS_wait4, t->tid, status, __WALL | WNOHANG, 0, 0, 0);
}

bool vmti_catcher_step(struct vmti_catcher *c)
{
    int status;
    long tid = HASH_COUNT(c->r->threads) > 1 ? wait_in_turn(c, &status) : 0;
    if (tid <= 0)
        tid =
            vmti_unlikely(c->put_off) ? vmti_storm_wait(c, &status) : vmti_sys(SYS_wait4, -1, &status, __WALL, 0, 0, 0);
    if (tid == -EINTR)
        return true;
    if (tid < 0) { /* ECHILD: every tracee is gone, and P with them */
        c->ended = c->gone = true;
        return false;
    }
    struct vmti_thread *t = vmti_thread_find(c->r, (pid_t)tid);
    if (WIFSTOPPED(status)) {
        if (t && t->state != VMTI_T_EXPECTED)
            vmti_stop_handle(c, t, status);
        else
            vmti_child_stopped(c, (pid_t)tid);
        return true;
    }
    if (t) {
        vmti_storm_let_in(c, t);
        vmti_thread_remove(c->r, t);
    }
    if (tid == c->r->pid) {
        c->ended = c->gone = true;
        c->end = WIFSIGNALED(status) ? VMTI_END_SIGNAL : VMTI_END_EXIT;
        c->end_code = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
    }
    return true;
}

static int run(void *region)
{
    struct vmti_region *r = region;
    struct vmti_catcher c = {.r = r, .alarm = -1, .end = VMTI_END_EXIT};
    become_invisible();
    while (atomic_load(&r->state) == VMTI_STARTING) {
        struct timespec moment = {0, 100 * 1000 * 1000};
        vmti_os_futex_wait(&r->state, VMTI_STARTING, &moment);
        if (vmti_sys(SYS_getppid, 0, 0, 0, 0, 0, 0) != r->pid) /* P was killed before it could say more */
            vmti_sys(SYS_exit_group, 1, 0, 0, 0, 0, 0);
    }
    if (start_tracing(&c)) {
        /* Leaves the threads as they are: an exit of the tracer detaches them. */
        vmti_threads_release(&c);
        if (r->followed && r->trace.fd >= 0 && r->trace.header)
            vmti_catcher_put_trailer(&c, true); /* the process runs on untraced: this says why */
        else if (r->trace.fd >= 0)
            vmti_sys(SYS_ftruncate, r->trace.fd, 0, 0, 0, 0, 0); /* no trace rather than an empty one */
        vmti_alarm_stop(&c);
        set_state(r, VMTI_FAILED);
        vmti_sys(SYS_exit_group, 1, 0, 0, 0, 0, 0);
    }
    set_state(r, VMTI_TRACING);
    for (struct vmti_thread *t = r->threads; t; t = t->hh.next)
        vmti_thread_resume(&c, t, 0);
    while (!c.ended) {
        vmti_trace_flush(r); /* while the program runs */
        vmti_catcher_step(&c);
    }
    finish(&c);
    vmti_alarm_stop(&c);
    vmti_sys(SYS_exit_group, 0, 0, 0, 0, 0, 0);
    return 0;
}

/* ------------------------------------------------------------------------------------------- in the program */

/* Waits until the catcher is gone. It is a child of the kind that wait() without __WCLONE does not see (wait(2)). */
static void reap(pid_t catcher)
{
    int status;
    while (vmti_sys(SYS_wait4, catcher, &status, __WCLONE, 0, 0, 0) == -EINTR)
        ;
}

static bool is_gone(pid_t catcher)
{
    int status;
    long got = vmti_sys(SYS_wait4, catcher, &status, __WCLONE | WNOHANG, 0, 0, 0);
    return got == catcher || got == -ECHILD;
}

int vmti_catcher_start(struct vmti_region *r)
{
    char *stack = vmti_arena_alloc(&r->arena, STACK_BYTES);
    char *tls = vmti_arena_alloc(&r->arena, TLS_BYTES);
    if (!stack || !tls) {
        r->error_step = VMTI_STEP_CLONE;
        return r->error = -ENOMEM;
    }
    /* A thread pointer of its own, in the middle of zeroes, so that nothing that the compiler or libc reads through it
     * (the stack protector's canary, say) is the program's. */
    void **pointer = (void **)(tls + TLS_BYTES / 2);
    *pointer = pointer; /* it begins with its own address, by the ABI */
    r->in_allocator = vmti_thread_in_allocator;
    unsigned cpu = 0;
    vmti_sys(SYS_getcpu, &cpu, 0, 0, 0, 0, 0);
    r->cpu = cpu;
    vmti_handlers_take(r);

    /* No SIGCHLD at its end, and only __WCLONE waits for it; no page-table copy, whatever the heap's size. */
    int pid = (int)vmti_arch_clone(CLONE_VM | CLONE_SETTLS, stack + STACK_BYTES - 64, pointer, run, r);
    if (pid < 0) {
        r->error_step = VMTI_STEP_CLONE;
        r->error = pid;
        vmti_handlers_give_back(r);
        return r->error;
    }
    r->catcher = pid;
    /* Where Yama restricts ptrace to parents (kernel.yama.ptrace_scope = 1) we name who may trace us: this child alone.
     * EINVAL without Yama. */
    vmti_sys(SYS_prctl, PR_SET_PTRACER, pid, 0, 0, 0, 0);
    set_state(r, VMTI_GO);
    for (;;) {
        uint32_t state = atomic_load(&r->state);
        if (state == VMTI_TRACING || state == VMTI_LOST)
            return 0;
        if (state == VMTI_FAILED || is_gone(pid))
            break;
        struct timespec moment = {0, 100 * 1000 * 1000};
        vmti_os_futex_wait(&r->state, state, &moment);
    }
    if (atomic_load(&r->state) == VMTI_FAILED) {
        reap(pid);
    } else {
        r->error = -EOWNERDEAD;
        r->error_step = VMTI_STEP_KILLED;
        vmti_region_open_pages(r);
    }
    vmti_handlers_give_back(r);
    vmti_sys(SYS_prctl, PR_SET_PTRACER, 0, 0, 0, 0, 0);
    return r->error;
}

void vmti_catcher_stop(struct vmti_region *r)
{
    vmti_tell(VMTI_TELL_END, 0, 0);
    reap(r->catcher);
    uint32_t state = atomic_load(&r->state);
    if (state != VMTI_ENDED && state != VMTI_LOST) {
        r->error = -EOWNERDEAD;
        r->error_step = VMTI_STEP_KILLED;
        atomic_store(&r->state, VMTI_LOST);
    }
    /* Also after a loss: its marks are in the directory still. */
    if (atomic_load(&r->state) == VMTI_LOST)
        vmti_region_open_pages(r);
    vmti_handlers_give_back(r);
    vmti_sys(SYS_prctl, PR_SET_PTRACER, 0, 0, 0, 0, 0);
}
