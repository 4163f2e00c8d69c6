/* SPDX-License-Identifier: MIT */
/* The table of system calls: it is the kernel's list, and what its rows say fits together. */
#define _GNU_SOURCE
#include <ctype.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>
#include <utime.h>

#include <cmocka.h>

#include <linux/aio_abi.h>

#include "syscalls.h"
#include "syscalls_print.h"

/* Both processors' numbers are looked at, and then the rows that this one has. */
enum { NO_SUCH_CALL = -1 };

#define CALL(x86, aarch64, name, ...) {x86, aarch64, VMTI_NR(x86, aarch64), #name},
#define CALL_X86(x86, name, ...) {x86, NO_SUCH_CALL, VMTI_NR(x86, NO_SUCH_CALL), #name},
static const struct listed {
    int x86, aarch64;
    int nr; /* here */
    const char *name;
} list[] = {
#include "syscalls.def"
};
#undef CALL

enum { LISTED = sizeof(list) / sizeof(list[0]) };

/* Says where a row is wrong, since cmocka's messages have no room for it. */
#define ROW_IS_RIGHT(condition, row)                                                                                   \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            fail_msg("%s: not so: %s", (row)->name, #condition);                                                       \
    } while (0)

static FILE *open_headers(const char *const *paths)
{
    FILE *f = NULL;
    while (!f && *paths)
        f = fopen(*paths++, "re");
    if (!f) {
        print_message("skipped: %s is not installed\n", paths[-1]);
        skip();
    }
    return f;
}

static void every_call_of_the_headers_has_its_row(void **state)
{
    (void)state;
    FILE *headers = open_headers((const char *const[]){"/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
                                                       "/usr/x86_64-linux-gnu/include/asm/unistd_64.h",
                                                       "/usr/include/asm/unistd_64.h", NULL});
    char line[256], name[128];
    int nr, found = 0;
    while (fgets(line, sizeof line, headers)) {
        if (sscanf(line, "#define __NR_%127s %d", name, &nr) != 2)
            continue;
        int i = 0;
        while (i < LISTED && list[i].x86 != nr)
            i++;
        if (i == LISTED)
            fail_msg("%d (%s) has no row", nr, name);
        assert_string_equal(list[i].name, name);
        found++;
    }
    fclose(headers);
    assert_true(found > 300);
}

/* The generic numbers are aarch64's. __NR3264_ are those of calls that 32-bit processors have another form of. */
static void every_generic_call_of_the_headers_has_its_row(void **state)
{
    (void)state;
    FILE *headers = open_headers((const char *const[]){"/usr/aarch64-linux-gnu/include/asm-generic/unistd.h",
                                                       "/usr/include/asm-generic/unistd.h", NULL});
    /* No call, the place of those that one processor has alone, and another name for a number. */
    static const char *const others[] = {"syscalls", "arch_specific_syscall", "sync_file_range2"};
    char line[256], name[128];
    bool seen[LISTED] = {false};
    int nr, found = 0, highest = 0;
    while (fgets(line, sizeof line, headers)) {
        if (sscanf(line, "#define __NR3264_%127s %d", name, &nr) != 2 &&
            sscanf(line, "#define __NR_%127s %d", name, &nr) != 2)
            continue;
        bool is_other = strstr(name, "time64"); /* of 32-bit processors */
        for (unsigned k = 0; k < sizeof others / sizeof others[0]; k++)
            is_other |= strcmp(name, others[k]) == 0;
        if (is_other)
            continue;
        int i = 0;
        while (i < LISTED && list[i].aarch64 != nr)
            i++;
        if (i == LISTED)
            fail_msg("%d (%s) has no row", nr, name);
        assert_string_equal(list[i].name, strcmp(name, "fstatat") == 0 ? "newfstatat" : name);
        seen[i] = true;
        highest = nr > highest ? nr : highest;
        found++;
    }
    fclose(headers);
    assert_true(found > 290);
    for (int i = 0; i < LISTED; i++)
        if (!seen[i] && list[i].aarch64 >= 0 && list[i].aarch64 <= highest)
            fail_msg("%d (%s) is not a call there", list[i].aarch64, list[i].name);
}

