/* SPDX-License-Identifier: MIT */
/* vmtrace report: what a trace says in all, for people and as JSON. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "../harness/config.h"
#include "../harness/error.h"
#include "../harness/trace_read.h"
#include "cmd.h"

static const char HELP[] =
    "NAME\n"
    "    vmtrace report - print the counts of a trace\n"
    "\n"
    "SYNOPSIS\n"
    "    vmtrace report [--json] FILE\n"
    "\n"
    "DESCRIPTION\n"
    "    Reads the trace FILE, as vmtrace run --output or a test with a trace file wrote it, and prints what it says.\n"
    "    A touch is a first access to a page that was not among the N that were open (the window); the footprint is\n"
    "    the number of distinct pages touched. Accesses to open pages are not seen.\n"
    "    A trace whose end is missing (the program or its catcher was killed, the disk was full) or that is damaged\n"
    "    is counted as far as it goes; the report says so, and what only its end could tell is \"not known\".\n"
    "\n"
    "OPTIONS\n"
    "    --json    print one JSON object with the keys below; null is what the trace does not tell\n"
    "    --help    print this\n"
    "\n"
    "JSON KEYS\n"
    "    touches, program_touches, syscall_touches   number of touches: in all, of the program's own instructions, on\n"
    "                                                behalf of system calls\n"
    "    footprint_pages       distinct pages touched\n"
    "    pages_written         distinct pages written; null without write tracking\n"
    "    pages_unchanged       ... that held at the end what they had held before; null if that was not asked for\n"
    "    live_bytes            sum over the pages touched of the most bytes of each that were in live heap blocks at once;\n"
    "                          null if that was not asked for, or the allocator's operators new do not call malloc\n"
    "    evictions, drops      pages that left the window for another; because they were unmapped, moved or discarded\n"
    "    upgrades              first writes of pages that had been opened for reading (write tracking)\n"
    "    window_pages, page_size, scope, engine, track_writes   what was traced, in pages and bytes\n"
    "    window_raised_to      window_pages, or more if threads were made that needed it\n"
    "    evict_pages           pages that left a full window at once\n"
    "    peak_open_pages       most pages open at once\n"
    "    threads               threads seen\n"
    "    threads_counted       \"all\", or \"this\": only what the thread that began the region touched is in the trace\n"
    "    threads_detail        [{index, tid, touches}] of those that touched something\n"
    "    syscalls              system calls halted\n"
    "    syscalls_walked       ... for which closed pages were opened\n"
    "    over_window_calls     ... during which more pages than the window's were open, theirs included\n"
    "    unknown_calls         ... that vmtrace has no row for (vmtrace syscalls)\n"
    "    left_open_pages       pages open from a call of io_uring_enter on: the kernel reaches them after the call\n"
    "    refused_calls         calls of io_uring_setup with IORING_SETUP_SQPOLL, which got EPERM\n"
    "    complete              is the trace whole? If not, incomplete_reason is a sentence, else null\n"
    "    end, end_code         how it ended: \"region\" (vmt_end), \"exit\" with an exit status, \"signal\" with its\n"
    "                          number, \"exec\" (the program replaced itself), \"lost\" with a negative errno,\n"
    "                          \"unwritten\" (the trace could not be written to its end) with a negative errno\n"
    "    command               program and arguments\n"
    "    start_time            ISO 8601, UTC\n"
    "    duration_ns           nanoseconds\n"
    "    top_allocations       the 10 with the most pages touched: [{allocation, pages, bytes, site, label}]: ordinal\n"
    "                          from 1, pages touched, bytes asked for, where it was allocated (file+offset in that\n"
    "                          file, or an address), label of vmt_track() or null\n"
    "\n"
    "EXIT STATUS\n"
    "    0 FILE is a trace, whole or not; 1 it cannot be read, or the output not be written; 2 unknown option.\n"
    "\n"
    "EXAMPLES\n"
    "    vmtrace report sort.vmt\n"
    "    vmtrace report --json sort.vmt | jq .footprint_pages\n";

enum { TOP_ALLOCATIONS = 10, SITE_BYTES = 300 };

static const char *const end_names[] = {"region", "exit", "signal", "exec", "lost", "unwritten"};

struct report {
    const struct vmti_trace_header *header;
    const char *command;
    const struct vmti_trace_summary *summary;
    const struct vmti_trace_trailer *trailer; /* NULL: the trace has none */
    const struct vmti_trace_owner *top[TOP_ALLOCATIONS];
    size_t top_count;
};

