/* SPDX-License-Identifier: MIT */
/*
 * Wrappers of the malloc family and of the C++ operators. They take no lock, allocate nothing through malloc, and
 * change nothing about what the allocator underneath returns, so they may run wherever that allocator may.
 *
 * They note which pages hold malloc'd memory (owners.h has the rule). Almost always the page is known already and a
 * note is a look at one or two words of the directory. Inside a region a page that it does not know yet is handed to
 * the catcher by a system call that does not exist (vmti_tell); one that is needs nothing.
 *
 * malloc and free outside a region are what a program pays all the time: nothing is in their way that the common case
 * does not need, and what is rare is left to functions that take the call over.
 */
#define _GNU_SOURCE
#include "wrap.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "live.h"
#include "owners.h"
#include "pagedir.h"
#include "sanitizer.h"
#include "stacks.h"
#include "tell.h"

_Atomic uint32_t vmti_note_mask = VMTI_DIR_HEAP;
bool vmti_in_region;
__thread int vmti_allocator_depth;

/* Weak: in the static library they give way to those of a sanitizer that is linked statically as well. */
#define PUBLIC __attribute__((visibility("default"), weak))
/* The most frequent ones: in as few lines of the instruction cache as can be. */
#define HOT PUBLIC __attribute__((aligned(64)))
#define RARE static __attribute__((noinline, cold))

static void *first_malloc(size_t bytes);
static void first_free(void *p);
static void *first_calloc(size_t count, size_t bytes);
static void *first_realloc(void *old, size_t bytes);

/* Those that each program uses begin as functions that look them up. */
static struct vmti_next next = {
    .malloc = first_malloc, .free = first_free, .calloc = first_calloc, .realloc = first_realloc};

/* ------------------------------------------------------------------------------------------- finding the next */

/* dlsym may allocate before we know an allocator (its error text, calloc'd). Such memory comes from here and is never
 * given back. Each block begins a page: free() and its like have a closer look at those, and at no others. */
enum { EARLY_BYTES = 32 * VMTI_PAGE_SIZE };
static _Alignas(VMTI_PAGE_SIZE) char early[EARLY_BYTES];
static _Atomic size_t early_used;

static void *early_alloc(size_t bytes)
{
    if (bytes > EARLY_BYTES)
        return NULL;
    bytes = (bytes + !bytes + VMTI_PAGE_SIZE - 1) & ~(VMTI_PAGE_SIZE - 1);
    size_t at = atomic_fetch_add(&early_used, bytes);
    return at <= EARLY_BYTES - bytes ? early + at : NULL;
}

static bool is_early(const void *p)
{
    return (const char *)p >= early && (const char *)p < early + EARLY_BYTES;
}

static _Atomic bool resolved, resolving;

static void die(const char *name)
{
    static const char text[] =
        "vmt: no definition of this function beneath libvmt (is the program linked statically?): ";
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0 || write(STDERR_FILENO, name, strlen(name)) < 0 ||
        write(STDERR_FILENO, "\n", 1) < 0)
        _exit(125);
    _exit(125);
}

/* The environment is read by its array alone: see preload.c. libc sets it before it runs constructors. */
static const char *find_variable(const char *name)
{
    size_t n = strlen(name);
    for (char **at = environ; at && *at; at++)
        if (strncmp(*at, name, n) == 0 && (*at)[n] == '=')
            return *at + n + 1;
    return NULL;
}

/* Does the environment ask for this from the process's start on? Under `vmtrace run` its order counts, whose path comes
 * last. */
static bool is_asked_for(const char *name, const char *in_order)
{
    const char *value = find_variable(name), *run = find_variable("VMT_RUN");
    if (getauxval(AT_SECURE))
        return false;
    if (run && strncmp(run, "1;", 2) == 0) {
        const char *found = strstr(run, in_order), *path = strstr(run, ";trace=");
        return found && path && found < path;
    }
    return value && strcmp(value, "1") == 0;
}

#define NEXT(field, symbol) *(void **)&next.field = dlsym(RTLD_NEXT, symbol)

