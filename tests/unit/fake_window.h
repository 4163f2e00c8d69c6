/* SPDX-License-Identifier: MIT */
/*
 * A window for the walker that only notes what it is asked for. All of the arena below is tracked and closed
 * (PROT_NONE), so what the walker reads without having it opened before cannot be read.
 */
#ifndef VMTI_TESTS_FAKE_WINDOW_H
#define VMTI_TESTS_FAKE_WINDOW_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "../older_systems.h"
#include "effects.h"
#include "thread.h"
#include "walk.h"
#include "window.h"

enum { PAGE = 4096, ARENA_PAGES = 256, WALKED_MAX = 4096, RESTART_BLOCK = -516 };
static const uint64_t BAD = 16; /* a page that nobody has */

/* ------------------------------------------------------------------------------------------- the fake window */

struct walked {
    struct vmti_span span;
    bool touched; /* at the entry */
};

static unsigned char *arena;
static struct walked walked[WALKED_MAX];
static unsigned walks, lookups;
static struct vmti_region region;
static struct vmti_thread thread;

static inline uintptr_t arena_start(void)
{
    return (uintptr_t)arena;
}

static inline uintptr_t arena_end(void)
{
    return (uintptr_t)arena + (size_t)ARENA_PAGES * PAGE;
}

static inline void open_pages(uintptr_t start, uintptr_t end)
{
    start = start > arena_start() ? start & ~(uintptr_t)(PAGE - 1) : arena_start();
    end = end < arena_end() ? (end + PAGE - 1) & ~(uintptr_t)(PAGE - 1) : arena_end();
    if (start < end)
        mprotect((void *)start, end - start, PROT_READ | PROT_WRITE); /* not what a test has unmapped */
}

bool vmti_any_tracked(uintptr_t start, uintptr_t end)
{
    lookups++;
    return start < end && start < arena_end() && end > arena_start();
}

bool vmti_is_tracked(uint64_t page)
{
    return vmti_any_tracked(page * PAGE, page * PAGE + 1);
}

void vmti_exempt(struct vmti_region *r, uintptr_t start, uintptr_t end)
{
    assert_ptr_equal(r, &region);
    open_pages(start, end);
}

void vmti_lose(struct vmti_region *r, int error, unsigned step)
{
    (void)r;
    fail_msg("lost: %d, %u", error, step);
}

void vmti_touch(struct vmti_region *r, struct vmti_thread *t, uintptr_t start, uintptr_t end, unsigned flags)
{
    assert_ptr_equal(r, &region);
    assert_ptr_equal(t, &thread);
    assert_int_equal(flags, VMTI_TOUCH_SYSCALL);
    assert_true(walks < WALKED_MAX);
    walked[walks] = (struct walked){{.start = start, .end = end, .done = 255}, true};
    open_pages(start, end);
}

struct vmti_span *vmti_pin(struct vmti_region *r, struct vmti_thread *t, uintptr_t start, uintptr_t end, bool writes)
{
    assert_ptr_equal(r, &region);
    assert_ptr_equal(t, &thread);
    assert_true(walks < WALKED_MAX);
    if (!vmti_any_tracked(start, end))
        return NULL;
    struct walked *w = &walked[walks++];
    bool touched = w->touched && w->span.start == start && w->span.end == end;
    memset(w, 0, sizeof *w);
    w->touched = touched;
    w->span.start = start;
    w->span.end = end;
    w->span.writes = writes;
    open_pages(start, end);
    return &w->span;
}

/* ------------------------------------------------------------------------------------------- fixture */

static inline int open_arena(void **state)
{
    (void)state;
    /* Not near the end of the address space, where a long buffer would leave it. */
    arena = mmap((void *)((uintptr_t)1 << 45), (size_t)ARENA_PAGES * PAGE, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (arena == MAP_FAILED)
        return -1;
    memset(&region, 0, sizeof region);
    memset(&thread, 0, sizeof thread);
    region.window = 64;
    region.evict = 1;
    region.pid = getpid();
    thread.tid = getpid();
    walks = lookups = 0;
    memset(walked, 0, sizeof walked);
    return 0;
}

static inline int unmap_arena(void **state)
{
    (void)state;
    return munmap(arena, (size_t)ARENA_PAGES * PAGE);
}

static inline unsigned char *at_page(unsigned page)
{
    return arena + (size_t)page * PAGE;
}

#define WORD(x) ((uint64_t)(uintptr_t)(x))

/* Closes the arena and walks one call. */
static inline bool walk(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    struct vmti_call call = {.nr = nr, .args = {a, b, c, d, e, f}};
    const struct vmti_row *row = vmti_row(nr);
    assert_non_null(row);
    for (unsigned page = 0; page < ARENA_PAGES; page++)
        mprotect(at_page(page), PAGE, PROT_NONE);
    walks = lookups = 0;
    memset(walked, 0, sizeof walked);
    return vmti_walk_call(&region, &thread, &call, row);
}

/* The walk of exactly these bytes, or NULL. */
static inline const struct walked *find(const void *start, uint64_t len, bool writes)
{
    for (unsigned i = 0; i < walks; i++)
        if (walked[i].span.start == (uintptr_t)start && walked[i].span.end == (uintptr_t)start + len &&
            walked[i].span.writes == writes)
            return &walked[i];
    return NULL;
}

static inline void print_walks(void)
{
    for (unsigned i = 0; i < walks; i++)
        print_message("  %+ld, %lu bytes, %s%s, done %u\n", (long)(walked[i].span.start - arena_start()),
                      (unsigned long)(walked[i].span.end - walked[i].span.start),
                      walked[i].span.writes ? "writes" : "reads", walked[i].touched ? ", touched" : "",
                      walked[i].span.done);
}

/* Some of it is walked, whichever way. */
static inline bool is_walked(const void *start, uint64_t len)
{
    for (unsigned i = 0; i < walks; i++)
        if (walked[i].span.start < (uintptr_t)start + len && walked[i].span.end > (uintptr_t)start)
            return true;
    return false;
}

#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            print_walks();                                                                                             \
            fail_msg("not so: %s", #condition);                                                                        \
        }                                                                                                              \
    } while (0)

/* Read by the kernel: touched at the entry, and nothing more at the exit. */
#define EXPECT_IN(start, len)                                                                                          \
    do {                                                                                                               \
        const struct walked *w_ = find(start, len, false);                                                             \
        EXPECT(w_ && w_->touched && w_->span.done == VMTI_DONE_RECORDED);                                              \
    } while (0)

/* Touched at the exit: so many bytes of it with that result. */
static inline uint64_t done(const void *start, uint64_t len, bool writes, int64_t result)
{
    const struct walked *w = find(start, len, writes);
    if (!w) {
        print_walks();
        fail_msg("%lu bytes at %+ld are not walked", (unsigned long)len, (long)((uintptr_t)start - arena_start()));
        return 0;
    }
    return vmti_span_done(&region, &thread, &w->span, result);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_arena, unmap_arena)

#endif
