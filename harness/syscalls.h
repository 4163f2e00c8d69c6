/* SPDX-License-Identifier: MIT */
/*
 * The table of system calls: one row a call, all of them in syscalls.def and nowhere else. A row names the call's
 * arguments and says for each what the kernel reads or writes behind it.
 *
 *   CALL(number, number on aarch64, name, effect, arguments...)
 *   CALL_X86(number, name, effect, arguments...)   aarch64 does not have it
 *
 * An argument is one of
 *   VAL(name)                     a number, a descriptor, an address that this call does not dereference
 *   IN(name, length)              the kernel reads `length` bytes there
 *   IN_DONE(name, length, done)   the kernel reads at most `length` bytes there; `done` says how many it did read
 *   OUT(name, length, done)       the kernel writes there: at most `length` bytes; `done` says how many it did write
 *   INOUT(name, length, done)     it reads `length` bytes, and writes there what `done` says
 *   PATH(name), STR(name, most)   a NUL-terminated string that it reads: at most PATH_MAX, or VMTI_<most>, bytes
 *   STRV(name)                    a NULL-terminated array of strings
 *   IOV_IN(name, i), IOV_OUT(name, i)     an array of struct iovec, its length in argument i; buffers read / written
 *   MSG_IN(name), MSG_OUT(name)           a struct msghdr to send / to fill
 *   MMSG_IN(name, i), MMSG_OUT(name, i)   an array of struct mmsghdr, its length in argument i
 *   SIGSET(name, i)               a signal mask that the kernel reads if argument i is its size
 *   LENOF(name, i)                an int, read and written if argument i, whose length it is, is not NULL
 *   BY(name, rule)                depends on a command or on a structure: function vmti_walk_<rule> in walk_by*.c
 *   WITH(name, i)                 a pointer, or not, that the rule of argument i looks after
 *
 * and a length is one of
 *   STRUCT(type)                  the size of that type of the kernel's: VMTI_SIZEOF_<type>
 *   ARG(i), UINT(i), INT(i)       the value of argument i in bytes, as the kernel declares it: 64 bits wide, unsigned
 *                                 int, or int (what is negative is no length)
 *   ARGX(i, type), UINTX(i, type), INTX(i, type)              the value of argument i times the size of that type
 *   ARG_UPTO(i, most), UINT_UPTO(i, most), INT_UPTO(i, most)  the value of argument i, or VMTI_<most> if that is less
 *   COUNT(i)                      argument i as read() and write() take it: what runs out of the address space is
 *                                 refused, and no more than MAX_RW_COUNT is used (fs/read_write.c, ksys_read)
 *   FDSET(i)                      an fd_set of argument i bits, in longs
 *   NODES(i)                      a node mask of argument i - 1 bits, in longs (mm/mempolicy.c, get_nodes)
 *   PAGEVEC(i)                    one byte a page of argument i bytes (mincore)
 *   SIGSIZE(i)                    a signal mask, if argument i is its size
 *   LENPTR(i)                     the int (socklen_t) that argument i points to
 *   LENPTR_UPTO(i, most)          the same, or VMTI_<most> if that is less
 *
 * and done, looked at when the call has returned, is one of
 *   ALL                           the whole length, if the call succeeded
 *   SOME                          the whole length, if the result is above 0
 *   RET                           as many bytes as the result says
 *   RETX(type)                    the result times the size of that type
 *   LENPTR(i)                     as many bytes as the int behind argument i says after the call
 *   HEAD                          as many bytes as the first 32 bits of the buffer say after the call
 *   INTR                          the whole length, if a signal cut the call short
 *   ALWAYS                        the whole length, also if the call failed (but not with EFAULT or EINVAL)
 *
 * An `effect` names the function vmti_effect_<effect> in effects.c that follows what the call did to the address space
 * or to the process; NONE for most.
 */
#ifndef VMTI_SYSCALLS_H
#define VMTI_SYSCALLS_H

