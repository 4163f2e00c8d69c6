/* SPDX-License-Identifier: MIT */
/*
 * Decoding of the trace, for reports in the process that made it and for the command. Takes any bytes for input: what
 * is damaged or cut off ends the events there, with all before it kept, and is told in a sentence. Runs in ordinary
 * program context: may call malloc. Not thread-safe for one reader.
 */
#ifndef VMTI_TRACE_READ_H
#define VMTI_TRACE_READ_H

#include "trace_format.h"
#include "types.h"

enum { VMTI_READ_REASON_BYTES = 256 };

/* ---------------------------------------------------------------- events (trace_read.c) */

/* One record. Fields that its kind does not have are zero. */
struct vmti_event {
    unsigned kind;          /* VMTI_REC_* */
    bool write;             /* TOUCH, UPGRADE: VMTI_REC_WRITE, */
    bool syscall;           /* ... VMTI_REC_SYSCALL, */
    uint16_t evicts;        /* TOUCH: pages that were closed for it */
    uint32_t thread;        /* TOUCH, UPGRADE, THREAD: index */
    uint32_t tid;           /* THREAD */
    uint64_t touch;         /* TOUCH: its number, from 1; UPGRADE: number of the last touch before it */
    uint64_t page;          /* TOUCH, UPGRADE; first page of a DROP or an OWNER */
    uint64_t pages;         /* DROP, OWNER; page + pages does not overflow, nor does the address of the last byte */
    uint64_t time_ns;       /* TOUCH, UPGRADE, MARK: since the region's start */
    uint32_t owner;         /* OWNER: index */
    uint64_t bytes;         /* OWNER */
    uint64_t site;          /* OWNER */
    uint32_t stack;         /* OWNER, STACK: number; 0: none */
    uint32_t frame_count;   /* STACK */
    const uint64_t *frames; /* STACK: return addresses, the allocating call's first; valid until the next call */
    uint64_t start, end;    /* MODULE */
    uint64_t offset;        /* MODULE: of `start` in the file */
    const char *text;       /* OWNER: label; MODULE: path; MARK: name. Any bytes, not ended by NUL; valid until the next
                           * call */
    size_t text_bytes;
};

struct vmti_trace_reader {
    struct vmti_trace_header header;
    const char *command; /* header.command_bytes bytes; the last is NUL unless there are none */

    /* Once vmti_trace_read_next() has returned false: */
    bool complete;                       /* the whole trace was read, and it says itself that nothing is missing */
    int error;                           /* 0, or negative errno if reading failed */
    char reason[VMTI_READ_REASON_BYTES]; /* why it is not complete (or could not be opened); else "" */
    bool has_trailer;
    struct vmti_trace_trailer trailer;

    /* of the records read so far */
    uint64_t touches, program_touches, syscall_touches, evictions, upgrades, drops;

    /* --- private --- */
    int fd; /* -1: in memory */
    bool owns_fd;
    bool ended;
    void *header_copy;
    unsigned char *buffer;                       /* one block of the file */
    uint64_t offset;                             /* of the next block in the file, or of its like in memory */
    uint64_t block_offset;                       /* of this block */
    const struct vmti_trace_block *first, *next; /* in memory */
    const unsigned char *at, *limit;             /* what is left of this block's payload */
    uint32_t block_records;                      /* ... */
    bool in_block;
    uint64_t last_page, last_time;
    uint64_t frames[VMTI_TRACE_STACK_MAX]; /* of the STACK that was read last */
    uint64_t touches_due, footprint;       /* at the end of this block, as its header says */
    uint32_t last_thread, last_flags;
};

/* Opens a trace file (a regular file). 0, or negative errno and a sentence in reader->reason; close the reader in both
 * cases. -EINVAL: the file is not a trace, or its header is damaged. */
VMTI_HIDDEN int vmti_trace_read_file(struct vmti_trace_reader *reader, const char *path);

/* The same for an open descriptor, which stays the caller's; its file offset is not used. */
VMTI_HIDDEN int vmti_trace_read_fd(struct vmti_trace_reader *reader, int fd);

