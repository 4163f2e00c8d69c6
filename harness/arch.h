/* SPDX-License-Identifier: MIT */
/* What the manager and the engines must know of the processor: registers, instructions, numbers and sizes of the
 * kernel's. There is one file for each; what it has to define is what arch_x86_64.h does. */
#ifndef VMTI_ARCH_H
#define VMTI_ARCH_H

#include <stdint.h>

/* Pages of another size are refused at the begin of a region: region.c. */
enum { VMTI_PAGE_SHIFT = 12 };
#define VMTI_PAGE_SIZE ((uintptr_t)1 << VMTI_PAGE_SHIFT)

#if defined(__linux__) && defined(__x86_64__) && defined(__LP64__)
#include "arch_x86_64.h"
#elif defined(__linux__) && defined(__aarch64__) && defined(__LP64__) && defined(__AARCH64EL__)
#include "arch_aarch64.h"
#else
#error "VMTRACE runs on Linux on x86-64 and aarch64 only: for no other processor an arch_*.h has been written"
#endif

#endif
