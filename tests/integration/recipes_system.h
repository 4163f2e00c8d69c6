/* SPDX-License-Identifier: MIT */
/* The calls of the table that recipes_files.h does not have. */
#ifndef VMTI_TESTS_RECIPES_SYSTEM_H
#define VMTI_TESTS_RECIPES_SYSTEM_H

#include "calls.h"

/* ------------------------------------------------------------------------------------------- waiting, time */

static void make_epoll(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    int own = epoll_create1(0);
    epoll_ctl(own, EPOLL_CTL_ADD, full_pipe, &event);
    the.args[0] = (uint64_t)own;
}

static void waiting(void **state)
{
    (void)state;
    struct pollfd fds[2] = {{.fd = full_pipe, .events = POLLIN}, {.fd = pipe_out, .events = POLLOUT}};
    struct timespec none = {0, 0};
    uint64_t in[1] = {(uint64_t)1 << full_pipe}, out[1] = {(uint64_t)1 << pipe_in}, ex[1] = {1}, mask = 0;
#ifdef SYS_open /* see recipes_files.h */
    JUDGE(SYS_poll, P(fds, sizeof fds), N(2), N(0));
    JUDGE(SYS_select, N(64), P(in, 8), P(out, 8), P(ex, 8), P(&none, 16));
    JUDGE(SYS_select, N(60), P(in, 8), N(0), N(0), P(&none, 16));
    JUDGE(SYS_epoll_wait, N(epoll), P(buf, 48), N(4), N(0));
    JUDGE(SYS_signalfd, N(-1), P(&mask, 8), N(8));
#endif
    JUDGE(SYS_ppoll, P(fds, sizeof fds), N(2), P(&none, 16), P(&mask, 8), N(8));
    struct {
        uint64_t mask, size;
    } arg = {WORD(&mask), 8};
    SET(SYS_pselect6, N(64), P(in, 8), P(out, 8), P(ex, 8), P(&none, 16), P(&arg, sizeof arg));
    field(&arg.mask, 8);
    judge();
    JUDGE(SYS_epoll_pwait, N(epoll), P(buf, 48), N(4), N(0), P(&mask, 8), N(8));
    JUDGE(441, N(epoll), P(buf, 48), N(4), P(&none, 16), P(&mask, 8), N(8));
    struct epoll_event event = {.events = EPOLLIN};
    JUDGE_PREPARED(make_epoll, SYS_epoll_ctl, N(0), N(EPOLL_CTL_ADD), N(pipe_out), P(&event, sizeof event));
    JUDGE_PREPARED(make_epoll, SYS_epoll_ctl, N(0), N(EPOLL_CTL_DEL), N(full_pipe), P(&event, sizeof event));
    JUDGE(SYS_signalfd4, N(-1), P(&mask, 8), N(8), N(0));
    verdict();
}

static void make_timer(void)
{
    struct sigevent none = {.sigev_notify = SIGEV_NONE};
    int id;
    vmti_syscall6(SYS_timer_create, CLOCK_MONOTONIC, WORD(&none), WORD(&id), 0, 0, 0);
    the.args[0] = (uint64_t)id;
}

static void clocks_and_timers(void **state)
{
    (void)state;
    struct timespec soon = {0, 1000}, never = {0, 2000000000};
    struct itimerspec setting = {{0, 0}, {1000, 0}};
    struct itimerval off = {{0, 0}, {0, 0}};
    struct timex timex = {0};
    struct timeval wrong = {0, 5000000};
    struct sigevent event = {.sigev_notify = SIGEV_NONE};
    JUDGE(SYS_nanosleep, P(&soon, 16), P(buf, 16));
    JUDGE(SYS_clock_nanosleep, N(CLOCK_MONOTONIC), N(0), P(&soon, 16), P(buf, 16));
    JUDGE(SYS_getitimer, N(ITIMER_VIRTUAL), P(buf, 32));
    JUDGE(SYS_setitimer, N(ITIMER_VIRTUAL), P(&off, 32), P(buf, 32));
    JUDGE(SYS_gettimeofday, P(buf, 16), P(buf2, 8));
    JUDGE(SYS_settimeofday, P(&wrong, 16), N(0));
    JUDGE(SYS_clock_gettime, N(CLOCK_MONOTONIC), P(buf, 16));
    JUDGE(SYS_clock_getres, N(CLOCK_MONOTONIC), P(buf, 16));
    JUDGE(SYS_clock_settime, N(CLOCK_REALTIME), P(&never, 16));
    JUDGE(SYS_adjtimex, P(&timex, sizeof timex));
    JUDGE(SYS_clock_adjtime, N(CLOCK_REALTIME), P(&timex, sizeof timex));
    JUDGE(SYS_timer_create, N(CLOCK_MONOTONIC), P(&event, sizeof event), P(buf, 4));
    JUDGE_PREPARED(make_timer, SYS_timer_settime, N(0), N(0), P(&setting, 32), P(buf, 32));
    JUDGE_PREPARED(make_timer, SYS_timer_gettime, N(0), P(buf, 32));
    JUDGE(SYS_timerfd_settime, N(timer_fd), N(0), P(&setting, 32), P(buf, 32));
    JUDGE(SYS_timerfd_gettime, N(timer_fd), P(buf, 32));
#ifdef SYS_open
    JUDGE_VARYING(SYS_time, P(buf, 8));
#endif
    JUDGE_VARYING(SYS_times, P(buf, 32));
    verdict();
}

