/* SPDX-License-Identifier: MIT */
/* Known walks have known counts, exactly, whatever the window: the FIFO is compared with a model of it. */
#include "patterns.h"

#include <stdio.h>
#include <sys/mman.h>

enum { PAGES = 512 };

static const size_t windows[] = {8, 16, 64, 300, 512, 1000};
enum { WINDOWS = sizeof windows / sizeof *windows };

/* Does the walk over the buffer, and compares touches, footprint and evictions with the model. */
static void check_with(const struct walk *walk, volatile unsigned char *buffer, size_t window, size_t evict,
                       size_t distinct, bool write)
{
    vmt_config config = config_for(VMT_SCOPE_RANGES, window);
    config.evict = evict;
    begin(&config);
    for (size_t i = 0; i < walk->length; i++) {
        if (write)
            buffer[(size_t)walk->pages[i] * PAGE + i % PAGE] = 1;
        else
            (void)buffer[(size_t)walk->pages[i] * PAGE + i % PAGE];
    }
    vmt_report *report = end();
    struct model expected = model_of(walk, window, evict, PAGES);
    assert_int_equal(vmt_report_touches(report), expected.touches);
    assert_int_equal(vmt_report_program_touches(report), expected.touches);
    assert_int_equal(vmt_report_syscall_touches(report), 0);
    assert_int_equal(vmt_report_footprint(report), distinct);
    assert_int_equal(vmt_report_label_pages(report, "buffer"), distinct);
    assert_int_equal(vmt_report_evictions(report), expected.evictions);
    assert_int_equal(vmt_report_evict(report), evict);
    assert_int_equal(vmt_report_peak_open(report), expected.touches > window ? window : expected.touches);
    vmt_report_free(report);
}

/* With each window, as a strict FIFO and with several pages that leave at once. */
static void check_walk(const struct walk *walk, bool write)
{
    size_t distinct = 0;
    unsigned char *seen = calloc(PAGES, 1);
    for (size_t i = 0; i < walk->length; i++)
        distinct += !seen[walk->pages[i]]++;
    free(seen);
    volatile unsigned char *buffer =
        mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_int_equal(vmt_track((void *)buffer, PAGES * PAGE, "buffer"), 0);
    for (size_t w = 0; w < WINDOWS; w++) {
        size_t most =
            windows[w] - VMT_WINDOW_FLOOR + 1 < VMT_EVICT_MAX ? windows[w] - VMT_WINDOW_FLOOR + 1 : VMT_EVICT_MAX;
        check_with(walk, buffer, windows[w], 1, distinct, write);
        if (most > 1)
            check_with(walk, buffer, windows[w], 1 + most / 3, distinct, write);
        if (most > 2)
            check_with(walk, buffer, windows[w], most, distinct, write);
    }
    assert_int_equal(vmt_untrack((void *)buffer, PAGES * PAGE), 0);
    munmap((void *)buffer, PAGES * PAGE);
}

static struct walk new_walk(size_t length)
{
    struct walk walk = {malloc(length * sizeof *walk.pages), 0};
    assert_non_null(walk.pages);
    return walk;
}

static void add(struct walk *walk, size_t page)
{
    walk->pages[walk->length++] = (uint32_t)page;
}

static void sequential(void **state)
{
    (void)state;
    struct walk walk = new_walk(3 * PAGES);
    for (size_t i = 0; i < 3 * PAGES; i++)
        add(&walk, i % PAGES);
    check_walk(&walk, false);
    check_walk(&walk, true);
    free(walk.pages);
}

static void reversed(void **state)
{
    (void)state;
    struct walk walk = new_walk(2 * PAGES);
    for (size_t i = 0; i < PAGES; i++)
        add(&walk, i);
    for (size_t i = PAGES; i-- > 0;)
        add(&walk, i);
    check_walk(&walk, false);
    free(walk.pages);
}

static void strided(void **state)
{
    (void)state;
    struct walk walk = new_walk(4 * PAGES);
    for (size_t stride = 3; stride <= 7; stride += 2)
        for (size_t i = 0; i < PAGES; i++)
            add(&walk, i * stride % PAGES);
    check_walk(&walk, true);
    free(walk.pages);
}

static void random_order(void **state)
{
    (void)state;
    struct walk walk = new_walk(5000);
    uint64_t x = 88172645463325252ull;
    for (size_t i = 0; i < 5000; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        add(&walk, (x >> 20) % PAGES);
    }
    check_walk(&walk, false);
    free(walk.pages);
}

