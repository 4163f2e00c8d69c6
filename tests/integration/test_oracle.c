/* SPDX-License-Identifier: MIT */
/*
 * The kernel as the judge of the table of system calls. Nothing is traced here. Each call of the recipes is made with
 * good arguments first; the walker is asked how many bytes behind each pointer count as touched. Then each pointer is
 * put
 *
 *   on a page that cannot be accessed      EFAULT if and only if bytes of it count,
 *   so that the last byte that counts is the last before such a page      the same result as at first,
 *   one byte further      not the same result.
 *
 * Every attempt is made by a child of its own, so that each finds what the one before found. What a call needs is made
 * by the child in a `prepare` function, or before by make_resources().
 */
#define _GNU_SOURCE
#include "oracle.h"
#include "recipes_files.h"
#include "recipes_system.h"

int main(void)
{
    const struct CMUnitTest tests[] = {RECIPES_FILES, RECIPES_SYSTEM,
                                       cmocka_unit_test(every_call_with_pointers_was_issued_or_has_a_reason)};
    return cmocka_run_group_tests_name("oracle", tests, make_oracle, remove_resources);
}
