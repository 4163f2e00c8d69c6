/* SPDX-License-Identifier: MIT */
#ifndef VMTI_CONFIG_H
#define VMTI_CONFIG_H

#include "trace_format.h"
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

/* Smallest window for this many threads: each may need several pages at once to get on, also when `evict` have just
 * left. */
static inline uint64_t vmti_window_floor(uint64_t threads, uint64_t evict)
{
    return (threads * 4 > VMT_WINDOW_FLOOR ? threads * 4 : VMT_WINDOW_FLOOR) + evict - 1;
}

/* Most pages that may leave a window of this size at once. */
static inline uint64_t vmti_evict_limit(uint64_t window)
{
    uint64_t most = window - VMT_WINDOW_FLOOR + 1;
    return most < VMT_EVICT_MAX ? most : VMT_EVICT_MAX;
}

/* A whole number in decimal digits alone: no sign, no blanks, no overflow. */
VMTI_HIDDEN bool vmti_count_parse(const char *text, uint64_t *value);

/* "ptrace" and so on. */
VMTI_HIDDEN const char *vmti_engine_name(vmt_engine engine);

/* False if there is no such engine. */
VMTI_HIDDEN bool vmti_engine_parse(const char *name, vmt_engine *engine);

/* Are the system's pages of the size that VMTRACE is made for? 0, or -ENOTSUP with its sentence. */
VMTI_HIDDEN int vmti_check_page_size(unsigned long bytes);

/* "AddressSanitizer" and so on. */
VMTI_HIDDEN const char *vmti_sanitizer_name(enum vmti_sanitizer sanitizer);

/* "heap" and so on. */
VMTI_HIDDEN const char *vmti_scope_name(vmt_scope scope);

/* False if there is no such scope. */
VMTI_HIDDEN bool vmti_scope_parse(const char *name, vmt_scope *scope);

#endif
