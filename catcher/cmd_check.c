/* SPDX-License-Identifier: MIT */
/* vmtrace check: a trace against budgets and a baseline. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "../harness/baseline.h"
#include "../harness/config.h"
#include "../harness/insight.h"
#include "../harness/trace_read.h"
#include "../harness/verdict.h"
#include "cmd.h"

static const char HELP[] =
    "NAME\n"
    "    vmtrace check - compare a trace with budgets and with a baseline\n"
    "\n"
    "SYNOPSIS\n"
    "    vmtrace check [OPTION]... FILE\n"
    "\n"
    "DESCRIPTION\n"
    "    Compares the trace FILE with each budget that is given, and with a baseline, and prints what holds and\n"
    "    what does not. At least one of them must be given; budgets can be given more than once. A trace that is\n"
    "    not complete holds nothing.\n"
    "    A touch is a first access to a page that was not among the N that were open (the window). Misses are of an\n"
    "    LRU memory that takes the touches of the trace, and is empty at first.\n"
    "    The baseline is a text file, which vmt_check_baseline() reads too: one metric a line, in sections by\n"
    "    allocator, page size, window, pages that leave at once, scope, write tracking and threads that count; the\n"
    "    trace is compared with its own. The allocator is that of the sanitizer that the program was built with,\n"
    "    AddressSanitizer say, or is told by the names of the libraries that it had mapped: jemalloc, mimalloc,\n"
    "    tcmalloc, hoard, snmalloc, rpmalloc, scudo, and else the C library's: glibc or musl.\n"
    "\n"
    "OPTIONS\n"
    "    --pages N                 at most N distinct pages are touched\n"
    "    --touches N               at most N touches\n"
    "    --misses MEMORY:N         a memory of MEMORY pages, from 1, has at most N misses\n"
    "    --working-set TAU:N       among any TAU touches in a row, from 1, are at most N distinct pages\n"
    "    --memory-for PERCENT:N    N pages of memory are enough for the misses beyond the first touch of each page\n"
    "                              to be at most PERCENT (0 to 100, with decimals) of the touches\n"
    "    --baseline FILE           a metric differs from its value in FILE by at most its tolerance, the larger of\n"
    "                              +-N and +-P %, rounded down\n"
    "    --update                  write to the baseline what is out of its tolerance or missing there, and nothing\n"
    "                              else; refused where CI is set to something other than \"\", \"false\" and \"0\"\n"
    "    --help                    print this\n"
    "\n"
    "EXIT STATUS\n"
    "    The worst of what was found: 1 over a budget or a tolerance; 5 something could not be measured, or the\n"
    "    output not be written; 4 no baseline, no section of it for this trace, or a value that is not recorded\n"
    "    yet; 3 better than the baseline by more than a tolerance; 0 all held. 2 unknown option or value.\n"
    "\n"
    "EXAMPLES\n"
    "    vmtrace check --pages 500 --working-set 1000:80 sort.vmt\n"
    "    vmtrace check --update --baseline sort.vmtb sort.vmt\n"
    "    vmtrace check --baseline sort.vmtb sort.vmt\n";

#define ALLOWED \
    "--pages, --touches, --misses, --working-set, --memory-for, --baseline, --update and --help"

enum asked { ASK_PAGES, ASK_TOUCHES, ASK_MISSES, ASK_WORKING_SET, ASK_MEMORY_FOR };

/* How an option's value is written, and which. */
static const struct form {
    const char *option, *form;
} forms[] = {
    [ASK_PAGES] = {"pages", "N, a whole number of pages"},
    [ASK_TOUCHES] = {"touches", "N, a whole number of touches"},
    [ASK_MISSES] = {"misses", "MEMORY:N, whole numbers of pages, from 1, and of misses"},
    [ASK_WORKING_SET] = {"working-set", "TAU:N, whole numbers of touches, from 1, and of pages"},
    [ASK_MEMORY_FOR] = {"memory-for",
                        "PERCENT:N, from 0 to 100, with decimals if need be, and a whole number of pages"},
};

struct budget {
    enum asked asked;
    uint64_t at;    /* memory, tau */
    char percent[16];
    uint64_t most;
};

struct check {
    const char *path; /* of the trace */
    const char *baseline;
    bool update;
    struct budget *budgets;
    size_t count;
    vmt_outcome worst;
    struct vmti_trace_reader reader;
    struct vmti_trace_summary summary;
    struct vmti_insight insight;
    bool has_insight;
};

/* ------------------------------------------------------------------------------------------- budgets */

static void conclude(struct check *check, vmt_outcome outcome)
{
    static const vmt_outcome by_weight[] = {VMT_HELD, VMT_BETTER, VMT_NO_BASELINE, VMT_NOT_MEASURED, VMT_BROKEN};
    size_t old = 0, new = 0;
    while (by_weight[old] != check->worst)
        old++;
    while (by_weight[new] != outcome)
        new++;
    if (new > old)
        check->worst = outcome;
}

