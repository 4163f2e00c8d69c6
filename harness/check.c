/* SPDX-License-Identifier: MIT */
/*
 * Checks: a report against a budget. Built on the public accessors of the report alone, so that whatever a check can
 * ask, a test can ask too. Runs after the region, in the test's own thread: malloc and stdio are allowed here.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verdict.h"

/* What a check asks. */
struct question {
    enum vmti_counted counted;
    const char *before, *after; /* the first sentence is "<before> <actual><after>, budget <budget>: ..." */
    uint64_t budget;
    bool exactly;
    bool part;           /* of the region: */
    const char *phase;   /* ... this one, */
    pid_t *thread;       /* ... or what this one touched */
    const char *meaning; /* a sentence: what the measure is */
    uint64_t memory;     /* of MISSES: that of the program has bounds for it */
};

/* ------------------------------------------------------------------------------------------- judging */

bool vmti_not_measured(vmt_verdict *v, uint64_t budget, const char *format, ...)
{
    char why[512];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    *v = (vmt_verdict){.outcome = VMT_NOT_MEASURED, .budget = budget};
    vmti_verdict_say(v, "not measured: %s", why);
    return false;
}

static bool no_report(vmt_verdict *v, uint64_t budget)
{
    return vmti_not_measured(v, budget, "there is no report (did vmt_begin or vmt_end fail? see vmt_error_text)");
}

static void start(vmt_verdict *v, bool held, uint64_t budget, uint64_t actual)
{
    *v = (vmt_verdict){.outcome = held ? VMT_HELD : VMT_BROKEN, .budget = budget, .actual = actual};
}

static bool judge(vmt_verdict *v, const vmt_report *report, const struct question *q, uint64_t actual)
{
    bool held = q->exactly ? actual == q->budget : actual <= q->budget;
    char found[VMTI_AMOUNT_BYTES], budget[VMTI_AMOUNT_BYTES];
    vmti_amount(found, actual, q->counted);
    vmti_amount(budget, q->budget, q->counted);
    start(v, held, q->budget, actual);
    const char *kind = q->exactly ? "expected exactly" : "budget";
    if (held) {
        vmti_verdict_say(v, "%s %s%s, %s %s: held", q->before, found, q->after, kind, budget);
        return true;
    }
    bool over = actual > q->budget;
    vmti_verdict_say(v, "%s %s%s, %s %s: %" PRIu64 " %s", q->before, found, q->after, kind, budget,
                     over ? actual - q->budget : q->budget - actual, over ? "over" : "under");
    vmti_verdict_say(v, "%s", q->meaning);
    uint64_t low, high;
    if (q->memory && vmt_report_misses_bound(report, q->memory, &low, &high) == 0)
        vmti_verdict_say(v, "All accesses of the program take %" PRIu64 " to %" PRIu64 " of them.", low, high);
    uint64_t *touches = q->phase || q->thread ? vmti_part_touches(report, q->phase, q->phase ? 0 : *q->thread) : NULL;
    vmti_verdict_explain(v, report, q->counted, q->part, touches);
    free(touches);
    return false;
}

/* ------------------------------------------------------------------------------------------- checks */

bool vmt_check_pages_at_most(const vmt_report *report, uint64_t budget, vmt_verdict *verdict)
{
    struct question q = {.counted = VMTI_COUNT_PAGES,
                         .before = "touched",
                         .after = "",
                         .budget = budget,
                         .meaning = "Pages touched: distinct pages that the region accessed, each counted once."};
    return report ? judge(verdict, report, &q, vmt_report_footprint(report)) : no_report(verdict, budget);
}

bool vmt_check_pages_exactly(const vmt_report *report, uint64_t expected, vmt_verdict *verdict)
{
    struct question q = {.counted = VMTI_COUNT_PAGES,
                         .before = "touched",
                         .after = "",
                         .budget = expected,
                         .exactly = true,
                         .meaning = "Pages touched: distinct pages that the region accessed, each counted once."};
    return report ? judge(verdict, report, &q, vmt_report_footprint(report)) : no_report(verdict, expected);
}

