/* SPDX-License-Identifier: MIT */
/* The text of baselines: read, and changed in place. */
#define _GNU_SOURCE
#include <errno.h>

#include "baseline_store.h"
#include "baseline_text.h"
#include "random.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_say_what_they_say),
        cmocka_unit_test(damage_is_named_with_its_line),
        cmocka_unit_test(any_bytes_are_parsed_or_refused),
        cmocka_unit_test(the_larger_tolerance_counts_rounded_down),
        cmocka_unit_test(a_new_value_leaves_the_rest_of_its_line),
        cmocka_unit_test(new_lines_come_where_they_sort),
        cmocka_unit_test(a_file_does_not_outgrow_what_can_be_read),
        IN_FOLDER(branches_merge_where_their_lines_are_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
