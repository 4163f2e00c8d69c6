/* SPDX-License-Identifier: MIT */
/* vmtrace diff: two traces or reports side by side. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "../harness/config.h"
#include "cmd.h"
#include "../harness/difference.h"
#include "figures.h"
#include "json.h"

static const char HELP[] =
    "NAME\n"
    "    vmtrace diff - compare two traces, figure by figure and site by site\n"
    "\n"
    "SYNOPSIS\n"
    "    vmtrace diff [--json] [--top N] A B\n"
    "\n"
    "DESCRIPTION\n"
    "    A and B are traces, or reports that vmtrace report --json made of traces; their content tells which. Prints\n"
    "    what stands in the way of a comparison, if anything does; then each figure of A and of B, what B has more,\n"
    "    and that in percent of A; then the allocation sites that got worse from A to B, those that got better, and\n"
    "    those that only one of them has; labels and phases likewise; and the first touch at which the two name\n"
    "    different pages. A site has got worse if there are more touches of its pages, or as many touches of more\n"
    "    pages. Sites are matched by the names of function and file, so that neither address-space randomisation nor\n"
    "    a rebuild changes them; calls from one function are taken together. Names come from the program and its\n"
    "    libraries as they are now: what was changed after the trace had been made is named by offsets, which is\n"
    "    said. A report that was made in time keeps the names.\n"
    "    Pages are named by the order of their allocations, among those touched, and the offset there, or, if they\n"
    "    belong to none, by the order of their first touches; two traces with the same names in the same order have\n"
    "    the same fingerprint.\n"
    "\n"
    "OPTIONS\n"
    "    --json     print one JSON object with the keys below\n"
    "    --top=N    most names of a list; default 10, and with --json all\n"
    "    --help     print this\n"
    "\n"
    "FIGURES\n"
    "    Those of vmtrace report, and:\n"
    "    peak working set, 64 (1024)      most distinct pages among 64 (1024) consecutive touches\n"
    "    average working set, 64 (1024)   the average of that over all touches\n"
    "    memory for 1 % misses            smallest LRU memory, in pages, whose misses beyond the first touch of each\n"
    "                                     page are at most 1 % of the touches\n"
    "    pages touched once               pages with one touch\n"
    "    Times are not compared. A report tells fewer figures than a trace: what one side does not tell is \"-\".\n"
    "\n"
    "JSON KEYS\n"
    "    same                  true: nothing differs that both sides tell\n"
    "    comparable, notes     false: there are differences that make the two, or figures of them, incomparable;\n"
    "                          [sentence] says which, and what else is to be known\n"
    "    a, b                  {file, kind, command, complete, fingerprint, settings}: kind is \"trace\" or\n"
    "                          \"report\", settings are window_pages, window_raised_to, page_size, scope,\n"
    "                          evict_pages, engine, track_writes and threads_counted as text\n"
    "    figures               {name: {a, b, difference, percent}}: null is what is not told, or has no percentage.\n"
    "                          Names: footprint_pages, touches, program_touches, syscall_touches, pages_written,\n"
    "                          pages_once, evictions, drops, upgrades, peak_working_set_64, peak_working_set_1024,\n"
    "                          average_working_set_64, average_working_set_1024, memory_1_percent,\n"
    "                          peak_open_pages, threads, syscalls, syscalls_walked, over_window_calls, unknown_calls,\n"
    "                          left_open_pages, refused_calls\n"
    "    sites, labels, phases   {worse, better, only_a, only_b}, each [{name, pages_a, pages_b, touches_a,\n"
    "                            touches_b}]\n"
    "                          with the largest difference first; null if one side does not tell\n"
    "    fingerprints_equal    null if one side does not tell\n"
    "    first_difference      null, or {touch, a, b}: number of the first touch of different pages; a and b are null\n"
    "                          where that trace has ended, or {allocation, page, bytes, site, label, thread, phase}:\n"
    "                          ordinal of the allocation, the page in it from 0, its bytes and so on; of a page of no\n"
    "                          allocation this is null, and page how many others were touched before\n"
    "\n"
    "EXIT STATUS\n"
    "    Like diff(1): 0 the same, 1 they differ, 2 a file cannot be read, the output not be written, or wrong use.\n"
    "\n"
    "EXAMPLES\n"
    "    vmtrace diff before.vmt after.vmt\n"
    "    vmtrace report --json before.vmt >before.json; make; vmtrace run -o after.vmt ./prog; \\\n"
    "        vmtrace diff before.json after.vmt\n"
    "    vmtrace diff --json before.vmt after.vmt | jq '.sites.worse[].name'\n";

enum { EXIT_SAME = 0, EXIT_DIFFER = 1, EXIT_TROUBLE = 2 };
enum { COLUMNS = 80, NOTES_MAX = VMTI_SETTINGS_MAX + 6, DEFAULT_TOP = 10 };

/* ------------------------------------------------------------------------------------------- comparison */

