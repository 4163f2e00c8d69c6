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

void *vmti_arena_alloc(struct vmti_arena *arena, size_t bytes)
{
    if (bytes > SIZE_MAX / 2)
        return NULL;
    bytes = (bytes + 15) & ~(size_t)15;
    if (bytes > arena->end - arena->next) {
        size_t size = CHUNK_BYTES;
        if (bytes > size - CHUNK_HEAD)
            size = (bytes + CHUNK_HEAD + VMTI_PAGE_SIZE - 1) & ~(VMTI_PAGE_SIZE - 1);
        struct vmti_arena_chunk *chunk = vmti_os_map(size);
        if (!chunk)
            return NULL;
        /* What was noted for the malloc'd memory that may have been here before holds no more. */
        vmti_dir_set((uintptr_t)chunk >> VMTI_PAGE_SHIFT, ((uintptr_t)chunk + size - 1) >> VMTI_PAGE_SHIFT, UINT32_MAX, 0);
        chunk->next = arena->chunks;
        chunk->bytes = size;
        arena->chunks = chunk;
        arena->bytes += size;
        /* A piece that fills its chunk leaves the rest of the one before it in use. */
        if (size > CHUNK_BYTES)
            return (char *)chunk + CHUNK_HEAD;
        arena->next = (uintptr_t)chunk + CHUNK_HEAD;
        arena->end = (uintptr_t)chunk + size;
    }
    void *p = (void *)arena->next;
    arena->next += bytes;
    return p;
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
