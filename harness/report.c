/* SPDX-License-Identifier: MIT */
/* What a region came to: its counts, its pages, and what the trace says in order. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arena.h"
#include "error.h"
#include "keep.h"
#include "owners.h"
#include "pagemap.h"
#include "report.h"
#include "sanitizer.h"
#include "trace_read.h"

/* Pages are found by counting on from every so many, in order of first touch. */
enum { STRIDE = 16 };

/* The first page at or after this one that was touched, and not only opened by threads that do not count. uthash keeps
 * the order of insertion. */
static struct vmti_page *touched(struct vmti_page *page)
{
    while (page && !page->touches)
        page = page->hh.next;
    return page;
}

vmt_report *vmti_report_new(struct vmti_region *r)
{
    vmt_report *report = vmti_arena_alloc(&r->arena, sizeof *report);
    if (!report)
        return NULL;
    report->region = r;
    report->marks = vmti_arena_alloc(&r->arena, (r->counts.footprint / STRIDE + 1) * sizeof *report->marks);
    report->told = vmti_arena_alloc(&r->arena, sizeof *report->told);
    if (!report->marks || !report->told || pthread_mutex_init(&report->told->lock, NULL))
        return NULL;
    uint64_t i = 0;
    for (struct vmti_page *page = touched(r->pages); page; page = touched(page->hh.next), i++)
        if (i % STRIDE == 0)
            report->marks[i / STRIDE] = page;
    vmti_keep_if_all(report);
    return report;
}

static const struct vmti_page *page_at(const vmt_report *report, uint64_t i)
{
    struct vmti_page *page = report->marks[i / STRIDE];
    for (i %= STRIDE; i; i--)
        page = touched(page->hh.next);
    return page;
}

void vmt_report_free(vmt_report *report)
{
    if (!report)
        return;
    vmti_told_free(report->told);
    struct vmti_arena arena = report->region->arena; /* region and report lie in it */
    vmti_arena_free(&arena);
}

/* A NULL report counts nothing; checks refuse it before they ask. */
#define COUNT(function, field)                                                                                         \
    uint64_t function(const vmt_report *report)                                                                        \
    {                                                                                                                  \
        return report ? report->region->field : 0;                                                                     \
    }
COUNT(vmt_report_touches, counts.touches)
COUNT(vmt_report_program_touches, counts.program_touches)
COUNT(vmt_report_syscall_touches, counts.syscall_touches)
COUNT(vmt_report_footprint, counts.footprint)
COUNT(vmt_report_pages_written, counts.pages_written)
COUNT(vmt_report_pages_unchanged, counts.pages_unchanged)
COUNT(vmt_report_evictions, counts.evictions)
COUNT(vmt_report_peak_open, counts.peak_open)
COUNT(vmt_report_window, window)
COUNT(vmt_report_evict, evict)
COUNT(vmt_report_window_raised_to, room)
COUNT(vmt_report_threads, counts.threads)
COUNT(vmt_report_syscalls, counts.syscalls)
COUNT(vmt_report_syscalls_walked, counts.syscalls_walked)
COUNT(vmt_report_left_open, counts.left_open)
COUNT(vmt_report_refused_calls, counts.refused_calls)
COUNT(vmt_report_dropped_regions, dropped_regions)
#undef COUNT

vmt_scope vmt_report_scope(const vmt_report *report)
{
    return report ? report->region->scope : VMT_SCOPE_HEAP;
}

vmt_threads vmt_report_threads_counted(const vmt_report *report)
{
    return report && report->region->this_thread_alone ? VMT_THREADS_THIS : VMT_THREADS_ALL;
}

vmt_engine vmt_report_engine(const vmt_report *report)
{
    return report && vmti_is_dispatched(report->region) ? VMT_ENGINE_DISPATCH : VMT_ENGINE_PTRACE;
}

bool vmt_report_track_writes(const vmt_report *report)
{
    return report && report->region->track_writes;
}

bool vmt_report_track_content(const vmt_report *report)
{
    return report && report->region->track_content;
}

uint64_t vmt_report_page_size(const vmt_report *report)
{
    (void)report;
    return VMTI_PAGE_SIZE;
}

const char *vmt_report_trace_path(const vmt_report *report)
{
    return report ? report->region->trace_path : NULL;
}

static const char *label_of(const struct vmti_page *page)
{
    const struct vmti_owner *owner = vmti_owner(page->owner);
    return owner && owner->label ? vmti_name(&vmti_labels, owner->label) : NULL;
}

bool vmt_report_has_label(const vmt_report *report, const char *label)
{
    return report && label && vmti_name_find(&vmti_labels, label);
}