static void numbers_ascend_so_no_two_rows_share_one(void **state)
{
    (void)state;
    int here = 0;
    for (int i = 1; i < LISTED; i++)
        if (list[i].x86 <= list[i - 1].x86)
            fail_msg("%s comes after %s", list[i].name, list[i - 1].name);
    for (int i = 0; i < LISTED; i++)
        for (int k = 0; k < i; k++)
            if (list[i].aarch64 >= 0 && list[i].aarch64 == list[k].aarch64)
                fail_msg("%s has the number of %s", list[i].name, list[k].name);
    int rows = 0;
    for (int64_t nr = 0; nr < vmti_row_end(); nr++)
        rows += vmti_row(nr) != NULL;
    for (int i = 0; i < LISTED; i++) {
        if (list[i].nr == NO_SUCH_CALL)
            continue;
        here++;
        assert_string_equal(vmti_row(list[i].nr)->name, list[i].name);
    }
    assert_int_equal(rows, here);
}

static void numbers_without_a_call_have_no_row(void **state)
{
    (void)state;
    assert_null(vmti_row(-1));
    assert_null(vmti_row(INT64_MIN));
    assert_null(vmti_row(VMTI_NR(337, 295)));
    assert_null(vmti_row(423));
    assert_null(vmti_row(vmti_row_end()));
    assert_null(vmti_row(INT64_MAX));
    assert_non_null(vmti_row(vmti_row_end() - 1));
}

static void arguments_are_named_without_gaps(void **state)
{
    (void)state;
    for (int i = 0; i < LISTED; i++) {
        const struct vmti_row *row = vmti_row(list[i].nr);
        if (!row)
            continue;
        ROW_IS_RIGHT(row->args <= 6, row);
        ROW_IS_RIGHT(row->effect < VMTI_EFFECT_COUNT, row);
        unsigned pointers = 0;
        for (unsigned k = 0; k < 6; k++) {
            ROW_IS_RIGHT((row->arg[k].name != NULL) == (k < row->args), row);
            if (row->arg[k].name) {
                ROW_IS_RIGHT(islower((unsigned char)row->arg[k].name[0]), row);
                pointers |= row->arg[k].kind != VMTI_ARG_VALUE ? 1u << k : 0;
            }
        }
        ROW_IS_RIGHT(row->pointers == pointers, row);
    }
}

/* Does the argument hold a number that a length or a count may be taken from? */
static bool is_number(const struct vmti_row *row, unsigned i)
{
    return i < row->args && row->arg[i].kind == VMTI_ARG_VALUE;
}

/* Does the argument point to a length that is read, and written back? */
static bool is_length(const struct vmti_row *row, unsigned i)
{
    return i < row->args && (row->arg[i].kind == VMTI_ARG_LENOF ||
                             (row->arg[i].kind == VMTI_ARG_INOUT && row->arg[i].unit == VMTI_SIZEOF_int));
}

static void check_length(const struct vmti_row *row, const struct vmti_arg *a)
{
    if (a->len == VMTI_LEN_FIXED)
        ROW_IS_RIGHT(a->unit > 0, row);
    else if (a->len == VMTI_LEN_PTR)
        ROW_IS_RIGHT(is_length(row, a->arg), row);
    else
        ROW_IS_RIGHT(is_number(row, a->arg), row);
    if (a->len == VMTI_LEN_ARG || a->len == VMTI_LEN_UINT || a->len == VMTI_LEN_INT)
        ROW_IS_RIGHT(a->unit > 0, row);
}

static void check_done(const struct vmti_row *row, const struct vmti_arg *a)
{
    if (a->done == VMTI_DONE_PTR)
        ROW_IS_RIGHT(is_length(row, a->done_arg), row);
    if (a->done == VMTI_DONE_RET)
        ROW_IS_RIGHT(a->done_unit > 0, row);
    ROW_IS_RIGHT(a->done != VMTI_DONE_REACHED && a->done != VMTI_DONE_PTR_ALWAYS, row);
    ROW_IS_RIGHT(a->done != VMTI_DONE_RECORDED || a->kind == VMTI_ARG_IN, row);
}

