/* SPDX-License-Identifier: MIT */
/*
 * What a trace tells beside its counts: locality, in all and of the touches that have something in common; and its
 * fingerprint. Runs in ordinary program context: may call malloc.
 */
#ifndef VMTI_INSIGHT_H
#define VMTI_INSIGHT_H

#include "locality.h"
#include "trace_read.h"

/* What touches are put together by. */
enum vmti_grouping {
    VMTI_BY_THREAD, /* that touched */
    VMTI_BY_LABEL,  /* of the page; pages without one are in no group */
    VMTI_BY_SITE,   /* that allocated the page, labelled or not; 0: not known */
    VMTI_BY_PHASE,  /* that was on; touches outside of any are in no group */
    VMTI_GROUPINGS,
};

/* "thread" and so on. */
VMTI_HIDDEN const char *vmti_grouping_name(enum vmti_grouping by);

struct vmti_group;

struct vmti_group_key {
    uint64_t number;                     /* index of the thread, site */
    char name[VMTI_TRACE_LABEL_MAX + 1]; /* label, phase */
};

struct vmti_insight {
    struct vmti_locality all; /* with peaks */
    uint64_t pages_once;      /* that were touched once */
    uint64_t fingerprint;     /* XXH3-64 of the touches in order, each by the order of its page's allocation and its
                               * offset there */
    struct vmti_group *groups[VMTI_GROUPINGS]; /* in order of their first touches */
};

/*
 * Reads all of the trace. by: a bit, 1 << grouping, for each grouping that is wanted: each takes as much time and
 * memory as the whole. 0, -ENOMEM, or -EIO if the trace is not complete: the figures are those of the part that could
 * be read, then. Free it in all cases.
 */
VMTI_HIDDEN int vmti_insight_read(struct vmti_trace_reader *reader, unsigned by, struct vmti_insight *insight);

/* Which site stands for all that are one group with this one. */
typedef uint64_t vmti_site_for(void *context, uint64_t site);

/* The same, with the groups of sites that site_for tells; NULL: each site is one. */
VMTI_HIDDEN int vmti_insight_read_sites(struct vmti_trace_reader *reader, unsigned by, vmti_site_for *site_for,
                                        void *context, struct vmti_insight *insight);

VMTI_HIDDEN void vmti_insight_free(struct vmti_insight *insight);

/* The next group, NULL for the first; or NULL: no more. */
VMTI_HIDDEN const struct vmti_group *vmti_group_next(const struct vmti_insight *insight, enum vmti_grouping by,
                                                     const struct vmti_group *group);
VMTI_HIDDEN const struct vmti_group_key *vmti_group_key(const struct vmti_group *group);
VMTI_HIDDEN const struct vmti_locality *vmti_group_locality(const struct vmti_group *group);

/*
 * The smallest LRU memory whose misses, beyond the first touch of each page, which no memory saves, are at most so many
 * percent of the touches. 0: there were no touches.
 */
VMTI_HIDDEN uint64_t vmti_memory_for_percent(const struct vmti_locality *l, double percent);

/* Whose a touched page is: what the trace has told up to there, or else in all. */
struct vmti_owners_told {
    struct vmti_page_owners now, all;
    uint32_t *indices; /* of all of them, in order of allocation */
};

/* Reads all owners of the trace, and rewinds it. 0, or -ENOMEM. */
VMTI_HIDDEN int vmti_owners_told_read(struct vmti_owners_told *told, struct vmti_trace_reader *reader);

/* Takes an OWNER event of the pass that follows. 0, or -ENOMEM. */
VMTI_HIDDEN int vmti_owners_told_add(struct vmti_owners_told *told, const struct vmti_event *event);

/* The owner of the page at this point, or NULL. Valid until the next addition. */
VMTI_HIDDEN const struct vmti_trace_owner *vmti_owners_told_find(const struct vmti_owners_told *told, uint64_t page);

/* The order of its allocation among all that the trace tells of, from 1. */
VMTI_HIDDEN uint64_t vmti_owners_told_order(const struct vmti_owners_told *told, const struct vmti_trace_owner *owner);

VMTI_HIDDEN void vmti_owners_told_free(struct vmti_owners_told *told);

#endif