/* ------------------------------------------------------------------------------------------- signals, processes */

static void take_signal(int sig)
{
    (void)sig;
}

static void make_signal_pending(void)
{
    sigset_t set;
    signal(SIGUSR1, take_signal);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGUSR1);
}

static void make_child(void)
{
    if (fork() == 0)
        _exit(3);
    siginfo_t info;
    waitid(P_ALL, 0, &info, WEXITED | WNOWAIT);
    the.args[0] = the.nr == SYS_wait4 ? (uint64_t)info.si_pid : the.args[0];
}

static void make_tracee(void)
{
    pid_t tracee = fork();
    if (tracee == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        _exit(0);
    }
    waitpid(tracee, NULL, 0);
    ptrace(PTRACE_SETOPTIONS, tracee, 0, PTRACE_O_EXITKILL);
    the.args[1] = (uint64_t)tracee;
}

static void signals(void **state)
{
    (void)state;
    uint64_t action[4] = {0}, set = 1u << (SIGUSR1 - 1), empty = 0;
    struct timespec none = {0, 0};
    stack_t stack = {.ss_flags = SS_DISABLE};
    int32_t info[32] = {0, 0, -1};
    JUDGE(SYS_rt_sigaction, N(SIGUSR2), P(action, 32), P(buf, 32), N(8));
    JUDGE(SYS_rt_sigprocmask, N(SIG_BLOCK), P(&empty, 8), P(buf, 8), N(8));
    JUDGE(SYS_rt_sigpending, P(buf, 8), N(8));
    JUDGE(SYS_rt_sigpending, P(buf, 8), N(4));
    JUDGE_PREPARED(make_signal_pending, SYS_rt_sigtimedwait, P(&set, 8), P(buf, 128), P(&none, 16), N(8));
    JUDGE_PREPARED(make_signal_pending, SYS_rt_sigsuspend, P(&empty, 8), N(8));
    JUDGE(SYS_sigaltstack, P(&stack, sizeof stack), P(buf, sizeof stack));
    JUDGE(SYS_rt_sigqueueinfo, SELF, N(0), P(info, 128));
    JUDGE(SYS_rt_tgsigqueueinfo, SELF, SELF, N(0), P(info, 128));
    JUDGE(424, N(pidfd), N(0), P(info, 128), N(0)); /* pidfd_send_signal */
    info[2] = -100;                                 /* a code that the kernel does not know: it looks at all of it */
    JUDGE(SYS_rt_sigqueueinfo, SELF, N(0), P(info, 128));
    verdict();
}

