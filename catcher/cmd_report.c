/* SPDX-License-Identifier: MIT */
/* vmtrace report: what a trace says in all, in the form that was asked for. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cmd.h"
#include "formats.h"

static const char HELP[] =
    "NAME\n"
    "    vmtrace report - say what is in a trace: counts, pictures, curves and tables\n"
    "\n"
    "SYNOPSIS\n"
    "    vmtrace report [--format=FORMAT | --json | --html] [-o OUTPUT] FILE\n"
    "    vmtrace report --html [-o OUTPUT] --against OTHER FILE\n"
    "\n"
    "DESCRIPTION\n"
    "    Reads the trace FILE, as vmtrace run --output or a test with a trace file wrote it, and prints what it says.\n"
    "    A touch is a first access to a page that was not among the N that were open (the window); the footprint is\n"
    "    the number of distinct pages touched. Accesses to open pages are not seen.\n"
    "    A trace whose end is missing (the program or its catcher was killed, the disk was full) or that is damaged\n"
    "    is counted as far as it goes; the report says so, and what only its end could tell is \"not known\".\n"
    "\n"
    "OPTIONS\n"
    "    --format=FORMAT   one of those below; text without it\n"
    "    --json, --html    --format=json, --format=html\n"
    "    --against OTHER   html: lay the trace OTHER beside FILE; differences are FILE less OTHER\n"
    "    -o, --output OUTPUT   write to that file, not to standard output\n"
    "    --help            print this\n"
    "\n"
    "FORMATS\n"
    "    text       counts, the walk through memory as a picture, curves and tables as columns. Colours where the\n"
    "               output is a terminal that has them, unless NO_COLOR is set; $COLUMNS is the width\n"
    "    html       one page with the walk, the curves and the tables to look at in a browser. It loads nothing, and\n"
    "               is smaller than 5 MB whatever the trace's length\n"
    "    json       one JSON object with the keys below; null is what the trace does not tell\n"
    "    csv        a row for each touch, after one with the columns' names: number from 1, nanoseconds since the\n"
    "               start, thread, read or write (empty without --writes), by the program or a syscall, address,\n"
    "               allocation and page in it, label, site, pages evicted for it, phase. Fields are quoted as RFC\n"
    "               4180 says; lines end with a line feed\n"
    "    tsv        the walk in at most 1,000 bins of time and 600 rows of neighbouring pages, tab-separated, with a\n"
    "               comment that says how to plot it with gnuplot\n"
    "    chrome     Chrome's trace events, for https://ui.perfetto.dev: phases and threads as slices, touches and\n"
    "               evictions as counters in 2,000 bins of time\n"
    "    collapsed  \"frame;frame pages\" a line, for flamegraph.pl, speedscope and Perfetto: the pages touched, each\n"
    "               once, by the calls that allocated them; of these, without vmtrace run --stacks, only the last is\n"
    "               known, the site\n"
    "    bencher    Bencher Metric Format, a JSON object for bencher.dev: the benchmark is FILE's name without .vmt\n"
    "\n"
    "CURVES\n"
    "    The touches are what a FIFO of N pages misses, so the miss-ratio curve, the working sets and the reuse\n"
    "    distances are of the touches. For all accesses of the program the misses of an LRU memory of m pages are\n"
    "    between those of m + N - 1 and m - N + 1 pages on the curve, from 3 N - 2 pages on. That holds for a strict\n"
    "    FIFO alone, and is left out where --evict, system calls or the number of threads made it another.\n"
    "\n"
    "JSON KEYS\n"
    "    touches, program_touches, syscall_touches   number of touches: in all, of the program's own instructions, on\n"
    "                                                behalf of system calls\n"
    "    footprint_pages       distinct pages touched\n"
    "    pages_once            ... of which were touched once\n"
    "    pages_written         distinct pages written; null without write tracking\n"
    "    pages_unchanged       ... that held at the end what they had held before; null if that was not asked for\n"
    "    live_bytes            sum over the pages touched of the most bytes of each that were in live heap blocks\n"
    "                          at once; null if that was not asked for, or the allocator's operators new do not\n"
    "                          call malloc\n"
    "    evictions, drops      pages that left the window for another; because they were unmapped, moved or discarded\n"
    "    upgrades              first writes of pages that had been opened for reading (write tracking)\n"
    "    window_pages, page_size, scope, engine, track_writes   what was traced, in pages and bytes\n"
    "    window_raised_to      window_pages, or more if threads were made that needed it\n"
    "    evict_pages           pages that left a full window at once\n"
    "    peak_open_pages       most pages open at once\n"
    "    threads               threads seen\n"
    "    threads_counted       \"all\", or \"this\": only what the thread that began the region touched is in the\n"
    "                          trace\n"
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
    "                          from 1, pages touched, bytes asked for, where it was allocated (function and line, as\n"
    "                          far as they are known, else file+offset in that file, or an address), label of\n"
    "                          vmt_track() or null\n"
    "    fingerprint           of the order of the touches, pages named by allocation and offset, in hexadecimal\n"
    "    memory_1_percent      smallest LRU memory whose misses, beyond the first touch of each page, are at most 1 %\n"
    "                          of the touches, in pages; null without touches\n"
    "    miss_ratio_curve      [{memory_pages, misses, miss_ratio, low, high}]: an LRU memory's misses of the\n"
    "                          touches, and bounds of those of all accesses; null where there are none\n"
    "    bounds_from_pages     the smallest memory that has bounds; or null, and no_bounds_reason is a sentence\n"
    "    working_set           [{tau, average_pages, peak_pages}]: distinct pages among the last tau touches; the\n"
    "                          peak is null for a tau that is no power of two\n"
    "    reuse_distances       [{from, to, touches}]: touches of pages that were last touched so many distinct pages\n"
    "                          ago, the page included. With footprint_pages, the first touches, they are all touches\n"
    "    by_site, by_label, by_thread, by_phase   [{pages, touches, memory_1_percent}] of the touches with the same\n"
    "                          site (null: not known), label, thread and tid, or phase (vmt_mark()). What has no\n"
    "                          label or phase is left out\n"
    "\n"
    "EXIT STATUS\n"
    "    0 FILE is a trace, whole or not; 1 it cannot be read, or the output not be written; 2 unknown option or\n"
    "    value.\n"
    "\n"
    "EXAMPLES\n"
    "    vmtrace report sort.vmt\n"
    "    vmtrace report --html sort.vmt -o sort.html\n"
    "    vmtrace report --html --against before.vmt after.vmt -o difference.html\n"
    "    vmtrace report --json sort.vmt | jq .footprint_pages\n"
    "    vmtrace report --format=collapsed sort.vmt | flamegraph.pl --countname pages >sort.svg\n";

static const struct format {
    const char *name;
    int (*write)(struct vmti_study *study, FILE *out);
    bool figures; /* needs them */
} formats[] = {
    {"text", vmti_report_text, true},
    {"html", vmti_report_html, true},
    {"json", vmti_report_json, true},
    {"csv", vmti_report_csv, false},
    {"tsv", vmti_report_tsv, false},
    {"chrome", vmti_report_chrome, false},
    {"collapsed", vmti_report_collapsed, false},
    {"bencher", vmti_report_bencher, true},
};