/* The same for a finished trace that was kept in memory. Allocates nothing. */
VMTI_HIDDEN int vmti_trace_read_memory(struct vmti_trace_reader *reader, const struct vmti_trace *trace);

/* Stores the next event and returns true; false at the end of what can be read. */
VMTI_HIDDEN bool vmti_trace_read_next(struct vmti_trace_reader *reader, struct vmti_event *event);

/* Back to the first event. */
VMTI_HIDDEN void vmti_trace_read_rewind(struct vmti_trace_reader *reader);

VMTI_HIDDEN void vmti_trace_read_close(struct vmti_trace_reader *reader);

/* ---------------------------------------------------------------- which owner a page belongs to (trace_summary.c) */

/* A call stack: return addresses, that of the allocating call first. */
struct vmti_trace_stack {
    uint32_t number, count;
    uint64_t frames[VMTI_TRACE_STACK_MAX];
};

struct vmti_trace_owner {
    uint32_t index;
    uint64_t first_page, pages, bytes, site; /* as its last record says */
    const struct vmti_trace_stack *stack;    /* NULL: not known */
    uint64_t touched;                        /* distinct pages of it that were touched (in a summary) */
    char label[VMTI_TRACE_LABEL_MAX + 1];    /* "" none */
};

/* Pages to owners, by the OWNER and STACK events seen so far. Zero it before use. */
struct vmti_page_owners {
    struct vmti_trace_owner *owners; /* in order of their first record */
    size_t count, capacity;
    void *spans;  /* tsearch(3) tree of disjoint ranges of pages */
    void *known;  /* tsearch(3) tree of owners by index */
    void *stacks; /* ... of stacks by number; they stay where they are */
};

/* Takes an OWNER or a STACK event. 0 or -ENOMEM. */
VMTI_HIDDEN int vmti_page_owners_add(struct vmti_page_owners *map, const struct vmti_event *event);

/* The owner of a page, or NULL. Valid until the next addition. */
VMTI_HIDDEN struct vmti_trace_owner *vmti_page_owners_find(const struct vmti_page_owners *map, uint64_t page);

VMTI_HIDDEN void vmti_page_owners_free(struct vmti_page_owners *map);

/* ---------------------------------------------------------------- what a trace says in all (trace_summary.c) */

struct vmti_trace_thread {
    uint32_t index, tid; /* tid 0: the trace does not say */
    uint64_t touches;
};

struct vmti_trace_module {
    uint64_t start, end, offset;
    char *path;
};

struct vmti_trace_summary {
    uint64_t touches, program_touches, syscall_touches;
    uint64_t footprint;     /* distinct pages touched */
    uint64_t pages_written; /* distinct pages written; 0 without write tracking */
    uint64_t evictions, drops, upgrades;
    bool complete;
    char reason[VMTI_READ_REASON_BYTES]; /* why not; "" if complete */
    bool has_trailer;
    struct vmti_trace_trailer trailer;
    struct vmti_trace_thread *threads; /* in order of their first record */
    size_t thread_count;
    struct vmti_trace_module *modules; /* in order of their records */
    size_t module_count;
    struct vmti_page_owners owners;
};

/* Reads all of the trace. 0, -ENOMEM, or the reader's error if reading failed; free the summary in all cases. */
VMTI_HIDDEN int vmti_trace_summarize(struct vmti_trace_reader *reader, struct vmti_trace_summary *summary);

VMTI_HIDDEN void vmti_trace_summary_free(struct vmti_trace_summary *summary);

/*
 * Peak number of distinct pages among any tau consecutive touches. Reads all of the trace; amortised constant time a
 * touch, and memory by the peak, not by tau. 0, -EINVAL (tau 0), -ENOMEM, or -EIO if the trace is not complete: *peak
 * is that of the part that could be read, then.
 */
VMTI_HIDDEN int vmti_trace_working_set(struct vmti_trace_reader *reader, uint64_t tau, uint64_t *peak);

/* ... and their average over all touches, at the start over fewer than tau. */
VMTI_HIDDEN int vmti_trace_working_sets(struct vmti_trace_reader *reader, uint64_t tau, uint64_t *peak,
                                        double *average);

#endif
