/* SPDX-License-Identifier: MIT */
/*
 * uthash with XXH3 as its hash and its memory from the arena of the region in scope: a function that adds entries has
 * a `struct vmti_region *r`. Small bucket arrays stay in the arena when the next, twice as large, takes their place;
 * large ones are mappings of their own, and given back. Running out of memory makes an addition fail
 * (HASH_NONFATAL_OOM) instead of ending the process.
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

/* The chain at which the bucket array is doubled. With uthash's own 10 that is at one to two entries a bucket, and a
 * page would take more than its 96 bytes just after; with this it is at about three, and looking a page up is no
 * slower. */
#undef HASH_BKT_CAPACITY_THRESH
#define HASH_BKT_CAPACITY_THRESH 13U

#endif
