/* SPDX-License-Identifier: MIT */
/* What was found about a trace, for people at a terminal. */
#define _GNU_SOURCE
#include "formats.h"

#include <inttypes.h>
#include <string.h>

#include "../harness/config.h"
#include "../harness/error.h"
#include "cmd.h"

enum { HEAT_ROWS = 24, TOP_GROUPS = 10 };

static void print_quoted(const char *text, FILE *out)
{
    bool plain = *text && !strpbrk(text, " \t\n\"'\\$`*?;&|<>()");
    if (!plain)
        putc('"', out);
    for (; *text; text++) {
        if (*text == '"')
            putc('\\', out);
        vmti_cmd_put_text(out, text, 1, false);
    }
    if (!plain)
        putc('"', out);
}

/* ------------------------------------------------------------------------------------------- counts */

static void print_end(const struct vmti_trace_trailer *trailer, FILE *out)
{
    switch (trailer ? trailer->end : (uint32_t)-1) {
    case VMTI_END_REGION:
        fputs("end             vmt_end\n", out);
        break;
    case VMTI_END_EXIT:
        fprintf(out, "end             the program exited with status %" PRId32 "\n", trailer->end_code);
        break;
    case VMTI_END_SIGNAL:
        fprintf(out, "end             signal %" PRId32 " killed the program\n", trailer->end_code);
        break;
    case VMTI_END_EXEC:
        fputs("end             the program replaced itself by execve; what ran then is not in the trace\n", out);
        break;
    case VMTI_END_LOST:
        fputs("end             the region was given up\n", out);
        break;
    case VMTI_END_UNWRITTEN:
        fputs("end             not known: the trace could not be written to its end\n", out);
        break;
    default:
        fputs("end             not known\n", out);
    }
}

static void print_header(const struct vmti_study *study, FILE *out)
{
    const struct vmti_trace_summary *s = &study->summary;
    const struct vmti_trace_header *h = &study->reader.header;
    const struct vmti_trace_trailer *t = study->trailer;
    char time[64];
    fputs("command        ", out);
    for (const char *at = study->reader.command, *end = at + h->command_bytes; at < end; at += strlen(at) + 1) {
        putc(' ', out);
        print_quoted(at, out);
    }
    vmti_study_start_time(study, time, sizeof time);
    fprintf(out, "\nstart           %s\n", time);
    if (t)
        fprintf(out, "duration        %.6f s\n", (double)vmti_study_duration_ns(study) / 1e9);
    print_end(t, out);
    fprintf(out, "complete        %s%s\n", s->complete ? "yes" : "no: ", s->reason);
    fprintf(out, "window          %" PRIu64 " pages of %" PRIu32 " bytes", h->window, h->page_size);
    if (t && t->room > h->window)
        fprintf(out, ", raised to %" PRIu64 " for the number of threads", t->room);
    if (h->evict > 1)
        fprintf(out, "; %u leave it at once", h->evict);
    fprintf(out, "\nscope           %s\n", vmti_scope_name((vmt_scope)h->scope));
    fprintf(out, "engine          %s\n", vmti_engine_name((vmt_engine)h->engine));
}

static void print_counts(const struct vmti_study *study, FILE *out)
{
    const struct vmti_trace_summary *s = &study->summary;
    const struct vmti_trace_header *h = &study->reader.header;
    fprintf(out, "touches         %" PRIu64 ": %" PRIu64 " by the program, %" PRIu64 " by system calls\n", s->touches,
            s->program_touches, s->syscall_touches);
    fprintf(out, "footprint       %" PRIu64 " pages (%" PRIu64 " KiB)\n", s->footprint,
            s->footprint * (h->page_size / 1024));
    fprintf(out, "touched once    %" PRIu64 " pages\n", study->pages_once);
    if (vmti_study_has_writes(study))
        fprintf(out, "pages written   %" PRIu64 " (%" PRIu64 " upgrades)\n", s->pages_written, s->upgrades);
    else
        fputs("pages written   not tracked\n", out);
    if (study->trailer && study->reader.header.flags & VMTI_TRACE_HAS_CONTENT)
        fprintf(out, "unchanged       %" PRIu64 " of the pages written hold what they held before\n",
                study->trailer->pages_unchanged);
    if (vmti_study_has_live_bytes(study))
        fprintf(out, "live bytes      %" PRIu64 " of %" PRIu64 " that these pages hold\n", study->trailer->live_bytes,
                s->footprint * h->page_size);
    fprintf(out, "evictions       %" PRIu64 "\n", s->evictions);
    fprintf(out, "drops           %" PRIu64 "\n", s->drops);
    fprintf(out, "fingerprint     %016" PRIx64 "\n", study->fingerprint);
}

