/* SPDX-License-Identifier: MIT */
/* Text of baselines, and a folder for files with it. */
#ifndef VMTI_TESTS_BASELINE_TEXT_H
#define VMTI_TESTS_BASELINE_TEXT_H

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "baseline_file.h"

#define KEY_OF(allocator)                                                                                              \
    "allocator=" allocator " libc=glibc page=4096 window=64 evict=1 scope=heap writes=0 threads=all"
#define KEY KEY_OF("glibc")
#define SECTION "[" KEY "]\n"
#define HEAD "vmt-baseline 1\n"

static char folder[64]; /* of this test alone */

static inline int make_folder(void **state)
{
    (void)state;
    unsetenv("CI"); /* these tests may well run there */
    strcpy(folder, "/tmp/vmt-baseline.XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static inline int remove_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline const char *in_folder(const char *name)
{
    static char path[16][192];
    static unsigned next;
    char *to = path[next++ % 16];
    snprintf(to, sizeof path[0], "%s/%s", folder, name);
    return to;
}

static inline void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

/* Of the last four files that were read. */
static inline const char *read_text(const char *path)
{
    static char text[4][256 * 1024];
    static unsigned next;
    char *to = text[next++ % 4];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    to[fread(to, 1, sizeof text[0] - 1, file)] = '\0';
    fclose(file);
    return to;
}

static inline void assert_parses(const char *text, struct vmti_baseline *b)
{
    if (vmti_baseline_parse(text, strlen(text), b) != 0)
        fail_msg("line %u: %s, in:\n%s", b->error_line, b->error, text);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

#endif
