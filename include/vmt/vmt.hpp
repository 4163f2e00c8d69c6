/* SPDX-License-Identifier: MIT */
/*
 * VMTRACE for C++ (11 and later): a region that ends with its scope, and a report that releases itself.
 *
 *     vmt::region region;                   // vmt_begin(); throws vmt::error
 *     look_things_up();
 *     vmt::report report = region.end();    // vmt_end(); throws vmt::error
 *     EXPECT_LE(vmt_report_footprint(report), 40u);
 *
 * A report converts to const vmt_report *, so that every function and assertion of vmt.h takes it. Without exceptions
 * (-fno-exceptions), or to not use them, give std::nothrow and ask error():
 *
 *     vmt::region region(std::nothrow);
 *     if (region.error())
 *         puts(vmt_error_text());
 *
 * A test that is to be skipped where nothing can be traced begins its region so, for a thrown error would fail it:
 *
 *     vmt::region region(std::nothrow);
 *     vmt_skip_if_untraceable(region.error());
 *
 * A process has one region at a time: make a second vmt::region only after the first one has ended. End a region in the
 * thread that made it.
 */
#ifndef VMT_VMT_HPP
#define VMT_VMT_HPP

#include <new>
#include <utility>

#include "vmt.h"

#if defined(__cpp_exceptions) || defined(__EXCEPTIONS)
#define VMT_EXCEPTIONS_ 1
#include <stdexcept>
#else
#define VMT_EXCEPTIONS_ 0
#endif

namespace vmt {

#if VMT_EXCEPTIONS_
/* What vmt_error_text() said, and the negative errno. */
class error : public std::runtime_error {
public:
    /* code: what a vmt_ function has just returned in this thread. */
    explicit error(int code) : std::runtime_error(vmt_error_text()), code_(code) {}
    /* The negative errno. */
    int code() const noexcept { return code_; }

private:
    int code_;
};

/* vmt_config_init(); throws vmt::error. */
inline vmt_config config()
{
    vmt_config made;
    if (int failed = vmt_config_init(&made))
        throw error(failed);
    return made;
}
#endif

/* Owns a vmt_report, or nothing. */
class report {
public:
    /* Nothing. */
    report() noexcept = default;
    /* `owned` is released with this object; NULL is nothing. */
    explicit report(vmt_report *owned) noexcept : owned_(owned) {}
    /* What `other` owned; that one has nothing then. */
    report(report &&other) noexcept : owned_(other.release()) {}
    /* The same; what this one owned is released. */
    report &operator=(report &&other) noexcept
    {
        report taken(std::move(other));
        std::swap(owned_, taken.owned_);
        return *this;
    }
    report(const report &) = delete;
    report &operator=(const report &) = delete;
    ~report() { vmt_report_free(owned_); }

    /* nullptr if there is nothing; for functions of vmt.h it converts to that by itself, and is false then. */
    const vmt_report *get() const noexcept { return owned_; }
    operator const vmt_report *() const noexcept { return owned_; }
    explicit operator bool() const noexcept { return owned_ != nullptr; }

    /* The caller owns it from now on. */
    vmt_report *release() noexcept
    {
        vmt_report *released = owned_;
        owned_ = nullptr;
        return released;
    }

private:
    vmt_report *owned_ = nullptr;
};

/* An open region; its end in a destructor drops the result. */
class region {
public:
    /* vmt_begin(config), or with its defaults; ask error(). */
    explicit region(std::nothrow_t, const vmt_config *config = nullptr) noexcept
        : error_(vmt_begin(config)), open_(error_ == 0)
    {
    }
    /* The same. */
    region(std::nothrow_t, const vmt_config &config) noexcept : region(std::nothrow, &config) {}
#if VMT_EXCEPTIONS_
    /* vmt_begin(); throws vmt::error. */
    region() : region(std::nothrow) { check(); }
    explicit region(const vmt_config &config) : region(std::nothrow, &config) { check(); }
#endif
    /* The open region of `other`, which has none then. */
    region(region &&other) noexcept : error_(other.error_), open_(other.open_) { other.open_ = false; }
    region(const region &) = delete;
    region &operator=(const region &) = delete;
    region &operator=(region &&) = delete;
    ~region()
    {
        if (open_)
            vmt_end(nullptr);
    }

    /* 0, or the negative errno of the begin, or of the end once there was one. */
    int error() const noexcept { return error_; }
    /* Is it open? */
    explicit operator bool() const noexcept { return open_; }

    /* vmt_end(). Empty if there is no report: error() says why. With -EIO there is one (see vmt_end()). */
    report end(std::nothrow_t) noexcept
    {
        vmt_report *ended = nullptr;
        open_ = false;
        error_ = vmt_end(&ended);
        return report(ended);
    }
#if VMT_EXCEPTIONS_
    /* vmt_end(); throws vmt::error, with -EIO too. */
    report end()
    {
        report ended = end(std::nothrow);
        check();
        return ended;
    }
#endif

private:
#if VMT_EXCEPTIONS_
    void check() const
    {
        if (error_)
            throw vmt::error(error_);
    }
#endif

    int error_;
    bool open_;
};

} // namespace vmt

#endif
