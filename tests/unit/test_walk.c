/* SPDX-License-Identifier: MIT */
/*
 * The walker against a window that only notes what it is asked for. All of the arena below is tracked and closed
 * (PROT_NONE), so what the walker reads without having it opened before cannot be read.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/aio_abi.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>

#include "effects.h"
#include "thread.h"
#include "walk.h"
#include "window.h"

enum { PAGE = 4096, ARENA_PAGES = 256, WALKED_MAX = 4096, RESTART_BLOCK = -516 };
static const uint64_t BAD = 16; /* a page that nobody has */

/* ------------------------------------------------------------------------------------------- the fake window */

struct walked {
    struct vmti_span span;
    bool touched; /* at the entry */
};

static unsigned char *arena;
static struct walked walked[WALKED_MAX];
static unsigned walks, lookups;
static struct vmti_region region;
static struct vmti_thread thread;

static uintptr_t arena_start(void)
{
    return (uintptr_t)arena;
}

static uintptr_t arena_end(void)
{
    return (uintptr_t)arena + (size_t)ARENA_PAGES * PAGE;
}

static void open_pages(uintptr_t start, uintptr_t end)
{
    start = start > arena_start() ? start & ~(uintptr_t)(PAGE - 1) : arena_start();
    end = end < arena_end() ? (end + PAGE - 1) & ~(uintptr_t)(PAGE - 1) : arena_end();
    if (start < end)
        mprotect((void *)start, end - start, PROT_READ | PROT_WRITE); /* not what a test has unmapped */
}

bool vmti_any_tracked(uintptr_t start, uintptr_t end)
{
    lookups++;
    return start < end && start < arena_end() && end > arena_start();
}

bool vmti_is_tracked(uint64_t page)
{
    return vmti_any_tracked(page * PAGE, page * PAGE + 1);
}

void vmti_exempt(struct vmti_region *r, uintptr_t start, uintptr_t end)
{
    assert_ptr_equal(r, &region);
    open_pages(start, end);
}

void vmti_lose(struct vmti_region *r, int error, unsigned step)
{
    (void)r;
    fail_msg("lost: %d, %u", error, step);
}

void vmti_touch(struct vmti_region *r, struct vmti_thread *t, uintptr_t start, uintptr_t end, unsigned flags)
{
    assert_ptr_equal(r, &region);
    assert_ptr_equal(t, &thread);
    assert_int_equal(flags, VMTI_TOUCH_SYSCALL);
    assert_true(walks < WALKED_MAX);
    walked[walks] = (struct walked){{.start = start, .end = end, .done = 255}, true};
    open_pages(start, end);
}

struct vmti_span *vmti_pin(struct vmti_region *r, struct vmti_thread *t, uintptr_t start, uintptr_t end, bool writes)
{
    assert_ptr_equal(r, &region);
    assert_ptr_equal(t, &thread);
    assert_true(walks < WALKED_MAX);
    if (!vmti_any_tracked(start, end))
        return NULL;
    struct walked *w = &walked[walks++];
    bool touched = w->touched && w->span.start == start && w->span.end == end;
    memset(w, 0, sizeof *w);
    w->touched = touched;
    w->span.start = start;
    w->span.end = end;
    w->span.writes = writes;
    open_pages(start, end);
    return &w->span;
}

/* ------------------------------------------------------------------------------------------- fixture */

static int open_arena(void **state)
{
    (void)state;
    arena = mmap(NULL, (size_t)ARENA_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (arena == MAP_FAILED)
        return -1;
    memset(&region, 0, sizeof region);
    memset(&thread, 0, sizeof thread);
    region.window = 64;
    region.evict = 1;
    region.pid = getpid();
    thread.tid = getpid();
    walks = lookups = 0;
    memset(walked, 0, sizeof walked);
    return 0;
}

static int unmap_arena(void **state)
{
    (void)state;
    return munmap(arena, (size_t)ARENA_PAGES * PAGE);
}

static unsigned char *at_page(unsigned page)
{
    return arena + (size_t)page * PAGE;
}

#define WORD(x) ((uint64_t)(uintptr_t)(x))

/* Closes the arena and walks one call. */
static bool walk(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    struct vmti_call call = {.nr = nr, .args = {a, b, c, d, e, f}};
    const struct vmti_row *row = vmti_row(nr);
    assert_non_null(row);
    for (unsigned page = 0; page < ARENA_PAGES; page++)
        mprotect(at_page(page), PAGE, PROT_NONE);
    walks = lookups = 0;
    memset(walked, 0, sizeof walked);
    return vmti_walk_call(&region, &thread, &call, row);
}

/* The walk of exactly these bytes, or NULL. */
static const struct walked *find(const void *start, uint64_t len, bool writes)
{
    for (unsigned i = 0; i < walks; i++)
        if (walked[i].span.start == (uintptr_t)start && walked[i].span.end == (uintptr_t)start + len &&
            walked[i].span.writes == writes)
            return &walked[i];
    return NULL;
}

static void print_walks(void)
{
    for (unsigned i = 0; i < walks; i++)
        print_message("  %+ld, %lu bytes, %s%s, done %u\n", (long)(walked[i].span.start - arena_start()),
                      (unsigned long)(walked[i].span.end - walked[i].span.start),
                      walked[i].span.writes ? "writes" : "reads", walked[i].touched ? ", touched" : "",
                      walked[i].span.done);
}

/* Some of it is walked, whichever way. */
static bool is_walked(const void *start, uint64_t len)
{
    for (unsigned i = 0; i < walks; i++)
        if (walked[i].span.start < (uintptr_t)start + len && walked[i].span.end > (uintptr_t)start)
            return true;
    return false;
}

#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            print_walks();                                                                                             \
            fail_msg("not so: %s", #condition);                                                                        \
        }                                                                                                              \
    } while (0)

/* Read by the kernel: touched at the entry, and nothing more at the exit. */
#define EXPECT_IN(start, len)                                                                                          \
    do {                                                                                                               \
        const struct walked *w_ = find(start, len, false);                                                             \
        EXPECT(w_ && w_->touched && w_->span.done == VMTI_DONE_RECORDED);                                              \
    } while (0)

/* Touched at the exit: so many bytes of it with that result. */
static uint64_t done(const void *start, uint64_t len, bool writes, int64_t result)
{
    const struct walked *w = find(start, len, writes);
    if (!w) {
        print_walks();
        fail_msg("%lu bytes at %+ld are not walked", (unsigned long)len, (long)((uintptr_t)start - arena_start()));
        return 0;
    }
    return vmti_span_done(&region, &thread, &w->span, result);
}

/* ------------------------------------------------------------------------------------------- plain buffers */

static void a_call_without_pointers_looks_nothing_up(void **state)
{
    (void)state;
    assert_int_equal(vmti_row(SYS_getppid)->pointers, 0);
    assert_int_equal(vmti_row(SYS_mmap)->pointers, 0);
    assert_false(walk(SYS_lseek, 0, WORD(arena), 0, 0, 0, 0));
    assert_int_equal(lookups, 0);
}

static void memory_that_is_not_tracked_costs_one_look_up(void **state)
{
    (void)state;
    char buf[64] = "x";
    assert_false(walk(SYS_read, 0, WORD(buf), sizeof buf, 0, 0, 0));
    assert_int_equal(lookups, 1);
    assert_false(walk(SYS_chdir, WORD(buf), 0, 0, 0, 0, 0));
    assert_int_equal(lookups, 1);
    assert_int_equal(walks, 0);
}

static void read_counts_as_many_bytes_as_its_result(void **state)
{
    (void)state;
    assert_true(walk(SYS_read, 0, WORD(arena + 100), 3 * PAGE, 0, 0, 0));
    assert_int_equal(walks, 1);
    assert_false(walked[0].touched);
    assert_int_equal(done(arena + 100, 3 * PAGE, true, 0), 0);
    assert_int_equal(done(arena + 100, 3 * PAGE, true, 1), 1);
    assert_int_equal(done(arena + 100, 3 * PAGE, true, 3 * PAGE), 3 * PAGE);
    assert_int_equal(done(arena + 100, 3 * PAGE, true, 4 * PAGE), 3 * PAGE);
    assert_int_equal(done(arena + 100, 3 * PAGE, true, -EINTR), 0);
    assert_int_equal(done(arena + 100, 3 * PAGE, true, RESTART_BLOCK), 0);
    assert_int_equal(done(arena + 100, 3 * PAGE, true, -4095), 0);
}

static void write_reads_as_many_bytes_as_its_result(void **state)
{
    (void)state;
    assert_true(walk(SYS_write, 0, WORD(arena), 100, 0, 0, 0));
    assert_int_equal(walks, 1);
    assert_false(walked[0].touched);
    assert_int_equal(done(arena, 100, false, 7), 7);
    assert_int_equal(done(arena, 100, false, -EPIPE), 0);
}

static void lengths_that_the_kernel_refuses_are_left_to_it(void **state)
{
    (void)state;
    assert_false(walk(SYS_read, 0, WORD(arena), 0, 0, 0, 0));
    assert_false(walk(SYS_read, 0, WORD(arena), (uint64_t)-1, 0, 0, 0));
    assert_false(walk(SYS_read, 0, WORD(arena), (uint64_t)1 << 63, 0, 0, 0));
    assert_false(walk(SYS_read, 0, WORD(arena), (uint64_t)1 << VMTI_ADDRESS_BITS, 0, 0, 0));
    assert_false(walk(SYS_read, 0, (uint64_t)-PAGE, PAGE, 0, 0, 0));
    assert_false(walk(SYS_read, 0, 0, 1 << 30, 0, 0, 0));
    assert_false(walk(SYS_getxattr, 0, 0, 0, 65536, 0, 0));
    /* an int */
    assert_false(walk(SYS_readlinkat, 0, 0, WORD(arena), 0xffffffff, 0, 0));
    assert_false(walk(SYS_readlinkat, 0, 0, WORD(arena), 0x80000000, 0, 0));
    assert_false(walk(SYS_setgroups, (uint64_t)-1, WORD(arena), 0, 0, 0, 0));
    assert_false(walk(SYS_connect, 0, WORD(arena), (uint64_t)-1, 0, 0, 0));
}

