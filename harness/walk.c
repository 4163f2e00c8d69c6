/* SPDX-License-Identifier: MIT */
/*
 * The walker for all that a row of the table can say itself; walk_by*.c has the rest. Runs in the catcher, at a stop:
 * raw system calls only, no memory but the stack, and of that little.
 */
#include "walk.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "os.h"
#include "window.h"

enum {
    CHUNK_BYTES = 512,           /* of a string, read at once */
    CHUNK_ENTRIES = 32,          /* of an array, read at once */
    ARG_STRING_MAX = 128 * 1024, /* include/uapi/linux/binfmts.h, MAX_ARG_STRLEN */
    MESSAGES_MAX = 1 << 16,      /* of recvmmsg, which has no limit of its own: 4 MiB of headers */
    ARG_BYTES_MAX = 6 << 20,     /* fs/exec.c, bprm_stack_limits: of all strings, and of pointers to them */
};

static const uint64_t address_end = (uint64_t)1 << VMTI_ADDRESS_BITS;

static uint64_t min_of(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Is it a range that the kernel's access_ok() lets pass? NULL is, but nobody walks it. Tags were taken off: where the
 * process may not pass them the kernel refuses the address, and what is open then is open in vain. */
static bool is_user_range(uint64_t addr, uint64_t len)
{
    return addr && len && addr < address_end && len <= address_end - addr;
}

static uint64_t page_end_of(uint64_t addr)
{
    return (addr | (VMTI_PAGE_SIZE - 1)) + 1;
}

/* ------------------------------------------------------------------------------------------- program memory */

/*
 * Copies program memory; false if not all of it can be read. The kernel reads for us, and says EFAULT where it cannot.
 * It is asked by the catcher's own pid: the memory is the same, and that pid is there even after the program's first
 * thread has ended, whose pid has no memory any more (mm/process_vm_access.c, process_vm_rw_core).
 */
static bool fetch(const struct vmti_region *r, void *to, uint64_t addr, uint64_t len)
{
    addr = vmti_untag(addr);
    if (!is_user_range(addr, len))
        return false;
    memset(to, 0, len); /* checkers do not see what the kernel writes */
    return vmti_program_read(r->catcher ? r->catcher : r->pid, to, addr, len);
}

enum { TOUCH = 1 << 0, WRITES = 1 << 1 };

static struct vmti_span *reach(struct vmti_walk *w, uint64_t addr, uint64_t len, unsigned how)
{
    addr = vmti_untag(addr);
    if (!is_user_range(addr, len) || !vmti_any_tracked(addr, addr + len))
        return NULL;
    w->reached = true;
    struct vmti_region *r = w->region;
    /* What is touched first is open when it is pinned, and costs one change of protection a page. A range larger than
     * the window would lose its first pages again meanwhile: it is opened whole before. */
    bool fits = len / VMTI_PAGE_SIZE < r->window / 2;
    if ((how & TOUCH) && fits)
        vmti_touch(r, w->thread, addr, addr + len, VMTI_TOUCH_SYSCALL);
    struct vmti_span *span = vmti_pin(r, w->thread, addr, addr + len, how & WRITES);
    if ((how & TOUCH) && !fits)
        vmti_touch(r, w->thread, addr, addr + len, VMTI_TOUCH_SYSCALL);
    return span;
}

void vmti_walk_in(struct vmti_walk *w, uint64_t addr, uint64_t len)
{
    if (w->entry >= 0) {
        struct vmti_span *span = reach(w, addr, len, 0);
        if (span) {
            span->done = VMTI_DONE_REACHED;
            span->unit = (uint32_t)min_of(len, UINT32_MAX);
            span->base = w->entry * (int64_t)span->unit;
        }
        return;
    }
    addr = vmti_untag(addr);
    if (!is_user_range(addr, len))
        return;
    if (addr >= w->in_start && addr + len <= w->in_end)
        return;
    vmti_span_counts(reach(w, addr, len, TOUCH), VMTI_DONE_RECORDED, 0);
    w->in_start = addr;
    w->in_end = addr + len;
}

struct vmti_span *vmti_walk_in_done(struct vmti_walk *w, uint64_t addr, uint64_t len)
{
    struct vmti_span *span = reach(w, addr, len, 0);
    if (span)
        span->after = (uint32_t)(w->entry + 1);
    return span;
}

struct vmti_span *vmti_walk_out(struct vmti_walk *w, uint64_t addr, uint64_t len)
{
    struct vmti_span *span = reach(w, addr, len, WRITES);
    if (span)
        span->after = (uint32_t)(w->entry + 1);
    return span;
}

struct vmti_span *vmti_walk_inout(struct vmti_walk *w, uint64_t addr, uint64_t len)
{
    if (w->entry >= 0) {
        vmti_walk_in(w, addr, len);
        return vmti_walk_out(w, addr, len);
    }
    return reach(w, addr, len, WRITES | TOUCH);
}

void vmti_walk_in_writable(struct vmti_walk *w, uint64_t addr, uint64_t len)
{
    vmti_span_counts(reach(w, addr, len, WRITES | TOUCH), VMTI_DONE_RECORDED, 0);
}

bool vmti_walk_read(struct vmti_walk *w, void *to, uint64_t addr, uint64_t len)
{
    vmti_walk_in(w, addr, len);
    return fetch(w->region, to, addr, len);
}

void vmti_walk_string(struct vmti_walk *w, uint64_t addr, uint64_t max)
{
    addr = vmti_untag(addr);
    if (!is_user_range(addr, 1))
        return;
    uint64_t end = addr + min_of(max, address_end - addr);
    bool walk_page = true;
    while (addr < end) {
        /* Strings mostly lie where nothing is tracked, and are not longer than this. */
        if (walk_page && !vmti_any_tracked(addr, addr + min_of(end - addr, ARG_STRING_MAX)))
            return;
        uint64_t page_end = min_of(page_end_of(addr), end);
        if (walk_page)
            vmti_walk_in(w, addr, page_end - addr);
        char chunk[CHUNK_BYTES];
        uint64_t len = min_of(page_end - addr, sizeof chunk);
        if (!fetch(w->region, chunk, addr, len))
            return;
        for (uint64_t i = 0; i < len; i++)
            if (chunk[i] == '\0')
                return;
        addr += len;
        walk_page = addr == page_end;
    }
}

/* argv and envp. fs/exec.c, count and copy_strings: the pointers are read up to the NULL, and each string whole. */
static void walk_strings(struct vmti_walk *w, uint64_t addr)
{
    addr = vmti_untag(addr);
    uint64_t limit = addr + min_of(ARG_BYTES_MAX, address_end - min_of(addr, address_end));
    while (is_user_range(addr, sizeof(uint64_t)) && addr < limit) {
        uint64_t pointers[CHUNK_ENTRIES];
        /* Not past the page that the NULL may be in. */
        uint64_t count = (page_end_of(addr) - addr) / sizeof pointers[0];
        count = count == 0 ? 1 : min_of(count, CHUNK_ENTRIES);
        if (!vmti_walk_read(w, pointers, addr, count * sizeof pointers[0]))
            return;
        for (uint64_t i = 0; i < count; i++) {
            if (pointers[i] == 0)
                return;
            vmti_walk_string(w, pointers[i], ARG_STRING_MAX);
        }
        addr += count * sizeof pointers[0];
    }
}

uint64_t vmti_walk_sized(struct vmti_walk *w, uint64_t addr, uint64_t offset, uint64_t least)
{
    uint32_t size;
    addr = vmti_untag(addr);
    if (addr >= address_end || !vmti_walk_read(w, &size, addr + offset, sizeof size))
        return 0;
    if (size == 0)
        size = (uint32_t)least;
    if (size < least || size > VMTI_STRUCT_MAX)
        return 0;
    vmti_walk_in(w, addr, size);
    return size;
}

/* ------------------------------------------------------------------------------------------- iovec, msghdr */

void vmti_walk_iov(struct vmti_walk *w, uint64_t iov, uint64_t count, bool writes, const struct vmti_span *how)
{
    static const struct vmti_span by_result = {.done = VMTI_DONE_RET, .unit = 1};
    if (!how)
        how = &by_result;
    if (count > VMTI_UIO_MAXIOV)
        return; /* EINVAL: lib/iov_iter.c, iovec_from_user */
    /* All of the array is read before any buffer is used. */
    vmti_walk_in(w, iov, count * VMTI_SIZEOF_iovec);
    uint64_t before = 0;
    for (uint64_t i = 0; i < count;) {
        struct iovec entry[CHUNK_ENTRIES];
        uint64_t n = min_of(count - i, CHUNK_ENTRIES);
        if (!fetch(w->region, entry, iov + i * sizeof entry[0], n * sizeof entry[0]))
            return;
        for (uint64_t k = 0; k < n; k++, i++) {
            /* lib/iov_iter.c, __import_iovec: a length that is negative or leaves the address space fails the call,
             * one that makes the sum too large is cut; one alone is cut before (__import_iovec_ubuf). */
            uint64_t base = vmti_untag((uintptr_t)entry[k].iov_base), len = entry[k].iov_len;
            if (count == 1 && (int64_t)len > VMTI_MAX_RW_COUNT)
                len = VMTI_MAX_RW_COUNT;
            if ((int64_t)len < 0 || (len && base && !is_user_range(base, len)))
                return;
            len = min_of(len, VMTI_MAX_RW_COUNT - before);
            struct vmti_span *span = writes ? vmti_walk_out(w, base, len) : vmti_walk_in_done(w, base, len);
            if (span) {
                span->done = how->done;
                span->unit = how->unit;
                span->at = how->at;
                span->at_bytes = how->at_bytes;
                span->base = how->base + (int64_t)before;
            }
            before += len;
        }
    }
}

/* struct user_msghdr: include/linux/socket.h */
struct msghdr_words {
    uint64_t name;
    int32_t namelen;
    uint32_t pad;
    uint64_t iov, iovlen;
    uint64_t control, controllen;
    uint64_t flags;
};

_Static_assert(sizeof(struct msghdr_words) == VMTI_SIZEOF_msghdr, "struct user_msghdr");

enum {
    MSGHDR_NAMELEN = 8,
    MSGHDR_CONTROLLEN = 40,
    MMSGHDR_LEN = 56, /* of struct mmsghdr: what one message was long */
};

/* What the message at addr refers to; its header is open already. `how`: what number counts the bytes of its buffers.
 * False: the kernel refuses the message. */
static bool walk_msg(struct vmti_walk *w, uint64_t addr, bool writes, const struct vmti_span *how)
{
    struct msghdr_words m;
    if (!fetch(w->region, &m, addr, sizeof m))
        return false;
    /* net/socket.c, __copy_msghdr: EINVAL; then the name to send to is read; then EMSGSIZE. */
    if (m.namelen < 0)
        return false;
    uint64_t namelen = min_of((uint64_t)m.namelen, VMTI_SOCKADDR_MAX);
    if (!writes)
        vmti_walk_in(w, m.name, namelen);
    if (m.iovlen > VMTI_UIO_MAXIOV)
        return false;
    vmti_walk_iov(w, m.iov, m.iovlen, writes, how);
    if (writes) {
        vmti_span_counts_at(vmti_walk_out(w, m.name, namelen), addr + MSGHDR_NAMELEN, 4, 1);
        vmti_span_counts_at(vmti_walk_out(w, m.control, m.controllen), addr + MSGHDR_CONTROLLEN, 8, 1);
    } else if (m.controllen <= INT32_MAX) { /* else ENOBUFS: ____sys_sendmsg */
        vmti_walk_in(w, m.control, m.controllen);
    }
    return true;
}

static void walk_mmsg(struct vmti_walk *w, uint64_t addr, uint64_t count, bool writes)
{
    count = min_of(count, writes ? MESSAGES_MAX : VMTI_UIO_MAXIOV);
    uint64_t bytes = count * VMTI_SIZEOF_mmsghdr;
    /* The headers are read one by one, the last of them for a message that did not come (do_recvmmsg), and the lengths
     * of those that did are written. */
    vmti_span_counts(vmti_walk_in_done(w, addr, bytes), VMTI_DONE_REACHED, VMTI_SIZEOF_mmsghdr);
    vmti_span_counts(vmti_walk_out(w, addr, bytes), VMTI_DONE_RET, VMTI_SIZEOF_mmsghdr);
    for (uint64_t i = 0; i < count; i++, addr += VMTI_SIZEOF_mmsghdr) {
        struct vmti_span how = {.done = VMTI_DONE_PTR, .at = addr + MMSGHDR_LEN, .at_bytes = 4, .unit = 1};
        w->entry = (int64_t)i;
        if (!walk_msg(w, addr, writes, &how))
            break; /* the kernel comes no further either */
    }
    w->entry = -1;
}

/* ------------------------------------------------------------------------------------------- rows */

/* The length that a row gives a buffer at addr, in bytes. 0: none, or one that the kernel refuses. */
static uint64_t length_of(struct vmti_walk *w, const struct vmti_arg *a, uint64_t addr)
{
    uint64_t value = w->call->args[a->arg], length;
    int32_t number;
    switch ((enum vmti_len_rule)a->len) {
    case VMTI_LEN_FIXED:
        return a->unit;
    case VMTI_LEN_ARG:
        if (__builtin_mul_overflow(value, a->unit, &length))
            length = UINT64_MAX;
        break;
    case VMTI_LEN_UINT:
        length = (uint64_t)(uint32_t)value * a->unit;
        break;
    case VMTI_LEN_INT:
        length = (int32_t)value > 0 ? (uint64_t)(int32_t)value * a->unit : 0;
        break;
    case VMTI_LEN_COUNT:
        return is_user_range(addr, value) ? min_of(value, VMTI_MAX_RW_COUNT) : 0;
    case VMTI_LEN_FDSET: /* fs/select.c: FDS_BYTES, of at most as many as the process has a table for */
        return (int32_t)value > 0 ? (min_of(value & INT32_MAX, VMTI_NR_OPEN_MAX) + 63) / 64 * 8 : 0;
    case VMTI_LEN_NODES:
        return value > 1 && value - 1 <= VMTI_NODES_MAX ? (value - 1 + 63) / 64 * 8 : 0;
    case VMTI_LEN_PAGEVEC:
        return (value >> VMTI_PAGE_SHIFT) + ((value & (VMTI_PAGE_SIZE - 1)) != 0);
    case VMTI_LEN_SIGSIZE:
        return value == VMTI_SIZEOF_sigset ? VMTI_SIZEOF_sigset : 0;
    case VMTI_LEN_PTR:
        if (!vmti_walk_read(w, &number, value, sizeof number))
            return 0;
        length = number > 0 || !a->most ? (uint32_t)number : 0;
        break;
    default:
        return 0;
    }
    if (a->most)
        length = min_of(length, a->most);
    /* Most calls use as much of it as they need, and never look at where it would end. */
    return min_of(length, address_end - min_of(addr, address_end));
}

/* What counts of a buffer by the rule of its row. */
static void set_done(struct vmti_span *span, const struct vmti_walk *w, const struct vmti_arg *a)
{
    if (!span)
        return;
    if (a->done == VMTI_DONE_PTR)
        vmti_span_counts_at(span, w->call->args[a->done_arg], 4, 1);
    else if (a->done == VMTI_DONE_HEAD)
        vmti_span_counts_at(span, span->start, 4, 1);
    else
        vmti_span_counts(span, (enum vmti_done)a->done, a->done_unit);
}

static void walk_arg(struct vmti_walk *w, unsigned i)
{
#define RULE_ENTRY(rule) [VMTI_RULE_##rule] = vmti_walk_##rule,
    static vmti_walk_by_fn *const rules[VMTI_RULE_COUNT] = {VMTI_RULES(RULE_ENTRY)};
    const struct vmti_arg *a = &w->row->arg[i];
    uint64_t value = vmti_untag(w->call->args[i]);
    if (value == 0 && a->kind != VMTI_ARG_BY) /* with a command, another argument may be the pointer */
        return;
    switch ((enum vmti_arg_kind)a->kind) {
    case VMTI_ARG_IN:
        if (a->done == VMTI_DONE_RECORDED)
            vmti_walk_in(w, value, length_of(w, a, value));
        else
            set_done(vmti_walk_in_done(w, value, length_of(w, a, value)), w, a);
        break;
    case VMTI_ARG_OUT:
        set_done(vmti_walk_out(w, value, length_of(w, a, value)), w, a);
        break;
    case VMTI_ARG_INOUT:
        set_done(vmti_walk_inout(w, value, length_of(w, a, value)), w, a);
        break;
    case VMTI_ARG_STR:
        vmti_walk_string(w, value, a->most);
        break;
    case VMTI_ARG_STRV:
        walk_strings(w, value);
        break;
    case VMTI_ARG_IOV_IN: /* the count is an unsigned int inside: lib/iov_iter.c, import_iovec */
    case VMTI_ARG_IOV_OUT:
        vmti_walk_iov(w, value, (uint32_t)w->call->args[a->arg], a->kind == VMTI_ARG_IOV_OUT, NULL);
        break;
    case VMTI_ARG_MSG_IN:
        vmti_walk_in(w, value, VMTI_SIZEOF_msghdr);
        walk_msg(w, value, false, NULL);
        break;
    case VMTI_ARG_MSG_OUT:
        vmti_walk_inout(w, value, VMTI_SIZEOF_msghdr);
        walk_msg(w, value, true, NULL);
        break;
    case VMTI_ARG_MMSG_IN:
    case VMTI_ARG_MMSG_OUT:
        walk_mmsg(w, value, (uint32_t)w->call->args[a->arg], a->kind == VMTI_ARG_MMSG_OUT);
        break;
    case VMTI_ARG_SIGSET:
        if (w->call->args[a->arg] == VMTI_SIZEOF_sigset)
            vmti_walk_in(w, value, VMTI_SIZEOF_sigset);
        break;
    case VMTI_ARG_LENOF:
        if (w->call->args[a->arg])
            vmti_walk_inout(w, value, sizeof(int));
        break;
    case VMTI_ARG_BY:
        rules[a->by](w, i);
        break;
    case VMTI_ARG_VALUE:
    case VMTI_ARG_WITH:
        break;
    }
}

bool vmti_walk_call(struct vmti_region *r, struct vmti_thread *t, const struct vmti_call *call,
                    const struct vmti_row *row)
{
    struct vmti_walk w = {.region = r, .thread = t, .call = call, .row = row, .entry = -1};
    for (unsigned i = 0, left = row->pointers; left; i++, left >>= 1)
        if (left & 1)
            walk_arg(&w, i);
    return w.reached;
}

/* ------------------------------------------------------------------------------------------- after the call */

/* At the exit stop an interrupted call still has its restart code (include/linux/errno.h); the program sees EINTR, or
 * nothing of it. */
static bool is_interrupted(int64_t result)
{
    return result == -EINTR || result == -512 || result == -513 || result == -514 || result == -516;
}

/* The number that the kernel left in memory. */
static bool read_count(const struct vmti_region *r, const struct vmti_span *span, uint64_t *number)
{
    *number = 0; /* the upper half of a 32-bit number */
    if (!fetch(r, number, span->at, span->at_bytes))
        return false;
    return span->at_bytes == 8 || (int32_t)*number >= 0;
}

uint64_t vmti_span_done(struct vmti_region *r, const struct vmti_thread *t, const struct vmti_span *span,
                        int64_t result)
{
    (void)t;
    uint64_t size = span->end - span->start;
    bool failed = result < 0 && result >= -4095;
    uint64_t number;
    switch ((enum vmti_done)span->done) {
    case VMTI_DONE_RECORDED:
        return 0;
    case VMTI_DONE_INTR:
        return is_interrupted(result) ? size : 0;
    case VMTI_DONE_ALWAYS:
        return result == -EFAULT || result == -EINVAL ? 0 : size;
    case VMTI_DONE_REACHED:
        number = (failed ? 0 : (uint64_t)result) + 1;
        break;
    case VMTI_DONE_PTR_OR_END:
        if ((failed && result != -ENOENT) || !read_count(r, span, &number))
            return 0;
        break;
    case VMTI_DONE_PTR_ALWAYS:
        if (!read_count(r, span, &number))
            return 0;
        break;
    default:
        if (failed || (uint64_t)result < span->after)
            return 0;
        if (span->done == VMTI_DONE_ALL)
            return size;
        if (span->done == VMTI_DONE_SOME)
            return result ? size : 0;
        number = (uint64_t)result;
        if (span->done == VMTI_DONE_PTR && !read_count(r, span, &number))
            return 0;
        break;
    }
    uint64_t bytes;
    if (__builtin_mul_overflow(number, span->unit ? span->unit : 1, &bytes) || bytes > INT64_MAX)
        bytes = INT64_MAX;
    int64_t here;
    if (__builtin_sub_overflow((int64_t)bytes, span->base, &here) || here < 0)
        return span->base < 0 ? size : 0;
    return min_of((uint64_t)here, size);
}

void vmti_note_unknown(struct vmti_walk *w, uint64_t command)
{
    struct vmti_region *r = w->region;
    if (r->counts.unknown_calls++)
        return;
    r->first_unknown = w->call->nr;
    r->first_unknown_command = command;
}
