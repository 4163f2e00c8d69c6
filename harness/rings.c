/* SPDX-License-Identifier: MIT */
/* Structures are read as bytes, by the offsets of include/uapi/linux/io_uring.h. Runs in the catcher, as walk.c
 * does. */
#include "rings.h"

#include <errno.h>
#include <string.h>

#include "arena.h"
#include "effects.h"
#include "maps.h"
#include "os.h"
#include "thread.h"
#include "window.h"

/* struct io_uring_params and what follows from it. */
enum {
    PARAMS = 120,
    PARAMS_SQ_ENTRIES = 0,
    PARAMS_CQ_ENTRIES = 4,
    PARAMS_FLAGS = 8,
    PARAMS_SQ_HEAD = 40,
    PARAMS_SQ_TAIL = 44,
    PARAMS_SQ_ARRAY = 64,
    PARAMS_SQ_USER = 72,
    PARAMS_CQ_CQES = 100,
    PARAMS_CQ_USER = 112,

    SETUP_SQE128 = 1 << 10,
    SETUP_CQE32 = 1 << 11,
    SETUP_NO_MMAP = 1 << 14,
    SETUP_NO_SQARRAY = 1 << 16,

    SQE = 64,
    CQE = 16,
    BUFFER = 16,
};

#define MMAP_SQ_RING UINT64_C(0)
#define MMAP_SQES UINT64_C(0x10000000)

struct vmti_ring {
    struct vmti_ring *next;
    int fd;
    uint32_t entries, flags;
    uint32_t head, tail, array; /* offsets in ... */
    uintptr_t at;               /* ... the mapped ring; 0: not mapped yet */
    uintptr_t sqes;
};

struct vmti_ring_buffers {
    struct vmti_ring_buffers *next;
    uint64_t address, entries;
};

/* ------------------------------------------------------------------------------------------- memory */

static uint64_t page_up(uint64_t address)
{
    return (address + VMTI_PAGE_SIZE - 1) & ~(VMTI_PAGE_SIZE - 1);
}

void vmti_leave_open(struct vmti_region *r, struct vmti_thread *t, uint64_t addr, uint64_t len, bool writes)
{
    uint64_t end;
    if (!addr || !len || __builtin_add_overflow(addr, len, &end) || end > (uint64_t)1 << VMTI_ADDRESS_BITS ||
        !vmti_any_tracked(addr, end))
        return;
    vmti_touch(r, t, addr, end, VMTI_TOUCH_SYSCALL | (writes ? VMTI_TOUCH_WRITE : 0));
    for (uint64_t page = addr >> VMTI_PAGE_SHIFT; page < page_up(end) >> VMTI_PAGE_SHIFT; page++)
        r->counts.left_open += vmti_is_tracked(page);
    vmti_exempt(r, addr, end);
}

struct mapped {
    uintptr_t address;
    size_t bytes;
    bool found;
};

static void find_ring(void *context, const struct vmti_map *map)
{
    static const char name[] = "anon_inode:[io_uring]";
    struct mapped *mapped = context;
    if (mapped->address >= map->start && mapped->address < map->end)
        mapped->found = mapped->bytes <= map->end - mapped->address && (map->prot & PROT_READ) &&
                        map->path_bytes == sizeof name - 1 && !memcmp(map->path, name, sizeof name - 1);
}

/* Reads memory of a ring. Kernels before 6.10 map it by page frames, which process_vm_readv() does not read. */
static bool read_ring(struct vmti_region *r, void *to, uintptr_t from, size_t bytes)
{
    if (vmti_program_read(r->catcher ? r->catcher : r->pid, to, from, bytes))
        return true;
    struct mapped mapped = {from, bytes, false};
    if (vmti_maps_read(find_ring, &mapped) || !mapped.found)
        return false;
    memcpy(to, (const void *)from, bytes);
    return true;
}

/* ------------------------------------------------------------------------------------------- which rings there are */

static struct vmti_ring *find(struct vmti_region *r, int fd)
{
    struct vmti_ring *ring = r->rings;
    while (ring && ring->fd != fd)
        ring = ring->next;
    return ring;
}