static void lengths_are_as_wide_as_the_kernel_declares_them(void **state)
{
    (void)state;
    const uint64_t junk = 0xdeadbeef00000000;
    assert_true(walk(SYS_getdents64, 0, WORD(arena), junk | 100, 0, 0, 0));
    assert_int_equal(done(arena, 100, true, 100), 100);
    assert_true(walk(SYS_ppoll, WORD(arena), junk | 3, 0, 0, 0, 0));
    assert_int_equal(done(arena, 24, true, 1), 24);
    assert_true(walk(SYS_readlinkat, 0, 0, WORD(arena), junk | 10, 0, 0));
    assert_int_equal(done(arena, 10, true, 10), 10);
}

static void lengths_are_cut_where_the_kernel_cuts_them(void **state)
{
    (void)state;
    const uint64_t most = 0x7ffff000;
    assert_true(walk(SYS_read, 0, WORD(arena), most + PAGE, 0, 0, 0));
    assert_int_equal(done(arena, most, true, 5), 5);
    assert_true(walk(SYS_getrandom, WORD(arena), (uint64_t)-1, 0, 0, 0, 0));
    assert_int_equal(done(arena, most, true, 5), 5);
    assert_true(walk(SYS_getcwd, WORD(arena), (uint64_t)-1, 0, 0, 0, 0));
    assert_int_equal(done(arena, PATH_MAX, true, 5), 5);
    assert_true(walk(SYS_bind, 0, WORD(arena), 1000, 0, 0, 0));
    EXPECT_IN(arena, 128);
    assert_true(walk(SYS_openat2, 0, 0, WORD(arena), 100000, 0, 0));
    EXPECT_IN(arena, 4096);
}

static void results_count_units(void **state)
{
    (void)state;
    assert_true(walk(SYS_epoll_pwait, 0, WORD(arena), 10, 0, 0, 0));
    assert_int_equal(done(arena, 10 * VMTI_SIZEOF_epoll_event, true, 0), 0);
    assert_int_equal(done(arena, 10 * VMTI_SIZEOF_epoll_event, true, 3), 3 * VMTI_SIZEOF_epoll_event);
    assert_true(walk(SYS_getgroups, 8, WORD(arena), 0, 0, 0, 0));
    assert_int_equal(done(arena, 32, true, 2), 8);
    assert_true(walk(SYS_io_getevents, 0, 0, 4, WORD(arena), WORD(arena + PAGE), 0));
    assert_int_equal(done(arena, 128, true, 1), 32);
    EXPECT_IN(arena + PAGE, sizeof(struct timespec));
    assert_true(walk(SYS_epoll_pwait, 0, WORD(arena), INT_MAX, 0, 0, 0));
    assert_int_equal(done(arena, (uint64_t)INT_MAX * VMTI_SIZEOF_epoll_event, true, 1), VMTI_SIZEOF_epoll_event);
}

static void a_buffer_larger_than_the_window_is_opened_before_it_is_touched(void **state)
{
    (void)state;
    region.window = 8;
    region.evict = 1;
    assert_true(walk(SYS_mq_timedsend, 0, WORD(arena), 16 * PAGE, 0, 0, 0));
    const struct walked *w = find(arena, 16 * PAGE, false);
    assert_non_null(w);
    assert_false(w->touched); /* not when it was pinned, but ... */
    assert_true(walked[walks].touched);
    assert_int_equal(walked[walks].span.start, WORD(arena));
}

static void nanosleep_tells_what_is_left_only_if_interrupted(void **state)
{
    (void)state;
    struct timespec *rem = (struct timespec *)at_page(1);
    assert_true(walk(SYS_nanosleep, WORD(arena), WORD(rem), 0, 0, 0, 0));
    EXPECT_IN(arena, sizeof *rem);
    assert_int_equal(done(rem, sizeof *rem, true, 0), 0);
    assert_int_equal(done(rem, sizeof *rem, true, -EINTR), sizeof *rem);
    assert_int_equal(done(rem, sizeof *rem, true, RESTART_BLOCK), sizeof *rem);
    assert_int_equal(done(rem, sizeof *rem, true, -EINVAL), 0);
    assert_true(walk(SYS_clock_nanosleep, 0, 0, WORD(arena), WORD(rem), 0, 0));
    assert_int_equal(done(rem, sizeof *rem, true, RESTART_BLOCK), sizeof *rem);
    assert_true(walk(SYS_clock_nanosleep, 0, TIMER_ABSTIME, WORD(arena), WORD(rem), 0, 0));
    assert_false(is_walked(rem, sizeof *rem));
}

static void wait4_writes_only_if_someone_was_waited_for(void **state)
{
    (void)state;
    assert_true(walk(SYS_wait4, 0, WORD(arena), 0, WORD(at_page(1)), 0, 0));
    assert_int_equal(done(arena, sizeof(int), true, 0), 0);
    assert_int_equal(done(arena, sizeof(int), true, 1234), sizeof(int));
    assert_int_equal(done(at_page(1), 144, true, -ECHILD), 0);
    assert_true(walk(SYS_waitid, 0, 0, WORD(arena), 0, 0, 0));
    assert_int_equal(done(arena, 28, true, -ECHILD), 28);
    assert_int_equal(done(arena, 28, true, -EFAULT), 0);
}

/* ------------------------------------------------------------------------------------------- sets, masks, poll */

static void select_sets_are_as_long_as_their_highest_descriptor(void **state)
{
    (void)state;
    static const struct {
        int64_t nfds;
        uint64_t bytes;
    } sizes[] = {{1, 8}, {64, 8}, {65, 16}, {1024, 128}, {1 << 20, 1 << 17}, {INT_MAX, 1 << 17}};
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_true(
            walk(SYS_pselect6, (uint64_t)sizes[i].nfds, WORD(arena), 0, WORD(at_page(64)), WORD(at_page(200)), 0));
        const struct walked *w = find(arena, sizes[i].bytes, true);
        EXPECT(w != NULL);
        assert_int_equal(done(arena, sizes[i].bytes, true, 0), sizes[i].bytes);
        assert_int_equal(done(arena, sizes[i].bytes, true, -EINTR), 0);
        EXPECT(find(at_page(64), sizes[i].bytes, true));
        /* the timeout is written whatever the result */
        assert_int_equal(done(at_page(200), 16, true, -514), 16);
        assert_int_equal(done(at_page(200), 16, true, 1), 16);
    }
    assert_false(walk(SYS_pselect6, 0, WORD(arena), WORD(arena), WORD(arena), 0, 0));
    assert_false(walk(SYS_pselect6, (uint64_t)-1, WORD(arena), 0, 0, 0, 0));
}

static void pselect6_passes_its_mask_in_a_structure(void **state)
{
    (void)state;
    uint64_t *arg = (uint64_t *)at_page(3);
    arg[0] = WORD(at_page(4));
    arg[1] = 8;
    assert_true(walk(SYS_pselect6, 10, WORD(arena), 0, 0, 0, WORD(arg)));
    EXPECT_IN(arg, 16);
    EXPECT_IN(at_page(4), 8);
    open_pages(arena_start(), arena_end());
    arg[1] = 16; /* EINVAL */
    assert_true(walk(SYS_pselect6, 10, WORD(arena), 0, 0, 0, WORD(arg)));
    assert_false(is_walked(at_page(4), 8));
}

static void poll_reads_and_writes_each_entry_even_if_interrupted(void **state)
{
    (void)state;
    assert_true(walk(SYS_ppoll, WORD(arena), 5, WORD(at_page(1)), WORD(at_page(2)), 8, 0));
    const struct walked *w = find(arena, 5 * sizeof(struct pollfd), true);
    assert_non_null(w);
    assert_true(w->touched);
    assert_int_equal(done(arena, 40, true, 0), 40);
    assert_int_equal(done(arena, 40, true, -514), 40);
    assert_int_equal(done(arena, 40, true, -EFAULT), 0);
    EXPECT_IN(at_page(2), 8);
    assert_true(walk(SYS_ppoll, WORD(arena), 5, 0, WORD(at_page(2)), 4, 0));
    assert_false(is_walked(at_page(2), 8));
}

static void node_masks_are_one_bit_shorter(void **state)
{
    (void)state;
    assert_true(walk(SYS_set_mempolicy, 0, WORD(arena), 65, 0, 0, 0));
    EXPECT_IN(arena, 8);
    assert_true(walk(SYS_set_mempolicy, 0, WORD(arena), 66, 0, 0, 0));
    EXPECT_IN(arena, 16);
    assert_false(walk(SYS_set_mempolicy, 0, WORD(arena), 1, 0, 0, 0));
    assert_false(walk(SYS_set_mempolicy, 0, WORD(arena), 0, 0, 0, 0));
    assert_false(walk(SYS_set_mempolicy, 0, WORD(arena), (uint64_t)-1, 0, 0, 0));
}

static void mincore_writes_a_byte_a_page(void **state)
{
    (void)state;
    assert_true(walk(SYS_mincore, 0x10000, 10 * PAGE + 1, WORD(arena), 0, 0, 0));
    assert_int_equal(done(arena, 11, true, 0), 11);
}

/* ------------------------------------------------------------------------------------------- strings */

static void a_string_is_walked_up_to_the_page_that_ends_it(void **state)
{
    (void)state;
    memset(at_page(2), 'a', 2 * PAGE);
    at_page(3)[10] = '\0';
    assert_true(walk(SYS_chdir, WORD(at_page(2) + 100), 0, 0, 0, 0, 0));
    EXPECT_IN(at_page(2) + 100, PAGE - 100);
    EXPECT(is_walked(at_page(3), 11));
    assert_false(is_walked(at_page(4), PAGE));
}

static void a_string_that_ends_its_page_does_not_reach_the_next(void **state)
{
    (void)state;
    memset(at_page(2), 'a', PAGE);
    at_page(2)[PAGE - 1] = '\0';
    assert_true(walk(SYS_chdir, WORD(at_page(2) + PAGE - 5), 0, 0, 0, 0, 0));
    assert_int_equal(walks, 1);
    EXPECT_IN(at_page(2) + PAGE - 5, 5);
}

