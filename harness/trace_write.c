/* SPDX-License-Identifier: MIT */
/* Runs in the catcher: async-signal-safe, raw system calls only; of libc memcpy and memset alone. */
#include "trace_write.h"

#include <errno.h>
#include <string.h>

#include "arena.h"
#include "os.h"
#include "owners.h"
#include "stacks.h"
#include "thread.h" /* xxhash.h too, inlined */
#include "trace_format.h"

enum {
    HEADER = sizeof(struct vmti_trace_block_header),
    VARINT_MAX = 10,
    TOUCH_MAX = 1 + 3 * VARINT_MAX,
    DROP_MAX = 1 + 2 * VARINT_MAX,
    THREAD_MAX = 1 + 2 * VARINT_MAX,
    OWNER_MAX = 1 + 7 * VARINT_MAX + VMTI_TRACE_LABEL_MAX,
    STACK_MAX = 1 + (2 + VMTI_TRACE_STACK_MAX) * VARINT_MAX,
    MARK_MAX = 1 + 2 * VARINT_MAX + VMTI_TRACE_LABEL_MAX,
    MODULE_MAX = 1 + 4 * VARINT_MAX + VMTI_TRACE_PATH_MAX,
};

_Static_assert((int)VMTI_STACK_FRAMES == (int)VMTI_TRACE_STACK_MAX, "each stack fits into a record");
_Static_assert(HEADER + MODULE_MAX <= VMTI_TRACE_BLOCK_BYTES, "each record fits into a block");

/* ------------------------------------------------------------------------------------------- encoding */

static unsigned char *put_varint(unsigned char *at, uint64_t n)
{
    while (n >= 0x80) {
        *at++ = (unsigned char)(n | 0x80);
        n >>= 7;
    }
    *at++ = (unsigned char)n;
    return at;
}

static unsigned char *put_zigzag(unsigned char *at, uint64_t from, uint64_t to)
{
    uint64_t delta = to - from; /* a signed number in two's complement */
    return put_varint(at, delta << 1 ^ (0 - (delta >> 63)));
}

static unsigned char *put_text(unsigned char *at, const char *text, size_t bytes)
{
    at = put_varint(at, bytes);
    memcpy(at, text, bytes);
    return at + bytes;
}

/* ------------------------------------------------------------------------------------------- blocks */

static void fail(struct vmti_trace *trace, int error)
{
    if (!trace->error)
        trace->error = error;
}

static struct vmti_trace_block *new_block(struct vmti_trace *trace)
{
    struct vmti_trace_block *block = trace->free;
    if (block)
        trace->free = block->next;
    else
        block = vmti_arena_alloc(trace->arena, sizeof *block + VMTI_TRACE_BLOCK_BYTES);
    if (!block) {
        fail(trace, -ENOMEM);
        return NULL;
    }
    block->next = NULL;
    block->bytes = HEADER;
    block->records = 0;
    block->first_touch = 0;
    block->touches = 0;
    block->footprint = 0;
    block->time = trace->last_time;
    return block;
}

/* Gives the block its header and puts it at the end of the chain. */
static void chain(struct vmti_trace *trace, struct vmti_trace_block *block, uint32_t type)
{
    block->footprint = trace->footprint;
    struct vmti_trace_block_header header = {
        .magic = VMTI_TRACE_BLOCK_MAGIC,
        .payload_bytes = block->bytes - HEADER,
        .type = type,
        .records = block->records,
        .first_touch = block->first_touch,
        .touches = block->touches,
        .footprint = block->footprint,
        .time = block->time,
        .checksum = 0,
    };
    memcpy(block->data, &header, sizeof header);
    header.checksum = XXH3_64bits(block->data, block->bytes);
    memcpy(block->data, &header, sizeof header);

    if (trace->last_full)
        trace->last_full->next = block;
    else
        trace->first_full = block;
    trace->last_full = block;
    trace->bytes += block->bytes;
}

/* The current block is full, or shall be. False: no memory. */
static bool close_block(struct vmti_trace *trace)
{
    struct vmti_trace_block *block = trace->current, *next = new_block(trace);
    if (!next)
        return false;
    next->first_touch = block->first_touch + block->touches;
    chain(trace, block, VMTI_BLOCK_DATA);
    trace->current = next;
    trace->last_page = 0;
    trace->last_thread = 0;
    trace->last_flags = 0;
    return true;
}

