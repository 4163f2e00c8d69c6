/* SPDX-License-Identifier: MIT */
/* Baselines: what a run is told of them, and what is left of one that many processes record into. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "baseline.h"
#include "baseline_store.h"
#include "baseline_text.h"
#include "verdict.h"

/* ------------------------------------------------------------------------------------------- verdicts */

/* Of the form {name, value, ..., NULL}. */
static struct vmti_metrics metrics_of(const char *key, ...)
{
    struct vmti_metrics metrics = {0};
    snprintf(metrics.key, sizeof metrics.key, "%s", key);
    va_list args;
    va_start(args, key);
    for (const char *name; (name = va_arg(args, const char *));)
        assert_int_equal(vmti_metrics_add(&metrics, name, va_arg(args, unsigned)), 0);
    va_end(args);
    vmti_metrics_sort(&metrics);
    return metrics;
}

static struct vmti_baseline_request request_for(const char *path, bool update)
{
    return (struct vmti_baseline_request){.name = "look",
                                          .path = path,
                                          .record = "RECORD=1 ./look_test",
                                          .how_to_record = "run it again",
                                          .update = update};
}

static vmt_verdict check(const char *path, bool update, struct vmti_metrics metrics)
{
    vmt_verdict v;
    struct vmti_baseline_request request = request_for(path, update);
    bool held = vmti_baseline_check(&request, &metrics, &v);
    assert_int_equal(held, v.outcome == VMT_HELD || v.outcome == VMT_BETTER);
    vmti_metrics_free(&metrics);
    return v;
}

/* Where a sentence is broken into lines depends on the path in it. */
static bool says_in_lines(const char *text, const char *says)
{
    char joined[sizeof(((vmt_verdict *)NULL)->text)], *to = joined;
    for (const char *at = text; *at; at++) {
        bool indented = *at == '\n' && at[1] == ' ';
        *to++ = indented ? ' ' : *at;
        at += indented ? strspn(at + 1, " ") : 0;
    }
    *to = '\0';
    return strstr(text, says) || strstr(joined, says);
}

static void assert_verdict(vmt_verdict v, vmt_outcome outcome, const char *says)
{
    if (v.outcome != outcome || !says_in_lines(v.text, says))
        fail_msg("outcome %d, not %d, or not \"%s\":\n%s", v.outcome, outcome, says, v.text);
    unsigned lines = 0;
    for (const char *line = v.text; *line; line += strcspn(line, "\n"), line += *line == '\n', lines++)
        if (strcspn(line, "\n") > 80)
            fail_msg("a line of more than 80 columns in:\n%s", v.text);
    assert_true(lines <= 20);
}

