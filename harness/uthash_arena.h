/* SPDX-License-Identifier: MIT */
/*
 * uthash with XXH3 as its hash and its memory from the arena of the region in scope: a function that adds entries has
 * a `struct vmti_region *r`. Freed bucket arrays stay in the arena; they double, so all of them together are smaller
 * than the last. Running out of memory makes an addition fail (HASH_NONFATAL_OOM) instead of ending the process.
 */
#ifndef VMTI_UTHASH_ARENA_H
#define VMTI_UTHASH_ARENA_H

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "arena.h"

#define HASH_NONFATAL_OOM 1
#define HASH_FUNCTION(key, bytes, hash) ((hash) = (unsigned)XXH3_64bits((key), (bytes)))
#define uthash_malloc(bytes) vmti_arena_alloc(&r->arena, (bytes))
#define uthash_free(pointer, bytes) ((void)(pointer))
#include <uthash.h>

#endif
