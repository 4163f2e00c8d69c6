/* SPDX-License-Identifier: MIT */
/* What was found about a trace as JSON; and as Bencher Metric Format
 * (https://bencher.dev/docs/reference/bencher-metric-format/). */
#define _GNU_SOURCE
#include "formats.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../harness/config.h"

/* ------------------------------------------------------------------------------------------- values */

static void set_number(json_t **to, const char *key, uint64_t n)
{
    vmti_json_put(to, key, vmti_json_count(n));
}

/* null if the number is 0, which stands for none. */
static void set_number_or_null(json_t **to, const char *key, uint64_t n)
{
    vmti_json_put(to, key, n ? vmti_json_count(n) : json_null());
}

static void set_string_or_null(json_t **to, const char *key, const char *text)
{
    vmti_json_put(to, key, text && *text ? vmti_json_text(text) : json_null());
}

/* ------------------------------------------------------------------------------------------- parts */

static json_t *json_command(const struct vmti_study *study)
{
    json_t *array = json_array();
    const char *command = study->reader.command, *end = command + study->reader.header.command_bytes;
    for (const char *at = command; array && at < end; at += strlen(at) + 1)
        vmti_json_add(&array, vmti_json_text(at));
    return array;
}

static json_t *json_threads(const struct vmti_trace_summary *summary)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < summary->thread_count; i++) {
        const struct vmti_trace_thread *thread = &summary->threads[i];
        json_t *object = json_object();
        set_number(&object, "index", thread->index);
        set_number_or_null(&object, "tid", thread->tid);
        set_number(&object, "touches", thread->touches);
        vmti_json_add(&array, object);
    }
    return array;
}

static json_t *json_top(const struct vmti_study *study)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < study->top_count; i++) {
        const struct vmti_trace_owner *owner = study->top[i];
        json_t *object = json_object();
        set_number(&object, "allocation", owner->index);
        set_number(&object, "pages", owner->touched);
        set_number(&object, "bytes", owner->bytes);
        set_string_or_null(&object, "site", vmti_study_site(study, owner->site));
        set_string_or_null(&object, "label", owner->label);
        vmti_json_add(&array, object);
    }
    return array;
}

static json_t *json_points(const struct vmti_study *study)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < study->point_count; i++) {
        const struct vmti_study_point *point = &study->points[i];
        json_t *object = json_object();
        set_number(&object, "memory_pages", point->memory);
        set_number(&object, "misses", point->misses);
        vmti_json_put(&object, "miss_ratio", json_real((double)point->misses / (double)study->summary.touches));
        vmti_json_put(&object, "low", point->bounded ? vmti_json_count(point->low) : json_null());
        vmti_json_put(&object, "high", point->bounded ? vmti_json_count(point->high) : json_null());
        vmti_json_add(&array, object);
    }
    return array;
}

static json_t *json_sets(const struct vmti_study *study)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < study->set_count; i++) {
        json_t *object = json_object();
        set_number(&object, "tau", study->sets[i].tau);
        vmti_json_put(&object, "average_pages", json_real(study->sets[i].average));
        vmti_json_put(&object, "peak_pages",
                      study->sets[i].has_peak ? vmti_json_count(study->sets[i].peak) : json_null());
        vmti_json_add(&array, object);
    }
    return array;
}

static json_t *json_reuse(const struct vmti_study *study)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < study->reuse_count; i++) {
        json_t *object = json_object();
        set_number(&object, "from", study->reuse[i].from);
        set_number(&object, "to", study->reuse[i].to);
        set_number(&object, "touches", study->reuse[i].touches);
        vmti_json_add(&array, object);
    }
    return array;
}

static json_t *json_groups(const struct vmti_study *study, enum vmti_grouping by, size_t most)
{
    json_t *array = json_array();
    const struct vmti_study_groups *groups = &study->by[by];
    for (size_t i = 0; array && i < groups->count && i < most; i++) {
        const struct vmti_study_group *group = &groups->groups[i];
        json_t *object = json_object();
        if (by == VMTI_BY_THREAD) {
            set_number(&object, "thread", group->key.number);
            set_number_or_null(&object, "tid", vmti_study_tid(study, group->key.number));
        } else if (by == VMTI_BY_SITE) {
            set_string_or_null(&object, "site", vmti_study_site(study, group->key.number));
        } else {
            vmti_json_put(&object, vmti_grouping_name(by), vmti_json_text(group->key.name));
        }
        set_number(&object, "pages", group->pages);
        set_number(&object, "touches", group->touches);
        set_number_or_null(&object, "memory_1_percent", group->memory);
        vmti_json_add(&array, object);
    }
    return array;
}