/* Where the next record, of at most `most` bytes, goes; NULL: the trace takes no more. Starts a new block, and with it
 * new delta bases, if this one is full: encode deltas only after this call. */
static unsigned char *reserve(struct vmti_trace *trace, uint32_t most)
{
    struct vmti_trace_block *block = trace->current;
    if (vmti_unlikely(!block || trace->error))
        return NULL;
    if (vmti_unlikely(most > VMTI_TRACE_BLOCK_BYTES - block->bytes)) {
        if (!close_block(trace))
            return NULL;
        block = trace->current;
    }
    return block->data + block->bytes;
}

/* The record that reserve() gave room for ends here. */
static void commit(struct vmti_trace *trace, const unsigned char *end)
{
    struct vmti_trace_block *block = trace->current;
    block->bytes = (uint32_t)(end - block->data);
    block->records++;
    trace->records++;
}

/* ------------------------------------------------------------------------------------------- output */

/* 0 or negative errno. */
static int write_all(const struct vmti_trace *trace, const void *data, size_t bytes)
{
    const unsigned char *at = data;
    while (bytes) {
        long n = vmti_trace_write_bytes(trace, at, bytes);
        if (n == -EINTR)
            continue;
        if (n < 0)
            return (int)n;
        if (n == 0) /* no file that a trace can be written to takes nothing without an error */
            return -EIO;
        at += n;
        bytes -= (size_t)n;
    }
    return 0;
}

static void write_block(struct vmti_trace *trace, const struct vmti_trace_block *block)
{
    int error = write_all(trace, block->data, block->bytes);
    if (error) {
        fail(trace, error);
        return;
    }
    trace->written += block->bytes;
    trace->last_written = block->bytes;
    trace->written_touches += block->touches;
    trace->last_touches = block->touches;
    trace->last_footprint = trace->written_footprint;
    trace->written_footprint = block->footprint;
}

void vmti_trace_flush(struct vmti_region *r)
{
    struct vmti_trace *trace = &r->trace;
    if (trace->fd == VMTI_TRACE_IN_MEMORY || trace->sealed || !trace->first_full)
        return;
    int error = trace->error ? 0 : vmti_trace_open_file(trace);
    if (error == -EMFILE || error == -ENFILE)
        return; /* next time, or the time after that */
    if (error)
        fail(trace, error);
    while (trace->first_full) {
        struct vmti_trace_block *block = trace->first_full;
        if (!trace->error)
            write_block(trace, block);
        trace->first_full = block->next;
        block->next = trace->free;
        trace->free = block;
    }
    trace->last_full = NULL;
    vmti_trace_close_file(trace);
}

/* ------------------------------------------------------------------------------------------- start and end */

int vmti_trace_start(struct vmti_region *r, int fd, const char *command, size_t command_bytes, uint64_t realtime_ns,
                     uint64_t now_ns)
{
    struct vmti_trace *trace = &r->trace;
    memset(trace, 0, sizeof *trace);
    trace->arena = &r->arena;
    trace->fd = fd < 0 ? VMTI_TRACE_IN_MEMORY : fd;
    trace->start_ns = now_ns;

    size_t end = sizeof(struct vmti_trace_header) + command_bytes; /* of what is checked, before its padding */
    if (command_bytes > VMTI_TRACE_HEADER_MAX || end > VMTI_TRACE_HEADER_MAX - 16)
        return trace->error = -E2BIG;
    end = (end + 7) & ~(size_t)7;
    struct vmti_trace_header header = {
        .magic = VMTI_TRACE_MAGIC,
        .version = VMTI_TRACE_VERSION,
        .scope = (uint16_t)r->scope,
        .header_bytes = (uint32_t)(end + sizeof(uint64_t)),
        .page_size = VMTI_PAGE_SIZE,
        .flags = (r->track_writes ? VMTI_TRACE_HAS_WRITES : 0) | (r->whole_program ? VMTI_TRACE_HAS_WHOLE_PROGRAM : 0) |
                 (r->this_thread_alone ? VMTI_TRACE_HAS_ONE_THREAD : 0) |
                 (r->track_content ? VMTI_TRACE_HAS_CONTENT : 0) | (r->live_bytes ? VMTI_TRACE_HAS_LIVE : 0) |
                 (r->stacks ? VMTI_TRACE_HAS_STACKS : 0) | r->sanitizer << VMTI_TRACE_SANITIZER_SHIFT,
        .window = r->window,
        .start_realtime_ns = realtime_ns,
        .pid = (uint32_t)r->pid,
        .engine = vmti_is_dispatched(r) ? VMT_ENGINE_DISPATCH : VMT_ENGINE_PTRACE,
        .evict = (uint16_t)r->evict,
        .time_unit_ns = VMTI_TRACE_TIME_UNIT,
        .command_bytes = (uint32_t)command_bytes,
    };
    unsigned char *bytes = vmti_arena_alloc(trace->arena, header.header_bytes);
    if (!bytes)
        return trace->error = -ENOMEM;
    memcpy(bytes, &header, sizeof header);
    if (command_bytes)
        memcpy(bytes + sizeof header, command, command_bytes);
    uint64_t checksum = XXH3_64bits(bytes, end); /* the padding is zero: it comes from the arena */
    memcpy(bytes + end, &checksum, sizeof checksum);
    trace->header = bytes;
    trace->header_bytes = header.header_bytes;

    if (trace->fd >= 0)
        fail(trace, write_all(trace, bytes, header.header_bytes));
    trace->written = header.header_bytes;
    if (!trace->error)
        trace->current = new_block(trace);
    return trace->error;
}

