/* SPDX-License-Identifier: MIT */
/*
 * The compiler's option -include puts this in front of each file that runs in the helper or at a fault. What such a
 * file calls memcpy or strlen, also where it is the compiler that does, are functions of ours: libc's may be replaced
 * by a sanitizer's, which read thread-local memory that the helper does not have, or take note of accesses that are not
 * the program's. The assembler does it, because compilers call memcpy by this name whatever it is declared as.
 */
#ifndef VMTI_OWN_STRING_H
#define VMTI_OWN_STRING_H

__asm__(".set memcpy, vmti_memcpy\n"
        ".set memmove, vmti_memmove\n"
        ".set memset, vmti_memset\n"
        ".set memcmp, vmti_memcmp\n"
        ".set bcmp, vmti_memcmp\n"
        ".set memchr, vmti_memchr\n"
        ".set strlen, vmti_strlen\n"
        ".set strcmp, vmti_strcmp\n"
        ".set strncmp, vmti_strncmp\n");

#endif
