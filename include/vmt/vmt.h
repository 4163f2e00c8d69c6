/* SPDX-License-Identifier: MIT */
/*
 * VMTRACE: how much memory does a region of code walk through?
 *
 * Wrap the code under test in vmt_begin() / vmt_end(). Between the two, tracked pages are closed; the first
 * access to a closed page is a *touch*: it is recorded and the page is opened. At most `window` pages stay
 * open, in FIFO order of their touches. What comes out is a vmt_report that checks ask questions of.
 *
 * Conventions: functions that can fail return 0 or a negative errno, set no errno of their own, and leave a
 * sentence for vmt_error_text(). No function here but vmt_active() may be called from a signal handler. Functions
 * of a report want one: where it says nothing of it, NULL is not allowed. All counts are exact for what the mechanism
 * sees: accesses to pages that are open are not seen (README, "What the numbers mean").
 */
#ifndef VMT_VMT_H
#define VMT_VMT_H

/* The adapters have inline functions, and their macros variables of their own. */
#if !defined(__cplusplus) && (!defined(__STDC_VERSION__) || __STDC_VERSION__ < 199901L)
#error "the headers of VMTRACE need C99 or newer: compile this file with -std=gnu99 or later (CMake: C_STANDARD 99)"
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this header; vmt_version() is that of the library. */
#define VMT_VERSION_MAJOR 0
#define VMT_VERSION_MINOR 1
#define VMT_VERSION_PATCH 0

#if defined(__GNUC__)
#define VMT_API __attribute__((visibility("default")))
#define VMT_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define VMT_API
#define VMT_PRINTF(f, a)
#endif

/* Which memory is tracked. Ranges given to vmt_track() are tracked in every scope. */
typedef enum vmt_scope {
    VMT_SCOPE_HEAP = 0,   /* all malloc'd memory, whenever it was allocated (default) */
    VMT_SCOPE_REGION = 1, /* memory allocated inside the region */
    VMT_SCOPE_RANGES = 2, /* only what vmt_track() names */
} vmt_scope;

/* Whose touches count. */
typedef enum vmt_threads {
    VMT_THREADS_ALL = 0,  /* every thread's (default) */
    VMT_THREADS_THIS = 1, /* those of the thread that called vmt_begin(). The others run as ever, with a window of their
                           * own of the same size: what they touch is not counted, not recorded, and evicts nothing of
                           * this thread's. An access of this thread to a page that another thread, or its system call,
                           * has open at that moment is not seen. */
} vmt_threads;

/* What stops the program at its faults and system calls. */
typedef enum vmt_engine {
    VMT_ENGINE_PTRACE = 0,   /* the catcher, a helper process that ptraces this one (default) */
    VMT_ENGINE_DISPATCH = 1, /* each thread stops itself, by signals and Syscall User Dispatch: no helper, no ptrace;
                              * Linux 5.11 on x86-64 */
    VMT_ENGINE_AUTO = 2,     /* ptrace, or where that is denied dispatch, with one line on standard error */
} vmt_engine;

/* The default of vmt_config.window, in pages. */
#define VMT_WINDOW_DEFAULT 64u
/* The smallest window: one instruction can need several pages at once. */
#define VMT_WINDOW_FLOOR 8u
/* The most pages that leave the window at once. */
#define VMT_EVICT_MAX 64u

/*
 * What a region is traced with. Fill it with vmt_config_init(), then change what should differ.
 * Each field has an environment variable, named beside it, that gives its default.
 */