/* ------------------------------------------------------------------------------------------- all of it */

static void set_counts(json_t **o, const struct vmti_study *study)
{
    const struct vmti_trace_summary *s = &study->summary;
    const struct vmti_trace_header *h = &study->reader.header;
    const struct vmti_trace_trailer *t = study->trailer;
    bool writes = vmti_study_has_writes(study);
    set_number(o, "touches", s->touches);
    set_number(o, "program_touches", s->program_touches);
    set_number(o, "syscall_touches", s->syscall_touches);
    set_number(o, "footprint_pages", s->footprint);
    set_number(o, "pages_once", study->pages_once);
    vmti_json_put(o, "pages_written", writes ? vmti_json_count(s->pages_written) : json_null());
    vmti_json_put(o, "pages_unchanged",
                  t && h->flags & VMTI_TRACE_HAS_CONTENT ? vmti_json_count(t->pages_unchanged) : json_null());
    vmti_json_put(o, "live_bytes", vmti_study_has_live_bytes(study) ? vmti_json_count(t->live_bytes) : json_null());
    set_number(o, "evictions", s->evictions);
    set_number(o, "drops", s->drops);
    set_number(o, "upgrades", s->upgrades);
    set_number(o, "window_pages", h->window);
    vmti_json_put(o, "window_raised_to", t ? vmti_json_count(t->room) : json_null());
    set_number(o, "evict_pages", h->evict);
    set_number(o, "page_size", h->page_size);
    vmti_json_put(o, "scope", json_string(vmti_scope_name((vmt_scope)h->scope)));
    vmti_json_put(o, "engine", json_string(vmti_engine_name((vmt_engine)h->engine)));
    vmti_json_put(o, "track_writes", json_boolean(writes));
    vmti_json_put(o, "peak_open_pages", t ? vmti_json_count(t->peak_open) : json_null());
    vmti_json_put(o, "threads", t ? vmti_json_count(t->threads) : json_null());
    vmti_json_put(o, "threads_counted", json_string(h->flags & VMTI_TRACE_HAS_ONE_THREAD ? "this" : "all"));
    vmti_json_put(o, "threads_detail", json_threads(s));
    vmti_json_put(o, "syscalls", t ? vmti_json_count(t->syscalls) : json_null());
    vmti_json_put(o, "syscalls_walked", t ? vmti_json_count(t->syscalls_walked) : json_null());
    vmti_json_put(o, "over_window_calls", t ? vmti_json_count(t->over_window) : json_null());
    vmti_json_put(o, "unknown_calls", t ? vmti_json_count(t->unknown_calls) : json_null());
    vmti_json_put(o, "left_open_pages", t ? vmti_json_count(t->left_open) : json_null());
    vmti_json_put(o, "refused_calls", t ? vmti_json_count(t->refused_calls) : json_null());
    vmti_json_put(o, "complete", json_boolean(s->complete));
    vmti_json_put(o, "incomplete_reason", s->complete ? json_null() : vmti_json_text(s->reason));
    set_string_or_null(o, "end", vmti_study_end(study));
    vmti_json_put(o, "end_code", t ? json_integer(t->end_code) : json_null());
}

