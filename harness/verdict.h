/* SPDX-License-Identifier: MIT */
/*
 * The text of a verdict: at most 20 lines of at most 80 columns. Runs after the region, in the test's own thread:
 * malloc and stdio are allowed.
 */
#ifndef VMTI_VERDICT_H
#define VMTI_VERDICT_H

#include "types.h"

enum {
    VMTI_VERDICT_COLUMNS = 80,
    VMTI_VERDICT_NAME_BYTES = 64, /* of a name in a verdict, its NUL included */
    VMTI_AMOUNT_BYTES = 40,       /* a number and its noun */
};

/* What a budget counts, and by what the places in a verdict are ranked. */
enum vmti_counted {
    VMTI_COUNT_PAGES,
    VMTI_COUNT_TOUCHES,
    VMTI_COUNT_PAGES_WRITTEN,
    VMTI_COUNT_MISSES,
};

/* "1 page", "12 touches". Returns text. */
VMTI_HIDDEN const char *vmti_amount(char text[static VMTI_AMOUNT_BYTES], uint64_t n, enum vmti_counted counted);

/* A copy of at most so many columns of UTF-8 that cannot break the layout of a verdict. Returns text. */
VMTI_HIDDEN const char *vmti_printable(char text[static VMTI_VERDICT_NAME_BYTES], const char *name, size_t columns);

/* Adds a sentence, broken between words into as many lines as it takes; the later ones are indented. */
VMTI_HIDDEN VMT_PRINTF(2, 3) void vmti_verdict_say(vmt_verdict *v, const char *format, ...);

/* Adds one line, and cuts it. */
VMTI_HIDDEN VMT_PRINTF(2, 3) void vmti_verdict_line(vmt_verdict *v, const char *format, ...);

/* The verdict of vmt_check_pages_at_most() on the report of call `call` of `calls`. */
VMTI_HIDDEN bool vmti_check_call(const vmt_report *report, uint64_t call, uint64_t calls, uint64_t budget,
                                 vmt_verdict *verdict);

/* The verdict of a check that cannot be answered, and why: not a pass, so false. */
VMTI_HIDDEN VMT_PRINTF(3, 4) bool vmti_not_measured(vmt_verdict *v, uint64_t budget, const char *format, ...);

/*
 * Adds what a failure comes from: what was traced, the places with the most of what is counted, the touches over the
 * region's time, and where the trace is, which is kept for that. At most 14 lines. part: what was counted is a part
 * of the region; the places are of that part if its touches are given (see vmti_part_touches()), and else of the
 * whole.
 */
VMTI_HIDDEN void vmti_verdict_explain(vmt_verdict *v, const vmt_report *report, enum vmti_counted counted, bool part,
                                      const uint64_t *touches);

/* --- report_told.c --- */

/* Touches of each page of the footprint, in order of vmt_report_page(), within this phase, or if it is NULL by this
 * thread. To be freed; NULL: there are none, or they cannot be told. */
VMTI_HIDDEN uint64_t *vmti_part_touches(const vmt_report *report, const char *phase, pid_t tid);

#endif
