/* SPDX-License-Identifier: MIT */
/* Runs in the catcher: async-signal-safe, raw system calls only. */
#include "fault.h"

#include <sys/mman.h>

#include "pagedir.h"
#include "pagemap.h"
#include "thread.h"
#include "window.h"

enum vmti_fault vmti_fault(struct vmti_region *r, struct vmti_thread *t, uintptr_t address)
{
    uint64_t page = address >> VMTI_PAGE_SHIFT;
    uintptr_t start = address & ~(VMTI_PAGE_SIZE - 1);
    uint32_t word = vmti_dir_get(page);
    /* Everything was opened when the region was lost, as far as that went. */
    if (vmti_unlikely(atomic_load_explicit(&r->state, memory_order_relaxed) == VMTI_LOST))
        return r->let_go_at > t->resumed_at ? VMTI_FAULT_OURS : VMTI_FAULT_FOREIGN;
    /* Pages have been let go since the thread was last seen, and it may have faulted on one before that. */
    if (!(word & VMTI_DIR_TRACKED) && r->let_go_at > t->resumed_at)
        return VMTI_FAULT_OURS;
    if (!(word & VMTI_DIR_TRACKED) || vmti_dir_prot(word) == PROT_NONE)
        return VMTI_FAULT_FOREIGN;
    struct vmti_page *entry = vmti_pagemap_find(r, page);
    bool with_others = entry && (entry->state & VMTI_PAGE_WITH_OTHERS);
    /* Another thread has opened it since, one that does not count: this one's fault came before, and is a touch. */
    bool overtaken = with_others && entry->changed_at > t->resumed_at && vmti_counts(r, t);
    if (overtaken || !entry || !(entry->state & (VMTI_PAGE_IN_WINDOW | VMTI_PAGE_WITH_OTHERS))) {
        vmti_touch(r, t, start, start + 1, 0);
        return VMTI_FAULT_OURS;
    }
    /* The page has been opened, or upgraded, since the thread was last seen: for another thread, and this one had
     * faulted before. Its instruction runs again, and if it faults again we know more. */
    if (entry->changed_at > t->resumed_at)
        return VMTI_FAULT_OURS;
    /* Open for reading all the time: this one writes. */
    if (!(entry->state & VMTI_PAGE_WRITABLE) && (vmti_dir_prot(word) & PROT_WRITE)) {
        vmti_touch(r, t, start, start + 1, VMTI_TOUCH_WRITE);
        return VMTI_FAULT_OURS;
    }
    /* Open all the time, as far as the program lets it be. */
    return VMTI_FAULT_FOREIGN;
}
