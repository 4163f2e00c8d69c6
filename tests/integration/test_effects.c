/* SPDX-License-Identifier: MIT */
/*
 * Pages that a call is unmapping, and that another thread may have mapped anew before that call has returned to the
 * catcher: nobody opens or closes what is there now.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "arena.h"
#include "effects.h"
#include "pagedir.h"
#include "window.h"

enum { PAGE = VMTI_PAGE_SIZE, PAGES = 8 };

static struct vmti_region region;
static unsigned char *memory;

static int set_up(void **state)
{
    (void)state;
    memset(&region, 0, sizeof region);
    region.state = VMTI_TRACING;
    region.window = VMT_WINDOW_FLOOR;
    region.evict = 1;
    memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED || !vmti_window_make_room(&region, region.window);
}

static uint64_t page_of(unsigned i)
{
    return (uintptr_t)memory / PAGE + i;
}

static int tear_down(void **state)
{
    (void)state;
    vmti_dir_set(page_of(0), page_of(PAGES - 1), UINT32_MAX, 0);
    vmti_arena_free(&region.arena);
    return munmap(memory, PAGES * PAGE);
}

/* What the directory says of page i: tracked, with what the program asked for; and how it is mapped. */
static void lay(unsigned i, uint32_t more, int asked, int mapped)
{
    uint32_t word = VMTI_DIR_TRACKED | VMTI_DIR_KNOWN | more | (uint32_t)asked << VMTI_DIR_PROT_SHIFT;
    assert_true(vmti_dir_set(page_of(i), page_of(i), UINT32_MAX, word));
    assert_int_equal(mprotect(memory + i * PAGE, PAGE, mapped), 0);
}

/* By the kernel, which refuses what is closed. */
static int access_of(unsigned i)
{
    int fds[2], access = 0;
    assert_int_equal(pipe(fds), 0);
    if (write(fds[1], memory + i * PAGE, 1) == 1) {
        access |= PROT_READ;
        if (read(fds[0], memory + i * PAGE, 1) == 1)
            access |= PROT_WRITE;
    }
    close(fds[0]);
    close(fds[1]);
    return access;
}

enum { OPEN = PROT_READ | PROT_WRITE };

/* The kernel's own place in a page (a thread's block, a signal stack) lies beside memory that is new where reserved
 * address space was given back: by the catcher's directory, by another thread's stack with its guard. */
static void test_exempt_leaves_what_is_leaving_as_it_is(void **state)
{
    (void)state;
    lay(0, VMTI_DIR_LEAVING, PROT_NONE, OPEN);
    lay(1, 0, OPEN, PROT_NONE);
    lay(2, 0, PROT_READ, PROT_NONE);
    lay(3, VMTI_DIR_LEAVING, OPEN, PROT_NONE);
    lay(4, VMTI_DIR_LEAVING, OPEN, PROT_READ);
    lay(5, 0, OPEN, PROT_NONE);
    vmti_exempt(&region, (uintptr_t)memory, (uintptr_t)memory + 6 * PAGE - 1);
    static const int expected[] = {OPEN, OPEN, PROT_READ, PROT_NONE, PROT_READ, OPEN};
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(access_of(i), expected[i]);
        assert_int_equal(vmti_is_tracked(page_of(i)), i == 0 || i == 3 || i == 4);
    }
}

static void test_to_open_all_closes_nothing(void **state)
{
    (void)state;
    lay(0, VMTI_DIR_LEAVING, PROT_NONE, OPEN);
    lay(1, 0, PROT_NONE, PROT_NONE);
    lay(2, 0, OPEN, PROT_NONE);
    lay(3, VMTI_DIR_LEAVING, PROT_NONE, PROT_READ);
    vmti_open_all(&region);
    static const int expected[] = {OPEN, PROT_NONE, OPEN, PROT_READ};
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(access_of(i), expected[i]);
}

static void test_to_settle_closes_nothing_that_is_leaving(void **state)
{
    (void)state;
    lay(0, VMTI_DIR_LEAVING, PROT_NONE, OPEN);
    lay(1, VMTI_DIR_LEAVING, OPEN, OPEN);
    lay(2, 0, OPEN, OPEN);
    vmti_settle(&region, (uintptr_t)memory, (uintptr_t)memory + 3 * PAGE);
    static const int expected[] = {OPEN, OPEN, PROT_NONE};
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(access_of(i), expected[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_exempt_leaves_what_is_leaving_as_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_to_open_all_closes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_to_settle_closes_nothing_that_is_leaving, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
