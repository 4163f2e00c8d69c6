/* SPDX-License-Identifier: MIT */
/* What test_oracle.c makes its calls with: one attempt after the other, each by a child of its own, and what the calls
 * need. */
#ifndef VMTI_TESTS_ORACLE_H
#define VMTI_TESTS_ORACLE_H

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

#include "thread.h"
#include "walk.h"
#include "window.h"

enum { PAGE = 4096, ROOM_PAGES = 8, SLOTS_MAX = 10, SPANS_MAX = 4096, CHILD_SECONDS = 10, NUMBERS = 512 };

#define WORD(x) ((uint64_t)(uintptr_t)(x))

/* ------------------------------------------------------------------------------------------- the fake window */

/* All memory is tracked; what is walked is noted. */
static struct {
    struct vmti_span span;
    bool touched;
} walked[SPANS_MAX];
static unsigned walks;
static uint64_t touched_start, touched_end;

bool vmti_any_tracked(uintptr_t start, uintptr_t end)
{
    return start < end;
}

void vmti_touch(struct vmti_region *r, struct vmti_thread *t, uintptr_t start, uintptr_t end, unsigned flags)
{
    (void)r, (void)t, (void)flags;
    touched_start = start;
    touched_end = end;
}

struct vmti_span *vmti_pin(struct vmti_region *r, struct vmti_thread *t, uintptr_t start, uintptr_t end, bool writes)
{
    (void)r, (void)t;
    if (walks == SPANS_MAX)
        return NULL;
    walked[walks].touched = touched_start == start && touched_end == end;
    touched_start = touched_end = 0;
    walked[walks].span = (struct vmti_span){.start = start, .end = end, .writes = writes};
    return &walked[walks++].span;
}

/* ------------------------------------------------------------------------------------------- one attempt */

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
    bool loose; /* the kernel reads less of it than the table says: no attempt with a byte less */
} the;

static struct outcome {
    bool complete;
    int64_t result;
    uint64_t counts[SLOTS_MAX];
} * outcome; /* shared with the child */

static unsigned char *room;   /* ends in a page that cannot be accessed */
static unsigned char *places; /* for what is not being tried */
static unsigned failures;
static bool covered[NUMBERS];

static unsigned char *guard(void)
{
    return room + ROOM_PAGES * PAGE;
}

/* How many bytes from the pointer on count as touched. */
static uint64_t count_bytes(const struct slot *slot)
{
    struct vmti_region region = {.pid = getpid()};
    struct vmti_thread thread = {.tid = getpid()};
    uint64_t start = *slot->where, end = start;
    for (unsigned k = 0; k < walks; k++) { /* in the order of the walk, which goes on where it left off */
        const struct vmti_span *span = &walked[k].span;
        uint64_t bytes = span->end - span->start;
        if (!walked[k].touched)
            bytes = vmti_span_done(&region, &thread, span, outcome->result);
        if (bytes && span->start >= start && span->start <= end && span->start + bytes > end)
            end = span->start + bytes;
    }
    return end > start && slot->ends ? slot->bytes : end - start;
}

static void walk_and_call(void)
{
    struct vmti_region region = {.window = 1 << 20, .pid = getpid()};
    struct vmti_thread thread = {.tid = getpid()};
    struct vmti_call call = {.nr = the.nr};
    memcpy(call.args, the.args, sizeof call.args);
    walks = 0;
    vmti_walk_call(&region, &thread, &call, vmti_row(the.nr));
    outcome->result =
        vmti_syscall6(the.nr, the.args[0], the.args[1], the.args[2], the.args[3], the.args[4], the.args[5]);
    if (the.nr == SYS_modify_ldt) /* gives an unsigned int: arch/x86/kernel/ldt.c */
        outcome->result = (int32_t)outcome->result;
    for (unsigned i = 0; i < the.count; i++)
        outcome->counts[i] = count_bytes(&the.slots[i]);
    outcome->complete = true;
}

