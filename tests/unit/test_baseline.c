/* SPDX-License-Identifier: MIT */
/* Baselines: their text, what a run is told of them, and what is left of one that many processes record into. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "baseline.h"
#include "baseline_file.h"
#include "baseline_store.h"
#include "random.h"
#include "verdict.h"

#define KEY_OF(allocator) "allocator=" allocator " libc=glibc page=4096 window=64 evict=1 scope=heap writes=0 threads=all"
#define KEY KEY_OF("glibc")
#define SECTION "[" KEY "]\n"
#define HEAD "vmt-baseline 1\n"

static char folder[64]; /* of this test alone */

static int make_folder(void **state)
{
    (void)state;
    unsetenv("CI"); /* these tests may well run there */
    strcpy(folder, "/tmp/vmt-baseline.XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static int remove_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *in_folder(const char *name)
{
    static char path[16][192];
    static unsigned next;
    char *to = path[next++ % 16];
    snprintf(to, sizeof path[0], "%s/%s", folder, name);
    return to;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

/* Of the last four files that were read. */
static const char *read_text(const char *path)
{
    static char text[4][256 * 1024];
    static unsigned next;
    char *to = text[next++ % 4];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    to[fread(to, 1, sizeof text[0] - 1, file)] = '\0';
    fclose(file);
    return to;
}

/* ------------------------------------------------------------------------------------------- parsing */

static const char SAMPLE[] =
    HEAD
    "# what the look-ups touch\n"
    "\n"
    SECTION
    "footprint = 40 +-1 +-2.25%   # and why\n"
    "\tlabel \"a \\\"b\\\" # = \\\\ \\xc3\" pages=0\n"
    "memory-for-1% = any\n"
    "\n"
    "# another allocator\n"
    "[" KEY_OF("jemalloc") "] # not ours\n"
    "fingerprint = 0x00ab\n"
    "touches = ? +-1000%\n"
    "working-set-128 = 18446744073709551615 +-18446744073709551615";

static void assert_parses(const char *text, struct vmti_baseline *b)
{
    if (vmti_baseline_parse(text, strlen(text), b) != 0)
        fail_msg("line %u: %s, in:\n%s", b->error_line, b->error, text);
}

static void lines_say_what_they_say(void **state)
{
    (void)state;
    struct vmti_baseline b;
    assert_parses(SAMPLE, &b);
    assert_int_equal(b.count, 8);
    size_t metrics = 99;
    const struct vmti_baseline_line *l = vmti_baseline_section(&b, KEY, &metrics);
    assert_ptr_equal(l, &b.lines[0]);
    assert_int_equal(metrics, 3);
    assert_int_equal(l[1].number, 5);
    assert_int_equal(l[1].value, 40);
    assert_int_equal(l[1].absolute, 1);
    assert_int_equal(l[1].percent, 225);
    assert_memory_equal(b.bytes + l[1].tolerance_at, "+-1 +-2.25%   # and", 18);
    assert_int_equal(l[1].tolerance_bytes, strlen("+-1 +-2.25%"));
    char name[VMTI_LABEL_METRIC_BYTES];
    vmti_metric_of_name(name, "label", "a \"b\" # = \\ \xc3");
    assert_int_equal(l[2].name_bytes, strlen(name));
    assert_memory_equal(b.bytes + l[2].name, name, strlen(name));
    assert_int_equal(l[2].kind, VMTI_BASELINE_NUMBER);
    assert_int_equal(l[3].kind, VMTI_BASELINE_ANY);
    l = vmti_baseline_section(&b, KEY_OF("jemalloc"), &metrics);
    assert_int_equal(metrics, 3);
    assert_int_equal(l[1].value, 0xab);
    assert_int_equal(l[2].kind, VMTI_BASELINE_UNRECORDED);
    assert_int_equal(l[2].percent, 100000);
    assert_int_equal(l[3].value, UINT64_MAX);
    assert_int_equal(l[3].absolute, UINT64_MAX);
    assert_null(vmti_baseline_section(&b, "allocator=glibc", &metrics));
    vmti_baseline_free(&b);
}

/* The line that is named, and a part of what is said of it. */
static const struct damage {
    const char *text;
    unsigned line;
    const char *says;
} damages[] = {
    {"", 1, "expected \"vmt-baseline 1\""},
    {"\n" HEAD, 1, "expected \"vmt-baseline 1\""},
    {"vmt-baseline\n", 1, "expected \"vmt-baseline 1\""},
    {"vmt-baseline 1x\n", 1, "expected \"vmt-baseline 1\""},
    {"vmt-baseline 2\n", 1, "is of version 2, and this program reads version 1"},
    {"vmt-baseline 99999999999999999999\n", 1, "expected \"vmt-baseline 1\""},
    {"touches = 1\n", 1, "found \"touches = 1\", expected \"vmt-baseline 1\""},
    {HEAD "touches = 1\n", 2, "expected a section's key before the first metric"},
    {HEAD SECTION "touches\n", 3, "found the line's end, expected \"=\" after the name"},
    {HEAD SECTION "touches 5\n", 3, "found the line's end, expected \"=\""},
    {HEAD SECTION "touches  more = 5\n", 3, "expected \"=\" after the name"},
    {HEAD SECTION "Touches = 5\n", 3, "expected a metric's name"},
    {HEAD SECTION "touches =\n", 3, "found the line's end, expected a whole number below 2^64"},
    {HEAD SECTION "touches = -5\n", 3, "found \"-5\", expected a whole number"},
    {HEAD SECTION "touches = 5.5\n", 3, "expected a whole number"},
    {HEAD SECTION "touches = 0x5\n", 3, "expected a whole number"},
    {HEAD SECTION "touches = anything\n", 3, "expected a whole number"},
    {HEAD SECTION "touches = 18446744073709551616\n", 3, "expected a whole number below 2^64"},
    {HEAD SECTION "touches = 5+-1\n", 3, "a blank after it"},
    {HEAD SECTION "touches = 5 6\n", 3, "found \"6\", expected +-N and +-P%"},
    {HEAD SECTION "touches = 5 +-\n", 3, "expected +-N and +-P%"},
    {HEAD SECTION "touches = 5 +-1 +-1\n", 3, "each at most once"},
    {HEAD SECTION "touches = 5 +-1% +-1%\n", 3, "each at most once"},
    {HEAD SECTION "touches = 5 +-1001%\n", 3, "P from 0 to 1000"},
    {HEAD SECTION "touches = 5 +-1000.01%\n", 3, "P from 0 to 1000"},
    {HEAD SECTION "touches = 5 +-1.%\n", 3, "at most two decimals"},
    {HEAD SECTION "touches = 5 +-1.125%\n", 3, "at most two decimals"},
    {HEAD SECTION "touches = 5 +-1.5\n", 3, "+-P%"},
    {HEAD SECTION "touches = 5 +-1%%\n", 3, "+-P%"},
    {HEAD SECTION "touches = 5 +-18446744073709551616\n", 3, "+-N"},
    {HEAD SECTION "touches = 5 +-9999999999999999999%\n", 3, "P from 0 to 1000"},
    {HEAD SECTION "fingerprint = 12\n", 3, "expected 0x and 1 to 16 hexadecimal digits"},
    {HEAD SECTION "fingerprint = 0x\n", 3, "expected 0x and 1 to 16 hexadecimal digits"},
    {HEAD SECTION "fingerprint = 0x12345678901234567\n", 3, "expected 0x and 1 to 16 hexadecimal digits"},
    {HEAD SECTION "fingerprint = 0x12 +-1\n", 3, "a fingerprint has no tolerance"},
    {HEAD SECTION "label \"a = 5\n", 3, "expected a name in quotes"},
    {HEAD SECTION "label \"a\\q\" pages = 5\n", 3, "expected a name in quotes"},
    {HEAD SECTION "label \"a\\x4\" pages = 5\n", 3, "expected a name in quotes"},
    {HEAD SECTION "label \"\xc3\xa9\" pages = 5\n", 3, "printable ASCII"},
    {HEAD SECTION "= 5\n", 3, "expected a metric's name"},
    {HEAD SECTION "\ntouches = 1\n\n# c\ntouches = 2\n", 7, "touches stands in line 4 already"},
    {HEAD SECTION "\n" SECTION, 4, "stands in line 2 already"},
    {HEAD "[]\n", 2, "expected \"allocator=...\""},
    {HEAD "[allocator=glibc]\n", 2, "expected \" libc=...\""},
    {HEAD "[allocator= libc=glibc]\n", 2, "expected \"allocator=...\""},
    {HEAD "[allocator=glibc libc=glibc page=4096 windw=64 evict=1 scope=heap writes=0 threads=all]\n", 2,
     "found \" windw=64 evict=1 scope=heap writes=0 th...\", expected \" window=...\""},
    {HEAD "[" KEY "\n", 2, "expected \"]\" after the key's last word"},
    {HEAD "[" KEY " engine=ptrace]\n", 2, "expected \"]\" after the key's last word"},
    {HEAD "[" KEY "] touches = 1\n", 2, "expected a comment, or nothing"},
    {HEAD SECTION "touches = 1\n<<<<<<< ours\n", 4, "a merge conflict"},
    {HEAD SECTION "touches = 1\n=======\n", 4, "a merge conflict"},
    {HEAD SECTION "touches = 1\r\n", 3, "a carriage return"},
};

static void damage_is_named_with_its_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        const struct damage *d = &damages[i];
        struct vmti_baseline b;
        if (vmti_baseline_parse(d->text, strlen(d->text), &b) != -EINVAL)
            fail_msg("this was parsed:\n%s", d->text);
        if (b.error_line != d->line || !strstr(b.error, d->says))
            fail_msg("line %u: %s\nfor:\n%s", b.error_line, b.error, d->text);
        vmti_baseline_free(&b);
    }
    struct vmti_baseline b;
    static const char nul[] = HEAD SECTION "touches = 1\0 +-1\n";
    assert_int_equal(vmti_baseline_parse(nul, sizeof nul - 1, &b), -EINVAL);
    assert_int_equal(b.error_line, 3);
    assert_non_null(strstr(b.error, "NUL"));
    vmti_baseline_free(&b);

    size_t bytes = VMTI_BASELINE_BYTES_MAX + 1;
    char *large = malloc(bytes);
    memset(large, '#', bytes);
    memcpy(large, HEAD, strlen(HEAD));
    assert_int_equal(vmti_baseline_parse(large, bytes, &b), -EINVAL);
    assert_non_null(strstr(b.error, "1048577 bytes, and a baseline has at most 1048576"));
    assert_int_equal(vmti_baseline_parse(large, bytes - 1, &b), -EINVAL);
    assert_int_equal(b.error_line, 2);
    assert_non_null(strstr(b.error, "a line has at most 1024"));
    free(large);
}

/* Whatever the bytes, the parser ends, and what it accepts it gives back. */
static void any_bytes_are_parsed_or_refused(void **state)
{
    (void)state;
    struct vmti_baseline b;
    uint64_t random = 7;
    unsigned parsed = 0;
    char *text = malloc(sizeof SAMPLE), *back;
    size_t length = sizeof SAMPLE - 1, bytes;
    for (size_t cut = 0; cut <= length; cut++) { /* exactly so many bytes, for a tool that watches the heap */
        char *exact = malloc(cut ? cut : 1);
        memcpy(exact, SAMPLE, cut);
        int error = vmti_baseline_parse(exact, cut, &b);
        assert_true(error == 0 || (error == -EINVAL && b.error_line > 0 && *b.error));
        vmti_baseline_free(&b);
        free(exact);
    }
    for (unsigned i = 0; i < 20000; i++) {
        memcpy(text, SAMPLE, length);
        for (unsigned n = 1 + (unsigned)(next_random(&random) % 3); n; n--) {
            static const char likely[] = "\n\n#=+-%[]\"\\? x019\t";
            uint64_t r = next_random(&random);
            text[r % length] = r >> 32 & 1 ? (char)(r >> 40) : likely[(r >> 40) % (sizeof likely - 1)];
        }
        int error = vmti_baseline_parse(text, length, &b);
        assert_true(error == 0 || (error == -EINVAL && b.error_line > 0 && *b.error));
        size_t metrics;
        if (!error && vmti_baseline_section(&b, KEY, &metrics)) {
            parsed++;
            assert_int_equal(vmti_baseline_change(&b, KEY, NULL, 0, &back, &bytes), 0);
            assert_int_equal(bytes, length);
            assert_memory_equal(back, text, length);
            free(back);
        }
        vmti_baseline_free(&b);
    }
    assert_true(parsed > 500);
    free(text);
}

/* ------------------------------------------------------------------------------------------- tolerance */

static void assert_limits(uint64_t value, uint64_t absolute, uint32_t percent, uint64_t low, uint64_t high)
{
    struct vmti_baseline_line line = {.value = value, .absolute = absolute, .percent = percent};
    uint64_t l, h;
    vmti_baseline_limits(&line, &l, &h);
    assert_int_equal(l, low);
    assert_int_equal(h, high);
}

static void the_larger_tolerance_counts_rounded_down(void **state)
{
    (void)state;
    assert_limits(0, 0, 0, 0, 0);
    assert_limits(0, 0, 100000, 0, 0);
    assert_limits(0, 3, 500, 0, 3);
    assert_limits(100, 0, 0, 100, 100);
    assert_limits(100, 5, 500, 95, 105);
    assert_limits(100, 4, 500, 95, 105);
    assert_limits(100, 6, 500, 94, 106);
    assert_limits(1234, 10, 500, 1173, 1295);
    assert_limits(19, 0, 500, 19, 19);
    assert_limits(20, 0, 500, 19, 21);
    assert_limits(39, 0, 500, 38, 40);
    assert_limits(9999, 0, 1, 9999, 9999);
    assert_limits(10000, 0, 1, 9999, 10001);
    assert_limits(5, 6, 0, 0, 11);
    assert_limits(1, 0, 100000, 0, 11);
    assert_limits(UINT64_MAX, 0, 1, UINT64_MAX - UINT64_MAX / 10000, UINT64_MAX);
    assert_limits(UINT64_MAX, 0, 100000, 0, UINT64_MAX);
    assert_limits(UINT64_MAX, UINT64_MAX, 0, 0, UINT64_MAX);
    assert_limits(UINT64_MAX - 5, 5, 0, UINT64_MAX - 10, UINT64_MAX);
    assert_limits(UINT64_MAX - 5, 6, 0, UINT64_MAX - 11, UINT64_MAX);
    assert_limits(1, UINT64_MAX, 0, 0, UINT64_MAX);
}

/* ------------------------------------------------------------------------------------------- changes */

/* The text with these new metrics, of the form {name, value, ..., NULL}, in the section. */
static char *added(const char *text, const char *key, ...)
{
    struct vmti_baseline b = {.bytes = text};
    struct vmti_baseline_change changes[16];
    size_t count = 0, bytes;
    char *to = NULL;
    if (*text)
        assert_parses(text, &b);
    va_list args;
    va_start(args, key);
    for (const char *name; (name = va_arg(args, const char *));)
        changes[count++] = (struct vmti_baseline_change){NULL, name, va_arg(args, unsigned)};
    va_end(args);
    assert_int_equal(vmti_baseline_change(&b, key, changes, count, &to, &bytes), 0);
    to = realloc(to, bytes + 1);
    to[bytes] = '\0';
    vmti_baseline_free(&b);
    return to;
}

static void assert_added(char *text, const char *expected)
{
    struct vmti_baseline b;
    assert_string_equal(text, expected);
    assert_parses(text, &b);
    vmti_baseline_free(&b);
    free(text);
}

static void a_new_value_leaves_the_rest_of_its_line(void **state)
{
    (void)state;
    struct vmti_baseline b;
    size_t metrics, bytes;
    char *text;
    assert_parses(SAMPLE, &b);
    const struct vmti_baseline_line *l = vmti_baseline_section(&b, KEY, &metrics);
    struct vmti_baseline_change changes[] = {{&l[2], NULL, 12345}, {&l[1], NULL, 7}};
    assert_int_equal(vmti_baseline_change(&b, KEY, changes, 2, &text, &bytes), 0);
    assert_int_equal(bytes, sizeof SAMPLE - 1 + 4 - 1);
    const char *first = strstr(SAMPLE, "40 +-1"), *second = strstr(SAMPLE, "0\nmemory");
    size_t at = (size_t)(first - SAMPLE), between = (size_t)(second - first) - 2;
    assert_memory_equal(text, SAMPLE, at);
    assert_memory_equal(text + at, "7", 1);
    assert_memory_equal(text + at + 1, first + 2, between);
    assert_memory_equal(text + at + 1 + between, "12345", 5);
    assert_memory_equal(text + at + 1 + between + 5, second + 1, strlen(second + 1));
    free(text);
    vmti_baseline_free(&b);

    static const char strict[] = HEAD SECTION "fingerprint = ? # strict\n";
    assert_parses(strict, &b);
    struct vmti_baseline_change change = {&b.lines[1], NULL, 0xfeed};
    assert_int_equal(vmti_baseline_change(&b, KEY, &change, 1, &text, &bytes), 0);
    static const char recorded[] = HEAD SECTION "fingerprint = 0x000000000000feed # strict\n";
    assert_int_equal(bytes, sizeof recorded - 1);
    assert_memory_equal(text, recorded, bytes);
    free(text);
    vmti_baseline_free(&b);
}

static void new_lines_come_where_they_sort(void **state)
{
    (void)state;
    assert_added(added("", KEY, "touches", 2, "footprint", 1, NULL),
                 HEAD "# metric = value, which may differ by the larger of +-N and +-N%\n\n" SECTION
                      "footprint = 1 +-1 +-2%\ntouches = 2 +-1 +-2%\n");
    assert_added(added(HEAD SECTION "b = 1\n# of d\nd = 1\n", KEY, "e", 4, "a", 1, "c", 3, "bb", 2, NULL), HEAD SECTION
                 "a = 1 +-1 +-2%\nb = 1\nbb = 2 +-1 +-2%\nc = 3 +-1 +-2%\n# of d\nd = 1\ne = 4 +-1 +-2%\n");
    /* An order of the user's own stays, as do a last line without newline and what follows the section. */
    assert_added(added(HEAD SECTION "d = 1\nb = 1", KEY, "c", 3, "e", 4, NULL),
                 HEAD SECTION "d = 1\nb = 1\nc = 3 +-1 +-2%\ne = 4 +-1 +-2%\n");
    assert_added(
        added(HEAD "\n[" KEY_OF("a") "]\nx = 1\n\n# of m\n[" KEY_OF("m") "]\ny = 1\n", KEY_OF("a"), "z", 1, NULL),
        HEAD "\n[" KEY_OF("a") "]\nx = 1\nz = 1 +-1 +-2%\n\n# of m\n[" KEY_OF("m") "]\ny = 1\n");

    /* Sections too, in front of the comment right above the one that follows. */
    static const char two[] = HEAD "\n[" KEY_OF("a") "]\nx = 1\n\n# of m\n# indeed\n[" KEY_OF("m") "]\ny = 1\n";
    assert_added(added(two, KEY_OF("b"), "z", 1, NULL),
                 HEAD "\n[" KEY_OF("a") "]\nx = 1\n\n[" KEY_OF("b") "]\nz = 1 +-1 +-2%\n\n# of m\n# indeed\n[" KEY_OF(
                     "m") "]\ny = 1\n");
    assert_added(added(two, KEY_OF("z"), "z", 1, NULL),
                 HEAD "\n[" KEY_OF("a") "]\nx = 1\n\n# of m\n# indeed\n[" KEY_OF("m") "]\ny = 1\n\n[" KEY_OF("z")
                 "]\nz = 1 +-1 +-2%\n");
    assert_added(added("vmt-baseline 1", KEY, "z", 1, NULL), HEAD "\n" SECTION "z = 1 +-1 +-2%\n");
    assert_added(added(HEAD "[" KEY_OF("m") "]", KEY_OF("a"), "z", 1, NULL),
                 HEAD "\n[" KEY_OF("a") "]\nz = 1 +-1 +-2%\n\n[" KEY_OF("m") "]");
}

static void a_file_does_not_outgrow_what_can_be_read(void **state)
{
    (void)state;
    size_t length = VMTI_BASELINE_BYTES_MAX - 10, bytes;
    char *text = malloc(length), *to;
    struct vmti_baseline b;
    for (size_t i = 0; i < length; i++)
        text[i] = i % 100 ? '#' : '\n';
    memcpy(text, HEAD, strlen(HEAD));
    assert_int_equal(vmti_baseline_parse(text, length, &b), 0);
    struct vmti_baseline_change change = {NULL, "touches", 1};
    assert_int_equal(vmti_baseline_change(&b, KEY, &change, 1, &to, &bytes), -EFBIG);
    vmti_baseline_free(&b);
    free(text);
}

/* git's own three-way merge of what two branches recorded. */
static void branches_merge_where_their_lines_are_apart(void **state)
{
    (void)state;
    if (system("git --version >/dev/null 2>&1") != 0)
        skip();
    static const char base[] = HEAD "\n[" KEY_OF("a") "]\nc = 1\nd = 1\ne = 1\n\n[" KEY_OF("m") "]\nc = 1\nd = 1\n";
    char *b_and_g = added(base, KEY_OF("a"), "b", 1, NULL), *f_and_z = added(base, KEY_OF("a"), "f", 1, NULL);
    char *ours = added(b_and_g, KEY_OF("g"), "c", 1, NULL), *theirs = added(f_and_z, KEY_OF("z"), "c", 1, NULL);
    write_file(in_folder("base"), base);
    write_file(in_folder("ours"), ours);
    write_file(in_folder("theirs"), theirs);
    char command[512];
    snprintf(command, sizeof command, "cd %s && git merge-file -p ours base theirs >merged 2>/dev/null", folder);
    assert_int_equal(system(command), 0);
    const char *merged = read_text(in_folder("merged"));
    struct vmti_baseline b;
    assert_parses(merged, &b);
    size_t metrics;
    assert_non_null(vmti_baseline_section(&b, KEY_OF("a"), &metrics));
    assert_int_equal(metrics, 5);
    assert_non_null(vmti_baseline_section(&b, KEY_OF("g"), &metrics));
    assert_non_null(vmti_baseline_section(&b, KEY_OF("m"), &metrics));
    assert_non_null(vmti_baseline_section(&b, KEY_OF("z"), &metrics));
    vmti_baseline_free(&b);

    /* The same value twice is a conflict, and until it is resolved nothing is compared with it. */
    write_file(in_folder("ours"), HEAD "\n[" KEY_OF("a") "]\nc = 1\nd = 2\ne = 1\n");
    write_file(in_folder("theirs"), HEAD "\n[" KEY_OF("a") "]\nc = 1\nd = 3\ne = 1\n");
    assert_int_not_equal(system(command), 0);
    merged = read_text(in_folder("merged"));
    assert_int_equal(vmti_baseline_parse(merged, strlen(merged), &b), -EINVAL);
    assert_non_null(strstr(b.error, "a merge conflict"));
    vmti_baseline_free(&b);
    free(b_and_g);
    free(f_and_z);
    free(ours);
    free(theirs);
}

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

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_say_what_they_say),
        cmocka_unit_test(damage_is_named_with_its_line),
        cmocka_unit_test(any_bytes_are_parsed_or_refused),
        cmocka_unit_test(the_larger_tolerance_counts_rounded_down),
        cmocka_unit_test(a_new_value_leaves_the_rest_of_its_line),
        cmocka_unit_test(new_lines_come_where_they_sort),
        cmocka_unit_test(a_file_does_not_outgrow_what_can_be_read),
        IN_FOLDER(branches_merge_where_their_lines_are_apart),
        IN_FOLDER(runs_hold_break_or_are_better),
        IN_FOLDER(what_cannot_be_compared_does_not_hold),
        IN_FOLDER(a_known_label_without_touches_has_no_pages),
        IN_FOLDER(long_verdicts_are_cut),
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
