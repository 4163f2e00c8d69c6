/* SPDX-License-Identifier: MIT */
/* What tests use that glibc 2.31 or its kernel's headers do not have. Included after the system's headers. */
#ifndef OLDER_SYSTEMS_H
#define OLDER_SYSTEMS_H

#include <features.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#if !__GLIBC_PREREQ(2, 32)
#define strerrorname_np strerror
#endif
#if !__GLIBC_PREREQ(2, 33)
#define mallinfo2 mallinfo
#endif
#if !__GLIBC_PREREQ(2, 34)
#define _Fork() ((pid_t)syscall(SYS_fork))
#endif

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif
#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

#endif
