/* SPDX-License-Identifier: MIT */
/* Runs in the catcher, at a stop: async-signal-safe, raw system calls only. */
#include "effects.h"

#include <errno.h>
#include <linux/mman.h>
#include <sys/mman.h>
#include <sys/shm.h>

#include "arena.h"
#include "content.h"
#include "maps.h"
#include "os.h"
#include "pagedir.h"
#include "rings.h"
#include "thread.h"
#include "walk.h"
#include "window.h"

static uintptr_t page_up(uintptr_t address)
{
    return (vmti_untag(address) + VMTI_PAGE_SIZE - 1) & ~(VMTI_PAGE_SIZE - 1);
}

static uintptr_t page_down(uintptr_t address)
{
    return vmti_untag(address) & ~(VMTI_PAGE_SIZE - 1);
}

/* Sets directory bits of the pages of [start, end); losing them would lose touches, so no memory ends the region. */
static void set_words(struct vmti_region *r, uintptr_t start, uintptr_t end, uint32_t mask, uint32_t value)
{
    if (start < end &&
        !vmti_dir_set(start >> VMTI_PAGE_SHIFT, (end - 1) >> VMTI_PAGE_SHIFT, mask, value))
        vmti_lose(r, -ENOMEM, VMTI_STEP_MEMORY);
}

/* The pages of [start, end) leave the window, and what they hold is gone. */
static void drop_content(struct vmti_region *r, uintptr_t start, uintptr_t end)
{
    vmti_drop_range(r, start, end);
    vmti_content_lose(r, start, end);
}

