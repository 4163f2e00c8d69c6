/* SPDX-License-Identifier: MIT */
/* vmt/vmt.hpp: regions that end with their scope and reports that release themselves, with exceptions and without. */
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <type_traits>
#include <vector>

#include <vmt/main.h>
#include <vmt/vmt.hpp>

static_assert(!std::is_copy_constructible<vmt::region>::value, "");
static_assert(!std::is_copy_constructible<vmt::report>::value && !std::is_copy_assignable<vmt::report>::value, "");
static_assert(std::is_nothrow_move_constructible<vmt::region>::value, "");
static_assert(std::is_nothrow_move_constructible<vmt::report>::value, "");
static_assert(std::is_nothrow_move_assignable<vmt::report>::value, "");

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            VMT_FAIL_(#condition);                                                                                     \
    } while (0)

namespace {

enum { PAGE = 4096, PAGES = 10 };

std::unique_ptr<char, void (*)(void *)> new_pages()
{
    std::unique_ptr<char, void (*)(void *)> pages(static_cast<char *>(aligned_alloc(PAGE, PAGES * PAGE)), std::free);
    std::memset(pages.get(), 1, PAGES * PAGE);
    return pages;
}

void walk(char *pages, int n)
{
    for (int i = 0; i < n; i++)
        ++*const_cast<volatile char *>(pages + i * PAGE);
}

vmt_config bad_config()
{
    vmt_config config;
    CHECK(vmt_config_init(&config) == 0);
    config.window = 1;
    return config;
}

void without_exceptions(char *pages)
{
    vmt::report report;
    CHECK(!report && report.get() == nullptr);
    {
        vmt::region region(std::nothrow);
        vmt_skip_if_untraceable(region.error());
        CHECK(region && vmt_active());
        walk(pages, 3);
        vmt::region moved(std::move(region));
        CHECK(moved && !region);
        walk(pages + 3 * PAGE, 2);
        report = moved.end(std::nothrow);
        CHECK(report && !moved && moved.error() == 0 && !vmt_active());
        CHECK(!moved.end(std::nothrow) && moved.error() == -EINVAL); /* it has ended */
    }
    VMT_EXPECT(pages_exactly, report, 5);

    vmt::report other(std::move(report));
    CHECK(!report && other);
    std::vector<vmt::report> reports;
    reports.push_back(std::move(other));
    reports.emplace_back();
    std::swap(reports[0], reports[1]);
    vmt_assert_pages_exactly(reports[1], 5);
    vmt_report_free(reports[1].release());
    CHECK(!reports[1]);

    {
        vmt::region region(std::nothrow);
        CHECK(vmt_active());
    }
    CHECK(!vmt_active());

    vmt::region refused(std::nothrow, bad_config());
    CHECK(!refused && refused.error() == -EINVAL && std::strstr(vmt_error_text(), "window"));
}

#if defined(__cpp_exceptions)
void with_exceptions(char *pages)
{
    vmt_config config = vmt::config();
    config.window = 32;
    vmt::region region(config);
    walk(pages, 7);
    vmt::report report = region.end();
    vmt_assert_pages_exactly(report, 7);
    CHECK(vmt_report_window(report) == 32);

    bool caught = false;
    try {
        vmt::region thrown_out_of;
        walk(pages, 7);
        throw 42;
    } catch (int) {
        caught = true;
        CHECK(!vmt_active());
    }
    CHECK(caught);

    caught = false;
    try {
        vmt::region refused(bad_config());
    } catch (const vmt::error &error) {
        caught = error.code() == -EINVAL && std::strstr(error.what(), "window");
    }
    CHECK(caught);

    caught = false;
    try {
        region.end();
    } catch (const vmt::error &error) {
        caught = error.code() == -EINVAL && std::strstr(error.what(), "no region is open");
    }
    CHECK(caught);

    setenv("VMT_SIZE", "many", 1);
    caught = false;
    try {
        vmt::config();
    } catch (const vmt::error &error) {
        caught = std::strstr(error.what(), "\"many\"");
    }
    CHECK(caught);
}
#endif

} // namespace

int main()
{
    auto pages = new_pages();
    without_exceptions(pages.get());
#if defined(__cpp_exceptions)
    with_exceptions(pages.get());
#endif
    return vmt_main_status();
}