enum change { WORSE, BETTER, ONLY_A, ONLY_B, CHANGES };

static const char *const change_keys[CHANGES] = {"worse", "better", "only_a", "only_b"};

struct pair {
    const char *name;
    uint64_t pages_a, pages_b, touches_a, touches_b;
};

struct pairs {
    struct pair *of[CHANGES]; /* by difference */
    size_t count[CHANGES];
};

struct diff {
    struct vmti_figures a, b;
    char *notes[NOTES_MAX];
    size_t note_count, incomparable; /* the first so many say what cannot be compared */
    bool known[VMTI_GROUPINGS];
    struct pairs groups[VMTI_GROUPINGS];
    bool fingerprints_known, fingerprints_equal;
    struct vmti_difference first; /* touch 0: they do not part, or it is not known where */
    bool same;
};

/* What is compared by name; the word for a list. */
static const struct {
    enum vmti_grouping by;
    const char *key;
    const char *plural;
} groupings[] = {
    {VMTI_BY_SITE, "sites", "allocation sites"},
    {VMTI_BY_LABEL, "labels", "labels"},
    {VMTI_BY_PHASE, "phases", "phases"},
};
enum { GROUPINGS = sizeof groupings / sizeof *groupings };

/* 0 or -ENOMEM. */
static VMT_PRINTF(2, 3) int add_note(struct diff *d, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vasprintf(&d->notes[d->note_count], format, args);
    va_end(args);
    if (n < 0)
        return -ENOMEM;
    d->note_count++;
    return 0;
}

static int add_incomplete(struct diff *d, const char *side, const struct vmti_figures *f)
{
    if (f->complete)
        return 0;
    return add_note(d, "%s is not complete: %s. Its figures are those of the part that there is.", side,
                    *f->reason ? f->reason : "its report does not say that it is");
}

static int add_changed(struct diff *d, const char *side, const struct vmti_figures *f)
{
    if (!*f->changed)
        return 0;
    return add_note(d, "%s was changed after %s had been made: sites in it are named by their offsets at that time.",
                    f->changed, side);
}

static int find_notes(struct diff *d)
{
    int error = add_incomplete(d, "A", &d->a);
    if (!error)
        error = add_incomplete(d, "B", &d->b);
    const struct vmti_setting_kind *kind;
    for (unsigned i = 0; !error && (kind = vmti_setting_kind(i)); i++) {
        const char *a = d->a.settings[i], *b = d->b.settings[i];
        if (*a && *b && strcmp(a, b) != 0)
            error = add_note(d, "%s: %s in A, %s in B: %s.", kind->text, a, b, kind->effect);
    }
    d->incomparable = d->note_count;
    if (!error)
        error = add_changed(d, "A", &d->a);
    if (!error)
        error = add_changed(d, "B", &d->b);
    return error;
}

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/* The largest difference first. */
static int compare_pairs(const void *left, const void *right)
{
    const struct pair *l = left, *r = right;
    uint64_t l_touches = distance(l->touches_a, l->touches_b), r_touches = distance(r->touches_a, r->touches_b);
    uint64_t l_pages = distance(l->pages_a, l->pages_b), r_pages = distance(r->pages_a, r->pages_b);
    if (l_touches != r_touches)
        return l_touches > r_touches ? -1 : 1;
    if (l_pages != r_pages)
        return l_pages > r_pages ? -1 : 1;
    return strcmp(l->name, r->name);
}

static void add_pair(struct pairs *pairs, const struct vmti_named *a, const struct vmti_named *b)
{
    static const struct vmti_named none = {0};
    struct pair pair = {.name = (a ? a : b)->name};
    enum change change;
    if (!a)
        change = ONLY_B;
    else if (!b)
        change = ONLY_A;
    else if (a->touches == b->touches && a->pages == b->pages)
        return;
    else if (a->touches != b->touches)
        change = b->touches > a->touches ? WORSE : BETTER;
    else
        change = b->pages > a->pages ? WORSE : BETTER;
    a = a ? a : &none;
    b = b ? b : &none;
    pair.pages_a = a->pages;
    pair.pages_b = b->pages;
    pair.touches_a = a->touches;
    pair.touches_b = b->touches;
    pairs->of[change][pairs->count[change]++] = pair;
}

