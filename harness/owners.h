/* SPDX-License-Identifier: MIT */
/*
 * Owners: the allocations and vmt_track() ranges that pages belong to, numbered from 1 in order of creation. A page is
 * named by its owner and its offset in it, so that address-space randomisation does not change a name.
 *
 * A large allocation owns each page that it covers by half or more. A small one owns a page only if it is the first to
 * lie in it; following pages that the same site, with the same stack, is the first to use join the same owner. A large
 * one that comes from the same site and stack and covers the same bytes of the same pages as the one that owns them is
 * that one. The table only grows. Async-signal-safe and lock-free.
 */
#ifndef VMTI_OWNERS_H
#define VMTI_OWNERS_H

#include "types.h"

struct vmti_owner {
    uint64_t first_page;
    uint64_t bytes;          /* asked for, by the first allocation of a small owner */
    uintptr_t site;          /* return address of the allocating call; 0 unknown */
    _Atomic uint32_t pages;
    uint32_t label : 10;     /* number of a label; 0 none */
    uint32_t stack : 22;     /* number of the stack of that call (stacks.h); 0 not known */
};

/* The table, in chunks that are mapped when they are needed, and one more than the last index. */
enum { VMTI_OWNER_CHUNK_SHIFT = 14, VMTI_OWNER_CHUNKS = 1 << (24 - VMTI_OWNER_CHUNK_SHIFT) };
extern VMTI_HIDDEN _Atomic(struct vmti_owner *) vmti_owner_chunks[VMTI_OWNER_CHUNKS];
extern VMTI_HIDDEN _Atomic uint32_t vmti_owner_count;

/* The owner with this index, or NULL for 0 and for one that does not exist. */
static inline const struct vmti_owner *vmti_owner(uint32_t index)
{
    if (!index || index >= atomic_load_explicit(&vmti_owner_count, memory_order_acquire))
        return NULL;
    const struct vmti_owner *chunk =
        atomic_load_explicit(&vmti_owner_chunks[index >> VMTI_OWNER_CHUNK_SHIFT], memory_order_acquire);
    return chunk ? &chunk[index & ((1u << VMTI_OWNER_CHUNK_SHIFT) - 1)] : NULL;
}

/* A new owner; 0 if the table is full or there is no memory (its pages then have no known owner). */
VMTI_HIDDEN uint32_t vmti_owner_new(uint64_t first_page, uint32_t pages, uint64_t bytes, uintptr_t site, uint32_t label,
                                    uint32_t stack);

/* The owner with this index owns one page more, the one after its last. False if another thread was first. */
VMTI_HIDDEN bool vmti_owner_extend(uint32_t index, uint64_t page, uintptr_t site, uint32_t stack);

/* What the program gives names to: they are numbered from 1, and stay. */
enum { VMTI_NAME_BYTES = 64, VMTI_NAMES = 1024 /* see struct vmti_owner */ };

struct vmti_names {
    atomic_flag lock;
    _Atomic uint32_t last; /* number of the last one */
    char text[VMTI_NAMES][VMTI_NAME_BYTES];
};

extern VMTI_HIDDEN struct vmti_names vmti_labels; /* of vmt_track() */
extern VMTI_HIDDEN struct vmti_names vmti_phases; /* of vmt_mark() */

/* The number of a name, made if it is new; 0 for "" and NULL; negative errno (-ENOSPC: more than VMTI_NAMES - 1). For
 * ordinary program context. */
VMTI_HIDDEN int vmti_name_new(struct vmti_names *names, const char *name);

/* The text of a name; "" for 0. */
VMTI_HIDDEN const char *vmti_name(const struct vmti_names *names, uint32_t number);

/* The number of an existing name, or 0. */
VMTI_HIDDEN uint32_t vmti_name_find(const struct vmti_names *names, const char *name);

#endif