static void a_string_without_an_end_stops_at_its_limit(void **state)
{
    (void)state;
    memset(at_page(2), 'a', 8 * PAGE);
    assert_true(walk(SYS_chdir, WORD(at_page(2) + 1), 0, 0, 0, 0, 0));
    EXPECT(is_walked(at_page(3), 1));
    EXPECT(!is_walked(at_page(3) + 1, PAGE));
    assert_true(walk(SYS_memfd_create, WORD(at_page(2)), 0, 0, 0, 0, 0));
    EXPECT_IN(at_page(2), 250);
}

static void a_string_that_runs_into_bad_memory_stops_there(void **state)
{
    (void)state;
    memset(at_page(2), 'a', PAGE);
    munmap(at_page(3), PAGE);
    assert_true(walk(SYS_chdir, WORD(at_page(2)), 0, 0, 0, 0, 0));
    EXPECT(is_walked(at_page(2), PAGE));
    assert_true(mmap(at_page(3), PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at_page(3));
    assert_false(walk(SYS_chdir, BAD, 0, 0, 0, 0, 0));
    assert_false(walk(SYS_chdir, (uint64_t)-8, 0, 0, 0, 0, 0));
    assert_false(walk(SYS_chdir, 0, 0, 0, 0, 0, 0));
}

static void a_string_before_tracked_memory_reaches_it_only_if_it_is_that_long(void **state)
{
    (void)state;
    /* the page before the arena, if it is free */
    char *before =
        mmap(arena - PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (before == MAP_FAILED) {
        print_message("skipped: the page before the arena is taken\n");
        skip();
    }
    memset(before, 'a', PAGE);
    before[PAGE - 1] = '\0';
    assert_false(walk(SYS_chdir, WORD(before + PAGE - 20), 0, 0, 0, 0, 0));
    before[PAGE - 1] = 'a';
    assert_true(walk(SYS_chdir, WORD(before + PAGE - 20), 0, 0, 0, 0, 0));
    EXPECT(is_walked(arena, 1));
    munmap(before, PAGE);
}

static void execve_walks_its_arrays_and_their_strings(void **state)
{
    (void)state;
    strcpy((char *)arena, "/bin/true");
    uint64_t *argv = (uint64_t *)(at_page(2) - 3 * sizeof(uint64_t)); /* over a page's end */
    for (unsigned i = 0; i < 5; i++) {
        argv[i] = WORD(at_page(10 + i));
        strcpy((char *)at_page(10 + i), "argument");
    }
    argv[5] = 0;
    argv[6] = WORD(at_page(20)); /* after the end */
    uint64_t *envp = (uint64_t *)at_page(4);
    envp[0] = WORD(at_page(30));
    envp[1] = BAD;
    envp[2] = WORD(at_page(31));
    envp[3] = 0;
    memset(at_page(30), 'x', 100);
    assert_true(walk(SYS_execve, WORD(arena), WORD(argv), WORD(envp), 0, 0, 0));
    EXPECT(is_walked(arena, 1));
    EXPECT(is_walked(argv, 24));
    EXPECT(is_walked(argv + 3, 8));
    for (unsigned i = 0; i < 5; i++)
        EXPECT(is_walked(at_page(10 + i), 1));
    EXPECT(!is_walked(at_page(20), PAGE));
    EXPECT(is_walked(at_page(30), 1));
    EXPECT(is_walked(at_page(31), 1));
    for (unsigned i = 0; i < walks; i++)
        assert_true(walked[i].touched && !walked[i].span.writes);
}

static void an_array_of_strings_without_an_end_stops_at_bad_memory(void **state)
{
    (void)state;
    uint64_t *argv = (uint64_t *)at_page(2);
    for (unsigned i = 0; i < PAGE / sizeof *argv; i++)
        argv[i] = WORD(at_page(1));
    munmap(at_page(3), PAGE);
    assert_true(walk(SYS_execve, 0, WORD(argv), 0, 0, 0, 0));
    EXPECT(is_walked(argv, 1));
    EXPECT(is_walked(at_page(1), 1));
    assert_true(mmap(at_page(3), PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at_page(3));
    assert_false(walk(SYS_execve, 0, BAD, (uint64_t)-8, 0, 0, 0));
}

/* ------------------------------------------------------------------------------------------- iovec, messages */

static void readv_fills_its_buffers_in_turn(void **state)
{
    (void)state;
    struct iovec *iov = (struct iovec *)arena;
    iov[0] = (struct iovec){at_page(1), 100};
    iov[1] = (struct iovec){at_page(2), 0};
    iov[2] = (struct iovec){at_page(3), 1000};
    iov[3] = (struct iovec){at_page(4), 50};
    assert_true(walk(SYS_readv, 0, WORD(iov), 4, 0, 0, 0));
    EXPECT_IN(iov, 4 * sizeof *iov);
    static const struct {
        int64_t result;
        uint64_t first, third, fourth;
    } cases[] = {{0, 0, 0, 0},          {1, 1, 0, 0},          {100, 100, 0, 0},
                 {101, 100, 1, 0},      {1100, 100, 1000, 0},  {1101, 100, 1000, 1},
                 {1150, 100, 1000, 50}, {5000, 100, 1000, 50}, {-EAGAIN, 0, 0, 0}};
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(done(at_page(1), 100, true, cases[i].result), cases[i].first);
        assert_int_equal(done(at_page(3), 1000, true, cases[i].result), cases[i].third);
        assert_int_equal(done(at_page(4), 50, true, cases[i].result), cases[i].fourth);
    }
    assert_false(is_walked(at_page(2), PAGE));
}

static void a_bad_iovec_ends_the_walk(void **state)
{
    (void)state;
    struct iovec *iov = (struct iovec *)arena;
    iov[0] = (struct iovec){at_page(1), 100};
    iov[1] = (struct iovec){at_page(2), (size_t)-1};
    iov[2] = (struct iovec){at_page(3), 100};
    assert_true(walk(SYS_writev, 0, WORD(iov), 3, 0, 0, 0));
    EXPECT(find(at_page(1), 100, false));
    assert_false(is_walked(at_page(2), 2 * PAGE));

    assert_false(walk(SYS_readv, 0, WORD(iov), 1025, 0, 0, 0));
    assert_false(walk(SYS_readv, 0, WORD(iov), (uint64_t)UINT_MAX, 0, 0, 0));
    assert_false(walk(SYS_readv, 0, WORD(iov), 0, 0, 0, 0));
    assert_false(walk(SYS_readv, 0, BAD, 3, 0, 0, 0));
    assert_false(walk(SYS_readv, 0, (uint64_t)-16, 3, 0, 0, 0));
    assert_true(walk(SYS_readv, 0, WORD(iov), (uint64_t)1 << 32 | 1, 0, 0, 0)); /* the count is 32 bits wide inside */
    EXPECT(find(at_page(1), 100, true));
}

static void the_buffers_of_a_call_are_cut_at_the_most_that_it_takes(void **state)
{
    (void)state;
    const uint64_t most = 0x7ffff000;
    struct iovec *iov = (struct iovec *)arena;
    iov[0] = (struct iovec){at_page(1), most - 10};
    iov[1] = (struct iovec){at_page(2), 100};
    iov[2] = (struct iovec){at_page(3), 100};
    assert_true(walk(SYS_readv, 0, WORD(iov), 3, 0, 0, 0));
    EXPECT(find(at_page(2), 10, true));
    EXPECT(!find(at_page(3), 100, true));
}

static void many_buffers_are_read_in_pieces(void **state)
{
    (void)state;
    struct iovec *iov = (struct iovec *)arena;
    for (unsigned i = 0; i < 200; i++)
        iov[i] = (struct iovec){at_page(10 + i), 10};
    assert_true(walk(SYS_preadv2, 0, WORD(iov), 200, 0, 0, 0));
    assert_int_equal(walks, 201);
    assert_int_equal(done(at_page(10 + 199), 10, true, 1999), 9);
}

static void recvmsg_walks_name_buffers_and_control(void **state)
{
    (void)state;
    struct msghdr *msg = (struct msghdr *)arena;
    struct iovec *iov = (struct iovec *)at_page(1);
    iov[0] = (struct iovec){at_page(2), 100};
    iov[1] = (struct iovec){at_page(3), 100};
    *msg = (struct msghdr){at_page(4), 200, iov, 2, at_page(5), 1000, 0};
    assert_true(walk(SYS_recvmsg, 0, WORD(msg), 0, 0, 0, 0));
    const struct walked *header = find(msg, sizeof *msg, true);
    EXPECT(header && header->touched);
    EXPECT_IN(iov, 2 * sizeof *iov);
    assert_int_equal(done(at_page(2), 100, true, 150), 100);
    assert_int_equal(done(at_page(3), 100, true, 150), 50);
    msg->msg_namelen = 16; /* as the kernel leaves it */
    msg->msg_controllen = 24;
    assert_int_equal(done(at_page(4), 128, true, 150), 16); /* no more than a sockaddr_storage */
    assert_int_equal(done(at_page(5), 1000, true, 150), 24);
    assert_int_equal(done(msg, sizeof *msg, true, 150), sizeof *msg);
    assert_int_equal(done(at_page(4), 128, true, -EAGAIN), 0);
    assert_int_equal(done(at_page(5), 1000, true, -EAGAIN), 0);
    assert_int_equal(done(msg, sizeof *msg, true, -EAGAIN), 0);
}

static void sendmsg_reads_what_recvmsg_writes(void **state)
{
    (void)state;
    struct msghdr *msg = (struct msghdr *)arena;
    struct iovec *iov = (struct iovec *)at_page(1);
    iov[0] = (struct iovec){at_page(2), 100};
    *msg = (struct msghdr){at_page(4), 16, iov, 1, at_page(5), 40, 0};
    assert_true(walk(SYS_sendmsg, 0, WORD(msg), 0, 0, 0, 0));
    EXPECT_IN(msg, sizeof *msg);
    EXPECT_IN(at_page(4), 16);
    EXPECT_IN(at_page(5), 40);
    assert_int_equal(done(at_page(2), 100, false, 60), 60);
    open_pages(arena_start(), arena_end());
    msg->msg_namelen = (socklen_t)-1;
    assert_true(walk(SYS_sendmsg, 0, WORD(msg), 0, 0, 0, 0));
    assert_int_equal(walks, 1);
    open_pages(arena_start(), arena_end());
    msg->msg_namelen = 0;
    msg->msg_iovlen = 1025;
    assert_true(walk(SYS_sendmsg, 0, WORD(msg), 0, 0, 0, 0));
    assert_int_equal(walks, 1);
    assert_false(walk(SYS_sendmsg, 0, BAD, 0, 0, 0, 0));
}

enum { MESSAGES = 6 };

static struct mmsghdr *make_messages(void)
{
    struct mmsghdr *vec = (struct mmsghdr *)arena;
    for (unsigned i = 0; i < MESSAGES; i++) {
        struct iovec *iov = (struct iovec *)at_page(10 + i);
        iov[0] = (struct iovec){at_page(20 + 2 * i), 100};
        iov[1] = (struct iovec){at_page(21 + 2 * i), 100};
        vec[i].msg_hdr = (struct msghdr){at_page(40 + i), 16, iov, 2, at_page(50 + i), 64, 0};
        vec[i].msg_len = 0;
    }
    return vec;
}

static void recvmmsg_counts_the_messages_that_came(void **state)
{
    (void)state;
    struct mmsghdr *vec = make_messages();
    assert_true(walk(SYS_recvmmsg, 0, WORD(vec), MESSAGES, 0, WORD(at_page(60)), 0));
    for (unsigned i = 0; i < 3; i++) { /* three came */
        vec[i].msg_len = 110 + i;
        vec[i].msg_hdr.msg_controllen = 20;
    }
    /* headers: three written, and a fourth read for the message that did not come */
    assert_int_equal(done(vec, MESSAGES * sizeof *vec, false, 3), 4 * sizeof *vec);
    assert_int_equal(done(vec, MESSAGES * sizeof *vec, true, 3), 3 * sizeof *vec);
    assert_int_equal(done(vec, MESSAGES * sizeof *vec, false, MESSAGES), MESSAGES * sizeof *vec);
    assert_int_equal(done(vec, MESSAGES * sizeof *vec, false, -EAGAIN), sizeof *vec);
    assert_int_equal(done(vec, MESSAGES * sizeof *vec, true, -EAGAIN), 0);
    for (unsigned i = 0; i < MESSAGES; i++) {
        bool came = i < 3, tried = i <= 3;
        assert_int_equal(done(at_page(10 + i), 32, false, 3), tried ? 32 : 0);
        assert_int_equal(done(at_page(20 + 2 * i), 100, true, 3), came ? 100 : 0);
        assert_int_equal(done(at_page(21 + 2 * i), 100, true, 3), came ? 10 + i : 0);
        assert_int_equal(done(at_page(40 + i), 16, true, 3), came ? 16 : 0);
        assert_int_equal(done(at_page(50 + i), 64, true, 3), came ? 20 : 0);
        assert_int_equal(done(at_page(20 + 2 * i), 100, true, -EAGAIN), 0);
    }
    assert_int_equal(done(at_page(60), 16, true, 3), 16);
    assert_int_equal(done(at_page(60), 16, true, -EAGAIN), 0);
}

static void sendmmsg_counts_the_messages_that_went(void **state)
{
    (void)state;
    struct mmsghdr *vec = make_messages();
    assert_true(walk(SYS_sendmmsg, 0, WORD(vec), MESSAGES, 0, 0, 0));
    vec[0].msg_len = 150;
    assert_int_equal(done(at_page(20), 100, false, 1), 100);
    assert_int_equal(done(at_page(21), 100, false, 1), 50);
    assert_int_equal(done(at_page(22), 100, false, 1), 0);
    assert_int_equal(done(at_page(40), 16, false, 1), 16);
    assert_int_equal(done(at_page(41), 16, false, 1), 16); /* read for the one that failed */
    assert_int_equal(done(at_page(42), 16, false, 1), 0);
    /* the kernel takes no more than UIO_MAXIOV */
    open_pages(arena_start(), arena_end());
    assert_true(walk(SYS_sendmmsg, 0, WORD(vec), UINT_MAX, 0, 0, 0));
    EXPECT(find(vec, 1024 * sizeof *vec, false));
}

static void lengths_behind_pointers_bound_what_is_written(void **state)
{
    (void)state;
    socklen_t *len = (socklen_t *)at_page(1);
    *len = 1000;
    assert_true(walk(SYS_accept, 0, WORD(arena), WORD(len), 0, 0, 0));
    EXPECT(find(len, 4, true));
    *len = 28;
    assert_int_equal(done(arena, 128, true, 5), 28);
    *len = 200;
    assert_int_equal(done(arena, 128, true, 5), 128);
    assert_int_equal(done(arena, 128, true, -EAGAIN), 0);
    *len = (socklen_t)-1;
    assert_int_equal(done(arena, 128, true, 5), 0);

    assert_true(walk(SYS_getsockname, 0, WORD(arena), WORD(len), 0, 0, 0)); /* negative: EINVAL */
    assert_false(is_walked(arena, PAGE));
    assert_false(walk(SYS_accept, 0, 0, WORD(len), 0, 0, 0)); /* without an address the length is not looked at */
    assert_true(walk(SYS_getsockname, 0, 0, WORD(len), 0, 0, 0));
    assert_false(walk(SYS_recvfrom, 0, 0, 0, 0, BAD, BAD));
}

static void socket_options_have_lengths_and_filters(void **state)
{
    (void)state;
    socklen_t *len = (socklen_t *)at_page(1);
    *len = 100;
    assert_true(walk(SYS_getsockopt, 0, SOL_SOCKET, SO_ERROR, WORD(arena), WORD(len), 0));
    *len = 4;
    assert_int_equal(done(arena, 100, true, 0), 4);
    open_pages(arena_start(), arena_end());
    *len = 10;
    assert_true(walk(SYS_getsockopt, 0, SOL_SOCKET, SO_GET_FILTER, WORD(arena), WORD(len), 0));
    *len = 3;
    assert_int_equal(done(arena, 80, true, 0), 24); /* it counts instructions */

    open_pages(arena_start(), arena_end());
    struct sock_fprog *prog = (struct sock_fprog *)at_page(2);
    *prog = (struct sock_fprog){5, (struct sock_filter *)at_page(3)};
    assert_true(walk(SYS_setsockopt, 0, SOL_SOCKET, SO_ATTACH_FILTER, WORD(prog), sizeof *prog, 0));
    EXPECT_IN(prog, sizeof *prog);
    EXPECT_IN(at_page(3), 40);
    assert_true(walk(SYS_setsockopt, 0, SOL_SOCKET, SO_RCVBUF, WORD(prog), 4, 0));
    EXPECT_IN(prog, 4);
    assert_int_equal(walks, 1);
    assert_false(walk(SYS_setsockopt, 0, SOL_SOCKET, SO_RCVBUF, WORD(prog), (uint64_t)-1, 0));
    assert_true(walk(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, WORD(prog), 0, 0, 0));
    EXPECT_IN(at_page(3), 40);
    assert_true(walk(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, WORD(prog), 0, 0, 0));
    EXPECT_IN(at_page(3), 40);
}

/* ------------------------------------------------------------------------------------------- by command */

static void ioctls_know_their_sizes(void **state)
{
    (void)state;
    static const struct {
        unsigned long request;
        char how; /* r read by the kernel, w written, b both, n nothing */
        uint64_t bytes;
    } cases[] = {
        {TCGETS, 'w', 36},
        {TCSETS, 'r', 36},
        {TIOCGWINSZ, 'w', 8},
        {TIOCSWINSZ, 'r', 8},
        {FIONREAD, 'w', 4},
        {FIONBIO, 'r', 4},
        {TIOCSTI, 'r', 1},
        {TCFLSH, 'n', 0},
        {0x89a0, 'r', PAGE},
        {0x8913, 'b', 40},
        {0x8927, 'b', 40},
        {0x8954, 'b', 68},
        {0x80086601, 'w', 4},
        {0x40049409, 'n', 0},
        {0x80081272, 'w', 8},
        {0x1260, 'w', 8},
        {0x400454ca, 'b', 40},
        {_IOR('z', 1, long), 'w', 8},
        {_IOW('z', 1, char[77]), 'R', 77},
        {_IOWR('z', 1, char[500]), 'b', 500},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        open_pages(arena_start(), arena_end());
        strcpy((char *)arena, "br0");
        memset(arena + 16, 0, 600);
        region.counts.unknown_calls = 0;
        walk(SYS_ioctl, 0, cases[i].request, WORD(arena), 0, 0, 0);
        const struct walked *read = find(arena, cases[i].bytes, false), *both = find(arena, cases[i].bytes, true);
        bool right = cases[i].how == 'n'   ? walks == 0
                     : cases[i].how == 'r' ? read && read->touched
                     : cases[i].how == 'R' ? both && both->touched && both->span.done == VMTI_DONE_RECORDED
                     : cases[i].how == 'w' ? both && !both->touched && both->span.done == VMTI_DONE_ALL
                                           : both && both->touched && both->span.done == VMTI_DONE_ALL;
        if (cases[i].request == 0x89a0) /* a string of at most 16 bytes */
            right = find(arena, 16, false) != NULL;
        if (!right || region.counts.unknown_calls) {
            print_walks();
            fail_msg("ioctl %#lx is walked otherwise", cases[i].request);
        }
    }
}

static void an_ioctl_that_nobody_knows_is_noted_if_it_matters(void **state)
{
    (void)state;
    region.counts.unknown_calls = 0;
    assert_false(walk(SYS_ioctl, 0, 0x7777, 42, 0, 0, 0));
    assert_false(walk(SYS_ioctl, 0, 0x7777, 0, 0, 0, 0));
    assert_false(walk(SYS_ioctl, 0, 0x7777, (uint64_t)-1, 0, 0, 0));
    assert_int_equal(region.counts.unknown_calls, 0);
    assert_false(walk(SYS_ioctl, 0, 0xffffffff00007777, WORD(arena), 0, 0, 0));
    assert_int_equal(region.counts.unknown_calls, 1);
    assert_int_equal(region.first_unknown, SYS_ioctl);
    assert_int_equal(region.first_unknown_command, 0x7777);
    walk(SYS_shmctl, 0, 99, WORD(arena), 0, 0, 0);
    assert_int_equal(region.counts.unknown_calls, 2);
    assert_int_equal(region.first_unknown_command, 0x7777);
}

static void ioctls_follow_their_structures(void **state)
{
    (void)state;
    /* SIOCGIFCONF */
    *(int *)arena = 400;
    *(uint64_t *)(arena + 8) = WORD(at_page(1));
    assert_true(walk(SYS_ioctl, 0, 0x8912, WORD(arena), 0, 0, 0));
    *(int *)arena = 80;
    assert_int_equal(done(at_page(1), 400, true, 0), 80);
    /* FS_IOC_FIEMAP: 10 extents */
    open_pages(arena_start(), arena_end());
    memset(arena, 0, 32);
    *(uint32_t *)(arena + 24) = 10;
    assert_true(walk(SYS_ioctl, 0, 0xc020660b, WORD(arena), 0, 0, 0));
    *(uint32_t *)(arena + 20) = 3;
    assert_int_equal(done(arena + 32, 560, true, 0), 168);
    /* FIDEDUPERANGE: 2 ranges */
    open_pages(arena_start(), arena_end());
    *(uint16_t *)(arena + 16) = 2;
    assert_true(walk(SYS_ioctl, 0, 0xc0189436, WORD(arena), 0, 0, 0));
    EXPECT(find(arena, 24 + 64, true));
    assert_false(walk(SYS_ioctl, 0, 0xc020660b, BAD, 0, 0, 0));
}

static void fcntl_locks_are_read_and_sometimes_written(void **state)
{
    (void)state;
    assert_true(walk(SYS_fcntl, 0, F_SETLK, WORD(arena), 0, 0, 0));
    EXPECT_IN(arena, sizeof(struct flock));
    assert_true(walk(SYS_fcntl, 0, F_OFD_GETLK, WORD(arena), 0, 0, 0));
    assert_int_equal(done(arena, sizeof(struct flock), true, 0), sizeof(struct flock));
    assert_int_equal(done(arena, sizeof(struct flock), true, -EBADF), 0);
    region.counts.unknown_calls = 0;
    assert_false(walk(SYS_fcntl, 0, F_DUPFD, 3, 0, 0, 0));
    assert_false(walk(SYS_fcntl, 0, F_SETFL, O_NONBLOCK, 0, 0, 0));
    assert_int_equal(region.counts.unknown_calls, 0);
}

static void futexes_are_reached_as_their_operation_needs(void **state)
{
    (void)state;
    uint32_t *word = (uint32_t *)arena, *second = (uint32_t *)at_page(1);
    struct timespec *timeout = (struct timespec *)at_page(2);
    const int private = FUTEX_PRIVATE_FLAG;

    assert_true(walk(SYS_futex, WORD(word), FUTEX_WAIT | private, 0, WORD(timeout), WORD(second), 0));
    EXPECT_IN(word, 4);
    EXPECT_IN(timeout, 16);
    assert_false(is_walked(second, 4));
    /* the kernel does not look at a private futex that it wakes */
    assert_false(walk(SYS_futex, WORD(word), FUTEX_WAKE | private, 1, WORD(timeout), WORD(second), 0));
    assert_false(walk(SYS_futex, WORD(word), FUTEX_REQUEUE | private, 1, 1, WORD(second), 0));
    /* it looks the page of a shared one up, for writing */
    assert_true(walk(SYS_futex, WORD(word), FUTEX_WAKE, 1, WORD(timeout), WORD(second), 0));
    const struct walked *w = find(word, 4, true);
    EXPECT(w && w->touched && w->span.done == VMTI_DONE_RECORDED);
    assert_int_equal(walks, 1);
    assert_true(walk(SYS_futex, WORD(word), FUTEX_CMP_REQUEUE | private, 1, WORD(timeout), WORD(second), 0));
    EXPECT_IN(word, 4);
    assert_int_equal(walks, 1); /* the fourth argument is a number */
    assert_true(walk(SYS_futex, WORD(word), FUTEX_CMP_REQUEUE, 1, 1, WORD(second), 0));
    EXPECT(find(word, 4, true) && find(second, 4, true));
    assert_true(walk(SYS_futex, WORD(word), FUTEX_WAKE_OP | private, 1, 1, WORD(second), 0));
    assert_int_equal(done(second, 4, true, 1), 4);
    assert_int_equal(walks, 1);
    assert_true(walk(SYS_futex, WORD(word), FUTEX_LOCK_PI | private, 0, WORD(timeout), WORD(second), 0));
    assert_int_equal(done(word, 4, true, -512), 4);
    EXPECT_IN(timeout, 16);
    assert_true(walk(SYS_futex, WORD(word), FUTEX_UNLOCK_PI | private, 0, WORD(timeout), WORD(second), 0));
    EXPECT(find(word, 4, true));
    assert_int_equal(walks, 1);
    assert_true(walk(SYS_futex, WORD(word), FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME | private, 0, 0, 0, 1));
    EXPECT_IN(word, 4);
    region.counts.unknown_calls = 0;
    assert_false(walk(SYS_futex, WORD(word), 99, 0, 0, 0, 0));
    assert_int_equal(region.counts.unknown_calls, 1);
}

static void futex_waitv_reads_every_word(void **state)
{
    (void)state;
    struct {
        uint64_t val, uaddr;
        uint32_t flags, reserved;
    } *waiters = (void *)arena;
    for (unsigned i = 0; i < 3; i++) {
        waiters[i].uaddr = WORD(at_page(1 + i));
        waiters[i].flags = 2 | 128; /* FUTEX2_SIZE_U32, FUTEX2_PRIVATE */
    }
    assert_true(walk(449, WORD(waiters), 3, 0, WORD(at_page(9)), 0, 0));
    EXPECT_IN(waiters, 72);
    EXPECT_IN(at_page(1), 4);
    EXPECT_IN(at_page(3), 4);
    EXPECT_IN(at_page(9), 16);
    assert_false(walk(449, WORD(waiters), 129, 0, 0, 0, 0));
    assert_false(walk(454, WORD(at_page(1)), 1, 1, 2 | 128, 0, 0)); /* futex_wake */
    assert_true(walk(454, WORD(at_page(1)), 1, 1, 2, 0, 0));
    assert_true(walk(455, WORD(at_page(1)), 0, 1, 2 | 128, WORD(at_page(2)), 0)); /* futex_wait */
    EXPECT_IN(at_page(1), 4);
    EXPECT_IN(at_page(2), 16);
}

static void messages_carry_their_type_before_the_text(void **state)
{
    (void)state;
    assert_true(walk(SYS_msgrcv, 0, WORD(arena), 100, 0, 0, 0));
    assert_int_equal(done(arena, 108, true, 0), 8);
    assert_int_equal(done(arena, 108, true, 30), 38);
    assert_int_equal(done(arena, 108, true, 100), 108);
    assert_int_equal(done(arena, 108, true, -ENOMSG), 0);
    assert_true(walk(SYS_msgsnd, 0, WORD(arena), 50, 0, 0, 0));
    EXPECT_IN(arena, 58);
    assert_true(walk(SYS_msgsnd, 0, WORD(arena), (uint64_t)-1, 0, 0, 0));
    EXPECT_IN(arena, 8); /* read before the length is refused */
    assert_false(walk(SYS_msgrcv, 0, WORD(arena), (uint64_t)-8, 0, 0, 0));
}

static void semctl_asks_how_many_semaphores_there_are(void **state)
{
    (void)state;
    int id = semget(IPC_PRIVATE, 7, 0600);
    if (id < 0) {
        print_message("skipped: no System V semaphores: %s\n", strerror(errno));
        skip();
    }
    assert_true(walk(SYS_semctl, (uint64_t)id, 0, GETALL, WORD(arena), 0, 0));
    assert_int_equal(done(arena, 14, true, 0), 14);
    assert_true(walk(SYS_semctl, (uint64_t)id, 0, SETALL, WORD(arena), 0, 0));
    EXPECT_IN(arena, 14);
    assert_false(walk(SYS_semctl, (uint64_t)id, 0, SETVAL, WORD(arena), 0, 0));
    assert_true(walk(SYS_semctl, (uint64_t)id, 0, IPC_STAT, WORD(arena), 0, 0));
    EXPECT(find(arena, sizeof(struct semid_ds), true));
    semctl(id, 0, IPC_RMID);
    assert_false(walk(SYS_semctl, (uint64_t)id, 0, GETALL, WORD(arena), 0, 0));
}

static void prctl_goes_by_its_option(void **state)
{
    (void)state;
    strcpy((char *)arena, "name");
    assert_true(walk(SYS_prctl, PR_SET_NAME, WORD(arena), 0, 0, 0, 0));
    EXPECT_IN(arena, 15);
    assert_true(walk(SYS_prctl, PR_GET_NAME, WORD(arena), 0, 0, 0, 0));
    EXPECT(find(arena, 16, true));
    assert_false(walk(SYS_prctl, PR_SET_PDEATHSIG, WORD(arena), WORD(arena), WORD(arena), WORD(arena), 0));
    assert_true(walk(SYS_prctl, PR_GET_PDEATHSIG, WORD(arena), 0, 0, 0, 0));
    EXPECT(find(arena, 4, true));
    assert_true(walk(SYS_prctl, 0x53564d41, 0, 1, 1, WORD(arena), 0)); /* PR_SET_VMA */
    EXPECT(is_walked(arena, 1));
#if VMTI_HAS_X86_CALLS
    assert_true(walk(SYS_arch_prctl, 0x1003, WORD(arena), 0, 0, 0, 0)); /* ARCH_GET_FS */
    EXPECT(find(arena, 8, true));
    assert_false(walk(SYS_arch_prctl, 0x1002, WORD(arena), 0, 0, 0, 0)); /* ARCH_SET_FS */
#endif
}

/* The thread's pointer to its storage and the word of its number come in an order that depends on the processor. */
static bool walk_clone(uint64_t flags)
{
    uint64_t child_tid = WORD(at_page(1)), tls = WORD(at_page(8));
    return walk(SYS_clone, flags, 0, WORD(arena), VMTI_CLONE_TLS_FIRST ? tls : child_tid,
                VMTI_CLONE_TLS_FIRST ? child_tid : tls, 0);
}

static void clones_write_what_their_flags_say(void **state)
{
    (void)state;
    assert_true(walk_clone(0x100000)); /* CLONE_PARENT_SETTID */
    assert_int_equal(done(arena, 4, true, 1234), 4);
    assert_int_equal(walks, 1);
    assert_true(walk_clone(0x1000000)); /* CLONE_CHILD_SETTID */
    EXPECT(find(at_page(1), 4, true));
    assert_int_equal(walks, 1);
    assert_false(walk_clone(0x200000)); /* CLONE_CHILD_CLEARTID: kept */

    open_pages(arena_start(), arena_end());
    uint64_t *args = (uint64_t *)at_page(2);
    memset(args, 0, 88);
    args[0] = 0x1000 | 0x100000; /* CLONE_PIDFD, CLONE_PARENT_SETTID */
    args[1] = WORD(at_page(3));
    args[2] = WORD(at_page(4));
    args[3] = WORD(at_page(5));
    args[5] = WORD(at_page(6)); /* stack */
    args[6] = PAGE;
    args[8] = WORD(at_page(7)); /* set_tid */
    args[9] = 2;
    assert_true(walk(SYS_clone3, WORD(args), 88, 0, 0, 0, 0));
    EXPECT_IN(args, 88);
    EXPECT(find(at_page(3), 4, true) && find(at_page(5), 4, true));
    EXPECT_IN(at_page(7), 8);
    EXPECT(!is_walked(at_page(4), PAGE) && !is_walked(at_page(6), PAGE));
    assert_true(walk(SYS_clone3, WORD(args), 64, 0, 0, 0, 0));
    EXPECT(!is_walked(at_page(7), PAGE));
    assert_false(walk(SYS_clone3, WORD(args), 63, 0, 0, 0, 0));
    assert_false(walk(SYS_clone3, WORD(args), 5000, 0, 0, 0, 0));
}

static void structures_that_tell_their_size_are_believed_within_limits(void **state)
{
    (void)state;
    uint32_t *attr = (uint32_t *)arena;
    attr[0] = 56;
    assert_true(walk(SYS_sched_setattr, 0, WORD(attr), 0, 0, 0, 0));
    EXPECT(is_walked(attr, 56));
    open_pages(arena_start(), arena_end());
    attr[0] = 5000; /* E2BIG, and the right size is written */
    assert_true(walk(SYS_sched_setattr, 0, WORD(attr), 0, 0, 0, 0));
    assert_int_equal(done(attr, 4, true, -E2BIG), 4);
    open_pages(arena_start(), arena_end());
    attr[1] = 128;
    assert_true(walk(SYS_perf_event_open, WORD(attr), 0, 0, 0, 0, 0));
    EXPECT(is_walked(attr, 128));
    open_pages(arena_start(), arena_end());
    attr[0] = 32;
    assert_true(walk(457, WORD(attr), WORD(at_page(1)), 1000, 0, 0, 0)); /* statmount */
    *(uint32_t *)at_page(1) = 600;
    assert_int_equal(done(at_page(1), 1000, true, 0), 600);
    *(uint32_t *)at_page(1) = 2000;
    assert_int_equal(done(at_page(1), 1000, true, 0), 1000);
}

static void file_handles_tell_their_length(void **state)
{
    (void)state;
    uint32_t *handle = (uint32_t *)arena;
    handle[0] = 100;
    strcpy((char *)at_page(2), "/");
    assert_true(walk(SYS_name_to_handle_at, 0, WORD(at_page(2)), WORD(handle), WORD(at_page(1)), 0, 0));
    handle[0] = 12;
    assert_int_equal(done(arena + 8, 100, true, 0), 12);
    assert_int_equal(done(arena, 8, true, -EOVERFLOW), 8);
    assert_int_equal(done(arena + 8, 100, true, -EOVERFLOW), 0);
    assert_int_equal(done(at_page(1), 4, true, 0), 4);
    open_pages(arena_start(), arena_end());
    assert_true(walk(SYS_open_by_handle_at, 0, WORD(handle), 0, 0, 0, 0));
    EXPECT(is_walked(arena, 20));
}

static void capabilities_go_by_their_version(void **state)
{
    (void)state;
    uint32_t *header = (uint32_t *)arena;
    header[0] = 0x20080522;
    assert_true(walk(SYS_capget, WORD(header), WORD(at_page(1)), 0, 0, 0, 0));
    EXPECT(find(at_page(1), 24, true));
    assert_true(walk(SYS_capset, WORD(header), WORD(at_page(1)), 0, 0, 0, 0));
    EXPECT_IN(at_page(1), 24);
    open_pages(arena_start(), arena_end());
    header[0] = 1; /* the kernel writes a version that it knows */
    assert_true(walk(SYS_capget, WORD(header), WORD(at_page(1)), 0, 0, 0, 0));
    assert_false(is_walked(at_page(1), PAGE));
    header[0] = 0x20080522;
    assert_int_equal(done(header, 4, true, -EINVAL), 4);
}

static void io_submit_counts_the_requests_that_were_taken(void **state)
{
    (void)state;
    uint64_t *list = (uint64_t *)arena;
    struct iocb *iocb = (struct iocb *)at_page(1);
    struct iovec *iov = (struct iovec *)at_page(2);
    *iov = (struct iovec){at_page(5), 50};
    memset(iocb, 0, 3 * sizeof *iocb);
    for (unsigned i = 0; i < 3; i++)
        list[i] = WORD(&iocb[i]);
    iocb[0] = (struct iocb){.aio_lio_opcode = IOCB_CMD_PREAD, .aio_buf = WORD(at_page(3)), .aio_nbytes = 100};
    iocb[1] = (struct iocb){.aio_lio_opcode = IOCB_CMD_PWRITE, .aio_buf = WORD(at_page(4)), .aio_nbytes = 100};
    iocb[2] = (struct iocb){.aio_lio_opcode = IOCB_CMD_PREADV, .aio_buf = WORD(iov), .aio_nbytes = 1};
    assert_true(walk(SYS_io_submit, 0, 3, WORD(list), 0, 0, 0));
    assert_int_equal(done(at_page(3), 100, true, 1), 100);
    assert_int_equal(done(at_page(4), 100, false, 1), 0);
    assert_int_equal(done(at_page(4), 100, false, 2), 100);
    assert_int_equal(done(at_page(5), 50, true, 2), 0);
    assert_int_equal(done(at_page(5), 50, true, 3), 50);
    assert_int_equal(done(&iocb[1], sizeof *iocb, false, 1), sizeof *iocb); /* read, and refused */
    assert_int_equal(done(&iocb[2], sizeof *iocb, false, 1), 0);
    assert_int_equal(done(at_page(3), 100, true, -EINVAL), 0);
    assert_false(walk(SYS_io_submit, 0, (uint64_t)-1, WORD(list), 0, 0, 0));
}

static void reading_this_process_by_another_call_opens_both_sides(void **state)
{
    (void)state;
    struct iovec *local = (struct iovec *)arena, *remote = (struct iovec *)at_page(1);
    *local = (struct iovec){at_page(2), 100};
    *remote = (struct iovec){at_page(3), 100};
    assert_true(walk(SYS_process_vm_readv, (uint64_t)getpid(), WORD(local), 1, WORD(remote), 1, 0));
    assert_int_equal(done(at_page(2), 100, true, 60), 60);
    assert_int_equal(done(at_page(3), 100, false, 60), 60);
    assert_true(walk(SYS_process_vm_writev, (uint64_t)getpid(), WORD(local), 1, WORD(remote), 1, 0));
    assert_int_equal(done(at_page(2), 100, false, 60), 60);
    assert_int_equal(done(at_page(3), 100, true, 60), 60);
    assert_true(walk(SYS_process_vm_readv, 1, WORD(local), 1, WORD(remote), 1, 0));
    EXPECT_IN(remote, sizeof *remote);
    assert_false(is_walked(at_page(3), PAGE));
}

static void siginfo_is_read_as_far_as_its_code_is_known(void **state)
{
    (void)state;
    int32_t *info = (int32_t *)(at_page(1) - 48); /* the part in use ends with the page */
    info[2] = -1;                                 /* SI_QUEUE */
    assert_true(walk(SYS_rt_sigqueueinfo, 0, 0, WORD(info), 0, 0, 0));
    EXPECT(is_walked(info, 48) && !is_walked(at_page(1), PAGE));
    open_pages(arena_start(), arena_end());
    info[2] = -100;
    assert_true(walk(SYS_rt_sigqueueinfo, 0, 0, WORD(info), 0, 0, 0));
    EXPECT(is_walked(at_page(1), 80));
}

static void extended_attributes_by_structure(void **state)
{
    (void)state;
    *(uint64_t *)arena = WORD(at_page(1));
    *(uint32_t *)(arena + 8) = 500;
    assert_true(walk(464, 0, 0, 0, 0, WORD(arena), 16)); /* getxattrat */
    EXPECT_IN(arena, 16);
    assert_int_equal(done(at_page(1), 500, true, 20), 20);
    assert_true(walk(463, 0, 0, 0, 0, WORD(arena), 16)); /* setxattrat */
    EXPECT_IN(at_page(1), 500);
    assert_false(walk(463, 0, 0, 0, 0, WORD(arena), 15));
}

static void epoll_ctl_needs_no_event_to_delete(void **state)
{
    (void)state;
    assert_true(walk(SYS_epoll_ctl, 0, EPOLL_CTL_ADD, 0, WORD(arena), 0, 0));
    EXPECT_IN(arena, 12);
    assert_false(walk(SYS_epoll_ctl, 0, EPOLL_CTL_DEL, 0, WORD(arena), 0, 0));
}

static void vmsplice_goes_by_the_end_of_the_pipe(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    struct iovec *iov = (struct iovec *)arena;
    *iov = (struct iovec){at_page(1), 100};
    assert_true(walk(SYS_vmsplice, (uint64_t)fds[1], WORD(iov), 1, 0, 0, 0));
    EXPECT(find(at_page(1), 100, false));
    assert_true(walk(SYS_vmsplice, (uint64_t)fds[0], WORD(iov), 1, 0, 0, 0));
    EXPECT(find(at_page(1), 100, true));
    close(fds[0]);
    close(fds[1]);
}

static void keyctl_goes_by_its_operation(void **state)
{
    (void)state;
    assert_true(walk(SYS_keyctl, 2, 1, WORD(arena), 100, 0, 0)); /* KEYCTL_UPDATE */
    EXPECT_IN(arena, 100);
    assert_true(walk(SYS_keyctl, 11, 1, WORD(arena), 100, 0, 0)); /* KEYCTL_READ */
    assert_int_equal(done(arena, 100, true, 10), 10);
    assert_false(walk(SYS_keyctl, 3, 1, WORD(arena), WORD(arena), 0, 0)); /* KEYCTL_REVOKE */
    open_pages(arena_start(), arena_end());
    uint32_t *params = (uint32_t *)arena;
    params[1] = 50;
    params[2] = 60;
    assert_true(walk(SYS_keyctl, 27, WORD(params), 0, WORD(at_page(1)), WORD(at_page(2)), 0)); /* KEYCTL_PKEY_SIGN */
    EXPECT_IN(at_page(1), 50);
    assert_int_equal(done(at_page(2), 60, true, 40), 40);
    region.counts.unknown_calls = 0;
    assert_false(walk(SYS_keyctl, 99, WORD(arena), 0, 0, 0, 0));
    assert_int_equal(region.counts.unknown_calls, 1);
}

static void quotactl_finds_its_command_in_either_order(void **state)
{
    (void)state;
    const uint64_t get_quota = 0x800007u << 8;
    assert_true(walk(SYS_quotactl, get_quota, 0, 0, WORD(arena), 0, 0));
    EXPECT(find(arena, 72, true));
    assert_true(walk(443, 3, get_quota, 0, WORD(arena), 0, 0));
    EXPECT(find(arena, 72, true));
}

static void bpf_asks_the_map_how_long_its_keys_and_values_are(void **state)
{
    (void)state;
    /* BPF_MAP_CREATE: BPF_MAP_TYPE_HASH, keys of 12 bytes, values of 40, 5 of them */
    uint32_t create[32] = {1, 12, 40, 5};
    long map = syscall(SYS_bpf, 0, create, sizeof create);
    if (map < 0) {
        print_message("skipped: no bpf maps: %s\n", strerror(errno));
        skip();
    }
    uint64_t *attr = (uint64_t *)arena;
    attr[0] = (uint64_t)map;
    attr[1] = WORD(at_page(1));
    attr[2] = WORD(at_page(2));
    assert_true(walk(SYS_bpf, 1, WORD(attr), 32, 0, 0, 0)); /* BPF_MAP_LOOKUP_ELEM */
    EXPECT_IN(at_page(1), 12);
    EXPECT(find(at_page(2), 40, true));
    assert_true(walk(SYS_bpf, 2, WORD(attr), 32, 0, 0, 0)); /* BPF_MAP_UPDATE_ELEM */
    EXPECT_IN(at_page(2), 40);
    assert_true(walk(SYS_bpf, 4, WORD(attr), 32, 0, 0, 0)); /* BPF_MAP_GET_NEXT_KEY */
    EXPECT(find(at_page(2), 12, true));
    close((int)map);
    assert_true(walk(SYS_bpf, 1, WORD(attr), 32, 0, 0, 0));
    assert_false(is_walked(at_page(1), PAGE));
}

/* The call with these attributes, of `bytes` bytes, in the arena's first page. */
static bool walk_bpf(int command, const union bpf_attr *attr, uint64_t bytes)
{
    mprotect(arena, PAGE, PROT_READ | PROT_WRITE);
    memcpy(arena, attr, bytes);
    return walk(SYS_bpf, (uint64_t)command, WORD(arena), bytes, 0, 0, 0);
}

static void bpf_reads_a_program_with_all_that_describes_it(void **state)
{
    (void)state;
    union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_SOCKET_FILTER};
    attr.insn_cnt = 300;
    attr.insns = WORD(at_page(2));
    attr.license = WORD(strcpy((char *)at_page(4), "MIT"));
    attr.log_level = 1;
    attr.log_size = 5000;
    attr.log_buf = WORD(at_page(6));
    attr.func_info = WORD(at_page(8));
    attr.func_info_rec_size = 8;
    attr.func_info_cnt = 3;
    attr.line_info = WORD(at_page(9));
    attr.line_info_rec_size = 16;
    attr.line_info_cnt = 5;
    attr.fd_array = WORD(at_page(10));
    assert_true(walk_bpf(BPF_PROG_LOAD, &attr, 136));
    EXPECT_IN(arena, 136);
    EXPECT_IN(at_page(2), 300 * sizeof(struct bpf_insn));
    EXPECT(is_walked(at_page(4), 4));
    EXPECT(find(at_page(6), 5000, true));
    EXPECT_IN(at_page(8), 24);
    EXPECT_IN(at_page(9), 80);
    EXPECT(is_walked(at_page(10), 4));
    attr.log_level = 0;
    attr.insn_cnt = 1000001; /* the kernel refuses it */
    assert_true(walk_bpf(BPF_PROG_LOAD, &attr, 136));
    assert_false(is_walked(at_page(2), PAGE));
    assert_false(is_walked(at_page(6), PAGE));
    assert_false(walk(SYS_bpf, BPF_PROG_LOAD, WORD(arena), PAGE + 1, 0, 0, 0));
}

static void bpf_commands_reach_what_their_attributes_point_to(void **state)
{
    (void)state;
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.pathname = WORD(strcpy((char *)at_page(2), "/sys/fs/bpf/x"));
    assert_true(walk_bpf(BPF_OBJ_PIN, &attr, 16));
    EXPECT(is_walked(at_page(2), 14));

    memset(&attr, 0, sizeof attr);
    attr.btf = WORD(at_page(2));
    attr.btf_size = 700;
    attr.btf_log_buf = WORD(at_page(4));
    attr.btf_log_size = 90;
    attr.btf_log_level = 1;
    assert_true(walk_bpf(BPF_BTF_LOAD, &attr, 28));
    EXPECT_IN(at_page(2), 700);
    assert_int_equal(done(at_page(4), 90, true, -ENOSPC), 90);

    memset(&attr, 0, sizeof attr);
    attr.test.data_size_in = 60;
    attr.test.data_in = WORD(at_page(2));
    attr.test.data_size_out = 70;
    attr.test.data_out = WORD(at_page(3));
    attr.test.ctx_size_in = 80;
    attr.test.ctx_in = WORD(at_page(4));
    attr.test.ctx_size_out = 90;
    attr.test.ctx_out = WORD(at_page(5));
    assert_true(walk_bpf(BPF_PROG_TEST_RUN, &attr, sizeof attr.test));
    EXPECT_IN(at_page(2), 60);
    EXPECT_IN(at_page(4), 80);
    assert_int_equal(done(at_page(3), 70, true, 0), 70);
    assert_int_equal(done(at_page(5), 90, true, 0), 90);

    memset(&attr, 0, sizeof attr);
    attr.query.prog_cnt = 9;
    attr.query.prog_ids = WORD(at_page(2));
    attr.query.prog_attach_flags = WORD(at_page(3));
    assert_true(walk_bpf(BPF_PROG_QUERY, &attr, sizeof attr.query));
    assert_int_equal(done(at_page(2), 36, true, 0), 36);
    EXPECT(find(at_page(3), 36, true));

    memset(&attr, 0, sizeof attr);
    attr.info.info_len = 200;
    attr.info.info = WORD(at_page(2));
    assert_true(walk_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof attr.info));
    assert_int_equal(done(at_page(2), 200, true, 0), 200);

    memset(&attr, 0, sizeof attr);
    attr.task_fd_query.buf_len = 30;
    attr.task_fd_query.buf = WORD(at_page(2));
    assert_true(walk_bpf(BPF_TASK_FD_QUERY, &attr, sizeof attr.task_fd_query));
    assert_int_equal(done(at_page(2), 30, true, 0), 30);

    memset(&attr, 0, sizeof attr);
    attr.raw_tracepoint.name = WORD(strcpy((char *)arena + 2048, "sched_switch"));
    assert_true(walk_bpf(BPF_RAW_TRACEPOINT_OPEN, &attr, sizeof attr.raw_tracepoint));
    assert_true(walk_bpf(BPF_MAP_GET_NEXT_ID, &attr, 16));
    EXPECT(find(arena, 16, true));
}