static void processes(void **state)
{
    (void)state;
    static const char *argv[] = {"first", "second", NULL}, *envp[] = {"A=b", NULL};
    JUDGE_PREPARED(make_child, SYS_waitid, N(P_ALL), N(0), P(buf, 128), N(WEXITED), P(buf2, 144));
    SET(SYS_wait4, N(-1), P(buf, 4), N(0), P(buf2, 144));
    the.prepare = make_child;
    the.varies = true;
    judge();
    SET(SYS_execve, S(script_name), {WORD(argv), sizeof argv, true}, {WORD(envp), sizeof envp, true});
    field_string(&argv[1]);
    field_string(&envp[0]);
    judge();
    SET(SYS_execveat, N(AT_FDCWD), S(script_name), {WORD(argv), sizeof argv, true}, {WORD(envp), sizeof envp, true},
        N(0));
    field_string(&argv[1]);
    judge();
    uint64_t args[11] = {CLONE_DETACHED, [8] = WORD(buf), [9] = 1}; /* refused when all has been read */
    SET(435, P(args, sizeof args), N(sizeof args));
    field(&args[8], 4);
    judge();

    unsigned char regs[1024];
#ifdef __x86_64__
    JUDGE_PREPARED(make_tracee, SYS_ptrace, N(PTRACE_GETREGS), N(0), N(0), P(regs, 216));
    JUDGE_PREPARED(make_tracee, SYS_ptrace, N(PTRACE_GETFPREGS), N(0), N(0), P(regs, 512));
#endif
    JUDGE_PREPARED(make_tracee, SYS_ptrace, N(PTRACE_GETSIGINFO), N(0), N(0), P(regs, 128));
    JUDGE_PREPARED(make_tracee, SYS_ptrace, N(PTRACE_GETEVENTMSG), N(0), N(0), P(regs, 8));
    JUDGE_PREPARED(make_tracee, SYS_ptrace, N(PTRACE_GETSIGMASK), N(0), N(8), P(regs, 8));
    JUDGE_PREPARED(make_tracee, SYS_ptrace, N(PTRACE_GET_SYSCALL_INFO), N(0), N(88), P(regs, 88));
    struct iovec set = {regs, sizeof regs / 2 / 216 * 216};
    SET(SYS_ptrace, N(PTRACE_GETREGSET), N(0), N(1), P(&set, sizeof set));
    field(&set.iov_base, set.iov_len);
    the.prepare = make_tracee;
    judge();
    verdict();
}

static uint64_t zero_word;

static void join_uts_namespace(void)
{
    if (unshare(CLONE_NEWUTS) < 0) /* then the name is not ours to change */
        refuse();
}

static void identity_and_limits(void **state)
{
    (void)state;
    struct rlimit limit;
    int priority = 0;
    uint32_t header[2] = {_LINUX_CAPABILITY_VERSION_3, 0}, data[6], old_header[2] = {1, 0};
    assert_int_equal(vmti_syscall6(SYS_capget, WORD(header), WORD(data), 0, 0, 0, 0), 0);
    getrlimit(RLIMIT_CORE, &limit);
    JUDGE(SYS_uname, P(buf, 390));
    JUDGE(SYS_sysinfo, P(buf, 112));
    JUDGE(SYS_getrlimit, N(RLIMIT_CORE), P(buf, 16));
    JUDGE(SYS_setrlimit, N(RLIMIT_CORE), P(&limit, 16));
    JUDGE(SYS_prlimit64, N(0), N(RLIMIT_CORE), P(&limit, 16), P(buf, 16));
    JUDGE(SYS_getrusage, N(RUSAGE_SELF), P(buf, 144));
    JUDGE(SYS_getresuid, P(buf, 4), P(buf + 8, 4), P(buf + 16, 4));
    JUDGE(SYS_getresgid, P(buf, 4), P(buf + 8, 4), P(buf + 16, 4));
    JUDGE(SYS_getgroups, N(100), P(buf, 400));
    JUDGE(SYS_setgroups, N(3), P(buf, 12));
    JUDGE(SYS_capget, P(header, 8), P(buf, 24));
    JUDGE(SYS_capget, P(old_header, 4), N(0));
    JUDGE(SYS_capset, P(header, 8), P(data, 24));
    JUDGE_PREPARED(join_uts_namespace, SYS_sethostname, P("name", 4), N(4));
    JUDGE_PREPARED(join_uts_namespace, SYS_setdomainname, P("name", 4), N(4));
    JUDGE(SYS_sched_setparam, N(0), P(&priority, 4));
    JUDGE(SYS_sched_getparam, N(0), P(buf, 4));
    JUDGE(SYS_sched_setscheduler, N(0), N(SCHED_OTHER), P(&priority, 4));
    JUDGE(SYS_sched_rr_get_interval, N(0), P(buf, 16));
    uint32_t attr[14] = {48};
    JUDGE(SYS_sched_setattr, N(0), P(attr, 48), N(0));
    JUDGE(SYS_sched_getattr, N(0), P(buf, 56), N(56), N(0));
    JUDGE(SYS_sched_getaffinity, N(0), N(128), P(buf, 128));
    assert_true(vmti_syscall6(SYS_sched_getaffinity, 0, 128, WORD(buf2), 0, 0, 0) > 0);
    JUDGE(SYS_sched_setaffinity, N(0), N(8), P(buf2, 8));
    JUDGE(SYS_getcpu, P(buf, 4), P(buf + 8, 4), N(0));
    JUDGE(SYS_get_robust_list, N(0), P(buf, 8), P(buf + 8, 8));
    JUDGE(SYS_prctl, N(PR_SET_NAME), S("oracle"));
    JUDGE(SYS_prctl, N(PR_GET_NAME), P(buf, 16));
    JUDGE(SYS_prctl, N(PR_GET_PDEATHSIG), P(buf, 4));
    JUDGE(SYS_prctl, N(PR_GET_CHILD_SUBREAPER), P(buf, 4));
    JUDGE(SYS_prctl, N(PR_GET_TSC), P(buf, 4));
    JUDGE(SYS_prctl, N(PR_GET_DUMPABLE), P(buf, 4));
    if (prctl(0x41555856, buf, 100, 0, 0) > 0) /* PR_GET_AUXV */
        JUDGE_LOOSELY(SYS_prctl, N(0x41555856), P(buf, 100), N(100), N(0), N(0));
    if (prctl(0x53564d41, 0, room, PAGE, "name") == 0) /* PR_SET_VMA */
        JUDGE(SYS_prctl, N(0x53564d41), N(0), N(room), N(PAGE), S("name"));
#ifdef SYS_arch_prctl
    JUDGE(SYS_arch_prctl, N(0x1003), P(buf, 8));   /* ARCH_GET_FS */
    if (syscall(SYS_arch_prctl, 0x1022, buf) == 0) /* ARCH_GET_XCOMP_PERM */
        JUDGE(SYS_arch_prctl, N(0x1022), P(buf, 8));
    JUDGE(SYS_modify_ldt, N(2), P(buf, 100), N(100));
#endif
    JUDGE(SYS_syslog, N(3), P(buf, 100), N(100));
    JUDGE(SYS_set_tid_address, N(&zero_word));
    JUDGE(SYS_delete_module, S("vmt_no_such_module"), N(O_NONBLOCK));
    JUDGE(SYS_init_module, P(buf, 4096), N(4096), N(0));
    JUDGE(SYS_quotactl, N(0x80000400), S(nowhere), N(0), P(buf, 4)); /* Q_GETFMT */
    struct {
        uint32_t efd, tfd, toff;
    } slot = {(uint32_t)epoll, (uint32_t)full_pipe, 0};
    JUDGE(SYS_kcmp, SELF, SELF, N(7), N(full_pipe), P(&slot, 12));
    JUDGE(SYS_kcmp, SELF, SELF, N(0), N(0), P(&slot, 12));
    verdict();
}

