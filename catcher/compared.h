/* SPDX-License-Identifier: MIT */
/* The table that `vmtrace compare` prints: figures of runs by allocator, which are the best, and how they are shown. */
#ifndef VMTI_COMPARED_H
#define VMTI_COMPARED_H

#include "../harness/trace_read.h"

enum vmti_compared_figure {
    VMTI_COMPARED_FOOTPRINT,
    VMTI_COMPARED_TOUCHES,
    VMTI_COMPARED_PEAK,
    VMTI_COMPARED_MEMORY,
    VMTI_COMPARED_DATA,
    VMTI_COMPARED_METADATA,
    VMTI_COMPARED_FIGURES,
};

enum { VMTI_COMPARED_ROWS = 16 };

struct vmti_compared_row {
    const char *name;
    char *library;
    int status;                              /* 0, or as waitpid(2) gave it of the first run that failed */
    bool complete;                           /* are all traces whole? */
    char reason[VMTI_READ_REASON_BYTES];     /* why one is not */
    uint64_t (*runs)[VMTI_COMPARED_FIGURES]; /* those that have a trace */
    size_t count;

    /* Once concluded, and if there are runs: */
    uint64_t median[VMTI_COMPARED_FIGURES], least[VMTI_COMPARED_FIGURES], most[VMTI_COMPARED_FIGURES];
    bool best[VMTI_COMPARED_FIGURES];
};

struct vmti_compared {
    struct vmti_compared_row rows[VMTI_COMPARED_ROWS];
    size_t count;
    uint64_t window, tau;
    unsigned repeat;
    bool replaced; /* the program replaced itself, and this has been said */
};

/* A run's figures. 0, or -1 after saying that no memory was left. */
VMTI_HIDDEN int vmti_compared_add(struct vmti_compared_row *row, const uint64_t figures[VMTI_COMPARED_FIGURES]);

/* Medians, extremes, and which are the best; after the last run. */
VMTI_HIDDEN void vmti_compared_conclude(struct vmti_compared *all);

/* On stdout, which is closed. The exit status of that. argv: the program's. */
VMTI_HIDDEN int vmti_compared_print(const struct vmti_compared *all);
VMTI_HIDDEN int vmti_compared_print_json(const struct vmti_compared *all, char **argv);

VMTI_HIDDEN void vmti_compared_free(struct vmti_compared *all);

#endif
