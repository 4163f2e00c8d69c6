/* SPDX-License-Identifier: MIT */
/*
 * What a baseline compares: the figures of a trace that are the same on every machine and with either engine. Counts
 * and names alone, no addresses and no times. Runs in ordinary program context: may call malloc.
 */
#ifndef VMTI_METRICS_H
#define VMTI_METRICS_H

#include "trace_read.h"

enum {
    VMTI_METRICS_KEY_BYTES = 256,
    VMTI_ALLOCATOR_BYTES = 64,
    VMTI_LABEL_METRIC_BYTES = 4 * VMTI_TRACE_LABEL_MAX + 32, /* a name with a label in it, each byte escaped */
};

/* The metric that has to be equal, and that is compared where a baseline asks for it alone. */
#define VMTI_METRIC_FINGERPRINT "fingerprint"

struct vmti_metric {
    char *name; /* "touches", or with a label or a phase in it: label "index" pages */
    uint64_t value;
};

struct vmti_metrics {
    char key[VMTI_METRICS_KEY_BYTES]; /* what else changes the counts: "allocator=glibc libc=glibc page=4096 ..." */
    struct vmti_metric *metrics;      /* in order of their names' bytes */
    size_t count, capacity;
    char reason[VMTI_READ_REASON_BYTES]; /* why there are none */
};

/*
 * Reads all of the trace. allocator: what lies beneath libvmt; NULL: as the names of the trace's modules say. A
 * sanitizer's goes before both. 0, or a negative errno with a sentence in `reason`: -ENOMEM, or -EIO for a trace that
 * is not complete, of which nothing is given. Free it in all cases.
 */
VMTI_HIDDEN int vmti_metrics_read(struct vmti_trace_reader *reader, const char *allocator,
                                  struct vmti_metrics *metrics);

/* One more, at the end. 0 or -ENOMEM. */
VMTI_HIDDEN int vmti_metrics_add(struct vmti_metrics *metrics, const char *name, uint64_t value);

/* To the order that vmti_metrics_find() needs. */
VMTI_HIDDEN void vmti_metrics_sort(struct vmti_metrics *metrics);

/* The metric with this name, which need not end with NUL; or NULL. */
VMTI_HIDDEN const struct vmti_metric *vmti_metrics_find(const struct vmti_metrics *metrics, const char *name,
                                                        size_t bytes);

VMTI_HIDDEN void vmti_metrics_free(struct vmti_metrics *metrics);

/* Compares names by their bytes, the shorter first. */
VMTI_HIDDEN int vmti_metric_name_compare(const char *a, size_t a_bytes, const char *b, size_t b_bytes);

/* `kind "name" pages`: " and \ in the name get a \ before them, and what is not printable ASCII becomes \xNN. */
VMTI_HIDDEN void vmti_metric_of_name(char text[static VMTI_LABEL_METRIC_BYTES], const char *kind, const char *name);

/* "jemalloc" for ".../libjemalloc.so.2"; for a library that is not known its name up to ".so". True: it is a known
 * one. */
VMTI_HIDDEN bool vmti_allocator_name(const char *path, char name[static VMTI_ALLOCATOR_BYTES]);

#endif