uint64_t vmt_report_label_pages(const vmt_report *report, const char *label)
{
    uint64_t pages = 0;
    if (!report || !label)
        return 0;
    for (struct vmti_page *page = touched(report->region->pages); page; page = touched(page->hh.next)) {
        const char *name = label_of(page);
        pages += name && strcmp(name, label) == 0;
    }
    return pages;
}

int vmt_report_page(const vmt_report *report, uint64_t i, vmt_page_info *info)
{
    if (!report || !info || i >= report->region->counts.footprint)
        return vmti_fail(-EINVAL, "vmt_report_page: page %llu of a footprint of %llu", (unsigned long long)i,
                         (unsigned long long)vmt_report_footprint(report));
    const struct vmti_page *page = page_at(report, i);
    const struct vmti_owner *owner = vmti_owner(page->owner);
    memset(info, 0, sizeof *info);
    vmti_stored(info, sizeof *info);
    info->address = page->page << VMTI_PAGE_SHIFT;
    info->touches = page->touches;
    info->written = page->state & VMTI_PAGE_WRITTEN;
    info->unchanged = page->state & VMTI_PAGE_UNCHANGED;
    info->live_bytes = report->region->live ? report->region->live[i] : 0;
    if (owner) {
        info->allocation = page->owner;
        info->offset = page->page - owner->first_page;
        info->site = (const void *)owner->site;
        info->label = label_of(page);
    }
    return 0;
}

int vmt_report_live_bytes(const vmt_report *report, uint64_t *bytes)
{
    if (!report || !bytes)
        return vmti_fail(-EINVAL, "vmt_report_live_bytes: %s is NULL", report ? "bytes" : "report");
    *bytes = 0;
    vmti_stored(bytes, sizeof *bytes);
    if (!report->region->live_bytes)
        return vmti_fail(-ENODATA, "vmt_report_live_bytes: they were not counted: set vmt_config.live_bytes, in a "
                                   "process that is started with VMT_LIVE=1");
    if (report->region->counts.live_bytes == VMTI_TRACE_NO_LIVE_BYTES)
        return vmti_fail(-ENODATA, "vmt_report_live_bytes: some blocks could not be counted: this allocator's "
                                   "operators new do not call malloc, or there was no memory for the counts");
    *bytes = report->region->counts.live_bytes;
    return 0;
}

int vmti_report_reader(const vmt_report *report, struct vmti_trace_reader *reader)
{
    const struct vmti_region *r = report->region;
    if (!r->trace_path)
        return vmti_trace_read_memory(reader, &r->trace);
    int error = vmti_trace_read_file(reader, r->trace_path);
    struct vmti_trace_header header;
    memcpy(&header, r->trace.header, sizeof header);
    if (!error && memcmp(&header, &reader->header, sizeof header) != 0) {
        snprintf(reader->reason, sizeof reader->reason, "it is of another region now");
        error = -ESTALE;
    }
    return error;
}

int vmti_report_fail(const vmt_report *report, const char *function, int error, struct vmti_trace_reader *reader)
{
    const char *path = report->region->trace_path;
    vmti_fail(error, "%s: the trace%s%s cannot be read: %s", function, path ? " " : "", path ? path : "",
              reader->reason[0] ? reader->reason : strerror(-error));
    vmti_trace_read_close(reader);
    return error;
}

/* Both; what is not asked for is NULL. */
static int working_sets(const vmt_report *report, const char *function, uint64_t tau, uint64_t *peak, double *average)
{
    struct vmti_trace_reader reader;
    uint64_t most;
    double mean;
    if (!report || !tau || (!peak && !average))
        return vmti_fail(-EINVAL, "%s: tau is %llu: it is a number of touches from 1", function,
                         (unsigned long long)tau);
    int error = vmti_report_reader(report, &reader);
    if (!error)
        error = vmti_trace_working_sets(&reader, tau, &most, &mean);
    if (error)
        return vmti_report_fail(report, function, error, &reader);
    vmti_trace_read_close(&reader);
    if (peak) {
        *peak = most;
        vmti_stored(peak, sizeof *peak);
    }
    if (average) {
        *average = mean;
        vmti_stored(average, sizeof *average);
    }
    return 0;
}

int vmt_report_working_set(const vmt_report *report, uint64_t tau, uint64_t *peak)
{
    return working_sets(report, "vmt_report_working_set", tau, peak, NULL);
}

int vmt_report_average_working_set(const vmt_report *report, uint64_t tau, double *average)
{
    return working_sets(report, "vmt_report_average_working_set", tau, NULL, average);
}
