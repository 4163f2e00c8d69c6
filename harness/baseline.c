/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "baseline.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "baseline_file.h"
#include "baseline_store.h"
#include "verdict.h"

enum {
    COLUMNS = VMTI_VERDICT_COLUMNS,
    FINDINGS_SHOWN = 8, /* metrics that a verdict names */
    NAME_COLUMNS = 40,  /* of a metric's name in it */
    PATH_COLUMNS = 640, /* of a path or a command that must be whole */
    SECTIONS_SHOWN = 3,
};

/* What a metric came to. From the worst on, as they are listed. */
enum state {
    OVER,
    NOT_THERE,  /* the run has no such figure */
    UNRECORDED, /* the file has a ? for it */
    BETTER,
    NEW, /* the file does not name it */
    WITHIN,
    STATES,
};

struct finding {
    enum state state;
    const struct vmti_baseline_line *line; /* NULL: NEW */
    const struct vmti_metric *metric;      /* NULL: NOT_THERE */
    double by;                             /* how far out of its limits, relative to the baseline */
};

struct comparison {
    const struct vmti_baseline_request *request;
    const struct vmti_metrics *metrics;
    struct vmti_baseline baseline;
    char *bytes;                              /* of the file */
    const struct vmti_baseline_line *section; /* NULL: the file has none for this key */
    size_t section_metrics;
    struct finding *findings;
    size_t count, in_state[STATES];
};

/* Is this a machine where nothing is to be recorded? */
static bool in_ci(void)
{
    const char *ci = getenv("CI");
    return ci && *ci && strcasecmp(ci, "false") != 0 && strcmp(ci, "0") != 0;
}

/* ------------------------------------------------------------------------------------------- text */

/* exact: even if it does not fit into the lines. */
static void add_how_to_record(vmt_verdict *v, const struct vmti_baseline_request *request, const char *when, bool exact)
{
    const char *command = request->record;
    enum { INDENT = 2, JOINT = 2 };
    vmti_verdict_line(v, "%s", when);
    if (command && strlen(command) <= (exact ? PATH_COLUMNS : 4 * COLUMNS) &&
        (exact || vmti_command_longest_word(command) <= COLUMNS - INDENT - JOINT))
        vmti_verdict_command(v, "  ", command);
    else
        vmti_verdict_words(v, "  ", request->how_to_record);
}

