/* SPDX-License-Identifier: MIT */
/*
 * small_nodes: a list of 10,000 nodes of 64 bytes, each written when it is made and read once: no allocator can give
 * them on fewer than 157 pages, and each of its pages with a node in it is touched.
 */
#include <stdlib.h>

enum { NODES = 10000, NODE_BYTES = 64 };

struct node {
    struct node *next;
    char rest[NODE_BYTES - sizeof(struct node *)];
};

int main(void)
{
    struct node *list = NULL;
    size_t count = 0;
    for (int i = 0; i < NODES; i++) {
        struct node *node = malloc(sizeof *node);
        if (!node)
            return 1;
        node->next = list;
        list = node;
    }
    for (struct node *node = list; node; node = node->next)
        count++;
    return count != NODES;
}
