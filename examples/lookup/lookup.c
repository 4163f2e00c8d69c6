/* SPDX-License-Identifier: MIT */
#include "lookup.h"

#include <stdlib.h>

struct array {
    size_t count;
    struct item items[];
};

struct node {
    struct node *next;
    struct item item;
};

struct list {
    struct node *first;
};

static void set_item(struct item *item, size_t i)
{
    item->key = 2 * i;
    item->value = 1000 + i;
}

struct array *array_new(size_t count)
{
    struct array *array = malloc(sizeof(*array) + count * sizeof(array->items[0]));
    if (!array)
        return NULL;
    array->count = count;
    for (size_t i = 0; i < count; i++)
        set_item(&array->items[i], i);
    return array;
}

const struct item *array_find(const struct array *array, uint64_t key)
{
    size_t low = 0, high = array->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (array->items[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low < array->count && array->items[low].key == key ? &array->items[low] : NULL;
}

void array_free(struct array *array)
{
    free(array);
}

struct list *list_new(size_t count)
{
    struct list *list = calloc(1, sizeof(*list));
    if (!list)
        return NULL;
    struct node **end = &list->first;
    for (size_t i = 0; i < count; i++) {
        struct node *node = malloc(sizeof(*node));
        if (!node) {
            list_free(list);
            return NULL;
        }
        set_item(&node->item, i);
        node->next = NULL;
        *end = node;
        end = &node->next;
    }
    return list;
}

const struct item *list_find(const struct list *list, uint64_t key)
{
    for (const struct node *node = list->first; node; node = node->next) {
        if (node->item.key == key)
            return &node->item;
    }
    return NULL;
}

void list_free(struct list *list)
{
    if (!list)
        return;
    for (struct node *node = list->first, *next; node; node = next) {
        next = node->next;
        free(node);
    }
    free(list);
}