static void resolve_extras(void)
{
    NEXT(malloc_usable_size, "malloc_usable_size");
    if (is_asked_for("VMT_LIVE", ";live=1;") && !vmti_sanitizer())
        vmti_live_start(&next);
    if (is_asked_for("VMT_STACKS", ";stacks=1;"))
        vmti_stacks_start(); /* where it cannot be, vmt_begin says so */
}

static void resolve(void)
{
    if (atomic_exchange(&resolving, true))
        return; /* this thread, inside dlsym; or another, before there is a second thread: not possible */
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
    if (!vmti_sanitizer()) /* ThreadSanitizer's functions cannot be called before it has started: see
                            * watch_sanitizer() */
        resolve_extras();
    atomic_store(&resolved, true);
}

static inline bool ready(void)
{
    if (vmti_unlikely(!atomic_load_explicit(&resolved, memory_order_acquire)))
        resolve();
    return next.malloc != first_malloc;
}

void vmti_wrap_start(void)
{
    ready();
}

static void *first_malloc(size_t bytes)
{
    return ready() ? next.malloc(bytes) : early_alloc(bytes);
}

static void first_free(void *p)
{
    if (ready() && next.free != first_free)
        next.free(p);
}

static void *first_calloc(size_t count, size_t bytes)
{
    size_t all;
    if (ready() && next.calloc != first_calloc)
        return next.calloc(count, bytes);
    return __builtin_mul_overflow(count, bytes, &all) ? NULL : early_alloc(all);
}

static void *first_realloc(void *old, size_t bytes)
{
    if (ready() && next.realloc != first_realloc)
        return next.realloc(old, bytes);
    return old ? NULL : early_alloc(bytes); /* what is early itself is moved: see realloc() */
}

/*
 * C++ operators: libstdc++ may be loaded after us, so each is looked up at its first call. Where it came with a plug-in
 * whose symbols are local (dlopen(3), RTLD_LOCAL), it is found among the libraries of the plug-in, which is the caller.
 * Kept in *next_one.
 */
static void *next_operator(const char *symbol, void *own, void **next_one, const void *caller)
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
    if (!vmti_live_on || vmti_live_note_operator(p, caller))
        *next_one = p;
    return p;
}

/* Another name of our malloc, which nobody else's can take the place of. */
extern VMTI_HIDDEN const char vmti_own_malloc[];
__asm__(".globl vmti_own_malloc\n.hidden vmti_own_malloc\n.set vmti_own_malloc, malloc");

static bool is_own_malloc(void)
{
    const void *volatile named = (const void *)malloc;
    return named == vmti_own_malloc;
}

bool vmti_wrap_in_use(void)
{
    /* The name malloc may be bound to another library's here, too: what counts is which object the first one lies
     * in. */
    Dl_info first, own;
    if (!dladdr(dlsym(RTLD_DEFAULT, "malloc"), &first) || !dladdr((void *)vmti_wrap_in_use, &own))
        return false;
    bool in_program = getauxval(AT_PHDR) - (uintptr_t)first.dli_fbase < VMTI_PAGE_SIZE;
    if (first.dli_fbase == own.dli_fbase)
        return !in_program || is_own_malloc();
    /* A program that is not position-independent and takes the address of malloc has an entry of its own for it, which
     * leads to the first definition after the program. */
    return in_program && !vmti_sanitizer();
}

/* ------------------------------------------------------------------------------------------- notes */

static void own_page(uint64_t page, uint32_t owner)
{
    vmti_dir_set(page, page, VMTI_DIR_OWNER | VMTI_DIR_HEAP, VMTI_DIR_HEAP | owner);
}

/* The stack of a call of the family that returns to `site`, where that is asked for. */
static uint32_t stack_of(uintptr_t site)
{
    return vmti_unlikely(atomic_load_explicit(&vmti_stacks_on, memory_order_relaxed)) ? vmti_stack_take(site) : 0;
}

/* The owner that this thread made last: the next page of a run of small allocations joins it. */
static __thread uint32_t last_owner;