#include "types.h"

/* Limits of the kernel's that rules name. */
enum {
    VMTI_MAX_RW_COUNT = 0x7ffff000, /* include/linux/fs.h: most bytes of one read or write */
    VMTI_PATH_MAX = 4096,           /* include/uapi/linux/limits.h, the NUL included */
    VMTI_XATTR_NAME_MAX = 256,      /* the same, the NUL included */
    VMTI_XATTR_SIZE_MAX = 65536,    /* the same: most bytes of a value, and of a list of names */
    VMTI_UIO_MAXIOV = 1024,         /* include/uapi/linux/uio.h: most buffers of a call, and messages of sendmmsg */
    VMTI_SOCKADDR_MAX = 128,        /* sizeof(struct sockaddr_storage): net/socket.c, move_addr_to_kernel */
    VMTI_NR_OPEN_MAX = 1 << 20,     /* default of fs.nr_open: no descriptor table, so no fd_set, is larger */
    VMTI_STRUCT_MAX = 4096,         /* PAGE_SIZE: copy_struct_from_user()'s callers refuse more */
    VMTI_NODES_MAX = 4096 * 8,      /* mm/mempolicy.c, get_nodes: most bits of a node mask */
    VMTI_CPUMASK_MAX = 1024,        /* bytes of the largest cpumask (NR_CPUS 8192) */
    VMTI_HOSTNAME_MAX = 64,         /* __NEW_UTS_LEN */
    VMTI_SIGSET_MAX = 8,
    VMTI_KEY_TYPE_MAX = 32,         /* security/keys/keyctl.c, key_get_type_from_user */
    VMTI_KEY_PAYLOAD_MAX = 1 << 20, /* the same: add_key refuses as much */
    VMTI_MODULE_NAME_MAX = 56,      /* include/linux/moduleparam.h, the NUL included */
    VMTI_MEMFD_NAME_MAX = 250,      /* mm/memfd.c, the NUL included */
    VMTI_STRING_MAX = 0x7fffffff,   /* a string that ends where the kernel finds its NUL */
};

/* Sizes of the kernel's own types, where they are what a pointer points to; what depends on the processor is in
 * arch_*.h. */
enum {
    VMTI_SIZEOF_int = 4,
    VMTI_SIZEOF_long = 8, /* and a pointer */
    VMTI_SIZEOF_page = 4096,
    VMTI_SIZEOF_loff_t = 8,
    VMTI_SIZEOF_fd_pair = 8, /* of pipe and socketpair */
    VMTI_SIZEOF_timespec = 16,
    VMTI_SIZEOF_timeval = 16,
    VMTI_SIZEOF_timeval_pair = 32, /* of utimes; utimensat's timespecs are as long */
    VMTI_SIZEOF_utimbuf = 16,
    VMTI_SIZEOF_timezone = 8,
    VMTI_SIZEOF_itimerval = 32,
    VMTI_SIZEOF_itimerspec = 32,
    VMTI_SIZEOF_timex = 208,
    VMTI_SIZEOF_tms = 32,
    VMTI_SIZEOF_sigset = 8,
    VMTI_SIZEOF_sigaction = 32, /* include/linux/signal_types.h, not libc's */
    VMTI_SIZEOF_stack_t = 24,
    VMTI_SIZEOF_siginfo = 128,
    VMTI_SIZEOF_siginfo_kernel = 48, /* the part that is in use: include/linux/signal_types.h, kernel_siginfo */
    VMTI_SIZEOF_siginfo_wait = 28,   /* the part that waitid writes: kernel/exit.c */
    VMTI_SIZEOF_sigevent = 64,
    VMTI_SIZEOF_statx = 256,
    VMTI_SIZEOF_statfs = 120,
    VMTI_SIZEOF_ustat = 32,
    VMTI_SIZEOF_rlimit = 16,
    VMTI_SIZEOF_rusage = 144,
    VMTI_SIZEOF_sysinfo = 112,
    VMTI_SIZEOF_utsname = 390,
    VMTI_SIZEOF_sched_param = 4,
    VMTI_SIZEOF_mq_attr = 64,
    VMTI_SIZEOF_pollfd = 8,
    VMTI_SIZEOF_sembuf = 6,
    VMTI_SIZEOF_io_event = 32,
    VMTI_SIZEOF_iocb = 64,
    VMTI_SIZEOF_iovec = 16,
    VMTI_SIZEOF_msghdr = 56,
    VMTI_SIZEOF_mmsghdr = 64,
    VMTI_SIZEOF_cachestat_range = 16,
    VMTI_SIZEOF_cachestat = 40,
};

