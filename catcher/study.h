/* SPDX-License-Identifier: MIT */
/*
 * Everything about a trace that a report shows, found once and in no form yet: formats.h has the forms. Ordinary
 * program context: calls malloc. Memory goes with the distinct pages and the allocations of the trace, not with its
 * length: some 200 bytes a page, or 500 where that is little (study.c).
 */
#ifndef VMTI_STUDY_H
#define VMTI_STUDY_H

#include "../harness/insight.h"
#include "../harness/sites.h"
#include "../harness/trace_read.h"

enum { VMTI_STUDY_TOP = 10, VMTI_STUDY_REASON_BYTES = 512 };

/* ---------------------------------------------------------------- figures (study.c) */

/* An LRU memory of so many pages. */
struct vmti_study_point {
    uint64_t memory, misses;
    bool bounded; /* what the misses are for all accesses of the program is between ... */
    uint64_t low, high;
};

struct vmti_study_set {
    uint64_t tau;   /* touches */
    double average; /* distinct pages among the last tau touches */
    bool has_peak;
    uint64_t peak; /* the most among any tau touches in a row */
};

/* Touches whose page had been touched `from` to `to` distinct pages ago, itself included. */
struct vmti_study_bin {
    uint64_t from, to, touches;
};

/* The touches that have a thread, label, site or phase in common. */
struct vmti_study_group {
    struct vmti_group_key key;
    uint64_t pages, touches;
    uint64_t memory; /* smallest LRU memory whose misses, beyond the first touches, are at most 1 % of the touches */
};

struct vmti_study_groups {
    struct vmti_study_group *groups; /* sites, labels: most pages first; threads, phases: in order of first touches */
    size_t count;
};

/* ---------------------------------------------------------------- the walk, in bins (study_walk.c) */

enum vmti_walk_kind {
    VMTI_WALK_READS,     /* touches of the program: reads, or accesses of either kind without write tracking */
    VMTI_WALK_WRITES,    /* ... writes */
    VMTI_WALK_CALLS,     /* touches on behalf of system calls */
    VMTI_WALK_UPGRADES,  /* first writes of pages that had been opened for reading: no touches */
    VMTI_WALK_EVICTIONS, /* pages closed for another */
    VMTI_WALK_KINDS,
};

/* Touched pages that are neighbours, but for pages between them that were not touched. */
struct vmti_walk_row {
    uint64_t first, last; /* pages */
    uint64_t pages, touches;
    uint64_t hottest;                     /* page with the most touches, the first of equals */
    const struct vmti_trace_owner *owner; /* of that page, or NULL */
};

struct vmti_walk {
    unsigned bins, rows;       /* bins of about as many touches each, rows of about as many pages each */
    struct vmti_walk_row *row; /* in order of addresses */
    uint64_t *bin_time_ns;     /* of the first touch of each bin */
    uint32_t *cells;           /* [bin][row][kind]: counts, of which UINT32_MAX stands for more */
};

/* The first touch in a bin, from 1; that of bin walk->bins is one more than the last. */
VMTI_HIDDEN uint64_t vmti_walk_first_touch(const struct vmti_walk *walk, uint64_t touches, unsigned bin);
VMTI_HIDDEN const uint32_t *vmti_walk_cell(const struct vmti_walk *walk, unsigned bin, unsigned row);

/* A phase that begins, or with the name "" what belongs to none. */
struct vmti_study_mark {
    char name[VMTI_TRACE_LABEL_MAX + 1];
    uint64_t touches; /* before it */
    uint64_t time_ns;
};

enum { VMTI_STUDY_MARKS = 1000 }; /* the most that are kept */

/* ---------------------------------------------------------------- all of it */

struct vmti_study {
    const char *path;
    struct vmti_trace_reader reader; /* its header and command; and for formats that read the trace once more */
    struct vmti_trace_summary summary;
    const struct vmti_trace_trailer *trailer;           /* NULL: the trace has none */
    const struct vmti_trace_owner *top[VMTI_STUDY_TOP]; /* allocations with the most pages touched */
    size_t top_count;
    char reason[VMTI_STUDY_REASON_BYTES]; /* why the last function failed */
    struct vmti_study_names *names;       /* of sites */

    /* vmti_study_figures() */
    uint64_t pages_once; /* touched once */
    uint64_t fingerprint;
    uint64_t memory;                 /* as in a group, of the whole trace; 0: no touches */
    struct vmti_study_point *points; /* memories in ascending order, every power of two among them, to the footprint */
    size_t point_count;
    const char *unbounded; /* why there are no bounds for all accesses of the program: a sentence; NULL: there are */
    uint64_t bounded_from; /* the smallest memory that has them */
    struct vmti_study_set sets[VMTI_LOCALITY_TAUS];
    size_t set_count;
    struct vmti_study_bin reuse[64];
    size_t reuse_count;
    struct vmti_study_groups by[VMTI_GROUPINGS];

    /* vmti_study_walk() */
    struct vmti_walk walk;
    struct vmti_study_mark *marks;
    size_t mark_count;
    uint64_t marks_left_out;
};

/* Opens a trace and counts what is in it. Each function returns 0, or negative errno with a sentence in study->reason.
 * Free the study in all cases. */
VMTI_HIDDEN int vmti_study_open(struct vmti_study *study, const char *path);
VMTI_HIDDEN int vmti_study_figures(struct vmti_study *study);

/* At most so many bins and rows: as many as there are touches and pages, where these are fewer. Once. */
VMTI_HIDDEN int vmti_study_walk(struct vmti_study *study, unsigned bins, unsigned rows);
VMTI_HIDDEN void vmti_study_free(struct vmti_study *study);

/* ---------------------------------------------------------------- names */

/* As vmti_site_text(), but "" for 0, which is not known. Valid until the study is freed. "?": no memory was left. */
VMTI_HIDDEN const char *vmti_study_site(const struct vmti_study *study, uint64_t site);

/* ISO 8601, UTC. */
VMTI_HIDDEN void vmti_study_start_time(const struct vmti_study *study, char *text, size_t bytes);

/* From the start to the end, or UINT64_MAX if that is more or the trace has no trailer. */
VMTI_HIDDEN uint64_t vmti_study_duration_ns(const struct vmti_study *study);

/* The tid of a thread, 0 if the trace does not say. */
VMTI_HIDDEN uint32_t vmti_study_tid(const struct vmti_study *study, uint64_t thread);

/* "region", "exit" and so on; NULL: the trace does not say. */
VMTI_HIDDEN const char *vmti_study_end(const struct vmti_study *study);

VMTI_HIDDEN bool vmti_study_has_writes(const struct vmti_study *study);
VMTI_HIDDEN bool vmti_study_has_live_bytes(const struct vmti_study *study);

#endif
