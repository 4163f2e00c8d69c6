/* SPDX-License-Identifier: MIT */
/* Runs in the catcher: async-signal-safe, raw system calls only. */
#include "arena.h"

#include "os.h"
#include "pagedir.h"

enum { CHUNK_BYTES = 256 * 1024 };

struct vmti_arena_chunk {
    struct vmti_arena_chunk *next;
    size_t bytes;
};

/* Room in front of the first piece of a chunk; keeps the 16-byte alignment. */
enum { CHUNK_HEAD = (sizeof(struct vmti_arena_chunk) + 15) & ~(size_t)15 };

/* A table of this size or more is a mapping of its own. */
enum { APART_BYTES = 16 * 1024 };

/* A new mapping with room for so many bytes behind its head. */
static struct vmti_arena_chunk *new_chunk(struct vmti_arena *arena, size_t bytes)
{
    size_t size = (bytes + CHUNK_HEAD + VMTI_PAGE_SIZE - 1) & ~(VMTI_PAGE_SIZE - 1);
    struct vmti_arena_chunk *chunk = vmti_os_map(size);
    if (!chunk)
        return NULL;
    /* What was noted for the malloc'd memory that may have been here before holds no more. */
    vmti_dir_set((uintptr_t)chunk >> VMTI_PAGE_SHIFT, ((uintptr_t)chunk + size - 1) >> VMTI_PAGE_SHIFT, UINT32_MAX, 0);
    chunk->next = arena->chunks;
    chunk->bytes = size;
    arena->chunks = chunk;
    arena->bytes += size;
    return chunk;
}

void *vmti_arena_alloc(struct vmti_arena *arena, size_t bytes)
{
    if (bytes > SIZE_MAX / 2)
        return NULL;
    bytes = (bytes + 15) & ~(size_t)15;
    if (bytes > arena->end - arena->next) {
        size_t room = CHUNK_BYTES - CHUNK_HEAD;
        struct vmti_arena_chunk *chunk = new_chunk(arena, bytes > room ? bytes : room);
        if (!chunk)
            return NULL;
        /* A piece that fills its chunk leaves the rest of the one before it in use. */
        if (bytes > room)
            return (char *)chunk + CHUNK_HEAD;
        arena->next = (uintptr_t)chunk + CHUNK_HEAD;
        arena->end = (uintptr_t)chunk + chunk->bytes;
    }
    void *p = (void *)arena->next;
    arena->next += bytes;
    return p;
}

void *vmti_arena_alloc_table(struct vmti_arena *arena, size_t bytes)
{
    if (bytes < APART_BYTES || bytes > SIZE_MAX / 2)
        return vmti_arena_alloc(arena, bytes);
    struct vmti_arena_chunk *chunk = new_chunk(arena, bytes);
    return chunk ? (char *)chunk + CHUNK_HEAD : NULL;
}

void vmti_arena_free_table(struct vmti_arena *arena, void *table, size_t bytes)
{
    if (bytes < APART_BYTES)
        return;
    struct vmti_arena_chunk *chunk = (struct vmti_arena_chunk *)((char *)table - CHUNK_HEAD);
    struct vmti_arena_chunk **link = &arena->chunks;
    while (*link != chunk)
        link = &(*link)->next;
    *link = chunk->next;
    arena->bytes -= chunk->bytes;
    vmti_os_unmap(chunk, chunk->bytes);
}

void vmti_arena_free(struct vmti_arena *arena)
{
    struct vmti_arena_chunk *chunk = arena->chunks;
    while (chunk) {
        struct vmti_arena_chunk *next = chunk->next;
        vmti_os_unmap(chunk, chunk->bytes);
        chunk = next;
    }
}
