/* SPDX-License-Identifier: MIT */
/* The lines of a budget file; vmt_check_budgets() in vmt.h shows one. */
#ifndef VMTI_BUDGET_FILE_H
#define VMTI_BUDGET_FILE_H

#include "types.h"

/* A part of the file; not terminated. */
struct vmti_part {
    const char *text;
    size_t bytes;
};

/* "what(argument) <= limit" in [section]. */
struct vmti_limit {
    struct vmti_part section, what, argument; /* argument.text is NULL where there are no parentheses */
    bool exactly;                             /* "==" */
    uint64_t limit;
    struct vmti_part whole; /* as the line has it */
    unsigned line;
};

/*
 * Calls use(limit, context) for each limit and, with what.text NULL, for each section, in order. Returns 0, what a call
 * returned that was not 0, or -EINVAL with a sentence that names `path` and the line. Allocates nothing.
 */
VMTI_HIDDEN int vmti_budget_file_parse(const char *path, const char *text, size_t bytes,
                                       int (*use)(const struct vmti_limit *limit, void *context), void *context);

VMTI_HIDDEN bool vmti_part_is(const struct vmti_part *part, const char *text);

#endif
