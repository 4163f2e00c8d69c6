/* SPDX-License-Identifier: MIT */
/* Allocators that can be preloaded beneath libvmt: shared libraries that define malloc. */
#ifndef VMTI_ALLOCATORS_H
#define VMTI_ALLOCATORS_H

#include "../harness/types.h"

struct vmti_allocator {
    const char *name; /* as in the table: the known name, or the file's */
    char *path;       /* of its library, without symbolic links; free() it */
};

enum { VMTI_ALLOCATORS_KNOWN = 4 };

/* "glibc" and so on, i below VMTI_ALLOCATORS_KNOWN. */
VMTI_HIDDEN const char *vmti_known_allocator(unsigned i);

/* Is its library in one of the loader's folders? Else the packages that have it: "libjemalloc2", or "this or that". */
VMTI_HIDDEN bool vmti_allocator_installed(unsigned i, const char **packages);

/* By name, or the path of a library if there is a slash in it. 0; or -1, after saying on stderr why not. */
VMTI_HIDDEN int vmti_allocator_find(const char *given, struct vmti_allocator *found);

#endif
