/* SPDX-License-Identifier: MIT */
/*
 * Where two traces part. Pages are named as for the fingerprint (insight.h): by the ordinal of the allocation and the
 * offset in it; a page without an allocation, by the order in which such pages were first touched. Runs in ordinary
 * program context: may call malloc.
 */
#ifndef VMTI_DIFFERENCE_H
#define VMTI_DIFFERENCE_H

#include "trace_read.h"

/* The first touch, from 1, at which they name another page, or that only one has; 0: none. Reads both as far as that.
 * 0, -ENOMEM, or -EIO or the reader's error: one is not complete, and they are equal as far as it goes. */
VMTI_HIDDEN int vmti_first_difference(struct vmti_trace_reader *a, struct vmti_trace_reader *b, uint64_t *touch);

#endif
