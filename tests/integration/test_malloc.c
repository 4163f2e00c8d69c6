/* SPDX-License-Identifier: MIT */
/* The malloc family inside a region: its memory is tracked, and each function does what it does without us. */
#define _GNU_SOURCE
#include "patterns.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/types.h>

/* Each case is run outside of a region and inside one. What it came to must be the same. */
enum { BLOCKS = 8 };

struct outcome {
    int error; /* errno after the call, which was 0 before; or what the function returned */
    bool null;
    bool fits; /* alignment as promised, usable size as asked for, contents as they must be */
    unsigned char *memory[BLOCKS]; /* to walk through; to be released */
    size_t bytes[BLOCKS];
};

typedef void (*call)(struct outcome *outcome);

/* What a call gave. */
static void got(struct outcome *o, void *p, size_t bytes, size_t alignment)
{
    o->error = errno;
    o->null = !p;
    o->fits = p && (uintptr_t)p % alignment == 0 && malloc_usable_size(p) >= bytes;
    o->memory[0] = p;
    o->bytes[0] = p ? bytes : 0;
}

/* ------------------------------------------------------------------------------------------- memory */

enum { BIG = 10 * PAGE + 100, WORD = _Alignof(max_align_t) };

static void call_malloc(struct outcome *o)
{
    got(o, malloc(BIG), BIG, WORD);
}

static void call_calloc(struct outcome *o)
{
    unsigned char *dirty = malloc(BIG); /* so that the memory is not fresh */
    memset(dirty, 0xaa, BIG);
    free(dirty);
    errno = 0;
    unsigned char *p = calloc(BIG / 10, 10);
    got(o, p, BIG / 10 * 10, WORD);
    for (size_t i = 0; p && i < BIG / 10 * 10; i++)
        o->fits &= p[i] == 0;
}

static bool is_pattern(const unsigned char *p, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (p[i] != (unsigned char)(i * 7 + i / 256))
            return false;
    return true;
}

static unsigned char *new_pattern(size_t bytes)
{
    unsigned char *p = malloc(bytes);
    for (size_t i = 0; i < bytes; i++)
        p[i] = (unsigned char)(i * 7 + i / 256);
    errno = 0;
    return p;
}

static void call_realloc_fresh(struct outcome *o)
{
    got(o, realloc(NULL, BIG), BIG, WORD);
}

static void call_realloc_grow(struct outcome *o)
{
    unsigned char *p = realloc(new_pattern(3000), BIG);
    got(o, p, BIG, WORD);
    o->fits &= is_pattern(p, 3000);
}

static void call_realloc_shrink(struct outcome *o)
{
    unsigned char *p = realloc(new_pattern(50 * PAGE), BIG);
    got(o, p, BIG, WORD);
    o->fits &= is_pattern(p, BIG);
}

/* Large blocks are mappings of their own in glibc, and grow by mremap. */
static void call_realloc_mapping(struct outcome *o)
{
    unsigned char *p = realloc(new_pattern(100 * PAGE), 300 * PAGE);
    got(o, p, 300 * PAGE, WORD);
    o->fits &= is_pattern(p, 100 * PAGE);
}

static void call_reallocarray(struct outcome *o)
{
    unsigned char *p = reallocarray(new_pattern(3000), BIG / 4, 4);
    got(o, p, BIG / 4 * 4, WORD);
    o->fits &= is_pattern(p, 3000);
}

static void call_posix_memalign(struct outcome *o)
{
    void *p = NULL;
    int error = posix_memalign(&p, 512, BIG);
    got(o, p, BIG, 512);
    o->error = error;
}

static void call_aligned_alloc(struct outcome *o)
{
    got(o, aligned_alloc(1024, 40 * 1024), 40 * 1024, 1024);
}

static void call_memalign(struct outcome *o)
{
    got(o, memalign(16 * PAGE, BIG), BIG, 16 * PAGE);
}

static void call_valloc(struct outcome *o)
{
    got(o, valloc(BIG), BIG, PAGE);
}

