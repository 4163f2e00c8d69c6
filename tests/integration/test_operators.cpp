// SPDX-License-Identifier: MIT
// operator new in all its forms inside a region: the memory is tracked, and exceptions pass through.
#include <cinttypes>
#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <list>
#include <map>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <dlfcn.h>
#include <sys/mman.h>

extern "C" { // cmocka 1.1.5 does not say so itself
#include <cmocka.h>
}

#include <vmt/vmt.h>

namespace {

constexpr std::size_t page_size = 4096, big = 20 * page_size;

void begin(vmt_scope scope = VMT_SCOPE_REGION)
{
    vmt_config config;
    if (vmt_config_init(&config))
        fail_msg("vmt_config_init: %s", vmt_error_text());
    config.scope = scope;
    config.window = 8;
    if (vmt_begin(&config))
        fail_msg("vmt_begin: %s", vmt_error_text());
}

vmt_report *end()
{
    vmt_report *report;
    if (vmt_end(&report))
        fail_msg("vmt_end: %s", vmt_error_text());
    return report;
}

void walk(void *memory, std::size_t bytes)
{
    auto p = static_cast<volatile unsigned char *>(memory);
    for (std::size_t i = 0; i < bytes; i++)
        p[i] = static_cast<unsigned char>(i);
}

// The pages of the report that lie in [memory, memory + bytes).
std::size_t pages_of(const vmt_report *report, const void *memory, std::size_t bytes)
{
    std::size_t pages = 0;
    vmt_page_info info;
    auto start = reinterpret_cast<std::uintptr_t>(memory), first = start & -page_size;
    for (std::uint64_t i = 0; vmt_report_page(report, i, &info) == 0; i++)
        pages += info.address >= first && info.address < start + bytes;
    return pages;
}

std::size_t pages_spanned(const void *memory, std::size_t bytes)
{
    auto start = reinterpret_cast<std::uintptr_t>(memory);
    return (start + bytes - 1) / page_size - start / page_size + 1;
}

constexpr std::align_val_t alignment{512};
constexpr std::align_val_t page_alignment{page_size};

// Called by name: a new expression may be left out by the compiler, a call of the operator may not.
const struct form {
    const char *name;
    void *(*make)(std::size_t bytes);
    void (*release)(void *memory);
    std::size_t alignment;
    bool throws;
} forms[] = {
    {"new", [](std::size_t n) { return ::operator new(n); }, [](void *p) { ::operator delete(p); },
     alignof(std::max_align_t), true},
    {"new[]", [](std::size_t n) { return ::operator new[](n); }, [](void *p) { ::operator delete[](p); },
     alignof(std::max_align_t), true},
    {"nothrow new", [](std::size_t n) { return ::operator new(n, std::nothrow); },
     [](void *p) { ::operator delete(p, std::nothrow); }, alignof(std::max_align_t), false},
    {"nothrow new[]", [](std::size_t n) { return ::operator new[](n, std::nothrow); },
     [](void *p) { ::operator delete[](p, std::nothrow); }, alignof(std::max_align_t), false},
    {"aligned new", [](std::size_t n) { return ::operator new(n, alignment); },
     [](void *p) { ::operator delete(p, alignment); }, 512, true},
    {"aligned new[]", [](std::size_t n) { return ::operator new[](n, page_alignment); },
     [](void *p) { ::operator delete[](p, page_alignment); }, page_size, true},
    {"aligned nothrow new", [](std::size_t n) { return ::operator new(n, alignment, std::nothrow); },
     [](void *p) { ::operator delete(p, alignment, std::nothrow); }, 512, false},
    {"aligned nothrow new[]", [](std::size_t n) { return ::operator new[](n, page_alignment, std::nothrow); },
     [](void *p) { ::operator delete[](p, page_alignment, std::nothrow); }, page_size, false},
};

void each_form_is_tracked(void **)
{
    for (const form &form : forms) {
        begin();
        void *memory = form.make(big);
        walk(memory, big);
        void *nothing = form.make(0); // a pointer of its own, by the standard
        vmt_report *report = end();
        if (!memory || !nothing || nothing == memory || reinterpret_cast<std::uintptr_t>(memory) % form.alignment)
            fail_msg("%s: %p and, of 0 bytes, %p", form.name, memory, nothing);
        if (pages_of(report, memory, big) != pages_spanned(memory, big))
            fail_msg("%s: %zu pages seen of %zu", form.name, pages_of(report, memory, big), pages_spanned(memory, big));
        vmt_report_free(report);
        form.release(memory);
        form.release(nothing);
    }
}

// The program, or one of its libraries, that this address of code lies in.
const void *object_of(const void *code)
{
    Dl_info info;
    return dladdr(code, &info) ? info.dli_fbase : nullptr;
}

// The site of a page is the call of the operator, and not what libstdc++'s operator calls. Small blocks on new pages,
// which malloc has noted when the operator has them.
void a_page_is_of_the_operators_caller(void **)
{
    constexpr std::size_t small = 1000, blocks = 500;
    const void *program = object_of(reinterpret_cast<const void *>(begin));
    std::vector<std::pair<const form *, void *>> made;
    made.reserve(blocks * std::size(forms));
    for (const form &form : forms) {
        begin();
        for (std::size_t i = 0; i < blocks; i++) {
            made.emplace_back(&form, form.make(small));
            walk(made.back().second, small);
        }
        vmt_report *report = end();
        vmt_page_info info;
        std::size_t known = 0;
        for (std::uint64_t i = 0; vmt_report_page(report, i, &info) == 0; i++) {
            char text[100];
            known += info.site != nullptr; // the allocator alone touches the page after the last block
            if (info.site && object_of(info.site) != program)
                fail_msg("%s: page %" PRIu64 " is of %s", form.name, i,
                         vmt_report_site_text(report, info.site, text, sizeof text));
        }
        assert_true(known >= blocks * small / page_size);
        vmt_report_free(report);
    }
    for (auto [form, memory] : made)
        form->release(memory);
}

// Hidden from the compiler, which warns of sizes that cannot be.
volatile std::size_t huge = PTRDIFF_MAX - 4096;

void too_much_throws_or_gives_null(void **)
{
    for (const form &form : forms) {
        bool thrown = false;
        void *memory = nullptr;
        begin();
        void *kept = form.make(big);
        try {
            memory = form.make(huge);
        } catch (const std::bad_alloc &) {
            thrown = true;
        }
        walk(kept, big); // the region goes on
        vmt_report *report = end();
        if (memory || thrown != form.throws)
            fail_msg("%s: %p, %s", form.name, memory, thrown ? "thrown" : "not thrown");
        if (pages_of(report, kept, big) != pages_spanned(kept, big))
            fail_msg("%s: memory is not tracked after a failure", form.name);
        vmt_report_free(report);
        form.release(kept);
    }
}

// What the program maps after an exception has left operator new is not taken for the allocator's.
void an_exception_leaves_the_allocator(void **)
{
    begin();
    bool thrown = false;
    try {
        ::operator delete(::operator new(huge));
    } catch (const std::bad_alloc &) {
        thrown = true;
    }
    void *mapped = mmap(nullptr, big, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    walk(mapped, big);
    vmt_report *report = end();
    assert_true(thrown);
    assert_int_equal(pages_of(report, mapped, big), 0);
    vmt_report_free(report);
    munmap(mapped, big);
}

int handler_calls;

// A handler that gives up at its second call; until then operator new tries again.
void new_handler()
{
    if (++handler_calls == 2)
        std::set_new_handler(nullptr);
}

void the_new_handler_is_called(void **)
{
    bool thrown = false;
    handler_calls = 0;
    std::set_new_handler(new_handler);
    begin();
    try {
        ::operator delete(::operator new(huge));
    } catch (const std::bad_alloc &) {
        thrown = true;
    }
    vmt_report *report = end();
    std::set_new_handler(nullptr);
    assert_true(thrown);
    assert_int_equal(handler_calls, 2);
    vmt_report_free(report);
}

struct counted {
    explicit counted(int n) : number(n)
    {
        if (n < 0)
            throw std::invalid_argument("negative");
        alive++;
    }
    ~counted() { alive--; }
    int number;
    char room[1000]{};
    static int alive;
};
int counted::alive;

// Memory of an object whose constructor throws is given back; and containers, in two threads, are as they should be.
void containers_work(void **)
{
    std::map<std::string, std::unique_ptr<counted>> map;
    std::string from_thread;
    int caught = 0;
    begin(VMT_SCOPE_HEAP);
    for (int i = 0; i < 300; i++)
        map["key " + std::to_string(i % 200)] = std::make_unique<counted>(i);
    for (int i = 0; i < 10; i++) {
        try {
            map["bad"] = std::make_unique<counted>(-1 - i);
        } catch (const std::invalid_argument &) {
            caught++;
        }
    }
    std::thread thread([&from_thread] {
        std::list<std::string> list;
        for (int i = 0; i < 100; i++)
            list.push_back(std::string(static_cast<std::size_t>(i) * 10, 'l'));
        for (const std::string &text : list)
            from_thread += text;
    });
    thread.join();
    vmt_report *report = end();
    assert_int_equal(caught, 10);
    assert_int_equal(counted::alive, 200);
    assert_int_equal(map.size(), 200); // the value is made before the key
    assert_int_equal(map["key 150"]->number, 150);
    assert_int_equal(map["key 50"]->number, 250);
    assert_int_equal(from_thread.size(), 10 * 99 * 100 / 2);
    assert_true(vmt_report_footprint(report) >= 200 / 4);
    assert_int_equal(vmt_report_threads(report), 2);
    vmt_report_free(report);
    map.clear();
    assert_int_equal(counted::alive, 0);
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(each_form_is_tracked),
        cmocka_unit_test(a_page_is_of_the_operators_caller),
        cmocka_unit_test(too_much_throws_or_gives_null),
        cmocka_unit_test(an_exception_leaves_the_allocator),
        cmocka_unit_test(the_new_handler_is_called),
        cmocka_unit_test(containers_work),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
