/* SPDX-License-Identifier: MIT */
/* The walker on calls whose pointers depend on a command, or on what is in memory: walk_by*.c. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#include <linux/aio_abi.h>
#include <linux/bpf.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <linux/version.h>

#include "fake_window.h"

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
    EXPECT_IN(arena, VMTI_SIZEOF_epoll_event);
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

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0) /* older headers have fewer of the attributes that are compared */
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
#endif

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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0)
        TEST(bpf_reads_a_program_with_all_that_describes_it),
        TEST(bpf_commands_reach_what_their_attributes_point_to),
        TEST(bpf_links_have_names_addresses_and_cookies),
#endif
        TEST(io_uring_opens_the_buffers_that_it_registers),
        TEST(ptrace_register_sets_have_their_length_beside_them),
    };
    return cmocka_run_group_tests_name("walk_by", tests, NULL, NULL);
}