static void call_pvalloc(struct outcome *o)
{
    got(o, pvalloc(BIG), 11 * PAGE, PAGE); /* whole pages */
}

static void call_small(struct outcome *o)
{
    static const size_t sizes[BLOCKS] = {1, 24, 100, 1000, 3000, 16, 2000, 500};
    o->fits = true;
    for (size_t i = 0; i < BLOCKS; i++) {
        o->memory[i] = malloc(sizes[i]);
        o->bytes[i] = sizes[i];
        o->fits &= o->memory[i] && (uintptr_t)o->memory[i] % WORD == 0 && malloc_usable_size(o->memory[i]) >= sizes[i];
    }
}

/* ------------------------------------------------------------------------------------------- text */

static char text[5 * PAGE];

static void call_strdup(struct outcome *o)
{
    char *p = strdup(text);
    got(o, p, sizeof text, WORD);
    o->fits &= memcmp(p, text, sizeof text) == 0;
}

static void call_strndup(struct outcome *o)
{
    char *p = strndup(text, 3 * PAGE);
    got(o, p, 3 * PAGE + 1, WORD);
    o->fits &= memcmp(p, text, 3 * PAGE) == 0 && !p[3 * PAGE];
}

static void call_asprintf(struct outcome *o)
{
    char *p = NULL;
    int length = asprintf(&p, "%s%d", text, 1234567);
    got(o, p, sizeof text + 7, WORD);
    o->fits &= length == sizeof text + 6 && memcmp(p, text, sizeof text - 1) == 0;
    o->fits &= strcmp(p + sizeof text - 1, "1234567") == 0;
}

static void call_getline(struct outcome *o)
{
    FILE *file = fmemopen(text, sizeof text - 1, "r");
    char *p = NULL;
    size_t room = 0;
    errno = 0;
    ssize_t length = getline(&p, &room, file);
    got(o, p, sizeof text, WORD);
    o->fits &= length == sizeof text - 1 && room >= sizeof text && memcmp(p, text, sizeof text) == 0;
    fclose(file);
}

/* ------------------------------------------------------------------------------------------- the edges */

/* Volatile: else the compiler leaves out a pair of malloc and free. */
static void call_free_null(struct outcome *o)
{
    void *volatile nothing = NULL;
    free(nothing);
    o->error = errno;
}

static void call_free_keeps_errno(struct outcome *o)
{
    void *volatile p = malloc(100), *volatile q = malloc(300 * PAGE);
    errno = EDOM;
    free(p);
    free(q);
    o->error = errno;
}

static void call_realloc_to_0(struct outcome *o)
{
    void *p = realloc(malloc(BIG), 0);
    got(o, p, 0, WORD);
}

static void call_malloc_0(struct outcome *o)
{
    got(o, malloc(0), 0, WORD);
}

static void call_calloc_0(struct outcome *o)
{
    got(o, calloc(0, 10), 0, WORD);
}

static void call_realloc_null_0(struct outcome *o)
{
    got(o, realloc(NULL, 0), 0, WORD);
}

static void call_posix_memalign_0(struct outcome *o)
{
    void *p = NULL;
    int error = posix_memalign(&p, 64, 0);
    got(o, p, 0, 64);
    o->error = error;
}

static void call_usable_size_null(struct outcome *o)
{
    o->fits = malloc_usable_size(NULL) == 0;
    o->error = errno;
}

static void call_posix_memalign_bad(struct outcome *o)
{
    static char here;
    void *p = &here;
    int error = posix_memalign(&p, 24, 100); /* no power of two */
    o->error = error;
    o->fits = p == &here && errno == 0;
}

/* Hidden from the compiler, which warns of sizes that cannot be. */
static volatile size_t huge = PTRDIFF_MAX - 100, half = SIZE_MAX / 2 + 1;

static void call_malloc_huge(struct outcome *o)
{
    got(o, malloc(huge), huge, WORD);
}

static void call_calloc_huge(struct outcome *o)
{
    got(o, calloc(huge, 1), huge, WORD);
}

