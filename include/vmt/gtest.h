/* SPDX-License-Identifier: MIT */
/*
 * VMTRACE assertions for GoogleTest (1.10 and later): those of vmt/asserts.h. Include it after <gtest/gtest.h>.
 *
 *     vmt::region region(std::nothrow);
 *     vmt_skip_if_untraceable(region.error());
 *     look_things_up();
 *     vmt::report report = region.end();
 *     vmt_assert_pages_at_most(report, 40);       // fatal, as ASSERT_ is: the function returns
 *     VMT_EXPECT(touches_at_most, report, 100);   // goes on, as EXPECT_ does
 *
 * Fatal ones, and skips, return: use them in functions that return void, as GoogleTest asks. A fixture lies on the
 * heap: what a region reads of it counts, with a page. Copy what the region needs into local variables first.
 */
#ifndef VMT_GTEST_H
#define VMT_GTEST_H

#include <cstdio>
#include <string>

#include "vmt.hpp"

/* "Suite.Test", or what is outside of tests: a global environment's set-up, say. */
inline std::string vmt_gtest_name_()
{
    const ::testing::TestInfo *test = ::testing::UnitTest::GetInstance()->current_test_info();
    return test ? std::string(test->test_suite_name()) + "." + test->name() : "(no test)";
}

#define VMT_TEST_NAME_ vmt_gtest_name_().c_str()
#define VMT_FAIL_(text) GTEST_FAIL() << (text)
#define VMT_FAIL_AND_GO_ON_(text) ADD_FAILURE() << (text)
#define VMT_SKIP_(reason) GTEST_SKIP() << (reason)
#define VMT_NOTE_(text) std::printf("%s\n", (text))

#include "asserts.h"

#endif