static void bpf_links_have_names_addresses_and_cookies(void **state)
{
    (void)state;
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.link_create.attach_type = BPF_TRACE_ITER;
    attr.link_create.iter_info = WORD(at_page(2));
    attr.link_create.iter_info_len = 16;
    assert_true(walk_bpf(BPF_LINK_CREATE, &attr, sizeof attr.link_create));
    EXPECT_IN(at_page(2), 16);

    memset(&attr, 0, sizeof attr);
    mprotect(arena, ARENA_PAGES * PAGE, PROT_READ | PROT_WRITE);
    uint64_t *names = (uint64_t *)at_page(2);
    names[0] = WORD(strcpy((char *)at_page(3), "first"));
    names[1] = WORD(strcpy((char *)at_page(5), "second"));
    attr.link_create.attach_type = BPF_TRACE_KPROBE_MULTI;
    attr.link_create.kprobe_multi.cnt = 2;
    attr.link_create.kprobe_multi.syms = WORD(names);
    attr.link_create.kprobe_multi.cookies = WORD(at_page(6));
    assert_true(walk_bpf(BPF_LINK_CREATE, &attr, sizeof attr.link_create));
    EXPECT(is_walked(at_page(3), 6));
    EXPECT(is_walked(at_page(5), 7));
    EXPECT_IN(at_page(6), 16);
    attr.link_create.kprobe_multi.cnt = (1 << 20) + 1; /* the kernel refuses it */
    assert_true(walk_bpf(BPF_LINK_CREATE, &attr, sizeof attr.link_create));
    assert_false(is_walked(at_page(6), PAGE));
}

