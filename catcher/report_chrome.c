/* SPDX-License-Identifier: MIT */
/*
 * A trace as Chrome's trace events, which Perfetto opens: phases and threads as slices, touches and evictions as
 * counters in bins of time. Format: "Trace Event Format", Google, 2016. Written as it is made: there can be any number
 * of phases.
 */
#define _GNU_SOURCE
#include "formats.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { BINS = 2000, PHASES_TID = 0x7fffffff };

struct bin {
    uint64_t reads, writes, calls, upgrades, evictions;
};

struct span {
    uint64_t from_ns, to_ns;
};

struct timeline {
    struct vmti_study *study;
    FILE *out;
    struct bin *bins;
    struct span *threads; /* as summary.threads */
    size_t last;          /* that touched */
    uint64_t end_ns;      /* of the last event, or of the trace where it says */
    uint32_t pid;
};

/* JSON text with its quotes. */
static int put_string(FILE *out, const char *text)
{
    json_t *value = vmti_json_text(text);
    if (!value)
        return -ENOMEM;
    json_dumpf(value, out, JSON_ENCODE_ANY);
    json_decref(value);
    return 0;
}

/* Microseconds, of which JSON takes a fraction. */
static void put_us(FILE *out, uint64_t ns)
{
    fprintf(out, "%" PRIu64 ".%03u", ns / 1000, (unsigned)(ns % 1000));
}

static int put_name_of(const struct timeline *line, const char *what, uint64_t tid, const char *name)
{
    fprintf(line->out,
            ",\n{\"ph\":\"M\",\"name\":\"%s\",\"pid\":%" PRIu32 ",\"tid\":%" PRIu64 ",\"args\":{\"name\":", what,
            line->pid, tid);
    int error = put_string(line->out, name);
    fputs("}}", line->out);
    return error;
}

static int put_slice(const struct timeline *line, const char *category, const char *name, uint64_t tid,
                     struct span span)
{
    fprintf(line->out, ",\n{\"ph\":\"X\",\"cat\":\"%s\",\"pid\":%" PRIu32 ",\"tid\":%" PRIu64 ",\"ts\":", category,
            line->pid, tid);
    put_us(line->out, span.from_ns);
    fputs(",\"dur\":", line->out);
    put_us(line->out, span.to_ns - span.from_ns);
    fputs(",\"name\":", line->out);
    int error = put_string(line->out, name);
    putc('}', line->out);
    return error;
}

/* ------------------------------------------------------------------------------------------- passes */

static void find_end(struct timeline *line)
{
    struct vmti_trace_reader *reader = &line->study->reader;
    struct vmti_event event;
    uint64_t end = vmti_study_duration_ns(line->study);
    line->end_ns = end == UINT64_MAX ? 0 : end;
    vmti_trace_read_rewind(reader);
    while (vmti_trace_read_next(reader, &event))
        if (event.time_ns > line->end_ns)
            line->end_ns = event.time_ns;
    vmti_trace_read_rewind(reader);
}

static void count(struct timeline *line, const struct vmti_event *event)
{
    struct bin *bin = &line->bins[(uint64_t)((__uint128_t)event->time_ns * BINS / (line->end_ns + 1))];
    if (event->kind == VMTI_REC_UPGRADE) {
        bin->upgrades++;
        return;
    }
    bin->evictions += event->evicts;
    *(event->syscall ? &bin->calls : event->write ? &bin->writes : &bin->reads) += 1;
    const struct vmti_trace_thread *threads = line->study->summary.threads;
    if (threads[line->last].index != event->thread)
        for (line->last = 0;
             threads[line->last].index != event->thread;) /* the summary has every thread that touched */
            line->last++;
    struct span *span = &line->threads[line->last];
    if (span->from_ns == UINT64_MAX)
        span->from_ns = event->time_ns;
    span->to_ns = event->time_ns;
}

/* Counts everything, and writes the phases as they end. */
static int read_events(struct timeline *line)
{
    char phase[VMTI_TRACE_LABEL_MAX + 1] = "";
    struct span span = {0, 0};
    struct vmti_event event;
    int error = 0;
    while (!error && !ferror(line->out) && vmti_trace_read_next(&line->study->reader, &event)) {
        if (event.kind == VMTI_REC_TOUCH || event.kind == VMTI_REC_UPGRADE) {
            count(line, &event);
        } else if (event.kind == VMTI_REC_MARK) {
            span.to_ns = event.time_ns;
            if (*phase)
                error = put_slice(line, "phase", phase, PHASES_TID, span);
            memcpy(phase, event.text, event.text_bytes);
            phase[event.text_bytes] = '\0';
            span.from_ns = event.time_ns;
        }
    }
    span.to_ns = line->end_ns;
    return *phase && !error ? put_slice(line, "phase", phase, PHASES_TID, span) : error;
}

