/* SPDX-License-Identifier: MIT */
/*
 * Wrappers of the malloc family and of the C++ operators. They take no lock, allocate nothing through malloc, and change
 * nothing about what the allocator underneath returns, so they may run wherever that allocator may.
 *
 * They note which pages hold malloc'd memory (owners.h has the rule). Almost always the page is known already and a note
 * is two loads and a compare. Inside a region a page that it does not know yet is handed to the catcher by a system call
 * that does not exist (vmti_tell); one that is needs nothing.
 */
#define _GNU_SOURCE
#include "wrap.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "owners.h"
#include "pagedir.h"
#include "tell.h"

_Atomic uint32_t vmti_note_mask = VMTI_DIR_HEAP;
_Atomic bool vmti_in_region;
__thread int vmti_allocator_depth;

#define PUBLIC __attribute__((visibility("default")))
/* The tags of std::nothrow_t and std::align_val_t in mangled names; their values are passed on. */
typedef const void *nothrow_tag;

/* The next definitions. */
static struct {
    void *(*malloc)(size_t);
    void (*free)(void *);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void *(*reallocarray)(void *, size_t, size_t);
    int (*posix_memalign)(void **, size_t, size_t);
    void *(*aligned_alloc)(size_t, size_t);
    void *(*memalign)(size_t, size_t);
    void *(*valloc)(size_t);
    void *(*pvalloc)(size_t);
    size_t (*malloc_usable_size)(void *);
    void *(*new_)(size_t);
    void *(*new_array)(size_t);
    void *(*new_nothrow)(size_t, nothrow_tag);
    void *(*new_array_nothrow)(size_t, nothrow_tag);
    void *(*new_aligned)(size_t, size_t);
    void *(*new_array_aligned)(size_t, size_t);
    void *(*new_aligned_nothrow)(size_t, size_t, nothrow_tag);
    void *(*new_array_aligned_nothrow)(size_t, size_t, nothrow_tag);
} next;

/* ------------------------------------------------------------------------------------------- finding the next */

/* dlsym may allocate before we know an allocator (its error text, calloc'd). Such memory comes from here and is never
 * given back. */
static _Alignas(16) char early[16 * 1024];
static _Atomic size_t early_used;

static void *early_alloc(size_t bytes)
{
    bytes = (bytes + 15) & ~(size_t)15;
    size_t at = atomic_fetch_add(&early_used, bytes);
    if (bytes > sizeof early || at > sizeof early - bytes)
        return NULL;
    return early + at;
}

static bool is_early(const void *p)
{
    return (const char *)p >= early && (const char *)p < early + sizeof early;
}

static _Atomic bool resolved, resolving;

static void die(const char *name)
{
    static const char text[] = "vmt: no definition of this function beneath libvmt (is the program linked statically?): ";
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0 || write(STDERR_FILENO, name, strlen(name)) < 0 ||
        write(STDERR_FILENO, "\n", 1) < 0)
        _exit(125);
    _exit(125);
}

static void resolve(void)
{
    if (atomic_exchange(&resolving, true))
        return; /* this thread, inside dlsym; or another, before there is a second thread: not possible */
#define NEXT(field, symbol) *(void **)&next.field = dlsym(RTLD_NEXT, symbol)
    NEXT(malloc, "malloc");
    NEXT(free, "free");
    NEXT(calloc, "calloc");
    NEXT(realloc, "realloc");
    if (!next.malloc || !next.free || !next.calloc || !next.realloc)
        die("malloc");
    NEXT(reallocarray, "reallocarray");
    NEXT(posix_memalign, "posix_memalign");
    NEXT(aligned_alloc, "aligned_alloc");
    NEXT(memalign, "memalign");
    NEXT(valloc, "valloc");
    NEXT(pvalloc, "pvalloc");
    NEXT(malloc_usable_size, "malloc_usable_size");
    atomic_store(&resolved, true);
}

static inline bool ready(void)
{
    if (vmti_unlikely(!atomic_load_explicit(&resolved, memory_order_acquire)))
        resolve();
    return next.malloc != NULL;
}

/*
 * C++ operators: libstdc++ may be loaded after us, so each is looked up at its first call. Where it came with a plug-in whose
 * symbols are local (dlopen(3), RTLD_LOCAL), it is found among the libraries of the plug-in, which is the caller.
 */
