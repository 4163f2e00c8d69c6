/* SPDX-License-Identifier: MIT */
/* vmt_track() and vmt_untrack(): ranges that the test names. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "effects.h"
#include "error.h"
#include "maps.h"
#include "owners.h"
#include "pagedir.h"
#include "region.h"
#include "tell.h"
#include "window.h"
#include "wrap.h"

static uint64_t first_page(const void *p)
{
    return (uintptr_t)p >> VMTI_PAGE_SHIFT;
}

static uint64_t last_page(const void *p, size_t bytes)
{
    return ((uintptr_t)p + bytes - 1) >> VMTI_PAGE_SHIFT;
}

static bool wraps(const void *p, size_t bytes)
{
    return !bytes || (uintptr_t)p + bytes < (uintptr_t)p;
}

/* ------------------------------------------------------------------------------------------- in the program */

struct check {
    uint64_t next, last; /* pages not yet seen to be usable */
    const char *problem;
};

static void check_map(void *context, const struct vmti_map *map)
{
    struct check *check = context;
    uint64_t first = map->start >> VMTI_PAGE_SHIFT, end = map->end >> VMTI_PAGE_SHIFT;
    if (check->problem || end <= check->next || check->next > check->last)
        return;
    uint32_t word = vmti_dir_get(check->next);
    if (first > check->next)
        check->problem = "part of it is not mapped";
    else if (map->special)
        check->problem = "part of it is a stack or belongs to the kernel";
    else if (!map->is_private)
        check->problem = "part of it is shared memory, which other processes reach unseen";
    else if (!(map->prot & PROT_READ) && !(word & VMTI_DIR_TRACKED))
        check->problem = "part of it is not readable";
    else
        check->next = end;
}

/* Memory that must stay open whatever happens. */
static const char *holds_harness(uint64_t first, uint64_t last)
{
    /* What this library and the kernel need at any moment: our own variables, this thread's stack and thread
     * pointer. */
    const void *needed[] = {vmti_dir_top,          (const char *)vmti_dir_top + sizeof vmti_dir_top - 1,
                            &vmti_note_mask,       &vmti_in_region,
                            &vmti_allocator_depth, (void *)vmti_thread_pointer(),
                            __builtin_frame_address(0)};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (first_page(needed[i]) >= first && first_page(needed[i]) <= last)
            return "part of it lies in a page that the harness itself, a stack or thread-local memory needs";
    return NULL;
}

int vmt_track(const void *ptr, size_t len, const char *label)
{
    if (!ptr || wraps(ptr, len))
        return vmti_fail(-EINVAL, "vmt_track(%p, %zu): not a range of memory", ptr, len);
    if (label && strlen(label) >= VMTI_NAME_BYTES)
        return vmti_fail(-EINVAL, "vmt_track: the label \"%.80s\" is longer than %d bytes", label, VMTI_NAME_BYTES - 1);
    struct check check = {.next = first_page(ptr), .last = last_page(ptr, len)};
    uint64_t first = check.next;
    int error = vmti_maps_read(check_map, &check);
    if (error)
        return vmti_fail(error, "vmt_track: /proc/self/maps cannot be read (%s)", strerror(-error));
    if (!check.problem && check.next <= check.last)
        check.problem = "part of it is not mapped";
    if (!check.problem)
        check.problem = holds_harness(first, check.last);
    if (check.problem)
        return vmti_fail(-EINVAL, "vmt_track(%p, %zu): %s", ptr, len, check.problem);

    int index = vmti_name_new(&vmti_labels, label);
    if (index < 0)
        return vmti_fail(-ENOMEM, "vmt_track: more than %d different labels", VMTI_NAMES - 1);
    uint64_t pages = check.last - first + 1;
    uint32_t owner =
        vmti_owner_new(first, (uint32_t)pages, len, (uintptr_t)__builtin_return_address(0), (uint32_t)index, 0);
    if (!vmti_dir_set(first, check.last, VMTI_DIR_RANGE | VMTI_DIR_OWNER, VMTI_DIR_RANGE | owner))
        return vmti_fail(-ENOMEM, "vmt_track: no memory");
    if (vmti_region_current())
        vmti_tell(VMTI_TELL_TRACK, first << VMTI_PAGE_SHIFT, (check.last + 1) << VMTI_PAGE_SHIFT);
    return 0;
}