/* ------------------------------------------------------------------------------------------- derived values */

static bool is_before(const struct vmti_trace_owner *a, const struct vmti_trace_owner *b)
{
    return a->touched != b->touched ? a->touched > b->touched : a->index < b->index;
}

/* The allocations with the most pages touched; the older first among equals. */
static void find_top(struct report *report)
{
    const struct vmti_page_owners *owners = &report->summary->owners;
    for (size_t i = 0; i < owners->count; i++) {
        const struct vmti_trace_owner *owner = &owners->owners[i];
        if (!owner->touched)
            continue;
        size_t at = report->top_count;
        while (at > 0 && is_before(owner, report->top[at - 1]))
            at--;
        if (at == TOP_ALLOCATIONS)
            continue;
        if (report->top_count < TOP_ALLOCATIONS)
            report->top_count++;
        memmove(&report->top[at + 1], &report->top[at], (report->top_count - at - 1) * sizeof *report->top);
        report->top[at] = owner;
    }
}

/* "module+0xoff", or the address. */
static const char *site_name(const struct vmti_trace_summary *summary, uint64_t site, char text[SITE_BYTES])
{
    for (size_t i = summary->module_count; i-- > 0;) { /* the last one mapped there */
        const struct vmti_trace_module *module = &summary->modules[i];
        if (site < module->start || site >= module->end)
            continue;
        const char *slash = strrchr(module->path, '/');
        snprintf(text, SITE_BYTES, "%.255s+0x%" PRIx64, slash ? slash + 1 : module->path,
                 site - module->start + module->offset);
        return text;
    }
    snprintf(text, SITE_BYTES, "0x%" PRIx64, site);
    return text;
}

static void format_time(uint64_t realtime_ns, char *text, size_t bytes)
{
    time_t seconds = (time_t)(realtime_ns / 1000000000u);
    struct tm tm;
    gmtime_r(&seconds, &tm); /* 64 bits of nanoseconds end in the year 2554 */
    size_t n = strftime(text, bytes, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + n, bytes - n, ".%09uZ", (unsigned)(realtime_ns % 1000000000u));
}

static bool has_live_bytes(const struct report *report)
{
    const struct vmti_trace_trailer *t = report->trailer;
    return t && report->header->flags & VMTI_TRACE_HAS_LIVE && t->live_bytes != VMTI_TRACE_NO_LIVE_BYTES;
}

static uint64_t duration_ns(const struct report *report)
{
    uint64_t unit = report->header->time_unit_ns, time = report->trailer->end_time;
    return time > UINT64_MAX / unit ? UINT64_MAX : time * unit;
}

/* ------------------------------------------------------------------------------------------- text */

static void print_quoted(const char *text)
{
    bool plain = *text && !strpbrk(text, " \t\n\"'\\$`*?;&|<>()");
    if (!plain)
        putchar('"');
    for (; *text; text++) {
        if (*text == '"')
            putchar('\\');
        vmti_cmd_put_text(stdout, text, 1, false);
    }
    if (!plain)
        putchar('"');
}

static void print_end(const struct vmti_trace_trailer *trailer)
{
    switch (trailer ? trailer->end : (uint32_t)-1) {
    case VMTI_END_REGION:
        puts("end             vmt_end");
        break;
    case VMTI_END_EXIT:
        printf("end             the program exited with status %" PRId32 "\n", trailer->end_code);
        break;
    case VMTI_END_SIGNAL:
        printf("end             signal %" PRId32 " killed the program\n", trailer->end_code);
        break;
    case VMTI_END_EXEC:
        puts("end             the program replaced itself by execve; what ran then is not in the trace");
        break;
    case VMTI_END_LOST:
        puts("end             the region was given up");
        break;
    case VMTI_END_UNWRITTEN:
        puts("end             not known: the trace could not be written to its end");
        break;
    default:
        puts("end             not known");
    }
}