static void print_calls_and_threads(const struct vmti_study *study, FILE *out)
{
    const struct vmti_trace_summary *s = &study->summary;
    const struct vmti_trace_trailer *t = study->trailer;
    char text[256];
    if (t) {
        fprintf(out, "peak open       %" PRIu64 " pages\n", t->peak_open);
        fprintf(out, "system calls    %" PRIu64 " halted, %" PRIu64 " walked, %" PRIu64 " not in the table\n",
                t->syscalls, t->syscalls_walked, t->unknown_calls);
        fprintf(out, "over the window %" PRIu64 " system calls, for whose memory it was exceeded\n", t->over_window);
        if (t->left_open) {
            vmti_left_open_text(text, sizeof text, t->left_open);
            fprintf(out, "left open       %s\n", text);
        }
        if (t->refused_calls) {
            vmti_refused_text(text, sizeof text, t->refused_calls);
            fprintf(out, "refused         %s\n", text);
        }
        fprintf(out, "threads         %" PRIu64 "%s\n", t->threads,
                study->reader.header.flags & VMTI_TRACE_HAS_ONE_THREAD
                    ? ", of which the one that began the region counts"
                    : "");
    } else {
        fputs("peak open       not known\n", out);
        fputs("system calls    not known\n", out);
        fputs("threads         not known\n", out);
    }
    for (size_t i = 0; i < s->thread_count; i++)
        fprintf(out, "  thread %-6" PRIu32 " %10" PRIu64 " touches, tid %" PRIu32 "\n", s->threads[i].index,
                s->threads[i].touches, s->threads[i].tid);
}

static void print_top(const struct vmti_study *study, FILE *out)
{
    if (study->top_count)
        fputs("most pages touched, by allocation\n", out);
    for (size_t i = 0; i < study->top_count; i++) {
        const struct vmti_trace_owner *owner = study->top[i];
        fprintf(out, "  #%-12" PRIu32 " %10" PRIu64 " pages, %" PRIu64 " bytes", owner->index, owner->touched,
                owner->bytes);
        if (owner->site) {
            fputs(", from ", out);
            const char *site = vmti_study_site(study, owner->site);
            vmti_cmd_put_text(out, site, strlen(site), false);
        }
        if (*owner->label) {
            fputs(", label ", out);
            print_quoted(owner->label, out);
        }
        putc('\n', out);
    }
}

/* ------------------------------------------------------------------------------------------- figures */

static void print_group_name(const struct vmti_study *study, enum vmti_grouping by, const struct vmti_group_key *key,
                             FILE *out)
{
    if (by == VMTI_BY_THREAD) {
        fprintf(out, "%" PRIu64 ", tid %" PRIu32, key->number, vmti_study_tid(study, key->number));
    } else if (by == VMTI_BY_SITE) {
        const char *site = key->number ? vmti_study_site(study, key->number) : "not known";
        vmti_cmd_put_text(out, site, strlen(site), false);
    } else {
        print_quoted(key->name, out);
    }
}

static void print_groups(const struct vmti_study *study, enum vmti_grouping by, FILE *out)
{
    const struct vmti_study_groups *groups = &study->by[by];
    if (!groups->count)
        return;
    fprintf(out, "\nby %-8s %12s %12s %12s\n", vmti_grouping_name(by), "pages", "touches", "1 % memory");
    for (size_t i = 0; i < groups->count && i < TOP_GROUPS; i++) {
        const struct vmti_study_group *group = &groups->groups[i];
        fprintf(out, "%-11s %12" PRIu64 " %12" PRIu64 " %12" PRIu64 "  ", "", group->pages, group->touches,
                group->memory);
        print_group_name(study, by, &group->key, out);
        putc('\n', out);
    }
    if (groups->count > TOP_GROUPS)
        fprintf(out, "  and %zu more\n", groups->count - TOP_GROUPS);
}

