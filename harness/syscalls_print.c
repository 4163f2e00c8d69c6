/* SPDX-License-Identifier: MIT */
/* The table of system calls as text. Not for the catcher: it uses stdio. */
#include "syscalls_print.h"

#include "syscalls.h"

static const char *const effects[VMTI_EFFECT_COUNT] = {
    [VMTI_EFFECT_NONE] = NULL,
    [VMTI_EFFECT_BRK] = "brk",
    [VMTI_EFFECT_MMAP] = "mmap",
    [VMTI_EFFECT_MUNMAP] = "munmap",
    [VMTI_EFFECT_MREMAP] = "mremap",
    [VMTI_EFFECT_MPROTECT] = "mprotect",
    [VMTI_EFFECT_MADVISE] = "madvise",
    [VMTI_EFFECT_PROCESS_MADVISE] = "process_madvise",
    [VMTI_EFFECT_MLOCK] = "mlock",
    [VMTI_EFFECT_SHMAT] = "shmat",
    [VMTI_EFFECT_SHMDT] = "shmdt",
    [VMTI_EFFECT_IO_URING] = "io_uring",
    [VMTI_EFFECT_SIGACTION] = "sigaction",
    [VMTI_EFFECT_SIGPROCMASK] = "sigprocmask",
    [VMTI_EFFECT_SIGALTSTACK] = "sigaltstack",
    [VMTI_EFFECT_PRCTL] = "prctl",
    [VMTI_EFFECT_SIGRETURN] = "sigreturn",
    [VMTI_EFFECT_CLONE] = "clone",
    [VMTI_EFFECT_EXEC] = "exec",
    [VMTI_EFFECT_EXIT] = "exit",
    [VMTI_EFFECT_SCHED_GETAFFINITY] = "sched_getaffinity",
    [VMTI_EFFECT_SCHED_SETAFFINITY] = "sched_setaffinity",
    [VMTI_EFFECT_WAIT] = "wait",
    [VMTI_EFFECT_PTRACE] = "ptrace",
};

/* "len" for a length that an argument gives, "2 x len", "at most 128". */
static void print_length(FILE *to, const struct vmti_row *row, const struct vmti_arg *a)
{
    const char *of = row->arg[a->arg].name;
    switch ((enum vmti_len_rule)a->len) {
    case VMTI_LEN_FIXED:
        fprintf(to, "%u bytes", a->unit);
        return;
    case VMTI_LEN_ARG:
    case VMTI_LEN_UINT:
    case VMTI_LEN_INT:
        if (a->unit == 1)
            fprintf(to, "%s bytes", of);
        else
            fprintf(to, "%s x %u bytes", of, a->unit);
        break;
    case VMTI_LEN_COUNT:
        fprintf(to, "%s bytes", of);
        break;
    case VMTI_LEN_FDSET:
        fprintf(to, "%s bits", of);
        break;
    case VMTI_LEN_NODES:
        fprintf(to, "%s - 1 bits", of);
        break;
    case VMTI_LEN_PAGEVEC:
        fprintf(to, "one byte a page of %s", of);
        break;
    case VMTI_LEN_SIGSIZE:
        fprintf(to, "%d bytes", VMTI_SIZEOF_sigset);
        break;
    case VMTI_LEN_PTR:
        fprintf(to, "*%s bytes", of);
        break;
    }
    if (a->most)
        fprintf(to, " (at most %u)", a->most);
}

static void print_done(FILE *to, const struct vmti_row *row, const struct vmti_arg *a)
{
    switch ((enum vmti_done)a->done) {
    case VMTI_DONE_SOME:
        fputs(" if the result is above 0", to);
        break;
    case VMTI_DONE_RET:
        if (a->done_unit == 1)
            fputs(", as many as the result", to);
        else
            fprintf(to, ", result x %u of them", a->done_unit);
        break;
    case VMTI_DONE_PTR:
        fprintf(to, ", *%s of them", row->arg[a->done_arg].name);
        break;
    case VMTI_DONE_HEAD:
        fputs(", as many as its first word says", to);
        break;
    case VMTI_DONE_INTR:
        fputs(" if interrupted", to);
        break;
    case VMTI_DONE_ALWAYS:
        fputs(", also if the call fails", to);
        break;
    default:
        break;
    }
}

static void print_arg(FILE *to, const struct vmti_row *row, const struct vmti_arg *a)
{
    const char *other = row->arg[a->arg].name;
    fprintf(to, "      %-14s ", a->name);
    switch ((enum vmti_arg_kind)a->kind) {
    case VMTI_ARG_VALUE:
        break;
    case VMTI_ARG_IN:
        fputs("read: ", to);
        print_length(to, row, a);
        print_done(to, row, a);
        break;
    case VMTI_ARG_OUT:
        fputs("written: ", to);
        print_length(to, row, a);
        print_done(to, row, a);
        break;
    case VMTI_ARG_INOUT:
        fputs("read: ", to);
        print_length(to, row, a);
        fputs("; written: the same", to);
        print_done(to, row, a);
        break;
    case VMTI_ARG_STR:
        fprintf(to, "read: string of at most %u bytes", a->most);
        break;
    case VMTI_ARG_STRV:
        fputs("read: array of strings", to);
        break;
    case VMTI_ARG_IOV_IN:
        fprintf(to, "read: %s buffers, as many bytes as the result", other);
        break;
    case VMTI_ARG_IOV_OUT:
        fprintf(to, "read: %s buffers; they are written, as many bytes as the result", other);
        break;
    case VMTI_ARG_MSG_IN:
        fputs("read: message header, name, control; its buffers, as many bytes as the result", to);
        break;
    case VMTI_ARG_MSG_OUT:
        fputs("read and written: message header; written: name, control; its buffers, as many bytes as the result", to);
        break;
    case VMTI_ARG_MMSG_IN:
        fprintf(to, "read: %s messages, as many as the result", other);
        break;
    case VMTI_ARG_MMSG_OUT:
        fprintf(to, "read and written: %s messages, as many as the result", other);
        break;
    case VMTI_ARG_SIGSET:
        fprintf(to, "read: signal mask, if %s is %d", other, VMTI_SIZEOF_sigset);
        break;
    case VMTI_ARG_LENOF:
        fprintf(to, "read and written: 4 bytes, if %s is not NULL", other);
        break;
    case VMTI_ARG_BY:
        fprintf(to, "by rule %s", a->rule);
        break;
    case VMTI_ARG_WITH:
        fprintf(to, "with %s", other);
        break;
    }
    fputc('\n', to);
}

void vmti_syscalls_print(FILE *to)
{
    for (int64_t nr = 0; nr < vmti_row_end(); nr++) {
        const struct vmti_row *row = vmti_row(nr);
        if (!row)
            continue;
        fprintf(to, "%3d  %s(", (int)nr, row->name);
        for (unsigned i = 0; i < row->args; i++)
            fprintf(to, "%s%s", i ? ", " : "", row->arg[i].name);
        fputc(')', to);
        if (effects[row->effect])
            fprintf(to, "  [effect: %s]", effects[row->effect]);
        fputc('\n', to);
        for (unsigned i = 0; i < row->args; i++)
            if (row->arg[i].kind != VMTI_ARG_VALUE)
                print_arg(to, row, &row->arg[i]);
    }
}
