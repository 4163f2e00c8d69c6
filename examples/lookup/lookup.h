/* SPDX-License-Identifier: MIT */
/* The code under test: the same keys in a sorted array and in a linked list. NULL: no memory, or no such key. */
#ifndef LOOKUP_H
#define LOOKUP_H

#include <stddef.h>
#include <stdint.h>

struct item {
    uint64_t key;
    uint64_t value;
};

struct array;
struct list;

/* Items with the keys 0, 2, 4 ... in order. */
struct array *array_new(size_t count);
const struct item *array_find(const struct array *array, uint64_t key);
void array_free(struct array *array);

struct list *list_new(size_t count);
const struct item *list_find(const struct list *list, uint64_t key);
void list_free(struct list *list);

#endif
