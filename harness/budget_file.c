/* SPDX-License-Identifier: MIT */
/* A budget file's grammar: nothing in it is guessed, and what is not understood is an error that names its line. */
#include "budget_file.h"

#include <errno.h>
#include <string.h>

#include "error.h"

enum { SHOWN = 60 }; /* bytes of a wrong part that a sentence repeats */

/* What is left of a line. */
struct line {
    const char *at, *end, *path;
    unsigned number;
};

bool vmti_part_is(const struct vmti_part *part, const char *text)
{
    return part->bytes == strlen(text) && memcmp(part->text, text, part->bytes) == 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void skip_blanks(struct line *line)
{
    while (line->at < line->end && is_blank(*line->at))
        line->at++;
}

static bool is_over(const struct line *line)
{
    return line->at == line->end || *line->at == '#';
}

static int wrong(const struct line *line, const char *expected)
{
    char found[SHOWN + 1];
    size_t n = 0;
    for (const char *at = line->at; at < line->end && n < SHOWN; at++)
        found[n++] = (unsigned char)*at < 0x20 || *at == 0x7f ? '?' : *at;
    found[n] = '\0';
    return vmti_fail(-EINVAL, "%s:%u: %s is expected, not \"%s\"", line->path, line->number, expected, found);
}

/* [name]: the name reaches to the line's last bracket, for tests may have brackets in their names. */
static int parse_section(struct line *line, struct vmti_part *section)
{
    const char *last = NULL;
    for (const char *at = line->at; at < line->end; at++)
        last = *at == ']' ? at : last;
    if (!last)
        return wrong(line, "a section \"[test]\", with its closing bracket,");
    section->text = line->at + 1;
    section->bytes = (size_t)(last - section->text);
    if (!section->bytes)
        return wrong(line, "the name of a test in the brackets, or * for all,");
    line->at = last + 1;
    skip_blanks(line);
    return is_over(line) ? 0 : wrong(line, "nothing after a section");
}

static int parse_number(struct line *line, uint64_t *number)
{
    const char *begin = line->at;
    uint64_t n = 0;
    for (; line->at < line->end && *line->at >= '0' && *line->at <= '9'; line->at++)
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, (unsigned)(*line->at - '0'), &n)) {
            line->at = begin;
            return wrong(line, "a whole number below 2^64");
        }
    if (line->at == begin)
        return wrong(line, "a whole number");
    *number = n;
    return 0;
}

static int parse_limit(struct line *line, struct vmti_limit *limit)
{
    limit->whole.text = limit->what.text = line->at;
    while (line->at < line->end && ((*line->at >= 'a' && *line->at <= 'z') || *line->at == '_'))
        line->at++;
    limit->what.bytes = (size_t)(line->at - limit->what.text);
    if (!limit->what.bytes)
        return wrong(line, "a section \"[test]\", or a limit like \"pages <= 40\",");
    limit->argument = (struct vmti_part){0};
    if (line->at < line->end && *line->at == '(') {
        const char *close = memchr(line->at, ')', (size_t)(line->end - line->at));
        if (!close || close == line->at + 1)
            return wrong(line, "a value and a closing parenthesis");
        limit->argument = (struct vmti_part){line->at + 1, (size_t)(close - line->at - 1)};
        line->at = close + 1;
    }
    skip_blanks(line);
    if (line->end - line->at < 2 || line->at[1] != '=' || (*line->at != '<' && *line->at != '='))
        return wrong(line, "<= or ==");
    limit->exactly = *line->at == '=';
    line->at += 2;
    skip_blanks(line);
    int error = parse_number(line, &limit->limit);
    limit->whole.bytes = (size_t)(line->at - limit->whole.text);
    skip_blanks(line);
    if (!error && !is_over(line))
        error = wrong(line, "nothing after the number");
    if (!error && !limit->section.text)
        error = vmti_fail(-EINVAL, "%s:%u: a section \"[test]\" is expected before the first limit", line->path,
                          line->number);
    return error;
}

int vmti_budget_file_parse(const char *path, const char *text, size_t bytes,
                           int (*use)(const struct vmti_limit *limit, void *context), void *context)
{
    const char *end = text + bytes;
    struct vmti_limit limit = {0};
    struct line line = {.path = path};
    for (const char *at = text; at < end; at = line.end + 1) {
        line.at = at;
        line.end = memchr(at, '\n', (size_t)(end - at));
        line.end = line.end ? line.end : end;
        limit.line = ++line.number;
        int error = 0;
        skip_blanks(&line);
        if (is_over(&line))
            continue;
        if (*line.at == '[') {
            error = parse_section(&line, &limit.section);
            limit.what.text = NULL;
        } else {
            error = parse_limit(&line, &limit);
        }
        if (!error)
            error = use(&limit, context);
        if (error)
            return error;
    }
    return 0;
}