bool vmti_check_call(const vmt_report *report, uint64_t call, uint64_t calls, uint64_t budget, vmt_verdict *verdict)
{
    char before[96];
    snprintf(before, sizeof before, "call %" PRIu64 " of %" PRIu64 " touched", call, calls);
    struct question q = {.counted = VMTI_COUNT_PAGES,
                         .before = before,
                         .after = "",
                         .budget = budget,
                         .meaning = "Pages of a call: distinct pages that it accessed, in a region of its own; of all "
                                    "calls it has the most."};
    return judge(verdict, report, &q, vmt_report_footprint(report));
}

bool vmt_check_touches_at_most(const vmt_report *report, uint64_t budget, vmt_verdict *verdict)
{
    struct question q = {.counted = VMTI_COUNT_TOUCHES,
                         .before = "took",
                         .after = "",
                         .budget = budget,
                         .meaning = "Touches: accesses to pages that were not among those open, the window; a page "
                                    "counts each time that it comes back."};
    return report ? judge(verdict, report, &q, vmt_report_touches(report)) : no_report(verdict, budget);
}

bool vmt_check_working_set_at_most(const vmt_report *report, uint64_t tau, uint64_t budget, vmt_verdict *verdict)
{
    char meaning[160], touches[VMTI_AMOUNT_BYTES];
    struct question q = {.counted = VMTI_COUNT_PAGES,
                         .before = "working set peaked at",
                         .after = "",
                         .budget = budget,
                         .meaning = meaning};
    if (!report)
        return no_report(verdict, budget);
    if (tau == 0)
        return vmti_not_measured(verdict, budget, "tau is 0 touches; a working set needs 1 or more");
    uint64_t peak = 0;
    if (vmt_report_working_set(report, tau, &peak) < 0)
        return vmti_not_measured(verdict, budget, "%s", vmt_error_text());
    snprintf(meaning, sizeof meaning, "Working set: distinct pages among tau touches in a row; tau is %s.",
             vmti_amount(touches, tau, VMTI_COUNT_TOUCHES));
    return judge(verdict, report, &q, peak);
}

bool vmt_check_pages_written_at_most(const vmt_report *report, uint64_t budget, vmt_verdict *verdict)
{
    struct question q = {.counted = VMTI_COUNT_PAGES_WRITTEN,
                         .before = "wrote",
                         .after = "",
                         .budget = budget,
                         .meaning = "Pages written: distinct pages that the region wrote to, each counted once."};
    if (!report)
        return no_report(verdict, budget);
    if (!vmt_report_track_writes(report))
        return vmti_not_measured(verdict, budget, "the region ran without write tracking (track_writes, VMT_WRITES=1)");
    return judge(verdict, report, &q, vmt_report_pages_written(report));
}

/* Names are cut in the first sentence, so that the numbers come early. */
enum { NAME_COLUMNS = 32, OF_BYTES = VMTI_VERDICT_NAME_BYTES + 64 };

bool vmt_check_label_at_most(const vmt_report *report, const char *label, uint64_t budget, vmt_verdict *verdict)
{
    if (!report)
        return no_report(verdict, budget);
    if (!label || !*label)
        return vmti_not_measured(verdict, budget, "no label was named");
    char name[VMTI_VERDICT_NAME_BYTES], of[OF_BYTES];
    if (!vmt_report_has_label(report, label))
        return vmti_not_measured(verdict, budget, "no memory was ever given the label '%s' by vmt_track",
                                 vmti_printable(name, label, VMTI_VERDICT_NAME_BYTES));
    snprintf(of, sizeof of, " of '%s'", vmti_printable(name, label, NAME_COLUMNS));
    struct question q = {.counted = VMTI_COUNT_PAGES,
                         .before = "touched",
                         .after = of,
                         .budget = budget,
                         .part = true,
                         .meaning = "Pages of a label: those touched of the memory that vmt_track named so."};
    return judge(verdict, report, &q, vmt_report_label_pages(report, label));
}

/* Pages of a part of the region, if it could be found. */
static bool judge_part(vmt_verdict *v, const vmt_report *report, int error, const vmt_locality *part,
                       const struct question *q)
{
    return error ? vmti_not_measured(v, q->budget, "%s", vmt_error_text())
                 : judge(v, report, q, vmt_locality_pages(part));
}