/* NULL: there is no such format. */
static const struct format *find_format(const char *name)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}

struct request {
    const struct format *format;
    const char *output;  /* NULL: standard output */
    const char *against; /* NULL: none */
};

static bool is_same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Standard output becomes the file that was asked for. */
static bool open_output(const struct request *request, const char *path)
{
    if (!request->output)
        return true;
    if (is_same_file(request->output, path) || (request->against && is_same_file(request->output, request->against)))
        vmti_cmd_error("option --output is \"%s\", which is the trace: name another file", request->output);
    else if (!freopen(request->output, "w", stdout))
        vmti_cmd_error("cannot write to %s: %s", request->output, strerror(errno));
    else
        return true;
    return false;
}

static int close_output(const struct request *request)
{
    if (!request->output)
        return vmti_cmd_close_stdout();
    bool failed = ferror(stdout);
    if (fclose(stdout) == 0 && !failed)
        return 0;
    vmti_cmd_error("cannot write to %s: %s", request->output, strerror(errno));
    return VMTI_EXIT_FAILED;
}

static bool find_figures(struct vmti_study *study, const char *path, bool wanted)
{
    if (vmti_study_open(study, path) == 0 && (!wanted || vmti_study_figures(study) == 0))
        return true;
    vmti_cmd_error("%s", study->reason);
    return false;
}

static int print_report(const struct request *request, const char *path)
{
    struct vmti_study study = {0}, against = {0};
    int status = VMTI_EXIT_FAILED;
    /* The reports come first, so that what cannot be read leaves an output that was there as it was. */
    if (find_figures(&study, path, request->format->figures) &&
        (!request->against || find_figures(&against, request->against, true)) && open_output(request, path)) {
        errno = 0;
        int error = request->against ? vmti_report_html_against(&study, &against, stdout) :
                                       request->format->write(&study, stdout);
        status = close_output(request);
        if (!status && error) {
            vmti_cmd_error("%s", study.reason);
            status = VMTI_EXIT_FAILED;
        }
    }
    vmti_study_free(&study);
    vmti_study_free(&against);
    return status;
}

/* Takes the options. -1, or the exit status. */
static int parse_options(int argc, char **argv, struct request *request)
{
    static const struct option options[] = {
        {"format", required_argument, NULL, 'f'},
        {"json", no_argument, NULL, 'j'},
        {"html", no_argument, NULL, 'w'},
        {"against", required_argument, NULL, 'a'},
        {"output", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    int option;
    while ((option = getopt_long(argc, argv, ":ho:", options, NULL)) != -1) {
        switch (option) {
        case 'h':
            fputs(HELP, stdout);
            return vmti_cmd_close_stdout();
        case 'j':
            request->format = find_format("json");
            break;
        case 'w':
            request->format = find_format("html");
            break;
        case 'a':
            request->against = optarg;
            if (*optarg)
                break;
            vmti_cmd_error("option --against needs the name of a trace, not \"\"");
            return VMTI_EXIT_USAGE;
        case 'o':
            request->output = optarg;
            if (*optarg)
                break;
            vmti_cmd_error("option --output needs the name of a file, not \"\"");
            return VMTI_EXIT_USAGE;
        case 'f':
            request->format = find_format(optarg);
            if (request->format)
                break;
            vmti_cmd_error("option --format is \"%s\": allowed are text, html, json, csv, tsv, chrome, collapsed and "
                           "bencher", optarg);
            return VMTI_EXIT_USAGE;
        default:
            vmti_cmd_option_error(option, argv, "--format, --json, --html, --against, --output and --help");
            return VMTI_EXIT_USAGE;
        }
    }
    if (request->against && request->format->write != vmti_report_html) {
        vmti_cmd_error("option --against goes with --html, not with --format=%s", request->format->name);
        return VMTI_EXIT_USAGE;
    }
    return -1;
}

int vmti_cmd_report(int argc, char **argv)
{
    struct request request = {.format = find_format("text")};
    int status = parse_options(argc, argv, &request);
    if (status >= 0)
        return status;
    const char *path = vmti_cmd_file_operand(argc, argv);
    return path ? print_report(&request, path) : VMTI_EXIT_USAGE;
}
