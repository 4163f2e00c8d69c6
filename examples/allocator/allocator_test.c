/* SPDX-License-Identifier: MIT */
/*
 * An allocator that is exchanged, and a baseline that notices: the code under test takes its nodes from a pool, and
 * some day from malloc, each at the beginning of a cache line.
 *
 * The test has no number in it. It compares with baselines/nodes.vmtb, which was recorded with the pool and says what
 * it may differ by: 30 pages for 5,000 nodes of 24 bytes. With a cache line each, and what malloc needs to give one, a
 * node takes 192 bytes, and the same walk comes to 235 pages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <vmt/cmocka.h>
#include <vmt/vmt.h>

enum { NODES = 5000, CACHE_LINE = 64 };

struct node {
    struct node *next;
    uint64_t key, value;
};

#ifdef BROKEN

static struct node *new_node(void)
{
    return aligned_alloc(CACHE_LINE, CACHE_LINE);
}

static void free_nodes(struct node *list)
{
    for (struct node *next; list; list = next) {
        next = list->next;
        free(list);
    }
}

#else

static struct node *pool;
static size_t used;

static struct node *new_node(void)
{
    if (!pool)
        pool = malloc(NODES * sizeof *pool);
    return pool && used < NODES ? &pool[used++] : NULL;
}

static void free_nodes(struct node *list)
{
    (void)list;
    free(pool);
}

#endif

static struct node *new_list(void)
{
    struct node *list = NULL;
    for (uint64_t key = 0; key < NODES; key++) {
        struct node *node = new_node();
        assert_non_null(node);
        *node = (struct node){.next = list, .key = key, .value = 2 * key};
        list = node;
    }
    return list;
}

static uint64_t sum(const struct node *list)
{
    uint64_t sum = 0;
    for (; list; list = list->next)
        sum += list->value;
    return sum;
}

static void a_walk_touches_what_it_did(void **state)
{
    (void)state;
    vmt_report *report;
    struct node *list = new_list();

    assert_int_equal(vmt_begin(NULL), 0);
    uint64_t result = sum(list);
    assert_int_equal(vmt_end(&report), 0);

    assert_int_equal(result, (uint64_t)NODES * (NODES - 1));
    vmt_assert_baseline(report, "nodes");
    vmt_report_free(report);
    free_nodes(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(a_walk_touches_what_it_did, vmt_cmocka_teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
