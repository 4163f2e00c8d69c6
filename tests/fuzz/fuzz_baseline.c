/* SPDX-License-Identifier: MIT */
/* The parser of baseline files on any bytes; what it has read can be changed, and then reads as well. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "baseline_file.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct vmti_baseline baseline;
    int error = vmti_baseline_parse((const char *)data, bytes, &baseline);
    if (error == -EINVAL && !baseline.error[0])
        abort();
    for (size_t i = 0; !error && i < baseline.count; i++) {
        const struct vmti_baseline_line *line = &baseline.lines[i];
        uint64_t low, high;
        if (line->start > line->end || line->end > bytes || line->name + line->name_bytes > bytes)
            abort();
        vmti_baseline_limits(line, &low, &high);
        if (low > high)
            abort();
    }
    fuzz_accepted(!error && baseline.count);
    vmti_baseline_free(&baseline);
    return 0;
}
