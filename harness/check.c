/* SPDX-License-Identifier: MIT */
/*
 * Checks: a report against a budget. Built on the public accessors of the report alone, so that whatever a check can
 * ask, a test can ask too. Runs after the region, in the test's own thread: malloc and stdio are allowed here.
 */
#define _GNU_SOURCE /* dladdr */
#include <dlfcn.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "config.h"
#include "vmt/vmt.h"

enum {
    LINE_COLUMNS = 100, /* most columns of a line of a verdict */
    NAME_COLUMNS = 63,  /* most columns of a label, a function or a module */
    PLACES_SHOWN = 5,   /* labels and sites that a verdict names */
    AMOUNT_BYTES = 40,  /* a number and its noun */
};

/* What a budget counts, and by what the places in a verdict are ranked. */
enum counted {
    COUNT_PAGES,
    COUNT_TOUCHES,
    COUNT_PAGES_WRITTEN,
};

/* What a check asks. */
struct question {
    enum counted counted;
    const char *before, *after; /* the first sentence is "<before> <actual><after>, budget <budget>: ..." */
    uint64_t budget;
    bool exactly;
    uint64_t tau;               /* 0: the question has none */
};

/* Pages that share a label, or the site of their allocation where they have none. */
struct place {
    struct place_key {
        const void *site;
        char label[NAME_COLUMNS + 1];
    } key;
    uint64_t pages, touches;
    UT_hash_handle hh;
};

/* ------------------------------------------------------------------------------------------------- words */

/* Adds a line to the verdict, cut to LINE_COLUMNS. */
__attribute__((format(printf, 2, 3))) static void add_line(vmt_verdict *v, const char *format, ...)
{
    char line[LINE_COLUMNS + 1];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    size_t used = strlen(v->text);
    snprintf(v->text + used, sizeof(v->text) - used, "%s%s", used ? "\n" : "", line);
}

static const char *amount(char text[static AMOUNT_BYTES], uint64_t n, enum counted counted)
{
    const char *noun = counted == COUNT_TOUCHES ? (n == 1 ? "touch" : "touches") : (n == 1 ? "page" : "pages");
    snprintf(text, AMOUNT_BYTES, "%" PRIu64 " %s", n, noun);
    return text;
}

/* A copy of at most NAME_COLUMNS bytes that cannot break the layout of a verdict. */
static const char *printable(char text[static NAME_COLUMNS + 1], const char *name)
{
    size_t n = 0;
    for (; n < NAME_COLUMNS && name[n]; n++) {
        unsigned char c = (unsigned char)name[n];
        text[n] = c < 0x20 || c == 0x7f ? '?' : (char)c;
    }
    text[n] = '\0';
    return text;
}

/* The last part of a path. */
static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* "function+0x12 (module)"; without a visible symbol "module+0x1234", which addr2line understands. */
static void name_site(char *text, size_t bytes, const void *site)
{
    char function[NAME_COLUMNS + 1], module[NAME_COLUMNS + 1];
    Dl_info info;
    if (!site) {
        snprintf(text, bytes, "unknown site");
        return;
    }
    /* A call may be the last instruction of its function: its return address is then that of the next one. */
    if (!dladdr((const char *)site - 1, &info) || !info.dli_fname) {
        snprintf(text, bytes, "%p", site);
        return;
    }
    printable(module, base_name(info.dli_fname));
    if (info.dli_sname) {
        snprintf(text, bytes, "%.40s+0x%tx (%.24s)", printable(function, info.dli_sname),
                 (const char *)site - (const char *)info.dli_saddr, module);
    } else {
        snprintf(text, bytes, "%s+0x%tx", module, (const char *)site - (const char *)info.dli_fbase);
    }
}

/* ------------------------------------------------------------------------------------------------- places */

static void free_places(struct place *places)
{
    struct place *p, *next;
    HASH_ITER(hh, places, p, next) {
        HASH_DEL(places, p);
        free(p);
    }
}