static void rules_name_arguments_that_there_are(void **state)
{
    (void)state;
    for (int i = 0; i < LISTED; i++) {
        const struct vmti_row *row = vmti_row(list[i].nr);
        if (!row)
            continue;
        for (unsigned k = 0; k < row->args; k++) {
            const struct vmti_arg *a = &row->arg[k];
            switch ((enum vmti_arg_kind)a->kind) {
            case VMTI_ARG_IN:
            case VMTI_ARG_OUT:
            case VMTI_ARG_INOUT:
                check_length(row, a);
                check_done(row, a);
                break;
            case VMTI_ARG_STR:
                ROW_IS_RIGHT(a->most > 0, row);
                break;
            case VMTI_ARG_IOV_IN:
            case VMTI_ARG_IOV_OUT:
            case VMTI_ARG_MMSG_IN:
            case VMTI_ARG_MMSG_OUT:
            case VMTI_ARG_SIGSET:
                ROW_IS_RIGHT(is_number(row, a->arg), row);
                break;
            case VMTI_ARG_LENOF: /* of a buffer that says the same of it */
                ROW_IS_RIGHT(a->arg < row->args && row->arg[a->arg].len == VMTI_LEN_PTR, row);
                ROW_IS_RIGHT(row->arg[a->arg].arg == k, row);
                break;
            case VMTI_ARG_WITH:
                ROW_IS_RIGHT(a->arg < k && row->arg[a->arg].kind == VMTI_ARG_BY, row);
                break;
            case VMTI_ARG_VALUE:
            case VMTI_ARG_STRV:
            case VMTI_ARG_MSG_IN:
            case VMTI_ARG_MSG_OUT:
            case VMTI_ARG_BY:
                break;
            }
        }
    }
}

/* That each rule has a function is the linker's to say: walk.c names them all. */
static void every_rule_resolves_and_is_used(void **state)
{
    (void)state;
#define NAME(rule) #rule,
    static const char *const names[] = {VMTI_RULES(NAME)};
    bool used[VMTI_RULE_COUNT] = {false};
    if (!VMTI_HAS_X86_CALLS)
        used[VMTI_RULE_arch_prctl] = used[VMTI_RULE_modify_ldt] = used[VMTI_RULE_sysfs] = true;
    for (int i = 0; i < LISTED; i++) {
        const struct vmti_row *row = vmti_row(list[i].nr);
        if (!row)
            continue;
        for (unsigned k = 0; k < row->args; k++) {
            const struct vmti_arg *a = &row->arg[k];
            ROW_IS_RIGHT((a->kind == VMTI_ARG_BY) == (a->rule != NULL), row);
            if (a->kind != VMTI_ARG_BY)
                continue;
            ROW_IS_RIGHT(a->by < VMTI_RULE_COUNT, row);
            assert_string_equal(a->rule, names[a->by]);
            used[a->by] = true;
        }
    }
    for (int rule = 0; rule < VMTI_RULE_COUNT; rule++)
        if (!used[rule])
            fail_msg("no row uses rule %s", names[rule]);
}

