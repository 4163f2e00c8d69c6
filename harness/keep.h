/* SPDX-License-Identifier: MIT */
/*
 * Traces that outlive their report: of regions with a failed check, or of all. Runs in ordinary program context: may
 * call malloc.
 *
 * A trace with a file of its own stays there. One in memory is written to PROGRAM.PID.NUMBER.vmt in $VMT_TRACE_DIR, or
 * ${TMPDIR:-/tmp}/vmt-traces-UID. Files of that form are ours: together they take at most VMT_KEEP_MAX bytes, and the
 * oldest go first.
 */
#ifndef VMTI_KEEP_H
#define VMTI_KEEP_H

#include "types.h"

/* 0, or -EINVAL with a sentence that names VMT_KEEP or VMT_KEEP_MAX and what is allowed. */
VMTI_HIDDEN int vmti_keep_check(void);

/* The path of the report's trace, which has failed a check; NULL: it is not kept, and *why is a part of a sentence.
 * Decided once for a report, and valid as long. Any thread may ask. */
VMTI_HIDDEN const char *vmti_keep_trace(const vmt_report *report, const char **why);

/* Keeps the trace of a new report if all are asked for; says on standard error if it cannot. */
VMTI_HIDDEN void vmti_keep_if_all(const vmt_report *report);

#endif