/* ------------------------------------------------------------------------------------------- memory, futexes */

static void memory(void **state)
{
    (void)state;
    uint64_t pages[2] = {WORD(buf), WORD(buf2)}, nodes = 0;
    int node[2] = {0, 0};
    struct iovec local = {buf, 30}, remote = {buf2, 30}, advised = {room, PAGE};
    JUDGE(SYS_mincore, N(room), N(3 * PAGE), P(buf, 3));
    JUDGE(SYS_mbind, N(room), N(PAGE), N(0), P(&nodes, 8), N(64), N(0));
    JUDGE(SYS_set_mempolicy, N(0), P(&nodes, 8), N(64));
    JUDGE(SYS_get_mempolicy, P(buf, 4), P(buf2, 128), N(1024), N(0), N(0));
    JUDGE(SYS_get_mempolicy, P(buf, 4), P(buf2, 136), N(1066), N(0), N(0));
    JUDGE(SYS_migrate_pages, N(0), N(64), P(&nodes, 8), P(&nodes, 8));
    JUDGE(SYS_move_pages, N(0), N(2), P(pages, 16), N(0), P(buf, 8), N(0));
    JUDGE(SYS_move_pages, N(0), N(2), P(pages, 16), P(node, 8), P(buf, 8), N(0));
    SET(SYS_process_vm_readv, SELF, P(&local, 16), N(1), P(&remote, 16), N(1), N(0));
    field(&local.iov_base, 30);
    field(&remote.iov_base, 30);
    judge();
    SET(SYS_process_vm_writev, SELF, P(&local, 16), N(1), P(&remote, 16), N(1), N(0));
    field(&local.iov_base, 30);
    field(&remote.iov_base, 30);
    judge();
    JUDGE(440, N(pidfd), P(&advised, 16), N(1), N(20 /* MADV_COLD */), N(0)); /* process_madvise */
    verdict();
}

