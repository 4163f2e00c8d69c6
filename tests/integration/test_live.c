/* SPDX-License-Identifier: MIT */
/*
 * Bytes of the pages touched that were in live heap blocks. The request must be in the environment from the start: the
 * program begins again with it.
 */
#define _GNU_SOURCE
#include "patterns.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../unit/random.h"

/* ------------------------------------------------------------------------------------------- a model */

/* Live bytes of the pages from `first` on, now and at most. Nothing else may allocate between two of its changes. */
enum { MODEL_PAGES = 4096 };

static struct {
    uintptr_t first;
    uint32_t now[MODEL_PAGES], most[MODEL_PAGES];
} model;

static void model_start(const void *somewhere)
{
    memset(&model, 0, sizeof model);
    model.first = (uintptr_t)somewhere / PAGE - MODEL_PAGES / 2;
}

static void model_change(void *p, bool comes)
{
    for (uintptr_t at = (uintptr_t)p, end = at + (p ? malloc_usable_size(p) : 0), next; at < end; at = next) {
        size_t page = at / PAGE - model.first;
        next = (at / PAGE + 1) * PAGE;
        assert_true(page < MODEL_PAGES);
        uint32_t bytes = (uint32_t)((next < end ? next : end) - at);
        model.now[page] += comes ? bytes : 0 - bytes;
        if (model.now[page] > model.most[page])
            model.most[page] = model.now[page];
    }
}

static void *model_came(void *p)
{
    model_change(p, true);
    return p;
}

static void model_begin(void)
{
    memcpy(model.most, model.now, sizeof model.most);
}

/* Of each page that this program's blocks have for themselves, the report must say what the model does. How many there
 * were. */
static uint64_t expect_model(const vmt_report *report, uintptr_t first, uintptr_t end)
{
    uint64_t pages = 0, sum = 0, bytes;
    for (uint64_t i = 0; i < vmt_report_footprint(report); i++) {
        vmt_page_info info;
        assert_int_equal(vmt_report_page(report, i, &info), 0);
        sum += info.live_bytes;
        if (info.address < first || info.address >= end)
            continue;
        pages++;
        assert_int_equal(info.live_bytes, model.most[info.address / PAGE - model.first]);
    }
    assert_int_equal(vmt_report_live_bytes(report, &bytes), 0);
    assert_int_equal(bytes, sum);
    return pages;
}

static vmt_config config_with_live(vmt_scope scope)
{
    vmt_config config = config_for(scope, 64);
    config.live_bytes = true;
    return config;
}

/* ------------------------------------------------------------------------------------------- tests */

enum { BLOCKS = 200, HALF_PAGE = 2048 - 8 }; /* what malloc gives fully: 8 bytes of its own for each block */

/* 100 pages of such blocks, of which every other one is given back; then all that are left are used in a region. */
static vmt_report *use_every_other_block(char *blocks[BLOCKS], void *(*allocate)(size_t), void (*release)(void *))
{
    release(allocate(1)); /* an operator is looked up at its first call, which allocates */
    blocks[0] = allocate(HALF_PAGE);
    model_start(blocks[0]);
    model_came(blocks[0]);
    for (int i = 1; i < BLOCKS; i++)
        blocks[i] = model_came(allocate(HALF_PAGE));
    for (int i = 0; i < BLOCKS; i += 2) {
        model_change(blocks[i], false);
        release(blocks[i]);
    }
    model_begin();
    vmt_config config = config_with_live(VMT_SCOPE_HEAP);
    begin(&config);
    for (int i = 1; i < BLOCKS; i += 2)
        memset(blocks[i], 1, HALF_PAGE);
    return end();
}

static void every_other_block_of_half_a_page_is_free(void **state)
{
    (void)state;
    char *blocks[BLOCKS];
    vmt_report *report = use_every_other_block(blocks, malloc, free);
    uintptr_t first = ((uintptr_t)blocks[1] / PAGE + 1) * PAGE, last = (uintptr_t)blocks[BLOCKS - 1] / PAGE * PAGE;
    uint64_t pages = expect_model(report, first, last), bytes;
    assert_true(pages >= BLOCKS / 2 - 2);
    assert_int_equal(vmt_report_live_bytes(report, &bytes), 0);
    assert_true(bytes <= vmt_report_footprint(report) * PAGE * 52 / 100);
    vmt_report_free(report);
    for (int i = 1; i < BLOCKS; i += 2)
        free(blocks[i]);
}