/* Both lists are in order of names. */
static int pair_lists(struct pairs *pairs, const struct vmti_named_list *a, const struct vmti_named_list *b)
{
    for (int change = 0; change < CHANGES; change++) {
        pairs->of[change] = calloc(a->count + b->count + 1, sizeof *pairs->of[change]);
        if (!pairs->of[change])
            return -ENOMEM;
    }
    for (size_t i = 0, k = 0; i < a->count || k < b->count;) {
        int order = i == a->count ? 1 : k == b->count ? -1 : strcmp(a->items[i].name, b->items[k].name);
        add_pair(pairs, order <= 0 ? &a->items[i] : NULL, order >= 0 ? &b->items[k] : NULL);
        i += order <= 0;
        k += order >= 0;
    }
    for (int change = 0; change < CHANGES; change++)
        qsort(pairs->of[change], pairs->count[change], sizeof *pairs->of[change], compare_pairs);
    return 0;
}

static bool are_same(const struct diff *d)
{
    for (unsigned i = 0; vmti_figure_kind(i); i++)
        if (d->a.figures[i].known && d->b.figures[i].known && d->a.figures[i].value != d->b.figures[i].value)
            return false;
    for (size_t i = 0; i < GROUPINGS; i++)
        for (int change = 0; change < CHANGES; change++)
            if (d->groups[groupings[i].by].count[change])
                return false;
    return !d->fingerprints_known || d->fingerprints_equal;
}

/* 0, or negative errno. */
static int compare(struct diff *d)
{
    int error = find_notes(d);
    for (size_t i = 0; i < GROUPINGS && !error; i++) {
        enum vmti_grouping by = groupings[i].by;
        d->known[by] = d->a.groups[by].known && d->b.groups[by].known;
        if (d->known[by])
            error = pair_lists(&d->groups[by], &d->a.groups[by], &d->b.groups[by]);
    }
    d->fingerprints_known = *d->a.fingerprint && *d->b.fingerprint;
    d->fingerprints_equal = d->fingerprints_known && strcmp(d->a.fingerprint, d->b.fingerprint) == 0;
    if (!error && d->fingerprints_known && !d->fingerprints_equal && !d->a.is_report && !d->b.is_report)
        error = vmti_difference_find(&d->a.reader, &d->b.reader, &d->first);
    d->same = are_same(d);
    return error;
}

static void free_diff(struct diff *d)
{
    for (size_t i = 0; i < d->note_count; i++)
        free(d->notes[i]);
    for (unsigned by = 0; by < VMTI_GROUPINGS; by++)
        for (int change = 0; change < CHANGES; change++)
            free(d->groups[by].of[change]);
    vmti_figures_free(&d->a);
    vmti_figures_free(&d->b);
}

/* ------------------------------------------------------------------------------------------- text */

/* Prints text in so many columns, with its middle left out if it is too long: the end of a name tells most. */
static void put_cut(const char *text, size_t columns)
{
    static const char dots[] = "...";
    size_t bytes = strlen(text), gone = sizeof dots - 1;
    if (bytes > columns) {
        size_t front = (columns - gone) / 2, back = columns - gone - front;
        vmti_cmd_put_text(stdout, text, front, false);
        fputs(dots, stdout);
        text += bytes - back;
        bytes = back;
    }
    vmti_cmd_put_text(stdout, text, bytes, false);
}

/* Prints a sentence in lines, of which all but the first are indented. */
static void put_wrapped(const char *first, const char *text)
{
    size_t column = strlen(first), indent = 4;
    fputs(first, stdout);
    for (bool at_start = true; *text; at_start = false) {
        size_t bytes = strcspn(text, " ");
        if (!at_start && column + 1 + bytes > COLUMNS - 1) {
            printf("\n%*s", (int)indent, "");
            column = indent;
        } else if (!at_start) {
            putchar(' ');
            column++;
        }
        vmti_cmd_put_text(stdout, text, bytes, false);
        column += bytes;
        text += bytes;
        text += *text == ' ';
    }
    putchar('\n');
}