typedef struct vmt_config {
    size_t size;            /* sizeof(vmt_config) of the caller; set by vmt_config_init() */
    uint64_t window;        /* VMT_SIZE: pages kept open, from VMT_WINDOW_FLOOR to what the system can map */
    vmt_scope scope;        /* VMT_SCOPE: heap, region or ranges */
    const char *trace_path; /* VMT_TRACENAME: the trace file; NULL or "": the trace stays in memory */
    bool track_writes;      /* VMT_WRITES: 1 tells pages written from pages read, at one more fault a page written */
    vmt_engine engine;      /* VMT_ENGINE: ptrace, dispatch or auto */
    vmt_threads threads;    /* VMT_THREADS: all or this; `vmtrace run` traces all */
    uint64_t evict;         /* VMT_EVICT: pages that leave a full window at once, the oldest; 1 (default) is the strict
                             * FIFO of `window` pages. With more, neighbours are closed by one mprotect, and between
                             * window + 1 - evict and `window` pages are open: there can be more touches. From 1 to
                             * VMT_EVICT_MAX, and at least VMT_WINDOW_FLOOR pages must stay open */
    bool track_content;     /* VMT_CONTENT: 1 tells pages that were written without a change: what they hold before
                             * their first write is compared with what they hold at the region's end. Turns track_writes
                             * on; takes a copy and a hash of each page at its first write and at the end, and 22 to 43
                             * bytes */
    bool live_bytes;        /* VMT_LIVE: 1 tells how many bytes of the pages touched were in live heap blocks. The
                             * process must have been started with VMT_LIVE=1, for its blocks are counted from the first
                             * on; malloc and free take longer in it. 4 bytes for each page of the heap */
    bool stacks;            /* VMT_STACKS: 1 keeps the call stack, of at most 32 calls, of each allocation that a page
                             * comes to belong to, in the trace. Begins with the first region that asks for it, and
                             * where the variable is set when the process starts, then. Needs glibc 2.35. The program's
                             * unwind tables must be right */
} vmt_config;

/* The result of a region. Immutable; any thread may read it. */
typedef struct vmt_report vmt_report;

/* Version of the library, "0.1.0". */
VMT_API const char *vmt_version(void);

/*
 * Fills *config with the defaults, then with what the environment says (the table in doc/guide.md).
 * Returns 0, or -EINVAL if a variable holds a value that is not allowed: vmt_error_text() names it and the range.
 * Not async-signal-safe. Thread-safe while nobody changes the environment (getenv(3)).
 */
VMT_API int vmt_config_init(vmt_config *config);

/*
 * Starts a region in the calling process; every thread of it is traced. config NULL means vmt_config_init()'s.
 * A region that the same thread left open (by a longjmp out of a failed assertion, say) is ended first and its
 * result dropped; vmt_report_dropped_regions() of the next report counts it.
 * Returns 0, or: -EINVAL a value is out of its range; -EBUSY another thread has a region open, or this whole program
 * runs under `vmtrace run`; -EPERM the system does not allow tracing; -ENOSYS the kernel is too old, or libc for
 * `stacks`; -ENOTSUP this is Valgrind or HWAddressSanitizer, where a test may skip itself, or live_bytes under any
 * sanitizer; -ENOMEM; -EEXIST/-EACCES/... the trace file cannot be written. After a failure nothing is traced and
 * nothing has changed. Not async-signal-safe. Thread-safe.
 */
VMT_API int vmt_begin(const vmt_config *config);

/*
 * Ends the region and, if report is not NULL, stores its result there; release it with vmt_report_free().
 * Returns 0, or: -EINVAL no region is open; -EOWNERDEAD the catcher died inside the region (the program went on, but
 * the counts are not valid and there is no report); -EIO the trace file could not be written to its end (the report
 * is stored and its counts are valid). Not async-signal-safe. Thread-safe.
 */
VMT_API int vmt_end(vmt_report **report);

/* True between vmt_begin() and vmt_end() in this process. Async-signal-safe. */
VMT_API bool vmt_active(void);

/*
 * Tracks the pages that hold any byte of [ptr, ptr + len), inside a region or for the regions to come, and names them
 * `label` (copied; at most 63 bytes) in reports; label NULL gives no name. The memory must be private, mapped and
 * readable; not a stack, not thread-local, and not the harness's own. Memory that malloc gave may be labelled so too.
 * Returns 0, or -EINVAL with a sentence saying which of these rules the range breaks, or -ENOMEM (also for more than
 * 1,023 different labels). Not async-signal-safe. Thread-safe.
 */
VMT_API int vmt_track(const void *ptr, size_t len, const char *label);

/* Takes back vmt_track() for the pages of [ptr, ptr + len). Pages of malloc'd memory stay tracked as the scope says.
 * Returns 0, also where none of it was tracked, or -EINVAL: not a range of memory. Not async-signal-safe.
 * Thread-safe. */
VMT_API int vmt_untrack(const void *ptr, size_t len);