/* The last block of a file, made apart from the others. */
struct last_block {
    struct vmti_trace_block_header header;
    struct vmti_trace_trailer trailer;
};

static struct last_block make_last(const struct vmti_trace *trace, const struct vmti_trace_trailer *trailer)
{
    return (struct last_block){{.magic = VMTI_TRACE_BLOCK_MAGIC,
                                .payload_bytes = sizeof *trailer,
                                .type = VMTI_BLOCK_TRAILER,
                                .time = trace->last_time},
                               *trailer};
}

/* Puts it at `at`, where the file ends then. */
static bool put_last(struct vmti_trace *trace, struct last_block *last, uint64_t at, uint64_t first_touch,
                     uint64_t footprint)
{
    last->header.first_touch = first_touch;
    last->header.footprint = footprint;
    last->header.checksum = 0;
    last->header.checksum = XXH3_64bits(last, sizeof *last);
    return !vmti_sys(SYS_ftruncate, trace->fd, at, 0, 0, 0, 0) &&
           vmti_sys(SYS_lseek, trace->fd, at, 0 /* SEEK_SET */, 0, 0, 0) == (long)at &&
           !write_all(trace, last, sizeof *last);
}

/* The file takes no more: a trailer that says so follows the last whole block; what was written of the next one gives
 * the room. If that was nothing, it takes the place of the last block, where a smaller file can help. */
static void put_error(struct vmti_trace *trace, const struct vmti_trace_trailer *trailer)
{
    struct last_block last = make_last(trace, trailer);
    if (vmti_trace_open_file(trace))
        return;
    last.trailer.end = VMTI_END_UNWRITTEN;
    last.trailer.end_code = trace->error;
    bool no_room = trace->error == -ENOSPC || trace->error == -EDQUOT || trace->error == -EFBIG;
    for (unsigned try = 0; try < (no_room ? 2 : 1); try++) {
        if (put_last(trace, &last, trace->written - (try ? trace->last_written : 0),
                     trace->written_touches - (try ? trace->last_touches : 0),
                     try ? trace->last_footprint : trace->written_footprint))
            return;
    }
}

void vmti_trace_seal(struct vmti_region *r, const struct vmti_trace_trailer *trailer)
{
    struct vmti_trace *trace = &r->trace;
    if (trace->fd == VMTI_TRACE_IN_MEMORY || trace->error || !trace->current)
        return;
    if (trace->current->records)
        close_block(trace);
    vmti_trace_flush(r);
    if (trace->error || trace->first_full || vmti_trace_open_file(trace))
        return;
    struct last_block last = make_last(trace, trailer);
    trace->sealed = true;
    put_last(trace, &last, trace->written, trace->written_touches, trace->written_footprint);
    vmti_trace_close_file(trace);
}

void vmti_trace_unseal(struct vmti_region *r)
{
    struct vmti_trace *trace = &r->trace;
    if (!trace->sealed)
        return;
    trace->sealed = false;
    if (vmti_trace_open_file(trace) || vmti_sys(SYS_ftruncate, trace->fd, trace->written, 0, 0, 0, 0) ||
        vmti_sys(SYS_lseek, trace->fd, trace->written, 0 /* SEEK_SET */, 0, 0, 0) < 0)
        fail(trace, -EIO);
    vmti_trace_close_file(trace);
}

