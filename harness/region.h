/* SPDX-License-Identifier: MIT */
/* The region in this process: its begin and end. */
#ifndef VMTI_REGION_H
#define VMTI_REGION_H

#include "types.h"

/* The open region of this process, or NULL. */
VMTI_HIDDEN struct vmti_region *vmti_region_current(void);

/* vmt_begin(), for a region that lasts until the program is gone if `whole_program`. */
VMTI_HIDDEN int vmti_region_begin(const vmt_config *config, bool whole_program);

/* In the catcher, every other thread halted: marks the tracked pages in the directory and closes them.
 * 0, or negative errno with r->error_step set. */
VMTI_HIDDEN int vmti_region_close_pages(struct vmti_region *r);

/* In the catcher, or where it died: opens every page and takes the region's marks from the directory. */
VMTI_HIDDEN void vmti_region_open_pages(struct vmti_region *r);

#endif
