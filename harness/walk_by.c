/* SPDX-License-Identifier: MIT */
/*
 * BY rules of the table, for calls whose pointers depend on a command, a flag or a structure: processes, signals,
 * System V IPC, futexes, sockets. walk_by_ioctl.c has ioctl and fcntl, walk_by_subsystem.c what has a table of commands
 * of its own. Runs in the catcher, as walk.c does. A rule walks what the kernel would reach, and leaves to the kernel
 * what it would refuse.
 */
#include "walk.h"

#include <linux/bpf_common.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <string.h>

#include "os.h"
#include "thread.h"

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

bool vmti_walk_command(struct vmti_walk *w, const struct vmti_command *table, size_t rows, uint32_t command,
                       uint64_t addr)
{
    for (size_t i = 0; i < rows; i++) {
        if (table[i].command != command)
            continue;
        switch ((enum vmti_how)table[i].how) {
        case VMTI_HOW_IN:
            vmti_walk_in(w, addr, table[i].bytes);
            break;
        case VMTI_HOW_OUT:
            vmti_walk_out(w, addr, table[i].bytes);
            break;
        case VMTI_HOW_INOUT:
            vmti_walk_inout(w, addr, table[i].bytes);
            break;
        case VMTI_HOW_STRING:
            vmti_walk_string(w, addr, table[i].bytes);
            break;
        case VMTI_HOW_NOTHING:
            break;
        }
        return true;
    }
    return false;
}

/* ------------------------------------------------------------------------------------------- /proc/<tid>/fdinfo */

static char *put_text(char *to, const char *text)
{
    while (*text)
        *to++ = *text++;
    return to;
}

static char *put_number(char *to, unsigned number)
{
    char digits[10];
    int n = 0;
    do
        digits[n++] = (char)('0' + number % 10);
    while (number /= 10);
    while (n)
        *to++ = digits[--n];
    return to;
}

/* Lines are "name:\tnumber" (fs/proc/fd.c, seq_show); `flags` is octal, the others decimal. */
bool vmti_walk_fdinfo(struct vmti_walk *w, int fd, const char *name, uint64_t *number)
{
    if (fd < 0)
        return false;
    char path[48], text[1024];
    char *end = put_number(put_text(path, "/proc/"), (unsigned)w->thread->tid);
    end = put_number(put_text(end, "/fdinfo/"), (unsigned)fd);
    *end = '\0';
    long file = vmti_os_open(path, O_RDONLY | O_CLOEXEC, 0);
    if (file < 0)
        return false;
    long bytes = vmti_os_read((int)file, text, sizeof text - 1);
    vmti_os_close((int)file);
    if (bytes <= 0)
        return false;
    text[bytes] = '\0';
    unsigned radix = name[0] == 'f' ? 8 : 10;
    for (const char *line = text; *line;) {
        const char *n = name, *c = line;
        while (*n && *c == *n)
            c++, n++;
        if (!*n && *c == ':') {
            for (c++; *c == '\t' || *c == ' '; c++)
                ;
            if (*c < '0' || *c > '9')
                return false;
            for (*number = 0; *c >= '0' && *c <= '9'; c++)
                *number = *number * radix + (unsigned)(*c - '0');
            return true;
        }
        while (*line && *line++ != '\n')
            ;
    }
    return false;
}

/* ------------------------------------------------------------------------------------------- signals, time */

/* A siginfo to send. The kernel reads the part that it has a use for, and the rest only where the code is of a kind
 * that it does not know: kernel/signal.c, known_siginfo_layout and post_copy_siginfo_from_user. */
void vmti_walk_siginfo(struct vmti_walk *w, unsigned i)
{
    enum { CODE = 2, SI_DETHREAD_CODE = -7, SI_ASYNCNL_CODE = -60, SI_KERNEL_CODE = 0x80, SI_KNOWN_MAX = 15 };
    int32_t head[3];
    uint64_t info = w->call->args[i];
    vmti_walk_in(w, info, VMTI_SIZEOF_siginfo_kernel);
    if (!vmti_walk_read(w, head, info, sizeof head))
        return;
    int32_t code = head[CODE];
    bool known =
        code == SI_KERNEL_CODE || code == SI_ASYNCNL_CODE || (code >= SI_DETHREAD_CODE && code <= SI_KNOWN_MAX);
    if (!known)
        vmti_walk_in(w, info, VMTI_SIZEOF_siginfo);
}