static void set_figures(json_t **o, const struct vmti_study *study, size_t most_groups)
{
    char fingerprint[17];
    snprintf(fingerprint, sizeof fingerprint, "%016" PRIx64, study->fingerprint);
    vmti_json_put(o, "fingerprint", json_string(fingerprint));
    set_number_or_null(o, "memory_1_percent", study->memory);
    vmti_json_put(o, "miss_ratio_curve", json_points(study));
    vmti_json_put(o, "bounds_from_pages", study->unbounded ? json_null() : vmti_json_count(study->bounded_from));
    set_string_or_null(o, "no_bounds_reason", study->unbounded);
    vmti_json_put(o, "working_set", json_sets(study));
    vmti_json_put(o, "reuse_distances", json_reuse(study));
    vmti_json_put(o, "by_site", json_groups(study, VMTI_BY_SITE, most_groups));
    vmti_json_put(o, "by_label", json_groups(study, VMTI_BY_LABEL, most_groups));
    vmti_json_put(o, "by_thread", json_groups(study, VMTI_BY_THREAD, most_groups));
    vmti_json_put(o, "by_phase", json_groups(study, VMTI_BY_PHASE, most_groups));
}

json_t *vmti_json_report(const struct vmti_study *study, size_t most_groups)
{
    json_t *o = json_object();
    char time[64];
    vmti_study_start_time(study, time, sizeof time);
    set_counts(&o, study);
    vmti_json_put(&o, "command", json_command(study));
    vmti_json_put(&o, "start_time", json_string(time));
    vmti_json_put(&o, "duration_ns", study->trailer ? vmti_json_count(vmti_study_duration_ns(study)) : json_null());
    vmti_json_put(&o, "top_allocations", json_top(study));
    set_figures(&o, study, most_groups);
    return o;
}

/* 0 or -ENOMEM; errors of `out` are left in errno. */
static int print(struct vmti_study *study, json_t *object, FILE *out)
{
    if (!object) {
        snprintf(study->reason, sizeof study->reason, "cannot report on %s: no memory was left", study->path);
        return -ENOMEM;
    }
    json_dumpf(object, out, JSON_INDENT(2));
    putc('\n', out);
    int error = errno;
    json_decref(object);
    errno = error;
    return 0;
}

int vmti_report_json(struct vmti_study *study, FILE *out)
{
    return print(study, vmti_json_report(study, SIZE_MAX), out);
}

/* ------------------------------------------------------------------------------------------- Bencher Metric Format */

static void set_measure(json_t **to, const char *name, uint64_t n)
{
    json_t *measure = json_object();
    set_number(&measure, "value", n);
    vmti_json_put(to, name, measure);
}

enum { NAME_BYTES = 256 };

/* The trace file's name, without its folder and ".vmt": the one name that its user gave. */
static json_t *benchmark_key(const char *path, char name[NAME_BYTES])
{
    const char *slash = strrchr(path, '/');
    snprintf(name, NAME_BYTES, "%.255s", slash ? slash + 1 : path);
    size_t bytes = strlen(name);
    if (bytes > 4 && strcmp(name + bytes - 4, ".vmt") == 0)
        name[bytes - 4] = '\0';
    return vmti_json_text(name);
}

int vmti_report_bencher(struct vmti_study *study, FILE *out)
{
    const struct vmti_trace_summary *s = &study->summary;
    json_t *measures = json_object(), *benchmarks = json_object();
    set_measure(&measures, "touches", s->touches);
    set_measure(&measures, "program_touches", s->program_touches);
    set_measure(&measures, "syscall_touches", s->syscall_touches);
    set_measure(&measures, "footprint_pages", s->footprint);
    set_measure(&measures, "pages_once", study->pages_once);
    if (vmti_study_has_writes(study))
        set_measure(&measures, "pages_written", s->pages_written);
    if (study->trailer && study->reader.header.flags & VMTI_TRACE_HAS_CONTENT)
        set_measure(&measures, "pages_unchanged", study->trailer->pages_unchanged);
    if (vmti_study_has_live_bytes(study))
        set_measure(&measures, "live_bytes", study->trailer->live_bytes);
    set_measure(&measures, "evictions", s->evictions);
    if (study->memory)
        set_measure(&measures, "memory_1_percent", study->memory);
    char name[NAME_BYTES];
    json_t *key = benchmark_key(study->path, name); /* UTF-8, whatever the file is called */
    if (key) {
        vmti_json_put(&benchmarks, json_string_value(key), measures);
    } else {
        json_decref(measures);
        json_decref(benchmarks);
        benchmarks = NULL;
    }
    json_decref(key);
    return print(study, benchmarks, out);
}
