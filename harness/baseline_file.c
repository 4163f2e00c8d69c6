/* SPDX-License-Identifier: MIT */
#include "baseline_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"

/* The words of a key, in order. */
static const char *const key_words[] = {"allocator", "libc", "page", "window", "evict", "scope", "writes", "threads"};
enum { KEY_WORDS = sizeof key_words / sizeof *key_words };
#define KEY_FORM "[allocator=A libc=L page=N window=N evict=N scope=S writes=0|1 threads=T]"

enum { PERCENT_MAX = 1000, SHOWN = 40 };

/* The first line of a new file, and what it says to who opens it. */
static const char NEW_FILE[] = "vmt-baseline 1\n"
                               "# metric = value, which may differ by the larger of +-N and +-N%\n";
static const char NEW_TOLERANCE[] = " +-1 +-2%";

/* ------------------------------------------------------------------------------------------- one line */

/* What is left of a line. */
struct cursor {
    struct vmti_baseline *baseline;
    const char *at, *end;
    uint32_t number;
};

/* Found, cut and made printable, then what was expected. Returns -EINVAL. */
__attribute__((format(printf, 2, 3))) static int refuse(const struct cursor *c, const char *format, ...)
{
    struct vmti_baseline *b = c->baseline;
    char found[SHOWN + 1], expected[VMTI_BASELINE_ERROR_BYTES - SHOWN - 32];
    size_t n = 0;
    va_list args;
    va_start(args, format);
    vsnprintf(expected, sizeof expected, format, args);
    va_end(args);
    for (const char *at = c->at; at < c->end && n < SHOWN; at++)
        found[n++] = *at < 0x20 || *at == 0x7f ? '?' : *at;
    found[n] = '\0';
    b->error_line = c->number;
    if (n)
        snprintf(b->error, sizeof b->error, "found \"%s%s\", expected %s", found, c->end - c->at > SHOWN ? "..." : "",
                 expected);
    else
        snprintf(b->error, sizeof b->error, "found the line's end, expected %s", expected);
    return -EINVAL;
}

/* For what is not about a place in the line. Returns -EINVAL. */
__attribute__((format(printf, 3, 4))) static int refuse_line(struct vmti_baseline *b, uint32_t number,
                                                             const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(b->error, sizeof b->error, format, args);
    va_end(args);
    b->error_line = number;
    return -EINVAL;
}

static uint32_t place(const struct cursor *c, const char *at)
{
    return (uint32_t)(at - c->baseline->bytes);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void skip_blanks(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t'))
        c->at++;
}

static bool take(struct cursor *c, const char *text)
{
    size_t n = strlen(text);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, text, n) != 0)
        return false;
    c->at += n;
    return true;
}

/* The end of the line, or of what counts in it. */
static bool at_end(struct cursor *c)
{
    skip_blanks(c);
    return c->at == c->end || *c->at == '#';
}

/* Decimal or, with base 16, hexadecimal digits. False, with the cursor where it was: there are none, or too many. */
static bool take_number(struct cursor *c, unsigned base, uint64_t *value)
{
    const char *at = c->at;
    uint64_t n = 0;
    for (; at < c->end; at++) {
        unsigned digit;
        if (is_digit(*at))
            digit = (unsigned)(*at - '0');
        else if (base == 16 && *at >= 'a' && *at <= 'f')
            digit = (unsigned)(*at - 'a' + 10);
        else
            break;
        if (__builtin_mul_overflow(n, base, &n) || __builtin_add_overflow(n, digit, &n))
            return false;
    }
    if (at == c->at)
        return false;
    c->at = at;
    *value = n;
    return true;
}

/* ------------------------------------------------------------------------------------------- lines by kind */

static bool is_key_byte(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == '-';
}

static int parse_section(struct cursor *c, struct vmti_baseline_line *line)
{
    const char *start = c->at;
    c->at++; /* the bracket */
    line->section = true;
    line->name = place(c, c->at);
    for (unsigned i = 0; i < KEY_WORDS; i++) {
        const char *word = c->at;
        bool ok = (!i || take(c, " ")) && take(c, key_words[i]) && take(c, "=");
        const char *value = c->at;
        while (ok && c->at < c->end && is_key_byte(*c->at))
            c->at++;
        if (!ok || c->at == value) {
            c->at = word;
            return refuse(c, "\"%s%s=...\" of " KEY_FORM, i ? " " : "", key_words[i]);
        }
    }
    line->name_bytes = place(c, c->at) - line->name;
    if (line->name_bytes >= VMTI_METRICS_KEY_BYTES) {
        c->at = start;
        return refuse(c, "a key of at most %d bytes", VMTI_METRICS_KEY_BYTES - 1);
    }
    if (!take(c, "]"))
        return refuse(c, "\"]\" after the key's last word");
    return at_end(c) ? 0 : refuse(c, "a comment, or nothing, after the section's key");
}

