/* SPDX-License-Identifier: MIT */
/*
 * What a report reads in its trace when it is first asked for: locality, fingerprint, bounds. Ordinary program context.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "difference.h"
#include "error.h"
#include "maps.h"
#include "report.h"
#include "sanitizer.h"
#include "verdict.h"

void vmti_told_free(struct vmti_told *told)
{
    for (size_t i = 0; i < sizeof told->insights / sizeof *told->insights; i++)
        if (told->insights[i]) {
            vmti_insight_free(told->insights[i]);
            free(told->insights[i]);
        }
    free(told->threads);
    free(told->phases);
    vmti_sites_free(told->sites);
    free(told->kept);
    pthread_mutex_destroy(&told->lock);
}

/* ------------------------------------------------------------------------------------------- one pass each */

/* Which of the insights: that of the whole, which each of the others has too, comes first. */
enum { WHOLE = 0, BY = 1 };

static int no_memory(const char *function)
{
    return vmti_fail(-ENOMEM, "%s: no memory", function);
}

/* The lock is held. 0, or a negative errno with its sentence. */
static int read_insight(const vmt_report *report, const char *function, unsigned which)
{
    struct vmti_insight **place = &report->told->insights[which], *insight;
    if (*place)
        return 0;
    insight = malloc(sizeof *insight);
    if (!insight)
        return no_memory(function);
    struct vmti_trace_reader reader;
    int error = vmti_report_reader(report, &reader);
    if (error) {
        free(insight);
        return vmti_report_fail(report, function, error, &reader);
    }
    error = vmti_insight_read(&reader, which == WHOLE ? 0 : 1u << (which - BY), insight);
    if (error) {
        vmti_insight_free(insight);
        free(insight);
        return vmti_report_fail(report, function, error, &reader);
    }
    vmti_trace_read_close(&reader);
    *place = insight;
    return 0;
}

static int get_insight(const vmt_report *report, const char *function, unsigned which,
                       const struct vmti_insight **insight)
{
    pthread_mutex_lock(&report->told->lock);
    vmti_sanitizer_pass_over(true);
    int error = read_insight(report, function, which);
    vmti_sanitizer_pass_over(false);
    *insight = report->told->insights[which];
    pthread_mutex_unlock(&report->told->lock);
    return error;
}

static bool add_thread(struct vmti_told *told, const struct vmti_event *event)
{
    void *grown = realloc(told->threads, (told->thread_count + 1) * sizeof *told->threads);
    if (!grown)
        return false;
    told->threads = grown;
    told->threads[told->thread_count++] = (struct vmti_told_thread){event->thread, event->tid};
    return true;
}

static bool has_phase(const struct vmti_told *told, const char *name)
{
    for (size_t i = 0; i < told->phase_count; i++)
        if (strcmp(told->phases[i], name) == 0)
            return true;
    return false;
}

static bool add_phase(struct vmti_told *told, const struct vmti_event *event)
{
    char name[VMTI_TRACE_LABEL_MAX + 1];
    snprintf(name, sizeof name, "%.*s", (int)event->text_bytes, event->text);
    if (has_phase(told, name))
        return true;
    void *grown = realloc(told->phases, (told->phase_count + 1) * sizeof *told->phases);
    if (!grown)
        return false;
    told->phases = grown;
    strcpy(told->phases[told->phase_count++], name);
    return true;
}

/* Threads and phases of the trace, with touches or without. The lock is held. */
static int read_names(const vmt_report *report, const char *function)
{
    struct vmti_told *told = report->told;
    struct vmti_trace_reader reader;
    struct vmti_event event;
    if (told->has_names)
        return 0;
    int error = vmti_report_reader(report, &reader);
    told->thread_count = told->phase_count = 0;
    bool room = true;
    while (!error && room && vmti_trace_read_next(&reader, &event)) {
        if (event.kind == VMTI_REC_THREAD)
            room = add_thread(told, &event);
        else if (event.kind == VMTI_REC_MARK)
            room = add_phase(told, &event);
    }
    if (!error)
        error = !room ? -ENOMEM : reader.error ? reader.error : reader.complete ? 0 : -EIO;
    if (error)
        return vmti_report_fail(report, function, error, &reader);
    vmti_trace_read_close(&reader);
    told->has_names = true;
    return 0;
}