static void futexes(void **state)
{
    (void)state;
    uint32_t words[4] = {0, 0, 0, 0};
    struct timespec none = {0, 0};
    const int private = FUTEX_PRIVATE_FLAG;
    JUDGE(SYS_futex, P(words, 4), N(FUTEX_WAIT), N(1), P(&none, 16), N(0), N(0));
    JUDGE(SYS_futex, P(words, 4), N(FUTEX_WAIT | private), N(0), P(&none, 16), N(0), N(0));
    JUDGE(SYS_futex, P(words, 4), N(FUTEX_WAKE), N(1), P(&none, 16), P(words + 2, 4), N(0));
    JUDGE(SYS_futex, P(words, 4), N(FUTEX_WAKE | private), N(1), P(&none, 16), P(words + 2, 4), N(0));
    JUDGE(SYS_futex, P(words, 4), N(FUTEX_REQUEUE), N(1), N(1), P(words + 2, 4), N(0));
    JUDGE(SYS_futex, P(words, 4), N(FUTEX_REQUEUE | private), N(1), N(1), P(words + 2, 4), N(0));
    JUDGE(SYS_futex, P(words, 4), N(FUTEX_CMP_REQUEUE | private), N(1), N(1), P(words + 2, 4), N(0));
    JUDGE(SYS_futex, P(words, 4), N(FUTEX_CMP_REQUEUE), N(1), N(1), P(words + 2, 4), N(0));
    JUDGE(SYS_futex, P(words, 4), N(FUTEX_WAKE_OP | private), N(1), N(1), P(words + 2, 4), N(0));
    JUDGE(SYS_futex, P(words, 4), N(FUTEX_WAKE_OP), N(1), N(1), P(words + 2, 4), N(0));
    JUDGE(SYS_futex, P(words, 4), N(FUTEX_LOCK_PI | private), N(0), P(&none, 16), P(words + 2, 4), N(0));
    JUDGE(SYS_futex, P(words, 4), N(FUTEX_TRYLOCK_PI | private), N(0), P(&none, 16), P(words + 2, 4), N(0));
    JUDGE(SYS_futex, P(words, 4), N(FUTEX_UNLOCK_PI | private), N(0), P(&none, 16), P(words + 2, 4), N(0));
    struct {
        uint64_t val, uaddr;
        uint32_t flags, reserved;
    } waiters[2] = {{1, WORD(words), 2 | 128, 0}, {0, WORD(words + 2), 2 | 128, 0}};
    SET(449, P(waiters, 48), N(2), N(0), P(&none, 16), N(CLOCK_MONOTONIC)); /* futex_waitv */
    field(&waiters[0].uaddr, 4);
    judge();
    waiters[0].val = 0;
    SET(456, P(waiters, 48), N(0), N(1), N(1)); /* futex_requeue */
    field(&waiters[0].uaddr, 4);
    field(&waiters[1].uaddr, 4);
    judge();
    JUDGE(454, P(words, 4), N(1), N(1), N(2 | 128)); /* futex_wake */
    JUDGE(454, P(words, 4), N(1), N(1), N(2));
    JUDGE(455, P(words, 4), N(1), N(1), N(2 | 128), P(&none, 16), N(CLOCK_MONOTONIC)); /* futex_wait */
    verdict();
}

/* ------------------------------------------------------------------------------------------- IPC, keys */

static struct {
    long type;
    char text[40];
} message = {1, "text"};

static void send_message(void)
{
    static char away[100];
    while (msgrcv(messages, away, 50, 0, IPC_NOWAIT) >= 0)
        ;
    msgsnd(messages, &message, 20, IPC_NOWAIT);
}

static void empty_queue(void)
{
    char away[64];
    while (mq_receive(queue, away, sizeof away, NULL) >= 0)
        ;
}

static void fill_queue(void)
{
    empty_queue();
    mq_send(queue, "0123456789", 10, 1);
}