static bool is_name_byte(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || c == '-' || c == '%';
}

static bool is_hex_digit(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f');
}

/* False: the quoted name is not well formed. */
static bool take_quoted(struct cursor *c)
{
    for (c->at++; c->at < c->end; c->at++) {
        const char *at = c->at;
        if (*at < 0x20 || *at >= 0x7f)
            return false;
        if (*at == '"') {
            c->at++;
            return true;
        }
        if (*at != '\\')
            continue;
        if (c->end - at > 1 && (at[1] == '"' || at[1] == '\\'))
            c->at++;
        else if (c->end - at > 3 && at[1] == 'x' && is_hex_digit(at[2]) && is_hex_digit(at[3]))
            c->at += 3;
        else
            return false;
    }
    return false;
}

static int parse_name(struct cursor *c, struct vmti_baseline_line *line)
{
    const char *start = c->at;
    line->name = place(c, start);
    for (;;) {
        const char *word = c->at;
        if (c->at < c->end && *c->at == '"') {
            if (!take_quoted(c)) {
                c->at = word;
                return refuse(c,
                              "a name in quotes: printable ASCII, with \\\", \\\\ or \\x and two hexadecimal digits");
            }
        } else {
            while (c->at < c->end && is_name_byte(*c->at))
                c->at++;
        }
        if (c->at == word)
            return refuse(c,
                          word == start ? "a metric's name, a section's [key] or a # comment" : "\"=\" after the name");
        line->name_bytes = place(c, c->at) - line->name;
        skip_blanks(c);
        if (take(c, "="))
            return 0;
        if (c->at - (c->baseline->bytes + line->name + line->name_bytes) != 1 || c->at[-1] != ' ')
            return refuse(c, "\"=\" after the name");
    }
}

static bool is_fingerprint(const struct cursor *c, const struct vmti_baseline_line *line)
{
    const char *name = c->baseline->bytes + line->name;
    return line->name_bytes == strlen(VMTI_METRIC_FINGERPRINT) &&
           memcmp(name, VMTI_METRIC_FINGERPRINT, line->name_bytes) == 0;
}

static int parse_value(struct cursor *c, struct vmti_baseline_line *line)
{
    skip_blanks(c);
    const char *start = c->at;
    line->value_at = place(c, start);
    line->kind = VMTI_BASELINE_NUMBER;
    if (take(c, "?")) {
        line->kind = VMTI_BASELINE_UNRECORDED;
    } else if (take(c, "any")) {
        line->kind = VMTI_BASELINE_ANY;
    } else if (is_fingerprint(c, line)) {
        if (!take(c, "0x") || !take_number(c, 16, &line->value)) {
            c->at = start;
            return refuse(c, "0x and 1 to 16 hexadecimal digits, \"?\" or \"any\"");
        }
    } else if (!take_number(c, 10, &line->value)) {
        return refuse(c, "a whole number below 2^64, \"?\" or \"any\"");
    }
    line->value_bytes = place(c, c->at) - line->value_at;
    if (c->at < c->end && *c->at != ' ' && *c->at != '\t' && *c->at != '#') {
        c->at = start;
        return refuse(c, "a whole number below 2^64, \"?\" or \"any\", and a blank after it");
    }
    return 0;
}

/* "2", "2.5" or "2.25", before %, in hundredths. */
static bool take_hundredths(struct cursor *c, uint64_t whole, uint32_t *percent)
{
    uint64_t hundredths = whole > PERCENT_MAX ? UINT32_MAX : whole * 100;
    if (take(c, ".")) {
        const char *first = c->at;
        for (unsigned unit = 10; c->at < c->end && is_digit(*c->at); c->at++, unit /= 10)
            hundredths += (unsigned)(*c->at - '0') * unit;
        if (c->at == first || c->at - first > 2)
            return false;
    }
    if (!take(c, "%") || hundredths > PERCENT_MAX * 100)
        return false;
    *percent = (uint32_t)hundredths;
    return true;
}

