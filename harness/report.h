/* SPDX-License-Identifier: MIT */
#ifndef VMTI_REPORT_H
#define VMTI_REPORT_H

#include <pthread.h>

#include "insight.h"
#include "sites.h"
#include "trace_read.h"
#include "types.h"

struct vmti_told_thread {
    uint32_t index, tid;
};

/* What a report makes when it is first asked for. Any thread may ask. */
struct vmti_told {
    pthread_mutex_t lock; /* of all of it */

    /* Of the whole, and by each grouping with the whole again: see report_told.c */
    struct vmti_insight *insights[1 + VMTI_GROUPINGS];
    bool has_names;
    struct vmti_told_thread *threads;
    size_t thread_count;
    char (*phases)[VMTI_TRACE_LABEL_MAX + 1];
    size_t phase_count;

    struct vmti_sites *sites; /* of this process */

    /* See keep.c */
    bool kept_decided;
    char *kept;        /* path; NULL: none, */
    char why_not[256]; /* ... and why */
};

struct vmt_report {
    struct vmti_region *region;
    struct vmti_page **marks; /* some of the pages that were touched: see report.c */
    struct vmti_told *told;
};

/* The report of an ended region, whose memory it takes over. NULL: no memory. */
VMTI_HIDDEN vmt_report *vmti_report_new(struct vmti_region *r);

/* Opens the report's trace, in its file or in memory. 0, or negative errno with a sentence in reader->reason; close the
 * reader in both cases. Any thread may have one of its own. */
VMTI_HIDDEN int vmti_report_reader(const vmt_report *report, struct vmti_trace_reader *reader);

/* Keeps a sentence for vmt_error_text(): the trace of this report cannot be read. Closes the reader, and returns
 * `error`. */
VMTI_HIDDEN int vmti_report_fail(const vmt_report *report, const char *function, int error,
                                 struct vmti_trace_reader *reader);

/* --- report_told.c --- */

VMTI_HIDDEN void vmti_told_free(struct vmti_told *told);

#endif
