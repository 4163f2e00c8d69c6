/* SPDX-License-Identifier: MIT */
/*
 * The manager's types. Glossary (ARCHITECTURE.md has the picture):
 *
 *   region      what runs between vmt_begin and vmt_end
 *   tracked     a page that the manager may close (VMTI_TRACKED in the page directory)
 *   open/closed accessible / made inaccessible by the manager
 *   touch       a recorded event: a closed page was accessed and opened
 *   window      the pages kept open, a FIFO of N in touch order
 *   evict       close the page that leaves the window, or so many at once as vmt_config.evict says
 *   walk        open what a system call's pointers reach, before the call runs
 *   pin         keep walked pages open until that call has returned
 *   drop        a page leaves the window without being evicted, because it was unmapped, moved or discarded
 *   directory   one word for each page of the address space, in lazily mapped chunks: who owns it, is it tracked
 *   owner       the allocation, or vmt_track() range, that a page belongs to
 *   page map    one entry for each page ever touched in the region (uthash)
 *
 * Everything that the catcher reads or writes lies in an arena, in the directory or in the owner table; none of these
 * is ever tracked. The catcher is the only writer of a region's state between its begin and its end.
 */
#ifndef VMTI_TYPES_H
#define VMTI_TYPES_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "arch.h"
#include "vmt/vmt.h"

#define VMTI_HIDDEN __attribute__((visibility("hidden")))
#define vmti_likely(x) __builtin_expect(!!(x), 1)
#define vmti_unlikely(x) __builtin_expect(!!(x), 0)

/* A half-open range of addresses. */
struct vmti_range {
    uintptr_t start, end;
};

/* ---------------------------------------------------------------- arena (arena.c) */

struct vmti_arena_chunk;

/* Memory that is never tracked and, but for large tables, not given back one piece at a time. One writer at a time. */
struct vmti_arena {
    struct vmti_arena_chunk *chunks; /* newest first */
    uintptr_t next, end;             /* free part of the newest chunk */
    size_t bytes;                    /* mapped in all */
};

/* ---------------------------------------------------------------- page map (pagemap.c) */

/* State bits of an entry of the page map. */
enum {
    VMTI_PAGE_IN_WINDOW = 1 << 0, /* one of the N that are kept open */
    VMTI_PAGE_WRITABLE = 1 << 1,  /* opened for writing too (always so without write tracking) */
    VMTI_PAGE_WRITTEN = 1 << 2,   /* was written at least once (write tracking) */
    VMTI_PAGE_WITH_OTHERS = 1 << 3, /* in the window of the threads that do not count, and so not in the window */
    VMTI_PAGE_UNCHANGED = 1 << 4,   /* at the region's end: was written, and holds what it held before */
};

struct vmti_page; /* pagemap.h: needs uthash */

/* Hashes of what pages held before their first write, where that is asked for (content.c): open addressing. */
struct vmti_content {
    struct vmti_content_entry *entries; /* NULL: not asked for */
    uint64_t room, used;                /* entries; the room is a power of two */
    unsigned char *page;                /* room for a copy of one */
};

/* A place in a FIFO: a page, and how often it had been opened with the time that put it there. */
struct vmti_slot {
    struct vmti_page *entry;
    uint32_t opens;
};

/* What a window holds, in the order in which it was opened. */
struct vmti_fifo {
    struct vmti_slot *ring; /* capacity a power of two */
    uint64_t capacity, head, tail, live;
    uint8_t state;          /* VMTI_PAGE_*: the bit that its pages have set */
};

/* ---------------------------------------------------------------- system calls (syscalls.h, walk.c) */

/* A system call as it was at its entry. */
struct vmti_call {
    int64_t nr;
    uint64_t args[6];
    uint64_t ip; /* after the instruction */
    uint64_t sp;
};

/*
 * A piece of memory that a call reads or writes; pinned from the entry stop to the exit stop. How many of its bytes
 * count as touched is known when the call has returned: vmti_span_done() in walk.c. All zero, but for the range, means:
 * all of them, if the call succeeded.
 */
struct vmti_span {
    uintptr_t start, end; /* bytes, not rounded to pages */
    uint8_t writes;       /* opened for writing; what counts as touched was written */
    uint8_t opened;       /* some of its pages were closed before */
    uint8_t done;         /* enum vmti_done: what number says how much of it counts */
    uint8_t at_bytes;     /* PTR: width of that number in memory, 4 or 8 */
    uint32_t unit;        /* bytes for each unit of the number; 0: 1 */
    uint32_t after;       /* a result below this says that the call did not come as far as this span */
    int64_t base;         /* bytes of the number that lie before this span, where one number fills several in turn */
    uintptr_t at;         /* PTR: where the number is */
    uint64_t closings;    /* of the region, when it was pinned */
};

enum { VMTI_SPANS_PER_BLOCK = 62 };