static void *next_operator(const char *symbol, void *own, const void *caller)
{
    void *p = dlsym(RTLD_NEXT, symbol);
    Dl_info info;
    if (!p && dladdr(caller, &info)) {
        void *plugin = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
        p = plugin ? dlsym(plugin, symbol) : NULL;
        if (plugin)
            dlclose(plugin);
    }
    if (!p || p == own)
        die(symbol);
    return p;
}

bool vmti_wrap_in_use(void)
{
    /* The name malloc may be bound to another library's here, too: what counts is which object the first one lies in. */
    Dl_info first, own;
    if (!dladdr(dlsym(RTLD_DEFAULT, "malloc"), &first) || !dladdr((void *)vmti_wrap_in_use, &own))
        return false;
    /* A program that is not position-independent and takes the address of malloc has an entry of its own for it, which
     * leads to the first definition after the program. */
    bool in_program = getauxval(AT_PHDR) - (uintptr_t)first.dli_fbase < VMTI_PAGE_SIZE;
    return first.dli_fbase == own.dli_fbase || in_program;
}

/* ------------------------------------------------------------------------------------------- notes */

static void own_page(uint64_t page, uint32_t owner)
{
    vmti_dir_set(page, page, VMTI_DIR_OWNER | VMTI_DIR_HEAP, VMTI_DIR_HEAP | owner);
}

/* The owner that this thread made last: the next page of a run of small allocations joins it. */
static __thread uint32_t last_owner;

static void own_small(uint64_t page, size_t bytes, uintptr_t site)
{
    uint32_t word = vmti_dir_get(page);
    if (word & (VMTI_DIR_HEAP | VMTI_DIR_RANGE) && word & VMTI_DIR_OWNER)
        return;
    if (!last_owner || !vmti_owner_extend(last_owner, page, site))
        last_owner = vmti_owner_new(page, 1, bytes, site, 0);
    own_page(page, last_owner);
}

static __attribute__((noinline)) void note_slowly(uintptr_t p, size_t bytes, uintptr_t site)
{
    uint64_t first = p >> VMTI_PAGE_SHIFT, last = (p + (bytes ? bytes - 1 : 0)) >> VMTI_PAGE_SHIFT;
    if (bytes < VMTI_PAGE_SIZE) {
        own_small(first, bytes, site);
        if (last != first)
            own_small(last, bytes, site);
    } else {
        /* Pages at the edges belong to this allocation if it covers at least half of them. */
        uint64_t own_first = first + ((p & (VMTI_PAGE_SIZE - 1)) > VMTI_PAGE_SIZE / 2);
        uint64_t own_last = last - (((p + bytes - 1) & (VMTI_PAGE_SIZE - 1)) < VMTI_PAGE_SIZE / 2);
        if (own_first <= own_last) {
            uint32_t owner = vmti_owner_new(own_first, (uint32_t)(own_last - own_first + 1), bytes, site, 0);
            /* Names given by vmt_track() stay. */
            uint64_t page = own_first;
            while (page <= own_last) {
                uint64_t run = page;
                while (run <= own_last && !(vmti_dir_get(run) & VMTI_DIR_RANGE))
                    run++;
                if (run > page)
                    vmti_dir_set(page, run - 1, VMTI_DIR_OWNER | VMTI_DIR_HEAP, VMTI_DIR_HEAP | owner);
                if (run <= own_last)
                    vmti_dir_set(run, run, VMTI_DIR_HEAP, VMTI_DIR_HEAP);
                page = run + 1;
            }
        }
        if (own_first != first || own_first > own_last)
            own_small(first, bytes, site);
        if (own_last != last || own_first > own_last)
            own_small(last, bytes, site);
    }
    uint32_t mask = atomic_load_explicit(&vmti_note_mask, memory_order_relaxed);
    if (mask & VMTI_DIR_KNOWN) {
        for (uint64_t page = first; page <= last; page++)
            if (!(vmti_dir_get(page) & VMTI_DIR_KNOWN)) {
                vmti_tell(VMTI_TELL_ADOPT, first << VMTI_PAGE_SHIFT, (last + 1) << VMTI_PAGE_SHIFT);
                break;
            }
    }
}