static void io_uring_opens_the_buffers_that_it_registers(void **state)
{
    (void)state;
    struct iovec *iov = (struct iovec *)arena;
    for (unsigned i = 0; i < 40; i++)
        iov[i] = (struct iovec){at_page(10 + i), 10};
    assert_true(walk(SYS_io_uring_register, 0, 0, WORD(iov), 40, 0, 0)); /* IORING_REGISTER_BUFFERS */
    assert_int_equal(done(at_page(49), 10, true, 0), 10);
    open_pages(arena_start(), arena_end());
    uint64_t *update = (uint64_t *)arena; /* struct io_uring_rsrc_register */
    update[0] = 2;
    update[1] = 0;
    update[2] = WORD(at_page(1));
    update[3] = WORD(at_page(2));
    assert_true(walk(SYS_io_uring_register, 0, 13, WORD(update), 32, 0, 0)); /* IORING_REGISTER_FILES2 */
    EXPECT_IN(at_page(1), 8);
    EXPECT_IN(at_page(2), 16);
    open_pages(arena_start(), arena_end());
    uint64_t *arg = (uint64_t *)arena; /* struct io_uring_getevents_arg */
    arg[0] = WORD(at_page(1));
    arg[1] = 8;
    arg[2] = WORD(at_page(2));
    assert_true(walk(SYS_io_uring_enter, 0, 0, 1, 1 | 8, WORD(arg), 24));
    EXPECT_IN(at_page(1), 8);
    EXPECT_IN(at_page(2), 16);
    assert_false(walk(SYS_io_uring_enter, 0, 0, 1, 8, WORD(arg), 24)); /* nothing is waited for */
    region.counts.unknown_calls = 0;
    assert_false(walk(SYS_io_uring_register, 0, 99, WORD(arg), 1, 0, 0));
    assert_int_equal(region.counts.unknown_calls, 1);
}

