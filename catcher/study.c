/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "study.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define HASH_NONFATAL_OOM 1
#define HASH_FUNCTION(key, bytes, hash) ((hash) = (unsigned)XXH3_64bits((key), (bytes)))
#include <uthash.h>

/* Pages up to which all groupings are read in one pass: they take 100 bytes a page each, a quarter of a gigabyte
 * then. */
enum { ONE_PASS_PAGES = 1 << 19 };

enum { STEPS_A_DOUBLING = 8 };

static const double ONE_PERCENT = 1;

/* A site is looked up once: that reads the symbols of its module. */
struct site_name {
    uint64_t site;
    char text[VMTI_SITE_TEXT_BYTES];
    UT_hash_handle hh, by_text;
};

struct vmti_study_names {
    struct vmti_sites *sites;
    struct site_name *known; /* those that were asked for */
    struct site_name *texts; /* the first of those with each text */
};

static int no_memory(struct vmti_study *study)
{
    snprintf(study->reason, sizeof study->reason, "cannot report on %s: no memory was left", study->path);
    return -ENOMEM;
}

/* ------------------------------------------------------------------------------------------- counts */

static bool is_before(const struct vmti_trace_owner *a, const struct vmti_trace_owner *b)
{
    return a->touched != b->touched ? a->touched > b->touched : a->index < b->index;
}

/* The allocations with the most pages touched; the older first among equals. */
static void find_top(struct vmti_study *study)
{
    const struct vmti_page_owners *owners = &study->summary.owners;
    for (size_t i = 0; i < owners->count; i++) {
        const struct vmti_trace_owner *owner = &owners->owners[i];
        if (!owner->touched)
            continue;
        size_t at = study->top_count;
        while (at > 0 && is_before(owner, study->top[at - 1]))
            at--;
        if (at == VMTI_STUDY_TOP)
            continue;
        if (study->top_count < VMTI_STUDY_TOP)
            study->top_count++;
        memmove(&study->top[at + 1], &study->top[at], (study->top_count - at - 1) * sizeof *study->top);
        study->top[at] = owner;
    }
}

static int add_modules(struct vmti_study *study)
{
    study->names = calloc(1, sizeof *study->names);
    struct vmti_sites *sites = study->names ? study->names->sites = vmti_sites_new() : NULL;
    for (size_t i = 0; i < study->summary.module_count && sites; i++) {
        const struct vmti_trace_module *module = &study->summary.modules[i];
        if (vmti_sites_add(sites, module->start, module->end, module->offset, module->path) < 0)
            return no_memory(study);
    }
    return sites ? 0 : no_memory(study);
}

int vmti_study_open(struct vmti_study *study, const char *path)
{
    memset(study, 0, sizeof *study);
    study->path = path;
    int error = vmti_trace_read_file(&study->reader, path);
    if (error < 0) {
        snprintf(study->reason, sizeof study->reason, "cannot read %s: %s", path, study->reader.reason);
        return error;
    }
    error = vmti_trace_summarize(&study->reader, &study->summary);
    if (error < 0) {
        snprintf(study->reason, sizeof study->reason, "cannot read %s: %s", path, study->summary.reason);
        return error;
    }
    study->trailer = study->summary.has_trailer ? &study->summary.trailer : NULL;
    find_top(study);
    return add_modules(study);
}

/* ------------------------------------------------------------------------------------------- figures */

/* Why the touches are not those that a FIFO of `window` pages misses; NULL: they are. */
static const char *not_strict(const struct vmti_study *study)
{
    const struct vmti_trace_header *h = &study->reader.header;
    const struct vmti_trace_trailer *t = study->trailer;
    if (h->evict > 1)
        return "several pages left the window at once, so it was no strict FIFO";
    if (!t)
        return "the trace has no end, which tells whether the window was exceeded";
    if (h->flags & VMTI_TRACE_HAS_ONE_THREAD && t->threads > 1)
        return "other threads, which do not count, opened pages too";
    if (t->room > h->window)
        return "the window was raised for the number of threads";
    if (t->over_window)
        return "system calls needed more pages than the window's, so it was no strict FIFO";
    if (t->left_open)
        return "pages stayed open for io_uring, so the window was no strict FIFO";
    return NULL;
}

static void add_point(struct vmti_study *study, const struct vmti_locality *l, uint64_t memory)
{
    struct vmti_study_point point = {.memory = memory, .misses = vmti_locality_misses(l, memory)};
    if (!study->unbounded)
        point.bounded = vmti_locality_bounds(l, study->reader.header.window, memory, &point.low, &point.high);
    study->points[study->point_count++] = point;
}

