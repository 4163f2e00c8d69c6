/* SPDX-License-Identifier: MIT */
#include "insight.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define HASH_NONFATAL_OOM 1
#define HASH_FUNCTION(key, bytes, hash) ((hash) = (unsigned)XXH3_64bits((key), (bytes)))
#include <uthash.h>

struct vmti_group {
    struct vmti_group_key key;
    struct vmti_locality locality;
    UT_hash_handle hh;
};

/* ------------------------------------------------------------------------------------------- names */

static const char *const grouping_names[VMTI_GROUPINGS] = {"thread", "label", "site", "phase"};

const char *vmti_grouping_name(enum vmti_grouping by)
{
    return grouping_names[by];
}

/* ------------------------------------------------------------------------------------------- owners */

static int compare_indices(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

int vmti_owners_told_read(struct vmti_owners_told *told, struct vmti_trace_reader *reader)
{
    struct vmti_event event;
    int error = 0;
    memset(told, 0, sizeof *told);
    vmti_trace_read_rewind(reader);
    while (!error && vmti_trace_read_next(reader, &event))
        if (event.kind == VMTI_REC_OWNER)
            error = vmti_page_owners_add(&told->all, &event);
    vmti_trace_read_rewind(reader);
    size_t count = told->all.count;
    told->indices = malloc((count + 1) * sizeof *told->indices);
    if (error || !told->indices)
        return error ? error : -ENOMEM;
    for (size_t i = 0; i < count; i++)
        told->indices[i] = told->all.owners[i].index;
    qsort(told->indices, count, sizeof *told->indices, compare_indices);
    return 0;
}

int vmti_owners_told_add(struct vmti_owners_told *told, const struct vmti_event *event)
{
    return vmti_page_owners_add(&told->now, event);
}

const struct vmti_trace_owner *vmti_owners_told_find(const struct vmti_owners_told *told, uint64_t page)
{
    const struct vmti_trace_owner *owner = vmti_page_owners_find(&told->now, page);
    return owner ? owner : vmti_page_owners_find(&told->all, page);
}

uint64_t vmti_owners_told_order(const struct vmti_owners_told *told, const struct vmti_trace_owner *owner)
{
    const uint32_t *place =
        bsearch(&owner->index, told->indices, told->all.count, sizeof *told->indices, compare_indices);
    return (uint64_t)(place - told->indices) + 1; /* each owner of the trace is there */
}

void vmti_owners_told_free(struct vmti_owners_told *told)
{
    free(told->indices);
    vmti_page_owners_free(&told->now);
    vmti_page_owners_free(&told->all);
}

/* ------------------------------------------------------------------------------------------- groups */

const struct vmti_group *vmti_group_next(const struct vmti_insight *insight, enum vmti_grouping by,
                                         const struct vmti_group *group)
{
    return group ? group->hh.next : insight->groups[by];
}

const struct vmti_group_key *vmti_group_key(const struct vmti_group *group)
{
    return &group->key;
}

const struct vmti_locality *vmti_group_locality(const struct vmti_group *group)
{
    return &group->locality;
}

static int touch_group(struct vmti_group **groups, const struct vmti_group_key *key, uint64_t page)
{
    struct vmti_group *group;
    HASH_FIND(hh, *groups, key, sizeof *key, group);
    if (!group) {
        group = calloc(1, sizeof *group);
        if (!group)
            return -ENOMEM;
        group->key = *key;
        HASH_ADD(hh, *groups, key, sizeof group->key, group);
        if (!group->hh.tbl) { /* uthash leaves it NULL when it could not add */
            free(group);
            return -ENOMEM;
        }
    }
    return vmti_locality_touch(&group->locality, page);
}

/* ------------------------------------------------------------------------------------------- one pass */

enum { TOUCHES_AT_ONCE = 64, KNOWN_PAGES = 1 << 14 };

/* A page's name for the fingerprint, and whose it is. */
struct known_page {
    uint64_t page;      /* and 1; 0: no page's */
    uint64_t additions; /* of owners, when this was looked up */
    uint64_t allocation, offset;
    const struct vmti_trace_owner *owner;
    uint64_t site; /* that stands for its owner's; 0: not known */
};

struct pass {
    struct vmti_insight *insight;
    unsigned by;
    vmti_site_for *site_for;
    void *context;
    struct vmti_owners_told owners;
    uint64_t additions;
    struct known_page *known;
    struct vmti_group_key phase;
    XXH3_state_t *fingerprint;
    struct touch {
        uint64_t page;
        uint32_t thread;
    } touches[TOUCHES_AT_ONCE]; /* that are to be taken next: see vmti_locality_expect() */
    size_t count;
};

/*
 * What there is to know of a page that has been touched. Its name is the order of its allocation, among those that the
 * trace tells of, and its offset there: so neither addresses matter, nor what was allocated for something else. A page
 * of no allocation has the order of its first touch.
 */
static const struct known_page *look_up(struct pass *pass, uint64_t page)
{
    struct known_page *known = &pass->known[page % KNOWN_PAGES];
    if (known->page == page + 1 && known->additions == pass->additions)
        return known;
    *known = (struct known_page){
        .page = page + 1, .additions = pass->additions, .owner = vmti_owners_told_find(&pass->owners, page)};
    if (known->owner) {
        known->allocation = vmti_owners_told_order(&pass->owners, known->owner);
        known->offset = page - known->owner->first_page;
        known->site = pass->site_for && known->owner->site ? pass->site_for(pass->context, known->owner->site)
                                                           : known->owner->site;
    } else {
        known->offset = vmti_locality_order(&pass->insight->all, page);
    }
    return known;
}

static int take_for_groups(struct pass *pass, const struct touch *touch, const struct known_page *known)
{
    int error = 0;
    for (unsigned by = 0; by < VMTI_GROUPINGS && !error; by++) {
        struct vmti_group_key key;
        if (!(pass->by & 1u << by))
            continue;
        memset(&key, 0, sizeof key);
        if (by == VMTI_BY_THREAD)
            key.number = touch->thread;
        else if (by == VMTI_BY_SITE)
            key.number = known->site;
        else if (by == VMTI_BY_PHASE)
            key = pass->phase;
        else if (known->owner)
            memcpy(key.name, known->owner->label, strlen(known->owner->label));
        if (by == VMTI_BY_THREAD || by == VMTI_BY_SITE || *key.name)
            error = touch_group(&pass->insight->groups[by], &key, touch->page);
    }
    return error;
}

static int take_touches(struct pass *pass)
{
    uint64_t names[2 * TOUCHES_AT_ONCE];
    int error = 0;
    for (size_t i = 0; i < pass->count && !error; i++) {
        const struct touch *touch = &pass->touches[i];
        error = vmti_locality_touch(&pass->insight->all, touch->page);
        if (error)
            return error;
        const struct known_page *known = look_up(pass, touch->page);
        names[2 * i] = known->allocation;
        names[2 * i + 1] = known->offset;
        if (pass->by)
            error = take_for_groups(pass, touch, known);
    }
    XXH3_64bits_update(pass->fingerprint, names, 2 * pass->count * sizeof *names);
    pass->count = 0;
    return error;
}

static int take_event(struct pass *pass, const struct vmti_event *event)
{
    int error = 0;
    switch (event->kind) {
    case VMTI_REC_TOUCH:
        vmti_locality_expect(&pass->insight->all, event->page);
        pass->touches[pass->count++] = (struct touch){event->page, event->thread};
        return pass->count == TOUCHES_AT_ONCE ? take_touches(pass) : 0;
    case VMTI_REC_OWNER:
        error = take_touches(pass);
        pass->additions++;
        return error ? error : vmti_owners_told_add(&pass->owners, event);
    case VMTI_REC_MARK:
        error = take_touches(pass);
        memset(&pass->phase, 0, sizeof pass->phase);
        memcpy(pass->phase.name, event->text, event->text_bytes);
        return error;
    default:
        return 0;
    }
}

int vmti_insight_read(struct vmti_trace_reader *reader, unsigned by, struct vmti_insight *insight)
{
    return vmti_insight_read_sites(reader, by, NULL, NULL, insight);
}

int vmti_insight_read_sites(struct vmti_trace_reader *reader, unsigned by, vmti_site_for *site_for, void *context,
                            struct vmti_insight *insight)
{
    struct pass pass = {.insight = insight, .by = by, .site_for = site_for, .context = context};
    struct vmti_event event;
    memset(insight, 0, sizeof *insight);
    int error = vmti_owners_told_read(&pass.owners, reader);
    if (!error)
        error = vmti_locality_want_peaks(&insight->all);
    pass.known = calloc(KNOWN_PAGES, sizeof *pass.known);
    pass.fingerprint = XXH3_createState();
    if (!error && (!pass.known || !pass.fingerprint || XXH3_64bits_reset(pass.fingerprint) != XXH_OK))
        error = -ENOMEM;
    while (!error && vmti_trace_read_next(reader, &event))
        error = take_event(&pass, &event);
    if (!error)
        error = take_touches(&pass);
    if (!error) {
        insight->fingerprint = XXH3_64bits_digest(pass.fingerprint);
        insight->pages_once = vmti_locality_once(&insight->all);
    }
    XXH3_freeState(pass.fingerprint);
    free(pass.known);
    vmti_owners_told_free(&pass.owners);
    return error ? error : reader->error ? reader->error : reader->complete ? 0 : -EIO;
}

void vmti_insight_free(struct vmti_insight *insight)
{
    struct vmti_group *group, *next;
    vmti_locality_free(&insight->all);
    for (unsigned by = 0; by < VMTI_GROUPINGS; by++)
        HASH_ITER(hh, insight->groups[by], group, next)
        {
            HASH_DEL(insight->groups[by], group);
            vmti_locality_free(&group->locality);
            free(group);
        }
}

uint64_t vmti_memory_for_percent(const struct vmti_locality *l, double percent)
{
    double more = (double)l->touches * percent / 100;
    return l->touches ? vmti_locality_memory_for(l, l->pages + (more > 0 ? (uint64_t)more : 0)) : 0;
}