void vmti_forget(struct vmti_region *r, uintptr_t start, uintptr_t end)
{
    drop_content(r, start, end);
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
    drop_content(r, start, end);
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

/* Forgets the pages of [at, end) that are not mapped any more. */
struct gaps {
    struct vmti_region *region;
    uintptr_t at, end;
};

static void forget_gap(struct gaps *gaps, uintptr_t end)
{
    if (end > gaps->end)
        end = gaps->end;
    if (vmti_any_tracked(gaps->at, end))
        vmti_forget(gaps->region, gaps->at, end);
}

static void skip_mapped(void *context, const struct vmti_map *map)
{
    struct gaps *gaps = context;
    if (map->end <= gaps->at || gaps->at >= gaps->end)
        return;
    forget_gap(gaps, map->start);
    gaps->at = map->end;
}

/* After a call that failed: mmap over something, and mremap, can fail when they have unmapped already (mm/vma.c,
 * mm/mremap.c of many versions). */
static void forget_unmapped(struct vmti_region *r, uintptr_t start, uintptr_t end)
{
    struct gaps gaps = {r, start, end};
    if (!vmti_any_tracked(start, end))
        return;
    int error = vmti_maps_read(skip_mapped, &gaps);
    if (error)
        vmti_lose(r, error, VMTI_STEP_TASKS);
    else
        forget_gap(&gaps, end);
}

void vmti_exempt(struct vmti_region *r, uintptr_t start, uintptr_t end)
{
    if (!vmti_any_tracked(start, end))
        return;
    vmti_drop_range(r, start, end);
    r->let_go_at = ++r->changes;
    uint64_t page = start >> VMTI_PAGE_SHIFT, limit = page_up(end) >> VMTI_PAGE_SHIFT, length;
    while ((length = vmti_dir_next_run(&page, limit, VMTI_DIR_TRACKED, VMTI_DIR_LEAVING))) {
        uint64_t at = page, opened;
        page += length;
        if (vmti_dir_get(at) & VMTI_DIR_LEAVING) /* what the kernel will use there came later */
            continue;
        for (uint64_t first = at; (opened = vmti_open_run(&first, page)); first += opened)
            ;
        vmti_dir_set(at, page - 1, VMTI_DIR_TRACKED, 0);
    }
}

/*
 * The kernel writes to the rseq area and to the tid word of a pthread, and reads its robust list. The latter two lie in
 * libc's struct pthread, which begins or ends at the thread pointer.
 */
void vmti_exempt_tls(struct vmti_region *r, uintptr_t tls)
{
    enum { RSEQ_BYTES = 32 };
    vmti_exempt(r, tls - VMTI_PTHREAD_BEFORE, tls + VMTI_PTHREAD_BEHIND);
    if (r->rseq_offset)
        vmti_exempt(r, tls + r->rseq_offset, tls + r->rseq_offset + RSEQ_BYTES);
    vmti_exempt(r, tls + r->allocator_depth_offset, tls + r->allocator_depth_offset + sizeof(int));
}

void vmti_exempt_code(struct vmti_region *r)
{
    uint64_t page = 0, length;
    while ((length = vmti_dir_next_run(&page, UINT64_MAX, VMTI_DIR_TRACKED, VMTI_DIR_PROT))) {
        if (vmti_dir_prot(vmti_dir_get(page)) & PROT_EXEC)
            vmti_exempt(r, page << VMTI_PAGE_SHIFT, (page + length) << VMTI_PAGE_SHIFT);
        page += length;
    }
}

void vmti_adopt_heap(struct vmti_region *r, uintptr_t start, uintptr_t end, int prot)
{
    uint32_t value = (uint32_t)prot << VMTI_DIR_PROT_SHIFT;
    if (r->scope != VMT_SCOPE_RANGES)
        value |= VMTI_DIR_TRACKED | VMTI_DIR_KNOWN;
    /* Not VMTI_DIR_HEAP: the wrappers note a page when malloc gives memory in it, and only then it gets an owner. */
    set_words(r, start, end, ~VMTI_DIR_OWNER & ~VMTI_DIR_RANGE & ~VMTI_DIR_HEAP, value);
    vmti_settle(r, start, end);
}

static void adopt_unknown(struct vmti_region *r, uintptr_t start, uintptr_t end, int prot)
{
    for (uintptr_t at = start; at < end;) {
        uintptr_t run = at;
        while (run < end && !(vmti_dir_get(run >> VMTI_PAGE_SHIFT) & VMTI_DIR_KNOWN))
            run += VMTI_PAGE_SIZE;
        if (run > at)
            vmti_adopt_heap(r, at, run, prot);
        at = run + VMTI_PAGE_SIZE;
    }
}

void vmti_adopt_unknown(struct vmti_region *r, uintptr_t start, uintptr_t end)
{
    adopt_unknown(r, start, end, PROT_READ | PROT_WRITE);
}

/* effect[0], effect[1]: what the heap loses, if the call succeeds. */
static void before_brk(struct vmti_region *r, struct vmti_thread *t)
{
    uintptr_t end = t->call.args[0];
    t->effect[0] = t->effect[1] = 0;
    if (end < r->brk_start || page_up(end) >= page_up(r->brk))
        return; /* grows, or asks only, or is refused */
    t->effect[0] = page_up(end);
    t->effect[1] = page_up(r->brk);
    begin_to_forget(r, t->effect[0], t->effect[1]);
}

static void after_brk(struct vmti_region *r, struct vmti_thread *t, int64_t result)
{
    uintptr_t before = page_up(r->brk), after = page_up((uintptr_t)result);
    if (t->effect[1])
        end_forgetting(r, t->effect[0], t->effect[1], after <= t->effect[0]);
    if (after > before)
        vmti_adopt_heap(r, before, after, PROT_READ | PROT_WRITE);
    r->brk = (uintptr_t)result;
}

static void after_mmap(struct vmti_region *r, struct vmti_thread *t, int64_t result)
{
    uintptr_t start = (uintptr_t)result, end = page_up(start + t->call.args[1]);
    uint64_t flags = t->call.args[3];
    if (vmti_any_tracked(start, end)) /* by an unmapping whose end has not been seen yet */
        vmti_forget(r, start, end);
    bool private_anonymous = (flags & MAP_ANONYMOUS) && (flags & MAP_TYPE) == MAP_PRIVATE;
    if (!(flags & MAP_ANONYMOUS) && r->rings)
        vmti_ring_mapped(r, (int)t->call.args[4], t->call.args[5], start);
    if (!private_anonymous || !r->in_allocator(r, t))
        return;
    if (flags & MAP_HUGETLB) { /* has one protection for each huge page (mm/hugetlb.c, hugetlb_vm_op_split) */
        set_words(r, start, end, UINT32_MAX, VMTI_DIR_KNOWN);
        return;
    }
    /* With a first page that is there, all parts of the mapping share its anon_vma, and merge again when they are
     * opened for an mremap, which takes no two mappings; parts that got theirs apart never do (mm/vma.c,
     * is_mergeable_anon_vma). An allocator writes there at once. Before Linux 5.14 the call does nothing. */
    if (t->call.args[2] & PROT_WRITE)
        vmti_sys(SYS_madvise, start, VMTI_PAGE_SIZE, 23 /* MADV_POPULATE_WRITE */, 0, 0, 0);
    vmti_adopt_heap(r, start, end, (int)t->call.args[2] & (PROT_READ | PROT_WRITE | PROT_EXEC));
}

/*
 * Kernels before 6.17 move only what lies in one mapping (mm/mremap.c: vma_to_resize gives EFAULT), and pages that were
 * opened one by one are many. With one protection for all they are one again: mprotect merges neighbours.
 */
static void before_mremap(struct vmti_region *r, struct vmti_thread *t)
{
    uintptr_t start = page_down(t->call.args[0]), end = page_up(start + t->call.args[1]);
    if (t->call.args[3] & MREMAP_FIXED)
        begin_to_forget(r, page_down(t->call.args[4]), page_up(t->call.args[4] + t->call.args[2]));
    t->effect[0] = vmti_any_tracked(start, end);
    if (!t->effect[0])
        return;
    begin_to_forget(r, start, end);
    uint64_t page = start >> VMTI_PAGE_SHIFT, length;
    vmti_dir_next_run(&page, end >> VMTI_PAGE_SHIFT, VMTI_DIR_TRACKED, 0); /* its first page may be exempt */
    t->effect[1] = vmti_dir_get(page) & ~VMTI_DIR_OWNER & ~VMTI_DIR_LEAVING;
    page = start >> VMTI_PAGE_SHIFT;
    while ((length = vmti_open_run(&page, end >> VMTI_PAGE_SHIFT)))
        page += length;
}

static bool is_mapped(uintptr_t page)
{
    unsigned char resident;
    return !vmti_sys(SYS_mincore, page, VMTI_PAGE_SIZE, &resident, 0, 0, 0);
}

/* The pages of a range that was moved are at their new place what they were at the old one: several mappings can be
 * moved at once (Linux 6.17: mm/mremap.c, remap_move), with what was not mapped between them. Where another thread has
 * mapped something at the old place since, what was there is not known any more, but it was of the kind of the rest. */
static void move_words(struct vmti_region *r, uintptr_t from, uintptr_t to, uintptr_t bytes, uint32_t otherwise)
{
    for (uintptr_t at = 0; at < bytes; at += VMTI_PAGE_SIZE) {
        uint32_t word = vmti_dir_get((from + at) >> VMTI_PAGE_SHIFT);
        if (word ? !(word & VMTI_DIR_LEAVING) : is_mapped(to + at))
            word = otherwise;
        set_words(r, to + at, to + at + VMTI_PAGE_SIZE, ~VMTI_DIR_OWNER, word & ~VMTI_DIR_LEAVING);
    }
}

static void after_mremap(struct vmti_region *r, struct vmti_thread *t, int64_t result)
{
    uintptr_t old_start = page_down(t->call.args[0]), old_end = page_up(old_start + t->call.args[1]);
    if (result < 0) {
        if (t->call.args[3] & MREMAP_FIXED) {
            uintptr_t target = page_down(t->call.args[4]), target_end = page_up(t->call.args[4] + t->call.args[2]);
            forget_unmapped(r, target, target_end);
            end_forgetting(r, target, target_end, false);
        }
        if (t->effect[0]) {
            forget_unmapped(r, old_start, old_end);
            end_forgetting(r, old_start, old_end, false);
        }
        return;
    }
    uintptr_t start = (uintptr_t)result, end = page_up(start + t->call.args[2]);
    bool moved = start != old_start;
    if (t->call.args[3] & MREMAP_FIXED)
        end_forgetting(r, start, end, true);
    if (moved && vmti_any_tracked(start, end))
        vmti_forget(r, start, end); /* by an unmapping whose end has not been seen yet */
    if (!t->effect[0]) {
        /* What the region has decided not to track stays so where it is moved to. */
        uint32_t known = vmti_dir_get(old_start >> VMTI_PAGE_SHIFT) & VMTI_DIR_KNOWN;
        if (known && moved)
            set_words(r, old_start, old_end, UINT32_MAX, 0);
        if (known)
            set_words(r, start, end, ~VMTI_DIR_OWNER, known);
        return;
    }
    uintptr_t kept = old_end - old_start < end - start ? old_end - old_start : end - start;
    if (moved)
        move_words(r, old_start, start, kept, (uint32_t)t->effect[1]);
    else if (end < old_end)
        end_forgetting(r, end, old_end, true);
    end_forgetting(r, old_start, old_end, moved && !(t->call.args[3] & MREMAP_DONTUNMAP));
    /* What was added is of the kind that the one mapping is which can be resized. */
    set_words(r, start + kept, end, ~VMTI_DIR_OWNER, (uint32_t)t->effect[1]);
    vmti_settle(r, start, end);
}

/* How far the pages from `at` on are mapped with this protection. */
struct stretch {
    uintptr_t at, end;
    int prot;
};

static void stretch_on(void *context, const struct vmti_map *map)
{
    struct stretch *stretch = context;
    if (map->end <= stretch->at || stretch->at >= stretch->end)
        return;
    if (map->start > stretch->at || map->prot != stretch->prot)
        stretch->end = stretch->at;
    else
        stretch->at = map->end < stretch->end ? map->end : stretch->end;
}

/*
 * mprotect changes one mapping after the other, and stops at the first that is not there or refuses (mm/mprotect.c,
 * do_mprotect_pkey). What it has changed has the new protection now. (Also pages that we had closed, where the new
 * protection is none, and the call stopped before them for lack of memory alone: that cannot be told.)
 */
static uintptr_t changed_up_to(struct vmti_region *r, uintptr_t start, uintptr_t end, int prot)
{
    struct stretch stretch = {start, end, prot};
    int error = vmti_maps_read(stretch_on, &stretch);
    if (error)
        vmti_lose(r, error, VMTI_STEP_TASKS);
    return stretch.at;
}

static void after_mprotect(struct vmti_region *r, struct vmti_thread *t, int64_t error)
{
    uintptr_t start = page_down(t->call.args[0]), end = page_up(t->call.args[0] + t->call.args[1]);
    int prot = (int)t->call.args[2] & (PROT_READ | PROT_WRITE | PROT_EXEC);
    if (error && error != -ENOMEM && error != -EACCES && error != -EPERM)
        return;
    if (error && !vmti_any_tracked(start, end))
        return;
    if (error)
        end = changed_up_to(r, start, end, prot);
    if (start >= end)
        return;
    uint64_t page = start >> VMTI_PAGE_SHIFT, limit = end >> VMTI_PAGE_SHIFT, length;
    if (prot == PROT_NONE)
        vmti_drop_range(r, start, end);
    else if (!error && r->in_allocator(r, t)) /* an arena grows into address space that it had reserved */
        adopt_unknown(r, start, end, prot);
    while ((length = vmti_dir_next_run(&page, limit, VMTI_DIR_TRACKED, 0))) {
        vmti_dir_set(page, page + length - 1, VMTI_DIR_PROT, (uint32_t)prot << VMTI_DIR_PROT_SHIFT);
        page += length;
    }
    vmti_settle(r, start, end);
}

/* ------------------------------------------------------------------------------------------- advice */

/* Advice of newer kernels than the headers that we are built with (include/uapi/asm-generic/mman-common.h). */
enum {
    ADVICE_POPULATE_READ = 22,
    ADVICE_POPULATE_WRITE = 23,
    ADVICE_DONTNEED_LOCKED = 24,
    ADVICE_COLLAPSE = 25,
    ADVICE_GUARD_INSTALL = 102,
};

/* Advice that gives the content away: the pages are new when they are used next, and their next use is a touch. */
static bool discards(uint64_t advice)
{
    return advice == MADV_DONTNEED || advice == MADV_FREE || advice == MADV_REMOVE ||
           advice == ADVICE_DONTNEED_LOCKED || advice == ADVICE_GUARD_INSTALL;
}

/* Advice that brings pages in as an access would, and such that needs its huge page in one mapping. */
static bool needs_open(uint64_t advice)
{
    return advice == ADVICE_POPULATE_READ || advice == ADVICE_POPULATE_WRITE || advice == ADVICE_COLLAPSE;
}

/* Advice and calls that bring pages in as an access would (mm/gup.c refuses a closed page): open for the call. */
static void open_for_call(struct vmti_region *r, struct vmti_thread *t, uintptr_t start, uintptr_t end)
{
    struct vmti_span *span = end > start ? vmti_pin(r, t, start, end, true) : NULL;
    if (span)
        span->done = VMTI_DONE_RECORDED; /* nothing: no byte of it is read or written */
}

static void before_mlock(struct vmti_region *r, struct vmti_thread *t)
{
    if (t->call.nr != SYS_mlockall)
        open_for_call(r, t, page_down(t->call.args[0]), page_up(t->call.args[0] + t->call.args[1]));
    else if ((t->call.args[0] & (MCL_CURRENT | MCL_ONFAULT)) == MCL_CURRENT) /* brings in all that there is */
        open_for_call(r, t, VMTI_PAGE_SIZE, (uintptr_t)1 << VMTI_ADDRESS_BITS);
}

/* Advice that failed has been followed in a part of the range; what is gone has no page any more (mincore(2)). */
static void drop_discarded(struct vmti_region *r, uintptr_t start, uintptr_t end)
{
    uint64_t page = start >> VMTI_PAGE_SHIFT, limit = end >> VMTI_PAGE_SHIFT, length;
    while ((length = vmti_dir_next_run(&page, limit, VMTI_DIR_TRACKED, 0)))
        for (; length; length--, page++) {
            unsigned char resident = 0;
            uintptr_t at = page << VMTI_PAGE_SHIFT;
            if (!vmti_sys(SYS_mincore, at, VMTI_PAGE_SIZE, &resident, 0, 0, 0) && !(resident & 1))
                drop_content(r, at, at + VMTI_PAGE_SIZE);
        }
}

static void follow_advice(struct vmti_region *r, uintptr_t start, uintptr_t end, uint64_t advice, bool everywhere)
{
    if (start >= end || !discards(advice))
        return;
    if (everywhere)
        drop_content(r, start, end);
    else
        drop_discarded(r, start, end);
    vmti_settle(r, start, end);
}

static void after_madvise(struct vmti_region *r, struct vmti_thread *t, int64_t error)
{
    /* ENOMEM: a part was not mapped, and all the rest is done (mm/madvise.c, madvise_walk_vmas). */
    follow_advice(r, page_down(t->call.args[0]), page_up(t->call.args[0] + t->call.args[1]), t->call.args[2],
                  !error || error == -ENOMEM);
}

/* Does the descriptor of a process_madvise() name this process? */
static bool names_this_process(struct vmti_walk *walk, int fd)
{
    enum { SELF_THREAD = -10000, SELF_THREAD_GROUP = -20000 }; /* include/uapi/linux/pidfd.h, Linux 6.14 */
    uint64_t pid;
    if (fd == SELF_THREAD || fd == SELF_THREAD_GROUP)
        return true;
    if (!vmti_walk_fdinfo(walk, fd, "Pid", &pid))
        return false;
    if (pid == (uint64_t)walk->region->pid)
        return true;
    for (const struct vmti_thread *t = walk->region->threads; t; t = t->hh.next)
        if (pid == (uint64_t)t->tid && !t->other_process)
            return true; /* PIDFD_THREAD */
    return false;
}

/* On the process itself all advice is allowed (Linux 6.13: mm/madvise.c, process_madvise). effect[0]: how many
 * ranges. */
static void before_process_madvise(struct vmti_region *r, struct vmti_thread *t)
{
    struct vmti_walk walk = {.region = r, .thread = t, .call = &t->call, .row = t->row, .entry = -1};
    uint64_t count = t->call.args[2];
    t->effect[0] = 0;
    if (!count || count > VMTI_UIO_MAXIOV || !(discards(t->call.args[3]) || needs_open(t->call.args[3])) ||
        !names_this_process(&walk, (int)t->call.args[0]))
        return;
    if (!t->ranges && !(t->ranges = vmti_arena_alloc(&r->arena, VMTI_UIO_MAXIOV * sizeof *t->ranges))) {
        vmti_lose(r, -ENOMEM, VMTI_STEP_MEMORY);
        return;
    }
    if (!vmti_walk_read(&walk, t->ranges, t->call.args[1], count * sizeof *t->ranges))
        return;
    t->effect[0] = count;
    for (uint64_t i = 0; needs_open(t->call.args[3]) && i < count; i++)
        open_for_call(r, t, page_down(t->ranges[i].start), page_up(t->ranges[i].start + t->ranges[i].bytes));
}

static void after_process_madvise(struct vmti_region *r, struct vmti_thread *t, int64_t result)
{
    uint64_t done = result < 0 ? 0 : (uint64_t)result;
    for (uint64_t i = 0; i < t->effect[0]; i++) {
        uintptr_t start = page_down(t->ranges[i].start), end = page_up(t->ranges[i].start + t->ranges[i].bytes);
        bool whole = done >= t->ranges[i].bytes;
        follow_advice(r, start, end, t->call.args[3], whole);
        if (!whole) /* it failed in this one, and there it ended */
            break;
        done -= t->ranges[i].bytes;
    }
}

/* ------------------------------------------------------------------------------------------- shared memory */

/* effect[0], effect[1]: what the segment will cover, if that replaces what is there (SHM_REMAP). */
static void before_shmat(struct vmti_region *r, struct vmti_thread *t)
{
    struct shmid_ds segment;
    uintptr_t start = page_down(t->call.args[1]); /* SHMLBA is a page here */
    t->effect[0] = t->effect[1] = 0;
    if (!(t->call.args[2] & SHM_REMAP) || !start ||
        vmti_sys(SYS_shmctl, t->call.args[0], IPC_STAT, &segment, 0, 0, 0) < 0)
        return;
    t->effect[0] = start;
    t->effect[1] = page_up(start + segment.shm_segsz);
    begin_to_forget(r, t->effect[0], t->effect[1]);
}

/* The one mapping of a segment ends where the range ends that is forgotten. */
static void forget_segment(void *context, const struct vmti_map *map)
{
    struct gaps *gaps = context;
    if (map->start == gaps->at && vmti_any_tracked(map->start, map->end))
        vmti_forget(gaps->region, map->start, map->end);
}

static void after_shmat(struct vmti_region *r, struct vmti_thread *t, bool failed, int64_t result)
{
    struct gaps segment = {r, (uintptr_t)result, 0};
    if (t->effect[1])
        end_forgetting(r, t->effect[0], t->effect[1], !failed);
    else if (!failed)
        vmti_maps_read(forget_segment, &segment);
}

/* ------------------------------------------------------------------------------------------- io_uring */

static void after_io_uring(struct vmti_region *r, struct vmti_thread *t, int64_t result)
{
    enum { REGISTER_PBUF_RING = 22, REGISTER_RESIZE_RINGS = 33, PBUF = 40, PBUF_FLAGS = 14, PBUF_MMAP = 1 };
    unsigned char buffers[PBUF];
    struct vmti_walk walk = {.region = r, .thread = t, .call = &t->call, .row = t->row, .entry = -1};
    if (t->call.nr == 425) /* io_uring_setup */
        vmti_ring_note(r, t, (int)result, t->call.args[1]);
    else if ((uint32_t)t->call.args[1] == REGISTER_RESIZE_RINGS)
        vmti_ring_note(r, t, (int)t->call.args[0], t->call.args[2]);
    else if ((uint32_t)t->call.args[1] == REGISTER_PBUF_RING &&
             vmti_walk_read(&walk, buffers, t->call.args[2], sizeof buffers) && !(buffers[PBUF_FLAGS] & PBUF_MMAP))
        vmti_ring_note_buffers(r, t, vmti_word_at(buffers, 0), vmti_half_at(buffers, 8));
}

/* ------------------------------------------------------------------------------------------- threads' ends */

/*
 * When a thread ends, the kernel marks the futexes of its robust list (kernel/futex/core.c, exit_robust_list), and
 * gives up without a word where it meets a closed page. They are opened here; the list is as long as the kernel's own
 * limit.
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
        /* The kernel reads the frame that lies from the stack pointer, or from just below it, on (sys_rt_sigreturn). */
        uintptr_t frame = t->call.sp - VMTI_SIGFRAME_TAKEN;
        struct vmti_span *span = vmti_pin(r, t, frame, frame + r->sigframe_bytes, false);
        if (span)
            span->done = VMTI_DONE_RECORDED; /* how much of it is the frame is not known */
        break;
    }
    case VMTI_EFFECT_MMAP:
        /* What lies there goes with the call; see begin_to_forget. */
        if (t->call.args[3] & MAP_FIXED)
            begin_to_forget(r, page_down(t->call.args[0]), page_up(t->call.args[0] + t->call.args[1]));
        break;
    case VMTI_EFFECT_BRK:
        before_brk(r, t);
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
        before_mlock(r, t);
        break;
    case VMTI_EFFECT_MADVISE:
        if (needs_open(t->call.args[2]))
            open_for_call(r, t, page_down(t->call.args[0]), page_up(t->call.args[0] + t->call.args[1]));
        break;
    case VMTI_EFFECT_PROCESS_MADVISE:
        before_process_madvise(r, t);
        break;
    case VMTI_EFFECT_SHMAT:
        before_shmat(r, t);
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
    case VMTI_EFFECT_PRCTL:
        if (t->call.args[0] == VMTI_PR_SET_MDWE)
            vmti_exempt_code(r);
        break;
    case VMTI_EFFECT_RETAINED:
        /* set_tid_address, set_robust_list, rseq: the kernel keeps the address and comes back to it without a call. The
         * latter two tell the size; and no more, for what lies behind may be the program's heap. */
        vmti_exempt(r, t->call.args[0],
                    t->call.args[0] + (t->call.nr == SYS_set_tid_address ? sizeof(int) : (uint32_t)t->call.args[1]));
        break;
    default:
        break;
    }
}

