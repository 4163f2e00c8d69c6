/* SPDX-License-Identifier: MIT */
#ifndef VMTI_ERROR_H
#define VMTI_ERROR_H

#include "types.h"

/* Keeps a sentence for vmt_error_text() in this thread, and returns `error`, a negative errno. */
VMTI_HIDDEN VMT_PRINTF(2, 3) int vmti_fail(int error, const char *format, ...);

/* The sentence, with what to do, for a region that could not start or was lost. */
VMTI_HIDDEN int vmti_fail_region(const struct vmti_region *r);

/* A sentence about calls whose row, or command, is not in the table. */
/* ... on pages left open, and on calls refused: see rings.h. */
VMTI_HIDDEN void vmti_left_open_text(char *to, size_t bytes, uint64_t pages);
VMTI_HIDDEN void vmti_refused_text(char *to, size_t bytes, uint64_t calls);

VMTI_HIDDEN void vmti_unknown_text(char *to, size_t bytes, uint64_t calls, int64_t first, uint64_t command);

#endif
