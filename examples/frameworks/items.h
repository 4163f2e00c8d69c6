/* SPDX-License-Identifier: MIT */
/* The code under test, the same for every framework: 160 KiB of integers, which are 40 pages. */
#ifndef ITEMS_H
#define ITEMS_H

#ifdef __cplusplus
extern "C" {
#endif

enum { ITEMS = 40 * 1024, ITEM_PAGES = 40 };

/* What the sum of every tenth item may touch. It is on every page: BROKEN is the same test with a budget that is too
 * small. */
#ifdef BROKEN
enum { SUM_BUDGET = 10 };
#else
enum { SUM_BUDGET = ITEM_PAGES };
#endif

/* Item i is 1 where 10 divides i, else 0. On pages of its own; NULL: no memory. Released by free(). */
int *new_items(void);

/* The sum of every tenth item: ITEMS / 10. */
int sum_every_tenth(const int *items);

#ifdef __cplusplus
}
#endif
#endif
