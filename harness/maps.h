/* SPDX-License-Identifier: MIT */
/* /proc/self/maps, one mapping at a time (proc_pid_maps(5)). Async-signal-safe. */
#ifndef VMTI_MAPS_H
#define VMTI_MAPS_H

#include "types.h"

struct vmti_map {
    uintptr_t start, end;
    int prot;
    bool is_private;
    bool anonymous;     /* private memory without a file: no name, or a name given by prctl(PR_SET_VMA) */
    bool brk_heap;      /* "[heap]" */
    bool special;       /* a stack, the vDSO and its data, vsyscall */
    bool huge;          /* memory on huge pages, which have one protection each (mm/hugetlb.c, hugetlb_vm_op_split) */
    uint64_t offset;    /* in the file */
    const char *path;   /* not NUL-terminated; of length 0 if none */
    size_t path_bytes;
};

/* Calls each(context, map) for every mapping of the caller's memory, in order of address. 0, or negative errno. */
VMTI_HIDDEN int vmti_maps_read(void (*each)(void *context, const struct vmti_map *map), void *context);

#endif
