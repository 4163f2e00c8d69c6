/* SPDX-License-Identifier: MIT */
/* One call that allocates, in two functions that it is inlined into: 40 pages by the one, 20 by the other. */
#include <stdlib.h>
#include <string.h>

enum { PAGE = 4096 };

static inline __attribute__((always_inline)) char *new_pages(size_t pages)
{
    char *volatile block = aligned_alloc(PAGE, pages * PAGE);
    if (!block)
        abort();
    return block;
}

static __attribute__((noinline)) char *forty(void)
{
    return memset(new_pages(40), 1, 40 * PAGE);
}

static __attribute__((noinline)) char *twenty(void)
{
    return memset(new_pages(20), 1, 20 * PAGE);
}

int main(void)
{
    char *first = forty(), *second = twenty();
    int sum = first[40 * PAGE - 1] + second[20 * PAGE - 1];
    free(first);
    free(second);
    return sum == 2 ? 0 : 1;
}