static void runs_hold_break_or_are_better(void **state)
{
    (void)state;
    const char *path = in_folder("look.vmtb");
    write_file(path, HEAD SECTION "footprint = 100 +-2 +-5%\ntouches = 200 +-10\n");
    vmt_verdict v = check(path, false, metrics_of(KEY, "footprint", 105, "touches", 190, NULL));
    assert_verdict(v, VMT_HELD, "baseline look: 2 metrics held");
    assert_null(strchr(v.text, '\n'));
    assert_int_equal(v.actual, 105);
    assert_int_equal(v.budget, 105);
    v = check(path, false, metrics_of(KEY, "footprint", 106, "touches", 190, NULL));
    assert_verdict(v, VMT_BROKEN,
                   "baseline look: 1 of 2 metrics does not hold\n  footprint: 106, baseline 100 +-2 +-5%\nbaseline: ");
    assert_verdict(v, VMT_BROKEN, "\n  RECORD=1 ./look_test");
    assert_int_equal(v.actual, 106);
    assert_int_equal(v.budget, 105);
    /* The worst first; and what is better besides does not help. */
    v = check(path, false, metrics_of(KEY, "footprint", 110, "touches", 300, NULL));
    assert_verdict(
        v, VMT_BROKEN,
        "2 of 2 metrics do not hold\n  touches: 300, baseline 200 +-10\n  footprint: 110, baseline 100 +-2 +-5%\n");
    assert_verdict(check(path, false, metrics_of(KEY, "footprint", 50, "touches", 211, NULL)), VMT_BROKEN,
                   "1 of 2 metrics");
    v = check(path, false, metrics_of(KEY, "footprint", 94, "touches", 190, NULL));
    assert_verdict(v, VMT_BETTER, "baseline look: better, 1 of 2 metrics is below");
    assert_verdict(v, VMT_BETTER, "\n  footprint: 94, baseline 100 +-2 +-5%\n");
    assert_verdict(v, VMT_BETTER, "tighten the baseline");
    assert_verdict(check(path, false, metrics_of(KEY, "footprint", 100, "touches", 189, NULL)), VMT_BETTER,
                   "touches: 189");

    v = check(path, false, metrics_of(KEY, "footprint", 100, "touches", 200, "label \"new\" pages", 3, NULL));
    assert_verdict(v, VMT_HELD, "2 metrics held\n  label \"new\" pages: 3, not in the baseline, not compared\n");
    /* Only where the file asks for it. */
    v = check(path, false, metrics_of(KEY, "footprint", 100, "touches", 200, "fingerprint", 1, NULL));
    assert_verdict(v, VMT_HELD, "2 metrics held");
    assert_null(strchr(v.text, '\n'));
    write_file(path, HEAD SECTION "fingerprint = 0x2\n");
    assert_verdict(check(path, false, metrics_of(KEY, "fingerprint", 1, NULL)), VMT_BROKEN,
                   "  fingerprint: 0x0000000000000001, baseline 0x0000000000000002\n");
    assert_verdict(check(path, false, metrics_of(KEY, "fingerprint", 2, NULL)), VMT_HELD, "1 metric held");
    write_file(path, HEAD SECTION "footprint = any\ntouches = 200\n");
    assert_verdict(check(path, false, metrics_of(KEY, "footprint", 99999, "touches", 200, NULL)), VMT_HELD,
                   "1 metric held");
}

static void what_cannot_be_compared_does_not_hold(void **state)
{
    (void)state;
    const char *path = in_folder("look.vmtb");
    vmt_verdict v = check(path, false, metrics_of(KEY, "footprint", 1, NULL));
    assert_verdict(v, VMT_NO_BASELINE, "no baseline: look has no file\n");
    assert_verdict(v, VMT_NO_BASELINE, "\n  RECORD=1 ./look_test");
    write_file(path, HEAD "\n[" KEY_OF("jemalloc") "]\nfootprint = 1\n");
    v = check(path, false, metrics_of(KEY, "footprint", 1, NULL));
    assert_verdict(v, VMT_NO_BASELINE, "has no section for this run\n");
    assert_verdict(v, VMT_NO_BASELINE, "\n  line 3 is for allocator=jemalloc\n");
    write_file(path, HEAD SECTION);
    assert_verdict(check(path, false, metrics_of(KEY, "footprint", 1, NULL)), VMT_NO_BASELINE, "nothing to compare");
    write_file(path, HEAD SECTION "footprint = any\n");
    assert_verdict(check(path, false, metrics_of(KEY, "footprint", 1, NULL)), VMT_NO_BASELINE, "nothing to compare");
    assert_verdict(check(path, true, metrics_of(KEY, "footprint", 1, NULL)), VMT_NO_BASELINE, "nothing to compare");
    write_file(path, HEAD SECTION "footprint = 1\ntouches = ? +-1\n");
    assert_verdict(check(path, false, metrics_of(KEY, "footprint", 1, "touches", 1, NULL)), VMT_NO_BASELINE,
                   "  touches: 1, not recorded yet\n");
    write_file(path, HEAD SECTION "footprint = 1\nlabel \"gone\" pages = 3\n");
    v = check(path, false, metrics_of(KEY, "footprint", 1, NULL));
    assert_verdict(v, VMT_NOT_MEASURED, "not measured: baseline look has 1 of 2 metrics that this run lacks\n"
                                        "  label \"gone\" pages: not measured in this run (line 4)\n");
    assert_verdict(check(path, false, metrics_of(KEY, "footprint", 9, NULL)), VMT_BROKEN,
                   "label \"gone\" pages: not measured");
    write_file(path, HEAD SECTION "footprint == 1\n");
    v = check(path, false, metrics_of(KEY, "footprint", 1, NULL));
    char where[256];
    snprintf(where, sizeof where, "%s:3: found \"= 1\",", path);
    assert_verdict(v, VMT_NOT_MEASURED, where);
    assert_verdict(check(folder, false, metrics_of(KEY, "footprint", 1, NULL)), VMT_NOT_MEASURED, "not a regular file");
    assert_int_equal(mkfifo(in_folder("fifo"), 0600), 0);
    assert_verdict(check(in_folder("fifo"), false, metrics_of(KEY, "footprint", 1, NULL)), VMT_NOT_MEASURED,
                   "regular file");
}

