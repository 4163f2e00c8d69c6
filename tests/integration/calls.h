/* SPDX-License-Identifier: MIT */
/* How a system call is described to the tests that make every call of the table, and what such calls need. A test that
 * includes this defines judge(), which makes the call in `the` as often as the test likes, each time in a child of its
 * own, and refuse(). recipes_files.h and recipes_system.h have the calls. */
#ifndef VMTI_TESTS_CALLS_H
#define VMTI_TESTS_CALLS_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#include <cmocka.h>

#include <linux/aio_abi.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/if.h>
#include <linux/openat2.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>

#include "arch.h"
#include "syscalls.h"

enum { PAGE = 4096, ROOM_PAGES = 8, SLOTS_MAX = 10, CHILD_SECONDS = 10, NUMBERS = 512 };

#define WORD(x) ((uint64_t)(uintptr_t)(x))

/* ------------------------------------------------------------------------------------------- one call */

/* A pointer: an argument, or a field of a structure that an argument leads to. */
struct slot {
    uint64_t *where;
    size_t bytes; /* at what it points to */
    bool ends;    /* the kernel finds the end of it by itself: strings, arrays with a NULL */
};

struct argument {
    uint64_t value;
    size_t bytes;
    bool ends;
};

/* Numbers, pointers to so many bytes, strings, and what the attempt itself puts in. */
#define N(number)                                                                                                      \
    {                                                                                                                  \
        .value = (uint64_t)(number)                                                                                    \
    }
#define P(pointer, size)                                                                                               \
    {                                                                                                                  \
        .value = WORD(pointer), .bytes = (size)                                                                        \
    }
#define S(string)                                                                                                      \
    {                                                                                                                  \
        .value = WORD(string), .bytes = strlen(string) + 1, .ends = true                                               \
    }
#define SELF N(UINT64_C(0x7e57005e1f))

static struct {
    long nr;
    uint64_t args[6];
    struct slot slots[SLOTS_MAX];
    unsigned count;
    void (*prepare)(void);
    bool loose;  /* the kernel reads less of it than the table says: no attempt with a byte less */
    bool varies; /* a call that succeeds gives another number each time */
} the;

static unsigned char *room; /* ends in a page that cannot be accessed */
static unsigned failures;
static bool covered[NUMBERS];

static unsigned char *guard(void)
{
    return room + ROOM_PAGES * PAGE;
}

/* Makes the call that was set up, and counts what is wrong in `failures`. */
static void judge(void);

/* For a `prepare`, in the child, that cannot make what the call needs. Does not return. */
static void refuse(void);

/* What the call has for its own process's number. */
static void put_self(void)
{
    for (unsigned i = 0; i < 6; i++)
        if (the.args[i] == UINT64_C(0x7e57005e1f))
            the.args[i] = (uint64_t)getpid();
}

/* Which of the calls that share a number. */
static const char *command_text(void)
{
    static char text[40];
    text[0] = '\0';
    if (the.nr == SYS_ioctl || the.nr == SYS_fcntl || the.nr == SYS_futex)
        snprintf(text, sizeof text, " (command %#lx)", (unsigned long)the.args[1]);
    return text;
}

/* Not for this user, or not in this kernel. */
static bool is_refused(int64_t result)
{
    return result == -EPERM || result == -EACCES || result == -ENOSYS || result == -EOPNOTSUPP;
}

static void set_call(long nr, const struct argument *arguments, size_t count)
{
    memset(&the, 0, sizeof the);
    the.nr = nr;
    for (size_t i = 0; i < count; i++) {
        the.args[i] = arguments[i].value;
        if (arguments[i].bytes)
            the.slots[the.count++] = (struct slot){&the.args[i], arguments[i].bytes, arguments[i].ends};
    }
}

/* Sets up one call; then fields may be added, and judge() be called. */
#define SET(nr, ...)                                                                                                   \
    do {                                                                                                               \
        const struct argument arguments_[] = {__VA_ARGS__};                                                            \
        set_call((nr), arguments_, sizeof arguments_ / sizeof arguments_[0]);                                          \
    } while (0)

#define JUDGE(nr, ...)                                                                                                 \
    do {                                                                                                               \
        SET(nr, __VA_ARGS__);                                                                                          \
        judge();                                                                                                       \
    } while (0)

#define JUDGE_PREPARED(prepare_, nr, ...)                                                                              \
    do {                                                                                                               \
        SET(nr, __VA_ARGS__);                                                                                          \
        the.prepare = (prepare_);                                                                                      \
        judge();                                                                                                       \
    } while (0)

