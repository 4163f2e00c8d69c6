/* SPDX-License-Identifier: MIT */
/* In a build with VMT_COVERAGE alone: writes the counts of this library now. See tests/coverage_exit.c. */
#include "vmt/vmt.h"

VMT_API void vmt_coverage_dump(void);
extern void __gcov_dump(void);

void vmt_coverage_dump(void)
{
    __gcov_dump();
}
