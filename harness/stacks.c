/* SPDX-License-Identifier: MIT */
/* Runs in the malloc wrappers: no lock, no malloc, raw system calls only; of other libraries the unwinder alone. */
#define _GNU_SOURCE
#include "stacks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#ifdef __GLIBC__
#include <gnu/libc-version.h>
#include <unwind.h>
#endif

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "error.h"
#include "os.h"

_Atomic bool vmti_stacks_on;

#ifdef __GLIBC__

/* ------------------------------------------------------------------------------------------- the table */

enum {
    CHUNK_SHIFT = 12,
    CHUNK_STACKS = 1 << CHUNK_SHIFT,
    CHUNKS = 1 << (VMTI_STACK_BITS - CHUNK_SHIFT),
    BUCKETS = 1 << 14
};

static _Atomic(struct vmti_call_stack *) chunks[CHUNKS];
static _Atomic uint32_t last;             /* number of the last one */
static _Atomic uint32_t buckets[BUCKETS]; /* by the low bits of the hash: the newest one */

static struct vmti_call_stack *stack_at(uint32_t number)
{
    struct vmti_call_stack *chunk = atomic_load_explicit(&chunks[number >> CHUNK_SHIFT], memory_order_acquire);
    return chunk ? &chunk[number & (CHUNK_STACKS - 1)] : NULL;
}

const struct vmti_call_stack *vmti_call_stack(uint32_t number)
{
    return number && number < (uint32_t)CHUNKS * CHUNK_STACKS ? stack_at(number) : NULL;
}

static struct vmti_call_stack *new_stack(uint32_t *number)
{
    if (atomic_load_explicit(&last, memory_order_relaxed) >= (uint32_t)CHUNKS * CHUNK_STACKS - 1)
        return NULL;
    *number = atomic_fetch_add(&last, 1) + 1;
    if (*number >= (uint32_t)CHUNKS * CHUNK_STACKS)
        return NULL;
    _Atomic(struct vmti_call_stack *) *place = &chunks[*number >> CHUNK_SHIFT];
    struct vmti_call_stack *chunk = atomic_load_explicit(place, memory_order_acquire), *fresh;
    if (!chunk) {
        if (!(fresh = vmti_os_map(sizeof *fresh * CHUNK_STACKS)))
            return NULL;
        if (!atomic_compare_exchange_strong(place, &chunk, fresh))
            vmti_os_unmap(fresh, sizeof *fresh * CHUNK_STACKS); /* another thread was first */
    }
    return stack_at(*number);
}

/* The number of a stack like this, made if there is none. Two threads that come with a new one at the same moment may
 * make two. */
static uint32_t number_of(const uintptr_t *frames, uint32_t count)
{
    uint64_t hash = XXH3_64bits(frames, count * sizeof *frames);
    _Atomic uint32_t *bucket = &buckets[hash % BUCKETS];
    uint32_t first = atomic_load_explicit(bucket, memory_order_acquire), number;
    for (number = first; number;) {
        const struct vmti_call_stack *stack = stack_at(number);
        if (stack->hash == hash && stack->count == count && memcmp(stack->frames, frames, count * sizeof *frames) == 0)
            return number;
        number = stack->next;
    }
    struct vmti_call_stack *stack = new_stack(&number);
    if (!stack)
        return 0;
    stack->hash = hash;
    stack->count = count;
    memcpy(stack->frames, frames, count * sizeof *frames);
    do
        stack->next = first;
    while (!atomic_compare_exchange_weak(bucket, &first, number));
    return number;
}

/* ------------------------------------------------------------------------------------------- capture */

enum { OWN_FRAMES = 12 }; /* more than the wrappers have between the call and here */

struct capture {
    uintptr_t site;
    uint32_t passed, count;
    uintptr_t frames[VMTI_STACK_FRAMES];
};

static _Unwind_Reason_Code take_frame(struct _Unwind_Context *context, void *argument)
{
    struct capture *capture = argument;
    uintptr_t address = _Unwind_GetIP(context);
    if (!capture->count && address != capture->site)
        return ++capture->passed < OWN_FRAMES ? _URC_NO_REASON : _URC_END_OF_STACK;
    if (!address)
        return _URC_END_OF_STACK;
    capture->frames[capture->count++] = address;
    return capture->count < VMTI_STACK_FRAMES ? _URC_NO_REASON : _URC_END_OF_STACK;
}

uint32_t vmti_stack_take(uintptr_t site)
{
    static __thread bool capturing;
    struct capture capture = {.site = site};
    if (capturing || !site)
        return 0;
    capturing = true;
    _Unwind_Backtrace(take_frame, &capture);
    capturing = false;
    return capture.count ? number_of(capture.frames, capture.count) : 0;
}

static bool has_lock_free_unwinder(void)
{
    char *end;
    unsigned long major = strtoul(gnu_get_libc_version(), &end, 10),
                  minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
    return major > 2 || (major == 2 && minor >= 35);
}

int vmti_stacks_start(void)
{
    if (!has_lock_free_unwinder())
        return vmti_fail(
            -ENOSYS,
            "vmt_config.stacks: allocation stacks need glibc 2.35 and libgcc 12, or newer ones, and this is "
            "glibc %s: before, the unwinder takes the loader's lock, with which malloc may be called",
            gnu_get_libc_version());
    if (!atomic_load(&vmti_stacks_on)) {
        struct capture capture = {.site = 1};
        _Unwind_Backtrace(take_frame, &capture); /* what it initialises once */
        atomic_store(&vmti_stacks_on, true);
    }
    return 0;
}

#else

const struct vmti_call_stack *vmti_call_stack(uint32_t number)
{
    (void)number;
    return NULL;
}

uint32_t vmti_stack_take(uintptr_t site)
{
    (void)site;
    return 0;
}

int vmti_stacks_start(void)
{
    return vmti_fail(-ENOSYS,
                     "vmt_config.stacks: allocation stacks need glibc 2.35, and this program has another C library");
}

#endif
