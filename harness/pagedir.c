/* SPDX-License-Identifier: MIT */
/* Runs in the catcher and in the malloc wrappers: async-signal-safe, raw system calls only. */
#include "pagedir.h"

#include "os.h"

_Atomic(struct vmti_dir_chunk *) vmti_dir_top[VMTI_DIR_TOP];

/* Which chunks exist, a bit each: a search passes over 64 GiB without one in one step. */
static _Atomic uint64_t chunk_exists[VMTI_DIR_TOP / 64];

static const uint32_t CHUNK_PAGES = 1u << VMTI_DIR_CHUNK_SHIFT;

static struct vmti_dir_chunk *get_chunk(uint64_t top)
{
    struct vmti_dir_chunk *chunk = atomic_load_explicit(&vmti_dir_top[top], memory_order_acquire);
    if (chunk)
        return chunk;
    struct vmti_dir_chunk *fresh = vmti_os_map(sizeof *fresh);
    if (!fresh)
        return NULL;
    atomic_init(&fresh->low, CHUNK_PAGES);
    if (atomic_compare_exchange_strong(&vmti_dir_top[top], &chunk, fresh))
        return fresh;
    vmti_os_unmap(fresh, sizeof *fresh); /* another thread was first */
    return chunk;
}

/* Before a word of it is set: the thread that made the chunk may have been interrupted before it came to this. */
static void note_chunk(uint64_t top)
{
    uint64_t bit = (uint64_t)1 << (top % 64);
    if (!(atomic_load_explicit(&chunk_exists[top / 64], memory_order_relaxed) & bit))
        atomic_fetch_or(&chunk_exists[top / 64], bit);
}

static void widen(struct vmti_dir_chunk *chunk, uint32_t low, uint32_t high)
{
    uint32_t seen = atomic_load_explicit(&chunk->low, memory_order_relaxed);
    while (low < seen && !atomic_compare_exchange_weak(&chunk->low, &seen, low))
        ;
    seen = atomic_load_explicit(&chunk->high, memory_order_relaxed);
    while (high > seen && !atomic_compare_exchange_weak(&chunk->high, &seen, high))
        ;
}

/* The first chunk at or after `top`, or VMTI_DIR_TOP. */
static uint64_t next_chunk(uint64_t top)
{
    while (top < VMTI_DIR_TOP) {
        uint64_t bits = atomic_load_explicit(&chunk_exists[top / 64], memory_order_acquire) >> (top % 64);
        if (bits)
            return top + (uint64_t)__builtin_ctzll(bits);
        top = (top / 64 + 1) * 64;
    }
    return VMTI_DIR_TOP;
}

/* The first word at or after `at` that has not this value in the bits of `mask`, or a few words before it; at most
 * `end`. */
static uint64_t pass_alike(const struct vmti_dir_chunk *chunk, uint64_t at, uint64_t end, uint32_t mask, uint32_t value)
{
    typedef uint64_t __attribute__((may_alias)) pair; /* two words */
    const uint64_t both = 0x100000001u;
    if (at % 2)
        return at;
    for (; at + 8 <= end; at += 8) {
        const pair *pairs = (const pair *)&chunk->word[at];
        uint64_t differences = 0;
        for (unsigned i = 0; i < 4; i++)
            differences |= __atomic_load_n(&pairs[i], __ATOMIC_RELAXED) ^ value * both;
        if (differences & mask * both)
            break;
    }
    return at;
}

bool vmti_dir_set(uint64_t first, uint64_t last, uint32_t mask, uint32_t value)
{
    while (first <= last) {
        uint64_t top = first >> VMTI_DIR_CHUNK_SHIFT;
        if (top >= VMTI_DIR_TOP)
            return false;
        uint64_t chunk_last = ((top + 1) << VMTI_DIR_CHUNK_SHIFT) - 1;
        if (chunk_last > last)
            chunk_last = last;
        struct vmti_dir_chunk *chunk = atomic_load_explicit(&vmti_dir_top[top], memory_order_acquire);
        if (!chunk && (value & mask)) {
            chunk = get_chunk(top);
            if (!chunk)
                return false;
        }
        if (chunk) {
            uint32_t low = (uint32_t)(first & (CHUNK_PAGES - 1)), high = (uint32_t)(chunk_last & (CHUNK_PAGES - 1)) + 1;
            if (value & mask) {
                note_chunk(top);
                widen(chunk, low, high);
            } else { /* clearing: pages never set are clear already */
                uint32_t set_low = atomic_load_explicit(&chunk->low, memory_order_relaxed);
                uint32_t set_high = atomic_load_explicit(&chunk->high, memory_order_relaxed);
                if (low < set_low)
                    low = set_low;
                if (high > set_high)
                    high = set_high;
            }
            for (uint32_t i = low; i < high; i++) {
                i = (uint32_t)pass_alike(chunk, i, high, mask, value & mask);
                if (i == high)
                    break;
                uint32_t word = atomic_load_explicit(&chunk->word[i], memory_order_relaxed);
                while ((word & mask) != (value & mask) &&
                       !atomic_compare_exchange_weak(&chunk->word[i], &word, (word & ~mask) | (value & mask)))
                    ;
            }
        }
        first = chunk_last + 1;
    }
    return true;
}

uint64_t vmti_dir_next_run(uint64_t *page, uint64_t limit, uint32_t any, uint32_t same)
{
    uint64_t at = *page, start = 0, length = 0;
    uint32_t like = 0;
    while (at < limit) {
        uint64_t top = next_chunk(at >> VMTI_DIR_CHUNK_SHIFT);
        if (top == VMTI_DIR_TOP)
            break;
        uint64_t base = top << VMTI_DIR_CHUNK_SHIFT, end = base + CHUNK_PAGES;
        struct vmti_dir_chunk *chunk = atomic_load_explicit(&vmti_dir_top[top], memory_order_acquire);
        uint64_t low = base + atomic_load_explicit(&chunk->low, memory_order_relaxed);
        uint64_t high = base + atomic_load_explicit(&chunk->high, memory_order_relaxed);
        if (at < low || at >= high) {
            if (length)
                break;
            at = at < low && low < high ? low : end;
            continue;
        }
        if (high > limit)
            high = limit;
        for (; at < high; at++) {
            /* Of several bits of `any` a page of the run may have others than the first: those are looked at one by
             * one. */
            uint32_t mask = length ? same | any : any, value = length ? like & mask : 0;
            uint64_t passed = base + pass_alike(chunk, at - base, high - base, mask, value);
            length += length ? passed - at : 0;
            at = passed;
            if (at == high)
                break;
            uint32_t word = atomic_load_explicit(&chunk->word[at - base], memory_order_relaxed);
            bool fits = word & any;
            if (length && (!fits || ((word ^ like) & same)))
                goto out;
            if (fits) {
                if (!length) {
                    start = at;
                    like = word;
                }
                length++;
            }
        }
    }
out:
    *page = start;
    return length;
}
