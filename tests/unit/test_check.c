/* SPDX-License-Identifier: MIT */
/* What the checks say, on reports that the test makes up: all that they ask is its own. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <vmt/vmt.h>

#include "config.h"
#include "keep.h"
#include "verdict.h"

enum { MAX_LINES = 20, MAX_COLUMNS = 80, PAGES_EACH = 10 };

struct vmt_report {
    unsigned groups; /* each has PAGES_EACH pages, of which the first is written */
    const char *label[8];
    const void *site[8];
    uint64_t page_touches[8]; /* of each of its pages */
    const char *untouched_label;
    bool writes;
    bool unreadable;   /* the trace */
    bool unbounded;    /* no bound of misses is known */
    const char *trace; /* where it is kept; NULL: nowhere */
};

struct vmt_locality {
    uint64_t pages;
};

uint64_t vmt_report_footprint(const vmt_report *r) { return (uint64_t)r->groups * PAGES_EACH; }
uint64_t vmt_report_pages_written(const vmt_report *r) { return r->groups; }
uint64_t vmt_report_window(const vmt_report *r) { (void)r; return 64; }
uint64_t vmt_report_page_size(const vmt_report *r) { (void)r; return 4096; }
const char *vmti_scope_name(vmt_scope scope) { return scope == VMT_SCOPE_REGION ? "region" : "another"; }
vmt_scope vmt_report_scope(const vmt_report *r) { (void)r; return VMT_SCOPE_REGION; }
vmt_engine vmt_report_engine(const vmt_report *r) { (void)r; return VMT_ENGINE_DISPATCH; }
const char *vmti_engine_name(vmt_engine engine) { return engine == VMT_ENGINE_DISPATCH ? "dispatch" : "another"; }
bool vmt_report_track_writes(const vmt_report *r) { return r->writes; }
const char *vmt_error_text(void) { return "the sentence of the accessor that failed"; }

/* Sites in the same 16 bytes are copies of one call. */
const char *vmt_report_site_text(const vmt_report *r, const void *site, char *text, size_t bytes)
{
    (void)r;
    snprintf(text, bytes, "function_at_%zx file.c:12", (size_t)site & ~(size_t)15);
    return text;
}

const char *vmti_keep_trace(const vmt_report *r, const char **why)
{
    *why = "a reason";
    return r->trace;
}

/* A touch in each part but the first, and twice as many again in the last. */
int vmt_report_touches_by_time(const vmt_report *r, uint64_t *counts, size_t bins, uint64_t *duration_ns)
{
    for (size_t i = 0; i < bins; i++)
        counts[i] = i == 0 ? 0 : i == bins - 1 ? 3 : 1;
    *duration_ns = 1234567;
    return r->unreadable ? -EIO : 0;
}

static const struct vmt_locality part = {.pages = 7};

static int locality_if(const vmt_report *r, bool known, const vmt_locality **locality)
{
    *locality = &part;
    return r->unreadable ? -EIO : known ? 0 : -ENOENT;
}

int vmt_locality_of_all(const vmt_report *r, const vmt_locality **l)
{
    return locality_if(r, true, l);
}

int vmt_locality_of_phase(const vmt_report *r, const char *phase, const vmt_locality **l)
{
    return locality_if(r, phase && strcmp(phase, "build") == 0, l);
}

int vmt_locality_of_thread(const vmt_report *r, pid_t tid, const vmt_locality **l)
{
    return locality_if(r, tid == 0 || tid == 1234, l);
}

uint64_t vmt_locality_pages(const vmt_locality *l) { return l->pages; }
uint64_t vmt_locality_misses(const vmt_locality *l, uint64_t memory) { return l->pages + 100 / memory; }

uint64_t vmt_locality_memory_for(const vmt_locality *l, double percent)
{
    return (uint64_t)((double)l->pages * (100 - percent) / 100);
}

/* Of the second group alone; a thread's cannot be told. */
uint64_t *vmti_part_touches(const vmt_report *r, const char *phase, pid_t tid)
{
    (void)tid;
    uint64_t *touches = phase ? calloc(r->groups * PAGES_EACH, sizeof *touches) : NULL;
    for (unsigned i = PAGES_EACH; touches && i < 2 * PAGES_EACH; i++)
        touches[i] = 2;
    return touches;
}

