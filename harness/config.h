/* SPDX-License-Identifier: MIT */
#ifndef VMTI_CONFIG_H
#define VMTI_CONFIG_H

#include "types.h"

/* 0, or -EINVAL with a sentence for vmt_error_text() that names the value and what is allowed. */
VMTI_HIDDEN int vmti_config_check(const vmt_config *config);

/* Mappings that a process may have (vm.max_map_count), less a reserve for what it maps while the window is full. */
VMTI_HIDDEN uint64_t vmti_mappings_limit(void);

/* Largest window that this limit allows beside `mappings` that exist: an open page among closed ones is a mapping, and
 * makes another of what follows it. Two windows: the threads that do not count have one too. */
static inline uint64_t vmti_window_limit(uint64_t limit, uint64_t mappings, bool two_windows)
{
    return limit > mappings ? (limit - mappings) / (two_windows ? 4 : 2) : 0;
}

/* Smallest window for this many threads: each may need several pages at once to get on. */
static inline uint64_t vmti_window_floor(uint64_t threads)
{
    return threads * 4 > VMT_WINDOW_FLOOR ? threads * 4 : VMT_WINDOW_FLOOR;
}

/* "ptrace" and so on. */
VMTI_HIDDEN const char *vmti_engine_name(vmt_engine engine);

/* False if there is no such engine. */
VMTI_HIDDEN bool vmti_engine_parse(const char *name, vmt_engine *engine);

/* "heap" and so on. */
VMTI_HIDDEN const char *vmti_scope_name(vmt_scope scope);

/* False if there is no such scope. */
VMTI_HIDDEN bool vmti_scope_parse(const char *name, vmt_scope *scope);

#endif
