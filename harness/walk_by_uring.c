/* SPDX-License-Identifier: MIT */
/*
 * BY rules for calls that start work which the kernel goes on with later: aio and io_uring. What the calls themselves
 * use is walked here; rings.c has the submissions. Structures are read as bytes, by the offsets of
 * include/uapi/linux/aio_abi.h and io_uring.h. Runs in the catcher, as walk.c does.
 */
#include "walk.h"

#include <errno.h>
#include <string.h>

#include "rings.h"
#include "thread.h"

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

/*
 * fs/aio.c. The requests are taken one by one; the result is how many. Those to files are done, or have their pages
 * held, when the call returns; what was read by then is not told, so the whole buffer counts.
 */
void vmti_walk_io_submit(struct vmti_walk *w, unsigned i)
{
    enum { OPCODE = 16, BUF = 24, BYTES = 32, PREAD = 0, PWRITE = 1, PREADV = 7, PWRITEV = 8, REQUESTS_MAX = 1 << 16 };
    static const struct vmti_span whole = {.done = VMTI_DONE_ALL};
    int64_t count = (int64_t)w->call->args[1];
    uint64_t list = w->call->args[i];
    if (count <= 0)
        return;
    if (count > REQUESTS_MAX)
        count = REQUESTS_MAX; /* of all processes together: fs.aio-max-nr */
    for (int64_t k = 0; k < count; k++) {
        unsigned char iocb[VMTI_SIZEOF_iocb];
        uint64_t addr;
        uint16_t opcode;
        w->entry = k;
        if (!vmti_walk_read(w, &addr, list + (uint64_t)k * sizeof addr, sizeof addr))
            break;
        vmti_walk_inout(w, addr, VMTI_SIZEOF_iocb); /* the kernel marks it as its own: aio_key */
        if (!vmti_walk_read(w, iocb, addr, sizeof iocb))
            break;
        memcpy(&opcode, iocb + OPCODE, sizeof opcode);
        uint64_t buf = vmti_word_at(iocb, BUF), bytes = vmti_word_at(iocb, BYTES);
        if (opcode == PREAD || opcode == PWRITE) {
            if (bytes > VMTI_MAX_RW_COUNT)
                bytes = VMTI_MAX_RW_COUNT;
            if (opcode == PREAD)
                vmti_walk_out(w, buf, bytes);
            else
                vmti_walk_in_done(w, buf, bytes);
        } else if (opcode == PREADV || opcode == PWRITEV) {
            vmti_walk_iov(w, buf, bytes, opcode == PREADV, &whole);
        }
    }
    w->entry = -1;
}

/* A ring that a thread of the kernel's polls has no calls in which its submissions could be seen: it is refused, as it
 * was without privilege up to Linux 5.10, and programs can do without. */
void vmti_walk_io_uring_setup(struct vmti_walk *w, unsigned i)
{
    enum { PARAMS = 120, FLAGS = 8, SQPOLL = 1 << 1 };
    unsigned char params[PARAMS];
    vmti_walk_inout(w, w->call->args[i], PARAMS);
    if (vmti_walk_read(w, params, w->call->args[i], PARAMS) && (vmti_half_at(params, FLAGS) & SQPOLL))
        w->thread->refused = -EPERM;
}

void vmti_walk_io_uring_enter(struct vmti_walk *w, unsigned i)
{
    enum { GETEVENTS = 1 << 0, EXT_ARG = 1 << 3, REGISTERED_RING = 1 << 4, EXT_ARG_REG = 1 << 6 };
    enum { ARG = 24, MASK_BYTES = 8, TIME = 16 };
    unsigned char arg[ARG];
    uint32_t flags = (uint32_t)w->call->args[3];
    uint64_t addr = w->call->args[i], size = w->call->args[i + 1];
    vmti_ring_walk(w, (int)w->call->args[0], flags & REGISTERED_RING, (uint32_t)w->call->args[1]);
    if (!(flags & GETEVENTS) || (flags & EXT_ARG_REG))
        return;
    if (!(flags & EXT_ARG)) {
        if (size == VMTI_SIZEOF_sigset)
            vmti_walk_in(w, addr, size);
    } else if (size == ARG && vmti_walk_read(w, arg, addr, ARG)) {
        if (vmti_half_at(arg, MASK_BYTES) == VMTI_SIZEOF_sigset)
            vmti_walk_in(w, vmti_word_at(arg, 0), VMTI_SIZEOF_sigset);
        vmti_walk_in(w, vmti_word_at(arg, TIME), VMTI_SIZEOF_timespec);
    }
}