static bool knows_spare(const void *context, const char *label)
{
    (void)context;
    return strcmp(label, "sp\"are") == 0;
}

static void a_known_label_without_touches_has_no_pages(void **state)
{
    (void)state;
    const char *path = in_folder("look.vmtb");
    write_file(path, HEAD SECTION
               "label \"gone\" pages = any\nlabel \"sp\\x22are\" pages = 3\nlabel \"sp\\\"are\" pages = 3\n");
    struct vmti_metrics metrics = metrics_of(KEY, "footprint", 0, NULL);
    struct vmti_baseline_request request = request_for(path, false);
    request.has_label = knows_spare;
    vmt_verdict v;
    /* \x22 is not how a name of ours is written. */
    assert_false(vmti_baseline_check(&request, &metrics, &v));
    assert_verdict(v, VMT_NOT_MEASURED, "label \"sp\\x22are\" pages: not measured");
    write_file(path, HEAD SECTION "label \"gone\" pages = any\nlabel \"sp\\\"are\" pages = 3\n");
    assert_true(vmti_baseline_check(&request, &metrics, &v));
    assert_verdict(v, VMT_BETTER, "label \"sp\\\"are\" pages: 0, baseline 3\n");
    vmti_metrics_free(&metrics);
}

static void long_verdicts_are_cut(void **state)
{
    (void)state;
    const char *path = in_folder("a-long-name-of-a-baseline-that-does-not-fit-into-a-line-of-a-verdict.vmtb");
    FILE *file = fopen(path, "w");
    struct vmti_metrics metrics =
        metrics_of(KEY_OF("an-allocator-with-a-name-of-nearly-sixty-four-bytes-in-all"), NULL);
    fprintf(file, HEAD "[%s]\n", metrics.key);
    for (unsigned i = 0; i < 40; i++) {
        char label[64], name[VMTI_LABEL_METRIC_BYTES];
        memset(label, i % 2 ? '\x01' : '"', sizeof label);
        snprintf(label + 50, sizeof label - 50, "%u", i);
        vmti_metric_of_name(name, "label", label);
        assert_int_equal(vmti_metrics_add(&metrics, name, UINT64_MAX), 0);
        fprintf(file, "%s = %" PRIu64 " +-%u +-%u%%\n", name, UINT64_MAX / (i + 2), i, i);
    }
    fclose(file);
    vmti_metrics_sort(&metrics);
    struct vmti_baseline_request request = request_for(path, false);
    char command[600] = "VMT_UPDATE_BASELINES=1 ";
    memset(command + strlen(command), 'x', 500);
    request.record = command;
    vmt_verdict v;
    assert_false(vmti_baseline_check(&request, &metrics, &v));
    assert_verdict(v, VMT_BROKEN, "\n  ... and 33 more\n");
    assert_verdict(v, VMT_BROKEN, "\n  run it again");
    vmti_metrics_free(&metrics);
}

/* A path of 80 columns in all, but of more bytes; and a longer one, of which a whole character is cut off. */
static void columns_are_characters(void **state)
{
    (void)state;
    for (unsigned more = 0; more < 2; more++) {
        char name[128] = "", line[256];
        const char *path;
        do {
            strcat(name, "\u00e9");
            path = in_folder(name);
        } while (strlen(path) - strlen(name) / 2 < 80 - strlen("baseline: ") + more);
        write_file(path, HEAD SECTION "footprint = 5\n");
        vmt_verdict v = check(path, false, metrics_of(KEY, "footprint", 9, NULL));
        snprintf(line, sizeof line, "\nbaseline: %s%s\n", more ? "..." : "", path + (more ? 4 : 0));
        if (!strstr(v.text, line))
            fail_msg("no line%sin:\n%s", line, v.text);
    }
}