/*
 * A phase of the region begins, and the one before it ends: what any thread touches from now on belongs to it. A name
 * that comes again goes on with that phase; NULL or "" is no phase, as before the first mark. At most 63 bytes, and
 * 1,023 names. Returns 0, or -EINVAL no region is open or the name is too long, or -ENOMEM. Not async-signal-safe.
 * Thread-safe.
 */
VMT_API int vmt_mark(const char *phase);

/* A sentence about the last failure of a vmt_ function in this thread; "" if there was none. Valid until the next one,
 * in this thread. */
VMT_API const char *vmt_error_text(void);

/* ------------------------------------------------------------------------------------------------- the report */

/*
 * What is asked of a report may be asked by any thread, and by several at once. Of report NULL there is nothing: counts
 * are 0, and what can fail is -EINVAL. Not async-signal-safe.
 */

/* Releases a report (NULL is allowed), and what was got from it: localities, labels, paths. No other thread may use it
 * then. */
VMT_API void vmt_report_free(vmt_report *report);

VMT_API uint64_t vmt_report_touches(const vmt_report *report);          /* faults at the region's window */
VMT_API uint64_t vmt_report_program_touches(const vmt_report *report);  /* ... of the program's own instructions */
VMT_API uint64_t vmt_report_syscall_touches(const vmt_report *report);  /* ... on behalf of system calls */
VMT_API uint64_t vmt_report_footprint(const vmt_report *report);        /* distinct pages touched */
VMT_API uint64_t vmt_report_pages_written(const vmt_report *report);    /* distinct pages written; needs track_writes */
/* Distinct pages written that held at the region's end what they had held before; needs track_content, else 0. Not
 * counted is what was unmapped, moved or discarded meanwhile, or may not be read, at its first write or at the end. Of
 * a page that another thread writes as the region ends, either may be told. */
VMT_API uint64_t vmt_report_pages_unchanged(const vmt_report *report);
VMT_API uint64_t vmt_report_evictions(const vmt_report *report);        /* pages that left the window for another */
VMT_API uint64_t vmt_report_peak_open(const vmt_report *report);        /* most pages open at once, with those pinned */
VMT_API uint64_t vmt_report_window(const vmt_report *report);           /* the window N */
VMT_API uint64_t vmt_report_evict(const vmt_report *report);            /* pages that left a full window at once */
VMT_API uint64_t vmt_report_window_raised_to(const vmt_report *report); /* N, or more if new threads needed more */
VMT_API vmt_scope vmt_report_scope(const vmt_report *report);           /* which memory was tracked */
VMT_API vmt_threads vmt_report_threads_counted(const vmt_report *report); /* all threads', or one's touches */
VMT_API vmt_engine vmt_report_engine(const vmt_report *report);         /* that was used: ptrace or dispatch */
VMT_API bool vmt_report_track_writes(const vmt_report *report);         /* are pages written told from pages read? */
VMT_API bool vmt_report_track_content(const vmt_report *report);        /* ... and those written without a change? */
VMT_API uint64_t vmt_report_page_size(const vmt_report *report);        /* bytes */
VMT_API uint64_t vmt_report_threads(const vmt_report *report);          /* threads seen in the region */
VMT_API uint64_t vmt_report_syscalls(const vmt_report *report);         /* system calls halted */
VMT_API uint64_t vmt_report_syscalls_walked(const vmt_report *report);  /* ... for which closed pages were opened */
/* Pages that io_uring submissions point to: touched at the submission, and open from then on, for the kernel reaches
 * them later. */
VMT_API uint64_t vmt_report_left_open(const vmt_report *report);
/* Calls of io_uring_setup with IORING_SETUP_SQPOLL, which got EPERM: what such a ring submits could not be seen. */
VMT_API uint64_t vmt_report_refused_calls(const vmt_report *report);
VMT_API uint64_t vmt_report_dropped_regions(const vmt_report *report);  /* regions left open before this one */
VMT_API const char *vmt_report_trace_path(const vmt_report *report);    /* NULL if the trace is in memory */

/* Has vmt_track() ever been given this label? */
VMT_API bool vmt_report_has_label(const vmt_report *report, const char *label);

