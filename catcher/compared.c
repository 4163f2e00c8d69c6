/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "compared.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd.h"
#include "json.h"

static const struct {
    const char *key;   /* in JSON */
    const char *title; /* of the column */
    int width;
} kinds[VMTI_COMPARED_FIGURES] = {
    [VMTI_COMPARED_FOOTPRINT] = {"footprint_pages", "footprint", 10},
    [VMTI_COMPARED_TOUCHES] = {"touches", "touches", 11},
    [VMTI_COMPARED_PEAK] = {"peak_working_set_pages", "peak set", 9},
    [VMTI_COMPARED_MEMORY] = {"memory_1_percent", "1 % misses", 11},
    [VMTI_COMPARED_DATA] = {"data_pages", "data", 8},
    [VMTI_COMPARED_METADATA] = {"metadata_pages", "metadata", 9},
};

int vmti_compared_add(struct vmti_compared_row *row, const uint64_t figures[VMTI_COMPARED_FIGURES])
{
    void *runs = realloc(row->runs, (row->count + 1) * sizeof *row->runs);
    if (!runs) {
        vmti_cmd_error("no memory was left");
        return -1;
    }
    row->runs = runs;
    memcpy(row->runs[row->count++], figures, sizeof *row->runs);
    return 0;
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t l = *(const uint64_t *)a, r = *(const uint64_t *)b;
    return l < r ? -1 : l > r;
}

static void sum_up(struct vmti_compared_row *row)
{
    uint64_t values[row->count ? row->count : 1];
    for (int figure = 0; figure < VMTI_COMPARED_FIGURES && row->count; figure++) {
        for (size_t i = 0; i < row->count; i++)
            values[i] = row->runs[i][figure];
        qsort(values, row->count, sizeof *values, compare_numbers);
        row->least[figure] = values[0];
        row->median[figure] = values[(row->count - 1) / 2];
        row->most[figure] = values[row->count - 1];
    }
}

/* A program that failed has touched less than its work needs. */
static bool takes_part(const struct vmti_compared_row *row)
{
    return row->count && row->complete && row->status == 0;
}

void vmti_compared_conclude(struct vmti_compared *all)
{
    for (size_t i = 0; i < all->count; i++)
        sum_up(&all->rows[i]);
    for (int figure = 0; figure < VMTI_COMPARED_FIGURES; figure++) {
        uint64_t least = UINT64_MAX, most = 0;
        for (size_t i = 0; i < all->count; i++) {
            uint64_t median = all->rows[i].median[figure];
            if (takes_part(&all->rows[i])) {
                least = median < least ? median : least;
                most = median > most ? median : most;
            }
        }
        for (size_t i = 0; i < all->count; i++)
            all->rows[i].best[figure] =
                least < most && takes_part(&all->rows[i]) && all->rows[i].median[figure] == least;
    }
}

void vmti_compared_free(struct vmti_compared *all)
{
    for (size_t i = 0; i < all->count; i++) {
        free(all->rows[i].library);
        free(all->rows[i].runs);
    }
}

/* ------------------------------------------------------------------------------------------- text */

enum { NAME_WIDTH = 13 };

static void print_row(const struct vmti_compared_row *row, bool colour)
{
    size_t bytes = strlen(row->name);
    if (bytes > NAME_WIDTH)
        printf("...%s", row->name + bytes - (NAME_WIDTH - 3));
    else
        printf("%-*s", NAME_WIDTH, row->name);
    for (int figure = 0; figure < VMTI_COMPARED_FIGURES; figure++) {
        bool best = row->best[figure];
        if (best && colour)
            fputs("\033[1;32m", stdout);
        if (row->count)
            printf("%*" PRIu64 "%c", kinds[figure].width - 1, row->median[figure], best ? '*' : ' ');
        else
            printf("%*s", kinds[figure].width, "- ");
        if (best && colour)
            fputs("\033[0m", stdout);
    }
    if (WIFSIGNALED(row->status))
        printf(" signal %d\n", WTERMSIG(row->status));
    else
        printf(" %d\n", WEXITSTATUS(row->status));
}