/* A matrix of 64 x 64 rows of a page each eighth: by row it touches each page once, by column again and again. */
static void matrix(void **state)
{
    (void)state;
    enum { ROWS = 256, ROW_BYTES = PAGE / 2, COLUMNS = 8, STEP = ROW_BYTES / COLUMNS };
    for (int by_column = 0; by_column < 2; by_column++) {
        struct walk walk = new_walk(ROWS * COLUMNS);
        for (size_t i = 0; i < ROWS; i++)
            for (size_t j = 0; j < COLUMNS; j++) {
                size_t row = by_column ? (i * COLUMNS + j) % ROWS : i,
                       column = by_column ? (i * COLUMNS + j) / ROWS : j;
                add(&walk, (row * ROW_BYTES + column * STEP) / PAGE);
            }
        assert_int_equal(model_of(&walk, 64, 1, PAGES).touches, by_column ? ROWS / 2 * COLUMNS : ROWS / 2);
        check_walk(&walk, false);
        free(walk.pages);
    }
}

/* A list in malloc'd memory, its nodes a page apart and shuffled; built before the region, as tests do. */
struct node {
    struct node *next;
    uint64_t value;
};

static void list_walk(void **state)
{
    (void)state;
    enum { NODES = 200 };
    char *memory = aligned_alloc(PAGE, NODES * PAGE);
    assert_non_null(memory);
    struct node *first = NULL;
    for (size_t i = 0; i < NODES; i++) {
        struct node *node = (struct node *)(memory + i * 77 % NODES * PAGE);
        node->next = first;
        node->value = i;
        first = node;
    }
    vmt_config config = config_for(VMT_SCOPE_HEAP, 16);
    begin(&config);
    uint64_t sum = 0;
    for (int round = 0; round < 2; round++)
        for (struct node *node = first; node; node = node->next)
            sum += node->value;
    vmt_report *report = end();
    assert_int_equal(sum, 2 * (NODES * (NODES - 1) / 2));
    assert_int_equal(vmt_report_footprint(report), NODES);
    assert_int_equal(vmt_report_touches(report), 2 * NODES);
    vmt_report_free(report);
    free(memory);
}

/* The same pages again, in the order of the first touch, and which were evicted: by report and trace. */
static void pages_in_order(void **state)
{
    (void)state;
    volatile unsigned char *buffer = mmap(NULL, 20 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_int_equal(vmt_track((void *)buffer, 20 * PAGE, NULL), 0);
    static const unsigned order[] = {7, 3, 19, 0, 4, 11, 12, 13, 14, 15};
    vmt_config config = config_for(VMT_SCOPE_RANGES, 8);
    begin(&config);
    for (size_t i = 0; i < 10; i++)
        (void)buffer[order[i] * PAGE];
    (void)buffer[19 * PAGE]; /* still open */
    (void)buffer[3 * PAGE];  /* evicted by page 15 */
    vmt_report *report = end();
    assert_int_equal(vmt_report_footprint(report), 10);
    assert_int_equal(vmt_report_touches(report), 11);
    for (size_t i = 0; i < 10; i++) {
        vmt_page_info info;
        assert_int_equal(vmt_report_page(report, i, &info), 0);
        assert_int_equal(info.address, (uintptr_t)buffer + order[i] * PAGE);
        assert_int_equal(info.touches, order[i] == 3 ? 2 : 1);
        assert_int_equal(info.offset, order[i]);
    }
    uint64_t peak = 0;
    assert_int_equal(vmt_report_working_set(report, 11, &peak), 0);
    assert_int_equal(peak, 10);
    assert_int_equal(vmt_report_working_set(report, 4, &peak), 0);
    assert_int_equal(peak, 4);
    vmt_report_free(report);
    vmt_untrack((void *)buffer, 20 * PAGE);
    munmap((void *)buffer, 20 * PAGE);
}

/* Write tracking: each page counts as read until its first write; an upgrade is not a second touch. */
static void writes(void **state)
{
    (void)state;
    volatile unsigned char *buffer = mmap(NULL, 100 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_int_equal(vmt_track((void *)buffer, 100 * PAGE, NULL), 0);
    vmt_config config = config_for(VMT_SCOPE_RANGES, 200);
    config.track_writes = true;
    begin(&config);
    for (size_t i = 0; i < 100; i++) {
        (void)buffer[i * PAGE];
        if (i % 3 == 0)
            buffer[i * PAGE] = 1;
    }
    vmt_report *report = end();
    assert_int_equal(vmt_report_touches(report), 100);
    assert_int_equal(vmt_report_footprint(report), 100);
    assert_int_equal(vmt_report_pages_written(report), 34);
    for (size_t i = 0; i < 100; i++) {
        vmt_page_info info;
        assert_int_equal(vmt_report_page(report, i, &info), 0);
        assert_int_equal(info.written, i % 3 == 0);
    }
    vmt_report_free(report);
    vmt_untrack((void *)buffer, 100 * PAGE);
    munmap((void *)buffer, 100 * PAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequential), cmocka_unit_test(reversed),       cmocka_unit_test(strided),
        cmocka_unit_test(random_order), cmocka_unit_test(matrix),       cmocka_unit_test(list_walk),
        cmocka_unit_test(pages_in_order), cmocka_unit_test(writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
