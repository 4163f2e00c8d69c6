/* SPDX-License-Identifier: MIT */
/* Runs in the catcher, at a stop: async-signal-safe, raw system calls only. */
#include "effects.h"

#include <errno.h>
#include <linux/mman.h>
#include <sys/mman.h>

#include "os.h"
#include "pagedir.h"
#include "thread.h"
#include "walk.h"
#include "window.h"

/* At least what rseq, the robust list's head and a thread's tid word take. */
enum { VMTI_RETAINED_BYTES = 64 };

static uintptr_t page_up(uintptr_t address)
{
    return (address + VMTI_PAGE_SIZE - 1) & ~(VMTI_PAGE_SIZE - 1);
}

static uintptr_t page_down(uintptr_t address)
{
    return address & ~(VMTI_PAGE_SIZE - 1);
}

/* Sets directory bits of the pages of [start, end); losing them would lose touches, so no memory ends the region. */
static void set_words(struct vmti_region *r, uintptr_t start, uintptr_t end, uint32_t mask, uint32_t value)
{
    if (start < end &&
        !vmti_dir_set(start >> VMTI_PAGE_SHIFT, (end - 1) >> VMTI_PAGE_SHIFT, mask, value))
        vmti_lose(r, -ENOMEM, VMTI_STEP_MEMORY);
}

void vmti_forget(struct vmti_region *r, uintptr_t start, uintptr_t end)
{
    vmti_drop_range(r, start, end);
    r->let_go_at = ++r->changes;
    set_words(r, start, end, UINT32_MAX, 0);
}

/*
 * A call is about to unmap [start, end). When it has returned, another thread may have mapped something there, and that
 * thread's stop may be answered before this one's. So what the call takes away is marked now, and forgotten then only
 * where the mark is still there.
 */
static void begin_to_forget(struct vmti_region *r, uintptr_t start, uintptr_t end)
{
    vmti_drop_range(r, start, end);
    uint64_t page = start >> VMTI_PAGE_SHIFT, limit = end >> VMTI_PAGE_SHIFT, length;
    while ((length = vmti_dir_next_run(&page, limit, UINT32_MAX, 0))) {
        vmti_dir_set(page, page + length - 1, VMTI_DIR_LEAVING, VMTI_DIR_LEAVING);
        page += length;
    }
}

static void end_forgetting(struct vmti_region *r, uintptr_t start, uintptr_t end, bool unmapped)
{
    uint64_t page = start >> VMTI_PAGE_SHIFT, limit = end >> VMTI_PAGE_SHIFT, length;
    while ((length = vmti_dir_next_run(&page, limit, VMTI_DIR_LEAVING, 0))) {
        vmti_dir_set(page, page + length - 1, unmapped ? UINT32_MAX : VMTI_DIR_LEAVING, 0);
        page += length;
    }
    if (unmapped)
        r->let_go_at = ++r->changes;
    else
        vmti_settle(r, start, end);
}

void vmti_exempt(struct vmti_region *r, uintptr_t start, uintptr_t end)
{
    if (!vmti_any_tracked(start, end))
        return;
    vmti_drop_range(r, start, end);
    r->let_go_at = ++r->changes;
    uint64_t page = start >> VMTI_PAGE_SHIFT, limit = page_up(end) >> VMTI_PAGE_SHIFT, length;
    while ((length = vmti_open_run(&page, limit))) {
        vmti_dir_set(page, page + length - 1, VMTI_DIR_TRACKED, 0);
        page += length;
    }
}

void vmti_adopt_heap(struct vmti_region *r, uintptr_t start, uintptr_t end, int prot)
{
    uint32_t value = VMTI_DIR_HEAP | (uint32_t)prot << VMTI_DIR_PROT_SHIFT;
    if (r->scope != VMT_SCOPE_RANGES)
        value |= VMTI_DIR_TRACKED | VMTI_DIR_KNOWN;
    set_words(r, start, end, ~VMTI_DIR_OWNER & ~VMTI_DIR_RANGE, value);
    vmti_settle(r, start, end);
}

void vmti_adopt_unknown(struct vmti_region *r, uintptr_t start, uintptr_t end)
{
    for (uintptr_t at = start; at < end;) {
        uintptr_t run = at;
        while (run < end && !(vmti_dir_get(run >> VMTI_PAGE_SHIFT) & VMTI_DIR_KNOWN))
            run += VMTI_PAGE_SIZE;
        if (run > at)
            vmti_adopt_heap(r, at, run, PROT_READ | PROT_WRITE);
        at = run + VMTI_PAGE_SIZE;
    }
}

static void after_brk(struct vmti_region *r, int64_t result)
{
    uintptr_t before = page_up(r->brk), after = page_up((uintptr_t)result);
    if (after > before)
        vmti_adopt_heap(r, before, after, PROT_READ | PROT_WRITE);
    else if (after < before)
        vmti_forget(r, after, before);
    r->brk = (uintptr_t)result;
}