static int parse_tolerance(struct cursor *c, struct vmti_baseline_line *line)
{
    bool absolute = false, percent = false;
    while (!at_end(c)) {
        const char *start = c->at;
        uint64_t n;
        if (is_fingerprint(c, line))
            return refuse(c, "nothing: a fingerprint has no tolerance");
        bool ok = take(c, "+-") && take_number(c, 10, &n);
        if (ok && c->at < c->end && (*c->at == '.' || *c->at == '%')) {
            ok = !percent && take_hundredths(c, n, &line->percent);
            percent = true;
        } else if (ok) {
            ok = !absolute;
            absolute = true;
            line->absolute = n;
        }
        if (!ok || (c->at < c->end && *c->at != ' ' && *c->at != '\t' && *c->at != '#')) {
            c->at = start;
            return refuse(c, "+-N and +-P%%, each at most once; P from 0 to %d, at most two decimals", PERCENT_MAX);
        }
        if (!line->tolerance_bytes)
            line->tolerance_at = place(c, start);
        line->tolerance_bytes = place(c, c->at) - line->tolerance_at;
    }
    return 0;
}

static int parse_version(struct cursor *c)
{
    uint64_t version;
    const char *start = c->at;
    if (take(c, "vmt-baseline ") && take_number(c, 10, &version) && at_end(c)) {
        if (version == VMTI_BASELINE_VERSION)
            return 0;
        return refuse_line(c->baseline, c->number, "is of version %" PRIu64 ", and this program reads version %d",
                           version, VMTI_BASELINE_VERSION);
    }
    c->at = start;
    return refuse(c, "\"vmt-baseline %d\"", VMTI_BASELINE_VERSION);
}

/* ------------------------------------------------------------------------------------------- all lines */

static struct vmti_baseline_line *new_line(struct vmti_baseline *b)
{
    void *lines = vmti_grow(b->lines, b->count, &b->capacity, sizeof *b->lines);
    if (!lines)
        return NULL;
    b->lines = lines;
    struct vmti_baseline_line *line = &b->lines[b->count++];
    memset(line, 0, sizeof *line);
    return line;
}

/* Bytes that no line may hold. */
static int check_bytes(struct cursor *c)
{
    static const char *const conflict[] = {"<<<<<<<", "=======", ">>>>>>>", "|||||||"};
    for (unsigned i = 0; i < sizeof conflict / sizeof *conflict; i++)
        if (take(c, conflict[i]))
            return refuse_line(c->baseline, c->number, "a merge conflict begins, parts or ends here: resolve it first");
    if (c->end - c->at > VMTI_BASELINE_LINE_MAX)
        return refuse_line(c->baseline, c->number, "has %zu bytes, and a line has at most %d", (size_t)(c->end - c->at),
                           VMTI_BASELINE_LINE_MAX);
    for (const char *at = c->at; at < c->end; at++) {
        if (*at == '\r')
            return refuse_line(c->baseline, c->number, "has a carriage return; lines end with a newline alone");
        if (*at == '\0')
            return refuse_line(c->baseline, c->number, "has a NUL byte, so this is no text");
    }
    return 0;
}

static int parse_line(struct cursor *c, uint32_t start, uint32_t end)
{
    struct vmti_baseline *b = c->baseline;
    int error = check_bytes(c);
    if (error)
        return error;
    if (c->number == 1)
        return parse_version(c);
    if (at_end(c))
        return 0;
    struct vmti_baseline_line *line = new_line(b);
    if (!line)
        return -ENOMEM;
    line->number = c->number;
    line->start = start;
    line->end = end;
    if (*c->at == '[')
        return parse_section(c, line);
    if (b->count == 1)
        return refuse(c, "a section's key before the first metric: " KEY_FORM);
    error = parse_name(c, line);
    if (!error)
        error = parse_value(c, line);
    return error ? error : parse_tolerance(c, line);
}

/* A section or a metric, with what makes it another than those of the same name. */
struct ranked {
    const char *bytes;
    const struct vmti_baseline_line *line, *section;
};

static int compare_ranked(const void *a, const void *b)
{
    const struct ranked *p = a, *q = b;
    const struct vmti_baseline_line *k = p->line, *l = q->line;
    if (k->section != l->section)
        return k->section ? -1 : 1;
    if (!k->section && p->section != q->section)
        return p->section < q->section ? -1 : 1;
    return vmti_metric_name_compare(p->bytes + k->name, k->name_bytes, q->bytes + l->name, l->name_bytes);
}

