/* SPDX-License-Identifier: MIT */
/* What the fuzz targets share: how many inputs were accepted: a corpus that is refused is for nothing. */
#ifndef VMTI_FUZZ_H
#define VMTI_FUZZ_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static uint64_t fuzz_inputs_accepted;

static inline void fuzz_accepted(bool accepted)
{
    fuzz_inputs_accepted += accepted;
}

/* fuzz.sh reads it. */
static void fuzz_tell(void)
{
    fprintf(stderr, "accepted: %" PRIu64 "\n", fuzz_inputs_accepted);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    return atexit(fuzz_tell);
}

#endif
