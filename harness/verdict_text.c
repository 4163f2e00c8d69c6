/* SPDX-License-Identifier: MIT */
/* How the text of a verdict is made of words and lines. */
#define _GNU_SOURCE /* stpcpy */
#include "verdict.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sanitizer.h"

enum {
    COLUMNS = VMTI_VERDICT_COLUMNS,
    LINE_BYTES = 4 * COLUMNS + 1, /* UTF-8 */
};

/* ------------------------------------------------------------------------------------------- characters, words */

/* Bytes of the first character; all that follow it are continuations (RFC 3629). */
static size_t character(const char *text)
{
    size_t n = 1;
    while (((unsigned char)text[n] & 0xc0) == 0x80)
        n++;
    return n;
}

/* Bytes of the first so many columns, or of all. A character is taken for one column. */
static size_t bytes_of(const char *text, size_t columns)
{
    size_t bytes = 0;
    while (columns-- && text[bytes])
        bytes += character(text + bytes);
    return bytes;
}

/* ... and columns of the first so many bytes. */
static size_t columns_of(const char *text, size_t bytes)
{
    size_t columns = 0;
    for (size_t i = 0; i < bytes; i += character(text + i))
        columns++;
    return columns;
}

const char *vmti_amount(char text[static VMTI_AMOUNT_BYTES], uint64_t n, enum vmti_counted counted)
{
    static const char *const nouns[][2] = {
        [VMTI_COUNT_PAGES] = {"page", "pages"},
        [VMTI_COUNT_TOUCHES] = {"touch", "touches"},
        [VMTI_COUNT_PAGES_WRITTEN] = {"page", "pages"},
        [VMTI_COUNT_MISSES] = {"miss", "misses"},
    };
    snprintf(text, VMTI_AMOUNT_BYTES, "%" PRIu64 " %s", n, nouns[counted][n != 1]);
    return text;
}

const char *vmti_printable(char text[static VMTI_VERDICT_NAME_BYTES], const char *name, size_t columns)
{
    size_t used = 0;
    for (; columns && *name; columns--) {
        size_t bytes = character(name);
        if (used + bytes >= VMTI_VERDICT_NAME_BYTES)
            break;
        memcpy(text + used, name, bytes);
        if ((unsigned char)*name < 0x20 || *name == 0x7f)
            text[used] = '?';
        used += bytes;
        name += bytes;
    }
    text[used] = '\0';
    return text;
}

/* Bytes of the first word; of a command a space within single quotes is part of it. */
static size_t word_bytes(const char *text, bool command)
{
    bool quoted = false;
    size_t n = 0;
    for (; text[n] && (quoted || text[n] != ' '); n++)
        if (command && text[n] == '\'')
            quoted = !quoted;
    return n;
}

/* ------------------------------------------------------------------------------------------- lines */

static void add(vmt_verdict *v, const char *before, const char *text, size_t bytes, const char *after)
{
    vmti_stored(v->text, 1); /* who began the verdict has not told MemorySanitizer, whose strlen() this is */
    size_t used = strlen(v->text);
    snprintf(v->text + used, sizeof v->text - used, "%s%s%.*s%s", used ? "\n" : "", before, (int)bytes, text, after);
    vmti_stored(v, sizeof *v);
}

void vmti_verdict_line(vmt_verdict *v, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    add(v, "", line, bytes_of(line, COLUMNS), "");
}

/* What is not to be broken: nothing, words, or the words of a command for a shell. */
enum unbroken { NOTHING, WORDS, COMMAND };

/* Bytes of the words that a line of so many columns has room for; of the first one at least. */
static size_t line_bytes(const char *text, size_t columns, enum unbroken unbroken, const char *joint)
{
    size_t bytes = word_bytes(text, unbroken == COMMAND), most = bytes_of(text, columns);
    if (unbroken == NOTHING && bytes > most)
        return most;
    while (text[bytes]) {
        size_t longer = bytes + 1 + word_bytes(text + bytes + 1, unbroken == COMMAND);
        if (columns_of(text, longer) + (text[longer] ? strlen(joint) : 0) > columns)
            break;
        bytes = longer;
    }
    return bytes;
}

static void add_lines(vmt_verdict *v, const char *first_indent, const char *indent, const char *text,
                      enum unbroken unbroken)
{
    const char *joint = unbroken == COMMAND ? " \\" : "";
    for (const char *before = first_indent; *text; before = indent) {
        size_t bytes = line_bytes(text, COLUMNS - strlen(before), unbroken, joint);
        add(v, before, text, bytes, text[bytes] ? joint : "");
        text += bytes;
        text += *text == ' '; /* further ones are part of a path */
    }
}

void vmti_verdict_say(vmt_verdict *v, const char *format, ...)
{
    char sentence[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    add_lines(v, "", "  ", sentence, NOTHING);
}

void vmti_verdict_words(vmt_verdict *v, const char *indent, const char *text)
{
    add_lines(v, indent, indent, text, WORDS);
}

/* ------------------------------------------------------------------------------------------- paths */

void vmti_verdict_path(vmt_verdict *v, const char *before, const char *path, size_t columns)
{
    size_t all = columns_of(path, strlen(path));
    if (strlen(before) + all <= columns)
        add(v, before, path, strlen(path), "");
    else
        vmti_verdict_line(v, "%s...%s", before,
                          path + bytes_of(path, all - (COLUMNS - strlen(before) - strlen("..."))));
}

void vmti_verdict_path_in_lines(vmt_verdict *v, const char *before, const char *path, size_t lines)
{
    size_t columns = columns_of(path, strlen(path)), most = lines * (COLUMNS - 1) - strlen(before);
    const char *cut = "";
    if (columns > most) {
        cut = "...";
        path += bytes_of(path, columns - most + strlen(cut));
    }
    for (; *path; before = cut = "") {
        size_t room = COLUMNS - strlen(before) - strlen(cut);
        bool fits = columns_of(path, strlen(path)) <= room;
        size_t bytes = bytes_of(path, fits ? room : room - 1);
        vmti_verdict_line(v, "%s%s%.*s%s", before, cut, (int)bytes, path, fits ? "" : "\\");
        path += bytes;
    }
}

/* ------------------------------------------------------------------------------------------- commands */

bool vmti_command_add(char *command, size_t bytes, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=@%+,-";
    bool quote = !*word || strspn(word, plain) != strlen(word);
    size_t used = strlen(command), needed = strlen(word) + 4; /* a space, two quotes and NUL */
    for (const char *at = word; *at; at++)
        needed += *at == '\'' ? 3 : 0;
    if (needed > bytes - used)
        return false;
    char *at = command + used;
    if (used)
        *at++ = ' ';
    if (quote)
        *at++ = '\'';
    for (; *word; word++) {
        if (*word == '\'')
            at = stpcpy(at, "'\\''");
        else
            *at++ = *word;
    }
    if (quote)
        *at++ = '\'';
    *at = '\0';
    return true;
}

size_t vmti_command_longest_word(const char *command)
{
    size_t longest = 0;
    while (*command) {
        size_t n = word_bytes(command, true);
        longest = n > longest ? n : longest;
        command += n;
        command += strspn(command, " ");
    }
    return longest;
}

void vmti_verdict_command(vmt_verdict *v, const char *indent, const char *command)
{
    add_lines(v, indent, indent, command, COMMAND);
}