void vmti_effect_after(struct vmti_region *r, struct vmti_thread *t, int64_t result)
{
    bool failed = result < 0 && result > -4096;
    uintptr_t start = page_down(t->call.args[0]), end = page_up(t->call.args[0] + t->call.args[1]);
    switch (t->row->effect) {
    case VMTI_EFFECT_BRK:
        after_brk(r, t, result); /* returns the end of the heap, changed or not (mm/mmap.c) */
        break;
    case VMTI_EFFECT_MMAP:
        if (t->call.args[3] & MAP_FIXED) {
            if (failed)
                forget_unmapped(r, start, end);
            end_forgetting(r, start, end, !failed);
        }
        if (!failed)
            after_mmap(r, t, result);
        break;
    case VMTI_EFFECT_MUNMAP:
        end_forgetting(r, start, end, !failed);
        break;
    case VMTI_EFFECT_MREMAP:
        after_mremap(r, t, failed ? -1 : result);
        break;
    case VMTI_EFFECT_MPROTECT:
        after_mprotect(r, t, result);
        break;
    case VMTI_EFFECT_MADVISE:
        after_madvise(r, t, result);
        break;
    case VMTI_EFFECT_PROCESS_MADVISE:
        after_process_madvise(r, t, result);
        break;
    case VMTI_EFFECT_SHMAT:
        after_shmat(r, t, failed, result);
        break;
    case VMTI_EFFECT_IO_URING:
        if (!failed)
            after_io_uring(r, t, result);
        break;
    default:
        break;
    }
}