static void ptrace_register_sets_have_their_length_beside_them(void **state)
{
    (void)state;
    struct iovec *iov = (struct iovec *)arena;
    *iov = (struct iovec){at_page(1), 1000};
    assert_true(walk(SYS_ptrace, 0x4204, 1, 1, WORD(iov), 0, 0)); /* PTRACE_GETREGSET */
    iov->iov_len = 216;
    assert_int_equal(done(at_page(1), 1000, true, 0), 216);
    assert_true(walk(SYS_ptrace, 12, 1, WORD(at_page(1)), WORD(arena), 0, 0)); /* PTRACE_GETREGS */
    EXPECT(find(arena, 216, true));
    assert_false(is_walked(at_page(1), PAGE));
    assert_false(walk(SYS_ptrace, 4, 1, WORD(arena), WORD(arena), 0, 0)); /* PTRACE_POKETEXT: not this memory */
}

/* ------------------------------------------------------------------------------------------- anything at all */

static uint64_t seed;

static uint64_t random_bits(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return seed >> 20;
}

static uint64_t odd_number(void)
{
    static const uint64_t numbers[] = {
        0,
        1,
        2,
        8,
        16,
        64,
        4096,
        4097,
        INT_MAX,
        0x80000000,
        UINT_MAX,
        (uint64_t)1 << VMTI_ADDRESS_BITS,
        (uint64_t)1 << 63,
        ((uint64_t)1 << VMTI_ADDRESS_BITS) - 8,
        UINT64_MAX,
    };
    return numbers[random_bits() % (sizeof numbers / sizeof numbers[0])];
}

