/* SPDX-License-Identifier: MIT */
/* Looks things up in a list, a table and a buffer, and prints the region's fingerprint and touches, and where the table
 * was. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <vmt/vmt.h>

#include "../unit/random.h"

enum { NODES = 200, BUFFER = 300 * 4096, WINDOW = 16 };

struct node {
    struct node *next;
    uint64_t key;
    char text[200];
};

static int failed(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, vmt_error_text());
    return 1;
}

int main(void)
{
    struct node *list = NULL, **table = calloc(NODES, sizeof(*table));
    volatile char *buffer = malloc(BUFFER);
    uint64_t random = 7, sum = 0, fingerprint;
    for (unsigned i = 0; i < NODES; i++) {
        struct node *node = calloc(1, sizeof(*node));
        node->next = list;
        node->key = next_random(&random);
        list = table[i] = node;
    }
    vmt_config config;
    vmt_report *report;
    if (vmt_config_init(&config))
        return failed("vmt_config_init");
    config.window = WINDOW;
    if (vmt_begin(&config))
        return failed("vmt_begin");
    for (struct node *node = list; node; node = node->next)
        sum += node->key;
    for (unsigned i = 0; i < NODES; i++) {
        uint64_t n = next_random(&random);
        sum += table[n % NODES]->key;
        buffer[n % BUFFER] = 1;
        if (n % 8 == 0)
            free(malloc(n % 5000));
    }
    if (vmt_end(&report))
        return failed("vmt_end");
    if (vmt_report_fingerprint(report, &fingerprint))
        return failed("vmt_report_fingerprint");
    printf("%016llx %llu %p\n", (unsigned long long)fingerprint, (unsigned long long)vmt_report_touches(report),
           (void *)table);
    vmt_report_free(report);
    return sum == 0;
}