/* Counts the pages of the footprint by place; only those written, where that is what is counted. False: no memory. */
static bool collect_places(const vmt_report *report, enum counted counted, struct place **places)
{
    uint64_t footprint = vmt_report_footprint(report);
    for (uint64_t i = 0; i < footprint; i++) {
        vmt_page_info page;
        if (vmt_report_page(report, i, &page) < 0 || (counted == COUNT_PAGES_WRITTEN && !page.written))
            continue;
        struct place_key key;
        memset(&key, 0, sizeof(key)); /* the padding is part of the key */
        if (page.label)
            printable(key.label, page.label);
        else
            key.site = page.site;

        struct place *p;
        HASH_FIND(hh, *places, &key, sizeof(key), p);
        if (!p) {
            p = calloc(1, sizeof(*p));
            if (!p)
                return false;
            memcpy(&p->key, &key, sizeof(key));
            HASH_ADD(hh, *places, key, sizeof(key), p);
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

static void add_places(vmt_verdict *v, const vmt_report *report, enum counted counted)
{
    struct place *places = NULL;
    if (!collect_places(report, counted, &places)) {
        add_line(v, "(no memory to say where the pages are)");
        free_places(places);
        return;
    }
    unsigned count = HASH_COUNT(places), shown = 0;
    if (count) {
        add_line(v, "most %s%s, by label or by the call that allocated them:",
                 counted == COUNT_TOUCHES ? "touches" : "pages", counted == COUNT_PAGES_WRITTEN ? " written" : "");
        int (*compare)(const struct place *, const struct place *) = compare_pages;
        if (counted == COUNT_TOUCHES)
            compare = compare_touches;
        HASH_SORT(places, compare);
    }
    uint64_t other_pages = 0, other_touches = 0;
    for (struct place *p = places; p; p = p->hh.next, shown++) {
        if (shown >= PLACES_SHOWN) {
            other_pages += p->pages;
            other_touches += p->touches;
            continue;
        }
        char where[LINE_COLUMNS + 1], pages[AMOUNT_BYTES], touches[AMOUNT_BYTES];
        if (p->key.label[0])
            snprintf(where, sizeof(where), "'%s'", p->key.label);
        else
            name_site(where, sizeof(where), p->key.site);
        add_line(v, "  %s, %s: %s", amount(pages, p->pages, COUNT_PAGES), amount(touches, p->touches, COUNT_TOUCHES),
                 where);
    }
    if (count > PLACES_SHOWN) {
        char pages[AMOUNT_BYTES], touches[AMOUNT_BYTES];
        add_line(v, "  ... and %u more with %s, %s", count - PLACES_SHOWN, amount(pages, other_pages, COUNT_PAGES),
                 amount(touches, other_touches, COUNT_TOUCHES));
    }
    free_places(places);
}

/* ------------------------------------------------------------------------------------------------- verdicts */

/* The check cannot be answered: not a pass. */
__attribute__((format(printf, 3, 4))) static bool not_measured(vmt_verdict *v, uint64_t budget, const char *format, ...)
{
    char why[LINE_COLUMNS];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    *v = (vmt_verdict){.outcome = VMT_NOT_MEASURED, .budget = budget};
    add_line(v, "not measured: %s", why);
    return false;
}

static bool no_report(vmt_verdict *v, uint64_t budget)
{
    return not_measured(v, budget, "there is no report (did vmt_begin or vmt_end fail? see vmt_error_text)");
}

static bool judge(vmt_verdict *v, const vmt_report *report, const struct question *q, uint64_t actual)
{
    bool held = q->exactly ? actual == q->budget : actual <= q->budget;
    char found[AMOUNT_BYTES], budget[AMOUNT_BYTES];
    amount(found, actual, q->counted);
    amount(budget, q->budget, q->counted);

    *v = (vmt_verdict){.outcome = held ? VMT_HELD : VMT_BROKEN, .budget = q->budget, .actual = actual};
    const char *kind = q->exactly ? "expected exactly" : "budget";
    if (held) {
        add_line(v, "%s %s%s, %s %s: held", q->before, found, q->after, kind, budget);
        return true;
    }
    add_line(v, "%s %s%s, %s %s: %" PRIu64 " %s", q->before, found, q->after, kind, budget,
             actual > q->budget ? actual - q->budget : q->budget - actual, actual > q->budget ? "over" : "under");
    char window[AMOUNT_BYTES], tau[AMOUNT_BYTES];
    amount(window, vmt_report_window(report), COUNT_PAGES);
    const char *scope = vmti_scope_name(vmt_report_scope(report));
    uint64_t page_size = vmt_report_page_size(report);
    if (q->tau)
        add_line(v, "window %s of %" PRIu64 " bytes, scope %s, tau %s", window, page_size, scope,
                 amount(tau, q->tau, COUNT_TOUCHES));
    else
        add_line(v, "window %s of %" PRIu64 " bytes, scope %s", window, page_size, scope);
    add_places(v, report, q->counted);
    return false;
}

bool vmt_check_pages_at_most(const vmt_report *report, uint64_t budget, vmt_verdict *verdict)
{
    struct question q = {.counted = COUNT_PAGES, .before = "touched", .after = "", .budget = budget};
    return report ? judge(verdict, report, &q, vmt_report_footprint(report)) : no_report(verdict, budget);
}

bool vmt_check_pages_exactly(const vmt_report *report, uint64_t expected, vmt_verdict *verdict)
{
    struct question q = {
        .counted = COUNT_PAGES, .before = "touched", .after = "", .budget = expected, .exactly = true};
    return report ? judge(verdict, report, &q, vmt_report_footprint(report)) : no_report(verdict, expected);
}

bool vmt_check_touches_at_most(const vmt_report *report, uint64_t budget, vmt_verdict *verdict)
{
    struct question q = {
        .counted = COUNT_TOUCHES, .before = "took", .after = " (faults at this window)", .budget = budget};
    return report ? judge(verdict, report, &q, vmt_report_touches(report)) : no_report(verdict, budget);
}

bool vmt_check_working_set_at_most(const vmt_report *report, uint64_t tau, uint64_t budget, vmt_verdict *verdict)
{
    struct question q = {.counted = COUNT_PAGES,
                         .before = "working set peaked at",
                         .after = "",
                         .budget = budget,
                         .tau = tau};
    if (!report)
        return no_report(verdict, budget);
    if (tau == 0)
        return not_measured(verdict, budget, "tau is 0 touches; a working set needs 1 or more");
    uint64_t peak = 0;
    int error = vmt_report_working_set(report, tau, &peak);
    if (error < 0)
        return not_measured(verdict, budget, "the working set cannot be computed: %s", strerror(-error));
    return judge(verdict, report, &q, peak);
}

bool vmt_check_pages_written_at_most(const vmt_report *report, uint64_t budget, vmt_verdict *verdict)
{
    struct question q = {.counted = COUNT_PAGES_WRITTEN, .before = "wrote", .after = "", .budget = budget};
    if (!report)
        return no_report(verdict, budget);
    if (!vmt_report_track_writes(report))
        return not_measured(verdict, budget, "the region ran without write tracking (track_writes, VMT_WRITES=1)");
    return judge(verdict, report, &q, vmt_report_pages_written(report));
}

bool vmt_check_label_at_most(const vmt_report *report, const char *label, uint64_t budget, vmt_verdict *verdict)
{
    if (!report)
        return no_report(verdict, budget);
    if (!label || !*label)
        return not_measured(verdict, budget, "no label was named");
    char name[NAME_COLUMNS + 1], of[sizeof(" of '%.32s'") + 32];
    printable(name, label);
    if (!vmt_report_has_label(report, label))
        return not_measured(verdict, budget, "no memory was ever given the label '%s' by vmt_track", name);
    uint64_t pages = vmt_report_label_pages(report, label);
    snprintf(of, sizeof(of), " of '%.32s'", name); /* the numbers must stay within the line */
    struct question q = {.counted = COUNT_PAGES, .before = "touched", .after = of, .budget = budget};
    return judge(verdict, report, &q, pages);
}