/* Distinct pages touched of those labelled `label` by vmt_track(). 0 if there is no such label. */
VMT_API uint64_t vmt_report_label_pages(const vmt_report *report, const char *label);

/*
 * How much of what was touched was wanted: the sum over the pages touched of the most bytes of the page that were in
 * live blocks of the malloc family at once, from the region's begin to its end; compare it with footprint times page
 * size. A block counts with its usable size (malloc_usable_size(3)); memory that malloc did not give counts nothing.
 * Returns 0 and stores it, or -EINVAL (NULL), or -ENODATA: live_bytes was not asked for, or the program used an
 * allocator's operators new that do not call malloc.
 */
VMT_API int vmt_report_live_bytes(const vmt_report *report, uint64_t *bytes);

/*
 * Peak working set: the largest number of distinct pages among any `tau` consecutive touches (Denning's W(t, tau) with
 * time counted in touches; Denning 1968). tau from 1. Returns 0 and stores it, or -EINVAL (tau 0), or -EIO (the trace
 * can no longer be read).
 */
VMT_API int vmt_report_working_set(const vmt_report *report, uint64_t tau, uint64_t *peak);

/*
 * Average working set: the number of distinct pages among the last `tau` touches, or among all so far where there were
 * fewer, on average over all touches (0 if there were none). tau from 1. Returns 0 and stores it, or errors as
 * vmt_report_working_set().
 */
VMT_API int vmt_report_average_working_set(const vmt_report *report, uint64_t tau, double *average);

/* One touched page, as vmt_report_page() gives it. */
typedef struct vmt_page_info {
    uintptr_t address;   /* of its first byte */
    uint64_t touches;    /* of this page; at least 1 */
    bool written;        /* meaningful only with track_writes */
    uint64_t allocation; /* ordinal of the allocation that it belongs to, from 1 in order of allocation; 0 unknown */
    uint64_t offset;     /* page offset of this page in that allocation, from 0 */
    const void *site;    /* return address of the call that allocated it; NULL unknown */
    const char *label;   /* NULL if none */
    bool unchanged;      /* was written, and held at the end what it had held before; only with track_content */
    uint64_t live_bytes; /* most bytes of it in live heap blocks at once; 0 unless live_bytes was asked for */
} vmt_page_info;

/* The i-th page of the footprint, in order of first touch; i below vmt_report_footprint(). Returns 0 or -EINVAL. */
VMT_API int vmt_report_page(const vmt_report *report, uint64_t i, vmt_page_info *info);

/*
 * Where a return address lies: "function file.c:123", or as much of it as the program's debug information and symbol
 * tables tell: "function+0x12 (module)", "module+0x1234", "0x1234"; "unknown site" for NULL. Lines need elfutils'
 * libdw.so.1, which is opened for it. Writes at most `bytes` bytes, the NUL included, and shortens the function's name
 * to that. Returns text.
 */
VMT_API const char *vmt_report_site_text(const vmt_report *report, const void *site, char *text, size_t bytes);

/*
 * How the touches are spread over the region's time: counts[i] is the number of them in the i-th of `bins` equal parts
 * of it, and *duration_ns (NULL is allowed) its length in nanoseconds. Returns 0, -EINVAL (bins 0), or another errno:
 * the trace can no longer be read.
 */
VMT_API int vmt_report_touches_by_time(const vmt_report *report, uint64_t *counts, size_t bins, uint64_t *duration_ns);

/*
 * One number for all touches in order, each named by the ordinal of its page's allocation and the page's offset in it,
 * so that it does not depend on addresses: two regions with one fingerprint touched the same pages in the same order.
 * (XXH3-64 of these names.) Several threads that run at once need not touch in the same order twice. Returns 0 and
 * stores it, -EINVAL, -ENOMEM, or another errno: the trace can no longer be read.
 */
VMT_API int vmt_report_fingerprint(const vmt_report *report, uint64_t *fingerprint);

/* The first touch, from 1, at which two reports name another page, or that only one of them has; 0: there is none, and
 * the fingerprints are equal. Returns 0 and stores it, or errors as vmt_report_fingerprint(). */
VMT_API int vmt_report_first_difference(const vmt_report *a, const vmt_report *b, uint64_t *touch);

