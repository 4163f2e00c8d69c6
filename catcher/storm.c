/* SPDX-License-Identifier: MIT */
/*
 * Timers that fire faster than their handler can be traced. Where the next signal is pending when the handler returns,
 * the program would not get on by one instruction. So a timer's signal that comes that soon is put off, by blocking it,
 * until the thread has had a moment, or makes a call. A timer of the catcher's own ends the moment of a thread that has
 * no stop; with the dispatch engine, a timer of the thread's. Runs in the catcher; see internal.h.
 */
#define _GNU_SOURCE
#include "internal.h"

#include <sys/time.h>

#include "../harness/os.h"

/* What a thread gets to run between two handlers, and how often that is looked at. On a machine that is busy with
 * others each stop takes its turn: a thread gets as long as its last handler took. */
enum { MOMENT_NS = 100 * 1000, LONGEST_MOMENT_NS = 50 * 1000 * 1000, LOOK_US = 100 };

static void look(int signal)
{
    (void)signal; /* ends the wait */
}

static void set_timer(suseconds_t microseconds)
{
    struct itimerval timer = {{0, microseconds}, {0, microseconds}};
    vmti_sys(SYS_setitimer, ITIMER_REAL, &timer, 0, 0, 0, 0);
}

static void start_looking(struct vmti_catcher *c)
{
    /* The restorer is the net's. */
    struct vmti_sigaction action = {(uint64_t)look, 0x04000000 /* SA_RESTORER */, c->r->net_action.restorer, 0};
    vmti_sys(SYS_rt_sigaction, SIGALRM, &action, 0, sizeof action.mask, 0, 0);
    set_timer(LOOK_US);
}

static uint64_t moment_of(const struct vmti_signals *s)
{
    uint64_t moment = s->returned_at - s->delivered_at;
    if (moment < MOMENT_NS)
        moment = MOMENT_NS;
    return moment > LONGEST_MOMENT_NS ? LONGEST_MOMENT_NS : moment;
}

static bool is_over(const struct vmti_signals *s)
{
    return vmti_os_now(CLOCK_MONOTONIC) - s->returned_at >= moment_of(s);
}

/* ------------------------------------------------------------------------------------------- the dispatch engine's */

/* The thread runs: it is sent this when its moment is over. */
static void start_moment(struct vmti_thread *t)
{
    enum { TO_THREAD = 4 /* SIGEV_THREAD_ID */ };
    struct { void *value; int signal, notify, tid, rest[11]; } event = {t, VMTI_TELLING_SIGNAL, TO_THREAD, t->tid, {0}};
    struct itimerspec once = {.it_value.tv_nsec = (long)moment_of(&t->signals)};
    t->moment_timer = -1;
    if (!vmti_sys(SYS_timer_create, CLOCK_MONOTONIC, &event, &t->moment_timer, 0, 0, 0))
        vmti_sys(SYS_timer_settime, t->moment_timer, 0, &once, 0, 0, 0);
}

bool vmti_storm_is_moment(const struct vmti_thread *t, const siginfo_t *info)
{
    return info->si_signo == VMTI_TELLING_SIGNAL && info->si_code == SI_TIMER && info->si_ptr == t;
}

/* All signals are blocked. One that the timer has sent already stays pending when it is deleted (before Linux 6.13),
 * and would end the program once it is traced no longer. libc sends this signal too. */
static void end_moment(struct vmti_catcher *c, struct vmti_thread *t)
{
    const uint64_t telling = vmti_signal_bit(VMTI_TELLING_SIGNAL);
    const struct timespec now = {0, 0};
    siginfo_t info;
    vmti_sys(SYS_timer_delete, t->moment_timer, 0, 0, 0, 0, 0);
    if (vmti_sys(SYS_rt_sigtimedwait, &telling, &info, &now, sizeof telling, 0, 0) == VMTI_TELLING_SIGNAL &&
        !vmti_storm_is_moment(t, &info))
        vmti_sys(SYS_rt_tgsigqueueinfo, c->r->pid, t->tid, VMTI_TELLING_SIGNAL, &info, 0, 0);
}

/* It goes back to its queue: all signals are blocked in our handler, and this one then. */
static void put_back(struct vmti_catcher *c, struct vmti_thread *t, int signal, siginfo_t *info)
{
    vmti_sys(SYS_rt_tgsigqueueinfo, c->r->pid, t->tid, signal, info, 0, 0);
    start_moment(t);
    vmti_thread_resume(c, t, 0);
}

/* Those of timer_create(2) and setitimer(2). SI_KERNEL is many things (sigaction(2)). */
static bool is_of_a_timer(int signal, const siginfo_t *info)
{
    return info->si_code == SI_TIMER ||
           (info->si_code == SI_KERNEL && (signal == SIGALRM || signal == SIGVTALRM || signal == SIGPROF));
}

bool vmti_storm_puts_off(struct vmti_catcher *c, struct vmti_thread *t, int signal)
{
    struct vmti_signals *s = &t->signals;
    siginfo_t info;
    vmti_regs regs;
    if (vmti_likely(!s->returned_at) || is_over(s) || vmti_get_siginfo(t, &info) ||
        !is_of_a_timer(signal, &info))
        return false;
    /* A call that it has interrupted says so, and the handler comes before that is seen. */
    if (vmti_get_regs(t, &regs) || vmti_regs_in_call(&regs, t->call.ip))
        return false;
    s->put_off = vmti_signal_bit(signal);
    vmti_change_mask(t, s->put_off, 0);
    if (vmti_in_frame(t)) {
        put_back(c, t, signal, &info);
        return true;
    }
    if (!c->put_off++)
        start_looking(c);
    vmti_thread_resume(c, t, signal); /* blocked now, so it goes back to its queue (kernel/signal.c, ptrace_signal) */
    return true;
}

void vmti_storm_let_in(struct vmti_catcher *c, struct vmti_thread *t)
{
    struct vmti_signals *s = &t->signals;
    if (vmti_likely(!s->put_off))
        return;
    vmti_change_mask(t, 0, s->put_off);
    s->put_off = 0;
    s->returned_at = 0;
    if (vmti_is_dispatched(c->r))
        end_moment(c, t);
    else if (!--c->put_off)
        set_timer(0);
}

void vmti_storm_stop(struct vmti_catcher *c, struct vmti_thread *t, int signal)
{
    /* With the dispatch engine it would come before a call that the thread is about to make, again and again. */
    if (signal == VMTI_TELLING_SIGNAL || (signal != SIGSEGV && !vmti_is_dispatched(c->r)) || is_over(&t->signals))
        vmti_storm_let_in(c, t);
}

static void look_at_all(struct vmti_catcher *c)
{
    for (struct vmti_thread *t = c->r->threads; t; t = t->hh.next)
        if (t->signals.put_off && t->state == VMTI_T_RUNNING && is_over(&t->signals))
            vmti_ptrace(PTRACE_INTERRUPT, t->tid, 0, 0);
}

/* The catcher's other calls must not be interrupted. */
long vmti_storm_wait(struct vmti_catcher *c, int *status)
{
    uint64_t alarm = vmti_signal_bit(SIGALRM);
    vmti_sys(SYS_rt_sigprocmask, SIG_UNBLOCK, &alarm, 0, sizeof alarm, 0, 0);
    long tid = vmti_sys(SYS_wait4, -1, status, __WALL, 0, 0, 0);
    vmti_sys(SYS_rt_sigprocmask, SIG_BLOCK, &alarm, 0, sizeof alarm, 0, 0);
    look_at_all(c);
    return tid;
}