int vmt_report_misses_bound(const vmt_report *r, uint64_t memory, uint64_t *low, uint64_t *high)
{
    *low = memory;
    *high = 2 * memory;
    return r->unbounded ? -ERANGE : 0;
}

int vmt_report_fingerprint(const vmt_report *r, uint64_t *fingerprint)
{
    *fingerprint = 0xfedcba9876543210u;
    return r->unreadable ? -EIO : 0;
}

uint64_t vmt_report_touches(const vmt_report *r)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < r->groups; i++)
        sum += r->page_touches[i] * PAGES_EACH;
    return sum;
}

uint64_t vmt_report_label_pages(const vmt_report *r, const char *label)
{
    uint64_t pages = 0;
    for (unsigned i = 0; i < r->groups; i++)
        pages += r->label[i] && strcmp(r->label[i], label) == 0 ? PAGES_EACH : 0;
    return pages;
}

bool vmt_report_has_label(const vmt_report *r, const char *label)
{
    return vmt_report_label_pages(r, label) || (r->untouched_label && strcmp(r->untouched_label, label) == 0);
}

int vmt_report_working_set(const vmt_report *r, uint64_t tau, uint64_t *peak)
{
    *peak = tau < 44 ? tau : 44;
    return r->unreadable ? -EIO : 0;
}

int vmt_report_page(const vmt_report *r, uint64_t i, vmt_page_info *info)
{
    *info = (vmt_page_info){.label = r->label[i / PAGES_EACH],
                            .site = r->site[i / PAGES_EACH],
                            .touches = r->page_touches[i / PAGES_EACH],
                            .written = i % PAGES_EACH == 0};
    return 0;
}

static vmt_report sample(void)
{
    setenv("LC_ALL", "C", 1);
    return (vmt_report){.groups = 2,
                        .label = {"index", "names"},
                        .page_touches = {1, 7},
                        .untouched_label = "spare",
                        .writes = true};
}

/* At most so many lines, and columns of UTF-8 in each. */
static void assert_layout(const vmt_verdict *v)
{
    int lines = 1, columns = 0;
    for (const char *at = v->text; *at; at++) {
        columns += ((unsigned char)*at & 0xc0) != 0x80;
        if (*at == '\n') {
            lines++;
            columns = 0;
        }
        assert_true(columns <= MAX_COLUMNS);
    }
    assert_true(lines <= MAX_LINES);
}

static void assert_text(const vmt_verdict *v, const char *expected)
{
    assert_string_equal(v->text, expected);
    assert_layout(v);
}

static void assert_begins(const vmt_verdict *v, const char *expected)
{
    if (strncmp(v->text, expected, strlen(expected)) != 0)
        fail_msg("\"%s\" does not begin with \"%s\"", v->text, expected);
    assert_layout(v);
}

static void budgets_hold_up_to_their_value(void **state)
{
    (void)state;
    vmt_report r = sample();
    vmt_verdict v;
    assert_true(vmt_check_pages_at_most(&r, 20, &v));
    assert_int_equal(v.outcome, VMT_HELD);
    assert_int_equal(v.budget, 20);
    assert_int_equal(v.actual, 20);
    assert_text(&v, "touched 20 pages, budget 20 pages: held");
    assert_true(vmt_check_pages_at_most(&r, UINT64_MAX, &v));
    assert_false(vmt_check_pages_at_most(&r, 19, &v));
    assert_int_equal(v.outcome, VMT_BROKEN);

    assert_true(vmt_check_pages_exactly(&r, 20, &v));
    assert_false(vmt_check_pages_exactly(&r, 19, &v));
    assert_false(vmt_check_pages_exactly(&r, 21, &v));
    assert_true(vmt_check_touches_at_most(&r, 80, &v));
    assert_false(vmt_check_touches_at_most(&r, 79, &v));
    assert_true(vmt_check_working_set_at_most(&r, 1000, 44, &v));
    assert_false(vmt_check_working_set_at_most(&r, 1000, 43, &v));
    assert_true(vmt_check_working_set_at_most(&r, 1, 1, &v));
    assert_true(vmt_check_pages_written_at_most(&r, 2, &v));
    assert_false(vmt_check_pages_written_at_most(&r, 1, &v));
    assert_true(vmt_check_label_at_most(&r, "index", 10, &v));
    assert_false(vmt_check_label_at_most(&r, "index", 9, &v));
    assert_true(vmt_check_label_at_most(&r, "spare", 0, &v));
    assert_text(&v, "touched 0 pages of 'spare', budget 0 pages: held");
    assert_true(vmt_check_phase_at_most(&r, "build", 7, &v));
    assert_text(&v, "touched 7 pages in phase 'build', budget 7 pages: held");
    assert_false(vmt_check_phase_at_most(&r, "build", 6, &v));
    assert_true(vmt_check_thread_at_most(&r, 1234, 7, &v));
    assert_false(vmt_check_thread_at_most(&r, 0, 6, &v));
    assert_true(vmt_check_misses_at_most(&r, 50, 9, &v));
    assert_false(vmt_check_misses_at_most(&r, 50, 8, &v));
    assert_true(vmt_check_memory_for_at_most(&r, 0, 7, &v));
    assert_false(vmt_check_memory_for_at_most(&r, 0, 6, &v));
    assert_true(vmt_check_memory_for_at_most(&r, 100, 0, &v));
    assert_true(vmt_check_fingerprint(&r, 0xfedcba9876543210u, &v));
    assert_false(vmt_check_fingerprint(&r, 0xfedcba9876543211u, &v));
    assert_int_equal(v.outcome, VMT_BROKEN);
    assert_int_equal(v.actual, 0xfedcba9876543210u);
}

