/* SPDX-License-Identifier: MIT */
/* What is said of a region that could not begin or was lost: the error that the caller gets, and the sentence. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "config.h"
#include "error.h"

static const struct {
    enum vmti_step step;
    int error, returned;
    const char *says[3]; /* the value, what is allowed, what to do */
} failures[] = {
    {VMTI_STEP_CLONE, -EAGAIN, -EAGAIN, {"cannot start the catcher: Resource temporarily unavailable", "ulimit -u"}},
    {VMTI_STEP_SEIZE, -EIO, -ENOSYS, {"this kernel lacks a ptrace request", "Linux 5.3 or newer is required"}},
    {VMTI_STEP_SEIZE, -EINVAL, -ENOSYS, {"this kernel lacks a ptrace request", "Linux 5.3 or newer is required"}},
    {VMTI_STEP_SEIZE, -ESRCH, -ESRCH, {"attaching failed (No such process)"}},
    {VMTI_STEP_TRACE_OPEN,
     -EEXIST,
     -EEXIST,
     {"/a/trace.vmt exists and is not a trace", "name another file or remove it"}},
    {VMTI_STEP_TRACE_OPEN, -ELOOP, -ELOOP, {"/a/trace.vmt is a symbolic link", "name the file that it leads to"}},
    {VMTI_STEP_TRACE_OPEN, -EWOULDBLOCK, -EBUSY, {"another region is writing /a/trace.vmt", "name another file"}},
    {VMTI_STEP_TRACE_OPEN, -ENOSPC, -ENOSPC, {"cannot write the trace /a/trace.vmt: No space left on device"}},
    {VMTI_STEP_MEMORY, -ENOMEM, -ENOMEM, {"not valid: no memory was left for its records (Cannot allocate memory)"}},
    {VMTI_STEP_MAPPINGS,
     -ENOMEM,
     -ENOMEM,
     {"refused to split a mapping", "lower the window (now 20000 pages)", "or raise vm.max_map_count"}},
    {VMTI_STEP_WINDOW,
     -EINVAL,
     -EINVAL,
     {"window is 20000: this process has 30000 mappings", "a window of at most 17256 pages", "raise vm.max_map_count"}},
    {VMTI_STEP_THREADS,
     -EINVAL,
     -EINVAL,
     {"window is 20000: with the 30 threads", "and 16 pages that leave it at once"}},
    {VMTI_STEP_TASKS, -EBUSY, -EBUSY, {"runs on its alternate signal stack", "when no signal handler runs"}},
    {VMTI_STEP_TASKS, -ENOENT, -ENOENT, {"could not be listed (No such file or directory)", "is /proc mounted?"}},
    {VMTI_STEP_DISPATCH,
     -EINVAL,
     -ENOSYS,
     {"needs Syscall User Dispatch", "Linux 5.11 or newer", "use the engine ptrace"}},
    {VMTI_STEP_ALTSTACK,
     -EPERM,
     -EPERM,
     {"this thread runs on its alternate signal stack", "outside of signal handlers"}},
    {VMTI_STEP_KILLED, -ESRCH, -EOWNERDEAD, {"the catcher (process 4712) died before the region's end"}},
    {VMTI_STEP_SECCOMP, -EPERM, -EPERM, {"seccomp's strict mode", "use the engine ptrace"}},
    {VMTI_STEP_TRACEME, -EBUSY, -EBUSY, {"asked for another tracer (PTRACE_TRACEME)"}},
};

static struct vmti_region failed(enum vmti_step step, int error)
{
    struct vmti_region r = {.window = 20000, .evict = 16, .mappings = 30000, .mappings_limit = 64512, .catcher = 4712};
    r.counts.threads_now = 30;
    r.trace_path = "/a/trace.vmt";
    r.error = error;
    r.error_step = step;
    return r;
}

static void test_each_failure_has_its_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        struct vmti_region r = failed(failures[i].step, failures[i].error);
        assert_int_equal(vmti_fail_region(&r), failures[i].returned);
        for (size_t k = 0; k < 3 && failures[i].says[k]; k++)
            if (!strstr(vmt_error_text(), failures[i].says[k]))
                fail_msg("\"%s\" does not say \"%s\"", vmt_error_text(), failures[i].says[k]);
    }
}

