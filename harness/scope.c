/* SPDX-License-Identifier: MIT */
/*
 * Which pages a region tracks: from what the directory knows (malloc'd memory, vmt_track() ranges) and what is mapped.
 * Runs in the catcher: async-signal-safe, raw system calls only.
 */
#include <errno.h>

#include "config.h"
#include "effects.h"
#include "live.h"
#include "maps.h"
#include "os.h"
#include "pagedir.h"
#include "region.h"
#include "thread.h"
#include "trace_write.h"
#include "window.h"
#include "wrap.h"

struct scan {
    struct vmti_region *region;
    uint64_t next_page; /* pages before it have been looked at */
    uint64_t mappings;
    bool no_memory;
};

/* What was noted for [first, end) holds no more: it is not mapped, or mapped as something else. */
static void clear_notes(uint64_t first, uint64_t end, uint32_t bits)
{
    uint64_t page = first, length;
    while ((length = vmti_dir_next_run(&page, end, bits, 0))) {
        vmti_dir_set(page, page + length - 1, bits, 0);
        page += length;
    }
}

/* Without randomisation the brk heap begins where the program's variables end, ours among them, and the kernel makes
 * one mapping of both. */
static uintptr_t start_of_heap(const struct vmti_region *r, const struct vmti_map *map)
{
    return map->start < r->program_end && r->program_end < map->end ? r->program_end : map->start;
}

static void mark(struct scan *scan, const struct vmti_map *map, uint64_t first, uint64_t end)
{
    struct vmti_region *r = scan->region;
    uint32_t prot = (uint32_t)map->prot << VMTI_DIR_PROT_SHIFT;
    uint64_t page = first, length;
    /* The brk heap is the allocator's, whether or not all of it has been handed out. (What has not has no owner, and so
     * not VMTI_DIR_HEAP, which tells the wrappers that there is nothing to note.) */
    if (map->brk_heap && r->scope == VMT_SCOPE_HEAP) {
        uint64_t heap = start_of_heap(r, map) >> VMTI_PAGE_SHIFT;
        if (!vmti_dir_set(heap, end - 1, VMTI_DIR_TRACKED | VMTI_DIR_KNOWN | VMTI_DIR_PROT,
                          prot | VMTI_DIR_TRACKED | VMTI_DIR_KNOWN))
            scan->no_memory = true;
        end = heap;
    }
    while ((length = vmti_dir_next_run(&page, end, VMTI_DIR_HEAP | VMTI_DIR_RANGE, VMTI_DIR_HEAP | VMTI_DIR_RANGE))) {
        bool tracked = (vmti_dir_get(page) & VMTI_DIR_RANGE) || r->scope == VMT_SCOPE_HEAP;
        vmti_dir_set(page, page + length - 1, VMTI_DIR_TRACKED | VMTI_DIR_KNOWN | VMTI_DIR_PROT,
                     tracked ? prot | VMTI_DIR_TRACKED | VMTI_DIR_KNOWN : 0);
        page += length;
    }
}

static void scan_map(void *context, const struct vmti_map *map)
{
    struct scan *scan = context;
    uint64_t first = map->start >> VMTI_PAGE_SHIFT, end = map->end >> VMTI_PAGE_SHIFT;
    scan->mappings++;
    clear_notes(scan->next_page, first, UINT32_MAX);
    scan->next_page = end;
    if (map->brk_heap && !scan->region->brk_start)
        scan->region->brk_start = start_of_heap(scan->region, map);
    if (!map->anonymous)
        clear_notes(first, end, VMTI_DIR_HEAP);
    if (map->huge) {
        if (!vmti_dir_set(first, end - 1, UINT32_MAX, VMTI_DIR_KNOWN))
            scan->no_memory = true;
    } else if (map->is_private && !map->special)
        mark(scan, map, first, end);
    else
        clear_notes(first, end, UINT32_MAX);
    if ((map->prot & PROT_EXEC) && map->path_bytes && map->path[0] == '/')
        vmti_trace_put_module(scan->region, map->start, map->end, map->offset, map->path, map->path_bytes);
}

int vmti_region_close_pages(struct vmti_region *r)
{
    struct scan scan = {.region = r};
    int error = vmti_maps_read(scan_map, &scan);
    if (error || scan.no_memory) {
        r->error_step = VMTI_STEP_MEMORY;
        return r->error = error ? error : -ENOMEM;
    }
    r->mappings = scan.mappings;
    r->error_step = VMTI_STEP_WINDOW;
    if (r->window > vmti_window_limit(r->mappings_limit, r->mappings, r->this_thread_alone))
        return r->error = -EINVAL;
    r->error_step = VMTI_STEP_THREADS;
    if (r->window < vmti_window_floor(r->counts.threads_now, r->evict))
        return r->error = -EINVAL;
    r->error_step = VMTI_STEP_NONE;
    r->brk = (uintptr_t)vmti_sys(SYS_brk, 0, 0, 0, 0, 0, 0);
    if (!r->brk_start)
        r->brk_start = r->brk;
    for (struct vmti_thread *t = r->threads; t; t = t->hh.next) {
        vmti_exempt_tls(r, t->tls);
        if (t->altstack_bytes)
            vmti_exempt(r, t->altstack, t->altstack + t->altstack_bytes);
    }
    if (vmti_sys(SYS_prctl, VMTI_PR_GET_MDWE, 0, 0, 0, 0, 0) > 0)
        vmti_exempt_code(r);
    uint64_t page = 0, length;
    while ((length = vmti_dir_next_run(&page, UINT64_MAX, VMTI_DIR_TRACKED, 0))) {
        long failed = vmti_os_protect(page << VMTI_PAGE_SHIFT, (page + length) << VMTI_PAGE_SHIFT, PROT_NONE);
        if (failed) {
            r->error_step = VMTI_STEP_MAPPINGS;
            vmti_open_all(r);
            return r->error = (int)failed;
        }
        page += length;
    }
    if (r->live_bytes)
        vmti_live_begin();
    atomic_store(&vmti_note_mask, r->scope == VMT_SCOPE_RANGES ? VMTI_DIR_HEAP : VMTI_DIR_HEAP | VMTI_DIR_KNOWN);
    vmti_in_region = true;
    return 0;
}

void vmti_region_open_pages(struct vmti_region *r)
{
    vmti_in_region = false;
    atomic_store(&vmti_note_mask, VMTI_DIR_HEAP);
    vmti_open_all(r);
    uint64_t page = 0, length;
    while ((length = vmti_dir_next_run(&page, UINT64_MAX, VMTI_DIR_KNOWN, 0))) {
        vmti_dir_set(page, page + length - 1, VMTI_DIR_TRACKED | VMTI_DIR_KNOWN | VMTI_DIR_PROT | VMTI_DIR_LEAVING, 0);
        page += length;
    }
}