/* ------------------------------------------------------------------------------------------- locality */

/* The public handle is the internal structure under another name. */
static const vmt_locality *handle(const struct vmti_locality *l)
{
    return (const vmt_locality *)(const void *)l;
}

static const struct vmti_locality *inside(const vmt_locality *locality)
{
    static const struct vmti_locality none;
    return locality ? (const struct vmti_locality *)(const void *)locality : &none;
}

/* Of a result that is a pointer or a number of 64 bits, which is told to MemorySanitizer too. */
static int check_arguments(const vmt_report *report, const void *result, const char *function)
{
    if (result)
        vmti_stored(result, sizeof(uint64_t));
    return report && result ? 0 : vmti_fail(-EINVAL, "%s: %s is NULL", function, report ? "the result" : "report");
}

/* The group with this key; NULL: it has no touches. */
static int find_group(const vmt_report *report, const char *function, enum vmti_grouping by,
                      const struct vmti_group_key *key, const struct vmti_locality **locality)
{
    const struct vmti_insight *insight;
    int error = get_insight(report, function, BY + by, &insight);
    *locality = NULL;
    if (error)
        return error;
    const struct vmti_group *group = NULL;
    while ((group = vmti_group_next(insight, by, group))) {
        const struct vmti_group_key *other = vmti_group_key(group);
        if (other->number == key->number && strcmp(other->name, key->name) == 0)
            *locality = vmti_group_locality(group);
    }
    return 0;
}

/* By a name that is known to exist, so that no touches are an answer. */
static int of_name(const vmt_report *report, const char *function, enum vmti_grouping by, const char *name,
                   const vmt_locality **locality)
{
    struct vmti_group_key key = {0};
    const struct vmti_locality *found;
    snprintf(key.name, sizeof key.name, "%s", name);
    int error = find_group(report, function, by, &key, &found);
    if (!error)
        *locality = handle(found ? found : inside(NULL));
    return error;
}

int vmt_locality_of_label(const vmt_report *report, const char *label, const vmt_locality **locality)
{
    int error = check_arguments(report, locality, __func__);
    if (error)
        return error;
    if (!vmt_report_has_label(report, label))
        return vmti_fail(-ENOENT, "%s: no memory was ever given the label '%.63s' by vmt_track", __func__,
                         label ? label : "");
    return of_name(report, __func__, VMTI_BY_LABEL, label, locality);
}

int vmt_locality_of_phase(const vmt_report *report, const char *phase, const vmt_locality **locality)
{
    int error = check_arguments(report, locality, __func__);
    if (error)
        return error;
    pthread_mutex_lock(&report->told->lock);
    error = read_names(report, __func__);
    bool known = !error && phase && *phase && has_phase(report->told, phase);
    pthread_mutex_unlock(&report->told->lock);
    if (!error && !known)
        error = vmti_fail(-ENOENT, "%s: the region had no phase '%.63s': vmt_mark begins one", __func__,
                          phase ? phase : "");
    return error ? error : of_name(report, __func__, VMTI_BY_PHASE, phase, locality);
}

int vmt_locality_of_site(const vmt_report *report, const void *site, const vmt_locality **locality)
{
    struct vmti_group_key key = {.number = (uintptr_t)site};
    const struct vmti_locality *found = NULL;
    int error = check_arguments(report, locality, __func__);
    if (!error)
        error = find_group(report, __func__, VMTI_BY_SITE, &key, &found);
    if (error)
        return error;
    if (!found)
        return vmti_fail(-ENOENT, "%s: no page was touched that a call which returns to %p allocated", __func__, site);
    *locality = handle(found);
    return 0;
}

