/* SPDX-License-Identifier: MIT */
#ifndef VMTI_ARENA_H
#define VMTI_ARENA_H

#include "types.h"

/* Zeroed memory, aligned to 16 bytes, or NULL. Async-signal-safe; one caller at a time. */
VMTI_HIDDEN void *vmti_arena_alloc(struct vmti_arena *arena, size_t bytes);

/* The same, for what may be given back before the arena is: a large piece is a mapping of its own. */
VMTI_HIDDEN void *vmti_arena_alloc_table(struct vmti_arena *arena, size_t bytes);
VMTI_HIDDEN void vmti_arena_free_table(struct vmti_arena *arena, void *table, size_t bytes);

/* Gives all memory of the arena back, the arena itself included if it lies in it. */
VMTI_HIDDEN void vmti_arena_free(struct vmti_arena *arena);

#endif