static void after_mmap(struct vmti_region *r, struct vmti_thread *t, int64_t result)
{
    uintptr_t start = (uintptr_t)result, end = page_up(start + t->call.args[1]);
    uint64_t flags = t->call.args[3];
    if (vmti_any_tracked(start, end)) /* by an unmapping whose end has not been seen yet */
        vmti_forget(r, start, end);
    bool private_anonymous = (flags & MAP_ANONYMOUS) && (flags & MAP_TYPE) == MAP_PRIVATE;
    if (private_anonymous && r->in_allocator(r, t))
        vmti_adopt_heap(r, start, end, (int)t->call.args[2] & (PROT_READ | PROT_WRITE | PROT_EXEC));
}

/*
 * Kernels before 6.17 move only what lies in one mapping (mm/mremap.c: vma_to_resize gives EFAULT), and pages that were
 * opened one by one are many. With one protection for all they are one again: mprotect merges neighbours.
 */
static void before_mremap(struct vmti_region *r, struct vmti_thread *t)
{
    uintptr_t start = page_down(t->call.args[0]), end = page_up(start + t->call.args[1]);
    t->effect[0] = vmti_any_tracked(start, end);
    if (!t->effect[0])
        return;
    begin_to_forget(r, start, end);
    t->effect[1] = vmti_dir_get(start >> VMTI_PAGE_SHIFT) & ~VMTI_DIR_OWNER & ~VMTI_DIR_LEAVING;
    uint64_t page = start >> VMTI_PAGE_SHIFT, length;
    while ((length = vmti_open_run(&page, end >> VMTI_PAGE_SHIFT)))
        page += length;
}

static void after_mremap(struct vmti_region *r, struct vmti_thread *t, int64_t result)
{
    uintptr_t old_start = page_down(t->call.args[0]), old_end = page_up(old_start + t->call.args[1]);
    if (result < 0) {
        if (t->effect[0])
            end_forgetting(r, old_start, old_end, false);
        return;
    }
    uintptr_t start = (uintptr_t)result, end = page_up(start + t->call.args[2]);
    bool moved = start != old_start;
    if (moved && vmti_any_tracked(start, end))
        vmti_forget(r, start, end); /* MREMAP_FIXED replaced what was there */
    if (!t->effect[0])
        return;
    /* One mapping has one protection and one kind of memory: what is there now is what the old range's start was. */
    if (!moved && end < old_end)
        vmti_forget(r, end, old_end);
    end_forgetting(r, old_start, old_end, moved && !(t->call.args[3] & MREMAP_DONTUNMAP));
    set_words(r, start, end, ~VMTI_DIR_OWNER, (uint32_t)t->effect[1]);
    vmti_settle(r, start, end);
}

static void after_mprotect(struct vmti_region *r, struct vmti_thread *t)
{
    uintptr_t start = page_down(t->call.args[0]), end = page_up(t->call.args[0] + t->call.args[1]);
    int prot = (int)t->call.args[2] & (PROT_READ | PROT_WRITE | PROT_EXEC);
    uint64_t page = start >> VMTI_PAGE_SHIFT, limit = end >> VMTI_PAGE_SHIFT, length;
    if (prot == PROT_NONE)
        vmti_drop_range(r, start, end);
    else if (r->in_allocator(r, t)) /* an arena grows into address space that it had reserved */
        vmti_adopt_heap(r, start, end, prot);
    while ((length = vmti_dir_next_run(&page, limit, VMTI_DIR_TRACKED, 0))) {
        vmti_dir_set(page, page + length - 1, VMTI_DIR_PROT, (uint32_t)prot << VMTI_DIR_PROT_SHIFT);
        page += length;
    }
    vmti_settle(r, start, end);
}

/* Advice that gives the content away: the pages are new when they are used next, and their next use is a touch. */
static bool discards(uint64_t advice)
{
    return advice == MADV_DONTNEED || advice == MADV_FREE || advice == MADV_REMOVE || advice == 24 /* DONTNEED_LOCKED */;
}

/* Advice and calls that bring pages in as an access would (mm/gup.c refuses a closed page): open for the call. */
static void open_for_call(struct vmti_region *r, struct vmti_thread *t)
{
    uintptr_t start = page_down(t->call.args[0]), end = page_up(t->call.args[0] + t->call.args[1]);
    struct vmti_span *span = end > start ? vmti_pin(r, t, start, end, true) : NULL;
    if (span)
        span->done = VMTI_DONE_RECORDED; /* nothing: no byte of it is read or written */
}

/*
 * When a thread ends, the kernel marks the futexes of its robust list (kernel/futex/core.c, exit_robust_list), and gives up
 * without a word where it meets a closed page. They are opened here; the list is as long as the kernel's own limit.
 */
