/* SPDX-License-Identifier: MIT */
/* Runs in the malloc wrappers: async-signal-safe, raw system calls only. */
#include "owners.h"

#include <errno.h>
#include <string.h>

#include "os.h"
#include "stacks.h"

enum { CHUNK_SHIFT = VMTI_OWNER_CHUNK_SHIFT, CHUNK_OWNERS = 1 << CHUNK_SHIFT, CHUNKS = VMTI_OWNER_CHUNKS };

_Atomic(struct vmti_owner *) vmti_owner_chunks[VMTI_OWNER_CHUNKS];
_Atomic uint32_t vmti_owner_count = 1; /* index 0 means: no owner */

struct vmti_names vmti_labels = {.lock = ATOMIC_FLAG_INIT}, vmti_phases = {.lock = ATOMIC_FLAG_INIT};

uint32_t vmti_owner_new(uint64_t first_page, uint32_t pages, uint64_t bytes, uintptr_t site, uint32_t label,
                        uint32_t stack)
{
    if (atomic_load_explicit(&vmti_owner_count, memory_order_relaxed) >= (uint32_t)CHUNKS * CHUNK_OWNERS)
        return 0;
    uint32_t index = atomic_fetch_add(&vmti_owner_count, 1);
    if (index >= (uint32_t)CHUNKS * CHUNK_OWNERS) {
        atomic_store(&vmti_owner_count, (uint32_t)CHUNKS * CHUNK_OWNERS);
        return 0;
    }
    struct vmti_owner *chunk = atomic_load_explicit(&vmti_owner_chunks[index >> CHUNK_SHIFT], memory_order_acquire);
    if (!chunk) {
        struct vmti_owner *fresh = vmti_os_map(sizeof *fresh * CHUNK_OWNERS);
        if (!fresh)
            return 0;
        if (atomic_compare_exchange_strong(&vmti_owner_chunks[index >> CHUNK_SHIFT], &chunk, fresh))
            chunk = fresh;
        else
            vmti_os_unmap(fresh, sizeof *fresh * CHUNK_OWNERS);
    }
    struct vmti_owner *owner = &chunk[index & (CHUNK_OWNERS - 1)];
    owner->first_page = first_page;
    owner->bytes = bytes;
    owner->site = site;
    owner->label = label & (VMTI_NAMES - 1);
    owner->stack = stack & ((1u << VMTI_STACK_BITS) - 1);
    atomic_store_explicit(&owner->pages, pages, memory_order_release);
    return index;
}

bool vmti_owner_extend(uint32_t index, uint64_t page, uintptr_t site, uint32_t stack)
{
    struct vmti_owner *owner = (struct vmti_owner *)vmti_owner(index);
    if (!owner || owner->site != site || owner->stack != stack)
        return false;
    uint32_t pages = atomic_load_explicit(&owner->pages, memory_order_relaxed);
    return page == owner->first_page + pages && atomic_compare_exchange_strong(&owner->pages, &pages, pages + 1);
}

uint32_t vmti_name_find(const struct vmti_names *names, const char *name)
{
    uint32_t last = atomic_load_explicit(&names->last, memory_order_acquire);
    for (uint32_t i = 1; i <= last; i++)
        if (strcmp(names->text[i], name) == 0)
            return i;
    return 0;
}

int vmti_name_new(struct vmti_names *names, const char *name)
{
    if (!name || !*name)
        return 0;
    /* Called by vmt_track() and vmt_mark() alone, in ordinary program context: a spin lock that no signal handler
     * takes. */
    while (atomic_flag_test_and_set_explicit(&names->lock, memory_order_acquire))
        ;
    int number = (int)vmti_name_find(names, name);
    if (!number) {
        uint32_t next = atomic_load_explicit(&names->last, memory_order_relaxed) + 1;
        if (next == VMTI_NAMES) {
            number = -ENOSPC;
        } else {
            strncpy(names->text[next], name, VMTI_NAME_BYTES - 1);
            atomic_store_explicit(&names->last, next, memory_order_release);
            number = (int)next;
        }
    }
    atomic_flag_clear_explicit(&names->lock, memory_order_release);
    return number;
}

const char *vmti_name(const struct vmti_names *names, uint32_t number)
{
    return number <= atomic_load_explicit(&names->last, memory_order_acquire) ? names->text[number] : "";
}
