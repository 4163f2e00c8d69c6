/* SPDX-License-Identifier: MIT */
/*
 * B-tree against binary tree: ten keys among 131,072 are looked up.
 *
 * A node of the B-tree has up to 127 keys, so three levels hold all of them: a look-up comes to the root, to one node
 * below it and to a leaf. A node has half a page's bytes and lies in two pages at most: 2 for the root, and 4 for each
 * of ten keys, make the budget of 42. It means: a look-up comes to three nodes. It takes 25, as most nodes lie in one
 * page, and a search does not look at all of a node. The binary tree of the same keys, which came in no order, is some
 * twenty levels deep where they are found, and below the first few each node is on another page: 81.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <vmt/cmocka.h>
#include <vmt/vmt.h>

enum { KEYS = 1 << 17, LOOK_UPS = 10, BUDGET = 2 + LOOK_UPS * 4 };

#ifdef BROKEN

struct node {
    struct node *less, *more;
    uint64_t key;
};

static void insert(struct node **at, uint64_t key)
{
    while (*at)
        at = key < (*at)->key ? &(*at)->less : &(*at)->more;
    *at = calloc(1, sizeof **at);
    assert_non_null(*at);
    (*at)->key = key;
}

static struct node *new_tree(void)
{
    struct node *tree = NULL;
    uint64_t key = 0;
    for (size_t i = 0; i < KEYS; i++) {
        insert(&tree, key);
        key = (key * 1664525 + 1013904223) % KEYS; /* a generator of full period: each key once, in no order */
    }
    return tree;
}

static bool find(const struct node *node, uint64_t key)
{
    while (node && node->key != key)
        node = key < node->key ? node->less : node->more;
    return node;
}

static void free_tree(struct node *node)
{
    if (!node)
        return;
    free_tree(node->less);
    free_tree(node->more);
    free(node);
}

#else

enum { NODE_KEYS = 127 };

struct node {
    size_t count;
    uint64_t keys[NODE_KEYS];
    struct node *children[NODE_KEYS + 1]; /* children[i]: what is less than keys[i]; all NULL in a leaf */
};

/* The keys first, first + 1 ... in as many levels as they need. */
static struct node *new_node(uint64_t first, size_t count)
{
    struct node *node = calloc(1, sizeof *node);
    assert_non_null(node);
    node->count = count < NODE_KEYS ? count : NODE_KEYS;
    size_t below = count - node->count, children = node->count + 1;
    for (size_t i = 0; i < children; i++) {
        size_t share = below * (i + 1) / children - below * i / children;
        if (share)
            node->children[i] = new_node(first, share);
        first += share;
        if (i < node->count)
            node->keys[i] = first++;
    }
    return node;
}

static struct node *new_tree(void)
{
    return new_node(0, KEYS);
}

static bool find(const struct node *node, uint64_t key)
{
    while (node) {
        size_t low = 0, high = node->count;
        while (low < high) {
            size_t middle = (low + high) / 2;
            if (node->keys[middle] < key)
                low = middle + 1;
            else
                high = middle;
        }
        if (low < node->count && node->keys[low] == key)
            return true;
        node = node->children[low];
    }
    return false;
}

static void free_tree(struct node *node)
{
    if (!node)
        return;
    for (size_t i = 0; i <= node->count; i++)
        free_tree(node->children[i]);
    free(node);
}

#endif

static void a_look_up_comes_to_few_pages(void **state)
{
    (void)state;
    vmt_report *report;
    struct node *tree = new_tree();
    size_t found = 0;

    assert_int_equal(vmt_begin(NULL), 0);
    for (uint64_t i = 0; i < LOOK_UPS; i++)
        found += find(tree, i * 13007 + 5);
    assert_int_equal(vmt_end(&report), 0);

    assert_int_equal(found, LOOK_UPS);
    vmt_assert_pages_at_most(report, BUDGET);
    vmt_report_free(report);
    free_tree(tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_look_up_comes_to_few_pages, vmt_cmocka_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
