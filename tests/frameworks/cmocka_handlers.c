/* SPDX-License-Identifier: MIT */
/*
 * Signal handlers under cmocka's runner, which handles SIGSEGV, SIGILL, SIGFPE, SIGBUS and SIGSYS itself, by signal(),
 * around each test and fixture. What it does to the program's own, and what vmt_cmocka_run_group_tests() does about it.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cmocka.h>

#include <vmt/cmocka.h>

enum { PAGE = 4096 };

static char *closed; /* a page that the program itself has closed */
static void *volatile seen;
static volatile sig_atomic_t on_other_stack;
static char other_stack[64 * 1024];

/* Opens the page, so that the access runs again. */
static void open_page(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    char local;
    seen = info->si_addr;
    on_other_stack = &local >= other_stack && &local < other_stack + sizeof other_stack;
    mprotect(closed, PAGE, PROT_READ | PROT_WRITE);
}

static void install(void)
{
    stack_t stack = {.ss_sp = other_stack, .ss_size = sizeof other_stack};
    struct sigaction action = {.sa_sigaction = open_page, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaltstack(&stack, NULL);
    sigaction(SIGSEGV, &action, NULL);
}

static struct sigaction installed(void)
{
    struct sigaction action;
    sigaction(SIGSEGV, NULL, &action);
    return action;
}

static void close_page(void)
{
    seen = NULL;
    on_other_stack = 0;
    mprotect(closed, PAGE, PROT_NONE);
}

/* True if an access to the closed page comes to open_page() with its address, on the other stack. */
static int is_handled(void)
{
    close_page();
    *(volatile char *)closed = 1;
    return seen == closed && on_other_stack;
}

static int install_in_fixture(void **state)
{
    (void)state;
    install();
    return 0;
}

/* Neither the program's handler from before the runner nor a setup's is there in the test. */
static void is_replaced(void **state)
{
    (void)state;
    struct sigaction action = installed();
    assert_false(action.sa_flags & (SA_SIGINFO | SA_ONSTACK));
    assert_false(action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN);
    assert_true((void *)action.sa_handler != (void *)open_page);
}

/* The way round: install it in the test. It is called in a region, too, with the fault's address and on its stack. */
static void works_if_the_test_installs_it(void **state)
{
    (void)state;
    vmt_report *report;
    char *heap = aligned_alloc(PAGE, 3 * PAGE);
    install();
    assert_true(is_handled());
    vmt_begin_or_skip(NULL);
    int handled = is_handled();
    for (int i = 0; i < 3; i++)
        *(volatile char *)(heap + i * PAGE) = 1;
    vmt_end_or_fail(&report);
    assert_true(handled);
    vmt_assert_pages_exactly(report, 3);
    vmt_report_free(report);
    assert_true((void *)installed().sa_sigaction == (void *)open_page);
    assert_true(is_handled());
    free(heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_replaced),
        cmocka_unit_test_setup(is_replaced, install_in_fixture),
        cmocka_unit_test_setup_teardown(works_if_the_test_installs_it, vmt_cmocka_setup, vmt_cmocka_teardown),
    };
    closed = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    install();
    if (closed == MAP_FAILED || !is_handled())
        return 2;

    /* After cmocka's own runner the handler is there, but its flags are not: it would be called without a siginfo. */
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if ((void *)installed().sa_sigaction != (void *)open_page || installed().sa_flags & (SA_SIGINFO | SA_ONSTACK)) {
        print_error("cmocka has kept the handler's flags: vmt/cmocka.h need not do it any more\n");
        failed++;
    }
    /* After ours it is as it was. */
    install();
    failed += vmt_cmocka_run_group_tests(tests, NULL, NULL);
    if (!is_handled()) {
        print_error("the handler is not what it was before vmt_cmocka_run_group_tests\n");
        failed++;
    }
    return failed;
}