/* pselect6 and io_pgetevents pass a mask and its size in a structure: fs/select.c, get_sigset_argpack. */
void vmti_walk_sigset_arg(struct vmti_walk *w, unsigned i)
{
    struct {
        uint64_t mask, size;
    } arg;
    if (vmti_walk_read(w, &arg, w->call->args[i], sizeof arg) && arg.size == VMTI_SIZEOF_sigset)
        vmti_walk_in(w, arg.mask, VMTI_SIZEOF_sigset);
}

/* What is left is told only of a relative sleep: kernel/time/posix-timers.c. */
void vmti_walk_clock_nanosleep(struct vmti_walk *w, unsigned i)
{
    if (!(w->call->args[1] & TIMER_ABSTIME))
        vmti_span_counts(vmti_walk_out(w, w->call->args[i], VMTI_SIZEOF_timespec), VMTI_DONE_INTR, 0);
}

/* ------------------------------------------------------------------------------------------- processes */

enum {
    CLONE_PIDFD_FLAG = 0x1000,
    CLONE_PARENT_SETTID_FLAG = 0x100000,
    CLONE_CHILD_SETTID_FLAG = 0x1000000,
};

/* The child itself writes child_tid when it starts (kernel/sched/core.c, schedule_tail): open until the parent is back,
 * which is as long as a caller's word lasts. The word of CLONE_CHILD_CLEARTID is kept, not used. */
void vmti_walk_clone(struct vmti_walk *w, unsigned i)
{
    uint64_t flags = w->call->args[0];
    if (flags & (CLONE_PARENT_SETTID_FLAG | CLONE_PIDFD_FLAG))
        vmti_walk_out(w, w->call->args[i], sizeof(int));
    if (flags & CLONE_CHILD_SETTID_FLAG)
        vmti_walk_out(w, w->call->args[VMTI_CLONE_CHILD_TID], sizeof(int));
}

void vmti_walk_clone3(struct vmti_walk *w, unsigned i)
{
    /* include/uapi/linux/sched.h, struct clone_args: stack and tls are kept, not used */
    struct {
        uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size,
            cgroup;
    } args;
    enum { SIZE_VER0 = 64, SIZE_VER1 = 80, TIDS_MAX = 32 /* MAX_PID_NS_LEVEL */ };
    uint64_t size = w->call->args[1];
    if (size < SIZE_VER0 || size > VMTI_STRUCT_MAX)
        return;
    vmti_walk_in(w, w->call->args[i], size);
    memset(&args, 0, sizeof args);
    if (!vmti_walk_read(w, &args, w->call->args[i], size < sizeof args ? size : sizeof args))
        return;
    if (args.flags & CLONE_PIDFD_FLAG)
        vmti_walk_out(w, args.pidfd, sizeof(int));
    if (args.flags & CLONE_PARENT_SETTID_FLAG)
        vmti_walk_out(w, args.parent_tid, sizeof(int));
    if (args.flags & CLONE_CHILD_SETTID_FLAG)
        vmti_walk_out(w, args.child_tid, sizeof(int));
    if (size >= SIZE_VER1 && args.set_tid_size <= TIDS_MAX)
        vmti_walk_in(w, args.set_tid, args.set_tid_size * sizeof(int));
}

void vmti_walk_fprog(struct vmti_walk *w, uint64_t addr)
{
    struct {
        uint16_t len;
        uint64_t filter;
    } prog;
    enum { INSTRUCTION = 8 };
    if (vmti_walk_read(w, &prog, addr, sizeof prog) && prog.len <= BPF_MAXINSNS)
        vmti_walk_in(w, prog.filter, (uint64_t)prog.len * INSTRUCTION);
}

void vmti_walk_seccomp(struct vmti_walk *w, unsigned i)
{
    enum { STRICT, FILTER, GET_ACTION_AVAIL, GET_NOTIF_SIZES };
    /* clang-format off */
    static const struct vmti_command commands[] = {
        {STRICT, VMTI_HOW_NOTHING, 0},
        {GET_ACTION_AVAIL, VMTI_HOW_IN, 4},
        {GET_NOTIF_SIZES, VMTI_HOW_OUT, 6},
    };
    /* clang-format on */
    uint32_t op = (uint32_t)w->call->args[0];
    if (op == FILTER)
        vmti_walk_fprog(w, w->call->args[i]);
    else if (!vmti_walk_command(w, commands, ROWS(commands), op, w->call->args[i]))
        vmti_note_unknown(w, op);
}