int vmti_trace_finish(struct vmti_region *r, const struct vmti_trace_trailer *trailer)
{
    struct vmti_trace *trace = &r->trace;
    struct vmti_trace_block *block = trace->current, *last = NULL;
    if (block && !trace->error && (last = new_block(trace))) {
        last->first_touch = block->first_touch + block->touches;
        memcpy(last->data + HEADER, trailer, sizeof *trailer);
        last->bytes += sizeof *trailer;
        if (block->records)
            chain(trace, block, VMTI_BLOCK_DATA);
        chain(trace, last, VMTI_BLOCK_TRAILER);
    }
    trace->current = NULL; /* nothing follows the trailer */
    vmti_trace_flush(r);
    if (trace->error && trace->fd != VMTI_TRACE_IN_MEMORY && trace->written)
        put_error(trace, trailer);
    return trace->error;
}

/* ------------------------------------------------------------------------------------------- records */

static void put_thread(struct vmti_trace *trace, struct vmti_thread *t)
{
    unsigned char *at = reserve(trace, THREAD_MAX);
    if (!at)
        return;
    *at++ = VMTI_REC_THREAD;
    at = put_varint(at, t->index);
    at = put_varint(at, (uint32_t)t->tid);
    commit(trace, at);
    t->recorded = true;
}

/* In units, since the region's start. Deltas have no sign. */
static uint64_t time_of(const struct vmti_trace *trace, uint64_t now_ns)
{
    uint64_t time = now_ns > trace->start_ns ? (now_ns - trace->start_ns) / VMTI_TRACE_TIME_UNIT : 0;
    return time < trace->last_time ? trace->last_time : time;
}

void vmti_trace_put_mark(struct vmti_region *r, uint32_t phase, uint64_t now_ns)
{
    struct vmti_trace *trace = &r->trace;
    const char *name = vmti_name(&vmti_phases, phase);
    unsigned char *at = reserve(trace, MARK_MAX);
    if (!at)
        return;
    uint64_t time = time_of(trace, now_ns);
    *at++ = VMTI_REC_MARK;
    at = put_varint(at, time - trace->last_time);
    at = put_text(at, name, strlen(name));
    trace->last_time = time;
    commit(trace, at);
}

void vmti_trace_put_touch(struct vmti_region *r, unsigned kind, unsigned flags, uint64_t page, struct vmti_thread *t,
                          uint64_t now_ns)
{
    struct vmti_trace *trace = &r->trace;
    if (vmti_unlikely(!t->recorded))
        put_thread(trace, t);
    unsigned char *at = reserve(trace, TOUCH_MAX);
    if (vmti_unlikely(!at))
        return;
    uint64_t time = time_of(trace, now_ns), delta = time - trace->last_time;
    flags &= VMTI_REC_WRITE | VMTI_REC_SYSCALL | (kind == VMTI_REC_TOUCH ? VMTI_REC_EVICT : 0);
    bool same_thread = t->index == trace->last_thread;
    bool same_page = kind == VMTI_REC_UPGRADE && page == trace->last_page;
    if (vmti_likely(kind == VMTI_REC_TOUCH && same_thread && flags == trace->last_flags &&
                    delta <= VMTI_TRACE_SHORT_TIME)) {
        *at++ = (unsigned char)(VMTI_REC_AGAIN | (delta >> 1) << 3 | (delta & 1));
        at = put_zigzag(at, trace->last_page, page);
    } else if (same_page && same_thread && flags == VMTI_REC_WRITE && delta <= VMTI_TRACE_SHORT_UPGRADE) {
        *at++ = (unsigned char)(kind | VMTI_REC_SHORT | delta << 3);
    } else {
        *at++ = (unsigned char)(kind | flags | (same_thread ? 0 : VMTI_REC_THREAD_CHANGE) |
                                (same_page ? VMTI_REC_SAME_PAGE : 0));
        if (!same_thread)
            at = put_varint(at, t->index);
        if (!same_page)
            at = put_zigzag(at, trace->last_page, page);
        at = put_varint(at, delta);
    }
    trace->last_thread = t->index;
    trace->last_page = page;
    trace->last_time = time;
    if (kind == VMTI_REC_TOUCH) {
        trace->last_flags = flags;
        trace->current->touches++;
    }
    trace->footprint = r->counts.footprint;
    commit(trace, at);
}

