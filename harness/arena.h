/* SPDX-License-Identifier: MIT */
#ifndef VMTI_ARENA_H
#define VMTI_ARENA_H

#include "types.h"

/* Zeroed memory, aligned to 16 bytes, or NULL. Async-signal-safe; one caller at a time. */
VMTI_HIDDEN void *vmti_arena_alloc(struct vmti_arena *arena, size_t bytes);

/* Gives all memory of the arena back, the arena itself included if it lies in it. */
VMTI_HIDDEN void vmti_arena_free(struct vmti_arena *arena);

#endif
