/* SPDX-License-Identifier: MIT */
/* What the catcher reads of processes under /proc. Raw system calls only; see internal.h. */
#ifndef VMTI_PROC_H
#define VMTI_PROC_H

#include "../harness/types.h"

/* Text is put together without libc in the catcher. Each returns where the text ends; it is not ended by NUL. */
static inline char *vmti_put_number(char *to, uint64_t n)
{
    char digits[20];
    int i = 0;
    do
        digits[i++] = (char)('0' + n % 10);
    while (n /= 10);
    while (i)
        *to++ = digits[--i];
    return to;
}

static inline char *vmti_put_text(char *to, const char *text)
{
    while (*text)
        *to++ = *text++;
    return to;
}

enum { VMTI_PROC_PATH_BYTES = 96 };

/* "/proc/PID", "/task/TID" if tid is not 0, and `file`, which begins with a slash. */
VMTI_HIDDEN void vmti_proc_path(char *to, pid_t pid, pid_t tid, const char *file);

/* Reads at most bytes - 1 of the file, and ends them with NUL. The number of bytes, or negative errno. */
VMTI_HIDDEN long vmti_proc_read(pid_t pid, pid_t tid, const char *file, char *to, size_t bytes);

/* Calls `each` for every entry of the folder whose name is a number, until that returns something else than 0. Returns
 * that, or 0, or negative errno. */
VMTI_HIDDEN long vmti_proc_each(const char *folder, long (*each)(void *context, pid_t number), void *context);

/* The text after the last ')' of a line of proc_pid_stat(5): " S 1 …"; the name before it may hold anything. */
VMTI_HIDDEN const char *vmti_proc_after_name(const char *stat, long bytes);

/* What follows `key` at the beginning of a line; NULL: there is no such line. */
VMTI_HIDDEN const char *vmti_proc_line(const char *text, const char *key);

/* Takes a decimal number, and what is not a digit before it, from *at. False: there is none. */
VMTI_HIDDEN bool vmti_proc_number(const char **at, int64_t *number);

/* The same for a hexadecimal one that begins with 0x. */
VMTI_HIDDEN bool vmti_proc_hex(const char **at, uint64_t *number);

#endif