static void test_a_long_path_leaves_room_for_the_reason(void **state)
{
    static const int errors[] = {-EEXIST, -ELOOP, -EWOULDBLOCK, -ENAMETOOLONG};
    static const char *const says[] = {"name another file or remove it", "name the file that it leads to",
                                       "name another file", "File name too long"};
    char path[4096];
    (void)state;
    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = '\0';
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        struct vmti_region r = failed(VMTI_STEP_TRACE_OPEN, errors[i]);
        r.trace_path = path;
        vmti_fail_region(&r);
        if (!strstr(vmt_error_text(), says[i]))
            fail_msg("\"%s\" does not say \"%s\"", vmt_error_text(), says[i]);
    }
}

/* Of several reasons the one that holds here is told; each says what to do. */
static void test_why_ptrace_is_denied(void **state)
{
    static const int errors[] = {-EPERM, -EACCES, -ENOSYS};
    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        struct vmti_region r = failed(VMTI_STEP_SEIZE, errors[i]);
        assert_int_equal(vmti_fail_region(&r), errors[i]);
        const char *text = vmt_error_text();
        assert_non_null(strstr(text, "cannot trace: "));
        assert_true(strstr(text, "run it without that tool") || strstr(text, "set it to 1 or 0") ||
                    (strstr(text, strerror(-errors[i])) && strstr(text, "--cap-add=SYS_PTRACE")));
    }
}

static void test_no_failure_is_left_without_a_sentence(void **state)
{
    (void)state;
    for (int step = VMTI_STEP_NONE; step <= VMTI_STEP_TRACEME; step++) {
        struct vmti_region r = failed((enum vmti_step)step, -ENOMEM);
        assert_true(vmti_fail_region(&r) < 0);
        assert_int_equal(strstr(vmt_error_text(), "the region failed: ") != NULL, step == VMTI_STEP_NONE);
    }
}

/* The threads of the sentence's own limit are enough, and one page less is not. */
static void test_windows_that_are_told_are_allowed(void **state)
{
    (void)state;
    struct vmti_region r = failed(VMTI_STEP_THREADS, -EINVAL);
    char floor[64];
    vmti_fail_region(&r);
    snprintf(floor, sizeof floor, "it must be at least %llu pages", (unsigned long long)vmti_window_floor(30, 16));
    assert_non_null(strstr(vmt_error_text(), floor));
    r = failed(VMTI_STEP_WINDOW, -EINVAL);
    r.this_thread_alone = true; /* whose other threads' pages take as many mappings again */
    vmti_fail_region(&r);
    snprintf(floor, sizeof floor, "at most %llu pages", (unsigned long long)vmti_window_limit(64512, 30000, true));
    assert_non_null(strstr(vmt_error_text(), floor));
    assert_true(vmti_window_limit(64512, 30000, true) < vmti_window_limit(64512, 30000, false));
}

static void test_calls_that_are_not_known(void **state)
{
    char text[256];
    (void)state;
    vmti_unknown_text(text, sizeof text, 1, 5000, 0);
    assert_non_null(strstr(text, "1 system call is not in the table, the first number 5000: memory"));
    vmti_unknown_text(text, sizeof text, 3, SYS_ioctl, 0x1234);
    assert_non_null(strstr(text, "3 system calls are not in the table, the first ioctl with command 0x1234: memory"));
    vmti_left_open_text(text, sizeof text, 1);
    assert_string_equal(
        text, "1 page was left open from a call of io_uring_enter on, because the kernel reaches it after the call");
    vmti_left_open_text(text, sizeof text, 2);
    assert_string_equal(
        text,
        "2 pages were left open from a call of io_uring_enter on, because the kernel reaches them after the call");
    vmti_refused_text(text, sizeof text, 2);
    assert_non_null(strstr(text, "2 calls of io_uring_setup with IORING_SETUP_SQPOLL got EPERM"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_failure_has_its_sentence),
        cmocka_unit_test(test_a_long_path_leaves_room_for_the_reason),
        cmocka_unit_test(test_why_ptrace_is_denied),
        cmocka_unit_test(test_no_failure_is_left_without_a_sentence),
        cmocka_unit_test(test_windows_that_are_told_are_allowed),
        cmocka_unit_test(test_calls_that_are_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