static void call_calloc_overflow(struct outcome *o)
{
    got(o, calloc(half, 2), 0, WORD);
}

static void call_realloc_huge(struct outcome *o)
{
    unsigned char *old = new_pattern(BIG);
    void *p = realloc(old, huge);
    got(o, p, huge, WORD);
    if (!p) { /* the old block stays */
        o->fits = is_pattern(old, BIG);
        o->memory[0] = old;
        o->bytes[0] = BIG;
    }
}

static void call_reallocarray_overflow(struct outcome *o)
{
    unsigned char *old = new_pattern(BIG);
    void *p = reallocarray(old, half, 2);
    got(o, p, 0, WORD);
    if (!p) {
        o->fits = is_pattern(old, BIG);
        o->memory[0] = old;
        o->bytes[0] = BIG;
    }
}

static void call_posix_memalign_huge(struct outcome *o)
{
    void *p = NULL;
    int error = posix_memalign(&p, 64, huge);
    got(o, p, 0, 64);
    o->error = error;
}

static void call_aligned_alloc_huge(struct outcome *o)
{
    got(o, aligned_alloc(64, huge), 0, WORD);
}

static void call_memalign_huge(struct outcome *o)
{
    got(o, memalign(64, huge), 0, WORD);
}

static void call_valloc_huge(struct outcome *o)
{
    got(o, valloc(huge), 0, WORD);
}

static void call_pvalloc_huge(struct outcome *o)
{
    got(o, pvalloc(huge), 0, WORD);
}

/* ------------------------------------------------------------------------------------------- inside and outside */

static const struct {
    const char *name;
    call call;
    bool fails;     /* with ENOMEM */
    bool has_pages; /* memory to walk through */
} cases[] = {
    {"malloc", call_malloc, false, true},
    {"calloc", call_calloc, false, true},
    {"realloc of NULL", call_realloc_fresh, false, true},
    {"realloc to more", call_realloc_grow, false, true},
    {"realloc to less", call_realloc_shrink, false, true},
    {"realloc of a mapping", call_realloc_mapping, false, true},
    {"reallocarray", call_reallocarray, false, true},
    {"posix_memalign", call_posix_memalign, false, true},
    {"aligned_alloc", call_aligned_alloc, false, true},
    {"memalign", call_memalign, false, true},
    {"valloc", call_valloc, false, true},
    {"pvalloc", call_pvalloc, false, true},
    {"small blocks", call_small, false, true},
    {"strdup", call_strdup, false, true},
    {"strndup", call_strndup, false, true},
    {"asprintf", call_asprintf, false, true},
    {"getline", call_getline, false, true},
    {"free(NULL)", call_free_null, false, false},
    {"free and errno", call_free_keeps_errno, false, false},
    {"realloc to 0", call_realloc_to_0, false, false},
    {"malloc(0)", call_malloc_0, false, false},
    {"calloc(0, 10)", call_calloc_0, false, false},
    {"realloc(NULL, 0)", call_realloc_null_0, false, false},
    {"posix_memalign of 0", call_posix_memalign_0, false, false},
    {"malloc_usable_size(NULL)", call_usable_size_null, false, false},
    {"posix_memalign, bad alignment", call_posix_memalign_bad, false, false},
    {"malloc, too much", call_malloc_huge, true, false},
    {"calloc, too much", call_calloc_huge, true, false},
    {"calloc, overflow", call_calloc_overflow, true, false},
    {"realloc, too much", call_realloc_huge, true, true},
    {"reallocarray, overflow", call_reallocarray_overflow, true, true},
    {"posix_memalign, too much", call_posix_memalign_huge, true, false},
    {"aligned_alloc, too much", call_aligned_alloc_huge, true, false},
    {"memalign, too much", call_memalign_huge, true, false},
    {"valloc, too much", call_valloc_huge, true, false},
    {"pvalloc, too much", call_pvalloc_huge, true, false},
};
enum { CASES = sizeof cases / sizeof *cases };

