/* SPDX-License-Identifier: MIT */
/*
 * An arena against malloc: a parser makes a node for each number and each sign of a long sum of products, and remembers
 * for each, for messages alone, where in the text it was. Then the tree is evaluated.
 *
 * The 7,999 nodes have 32 bytes each. From an arena they lie side by side, on 63 pages and one more for each of its
 * four blocks, which do not begin with a page: that is the budget of 67, of which it takes 66. It means: an evaluation
 * looks at the nodes, and at nothing that is there for messages. From malloc each node has a remark beside it, and an
 * evaluation comes to the pages of both: 157.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <vmt/cmocka.h>
#include <vmt/vmt.h>

enum { PRODUCTS = 2000, ARENA_BLOCK = 64 * 1024, BUDGET = 63 + 4 };

struct node {
    struct node *left, *right; /* NULL: a number */
    uint64_t value;
    char sign;
};

struct remark {
    struct remark *next;
    const struct node *of;
    size_t offset; /* in the text */
};

static struct remark *remarks;

/* ------------------------------------------------------------------------------------------- where nodes come from */

#ifdef BROKEN

static struct node *new_node(void)
{
    return malloc(sizeof(struct node));
}

static void free_nodes(struct node *node)
{
    if (!node)
        return;
    free_nodes(node->left);
    free_nodes(node->right);
    free(node);
}

#else

static struct arena_block {
    struct arena_block *before;
    size_t used;
    char bytes[ARENA_BLOCK - sizeof(struct arena_block *) - sizeof(size_t)];
} *arena;

static struct node *new_node(void)
{
    if (!arena || arena->used + sizeof(struct node) > sizeof arena->bytes) {
        struct arena_block *block = malloc(sizeof *block);
        assert_non_null(block);
        block->before = arena;
        block->used = 0;
        arena = block;
    }
    void *node = arena->bytes + arena->used;
    arena->used += sizeof(struct node);
    return node;
}

static void free_nodes(struct node *node)
{
    (void)node;
    for (struct arena_block *before; arena; arena = before) {
        before = arena->before;
        free(arena);
    }
}

#endif

/* ------------------------------------------------------------------------------------------- the parser */

static struct node *make(const char *text, const char *at, struct node node)
{
    struct node *made = new_node();
    struct remark *remark = malloc(sizeof *remark);
    assert_true(made && remark);
    *made = node;
    *remark = (struct remark){.next = remarks, .of = made, .offset = (size_t)(at - text)};
    remarks = remark;
    return made;
}

static struct node *parse_number(const char *text, const char **at)
{
    const char *start = *at;
    char *end;
    uint64_t value = strtoul(start, &end, 10);
    *at = end;
    return make(text, start, (struct node){.value = value});
}

static struct node *parse_product(const char *text, const char **at)
{
    struct node *left = parse_number(text, at);
    while (**at == '*') {
        const char *sign = (*at)++;
        left = make(text, sign, (struct node){.left = left, .right = parse_number(text, at), .sign = '*'});
    }
    return left;
}

static struct node *parse_sum(const char *text)
{
    const char *at = text;
    struct node *left = parse_product(text, &at);
    while (*at == '+') {
        const char *sign = at++;
        left = make(text, sign, (struct node){.left = left, .right = parse_product(text, &at), .sign = '+'});
    }
    return left;
}

static uint64_t evaluate(const struct node *node)
{
    if (!node->left)
        return node->value;
    uint64_t left = evaluate(node->left), right = evaluate(node->right);
    return node->sign == '+' ? left + right : left * right;
}

/* ------------------------------------------------------------------------------------------- the test */

/* "0*3+1*3+2*3" and so on. */
static char *new_text(void)
{
    char *text = malloc(PRODUCTS * 8 + 1);
    size_t used = 0;
    assert_non_null(text);
    for (int i = 0; i < PRODUCTS; i++)
        used += (size_t)sprintf(text + used, "%s%d*3", i ? "+" : "", i);
    return text;
}

static void an_evaluation_looks_at_the_nodes_alone(void **state)
{
    (void)state;
    vmt_report *report;
    char *text = new_text();
    struct node *sum = parse_sum(text);

    assert_int_equal(vmt_begin(NULL), 0);
    uint64_t result = evaluate(sum);
    assert_int_equal(vmt_end(&report), 0);

    assert_int_equal(result, 3 * (uint64_t)PRODUCTS * (PRODUCTS - 1) / 2);
    vmt_assert_pages_at_most(report, BUDGET);
    vmt_report_free(report);
    free_nodes(sum);
    for (struct remark *next; remarks; remarks = next) {
        next = remarks->next;
        free(remarks);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(an_evaluation_looks_at_the_nodes_alone, vmt_cmocka_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
