/* SPDX-License-Identifier: MIT */
/* Runs in the malloc wrappers and in the catcher: async-signal-safe, raw system calls only. */
#define _GNU_SOURCE
#include "live.h"

#include <dlfcn.h>

#include "arena.h"
#include "os.h"
#include "pagedir.h"
#include "pagemap.h"
#include "trace_format.h"

bool vmti_live_on;

/* ------------------------------------------------------------------------------------------- the counts */

/* One word a page, in chunks as the directory's: the bytes that are live now below, the most at once above. */
enum { CHUNK_PAGES = 1 << VMTI_DIR_CHUNK_SHIFT, MOST_SHIFT = 16, NOW = 0xffff };
_Static_assert(VMTI_PAGE_SIZE <= NOW, "a page's bytes fit into half of a word");

struct chunk {
    struct chunk *next; /* made before it */
    _Atomic uint32_t word[CHUNK_PAGES];
};

static _Atomic(struct chunk *) top[VMTI_DIR_TOP], chunks;
static _Atomic bool incomplete; /* some blocks are not in the counts */

static struct chunk *get_chunk(uint64_t index)
{
    struct chunk *chunk = atomic_load_explicit(&top[index], memory_order_acquire);
    if (chunk)
        return chunk;
    struct chunk *fresh = vmti_os_map(sizeof *fresh);
    if (!fresh) {
        atomic_store(&incomplete, true);
        return NULL;
    }
    if (!atomic_compare_exchange_strong(&top[index], &chunk, fresh)) {
        vmti_os_unmap(fresh, sizeof *fresh); /* another thread was first */
        return chunk;
    }
    fresh->next = atomic_load(&chunks);
    while (!atomic_compare_exchange_weak(&chunks, &fresh->next, fresh))
        ;
    return fresh;
}

static uint32_t with(uint32_t word, uint32_t now)
{
    uint32_t most = word >> MOST_SHIFT;
    return (now > most ? now : most) << MOST_SHIFT | now;
}

static void change(_Atomic uint32_t *word, uint32_t bytes, bool comes)
{
    uint32_t old = atomic_load_explicit(word, memory_order_relaxed), now;
    do {
        /* Never outside of a page's bytes, whatever an allocator says. */
        if (comes)
            now = (old & NOW) + bytes < VMTI_PAGE_SIZE ? (old & NOW) + bytes : VMTI_PAGE_SIZE;
        else
            now = (old & NOW) > bytes ? (old & NOW) - bytes : 0;
    } while (
        !atomic_compare_exchange_weak_explicit(word, &old, with(old, now), memory_order_relaxed, memory_order_relaxed));
}

static void change_block(const void *block, size_t bytes, bool comes)
{
    uintptr_t at = (uintptr_t)block, end = at + bytes;
    if (!block)
        return;
    for (uintptr_t next; at < end; at = next) {
        uint64_t page = at >> VMTI_PAGE_SHIFT, index = page >> VMTI_DIR_CHUNK_SHIFT;
        struct chunk *chunk = index < VMTI_DIR_TOP ? get_chunk(index) : NULL;
        next = (at | (VMTI_PAGE_SIZE - 1)) + 1;
        if (chunk)
            change(&chunk->word[page & (CHUNK_PAGES - 1)], (uint32_t)((next < end ? next : end) - at), comes);
    }
}

void vmti_live_add(const void *block, size_t bytes)
{
    change_block(block, bytes, true);
}

void vmti_live_remove(const void *block, size_t bytes)
{
    change_block(block, bytes, false);
}

uint32_t vmti_live_most(uint64_t page)
{
    uint64_t index = page >> VMTI_DIR_CHUNK_SHIFT;
    struct chunk *chunk = index < VMTI_DIR_TOP ? atomic_load_explicit(&top[index], memory_order_acquire) : NULL;
    return chunk ? atomic_load_explicit(&chunk->word[page & (CHUNK_PAGES - 1)], memory_order_relaxed) >> MOST_SHIFT : 0;
}