static void print_text(const struct report *report)
{
    const struct vmti_trace_summary *s = report->summary;
    const struct vmti_trace_header *h = report->header;
    const struct vmti_trace_trailer *t = report->trailer;
    char text[SITE_BYTES];

    printf("command        ");
    for (const char *at = report->command, *end = at + h->command_bytes; at < end; at += strlen(at) + 1) {
        putchar(' ');
        print_quoted(at);
    }
    format_time(h->start_realtime_ns, text, sizeof text);
    printf("\nstart           %s\n", text);
    if (t)
        printf("duration        %.6f s\n", (double)duration_ns(report) / 1e9);
    print_end(t);
    printf("complete        %s%s\n", s->complete ? "yes" : "no: ", s->reason);
    printf("window          %" PRIu64 " pages of %" PRIu32 " bytes", h->window, h->page_size);
    if (t && t->room > h->window)
        printf(", raised to %" PRIu64 " for the number of threads", t->room);
    if (h->evict > 1)
        printf("; %u leave it at once", h->evict);
    putchar('\n');
    printf("scope           %s\n", vmti_scope_name((vmt_scope)h->scope));
    printf("engine          %s\n", vmti_engine_name((vmt_engine)h->engine));
    printf("touches         %" PRIu64 ": %" PRIu64 " by the program, %" PRIu64 " by system calls\n", s->touches,
           s->program_touches, s->syscall_touches);
    printf("footprint       %" PRIu64 " pages (%" PRIu64 " KiB)\n", s->footprint, s->footprint * (h->page_size / 1024));
    if (h->flags & VMTI_TRACE_HAS_WRITES)
        printf("pages written   %" PRIu64 " (%" PRIu64 " upgrades)\n", s->pages_written, s->upgrades);
    else
        puts("pages written   not tracked");
    if ((h->flags & VMTI_TRACE_HAS_CONTENT) && t)
        printf("unchanged       %" PRIu64 " of the pages written hold what they held before\n", t->pages_unchanged);
    if (has_live_bytes(report))
        printf("live bytes      %" PRIu64 " of %" PRIu64 " that these pages hold\n", t->live_bytes, s->footprint * h->page_size);
    printf("evictions       %" PRIu64 "\n", s->evictions);
    printf("drops           %" PRIu64 "\n", s->drops);
    if (t) {
        printf("peak open       %" PRIu64 " pages\n", t->peak_open);
        printf("system calls    %" PRIu64 " halted, %" PRIu64 " walked, %" PRIu64 " not in the table\n", t->syscalls,
               t->syscalls_walked, t->unknown_calls);
        printf("over the window %" PRIu64 " system calls, for whose memory it was exceeded\n", t->over_window);
        char text[256];
        if (t->left_open) {
            vmti_left_open_text(text, sizeof text, t->left_open);
            printf("left open       %s\n", text);
        }
        if (t->refused_calls) {
            vmti_refused_text(text, sizeof text, t->refused_calls);
            printf("refused         %s\n", text);
        }
        printf("threads         %" PRIu64 "%s\n", t->threads,
               h->flags & VMTI_TRACE_HAS_ONE_THREAD ? ", of which the one that began the region counts" : "");
    } else {
        puts("peak open       not known");
        puts("system calls    not known");
        puts("threads         not known");
    }
    for (size_t i = 0; i < s->thread_count; i++)
        printf("  thread %-6" PRIu32 " %10" PRIu64 " touches, tid %" PRIu32 "\n", s->threads[i].index,
               s->threads[i].touches, s->threads[i].tid);
    if (report->top_count)
        puts("most pages touched, by allocation");
    for (size_t i = 0; i < report->top_count; i++) {
        const struct vmti_trace_owner *owner = report->top[i];
        printf("  #%-12" PRIu32 " %10" PRIu64 " pages, %" PRIu64 " bytes", owner->index, owner->touched, owner->bytes);
        if (owner->site) {
            printf(", from ");
            site_name(s, owner->site, text);
            vmti_cmd_put_text(stdout, text, strlen(text), false);
        }
        if (*owner->label) {
            printf(", label ");
            print_quoted(owner->label);
        }
        putchar('\n');
    }
}

