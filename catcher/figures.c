/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "figures.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "../harness/config.h"
#include "../harness/grow.h"
#include "cmd.h"

/* ------------------------------------------------------------------------------------------- kinds */

enum {
    FOOTPRINT,
    TOUCHES,
    PROGRAM_TOUCHES,
    SYSCALL_TOUCHES,
    PAGES_WRITTEN,
    PAGES_ONCE,
    EVICTIONS,
    DROPS,
    UPGRADES,
    PEAK_64,
    PEAK_1024,
    AVERAGE_64,
    AVERAGE_1024,
    MEMORY,
    PEAK_OPEN,
    THREADS,
    SYSCALLS,
    SYSCALLS_WALKED,
    OVER_WINDOW,
    UNKNOWN_CALLS,
    LEFT_OPEN,
    REFUSED_CALLS,
    FIGURES,
};
_Static_assert((int)FIGURES <= (int)VMTI_FIGURES_MAX, "struct vmti_figures has room for them");

static const struct vmti_figure_kind figure_kinds[FIGURES] = {
    [FOOTPRINT] = {"footprint_pages", "footprint", 0},
    [TOUCHES] = {"touches", "touches", 0},
    [PROGRAM_TOUCHES] = {"program_touches", "... by the program", 0},
    [SYSCALL_TOUCHES] = {"syscall_touches", "... by system calls", 0},
    [PAGES_WRITTEN] = {"pages_written", "pages written", 0},
    [PAGES_ONCE] = {"pages_once", "pages touched once", 0},
    [EVICTIONS] = {"evictions", "evictions", 0},
    [DROPS] = {"drops", "drops", 0},
    [UPGRADES] = {"upgrades", "upgrades", 0},
    [PEAK_64] = {"peak_working_set_64", "peak working set, 64", 0},
    [PEAK_1024] = {"peak_working_set_1024", "... 1024 touches", 0},
    [AVERAGE_64] = {"average_working_set_64", "average working set, 64", 2},
    [AVERAGE_1024] = {"average_working_set_1024", "... 1024 touches", 2},
    [MEMORY] = {"memory_1_percent", "memory for 1 % misses", 0},
    [PEAK_OPEN] = {"peak_open_pages", "peak open", 0},
    [THREADS] = {"threads", "threads", 0},
    [SYSCALLS] = {"syscalls", "system calls", 0},
    [SYSCALLS_WALKED] = {"syscalls_walked", "... walked", 0},
    [OVER_WINDOW] = {"over_window_calls", "... over the window", 0},
    [UNKNOWN_CALLS] = {"unknown_calls", "... not in the table", 0},
    [LEFT_OPEN] = {"left_open_pages", "left open", 0},
    [REFUSED_CALLS] = {"refused_calls", "refused calls", 0},
};

const struct vmti_figure_kind *vmti_figure_kind(unsigned i)
{
    return i < FIGURES ? &figure_kinds[i] : NULL;
}

enum { WINDOW, RAISED, PAGE_BYTES, SCOPE, EVICT, ENGINE, WRITES, COUNTED, SETTINGS };
_Static_assert((int)SETTINGS <= (int)VMTI_SETTINGS_MAX, "struct vmti_figures has room for them");

static const struct vmti_setting_kind setting_kinds[SETTINGS] = {
    [WINDOW] = {"window_pages", "window", "of the figures only footprint, pages written and threads can be compared"},
    [RAISED] = {"window_raised_to", "window in the end (raised for threads)",
                "of the figures only footprint, pages written and threads can be compared"},
    [PAGE_BYTES] = {"page_size", "page size", "no figure can be compared"},
    [SCOPE] = {"scope", "scope", "no figure can be compared: they are of different memory"},
    [EVICT] = {"evict_pages", "evict", "only footprint, pages written and threads can be compared closely"},
    [ENGINE] = {"engine", "engine", "touches of system calls and of several threads can differ for that alone"},
    [WRITES] = {"track_writes", "write tracking", "pages written and upgrades cannot be compared"},
    [COUNTED] = {"threads_counted", "threads counted", "no figure can be compared if there were several threads"},
};

