/* SPDX-License-Identifier: MIT */
/*
 * One page with everything: page/report.html, with the style, the scripts and the data put in. The page loads nothing.
 * Nothing that a trace says can end the element that the data lies in: "<" is written as an escape, and only strings
 * have any.
 */
#define _GNU_SOURCE
#include "formats.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "page.h"

/* A page is under 5 MB, however long its traces are: 2 MB a trace for the cells, the rest for all else. */
enum { BINS = 1000, ROWS = 600, CELL_BYTES = 1500 * 1000, GROUPS = 500 };

/* ------------------------------------------------------------------------------------------- cells */

struct bytes {
    unsigned char *data;
    size_t count, room;
};

static void put_varint(struct bytes *to, uint64_t n)
{
    while (n >= 0x80) {
        to->data[to->count++] = (unsigned char)(n | 0x80);
        n >>= 7;
    }
    to->data[to->count++] = (unsigned char)n;
}

/* A cell of a coarser walk: the sum of those that it covers. */
static void sum_cells(const struct vmti_walk *walk, unsigned scale, unsigned bin, unsigned row,
                      uint64_t sum[VMTI_WALK_KINDS])
{
    memset(sum, 0, VMTI_WALK_KINDS * sizeof *sum);
    for (unsigned b = bin * scale; b < (bin + 1) * scale && b < walk->bins; b++) {
        const uint32_t *cell = vmti_walk_cell(walk, b, row);
        for (unsigned kind = 0; kind < VMTI_WALK_KINDS; kind++)
            sum[kind] += cell[kind];
    }
}

/* The cells that are not empty, each as varints: how many cells were left out before it, in order of time and then of
 * rows; a bit for each kind that it has; their counts. `scale` bins are taken together. False: more bytes than there is
 * room for. */
static bool encode_cells(const struct vmti_walk *walk, unsigned scale, struct bytes *to)
{
    enum { CELL_MOST = 10 * (2 + VMTI_WALK_KINDS) };
    uint64_t empty = 0;
    to->count = 0;
    for (unsigned bin = 0; bin * scale < walk->bins; bin++)
        for (unsigned row = 0; row < walk->rows; row++) {
            uint64_t sum[VMTI_WALK_KINDS], kinds = 0;
            sum_cells(walk, scale, bin, row, sum);
            for (unsigned kind = 0; kind < VMTI_WALK_KINDS; kind++)
                kinds |= (uint64_t)(sum[kind] != 0) << kind;
            if (!kinds) {
                empty++;
                continue;
            }
            if (to->room - to->count < CELL_MOST)
                return false;
            put_varint(to, empty);
            put_varint(to, kinds);
            for (unsigned kind = 0; kind < VMTI_WALK_KINDS; kind++)
                if (sum[kind])
                    put_varint(to, sum[kind]);
            empty = 0;
        }
    return true;
}

static json_t *base64(const struct bytes *from)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = malloc((from->count + 2) / 3 * 4 + 1), *at = text;
    if (!text)
        return NULL;
    for (size_t i = 0; i < from->count; i += 3) {
        size_t left = from->count - i;
        uint32_t bits = (uint32_t)from->data[i] << 16 | (left > 1 ? (uint32_t)from->data[i + 1] << 8 : 0) |
                        (left > 2 ? from->data[i + 2] : 0);
        *at++ = digits[bits >> 18];
        *at++ = digits[bits >> 12 & 63];
        *at++ = left > 1 ? digits[bits >> 6 & 63] : '=';
        *at++ = left > 2 ? digits[bits & 63] : '=';
    }
    *at = '\0';
    json_t *value = json_string(text);
    free(text);
    return value;
}

/* ------------------------------------------------------------------------------------------- data */

static json_t *json_hex(uint64_t n)
{
    return json_sprintf("0x%" PRIx64, n);
}

static json_t *json_rows(const struct vmti_study *study)
{
    const struct vmti_walk *walk = &study->walk;
    uint64_t page_size = study->reader.header.page_size;
    json_t *array = json_array();
    for (unsigned i = 0; i < walk->rows && array; i++) {
        const struct vmti_walk_row *row = &walk->row[i];
        json_t *object = json_object();
        vmti_json_put(&object, "first", json_hex(row->first * page_size));
        vmti_json_put(&object, "last", json_hex(row->last * page_size));
        /* Pages that were left out before this row. */
        vmti_json_put(&object, "gap", vmti_json_count(i ? row->first - row[-1].last - 1 : 0));
        vmti_json_put(&object, "pages", vmti_json_count(row->pages));
        vmti_json_put(&object, "touches", vmti_json_count(row->touches));
        vmti_json_put(&object, "hottest", json_hex(row->hottest * page_size));
        if (row->owner) {
            vmti_json_put(&object, "allocation", vmti_json_count(row->owner->index));
            vmti_json_put(&object, "page", vmti_json_count(row->hottest - row->owner->first_page));
            vmti_json_put(&object, "site", vmti_json_text(vmti_study_site(study, row->owner->site)));
            vmti_json_put(&object, "label", vmti_json_text(row->owner->label));
        }
        vmti_json_add(&array, object);
    }
    return array;
}

