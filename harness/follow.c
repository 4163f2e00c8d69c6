/* SPDX-License-Identifier: MIT */
/* What a followed process keeps. Where a forked child starts is in follow_<processor>.c. */
#include "follow.h"

#include <string.h>

struct vmti_following vmti_following;

void vmti_follow_start(const vmt_config *config, const char *library, uint64_t since, bool further)
{
    struct vmti_following *f = &vmti_following;
    if (strlen(config->trace_path) >= sizeof f->file || strlen(library) >= sizeof f->library)
        return;
    f->config = *config;
    strcpy(f->file, config->trace_path);
    f->config.trace_path = f->file;
    strcpy(f->library, library);
    f->since = since;
    f->further = further;
    f->forks = vmti_follow_can_save();
    f->on = true;
}
