/* SPDX-License-Identifier: MIT */
/* Criterion begins the program anew for each test, and runs as many at once as -j says. */
#include <criterion/criterion.h>

#include <vmt/criterion.h>

#include "processes.h"

Test(pages, eleven)
{
    touch_pages(11);
}
Test(pages, twelve)
{
    touch_pages(12);
}
Test(pages, thirteen)
{
    touch_pages(13);
}
Test(pages, fourteen)
{
    touch_pages(14);
}