/* Everything that a pointer leads to has pages of its own, so that nobody's mistake is hidden by a neighbour. */
static void move(struct slot *slot, unsigned char *to)
{
    size_t fits = to < guard() && to >= room ? (size_t)(guard() - to) : to == guard() ? 0 : slot->bytes;
    memcpy(to, (void *)(uintptr_t)*slot->where, fits < slot->bytes ? fits : slot->bytes);
    *slot->where = WORD(to);
}

/* The call with slot number `slot` at `to`; -1: with all in good places. */
static struct outcome attempt(int slot, unsigned char *to)
{
    memset(outcome, 0, sizeof *outcome);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(CHILD_SECONDS);
        for (unsigned i = 0; i < 6; i++)
            if (the.args[i] == UINT64_C(0x7e57005e1f))
                the.args[i] = (uint64_t)getpid();
        if (the.prepare)
            the.prepare();
        /* What is inside goes before what it is in. */
        for (int i = (int)the.count - 1; i >= 0; i--)
            move(&the.slots[i], i == slot ? to : places + (size_t)i * ROOM_PAGES * PAGE);
        walk_and_call();
        _exit(0);
    }
    int status;
    while (waitpid(child, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    return *outcome;
}

/* For a `prepare` that cannot make what the call needs. */
static inline void refuse(void)
{
    outcome->result = -EPERM;
    outcome->complete = true;
    _exit(0);
}

__attribute__((format(printf, 2, 3))) static void complain(unsigned slot, const char *format, ...)
{
    va_list list;
    char text[200];
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    char command[40] = "";
    if (the.nr == SYS_ioctl || the.nr == SYS_fcntl || the.nr == SYS_futex)
        snprintf(command, sizeof command, " (command %#lx)", (unsigned long)the.args[1]);
    print_error("%s%s, pointer %u: %s\n", vmti_row(the.nr)->name, command, slot, text);
    failures++;
}

/* Not for this user, or not in this kernel. */
static bool is_refused(int64_t result)
{
    return result == -EPERM || result == -EACCES || result == -ENOSYS || result == -EOPNOTSUPP;
}

static void judge(void)
{
    covered[the.nr] = true;
    struct outcome first = attempt(-1, NULL);
    if (!first.complete) {
        complain(0, "the call did not come back");
        return;
    }
    if (is_refused(first.result)) {
        print_message("  %s: not here: %s\n", vmti_row(the.nr)->name, strerror((int)-first.result));
        return;
    }
    if (first.result == -EFAULT) {
        complain(0, "EFAULT with good arguments");
        return;
    }
    for (unsigned i = 0; i < the.count; i++) {
        uint64_t counts = first.counts[i];
        struct outcome bad = attempt((int)i, guard());
        if (!bad.complete)
            complain(i, "did not come back from a bad page");
        else if ((bad.result == -EFAULT || bad.result < first.result) && !counts)
            complain(i, "is used, but the table says that it is not (%ld, at first %ld)", (long)bad.result,
                     (long)first.result);
        else if (bad.result != -EFAULT && counts && !(bad.result >= 0 && bad.result < first.result))
            complain(i, "is not used, but the table says that it is, %lu bytes (%ld, at first %ld)",
                     (unsigned long)counts, (long)bad.result, (long)first.result);
        if (!counts)
            continue;
        if (counts > ROOM_PAGES * PAGE) {
            complain(i, "%lu bytes are too many for this test", (unsigned long)counts);
            continue;
        }
        struct outcome tight = attempt((int)i, guard() - counts);
        if (!tight.complete || tight.result != first.result)
            complain(i, "%lu bytes are not enough (%ld, at first %ld)", (unsigned long)counts, (long)tight.result,
                     (long)first.result);
        if (the.loose)
            continue;
        struct outcome less = attempt((int)i, guard() - counts + 1);
        if (!less.complete || less.result == first.result)
            complain(i, "%lu bytes are more than are used (%ld)", (unsigned long)counts, (long)less.result);
    }
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
    outcome = mmap(NULL, sizeof *outcome, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    room = mmap(NULL, (ROOM_PAGES + 1) * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    places = mmap(NULL, SLOTS_MAX * ROOM_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(outcome != MAP_FAILED && room != MAP_FAILED && places != MAP_FAILED);
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