/* Whether runs of the same program gave other figures, and by how much. */
static void print_spread(const struct vmti_compared_row *row)
{
    const char *before = row->name, *between = ": ";
    for (int figure = 0; figure < VMTI_COMPARED_FIGURES && row->count > 1; figure++) {
        if (row->least[figure] == row->most[figure])
            continue;
        printf("%s%s%s %" PRIu64 " to %" PRIu64, before, between, kinds[figure].title, row->least[figure],
               row->most[figure]);
        before = "";
        between = ", ";
    }
    if (!*before)
        putchar('\n');
}

int vmti_compared_print(const struct vmti_compared *all)
{
    const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");
    bool colour = isatty(STDOUT_FILENO) && !(no_colour && *no_colour) && terminal && strcmp(terminal, "dumb") != 0;
    printf("window %" PRIu64 " pages; peak set of %" PRIu64 " touches", all->window, all->tau);
    if (all->repeat > 1)
        printf("; medians of %u runs", all->repeat);
    printf("\n\n%-*s", NAME_WIDTH, "allocator");
    for (int figure = 0; figure < VMTI_COMPARED_FIGURES; figure++)
        printf("%*s ", kinds[figure].width - 1, kinds[figure].title);
    puts(" status");
    for (size_t i = 0; i < all->count; i++)
        print_row(&all->rows[i], colour);
    for (size_t i = 0; i < all->count; i++)
        print_spread(&all->rows[i]);
    for (size_t i = 0; i < all->count; i++)
        if (!all->rows[i].complete)
            printf("%s: the trace is not complete: %s\n", all->rows[i].name, all->rows[i].reason);
    return vmti_cmd_close_stdout();
}

/* ------------------------------------------------------------------------------------------- JSON */

static void set_figures(json_t **to, const struct vmti_compared_row *row, const uint64_t figures[VMTI_COMPARED_FIGURES])
{
    for (int figure = 0; figure < VMTI_COMPARED_FIGURES; figure++)
        vmti_json_put(to, kinds[figure].key, row->count ? vmti_json_count(figures[figure]) : json_null());
}

static json_t *json_row(const struct vmti_compared_row *row)
{
    json_t *o = json_object(), *least = json_object(), *most = json_object(), *best = json_array();
    bool killed = WIFSIGNALED(row->status);
    set_figures(&least, row, row->least);
    set_figures(&most, row, row->most);
    for (int figure = 0; figure < VMTI_COMPARED_FIGURES; figure++)
        if (row->best[figure])
            vmti_json_add(&best, json_string(kinds[figure].key));
    vmti_json_put(&o, "allocator", vmti_json_text(row->name));
    vmti_json_put(&o, "library", vmti_json_text(row->library));
    vmti_json_put(&o, "exit_status", killed ? json_null() : json_integer(WEXITSTATUS(row->status)));
    vmti_json_put(&o, "signal", killed ? json_integer(WTERMSIG(row->status)) : json_null());
    vmti_json_put(&o, "complete", json_boolean(row->complete && row->count));
    vmti_json_put(&o, "incomplete_reason", row->complete ? json_null() : vmti_json_text(row->reason));
    set_figures(&o, row, row->median);
    vmti_json_put(&o, "least", least);
    vmti_json_put(&o, "most", most);
    vmti_json_put(&o, "best", best);
    return o;
}

int vmti_compared_print_json(const struct vmti_compared *all, char **argv)
{
    json_t *o = json_object(), *command = json_array(), *rows = json_array();
    for (; *argv; argv++)
        vmti_json_add(&command, vmti_json_text(*argv));
    for (size_t i = 0; i < all->count; i++)
        vmti_json_add(&rows, json_row(&all->rows[i]));
    vmti_json_put(&o, "command", command);
    vmti_json_put(&o, "window_pages", vmti_json_count(all->window));
    vmti_json_put(&o, "tau", vmti_json_count(all->tau));
    vmti_json_put(&o, "repeat", vmti_json_count(all->repeat));
    vmti_json_put(&o, "allocators", rows);
    return vmti_json_print(o);
}
