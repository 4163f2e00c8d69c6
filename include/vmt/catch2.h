/* SPDX-License-Identifier: MIT */
/*
 * VMTRACE assertions for Catch2 (2 and 3): those of vmt/asserts.h. Include it after <catch2/catch.hpp>, in version 3
 * after <catch2/catch_test_macros.hpp>.
 *
 *     vmt::region region(std::nothrow);
 *     vmt_skip_if_untraceable(region.error());
 *     look_things_up();
 *     vmt::report report = region.end();
 *     vmt_assert_pages_at_most(report, 40);       // fatal, as REQUIRE is
 *     VMT_EXPECT(touches_at_most, report, 100);   // goes on, as CHECK does
 *
 * Catch2 before 3.3 has no skipped tests: there a skip is a warning, and the test's function returns. To CTest it is
 * skipped all the same, with vmt_add_test().
 */
#ifndef VMT_CATCH2_H
#define VMT_CATCH2_H

#include <string>

#include "vmt.hpp"

inline std::string vmt_catch2_name_()
{
    return static_cast<std::string>(Catch::getResultCapture().getCurrentTestName());
}

#define VMT_TEST_NAME_ vmt_catch2_name_().c_str()
#ifdef CATCH_CONFIG_PREFIX_ALL
#define VMT_FAIL_(text) CATCH_FAIL(text)
#define VMT_FAIL_AND_GO_ON_(text) CATCH_FAIL_CHECK(text)
#define VMT_NOTE_(text) CATCH_WARN(text)
#else
#define VMT_FAIL_(text) FAIL(text)
#define VMT_FAIL_AND_GO_ON_(text) FAIL_CHECK(text)
#define VMT_NOTE_(text) WARN(text)
#endif
#if defined(CATCH_SKIP) || defined(SKIP)
#include <catch2/reporters/catch_reporter_event_listener.hpp>
#include <catch2/reporters/catch_reporter_registrars.hpp>

inline bool &vmt_catch2_skipped_()
{
    static bool skipped = false;
    return skipped;
}

/* Where all was skipped, Catch2 exits with 4. In earlier versions of 3 that can be four failures, too. */
namespace {
class VmtCatch2Listener_ : public Catch::EventListenerBase {
public:
    using Catch::EventListenerBase::EventListenerBase;
    void testRunEnded(Catch::TestRunStats const &run) override
    {
        if (vmt_catch2_skipped_() && run.totals.testCases.failed == 0 && run.totals.assertions.failed == 0)
            vmt_end_as_skipped(4);
    }
};
CATCH_REGISTER_LISTENER(VmtCatch2Listener_)
} // namespace

#ifdef CATCH_SKIP
#define VMT_CATCH2_SKIP_(reason) CATCH_SKIP(reason)
#else
#define VMT_CATCH2_SKIP_(reason) SKIP(reason)
#endif
#define VMT_SKIP_(reason)                                                                                              \
    do {                                                                                                               \
        vmt_catch2_skipped_() = true;                                                                                  \
        VMT_CATCH2_SKIP_(reason);                                                                                      \
    } while (0)
#else
#define VMT_SKIP_(reason)                                                                                              \
    do {                                                                                                               \
        VMT_NOTE_(reason);                                                                                             \
        return;                                                                                                        \
    } while (0)
#endif

#include "asserts.h"

#endif