/* The powers of two and the steps between them, up to all pages. */
static int find_points(struct vmti_study *study, const struct vmti_locality *l)
{
    size_t room = 64 * STEPS_A_DOUBLING;
    study->points = calloc(room, sizeof *study->points);
    if (!study->points)
        return no_memory(study);
    for (uint64_t power = 1; power < l->pages; power *= 2)
        for (uint64_t step = 0; step < STEPS_A_DOUBLING && power + power * step / STEPS_A_DOUBLING < l->pages; step++)
            if (!step || power * step % STEPS_A_DOUBLING == 0)
                add_point(study, l, power + power * step / STEPS_A_DOUBLING);
    if (l->pages)
        add_point(study, l, l->pages);
    return 0;
}

/* Up to the first that is not shorter than the trace. */
static void find_sets(struct vmti_study *study, const struct vmti_locality *l)
{
    double averages[VMTI_LOCALITY_TAUS];
    vmti_locality_working_sets(l, averages);
    for (unsigned i = 0; i < VMTI_LOCALITY_TAUS && l->touches; i++) {
        struct vmti_study_set *set = &study->sets[study->set_count++];
        *set = (struct vmti_study_set){.tau = vmti_locality_tau(i), .average = averages[i]};
        set->has_peak = vmti_locality_peak(l, i, &set->peak);
        if (vmti_locality_tau(i) >= l->touches)
            break;
    }
}

static void find_reuse(struct vmti_study *study, const struct vmti_locality *l)
{
    for (uint64_t from = 1; from <= l->pages; from *= 2) {
        struct vmti_study_bin *bin = &study->reuse[study->reuse_count++];
        *bin = (struct vmti_study_bin){.from = from, .to = from * 2 - 1};
        for (uint64_t distance = bin->from; distance <= bin->to && distance <= l->pages; distance++)
            bin->touches += vmti_locality_hits(l, distance);
    }
    while (study->reuse_count && !study->reuse[study->reuse_count - 1].touches)
        study->reuse_count--;
}

/* Stable, so that equals stay in order of their first touches. */
static void sort_groups(struct vmti_study_group *groups, size_t count, struct vmti_study_group *other)
{
    if (count < 2)
        return;
    size_t half = count / 2, a = 0, b = half;
    sort_groups(groups, half, other);
    sort_groups(groups + half, count - half, other);
    for (size_t i = 0; i < count; i++) {
        bool first = b == count ||
                     (a < half && (groups[a].pages > groups[b].pages ||
                                   (groups[a].pages == groups[b].pages && groups[a].touches >= groups[b].touches)));
        other[i] = groups[first ? a++ : b++];
    }
    memcpy(groups, other, count * sizeof *groups);
}

static int take_groups(struct vmti_study *study, const struct vmti_insight *insight, enum vmti_grouping by)
{
    struct vmti_study_groups *to = &study->by[by];
    size_t count = 0;
    for (const struct vmti_group *g = NULL; (g = vmti_group_next(insight, by, g));)
        count++;
    if (!count)
        return 0;
    to->groups = calloc(count, sizeof *to->groups);
    struct vmti_study_group *other = calloc(count, sizeof *other);
    if (!to->groups || !other) {
        free(other);
        return no_memory(study);
    }
    for (const struct vmti_group *g = NULL; (g = vmti_group_next(insight, by, g));) {
        const struct vmti_locality *l = vmti_group_locality(g);
        to->groups[to->count++] = (struct vmti_study_group){
            .key = *vmti_group_key(g),
            .pages = l->pages,
            .touches = l->touches,
            .memory = vmti_memory_for_percent(l, ONE_PERCENT),
        };
    }
    if (by == VMTI_BY_SITE || by == VMTI_BY_LABEL)
        sort_groups(to->groups, to->count, other);
    free(other);
    return 0;
}

static int take_all(struct vmti_study *study, const struct vmti_insight *insight)
{
    const struct vmti_locality *l = &insight->all;
    study->pages_once = insight->pages_once;
    study->fingerprint = insight->fingerprint;
    study->memory = vmti_memory_for_percent(l, ONE_PERCENT);
    study->unbounded = not_strict(study);
    study->bounded_from = 3 * study->reader.header.window - 2;
    find_sets(study, l);
    find_reuse(study, l);
    return find_points(study, l);
}

/* A thread that is alone has all touches. */
static int take_only_thread(struct vmti_study *study)
{
    struct vmti_study_groups *to = &study->by[VMTI_BY_THREAD];
    to->groups = calloc(1, sizeof *to->groups);
    if (!to->groups)
        return no_memory(study);
    to->count = study->summary.touches > 0;
    to->groups[0] = (struct vmti_study_group){
        .key = {.number = study->summary.threads[0].index},
        .pages = study->summary.footprint,
        .touches = study->summary.touches,
        .memory = study->memory,
    };
    return 0;
}

static struct site_name *find_name(struct vmti_study_names *names, uint64_t site)
{
    struct site_name *name;
    HASH_FIND(hh, names->known, &site, sizeof site, name);
    if (name)
        return name;
    name = malloc(sizeof *name);
    if (!name)
        return NULL;
    name->site = site;
    vmti_site_text(names->sites, site, name->text, sizeof name->text);
    HASH_ADD(hh, names->known, site, sizeof name->site, name);
    if (name->hh.tbl) /* uthash leaves it NULL when it could not add */
        return name;
    free(name);
    return NULL;
}

