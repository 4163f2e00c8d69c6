/* SPDX-License-Identifier: MIT */
/* On the public accessors of the report, so that whatever a verdict says, a test can ask too; but for the places of a
 * part. */
#define _GNU_SOURCE /* strcasestr */
#include "verdict.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "config.h"
#include "keep.h"
#include "sites.h"

enum {
    COLUMNS = VMTI_VERDICT_COLUMNS,
    LINE_BYTES = 4 * COLUMNS + 1, /* UTF-8 */
    PLACES_SHOWN = 5,             /* labels and sites that a verdict names */
    TRACE_LINES = 4,              /* that a path may take */
    TIME_PARTS = 48,              /* of the region, each with a level */
};

/* Pages that share a label, or the site of their allocation where they have none. */
struct place {
    struct place_key {
        const void *site;
        char label[VMTI_VERDICT_NAME_BYTES];
    } key;
    uint64_t pages, touches;
    char name[VMTI_SITE_TEXT_BYTES]; /* of the site */
    UT_hash_handle hh, by_name;
};

/* ------------------------------------------------------------------------------------------- places */

static void free_places(struct place *places)
{
    struct place *p, *next;
    HASH_ITER(hh, places, p, next)
    {
        HASH_DEL(places, p);
        free(p);
    }
}

/* Counts the pages of the footprint by place: only those written, where that is what is counted, and only those with
 * touches, if these are given. False: no memory. */
static bool collect_places(const vmt_report *report, enum vmti_counted counted, const uint64_t *touches,
                           struct place **places)
{
    uint64_t footprint = vmt_report_footprint(report);
    for (uint64_t i = 0; i < footprint; i++) {
        vmt_page_info page;
        if (vmt_report_page(report, i, &page) < 0 || (counted == VMTI_COUNT_PAGES_WRITTEN && !page.written))
            continue;
        if (touches)
            page.touches = touches[i];
        if (!page.touches)
            continue;
        struct place_key key;
        memset(&key, 0, sizeof key); /* the padding is part of the key */
        if (page.label)
            vmti_printable(key.label, page.label, VMTI_VERDICT_NAME_BYTES);
        else
            key.site = page.site;

        struct place *p;
        HASH_FIND(hh, *places, &key, sizeof key, p);
        if (!p) {
            p = calloc(1, sizeof *p);
            if (!p)
                return false;
            memcpy(&p->key, &key, sizeof key);
            HASH_ADD(hh, *places, key, sizeof key, p);
            if (!p->hh.tbl) {
                free(p);
                return false;
            }
        }
        p->pages++;
        p->touches += page.touches;
    }
    return true;
}

/* Sites with the same name become one: where the function that allocates is inlined, each of its callers has a copy of
 * the one call that the source has. */
static void unite_sites(const vmt_report *report, struct place **places)
{
    struct place *p, *next, *same, *names = NULL;
    HASH_ITER(hh, *places, p, next) {
        if (p->key.label[0])
            continue;
        vmt_report_site_text(report, p->key.site, p->name, sizeof p->name);
        HASH_FIND(by_name, names, p->name, strlen(p->name), same);
        if (!same) {
            HASH_ADD(by_name, names, name[0], strlen(p->name), p); /* without memory, its pages stay apart */
            continue;
        }
        same->pages += p->pages;
        same->touches += p->touches;
        HASH_DEL(*places, p);
        free(p);
    }
    HASH_CLEAR(by_name, names);
}

/* Larger numbers come first. */
static int more(uint64_t a, uint64_t b)
{
    return a == b ? 0 : a > b ? -1 : 1;
}

static int compare_pages(const struct place *p, const struct place *q)
{
    int by_pages = more(p->pages, q->pages);
    return by_pages ? by_pages : more(p->touches, q->touches);
}

static int compare_touches(const struct place *p, const struct place *q)
{
    int by_touches = more(p->touches, q->touches);
    return by_touches ? by_touches : more(p->pages, q->pages);
}

static void add_place(vmt_verdict *v, const vmt_report *report, const struct place *p)
{
    char pages[VMTI_AMOUNT_BYTES], touches[VMTI_AMOUNT_BYTES], counts[2 * VMTI_AMOUNT_BYTES + 8], where[LINE_BYTES];
    snprintf(counts, sizeof counts, "  %s, %s: ", vmti_amount(pages, p->pages, VMTI_COUNT_PAGES),
             vmti_amount(touches, p->touches, VMTI_COUNT_TOUCHES));
    if (p->key.label[0])
        snprintf(where, sizeof where, "'%s'", p->key.label);
    else
        vmt_report_site_text(report, p->key.site, where, COLUMNS - strlen(counts) + 1);
    vmti_verdict_line(v, "%s%s", counts, where);
}