static void ipc(void **state)
{
    (void)state;
    struct sembuf up = {0, 1, IPC_NOWAIT};
    struct timespec soon = {1, 0};
    struct mq_attr attr = {.mq_maxmsg = 4, .mq_msgsize = 64};
    struct sigevent event = {.sigev_notify = SIGEV_NONE};
    if (semaphores >= 0) {
        JUDGE(SYS_semop, N(semaphores), P(&up, 6), N(1));
        JUDGE(SYS_semtimedop, N(semaphores), P(&up, 6), N(1), P(&soon, 16));
        JUDGE(SYS_semctl, N(semaphores), N(0), N(IPC_STAT), P(buf, 104));
        JUDGE(SYS_semctl, N(semaphores), N(0), N(GETALL), P(buf, 6));
        JUDGE(SYS_semctl, N(semaphores), N(0), N(SETALL), P(buf2, 6));
        JUDGE(SYS_semctl, N(semaphores), N(0), N(SETVAL), N(1));
        JUDGE(SYS_semctl, N(0), N(0), N(IPC_INFO), P(buf, 40));
    }
    if (messages >= 0) {
        JUDGE(SYS_msgsnd, N(messages), P(&message, 48), N(20), N(IPC_NOWAIT));
        JUDGE_PREPARED(send_message, SYS_msgrcv, N(messages), P(buf, 48), N(40), N(0), N(IPC_NOWAIT));
        JUDGE(SYS_msgctl, N(messages), N(IPC_STAT), P(buf, 120));
        JUDGE(SYS_msgctl, N(0), N(IPC_INFO), P(buf, 32));
    }
    if (shared >= 0) {
        JUDGE(SYS_shmctl, N(shared), N(IPC_STAT), P(buf, 112));
        JUDGE(SYS_shmctl, N(0), N(IPC_INFO), P(buf, 72));
        JUDGE(SYS_shmctl, N(0), N(14), P(buf, 48)); /* SHM_INFO */
    }
    covered[SYS_semop] = covered[SYS_semtimedop] = covered[SYS_semctl] = true;
    covered[SYS_msgsnd] = covered[SYS_msgrcv] = covered[SYS_msgctl] = covered[SYS_shmctl] = true;
    JUDGE(SYS_mq_open, S("vmt-oracle-none"), N(O_RDWR), N(0600), P(&attr, sizeof attr));
    JUDGE_PREPARED(empty_queue, SYS_mq_timedsend, N(queue), P(buf, 10), N(10), N(1), P(&soon, 16));
    JUDGE_PREPARED(fill_queue, SYS_mq_timedreceive, N(queue), P(buf, 64), N(64), P(buf2, 4), P(&soon, 16));
    JUDGE(SYS_mq_notify, N(queue), P(&event, sizeof event));
    attr.mq_flags = O_NONBLOCK;
    JUDGE(SYS_mq_getsetattr, N(queue), P(&attr, sizeof attr), P(buf, 64));
    verdict();
}

static void keys_and_security(void **state)
{
    (void)state;
    JUDGE(SYS_request_key, S("user"), S("vmt-oracle-none"), N(0), N(0));
    JUDGE_LOOSELY(SYS_keyctl, N(6), N(-2), P(buf, 100), N(100)); /* KEYCTL_DESCRIBE of the process keyring */
    JUDGE(SYS_keyctl, N(31), P(buf, 20), N(20));                 /* KEYCTL_CAPABILITIES */
    JUDGE_VARYING(SYS_add_key, S("user"), S("vmt-oracle"), P(buf, 10), N(10), N(-2));
    uint32_t action = SECCOMP_RET_ALLOW;
    JUDGE(SYS_seccomp, N(SECCOMP_GET_ACTION_AVAIL), N(0), P(&action, 4));
    JUDGE(SYS_seccomp, N(SECCOMP_GET_NOTIF_SIZES), N(0), P(buf, 6));
    struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog prog = {1, &allow};
    SET(SYS_seccomp, N(SECCOMP_SET_MODE_FILTER), N(0), P(&prog, sizeof prog));
    field(&prog.filter, sizeof allow);
    judge();
    SET(SYS_prctl, N(PR_SET_SECCOMP), N(2), P(&prog, sizeof prog));
    field(&prog.filter, sizeof allow);
    judge();
    uint64_t ruleset[3] = {1, 0, 0};
    JUDGE(444, P(ruleset, 8), N(8), N(0)); /* landlock_create_ruleset */
    int rules = (int)syscall(444, ruleset, 8, 0);
    struct __attribute__((packed)) {
        uint64_t access;
        int fd;
    } beneath = {1, folder_fd};
    JUDGE(445, N(rules), N(1), P(&beneath, 12), N(0)); /* landlock_add_rule */
    uint32_t size = 100;
    JUDGE_LOOSELY(461, P(buf, 100), P(&size, 4), N(0)); /* lsm_list_modules */
    JUDGE_LOOSELY(459, N(100), P(buf, 100), P(&size, 4), N(0));
    JUDGE(460, N(100), P(buf, 32), N(32), N(0));
    verdict();
}

/* ------------------------------------------------------------------------------------------- aio, io_uring, others */

static struct iocb request, *requests[1] = {&request};

static void make_context(void)
{
    uint64_t context = 0;
    if (vmti_syscall6(SYS_io_setup, 4, WORD(&context), 0, 0, 0, 0) < 0)
        refuse();
    the.args[0] = context;
    if (the.nr == SYS_io_getevents || the.nr == SYS_io_pgetevents)
        vmti_syscall6(SYS_io_submit, context, 1, WORD(requests), 0, 0, 0);
}

