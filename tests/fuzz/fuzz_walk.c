/* SPDX-License-Identifier: MIT */
/*
 * The walker on calls with any number, arguments and memory: against a window that only notes what it is asked for, as
 * in tests/unit/fake_window.h. Memory that is not opened before it is read cannot be read. The input: the call's number
 * (2 bytes), its result (1), for each of six arguments a byte that says what it is and up to 8 of its value, and what
 * the memory holds.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "effects.h"
#include "fuzz.h"
#include "rings.h"
#include "thread.h"
#include "walk.h"
#include "window.h"

enum { PAGE = 4096, ARENA_PAGES = 8, ARENA = ARENA_PAGES * PAGE, SPANS_MAX = 4096 };

static unsigned char *arena;
static struct vmti_span spans[SPANS_MAX];
static unsigned used;
static struct vmti_region region;
static struct vmti_thread thread;

static void open_pages(uintptr_t start, uintptr_t end)
{
    uintptr_t low = (uintptr_t)arena, high = low + ARENA;
    start = start > low ? start & ~(uintptr_t)(PAGE - 1) : low;
    end = end < high ? (end + PAGE - 1) & ~(uintptr_t)(PAGE - 1) : high;
    if (start < end && mprotect((void *)start, end - start, PROT_READ | PROT_WRITE))
        abort();
}

bool vmti_any_tracked(uintptr_t start, uintptr_t end)
{
    return start < end && start < (uintptr_t)arena + ARENA && end > (uintptr_t)arena;
}

bool vmti_is_tracked(uint64_t page)
{
    return vmti_any_tracked(page * PAGE, page * PAGE + 1);
}

void vmti_exempt(struct vmti_region *r, uintptr_t start, uintptr_t end)
{
    (void)r;
    open_pages(start, end);
}

void vmti_lose(struct vmti_region *r, int error, unsigned step)
{
    (void)r, (void)error, (void)step;
    abort();
}

void vmti_touch(struct vmti_region *r, struct vmti_thread *t, uintptr_t start, uintptr_t end, unsigned flags)
{
    (void)r, (void)t, (void)flags;
    if (start >= end)
        abort();
    open_pages(start, end);
}

struct vmti_span *vmti_pin(struct vmti_region *r, struct vmti_thread *t, uintptr_t start, uintptr_t end, bool writes)
{
    (void)r, (void)t;
    if (start >= end)
        abort();
    if (!vmti_any_tracked(start, end) || used == SPANS_MAX)
        return NULL;
    struct vmti_span *span = &spans[used++];
    *span = (struct vmti_span){.start = start, .end = end, .writes = writes};
    open_pages(start, end);
    return span;
}


/* rings.c reads what the kernel shares with the program; there is no ring here. */
void vmti_ring_walk(struct vmti_walk *w, int fd, bool registered, uint64_t count)
{
    (void)w, (void)fd, (void)registered, (void)count;
}

static const uint8_t *at, *limit;

static uint64_t take(unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes && at < limit; i++)
        value |= (uint64_t)*at++ << (8 * i);
    return value;
}

static uint64_t take_argument(void)
{
    unsigned kind = (unsigned)take(1);
    switch (kind & 3) {
    case 0:
        return kind >> 2;
    case 1:
        return (uintptr_t)arena + take(2) % ARENA;
    case 2:
        return take(4);
    default:
        return take(8);
    }
}

/* Words of the memory that begin with 0xA5 0x5A are addresses of it. */
static void fill(void)
{
    size_t bytes = (size_t)(limit - at) < ARENA ? (size_t)(limit - at) : ARENA;
    memset(arena, 0, ARENA);
    memcpy(arena, at, bytes);
    for (size_t i = 0; i + 8 <= bytes; i += 8)
        if (arena[i] == 0xa5 && arena[i + 1] == 0x5a) {
            uint64_t address = (uintptr_t)arena + (arena[i + 2] | (unsigned)arena[i + 3] << 8) % ARENA;
            memcpy(arena + i, &address, sizeof address);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (!arena) {
        arena = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (arena == MAP_FAILED)
            abort();
    }
    memset(&region, 0, sizeof region);
    memset(&thread, 0, sizeof thread);
    region.window = 64;
    region.evict = 1;
    region.pid = region.catcher = thread.tid = getpid();
    used = 0;
    at = data;
    limit = data + bytes;
    struct vmti_call call = {.nr = (long)(take(2) % 512)};
    int64_t result = (int8_t)take(1);
    result = result > 64 ? result * PAGE : result;
    for (int i = 0; i < 6; i++)
        call.args[i] = take_argument();
    const struct vmti_row *row = vmti_row(call.nr);
    if (!row)
        return 0;
    open_pages((uintptr_t)arena, (uintptr_t)arena + ARENA);
    fill();
    if (mprotect(arena, ARENA, PROT_NONE))
        abort();
    thread.call = call;
    vmti_walk_call(&region, &thread, &call, row);
    for (unsigned i = 0; i < used; i++)
        if (vmti_span_done(&region, &thread, &spans[i], result) > spans[i].end - spans[i].start)
            abort();
    fuzz_accepted(used);
    return 0;
}