/* The index of the thread with this tid (0: that began the region) in the trace. *known false: it began the region
 * and touched nothing. */
static int find_thread(const vmt_report *report, const char *function, pid_t tid, uint64_t *index, bool *known)
{
    bool first = !tid || tid == report->region->begin_tid;
    uint32_t wanted = (uint32_t)(first ? report->region->begin_tid : tid);
    unsigned count = 0;
    pthread_mutex_lock(&report->told->lock);
    int error = read_names(report, function);
    for (size_t i = 0; !error && i < report->told->thread_count; i++)
        if (report->told->threads[i].tid == wanted) {
            *index = report->told->threads[i].index;
            count++;
        }
    pthread_mutex_unlock(&report->told->lock);
    *known = count;
    if (error)
        return error;
    if (count > 1)
        return vmti_fail(-ENOTUNIQ, "%s: %u threads of the region, one after the other, had the tid %" PRIu32, function,
                         count, wanted);
    if (!count && !first)
        return vmti_fail(-ENOENT, "%s: no thread of the region with the tid %" PRIu32 " touched anything", function,
                         wanted);
    return 0;
}

int vmt_locality_of_thread(const vmt_report *report, pid_t tid, const vmt_locality **locality)
{
    struct vmti_group_key key = {0};
    const struct vmti_locality *found = NULL;
    bool known = false;
    int error = check_arguments(report, locality, __func__);
    if (!error)
        error = find_thread(report, __func__, tid, &key.number, &known);
    if (!error && known)
        error = find_group(report, __func__, VMTI_BY_THREAD, &key, &found);
    if (!error)
        *locality = handle(found ? found : inside(NULL));
    return error;
}

uint64_t vmt_locality_touches(const vmt_locality *locality)
{
    return inside(locality)->touches;
}

uint64_t vmt_locality_pages(const vmt_locality *locality)
{
    return inside(locality)->pages;
}

uint64_t vmt_locality_misses(const vmt_locality *locality, uint64_t memory)
{
    return vmti_locality_misses(inside(locality), memory);
}

uint64_t vmt_locality_hits(const vmt_locality *locality, uint64_t distance)
{
    return vmti_locality_hits(inside(locality), distance);
}

uint64_t vmt_locality_memory_for(const vmt_locality *locality, double percent)
{
    return vmti_memory_for_percent(inside(locality), percent);
}

int vmt_locality_working_set(const vmt_locality *locality, uint64_t *tau, double *average)
{
    double averages[VMTI_LOCALITY_TAUS];
    unsigned i = 0;
    if (!tau || !average || !*tau)
        return vmti_fail(-EINVAL, "vmt_locality_working_set: tau is a number of touches from 1");
    while (i + 1 < VMTI_LOCALITY_TAUS && vmti_locality_tau(i + 1) <= *tau)
        i++;
    vmti_locality_working_sets(inside(locality), averages);
    *tau = vmti_locality_tau(i);
    *average = averages[i];
    vmti_stored(average, sizeof *average);
    return 0;
}

/* ------------------------------------------------------------------------------------------- pages of a part */

struct numbered_page {
    uint64_t page, number;
};

static int compare_pages(const void *a, const void *b)
{
    const struct numbered_page *x = a, *y = b;
    return x->page < y->page ? -1 : x->page > y->page;
}

/* The pages of the footprint with their numbers, in order of address. */
static struct numbered_page *number_pages(const vmt_report *report, uint64_t count)
{
    struct numbered_page *pages = calloc(count, sizeof *pages);
    uint64_t page_size = vmt_report_page_size(report);
    vmt_page_info info;
    for (uint64_t i = 0; pages && i < count; i++)
        if (vmt_report_page(report, i, &info) == 0)
            pages[i] = (struct numbered_page){info.address / page_size, i};
    if (pages)
        qsort(pages, count, sizeof *pages, compare_pages);
    return pages;
}