bool vmti_baseline_not_measured(vmt_verdict *verdict, const char *name, const char *format, ...)
{
    char why[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    *verdict = (vmt_verdict){.outcome = VMT_NOT_MEASURED};
    vmti_verdict_line(verdict, "not measured: baseline %s", name);
    vmti_verdict_words(verdict, "  ", why);
    return false;
}

/* ------------------------------------------------------------------------------------------- comparison */

static const char *name_of(const struct comparison *c, const struct finding *f, size_t *bytes)
{
    if (f->line) {
        *bytes = f->line->name_bytes;
        return c->baseline.bytes + f->line->name;
    }
    *bytes = strlen(f->metric->name);
    return f->metric->name;
}

static void find(struct comparison *c, struct finding finding)
{
    c->findings[c->count++] = finding;
    c->in_state[finding.state]++;
}

static struct finding judge(const struct vmti_baseline_line *line, const struct vmti_metric *metric)
{
    struct finding f = {.line = line, .metric = metric, .state = WITHIN};
    uint64_t low, high, beyond = 0;
    if (!metric) {
        f.state = NOT_THERE;
        return f;
    }
    if (line->kind == VMTI_BASELINE_UNRECORDED) {
        f.state = UNRECORDED;
        return f;
    }
    vmti_baseline_limits(line, &low, &high);
    if (strcmp(metric->name, VMTI_METRIC_FINGERPRINT) == 0) {
        /* Another order of pages is neither more nor less. */
        if (metric->value != line->value)
            f.state = OVER;
        return f;
    }
    if (metric->value > high) {
        f.state = OVER;
        beyond = metric->value - high;
    } else if (metric->value < low) {
        f.state = BETTER;
        beyond = low - metric->value;
    }
    f.by = (double)beyond / (line->value ? (double)line->value : 1.0);
    return f;
}

static int compare_findings(const void *a, const void *b)
{
    const struct finding *p = a, *q = b;
    if (p->state != q->state)
        return p->state < q->state ? -1 : 1;
    if (p->by != q->by)
        return p->by > q->by ? -1 : 1;
    if (p->line && q->line)
        return p->line->number < q->line->number ? -1 : p->line->number > q->line->number;
    return p->metric && q->metric ? strcmp(p->metric->name, q->metric->name) : 0;
}

/* Undoes vmti_metric_of_name(): the label of `label "..." pages`, or false. The name is well formed. */
static bool label_of(const char *name, size_t bytes, char label[static VMTI_TRACE_LABEL_MAX + 1])
{
    static const char before[] = "label \"", after[] = "\" pages";
    size_t first = sizeof before - 1, last = sizeof after - 1, n = 0;
    if (bytes < first + last || memcmp(name, before, first) != 0 || memcmp(name + bytes - last, after, last) != 0)
        return false;
    for (const char *at = name + first, *end = name + bytes - last; at < end; at++) {
        unsigned c = (unsigned char)*at;
        if (c == '\\' && end - at > 3 && at[1] == 'x') {
            sscanf(at + 2, "%2x", &c);
            at += 3;
        } else if (c == '\\' && end - at > 1) {
            c = (unsigned char)*++at;
        }
        if (n == VMTI_TRACE_LABEL_MAX)
            return false;
        label[n++] = (char)c;
    }
    label[n] = '\0';
    return true;
}

/* A label whose pages were not touched has none, which a trace does not tell. */
static int add_untouched_labels(const struct comparison *c, struct vmti_metrics *metrics)
{
    int error = 0;
    for (size_t i = 1; c->section && c->request->has_label && i <= c->section_metrics && !error; i++) {
        const struct vmti_baseline_line *line = &c->section[i];
        const char *name = c->baseline.bytes + line->name;
        char label[VMTI_TRACE_LABEL_MAX + 1], metric[VMTI_LABEL_METRIC_BYTES];
        if (vmti_metrics_find(metrics, name, line->name_bytes) || !label_of(name, line->name_bytes, label) ||
            !c->request->has_label(c->request->context, label))
            continue;
        vmti_metric_of_name(metric, "label", label);
        error = vmti_metrics_add(metrics, metric, 0);
        vmti_metrics_sort(metrics);
    }
    return error;
}

/* Compares the section with the run, in both directions. 0 or -ENOMEM. */
static int compare(struct comparison *c, struct vmti_metrics *metrics)
{
    c->section = vmti_baseline_section(&c->baseline, metrics->key, &c->section_metrics);
    int error = add_untouched_labels(c, metrics);
    if (error)
        return error;
    bool *named = calloc(metrics->count + 1, sizeof *named);
    c->findings = calloc(metrics->count + c->section_metrics + 1, sizeof *c->findings);
    if (!named || !c->findings) {
        free(named);
        return -ENOMEM;
    }
    for (size_t i = 1; i <= c->section_metrics; i++) {
        const struct vmti_baseline_line *line = &c->section[i];
        const struct vmti_metric *metric = vmti_metrics_find(metrics, c->baseline.bytes + line->name, line->name_bytes);
        if (metric)
            named[metric - metrics->metrics] = true;
        if (line->kind != VMTI_BASELINE_ANY)
            find(c, judge(line, metric));
    }
    for (size_t i = 0; i < metrics->count; i++)
        if (!named[i] && strcmp(metrics->metrics[i].name, VMTI_METRIC_FINGERPRINT) != 0)
            find(c, (struct finding){.state = NEW, .metric = &metrics->metrics[i]});
    free(named);
    qsort(c->findings, c->count, sizeof *c->findings, compare_findings);
    return 0;
}

/* ------------------------------------------------------------------------------------------- what was found */

static void format_value(char text[static 32], const char *name, size_t bytes, uint64_t value)
{
    bool hex = vmti_metric_name_compare(name, bytes, VMTI_METRIC_FINGERPRINT, strlen(VMTI_METRIC_FINGERPRINT)) == 0;
    snprintf(text, 32, hex ? "0x%016" PRIx64 : "%" PRIu64, value);
}

/* A name that leaves room for the figures. */
static void format_name(char text[static NAME_COLUMNS + 1], const char *name, size_t bytes)
{
    if (bytes <= NAME_COLUMNS)
        snprintf(text, NAME_COLUMNS + 1, "%.*s", (int)bytes, name);
    else
        snprintf(text, NAME_COLUMNS + 1, "%.*s...", NAME_COLUMNS - 3, name);
}

static void add_finding(vmt_verdict *v, const struct comparison *c, const struct finding *f)
{
    size_t bytes;
    const char *name = name_of(c, f, &bytes);
    char shown[NAME_COLUMNS + 1], actual[32] = "", value[32] = "", tolerance[48] = "";
    format_name(shown, name, bytes);
    if (f->metric)
        format_value(actual, name, bytes, f->metric->value);
    if (f->line) {
        uint32_t n = f->line->tolerance_bytes;
        format_value(value, name, bytes, f->line->value);
        if (n)
            snprintf(tolerance, sizeof tolerance, " %.*s", (int)(n < 46 ? n : 46),
                     c->baseline.bytes + f->line->tolerance_at);
    }
    switch (f->state) {
    case OVER:
    case BETTER:
        vmti_verdict_line(v, "  %s: %s, baseline %s%s", shown, actual, value, tolerance);
        break;
    case NOT_THERE:
        vmti_verdict_line(v, "  %s: not measured in this run (line %" PRIu32 ")", shown, f->line->number);
        break;
    case UNRECORDED:
        vmti_verdict_line(v, "  %s: %s, not recorded yet", shown, actual);
        break;
    default:
        vmti_verdict_line(v, "  %s: %s, not in the baseline, not compared", shown, actual);
    }
}

/* Those in these states, the worst first; not all if they are many. */
static void add_findings(vmt_verdict *v, const struct comparison *c, enum state first, enum state last)
{
    size_t begin = 0, listed = 0;
    while (begin < c->count && c->findings[begin].state < first)
        begin++;
    while (begin + listed < c->count && c->findings[begin + listed].state <= last)
        listed++;
    size_t shown = listed <= FINDINGS_SHOWN ? listed : FINDINGS_SHOWN - 1;
    for (size_t i = 0; i < shown; i++)
        add_finding(v, c, &c->findings[begin + i]);
    if (listed > shown)
        vmti_verdict_line(v, "  ... and %zu more", listed - shown);
}

static void add_where(vmt_verdict *v, const struct comparison *c)
{
    vmti_verdict_path(v, "baseline: ", c->request->path, COLUMNS);
    vmti_verdict_words(v, "  ", c->metrics->key);
}

/* In which words the keys of the file's sections differ from that of this run. */
static void add_other_sections(vmt_verdict *v, const struct comparison *c)
{
    size_t sections = 0;
    for (size_t i = 0; i < c->baseline.count; i++) {
        const struct vmti_baseline_line *line = &c->baseline.lines[i];
        if (!line->section || sections++ >= SECTIONS_SHOWN)
            continue;
        char words[VMTI_METRICS_KEY_BYTES] = "";
        const char *here = c->metrics->key, *there = c->baseline.bytes + line->name, *end = there + line->name_bytes;
        while (*here && there < end) {
            size_t n = strcspn(here, " ");
            const char *space = memchr(there, ' ', (size_t)(end - there));
            size_t m = (size_t)((space ? space : end) - there);
            if (n != m || memcmp(here, there, n) != 0)
                snprintf(words + strlen(words), sizeof words - strlen(words), " %.*s", (int)m, there);
            here += n + (here[n] == ' ');
            there += m + (space != NULL);
        }
        vmti_verdict_line(v, "  line %" PRIu32 " is for%s", line->number, words);
    }
    if (sections > SECTIONS_SHOWN)
        vmti_verdict_line(v, "  ... and %zu more sections", sections - SECTIONS_SHOWN);
}

static bool no_baseline(vmt_verdict *v, const struct comparison *c)
{
    *v = (vmt_verdict){.outcome = VMT_NO_BASELINE};
    const char *what = !c->bytes    ? "no file"
                       : c->section ? "nothing to compare in its section"
                                    : "no section for this run";
    vmti_verdict_line(v, "no baseline: %.30s has %s", c->request->name, what);
    vmti_verdict_path(v, "  ", c->request->path, PATH_COLUMNS);
    vmti_verdict_words(v, "  ", c->metrics->key);
    if (!c->section)
        add_other_sections(v, c);
    add_how_to_record(v, c->request, "record it, and look at the file before you commit it:", true);
    return false;
}

/* The figures of the verdict: of the worst metric, or of the footprint. */
static void set_figures(vmt_verdict *v, const struct comparison *c)
{
    const struct finding *f = c->count ? &c->findings[0] : NULL;
    uint64_t low;
    if (!f)
        return;
    for (size_t i = 0; f->state >= NEW && i < c->count; i++)
        if (c->findings[i].state == WITHIN && strcmp(c->findings[i].metric->name, "footprint") == 0)
            f = &c->findings[i];
    v->actual = f->metric ? f->metric->value : 0;
    if (f->line && f->line->kind == VMTI_BASELINE_NUMBER)
        vmti_baseline_limits(f->line, &low, &v->budget);
}

static void add_gone(vmt_verdict *v)
{
    vmti_verdict_words(v, "",
                       "a label or phase that is gone? Then take its line out of the file; to keep the line "
                       "uncompared, make its value \"any\"");
}

static const char *are(size_t n)
{
    return n == 1 ? "is" : "are";
}

static const char *plural(size_t n)
{
    return n == 1 ? "metric" : "metrics";
}

static bool tell(vmt_verdict *v, const struct comparison *c)
{
    const char *name = c->request->name;
    size_t compared = c->count - c->in_state[NEW];
    *v = (vmt_verdict){.outcome = VMT_HELD};
    set_figures(v, c);
    if (c->in_state[OVER]) {
        v->outcome = VMT_BROKEN;
        vmti_verdict_line(v, "baseline %.40s: %zu of %zu metrics %s not hold", name, c->in_state[OVER], compared,
                          c->in_state[OVER] == 1 ? "does" : "do");
        add_findings(v, c, OVER, UNRECORDED);
        add_where(v, c);
        add_how_to_record(v, c->request, "if this is as it should be, record it:", false);
    } else if (c->in_state[NOT_THERE]) {
        v->outcome = VMT_NOT_MEASURED;
        vmti_verdict_line(v, "not measured: baseline %.30s has %zu of %zu metrics that this run lacks", name,
                          c->in_state[NOT_THERE], compared);
        add_findings(v, c, OVER, UNRECORDED);
        add_where(v, c);
        add_gone(v);
    } else if (c->in_state[UNRECORDED]) {
        v->outcome = VMT_NO_BASELINE;
        vmti_verdict_line(v, "no baseline: %.30s has no value yet for %zu of %zu metrics", name,
                          c->in_state[UNRECORDED], compared);
        add_findings(v, c, OVER, UNRECORDED);
        add_where(v, c);
        add_how_to_record(v, c->request, "record it:", true);
    } else if (c->in_state[BETTER]) {
        v->outcome = VMT_BETTER;
        vmti_verdict_line(v, "baseline %.30s: better, %zu of %zu metrics %s below their tolerance", name,
                          c->in_state[BETTER], compared, are(c->in_state[BETTER]));
        add_findings(v, c, BETTER, NEW);
        add_where(v, c);
        add_how_to_record(v, c->request, "holds; tighten the baseline, to keep what was won:", false);
    } else if (!compared) {
        return no_baseline(v, c);
    } else {
        vmti_verdict_line(v, "baseline %.40s: %zu %s held", name, compared, plural(compared));
        add_findings(v, c, BETTER, NEW);
        if (c->in_state[NEW])
            add_how_to_record(v, c->request, "to have these compared too, record them:", false);
    }
    return v->outcome == VMT_HELD || v->outcome == VMT_BETTER;
}

/* ------------------------------------------------------------------------------------------- the file */

/* 0; with no bytes if there is no file. Else the verdict is filled. */
static int load(struct comparison *c, const char *path, vmt_verdict *v)
{
    size_t length;
    int error = vmti_baseline_load(path, &c->bytes, &length);
    if (error == -ENOENT)
        return 0;
    if (error) {
        vmti_baseline_not_measured(v, c->request->name, "%s cannot be read: %s", c->request->path,
                                   error == -EINVAL ? "it is not a regular file" : strerror(-error));
        return error;
    }
    error = vmti_baseline_parse(c->bytes, length, &c->baseline);
    if (error == -EINVAL)
        vmti_baseline_not_measured(v, c->request->name, "%s:%u: %s", c->request->path, c->baseline.error_line,
                                   c->baseline.error);
    return error;
}

static bool no_memory(vmt_verdict *v, const char *name)
{
    return vmti_baseline_not_measured(v, name, "no memory was left to compare with it");
}

/* What is to be written: what is out of its tolerance, and what is missing. */
static size_t collect_changes(const struct comparison *c, struct vmti_baseline_change *changes)
{
    size_t n = 0;
    for (size_t i = 0; i < c->count; i++) {
        const struct finding *f = &c->findings[i];
        if (f->state != WITHIN && f->state != NOT_THERE)
            changes[n++] = (struct vmti_baseline_change){f->line, f->metric->name, f->metric->value};
    }
    return n;
}

static void add_recorded(vmt_verdict *v, const struct comparison *c)
{
    size_t shown = 0;
    for (size_t i = 0; i < c->count; i++) {
        const struct finding *f = &c->findings[i];
        if (!f->metric || f->state == WITHIN)
            continue;
        if (++shown > FINDINGS_SHOWN)
            continue;
        size_t bytes;
        const char *name = name_of(c, f, &bytes);
        char shown_name[NAME_COLUMNS + 1], value[32] = "new", actual[32];
        format_name(shown_name, name, bytes);
        format_value(actual, name, bytes, f->metric->value);
        if (f->line && f->line->kind == VMTI_BASELINE_NUMBER)
            format_value(value, name, bytes, f->line->value);
        vmti_verdict_line(v, "  %s: %s -> %s", shown_name, value, actual);
    }
    if (shown > FINDINGS_SHOWN)
        vmti_verdict_line(v, "  ... and %zu more", shown - FINDINGS_SHOWN);
}

static bool not_written(vmt_verdict *v, const struct vmti_baseline_request *request, int error)
{
    bool denied = error == -EACCES || error == -EPERM || error == -EROFS;
    return vmti_baseline_not_measured(v, request->name, "%s cannot be written: %s; nothing was recorded%s",
                                      request->path, error == -EFBIG ? "it would become too large" : strerror(-error),
                                      denied ? "; make it and its folder writable, or name another folder" : "");
}

static bool record(struct comparison *c, struct vmti_baseline_lock *lock, vmt_verdict *v)
{
    if (!c->count)
        return no_baseline(v, c); /* each of its metrics is not to be compared */
    struct vmti_baseline_change *changes = calloc(c->count + 1, sizeof *changes);
    if (!changes)
        return no_memory(v, c->request->name);
    size_t count = collect_changes(c, changes), bytes = 0;
    char *text = NULL;
    int error = 0;
    if (count) {
        error = vmti_baseline_change(&c->baseline, c->metrics->key, changes, count, &text, &bytes);
        if (!error)
            error = vmti_baseline_replace(lock, text, bytes);
        free(text);
    }
    free(changes);
    if (error)
        return not_written(v, c->request, error);
    *v = (vmt_verdict){.outcome = c->in_state[NOT_THERE] ? VMT_NOT_MEASURED : VMT_HELD};
    set_figures(v, c);
    if (c->in_state[NOT_THERE]) {
        vmti_verdict_line(v, "not measured: baseline %.20s: %zu %s recorded, but this run lacks %zu", c->request->name,
                          count, plural(count), c->in_state[NOT_THERE]);
        add_findings(v, c, NOT_THERE, NOT_THERE);
        add_where(v, c);
        add_gone(v);
    } else if (count) {
        vmti_verdict_line(v, "baseline %.40s: %zu %s recorded", c->request->name, count, plural(count));
        add_recorded(v, c);
        add_where(v, c);
    } else {
        vmti_verdict_line(v, "baseline %.20s: nothing to record, %zu %s %s within tolerance", c->request->name,
                          c->count, plural(c->count), are(c->count));
    }
    return v->outcome == VMT_HELD;
}

static void forget(struct comparison *c)
{
    free(c->findings);
    vmti_baseline_free(&c->baseline);
    free(c->bytes);
    *c = (struct comparison){.request = c->request, .metrics = c->metrics};
}

/* 0, or the verdict is filled. */
static int load_and_compare(struct comparison *c, struct vmti_metrics *metrics, const char *path, vmt_verdict *v)
{
    int error = load(c, path, v);
    if (!error)
        error = compare(c, metrics);
    if (error == -ENOMEM)
        no_memory(v, c->request->name);
    return error;
}

static bool update(struct comparison *c, struct vmti_metrics *metrics, vmt_verdict *v)
{
    const struct vmti_baseline_request *request = c->request;
    struct vmti_baseline_lock lock = {.fd = -1};
    if (in_ci())
        return vmti_baseline_not_measured(v, request->name,
                                          "CI is set, and in CI nothing is recorded: record the baseline on a "
                                          "machine of yours and commit it, or unset CI");
    if (load_and_compare(c, metrics, request->path, v))
        return false;
    if (c->in_state[WITHIN] + c->in_state[NOT_THERE] == c->count)
        return record(c, &lock, v); /* nothing: not even a lock is needed */
    forget(c);
    int error = vmti_baseline_lock(&lock, request->path);
    if (error)
        return not_written(v, request, error);
    bool held = !load_and_compare(c, metrics, lock.path, v) && record(c, &lock, v);
    vmti_baseline_unlock(&lock);
    return held;
}

bool vmti_baseline_check(const struct vmti_baseline_request *request, struct vmti_metrics *metrics,
                         vmt_verdict *verdict)
{
    struct comparison c = {.request = request, .metrics = metrics};
    bool held = false;
    if (request->update)
        held = update(&c, metrics, verdict);
    else if (!load_and_compare(&c, metrics, request->path, verdict))
        held = c.section ? tell(verdict, &c) : no_baseline(verdict, &c);
    forget(&c);
    return held;
}