/* The same key or the same metric twice: a merge can do that without a conflict. */
static int refuse_twins(struct vmti_baseline *b)
{
    if (b->count < 2)
        return 0;
    struct ranked *ranked = malloc(b->count * sizeof *ranked);
    if (!ranked)
        return -ENOMEM;
    const struct vmti_baseline_line *section = b->lines;
    for (size_t i = 0; i < b->count; i++) {
        if (b->lines[i].section)
            section = &b->lines[i];
        ranked[i] = (struct ranked){b->bytes, &b->lines[i], section};
    }
    qsort(ranked, b->count, sizeof *ranked, compare_ranked);
    int error = 0;
    for (size_t i = 1; i < b->count && !error; i++) {
        if (compare_ranked(&ranked[i - 1], &ranked[i]) != 0)
            continue;
        const struct vmti_baseline_line *k = ranked[i - 1].line, *l = ranked[i].line;
        uint32_t one = k->number < l->number ? k->number : l->number, other = k->number + l->number - one;
        error = refuse_line(b, other, "%s %.*s stands in line %" PRIu32 " already, expected it once: keep one of them",
                            l->section ? "the section" : "the metric",
                            (int)(l->name_bytes < SHOWN ? l->name_bytes : SHOWN), b->bytes + l->name, one);
    }
    free(ranked);
    return error;
}

int vmti_baseline_parse(const char *bytes, size_t length, struct vmti_baseline *baseline)
{
    memset(baseline, 0, sizeof *baseline);
    baseline->bytes = bytes;
    baseline->length = length;
    if (length > VMTI_BASELINE_BYTES_MAX)
        return refuse_line(baseline, 1, "the file has %zu bytes, and a baseline has at most %d", length,
                           VMTI_BASELINE_BYTES_MAX);
    struct cursor c = {.baseline = baseline, .number = 1};
    size_t start = 0;
    int error = 0;
    do {
        const char *newline = start < length ? memchr(bytes + start, '\n', length - start) : NULL;
        size_t end = newline ? (size_t)(newline - bytes) + 1 : length;
        c.at = bytes + start;
        c.end = newline ? newline : bytes + length;
        error = parse_line(&c, (uint32_t)start, (uint32_t)end);
        c.number++;
        start = end;
    } while (!error && start < length);
    return error ? error : refuse_twins(baseline);
}

void vmti_baseline_free(struct vmti_baseline *baseline)
{
    free(baseline->lines);
    baseline->lines = NULL;
    baseline->count = baseline->capacity = 0;
}

/* ------------------------------------------------------------------------------------------- questions */

static size_t metrics_after(const struct vmti_baseline *b, size_t section)
{
    size_t n = 0;
    while (section + 1 + n < b->count && !b->lines[section + 1 + n].section)
        n++;
    return n;
}

const struct vmti_baseline_line *vmti_baseline_section(const struct vmti_baseline *b, const char *key, size_t *count)
{
    for (size_t i = 0; i < b->count; i++) {
        const struct vmti_baseline_line *line = &b->lines[i];
        if (!line->section || vmti_metric_name_compare(b->bytes + line->name, line->name_bytes, key, strlen(key)) != 0)
            continue;
        *count = metrics_after(b, i);
        return line;
    }
    return NULL;
}

void vmti_baseline_limits(const struct vmti_baseline_line *metric, uint64_t *low, uint64_t *high)
{
    unsigned __int128 share = (unsigned __int128)metric->value * metric->percent / 10000;
    uint64_t by = share > UINT64_MAX ? UINT64_MAX : (uint64_t)share;
    if (by < metric->absolute)
        by = metric->absolute;
    *low = metric->value > by ? metric->value - by : 0;
    if (__builtin_add_overflow(metric->value, by, high))
        *high = UINT64_MAX;
}

/* ------------------------------------------------------------------------------------------- changes */

struct text {
    char *bytes;
    size_t length, room;
    int error;
};

static void put(struct text *text, const char *bytes, size_t n)
{
    if (text->error || !n)
        return;
    if (text->length + n > VMTI_BASELINE_BYTES_MAX) {
        text->error = -EFBIG;
        return;
    }
    if (text->length + n > text->room) {
        size_t room = (text->length + n) * 2;
        char *more = realloc(text->bytes, room);
        if (!more) {
            text->error = -ENOMEM;
            return;
        }
        text->bytes = more;
        text->room = room;
    }
    memcpy(text->bytes + text->length, bytes, n);
    text->length += n;
}

static void put_string(struct text *text, const char *string)
{
    put(text, string, strlen(string));
}

/* New text begins a line of its own, also where the last one had no newline. */
static void end_line(struct text *text)
{
    if (text->length && text->bytes[text->length - 1] != '\n')
        put_string(text, "\n");
}

static void put_value(struct text *text, const char *name, size_t name_bytes, uint64_t value)
{
    char number[32];
    bool hex = name_bytes == strlen(VMTI_METRIC_FINGERPRINT) && memcmp(name, VMTI_METRIC_FINGERPRINT, name_bytes) == 0;
    snprintf(number, sizeof number, hex ? "0x%016" PRIx64 : "%" PRIu64, value);
    put_string(text, number);
}