/* ------------------------------------------------------------------------------------------- recording */

static void recording_writes_what_changed_and_nothing_else(void **state)
{
    (void)state;
    const char *path = in_folder("a/b/look.vmtb");
    vmt_verdict v = check(path, true, metrics_of(KEY, "footprint", 10, "touches", 20, NULL));
    assert_verdict(v, VMT_HELD, "baseline look: 2 metrics recorded\n  footprint: new -> 10\n");
    assert_verdict(check(path, false, metrics_of(KEY, "footprint", 10, "touches", 20, NULL)), VMT_HELD,
                   "2 metrics held");

    static const char before[] = HEAD "# mine\n\n[" KEY_OF("a") "]\nfootprint = 1\n" SECTION
                                      "touches = 100  +-1% +-5 # noisy\nfootprint = 50 +-5\n# the end";
    static const char after[] = HEAD "# mine\n\n[" KEY_OF(
        "a") "]\nfootprint = 1\n" SECTION
             "touches = 300  +-1% +-5 # noisy\nfootprint = 50 +-5\npages-again = 0 +-1 +-2%\n# the end";
    write_file(path, before);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(symlink("b/look.vmtb", in_folder("a/link.vmtb")), 0);
    write_file(in_folder("a/b/look.vmtb.new"), "left by a process that was killed");
    v = check(in_folder("a/link.vmtb"), true, metrics_of(KEY, "footprint", 45, "pages-again", 0, "touches", 300, NULL));
    assert_verdict(v, VMT_HELD, "2 metrics recorded\n  touches: 100 -> 300\n  pages-again: new -> 0\n");
    assert_string_equal(read_text(path), after);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(lstat(in_folder("a/link.vmtb"), &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(access(in_folder("a/b/look.vmtb.new"), F_OK), -1);

    /* Nothing to write: not even the time of the file changes. */
    assert_int_equal(stat(path, &st), 0);
    ino_t inode = st.st_ino;
    v = check(path, true, metrics_of(KEY, "footprint", 55, "pages-again", 1, "touches", 297, NULL));
    assert_verdict(v, VMT_HELD, "nothing to record");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_ino, inode);
    assert_string_equal(read_text(path), after);

    /* What is lacking stays, and is told; the others are recorded. */
    v = check(path, true, metrics_of(KEY, "footprint", 90, "touches", 300, NULL));
    assert_verdict(v, VMT_NOT_MEASURED, "1 metric recorded, but this run lacks 1\n  pages-again: not measured");
    assert_non_null(strstr(read_text(path), "footprint = 90 +-5\npages-again = 0 "));

    /* A damaged file is left as it is. */
    write_file(path, HEAD "damaged\n");
    assert_verdict(check(path, true, metrics_of(KEY, "footprint", 1, NULL)), VMT_NOT_MEASURED, "look.vmtb:2: ");
    assert_string_equal(read_text(path), HEAD "damaged\n");
}

static void asked_for_values_are_recorded(void **state)
{
    (void)state;
    const char *path = in_folder("look.vmtb");
    write_file(path, HEAD SECTION "fingerprint = ? # strict\ntouches = any\n");
    check(path, true, metrics_of(KEY, "fingerprint", 0xabc, "touches", 5, NULL));
    assert_string_equal(read_text(path), HEAD SECTION "fingerprint = 0x0000000000000abc # strict\ntouches = any\n");
}

static void nothing_is_recorded_in_ci(void **state)
{
    (void)state;
    const char *path = in_folder("ci/look.vmtb");
    static const char *const on[] = {"true", "1", "yes", "TRUE", "no"}, *const off[] = {"", "false", "False", "0"};
    for (size_t i = 0; i < sizeof on / sizeof *on; i++) {
        setenv("CI", on[i], 1);
        assert_verdict(check(path, true, metrics_of(KEY, "footprint", 1, NULL)), VMT_NOT_MEASURED, "CI is set");
        assert_int_equal(access(in_folder("ci"), F_OK), -1);
    }
    for (size_t i = 0; i < sizeof off / sizeof *off; i++) {
        setenv("CI", off[i], 1);
        assert_verdict(check(path, true, metrics_of(KEY, "footprint", 1, NULL)), VMT_HELD, "record");
    }
    setenv("CI", "true", 1);
    assert_verdict(check(path, false, metrics_of(KEY, "footprint", 1, NULL)), VMT_HELD, "1 metric held");
    unsetenv("CI");
}

static void what_cannot_be_written_is_said(void **state)
{
    (void)state;
    write_file(in_folder("file"), "x");
    vmt_verdict v = check(in_folder("file/look.vmtb"), true, metrics_of(KEY, "footprint", 1, NULL));
    assert_verdict(v, VMT_NOT_MEASURED, "look.vmtb cannot be read: Not a directory");
    assert_verdict(v, VMT_NOT_MEASURED, "file/look.vmtb");
    v = check("/proc/vmt-no-such-folder/look.vmtb", true, metrics_of(KEY, "footprint", 1, NULL));
    assert_verdict(v, VMT_NOT_MEASURED, "/proc/vmt-no-such-folder/look.vmtb");
    if (geteuid() == 0)
        return; /* who may write anywhere */
    assert_int_equal(mkdir(in_folder("read-only"), 0555), 0);
    v = check(in_folder("read-only/look.vmtb"), true, metrics_of(KEY, "footprint", 1, NULL));
    assert_verdict(v, VMT_NOT_MEASURED, "denied; nothing was recorded; make it and its folder writable");
    const char *path = in_folder("locked.vmtb");
    write_file(path, HEAD SECTION "footprint = 5\n");
    assert_int_equal(chmod(path, 0444), 0);
    assert_verdict(check(path, true, metrics_of(KEY, "footprint", 1, NULL)), VMT_NOT_MEASURED,
                   "cannot be written: Permission denied; nothing was recorded; make it and its folder writable");
    assert_string_equal(read_text(path), HEAD SECTION "footprint = 5\n");
}

/* Each process records a section of its own and a metric of its own in a common section, of one file, and a file of
 * its own; while one reads. */
static void processes_that_record_together_lose_nothing(void **state)
{
    (void)state;
    enum { PROCESSES = 24, ROUNDS = 5 };
    pid_t pids[PROCESSES];
    const char *common = in_folder("s/common.vmtb");
    for (unsigned i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i])
            continue;
        bool ok = true;
        for (unsigned round = 0; round < ROUNDS && ok; round++) {
            char key[VMTI_METRICS_KEY_BYTES], name[64], own[128];
            snprintf(key, sizeof key, KEY_OF("of%02u"), i);
            snprintf(own, sizeof own, "%s/s/own-%u.vmtb", folder, i);
            vmt_verdict v[3];
            v[0] = check(common, true, metrics_of(key, "footprint", i + (round + 1) * 1000000, NULL));
            snprintf(name, sizeof name, "label \"%02u-%u\" pages", i, round);
            struct vmti_metrics shared = metrics_of(KEY_OF("shared"), name, i, NULL);
            struct vmti_baseline_request request = request_for(common, true);
            vmti_baseline_check(&request, &shared, &v[1]); /* the others' labels are not in it */
            vmti_metrics_free(&shared);
            v[2] = check(own, true, metrics_of(key, "footprint", 1, NULL));
            ok = v[0].outcome == VMT_HELD && strstr(v[1].text, "recorded") && v[2].outcome == VMT_HELD;
        }
        _exit(ok ? 0 : 1);
    }
    unsigned seen = 0;
    for (unsigned i = 0; i < 200; i++) {
        vmt_verdict v = check(common, false, metrics_of(KEY_OF("none"), "footprint", 1, NULL));
        assert_int_equal(v.outcome, VMT_NO_BASELINE); /* never a torn file */
        seen++;
    }
    for (unsigned i = 0; i < PROCESSES; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    struct vmti_baseline b;
    const char *text = read_text(common);
    assert_parses(text, &b);
    size_t metrics;
    assert_non_null(vmti_baseline_section(&b, KEY_OF("shared"), &metrics));
    assert_int_equal(metrics, PROCESSES * ROUNDS);
    for (unsigned i = 0; i < PROCESSES; i++) {
        char key[VMTI_METRICS_KEY_BYTES];
        snprintf(key, sizeof key, KEY_OF("of%02u"), i);
        const struct vmti_baseline_line *section = vmti_baseline_section(&b, key, &metrics);
        assert_non_null(section);
        assert_int_equal(metrics, 1);
        assert_int_equal(section[1].value, i + ROUNDS * 1000000);
    }
    vmti_baseline_free(&b);
    assert_int_equal(seen, 200);
    assert_int_equal(access(in_folder("s/common.vmtb.new"), F_OK), -1);
}

