/* SPDX-License-Identifier: MIT */
#include "diverge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define HASH_NONFATAL_OOM 1
#define HASH_FUNCTION(key, bytes, hash) ((hash) = (unsigned)XXH3_64bits((key), (bytes)))
#include <uthash.h>

/* A touched page that belongs to no allocation. */
struct stray {
    uint64_t page, number;
    UT_hash_handle hh;
};

struct walk {
    struct vmti_trace_reader *reader;
    struct vmti_owners_told owners;
    struct stray *strays;
    char phase[VMTI_TRACE_LABEL_MAX + 1];
};

static int number_stray(struct walk *walk, uint64_t page, uint64_t *number)
{
    struct stray *stray;
    HASH_FIND(hh, walk->strays, &page, sizeof page, stray);
    if (!stray) {
        stray = malloc(sizeof *stray);
        if (!stray)
            return -ENOMEM;
        *stray = (struct stray){.page = page, .number = HASH_COUNT(walk->strays)};
        HASH_ADD(hh, walk->strays, page, sizeof stray->page, stray);
        if (!stray->hh.tbl) { /* uthash leaves it NULL when it could not add */
            free(stray);
            return -ENOMEM;
        }
    }
    *number = stray->number;
    return 0;
}

static int name_touch(struct walk *walk, const struct vmti_event *event, struct vmti_place *place)
{
    const struct vmti_trace_owner *owner = vmti_owners_told_find(&walk->owners, event->page);
    memset(place, 0, sizeof *place);
    place->thread = event->thread;
    memcpy(place->phase, walk->phase, sizeof place->phase);
    if (!owner)
        return number_stray(walk, event->page, &place->page);
    place->allocation = owner->index;
    place->page = event->page - owner->first_page;
    place->bytes = owner->bytes;
    place->site = owner->site;
    memcpy(place->label, owner->label, sizeof place->label);
    return 0;
}

static int next_touch(struct walk *walk, struct vmti_place *place)
{
    struct vmti_event event;
    int error = 0;
    while (!error && vmti_trace_read_next(walk->reader, &event)) {
        if (event.kind == VMTI_REC_TOUCH)
            return name_touch(walk, &event, place);
        if (event.kind == VMTI_REC_OWNER)
            error = vmti_owners_told_add(&walk->owners, &event);
        if (event.kind == VMTI_REC_MARK) {
            memcpy(walk->phase, event.text, event.text_bytes);
            walk->phase[event.text_bytes] = '\0';
        }
    }
    *place = (struct vmti_place){.ended = true};
    return error ? error : walk->reader->error;
}

static void free_walk(struct walk *walk)
{
    struct stray *stray, *next;
    HASH_ITER(hh, walk->strays, stray, next)
    {
        HASH_DEL(walk->strays, stray);
        free(stray);
    }
    vmti_owners_told_free(&walk->owners);
}

int vmti_diverge_find(struct vmti_trace_reader *a, struct vmti_trace_reader *b, struct vmti_divergence *found)
{
    struct walk walk_a = {.reader = a}, walk_b = {.reader = b};
    uint64_t touch = 0;
    memset(found, 0, sizeof *found);
    int error = vmti_owners_told_read(&walk_a.owners, a);
    if (!error)
        error = vmti_owners_told_read(&walk_b.owners, b);
    while (!error && !found->touch) {
        error = next_touch(&walk_a, &found->a);
        if (!error)
            error = next_touch(&walk_b, &found->b);
        touch++;
        if (found->a.ended && found->b.ended)
            break;
        if (found->a.ended != found->b.ended || found->a.allocation != found->b.allocation ||
            found->a.page != found->b.page)
            found->touch = touch;
    }
    free_walk(&walk_a);
    free_walk(&walk_b);
    return error;
}
