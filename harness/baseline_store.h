/* SPDX-License-Identifier: MIT */
/* Baseline files on disk: read whole, and replaced whole, so that nobody ever sees half of one. May call malloc. */
#ifndef VMTI_BASELINE_STORE_H
#define VMTI_BASELINE_STORE_H

#include "types.h"

/* The bytes of a regular file, to be freed; one more is read than VMTI_BASELINE_BYTES_MAX at most. 0, or a negative
 * errno: -EINVAL is for what is no regular file. */
VMTI_HIDDEN int vmti_baseline_load(const char *path, char **bytes, size_t *length);

struct vmti_baseline_lock {
    int folder;      /* locked */
    char path[4096]; /* of the file: what a symbolic link leads to, not the link */
};

/*
 * Makes the file's folders, and locks the one that it is in until vmti_baseline_unlock(): of all processes and
 * threads that take the lock one has it. Nothing is left behind for it. 0, or a negative errno.
 */
VMTI_HIDDEN int vmti_baseline_lock(struct vmti_baseline_lock *lock, const char *path);

/* Replaces the file, or makes it: written beside it, synchronised, renamed. Owner and permissions stay. 0, or a
 * negative errno: the file is as it was then. */
VMTI_HIDDEN int vmti_baseline_replace(const struct vmti_baseline_lock *lock, const char *bytes, size_t length);

VMTI_HIDDEN void vmti_baseline_unlock(struct vmti_baseline_lock *lock);

#endif