struct vmti_span_block {
    struct vmti_span_block *next;
    uint32_t used;
    struct vmti_span spans[VMTI_SPANS_PER_BLOCK];
};

/* ---------------------------------------------------------------- threads */

struct vmti_thread; /* thread.h: needs uthash */

/* ---------------------------------------------------------------- trace (trace_format.h, trace_write.c) */

struct vmti_trace_block;

/* vmti_trace.fd, where it is no descriptor */
enum { VMTI_TRACE_IN_MEMORY = -1, VMTI_TRACE_CLOSED = -2 };

struct vmti_trace {
    struct vmti_arena *arena;
    struct vmti_trace_block *current;     /* being filled */
    struct vmti_trace_block *first_full;  /* full blocks in order: to be written, or kept in memory */
    struct vmti_trace_block *last_full;
    struct vmti_trace_block *free;        /* written and reusable */
    int fd;                               /* or VMTI_TRACE_IN_MEMORY, VMTI_TRACE_CLOSED */
    const char *path;                     /* in trace_file.c's care: the file's absolute name; else NULL */
    void *hold;                           /* ... a mapping of it */
    uint64_t device, inode;               /* ... what it is */
    bool keep_open;                       /* ... by its name it may not be found again */
    bool sealed;                          /* there is a trailer for now: nothing is written */
    int error;                            /* negative errno of the first failed write; nothing is written after it */
    uint64_t written, written_touches;    /* bytes of the file, header and whole blocks; touches in these */
    uint64_t written_footprint;           /* ... and the footprint after these */
    uint64_t last_written, last_touches;  /* ... of the last of them alone */
    uint64_t last_footprint;              /* ... and the footprint before it */
    uint64_t footprint;                   /* after the last touch that was told */
    uint64_t start_ns;                    /* monotonic clock at the region's start */
    uint64_t records;
    uint64_t bytes;                       /* of full blocks, headers included */
    uint64_t last_page;                   /* delta bases of the current block */
    uint64_t last_time;
    uint32_t last_thread;
    uint32_t last_flags;                  /* of the last touch of the current block */
    void *header;                         /* the encoded file header */
    size_t header_bytes;
    uint32_t owner_room;                  /* entries in owner_pages */
    uint32_t *owner_pages;                /* by owner index: how many of its pages the trace has told of */
    uint32_t stack_room;
    uint32_t *stacks_told;                /* by a stack's number: 1 if the trace has told it */
};

/* ---------------------------------------------------------------- region */

/* What rt_sigaction(2) takes where there is SA_RESTORER (include/linux/signal_types.h, struct sigaction). */
struct vmti_sigaction {
    uint64_t handler, flags, restorer, mask;
};

/* The signals that a region needs for itself: see handlers.h. */
enum { VMTI_OWN_SIGSEGV, VMTI_OWN_SIGSYS, VMTI_OWN_SIGNALS };

/* One of them that was sent, and that the program believes to block: pending, as far as it can see. */
struct vmti_kept {
    bool has;
    siginfo_t info;
};

enum { VMTI_SIGNALS = 64 };

/* The actions that a program believes to have set, by signal - 1: those of P, and of a child that shares its memory but
 * not its handlers. */
struct vmti_actions {
    struct vmti_sigaction of[VMTI_SIGNALS];
    struct vmti_actions *free_next;
    uint32_t users; /* threads that have them */
};

/* The alternate stack that the program believes to have set; flags as in stack_t. */
struct vmti_stack {
    uintptr_t start;
    size_t bytes;
    int flags;
};

/* vmti_region.state; P is the traced process. */
enum {
    VMTI_STARTING = 0, /* the catcher has been cloned */
    VMTI_GO = 1,       /* P has allowed the catcher's pid to trace it */
    VMTI_ATTACHED = 2, /* every thread is seized and halts at its calls */
    VMTI_TRACING = 3,  /* the begin call was seen: pages are closed */
    VMTI_ENDED = 4,    /* the end call was seen, or the program is gone; everything is open */
    VMTI_FAILED = 5,   /* could not attach; `error` says why */
    VMTI_LOST = 6,     /* the region is not valid any more; everything was opened; `error` says why */
};

struct vmti_counts {
    uint64_t touches, program_touches, syscall_touches;
    uint64_t footprint, pages_written, pages_unchanged, evictions, upgrades, drops;
    uint64_t live_bytes; /* sum over the pages touched: most at once */
    uint64_t peak_open;
    uint64_t threads, threads_now;
    uint64_t syscalls, syscalls_walked, unknown_calls;
    uint64_t left_open;   /* pages that the kernel reaches after the call: see rings.h */
    uint64_t refused_calls;
    uint64_t over_window; /* calls during which more pages than the window's were open */
};

struct vmti_region {
    _Atomic uint32_t state;
    int32_t error;          /* negative errno, with ... */
    uint32_t error_step;    /* ... enum vmti_step: what failed */
    struct vmti_arena arena;