static inline void note(const void *pointer, size_t bytes, const void *site)
{
    uintptr_t p = (uintptr_t)pointer;
    if (vmti_unlikely(!p))
        return;
    if (vmti_likely(bytes < VMTI_PAGE_SIZE)) {
        uint32_t mask = atomic_load_explicit(&vmti_note_mask, memory_order_relaxed);
        uint32_t word = vmti_dir_get(p >> VMTI_PAGE_SHIFT) & vmti_dir_get((p + bytes - !!bytes) >> VMTI_PAGE_SHIFT);
        if (vmti_likely((word & mask) == mask))
            return;
    }
    note_slowly(p, bytes, (uintptr_t)site);
}

/*
 * Outside a region, a large block that goes back to the system takes its notes with it, or they would be taken for those
 * of what is mapped there next. (Inside one the catcher sees the munmap.) Large blocks begin at the start of a page, or
 * behind a short header.
 */
enum { LARGE_BYTES = 64 * 1024, HEADER_BYTES = 64 };

static __attribute__((noinline)) void forget_large(uintptr_t p)
{
    size_t bytes = next.malloc_usable_size ? next.malloc_usable_size((void *)p) : 0;
    /* Not the last page, if it is not all of this block: others may lie in it. */
    if (bytes >= LARGE_BYTES)
        vmti_dir_set(p >> VMTI_PAGE_SHIFT, ((p + bytes) >> VMTI_PAGE_SHIFT) - 1, VMTI_DIR_HEAP | VMTI_DIR_OWNER, 0);
}

static inline void forget(const void *p)
{
    if (vmti_unlikely(((uintptr_t)p & (VMTI_PAGE_SIZE - 1)) <= HEADER_BYTES) && p &&
        !atomic_load_explicit(&vmti_in_region, memory_order_relaxed))
        forget_large((uintptr_t)p);
}

/* Inside a region the catcher must know which mappings an allocator makes. The counter is left alone outside. */
static inline bool enter(void)
{
    if (vmti_likely(!atomic_load_explicit(&vmti_in_region, memory_order_relaxed)))
        return false;
    vmti_allocator_depth++;
    return true;
}

static inline void leave(const bool *entered)
{
    if (vmti_unlikely(*entered))
        vmti_allocator_depth--;
}

/* Left on return, and when an exception passes (operator new): built with -fexceptions. */
#define INSIDE_ALLOCATOR __attribute__((cleanup(leave), unused)) bool entered = enter()
#define SITE __builtin_return_address(0)

/* ------------------------------------------------------------------------------------------- the family */

static void *out_of_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

PUBLIC void *malloc(size_t bytes)
{
    if (vmti_unlikely(!ready()))
        return early_alloc(bytes);
    INSIDE_ALLOCATOR;
    void *p = next.malloc(bytes);
    note(p, bytes, SITE);
    return p;
}

PUBLIC void free(void *p)
{
    if (vmti_unlikely(is_early(p)) || vmti_unlikely(!ready()))
        return;
    forget(p);
    INSIDE_ALLOCATOR;
    next.free(p);
}

PUBLIC void *calloc(size_t count, size_t bytes)
{
    size_t all;
    if (vmti_unlikely(!ready()))
        return __builtin_mul_overflow(count, bytes, &all) ? NULL : early_alloc(all);
    INSIDE_ALLOCATOR;
    void *p = next.calloc(count, bytes);
    note(p, count * bytes, SITE);
    return p;
}

static void *move_early(void *from, size_t bytes)
{
    void *to = next.malloc ? next.malloc(bytes) : early_alloc(bytes);
    if (to) {
        size_t left = (size_t)(early + sizeof early - (char *)from);
        memcpy(to, from, bytes < left ? bytes : left);
    }
    return to;
}

/* A block was to be resized. If that failed, the old one is there still. */
static inline void note_moved(void *p, size_t bytes, void *old, const void *site)
{
    if (vmti_likely(p != NULL))
        note(p, bytes, site);
    else if (old && bytes && next.malloc_usable_size)
        note(old, next.malloc_usable_size(old), site);
}

PUBLIC void *realloc(void *old, size_t bytes)
{
    if (vmti_unlikely(is_early(old)) || vmti_unlikely(!ready()))
        return old ? move_early(old, bytes) : early_alloc(bytes);
    forget(old);
    INSIDE_ALLOCATOR;
    void *p = next.realloc(old, bytes);
    note_moved(p, bytes, old, SITE);
    return p;
}