/* Those that older headers lack. */
enum {
    OPTION_SET_VMA = 0x53564d41,
    OPTION_SCHED_CORE = 62,
    OPTION_GET_AUXV = 0x41555856,
    OPTION_GET_SHADOW_STACK_STATUS = 74,
    OPTION_SET_SHADOW_STACK_STATUS = 75,
    OPTION_LOCK_SHADOW_STACK_STATUS = 76,
    OPTION_TIMER_CREATE_RESTORE_IDS = 77,
    OPTION_FUTEX_HASH = 78,
    PTRACER_OPTION = 0x59616d61,
};

static void walk_prctl_mm(struct vmti_walk *w, uint64_t what, uint64_t addr, uint64_t size)
{
    enum { AUXV_BYTES_MAX = 512, MM_MAP_BYTES = 104 };
    if (what == PR_SET_MM_AUXV && size <= AUXV_BYTES_MAX)
        vmti_walk_in(w, addr, size);
    if (what == PR_SET_MM_MAP_SIZE)
        vmti_walk_out(w, addr, sizeof(int));
    struct prctl_mm_map map;
    if (what == PR_SET_MM_MAP && size == MM_MAP_BYTES && vmti_walk_read(w, &map, addr, sizeof map) &&
        map.auxv_size <= AUXV_BYTES_MAX)
        vmti_walk_in(w, (uintptr_t)map.auxv, map.auxv_size);
}

void vmti_walk_prctl(struct vmti_walk *w, unsigned i)
{
    enum { COMM_BYTES = 16, COMM_READ = 15, VMA_NAME_MAX = 80, AUXV_RESULT_MAX = 4096 };
    /* clang-format off */
    static const struct vmti_command pointers[] = {
        {PR_GET_PDEATHSIG, VMTI_HOW_OUT, 4},
        {PR_SET_NAME, VMTI_HOW_STRING, COMM_READ},
        {PR_GET_NAME, VMTI_HOW_OUT, COMM_BYTES},
        {PR_GET_TSC, VMTI_HOW_OUT, 4},
        {PR_GET_TID_ADDRESS, VMTI_HOW_OUT, 8},
        {PR_GET_CHILD_SUBREAPER, VMTI_HOW_OUT, 4},
        {OPTION_GET_SHADOW_STACK_STATUS, VMTI_HOW_OUT, VMTI_SIZEOF_shadow_stack_status},
        /* EINVAL, with nothing behind the pointer looked at */
        {PR_GET_UNALIGN, VMTI_HOW_NOTHING, 0},
        {PR_GET_FPEMU, VMTI_HOW_NOTHING, 0},
        {PR_GET_FPEXC, VMTI_HOW_NOTHING, 0},
        {PR_GET_ENDIAN, VMTI_HOW_NOTHING, 0},
        {OPTION_SET_SHADOW_STACK_STATUS, VMTI_HOW_NOTHING, 0},
        {OPTION_LOCK_SHADOW_STACK_STATUS, VMTI_HOW_NOTHING, 0},
        {OPTION_TIMER_CREATE_RESTORE_IDS, VMTI_HOW_NOTHING, 0},
        {OPTION_FUTEX_HASH, VMTI_HOW_NOTHING, 0},
        {PTRACER_OPTION, VMTI_HOW_NOTHING, 0}, /* PR_SET_PTRACER */
    };
    /* clang-format on */
    enum { LAST_NUMBERED_OPTION = 78 };
    const uint64_t *args = w->call->args;
    uint32_t option = (uint32_t)args[0];
    if (vmti_walk_command(w, pointers, ROWS(pointers), option, args[i]))
        return;
    switch (option) {
    case PR_SET_SECCOMP:
        if (args[1] == 2 /* SECCOMP_MODE_FILTER */)
            vmti_walk_fprog(w, args[2]);
        break;
    case PR_SET_MM:
        walk_prctl_mm(w, args[1], args[2], args[3]);
        break;
    case OPTION_SET_VMA: /* PR_SET_VMA_ANON_NAME is the only one */
        if (args[1] == 0)
            vmti_walk_string(w, args[4], VMA_NAME_MAX);
        break;
    case OPTION_SCHED_CORE:
        if (args[1] == 0 /* PR_SCHED_CORE_GET */)
            vmti_walk_out(w, args[4], sizeof(uint64_t));
        break;
    case OPTION_GET_AUXV: /* the result is how much there is, which may be more than was asked for */
        vmti_span_counts(vmti_walk_out(w, args[1], args[2] < AUXV_RESULT_MAX ? args[2] : AUXV_RESULT_MAX),
                         VMTI_DONE_RET, 1);
        break;
    default: /* PR_SET_SYSCALL_USER_DISPATCH keeps its selector; the rest takes numbers */
        if (option > LAST_NUMBERED_OPTION)
            vmti_note_unknown(w, option);
        break;
    }
}

