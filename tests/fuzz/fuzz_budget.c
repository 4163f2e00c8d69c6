/* SPDX-License-Identifier: MIT */
/* The parser of budget files on any bytes. */
#include <stdint.h>
#include <stdlib.h>

#include "budget_file.h"
#include "fuzz.h"

static const char *first, *end;
static unsigned limits;

static int use(const struct vmti_limit *limit, void *context)
{
    const struct vmti_part parts[] = {limit->section, limit->what, limit->argument, limit->whole};
    (void)context;
    limits++;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i].text && parts[i].bytes && (parts[i].text < first || parts[i].text + parts[i].bytes > end))
            abort();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    first = (const char *)data;
    end = first + bytes;
    limits = 0;
    fuzz_accepted(!vmti_budget_file_parse("any", first, bytes, use, NULL) && limits);
    return 0;
}
