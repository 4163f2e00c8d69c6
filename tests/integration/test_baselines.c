/* SPDX-License-Identifier: MIT */
/* Baselines of regions, recorded and compared in a folder of this test's own: the library's side, with the trace in
 * memory and in a file. tests/unit/test_baseline*.c have the file's text and the verdicts. */
#define _GNU_SOURCE
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* What vmt_baselines() in CMake gives, for where the environment says nothing. Nothing may be made there. */
#define VMT_BASELINE_DIR "/proc/vmt-no-such-folder"

#include <vmt/cmocka.h>
#include <vmt/vmt.h>

enum { PAGE = 4096, PAGES = 200 };

static char folder[] = "/tmp/vmt-baselines.XXXXXX";
static char *memory; /* PAGES pages with the label "block" */

static int prepare(void **state)
{
    (void)state;
    unsetenv("CI"); /* these tests may well run there */
    unsetenv("VMT_UPDATE_BASELINES");
    memory = aligned_alloc(PAGE, PAGES * PAGE);
    return memory && mkdtemp(folder) && !setenv("VMT_BASELINE_DIR", folder, 1) &&
           !vmt_track(memory, PAGES * PAGE, "block") ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static int clean_up(void **state)
{
    (void)state;
    free(memory);
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static vmt_config ranges_alone(void)
{
    vmt_config config;
    assert_int_equal(vmt_config_init(&config), 0);
    config.scope = VMT_SCOPE_RANGES;
    return config;
}

/* So many pages, in two phases: the first ten, then all. */
static vmt_report *walk(const vmt_config *config, unsigned pages)
{
    vmt_report *report = NULL;
    if (vmt_begin(config) < 0)
        fail_msg("%s", vmt_error_text());
    vmt_mark("first");
    for (unsigned i = 0; i < pages && i < 10; i++)
        memory[i * PAGE] = 1;
    vmt_mark("all");
    for (unsigned i = 0; i < pages; i++)
        memory[i * PAGE] = 2;
    assert_int_equal(vmt_end(&report), 0);
    return report;
}

static vmt_verdict check_walk(const char *name, unsigned pages)
{
    vmt_config config = ranges_alone();
    vmt_report *report = walk(&config, pages);
    vmt_verdict v;
    bool holds = vmt_check_baseline(report, name, &v);
    assert_int_equal(holds, v.outcome == VMT_HELD || v.outcome == VMT_BETTER);
    vmt_report_free(report);
    return v;
}

static void assert_verdict(vmt_verdict v, vmt_outcome outcome, const char *says)
{
    if (v.outcome != outcome || !strstr(v.text, says))
        fail_msg("outcome %d, not %d, or not \"%s\":\n%s", v.outcome, outcome, says, v.text);
}

static void record(const char *name, unsigned pages)
{
    setenv("VMT_UPDATE_BASELINES", "1", 1);
    vmt_verdict v = check_walk(name, pages);
    unsetenv("VMT_UPDATE_BASELINES");
    assert_verdict(v, VMT_HELD, "");
}

static const char *text_of(const char *name)
{
    static char text[16 * 1024];
    char path[256];
    snprintf(path, sizeof path, "%s/%s.vmtb", folder, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void a_run_is_compared_with_what_was_recorded(void **state)
{
    (void)state;
    vmt_verdict v = check_walk("walks/plain", 100);
    assert_verdict(v, VMT_NO_BASELINE, "no baseline: walks/plain has no file\n");
    char path[256];
    snprintf(path, sizeof path, "%s/walks/plain.vmtb\n", folder);
    assert_verdict(v, VMT_NO_BASELINE, path);
    assert_verdict(v, VMT_NO_BASELINE, "VMT_UPDATE_BASELINES=1 ");
    record("walks/plain", 100);
    static const char expected[] =
        "vmt-baseline 1\n"
        "# metric = value, which may differ by the larger of +-N and +-N%\n"
        "\n"
        "[allocator=glibc libc=glibc page=4096 window=64 evict=1 scope=ranges writes=0 threads=all]\n"
        "footprint = 100 +-1 +-2%\n"
        "label \"block\" pages = 100 +-1 +-2%\n"
        "memory-for-1% = 10 +-1 +-2%\n"
        "pages-again = 0 +-1 +-2%\n"
        "phase \"all\" pages = 90 +-1 +-2%\n"
        "phase \"first\" pages = 10 +-1 +-2%\n"
        "program-touches = 100 +-1 +-2%\n"
        "syscall-touches = 0 +-1 +-2%\n"
        "touches = 100 +-1 +-2%\n"
        "working-set-1024 = 100 +-1 +-2%\n"
        "working-set-128 = 100 +-1 +-2%\n"
        "working-set-8192 = 100 +-1 +-2%\n";
    const char *text = text_of("walks/plain"), *memory_for = strstr(expected, "memory-for-1%");
    size_t same = (size_t)(memory_for - expected);
    assert_memory_equal(text, expected, same); /* what memory a walk in order needs is the unit tests' */
    assert_string_equal(strstr(text, "pages-again"), strstr(expected, "pages-again"));

    assert_verdict(check_walk("walks/plain", 100), VMT_HELD, "held");
    assert_verdict(check_walk("walks/plain", 101), VMT_HELD, "held");
    v = check_walk("walks/plain", 103);
    assert_verdict(v, VMT_BROKEN, "\n  footprint: 103, baseline 100 +-1 +-2%\n");
    assert_verdict(v, VMT_BROKEN, "\n  label \"block\" pages: 103, baseline 100 +-1 +-2%\n");
    assert_verdict(check_walk("walks/plain", 97), VMT_BETTER, "\n  footprint: 97, baseline 100 +-1 +-2%\n");
    assert_verdict(check_walk("walks/plain", 0), VMT_BETTER, "label \"block\" pages: 0");
    record("walks/plain", 97);
    assert_verdict(check_walk("walks/plain", 97), VMT_HELD, "held");
    assert_verdict(check_walk("walks/plain", 100), VMT_BROKEN, "footprint: 100, baseline 97 +-1 +-2%");
}

static void another_window_has_a_section_of_its_own(void **state)
{
    (void)state;
    record("windows", 100);
    char *before = strdup(text_of("windows"));
    vmt_config config = ranges_alone();
    config.window = 32;
    config.track_writes = true;
    vmt_report *report = walk(&config, 100);
    vmt_verdict v;
    assert_false(vmt_check_baseline(report, "windows", &v));
    assert_verdict(v, VMT_NO_BASELINE, "has no section for this run\n");
    assert_verdict(v, VMT_NO_BASELINE, "\n  line 4 is for window=64 writes=0\n");
    setenv("VMT_UPDATE_BASELINES", "1", 1);
    assert_true(vmt_check_baseline(report, "windows", &v));
    unsetenv("VMT_UPDATE_BASELINES");
    assert_true(vmt_check_baseline(report, "windows", &v));
    assert_int_equal(v.outcome, VMT_HELD);
    const char *after = text_of("windows");
    assert_non_null(strstr(after, "window=32 evict=1 scope=ranges writes=1 threads=all]\n"));
    assert_non_null(strstr(after, "\npages-written = 100 +-1 +-2%\n"));
    assert_non_null(strstr(after, strstr(before, "[allocator"))); /* as it was */
    free(before);
    vmt_report_free(report);
}

static void the_fingerprint_is_compared_where_it_is_asked_for(void **state)
{
    (void)state;
    char path[256];
    record("strict", 50);
    assert_null(strstr(text_of("strict"), "fingerprint"));
    snprintf(path, sizeof path, "%s/strict.vmtb", folder);
    FILE *file = fopen(path, "a");
    fputs("fingerprint = ?\n", file);
    fclose(file);
    assert_verdict(check_walk("strict", 50), VMT_NO_BASELINE, "fingerprint: 0x");
    record("strict", 50);
    assert_verdict(check_walk("strict", 50), VMT_HELD, "held");
    assert_verdict(check_walk("strict", 51), VMT_BROKEN, "fingerprint: 0x"); /* all else is within its tolerance */
}

static void a_trace_in_a_file_gives_the_same(void **state)
{
    (void)state;
    char trace[256];
    record("file", 80);
    vmt_config config = ranges_alone();
    snprintf(trace, sizeof trace, "%s/trace.vmt", folder);
    config.trace_path = trace;
    vmt_report *report = walk(&config, 80);
    vmt_verdict v;
    assert_true(vmt_check_baseline(report, "file", &v));
    assert_int_equal(v.outcome, VMT_HELD);
    assert_int_equal(truncate(trace, 100), 0);
    assert_false(vmt_check_baseline(report, "file", &v));
    assert_verdict(v, VMT_NOT_MEASURED, trace);
    assert_int_equal(unlink(trace), 0);
    assert_false(vmt_check_baseline(report, "file", &v));
    assert_verdict(v, VMT_NOT_MEASURED, "cannot be read");
    vmt_report_free(report);
}

static void names_and_values_that_are_not_allowed_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"",    "/",    "/etc/passwd", "../up", "a/../b", "a/..",
                                        "..",  ".",    ".hidden",     "a/.b",  "a//b",   "a/",
                                        "a b", "a\nb", "\xc3\xa9",    "a*",    "a\\b"};
    vmt_config config = ranges_alone();
    vmt_report *report = walk(&config, 10);
    vmt_verdict v;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_false(vmt_check_baseline(report, names[i], &v));
        assert_verdict(v, VMT_NOT_MEASURED, "allowed are at most 200 letters");
    }
    char longest[202];
    memset(longest, 'x', sizeof longest);
    longest[201] = '\0';
    assert_false(vmt_check_baseline(report, longest, &v));
    assert_verdict(v, VMT_NOT_MEASURED, "allowed are at most 200 letters");
    assert_false(vmt_check_baseline(report, NULL, &v));
    assert_verdict(v, VMT_NOT_MEASURED, "allowed are");
    assert_false(vmt_check_baseline(report, "A/b-c_d.e/f1..2", &v));
    assert_int_equal(v.outcome, VMT_NO_BASELINE);
    assert_false(vmt_check_baseline(NULL, "plain", &v));
    assert_verdict(v, VMT_NOT_MEASURED, "there is no report");
    setenv("VMT_UPDATE_BASELINES", "yes", 1);
    assert_false(vmt_check_baseline(report, "plain", &v));
    assert_verdict(v, VMT_NOT_MEASURED, "VMT_UPDATE_BASELINES is \"yes\": allowed are 0 and 1");
    setenv("VMT_UPDATE_BASELINES", "0", 1);
    assert_false(vmt_check_baseline(report, "plain", &v));
    assert_int_equal(v.outcome, VMT_NO_BASELINE);
    setenv("VMT_UPDATE_BASELINES", "1", 1);
    setenv("CI", "true", 1);
    assert_false(vmt_check_baseline(report, "plain", &v));
    assert_verdict(v, VMT_NOT_MEASURED, "CI is set");
    unsetenv("CI");
    unsetenv("VMT_UPDATE_BASELINES");
    vmt_report_free(report);
}

static void the_folder_is_the_environments_or_the_macros_or_here(void **state)
{
    (void)state;
    vmt_config config = ranges_alone();
    vmt_report *report = walk(&config, 10);
    vmt_verdict v;
    assert_false(vmt_check_baseline_in(report, "/elsewhere", "x", &v));
    assert_verdict(v, VMT_NO_BASELINE, folder);
    unsetenv("VMT_BASELINE_DIR");
    assert_false(vmt_check_baseline(report, "x", &v));
    assert_verdict(v, VMT_NO_BASELINE, "\n  /proc/vmt-no-such-folder/x.vmtb\n");
    assert_false(vmt_check_baseline_in(report, "/elsewhere", "x", &v));
    assert_verdict(v, VMT_NO_BASELINE, "\n  /elsewhere/x.vmtb\n");
    assert_false((vmt_check_baseline)(report, "vmt-no-such-name", &v));
    assert_verdict(v, VMT_NO_BASELINE, "\n  baselines/vmt-no-such-name.vmtb\n");
    setenv("VMT_BASELINE_DIR", folder, 1);
    vmt_report_free(report);
}

static void the_assertion_passes_what_holds(void **state)
{
    (void)state;
    record("asserted", 100);
    static const unsigned holds[] = {100, 50};
    for (size_t i = 0; i < sizeof holds / sizeof *holds; i++) {
        vmt_config config = ranges_alone();
        vmt_report *report = walk(&config, holds[i]);
        vmt_assert_baseline(report, "asserted");
        vmt_report_free(report);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_run_is_compared_with_what_was_recorded, vmt_cmocka_teardown),
        cmocka_unit_test_teardown(another_window_has_a_section_of_its_own, vmt_cmocka_teardown),
        cmocka_unit_test_teardown(the_fingerprint_is_compared_where_it_is_asked_for, vmt_cmocka_teardown),
        cmocka_unit_test_teardown(a_trace_in_a_file_gives_the_same, vmt_cmocka_teardown),
        cmocka_unit_test_teardown(names_and_values_that_are_not_allowed_are_refused, vmt_cmocka_teardown),
        cmocka_unit_test_teardown(the_folder_is_the_environments_or_the_macros_or_here, vmt_cmocka_teardown),
        cmocka_unit_test_teardown(the_assertion_passes_what_holds, vmt_cmocka_teardown),
    };
    return cmocka_run_group_tests(tests, prepare, clean_up);
}