int vmt_untrack(const void *ptr, size_t len)
{
    if (!ptr || wraps(ptr, len))
        return vmti_fail(-EINVAL, "vmt_untrack(%p, %zu): not a range of memory", ptr, len);
    uint64_t first = first_page(ptr), last = last_page(ptr, len);
    uint64_t page = first, length;
    while ((length = vmti_dir_next_run(&page, last + 1, VMTI_DIR_RANGE, 0))) {
        vmti_dir_set(page, page + length - 1, VMTI_DIR_RANGE | VMTI_DIR_OWNER, 0);
        page += length;
    }
    if (vmti_region_current())
        vmti_tell(VMTI_TELL_UNTRACK, first << VMTI_PAGE_SHIFT, (last + 1) << VMTI_PAGE_SHIFT);
    return 0;
}

int vmt_mark(const char *phase)
{
    if (phase && strlen(phase) >= VMTI_NAME_BYTES)
        return vmti_fail(-EINVAL, "vmt_mark: the name \"%.80s\" is longer than %d bytes", phase, VMTI_NAME_BYTES - 1);
    if (!vmti_region_current())
        return vmti_fail(-EINVAL, "vmt_mark: no region is open; call it between vmt_begin and vmt_end");
    int number = vmti_name_new(&vmti_phases, phase);
    if (number < 0)
        return vmti_fail(-ENOMEM, "vmt_mark: more than %d different names", VMTI_NAMES - 1);
    vmti_tell(VMTI_TELL_MARK, (uintptr_t)number, 0);
    return 0;
}

/* ------------------------------------------------------------------------------------------- in the catcher */
/* async-signal-safe, raw system calls only */

struct track {
    uint64_t first, end;
};

static void track_map(void *context, const struct vmti_map *map)
{
    const struct track *track = context;
    uint64_t page = map->start >> VMTI_PAGE_SHIFT, end = map->end >> VMTI_PAGE_SHIFT;
    if (page < track->first)
        page = track->first;
    if (end > track->end)
        end = track->end;
    for (; page < end; page++)
        /* The protection of a page that is tracked already is in the directory; the mapping's is ours. */
        if ((vmti_dir_get(page) & (VMTI_DIR_RANGE | VMTI_DIR_TRACKED)) == VMTI_DIR_RANGE)
            vmti_dir_set(page, page, VMTI_DIR_TRACKED | VMTI_DIR_KNOWN | VMTI_DIR_PROT,
                         VMTI_DIR_TRACKED | VMTI_DIR_KNOWN | (uint32_t)map->prot << VMTI_DIR_PROT_SHIFT);
}

void vmti_track_in_region(struct vmti_region *r, uintptr_t start, uintptr_t end)
{
    struct track track = {start >> VMTI_PAGE_SHIFT, end >> VMTI_PAGE_SHIFT};
    int error = vmti_maps_read(track_map, &track);
    if (error)
        vmti_lose(r, error, VMTI_STEP_TASKS);
    vmti_settle(r, start, end);
}

void vmti_untrack_in_region(struct vmti_region *r, uintptr_t start, uintptr_t end)
{
    for (uintptr_t at = start; at < end; at += VMTI_PAGE_SIZE) {
        uint32_t word = vmti_dir_get(at >> VMTI_PAGE_SHIFT);
        if ((word & VMTI_DIR_TRACKED) && !((word & VMTI_DIR_HEAP) && r->scope != VMT_SCOPE_RANGES))
            vmti_exempt(r, at, at + VMTI_PAGE_SIZE);
    }
}
