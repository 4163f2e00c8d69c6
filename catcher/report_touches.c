/* SPDX-License-Identifier: MIT */
/* A trace for other programs: each touch as a row of comma-separated values, and the walk in bins for gnuplot. */
#define _GNU_SOURCE
#include "formats.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cmd.h"

/* ------------------------------------------------------------------------------------------- csv */

/* Quoted where RFC 4180 asks for it. Not escaped otherwise: the bytes are the trace's. */
static void put_field(FILE *out, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, out);
        return;
    }
    putc('"', out);
    for (; *text; text++) {
        if (*text == '"')
            putc('"', out);
        putc(*text, out);
    }
    putc('"', out);
}

static void put_row(const struct vmti_study *study, const struct vmti_event *event,
                    const struct vmti_trace_owner *owner, const char *phase, FILE *out)
{
    const char *access = !vmti_study_has_writes(study) ? "" : event->write ? "write" : "read";
    fprintf(out, "%" PRIu64 ",%" PRIu64 ",%" PRIu32 ",%s,%s,0x%" PRIx64 ",", event->touch, event->time_ns,
            event->thread, access, event->syscall ? "syscall" : "program",
            event->page * study->reader.header.page_size);
    if (owner) {
        fprintf(out, "%" PRIu32 ",%" PRIu64 ",", owner->index, event->page - owner->first_page);
        put_field(out, owner->label);
        putc(',', out);
        put_field(out, vmti_study_site(study, owner->site));
    } else {
        fputs(",,,", out);
    }
    fprintf(out, ",%u,", event->evicts);
    put_field(out, phase);
    putc('\n', out);
}

int vmti_report_csv(struct vmti_study *study, FILE *out)
{
    struct vmti_owners_told owners;
    struct vmti_event event;
    char phase[VMTI_TRACE_LABEL_MAX + 1] = "";
    int error = vmti_owners_told_read(&owners, &study->reader);
    fputs("touch,time_ns,thread,access,by,address,allocation,page,label,site,evicts,phase\n", out);
    while (!error && !ferror(out) && vmti_trace_read_next(&study->reader, &event)) {
        if (event.kind == VMTI_REC_TOUCH) {
            put_row(study, &event, vmti_owners_told_find(&owners, event.page), phase, out);
        } else if (event.kind == VMTI_REC_OWNER) {
            error = vmti_owners_told_add(&owners, &event);
        } else if (event.kind == VMTI_REC_MARK) {
            memcpy(phase, event.text, event.text_bytes);
            phase[event.text_bytes] = '\0';
        }
    }
    int output = errno; /* of `out`, for the caller */
    vmti_owners_told_free(&owners);
    if (error)
        snprintf(study->reason, sizeof study->reason, "cannot report on %s: no memory was left", study->path);
    errno = output;
    return error;
}

/* ------------------------------------------------------------------------------------------- tsv */

enum { TSV_BINS = 1000, TSV_ROWS = 600 };

int vmti_report_tsv(struct vmti_study *study, FILE *out)
{
    const struct vmti_walk *walk = &study->walk;
    int error = vmti_study_walk(study, TSV_BINS, TSV_ROWS);
    if (error)
        return error;
    fputs("# The walk of ", out);
    vmti_cmd_put_text(out, study->path, strlen(study->path), false);
    fprintf(out, ": %" PRIu64 " touches in %u bins of time, %" PRIu64 " pages in %u rows of neighbours\n",
            study->summary.touches, walk->bins, study->summary.footprint, walk->rows);
    fputs("# gnuplot -p -e \"set datafile separator tab; set logscale cb; unset key; "
          "plot 'FILE' using 1:(\\$5+\\$6+\\$7 > 0 ? \\$3 : 1/0):(\\$5+\\$6+\\$7) with points pt 5 ps 0.3 palette\"\n"
          "# first_touch\ttime_ns\trow\taddress\treads\twrites\tsyscalls\tupgrades\tevictions\n",
          out);
    for (unsigned bin = 0; bin < walk->bins; bin++)
        for (unsigned row = 0; row < walk->rows; row++) {
            const uint32_t *cell = vmti_walk_cell(walk, bin, row);
            uint32_t any = 0;
            for (unsigned kind = 0; kind < VMTI_WALK_KINDS; kind++)
                any |= cell[kind];
            if (!any)
                continue;
            fprintf(out, "%" PRIu64 "\t%" PRIu64 "\t%u\t0x%" PRIx64,
                    vmti_walk_first_touch(walk, study->summary.touches, bin), walk->bin_time_ns[bin], row,
                    walk->row[row].first * study->reader.header.page_size);
            fprintf(out, "\t%" PRIu32 "\t%" PRIu32 "\t%" PRIu32 "\t%" PRIu32 "\t%" PRIu32 "\n", cell[VMTI_WALK_READS],
                    cell[VMTI_WALK_WRITES], cell[VMTI_WALK_CALLS], cell[VMTI_WALK_UPGRADES], cell[VMTI_WALK_EVICTIONS]);
        }
    return 0;
}