static void own_small(uint64_t page, size_t bytes, uintptr_t site)
{
    uint32_t word = vmti_dir_get(page);
    if (word & (VMTI_DIR_HEAP | VMTI_DIR_RANGE) && word & VMTI_DIR_OWNER)
        return;
    uint32_t stack = stack_of(site);
    if (!last_owner || !vmti_owner_extend(last_owner, page, site, stack))
        last_owner = vmti_owner_new(page, 1, bytes, site, 0, stack);
    own_page(page, last_owner);
}

/* Of the pages at its edges a large block owns those that it covers by at least half. */
static inline bool owns_no_start(uintptr_t first_byte)
{
    return (first_byte & (VMTI_PAGE_SIZE - 1)) > VMTI_PAGE_SIZE / 2;
}

static inline bool owns_no_end(uintptr_t last_byte)
{
    return (last_byte & (VMTI_PAGE_SIZE - 1)) < VMTI_PAGE_SIZE / 2;
}

/* Has this large block been noted just so before? One that comes and goes in a loop keeps its number. */
static bool is_noted(uintptr_t p, size_t bytes, uintptr_t site)
{
    uint64_t first = p >> VMTI_PAGE_SHIFT, last = (p + bytes - 1) >> VMTI_PAGE_SHIFT;
    const _Atomic uint32_t *words = vmti_dir_word(first);
    if (!words || (first ^ last) >> VMTI_DIR_CHUNK_SHIFT)
        return false;
    uint32_t mask = atomic_load_explicit(&vmti_note_mask, memory_order_relaxed), bits = VMTI_DIR_OWNER | mask;
    uint64_t n = last - first + 1, own = owns_no_start(p), own_end = n - owns_no_end(p + bytes - 1);
    if (own >= own_end)
        return false;
    uint32_t word = atomic_load_explicit(&words[own], memory_order_relaxed) & bits;
    const struct vmti_owner *owner = vmti_owner(word & VMTI_DIR_OWNER);
    if (!owner || owner->first_page != first + own || owner->pages != own_end - own || owner->bytes != bytes ||
        owner->site != site || owner->label)
        return false;
    uint32_t edges = atomic_load_explicit(&words[0], memory_order_relaxed) &
                     atomic_load_explicit(&words[n - 1], memory_order_relaxed);
    if ((word & edges & mask) != mask)
        return false;
    while (++own < own_end)
        if ((atomic_load_explicit(&words[own], memory_order_relaxed) & bits) != word)
            return false;
    return owner->stack == stack_of(site);
}

static void own_large(uint64_t first, uint64_t last, size_t bytes, uintptr_t site)
{
    uint32_t owner = vmti_owner_new(first, (uint32_t)(last - first + 1), bytes, site, 0, stack_of(site));
    /* Names given by vmt_track() stay. */
    uint64_t page = first;
    while (page <= last) {
        uint64_t run = page;
        while (run <= last && !(vmti_dir_get(run) & VMTI_DIR_RANGE))
            run++;
        if (run > page)
            vmti_dir_set(page, run - 1, VMTI_DIR_OWNER | VMTI_DIR_HEAP, VMTI_DIR_HEAP | owner);
        if (run <= last)
            vmti_dir_set(run, run, VMTI_DIR_HEAP, VMTI_DIR_HEAP);
        page = run + 1;
    }
}