/* Pages that were touched once. Returns 0 and stores it, or errors as vmt_report_fingerprint(). */
VMT_API int vmt_report_pages_once(const vmt_report *report, uint64_t *pages);

/*
 * The misses of an LRU memory of `memory` pages for all accesses of the program, those to open pages included, lie
 * between *low and *high. Known from 3 N - 2 pages on (N is the window), and only if the window was a strict FIFO of N:
 * each stack distance among the touches is within N - 1 of that among all accesses, and what was not seen has one of at
 * most 2 N - 2. Returns 0 and stores both, -ERANGE if it cannot be known, with a sentence that says why, or errors as
 * vmt_report_fingerprint().
 */
VMT_API int vmt_report_misses_bound(const vmt_report *report, uint64_t memory, uint64_t *low, uint64_t *high);

/*
 * The file that has the trace, whatever becomes of the report: that of vmt_config.trace_path, or the one in which the
 * trace was kept since a check failed (or at once, if VMT_KEEP is all). NULL: there is none. Valid as long as the
 * report.
 */
VMT_API const char *vmt_report_kept_trace(const vmt_report *report);

/* ------------------------------------------------------------------------------------------------- locality */

/*
 * Touches that have something in common, in order: how well would a memory of so many pages hold their pages? A
 * locality belongs to its report, is never changed, and any thread may read it. It is computed when it is first asked
 * for, in one pass over the trace and at most 100 bytes for each page. Ask after the region: what is allocated for it
 * counts in a region that is open.
 *
 * All figures are of the touches, which are what a FIFO of N pages misses; vmt_report_misses_bound() says what they
 * tell of all accesses. A page counts for each label, site, thread or phase that it has touches of.
 */
typedef struct vmt_locality vmt_locality;

/*
 * Each stores the locality of: all touches; those of pages that vmt_track() gave this label; of pages that the call
 * which returns to `site` allocated (NULL: not known; vmt_page_info.site has them); by one thread (0: the one that
 * began the region); within one phase of vmt_mark(), where pages that were left open by the phase before are touched
 * only once they were closed. Returns 0, or: -ENOENT there is no such label, site or phase, or the thread touched
 * nothing; -ENOTUNIQ two threads of the region had that tid; -EINVAL, -ENOMEM, or another errno: the trace can no
 * longer be read.
 */
VMT_API int vmt_locality_of_all(const vmt_report *report, const vmt_locality **locality);
VMT_API int vmt_locality_of_label(const vmt_report *report, const char *label, const vmt_locality **locality);
VMT_API int vmt_locality_of_site(const vmt_report *report, const void *site, const vmt_locality **locality);
VMT_API int vmt_locality_of_thread(const vmt_report *report, pid_t tid, const vmt_locality **locality);
VMT_API int vmt_locality_of_phase(const vmt_report *report, const char *phase, const vmt_locality **locality);

VMT_API uint64_t vmt_locality_touches(const vmt_locality *locality); /* how many they are */
VMT_API uint64_t vmt_locality_pages(const vmt_locality *locality);   /* distinct ones */

/* Misses of an LRU memory of so many pages that is empty at first, from 0 pages on (Mattson et al. 1970). */
VMT_API uint64_t vmt_locality_misses(const vmt_locality *locality, uint64_t memory);

/* Touches with this reuse distance: so many distinct pages since the last touch of their page, itself included, from 1.
 * They are hits of an LRU memory of that many pages or more. First touches of a page have none. */
VMT_API uint64_t vmt_locality_hits(const vmt_locality *locality, uint64_t distance);

/*
 * The smallest LRU memory, in pages, whose misses, beyond the first touch of each page, which no memory saves, are at
 * most so many percent of the touches. 0: there were no touches. percent from 0; one that is below, or not a number,
 * counts as 0.
 */
VMT_API uint64_t vmt_locality_memory_for(const vmt_locality *locality, double percent);

/*
 * The average working set (see vmt_report_average_working_set()). It is kept for tau 1, 2, 3, 4, 6, 8, 12, 16, ...
 * touches, two for each doubling: *tau, from 1, becomes the longest of these that is not longer. Returns 0 and stores
 * both, or -EINVAL (tau 0).
 */
VMT_API int vmt_locality_working_set(const vmt_locality *locality, uint64_t *tau, double *average);