void vmti_walk_arch_prctl(struct vmti_walk *w, unsigned i)
{
    /* arch/x86/include/uapi/asm/prctl.h; all that give a result write a word */
    enum {
        GET_FS = 0x1003,
        GET_GS = 0x1004,
        GET_XCOMP_SUPP = 0x1021,
        GET_XCOMP_PERM = 0x1022,
        GET_XCOMP_GUEST_PERM = 0x1024,
        GET_UNTAG_MASK = 0x4001,
        GET_MAX_TAG_BITS = 0x4003,
        SHSTK_STATUS = 0x5005,
    };
    switch ((uint32_t)w->call->args[0]) {
    case GET_FS:
    case GET_GS:
    case GET_XCOMP_SUPP:
    case GET_XCOMP_PERM:
    case GET_XCOMP_GUEST_PERM:
    case GET_UNTAG_MASK:
    case GET_MAX_TAG_BITS:
    case SHSTK_STATUS:
        vmti_walk_out(w, w->call->args[i], sizeof(uint64_t));
        break;
    default: /* what sets something takes a number */
        break;
    }
}

/* kernel/capability.c, cap_validate_magic: version 1 has one set of three words, the others two. A version that the
 * kernel does not know is answered by writing the one that it does. */
static void walk_capabilities(struct vmti_walk *w, bool get)
{
    enum { VERSION_1 = 0x19980330, VERSION_2 = 0x20071026, VERSION_3 = 0x20080522, SET_BYTES = 12 };
    uint64_t header = w->call->args[0], data = w->call->args[1];
    uint32_t version;
    if (!vmti_walk_read(w, &version, header, sizeof version))
        return;
    if (version != VERSION_1 && version != VERSION_2 && version != VERSION_3) {
        /* Written, though the result is EINVAL. The number there is a version still, and so larger than the span. */
        struct vmti_span *span = vmti_walk_out(w, header, sizeof version);
        vmti_span_counts_at(span, header, 4, 1);
        vmti_span_counts(span, VMTI_DONE_PTR_ALWAYS, 1);
        return;
    }
    uint64_t bytes = version == VERSION_1 ? SET_BYTES : 2 * SET_BYTES;
    if (get && !data)
        return;
    vmti_walk_in(w, header, 8);
    if (get)
        vmti_walk_out(w, data, bytes);
    else
        vmti_walk_in(w, data, bytes);
}

void vmti_walk_capget(struct vmti_walk *w, unsigned i)
{
    (void)i;
    walk_capabilities(w, true);
}

void vmti_walk_capset(struct vmti_walk *w, unsigned i)
{
    (void)i;
    walk_capabilities(w, false);
}

void vmti_walk_kcmp(struct vmti_walk *w, unsigned i)
{
    enum { EPOLL_TFD = 7, SLOT_BYTES = 12 };
    if ((uint32_t)w->call->args[2] == EPOLL_TFD)
        vmti_walk_in(w, w->call->args[i], SLOT_BYTES);
}

/* process_vm_readv and _writev: the remote array is read here. What it points to is read or written too if the other
 * process is this one; a closed page would end the transfer there. */
void vmti_walk_process_vm(struct vmti_walk *w, unsigned i)
{
    pid_t pid = (pid_t)w->call->args[0];
    uint64_t count = (uint32_t)w->call->args[i + 1];
    if (pid == w->region->pid || pid == w->thread->tid)
        vmti_walk_iov(w, w->call->args[i], count, w->call->nr == SYS_process_vm_writev, NULL);
    else if (count <= VMTI_UIO_MAXIOV)
        vmti_walk_in(w, w->call->args[i], count * VMTI_SIZEOF_iovec);
}

void vmti_walk_modify_ldt(struct vmti_walk *w, unsigned i)
{
    enum {
        READ = 0,
        WRITE_OLD = 1,
        READ_DEFAULT = 2,
        WRITE = 0x11,
        ENTRY = 16,
        LDT_BYTES = 8 * 8192,
        DEFAULT_BYTES = 128
    };
    uint64_t ptr = w->call->args[i], bytes = w->call->args[i + 1];
    uint32_t func = (uint32_t)w->call->args[0];
    if (func == READ || func == READ_DEFAULT) {
        uint64_t most = func == READ ? LDT_BYTES : DEFAULT_BYTES;
        vmti_span_counts(vmti_walk_out(w, ptr, bytes < most ? bytes : most), VMTI_DONE_RET, 1);
    } else if ((func == WRITE || func == WRITE_OLD) && bytes == ENTRY) {
        vmti_walk_in(w, ptr, bytes);
    }
}