void vmti_live_begin(void)
{
    for (struct chunk *chunk = atomic_load(&chunks); chunk; chunk = chunk->next)
        for (uint32_t i = 0; i < CHUNK_PAGES; i++) {
            uint32_t old = atomic_load_explicit(&chunk->word[i], memory_order_relaxed);
            while (old && !atomic_compare_exchange_weak(&chunk->word[i], &old, with(0, old & NOW)))
                ;
        }
}

void vmti_live_conclude(struct vmti_region *r)
{
    if (!r->live_bytes)
        return;
    r->counts.live_bytes = VMTI_TRACE_NO_LIVE_BYTES;
    if (r->live_room < r->counts.footprint) {
        r->live = vmti_arena_alloc(&r->arena, r->counts.footprint * sizeof *r->live);
        r->live_room = r->live ? r->counts.footprint : 0;
    }
    if (atomic_load(&incomplete) || (r->counts.footprint && !r->live))
        return;
    uint64_t i = 0;
    r->counts.live_bytes = 0;
    for (const struct vmti_page *page = r->pages; page; page = page->hh.next) {
        if (!page->touches) /* only threads that do not count have opened it */
            continue;
        r->live[i] = (uint16_t)vmti_live_most(page->page);
        r->counts.live_bytes += r->live[i++];
    }
}

/* ------------------------------------------------------------------------------------------- the functions */

/* The next definitions that count nothing. A block goes from the counts before it goes, and comes when it is there: so
 * another thread that gets its memory never makes a page's sum larger than what was live. */
static struct vmti_next real;

static size_t size_of(void *p)
{
    return p ? real.malloc_usable_size(p) : 0;
}

static void *came(void *p)
{
    vmti_live_add(p, size_of(p));
    return p;
}

static void *counted_malloc(size_t bytes)
{
    return came(real.malloc(bytes));
}

static void counted_free(void *p)
{
    vmti_live_remove(p, size_of(p));
    real.free(p);
}

static void *counted_calloc(size_t count, size_t bytes)
{
    return came(real.calloc(count, bytes));
}

static void *counted_realloc(void *old, size_t bytes)
{
    size_t had = size_of(old);
    vmti_live_remove(old, had);
    void *p = real.realloc(old, bytes);
    if (!p && bytes) /* it failed, and the old block is there still */
        vmti_live_add(old, had);
    return came(p);
}

static int counted_posix_memalign(void **out, size_t alignment, size_t bytes)
{
    int error = real.posix_memalign(out, alignment, bytes);
    if (!error)
        came(*out);
    return error;
}

static void *counted_aligned_alloc(size_t alignment, size_t bytes)
{
    return came(real.aligned_alloc(alignment, bytes));
}

static void *counted_memalign(size_t alignment, size_t bytes)
{
    return came(real.memalign(alignment, bytes));
}

static void *counted_valloc(size_t bytes)
{
    return came(real.valloc(bytes));
}

static void *counted_pvalloc(size_t bytes)
{
    return came(real.pvalloc(bytes));
}

/* ------------------------------------------------------------------------------------------- the start */

static void *library_of(const void *address)
{
    Dl_info info;
    return dladdr(address, &info) ? info.dli_fbase : NULL;
}

/* An allocator that brings operators of its own has them in one library with its malloc. tcmalloc's uses them as it
 * starts. */
bool vmti_live_note_operator(const void *definition, const void *caller)
{
    void *library = library_of((void *)real.malloc);
    if (!library || library_of(definition) != library)
        return true;
    if (library_of(caller) == library)
        return false;
    atomic_store(&incomplete, true);
    return true;
}

void vmti_live_start(struct vmti_next *next)
{
    if (!next->malloc_usable_size)
        return;
    real = *next;
    next->malloc = counted_malloc;
    next->free = counted_free;
    next->calloc = counted_calloc;
    next->realloc = counted_realloc;
    next->reallocarray = NULL; /* libc's calls realloc, which would count again: the wrapper does so too where there is
                                * none */
    next->posix_memalign = real.posix_memalign ? counted_posix_memalign : NULL;
    next->aligned_alloc = real.aligned_alloc ? counted_aligned_alloc : NULL;
    next->memalign = real.memalign ? counted_memalign : NULL;
    next->valloc = real.valloc ? counted_valloc : NULL;
    next->pvalloc = real.pvalloc ? counted_pvalloc : NULL;
    vmti_live_on = true;
}