static uint64_t anything(void)
{
    switch (random_bits() % 4) {
    case 0:
        return odd_number();
    case 1:
        return random_bits() % 64;
    default:
        return WORD(arena + random_bits() % (4 * PAGE));
    }
}

/* Walks the call, and looks at the spans with some results. */
static void walk_anything(const struct vmti_call *call)
{
    static const int64_t results[] = {0, 1, 100, -EFAULT, RESTART_BLOCK, INT64_MAX, INT64_MIN};
    walks = 0;
    vmti_walk_call(&region, &thread, call, vmti_row(call->nr));
    for (unsigned i = 0; i < walks; i++) {
        const struct vmti_span *span = &walked[i].span;
        assert_true(span->start < span->end && span->end <= (uint64_t)1 << VMTI_ADDRESS_BITS);
        for (unsigned k = 0; k < sizeof results / sizeof results[0]; k++)
            assert_true(vmti_span_done(&region, &thread, span, results[k]) <= span->end - span->start);
    }
}

static void fill_with_anything(void)
{
    open_pages(arena_start(), arena_end());
    for (size_t i = 0; i < 4 * PAGE / sizeof(uint64_t); i++)
        ((uint64_t *)arena)[i] = random_bits() % 3 ? anything() : random_bits();
}

static void no_argument_can_mislead_the_walker(void **state)
{
    (void)state;
    seed = 12345;
    for (unsigned round = 0; round < 50; round++) {
        fill_with_anything();
        for (int64_t nr = 0; nr < vmti_row_end(); nr++) {
            if (!vmti_row(nr) || !vmti_row(nr)->pointers)
                continue;
            struct vmti_call call = {.nr = nr};
            for (unsigned k = 0; k < 6; k++)
                call.args[k] = anything();
            walk_anything(&call);
        }
    }
}

