/* SPDX-License-Identifier: MIT */
/* A process whose tests could not be traced ends as skipped, not as passed. */
#ifndef VMTI_SKIP_H
#define VMTI_SKIP_H

#include "types.h"

/* A test of this process, or of one that it forked, was skipped. */
VMTI_HIDDEN void vmti_skip_note(void);

#endif
