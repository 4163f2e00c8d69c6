/* SPDX-License-Identifier: MIT */
/* A budget in a test of Catch2. */
#include <cstdlib>
#include <memory>

#if __has_include(<catch2/catch_test_macros.hpp>)
#include <catch2/catch_test_macros.hpp> // 3
#else
#include <catch2/catch.hpp> // 2
#endif

#include <vmt/catch2.h>

#include "items.h"

TEST_CASE("the sum keeps to its budget")
{
    std::unique_ptr<int, void (*)(void *)> items(new_items(), std::free);
    vmt::region region(std::nothrow);
    vmt_skip_if_untraceable(region.error());
    int sum = sum_every_tenth(items.get());
    vmt::report report = region.end();
    CHECK(sum == ITEMS / 10);
    VMT_EXPECT(pages_at_most, report, SUM_BUDGET);
    vmt_assert_touches_at_most(report, ITEM_PAGES);
}
