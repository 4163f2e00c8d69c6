/* SPDX-License-Identifier: MIT */
/* The same code several times, each time in a region of its own. Ordinary program context. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "config.h"
#include "error.h"
#include "sanitizer.h"
#include "verdict.h"

/* Calls fn in a region and stores its report. 0, or a negative errno with its sentence. */
static int run(void (*fn)(void *arg), void *arg, const vmt_config *config, vmt_report **report)
{
    *report = NULL;
    int error = vmt_begin(config);
    if (error)
        return error;
    fn(arg);
    return vmt_end(report); /* with -EIO there is a report */
}

/* ------------------------------------------------------------------------------------------- measuring */

/* The config of a run: with a trace file of its own, if the config names one. The environment's has its numbers
 * already. */
struct run_config {
    vmt_config config;
    const char *trace_path; /* of the first run */
    char *numbered;
};

static int start_config(struct run_config *c, const vmt_config *config, struct vmti_arena *arena)
{
    memset(c, 0, sizeof *c);
    int error = config ? vmti_config_check(config) : vmt_config_init(&c->config);
    if (error)
        return error;
    if (config)
        c->config = *config;
    const char *path = c->config.trace_path, *environment = secure_getenv("VMT_TRACENAME");
    if (path && *path && (!environment || strcmp(environment, path) != 0))
        c->trace_path = path;
    if (c->trace_path && !(c->numbered = vmti_arena_alloc(arena, strlen(path) + 24)))
        return vmti_fail(-ENOMEM, "vmt_measure: no memory");
    return 0;
}

static void set_run(struct run_config *c, uint64_t number)
{
    if (!c->trace_path || number == 1)
        return;
    sprintf(c->numbered, "%s.%" PRIu64, c->trace_path, number);
    c->config.trace_path = c->numbered;
}

static int compare_counts(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static vmt_spread spread_of(vmt_report *const *reports, uint64_t count, uint64_t (*value)(const vmt_report *),
                            uint64_t *scratch)
{
    for (uint64_t i = 0; i < count; i++)
        scratch[i] = value(reports[i]);
    qsort(scratch, count, sizeof *scratch, compare_counts);
    return (vmt_spread){scratch[0], scratch[(count - 1) / 2], scratch[count - 1]};
}

static int compare_fingerprints(vmt_report *const *reports, uint64_t count, vmt_measurement *m)
{
    uint64_t first, other;
    int error = vmt_report_fingerprint(reports[0], &first);
    m->same_fingerprints = true;
    for (uint64_t i = 1; !error && i < count && m->same_fingerprints; i++) {
        error = vmt_report_fingerprint(reports[i], &other);
        if (error || other == first)
            continue;
        m->same_fingerprints = false;
        m->first_different_run = i + 1;
        error = vmt_report_first_difference(reports[0], reports[i], &m->first_different_touch);
    }
    return error;
}

static void sum_up(vmt_report *const *reports, uint64_t count, uint64_t *scratch, vmt_measurement *m)
{
    m->repeats = count;
    m->pages = spread_of(reports, count, vmt_report_footprint, scratch);
    m->touches = spread_of(reports, count, vmt_report_touches, scratch);
    m->pages_written = spread_of(reports, count, vmt_report_pages_written, scratch);
    m->least = m->most = reports[0];
    for (uint64_t i = 1; i < count; i++) {
        uint64_t pages = vmt_report_footprint(reports[i]);
        if (pages < vmt_report_footprint(m->least))
            m->least = reports[i];
        if (pages > vmt_report_footprint(m->most))
            m->most = reports[i];
    }
}

int vmt_measure(void (*fn)(void *arg), void *arg, uint64_t repeats, const vmt_config *config,
                vmt_measurement *measurement)
{
    if (!measurement)
        return vmti_fail(-EINVAL, "vmt_measure: measurement is NULL");
    memset(measurement, 0, sizeof *measurement);
    vmti_stored(measurement, sizeof *measurement);
    if (!fn || !repeats)
        return vmti_fail(-EINVAL, "vmt_measure: %s", fn ? "repeats is 0: it is a number of runs from 1" : "fn is NULL");
    struct run_config run_config;
    struct vmti_arena arena = {0}; /* the heap is fn's alone until the last run has ended */
    int error = start_config(&run_config, config, &arena);
    bool sane = !error && repeats <= SIZE_MAX / 2 / sizeof(vmt_report *);
    vmt_report **reports = sane ? vmti_arena_alloc(&arena, repeats * sizeof *reports) : NULL;
    uint64_t *scratch = sane ? vmti_arena_alloc(&arena, repeats * sizeof *scratch) : NULL, count = 0;
    if (!error && (!reports || !scratch))
        error = vmti_fail(-ENOMEM, "vmt_measure: no memory for %" PRIu64 " runs", repeats);
    while (!error && count < repeats) {
        set_run(&run_config, count + 1);
        error = run(fn, arg, &run_config.config, &reports[count]);
        count += reports[count] != NULL;
    }
    if (!error)
        error = compare_fingerprints(reports, count, measurement);
    if (error)
        memset(measurement, 0, sizeof *measurement);
    else
        sum_up(reports, count, scratch, measurement);
    for (uint64_t i = 0; i < count; i++)
        if (reports[i] != measurement->least && reports[i] != measurement->most)
            vmt_report_free(reports[i]);
    vmti_arena_free(&arena);
    return error;
}

void vmt_measurement_free(vmt_measurement *measurement)
{
    if (!measurement)
        return;
    vmt_report_free(measurement->least);
    if (measurement->most != measurement->least)
        vmt_report_free(measurement->most);
    memset(measurement, 0, sizeof *measurement);
}

/* ------------------------------------------------------------------------------------------- each call */

bool vmt_check_each(void (*fn)(void *arg), void *arg, uint64_t calls, uint64_t budget, const vmt_config *config,
                    vmt_verdict *verdict)
{
    vmt_report *worst = NULL, *report;
    uint64_t worst_call = 0;
    if (!fn || !calls)
        return vmti_not_measured(verdict, budget, fn ? "calls is 0: it is a number of calls from 1" : "fn is NULL");
    for (uint64_t call = 1; call <= calls; call++) {
        if (run(fn, arg, config, &report)) {
            vmt_report_free(report);
            vmt_report_free(worst);
            return vmti_not_measured(verdict, budget, "call %" PRIu64 " of %" PRIu64 ": %s", call, calls,
                                     vmt_error_text());
        }
        bool worse = !worst || vmt_report_footprint(report) > vmt_report_footprint(worst);
        vmt_report_free(worse ? worst : report);
        if (worse) {
            worst = report;
            worst_call = call;
        }
    }
    bool held = vmti_check_call(worst, worst_call, calls, budget, verdict);
    vmt_report_free(worst);
    return held;
}