static void print_side(const char *name, const struct vmti_figures *f)
{
    enum { PATH = 30 };
    printf("%s  ", name);
    put_cut(f->path, PATH);
    printf(": %s of ", f->is_report ? "report" : "trace");
    size_t used = strlen(f->path) < PATH ? strlen(f->path) : PATH;
    put_cut(*f->command ? f->command : "an unknown command", COLUMNS - 1 - 3 - used - (f->is_report ? 12 : 11));
    putchar('\n');
}

/* What B has more, in percent of A; not of nothing, and not where that is beyond all numbers. */
static bool find_percent(const struct vmti_figure *a, const struct vmti_figure *b, double *percent)
{
    if (!a->known || !b->known || a->value == 0)
        return false;
    *percent = (b->value - a->value) * 100 / a->value;
    return isfinite(*percent);
}

static void format_figure(char *text, size_t bytes, const struct vmti_figure *figure, unsigned digits)
{
    if (figure->known)
        snprintf(text, bytes, "%.*f", (int)digits, figure->value);
    else
        snprintf(text, bytes, "-");
}

static void print_figures(const struct diff *d)
{
    const struct vmti_figure_kind *kind;
    printf("\n%-26s%14s%14s%14s%11s\n", "", "A", "B", "difference", "percent");
    for (unsigned i = 0; (kind = vmti_figure_kind(i)); i++) {
        const struct vmti_figure *a = &d->a.figures[i], *b = &d->b.figures[i];
        char text_a[32], text_b[32], difference[32] = "-", percent[32] = "";
        double more;
        if (!a->known && !b->known)
            continue;
        format_figure(text_a, sizeof text_a, a, kind->digits);
        format_figure(text_b, sizeof text_b, b, kind->digits);
        if (a->known && b->known && a->value == b->value)
            snprintf(difference, sizeof difference, "0");
        else if (a->known && b->known)
            snprintf(difference, sizeof difference, "%+.*f", (int)kind->digits, b->value - a->value);
        if (find_percent(a, b, &more) && more != 0)
            snprintf(percent, sizeof percent, "%+.1f %%", more);
        printf("%-26s%14s%14s%14s", kind->text, text_a, text_b, difference);
        if (*percent)
            printf("%11s", percent);
        putchar('\n');
    }
}

static void print_pairs(const struct pair *pairs, size_t count, uint64_t top)
{
    printf("%10s%11s%12s%12s\n", "pages A", "B", "touches A", "B");
    for (size_t i = 0; i < count && i < top; i++) {
        printf("%10" PRIu64 "%11" PRIu64 "%12" PRIu64 "%12" PRIu64 "  ", pairs[i].pages_a, pairs[i].pages_b,
               pairs[i].touches_a, pairs[i].touches_b);
        put_cut(pairs[i].name, COLUMNS - 1 - 47);
        putchar('\n');
    }
    if (count > top)
        printf("%10" PRIu64 " more: see --top\n", count - top);
}

static void print_groups(const struct diff *d, uint64_t top)
{
    static const char *const titles[CHANGES] = {"got worse", "got better", "only A has", "only B has"};
    for (size_t i = 0; i < GROUPINGS; i++) {
        enum vmti_grouping by = groupings[i].by;
        const struct pairs *pairs = &d->groups[by];
        for (int change = 0; change < CHANGES; change++)
            if (pairs->count[change]) {
                printf("\n%s that %s\n", groupings[i].plural, titles[change]);
                print_pairs(pairs->of[change], pairs->count[change], top);
            }
    }
    putchar('\n');
    for (size_t i = 0; i < GROUPINGS; i++)
        if (!d->known[groupings[i].by])
            printf("%s are not compared: %s does not tell them\n", groupings[i].plural,
                   d->a.groups[groupings[i].by].known ? "B" : "A");
}

static void print_place(const char *side, const struct vmti_figures *f, const struct vmti_place *place)
{
    char line[512], site[VMTI_SITE_TEXT_BYTES];
    size_t used = 0;
    if (place->ended) {
        printf("  %s: there are no more touches\n", side);
        return;
    }
    if (place->allocation)
        used += (size_t)snprintf(line, sizeof line,
                                 "page %" PRIu64 " of allocation #%" PRIu32 ", of %" PRIu64 " bytes from %s",
                                 place->page, place->allocation, place->bytes, vmti_figures_site(f, place->site, site));
    else
        used += (size_t)snprintf(line, sizeof line, "a page of no allocation, first touched after %" PRIu64 " others",
                                 place->page);
    if (*place->label)
        used += (size_t)snprintf(line + used, sizeof line - used, ", label %s", place->label);
    used += (size_t)snprintf(line + used, sizeof line - used, ", by thread %" PRIu32, place->thread);
    if (*place->phase)
        snprintf(line + used, sizeof line - used, ", in phase %s", place->phase);
    char first[16];
    snprintf(first, sizeof first, "  %s: ", side);
    put_wrapped(first, line);
}

