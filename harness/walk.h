/* SPDX-License-Identifier: MIT */
/*
 * The walk: at the entry of a system call, open and pin what its pointers reach, by its row in the table. Called by the
 * engine at the stop; async-signal-safe. Never dereferences program memory: reads it through the kernel, so that a bad
 * pointer is the program's to hear of.
 */
#ifndef VMTI_WALK_H
#define VMTI_WALK_H

#include <string.h>

#include "syscalls.h"
#include "types.h"

struct vmti_walk {
    struct vmti_region *region;
    struct vmti_thread *thread;
    const struct vmti_call *call;
    const struct vmti_row *row;
    bool reached;      /* a tracked page */
    int64_t entry;     /* of an array that the kernel works through one by one: what is walked belongs to this entry,
                        * and counts only if the result says that the kernel came so far; -1: no such array */
    uint64_t in_start; /* range of the last vmti_walk_in(), which need not be walked again */
    uint64_t in_end;
};

/* Walks the call. Returns true if it reached a tracked page. */
VMTI_HIDDEN bool vmti_walk_call(struct vmti_region *r, struct vmti_thread *t, const struct vmti_call *call,
                                const struct vmti_row *row);

/*
 * How many bytes of the span, from its start, count as touched now that the call of t has returned `result`. Reads the
 * lengths that the kernel left in memory, so every span of the call must still be pinned.
 */
VMTI_HIDDEN uint64_t vmti_span_done(struct vmti_region *r, const struct vmti_thread *t, const struct vmti_span *span,
                                    int64_t result);

/* ------------------------------------------------------------------------------- for the rules in walk_by*.c */

/* Walks what argument i of the call, and the WITH arguments that refer to it, reach. */
typedef void vmti_walk_by_fn(struct vmti_walk *w, unsigned i);

#define VMTI_RULE_DECLARATION(rule) VMTI_HIDDEN vmti_walk_by_fn vmti_walk_##rule;
VMTI_RULES(VMTI_RULE_DECLARATION)

/* Walks are harmless where there is nothing to walk: with address or length 0, with a range that leaves the address
 * space (the kernel refuses it), and with memory that is not tracked. Those that return a span return NULL then. */

/* The kernel reads [addr, addr + len): pinned, and counted as touched at once. */
VMTI_HIDDEN void vmti_walk_in(struct vmti_walk *w, uint64_t addr, uint64_t len);

/* The kernel reads at most [addr, addr + len): the caller says in the span how much counts. */
VMTI_HIDDEN struct vmti_span *vmti_walk_in_done(struct vmti_walk *w, uint64_t addr, uint64_t len);

/* The kernel writes at most [addr, addr + len); the whole counts as touched if the call succeeds, unless the caller
 * says otherwise in the span. */
VMTI_HIDDEN struct vmti_span *vmti_walk_out(struct vmti_walk *w, uint64_t addr, uint64_t len);

/* Both: read at once, written as the span says. */
VMTI_HIDDEN struct vmti_span *vmti_walk_inout(struct vmti_walk *w, uint64_t addr, uint64_t len);

/* Read only, but the page must be open for writing. */
VMTI_HIDDEN void vmti_walk_in_writable(struct vmti_walk *w, uint64_t addr, uint64_t len);

/* A NUL-terminated string of at most max bytes that the kernel reads. */
VMTI_HIDDEN void vmti_walk_string(struct vmti_walk *w, uint64_t addr, uint64_t max);

/* Copies len bytes at addr of the program, walking them as vmti_walk_in() does. False if not all can be read. */
VMTI_HIDDEN bool vmti_walk_read(struct vmti_walk *w, void *to, uint64_t addr, uint64_t len);

/* An array of struct iovec that the kernel reads, and the buffers that it names: written, or else read, in turn. `how`
 * says what number tells how much of them all counts; NULL: the result. */
VMTI_HIDDEN void vmti_walk_iov(struct vmti_walk *w, uint64_t iov, uint64_t count, bool writes,
                               const struct vmti_span *how);

/* A structure of at least `least` bytes whose size is in 32 bits at `offset` of it, as copy_struct_from_user() takes
 * it; a size of 0 means `least`. Returns the size, or 0: the kernel refuses it. */
VMTI_HIDDEN uint64_t vmti_walk_sized(struct vmti_walk *w, uint64_t addr, uint64_t offset, uint64_t least);

/* What one command does with its pointer. */
struct vmti_command {
    uint32_t command;
    uint8_t how; /* enum vmti_how */
    uint32_t bytes;
};

enum vmti_how { VMTI_HOW_NOTHING, VMTI_HOW_IN, VMTI_HOW_OUT, VMTI_HOW_INOUT, VMTI_HOW_STRING };

/* Walks the pointer by the row of its command. False: the table has none. */
VMTI_HIDDEN bool vmti_walk_command(struct vmti_walk *w, const struct vmti_command *table, size_t rows, uint32_t command,
                                   uint64_t addr);

/* A struct sock_fprog, and the filter that it names. */
VMTI_HIDDEN void vmti_walk_fprog(struct vmti_walk *w, uint64_t addr);

/* Reads the number after `name` in /proc/<tid>/fdinfo/<fd> of the calling thread. False: there is none. */
VMTI_HIDDEN bool vmti_walk_fdinfo(struct vmti_walk *w, int fd, const char *name, uint64_t *number);

/* The command of the call is not known, so neither is what its pointers reach. */
VMTI_HIDDEN void vmti_note_unknown(struct vmti_walk *w, uint64_t command);

/* Fields of a structure that was read as bytes. */
static inline uint64_t vmti_word_at(const unsigned char *bytes, unsigned offset)
{
    uint64_t word;
    memcpy(&word, bytes + offset, sizeof word);
    return word;
}

static inline uint32_t vmti_half_at(const unsigned char *bytes, unsigned offset)
{
    uint32_t half;
    memcpy(&half, bytes + offset, sizeof half);
    return half;
}

/* Says how much of a span counts: `done` with `unit` bytes each. */
static inline void vmti_span_counts(struct vmti_span *span, enum vmti_done done, uint32_t unit)
{
    if (span) {
        span->done = (uint8_t)done;
        span->unit = unit;
    }
}

/* The same by a number in memory, `bytes` wide. */
static inline void vmti_span_counts_at(struct vmti_span *span, uint64_t at, unsigned bytes, uint32_t unit)
{
    if (span) {
        span->done = VMTI_DONE_PTR;
        span->at = at;
        span->at_bytes = (uint8_t)bytes;
        span->unit = unit;
    }
}

#endif