enum vmti_arg_kind {
    VMTI_ARG_VALUE = 0,
    VMTI_ARG_IN,
    VMTI_ARG_OUT,
    VMTI_ARG_INOUT,
    VMTI_ARG_STR, /* PATH too */
    VMTI_ARG_STRV,
    VMTI_ARG_IOV_IN,
    VMTI_ARG_IOV_OUT,
    VMTI_ARG_MSG_IN,
    VMTI_ARG_MSG_OUT,
    VMTI_ARG_MMSG_IN,
    VMTI_ARG_MMSG_OUT,
    VMTI_ARG_SIGSET,
    VMTI_ARG_LENOF,
    VMTI_ARG_BY,
    VMTI_ARG_WITH,
};

enum vmti_len_rule {
    VMTI_LEN_FIXED = 0, /* `unit` bytes */
    VMTI_LEN_ARG,       /* argument `arg` times `unit` */
    VMTI_LEN_UINT,      /* its low 32 bits times `unit` */
    VMTI_LEN_INT,       /* its low 32 bits, if they are not negative, times `unit` */
    VMTI_LEN_COUNT,
    VMTI_LEN_FDSET,
    VMTI_LEN_NODES,
    VMTI_LEN_PAGEVEC,
    VMTI_LEN_SIGSIZE,
    VMTI_LEN_PTR, /* the int behind argument `arg` */
};

/* How much of a span counts as touched when the call has returned; vmti_span_done() in walk.c computes it. */
enum vmti_done {
    VMTI_DONE_ALL = 0,    /* all of it */
    VMTI_DONE_SOME,       /* all of it, if the result is above 0 */
    VMTI_DONE_RET,        /* result times `unit` */
    VMTI_DONE_PTR,        /* the number behind a pointer, times `unit` */
    VMTI_DONE_PTR_ALWAYS, /* the same, also if the call failed */
    VMTI_DONE_PTR_OR_END, /* the same, also if the call failed with ENOENT: what comes next is not there */
    VMTI_DONE_HEAD,       /* in a row only: PTR, with the number at the start of the buffer itself */
    VMTI_DONE_INTR,       /* all of it, if the call was interrupted */
    VMTI_DONE_ALWAYS,     /* all of it, except after EFAULT or EINVAL */
    VMTI_DONE_REACHED,    /* one more than the result, times `unit`: entries read, of which the last one failed */
    VMTI_DONE_RECORDED,   /* none: was recorded at the entry */
};

/* The BY rules. vmti_walk_<rule> is declared in walk.h, defined in walk_by*.c, and found by its number: the table can
 * be printed by programs that have no walker. */
