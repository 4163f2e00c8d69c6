/* SPDX-License-Identifier: MIT */
/* In the library and in the command. */
#include "vmt/vmt.h"

int vmt_outcome_exit_status(vmt_outcome outcome)
{
    switch (outcome) {
    case VMT_HELD:
        return 0;
    case VMT_BROKEN:
        return 1;
    case VMT_BETTER: /* 2 is a command used wrongly */
        return 3;
    case VMT_NO_BASELINE:
        return 4;
    default:
        return 5;
    }
}
