/* SPDX-License-Identifier: MIT */
/* A budget in a test of GoogleTest. */
#include <cstdlib>

#include <gtest/gtest.h>

#include <vmt/gtest.h>

#include "items.h"

class Items : public testing::Test {
protected:
    Items() : items(new_items()) {}
    ~Items() override { std::free(items); }

    int *items;
};

TEST_F(Items, SumKeepsToItsBudget)
{
    const int *begin = items; // the fixture is on the heap, too: what the region read of it would count
    vmt::region region(std::nothrow);
    vmt_skip_if_untraceable(region.error());
    int sum = sum_every_tenth(begin);
    vmt::report report = region.end();
    EXPECT_EQ(sum, ITEMS / 10);
    VMT_EXPECT(pages_at_most, report, SUM_BUDGET);
    vmt_assert_touches_at_most(report, ITEM_PAGES);
}
