/* SPDX-License-Identifier: MIT */
/*
 * Row against column: a matrix of 80 rows is added up. A row is 512 doubles, which is one page.
 *
 * The budget is in touches: what a memory of 64 pages, the window, would have to fetch. Row by row each page comes
 * once, 80 in all and one more where the matrix does not begin with a page. Column by column every number lies in
 * another page than the one before, and when the first page's turn comes again, 79 others have come: 512 times 80
 * touches. Pages are 81 both ways, so a budget of pages would not tell the two apart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <vmt/cmocka.h>
#include <vmt/vmt.h>

enum { ROWS = 80, COLUMNS = 512, WINDOW = 64, BUDGET = ROWS + 1 };

static double sum(double matrix[ROWS][COLUMNS])
{
    double sum = 0;
#ifdef BROKEN
    for (size_t column = 0; column < COLUMNS; column++)
        for (size_t row = 0; row < ROWS; row++)
            sum += matrix[row][column];
#else
    for (size_t row = 0; row < ROWS; row++)
        for (size_t column = 0; column < COLUMNS; column++)
            sum += matrix[row][column];
#endif
    return sum;
}

static void *new_matrix(void)
{
    double(*matrix)[COLUMNS] = malloc(ROWS * sizeof *matrix);
    assert_non_null(matrix);
    for (size_t row = 0; row < ROWS; row++)
        for (size_t column = 0; column < COLUMNS; column++)
            matrix[row][column] = (double)row;
    return matrix;
}

static void a_sum_comes_to_each_page_once(void **state)
{
    (void)state;
    vmt_report *report;
    vmt_config config;
    double(*matrix)[COLUMNS] = new_matrix();
    assert_int_equal(vmt_config_init(&config), 0);
    config.window = WINDOW;

    assert_int_equal(vmt_begin(&config), 0);
    double result = sum(matrix);
    assert_int_equal(vmt_end(&report), 0);

    assert_true(result == (double)COLUMNS * ROWS * (ROWS - 1) / 2);
    vmt_assert_touches_at_most(report, BUDGET);
    vmt_report_free(report);
    free(matrix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_sum_comes_to_each_page_once, vmt_cmocka_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