void vmti_trace_put_drop(struct vmti_region *r, uint64_t page, uint64_t count)
{
    struct vmti_trace *trace = &r->trace;
    unsigned char *at = reserve(trace, DROP_MAX);
    if (!at)
        return;
    *at++ = VMTI_REC_DROP;
    at = put_zigzag(at, trace->last_page, page);
    at = put_varint(at, count);
    trace->last_page = page;
    commit(trace, at);
}

/* The entry of an owner or a stack in a table of what has been told, which grows. NULL: no memory. */
static uint32_t *told(struct vmti_trace *trace, uint32_t **table, uint32_t *entries, uint32_t index)
{
    enum { FIRST_ENTRIES = 1024 };
    if (vmti_unlikely(index >= *entries)) {
        size_t room = *entries ? *entries : FIRST_ENTRIES;
        while (room <= index)
            room *= 2;
        uint32_t *grown = vmti_arena_alloc(trace->arena, room * sizeof *grown);
        if (!grown) {
            fail(trace, -ENOMEM);
            return NULL;
        }
        if (*entries)
            memcpy(grown, *table, *entries * sizeof *grown);
        *table = grown;
        *entries = (uint32_t)room;
    }
    return *table + index;
}

/* Tells a stack, unless that has been done. False: it was not. */
static bool put_stack(struct vmti_trace *trace, uint32_t number)
{
    const struct vmti_call_stack *stack = vmti_call_stack(number);
    uint32_t *seen = stack ? told(trace, &trace->stacks_told, &trace->stack_room, number) : NULL;
    if (!seen || *seen)
        return seen;
    unsigned char *at = reserve(trace, STACK_MAX);
    if (!at)
        return false;
    *at++ = VMTI_REC_STACK;
    at = put_varint(at, number);
    at = put_varint(at, stack->count);
    for (uint32_t i = 0; i < stack->count; i++)
        at = put_zigzag(at, i ? stack->frames[i - 1] : 0, stack->frames[i]);
    commit(trace, at);
    *seen = 1;
    return true;
}

void vmti_trace_put_owner(struct vmti_region *r, uint32_t index)
{
    struct vmti_trace *trace = &r->trace;
    const struct vmti_owner *owner = vmti_owner(index);
    if (!owner || trace->error)
        return;
    /* How many pages its last record gave it: an owner of small allocations grows. */
    uint32_t *seen = told(trace, &trace->owner_pages, &trace->owner_room, index);
    if (!seen)
        return;
    uint32_t pages = atomic_load_explicit(&owner->pages, memory_order_relaxed);
    if (vmti_likely(*seen && pages <= *seen))
        return;
    bool has_stack = r->stacks && owner->stack && put_stack(trace, owner->stack);
    unsigned char *at = reserve(trace, OWNER_MAX);
    if (!at)
        return;
    const char *label = vmti_name(&vmti_labels, owner->label);
    *at++ = (unsigned char)(VMTI_REC_OWNER | (has_stack ? VMTI_REC_HAS_STACK : 0));
    at = put_varint(at, index);
    at = put_varint(at, owner->first_page);
    at = put_varint(at, pages);
    at = put_varint(at, owner->bytes);
    at = put_varint(at, owner->site);
    if (has_stack)
        at = put_varint(at, owner->stack);
    at = put_text(at, label, strlen(label));
    commit(trace, at);
    *seen = pages ? pages : 1;
}

void vmti_trace_put_module(struct vmti_region *r, uint64_t start, uint64_t end, uint64_t offset, const char *path,
                           size_t path_bytes)
{
    struct vmti_trace *trace = &r->trace;
    if (path_bytes > VMTI_TRACE_PATH_MAX)
        path_bytes = VMTI_TRACE_PATH_MAX;
    unsigned char *at = reserve(trace, MODULE_MAX - VMTI_TRACE_PATH_MAX + (uint32_t)path_bytes);
    if (!at)
        return;
    *at++ = VMTI_REC_MODULE;
    at = put_varint(at, start);
    at = put_varint(at, end);
    at = put_varint(at, offset);
    at = put_text(at, path, path_bytes);
    commit(trace, at);
}
