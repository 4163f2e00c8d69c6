/* SPDX-License-Identifier: MIT */
#include "diverge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct walk {
    struct vmti_trace_reader *reader;
    struct vmti_owners_told owners;
    uint32_t *indices; /* of all owners, in order */
    size_t count;
    struct vmti_locality pages;
    char phase[VMTI_TRACE_LABEL_MAX + 1];
};

static int compare_indices(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static int start_walk(struct walk *walk)
{
    int error = vmti_owners_told_read(&walk->owners, walk->reader);
    const struct vmti_page_owners *all = &walk->owners.all;
    walk->count = all->count;
    walk->indices = malloc((all->count + 1) * sizeof *walk->indices);
    if (error || !walk->indices)
        return error ? error : -ENOMEM;
    for (size_t i = 0; i < all->count; i++)
        walk->indices[i] = all->owners[i].index;
    qsort(walk->indices, walk->count, sizeof *walk->indices, compare_indices);
    return 0;
}

static int name_touch(struct walk *walk, const struct vmti_event *event, struct vmti_place *place)
{
    const struct vmti_trace_owner *owner = vmti_owners_told_find(&walk->owners, event->page);
    memset(place, 0, sizeof *place);
    place->thread = event->thread;
    memcpy(place->phase, walk->phase, sizeof place->phase);
    int error = vmti_locality_touch(&walk->pages, event->page);
    if (error)
        return error;
    if (!owner) {
        place->page = vmti_locality_order(&walk->pages, event->page);
        return 0;
    }
    const uint32_t *found =
        bsearch(&owner->index, walk->indices, walk->count, sizeof *walk->indices, compare_indices);
    place->order = (uint64_t)(found - walk->indices) + 1; /* each owner is there */
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
    vmti_owners_told_free(&walk->owners);
    vmti_locality_free(&walk->pages);
    free(walk->indices);
}

int vmti_diverge_find(struct vmti_trace_reader *a, struct vmti_trace_reader *b, struct vmti_divergence *found)
{
    struct walk walk_a = {.reader = a}, walk_b = {.reader = b};
    uint64_t touch = 0;
    memset(found, 0, sizeof *found);
    int error = start_walk(&walk_a);
    if (!error)
        error = start_walk(&walk_b);
    while (!error && !found->touch) {
        error = next_touch(&walk_a, &found->a);
        if (!error)
            error = next_touch(&walk_b, &found->b);
        touch++;
        if (found->a.ended && found->b.ended)
            break;
        if (found->a.ended != found->b.ended || found->a.order != found->b.order || found->a.page != found->b.page)
            found->touch = touch;
    }
    free_walk(&walk_a);
    free_walk(&walk_b);
    return error;
}
