/* SPDX-License-Identifier: MIT */
#ifndef VMTI_REPORT_H
#define VMTI_REPORT_H

#include "trace_read.h"
#include "types.h"

/* The report of an ended region, whose memory it takes over. NULL: no memory. */
VMTI_HIDDEN vmt_report *vmti_report_new(struct vmti_region *r);

/* Opens the report's trace, in its file or in memory. 0, or negative errno with a sentence in reader->reason; close the
 * reader in both cases. Any thread may have one of its own. */
VMTI_HIDDEN int vmti_report_reader(const vmt_report *report, struct vmti_trace_reader *reader);

#endif
