/* SPDX-License-Identifier: MIT */
/*
 * One side of a comparison: the figures of a trace, or of a report that `vmtrace report --json` made of one, under the
 * same names, so that either can stand beside the other. Runs in ordinary program context: calls malloc.
 */
#ifndef VMTI_FIGURES_H
#define VMTI_FIGURES_H

#include <stdio.h>

#include "../harness/insight.h"
#include "../harness/sites.h"
#include "../harness/trace_read.h"

enum { VMTI_FIGURES_MAX = 32, VMTI_SETTINGS_MAX = 8 };

struct vmti_figure_kind {
    const char *key;  /* in JSON */
    const char *text; /* for people */
    unsigned digits;  /* behind the point: 0 for a count */
};

/* What a figure is, in the order in which they are shown; NULL: there are no more. */
VMTI_HIDDEN const struct vmti_figure_kind *vmti_figure_kind(unsigned i);

/* A double is exact up to 2^53, and no honest count comes near. */
struct vmti_figure {
    bool known;
    double value;
};

/* How the trace was made, in words that are equal where the settings are. */
struct vmti_setting_kind {
    const char *key;    /* in JSON */
    const char *text;   /* for people */
    const char *effect; /* what cannot be compared where it differs: the rest of a sentence */
};

VMTI_HIDDEN const struct vmti_setting_kind *vmti_setting_kind(unsigned i);

/* What was touched of the pages of one allocation site, label or phase. */
struct vmti_named {
    char *name;
    uint64_t pages, touches;
};

struct vmti_named_list {
    bool known;
    struct vmti_named *items; /* by name; no two have the same */
    size_t count, capacity;
};

struct vmti_figures {
    const char *path;
    bool is_report; /* of --json: there is no trace to read on in */
    char *command;  /* program and arguments, with blanks between them */
    bool complete;
    char *reason;                         /* why not */
    char settings[VMTI_SETTINGS_MAX][24]; /* "": not known */
    struct vmti_figure figures[VMTI_FIGURES_MAX];
    struct vmti_named_list groups[VMTI_GROUPINGS]; /* but for threads, whose numbers say nothing beside another trace */
    char fingerprint[17];                          /* hexadecimal; "": not known */
    /* A program or library with allocation sites that was changed after the trace had been made, so that these are
     * named by their offsets; "": none. Not followed in a report. */
    char changed[VMTI_SITE_NAME_BYTES];

    /* --- of a trace --- */
    FILE *file; /* that the reader reads */
    struct vmti_trace_reader reader;
    struct vmti_trace_summary summary;
    struct vmti_sites *sites;
};

/* Reads all of the file, whose content tells what it is. 0; or -1, after a sentence on stderr. Free it in any case. */
VMTI_HIDDEN int vmti_figures_read(struct vmti_figures *figures, const char *path);

/* Where an allocation came from, in words that neither address-space randomisation nor a line more above it changes:
 * "function file.c", else "function (module)", else "module+0x1234". */
VMTI_HIDDEN const char *vmti_figures_site(const struct vmti_figures *figures, uint64_t site,
                                          char text[VMTI_SITE_TEXT_BYTES]);

VMTI_HIDDEN void vmti_figures_free(struct vmti_figures *figures);

#endif
