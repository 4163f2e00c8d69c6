/* SPDX-License-Identifier: MIT */
/*
 * uthash with XXH3 as its hash and its memory from the arena of the region in scope: a function that adds entries has
 * a `struct vmti_region *r`. Small bucket arrays stay in the arena when the next, twice as large, takes their place; large
 * ones are mappings of their own, and given back. Running out of memory makes an addition fail (HASH_NONFATAL_OOM) instead
 * of ending the process.
 */
#ifndef VMTI_UTHASH_ARENA_H
#define VMTI_UTHASH_ARENA_H

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "arena.h"

#define HASH_NONFATAL_OOM 1
#define HASH_FUNCTION(key, bytes, hash) ((hash) = (unsigned)XXH3_64bits((key), (bytes)))
#define uthash_malloc(bytes) vmti_arena_alloc_table(&r->arena, (bytes))
#define uthash_free(pointer, bytes) vmti_arena_free_table(&r->arena, (pointer), (bytes))
#include <uthash.h>

/* The longest chain for which the bucket array is not doubled. uthash's own 10 doubles it at two entries a bucket; this, at
 * three to four: half the memory for arrays, and a chain is still short beside what a fault costs. */
#undef HASH_BKT_CAPACITY_THRESH
#define HASH_BKT_CAPACITY_THRESH 16U

#endif
