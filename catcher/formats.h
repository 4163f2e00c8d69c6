/* SPDX-License-Identifier: MIT */
/* The forms in which `vmtrace report` gives what was found about a trace (study.h). */
#ifndef VMTI_FORMATS_H
#define VMTI_FORMATS_H

#include <stdio.h>

#include "json.h"
#include "study.h"

/*
 * One a format, for a study that has been opened and, but for those that say otherwise, has its figures. Errors of
 * `out` are the caller's to look for. 0, or negative errno with a sentence in study->reason.
 */
VMTI_HIDDEN int vmti_report_text(struct vmti_study *study, FILE *out);      /* report_text.c */
VMTI_HIDDEN int vmti_report_json(struct vmti_study *study, FILE *out);      /* report_json.c */
VMTI_HIDDEN int vmti_report_csv(struct vmti_study *study, FILE *out);       /* report_touches.c; needs no figures */
VMTI_HIDDEN int vmti_report_tsv(struct vmti_study *study, FILE *out);       /* ... */
VMTI_HIDDEN int vmti_report_chrome(struct vmti_study *study, FILE *out);    /* report_chrome.c; needs no figures */
VMTI_HIDDEN int vmti_report_collapsed(struct vmti_study *study, FILE *out); /* report_collapsed.c; needs no figures */
VMTI_HIDDEN int vmti_report_bencher(struct vmti_study *study, FILE *out);   /* report_json.c */
VMTI_HIDDEN int vmti_report_html(struct vmti_study *study, FILE *out);      /* report_html.c */

/* Two traces in one page. A sentence about either is in study->reason. */
VMTI_HIDDEN int vmti_report_html_against(struct vmti_study *study, struct vmti_study *against, FILE *out);

/* --- report_heat.c --- */

/* A picture of pages by time for a terminal, with its legend; the walk has as many bins as it is to have columns. */
VMTI_HIDDEN void vmti_report_heat(const struct vmti_study *study, FILE *out, bool colours);

enum { VMTI_HEAT_MARGIN = 17 }; /* columns of a line that are no bins */

/* Columns that `out` has: $COLUMNS, or the terminal's, or 80; between 40 and 240. */
VMTI_HIDDEN unsigned vmti_report_columns(FILE *out);

/* Is `out` a terminal that shows colours, and does the environment not forbid them (https://no-color.org)? */
VMTI_HIDDEN bool vmti_report_colours(FILE *out);

/* --- report_json.c --- */

/* All figures, with at most so many groups of each kind. NULL: no memory. */
VMTI_HIDDEN json_t *vmti_json_report(const struct vmti_study *study, size_t most_groups);

#endif