/* ------------------------------------------------------------------------------------------- names */

static void allocators_have_names(void **state)
{
    (void)state;
    static const struct {
        const char *path, *name;
        bool known;
    } libraries[] = {
        {"/usr/lib/x86_64-linux-gnu/libjemalloc.so.2", "jemalloc", true},
        {"/lib/libmimalloc-secure.so.2.0", "mimalloc", true},
        {"libtcmalloc_minimal.so.4.5.10", "tcmalloc", true},
        {"/lib64/libc.so.6", "glibc", true},
        {"/lib64/libc-2.31.so", "glibc", true},
        {"/lib64/libc_malloc_debug.so.0", "libc_malloc_debug", false},
        {"/opt/my alloc/lib my.so.1", "lib-my", false},
        {"", "unknown", false},
    };
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        char name[VMTI_ALLOCATOR_BYTES];
        assert_int_equal(vmti_allocator_name(libraries[i].path, name), libraries[i].known);
        assert_string_equal(name, libraries[i].name);
    }
}

static void commands_can_be_typed(void **state)
{
    (void)state;
    char command[64] = "";
    assert_true(vmti_command_add(command, sizeof command, "A=1"));
    assert_true(vmti_command_add(command, sizeof command, "it's"));
    assert_true(vmti_command_add(command, sizeof command, ""));
    assert_true(vmti_command_add(command, sizeof command, "a b"));
    assert_string_equal(command, "A=1 'it'\\''s' '' 'a b'");
    assert_false(vmti_command_add(command, strlen(command) + 5, "x y"));
    assert_true(vmti_command_add(command, strlen(command) + 5, "x"));
}

