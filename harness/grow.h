/* SPDX-License-Identifier: MIT */
/* Arrays that double, for ordinary program context: calls realloc. */
#ifndef VMTI_GROW_H
#define VMTI_GROW_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/*
 * The array with room for one item of `item` bytes after those in use, perhaps moved. NULL: no memory, and array and
 * capacity are as they were. The first call takes NULL and a capacity of 0.
 */
static inline void *vmti_grow(void *array, size_t used, size_t *capacity, size_t item)
{
    if (used < *capacity)
        return array;
    size_t more = *capacity ? 2 * *capacity : 16;
    void *grown = more > SIZE_MAX / 2 / item ? NULL : realloc(array, more * item);
    if (grown)
        *capacity = more;
    return grown;
}

#endif