void vmti_walk_reboot(struct vmti_walk *w, unsigned i)
{
    enum { COMMAND_BYTES = 256 };
    if ((uint32_t)w->call->args[2] == 0xa1b2c3d4 /* LINUX_REBOOT_CMD_RESTART2 */)
        vmti_walk_string(w, w->call->args[i], COMMAND_BYTES);
}

void vmti_walk_syslog(struct vmti_walk *w, unsigned i)
{
    enum { READ = 2, READ_ALL = 3, READ_CLEAR = 4 };
    int32_t type = (int32_t)w->call->args[0], len = (int32_t)w->call->args[2];
    if (type >= READ && type <= READ_CLEAR && len > 0)
        vmti_span_counts(vmti_walk_out(w, w->call->args[i], (uint64_t)len), VMTI_DONE_RET, 1);
}

void vmti_walk_sysfs(struct vmti_walk *w, unsigned i)
{
    enum { INDEX_OF_NAME = 1, NAME_OF_INDEX = 2, NAME_BYTES = 64 };
    uint32_t option = (uint32_t)w->call->args[0];
    if (option == INDEX_OF_NAME)
        vmti_walk_string(w, w->call->args[i], VMTI_PATH_MAX);
    else if (option == NAME_OF_INDEX) /* as long as the name is; none is longer than this */
        vmti_walk_out(w, w->call->args[i + 1], NAME_BYTES);
}

/* kernel/sched/syscalls.c, sched_copy_attr. After E2BIG the size that the kernel knows is in the structure. */
void vmti_walk_sched_setattr(struct vmti_walk *w, unsigned i)
{
    enum { SIZE_VER0 = 48 };
    if (!vmti_walk_sized(w, w->call->args[i], 0, SIZE_VER0))
        vmti_span_counts(vmti_walk_out(w, w->call->args[i], sizeof(uint32_t)), VMTI_DONE_ALWAYS, 0);
}

/* ------------------------------------------------------------------------------------------- System V, POSIX IPC */

/* Whether a command with IPC_64 set exists at all: with 64 bits it does not (ipc/util.h, ipc_parse_version). */
enum { CMD_RMID = 0, CMD_SET = 1, CMD_STAT = 2, CMD_INFO = 3 };

static void walk_ipc(struct vmti_walk *w, const struct vmti_command *commands, size_t rows, uint32_t command,
                     uint64_t addr)
{
    if (!vmti_walk_command(w, commands, rows, command, addr))
        vmti_note_unknown(w, command);
}

void vmti_walk_shmctl(struct vmti_walk *w, unsigned i)
{
    enum { LOCK = 11, UNLOCK = 12, SHM_STAT = 13, SHM_INFO = 14, SHM_STAT_ANY = 15, DS_BYTES = 112 };
    /* clang-format off */
    static const struct vmti_command commands[] = {
        {CMD_RMID, VMTI_HOW_NOTHING, 0},    {CMD_SET, VMTI_HOW_IN, DS_BYTES},  {CMD_STAT, VMTI_HOW_OUT, DS_BYTES},
        {CMD_INFO, VMTI_HOW_OUT, 72},       {LOCK, VMTI_HOW_NOTHING, 0},       {UNLOCK, VMTI_HOW_NOTHING, 0},
        {SHM_STAT, VMTI_HOW_OUT, DS_BYTES}, {SHM_INFO, VMTI_HOW_OUT, 48},      {SHM_STAT_ANY, VMTI_HOW_OUT, DS_BYTES},
    };
    /* clang-format on */
    walk_ipc(w, commands, ROWS(commands), (uint32_t)w->call->args[1], w->call->args[i]);
}

void vmti_walk_msgctl(struct vmti_walk *w, unsigned i)
{
    enum { MSG_STAT = 11, MSG_INFO = 12, MSG_STAT_ANY = 13, DS_BYTES = 120, INFO_BYTES = 32 };
    /* clang-format off */
    static const struct vmti_command commands[] = {
        {CMD_RMID, VMTI_HOW_NOTHING, 0},       {CMD_SET, VMTI_HOW_IN, DS_BYTES},  {CMD_STAT, VMTI_HOW_OUT, DS_BYTES},
        {CMD_INFO, VMTI_HOW_OUT, INFO_BYTES},  {MSG_STAT, VMTI_HOW_OUT, DS_BYTES},
        {MSG_INFO, VMTI_HOW_OUT, INFO_BYTES},  {MSG_STAT_ANY, VMTI_HOW_OUT, DS_BYTES},
    };
    /* clang-format on */
    walk_ipc(w, commands, ROWS(commands), (uint32_t)w->call->args[1], w->call->args[i]);
}