static int put_threads(const struct timeline *line)
{
    const struct vmti_trace_summary *s = &line->study->summary;
    int error = 0;
    for (size_t i = 0; i < s->thread_count && !error; i++) {
        const struct vmti_trace_thread *thread = &s->threads[i];
        char name[64];
        uint64_t tid = thread->tid ? thread->tid : thread->index; /* else they would be one */
        snprintf(name, sizeof name, "thread %" PRIu32, thread->index);
        error = put_name_of(line, "thread_name", tid, name);
        if (error || line->threads[i].from_ns == UINT64_MAX)
            continue;
        snprintf(name, sizeof name, "thread %" PRIu32 ": %" PRIu64 " touches", thread->index, thread->touches);
        error = put_slice(line, "thread", name, tid, line->threads[i]);
    }
    return error;
}

static void put_counters(const struct timeline *line)
{
    bool was_empty = false;
    for (unsigned i = 0; i < BINS; i++) {
        const struct bin *bin = &line->bins[i];
        bool empty = !(bin->reads | bin->writes | bin->calls | bin->upgrades | bin->evictions);
        if (empty && was_empty)
            continue; /* a counter keeps its value until the next */
        was_empty = empty;
        uint64_t at = (uint64_t)((__uint128_t)(line->end_ns + 1) * i / BINS);
        fprintf(line->out, ",\n{\"ph\":\"C\",\"name\":\"touches\",\"pid\":%" PRIu32 ",\"ts\":", line->pid);
        put_us(line->out, at);
        fprintf(line->out, ",\"args\":{\"%s\":%" PRIu64 ",\"writes\":%" PRIu64 ",\"system calls\":%" PRIu64 "}}",
                vmti_study_has_writes(line->study) ? "reads" : "accesses", bin->reads, bin->writes, bin->calls);
        fprintf(line->out, ",\n{\"ph\":\"C\",\"name\":\"evictions\",\"pid\":%" PRIu32 ",\"ts\":", line->pid);
        put_us(line->out, at);
        fprintf(line->out, ",\"args\":{\"evictions\":%" PRIu64 "}}", bin->evictions);
        if (!vmti_study_has_writes(line->study))
            continue;
        fprintf(line->out, ",\n{\"ph\":\"C\",\"name\":\"upgrades\",\"pid\":%" PRIu32 ",\"ts\":", line->pid);
        put_us(line->out, at);
        fprintf(line->out, ",\"args\":{\"upgrades\":%" PRIu64 "}}", bin->upgrades);
    }
}

static int put_timeline(struct timeline *line)
{
    const struct vmti_study *study = line->study;
    const char *command = study->reader.header.command_bytes ? study->reader.command : "program";
    fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n", line->out);
    fprintf(line->out, "{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":%" PRIu32 ",\"args\":{\"name\":", line->pid);
    int error = put_string(line->out, command);
    fputs("}}", line->out);
    if (!error)
        error = put_name_of(line, "thread_name", PHASES_TID, "phases");
    if (!error)
        error = read_events(line);
    if (!error)
        error = put_threads(line);
    if (!error)
        put_counters(line);
    fputs("\n]}\n", line->out);
    return error;
}

int vmti_report_chrome(struct vmti_study *study, FILE *out)
{
    struct timeline line = {.study = study, .out = out, .pid = study->reader.header.pid};
    size_t threads = study->summary.thread_count;
    line.bins = calloc(BINS, sizeof *line.bins);
    line.threads = malloc((threads ? threads : 1) * sizeof *line.threads);
    int error = line.bins && line.threads ? 0 : -ENOMEM;
    if (!error) {
        for (size_t i = 0; i < threads; i++)
            line.threads[i] = (struct span){UINT64_MAX, 0};
        find_end(&line);
        error = put_timeline(&line);
    }
    int output = errno; /* of `out`, for the caller */
    free(line.bins);
    free(line.threads);
    if (error)
        snprintf(study->reason, sizeof study->reason, "cannot report on %s: no memory was left", study->path);
    errno = output;
    return error;
}
