/* SPDX-License-Identifier: MIT */
/*
 * The malloc family, wrapped: each function calls the next definition in the process (libc's, or another allocator's)
 * and notes in the page directory which pages the result lies in.
 */
#ifndef VMTI_WRAP_H
#define VMTI_WRAP_H

#include "types.h"

/* The tag std::nothrow_t in mangled names; its value is passed on. */
typedef const void *vmti_nothrow_tag;

/* The next definitions in the process. Of the operators NULL: not looked for yet. */
struct vmti_next {
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
    void *(*new_nothrow)(size_t, vmti_nothrow_tag);
    void *(*new_array_nothrow)(size_t, vmti_nothrow_tag);
    void *(*new_aligned)(size_t, size_t);
    void *(*new_array_aligned)(size_t, size_t);
    void *(*new_aligned_nothrow)(size_t, size_t, vmti_nothrow_tag);
    void *(*new_array_aligned_nothrow)(size_t, size_t, vmti_nothrow_tag);
};

/* Looks the next definitions of the malloc family up, if no call has done so yet. */
VMTI_HIDDEN void vmti_wrap_start(void);

/* Bits that the word of a page with malloc'd memory must have; if one is missing, the page is noted. Outside a region
 * VMTI_DIR_HEAP; inside also VMTI_DIR_KNOWN, if the region tracks what is allocated. */
extern VMTI_HIDDEN _Atomic uint32_t vmti_note_mask;

/* A region is open in this process. Changed while all threads but the one that changes it are halted; not _Atomic,
 * which would keep the compiler from comparing it where it is. */
extern VMTI_HIDDEN bool vmti_in_region;

/* Nesting of this thread's calls into the allocator inside a region. The catcher reads it through the thread
 * pointer. */
extern VMTI_HIDDEN __thread int vmti_allocator_depth;

/* Does the program's malloc reach these wrappers? False if another allocator comes before libvmt in symbol order. */
VMTI_HIDDEN bool vmti_wrap_in_use(void);

/* ... or is the one that comes before a sanitizer's, which tells of its blocks? */
VMTI_HIDDEN bool vmti_wrap_sees_blocks(void);

#endif