void vmti_walk_semctl(struct vmti_walk *w, unsigned i)
{
    enum { GETPID = 11, GETVAL = 12, GETALL = 13, GETNCNT = 14, GETZCNT = 15, SETVAL = 16, SETALL = 17 };
    enum { SEM_STAT = 18, SEM_INFO = 19, SEM_STAT_ANY = 20, DS_BYTES = VMTI_SIZEOF_semid_ds, INFO_BYTES = 40 };
    /* clang-format off */
    static const struct vmti_command commands[] = {
        {CMD_RMID, VMTI_HOW_NOTHING, 0},      {CMD_SET, VMTI_HOW_IN, DS_BYTES},  {CMD_STAT, VMTI_HOW_OUT, DS_BYTES},
        {CMD_INFO, VMTI_HOW_OUT, INFO_BYTES}, {GETPID, VMTI_HOW_NOTHING, 0},     {GETVAL, VMTI_HOW_NOTHING, 0},
        {GETNCNT, VMTI_HOW_NOTHING, 0},       {GETZCNT, VMTI_HOW_NOTHING, 0},    {SETVAL, VMTI_HOW_NOTHING, 0},
        {SEM_STAT, VMTI_HOW_OUT, DS_BYTES},   {SEM_INFO, VMTI_HOW_OUT, INFO_BYTES},
        {SEM_STAT_ANY, VMTI_HOW_OUT, DS_BYTES},
    };
    /* clang-format on */
    uint32_t command = (uint32_t)w->call->args[2];
    if (command != GETALL && command != SETALL) {
        walk_ipc(w, commands, ROWS(commands), command, w->call->args[i]);
        return;
    }
    /* One short for each semaphore of the set. Their number is the kernel's to tell; who may not ask for it, may not
     * GETALL either. */
    _Alignas(8) unsigned char ds[DS_BYTES];
    uint64_t semaphores;
    if (vmti_sys(SYS_semctl, w->call->args[0], 0, CMD_STAT, ds, 0, 0) < 0)
        return;
    memcpy(&semaphores, ds + VMTI_SEMID_NSEMS, sizeof semaphores);
    if (command == GETALL)
        vmti_walk_out(w, w->call->args[i], semaphores * sizeof(uint16_t));
    else
        vmti_walk_in(w, w->call->args[i], semaphores * sizeof(uint16_t));
}

/* A message is a long, its type, and the text, whose length alone the calls speak of. */
void vmti_walk_msgsnd(struct vmti_walk *w, unsigned i)
{
    uint64_t text = w->call->args[2];
    /* The type is read before the length is looked at: ipc/msg.c, ksys_msgsnd. More than INT32_MAX is more than any
     * queue takes: do_msgsnd. */
    vmti_walk_in(w, w->call->args[i], sizeof(long) + (text <= INT32_MAX ? text : 0));
}

void vmti_walk_msgrcv(struct vmti_walk *w, unsigned i)
{
    uint64_t text = w->call->args[2];
    if ((int64_t)text < 0)
        return;
    text = text < INT32_MAX ? text : INT32_MAX;
    struct vmti_span *span = vmti_walk_out(w, w->call->args[i], sizeof(long) + text);
    vmti_span_counts(span, VMTI_DONE_RET, 1);
    if (span)
        span->base = -(int64_t)sizeof(long);
}

void vmti_walk_mq_notify(struct vmti_walk *w, unsigned i)
{
    /* include/uapi/asm-generic/siginfo.h, struct sigevent; ipc/mqueue.c: SIGEV_THREAD's value points to a cookie */
    struct {
        uint64_t value;
        int32_t signo, notify;
    } event;
    enum { COOKIE_BYTES = 32, THREAD = 2 };
    vmti_walk_in(w, w->call->args[i], VMTI_SIZEOF_sigevent);
    if (vmti_walk_read(w, &event, w->call->args[i], sizeof event) && event.notify == THREAD)
        vmti_walk_in(w, event.value, COOKIE_BYTES);
}

/* ------------------------------------------------------------------------------------------- futexes */

/*
 * kernel/futex/core.c, get_futex_key: the word of a private futex is known by its address alone, and is touched only if
 * the operation compares or changes it. The page of any other is looked up, for writing if it is anonymous memory, even
 * if nothing is read of it.
 */
