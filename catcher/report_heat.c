/* SPDX-License-Identifier: MIT */
/* The walk through memory as a picture for a terminal: pages by time. */
#define _GNU_SOURCE
#include "formats.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { COLUMNS_LEAST = 40, COLUMNS_DEFAULT = 80, COLUMNS_MOST = 240 };
enum { NAME_COLUMNS = VMTI_HEAT_MARGIN - 3 };

static const char SHADES[] = ".:-=+*#%@"; /* few touches to many */

/* In escape sequences of ECMA-48 (console_codes(4)). */
static const char RESET[] = "\033[0m";
static const char *const kind_colours[] = {
    [VMTI_WALK_READS] = "\033[34m",
    [VMTI_WALK_WRITES] = "\033[31m",
    [VMTI_WALK_CALLS] = "\033[32m",
};

unsigned vmti_report_columns(FILE *out)
{
    const char *text = getenv("COLUMNS");
    char *end;
    long columns = text ? strtol(text, &end, 10) : 0;
    if (columns <= 0 || *end) {
        struct winsize size;
        columns = ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : COLUMNS_DEFAULT;
    }
    return columns < COLUMNS_LEAST ? COLUMNS_LEAST : columns > COLUMNS_MOST ? COLUMNS_MOST : (unsigned)columns;
}

bool vmti_report_colours(FILE *out)
{
    const char *forbidden = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return isatty(fileno(out)) && !(forbidden && *forbidden) && terminal && *terminal && strcmp(terminal, "dumb") != 0;
}

static uint64_t touches_of(const uint32_t *cell)
{
    return (uint64_t)cell[VMTI_WALK_READS] + cell[VMTI_WALK_WRITES] + cell[VMTI_WALK_CALLS];
}

/* A page that was read and then written counts as written. */
static enum vmti_walk_kind kind_of(const uint32_t *cell)
{
    uint64_t writes = (uint64_t)cell[VMTI_WALK_WRITES] + cell[VMTI_WALK_UPGRADES];
    if (cell[VMTI_WALK_CALLS] > writes && cell[VMTI_WALK_CALLS] > cell[VMTI_WALK_READS])
        return VMTI_WALK_CALLS;
    return 2 * writes >= touches_of(cell) ? VMTI_WALK_WRITES : VMTI_WALK_READS;
}

static unsigned doublings(uint64_t n)
{
    return 63 - (unsigned)__builtin_clzll(n);
}

/* By doublings, so that one touch can be seen beside thousands. */
static char shade_of(uint64_t touches, uint64_t most)
{
    unsigned last = sizeof SHADES - 2, steps = doublings(most);
    return SHADES[steps ? doublings(touches) * last / steps : last];
}

static void put_name(const struct vmti_walk_row *row, FILE *out)
{
    char text[VMTI_TRACE_LABEL_MAX + 32] = "-";
    if (row->owner && *row->owner->label)
        snprintf(text, sizeof text, "%s", row->owner->label);
    else if (row->owner)
        snprintf(text, sizeof text, "#%" PRIu32 "+%" PRIu64, row->owner->index, row->hottest - row->owner->first_page);
    size_t bytes = strlen(text);
    if (bytes > NAME_COLUMNS)
        memcpy(text + NAME_COLUMNS - 1, "~", 2);
    for (char *c = text; *c; c++) /* each byte is to take one column */
        *c = *c > 0x20 && *c < 0x7f ? *c : '?';
    fprintf(out, "%-*s", NAME_COLUMNS, text);
}

static void put_row(const struct vmti_walk *walk, unsigned row, uint64_t most, FILE *out, bool colours)
{
    const char *colour = "";
    put_name(&walk->row[row], out);
    fputs(" |", out);
    for (unsigned bin = 0; bin < walk->bins; bin++) {
        const uint32_t *cell = vmti_walk_cell(walk, bin, row);
        uint64_t touches = touches_of(cell);
        const char *wanted = touches && colours ? kind_colours[kind_of(cell)] : "";
        if (wanted != colour && (*wanted || *colour))
            fputs(*wanted ? wanted : RESET, out);
        colour = wanted;
        putc(touches ? shade_of(touches, most) : ' ', out);
    }
    if (*colour)
        fputs(RESET, out);
    fputs("|\n", out);
}

/* Where phases begin, with as much of their names as there is room for. */
static void put_phases(const struct vmti_study *study, FILE *out)
{
    const struct vmti_walk *walk = &study->walk;
    char line[COLUMNS_MOST + 1];
    if (!study->mark_count)
        return;
    memset(line, ' ', sizeof line);
    for (size_t i = 0; i < study->mark_count; i++) {
        const struct vmti_study_mark *mark = &study->marks[i];
        uint64_t at = mark->touches * walk->bins / study->summary.touches;
        if (at >= walk->bins)
            continue;
        memset(line + at, ' ', walk->bins - at); /* the phase before it ends here */
        line[at++] = '|';
        for (const char *c = mark->name; *c && at < walk->bins; c++)
            line[at++] = *c >= 0x20 && *c < 0x7f ? *c : '?';
    }
    fprintf(out, "%-*s  %.*s\n", NAME_COLUMNS, "phases", (int)walk->bins, line);
}

void vmti_report_heat(const struct vmti_study *study, FILE *out, bool colours)
{
    const struct vmti_walk *walk = &study->walk;
    uint64_t most = 1;
    for (unsigned bin = 0; bin < walk->bins; bin++)
        for (unsigned row = 0; row < walk->rows; row++) {
            uint64_t touches = touches_of(vmti_walk_cell(walk, bin, row));
            most = touches > most ? touches : most;
        }
    fprintf(out,
            "\nthe walk through memory: pages from the lowest address down, touches 1 to %" PRIu64
            " from left to right\n",
            study->summary.touches);
    put_phases(study, out);
    for (unsigned row = 0; row < walk->rows; row++)
        put_row(walk, row, most, out, colours);
    fprintf(out, "one touch in a place \"%c\", %" PRIu64 " \"%c\"", shade_of(1, most), most, shade_of(most, most));
    if (colours)
        fprintf(out, "; %sread%s, %swritten%s, %sby system calls%s", kind_colours[VMTI_WALK_READS], RESET,
                kind_colours[VMTI_WALK_WRITES], RESET, kind_colours[VMTI_WALK_CALLS], RESET);
    fputs("; pages that were not touched are left out\n", out);
}