const struct vmti_setting_kind *vmti_setting_kind(unsigned i)
{
    return i < SETTINGS ? &setting_kinds[i] : NULL;
}

/* ------------------------------------------------------------------------------------------- groups */

static const enum vmti_grouping groupings[] = {VMTI_BY_SITE, VMTI_BY_LABEL, VMTI_BY_PHASE};

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct vmti_named *)a)->name, ((const struct vmti_named *)b)->name);
}

/* 0 or -ENOMEM. */
static int add_named(struct vmti_named_list *list, const char *name, uint64_t pages, uint64_t touches)
{
    void *items = vmti_grow(list->items, list->count, &list->capacity, sizeof *list->items);
    if (!items)
        return -ENOMEM;
    list->items = items;
    struct vmti_named item = {.name = strdup(name), .pages = pages, .touches = touches};
    if (!item.name)
        return -ENOMEM;
    list->items[list->count++] = item;
    return 0;
}

/* Sorts by name, and adds those up that have the same: two calls in one function, say. */
static void unite_named(struct vmti_named_list *list)
{
    size_t used = 0;
    if (list->count)
        qsort(list->items, list->count, sizeof *list->items, compare_names);
    for (size_t i = 0; i < list->count; i++) {
        struct vmti_named *item = &list->items[i];
        if (used && strcmp(list->items[used - 1].name, item->name) == 0) {
            list->items[used - 1].pages += item->pages;
            list->items[used - 1].touches += item->touches;
            free(item->name);
        } else {
            list->items[used++] = *item;
        }
    }
    list->count = used;
}

/* ------------------------------------------------------------------------------------------- sites */

/* Takes out of a name what a rebuild changes for nothing: the line, or the offset in the function. */
static void make_stable(char *text)
{
    size_t bytes = strlen(text), digits = bytes;
    while (digits && text[digits - 1] >= '0' && text[digits - 1] <= '9')
        digits--;
    if (digits < bytes && digits && text[digits - 1] == ':') {
        text[digits - 1] = '\0';
        return;
    }
    char *into = strstr(text, "+0x");
    size_t hex = into ? strspn(into + 3, "0123456789abcdef") : 0;
    if (into && into[3 + hex] == ' ')
        memmove(into, into + 3 + hex, strlen(into + 3 + hex) + 1);
    else if (strncmp(text, "0x", 2) == 0) /* made at run time, say: the address is another in each run */
        strcpy(text, "code in no file");
}

const char *vmti_figures_site(const struct vmti_figures *figures, uint64_t site, char text[VMTI_SITE_TEXT_BYTES])
{
    vmti_site_text(figures->sites, site, text, VMTI_SITE_TEXT_BYTES);
    make_stable(text);
    return text;
}

/* The file says now what it did not say then, perhaps: a new build. The change of the inode tells of a file that was
 * replaced by an older one, too. */
