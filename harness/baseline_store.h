/* SPDX-License-Identifier: MIT */
/* Baseline files on disk: read whole, and replaced whole, so that nobody ever sees half of one. May call malloc. */
#ifndef VMTI_BASELINE_STORE_H
#define VMTI_BASELINE_STORE_H

#include <limits.h>

#include "types.h"

/* The bytes of a regular file, to be freed; one more is read than VMTI_BASELINE_BYTES_MAX at most. 0, or a negative
 * errno: -EINVAL is for what is no regular file. */
VMTI_HIDDEN int vmti_baseline_load(const char *path, char **bytes, size_t *length);

/* The right to change a file, which one of all processes and threads has. */
struct vmti_baseline_lock {
    int fd;                    /* of the file that is to take its place, and is locked; -1: it has */
    char path[PATH_MAX];       /* of the file: what a symbolic link leads to, not the link */
    char beside[PATH_MAX + 8]; /* of the other one */
};

/*
 * Makes the file's folders, and waits for the lock. Until vmti_baseline_unlock() there is a file with ".new" after
 * its name, which is the lock: a process that is killed leaves it behind, and the next one takes it. 0, or a negative
 * errno.
 */
VMTI_HIDDEN int vmti_baseline_lock(struct vmti_baseline_lock *lock, const char *path);

/* Replaces the file, or makes it: written beside it, synchronised, renamed. Owner and permissions stay. Whoever has
 * the lock next finds it. 0, or a negative errno: the file is as it was then. */
VMTI_HIDDEN int vmti_baseline_replace(struct vmti_baseline_lock *lock, const char *bytes, size_t length);

VMTI_HIDDEN void vmti_baseline_unlock(struct vmti_baseline_lock *lock);

#endif