bool vmt_check_phase_at_most(const vmt_report *report, const char *phase, uint64_t budget, vmt_verdict *verdict)
{
    const vmt_locality *part = NULL;
    char name[VMTI_VERDICT_NAME_BYTES], of[OF_BYTES];
    if (!report)
        return no_report(verdict, budget);
    snprintf(of, sizeof of, " in phase '%s'", vmti_printable(name, phase ? phase : "", NAME_COLUMNS));
    struct question q = {.counted = VMTI_COUNT_PAGES,
                         .before = "touched",
                         .after = of,
                         .budget = budget,
                         .part = true,
                         .phase = phase,
                         .meaning = "Pages of a phase: those touched after vmt_mark began it; what an earlier phase "
                                    "had left open is not seen."};
    int error = vmt_locality_of_phase(report, phase, &part);
    return judge_part(verdict, report, error, part, &q);
}

bool vmt_check_thread_at_most(const vmt_report *report, pid_t tid, uint64_t budget, vmt_verdict *verdict)
{
    const vmt_locality *part = NULL;
    char of[OF_BYTES] = " in the thread that began the region";
    if (!report)
        return no_report(verdict, budget);
    if (tid)
        snprintf(of, sizeof of, " in thread %ld", (long)tid);
    struct question q = {.counted = VMTI_COUNT_PAGES,
                         .before = "touched",
                         .after = of,
                         .budget = budget,
                         .part = true,
                         .thread = &tid,
                         .meaning = "Pages of a thread: those that it accessed while they were closed; what another "
                                    "thread had left open is not seen."};
    int error = vmt_locality_of_thread(report, tid, &part);
    return judge_part(verdict, report, error, part, &q);
}

bool vmt_check_misses_at_most(const vmt_report *report, uint64_t memory, uint64_t budget, vmt_verdict *verdict)
{
    const vmt_locality *all;
    if (!report)
        return no_report(verdict, budget);
    if (!memory)
        return vmti_not_measured(verdict, budget, "memory is 0 pages; it needs 1 or more");
    if (vmt_locality_of_all(report, &all) < 0)
        return vmti_not_measured(verdict, budget, "%s", vmt_error_text());
    char of[OF_BYTES], pages[VMTI_AMOUNT_BYTES];
    snprintf(of, sizeof of, " in a memory of %s", vmti_amount(pages, memory, VMTI_COUNT_PAGES));
    struct question q = {.counted = VMTI_COUNT_MISSES,
                         .before = "took",
                         .after = of,
                         .budget = budget,
                         .memory = memory,
                         .meaning = "Misses: touches of pages that a memory of that size does not hold; it is empty at "
                                    "first, and the page that was used longest ago leaves it (LRU)."};
    return judge(verdict, report, &q, vmt_locality_misses(all, memory));
}

bool vmt_check_memory_for_at_most(const vmt_report *report, double percent, uint64_t budget, vmt_verdict *verdict)
{
    const vmt_locality *all;
    if (!report)
        return no_report(verdict, budget);
    if (!(percent >= 0 && percent <= 100))
        return vmti_not_measured(verdict, budget, "percent is %g: allowed are 0 to 100", percent);
    if (vmt_locality_of_all(report, &all) < 0)
        return vmti_not_measured(verdict, budget, "%s", vmt_error_text());
    char of[OF_BYTES];
    snprintf(of, sizeof of, " to miss at most %g %%", percent);
    struct question q = {.counted = VMTI_COUNT_PAGES,
                         .before = "needs",
                         .after = of,
                         .budget = budget,
                         .meaning = "Memory needed: the smallest LRU memory whose misses, beyond the first touch of "
                                    "each page, are at most that share of the touches."};
    return judge(verdict, report, &q, vmt_locality_memory_for(all, percent));
}

bool vmt_check_fingerprint(const vmt_report *report, uint64_t expected, vmt_verdict *verdict)
{
    uint64_t actual;
    if (!report)
        return no_report(verdict, expected);
    if (vmt_report_fingerprint(report, &actual) < 0)
        return vmti_not_measured(verdict, expected, "%s", vmt_error_text());
    bool held = actual == expected;
    start(verdict, held, expected, actual);
    vmti_verdict_say(verdict, "fingerprint 0x%016" PRIx64 ", expected 0x%016" PRIx64 ": %s", actual, expected,
                     held ? "held" : "another");
    if (held)
        return true;
    vmti_verdict_say(verdict, "Fingerprint: one number for all touches in order, each by the ordinal of its allocation "
                              "and the page's offset in it.");
    vmti_verdict_explain(verdict, report, VMTI_COUNT_PAGES, false, NULL);
    return false;
}