static void make_ring(void)
{
    uint64_t params[15] = {0};
    long ring = syscall(425, 4, params);
    if (ring < 0)
        refuse();
    the.args[0] = (uint64_t)ring;
}

static void open_fs_context(void)
{
    long context = syscall(430, "tmpfs", 0); /* fsopen */
    if (context < 0)
        refuse();
    the.args[0] = (uint64_t)context;
}

/* A hash map of at most 5 elements. */
enum { BPF_UPDATE_BATCH = 26, BPF_BATCH = 56, BPF_COUNT = 3, BPF_MOST = 5, BPF_KEY = 12, BPF_VALUE = 40 };
static int map_fd = -1;

static void fill_map(void)
{
    static unsigned char keys[BPF_COUNT * BPF_KEY], values[BPF_COUNT * BPF_VALUE];
    uint64_t batch[7] = {0, 0, WORD(keys), WORD(values), BPF_COUNT | (uint64_t)map_fd << 32, 0, 0};
    for (int i = 0; i < BPF_COUNT; i++)
        keys[BPF_KEY * i] = (unsigned char)(i + 1);
    syscall(SYS_bpf, BPF_UPDATE_BATCH, batch, BPF_BATCH);
}

/* Several elements of a map at once; of a map for each processor, a value is as many as there are of these. */
static void bpf_batches(void)
{
    enum { LOOKUP = 24, DELETE = 27, UPDATE_ONE = 2, LOOKUP_ONE = 1 };
    memset(buf, 0, BPF_KEY * BPF_MOST);
    for (int i = 0; i < BPF_COUNT; i++)
        buf[BPF_KEY * i] = (unsigned char)(i + 1);
    /* in_batch, out_batch, keys, values, count and map_fd, elem_flags, flags: union bpf_attr */
    uint64_t batch[7] = {0, 0, WORD(buf), WORD(buf2), BPF_COUNT | (uint64_t)map_fd << 32, 0, 0};
    SET(SYS_bpf, N(BPF_UPDATE_BATCH), P(batch, BPF_BATCH), N(BPF_BATCH));
    field(&batch[2], BPF_KEY * BPF_COUNT);
    field(&batch[3], BPF_VALUE * BPF_COUNT);
    judge();
    uint64_t cursor = 0, found[7] = {0, WORD(&cursor), WORD(buf), WORD(buf2), BPF_MOST | (uint64_t)map_fd << 32, 0, 0};
    SET(SYS_bpf, N(LOOKUP), P(found, BPF_BATCH), N(BPF_BATCH));
    the.prepare = fill_map;
    field(&found[1], 4);
    field(&found[2], BPF_KEY * BPF_MOST);
    field(&found[3], BPF_VALUE * BPF_MOST);
    judge();
    SET(SYS_bpf, N(DELETE), P(batch, BPF_BATCH), N(BPF_BATCH));
    the.prepare = fill_map;
    field(&batch[2], BPF_KEY * BPF_COUNT);
    judge();
    uint32_t create[32] = {6 /* BPF_MAP_TYPE_PERCPU_ARRAY */, 4, 12, 2};
    int each = (int)syscall(SYS_bpf, 0, create, 72);
    if (each < 0)
        return;
    size_t bytes = 16 * (size_t)sysconf(_SC_NPROCESSORS_CONF);
    uint64_t one[4] = {(uint64_t)each, WORD(buf), WORD(buf2), 0};
    memset(buf, 0, 4);
    SET(SYS_bpf, N(UPDATE_ONE), P(one, 32), N(32));
    field(&one[1], 4);
    field(&one[2], bytes);
    judge();
    SET(SYS_bpf, N(LOOKUP_ONE), P(one, 32), N(32));
    field(&one[1], 4);
    field(&one[2], bytes);
    judge();
}

