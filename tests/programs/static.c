/* SPDX-License-Identifier: MIT */
/* Linked without a dynamic loader: nothing can be preloaded into it. */
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    char *p = malloc(100);
    snprintf(p, 100, "runs natively");
    puts(p);
    free(p);
    return 0;
}
