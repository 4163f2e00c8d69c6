/* SPDX-License-Identifier: MIT */
#include "metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "grow.h"
#include "insight.h"

/* For so many touches in a row, of those that vmti_locality_peak() knows, the peak working set is a metric. */
static const uint64_t taus[] = {128, 1024, 8192};

/* ------------------------------------------------------------------------------------------- names */

bool vmti_allocator_name(const char *path, char name[static VMTI_ALLOCATOR_BYTES])
{
    static const struct {
        const char *library, *name;
    } known[] = {
        {"libc.so.6", "glibc"},
        {"libc-2.", "glibc"}, /* before 2.34 */
        {"libc.so", "musl"},
        {"ld-musl-", "musl"},
        {"libjemalloc", "jemalloc"},
        {"libmimalloc", "mimalloc"},
        {"libtcmalloc", "tcmalloc"},
        {"libhoard", "hoard"},
        {"libsnmalloc", "snmalloc"},
        {"librpmalloc", "rpmalloc"},
        {"libscudo", "scudo"},
    };
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strncmp(base, known[i].library, strlen(known[i].library)) == 0) {
            snprintf(name, VMTI_ALLOCATOR_BYTES, "%s", known[i].name);
            return true;
        }
    const char *end = strstr(base, ".so");
    size_t bytes = end && end > base ? (size_t)(end - base) : strlen(base), n = 0;
    for (; n < bytes && n < VMTI_ALLOCATOR_BYTES - 1; n++) {
        char c = base[n];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_';
        name[n] = c;
        if (!plain)
            name[n] = '-';
    }
    name[n] = '\0';
    if (!n)
        snprintf(name, VMTI_ALLOCATOR_BYTES, "unknown");
    return false;
}

void vmti_metric_of_name(char text[static VMTI_LABEL_METRIC_BYTES], const char *kind, const char *name)
{
    char *at = text + sprintf(text, "%.16s \"", kind);
    for (size_t i = 0; name[i] && i < VMTI_TRACE_LABEL_MAX; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c < 0x20 || c >= 0x7f)
            at += sprintf(at, "\\x%02x", c);
        else
            at += sprintf(at, "%s%c", c == '"' || c == '\\' ? "\\" : "", c);
    }
    strcpy(at, "\" pages");
}

/* ------------------------------------------------------------------------------------------- the list */

int vmti_metrics_add(struct vmti_metrics *metrics, const char *name, uint64_t value)
{
    void *grown = vmti_grow(metrics->metrics, metrics->count, &metrics->capacity, sizeof *metrics->metrics);
    if (!grown)
        return -ENOMEM;
    metrics->metrics = grown;
    char *copy = strdup(name);
    if (!copy)
        return -ENOMEM;
    metrics->metrics[metrics->count++] = (struct vmti_metric){copy, value};
    return 0;
}

int vmti_metric_name_compare(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    int order = memcmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes);
    return order ? order : a_bytes < b_bytes ? -1 : a_bytes > b_bytes;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct vmti_metric *)a)->name, ((const struct vmti_metric *)b)->name);
}

void vmti_metrics_sort(struct vmti_metrics *metrics)
{
    if (metrics->count)
        qsort(metrics->metrics, metrics->count, sizeof *metrics->metrics, compare);
}