uint64_t *vmti_part_touches(const vmt_report *report, const char *phase, pid_t tid)
{
    struct vmti_trace_reader reader;
    struct vmti_event event;
    uint64_t count = vmt_report_footprint(report), thread = 0, *touches = NULL;
    bool known = true, in_phase = !phase;
    if (!count || (!phase && find_thread(report, __func__, tid, &thread, &known)) || !known)
        return NULL;
    struct numbered_page *pages = number_pages(report, count);
    int error = vmti_report_reader(report, &reader);
    if (pages && !error)
        touches = calloc(count, sizeof *touches);
    while (touches && vmti_trace_read_next(&reader, &event)) {
        if (phase && event.kind == VMTI_REC_MARK)
            in_phase = event.text_bytes == strlen(phase) && memcmp(event.text, phase, event.text_bytes) == 0;
        if (event.kind != VMTI_REC_TOUCH || !in_phase || (!phase && event.thread != thread))
            continue;
        struct numbered_page key = {.page = event.page};
        struct numbered_page *page = bsearch(&key, pages, count, sizeof *pages, compare_pages);
        if (page)
            touches[page->number]++;
    }
    vmti_trace_read_close(&reader);
    free(pages);
    return touches;
}

/* ------------------------------------------------------------------------------------------- the whole */

/* A figure of the whole; result: where it goes. */
static int get_whole(const vmt_report *report, const char *function, const void *result,
                     const struct vmti_insight **insight)
{
    int error = check_arguments(report, result, function);
    return error ? error : get_insight(report, function, WHOLE, insight);
}

int vmt_report_fingerprint(const vmt_report *report, uint64_t *fingerprint)
{
    const struct vmti_insight *insight;
    int error = get_whole(report, __func__, fingerprint, &insight);
    if (!error)
        *fingerprint = insight->fingerprint;
    return error;
}

int vmt_report_pages_once(const vmt_report *report, uint64_t *pages)
{
    const struct vmti_insight *insight;
    int error = get_whole(report, __func__, pages, &insight);
    if (!error)
        *pages = insight->pages_once;
    return error;
}

int vmt_locality_of_all(const vmt_report *report, const vmt_locality **locality)
{
    const struct vmti_insight *insight;
    int error = get_whole(report, __func__, locality, &insight);
    if (!error)
        *locality = handle(&insight->all);
    return error;
}

/* Why the window was not a strict FIFO of N, of all that the counted threads access; NULL: it was. */
static const char *not_strict(const struct vmti_region *r)
{
    if (r->evict > 1)
        return "several pages left the window at once (evict)";
    if (r->room > r->window)
        return "the window was raised for the number of threads";
    if (r->counts.over_window)
        return "system calls had more pages open than the window's";
    if (r->counts.left_open)
        return "pages stayed open for io_uring";
    if (r->this_thread_alone && r->counts.threads > 1)
        return "other threads, which do not count, opened pages too";
    return NULL;
}

int vmt_report_misses_bound(const vmt_report *report, uint64_t memory, uint64_t *low, uint64_t *high)
{
    const struct vmti_insight *insight;
    int error = check_arguments(report, low && high ? low : NULL, __func__);
    if (error)
        return error;
    vmti_stored(high, sizeof *high);
    const struct vmti_region *r = report->region;
    const char *why = not_strict(r);
    if (why)
        return vmti_fail(-ERANGE, "%s: not known, for %s", __func__, why);
    error = get_insight(report, __func__, WHOLE, &insight);
    if (!error && !vmti_locality_bounds(&insight->all, r->window, memory, low, high))
        error = vmti_fail(-ERANGE, "%s: not known for a memory of %" PRIu64 " pages: at a window of %" PRIu64 " from %"
                          PRIu64 " pages on", __func__, memory, r->window, 3 * r->window - 2);
    return error;
}