/* clang-format off */
#define VMTI_RULES(RULE)                                                                                               \
    RULE(arch_prctl) RULE(bpf) RULE(capget) RULE(capset) RULE(clock_nanosleep) RULE(clone) RULE(clone3)                \
    RULE(epoll_ctl) RULE(fcntl) RULE(fsconfig) RULE(futex) RULE(futex2) RULE(futex_requeue) RULE(futex_waitv)          \
    RULE(getsockopt) RULE(getxattrat) RULE(io_submit) RULE(io_uring_enter) RULE(io_uring_register)                     \
    RULE(io_uring_setup) RULE(ioctl) RULE(kcmp) RULE(kexec_load) RULE(keyctl) RULE(landlock_add_rule)                  \
    RULE(lsm_get_self_attr) RULE(modify_ldt) RULE(mq_notify) RULE(msgctl) RULE(msgrcv) RULE(msgsnd)                    \
    RULE(name_to_handle_at) RULE(open_by_handle_at) RULE(perf_event_open) RULE(prctl) RULE(process_vm) RULE(ptrace)    \
    RULE(quotactl) RULE(reboot) RULE(sched_setattr) RULE(seccomp) RULE(semctl) RULE(setsockopt) RULE(setxattrat)       \
    RULE(shmctl) RULE(siginfo) RULE(sigset_arg) RULE(sized_head) RULE(sysfs) RULE(syslog) RULE(vmsplice)
/* clang-format on */

#define VMTI_RULE_NUMBER(rule) VMTI_RULE_##rule,
enum vmti_rule { VMTI_RULES(VMTI_RULE_NUMBER) VMTI_RULE_COUNT };

struct vmti_arg {
    const char *name;   /* NULL: no such argument */
    const char *rule;   /* name of the BY rule ... */
    uint32_t unit;      /* bytes, or bytes for each unit of the length */
    uint32_t most;      /* more than so many bytes are never used; 0: no limit */
    uint32_t done_unit; /* bytes for each unit of the result */
    uint8_t kind;       /* enum vmti_arg_kind */
    uint8_t len;        /* enum vmti_len_rule */
    uint8_t arg;        /* argument that the kind or the length rule names */
    uint8_t done;       /* enum vmti_done */
    uint8_t done_arg;   /* argument that the done rule names */
    uint8_t by;         /* ... and its number: enum vmti_rule */
};

/* What a call did is followed after it (and, for some, prepared before it). */
enum vmti_effect {
    VMTI_EFFECT_NONE = 0,
    VMTI_EFFECT_BRK,
    VMTI_EFFECT_MMAP,
    VMTI_EFFECT_MUNMAP,
    VMTI_EFFECT_MREMAP,
    VMTI_EFFECT_MPROTECT,
    VMTI_EFFECT_MADVISE,
    VMTI_EFFECT_PROCESS_MADVISE,
    VMTI_EFFECT_MLOCK,
    VMTI_EFFECT_SHMAT,
    VMTI_EFFECT_SHMDT,
    VMTI_EFFECT_IO_URING,
    VMTI_EFFECT_SIGACTION,
    VMTI_EFFECT_SIGPROCMASK,
    VMTI_EFFECT_SIGALTSTACK,
    VMTI_EFFECT_RETAINED,
    VMTI_EFFECT_MSEAL,
    VMTI_EFFECT_PRCTL,
    VMTI_EFFECT_SIGRETURN,
    VMTI_EFFECT_CLONE,
    VMTI_EFFECT_EXEC,
    VMTI_EFFECT_EXIT,
    VMTI_EFFECT_SCHED_GETAFFINITY,
    VMTI_EFFECT_SCHED_SETAFFINITY,
    VMTI_EFFECT_WAIT,
    VMTI_EFFECT_PTRACE,
    VMTI_EFFECT_COUNT
};

struct vmti_row {
    const char *name; /* NULL: no row for this number */
    uint8_t effect;   /* enum vmti_effect */
    uint8_t args;     /* number of arguments */
    uint8_t pointers; /* bit i: argument i is not VALUE; 0: nothing to walk */
    struct vmti_arg arg[6];
};

/* The row of call nr, or NULL. Constant data: may be used anywhere. */
VMTI_HIDDEN const struct vmti_row *vmti_row(int64_t nr);

/* One more than the highest number in the table. */
VMTI_HIDDEN int64_t vmti_row_end(void);

#endif