/* Registered buffers are looked up and held now, for writing: io_uring/rsrc.c, io_pin_pages. Later use of them is by
 * page. */
static void walk_ring_buffers(struct vmti_walk *w, uint64_t iov, uint64_t count)
{
    enum { BUFFERS_MAX = 1 << 14 };
    static const struct vmti_span whole = {.done = VMTI_DONE_ALL};
    if (count > BUFFERS_MAX)
        return;
    for (uint64_t done = 0; iov && done < count; done += VMTI_UIO_MAXIOV) {
        uint64_t some = count - done < VMTI_UIO_MAXIOV ? count - done : VMTI_UIO_MAXIOV;
        vmti_walk_iov(w, iov + done * VMTI_SIZEOF_iovec, some, true, &whole);
    }
}

/* struct io_uring_region_desc: memory of the program's that becomes the ring's. */
static void walk_ring_region(struct vmti_walk *w, uint64_t region)
{
    enum { BYTES = 64, ADDR = 0, SIZE = 8, FLAGS = 16, USER = 1 };
    unsigned char desc[BYTES];
    vmti_walk_inout(w, region, BYTES);
    if (vmti_walk_read(w, desc, region, BYTES) && (vmti_half_at(desc, FLAGS) & USER))
        vmti_walk_out(w, vmti_word_at(desc, ADDR), vmti_word_at(desc, SIZE));
}

/* io_uring/query.c: a list of questions, each with a buffer. */
static void walk_ring_query(struct vmti_walk *w, uint64_t entry)
{
    enum { BYTES = 40, NEXT = 0, DATA = 8, SIZE = 20, ENTRIES_MAX = 1000 };
    unsigned char head[BYTES];
    for (int k = 0; entry && k < ENTRIES_MAX; k++) {
        vmti_walk_inout(w, entry, BYTES);
        if (!vmti_walk_read(w, head, entry, BYTES))
            return;
        if (vmti_half_at(head, SIZE) <= VMTI_STRUCT_MAX)
            vmti_walk_inout(w, vmti_word_at(head, DATA), vmti_half_at(head, SIZE));
        entry = vmti_word_at(head, NEXT);
    }
}

/* The structures that point further; io_uring/register.c and rsrc.c. */
static void walk_ring_structure(struct vmti_walk *w, uint32_t opcode, uint64_t arg, uint64_t count)
{
    enum { UPDATE = 16, REGISTER2 = 32, PBUF = 40, PBUF_FLAGS = 14, PBUF_MMAP = 1, PBUF_ENTRY = 16, ZCRX = 96 };
    unsigned char s[ZCRX];
    switch (opcode) {
    case 6: /* IORING_REGISTER_FILES_UPDATE */
        if (vmti_walk_read(w, s, arg, UPDATE))
            vmti_walk_in(w, vmti_word_at(s, 8), count * sizeof(int));
        break;
    case 13: /* IORING_REGISTER_FILES2 */
    case 15: /* IORING_REGISTER_BUFFERS2 */
        if (count != REGISTER2 || !vmti_walk_read(w, s, arg, REGISTER2))
            break;
        if (opcode == 13)
            vmti_walk_in(w, vmti_word_at(s, 16), (uint64_t)vmti_half_at(s, 0) * sizeof(int));
        else
            walk_ring_buffers(w, vmti_word_at(s, 16), vmti_half_at(s, 0));
        vmti_walk_in(w, vmti_word_at(s, 24), (uint64_t)vmti_half_at(s, 0) * 8);
        break;
    case 14: /* IORING_REGISTER_FILES_UPDATE2 */
    case 16: /* IORING_REGISTER_BUFFERS_UPDATE */
        if (count != REGISTER2 || !vmti_walk_read(w, s, arg, REGISTER2))
            break;
        if (opcode == 14)
            vmti_walk_in(w, vmti_word_at(s, 8), (uint64_t)vmti_half_at(s, 24) * sizeof(int));
        else
            walk_ring_buffers(w, vmti_word_at(s, 8), vmti_half_at(s, 24));
        vmti_walk_in(w, vmti_word_at(s, 16), (uint64_t)vmti_half_at(s, 24) * 8);
        break;
    case 22: /* IORING_REGISTER_PBUF_RING */
        if (vmti_walk_read(w, s, arg, PBUF) && !(s[PBUF_FLAGS] & PBUF_MMAP))
            vmti_walk_out(w, vmti_word_at(s, 0), (uint64_t)vmti_half_at(s, 8) * PBUF_ENTRY);
        break;
    case 32: /* IORING_REGISTER_ZCRX_IFQ */
        vmti_walk_inout(w, arg, ZCRX);
        if (vmti_walk_read(w, s, arg, ZCRX)) {
            uint64_t area = vmti_word_at(s, 16);
            walk_ring_region(w, vmti_word_at(s, 24));
            vmti_walk_inout(w, area, 48);
            if (vmti_walk_read(w, s, area, 48))
                vmti_walk_out(w, vmti_word_at(s, 0), vmti_word_at(s, 8));
        }
        break;
    case 34: /* IORING_REGISTER_MEM_REGION */
        if (vmti_walk_read(w, s, arg, 32))
            walk_ring_region(w, vmti_word_at(s, 0));
        break;
    default:
        break;
    }
}