static void print_order(const struct diff *d)
{
    if (!d->fingerprints_known)
        printf("the order of touches is not compared: %s tells no fingerprint\n", *d->a.fingerprint ? "B" : "A");
    else if (d->fingerprints_equal)
        printf("the fingerprints are equal: %s\n", d->a.fingerprint);
    else
        printf("the fingerprints differ: %s in A, %s in B\n", d->a.fingerprint, d->b.fingerprint);
    if (!d->first.touch)
        return;
    printf("the first other page is that of touch %" PRIu64 ":\n", d->first.touch);
    print_place("A", &d->a, &d->first.a);
    print_place("B", &d->b, &d->first.b);
}

static int print_text(const struct diff *d, uint64_t top)
{
    print_side("A", &d->a);
    print_side("B", &d->b);
    for (size_t i = 0; i < d->note_count; i++)
        put_wrapped(i < d->incomparable ? "NOT COMPARABLE: " : "NOTE: ", d->notes[i]);
    puts(d->same ? "the same: nothing differs that both tell" : "they differ");
    print_figures(d);
    print_groups(d, top);
    print_order(d);
    return vmti_cmd_close_stdout();
}

/* ------------------------------------------------------------------------------------------- JSON */

static json_t *json_side(const struct vmti_figures *f)
{
    json_t *side = json_object(), *settings = json_object();
    const struct vmti_setting_kind *kind;
    for (unsigned i = 0; (kind = vmti_setting_kind(i)); i++)
        vmti_json_put(&settings, kind->key, *f->settings[i] ? json_string(f->settings[i]) : json_null());
    vmti_json_put(&side, "file", vmti_json_text(f->path));
    vmti_json_put(&side, "kind", json_string(f->is_report ? "report" : "trace"));
    vmti_json_put(&side, "command", vmti_json_text(f->command));
    vmti_json_put(&side, "complete", json_boolean(f->complete));
    vmti_json_put(&side, "fingerprint", *f->fingerprint ? json_string(f->fingerprint) : json_null());
    vmti_json_put(&side, "settings", settings);
    return side;
}

static json_t *json_value(bool known, double value, unsigned digits)
{
    return !known ? json_null() : digits ? json_real(value) : json_integer((json_int_t)value);
}

static json_t *json_figures(const struct diff *d)
{
    json_t *figures = json_object();
    const struct vmti_figure_kind *kind;
    for (unsigned i = 0; (kind = vmti_figure_kind(i)); i++) {
        const struct vmti_figure *a = &d->a.figures[i], *b = &d->b.figures[i];
        bool both = a->known && b->known;
        double percent;
        json_t *figure = json_object();
        vmti_json_put(&figure, "a", json_value(a->known, a->value, kind->digits));
        vmti_json_put(&figure, "b", json_value(b->known, b->value, kind->digits));
        vmti_json_put(&figure, "difference", json_value(both, b->value - a->value, kind->digits));
        vmti_json_put(&figure, "percent", find_percent(a, b, &percent) ? json_real(percent) : json_null());
        vmti_json_put(&figures, kind->key, figure);
    }
    return figures;
}

static json_t *json_pairs(const struct pair *pairs, size_t count, uint64_t top)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count && i < top; i++) {
        json_t *item = json_object();
        vmti_json_put(&item, "name", vmti_json_text(pairs[i].name));
        vmti_json_put(&item, "pages_a", vmti_json_count(pairs[i].pages_a));
        vmti_json_put(&item, "pages_b", vmti_json_count(pairs[i].pages_b));
        vmti_json_put(&item, "touches_a", vmti_json_count(pairs[i].touches_a));
        vmti_json_put(&item, "touches_b", vmti_json_count(pairs[i].touches_b));
        vmti_json_add(&list, item);
    }
    return list;
}

static json_t *json_group(const struct diff *d, enum vmti_grouping by, uint64_t top)
{
    if (!d->known[by])
        return json_null();
    json_t *group = json_object();
    const struct pairs *pairs = &d->groups[by];
    for (int change = 0; change < CHANGES; change++)
        vmti_json_put(&group, change_keys[change], json_pairs(pairs->of[change], pairs->count[change], top));
    return group;
}