static void not_measured(struct check *check, const struct budget *budget, const char *why)
{
    printf("not measured: --%s: %s\n", forms[budget->asked].option, why);
    conclude(check, VMT_NOT_MEASURED);
}

static int measure(struct check *check, const struct budget *budget, uint64_t *actual)
{
    int error = 0;
    switch (budget->asked) {
    case ASK_PAGES:
        *actual = check->summary.footprint;
        break;
    case ASK_TOUCHES:
        *actual = check->summary.touches;
        break;
    case ASK_WORKING_SET:
        error = vmti_trace_working_set(&check->reader, budget->at, actual);
        break;
    default:
        if (!check->has_insight)
            error = vmti_insight_read(&check->reader, 0, &check->insight);
        check->has_insight = true;
        if (!error)
            *actual = budget->asked == ASK_MISSES
                          ? vmti_locality_misses(&check->insight.all, budget->at)
                          : vmti_memory_for_percent(&check->insight.all, strtod(budget->percent, NULL));
    }
    return error;
}

static const char *plural(uint64_t n, const char *one, const char *many)
{
    return n == 1 ? one : many;
}

static void print_verdict(const struct budget *budget, uint64_t actual)
{
    uint64_t most = budget->most;
    const char *pages = plural(actual, "page", "pages"), *touches = plural(actual, "touch", "touches"), *noun = "page";
    switch (budget->asked) {
    case ASK_PAGES:
        printf("touched %" PRIu64 " %s", actual, pages);
        break;
    case ASK_TOUCHES:
        printf("took %" PRIu64 " %s (faults at this window)", actual, touches);
        noun = "touch";
        break;
    case ASK_MISSES:
        printf("missed %" PRIu64 " %s in a memory of %" PRIu64 " %s", actual, touches, budget->at,
               plural(budget->at, "page", "pages"));
        noun = "touch";
        break;
    case ASK_WORKING_SET:
        printf("working set peaked at %" PRIu64 " %s of %" PRIu64 " %s in a row", actual, pages, budget->at,
               plural(budget->at, "touch", "touches"));
        break;
    case ASK_MEMORY_FOR:
        printf("needs %" PRIu64 " %s of memory for %s %% misses", actual, pages, budget->percent);
        break;
    }
    printf(", budget %" PRIu64 " %s%s: ", most, noun, most == 1 ? "" : *noun == 't' ? "es" : "s");
    if (actual > most)
        printf("%" PRIu64 " over\n", actual - most);
    else
        puts("held");
}

static void judge(struct check *check, const struct budget *budget)
{
    uint64_t actual = 0;
    int error = measure(check, budget, &actual);
    if (error) {
        not_measured(check, budget, error == -ENOMEM ? "no memory was left for it" : check->reader.reason);
        return;
    }
    print_verdict(budget, actual);
    conclude(check, actual > budget->most ? VMT_BROKEN : VMT_HELD);
}

/* ------------------------------------------------------------------------------------------- baseline */

static void compare(struct check *check)
{
    const char *slash = strrchr(check->baseline, '/'), *base = slash ? slash + 1 : check->baseline;
    size_t bytes = strlen(base), extension = strlen(".vmtb");
    bool has_extension = bytes > extension && strcmp(base + bytes - extension, ".vmtb") == 0;
    char name[NAME_MAX + 1], command[1200] = "";
    snprintf(name, sizeof name, "%.*s", (int)(has_extension ? bytes - extension : bytes), base);
    const char *words[] = {"vmtrace", "check", "--update", "--baseline", check->baseline, "--", check->path};
    bool fits = true;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (i != 5 || *check->path == '-')
            fits = fits && vmti_command_add(command, sizeof command, words[i]);
    struct vmti_baseline_request request = {
        .name = name,
        .path = check->baseline,
        .record = fits ? command : NULL,
        .how_to_record = "run vmtrace check again with --update",
        .update = check->update,
    };
    struct vmti_metrics metrics;
    vmt_verdict verdict;
    if (vmti_metrics_read(&check->reader, NULL, &metrics) < 0)
        vmti_baseline_not_measured(&verdict, name, "%s cannot be read: %s", check->path, metrics.reason);
    else
        vmti_baseline_check(&request, &metrics, &verdict);
    vmti_metrics_free(&metrics);
    puts(verdict.text);
    conclude(check, verdict.outcome);
}

/* ------------------------------------------------------------------------------------------- command */