static void failures_say_what_how_and_where(void **state)
{
    (void)state;
    vmt_report r = sample();
    vmt_verdict v;
    vmt_check_pages_at_most(&r, 12, &v);
    assert_text(&v, "touched 20 pages, budget 12 pages: 8 over\n"
                    "Pages touched: distinct pages that the region accessed, each counted once.\n"
                    "window 64 pages of 4096 bytes, scope region, engine dispatch\n"
                    "most pages, by label or by the call that allocated them:\n"
                    "  10 pages, 70 touches: 'names'\n"
                    "  10 pages, 10 touches: 'index'\n"
                    "touches over 1.23 ms: _::::::::::::::::::::::::::::::::::::::::::::::#\n"
                    "trace not kept: a reason");
    r.trace = "/tmp/vmt-traces-1000/test.12.1.vmt";
    setenv("LC_ALL", "", 1);
    setenv("LC_CTYPE", "de_DE.UTF-8", 1);
    vmt_check_pages_at_most(&r, 12, &v);
    assert_non_null(strstr(v.text, "\ntouches over 1.23 ms: ▁▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃█\n"
                                   "trace: /tmp/vmt-traces-1000/test.12.1.vmt\n"
                                   "to see more: vmtrace report --html TRACE -o report.html"));
    assert_layout(&v);
    unsetenv("LC_CTYPE");
    vmt_check_pages_exactly(&r, 21, &v);
    assert_begins(&v, "touched 20 pages, expected exactly 21 pages: 1 under\n");
    vmt_check_working_set_at_most(&r, 1, 0, &v);
    assert_begins(&v, "working set peaked at 1 page, budget 0 pages: 1 over\n"
                      "Working set: distinct pages among tau touches in a row; tau is 1 touch.\nwindow ");
    vmt_check_phase_at_most(&r, "build", 6, &v);
    assert_begins(&v, "touched 7 pages in phase 'build', budget 6 pages: 1 over\nPages of a phase: ");
    assert_non_null(strstr(v.text, "\nmost pages of this part, by label or by the call that allocated them:\n"
                                   "  10 pages, 20 touches: 'names'\ntouches over "));
    vmt_check_thread_at_most(&r, 1234, 6, &v);
    assert_non_null(strstr(v.text, "\nmost pages in the whole region, by label or by the call that allocated them:\n"));
    assert_begins(&v, "touched 7 pages in thread 1234, budget 6 pages: 1 over\nPages of a thread: ");
    vmt_check_thread_at_most(&r, 0, 5, &v);
    assert_begins(&v, "touched 7 pages in the thread that began the region, budget 5 pages: 2 over\n");
    vmt_check_misses_at_most(&r, 50, 8, &v);
    assert_begins(&v, "took 9 misses in a memory of 50 pages, budget 8 misses: 1 over\nMisses: ");
    assert_non_null(strstr(v.text, "\nAll accesses of the program take 50 to 100 of them.\n"));
    assert_non_null(strstr(v.text, "\nmost touches, by label"));
    r.unbounded = true;
    vmt_check_misses_at_most(&r, 50, 8, &v);
    assert_null(strstr(v.text, "All accesses"));
    vmt_check_memory_for_at_most(&r, 12.5, 4, &v);
    assert_begins(&v, "needs 6 pages to miss at most 12.5 %, budget 4 pages: 2 over\nMemory needed: ");
    vmt_check_fingerprint(&r, 1, &v);
    assert_begins(&v, "fingerprint 0xfedcba9876543210, expected 0x0000000000000001: another\nFingerprint: ");
    vmt_check_pages_written_at_most(&r, 0, &v);
    assert_non_null(strstr(v.text, "wrote 2 pages, budget 0 pages: 2 over\n"));
    assert_non_null(strstr(v.text, "\n  1 page, 7 touches: 'names'\n"));
    vmt_check_label_at_most(&r, "index", 1, &v);
    assert_non_null(strstr(v.text, "touched 10 pages of 'index', budget 1 page: 9 over\n"));
}