static bool was_changed(const char *path, uint64_t since_ns)
{
    struct stat st;
    return stat(path, &st) == 0 &&
           (uint64_t)st.st_ctim.tv_sec * 1000000000u + (uint64_t)st.st_ctim.tv_nsec > since_ns;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int open_sites(struct vmti_figures *f)
{
    f->sites = vmti_sites_new();
    int error = f->sites ? 0 : -ENOMEM;
    for (size_t i = 0; i < f->summary.module_count && !error; i++) {
        const struct vmti_trace_module *module = &f->summary.modules[i];
        char *nowhere = NULL;
        const char *path = module->path;
        /* Such a file's name without the file: a folder that is none. */
        if (was_changed(path, f->reader.header.start_realtime_ns)) {
            if (asprintf(&nowhere, "/dev/null/%s", base_name(path)) < 0)
                return -ENOMEM;
            path = nowhere;
        }
        error = vmti_sites_add(f->sites, module->start, module->end, module->offset, path);
        free(nowhere);
    }
    return error;
}

static void note_changed(struct vmti_figures *f, uint64_t site)
{
    for (size_t i = f->summary.module_count; i-- > 0;) {
        const struct vmti_trace_module *module = &f->summary.modules[i];
        if (site <= module->start || site > module->end)
            continue;
        if (was_changed(module->path, f->reader.header.start_realtime_ns))
            snprintf(f->changed, sizeof f->changed, "%s", base_name(module->path));
        return;
    }
}

/* ------------------------------------------------------------------------------------------- a trace */

static void set(struct vmti_figures *f, unsigned figure, double value)
{
    f->figures[figure] = (struct vmti_figure){true, value};
}

static void take_summary(struct vmti_figures *f)
{
    const struct vmti_trace_summary *s = &f->summary;
    const struct vmti_trace_trailer *t = &s->trailer;
    set(f, FOOTPRINT, (double)s->footprint);
    set(f, TOUCHES, (double)s->touches);
    set(f, PROGRAM_TOUCHES, (double)s->program_touches);
    set(f, SYSCALL_TOUCHES, (double)s->syscall_touches);
    if (f->reader.header.flags & VMTI_TRACE_HAS_WRITES) {
        set(f, PAGES_WRITTEN, (double)s->pages_written);
        set(f, UPGRADES, (double)s->upgrades);
    }
    set(f, EVICTIONS, (double)s->evictions);
    set(f, DROPS, (double)s->drops);
    if (!s->has_trailer)
        return;
    set(f, PEAK_OPEN, (double)t->peak_open);
    set(f, THREADS, (double)t->threads);
    set(f, SYSCALLS, (double)t->syscalls);
    set(f, SYSCALLS_WALKED, (double)t->syscalls_walked);
    set(f, OVER_WINDOW, (double)t->over_window);
    set(f, UNKNOWN_CALLS, (double)t->unknown_calls);
    set(f, LEFT_OPEN, (double)t->left_open);
    set(f, REFUSED_CALLS, (double)t->refused_calls);
}

static void take_settings(struct vmti_figures *f)
{
    const struct vmti_trace_header *h = &f->reader.header;
    enum { BYTES = sizeof f->settings[0] };
    snprintf(f->settings[WINDOW], BYTES, "%" PRIu64 " pages", h->window);
    if (f->summary.has_trailer)
        snprintf(f->settings[RAISED], BYTES, "%" PRIu64 " pages", f->summary.trailer.room);
    snprintf(f->settings[PAGE_BYTES], BYTES, "%" PRIu32 " bytes", h->page_size);
    snprintf(f->settings[SCOPE], BYTES, "%s", vmti_scope_name((vmt_scope)h->scope));
    snprintf(f->settings[EVICT], BYTES, "%u pages", h->evict);
    snprintf(f->settings[ENGINE], BYTES, "%s", vmti_engine_name((vmt_engine)h->engine));
    snprintf(f->settings[WRITES], BYTES, "%s", h->flags & VMTI_TRACE_HAS_WRITES ? "on" : "off");
    snprintf(f->settings[COUNTED], BYTES, "%s", h->flags & VMTI_TRACE_HAS_ONE_THREAD ? "this" : "all");
}

static int take_groups(struct vmti_figures *f, const struct vmti_insight *insight)
{
    int error = 0;
    for (size_t i = 0; i < sizeof groupings / sizeof *groupings && !error; i++) {
        enum vmti_grouping by = groupings[i];
        struct vmti_named_list *list = &f->groups[by];
        const struct vmti_group *group = NULL;
        list->known = true;
        while (!error && (group = vmti_group_next(insight, by, group))) {
            const struct vmti_group_key *key = vmti_group_key(group);
            const struct vmti_locality *l = vmti_group_locality(group);
            char text[VMTI_SITE_TEXT_BYTES];
            if (by == VMTI_BY_SITE)
                note_changed(f, key->number);
            error = add_named(list, by == VMTI_BY_SITE ? vmti_figures_site(f, key->number, text) : key->name,
                              l->pages, l->touches);
        }
        unite_named(list);
    }
    return error;
}

static int take_insight(struct vmti_figures *f, const struct vmti_insight *insight)
{
    double averages[VMTI_LOCALITY_TAUS];
    vmti_locality_working_sets(&insight->all, averages);
    for (unsigned i = 0; i < VMTI_LOCALITY_TAUS; i++) {
        uint64_t tau = vmti_locality_tau(i), peak;
        if (tau != 64 && tau != 1024)
            continue;
        set(f, tau == 64 ? AVERAGE_64 : AVERAGE_1024, averages[i]);
        if (vmti_locality_peak(&insight->all, i, &peak))
            set(f, tau == 64 ? PEAK_64 : PEAK_1024, (double)peak);
    }
    set(f, PAGES_ONCE, (double)insight->pages_once);
    set(f, MEMORY, (double)vmti_memory_for_percent(&insight->all, 1));
    snprintf(f->fingerprint, sizeof f->fingerprint, "%016" PRIx64, insight->fingerprint);
    return take_groups(f, insight);
}

/* The command line in one line. */
static int take_command(struct vmti_figures *f)
{
    size_t bytes = f->reader.header.command_bytes;
    f->command = calloc(1, bytes + 1);
    if (!f->command)
        return -ENOMEM;
    for (size_t i = 0; i + 1 < bytes; i++)
        f->command[i] = f->reader.command[i] ? f->reader.command[i] : ' ';
    return 0;
}

static int read_trace(struct vmti_figures *f, int fd)
{
    int error = vmti_trace_read_fd(&f->reader, fd);
    if (!error)
        error = vmti_trace_summarize(&f->reader, &f->summary);
    if (error) {
        vmti_cmd_error("cannot read %s: %s", f->path, *f->reader.reason ? f->reader.reason : strerror(-error));
        return -1;
    }
    struct vmti_insight insight = {0};
    f->complete = f->summary.complete;
    f->reason = strdup(f->summary.reason);
    error = f->reason ? take_command(f) : -ENOMEM;
    take_summary(f);
    take_settings(f);
    if (!error)
        error = open_sites(f);
    if (!error) {
        unsigned by = 1u << VMTI_BY_SITE | 1u << VMTI_BY_LABEL | 1u << VMTI_BY_PHASE;
        error = vmti_insight_read(&f->reader, by, &insight);
        if (error == -EIO) /* not complete, which is said elsewhere */
            error = 0;
        if (!error)
            error = take_insight(f, &insight);
        vmti_insight_free(&insight);
    }
    if (error)
        vmti_cmd_error("cannot read %s: %s", f->path, strerror(-error));
    return error ? -1 : 0;
}

/* ------------------------------------------------------------------------------------------- a report */

/* As take_settings() says them. */
static void take_setting(struct vmti_figures *f, unsigned setting, const json_t *value)
{
    static const char *const units[SETTINGS] = {
        [WINDOW] = " pages", [RAISED] = " pages", [PAGE_BYTES] = " bytes", [EVICT] = " pages"};
    char *text = f->settings[setting];
    enum { BYTES = sizeof f->settings[0] };
    if (json_is_integer(value))
        snprintf(text, BYTES, "%" JSON_INTEGER_FORMAT "%s", json_integer_value(value),
                 units[setting] ? units[setting] : "");
    else if (json_is_string(value))
        snprintf(text, BYTES, "%s", json_string_value(value));
    else if (json_is_boolean(value))
        snprintf(text, BYTES, "%s", json_is_true(value) ? "on" : "off");
}

/* What the report says under this key. An error, after saying so: no report has that there. */
static int read_number(const struct vmti_figures *f, const json_t *object, const char *key, bool whole,
                       struct vmti_figure *number)
{
    enum { VALUE = 40 };
    static const int64_t most = INT64_C(1) << 53; /* see struct vmti_figure */
    const json_t *value = json_object_get(object, key);
    number->known = value && !json_is_null(value);
    number->value = json_number_value(value);
    bool allowed = json_is_integer(value)
                       ? json_integer_value(value) >= 0 && json_integer_value(value) <= most
                       : !whole && json_is_real(value) && number->value >= 0 && number->value <= (double)most;
    if (!number->known || allowed)
        return 0;
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    vmti_cmd_error("cannot read %s: \"%s\" is %.*s%s in it; in a report it is null or a %snumber from 0 to %" PRId64,
                   f->path, key, VALUE, text ? text : "?", text && strlen(text) > VALUE ? "..." : "",
                   whole ? "whole " : "", most);
    free(text);
    return -EINVAL;
}

static int take_working_sets(struct vmti_figures *f, const json_t *sets)
{
    size_t i;
    json_t *entry;
    int error = 0;
    json_array_foreach(sets, i, entry)
    {
        json_int_t tau = json_integer_value(json_object_get(entry, "tau"));
        if (tau != 64 && tau != 1024)
            continue;
        error = read_number(f, entry, "average_pages", false, &f->figures[tau == 64 ? AVERAGE_64 : AVERAGE_1024]);
        if (!error)
            error = read_number(f, entry, "peak_pages", true, &f->figures[tau == 64 ? PEAK_64 : PEAK_1024]);
        if (error)
            return error;
    }
    return 0;
}

/* What a report tells by site, label or phase, if it does. */
static int take_report_groups(struct vmti_figures *f, const json_t *report, enum vmti_grouping by)
{
    char key[16], text[VMTI_SITE_TEXT_BYTES];
    struct vmti_named_list *list = &f->groups[by];
    size_t i;
    json_t *entry;
    snprintf(key, sizeof key, "by_%s", vmti_grouping_name(by));
    const json_t *entries = json_object_get(report, key);
    list->known = json_is_array(entries);
    json_array_foreach(entries, i, entry)
    {
        const char *name = json_string_value(json_object_get(entry, vmti_grouping_name(by)));
        struct vmti_figure pages, touches;
        int error = read_number(f, entry, "pages", true, &pages);
        if (!error)
            error = read_number(f, entry, "touches", true, &touches);
        if (!error && (!pages.known || !touches.known)) {
            vmti_cmd_error("cannot read %s: \"%s\" has an entry without pages and touches; in a report each has both",
                           f->path, key);
            error = -EINVAL;
        }
        snprintf(text, sizeof text, "%s", name ? name : "unknown site");
        if (by == VMTI_BY_SITE)
            make_stable(text);
        if (!error)
            error = add_named(list, text, (uint64_t)pages.value, (uint64_t)touches.value);
        if (error)
            return error;
    }
    unite_named(list);
    return 0;
}

/* Two that differ behind what there is room for would be the same. */
static int take_fingerprint(struct vmti_figures *f, const json_t *report)
{
    const char *fingerprint = json_string_value(json_object_get(report, "fingerprint"));
    if (!fingerprint)
        return 0;
    size_t digits = strspn(fingerprint, "0123456789abcdef");
    if (digits != sizeof f->fingerprint - 1 || fingerprint[digits]) {
        vmti_cmd_error(
            "cannot read %s: \"fingerprint\" is \"%.40s\" in it; in a report it is null or has %zu digits, 0 to 9 and "
            "a to f",
            f->path, fingerprint, sizeof f->fingerprint - 1);
        return -EINVAL;
    }
    memcpy(f->fingerprint, fingerprint, sizeof f->fingerprint);
    return 0;
}

/* 0, -ENOMEM, or another error after saying why. */
static int take_report(struct vmti_figures *f, const json_t *report)
{
    int error = 0;
    for (unsigned i = 0; i < FIGURES && !error; i++)
        error = read_number(f, report, figure_kinds[i].key, figure_kinds[i].digits == 0, &f->figures[i]);
    for (unsigned i = 0; i < SETTINGS; i++)
        take_setting(f, i, json_object_get(report, setting_kinds[i].key));
    if (strcmp(f->settings[WRITES], "off") == 0)
        f->figures[UPGRADES].known = false; /* 0 for want of tracking */
    if (!error)
        error = take_working_sets(f, json_object_get(report, "working_set"));
    for (size_t i = 0; i < sizeof groupings / sizeof *groupings && !error; i++)
        error = take_report_groups(f, report, groupings[i]);
    if (!error)
        error = take_fingerprint(f, report);
    if (error)
        return error;
    const char *reason = json_string_value(json_object_get(report, "incomplete_reason"));
    f->complete = json_is_true(json_object_get(report, "complete"));
    f->reason = strdup(reason ? reason : "");
    f->command = strdup("");
    size_t i;
    json_t *word;
    json_array_foreach(json_object_get(report, "command"), i, word)
    {
        char *longer = NULL;
        if (!f->command || asprintf(&longer, "%s%s%s", f->command, i ? " " : "",
                                    json_is_string(word) ? json_string_value(word) : "") < 0)
            return -ENOMEM;
        free(f->command);
        f->command = longer;
    }
    return f->reason && f->command ? 0 : -ENOMEM;
}

static int read_report(struct vmti_figures *f, FILE *file)
{
    json_error_t where;
    json_t *report = json_loadf(file, 0, &where);
    int status = -1, error;
    f->is_report = true;
    if (!report)
        vmti_cmd_error("%s is neither a trace nor a report of \"vmtrace report --json\": as JSON, line %d: %s", f->path,
                       where.line, where.text);
    else if (!json_is_integer(json_object_get(report, "touches")) ||
             !json_is_integer(json_object_get(report, "footprint_pages")))
        vmti_cmd_error(
            "%s is JSON, but no report of \"vmtrace report --json\": it has no whole numbers \"touches\" and "
            "\"footprint_pages\"",
            f->path);
    else if ((error = take_report(f, report)) == -ENOMEM)
        vmti_cmd_error("cannot read %s: no memory was left", f->path);
    else
        status = error;
    json_decref(report);
    return status;
}

/* ------------------------------------------------------------------------------------------- either */

int vmti_figures_read(struct vmti_figures *f, const char *path)
{
    char magic[sizeof VMTI_TRACE_MAGIC];
    struct stat st;
    int status = -1;
    memset(f, 0, sizeof *f);
    f->path = path;
    f->reader.fd = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    if (!file || fstat(fd, &st) < 0)
        vmti_cmd_error("cannot read %s: %s", path, strerror(errno));
    else if (S_ISDIR(st.st_mode))
        vmti_cmd_error("cannot read %s: it is a folder", path);
    else if (pread(fd, magic, sizeof magic, 0) == (ssize_t)sizeof magic &&
             memcmp(magic, VMTI_TRACE_MAGIC, sizeof magic) == 0)
        status = read_trace(f, fd);
    else
        status = read_report(f, file);
    if (status == 0 && !f->is_report)
        f->file = file;
    else if (file)
        fclose(file);
    else if (fd >= 0)
        close(fd);
    return status;
}

void vmti_figures_free(struct vmti_figures *f)
{
    for (unsigned by = 0; by < VMTI_GROUPINGS; by++) {
        for (size_t i = 0; i < f->groups[by].count; i++)
            free(f->groups[by].items[i].name);
        free(f->groups[by].items);
    }
    vmti_sites_free(f->sites);
    vmti_trace_summary_free(&f->summary);
    vmti_trace_read_close(&f->reader);
    if (f->file)
        fclose(f->file);
    free(f->command);
    free(f->reason);
}
