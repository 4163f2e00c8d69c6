/* SPDX-License-Identifier: MIT */
/* Pages that were written and hold at the region's end what they held before. */
#define _GNU_SOURCE
#include "patterns.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../unit/random.h"

enum { PAGES = 64 };

static unsigned char *map_pages(size_t pages)
{
    unsigned char *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(p, MAP_FAILED);
    for (size_t i = 0; i < pages * PAGE; i++)
        p[i] = (unsigned char)(i * 7 + i / PAGE);
    assert_int_equal(vmt_track(p, pages * PAGE, "pages"), 0);
    return p;
}

static void unmap_pages(unsigned char *p, size_t pages)
{
    assert_int_equal(vmt_untrack(p, pages * PAGE), 0);
    munmap(p, pages * PAGE);
}

static vmt_config config_with_content(uint64_t window)
{
    vmt_config config = config_for(VMT_SCOPE_RANGES, window);
    config.track_content = true;
    return config;
}

static bool find_page(const vmt_report *report, const void *address, vmt_page_info *info)
{
    for (uint64_t i = 0; i < vmt_report_footprint(report); i++) {
        assert_int_equal(vmt_report_page(report, i, info), 0);
        if (info->address == (uintptr_t)address)
            return true;
    }
    return false;
}

static void expect_page(const vmt_report *report, const unsigned char *page, bool written, bool unchanged)
{
    vmt_page_info info;
    assert_true(find_page(report, page, &info));
    assert_int_equal(info.written, written);
    assert_int_equal(info.unchanged, unchanged);
}

/* ------------------------------------------------------------------------------------------- the program's writes */

static void what_is_written_without_a_change_is_told(void **state)
{
    (void)state;
    volatile unsigned char *p = map_pages(10);
    vmt_config config = config_with_content(8);
    begin(&config);
    p[0 * PAGE] = p[0 * PAGE];             /* read first: an upgrade */
    p[1 * PAGE + 77] = 0;                  /* at once, what it holds not */
    p[1 * PAGE + 77] = (unsigned char)((PAGE + 77) * 7 + 1); /* ... and again what it held */
    p[2 * PAGE + 4095]++;
    (void)p[3 * PAGE];
    p[4 * PAGE]++;
    for (int i = 5; i < 10; i++) /* page 4 leaves the window, changed */
        for (int k = 0; k < PAGE; k++)
            p[i * PAGE + k] = p[i * PAGE + k];
    (void)p[0];
    (void)p[1 * PAGE];
    p[4 * PAGE]--;
    vmt_report *report = end();
    assert_true(vmt_report_track_content(report) && vmt_report_track_writes(report));
    assert_int_equal(vmt_report_footprint(report), 10);
    assert_int_equal(vmt_report_pages_written(report), 9);
    assert_int_equal(vmt_report_pages_unchanged(report), 8);
    for (int i = 0; i < 10; i++)
        expect_page(report, (unsigned char *)p + i * PAGE, i != 3, i != 2 && i != 3);
    vmt_report_free(report);
    unmap_pages((unsigned char *)p, 10);
}

static void nothing_is_compared_unless_asked_for(void **state)
{
    (void)state;
    volatile unsigned char *p = map_pages(2);
    vmt_config config = config_for(VMT_SCOPE_RANGES, 64);
    config.track_writes = true;
    begin(&config);
    p[0] = p[0];
    vmt_report *report = end();
    assert_false(vmt_report_track_content(report));
    assert_int_equal(vmt_report_pages_written(report), 1);
    assert_int_equal(vmt_report_pages_unchanged(report), 0);
    expect_page(report, (unsigned char *)p, true, false);
    vmt_report_free(report);
    unmap_pages((unsigned char *)p, 2);
    setenv("VMT_CONTENT", "1", 1);
    assert_int_equal(vmt_config_init(&config), 0);
    assert_true(config.track_content && config.track_writes);
    setenv("VMT_CONTENT", "yes", 1);
    assert_int_equal(vmt_config_init(&config), -EINVAL);
    assert_non_null(strstr(vmt_error_text(), "VMT_CONTENT is \"yes\""));
    unsetenv("VMT_CONTENT");
}

/* Memory of the allocator's, that no page of it was ever read from, holds zeros. */
static void fresh_memory_holds_zeros(void **state)
{
    (void)state;
    volatile unsigned char *p = aligned_alloc(PAGE, 300 * PAGE); /* a mapping of its own */
    vmt_config config = config_with_content(16);
    config.scope = VMT_SCOPE_HEAP;
    begin(&config);
    for (int i = 100; i < 200; i++)
        p[i * PAGE] = i % 4 ? 0 : 1;
    vmt_report *report = end();
    assert_int_equal(vmt_report_pages_written(report), 100);
    assert_int_equal(vmt_report_pages_unchanged(report), 75);
    vmt_report_free(report);
    free((void *)p);
}

/* ------------------------------------------------------------------------------------------- calls and threads */

