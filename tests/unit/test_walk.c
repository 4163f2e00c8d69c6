/* SPDX-License-Identifier: MIT */
/* The walker on what the table alone describes: buffers, sets, strings, iovecs and messages. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>

#include "fake_window.h"

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
    };
    return cmocka_run_group_tests_name("walk", tests, NULL, NULL);
}
