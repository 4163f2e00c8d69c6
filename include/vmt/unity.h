/* SPDX-License-Identifier: MIT */
/*
 * VMTRACE assertions for Unity (ThrowTheSwitch): those of vmt/asserts.h. Include it after <unity.h>.
 *
 * A verdict is printed, and its first line is the message of the failed test, for Unity writes a message on one line.
 * A skip is TEST_IGNORE_MESSAGE(). Give tests with a region a tearDown() that calls vmt_end(NULL) if vmt_active(): a
 * failing assertion jumps out of an open region.
 */
#ifndef VMT_UNITY_H
#define VMT_UNITY_H

#include <stdio.h>
#include <string.h>

#include "vmt.h"

/* The first line; all of them are printed if there are more. */
static inline const char *vmt_unity_message_(const char *text, char *line, size_t bytes)
{
    size_t n = strcspn(text, "\n");
    if (text[n])
        printf("%s\n", text);
    snprintf(line, bytes, "%.*s", (int)n, text);
    return line;
}

#define VMT_TEST_NAME_ (Unity.CurrentTestName ? Unity.CurrentTestName : "(no test)")
#define VMT_FAIL_(text)                                                                                                \
    do {                                                                                                               \
        char vmt_line_[512];                                                                                           \
        TEST_FAIL_MESSAGE(vmt_unity_message_((text), vmt_line_, sizeof vmt_line_));                                    \
    } while (0)
#define VMT_SKIP_(reason) TEST_IGNORE_MESSAGE(reason)
#define VMT_NOTE_(text) printf("%s\n", (text))

#include "asserts.h"

#endif
