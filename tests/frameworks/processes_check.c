/* SPDX-License-Identifier: MIT */
/* Check forks a child for each test. */
#include <check.h>

#include <vmt/check.h>

#include "processes.h"

START_TEST(some_pages)
{
    touch_pages((size_t)_i);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pages");
    TCase *tests = tcase_create("pages");
    tcase_add_loop_test(tests, some_pages, 11, 15);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
