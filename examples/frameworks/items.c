/* SPDX-License-Identifier: MIT */
#include "items.h"

#include <stdlib.h>

int *new_items(void)
{
    int *items = aligned_alloc(4096, ITEMS * sizeof *items);
    for (int i = 0; items && i < ITEMS; i++)
        items[i] = i % 10 == 0;
    return items;
}

int sum_every_tenth(const int *items)
{
    int sum = 0;
    for (int i = 0; i < ITEMS; i += 10)
        sum += items[i];
    return sum;
}