/* ------------------------------------------------------------------------------------------- JSON */

/* A JSON object; building it has failed for good if `object` is NULL. */
struct object {
    json_t *object;
};

static void set(struct object *to, const char *key, json_t *value)
{
    if (to->object && json_object_set_new(to->object, key, value) < 0) { /* takes NULL for the failure that it is */
        json_decref(to->object);
        to->object = NULL;
    } else if (!to->object) {
        json_decref(value);
    }
}

/* JSON integers of Jansson are signed; no honest count comes near. */
static json_t *number(uint64_t n)
{
    return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

/* Text of a trace can be any bytes; JSON is UTF-8. In text that is not, each byte that is not ASCII becomes U+FFFD. */
static json_t *string(const char *text)
{
    json_t *value = json_string(text);
    if (value)
        return value;
    size_t bytes = strlen(text);
    char *clean = malloc(bytes * 3 + 1), *at = clean;
    if (!clean)
        return NULL;
    for (size_t i = 0; i < bytes; i++) {
        if ((unsigned char)text[i] < 0x80) {
            *at++ = text[i];
        } else {
            memcpy(at, "\xef\xbf\xbd", 3);
            at += 3;
        }
    }
    *at = '\0';
    value = json_string(clean);
    free(clean);
    return value;
}

static json_t *json_command(const struct report *report)
{
    json_t *array = json_array();
    for (const char *at = report->command, *end = at + report->header->command_bytes; array && at < end;
         at += strlen(at) + 1)
        if (json_array_append_new(array, string(at)) < 0) {
            json_decref(array);
            array = NULL;
        }
    return array;
}

static json_t *json_threads(const struct vmti_trace_summary *summary)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < summary->thread_count; i++) {
        const struct vmti_trace_thread *thread = &summary->threads[i];
        struct object object = {json_object()};
        set(&object, "index", number(thread->index));
        set(&object, "tid", thread->tid ? number(thread->tid) : json_null());
        set(&object, "touches", number(thread->touches));
        if (json_array_append_new(array, object.object) < 0) {
            json_decref(array);
            array = NULL;
        }
    }
    return array;
}

static json_t *json_top(const struct report *report)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < report->top_count; i++) {
        const struct vmti_trace_owner *owner = report->top[i];
        char text[SITE_BYTES];
        struct object object = {json_object()};
        set(&object, "allocation", number(owner->index));
        set(&object, "pages", number(owner->touched));
        set(&object, "bytes", number(owner->bytes));
        set(&object, "site", owner->site ? string(site_name(report->summary, owner->site, text)) : json_null());
        set(&object, "label", *owner->label ? string(owner->label) : json_null());
        if (json_array_append_new(array, object.object) < 0) {
            json_decref(array);
            array = NULL;
        }
    }
    return array;
}