static void check_all(struct check *check)
{
    char why[PATH_MAX + VMTI_READ_REASON_BYTES + 32] = "";
    int error = vmti_trace_read_file(&check->reader, check->path);
    if (error)
        snprintf(why, sizeof why, "%s cannot be read: %s", check->path, check->reader.reason);
    else if ((error = vmti_trace_summarize(&check->reader, &check->summary)) || !check->summary.complete)
        snprintf(why, sizeof why, "%s is not complete: %s", check->path, check->summary.reason);
    if (*why) {
        vmti_cmd_error("not measured: %s", why);
        conclude(check, VMT_NOT_MEASURED);
    } else {
        for (size_t i = 0; i < check->count; i++)
            judge(check, &check->budgets[i]);
        if (check->worst != VMT_HELD)
            printf("window %" PRIu64 " pages of %" PRIu32 " bytes, scope %s\n", check->reader.header.window,
                   check->reader.header.page_size, vmti_scope_name((vmt_scope)check->reader.header.scope));
        if (check->baseline)
            compare(check);
    }
    vmti_insight_free(&check->insight);
    vmti_trace_summary_free(&check->summary);
    vmti_trace_read_close(&check->reader);
}

static bool parse_percent(char percent[static 16])
{
    size_t whole = strspn(percent, "0123456789"),
           rest = percent[whole] == '.' ? strspn(percent + whole + 1, "0123456789") : 0;
    size_t bytes = whole + (percent[whole] == '.') + rest;
    return whole && !percent[bytes] && (percent[whole] != '.' || rest) && strtod(percent, NULL) <= 100;
}

/* N, or FIRST:N. */
static bool parse_budget(const char *value, struct budget *budget)
{
    if (budget->asked == ASK_PAGES || budget->asked == ASK_TOUCHES)
        return vmti_count_parse(value, &budget->most);
    const char *colon = strchr(value, ':');
    char first[24];
    if (!colon || colon - value >= (ptrdiff_t)sizeof first || !vmti_count_parse(colon + 1, &budget->most))
        return false;
    snprintf(first, sizeof first, "%.*s", (int)(colon - value), value);
    if (budget->asked != ASK_MEMORY_FOR)
        return vmti_count_parse(first, &budget->at) && budget->at > 0;
    return (size_t)snprintf(budget->percent, sizeof budget->percent, "%s", first) < sizeof budget->percent &&
           parse_percent(budget->percent);
}

/* The next option, or false after saying what is wrong. */
static bool take_option(struct check *check, int option, char **argv)
{
    if (option == 'u') {
        check->update = true;
    } else if (option == 'b') {
        if (check->baseline || !*optarg) {
            vmti_cmd_error("--baseline \"%s\": one baseline at a time, which has a name", optarg);
            return false;
        }
        check->baseline = optarg;
    } else if (option == '?' || option == ':') {
        vmti_cmd_option_error(option, argv, ALLOWED);
        return false;
    } else {
        struct budget *budget = &check->budgets[check->count++];
        budget->asked = (enum asked)(option - 'A');
        if (!parse_budget(optarg, budget)) {
            vmti_cmd_error("--%s is \"%s\": it must be %s", forms[budget->asked].option, optarg,
                           forms[budget->asked].form);
            return false;
        }
    }
    return true;
}

int vmti_cmd_check(int argc, char **argv)
{
    static const struct option options[] = {
        {"pages", required_argument, NULL, 'A' + ASK_PAGES},
        {"touches", required_argument, NULL, 'A' + ASK_TOUCHES},
        {"misses", required_argument, NULL, 'A' + ASK_MISSES},
        {"working-set", required_argument, NULL, 'A' + ASK_WORKING_SET},
        {"memory-for", required_argument, NULL, 'A' + ASK_MEMORY_FOR},
        {"baseline", required_argument, NULL, 'b'},
        {"update", no_argument, NULL, 'u'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    struct check check = {.worst = VMT_HELD, .budgets = calloc((size_t)argc, sizeof *check.budgets)};
    int option, status = VMTI_EXIT_USAGE;
    bool ok = check.budgets != NULL;
    while (ok && (option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        if (option == 'h') {
            free(check.budgets);
            fputs(HELP, stdout);
            return vmti_cmd_close_stdout();
        }
        ok = take_option(&check, option, argv);
    }
    if (ok && check.update && !check.baseline)
        vmti_cmd_error("--update needs --baseline FILE, the baseline to write");
    else if (ok && !check.count && !check.baseline)
        vmti_cmd_error("nothing to check: give a budget or a baseline; allowed are " ALLOWED);
    else if (ok && (check.path = vmti_cmd_file_operand(argc, argv))) {
        check_all(&check);
        status =
            vmti_cmd_close_stdout() ? vmt_outcome_exit_status(VMT_NOT_MEASURED) : vmt_outcome_exit_status(check.worst);
    }
    free(check.budgets);
    return status;
}