static bool is_power_of_two(uint64_t n)
{
    return (n & (n - 1)) == 0;
}

static void print_points(const struct vmti_study *study, FILE *out)
{
    fprintf(out, "\nmisses of an LRU memory; in brackets, those of all accesses of the program\n%12s %12s %8s\n",
            "pages", "misses", "ratio");
    for (size_t i = 0; i < study->point_count; i++) {
        const struct vmti_study_point *p = &study->points[i];
        if (!is_power_of_two(p->memory) && i + 1 < study->point_count)
            continue;
        fprintf(out, "%12" PRIu64 " %12" PRIu64 " %6.2f %%", p->memory, p->misses,
                100 * (double)p->misses / (double)study->summary.touches);
        if (p->bounded)
            fprintf(out, "   [%" PRIu64 " to %" PRIu64 "]", p->low, p->high);
        putc('\n', out);
    }
    if (study->unbounded)
        fprintf(out, "not known for all accesses: %s\n", study->unbounded);
    else
        fprintf(out, "known for all accesses from %" PRIu64 " pages on\n", study->bounded_from);
    fprintf(out, "%" PRIu64 " pages of memory miss at most 1 %% of the touches, beyond the first of each page\n",
            study->memory);
}

static void print_sets(const struct vmti_study *study, FILE *out)
{
    fprintf(out, "\nworking set: distinct pages among the last touches\n%12s %12s %12s\n", "touches", "average",
            "peak");
    for (size_t i = 0; i < study->set_count; i++) {
        const struct vmti_study_set *set = &study->sets[i];
        if (!is_power_of_two(set->tau) && i + 1 < study->set_count)
            continue;
        fprintf(out, "%12" PRIu64 " %12.1f", set->tau, set->average);
        if (set->has_peak)
            fprintf(out, " %12" PRIu64, set->peak);
        putc('\n', out);
    }
}

/* After a number of touches: a bar, as long as its share of the most, and the line's end. */
static void print_bar(uint64_t touches, uint64_t most, FILE *out)
{
    static const char bar[] = "########################################";
    int length = (int)((double)touches / (double)most * (sizeof bar - 1) + 0.5);
    fprintf(out, "%s%.*s\n", length ? "  " : "", length, bar);
}

static void print_reuse(const struct vmti_study *study, FILE *out)
{
    uint64_t most = study->summary.footprint;
    for (size_t i = 0; i < study->reuse_count; i++)
        if (study->reuse[i].touches > most)
            most = study->reuse[i].touches;
    fprintf(out, "\nreuse distance: distinct pages since the last touch of the page, itself included\n%25s %12s\n",
            "pages", "touches");
    for (size_t i = 0; i < study->reuse_count; i++) {
        const struct vmti_study_bin *bin = &study->reuse[i];
        bool wide = bin->from < bin->to;
        fprintf(out, "%12" PRIu64 "%s%-10.0" PRIu64 " %12" PRIu64, bin->from, wide ? " - " : "   ", wide ? bin->to : 0,
                bin->touches);
        print_bar(bin->touches, most, out);
    }
    fprintf(out, "%25s %12" PRIu64, "first touch", study->summary.footprint);
    print_bar(study->summary.footprint, most, out);
}

int vmti_report_text(struct vmti_study *study, FILE *out)
{
    int error = vmti_study_walk(study, vmti_report_columns(out) - VMTI_HEAT_MARGIN, HEAT_ROWS);
    if (error)
        return error;
    print_header(study, out);
    print_counts(study, out);
    print_calls_and_threads(study, out);
    print_top(study, out);
    if (!study->summary.touches)
        return 0; /* the rest is about touches */
    vmti_report_heat(study, out, vmti_report_colours(out));
    print_points(study, out);
    print_sets(study, out);
    print_reuse(study, out);
    for (unsigned by = 0; by < VMTI_GROUPINGS; by++)
        print_groups(study, (enum vmti_grouping)by, out);
    return 0;
}