static struct outcome try(call call)
{
    struct outcome outcome = {0};
    errno = 0;
    call(&outcome);
    return outcome;
}

static void release(struct outcome *outcome)
{
    for (size_t i = 0; i < BLOCKS; i++)
        free(outcome->memory[i]);
}

static void walk(const struct outcome *outcome)
{
    for (size_t i = 0; i < BLOCKS; i++)
        for (size_t at = 0; at < outcome->bytes[i]; at++)
            ((volatile unsigned char *)outcome->memory[i])[at]++;
}

/* True if the report has each page of the blocks. */
static bool saw_all_pages(const vmt_report *report, const struct outcome *outcome)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        uintptr_t start = (uintptr_t)outcome->memory[i], end = start + outcome->bytes[i];
        for (uintptr_t page = start & -(uintptr_t)PAGE; outcome->bytes[i] && page < end; page += PAGE) {
            bool seen = false;
            vmt_page_info info;
            for (uint64_t n = 0; !seen && vmt_report_page(report, n, &info) == 0; n++)
                seen = info.address == page && info.touches > 0;
            if (!seen)
                return false;
        }
    }
    return true;
}

static void behaves_as_without_us(void **state)
{
    (void)state;
    memset(text, 't', sizeof text - 1);
    for (size_t i = 0; i < CASES; i++) {
        struct outcome outside = try(cases[i].call);
        release(&outside);
        if (cases[i].fails && (!outside.null || outside.error != ENOMEM))
            fail_msg("%s: the case is no test here", cases[i].name);
        vmt_config config = config_for(VMT_SCOPE_REGION, 8);
        begin(&config);
        struct outcome inside = try(cases[i].call);
        walk(&inside);
        vmt_report *report = end();
        if (inside.error != outside.error || inside.null != outside.null || inside.fits != outside.fits)
            fail_msg("%s: errno %d, null %d, fits %d inside; errno %d, null %d, fits %d outside", cases[i].name,
                     inside.error, inside.null, inside.fits, outside.error, outside.null, outside.fits);
        if (cases[i].has_pages && (!inside.memory[0] || !inside.fits || !saw_all_pages(report, &inside)))
            fail_msg("%s: not all pages of the memory were seen", cases[i].name);
        vmt_report_free(report);
        release(&inside);
    }
}

/* Memory that was allocated on one side is resized and released on the other. */
static void memory_crosses_the_borders(void **state)
{
    (void)state;
    enum { MANY = 200 };
    unsigned char *before[MANY], *within[MANY];
    for (size_t i = 0; i < MANY; i++)
        before[i] = new_pattern(i * i);
    vmt_config config = config_for(VMT_SCOPE_HEAP, 16);
    begin(&config);
    bool same = true;
    for (size_t i = 0; i < MANY; i++) {
        within[i] = new_pattern(i * 300);
        unsigned char *moved = realloc(before[i], i * i + 2 * PAGE);
        same &= moved && is_pattern(moved, i * i);
        before[i] = moved;
        if (i % 2) {
            free(before[i]);
            before[i] = NULL;
        }
    }
    vmt_report *report = end();
    assert_true(same);
    assert_true(vmt_report_touches(report) > MANY);
    vmt_report_free(report);
    for (size_t i = 0; i < MANY; i++) {
        assert_true(is_pattern(within[i], i * 300));
        if (before[i])
            assert_true(is_pattern(before[i], i * i));
        free(realloc(within[i], i + 1));
        free(before[i]);
    }
}