void vmti_ring_note(struct vmti_region *r, struct vmti_thread *t, int fd, uint64_t params)
{
    unsigned char p[PARAMS];
    if (!read_ring(r, p, params, sizeof p)) {
        /* It has been written, and is closed again: another thread has had its turn. */
        struct vmti_walk w = {.region = r, .thread = t, .call = &t->call, .row = t->row, .entry = -1};
        if (!vmti_walk_read(&w, p, params, sizeof p))
            return;
    }
    struct vmti_ring *ring = find(r, fd); /* a descriptor that was closed and given out again */
    if (!ring) {
        ring = vmti_arena_alloc(&r->arena, sizeof *ring);
        if (!ring) {
            vmti_lose(r, -ENOMEM, VMTI_STEP_MEMORY);
            return;
        }
        ring->next = r->rings;
        r->rings = ring;
    }
    ring->fd = fd;
    ring->entries = vmti_half_at(p, PARAMS_SQ_ENTRIES);
    ring->flags = vmti_half_at(p, PARAMS_FLAGS);
    ring->head = vmti_half_at(p, PARAMS_SQ_HEAD);
    ring->tail = vmti_half_at(p, PARAMS_SQ_TAIL);
    ring->array = vmti_half_at(p, PARAMS_SQ_ARRAY);
    ring->at = ring->sqes = 0;
    if (ring->flags & SETUP_NO_MMAP) { /* it lies in the program's own memory */
        uint64_t cqes = (uint64_t)vmti_half_at(p, PARAMS_CQ_ENTRIES) * (ring->flags & SETUP_CQE32 ? 2 * CQE : CQE);
        uint64_t bytes = vmti_half_at(p, PARAMS_CQ_CQES) + cqes;
        if (!(ring->flags & SETUP_NO_SQARRAY))
            bytes += (uint64_t)ring->entries * sizeof(uint32_t);
        ring->at = vmti_word_at(p, PARAMS_CQ_USER);
        ring->sqes = vmti_word_at(p, PARAMS_SQ_USER);
        vmti_leave_open(r, t, ring->at, bytes, true);
        vmti_leave_open(r, t, ring->sqes, (uint64_t)ring->entries * (ring->flags & SETUP_SQE128 ? 2 * SQE : SQE), true);
    }
}

void vmti_ring_mapped(struct vmti_region *r, int fd, uint64_t offset, uintptr_t start)
{
    struct vmti_ring *ring = find(r, fd);
    if (ring && offset == MMAP_SQ_RING)
        ring->at = start;
    else if (ring && offset == MMAP_SQES)
        ring->sqes = start;
}

void vmti_ring_note_buffers(struct vmti_region *r, struct vmti_thread *t, uint64_t address, uint64_t entries)
{
    struct vmti_ring_buffers *buffers = vmti_arena_alloc(&r->arena, sizeof *buffers);
    if (!buffers) {
        vmti_lose(r, -ENOMEM, VMTI_STEP_MEMORY);
        return;
    }
    *buffers = (struct vmti_ring_buffers){r->ring_buffers, address, entries};
    r->ring_buffers = buffers;
    vmti_leave_open(r, t, address, entries * BUFFER, true);
}

/* ------------------------------------------------------------------------------------------- submissions */

enum { READS = 0, WRITES = 1 };

static void leave(struct vmti_walk *w, uint64_t addr, uint64_t len, bool writes)
{
    vmti_leave_open(w->region, w->thread, addr, len, writes);
}

/* What can be read at the submission; what is closed is touched and left open before. */
static bool leave_and_read(struct vmti_walk *w, void *to, uint64_t addr, uint64_t len)
{
    leave(w, addr, len, READS);
    return read_ring(w->region, to, addr, len);
}

static void leave_iov(struct vmti_walk *w, uint64_t iov, uint64_t count, bool writes)
{
    if (count > VMTI_UIO_MAXIOV)
        return;
    leave(w, iov, count * VMTI_SIZEOF_iovec, READS);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t entry[2];
        if (!read_ring(w->region, entry, iov + i * sizeof entry, sizeof entry))
            return;
        leave(w, entry[0], entry[1] < VMTI_MAX_RW_COUNT ? entry[1] : VMTI_MAX_RW_COUNT, writes);
    }
}

