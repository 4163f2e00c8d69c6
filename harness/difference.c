/* SPDX-License-Identifier: MIT */
#include "difference.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define HASH_NONFATAL_OOM 1
#define HASH_FUNCTION(key, bytes, hash) ((hash) = (unsigned)XXH3_64bits((key), (bytes)))
#include <uthash.h>

#include "insight.h"

/* A page that belongs to no allocation. */
struct stray {
    uint64_t page, number;
    UT_hash_handle hh;
};

struct side {
    struct vmti_trace_reader *reader;
    struct vmti_owners_told owners;
    struct stray *strays;
    bool ended;
    uint64_t allocation, offset; /* of the last touch */
};

static int number_of_stray(struct side *side, uint64_t page, uint64_t *number)
{
    struct stray *stray;
    HASH_FIND(hh, side->strays, &page, sizeof page, stray);
    if (!stray) {
        stray = malloc(sizeof *stray);
        if (!stray)
            return -ENOMEM;
        *stray = (struct stray){.page = page, .number = HASH_COUNT(side->strays)};
        HASH_ADD(hh, side->strays, page, sizeof stray->page, stray);
        if (!stray->hh.tbl) { /* uthash leaves it NULL when it could not add */
            free(stray);
            return -ENOMEM;
        }
    }
    *number = stray->number;
    return 0;
}

/* To the next touch, or to the end. */
static int advance(struct side *side)
{
    struct vmti_event event;
    int error = 0;
    while (!error && vmti_trace_read_next(side->reader, &event)) {
        if (event.kind == VMTI_REC_OWNER)
            error = vmti_owners_told_add(&side->owners, &event);
        if (event.kind != VMTI_REC_TOUCH)
            continue;
        const struct vmti_trace_owner *owner = vmti_owners_told_find(&side->owners, event.page);
        side->allocation = owner ? owner->index : 0;
        if (!owner)
            return number_of_stray(side, event.page, &side->offset);
        side->offset = event.page - owner->first_page;
        return 0;
    }
    side->ended = true;
    return error ? error : side->reader->error ? side->reader->error : side->reader->complete ? 0 : -EIO;
}

static void free_side(struct side *side)
{
    struct stray *stray, *next;
    HASH_ITER(hh, side->strays, stray, next)
    {
        HASH_DEL(side->strays, stray);
        free(stray);
    }
    vmti_owners_told_free(&side->owners);
}

int vmti_first_difference(struct vmti_trace_reader *a, struct vmti_trace_reader *b, uint64_t *touch)
{
    struct side x = {.reader = a}, y = {.reader = b};
    uint64_t count = 0;
    *touch = 0;
    int error = vmti_owners_told_read(&x.owners, a);
    if (!error)
        error = vmti_owners_told_read(&y.owners, b);
    while (!error && !*touch) {
        if ((error = advance(&x)) || (error = advance(&y)))
            break;
        count++;
        if (x.ended && y.ended)
            break;
        if (x.ended != y.ended || x.allocation != y.allocation || x.offset != y.offset)
            *touch = count;
    }
    free_side(&x);
    free_side(&y);
    return error;
}