/* In scope region, what was there before is not watched; in scope heap, it is. */
static void scopes_tell_old_memory_from_new(void **state)
{
    (void)state;
    enum { PAGES_EACH = 40 };
    unsigned char *old = aligned_alloc(PAGE, PAGES_EACH * PAGE);
    memset(old, 1, PAGES_EACH * PAGE);
    for (int scope = VMT_SCOPE_HEAP; scope <= VMT_SCOPE_REGION; scope++) {
        vmt_config config = config_for((vmt_scope)scope, 64);
        begin(&config);
        unsigned char *new = aligned_alloc(PAGE, PAGES_EACH * PAGE);
        for (size_t i = 0; i < PAGES_EACH; i++) {
            ((volatile unsigned char *)old)[i * PAGE]++;
            ((volatile unsigned char *)new)[i * PAGE]++;
        }
        vmt_report *report = end();
        uint64_t of_old = 0, of_new = 0;
        vmt_page_info info;
        for (uint64_t i = 0; vmt_report_page(report, i, &info) == 0; i++) {
            of_old += info.address - (uintptr_t)old < PAGES_EACH * PAGE;
            of_new += info.address - (uintptr_t)new < PAGES_EACH * PAGE;
        }
        assert_int_equal(of_new, PAGES_EACH);
        assert_int_equal(of_old, scope == VMT_SCOPE_HEAP ? PAGES_EACH : 0);
        vmt_report_free(report);
        free(new);
    }
    free(old);
}

/* The number of the allocation that a page belongs to, once it has been touched in a region. */
static uint64_t number_of(volatile unsigned char *p)
{
    vmt_config config = config_for(VMT_SCOPE_HEAP, 64);
    begin(&config);
    p[PAGE]++;
    vmt_report *report = end();
    uint64_t number = 0;
    vmt_page_info info;
    for (uint64_t i = 0; vmt_report_page(report, i, &info) == 0; i++)
        if (info.address == ((uintptr_t)p + PAGE) / PAGE * PAGE)
            number = info.allocation;
    vmt_report_free(report);
    assert_int_not_equal(number, 0);
    return number;
}

static __attribute__((noinline)) void *here(size_t bytes)
{
    void *p = malloc(bytes);
    __asm__ volatile("" : : "r"(p) : "memory"); /* no tail call: the site is in this function */
    return p;
}

/* A large block that comes and goes at one place is one allocation; another size, or another place, is another. */
static void blocks_that_come_back_keep_their_number(void **state)
{
    (void)state;
    enum { BYTES = 5 * PAGE };
    unsigned char *p = here(BYTES);
    uintptr_t place = (uintptr_t)p;
    uint64_t first = number_of(p);
    for (int i = 0; i < 1000; i++) {
        free(p);
        p = here(BYTES);
        if ((uintptr_t)p != place) {
            print_message("the allocator gave another block\n");
            free(p);
            skip();
        }
    }
    assert_int_equal(number_of(p), first);
    free(p);
    p = here(BYTES - 100);
    if ((uintptr_t)p == place)
        assert_int_equal(number_of(p), first + 1);
    free(p);
}

/* Also where it lies in memory that the allocator had from the system before, or gets inside the region. */
static void each_page_of_small_blocks_has_an_owner(void **state)
{
    (void)state;
    enum { SMALL = 1000, COUNT = 1000 };
    static char *blocks[COUNT];
    for (int round = 0; round < 2; round++) {
        vmt_config config = config_for(VMT_SCOPE_HEAP, 64);
        begin(&config);
        for (int i = 0; i < COUNT; i++) {
            blocks[i] = malloc(SMALL);
            memset(blocks[i], 1, SMALL);
        }
        vmt_report *report = end();
        for (int i = 0; i < COUNT; i++) {
            vmt_page_info info = {0};
            for (uint64_t k = 0; k < vmt_report_footprint(report); k++)
                if (vmt_report_page(report, k, &info) == 0 &&
                    info.address == ((uintptr_t)blocks[i] & ~(uintptr_t)(PAGE - 1)))
                    break;
            assert_int_equal(info.address, (uintptr_t)blocks[i] & ~(uintptr_t)(PAGE - 1));
            assert_true(info.allocation && info.site);
        }
        vmt_report_free(report);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_page_of_small_blocks_has_an_owner), /* first: their pages must be new */
        cmocka_unit_test(behaves_as_without_us),
        cmocka_unit_test(memory_crosses_the_borders),
        cmocka_unit_test(scopes_tell_old_memory_from_new),
        cmocka_unit_test(blocks_that_come_back_keep_their_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