static __attribute__((noinline)) void note_pages(uintptr_t p, size_t bytes, uintptr_t site)
{
    uint64_t first = p >> VMTI_PAGE_SHIFT, last = (p + (bytes ? bytes - 1 : 0)) >> VMTI_PAGE_SHIFT;
    if (bytes < VMTI_PAGE_SIZE) {
        own_small(first, bytes, site);
        if (last != first)
            own_small(last, bytes, site);
    } else {
        uint64_t own_first = first + owns_no_start(p), own_last = last - owns_no_end(p + bytes - 1);
        if (own_first <= own_last)
            own_large(own_first, own_last, bytes, site);
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

/* Where the outermost C++ operator that this thread is in returns to. What libstdc++'s own operators allocate by malloc
 * and by each other is its caller's, and not libstdc++'s. NULL: it is in none. */
static __thread const void *operator_site;

static inline const void *enter_operator(const void *site)
{
    const void *outer = operator_site;
    operator_site = outer ? outer : site;
    return outer;
}

static inline void leave_operator(const void *const *outer)
{
    operator_site = *outer;
}

/* For what is_known() does not answer. Gives the block back, so that a wrapper ends with the call. */
static __attribute__((noinline, aligned(64))) void *note_slowly(void *p, size_t bytes, const void *site)
{
    if (vmti_unlikely(operator_site))
        site = operator_site;
    bool large = bytes >= VMTI_PAGE_SIZE;
    if (p && !(large && is_noted((uintptr_t)p, bytes, (uintptr_t)site)) && !is_early(p))
        note_pages((uintptr_t)p, bytes, (uintptr_t)site);
    return p;
}

/* Are all pages of this block noted? False also for NULL, and for a large block, which has its pages for itself. */
static inline __attribute__((always_inline)) bool is_known(const void *pointer, size_t bytes)
{
    uintptr_t p = (uintptr_t)pointer;
    const _Atomic uint32_t *word = vmti_dir_word(p >> VMTI_PAGE_SHIFT);
    if (vmti_unlikely(!word) || vmti_unlikely(bytes - 1 >= VMTI_PAGE_SIZE - 1))
        return false;
    /* It lies in this page, or in the next one as well; where that is another chunk's, the word reads 0. */
    uint32_t mask = atomic_load_explicit(&vmti_note_mask, memory_order_relaxed);
    uint32_t bits = atomic_load_explicit(word, memory_order_relaxed) &
                    atomic_load_explicit(&word[((p & (VMTI_PAGE_SIZE - 1)) + bytes - 1) >> VMTI_PAGE_SHIFT],
                                         memory_order_relaxed);
    return vmti_likely((bits & mask) == mask);
}

static inline __attribute__((always_inline)) void *note(void *p, size_t bytes, const void *site)
{
    return is_known(p, bytes) ? p : note_slowly(p, bytes, site);
}

/*
 * Outside a region, a large block that goes back to the system takes its notes with it, or they would be taken for
 * those of what is mapped there next. (Inside one the catcher sees the munmap.) Large blocks begin at the start of a
 * page, or behind a short header.
 */
enum { LARGE_BYTES = 64 * 1024, HEADER_BYTES = 64 };

static inline bool begins_page(const void *p)
{
    return ((uintptr_t)p & (VMTI_PAGE_SIZE - 1)) <= HEADER_BYTES;
}

RARE void forget_bytes(uintptr_t p, size_t bytes)
{
    /* Not the last page, if it is not all of this block: others may lie in it. */
    if (bytes >= LARGE_BYTES)
        vmti_dir_set(p >> VMTI_PAGE_SHIFT, ((p + bytes) >> VMTI_PAGE_SHIFT) - 1, VMTI_DIR_HEAP | VMTI_DIR_OWNER, 0);
}

RARE void forget_large(const void *block)
{
    uintptr_t p = (uintptr_t)block;
    if (!p || is_early(block) || vmti_in_region)
        return;
    forget_bytes(p, next.malloc_usable_size ? next.malloc_usable_size((void *)p) : 0);
}

static inline void forget(const void *p)
{
    if (vmti_unlikely(begins_page(p)))
        forget_large(p);
}

/* Inside a region the catcher must know which mappings an allocator makes. The counter is left alone outside. */
static inline bool enter(void)
{
    if (vmti_likely(!vmti_in_region))
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

/* As INSIDE_ALLOCATOR, but no exception passes through malloc and free; and a sum that is written back unchanged is not
 * waited for. */
static __attribute__((noinline, aligned(64))) void *malloc_inside(size_t bytes, const void *site)
{
    int depth = vmti_allocator_depth;
    vmti_allocator_depth = depth + 1;
    void *p = next.malloc(bytes);
    vmti_allocator_depth = depth;
    return note(p, bytes, site);
}

HOT void *malloc(size_t bytes)
{
    if (vmti_unlikely(vmti_in_region))
        return malloc_inside(bytes, SITE);
    void *p = next.malloc(bytes);
    return is_known(p, bytes) ? p : note_slowly(p, bytes, SITE); /* the site only where it is needed */
}

static __attribute__((noinline, aligned(64))) void free_inside(void *p)
{
    if (vmti_unlikely(begins_page(p)) && is_early(p))
        return;
    int depth = vmti_allocator_depth;
    vmti_allocator_depth = depth + 1;
    next.free(p);
    vmti_allocator_depth = depth;
}

RARE void free_at_page(void *p)
{
    if (is_early(p))
        return;
    forget_large(p);
    next.free(p);
}

HOT void free(void *p)
{
    if (vmti_unlikely(vmti_in_region))
        free_inside(p);
    else if (vmti_unlikely(begins_page(p)))
        free_at_page(p);
    else
        next.free(p);
}

PUBLIC void *calloc(size_t count, size_t bytes)
{
    INSIDE_ALLOCATOR;
    return note(next.calloc(count, bytes), count * bytes, SITE);
}

static void *move_early(void *from, size_t bytes)
{
    void *to = next.malloc(bytes);
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
    if (vmti_unlikely(is_early(old)))
        return move_early(old, bytes);
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
    if (vmti_unlikely(is_early(old)))
        return move_early(old, all);
    ready();
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
        __typeof__(next.field) call = next.field;                                                                      \
        if (vmti_unlikely(!call))                                                                                      \
            *(void **)&call = next_operator(#symbol, (void *)symbol, (void **)&next.field, SITE);                      \
        INSIDE_ALLOCATOR;                                                                                              \
        __attribute__((cleanup(leave_operator), unused)) const void *outer = enter_operator(SITE);                     \
        void *p = call arguments;                                                                                      \
        note(p, bytes, SITE);                                                                                          \
        return p;                                                                                                      \
    }

OPERATOR(_Znwm, new_, (size_t bytes), (bytes))
OPERATOR(_Znam, new_array, (size_t bytes), (bytes))
OPERATOR(_ZnwmRKSt9nothrow_t, new_nothrow, (size_t bytes, vmti_nothrow_tag tag), (bytes, tag))
OPERATOR(_ZnamRKSt9nothrow_t, new_array_nothrow, (size_t bytes, vmti_nothrow_tag tag), (bytes, tag))
OPERATOR(_ZnwmSt11align_val_t, new_aligned, (size_t bytes, size_t alignment), (bytes, alignment))
OPERATOR(_ZnamSt11align_val_t, new_array_aligned, (size_t bytes, size_t alignment), (bytes, alignment))
OPERATOR(_ZnwmSt11align_val_tRKSt9nothrow_t, new_aligned_nothrow,
         (size_t bytes, size_t alignment, vmti_nothrow_tag tag), (bytes, alignment, tag))
OPERATOR(_ZnamSt11align_val_tRKSt9nothrow_t, new_array_aligned_nothrow,
         (size_t bytes, size_t alignment, vmti_nothrow_tag tag), (bytes, alignment, tag))

/* ------------------------------------------------------------------------------------------- sanitizers */

static bool told_of_blocks;

/* A sanitizer's malloc is the first one, and this is called at the end of it. */
static void given(const volatile void *block, size_t bytes)
{
    if (vmti_unlikely(!is_known((const void *)block, bytes)))
        note_slowly((void *)block, bytes, vmti_sanitizer_site(block));
}

static void taken(const volatile void *block)
{
    if (vmti_unlikely(begins_page((const void *)block)) && block && !vmti_in_region)
        forget_bytes((uintptr_t)block, __sanitizer_get_allocated_size(block));
}

/* Before the start of a whole program (preload.c). */
__attribute__((constructor(101))) static void watch_sanitizer(void)
{
    if (!vmti_sanitizer())
        return;
    if (!vmti_wrap_in_use())
        told_of_blocks = vmti_sanitizer_hook(given, taken);
    if (ready())
        resolve_extras();
}

bool vmti_wrap_sees_blocks(void)
{
    return told_of_blocks || vmti_wrap_in_use();
}
