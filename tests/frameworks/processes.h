/* SPDX-License-Identifier: MIT */
/* For tests of which each has a process of its own: a region that touches so many pages. */
#ifndef PROCESSES_H
#define PROCESSES_H

#include <stdlib.h>
#include <unistd.h>

/* After the adapter of the framework. */
static void touch_pages(size_t pages)
{
    enum { PAGE = 4096, WHILE_US = 100000 /* the regions of tests that run at once are open at once */ };
    vmt_config config;
    vmt_report *report;
    volatile char *memory = aligned_alloc(PAGE, pages * PAGE);
    vmt_config_init(&config);
    config.scope = VMT_SCOPE_RANGES;
    vmt_track((const void *)memory, pages * PAGE, "memory");
    vmt_begin_or_skip(&config);
    for (size_t i = 0; i < pages; i++)
        memory[i * PAGE] = 1;
    usleep(WHILE_US);
    vmt_end_or_fail(&report);
    vmt_assert_pages_exactly(report, pages);
    vmt_report_free(report);
    free((void *)memory);
}

#endif
