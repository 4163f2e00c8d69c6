/* SPDX-License-Identifier: MIT */
/* The limits of a budget file, as checks of a report. Ordinary program context, outside of regions. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "budget_file.h"
#include "config.h"
#include "error.h"
#include "sanitizer.h"

enum { ARGUMENT_BYTES = 64 };

/* What a limit may be on: its name in the file, and the check. One line each. */
static const struct kind {
    const char *name;
    bool (*at_most)(const vmt_report *report, uint64_t limit, vmt_verdict *verdict);
    bool (*exactly)(const vmt_report *report, uint64_t limit, vmt_verdict *verdict); /* NULL: there is no == */
    bool (*of_number)(const vmt_report *report, uint64_t argument, uint64_t limit, vmt_verdict *verdict);
    bool (*of_name)(const vmt_report *report, const char *argument, uint64_t limit, vmt_verdict *verdict);
} kinds[] = {
    {.name = "pages", .at_most = vmt_check_pages_at_most, .exactly = vmt_check_pages_exactly},
    {.name = "touches", .at_most = vmt_check_touches_at_most},
    {.name = "working_set", .of_number = vmt_check_working_set_at_most},
    {.name = "pages_written", .at_most = vmt_check_pages_written_at_most},
    {.name = "label", .of_name = vmt_check_label_at_most},
    {.name = "phase", .of_name = vmt_check_phase_at_most},
    {.name = "misses", .of_number = vmt_check_misses_at_most},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* A reading of the file for one test. */
struct reading {
    const char *path, *test, *ctest;
    const vmt_report *report;
    vmt_verdict *verdict;
    bool judging; /* the file has been read to its end before */
    unsigned sections, limits, broken;
};

VMT_PRINTF(2, 3) static void add_text(vmt_verdict *verdict, const char *format, ...)
{
    size_t used = strlen(verdict->text);
    va_list args;
    va_start(args, format);
    vsnprintf(verdict->text + used, sizeof verdict->text - used, format, args);
    va_end(args);
    vmti_stored(verdict, sizeof *verdict);
}

static int refuse(const struct reading *reading, const struct vmti_limit *limit, const char *why)
{
    return vmti_fail(-EINVAL, "%s:%u: \"%.*s\": %s", reading->path, limit->line, (int)limit->whole.bytes,
                     limit->whole.text, why);
}

/* The check of a limit; argument gets its text, number its value. NULL: an error that has its sentence. */
static const struct kind *find_kind(const struct reading *reading, const struct vmti_limit *limit,
                                    char argument[static ARGUMENT_BYTES], uint64_t *number)
{
    const struct kind *kind = kinds;
    while (kind < kinds + KINDS && !vmti_part_is(&limit->what, kind->name))
        kind++;
    if (kind == kinds + KINDS) {
        char names[256] = "";
        for (size_t i = 0; i < KINDS; i++)
            snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", i ? ", " : "", kinds[i].name);
        vmti_fail(-EINVAL, "%s:%u: \"%.*s\" cannot be limited; what can is: %s", reading->path, limit->line,
                  (int)limit->what.bytes, limit->what.text, names);
        return NULL;
    }
    if (limit->exactly && !kind->exactly)
        return refuse(reading, limit, "only <= is allowed here"), NULL;
    if (!limit->argument.text != !(kind->of_number || kind->of_name))
        return refuse(reading, limit,
                      limit->argument.text ? "it has no value in parentheses" : "a value in parentheses is missing"),
               NULL;
    if (limit->argument.bytes >= ARGUMENT_BYTES)
        return refuse(reading, limit, "the value in parentheses is longer than 63 bytes"), NULL;
    memcpy(argument, limit->argument.text ? limit->argument.text : "", limit->argument.bytes);
    argument[limit->argument.bytes] = '\0';
    if (kind->of_number && (!vmti_count_parse(argument, number) || !*number))
        return refuse(reading, limit, "the value in parentheses is a whole number from 1"), NULL;
    return kind;
}

/* Called for each section and limit, once to look at all and once to judge those of the test. */
static int take_limit(const struct vmti_limit *limit, void *context)
{
    struct reading *reading = context;
    bool mine = vmti_part_is(&limit->section, "*") || vmti_part_is(&limit->section, reading->test) ||
                (reading->ctest && vmti_part_is(&limit->section, reading->ctest));
    if (!limit->what.text) {
        reading->sections += mine && reading->judging;
        return 0;
    }
    char argument[ARGUMENT_BYTES], what[2 * ARGUMENT_BYTES];
    uint64_t number = 0;
    const struct kind *kind = find_kind(reading, limit, argument, &number);
    if (!kind)
        return -EINVAL;
    if (!mine || !reading->judging)
        return 0;

    vmt_verdict verdict;
    bool held = kind->of_number  ? kind->of_number(reading->report, number, limit->limit, &verdict)
                : kind->of_name  ? kind->of_name(reading->report, argument, limit->limit, &verdict)
                : limit->exactly ? kind->exactly(reading->report, limit->limit, &verdict)
                                 : kind->at_most(reading->report, limit->limit, &verdict);
    snprintf(what, sizeof what, "%.*s", (int)limit->whole.bytes, limit->whole.text);
    vmt_result_add(reading->report, &verdict, what, reading->test, reading->path, (int)limit->line);
    reading->limits++;
    if (held)
        return 0;
    if (reading->broken++) {
        int first_line = (int)strcspn(verdict.text, "\n");
        add_text(reading->verdict, "\nand %s:%u: %.*s", reading->path, limit->line, first_line, verdict.text);
        return 0;
    }
    *reading->verdict = (vmt_verdict){.outcome = verdict.outcome, .budget = verdict.budget, .actual = verdict.actual};
    add_text(reading->verdict, "%s:%u: %s\n%s", reading->path, limit->line, what, verdict.text);
    return 0;
}

static int parse_file(struct reading *reading)
{
    /* O_NONBLOCK: to open a FIFO that nobody writes to would wait. */
    int fd = open(reading->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), error = 0;
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0)
        error = -errno;
    else if (!S_ISREG(status.st_mode))
        error = -EINVAL;
    char *text = NULL;
    if (!error && status.st_size) {
        text = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        error = text == MAP_FAILED ? -errno : 0;
    }
    if (fd >= 0)
        close(fd);
    if (error)
        return vmti_fail(error, "VMT_BUDGETS: cannot read %s: %s", reading->path,
                         error == -EINVAL ? "not a file" : strerror(-error));
    size_t bytes = (size_t)status.st_size;
    error = vmti_budget_file_parse(reading->path, text, bytes, take_limit, reading);
    reading->judging = true;
    if (!error)
        error = vmti_budget_file_parse(reading->path, text, bytes, take_limit, reading);
    if (text)
        munmap(text, bytes);
    return error;
}