/* As where a function that allocates is inlined into several: its line is one place, and larger than 'names'. */
static void copies_of_one_call_are_one_place(void **state)
{
    (void)state;
    vmt_report r = {.groups = 5,
                    .label = {"names"},
                    .site = {(void *)0x1001, (void *)0x1001, (void *)0x2000, (void *)0x1002, (void *)0x1003},
                    .page_touches = {9, 1, 8, 2, 3}};
    vmt_verdict v;
    assert_false(vmt_check_pages_at_most(&r, 0, &v));
    assert_non_null(strstr(v.text, "by the call that allocated them:\n"
                                   "  30 pages, 60 touches: function_at_1000 file.c:12\n"
                                   "  10 pages, 90 touches: 'names'\n"
                                   "  10 pages, 80 touches: function_at_2000 file.c:12\n"));
    assert_layout(&v);
}

static void long_lists_and_names_are_cut(void **state)
{
    (void)state;
    char label[64];
    memset(label, 'x', sizeof(label) - 1);
    label[sizeof(label) - 1] = '\0';
    label[3] = '\n';
    vmt_report r = {.groups = 8,
                    .label = {label, "b", "c"},
                    .site = {NULL, NULL, NULL, (void *)0x800, (void *)0x1000, (void *)0x2000, (void *)0x3000},
                    .page_touches = {80, 70, 60, 50, 40, 30, 20, 10},
                    .unbounded = true};
    vmt_verdict v;
    assert_false(vmt_check_pages_at_most(&r, 0, &v));
    assert_non_null(strstr(v.text, "\n  10 pages, 800 touches: 'xxx?xxx"));
    assert_non_null(strstr(v.text, ": function_at_1000 file.c:12\n"));
    assert_null(strstr(v.text, "function_at_2000"));
    assert_layout(&v);
    assert_non_null(strstr(v.text, "\n  ... and 3 more with 30 pages, 600 touches"));
    assert_false(vmt_check_label_at_most(&r, label, 0, &v));
    assert_non_null(strstr(v.text, "budget 0 pages: 10 over\n"));
    assert_layout(&v);

    /* Not in the middle of a character. */
    for (size_t i = 0; i < 62; i += 2)
        memcpy(label + i, "é", 2);
    label[62] = '\0';
    assert_false(vmt_check_label_at_most(&r, label, 0, &v));
    assert_begins(&v, "touched 10 pages of 'éééééééééééééééééééééééééééééé");
    assert_non_null(strstr(v.text, ": 'ééééééééééééééééééééééééééééééé'\n"));
}

/* A path is to be used, so it is whole, over several lines if need be; one that is longer still loses its beginning. */
static void long_paths_go_on(void **state)
{
    (void)state;
    vmt_report r = sample();
    vmt_verdict v;
    char path[400], joined[400] = "";
    for (size_t i = 0; i < sizeof path - 1; i++)
        path[i] = (char)(i % 20 ? 'a' + i % 26 : '/');
    path[sizeof path - 1] = '\0';
    path[300] = '\0';
    r.trace = path;
    vmt_check_misses_at_most(&r, 1, 0, &v);
    assert_layout(&v);
    const char *at = strstr(v.text, "\ntrace: ");
    assert_non_null(at);
    for (at += strlen("\ntrace: "); *at != '\n'; at++) { /* as a shell reads it */
        if (at[0] == '\\' && at[1] == '\n')
            at++;
        else
            strncat(joined, at, 1);
    }
    assert_string_equal(joined, path);
    path[300] = 'x';
    vmt_check_misses_at_most(&r, 1, 0, &v);
    assert_layout(&v);
    assert_non_null(strstr(v.text, "\ntrace: ..."));
    assert_non_null(strstr(v.text, "\nto see more: "));
}

