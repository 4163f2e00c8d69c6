/* SPDX-License-Identifier: MIT */
/*
 * The text of a verdict: at most 20 lines of at most 80 columns, but for what is to be copied. Runs after the region,
 * in the test's own thread: malloc and stdio are allowed.
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

/* --- verdict_text.c: in libvmt and in the command --- */

/* "1 page", "12 touches". Returns text. */
VMTI_HIDDEN const char *vmti_amount(char text[static VMTI_AMOUNT_BYTES], uint64_t n, enum vmti_counted counted);

/* A copy of at most so many columns of UTF-8 that cannot break the layout of a verdict. Returns text. */
VMTI_HIDDEN const char *vmti_printable(char text[static VMTI_VERDICT_NAME_BYTES], const char *name, size_t columns);

/* Adds one line, and cuts it. */
VMTI_HIDDEN VMT_PRINTF(2, 3) void vmti_verdict_line(vmt_verdict *v, const char *format, ...);

/* Adds a sentence, broken between words into as many lines as it takes; the later ones are indented. */
VMTI_HIDDEN VMT_PRINTF(2, 3) void vmti_verdict_say(vmt_verdict *v, const char *format, ...);

/* Adds text that is to be copied, a path in it perhaps, all of its lines indented: a word that is longer than a line
 * stays whole. */
VMTI_HIDDEN void vmti_verdict_words(vmt_verdict *v, const char *indent, const char *text);

/* The same for a command of vmti_command_add(); each line but the last tells the shell that there is more. */
VMTI_HIDDEN void vmti_verdict_command(vmt_verdict *v, const char *indent, const char *command);

/* Adds a word to a command for a shell, quoted if it must be. False: there is no room for it. */
VMTI_HIDDEN bool vmti_command_add(char *command, size_t bytes, const char *word);

/* Bytes of the longest word, its quotes included. */
VMTI_HIDDEN size_t vmti_command_longest_word(const char *command);

/* Adds "<before><path>" on one line, whole if it has at most so many columns; else the end of the path alone, which
 * tells more than its beginning. */
VMTI_HIDDEN void vmti_verdict_path(vmt_verdict *v, const char *before, const char *path, size_t columns);

/* The same on at most so many lines, which a shell joins again. */
VMTI_HIDDEN void vmti_verdict_path_in_lines(vmt_verdict *v, const char *before, const char *path, size_t lines);

/* --- check.c --- */

/* The verdict of vmt_check_pages_at_most() on the report of call `call` of `calls`. */
VMTI_HIDDEN bool vmti_check_call(const vmt_report *report, uint64_t call, uint64_t calls, uint64_t budget,
                                 vmt_verdict *verdict);

/* The verdict of a check that cannot be answered, and why: not a pass, so false. */
VMTI_HIDDEN VMT_PRINTF(3, 4) bool vmti_not_measured(vmt_verdict *v, uint64_t budget, const char *format, ...);

/* --- verdict.c --- */

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