const struct vmti_metric *vmti_metrics_find(const struct vmti_metrics *metrics, const char *name, size_t bytes)
{
    size_t low = 0, high = metrics->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct vmti_metric *metric = &metrics->metrics[middle];
        int order = vmti_metric_name_compare(name, bytes, metric->name, strlen(metric->name));
        if (!order)
            return metric;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

void vmti_metrics_free(struct vmti_metrics *metrics)
{
    for (size_t i = 0; i < metrics->count; i++)
        free(metrics->metrics[i].name);
    free(metrics->metrics);
    metrics->metrics = NULL;
    metrics->count = metrics->capacity = 0;
}

/* ------------------------------------------------------------------------------------------- from a trace */

/* But for a sanitizer's, a trace does not say whose malloc lies beneath libvmt; a program that has mapped an
 * allocator's library uses it. */
static void allocator_of_modules(const struct vmti_trace_summary *summary, const char *libc,
                                 char name[static VMTI_ALLOCATOR_BYTES])
{
    for (size_t i = 0; i < summary->module_count; i++)
        if (vmti_allocator_name(summary->modules[i].path, name) && strcmp(name, "glibc") != 0 &&
            strcmp(name, "musl") != 0)
            return;
    snprintf(name, VMTI_ALLOCATOR_BYTES, "%s", libc);
}

static const char *libc_of_modules(const struct vmti_trace_summary *summary)
{
    char name[VMTI_ALLOCATOR_BYTES];
    for (size_t i = 0; i < summary->module_count; i++)
        if (vmti_allocator_name(summary->modules[i].path, name) && strcmp(name, "musl") == 0)
            return "musl";
    return "glibc";
}

static void write_key(const struct vmti_trace_header *h, const char *allocator, const char *libc,
                      char key[static VMTI_METRICS_KEY_BYTES])
{
    snprintf(key, VMTI_METRICS_KEY_BYTES,
             "allocator=%s libc=%s page=%" PRIu32 " window=%" PRIu64 " evict=%u scope=%s writes=%d threads=%s",
             allocator, libc, h->page_size, h->window, (unsigned)h->evict, vmti_scope_name((vmt_scope)h->scope),
             h->flags & VMTI_TRACE_HAS_WRITES ? 1 : 0, h->flags & VMTI_TRACE_HAS_ONE_THREAD ? "this" : "all");
}

static int add_counts(const struct vmti_trace_summary *s, bool writes, struct vmti_metrics *metrics)
{
    int error = vmti_metrics_add(metrics, "footprint", s->footprint);
    if (!error)
        error = vmti_metrics_add(metrics, "touches", s->touches);
    if (!error)
        error = vmti_metrics_add(metrics, "program-touches", s->program_touches);
    if (!error)
        error = vmti_metrics_add(metrics, "syscall-touches", s->syscall_touches);
    if (!error && writes)
        error = vmti_metrics_add(metrics, "pages-written", s->pages_written);
    return error;
}

static int add_groups(const struct vmti_insight *insight, enum vmti_grouping by, struct vmti_metrics *metrics)
{
    int error = 0;
    for (const struct vmti_group *group = NULL; !error && (group = vmti_group_next(insight, by, group));) {
        char name[VMTI_LABEL_METRIC_BYTES];
        vmti_metric_of_name(name, vmti_grouping_name(by), vmti_group_key(group)->name);
        error = vmti_metrics_add(metrics, name, vmti_group_locality(group)->pages);
    }
    return error;
}

/* A phase in which nothing was touched has pages too: none. */
static int add_empty_phases(struct vmti_trace_reader *reader, struct vmti_metrics *metrics)
{
    struct vmti_event event;
    int error = 0;
    vmti_trace_read_rewind(reader);
    while (!error && vmti_trace_read_next(reader, &event)) {
        char phase[VMTI_TRACE_LABEL_MAX + 1], name[VMTI_LABEL_METRIC_BYTES];
        if (event.kind != VMTI_REC_MARK || !event.text_bytes)
            continue;
        memcpy(phase, event.text, event.text_bytes);
        phase[event.text_bytes] = '\0';
        vmti_metric_of_name(name, vmti_grouping_name(VMTI_BY_PHASE), phase);
        if (vmti_metrics_find(metrics, name, strlen(name)))
            continue;
        error = vmti_metrics_add(metrics, name, 0);
        vmti_metrics_sort(metrics);
    }
    return error;
}

static int add_working_sets(const struct vmti_locality *l, struct vmti_metrics *metrics)
{
    int error = 0;
    for (unsigned i = 0; !error && i < VMTI_LOCALITY_TAUS; i++)
        for (size_t k = 0; k < sizeof taus / sizeof *taus; k++) {
            char name[64];
            uint64_t peak;
            if (vmti_locality_tau(i) != taus[k] || !vmti_locality_peak(l, i, &peak))
                continue;
            snprintf(name, sizeof name, "working-set-%" PRIu64, taus[k]);
            error = vmti_metrics_add(metrics, name, peak);
        }
    return error;
}

/* Of the pages touched once the others are kept, those that were touched again: fewer of these is never worse, while
 * more or fewer of the former says nothing by itself. */
static int add_locality(struct vmti_trace_reader *reader, struct vmti_metrics *metrics)
{
    struct vmti_insight insight;
    int error = vmti_insight_read(reader, 1u << VMTI_BY_LABEL | 1u << VMTI_BY_PHASE, &insight);
    if (!error)
        error = vmti_metrics_add(metrics, VMTI_METRIC_FINGERPRINT, insight.fingerprint);
    if (!error)
        error = vmti_metrics_add(metrics, "pages-again", insight.all.pages - insight.pages_once);
    if (!error)
        error = vmti_metrics_add(metrics, "memory-for-1%", vmti_memory_for_percent(&insight.all, 1));
    if (!error)
        error = add_working_sets(&insight.all, metrics);
    if (!error)
        error = add_groups(&insight, VMTI_BY_LABEL, metrics);
    if (!error)
        error = add_groups(&insight, VMTI_BY_PHASE, metrics);
    vmti_insight_free(&insight);
    return error;
}

int vmti_metrics_read(struct vmti_trace_reader *reader, const char *allocator, struct vmti_metrics *metrics)
{
    struct vmti_trace_summary summary;
    char name[VMTI_ALLOCATOR_BYTES];
    memset(metrics, 0, sizeof *metrics);
    int error = vmti_trace_summarize(reader, &summary);
    if (!error && !summary.complete)
        error = -EIO;
    if (error) {
        snprintf(metrics->reason, sizeof metrics->reason, "%s", summary.reason);
        vmti_trace_summary_free(&summary);
        return error;
    }
    const char *libc = libc_of_modules(&summary);
    if (vmti_trace_sanitizer(&reader->header)) {
        allocator = vmti_sanitizer_name(vmti_trace_sanitizer(&reader->header));
    } else if (!allocator) {
        allocator_of_modules(&summary, libc, name);
        allocator = name;
    }
    bool writes = reader->header.flags & VMTI_TRACE_HAS_WRITES;
    write_key(&reader->header, allocator, libc, metrics->key);
    error = add_counts(&summary, writes, metrics);
    vmti_trace_summary_free(&summary);
    if (!error)
        error = add_locality(reader, metrics);
    vmti_metrics_sort(metrics);
    if (!error)
        error = add_empty_phases(reader, metrics);
    if (error)
        snprintf(metrics->reason, sizeof metrics->reason, "%s",
                 error == -ENOMEM ? "no memory was left to read it" : reader->reason);
    return error;
}