/* The first site with the same name: where the function that allocates is inlined into several, each has a copy of the
 * one call that the source has. */
static uint64_t site_for(void *context, uint64_t site)
{
    struct vmti_study_names *names = context;
    struct site_name *name = find_name(names, site), *first;
    if (!name)
        return site;
    HASH_FIND(by_text, names->texts, name->text, strlen(name->text), first);
    if (first)
        return first->site;
    HASH_ADD(by_text, names->texts, text[0], strlen(name->text), name);
    return site;
}

/* Reads the groups whose bits are set, and all else if it is not there yet. */
static int read_figures(struct vmti_study *study, unsigned groups)
{
    struct vmti_insight insight;
    int error = vmti_insight_read_sites(&study->reader, groups, site_for, study->names, &insight);
    if (error == -EIO && !study->reader.error)
        error = 0; /* the figures are those of the part that there is, as the counts are */
    if (error)
        snprintf(study->reason, sizeof study->reason, "cannot report on %s: %s", study->path,
                 error == -ENOMEM ? "no memory was left" : strerror(-error));
    if (!error && !study->points)
        error = take_all(study, &insight);
    for (unsigned by = 0; by < VMTI_GROUPINGS && !error; by++)
        if (groups & 1u << by)
            error = take_groups(study, &insight, (enum vmti_grouping)by);
    vmti_insight_free(&insight);
    return error;
}

int vmti_study_figures(struct vmti_study *study)
{
    bool one_thread = study->summary.thread_count == 1;
    unsigned groups = ((1u << VMTI_GROUPINGS) - 1) & ~(one_thread ? 1u << VMTI_BY_THREAD : 0);
    int error = 0;
    if (study->summary.footprint <= ONE_PASS_PAGES)
        error = read_figures(study, groups);
    else
        for (unsigned by = 0; by < VMTI_GROUPINGS && !error; by++)
            if (groups & 1u << by)
                error = read_figures(study, 1u << by);
    return error || !one_thread ? error : take_only_thread(study);
}

static void free_names(struct vmti_study_names *names)
{
    struct site_name *name, *next;
    if (!names)
        return;
    HASH_CLEAR(by_text, names->texts);
    HASH_ITER(hh, names->known, name, next)
    {
        HASH_DEL(names->known, name);
        free(name);
    }
    vmti_sites_free(names->sites);
    free(names);
}

void vmti_study_free(struct vmti_study *study)
{
    for (unsigned by = 0; by < VMTI_GROUPINGS; by++)
        free(study->by[by].groups);
    free(study->points);
    free(study->walk.row);
    free(study->walk.bin_time_ns);
    free(study->walk.cells);
    free(study->marks);
    free_names(study->names);
    vmti_trace_summary_free(&study->summary);
    vmti_trace_read_close(&study->reader);
}

/* ------------------------------------------------------------------------------------------- names */

const char *vmti_study_site(const struct vmti_study *study, uint64_t site)
{
    const struct site_name *name = site ? find_name(study->names, site) : NULL;
    return !site ? "" : name ? name->text : "?";
}

void vmti_study_start_time(const struct vmti_study *study, char *text, size_t bytes)
{
    uint64_t realtime_ns = study->reader.header.start_realtime_ns;
    time_t seconds = (time_t)(realtime_ns / 1000000000u);
    struct tm tm;
    gmtime_r(&seconds, &tm); /* 64 bits of nanoseconds end in the year 2554 */
    size_t n = strftime(text, bytes, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + n, bytes - n, ".%09uZ", (unsigned)(realtime_ns % 1000000000u));
}

uint64_t vmti_study_duration_ns(const struct vmti_study *study)
{
    if (!study->trailer)
        return UINT64_MAX;
    uint64_t unit = study->reader.header.time_unit_ns, time = study->trailer->end_time;
    return time > UINT64_MAX / unit ? UINT64_MAX : time * unit;
}

uint32_t vmti_study_tid(const struct vmti_study *study, uint64_t thread)
{
    for (size_t i = 0; i < study->summary.thread_count; i++)
        if (study->summary.threads[i].index == thread)
            return study->summary.threads[i].tid;
    return 0;
}

const char *vmti_study_end(const struct vmti_study *study)
{
    static const char *const names[] = {"region", "exit", "signal", "exec", "lost", "unwritten"};
    return study->trailer ? names[study->trailer->end] : NULL;
}

bool vmti_study_has_writes(const struct vmti_study *study)
{
    return study->reader.header.flags & VMTI_TRACE_HAS_WRITES;
}

bool vmti_study_has_live_bytes(const struct vmti_study *study)
{
    const struct vmti_trace_trailer *t = study->trailer;
    return t && study->reader.header.flags & VMTI_TRACE_HAS_LIVE && t->live_bytes != VMTI_TRACE_NO_LIVE_BYTES;
}