/* ------------------------------------------------------------------------------------------------- checks */

/*
 * A check compares a report with a budget. It fills *verdict and returns true if the budget holds. On failure `text`
 * is at most 20 lines of at most 80 columns, ready to print: budget, actual value and what it means; window, scope and
 * engine; the labels or allocation sites with the most pages; touches over the region's time; and where the trace is,
 * which is kept in a file for that (VMT_KEEP, VMT_TRACE_DIR and VMT_KEEP_MAX in doc/guide.md).
 * A check whose value could not be measured does not hold, and says why; report NULL is such a case. Call them after
 * the region. Not async-signal-safe. Thread-safe.
 */

/* What a check came to. */
typedef enum vmt_outcome {
    VMT_HELD = 0,         /* the value is within the budget */
    VMT_BROKEN = 1,       /* it is over the budget, or not what was expected */
    VMT_NOT_MEASURED = 2, /* there is no value: does not hold */
    VMT_BETTER = 3,       /* than the baseline by more than its tolerance: holds, with a notice */
    VMT_NO_BASELINE = 4,  /* there is none to compare with: does not hold */
} vmt_outcome;

/* The exit status of a program that ends with this outcome: 0 held, 1 over budget, 3 better, 4 no baseline, 5 not
 * measured. */
VMT_API int vmt_outcome_exit_status(vmt_outcome outcome);

/* The outcome of a check and its reasons. */
typedef struct vmt_verdict {
    vmt_outcome outcome; /* of the check */
    uint64_t budget;     /* the limit, or the value that was expected, in the check's unit */
    uint64_t actual;     /* the value; 0 if it was not measured */
    char text[4096];     /* UTF-8, ends with a NUL: one line if it holds with nothing more to say */
} vmt_verdict;

/* Distinct pages touched, vmt_report_footprint(): at most `budget`; exactly `expected`. */
VMT_API bool vmt_check_pages_at_most(const vmt_report *report, uint64_t budget, vmt_verdict *verdict);
VMT_API bool vmt_check_pages_exactly(const vmt_report *report, uint64_t expected, vmt_verdict *verdict);

/* Touches, vmt_report_touches(). */
VMT_API bool vmt_check_touches_at_most(const vmt_report *report, uint64_t budget, vmt_verdict *verdict);

/* Distinct pages among any tau consecutive touches, tau from 1: vmt_report_working_set(). */
VMT_API bool vmt_check_working_set_at_most(const vmt_report *report, uint64_t tau, uint64_t budget,
                                           vmt_verdict *verdict);

/* Distinct pages written, vmt_report_pages_written(). Not measured without track_writes. */
VMT_API bool vmt_check_pages_written_at_most(const vmt_report *report, uint64_t budget, vmt_verdict *verdict);

/* Distinct pages touched with this label: vmt_report_label_pages(). Not measured if vmt_track() was never given it. */
VMT_API bool vmt_check_label_at_most(const vmt_report *report, const char *label, uint64_t budget,
                                     vmt_verdict *verdict);

/* Distinct pages touched in a phase. One that vmt_locality_of_phase() does not know was not measured. */
VMT_API bool vmt_check_phase_at_most(const vmt_report *report, const char *phase, uint64_t budget,
                                     vmt_verdict *verdict);

/* Distinct pages touched by a thread (0: the one that began the region). One that vmt_locality_of_thread() does not
 * know was not measured. */
VMT_API bool vmt_check_thread_at_most(const vmt_report *report, pid_t tid, uint64_t budget, vmt_verdict *verdict);

/* Misses of an LRU memory of `memory` pages, from 1, among the touches: vmt_locality_misses(). */
VMT_API bool vmt_check_misses_at_most(const vmt_report *report, uint64_t memory, uint64_t budget, vmt_verdict *verdict);

/* The memory, in pages, that misses at most so many percent, from 0 to 100: vmt_locality_memory_for(). */
VMT_API bool vmt_check_memory_for_at_most(const vmt_report *report, double percent, uint64_t budget,
                                          vmt_verdict *verdict);

/* vmt_report_fingerprint() is `expected`; they stand in verdict->actual and verdict->budget. */
VMT_API bool vmt_check_fingerprint(const vmt_report *report, uint64_t expected, vmt_verdict *verdict);

