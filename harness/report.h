/* SPDX-License-Identifier: MIT */
#ifndef VMTI_REPORT_H
#define VMTI_REPORT_H

#include "types.h"

/* The report of an ended region, whose memory it takes over. NULL: no memory. */
VMTI_HIDDEN vmt_report *vmti_report_new(struct vmti_region *r);

#endif