static void no_command_can_mislead_the_walker(void **state)
{
    (void)state;
    static const uint64_t commands[] = {
        /* ioctl */
        0xc020660b,
        0xc0189436,
        0xc0686611,
        0xc0606610,
        0x8912,
        0x8913,
        0x8946,
        0x89b0,
        0x89f0,
        0x890b,
        0x8b01,
        0x2285,
        0x1269,
        0xc028aa03,
        0x40085203,
        0xc008240a,
        0x4008240b,
        0x401054d5,
        0x40085203,
        0xc0405a5a,
        0x80405a5a,
        0x40405a5a,
        0x5a5a,
        /* ptrace, quotactl, prctl, arch_prctl */
        0x4204,
        0x4205,
        0x4209,
        0x420a,
        0x420b,
        0x420c,
        0x420d,
        0x420e,
        0x420f,
        0x4210,
        0x4211,
        0x4212,
        0x80000700,
        0x580800,
        0x53564d41,
        0x41555856,
        0x1003,
    };
    enum { SMALL = 64, COMMANDS = SMALL + sizeof commands / sizeof commands[0] };
    seed = 54321;
    for (int64_t nr = 0; nr < vmti_row_end(); nr++) {
        const struct vmti_row *row = vmti_row(nr);
        unsigned by = 0;
        while (row && by < row->args && row->arg[by].kind != VMTI_ARG_BY)
            by++;
        if (!row || by >= row->args)
            continue;
        fill_with_anything();
        for (unsigned c = 0; c < COMMANDS; c++)
            for (unsigned at = 0; at < by; at++) {
                struct vmti_call call = {.nr = nr};
                for (unsigned k = 0; k < 6; k++)
                    call.args[k] = random_bits() % 4 ? WORD(arena + random_bits() % (4 * PAGE)) : random_bits() % 256;
                call.args[at] = c < SMALL ? c : commands[c - SMALL];
                walk_anything(&call);
            }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_arena, unmap_arena)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_call_without_pointers_looks_nothing_up),
        TEST(memory_that_is_not_tracked_costs_one_look_up),
        TEST(read_counts_as_many_bytes_as_its_result),
        TEST(write_reads_as_many_bytes_as_its_result),
        TEST(lengths_that_the_kernel_refuses_are_left_to_it),
        TEST(lengths_are_as_wide_as_the_kernel_declares_them),
        TEST(lengths_are_cut_where_the_kernel_cuts_them),
        TEST(results_count_units),
        TEST(a_buffer_larger_than_the_window_is_opened_before_it_is_touched),
        TEST(nanosleep_tells_what_is_left_only_if_interrupted),
        TEST(wait4_writes_only_if_someone_was_waited_for),
        TEST(select_sets_are_as_long_as_their_highest_descriptor),
        TEST(pselect6_passes_its_mask_in_a_structure),
        TEST(poll_reads_and_writes_each_entry_even_if_interrupted),
        TEST(node_masks_are_one_bit_shorter),
        TEST(mincore_writes_a_byte_a_page),
        TEST(a_string_is_walked_up_to_the_page_that_ends_it),
        TEST(a_string_that_ends_its_page_does_not_reach_the_next),
        TEST(a_string_without_an_end_stops_at_its_limit),
        TEST(a_string_that_runs_into_bad_memory_stops_there),
        TEST(a_string_before_tracked_memory_reaches_it_only_if_it_is_that_long),
        TEST(execve_walks_its_arrays_and_their_strings),
        TEST(an_array_of_strings_without_an_end_stops_at_bad_memory),
        TEST(readv_fills_its_buffers_in_turn),
        TEST(a_bad_iovec_ends_the_walk),
        TEST(the_buffers_of_a_call_are_cut_at_the_most_that_it_takes),
        TEST(many_buffers_are_read_in_pieces),
        TEST(recvmsg_walks_name_buffers_and_control),
        TEST(sendmsg_reads_what_recvmsg_writes),
        TEST(recvmmsg_counts_the_messages_that_came),
        TEST(sendmmsg_counts_the_messages_that_went),
        TEST(lengths_behind_pointers_bound_what_is_written),
        TEST(socket_options_have_lengths_and_filters),
        TEST(an_ioctl_that_nobody_knows_is_noted_if_it_matters),
        TEST(ioctls_know_their_sizes),
        TEST(ioctls_follow_their_structures),
        TEST(fcntl_locks_are_read_and_sometimes_written),
        TEST(futexes_are_reached_as_their_operation_needs),
        TEST(futex_waitv_reads_every_word),
        TEST(messages_carry_their_type_before_the_text),
        TEST(semctl_asks_how_many_semaphores_there_are),
        TEST(prctl_goes_by_its_option),
        TEST(clones_write_what_their_flags_say),
        TEST(structures_that_tell_their_size_are_believed_within_limits),
        TEST(file_handles_tell_their_length),
        TEST(capabilities_go_by_their_version),
        TEST(io_submit_counts_the_requests_that_were_taken),
        TEST(reading_this_process_by_another_call_opens_both_sides),
        TEST(siginfo_is_read_as_far_as_its_code_is_known),
        TEST(extended_attributes_by_structure),
        TEST(epoll_ctl_needs_no_event_to_delete),
        TEST(vmsplice_goes_by_the_end_of_the_pipe),
        TEST(keyctl_goes_by_its_operation),
        TEST(quotactl_finds_its_command_in_either_order),
        TEST(bpf_asks_the_map_how_long_its_keys_and_values_are),
        TEST(bpf_reads_a_program_with_all_that_describes_it),
        TEST(bpf_commands_reach_what_their_attributes_point_to),
        TEST(bpf_links_have_names_addresses_and_cookies),
        TEST(io_uring_opens_the_buffers_that_it_registers),
        TEST(ptrace_register_sets_have_their_length_beside_them),
        TEST(no_argument_can_mislead_the_walker),
        TEST(no_command_can_mislead_the_walker),
    };
    return cmocka_run_group_tests_name("walk", tests, NULL, NULL);
}