void vmti_walk_io_uring_register(struct vmti_walk *w, unsigned i)
{
    enum { REGISTERED_RING = 1u << 31, LAST = 36, PROBE_HEAD = 16, PROBE_OP = 8, PROBES_MAX = 256 };
    /* clang-format off */
    static const struct vmti_command structures[] = {
        {1, VMTI_HOW_NOTHING, 0},  {3, VMTI_HOW_NOTHING, 0},                             /* UNREGISTER_* */
        {4, VMTI_HOW_IN, 4},       {5, VMTI_HOW_NOTHING, 0},  {7, VMTI_HOW_IN, 4},       /* EVENTFD */
        {9, VMTI_HOW_NOTHING, 0},  {10, VMTI_HOW_NOTHING, 0}, {12, VMTI_HOW_NOTHING, 0}, /* PERSONALITY, ENABLE_RINGS */
        {18, VMTI_HOW_NOTHING, 0}, {19, VMTI_HOW_INOUT, 8},                              /* IOWQ_MAX_WORKERS */
        {23, VMTI_HOW_IN, 40},     {24, VMTI_HOW_IN, 64},     {25, VMTI_HOW_IN, 16},     /* SYNC_CANCEL */
        {26, VMTI_HOW_INOUT, 40},  {27, VMTI_HOW_INOUT, 16},  {28, VMTI_HOW_OUT, 16},    /* PBUF_STATUS, NAPI */
        {29, VMTI_HOW_IN, 16},     {30, VMTI_HOW_IN, 32},     {31, VMTI_HOW_IN, 64},     /* CLOCK ... MSG_RING */
        {33, VMTI_HOW_INOUT, 120}, {36, VMTI_HOW_INOUT, 72},                             /* RESIZE_RINGS, ZCRX_CTRL */
    };
    /* clang-format on */
    uint32_t opcode = (uint32_t)w->call->args[1] & ~(uint32_t)REGISTERED_RING;
    uint64_t arg = w->call->args[i], count = (uint32_t)w->call->args[i + 1];
    if (opcode > LAST) {
        vmti_note_unknown(w, opcode);
        return;
    }
    if (!arg || vmti_walk_command(w, structures, ROWS(structures), opcode, arg))
        return;
    switch (opcode) {
    case 0: /* IORING_REGISTER_BUFFERS */
        walk_ring_buffers(w, arg, count);
        break;
    case 2: /* IORING_REGISTER_FILES */
        vmti_walk_in(w, arg, count * sizeof(int));
        break;
    case 8: /* IORING_REGISTER_PROBE */
        if (count <= PROBES_MAX)
            vmti_walk_inout(w, arg, PROBE_HEAD + count * PROBE_OP);
        break;
    case 11: /* IORING_REGISTER_RESTRICTIONS */
    case 21: /* IORING_UNREGISTER_RING_FDS */
        vmti_walk_in(w, arg, count * 16);
        break;
    case 17: /* IORING_REGISTER_IOWQ_AFF */
        vmti_walk_in(w, arg, count < VMTI_CPUMASK_MAX ? count : VMTI_CPUMASK_MAX);
        break;
    case 20: /* IORING_REGISTER_RING_FDS: the slot that was given out is written */
        vmti_walk_inout(w, arg, count * 16);
        break;
    case 35: /* IORING_REGISTER_QUERY */
        walk_ring_query(w, arg);
        break;
    default:
        walk_ring_structure(w, opcode, arg, count);
        break;
    }
}
