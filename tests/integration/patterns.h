/* SPDX-License-Identifier: MIT */
/* A buffer that alone is tracked, walks through it, and a model of the window to compare their touches with. */
#ifndef VMT_TEST_PATTERNS_H
#define VMT_TEST_PATTERNS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <vmt/vmt.h>

enum { PAGE = 4096 };

/* The order in which a walk uses pages: what the model is fed. */
struct walk {
    uint32_t *pages;
    size_t length;
};

/* What a FIFO of `window` pages sees of a walk, if its `evict` oldest leave it when it is full. */
struct model {
    uint64_t touches, evictions;
};

static inline struct model model_of(const struct walk *walk, size_t window, size_t evict, size_t pages)
{
    uint32_t *fifo = calloc(window, sizeof *fifo);
    unsigned char *open = calloc(pages, 1);
    struct model model = {0, 0};
    for (size_t i = 0; i < walk->length; i++) {
        uint32_t page = walk->pages[i];
        if (open[page])
            continue;
        if (model.touches - model.evictions == window)
            for (size_t n = evict; n; n--)
                open[fifo[model.evictions++ % window]] = 0;
        fifo[model.touches++ % window] = page;
        open[page] = 1;
    }
    free(fifo);
    free(open);
    return model;
}

static inline vmt_config config_for(vmt_scope scope, uint64_t window)
{
    vmt_config config;
    assert_int_equal(vmt_config_init(&config), 0);
    config.scope = scope;
    config.window = window;
    config.trace_path = NULL;
    config.track_writes = config.track_content = false;
    config.live_bytes = config.stacks = false;
    config.evict = 1;
    return config;
}

static inline void begin(const vmt_config *config)
{
    if (vmt_begin(config))
        fail_msg("vmt_begin: %s", vmt_error_text());
}

static inline vmt_report *end(void)
{
    vmt_report *report;
    if (vmt_end(&report))
        fail_msg("vmt_end: %s", vmt_error_text());
    return report;
}

#endif