/* What came and went in the region counts with the most; what went before it, not. */
static void the_most_since_the_begin_counts(void **state)
{
    (void)state;
    enum { LARGE = 100 * PAGE };
    char *gone = malloc(LARGE + 8), *p;
    uint64_t bytes;
    free(gone);
    vmt_config config = config_with_live(VMT_SCOPE_HEAP);
    begin(&config);
    p = malloc(LARGE);
    memset(p, 1, LARGE);
    p = realloc(p, LARGE / 2);
    free(p);
    p = calloc(LARGE / PAGE / 2, PAGE);
    p[LARGE / 4] = 1;
    free(p);
    vmt_report *report = end();
    assert_int_equal(vmt_report_live_bytes(report, &bytes), 0);
    assert_true(bytes >= LARGE && bytes <= vmt_report_footprint(report) * PAGE);
    vmt_report_free(report);

    p = malloc(LARGE);
    memset(p, 1, LARGE);
    begin(&config);
    report = end();
    assert_int_equal(vmt_report_live_bytes(report, &bytes), 0);
    assert_int_equal(bytes, 0); /* nothing was touched */
    vmt_report_free(report);
    free(p);
}

/* One block each way that there is, all sizes, at random; some before the region, some in it. */
static void *random_block(uint64_t *random)
{
    uint64_t x = next_random(random);
    size_t bytes = x >> 20 & 1 ? (x >> 24) % 20000 : (x >> 24) % 300, alignment = (size_t)16 << (x >> 50) % 9;
    void *p = NULL;
    switch (x % 8) {
    case 0:
        return calloc(bytes / 8 + 1, 8);
    case 1:
        return realloc(NULL, bytes + 1);
    case 2:
        return posix_memalign(&p, alignment, bytes) ? NULL : p;
    case 3:
        return aligned_alloc(alignment, bytes / alignment * alignment + alignment);
    case 4:
        return memalign(alignment, bytes);
    case 5:
        return reallocarray(NULL, bytes / 4 + 1, 4);
    case 6:
        return x >> 60 ? malloc(bytes) : x >> 59 & 1 ? valloc(bytes + 1) : pvalloc(bytes + 1);
    default:
        return malloc(bytes);
    }
}

static void random_step(void **blocks, size_t count, uint64_t *random)
{
    uint64_t x = next_random(random);
    void **at = &blocks[x % count];
    if (!*at) {
        *at = model_came(random_block(random));
    } else if (x >> 40 & 1) {
        model_change(*at, false);
        free(*at);
        *at = NULL;
    } else {
        model_change(*at, false); /* realloc frees and allocates, in some order */
        void *p = x >> 41 & 1 ? realloc(*at, (x >> 44) % 9000 + 1) : reallocarray(*at, (x >> 44) % 900 + 1, 9);
        assert_non_null(p);
        *at = model_came(p);
    }
}

static void random_blocks_are_as_the_model_says(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    static void *blocks[COUNT];
    uint64_t random = 88172645463325252u;
    mallopt(M_MMAP_THRESHOLD, 1 << 30); /* all of it in the brk heap */
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    char *low = malloc(30000);
    model_start(low);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 2000; i++)
            random_step(blocks, COUNT, &random);
        model_begin();
        vmt_config config = config_with_live(VMT_SCOPE_HEAP);
        begin(&config);
        for (int i = 0; i < 2000; i++)
            random_step(blocks, COUNT, &random);
        vmt_report *report = end();
        /* Above the first block, all is this test's: nothing else allocates. */
        uintptr_t first = ((uintptr_t)low / PAGE + 9) * PAGE, last = (uintptr_t)sbrk(0);
        assert_true(expect_model(report, first, last) > 100);
        vmt_report_free(report);
    }
    for (int i = 0; i < COUNT; i++)
        free(blocks[i]);
    free(low);
}

/* A realloc that fails leaves the block counted, and one to nothing does not. */
static void a_failed_realloc_changes_nothing(void **state)
{
    (void)state;
    volatile size_t too_much = PTRDIFF_MAX;
    uint64_t bytes;
    char *volatile p = malloc(50 * PAGE); /* volatile: the compiler does not know that realloc fails */
    vmt_config config = config_with_live(VMT_SCOPE_HEAP);
    begin(&config);
    void *failed = realloc(p, too_much);
    void *overflow = reallocarray(p, too_much, 16);
    memset(p, 1, 50 * PAGE);
    vmt_report *report = end();
    assert_null(failed);
    assert_null(overflow);
    assert_int_equal(vmt_report_live_bytes(report, &bytes), 0);
    assert_true(bytes >= 50 * PAGE);
    vmt_report_free(report);
    assert_null(realloc(p, 0));
    begin(&config);
    volatile char *again = malloc(50 * PAGE); /* the same memory: counted once more, not twice */
    again[20 * PAGE] = 1;
    report = end();
    vmt_page_info info;
    for (uint64_t i = 0; i < vmt_report_footprint(report); i++)
        assert_true(vmt_report_page(report, i, &info) == 0 && info.live_bytes <= PAGE);
    vmt_report_free(report);
    free((void *)again);
}

extern void *_Znwm(size_t bytes);

