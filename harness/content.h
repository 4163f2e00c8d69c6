/* SPDX-License-Identifier: MIT */
/*
 * Pages that were written and hold what they held before: XXH3-64 of a page's content before its first write is
 * compared with that at the region's end. On request (vmt_config.track_content); else there is no table, and these do
 * nothing. Called by the engine, as window.h is; async-signal-safe.
 */
#ifndef VMTI_CONTENT_H
#define VMTI_CONTENT_H

#include "types.h"

/* Makes the table. False: no memory. */
VMTI_HIDDEN bool vmti_content_start(struct vmti_region *r);

/* Pages [first, end) are about to be opened with this protection, which lets them be written: keeps the hashes of those
 * that have none. They are open for reading from then on, and not for writing yet. A page that cannot be read counts as
 * changed. */
VMTI_HIDDEN void vmti_content_keep(struct vmti_region *r, uint64_t first, uint64_t end, int protection);

/* What the pages of [start, end) held is gone, or may be: unmapped, moved or discarded. They count as changed. */
VMTI_HIDDEN void vmti_content_lose(struct vmti_region *r, uintptr_t start, uintptr_t end);

/* At the region's end, open or not: compares, and counts. May be called again. */
VMTI_HIDDEN void vmti_content_conclude(struct vmti_region *r);

#endif