bool vmt_check_budgets(const vmt_report *report, const char *test, vmt_verdict *verdict)
{
    struct reading reading = {
        .path = secure_getenv("VMT_BUDGETS"),
        .test = test ? test : "",
        .ctest = secure_getenv("VMT_CTEST_NAME"),
        .report = report,
        .verdict = verdict,
    };
    *verdict = (vmt_verdict){.outcome = VMT_HELD};
    if (!reading.path || !*reading.path) {
        add_text(verdict, "no limits: VMT_BUDGETS names no budget file");
        return true;
    }
    int error = parse_file(&reading);
    if (reading.broken)
        return false;
    if (!error && reading.limits) {
        add_text(verdict, "%u limit%s of %s held", reading.limits, reading.limits == 1 ? "" : "s", reading.path);
        return true;
    }
    if (!error && reading.sections) {
        add_text(verdict, "no limits: %s has a section for this test, and nothing in it", reading.path);
    } else {
        verdict->outcome = VMT_NOT_MEASURED;
        if (error)
            add_text(verdict, "not measured: %s", vmt_error_text());
        else
            add_text(verdict, "not measured: the budget file %s has no section [%s]%s%s%s, and no [*]", reading.path,
                     reading.test, reading.ctest ? ", no [" : "", reading.ctest ? reading.ctest : "",
                     reading.ctest ? "]" : "");
    }
    vmt_result_add(report, verdict, "budgets", reading.test, reading.path, 0);
    return !error && reading.sections;
}