static void what_cannot_be_measured_does_not_hold(void **state)
{
    (void)state;
    vmt_report r = sample();
    vmt_verdict v;
    assert_false(vmt_check_pages_at_most(NULL, 100, &v));
    assert_int_equal(v.outcome, VMT_NOT_MEASURED);
    assert_int_equal(v.budget, 100);
    assert_false(vmt_check_label_at_most(NULL, "index", 100, &v));
    assert_int_equal(v.outcome, VMT_NOT_MEASURED);
    assert_false(vmt_check_label_at_most(&r, "no such label", 100, &v));
    assert_int_equal(v.outcome, VMT_NOT_MEASURED);
    assert_non_null(strstr(v.text, "'no such label'"));
    assert_false(vmt_check_label_at_most(&r, NULL, 100, &v));
    assert_int_equal(v.outcome, VMT_NOT_MEASURED);
    assert_false(vmt_check_working_set_at_most(&r, 0, 100, &v));
    assert_int_equal(v.outcome, VMT_NOT_MEASURED);
    assert_false(vmt_check_phase_at_most(&r, "another", 100, &v));
    assert_int_equal(v.outcome, VMT_NOT_MEASURED);
    assert_text(&v, "not measured: the sentence of the accessor that failed");
    assert_false(vmt_check_thread_at_most(&r, 99, 100, &v));
    assert_int_equal(v.outcome, VMT_NOT_MEASURED);
    assert_false(vmt_check_misses_at_most(&r, 0, 100, &v));
    assert_int_equal(v.outcome, VMT_NOT_MEASURED);
    static const double percents[] = {-0.1, 100.1, 0.0 / 0.0};
    for (size_t i = 0; i < sizeof percents / sizeof *percents; i++) {
        assert_false(vmt_check_memory_for_at_most(&r, percents[i], 100, &v));
        assert_int_equal(v.outcome, VMT_NOT_MEASURED);
        assert_non_null(strstr(v.text, "allowed are 0 to 100"));
    }
    r.unreadable = true;
    assert_false(vmt_check_working_set_at_most(&r, 10, 100, &v));
    assert_int_equal(v.outcome, VMT_NOT_MEASURED);
    assert_false(vmt_check_misses_at_most(&r, 10, 100, &v));
    assert_int_equal(v.outcome, VMT_NOT_MEASURED);
    assert_false(vmt_check_memory_for_at_most(&r, 10, 100, &v));
    assert_int_equal(v.outcome, VMT_NOT_MEASURED);
    assert_false(vmt_check_fingerprint(&r, 0xfedcba9876543210u, &v));
    assert_int_equal(v.outcome, VMT_NOT_MEASURED);
    assert_false(vmt_check_fingerprint(NULL, 0, &v));
    assert_int_equal(v.outcome, VMT_NOT_MEASURED);
    r.writes = false;
    assert_false(vmt_check_pages_written_at_most(&r, 100, &v));
    assert_int_equal(v.outcome, VMT_NOT_MEASURED);
    assert_memory_equal(v.text, "not measured: ", 14);
}

static void each_outcome_has_its_exit_status(void **state)
{
    (void)state;
    assert_int_equal(vmt_outcome_exit_status(VMT_HELD), 0);
    assert_int_equal(vmt_outcome_exit_status(VMT_BROKEN), 1);
    assert_int_equal(vmt_outcome_exit_status(VMT_BETTER), 3);
    assert_int_equal(vmt_outcome_exit_status(VMT_NO_BASELINE), 4);
    assert_int_equal(vmt_outcome_exit_status(VMT_NOT_MEASURED), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(budgets_hold_up_to_their_value),
        cmocka_unit_test(failures_say_what_how_and_where),
        cmocka_unit_test(copies_of_one_call_are_one_place),
        cmocka_unit_test(long_lists_and_names_are_cut),
        cmocka_unit_test(long_paths_go_on),
        cmocka_unit_test(what_cannot_be_measured_does_not_hold),
        cmocka_unit_test(each_outcome_has_its_exit_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