static json_t *json_bins(const struct vmti_study *study, unsigned scale, bool times)
{
    const struct vmti_walk *walk = &study->walk;
    json_t *array = json_array();
    for (unsigned bin = 0; bin < walk->bins && array; bin += scale)
        vmti_json_add(&array, vmti_json_count(times ? walk->bin_time_ns[bin]
                                                    : vmti_walk_first_touch(walk, study->summary.touches, bin)));
    return array;
}

static json_t *json_marks(const struct vmti_study *study)
{
    json_t *array = json_array();
    for (size_t i = 0; i < study->mark_count && array; i++) {
        json_t *object = json_object();
        vmti_json_put(&object, "name", vmti_json_text(study->marks[i].name));
        vmti_json_put(&object, "touches", vmti_json_count(study->marks[i].touches));
        vmti_json_put(&object, "time_ns", vmti_json_count(study->marks[i].time_ns));
        vmti_json_add(&array, object);
    }
    return array;
}

static json_t *json_walk(const struct vmti_study *study)
{
    struct bytes cells = {.data = malloc(CELL_BYTES), .room = CELL_BYTES};
    json_t *object = json_object();
    unsigned scale = 1;
    if (!cells.data) {
        json_decref(object);
        return NULL;
    }
    while (!encode_cells(&study->walk, scale, &cells))
        scale *= 2;
    vmti_json_put(&object, "cells", base64(&cells));
    vmti_json_put(&object, "rows", json_rows(study));
    vmti_json_put(&object, "bin_touch", json_bins(study, scale, false));
    vmti_json_put(&object, "bin_time_ns", json_bins(study, scale, true));
    vmti_json_put(&object, "marks", json_marks(study));
    vmti_json_put(&object, "marks_left_out", vmti_json_count(study->marks_left_out));
    free(cells.data);
    return object;
}

static json_t *json_trace(const struct vmti_study *study)
{
    const char *slash = strrchr(study->path, '/');
    json_t *object = json_object();
    vmti_json_put(&object, "file", vmti_json_text(slash ? slash + 1 : study->path));
    vmti_json_put(&object, "report", vmti_json_report(study, GROUPS));
    json_t *counts = json_object();
    for (unsigned by = 0; by < VMTI_GROUPINGS; by++)
        vmti_json_put(&counts, vmti_grouping_name(by), vmti_json_count(study->by[by].count));
    vmti_json_put(&object, "groups", counts);
    vmti_json_put(&object, "walk", json_walk(study));
    return object;
}

/* ------------------------------------------------------------------------------------------- page */

static int put_escaped(const char *data, size_t bytes, void *out)
{
    for (size_t i = 0; i < bytes; i++) {
        if (data[i] == '<')
            fputs("\\u003c", out);
        else
            putc(data[i], out);
    }
    return 0; /* errors of `out` are the caller's to look for */
}

/* The page up to the mark that says where something is put in; returns what follows it. */
static const char *put_until(const char *at, const char *end, const char *mark, FILE *out)
{
    const char *found = memmem(at, (size_t)(end - at), mark, strlen(mark)); /* the template has each once */
    fwrite(at, 1, (size_t)(found - at), out);
    return found + strlen(mark);
}

static void put_page(const json_t *data, FILE *out)
{
    const char *at = vmti_page_html, *end = vmti_page_html_end;
    at = put_until(at, end, "/*CSS*/", out);
    fwrite(vmti_page_css, 1, (size_t)(vmti_page_css_end - vmti_page_css), out);
    at = put_until(at, end, "/*DATA*/", out);
    json_dump_callback(data, put_escaped, out, JSON_COMPACT | JSON_ENSURE_ASCII);
    at = put_until(at, end, "/*JS*/", out);
    fwrite(vmti_page_js, 1, (size_t)(vmti_page_js_end - vmti_page_js), out);
    fwrite(at, 1, (size_t)(end - at), out);
}

static int write_page(struct vmti_study *study, struct vmti_study *against, FILE *out)
{
    json_t *data = json_object();
    json_t *traces = json_array();
    int error = 0;
    for (struct vmti_study *s = study; s && !error && traces; s = s == study ? against : NULL) {
        error = vmti_study_walk(s, BINS, ROWS);
        if (error && s == against)
            memcpy(study->reason, against->reason, sizeof study->reason);
        if (!error)
            vmti_json_add(&traces, json_trace(s));
    }
    vmti_json_put(&data, "version", json_string(vmt_version()));
    vmti_json_put(&data, "traces", traces);
    if (!data && !error) {
        snprintf(study->reason, sizeof study->reason, "cannot report on %s: no memory was left", study->path);
        error = -ENOMEM;
    }
    if (!error)
        put_page(data, out);
    int output = errno; /* of `out`, for the caller */
    json_decref(data);
    errno = output;
    return error;
}

int vmti_report_html(struct vmti_study *study, FILE *out)
{
    return write_page(study, NULL, out);
}

int vmti_report_html_against(struct vmti_study *study, struct vmti_study *against, FILE *out)
{
    return write_page(study, against, out);
}
