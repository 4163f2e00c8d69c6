/* SPDX-License-Identifier: MIT */
/*
 * A baseline: the figures of a run against the ones that a file has for its key (baseline_file.h), and the file
 * brought up to them. For libvmt and the command. Runs in ordinary program context: may call malloc.
 */
#ifndef VMTI_BASELINE_H
#define VMTI_BASELINE_H

#include "metrics.h"

struct vmti_baseline_request {
    const char *name;          /* in sentences */
    const char *path;          /* of the file */
    const char *record;        /* the command that records, its words joined by spaces; NULL: not known */
    const char *how_to_record; /* ... in words, of at most 70 columns */
    bool update;
    /* Is it the label of pages that were not touched? NULL: what no page that was touched has is not known. */
    bool (*has_label)(const void *context, const char *label);
    const void *context;
};

/*
 * Compares, or with `update` records. Adds to the metrics what only the file names. True: it holds (VMT_HELD,
 * VMT_BETTER). The text has at most 20 lines of 80 columns, but for paths and commands that cannot be broken.
 */
VMTI_HIDDEN bool vmti_baseline_check(const struct vmti_baseline_request *request, struct vmti_metrics *metrics,
                                     vmt_verdict *verdict);

/* The file cannot be compared with, for this reason. Returns false. */
VMTI_HIDDEN VMT_PRINTF(3, 4) bool vmti_baseline_not_measured(vmt_verdict *verdict, const char *name, const char *format,
                                                             ...);

#endif
