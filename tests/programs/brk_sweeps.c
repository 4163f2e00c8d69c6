/* SPDX-License-Identifier: MIT */
/*
 * brk_sweeps [back]: 20 pages that belong to the brk heap and to no allocation are walked forward twice; or forward,
 * and then back. In a window of 8 pages the second walk begins with the first page, or with the twelfth: the eight
 * after that are open.
 */
#define _DEFAULT_SOURCE
#include <string.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 20 };

int main(int argc, char **argv)
{
    int back = argc > 1 && strcmp(argv[1], "back") == 0;
    void *heap = sbrk((PAGES + 1) * PAGE);
    if (heap == (void *)-1)
        return 1;
    volatile char *first = (char *)heap + (PAGE - (size_t)heap % PAGE) % PAGE;
    for (int i = 0; i < PAGES; i++)
        first[i * PAGE]++;
    for (int i = 0; i < PAGES; i++)
        first[(back ? PAGES - 1 - i : i) * PAGE]++;
    return 0;
}
