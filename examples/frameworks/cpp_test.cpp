/* SPDX-License-Identifier: MIT */
/* A budget in a C++ program without a framework, with a region that ends with its scope. */
#include <cstdlib>
#include <memory>

#include <vmt/main.h>
#include <vmt/vmt.hpp>

#include "items.h"

int main()
{
    std::unique_ptr<int, void (*)(void *)> items(new_items(), std::free);
    vmt::region region(std::nothrow);
    vmt_skip_if_untraceable(region.error());
    int sum = sum_every_tenth(items.get());
    vmt::report report = region.end(std::nothrow);
    vmt_assert_pages_at_most(report, SUM_BUDGET);
    vmt_assert_touches_at_most(report, ITEM_PAGES);
    return sum == ITEMS / 10 ? vmt_main_status() : EXIT_FAILURE;
}
