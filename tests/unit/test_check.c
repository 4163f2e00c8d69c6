/* SPDX-License-Identifier: MIT */
/* What the checks say, on reports that the test makes up: vmt_report_* and vmti_scope_name are its own. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <vmt/vmt.h>

#include "config.h"

enum { MAX_LINES = 20, MAX_COLUMNS = 100, PAGES_EACH = 10 };

struct vmt_report {
    unsigned groups; /* each has PAGES_EACH pages, of which the first is written */
    const char *label[8];
    const void *site[8];
    uint64_t page_touches[8]; /* of each of its pages */
    const char *untouched_label;
    bool writes;
    int working_set_error;
};

uint64_t vmt_report_footprint(const vmt_report *r) { return (uint64_t)r->groups * PAGES_EACH; }
uint64_t vmt_report_pages_written(const vmt_report *r) { return r->groups; }
uint64_t vmt_report_window(const vmt_report *r) { (void)r; return 64; }
uint64_t vmt_report_page_size(const vmt_report *r) { (void)r; return 4096; }
const char *vmti_scope_name(vmt_scope scope) { return scope == VMT_SCOPE_REGION ? "region" : "another"; }
vmt_scope vmt_report_scope(const vmt_report *r) { (void)r; return VMT_SCOPE_REGION; }
bool vmt_report_track_writes(const vmt_report *r) { return r->writes; }

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
    return r->working_set_error;
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
    return (vmt_report){.groups = 2,
                        .label = {"index", "names"},
                        .page_touches = {1, 7},
                        .untouched_label = "spare",
                        .writes = true};
}

static void assert_text(const vmt_verdict *v, const char *expected)
{
    assert_string_equal(v->text, expected);
    int lines = 1;
    for (const char *line = v->text; (line = strchr(line, '\n')); line++)
        lines++;
    assert_true(lines <= MAX_LINES);
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
}

static void failures_say_what_how_and_where(void **state)
{
    (void)state;
    vmt_report r = sample();
    vmt_verdict v;
    vmt_check_pages_at_most(&r, 12, &v);
    assert_text(&v, "touched 20 pages, budget 12 pages: 8 over\n"
                    "window 64 pages of 4096 bytes, scope region\n"
                    "most pages, by label or by the call that allocated them:\n"
                    "  10 pages, 70 touches: 'names'\n"
                    "  10 pages, 10 touches: 'index'");
    vmt_check_pages_exactly(&r, 21, &v);
    assert_memory_equal(v.text, "touched 20 pages, expected exactly 21 pages: 1 under\n", 52);
    vmt_check_working_set_at_most(&r, 1, 0, &v);
    assert_memory_equal(v.text,
                        "working set peaked at 1 page, budget 0 pages: 1 over\n"
                        "window 64 pages of 4096 bytes, scope region, tau 1 touch\n", 110);
    vmt_check_pages_written_at_most(&r, 0, &v);
    assert_non_null(strstr(v.text, "wrote 2 pages, budget 0 pages: 2 over\n"));
    assert_non_null(strstr(v.text, "\n  1 page, 7 touches: 'names'\n"));
    vmt_check_label_at_most(&r, "index", 1, &v);
    assert_non_null(strstr(v.text, "touched 10 pages of 'index', budget 1 page: 9 over\n"));
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
                    .site = {NULL, NULL, NULL, (const char *)malloc + 1, (void *)0x1000, (void *)0x2000, (void *)0x3000},
                    .page_touches = {80, 70, 60, 50, 40, 30, 20, 10}};
    vmt_verdict v;
    assert_false(vmt_check_pages_at_most(&r, 0, &v));
    assert_non_null(strstr(v.text, "\n  10 pages, 800 touches: 'xxx?xxx"));
    assert_non_null(strstr(v.text, ": malloc+0x1 (libc.so.6)\n"));
    assert_non_null(strstr(v.text, ": 0x1000\n"));
    assert_null(strstr(v.text, "0x2000"));
    assert_non_null(strstr(v.text, "\n  ... and 3 more with 30 pages, 600 touches"));
    assert_false(vmt_check_label_at_most(&r, label, 0, &v));
    for (const char *line = v.text; *line; line += strcspn(line, "\n"), line += *line == '\n')
        assert_true(strcspn(line, "\n") <= MAX_COLUMNS);
    assert_non_null(strstr(v.text, "budget 0 pages: 10 over\n"));
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
    r.working_set_error = -EIO;
    assert_false(vmt_check_working_set_at_most(&r, 10, 100, &v));
    assert_int_equal(v.outcome, VMT_NOT_MEASURED);
    r.writes = false;
    assert_false(vmt_check_pages_written_at_most(&r, 100, &v));
    assert_int_equal(v.outcome, VMT_NOT_MEASURED);
    assert_memory_equal(v.text, "not measured: ", 14);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(budgets_hold_up_to_their_value),
        cmocka_unit_test(failures_say_what_how_and_where),
        cmocka_unit_test(long_lists_and_names_are_cut),
        cmocka_unit_test(what_cannot_be_measured_does_not_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