/* libstdc++'s operator new calls malloc, which is wrapped again: the block counts once. */
static void operators_count_once(void **state)
{
    (void)state;
    void *library = dlopen("libstdc++.so.6", RTLD_NOW | RTLD_GLOBAL);
    if (!library)
        skip();
    void (*delete)(void *);
    *(void **)&delete = dlsym(library, "_ZdlPv");
    assert_non_null(*(void **)&delete);
    char *blocks[BLOCKS];
    vmt_report *report = use_every_other_block(blocks, _Znwm, delete);
    uint64_t alike = 0; /* few pages have blocks of libstdc++'s or the loader's too */
    for (uint64_t i = 0; i < vmt_report_footprint(report); i++) {
        vmt_page_info info;
        assert_int_equal(vmt_report_page(report, i, &info), 0);
        uint32_t most = model.most[info.address / PAGE - model.first];
        assert_true(info.live_bytes >= most);
        alike += info.live_bytes == most;
    }
    assert_true(alike >= BLOCKS / 2 - 10);
    vmt_report_free(report);
    for (int i = 1; i < BLOCKS; i += 2)
        delete(blocks[i]);
    dlclose(library);
}

static void *churn(void *seed)
{
    uint64_t random = (uintptr_t)seed;
    void *blocks[64] = {NULL};
    for (int i = 0; i < 5000; i++) {
        void **at = &blocks[next_random(&random) % 64];
        free(*at);
        *at = malloc(next_random(&random) % 3000);
    }
    for (int i = 0; i < 64; i++)
        free(blocks[i]);
    return NULL;
}

/* However threads meet, no page ever has more live bytes than it has, and in the end nothing is left of theirs. */
static void threads_lose_no_byte(void **state)
{
    (void)state;
    pthread_t threads[4];
    vmt_config config = config_with_live(VMT_SCOPE_HEAP);
    char *mine = malloc(20 * PAGE);
    begin(&config);
    for (uintptr_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)), 0);
    memset(mine, 1, 20 * PAGE);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    vmt_report *report = end();
    vmt_page_info info;
    uint64_t full = 0;
    for (uint64_t i = 0; i < vmt_report_footprint(report); i++) {
        assert_int_equal(vmt_report_page(report, i, &info), 0);
        assert_true(info.live_bytes <= PAGE);
        full += info.live_bytes == PAGE;
    }
    assert_true(full >= 19);
    vmt_report_free(report);
    free(mine);
}

/* Memory that is not malloc's has no live bytes; and without the request there is no count. */
static void what_is_not_counted_is_said(void **state)
{
    (void)state;
    uint64_t bytes = 7;
    volatile char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_int_equal(vmt_track((void *)p, 4 * PAGE, "not malloc's"), 0);
    vmt_config config = config_with_live(VMT_SCOPE_RANGES);
    begin(&config);
    p[0] = p[PAGE] = 1;
    vmt_report *report = end();
    assert_int_equal(vmt_report_footprint(report), 2);
    assert_int_equal(vmt_report_live_bytes(report, &bytes), 0);
    assert_int_equal(bytes, 0);
    assert_int_equal(vmt_report_live_bytes(report, NULL), -EINVAL);
    vmt_report_free(report);
    config.live_bytes = false;
    begin(&config);
    p[0] = 1;
    report = end();
    assert_int_equal(vmt_report_live_bytes(report, &bytes), -ENODATA);
    assert_non_null(strstr(vmt_error_text(), "VMT_LIVE=1"));
    vmt_report_free(report);
    vmt_untrack((void *)p, 4 * PAGE);
    munmap((void *)p, 4 * PAGE);
    assert_int_equal(vmt_config_init(&config), 0);
    assert_true(config.live_bytes); /* by the environment */
}

/* In a process that was started without it: 0 if it is refused in words. */
static int is_refused(void)
{
    vmt_config config;
    setenv("VMT_LIVE", "1", 1); /* too late */
    if (vmt_config_init(&config) || !config.live_bytes)
        return 1;
    if (vmt_begin(&config) != -EINVAL || !strstr(vmt_error_text(), "started with VMT_LIVE=1") || vmt_active()) {
        fprintf(stderr, "not refused, or not in words: %s\n", vmt_error_text());
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_other_block_of_half_a_page_is_free),
        cmocka_unit_test(the_most_since_the_begin_counts),
        cmocka_unit_test(random_blocks_are_as_the_model_says),
        cmocka_unit_test(a_failed_realloc_changes_nothing),
        cmocka_unit_test(operators_count_once),
        cmocka_unit_test(threads_lose_no_byte),
        cmocka_unit_test(what_is_not_counted_is_said),
    };
    if (argc == 1) {
        if (is_refused())
            return 1;
        execv("/proc/self/exe", (char *[]){argv[0], (char[]){"counting"}, NULL});
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