/* For what the kernel looks at, but not at all of it, or after its result is certain. */
#define JUDGE_LOOSELY(nr, ...)                                                                                         \
    do {                                                                                                               \
        SET(nr, __VA_ARGS__);                                                                                          \
        the.loose = true;                                                                                              \
        judge();                                                                                                       \
    } while (0)

#define JUDGE_VARYING(nr, ...)                                                                                         \
    do {                                                                                                               \
        SET(nr, __VA_ARGS__);                                                                                          \
        the.varies = true;                                                                                             \
        judge();                                                                                                       \
    } while (0)

static void field(void *where, size_t bytes)
{
    the.slots[the.count++] = (struct slot){where, bytes, false};
}

static void field_string(void *where)
{
    const char *string = (const char *)(uintptr_t) * (uint64_t *)where;
    the.slots[the.count++] = (struct slot){where, strlen(string) + 1, true};
}

/* ------------------------------------------------------------------------------------------- resources */

static char folder[] = "/tmp/vmt-oracle-XXXXXX";
static char file_name[64], link_name[64], script_name[64];
static const char *const nowhere = "/nonexistent/vmt/oracle"; /* a path that leads nowhere */
static int zero, file, other_file, folder_fd, pipe_in, pipe_out, full_pipe, terminal, listener, client, datagram, epoll;
static int timer_fd, watch, queue = -1, shared = -1, semaphores = -1, messages = -1, pidfd = -1;
static struct sockaddr_in listener_address, datagram_address;
static unsigned char buf[16 * PAGE], buf2[16 * PAGE];
static bool has_attribute;

static void make_sockets(void)
{
    socklen_t len = sizeof listener_address;
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&any, sizeof any), 0);
    assert_int_equal(listen(listener, 100), 0);
    getsockname(listener, (struct sockaddr *)&listener_address, &len);
    client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&listener_address, sizeof listener_address), 0);
    assert_true(accept(listener, NULL, NULL) >= 0);
    datagram = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(datagram, (struct sockaddr *)&any, sizeof any), 0);
    len = sizeof datagram_address;
    getsockname(datagram, (struct sockaddr *)&datagram_address, &len);
}

static int make_resources(void **state)
{
    (void)state;
    int fds[2];
    assert_non_null(mkdtemp(folder));
    snprintf(file_name, sizeof file_name, "%s/file", folder);
    snprintf(link_name, sizeof link_name, "%s/link", folder);
    snprintf(script_name, sizeof script_name, "%s/not-a-program", folder);
    file = open(file_name, O_RDWR | O_CREAT, 0600);
    assert_int_equal(pwrite(file, buf, sizeof buf, 0), sizeof buf);
    assert_int_equal(symlink("where it leads", link_name), 0);
    int script = open(script_name, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
    assert_true(write(script, "not a program\n", 14) == 14);
    close(script);
    has_attribute = setxattr(file_name, "user.vmt", "value", 5, 0) == 0;
    other_file = memfd_create("oracle", 0);
    zero = open("/dev/zero", O_RDWR);
    folder_fd = open(folder, O_RDONLY | O_DIRECTORY);
    assert_int_equal(pipe(fds), 0);
    pipe_out = fds[0];
    pipe_in = fds[1];
    assert_int_equal(pipe(fds), 0);
    full_pipe = fds[0];
    assert_int_equal(write(fds[1], buf, 100), 100);
    terminal = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    make_sockets();
    epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, full_pipe, &event), 0);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, 0);
    watch = inotify_init1(0);
    struct mq_attr attr = {.mq_maxmsg = 4, .mq_msgsize = 64};
    queue = mq_open("/vmt-oracle", O_RDWR | O_CREAT | O_NONBLOCK, 0600, &attr);
    mq_unlink("/vmt-oracle");
    shared = shmget(IPC_PRIVATE, PAGE, 0600);
    semaphores = semget(IPC_PRIVATE, 3, 0600);
    messages = msgget(IPC_PRIVATE, 0600);
    pidfd = (int)syscall(434, getpid(), 0); /* pidfd_open */
    room = mmap(NULL, (ROOM_PAGES + 1) * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(room != MAP_FAILED);
    assert_int_equal(mprotect(guard(), PAGE, PROT_NONE), 0);
    return 0;
}

static int remove_resources(void **state)
{
    (void)state;
    if (shared >= 0)
        shmctl(shared, IPC_RMID, NULL);
    if (semaphores >= 0)
        semctl(semaphores, 0, IPC_RMID);
    if (messages >= 0)
        msgctl(messages, IPC_RMID, NULL);
    unlink(file_name);
    unlink(link_name);
    unlink(script_name);
    rmdir(folder);
    return 0;
}

static void verdict(void)
{
    unsigned wrong = failures;
    failures = 0;
    assert_int_equal(wrong, 0);
}

#endif