static void add_places(vmt_verdict *v, const vmt_report *report, enum vmti_counted counted, bool part,
                       const uint64_t *part_touches)
{
    struct place *places = NULL;
    if (!collect_places(report, counted, part_touches, &places)) {
        vmti_verdict_line(v, "(no memory to say where the pages are)");
        free_places(places);
        return;
    }
    unite_sites(report, &places);
    bool by_touches = counted == VMTI_COUNT_TOUCHES || counted == VMTI_COUNT_MISSES;
    unsigned count = HASH_COUNT(places), shown = 0;
    if (count) {
        const char *most = by_touches ? "touches" : "pages";
        const char *written = counted == VMTI_COUNT_PAGES_WRITTEN ? " written" : "";
        const char *where = part_touches ? " of this part" : part ? " in the whole region" : "";
        vmti_verdict_line(v, "most %s%s%s, by label or by the call that allocated them:", most, written, where);
        int (*compare)(const struct place *, const struct place *) = by_touches ? compare_touches : compare_pages;
        HASH_SORT(places, compare);
    }
    uint64_t other_pages = 0, other_touches = 0;
    for (struct place *p = places; p; p = p->hh.next, shown++) {
        if (shown < PLACES_SHOWN) {
            add_place(v, report, p);
        } else {
            other_pages += p->pages;
            other_touches += p->touches;
        }
    }
    if (count > PLACES_SHOWN) {
        char pages[VMTI_AMOUNT_BYTES], touches[VMTI_AMOUNT_BYTES];
        vmti_verdict_line(v, "  ... and %u more with %s, %s", count - PLACES_SHOWN,
                          vmti_amount(pages, other_pages, VMTI_COUNT_PAGES),
                          vmti_amount(touches, other_touches, VMTI_COUNT_TOUCHES));
    }
    free_places(places);
}

/* ------------------------------------------------------------------------------------------- time and trace */

/* By the environment, for a test seldom calls setlocale(3); the order is its. */
static bool is_utf8(void)
{
    static const char *const variables[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const char *value = secure_getenv(variables[i]);
        if (value && *value)
            return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
    }
    return false;
}

/* One character for each part of the region's time; the lowest for none, the highest for the most. */
static void add_time(vmt_verdict *v, const vmt_report *report)
{
    static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const plain[] = {"_", ".", ":", "-", "=", "+", "*", "#"};
    enum { LEVELS = sizeof blocks / sizeof *blocks };
    const char *const *levels = is_utf8() ? blocks : plain;
    uint64_t counts[TIME_PARTS], most = 0, duration = 0;
    char line[TIME_PARTS * 4 + 1] = "";
    if (vmt_report_touches_by_time(report, counts, TIME_PARTS, &duration) < 0)
        return; /* what the trace's own line will say */
    for (size_t i = 0; i < TIME_PARTS; i++)
        most = counts[i] > most ? counts[i] : most;
    if (!most)
        return;
    for (size_t i = 0; i < TIME_PARTS; i++) {
        size_t level = (size_t)((double)counts[i] / (double)most * LEVELS);
        level = !counts[i] ? 0 : level < 1 ? 1 : level == LEVELS ? LEVELS - 1 : level;
        strcat(line, levels[level]);
    }
    bool seconds = duration >= 1000000000;
    vmti_verdict_line(v, "touches over %.2f %s: %s", (double)duration / (seconds ? 1e9 : 1e6), seconds ? "s" : "ms",
                      line);
}

static void add_trace(vmt_verdict *v, const vmt_report *report)
{
    const char *why, *path = vmti_keep_trace(report, &why);
    if (!path) {
        vmti_verdict_say(v, "trace not kept: %s", why);
        return;
    }
    vmti_verdict_path_in_lines(v, "trace: ", path, TRACE_LINES);
    vmti_verdict_line(v, "to see more: vmtrace report --html TRACE -o report.html");
}

void vmti_verdict_explain(vmt_verdict *v, const vmt_report *report, enum vmti_counted counted, bool part,
                          const uint64_t *touches)
{
    char window[VMTI_AMOUNT_BYTES];
    vmti_verdict_line(v, "window %s of %" PRIu64 " bytes, scope %s, engine %s",
                      vmti_amount(window, vmt_report_window(report), VMTI_COUNT_PAGES), vmt_report_page_size(report),
                      vmti_scope_name(vmt_report_scope(report)), vmti_engine_name(vmt_report_engine(report)));
    add_places(v, report, counted, part, touches);
    add_time(v, report);
    add_trace(v, report);
}