/* ------------------------------------------------------------------------------------------------- repeats */

/* The smallest, the middle one (the lower of two) and the largest. */
typedef struct vmt_spread {
    uint64_t min;    /* the smallest */
    uint64_t median; /* the middle one */
    uint64_t max;    /* the largest */
} vmt_spread;

/* What several regions with the same code came to. */
typedef struct vmt_measurement {
    uint64_t repeats;               /* runs */
    vmt_spread pages;               /* distinct pages touched in a run */
    vmt_spread touches;             /* touches of a run */
    vmt_spread pages_written;       /* needs track_writes */
    vmt_report *least;              /* of the run with the fewest pages; the first of equals */
    vmt_report *most;               /* ... and with the most */
    bool same_fingerprints;         /* of all runs, */
    uint64_t first_different_run;   /* ... or else the first run, from 2, that differs from the first, */
    uint64_t first_different_touch; /* ... and at which touch: vmt_report_first_difference() */
} vmt_measurement;

/*
 * Calls fn(arg) `repeats` times, from 1, each in a region of its own with this config (NULL: as for vmt_begin()), and
 * fills *measurement. Checks with a budget take measurement->least: what a run needs more than that is not the code's
 * (a lazy binding, a cache that was cold). Nothing is allocated between two runs: all reports are kept until the last
 * one has ended. But what fn frees, malloc may give out in another order the next time, and then the runs are not the
 * same. A trace file that the config names is the first run's; the others have .2, .3 and so on behind its name.
 * Returns 0; free the measurement then. Or: -EINVAL repeats is 0, or the errors of vmt_begin(), vmt_end() and
 * vmt_report_fingerprint(). Not async-signal-safe. If fn jumps out of it, the reports of the runs before are lost.
 */
VMT_API int vmt_measure(void (*fn)(void *arg), void *arg, uint64_t repeats, const vmt_config *config,
                        vmt_measurement *measurement);

/* Releases the reports, which may be the same one. NULL is allowed, and a measurement that is all zero. */
VMT_API void vmt_measurement_free(vmt_measurement *measurement);

/*
 * Calls fn(arg) `calls` times, from 1, and holds if each of the calls touches at most `budget` pages. Each is in a
 * region of its own: within one region a call would find pages open that the one before has left so, and its touches
 * of them would not be seen. The verdict is that of the call with the most pages, the first of equals. Where a region
 * could not be traced the check was not measured, and no more calls are made.
 */
VMT_API bool vmt_check_each(void (*fn)(void *arg), void *arg, uint64_t calls, uint64_t budget, const vmt_config *config,
                            vmt_verdict *verdict);

/* ------------------------------------------------------------------------------------------------- baselines */

/*
 * A baseline is a text file that lives with the tests and says what a region came to: footprint, touches, working
 * sets, pages by label and by phase. `name` is its path in the folder, without ".vmtb": letters, digits, '.', '_', '-'
 * and, for folders in it, '/'. The folder is that of the environment's VMT_BASELINE_DIR; else of the macro of that
 * name, a string, where this header is included (vmt_baselines() in CMake defines it); else ./baselines.
 *
 * The file has a section for each allocator, window, scope and so on; a run is compared with its own. A metric holds if
 * it differs from the file's value by at most its tolerance: the larger of +-N and +-P %, rounded down. The outcomes:
 *
 *   VMT_HELD          all are within it. Metrics of the run that the file does not name are not compared; the text
 *                     names them
 *   VMT_BETTER        none is above, and one is below: holds, and the text says how to tighten
 *   VMT_BROKEN        one is above, or the fingerprint (compared only where the file has a line for it) is another
 *   VMT_NO_BASELINE   there is no file, no section, or a ? in place of a value; the text says what to type to record it
 *   VMT_NOT_MEASURED  the file is damaged (the text names the line), or names what this run does not have, or the trace
 *                     cannot be read
 *
 * The first that applies of broken, not measured, no baseline, better. verdict->actual is the worst metric's value, or
 * the footprint, and verdict->budget the most that it may be.
 *
 * With VMT_UPDATE_BASELINES=1 in the environment the values of the run's section that are out of their tolerance or
 * missing are written, and nothing else is changed: VMT_HELD. Processes that record at the same time wait for one
 * another. Where CI is set, and not to "", "false" or "0", nothing is written, and the check says so and fails.
 * Thread-safe. Not async-signal-safe.
 */