static void put_metric(struct text *text, const struct vmti_baseline_change *change)
{
    end_line(text);
    put_string(text, change->name);
    put_string(text, " = ");
    put_value(text, change->name, strlen(change->name), change->value);
    if (strcmp(change->name, VMTI_METRIC_FINGERPRINT) != 0)
        put_string(text, NEW_TOLERANCE);
    put_string(text, "\n");
}

/* A change with its place in the old file. */
struct edit {
    size_t at;
    const struct vmti_baseline_change *change;
};

static int compare_edits(const void *a, const void *b)
{
    const struct edit *p = a, *q = b;
    if (p->at != q->at)
        return p->at < q->at ? -1 : 1;
    /* A new line comes before the line whose value lies behind it; and new lines in order. */
    if (!p->change->line != !q->change->line)
        return p->change->line ? 1 : -1;
    return p->change->line ? 0 : strcmp(p->change->name, q->change->name);
}

/* Behind the last line of the section that sorts before the name; if there is none, behind the section's key. */
static size_t place_for(const struct vmti_baseline *b, const struct vmti_baseline_line *section, size_t count,
                        const char *name)
{
    const struct vmti_baseline_line *before = section;
    for (const struct vmti_baseline_line *line = section + 1; line <= section + count; line++)
        if (vmti_metric_name_compare(b->bytes + line->name, line->name_bytes, name, strlen(name)) < 0)
            before = line;
    return before->end;
}

/* Before the first section that sorts after the key, and the comment right above it; or the end. */
static size_t place_for_section(const struct vmti_baseline *b, const char *key)
{
    for (const struct vmti_baseline_line *line = b->lines; line < b->lines + b->count; line++) {
        if (!line->section || vmti_metric_name_compare(b->bytes + line->name, line->name_bytes, key, strlen(key)) < 0)
            continue;
        size_t at = line->start;
        for (;;) {
            size_t above = at - 1; /* there is a line above: the version's */
            while (above > 0 && b->bytes[above - 1] != '\n')
                above--;
            size_t first = above + strspn(b->bytes + above, " \t");
            if (!above || b->bytes[first] != '#')
                return at;
            at = above;
        }
    }
    return b->length;
}

static void write_section(const struct vmti_baseline *b, const char *key, const struct edit *edits, size_t count,
                          struct text *text)
{
    size_t at = place_for_section(b, key);
    put(text, b->bytes, at);
    if (!b->length)
        put_string(text, NEW_FILE);
    end_line(text);
    if (!text->error && (text->length < 2 || text->bytes[text->length - 2] != '\n'))
        put_string(text, "\n");
    put_string(text, "[");
    put_string(text, key);
    put_string(text, "]\n");
    for (size_t i = 0; i < count; i++)
        put_metric(text, edits[i].change);
    if (at < b->length)
        put_string(text, "\n");
    put(text, b->bytes + at, b->length - at);
}

static void write_edits(const struct vmti_baseline *b, const struct edit *edits, size_t count, struct text *text)
{
    size_t copied = 0;
    for (size_t i = 0; i < count; i++) {
        const struct vmti_baseline_change *change = edits[i].change;
        put(text, b->bytes + copied, edits[i].at - copied);
        copied = edits[i].at;
        if (!change->line) {
            put_metric(text, change);
            continue;
        }
        put_value(text, b->bytes + change->line->name, change->line->name_bytes, change->value);
        copied += change->line->value_bytes;
    }
    put(text, b->bytes + copied, b->length - copied);
}

int vmti_baseline_change(const struct vmti_baseline *b, const char *key, const struct vmti_baseline_change *changes,
                         size_t count, char **text, size_t *bytes)
{
    size_t metrics = 0;
    const struct vmti_baseline_line *section = vmti_baseline_section(b, key, &metrics);
    struct edit *edits = malloc((count + 1) * sizeof *edits);
    struct text result = {.error = edits ? 0 : -ENOMEM};
    for (size_t i = 0; edits && i < count; i++) {
        const struct vmti_baseline_change *change = &changes[i];
        size_t at = change->line ? change->line->value_at : section ? place_for(b, section, metrics, change->name) : 0;
        edits[i] = (struct edit){at, change};
    }
    if (edits) {
        qsort(edits, count, sizeof *edits, compare_edits);
        if (section)
            write_edits(b, edits, count, &result);
        else
            write_section(b, key, edits, count, &result);
    }
    free(edits);
    if (result.error) {
        free(result.bytes);
        return result.error;
    }
    *text = result.bytes;
    *bytes = result.length;
    return 0;
}
