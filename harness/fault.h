/* SPDX-License-Identifier: MIT */
/* Decides what a fault was. */
#ifndef VMTI_FAULT_H
#define VMTI_FAULT_H

#include "types.h"

enum vmti_fault {
    VMTI_FAULT_OURS,    /* answered: run the instruction again */
    VMTI_FAULT_FOREIGN, /* the program's own: deliver it */
};

/* Thread t faulted at `address`. Whether it read or wrote is not known at a ptrace stop. Async-signal-safe. */
VMTI_HIDDEN enum vmti_fault vmti_fault(struct vmti_region *r, struct vmti_thread *t, uintptr_t address);

#endif