static void allocators_are_told_by_the_names_of_their_libraries(void **state)
{
    static const char *const names[][2] = {
        {"/lib/x86_64-linux-gnu/libc.so.6", "glibc"},
        {"/lib/x86_64-linux-gnu/libc-2.31.so", "glibc"},
        {"/lib/ld-musl-x86_64.so.1", "musl"},
        {"/usr/lib/x86_64-linux-musl/libc.so", "musl"},
        {"/usr/lib/x86_64-linux-gnu/libjemalloc.so.2", "jemalloc"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[VMTI_ALLOCATOR_BYTES];
        assert_true(vmti_allocator_name(names[i][0], name));
        assert_string_equal(name, names[i][1]);
    }
    char name[VMTI_ALLOCATOR_BYTES];
    assert_false(vmti_allocator_name("/opt/my own/libmy+malloc.so.1", name));
    assert_string_equal(name, "libmy-malloc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocators_are_told_by_the_names_of_their_libraries),
        IN_FOLDER(runs_hold_break_or_are_better),
        IN_FOLDER(what_cannot_be_compared_does_not_hold),
        IN_FOLDER(a_known_label_without_touches_has_no_pages),
        IN_FOLDER(long_verdicts_are_cut),
        IN_FOLDER(columns_are_characters),
        IN_FOLDER(recording_writes_what_changed_and_nothing_else),
        IN_FOLDER(asked_for_values_are_recorded),
        IN_FOLDER(nothing_is_recorded_in_ci),
        IN_FOLDER(what_cannot_be_written_is_said),
        IN_FOLDER(processes_that_record_together_lose_nothing),
        cmocka_unit_test(allocators_have_names),
        cmocka_unit_test(commands_can_be_typed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