/* struct user_msghdr: include/linux/socket.h */
static void leave_msg(struct vmti_walk *w, uint64_t addr, bool writes, bool chosen)
{
    unsigned char m[VMTI_SIZEOF_msghdr];
    enum { NAME = 0, NAMELEN = 8, IOV = 16, IOVLEN = 24, CONTROL = 32, CONTROLLEN = 40 };
    leave(w, addr, sizeof m, writes);
    if (!read_ring(w->region, m, addr, sizeof m))
        return;
    uint64_t namelen = vmti_half_at(m, NAMELEN), controllen = vmti_word_at(m, CONTROLLEN);
    leave(w, vmti_word_at(m, NAME), namelen < VMTI_SOCKADDR_MAX ? namelen : VMTI_SOCKADDR_MAX, writes);
    leave_iov(w, vmti_word_at(m, IOV), vmti_word_at(m, IOVLEN), writes && !chosen);
    leave(w, vmti_word_at(m, CONTROL), controllen < VMTI_MAX_RW_COUNT ? controllen : 0, writes);
}

/* Names are copied when the submission is looked at, in the call: io_uring/fs.c, openclose.c, statx.c, xattr.c. */
static void walk_path(struct vmti_walk *w, uint64_t addr)
{
    vmti_walk_string(w, addr, VMTI_PATH_MAX);
}

static void leave_futexes(struct vmti_walk *w, uint64_t array, uint64_t count)
{
    enum { WAITER = 24, ADDRESS = 8, WAITERS_MAX = 128 };
    for (uint64_t i = 0; i < count && i < WAITERS_MAX; i++) {
        unsigned char waiter[WAITER];
        if (!leave_and_read(w, waiter, array + i * WAITER, WAITER))
            return;
        leave(w, vmti_word_at(waiter, ADDRESS), 8, READS);
    }
}

/* One submission: what each operation's fields point to (io_uring/opdef.c). */
static void walk_sqe(struct vmti_walk *w, const unsigned char *sqe)
{
    enum { OPCODE = 0, FLAGS = 1, FD = 4, OFF = 8, ADDR = 16, LEN = 24, OP_FLAGS = 28, ADDR_LEN = 44, ADDR3 = 48 };
    enum { BUFFER_SELECT = 1 << 5, TIMEOUT_UPDATE = 1 << 1 };
    uint64_t addr = vmti_word_at(sqe, ADDR), off = vmti_word_at(sqe, OFF), addr3 = vmti_word_at(sqe, ADDR3);
    uint64_t len = vmti_half_at(sqe, LEN);
    bool chosen = sqe[FLAGS] & BUFFER_SELECT;
    switch (sqe[OPCODE]) {
    case 1: /* READV */
    case 2: /* WRITEV */
        leave_iov(w, addr, len, sqe[OPCODE] == 1 && !chosen);
        break;
    case 60: /* READV_FIXED: the buffers are registered */
    case 61: /* WRITEV_FIXED */
        if (len <= VMTI_UIO_MAXIOV)
            leave(w, addr, len * VMTI_SIZEOF_iovec, READS);
        break;
    case 9:  /* SENDMSG */
    case 48: /* SENDMSG_ZC */
        leave_msg(w, addr, false, chosen);
        break;
    case 10: /* RECVMSG */
        leave_msg(w, addr, true, chosen);
        break;
    case 11: /* TIMEOUT */
    case 15: /* LINK_TIMEOUT */
        leave(w, addr, VMTI_SIZEOF_timespec, READS);
        break;
    case 12: /* TIMEOUT_REMOVE */
        if (vmti_half_at(sqe, OP_FLAGS) & TIMEOUT_UPDATE)
            leave(w, off, VMTI_SIZEOF_timespec, READS);
        break;
    case 13: /* ACCEPT */
        leave(w, addr, VMTI_SOCKADDR_MAX, WRITES);
        leave(w, off, VMTI_SIZEOF_int, WRITES);
        break;
    case 16: /* CONNECT */
    case 56: /* BIND */
        leave(w, addr, off < VMTI_SOCKADDR_MAX ? off : VMTI_SOCKADDR_MAX, READS);
        break;
    case 18: /* OPENAT */
    case 36: /* UNLINKAT */
    case 37: /* MKDIRAT */
        walk_path(w, addr);
        break;
    case 20: /* FILES_UPDATE: slots that were allocated are written back */
        leave(w, addr, len * VMTI_SIZEOF_int, WRITES);
        break;
    case 21: /* STATX */
        walk_path(w, addr);
        leave(w, off, VMTI_SIZEOF_statx, WRITES);
        break;
    case 22: /* READ */
    case 27: /* RECV */
        if (!chosen)
            leave(w, addr, len, WRITES);
        break;
    case 26: /* SEND */
    case 47: /* SEND_ZC */
        leave(w, off, (uint64_t)sqe[ADDR_LEN] | (uint64_t)sqe[ADDR_LEN + 1] << 8, READS);
        leave(w, addr, len, READS);
        break;
    case 23: /* WRITE */
        leave(w, addr, len, READS);
        break;
    case 25: /* MADVISE, at any later time: what it does to the pages is not followed */
        vmti_exempt(w->region, addr & ~(VMTI_PAGE_SIZE - 1), page_up(addr + len));
        break;
    case 28: /* OPENAT2 */
        walk_path(w, addr);
        leave(w, off, len < VMTI_STRUCT_MAX ? len : VMTI_STRUCT_MAX, READS);
        break;
    case 29: /* EPOLL_CTL */
        leave(w, addr, VMTI_SIZEOF_epoll_event, READS);
        break;
    case 31: /* PROVIDE_BUFFERS: the descriptor is how many */
        leave(w, addr, len * vmti_half_at(sqe, FD), WRITES);
        break;
    case 35: /* RENAMEAT */
    case 38: /* SYMLINKAT */
    case 39: /* LINKAT */
        walk_path(w, addr);
        walk_path(w, off);
        break;
    case 42: /* SETXATTR */
    case 44: /* GETXATTR */
        walk_path(w, addr3);
        /* fall through */
    case 41: /* FSETXATTR */
    case 43: /* FGETXATTR */
        walk_path(w, addr);
        leave(w, off, len < VMTI_XATTR_SIZE_MAX ? len : VMTI_XATTR_SIZE_MAX, sqe[OPCODE] >= 43);
        break;
    case 46: /* URING_CMD: up to what the descriptor is */
    case 64: /* URING_CMD128 */
        vmti_note_unknown(w, sqe[OPCODE]);
        break;
    case 50: /* WAITID */
        leave(w, off, VMTI_SIZEOF_siginfo, WRITES);
        break;
    case 51: /* FUTEX_WAIT */
    case 52: /* FUTEX_WAKE */
        leave(w, addr, 8, READS);
        break;
    case 53: /* FUTEX_WAITV */
        leave_futexes(w, addr, len);
        break;
    case 59: /* EPOLL_WAIT */
        leave(w, addr, len * VMTI_SIZEOF_epoll_event, WRITES);
        break;
    case 62: /* PIPE */
        leave(w, addr, VMTI_SIZEOF_fd_pair, WRITES);
        break;
    default:
        if (sqe[OPCODE] > 64)
            vmti_note_unknown(w, sqe[OPCODE]);
        break;
    }
}