static void walk_futex_word(struct vmti_walk *w, uint64_t addr, bool private, bool reads)
{
    if (!private)
        vmti_walk_in_writable(w, addr, sizeof(uint32_t));
    else if (reads)
        vmti_walk_in(w, addr, sizeof(uint32_t));
}

/* Interrupted or not, the word may have been changed: a waiter leaves its mark. */
static void walk_futex_change(struct vmti_walk *w, uint64_t addr)
{
    vmti_span_counts(vmti_walk_inout(w, addr, sizeof(uint32_t)), VMTI_DONE_ALWAYS, 0);
}

void vmti_walk_futex(struct vmti_walk *w, unsigned i)
{
    enum { LOCK_PI2 = 13 };
    uint64_t uaddr = w->call->args[i], timeout = w->call->args[3], uaddr2 = w->call->args[4];
    uint32_t op = (uint32_t)w->call->args[1];
    bool private = op & FUTEX_PRIVATE_FLAG;
    switch (op & (uint32_t)FUTEX_CMD_MASK) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET:
        walk_futex_word(w, uaddr, private, true);
        vmti_walk_in(w, timeout, VMTI_SIZEOF_timespec);
        break;
    case FUTEX_WAKE:
    case FUTEX_WAKE_BITSET:
        walk_futex_word(w, uaddr, private, false);
        break;
    case FUTEX_REQUEUE: /* `timeout` is a number here, and in the next two */
        walk_futex_word(w, uaddr, private, false);
        walk_futex_word(w, uaddr2, private, false);
        break;
    case FUTEX_CMP_REQUEUE:
        walk_futex_word(w, uaddr, private, true);
        walk_futex_word(w, uaddr2, private, false);
        break;
    case FUTEX_WAKE_OP:
        walk_futex_word(w, uaddr, private, false);
        walk_futex_change(w, uaddr2);
        break;
    case FUTEX_CMP_REQUEUE_PI:
        walk_futex_word(w, uaddr, private, true);
        walk_futex_change(w, uaddr2);
        break;
    case FUTEX_WAIT_REQUEUE_PI:
        walk_futex_word(w, uaddr, private, true);
        walk_futex_change(w, uaddr2);
        vmti_walk_in(w, timeout, VMTI_SIZEOF_timespec);
        break;
    case FUTEX_LOCK_PI:
    case LOCK_PI2:
        walk_futex_change(w, uaddr);
        vmti_walk_in(w, timeout, VMTI_SIZEOF_timespec);
        break;
    case FUTEX_TRYLOCK_PI:
    case FUTEX_UNLOCK_PI:
        walk_futex_change(w, uaddr);
        break;
    default:
        vmti_note_unknown(w, op);
        break;
    }
}

/* The futex2 calls have flags of their own: include/uapi/linux/futex.h. With a node, that is a second word, which the
 * kernel fills in if it is not set. */
enum { FUTEX2_NUMA_FLAG = 0x04, FUTEX2_PRIVATE_FLAG = 128, FUTEX2_WAITERS_MAX = 128 };
enum { FUTEX_WAKE_NR = 454 }; /* newer than many headers */

static void walk_futex2_word(struct vmti_walk *w, uint64_t addr, uint32_t flags, bool reads)
{
    if (flags & FUTEX2_NUMA_FLAG)
        vmti_span_counts(vmti_walk_inout(w, addr, 2 * sizeof(uint32_t)), VMTI_DONE_ALWAYS, 0);
    else
        walk_futex_word(w, addr, flags & FUTEX2_PRIVATE_FLAG, reads);
}

void vmti_walk_futex2(struct vmti_walk *w, unsigned i)
{
    walk_futex2_word(w, w->call->args[i], (uint32_t)w->call->args[3], w->call->nr != FUTEX_WAKE_NR);
}

static void walk_futex_waiters(struct vmti_walk *w, uint64_t waiters, uint64_t count, uint64_t compared)
{
    struct {
        uint64_t val, uaddr;
        uint32_t flags, reserved;
    } waiter;
    vmti_walk_in(w, waiters, count * sizeof waiter);
    for (uint64_t k = 0; k < count; k++) {
        if (!vmti_walk_read(w, &waiter, waiters + k * sizeof waiter, sizeof waiter))
            return;
        walk_futex2_word(w, waiter.uaddr, waiter.flags, k < compared);
    }
}

void vmti_walk_futex_waitv(struct vmti_walk *w, unsigned i)
{
    uint64_t count = (uint32_t)w->call->args[i + 1];
    if (count <= FUTEX2_WAITERS_MAX)
        walk_futex_waiters(w, w->call->args[i], count, count);
}