static void what_a_call_writes_is_compared_too(void **state)
{
    (void)state;
    unsigned char *p = map_pages(8);
    char name[] = "/tmp/vmt-content-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    unlink(name);
    assert_int_equal(write(fd, p, 8 * PAGE), 8 * PAGE);
    assert_int_equal(pwrite(fd, "change", 6, 5 * PAGE + 10), 6);
    vmt_config config = config_with_content(64);
    begin(&config);
    ssize_t all = pread(fd, p, 8 * PAGE, 0);
    ssize_t few = pread(fd, p + PAGE, 7 * PAGE, 7 * PAGE); /* page 7's content; the others are only opened */
    vmt_report *report = end();
    close(fd);
    assert_int_equal(all, 8 * PAGE);
    assert_int_equal(few, PAGE);
    assert_int_equal(vmt_report_pages_written(report), 8);
    assert_int_equal(vmt_report_pages_unchanged(report), 6);
    for (int i = 0; i < 8; i++)
        expect_page(report, p + i * PAGE, true, i != 1 && i != 5);
    vmt_report_free(report);
    unmap_pages(p, 8);
}

static void *write_from_a_thread(void *pages)
{
    volatile unsigned char *p = pages;
    for (int round = 0; round < 20; round++)
        for (int i = 0; i < PAGES; i++)
            __atomic_fetch_add(&p[i * PAGE], i % 2, __ATOMIC_RELAXED);
    return NULL;
}

/* Each page is hashed before any thread could write it, whichever is the first to. */
static void no_thread_writes_before_the_hash(void **state)
{
    (void)state;
    unsigned char *p = map_pages(PAGES);
    pthread_t threads[3];
    vmt_config config = config_with_content(32);
    begin(&config);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_from_a_thread, p), 0);
    write_from_a_thread(p);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    vmt_report *report = end();
    for (int i = 0; i < PAGES; i++)
        assert_int_equal(p[i * PAGE], (unsigned char)(i * PAGE * 7 + i + (i % 2) * 80));
    assert_int_equal(vmt_report_pages_written(report), PAGES);
    assert_int_equal(vmt_report_pages_unchanged(report), PAGES / 2);
    vmt_report_free(report);
    unmap_pages(p, PAGES);
}

/* ------------------------------------------------------------------------------------------- mappings */

static void what_was_gone_meanwhile_counts_as_changed(void **state)
{
    (void)state;
    unsigned char *p = map_pages(8), *copy = malloc(8 * PAGE);
    memcpy(copy, p, 8 * PAGE);
    vmt_config config = config_with_content(64);
    begin(&config);
    for (volatile int i = 0; i < 8; i++)
        ((volatile unsigned char *)p)[i * PAGE] = copy[i * PAGE];
    madvise(p, PAGE, MADV_DONTNEED);
    memcpy(p, copy, PAGE);
    munmap(p + PAGE, PAGE);
    mmap(p + PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    memcpy(p + PAGE, copy + PAGE, PAGE);
    mprotect(p + 2 * PAGE, PAGE, PROT_NONE); /* cannot be read at the end */
    mprotect(p + 3 * PAGE, PAGE, PROT_NONE);
    mprotect(p + 3 * PAGE, PAGE, PROT_READ);
    mremap(p + 4 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + 5 * PAGE);
    vmt_report *report = end();
    assert_int_equal(vmt_report_pages_written(report), 8);
    for (int i = 0; i < 8; i++)
        expect_page(report, p + i * PAGE, true, i == 3 || i > 5);
    assert_int_equal(vmt_report_pages_unchanged(report), 3);
    vmt_report_free(report);
    free(copy);
    munmap(p, 8 * PAGE);
}

/* Random writes against a copy of what was there. */
static void random_writes_are_as_a_copy_says(void **state)
{
    (void)state;
    unsigned char *p = map_pages(PAGES), *before = malloc(PAGES * PAGE);
    uint64_t random = 88172645463325252u;
    for (int round = 0; round < 20; round++) {
        bool written[PAGES] = {false};
        memcpy(before, p, PAGES * PAGE);
        vmt_config config = config_with_content(8 + (uint64_t)round);
        config.evict = 1 + (uint64_t)round % 4;
        if (config.window < VMT_WINDOW_FLOOR + config.evict)
            config.window = VMT_WINDOW_FLOOR + config.evict;
        begin(&config);
        for (int i = 0; i < 400; i++) {
            uint64_t x = next_random(&random);
            unsigned page = x % (PAGES - 2), at = (unsigned)(x >> 20) % PAGE;
            volatile unsigned char *byte = &p[page * PAGE + at];
            if ((x >> 32) % 8 == 0) {
                (void)*byte;
                continue;
            }
            written[page] = true;
            if ((x >> 32) % 8 == 1)
                *byte ^= 1;
            else
                *byte = *byte;
        }
        vmt_report *report = end();
        uint64_t writes = 0, unchanged = 0;
        for (unsigned page = 0; page < PAGES; page++) {
            bool same = memcmp(p + page * PAGE, before + page * PAGE, PAGE) == 0;
            writes += written[page];
            unchanged += written[page] && same;
            if (written[page])
                expect_page(report, p + page * PAGE, true, same);
        }
        assert_int_equal(vmt_report_pages_written(report), writes);
        assert_int_equal(vmt_report_pages_unchanged(report), unchanged);
        vmt_report_free(report);
    }
    free(before);
    unmap_pages(p, PAGES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_without_a_change_is_told),
        cmocka_unit_test(nothing_is_compared_unless_asked_for),
        cmocka_unit_test(fresh_memory_holds_zeros),
        cmocka_unit_test(what_a_call_writes_is_compared_too),
        cmocka_unit_test(no_thread_writes_before_the_hash),
        cmocka_unit_test(what_was_gone_meanwhile_counts_as_changed),
        cmocka_unit_test(random_writes_are_as_a_copy_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