static void open_robust_list(struct vmti_region *r, struct vmti_thread *t, pid_t tid)
{
    enum { ROBUST_LIST_LIMIT = 2048 };
    struct { uint64_t next; int64_t futex_offset; uint64_t pending; } head;
    uint64_t address = 0, bytes = 0;
    struct vmti_walk walk = {.region = r, .thread = t, .call = &t->call, .row = t->row};
    if (vmti_sys(SYS_get_robust_list, tid, &address, &bytes, 0, 0, 0) || !address ||
        !vmti_walk_read(&walk, &head, address, sizeof head))
        return;
    uint64_t entry = head.next & ~(uint64_t)1; /* bit 0 marks a futex with priority inheritance */
    if (head.pending)
        vmti_walk_inout(&walk, (head.pending & ~(uint64_t)1) + (uint64_t)head.futex_offset, sizeof(uint32_t));
    for (int n = 0; entry != address && n < ROBUST_LIST_LIMIT; n++) {
        vmti_walk_inout(&walk, entry + (uint64_t)head.futex_offset, sizeof(uint32_t));
        if (!vmti_walk_read(&walk, &entry, entry, sizeof entry))
            return;
        entry &= ~(uint64_t)1;
    }
}

void vmti_effect_before(struct vmti_region *r, struct vmti_thread *t)
{
    switch (t->row->effect) {
    case VMTI_EFFECT_SIGRETURN: {
        /* The kernel reads the frame that lies from just below the stack pointer on (arch/x86/kernel/signal_64.c). */
        struct vmti_span *span = vmti_pin(r, t, t->call.sp - 8, t->call.sp + VMTI_SIGFRAME_BYTES, false);
        if (span)
            span->done = VMTI_DONE_RECORDED; /* how much of it is the frame is not known */
        break;
    }
    case VMTI_EFFECT_MMAP:
        /* What lies there goes with the call; see begin_to_forget. */
        if (t->call.args[3] & MAP_FIXED)
            begin_to_forget(r, page_down(t->call.args[0]), page_up(t->call.args[0] + t->call.args[1]));
        break;
    case VMTI_EFFECT_MUNMAP:
        begin_to_forget(r, page_down(t->call.args[0]), page_up(t->call.args[0] + t->call.args[1]));
        break;
    case VMTI_EFFECT_MREMAP:
        before_mremap(r, t);
        break;
    case VMTI_EFFECT_EXIT:
        if (t->call.nr == SYS_exit)
            open_robust_list(r, t, t->tid);
        else
            for (struct vmti_thread *other = r->threads; other; other = other->hh.next)
                open_robust_list(r, t, other->tid);
        break;
    case VMTI_EFFECT_MLOCK:
        open_for_call(r, t);
        break;
    case VMTI_EFFECT_MADVISE:
        if (t->call.args[2] == 22 /* MADV_POPULATE_READ */ || t->call.args[2] == 23 /* MADV_POPULATE_WRITE */)
            open_for_call(r, t);
        break;
    case VMTI_EFFECT_SIGALTSTACK: {
        /* Signal frames are written there at any moment. struct sigaltstack: address, flags, size. */
        uint64_t stack[3];
        struct vmti_walk walk = {.region = r, .thread = t, .call = &t->call, .row = t->row};
        if (t->call.args[0] && vmti_walk_read(&walk, stack, t->call.args[0], sizeof stack))
            vmti_exempt(r, stack[0], stack[0] + stack[2]);
        break;
    }
    case VMTI_EFFECT_MSEAL:
        /* Sealed pages keep their protection for good (mm/mseal.c), so they stay open. */
        vmti_exempt(r, page_down(t->call.args[0]), page_up(t->call.args[0] + t->call.args[1]));
        break;
    case VMTI_EFFECT_RETAINED:
        /* set_tid_address, set_robust_list, rseq: the kernel keeps the address and comes back to it without a call. */
        vmti_exempt(r, t->call.args[0], t->call.args[0] + VMTI_RETAINED_BYTES);
        break;
    default:
        break;
    }
}

void vmti_effect_after(struct vmti_region *r, struct vmti_thread *t, int64_t result)
{
    bool failed = result < 0 && result > -4096;
    uint8_t effect = t->row->effect;
    if (effect == VMTI_EFFECT_BRK) {
        after_brk(r, result); /* returns the end of the heap, changed or not (mm/mmap.c) */
        return;
    }
    if (effect == VMTI_EFFECT_MREMAP) {
        after_mremap(r, t, failed ? -1 : result);
        return;
    }
    if (effect == VMTI_EFFECT_MMAP && (t->call.args[3] & MAP_FIXED))
        end_forgetting(r, page_down(t->call.args[0]), page_up(t->call.args[0] + t->call.args[1]), !failed);
    if (effect == VMTI_EFFECT_MUNMAP) {
        end_forgetting(r, page_down(t->call.args[0]), page_up(t->call.args[0] + t->call.args[1]), !failed);
        return;
    }
    if (failed)
        return;
    switch (effect) {
    case VMTI_EFFECT_MMAP:
        after_mmap(r, t, result);
        break;
    case VMTI_EFFECT_MPROTECT:
        after_mprotect(r, t);
        break;
    case VMTI_EFFECT_MADVISE:
        if (discards(t->call.args[2])) {
            uintptr_t start = page_down(t->call.args[0]), end = page_up(t->call.args[0] + t->call.args[1]);
            vmti_drop_range(r, start, end);
            vmti_settle(r, start, end);
        }
        break;
    default:
        break;
    }
}
