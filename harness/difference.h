/* SPDX-License-Identifier: MIT */
/*
 * Where two traces part: the first touch at which they name different pages. A page is named as in the fingerprint: by
 * the order of its allocation and its offset there; one that belongs to none, by the order of its first touch. Runs in
 * ordinary program context: calls malloc.
 */
#ifndef VMTI_DIFFERENCE_H
#define VMTI_DIFFERENCE_H

#include "insight.h"

/* What a trace touches there. */
struct vmti_place {
    bool ended;          /* it has no such touch */
    uint32_t allocation; /* its index, as the trace says it; 0: none that is known */
    uint64_t order;      /* ... among those that the trace tells of, from 1; 0: none */
    uint64_t page;       /* of the allocation, from 0; or how many pages were touched before */
    uint64_t bytes;      /* of the allocation */
    uint64_t site;
    uint32_t thread;
    char label[VMTI_TRACE_LABEL_MAX + 1];
    char phase[VMTI_TRACE_LABEL_MAX + 1];
};

struct vmti_difference {
    uint64_t touch; /* its number, from 1; 0: they do not part */
    struct vmti_place a, b;
};

/* Reads both traces from their beginnings, until they part or as far as they go. 0, -ENOMEM, or a reader's error. */
VMTI_HIDDEN int vmti_difference_find(struct vmti_trace_reader *a, struct vmti_trace_reader *b,
                                     struct vmti_difference *found);

#endif
