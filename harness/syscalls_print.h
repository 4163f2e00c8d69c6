/* SPDX-License-Identifier: MIT */
#ifndef VMTI_SYSCALLS_PRINT_H
#define VMTI_SYSCALLS_PRINT_H

#include <stdio.h>

#include "types.h"

/* Writes the table of system calls for people: number, name, arguments, and below each call what is walked. */
VMTI_HIDDEN void vmti_syscalls_print(FILE *to);

#endif