/* 0 or -ENOMEM. */
static int print_json(const struct report *report)
{
    const struct vmti_trace_summary *s = report->summary;
    const struct vmti_trace_header *h = report->header;
    const struct vmti_trace_trailer *t = report->trailer;
    bool writes = h->flags & VMTI_TRACE_HAS_WRITES;
    char time[64];
    format_time(h->start_realtime_ns, time, sizeof time);
    struct object o = {json_object()};
    set(&o, "touches", number(s->touches));
    set(&o, "program_touches", number(s->program_touches));
    set(&o, "syscall_touches", number(s->syscall_touches));
    set(&o, "footprint_pages", number(s->footprint));
    set(&o, "pages_written", writes ? number(s->pages_written) : json_null());
    set(&o, "pages_unchanged", t && h->flags & VMTI_TRACE_HAS_CONTENT ? number(t->pages_unchanged) : json_null());
    set(&o, "live_bytes", has_live_bytes(report) ? number(t->live_bytes) : json_null());
    set(&o, "evictions", number(s->evictions));
    set(&o, "drops", number(s->drops));
    set(&o, "upgrades", number(s->upgrades));
    set(&o, "window_pages", number(h->window));
    set(&o, "window_raised_to", t ? number(t->room) : json_null());
    set(&o, "evict_pages", number(h->evict));
    set(&o, "page_size", number(h->page_size));
    set(&o, "scope", json_string(vmti_scope_name((vmt_scope)h->scope)));
    set(&o, "engine", json_string(vmti_engine_name((vmt_engine)h->engine)));
    set(&o, "track_writes", json_boolean(writes));
    set(&o, "peak_open_pages", t ? number(t->peak_open) : json_null());
    set(&o, "threads", t ? number(t->threads) : json_null());
    set(&o, "threads_counted", json_string(h->flags & VMTI_TRACE_HAS_ONE_THREAD ? "this" : "all"));
    set(&o, "threads_detail", json_threads(s));
    set(&o, "syscalls", t ? number(t->syscalls) : json_null());
    set(&o, "syscalls_walked", t ? number(t->syscalls_walked) : json_null());
    set(&o, "over_window_calls", t ? number(t->over_window) : json_null());
    set(&o, "unknown_calls", t ? number(t->unknown_calls) : json_null());
    set(&o, "left_open_pages", t ? number(t->left_open) : json_null());
    set(&o, "refused_calls", t ? number(t->refused_calls) : json_null());
    set(&o, "complete", json_boolean(s->complete));
    set(&o, "incomplete_reason", s->complete ? json_null() : string(s->reason));
    set(&o, "end", t ? json_string(end_names[t->end]) : json_null());
    set(&o, "end_code", t ? json_integer(t->end_code) : json_null());
    set(&o, "command", json_command(report));
    set(&o, "start_time", json_string(time));
    set(&o, "duration_ns", t ? number(duration_ns(report)) : json_null());
    set(&o, "top_allocations", json_top(report));
    if (!o.object)
        return -ENOMEM;
    json_dumpf(o.object, stdout, JSON_INDENT(2)); /* its failures are stdout's */
    putchar('\n');
    int output = errno;
    json_decref(o.object);
    errno = output;
    return 0;
}

/* ------------------------------------------------------------------------------------------- command */

static int print_report(const char *path, bool json)
{
    struct vmti_trace_reader reader;
    struct vmti_trace_summary summary = {0};
    int status = VMTI_EXIT_FAILED;
    if (vmti_trace_read_file(&reader, path) < 0) {
        vmti_cmd_error("cannot read %s: %s", path, reader.reason);
    } else if (vmti_trace_summarize(&reader, &summary) < 0) {
        vmti_cmd_error("cannot read %s: %s", path, summary.reason);
    } else {
        struct report report = {
            .header = &reader.header,
            .command = reader.command,
            .summary = &summary,
            .trailer = summary.has_trailer ? &summary.trailer : NULL,
        };
        find_top(&report);
        int error = 0;
        if (json)
            error = print_json(&report);
        else
            print_text(&report);
        if (error)
            vmti_cmd_error("cannot report on %s: no memory was left", path);
        else
            status = vmti_cmd_close_stdout();
    }
    vmti_trace_summary_free(&summary);
    vmti_trace_read_close(&reader);
    return status;
}

int vmti_cmd_report(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    bool json = false;
    int option;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(HELP, stdout);
            return vmti_cmd_close_stdout();
        }
        if (option != 'j') {
            vmti_cmd_option_error(option, argv, "--json and --help");
            return VMTI_EXIT_USAGE;
        }
        json = true;
    }
    const char *path = vmti_cmd_file_operand(argc, argv);
    return path ? print_report(path, json) : VMTI_EXIT_USAGE;
}