VMT_API bool vmt_check_baseline(const vmt_report *report, const char *name, vmt_verdict *verdict);

/* The same with the folder for where the environment names none; NULL or "": ./baselines. */
VMT_API bool vmt_check_baseline_in(const vmt_report *report, const char *folder, const char *name,
                                   vmt_verdict *verdict);

#ifdef VMT_BASELINE_DIR
#define vmt_check_baseline(report, name, verdict) vmt_check_baseline_in((report), VMT_BASELINE_DIR, (name), (verdict))
#endif

/*
 * A report against the limits that the budget file of VMT_BUDGETS sets for the test named `test`, so that they change
 * without its code. The file's lines are sections and limits; # begins a comment:
 *
 *     [look_up_test]
 *     pages <= 40                  # also pages == 40
 *     touches <= 100
 *     working_set(64) <= 30        # tau in parentheses
 *     pages_written <= 3
 *     label(index) <= 12
 *     phase(look up) <= 20
 *     misses(300) <= 90            # of an LRU memory of so many pages
 *
 * A section is for the test of that name, as its framework names it, or as CTest does (VMT_CTEST_NAME, which
 * vmt_add_test() of CMake sets); [*] is for all. All limits of all sections for a test must hold; a section without
 * limits sets none. Each limit is told to the files of results (vmt_result_add()) with the budget file's line. Holds
 * without VMT_BUDGETS. Is not measured, with a text that names file and line, where the file cannot be read, anything
 * in it is not as above, or it has no section for the test.
 */
VMT_API bool vmt_check_budgets(const vmt_report *report, const char *test, vmt_verdict *verdict);

/* ------------------------------------------------------------------------------------------------- results of tests */

/*
 * For adapters of test frameworks (vmt/cmocka.h, vmt/gtest.h, ...), which call these for each check; a test on
 * vmt_check_ functions alone may do so too. Ordinary program context, outside of regions; thread-safe.
 */

/* Does this error of vmt_begin() say that the machine, not the test, is why nothing can be traced? -EPERM, -ENOSYS and
 * -ENOTSUP do. Such a test is to be skipped with vmt_error_text() as its reason, not failed. */
VMT_API bool vmt_cannot_trace(int error);

/*
 * Adds a verdict to the files that the environment names: VMT_RESULTS_JSON (an array of objects), VMT_RESULTS_JUNIT
 * (XML). Each is a whole document after each call, and any number of processes may add to one at once: the call holds a
 * lock on the file. (One that is killed meanwhile may leave a file that the next one refuses.) With
 * VMT_CTEST_MEASUREMENTS=1 the actual value, and the trace's file if there is one, go to standard output as
 * <CTestMeasurement> and <CTestMeasurementFile>, too. `check` and `test` name what was asked and by whom; file and line
 * say where. report NULL, and file NULL, are allowed. Strings are cut at 2,048 bytes. Returns 0, or a negative errno
 * with a sentence, which also goes to standard error once in a process: -EEXIST the file holds something else, -EINVAL
 * a variable has a value that is not allowed, ...
 */
VMT_API int vmt_result_add(const vmt_report *report, const vmt_verdict *verdict, const char *check, const char *test,
                           const char *file, int line);

/*
 * Adds to these files that `test` was skipped, and says so on standard error with the reason. A process that was
 * started with VMT_SKIP_STATUS=77 in its environment, as vmt_add_test() of CMake does, and then exits with status 0,
 * exits with that one instead, so that CTest calls it skipped and not passed; a failure's status stays. Forked
 * children's calls count for it, their own status does not change, and programs that it starts do not get the variable.
 * Returns as vmt_result_add().
 */
VMT_API int vmt_result_skip(const char *reason, const char *test, const char *file, int line);

/* The part of it about the exit status, for a process whose tests ran in programs that it started, or that exits with
 * `status` and not with 0 where nothing failed and all was skipped. */
VMT_API void vmt_end_as_skipped(int status);

#ifdef __cplusplus
}
#endif
#endif