static void others(void **state)
{
    (void)state;
    struct timespec none = {0, 0};
    uint64_t context = 0, mask = 0, params[15] = {0};
    request = (struct iocb){
        .aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = (uint32_t)file, .aio_buf = WORD(buf), .aio_nbytes = 50};
    JUDGE(SYS_io_setup, N(4), P(&context, 8));
    SET(SYS_io_submit, N(0), N(1), P(requests, 8));
    the.prepare = make_context;
    field(&requests[0], sizeof request);
    judge();
    JUDGE_PREPARED(make_context, SYS_io_getevents, N(0), N(1), N(2), P(buf, 64), P(&none, 16));
    struct {
        uint64_t mask, size;
    } usig = {WORD(&mask), 8};
    SET(SYS_io_pgetevents, N(0), N(1), N(2), P(buf, 64), P(&none, 16), P(&usig, 16));
    the.prepare = make_context;
    field(&usig.mask, 8);
    judge();
    JUDGE_LOOSELY(SYS_io_cancel, N(0), P(&request, sizeof request), N(0)); /* looks at one field */

    JUDGE(425, N(4), P(params, sizeof params)); /* io_uring_setup */
    uint64_t copy[15] = {0};
    int ring = (int)syscall(425, 4, copy);
    if (ring >= 0) {
        memset(buf2, 0, 16 + 8 * 4);
        JUDGE(427, N(ring), N(8), P(buf2, 16 + 8 * 4), N(4)); /* IORING_REGISTER_PROBE */
        struct {
            uint64_t mask;
            uint32_t size, min_wait;
            uint64_t time;
        } arg = {WORD(&mask), 8, 0, WORD(&none)};
        SET(426, N(ring), N(0), N(1), N(1 | 8), P(&arg, sizeof arg), N(sizeof arg));
        field(&arg.mask, 8);
        field(&arg.time, 16);
        judge();
        struct iovec pinned = {room, 100};
        SET(427, N(0), N(0), P(&pinned, sizeof pinned), N(1)); /* IORING_REGISTER_BUFFERS */
        the.prepare = make_ring;
        field(&pinned.iov_base, 100);
        judge();
    }
    covered[426] = covered[427] = true;

    uint32_t create[32] = {1, 12, 40, 5};
    JUDGE(SYS_bpf, N(0), P(create, 72), N(72));
    map_fd = (int)syscall(SYS_bpf, 0, create, 72);
    if (map_fd >= 0) {
        uint64_t attr[4] = {(uint64_t)map_fd, WORD(buf), WORD(buf2), 0};
        SET(SYS_bpf, N(2), P(attr, 32), N(32)); /* BPF_MAP_UPDATE_ELEM */
        field(&attr[1], 12);
        field(&attr[2], 40);
        judge();
        syscall(SYS_bpf, 2, attr, 32);
        SET(SYS_bpf, N(1), P(attr, 32), N(32)); /* BPF_MAP_LOOKUP_ELEM */
        field(&attr[1], 12);
        field(&attr[2], 40);
        judge();
        SET(SYS_bpf, N(4), P(attr, 32), N(32)); /* BPF_MAP_GET_NEXT_KEY */
        field(&attr[1], 12);
        field(&attr[2], 12);
        judge();
        bpf_batches();
    }
    uint32_t perf[32] = {PERF_TYPE_SOFTWARE, 64, PERF_COUNT_SW_DUMMY};
    JUDGE(SYS_perf_event_open, P(perf, 64), N(0), N(-1), N(-1), N(0));
    JUDGE_PREPARED(open_fs_context, 431, N(0), N(1), S("size"), S("4096"), N(0)); /* fsconfig: a string */
    verdict();
}

/* ------------------------------------------------------------------------------------------- what is left */

static const struct {
    int nr;
    const char *why;
} not_issued[] = {
    {SYS_clone, "its pointers are written only if it makes a process, whose number is never the same"},
    {SYS_reboot, "its string is read only by the command that restarts the machine"},
    {SYS_kexec_load, "might load a kernel"},
    {SYS_kexec_file_load, "might load a kernel"},
    {SYS_finit_module, "its string is read only once a module is loaded"},
    {SYS_fanotify_mark, "needs a group that not every user may make"},
    {SYS_lookup_dcookie, "there is no kernel with it any more"},
    {443, "quotactl_fd: needs a file system with quotas"},
};

static void every_call_with_pointers_was_issued_or_has_a_reason(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof not_issued / sizeof not_issued[0]; i++) {
        assert_true(strlen(not_issued[i].why) > 10);
        assert_false(covered[not_issued[i].nr]);
        covered[not_issued[i].nr] = true;
    }
    for (int64_t nr = 0; nr < vmti_row_end(); nr++)
        if (vmti_row(nr) && vmti_row(nr)->pointers && !covered[nr]) {
            print_error("%s is not issued\n", vmti_row(nr)->name);
            failures++;
        }
    verdict();
}

#define RECIPES_SYSTEM                                                                                                 \
    cmocka_unit_test(waiting), cmocka_unit_test(clocks_and_timers), cmocka_unit_test(signals),                         \
        cmocka_unit_test(processes), cmocka_unit_test(identity_and_limits), cmocka_unit_test(memory),                  \
        cmocka_unit_test(futexes), cmocka_unit_test(ipc), cmocka_unit_test(keys_and_security),                         \
        cmocka_unit_test(others)

#endif