static void walk_ring(struct vmti_walk *w, const struct vmti_ring *ring, uint64_t count)
{
    struct vmti_region *r = w->region;
    uint32_t head, tail;
    uint64_t bytes = ring->flags & SETUP_SQE128 ? 2 * SQE : SQE;
    if (!ring->at || !ring->sqes || !read_ring(r, &head, ring->at + ring->head, sizeof head) ||
        !read_ring(r, &tail, ring->at + ring->tail, sizeof tail)) {
        vmti_note_unknown(w, 0);
        return;
    }
    for (uint64_t i = 0; i < count && i < ring->entries && head != tail; i++, head++) {
        unsigned char sqe[SQE];
        uint32_t index = head & (ring->entries - 1);
        if (!(ring->flags & SETUP_NO_SQARRAY) &&
            !read_ring(r, &index, ring->at + ring->array + index * sizeof index, sizeof index))
            return;
        if (index < ring->entries && read_ring(r, sqe, ring->sqes + index * bytes, sizeof sqe))
            walk_sqe(w, sqe);
    }
}

void vmti_ring_walk(struct vmti_walk *w, int fd, bool registered, uint64_t count)
{
    struct vmti_region *r = w->region;
    /* The program may have added to them since, without a call. */
    for (const struct vmti_ring_buffers *buffers = r->ring_buffers; buffers; buffers = buffers->next)
        for (uint64_t i = 0; i < buffers->entries; i++) {
            unsigned char entry[BUFFER];
            if (!leave_and_read(w, entry, buffers->address + i * BUFFER, BUFFER))
                break;
            leave(w, vmti_word_at(entry, 0), vmti_half_at(entry, 8), WRITES);
        }
    if (!count)
        return;
    const struct vmti_ring *ring = registered ? NULL : find(r, fd);
    if (ring)
        walk_ring(w, ring, count);
    else if (r->rings)
        for (ring = r->rings; ring; ring = ring->next)
            walk_ring(w, ring, UINT32_MAX);
    else
        vmti_note_unknown(w, 0); /* a ring from before the region */
}