static json_t *json_place(const struct vmti_figures *f, const struct vmti_place *place)
{
    char site[VMTI_SITE_TEXT_BYTES];
    if (place->ended)
        return json_null();
    json_t *o = json_object();
    bool owned = place->allocation;
    vmti_json_put(&o, "allocation", owned ? vmti_json_count(place->allocation) : json_null());
    vmti_json_put(&o, "page", vmti_json_count(place->page));
    vmti_json_put(&o, "bytes", owned ? vmti_json_count(place->bytes) : json_null());
    vmti_json_put(&o, "site", owned ? vmti_json_text(vmti_figures_site(f, place->site, site)) : json_null());
    vmti_json_put(&o, "label", *place->label ? vmti_json_text(place->label) : json_null());
    vmti_json_put(&o, "thread", vmti_json_count(place->thread));
    vmti_json_put(&o, "phase", *place->phase ? vmti_json_text(place->phase) : json_null());
    return o;
}

static json_t *json_first(const struct diff *d)
{
    if (!d->first.touch)
        return json_null();
    json_t *first = json_object();
    vmti_json_put(&first, "touch", vmti_json_count(d->first.touch));
    vmti_json_put(&first, "a", json_place(&d->a, &d->first.a));
    vmti_json_put(&first, "b", json_place(&d->b, &d->first.b));
    return first;
}

static int print_json(const struct diff *d, uint64_t top)
{
    json_t *o = json_object(), *notes = json_array();
    for (size_t i = 0; i < d->note_count; i++)
        vmti_json_add(&notes, vmti_json_text(d->notes[i]));
    vmti_json_put(&o, "same", json_boolean(d->same));
    vmti_json_put(&o, "comparable", json_boolean(!d->incomparable));
    vmti_json_put(&o, "notes", notes);
    vmti_json_put(&o, "a", json_side(&d->a));
    vmti_json_put(&o, "b", json_side(&d->b));
    vmti_json_put(&o, "figures", json_figures(d));
    for (size_t i = 0; i < GROUPINGS; i++)
        vmti_json_put(&o, groupings[i].key, json_group(d, groupings[i].by, top));
    vmti_json_put(&o, "fingerprints_equal", d->fingerprints_known ? json_boolean(d->fingerprints_equal) : json_null());
    vmti_json_put(&o, "first_difference", json_first(d));
    return vmti_json_print(o);
}

/* ------------------------------------------------------------------------------------------- command */

static int diff_files(const char *a, const char *b, bool json, uint64_t top)
{
    struct diff d;
    memset(&d, 0, sizeof d);
    int status = EXIT_TROUBLE, error;
    /* Both, so that each of two that cannot be read is told. */
    bool unread = vmti_figures_read(&d.a, a) < 0;
    unread |= vmti_figures_read(&d.b, b) < 0;
    if (!unread) {
        if ((error = compare(&d)) < 0)
            vmti_cmd_error("cannot compare %s with %s: %s", a, b, strerror(-error));
        else if ((json ? print_json(&d, top) : print_text(&d, top)) == 0)
            status = d.same ? EXIT_SAME : EXIT_DIFFER;
    }
    free_diff(&d);
    return status;
}

int vmti_cmd_diff(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},
        {"top", required_argument, NULL, 't'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    bool json = false;
    uint64_t top = 0;
    int option;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        switch (option) {
        case 'h':
            fputs(HELP, stdout);
            return vmti_cmd_close_stdout() ? EXIT_TROUBLE : EXIT_SAME;
        case 'j':
            json = true;
            break;
        case 't':
            if (vmti_count_parse(optarg, &top) && top)
                break;
            vmti_cmd_error("option --top is \"%s\": allowed is a whole number of names, from 1", optarg);
            return EXIT_TROUBLE;
        default:
            vmti_cmd_option_error(option, argv, "--json, --top and --help");
            return EXIT_TROUBLE;
        }
    }
    if (argc - optind != 2) {
        vmti_cmd_error("needs two files, traces or JSON reports, and got %d: vmtrace diff A B", argc - optind);
        return EXIT_TROUBLE;
    }
    if (!*argv[optind] || !*argv[optind + 1]) {
        vmti_cmd_error("the name of the %s file is \"\": vmtrace diff A B", *argv[optind] ? "second" : "first");
        return EXIT_TROUBLE;
    }
    if (!top)
        top = json ? UINT64_MAX : DEFAULT_TOP;
    return diff_files(argv[optind], argv[optind + 1], json, top);
}
