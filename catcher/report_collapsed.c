/* SPDX-License-Identifier: MIT */
/*
 * Pages by the calls that led to their allocation, as lines "frame;frame pages": for flamegraph.pl, speedscope and
 * Perfetto. Each page touched counts once, for the first allocation that is known to have had it.
 */
#define _GNU_SOURCE
#include "formats.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"

/* Pages that were allocated by the same calls. */
struct line {
    const struct vmti_trace_stack *stack; /* NULL: only the site is known */
    uint64_t site;                        /* 0: nor is that */
    uint64_t pages;
};

/* By calls; two stacks with the same number are one. */
static int compare_calls(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    uint32_t m = x->stack ? x->stack->number : 0, n = y->stack ? y->stack->number : 0;
    if (m != n)
        return m < n ? -1 : 1;
    return x->site < y->site ? -1 : x->site > y->site;
}

static int compare_pages(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    return x->pages != y->pages ? (x->pages > y->pages ? -1 : 1) : compare_calls(a, b);
}

/* Takes lines with the same calls together; returns how many are left. */
static size_t unite(struct line *lines, size_t count)
{
    size_t used = 0;
    qsort(lines, count, sizeof *lines, compare_calls);
    for (size_t i = 0; i < count; i++) {
        if (used && compare_calls(&lines[used - 1], &lines[i]) == 0)
            lines[used - 1].pages += lines[i].pages;
        else
            lines[used++] = lines[i];
    }
    qsort(lines, used, sizeof *lines, compare_pages);
    return used;
}

/* A frame ends at ';', and the line's number is after its last space. */
static void put_frame(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == ';')
            putc(':', out);
        else
            vmti_cmd_put_text(out, text, 1, false);
    }
}

static void put_line(const struct vmti_study *study, const struct line *line, FILE *out)
{
    const char *command = study->reader.header.command_bytes ? study->reader.command : "";
    const char *slash = strrchr(command, '/');
    command = slash ? slash + 1 : command;
    put_frame(out, *command ? command : "program");
    for (uint32_t i = line->stack ? line->stack->count : 0; i-- > 1;) { /* the outermost call first */
        putc(';', out);
        put_frame(out, vmti_study_site(study, line->stack->frames[i]));
    }
    putc(';', out);
    put_frame(out, line->site ? vmti_study_site(study, line->site) : "not known");
    fprintf(out, " %" PRIu64 "\n", line->pages);
}

int vmti_report_collapsed(struct vmti_study *study, FILE *out)
{
    const struct vmti_page_owners *owners = &study->summary.owners;
    struct line *lines = malloc((owners->count + 1) * sizeof *lines);
    uint64_t owned = 0;
    size_t count = 0;
    if (!lines) {
        snprintf(study->reason, sizeof study->reason, "cannot report on %s: no memory was left", study->path);
        return -ENOMEM;
    }
    for (size_t i = 0; i < owners->count; i++) {
        const struct vmti_trace_owner *owner = &owners->owners[i];
        if (owner->touched)
            lines[count++] = (struct line){owner->stack, owner->site, owner->touched};
        owned += owner->touched;
    }
    if (owned < study->summary.footprint)
        lines[count++] = (struct line){NULL, 0, study->summary.footprint - owned};
    count = unite(lines, count);
    for (size_t i = 0; i < count; i++)
        put_line(study, &lines[i], out);
    int output = errno; /* of `out`, for the caller */
    free(lines);
    errno = output;
    return 0;
}