PUBLIC void *reallocarray(void *old, size_t count, size_t bytes)
{
    size_t all;
    if (__builtin_mul_overflow(count, bytes, &all))
        return out_of_memory();
    if (vmti_unlikely(is_early(old)) || vmti_unlikely(!ready()))
        return old ? move_early(old, all) : early_alloc(all);
    forget(old);
    INSIDE_ALLOCATOR;
    void *p = next.reallocarray ? next.reallocarray(old, count, bytes) : next.realloc(old, all);
    note_moved(p, all, old, SITE);
    return p;
}

PUBLIC int posix_memalign(void **out, size_t alignment, size_t bytes)
{
    if (!ready() || !next.posix_memalign)
        return ENOMEM;
    INSIDE_ALLOCATOR;
    int error = next.posix_memalign(out, alignment, bytes);
    if (!error)
        note(*out, bytes, SITE);
    return error;
}

PUBLIC void *aligned_alloc(size_t alignment, size_t bytes)
{
    if (!ready() || !next.aligned_alloc)
        return out_of_memory();
    INSIDE_ALLOCATOR;
    void *p = next.aligned_alloc(alignment, bytes);
    note(p, bytes, SITE);
    return p;
}

PUBLIC void *memalign(size_t alignment, size_t bytes)
{
    if (!ready() || !next.memalign)
        return out_of_memory();
    INSIDE_ALLOCATOR;
    void *p = next.memalign(alignment, bytes);
    note(p, bytes, SITE);
    return p;
}

PUBLIC void *valloc(size_t bytes)
{
    if (!ready() || !next.valloc)
        return out_of_memory();
    INSIDE_ALLOCATOR;
    void *p = next.valloc(bytes);
    note(p, bytes, SITE);
    return p;
}

PUBLIC void *pvalloc(size_t bytes)
{
    if (!ready() || !next.pvalloc)
        return out_of_memory();
    INSIDE_ALLOCATOR;
    void *p = next.pvalloc(bytes);
    note(p, bytes, SITE);
    return p;
}

PUBLIC size_t malloc_usable_size(void *p)
{
    if (is_early(p) || !ready() || !next.malloc_usable_size)
        return 0;
    return next.malloc_usable_size(p);
}

/* ------------------------------------------------------------------------------------------- C++ operators */

/*
 * libstdc++'s call malloc; other allocators bring operators that do not, and theirs come after ours in symbol order.
 * Exceptions pass through these functions.
 */
#define OPERATOR(symbol, field, parameters, arguments)                                                                 \
    PUBLIC void *symbol parameters;                                                                                    \
    PUBLIC void *symbol parameters                                                                                     \
    {                                                                                                                  \
        if (vmti_unlikely(!next.field))                                                                                \
            *(void **)&next.field = next_operator(#symbol, (void *)symbol, SITE);                                      \
        INSIDE_ALLOCATOR;                                                                                              \
        void *p = next.field arguments;                                                                                \
        note(p, bytes, SITE);                                                                                          \
        return p;                                                                                                      \
    }

OPERATOR(_Znwm, new_, (size_t bytes), (bytes))
OPERATOR(_Znam, new_array, (size_t bytes), (bytes))
OPERATOR(_ZnwmRKSt9nothrow_t, new_nothrow, (size_t bytes, nothrow_tag tag), (bytes, tag))
OPERATOR(_ZnamRKSt9nothrow_t, new_array_nothrow, (size_t bytes, nothrow_tag tag), (bytes, tag))
OPERATOR(_ZnwmSt11align_val_t, new_aligned, (size_t bytes, size_t alignment), (bytes, alignment))
OPERATOR(_ZnamSt11align_val_t, new_array_aligned, (size_t bytes, size_t alignment), (bytes, alignment))
OPERATOR(_ZnwmSt11align_val_tRKSt9nothrow_t, new_aligned_nothrow, (size_t bytes, size_t alignment, nothrow_tag tag),
         (bytes, alignment, tag))
OPERATOR(_ZnamSt11align_val_tRKSt9nothrow_t, new_array_aligned_nothrow,
         (size_t bytes, size_t alignment, nothrow_tag tag), (bytes, alignment, tag))