static void sizes_are_those_of_the_headers(void **state)
{
    (void)state;
    assert_int_equal(VMTI_SIZEOF_timespec, sizeof(struct timespec));
    assert_int_equal(VMTI_SIZEOF_timeval, sizeof(struct timeval));
    assert_int_equal(VMTI_SIZEOF_utimbuf, sizeof(struct utimbuf));
    assert_int_equal(VMTI_SIZEOF_timezone, sizeof(struct timezone));
    assert_int_equal(VMTI_SIZEOF_itimerval, sizeof(struct itimerval));
    assert_int_equal(VMTI_SIZEOF_itimerspec, sizeof(struct itimerspec));
    assert_int_equal(VMTI_SIZEOF_timex, sizeof(struct timex));
    assert_int_equal(VMTI_SIZEOF_tms, sizeof(struct tms));
    assert_int_equal(VMTI_SIZEOF_stack_t, sizeof(stack_t));
    assert_int_equal(VMTI_SIZEOF_siginfo, sizeof(siginfo_t));
    assert_int_equal(VMTI_SIZEOF_siginfo_wait, offsetof(siginfo_t, si_status) + sizeof(int));
    assert_int_equal(VMTI_SIZEOF_sigevent, sizeof(struct sigevent));
    assert_int_equal(VMTI_SIZEOF_stat, sizeof(struct stat));
    assert_int_equal(VMTI_SIZEOF_statx, sizeof(struct statx));
    assert_int_equal(VMTI_SIZEOF_statfs, sizeof(struct statfs));
    assert_int_equal(VMTI_SIZEOF_rlimit, sizeof(struct rlimit));
    assert_int_equal(VMTI_SIZEOF_rusage, sizeof(struct rusage));
    assert_int_equal(VMTI_SIZEOF_sysinfo, sizeof(struct sysinfo));
    assert_int_equal(VMTI_SIZEOF_utsname, sizeof(struct utsname));
    assert_int_equal(VMTI_SIZEOF_mq_attr, sizeof(struct mq_attr));
    assert_int_equal(VMTI_SIZEOF_pollfd, sizeof(struct pollfd));
    assert_int_equal(VMTI_SIZEOF_epoll_event, sizeof(struct epoll_event));
    assert_int_equal(VMTI_SIZEOF_sembuf, sizeof(struct sembuf));
    assert_int_equal(VMTI_SIZEOF_io_event, sizeof(struct io_event));
    assert_int_equal(VMTI_SIZEOF_iocb, sizeof(struct iocb));
    assert_int_equal(VMTI_SIZEOF_iovec, sizeof(struct iovec));
    assert_int_equal(VMTI_SIZEOF_msghdr, sizeof(struct msghdr));
    assert_int_equal(VMTI_SIZEOF_mmsghdr, sizeof(struct mmsghdr));
    assert_int_equal(VMTI_SOCKADDR_MAX, sizeof(struct sockaddr_storage));
}

static void the_printed_table_has_every_call_and_argument(void **state)
{
    (void)state;
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    assert_non_null(to);
    vmti_syscalls_print(to);
    fclose(to);
    for (int i = 0; i < LISTED; i++) {
        const struct vmti_row *row = vmti_row(list[i].nr);
        if (!row)
            continue;
        char line[64];
        snprintf(line, sizeof line, "%3d  %s(", list[i].nr, row->name);
        const char *at = strstr(text, line);
        ROW_IS_RIGHT(at != NULL, row);
        for (unsigned k = 0; k < row->args; k++) {
            snprintf(line, sizeof line, "\n      %-14s ", row->arg[k].name);
            const char *argument = strstr(at, line);
            const char *next = strstr(at + 1, "\n   ");
            ROW_IS_RIGHT(next != NULL, row);
            ROW_IS_RIGHT(row->arg[k].kind == VMTI_ARG_VALUE || (argument && isgraph(argument[strlen(line)])), row);
        }
    }
    assert_non_null(
        strstr(text, VMTI_NR("  0", " 63") "  read(fd, buf, count)\n"
                     "      buf            written: count bytes, as many as the result\n"));
    assert_non_null(strstr(text, " [effect: mmap]\n"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_of_the_headers_has_its_row),
        cmocka_unit_test(every_generic_call_of_the_headers_has_its_row),
        cmocka_unit_test(numbers_ascend_so_no_two_rows_share_one),
        cmocka_unit_test(numbers_without_a_call_have_no_row),
        cmocka_unit_test(arguments_are_named_without_gaps),
        cmocka_unit_test(rules_name_arguments_that_there_are),
        cmocka_unit_test(every_rule_resolves_and_is_used),
        cmocka_unit_test(sizes_are_those_of_the_headers),
        cmocka_unit_test(the_printed_table_has_every_call_and_argument),
    };
    return cmocka_run_group_tests_name("syscalls", tests, NULL, NULL);
}
