/* SPDX-License-Identifier: MIT */
/* See own_string.h. Short texts and structures: simple loops. Async-signal-safe. Compiled so that no loop becomes a
 * call. */
#include <stddef.h>
#include <stdint.h>

#include "types.h"

VMTI_HIDDEN void *vmti_memcpy(void *restrict to, const void *restrict from, size_t bytes);
VMTI_HIDDEN void *vmti_memmove(void *to, const void *from, size_t bytes);
VMTI_HIDDEN void *vmti_memset(void *to, int value, size_t bytes);
VMTI_HIDDEN int vmti_memcmp(const void *a, const void *b, size_t bytes);
VMTI_HIDDEN void *vmti_memchr(const void *from, int value, size_t bytes);
VMTI_HIDDEN size_t vmti_strlen(const char *text);
VMTI_HIDDEN int vmti_strcmp(const char *a, const char *b);
VMTI_HIDDEN int vmti_strncmp(const char *a, const char *b, size_t bytes);

void *vmti_memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
    unsigned char *t = to;
    const unsigned char *f = from;
    for (; bytes >= sizeof(uint64_t); bytes -= sizeof(uint64_t), t += sizeof(uint64_t), f += sizeof(uint64_t)) {
        struct word { uint64_t value; } __attribute__((packed, may_alias));
        ((struct word *)t)->value = ((const struct word *)f)->value;
    }
    while (bytes--)
        *t++ = *f++;
    return to;
}

void *vmti_memmove(void *to, const void *from, size_t bytes)
{
    unsigned char *t = to;
    const unsigned char *f = from;
    if ((uintptr_t)t - (uintptr_t)f >= bytes) { /* also where it lies before */
        for (size_t i = 0; i < bytes; i++)
            t[i] = f[i];
    } else {
        while (bytes--)
            t[bytes] = f[bytes];
    }
    return to;
}

void *vmti_memset(void *to, int value, size_t bytes)
{
    unsigned char *t = to;
    while (bytes--)
        *t++ = (unsigned char)value;
    return to;
}

int vmti_memcmp(const void *a, const void *b, size_t bytes)
{
    const unsigned char *x = a, *y = b;
    for (; bytes; bytes--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}

void *vmti_memchr(const void *from, int value, size_t bytes)
{
    const unsigned char *f = from;
    for (; bytes; bytes--, f++)
        if (*f == (unsigned char)value)
            return (void *)f;
    return NULL;
}

size_t vmti_strlen(const char *text)
{
    const char *end = text;
    while (*end)
        end++;
    return (size_t)(end - text);
}

int vmti_strcmp(const char *a, const char *b)
{
    return vmti_strncmp(a, b, SIZE_MAX);
}

int vmti_strncmp(const char *a, const char *b, size_t bytes)
{
    for (; bytes; bytes--, a++, b++)
        if (*a != *b || !*a)
            return (unsigned char)*a - (unsigned char)*b;
    return 0;
}