    /* configuration, constant */
    uint64_t window, evict;
    vmt_scope scope;
    bool track_writes;
    bool track_content;
    bool live_bytes;        /* are to be told */
    bool stacks;            /* of allocations are to be told */
    unsigned sanitizer;     /* enum vmti_sanitizer: whose allocator the program has */
    bool dispatched;        /* by the dispatch engine; asked by vmti_is_dispatched() */
    bool this_thread_alone; /* only begin_tid's touches count */
    bool whole_program;     /* `vmtrace run` */
    bool followed;          /* ... --follow: of a process or program that came after the first */
    char *trace_path;       /* NULL: in memory */
    unsigned trace_number;  /* that of a trace named by the environment; it has room for the number. 0: of another */
    uint64_t trace_since;   /* ... realtime ns: such a trace that was begun later is not written over */

    /* P */
    pid_t pid;              /* of the traced process */
    pid_t begin_tid;
    pid_t catcher;          /* pid of the helper; dispatch: of the thread that stopped last */
    unsigned cpu;           /* on which the beginning thread ran */
    struct vmti_actions actions; /* of P */
    struct vmti_kept kept[VMTI_OWN_SIGNALS];  /* sent to P, and blocked by all of its threads */
    struct vmti_actions *actions_free;
    struct vmti_sigaction call_action; /* room for calls that the catcher has threads make: see inject.c */
    struct vmti_sigaction net_action;  /* ours, for a program that wants the default: see handlers.h */
    char command[4096];     /* of P: arguments, each ended by NUL */
    size_t command_bytes;
    uintptr_t allocator_depth_offset; /* of the thread-local nesting counter of the malloc wrappers, from the thread
                                       * pointer */
    uintptr_t rseq_offset;            /* of libc's rseq area, from there; 0: not known */
    size_t sigframe_bytes;            /* most that a signal frame takes below the stack pointer */

    struct vmti_counts counts;
    uint64_t changes;                 /* touches and upgrades so far */
    uint32_t suspended;               /* vfork children that share the memory and are not traced: nothing is closed */
    uint64_t let_go_at;               /* ... when pages were last opened for good, or forgotten; 0: never */
    int64_t first_unknown;            /* number of the first call without a row, or with a command that its row does */
    uint64_t first_unknown_command;   /* ... not know: this command; 0 if it has no row */
    struct vmti_page *pages;          /* page map */
    struct vmti_page *next_page;      /* entries that it has no use for yet: so many */
    uint32_t pages_left;
    struct vmti_content content;
    uint16_t *live;                   /* at the end: live bytes of each page touched, in order of first touch */
    uint64_t live_room;
    uint64_t room;                    /* pages that the window holds now: more than `window` if the threads need it */
    struct vmti_fifo fifo;
    struct vmti_fifo others;          /* of the threads that do not count; as large */
    uint64_t closings;                /* pages that left either for another */
    uint64_t leaving[VMT_EVICT_MAX];  /* those that leave one at this moment */
    struct vmti_thread *threads;      /* by tid */
    struct vmti_thread *thread_free;
    struct vmti_thread *pinning;      /* threads that hold pins */
    uintptr_t brk_start, brk;         /* the brk heap */
    uintptr_t program_end;            /* end of the program's variables: a mapping may hold these and the heap behind
                                       * them */
    uint64_t mappings;                /* that the process had at the region's begin */
    uint64_t mappings_limit;          /* that it may have (vm.max_map_count), less a reserve */
    /* Is the thread, stopped in a call, inside an allocator? Given by the engine. */
    bool (*in_allocator)(struct vmti_region *r, struct vmti_thread *t);
    struct vmti_span_block *span_free;
    struct vmti_ring *rings;          /* see rings.h */
    struct vmti_ring_buffers *ring_buffers;
    struct vmti_trace trace;
    uint64_t dropped_regions;
};

/* A macro: where there is no dispatch engine, what only that needs is not compiled. */
#define vmti_is_dispatched(r) (VMTI_HAS_DISPATCH && (r)->dispatched)

/* What failed, for the sentences in error.c. */
enum vmti_step {
    VMTI_STEP_NONE,
    VMTI_STEP_CLONE,
    VMTI_STEP_SEIZE,
    VMTI_STEP_TRACE_OPEN,
    VMTI_STEP_MEMORY,
    VMTI_STEP_MAPPINGS, /* a mapping could not be split */
    VMTI_STEP_WINDOW,   /* the window is too large for the mappings that exist */
    VMTI_STEP_THREADS,  /* the window is too small for the threads that exist */
    VMTI_STEP_TASKS,
    VMTI_STEP_DISPATCH, /* Syscall User Dispatch was refused */
    VMTI_STEP_ALTSTACK, /* the thread runs on its alternate signal stack */
    VMTI_STEP_KILLED,
    VMTI_STEP_SECCOMP,  /* the program forbids the engine's system calls */
    VMTI_STEP_TRACEME,  /* the program asked its parent to trace it */
};

#endif