int vmt_report_first_difference(const vmt_report *a, const vmt_report *b, uint64_t *touch)
{
    struct vmti_trace_reader readers[2];
    const vmt_report *reports[2] = {a, b};
    int error = check_arguments(a && b ? a : NULL, touch, __func__);
    if (error)
        return error;
    for (unsigned i = 0; i < 2; i++)
        if ((error = vmti_report_reader(reports[i], &readers[i]))) {
            if (i)
                vmti_trace_read_close(&readers[0]);
            return vmti_report_fail(reports[i], __func__, error, &readers[i]);
        }
    struct vmti_difference found;
    error = vmti_difference_find(&readers[0], &readers[1], &found);
    *touch = found.touch;
    bool first = readers[0].error || readers[0].reason[0];
    if (!error && !found.touch && !(readers[0].complete && readers[1].complete))
        error = -EIO; /* the same as far as they go */
    if (error) {
        vmti_trace_read_close(&readers[first]);
        return vmti_report_fail(reports[!first], __func__, error, &readers[!first]);
    }
    vmti_trace_read_close(&readers[0]);
    vmti_trace_read_close(&readers[1]);
    return 0;
}

int vmt_report_touches_by_time(const vmt_report *report, uint64_t *counts, size_t bins, uint64_t *duration_ns)
{
    struct vmti_trace_reader reader;
    struct vmti_event event;
    int error = check_arguments(report, counts, __func__);
    if (!error && !bins)
        error = vmti_fail(-EINVAL, "%s: no bins", __func__);
    if (error)
        return error;
    memset(counts, 0, bins * sizeof *counts);
    vmti_stored(counts, bins * sizeof *counts);
    error = vmti_report_reader(report, &reader);
    while (!error && vmti_trace_read_next(&reader, &event))
        ; /* to the trailer, which tells the length */
    if (!error && !reader.complete)
        error = reader.error ? reader.error : -EIO;
    if (error)
        return vmti_report_fail(report, __func__, error, &reader);
    uint64_t length = reader.trailer.end_time * reader.header.time_unit_ns;
    vmti_trace_read_rewind(&reader);
    while (vmti_trace_read_next(&reader, &event))
        if (event.kind == VMTI_REC_TOUCH) {
            size_t bin = length ? (size_t)((double)event.time_ns / (double)length * (double)bins) : 0;
            counts[bin < bins ? bin : bins - 1]++;
        }
    vmti_trace_read_close(&reader);
    if (duration_ns) {
        *duration_ns = length;
        vmti_stored(duration_ns, sizeof *duration_ns);
    }
    return 0;
}

/* ------------------------------------------------------------------------------------------- names of code */

static void add_module(void *context, const struct vmti_map *map)
{
    char path[4096];
    if (!(map->prot & PROT_EXEC) || !map->path_bytes || map->path_bytes >= sizeof path)
        return;
    memcpy(path, map->path, map->path_bytes);
    path[map->path_bytes] = '\0';
    vmti_sites_add(context, map->start, map->end, map->offset, path); /* without memory the name is a number */
}

const char *vmt_report_site_text(const vmt_report *report, const void *site, char *text, size_t bytes)
{
    if (!bytes)
        return text;
    *text = '\0';
    if (!report)
        return text;
    struct vmti_told *told = report->told;
    pthread_mutex_lock(&told->lock);
    vmti_sanitizer_pass_over(true);
    if (!told->sites) {
        told->sites = vmti_sites_new();
        if (told->sites)
            vmti_maps_read(add_module, told->sites);
    }
    if (told->sites)
        vmti_site_text(told->sites, (uintptr_t)site, text, bytes);
    else
        snprintf(text, bytes, "%p", site);
    vmti_sanitizer_pass_over(false);
    pthread_mutex_unlock(&told->lock);
    vmti_stored(text, strlen(text) + 1);
    return text;
}
