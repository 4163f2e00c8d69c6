/* SPDX-License-Identifier: MIT */
#include "difference.h"

#include <string.h>

struct walk {
    struct vmti_trace_reader *reader;
    struct vmti_owners_told owners;
    struct vmti_locality pages;
    char phase[VMTI_TRACE_LABEL_MAX + 1];
};

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
    place->order = vmti_owners_told_order(&walk->owners, owner);
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
}

int vmti_difference_find(struct vmti_trace_reader *a, struct vmti_trace_reader *b, struct vmti_difference *found)
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
        if (found->a.ended != found->b.ended || found->a.order != found->b.order || found->a.page != found->b.page)
            found->touch = touch;
    }
    free_walk(&walk_a);
    free_walk(&walk_b);
    return error;
}