/* Two waiters: from the first, whose word is compared, to the second. */
void vmti_walk_futex_requeue(struct vmti_walk *w, unsigned i)
{
    walk_futex_waiters(w, w->call->args[i], 2, 1);
}

/* ------------------------------------------------------------------------------------------- sockets, pipes, epoll */

enum { LEVEL_SOCKET = 1, LEVEL_TCP = 6, LEVEL_PACKET = 263, FPROG_BYTES = 16 };

void vmti_walk_setsockopt(struct vmti_walk *w, unsigned i)
{
    enum { ATTACH_FILTER = 26, ATTACH_REUSEPORT_CBPF = 51, FANOUT_DATA = 22 };
    uint64_t optval = w->call->args[i];
    int32_t level = (int32_t)w->call->args[1], name = (int32_t)w->call->args[2], len = (int32_t)w->call->args[4];
    bool filter = level == LEVEL_SOCKET ? name == ATTACH_FILTER || name == ATTACH_REUSEPORT_CBPF
                                        : level == LEVEL_PACKET && name == FANOUT_DATA;
    if (filter && len == FPROG_BYTES)
        vmti_walk_fprog(w, optval);
    else if (len > 0)
        vmti_walk_in(w, optval, (uint64_t)len);
}

/* A structure that is filled, and that may have been filled before with two buffers to fill: net/ipv4/tcp.c,
 * do_tcp_getsockopt. The memory that it maps into is of the socket. */
static void walk_zerocopy_receive(struct vmti_walk *w, uint64_t optval, uint64_t len)
{
    enum { BYTES = 64, COPYBUF = 24, COPYBUF_LEN = 32, CONTROL = 40, CONTROL_LEN = 48 };
    unsigned char arg[BYTES] = {0};
    uint64_t bytes = len < BYTES ? len : BYTES, copybuf, control, control_len;
    int32_t copybuf_len;
    if (!vmti_walk_read(w, arg, optval, bytes))
        return;
    memcpy(&copybuf, arg + COPYBUF, sizeof copybuf);
    memcpy(&copybuf_len, arg + COPYBUF_LEN, sizeof copybuf_len);
    memcpy(&control, arg + CONTROL, sizeof control);
    memcpy(&control_len, arg + CONTROL_LEN, sizeof control_len);
    if (copybuf_len > 0)
        vmti_span_counts_at(vmti_walk_out(w, copybuf, (uint64_t)copybuf_len), optval + COPYBUF_LEN, 4, 1);
    vmti_span_counts_at(vmti_walk_out(w, control, control_len), optval + CONTROL_LEN, 8, 1);
}

void vmti_walk_getsockopt(struct vmti_walk *w, unsigned i)
{
    enum { GET_FILTER = 26, ZEROCOPY_RECEIVE = 35, FILTER_INSTRUCTION = 8 };
    uint64_t optval = w->call->args[i], optlen = w->call->args[i + 1];
    int32_t level = (int32_t)w->call->args[1], name = (int32_t)w->call->args[2], len;
    if (!optval || !vmti_walk_read(w, &len, optlen, sizeof len) || len <= 0)
        return;
    /* SO_GET_FILTER counts in instructions: net/core/filter.c, sk_get_filter */
    uint32_t unit = level == LEVEL_SOCKET && name == GET_FILTER ? FILTER_INSTRUCTION : 1;
    if (level == LEVEL_TCP && name == ZEROCOPY_RECEIVE)
        walk_zerocopy_receive(w, optval, (uint64_t)len);
    vmti_span_counts_at(vmti_walk_out(w, optval, (uint64_t)len * unit), optlen, 4, unit);
}

/* Into the pipe or out of it: that depends on which end the descriptor is (fs/splice.c, vmsplice_type). Pages that are
 * lent to a pipe are referred to as such, not by address; closing them later does it no harm. */
void vmti_walk_vmsplice(struct vmti_walk *w, unsigned i)
{
    uint64_t flags = O_WRONLY;
    vmti_walk_fdinfo(w, (int)w->call->args[0], "flags", &flags);
    vmti_walk_iov(w, w->call->args[i], (uint32_t)w->call->args[i + 1], (flags & O_ACCMODE) == O_RDONLY, NULL);
}

void vmti_walk_epoll_ctl(struct vmti_walk *w, unsigned i)
{
    enum { DELETE = 2 };
    if ((uint32_t)w->call->args[1] != DELETE)
        vmti_walk_in(w, w->call->args[i], VMTI_SIZEOF_epoll_event);
}
