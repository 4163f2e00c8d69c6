/* SPDX-License-Identifier: MIT */
/* How test_oracle.c judges a call: one attempt after the other, each by a child of its own. */
#ifndef VMTI_TESTS_ORACLE_H
#define VMTI_TESTS_ORACLE_H

#include "calls.h"
#include "effects.h"
#include "thread.h"
#include "walk.h"
#include "window.h"

enum { SPANS_MAX = 4096 };

/* ------------------------------------------------------------------------------------------- the fake window */

/* All memory is tracked; what is walked is noted. */
static struct {
    struct vmti_span span;
    bool touched;
} walked[SPANS_MAX];
static unsigned walks;
static uint64_t touched_start, touched_end;

bool vmti_any_tracked(uintptr_t start, uintptr_t end)
{
    return start < end;
}

bool vmti_is_tracked(uint64_t page)
{
    (void)page;
    return true;
}

void vmti_exempt(struct vmti_region *r, uintptr_t start, uintptr_t end)
{
    (void)r, (void)start, (void)end;
}

void vmti_lose(struct vmti_region *r, int error, unsigned step)
{
    (void)r, (void)error, (void)step;
    abort();
}

void vmti_touch(struct vmti_region *r, struct vmti_thread *t, uintptr_t start, uintptr_t end, unsigned flags)
{
    (void)r, (void)t, (void)flags;
    touched_start = start;
    touched_end = end;
}

struct vmti_span *vmti_pin(struct vmti_region *r, struct vmti_thread *t, uintptr_t start, uintptr_t end, bool writes)
{
    (void)r, (void)t;
    if (walks == SPANS_MAX)
        return NULL;
    walked[walks].touched = touched_start == start && touched_end == end;
    touched_start = touched_end = 0;
    walked[walks].span = (struct vmti_span){.start = start, .end = end, .writes = writes};
    return &walked[walks++].span;
}

/* ------------------------------------------------------------------------------------------- one attempt */

static struct outcome {
    bool complete;
    int64_t result;
    uint64_t counts[SLOTS_MAX];
} * outcome; /* shared with the child */

static unsigned char *places; /* for what is not being tried */

/* How many bytes from the pointer on count as touched. */
static uint64_t count_bytes(const struct slot *slot)
{
    struct vmti_region region = {.pid = getpid()};
    struct vmti_thread thread = {.tid = getpid()};
    uint64_t start = *slot->where, end = start;
    for (unsigned k = 0; k < walks; k++) { /* in the order of the walk, which goes on where it left off */
        const struct vmti_span *span = &walked[k].span;
        uint64_t bytes = span->end - span->start;
        if (!walked[k].touched)
            bytes = vmti_span_done(&region, &thread, span, outcome->result);
        if (bytes && span->start >= start && span->start <= end && span->start + bytes > end)
            end = span->start + bytes;
    }
    return end > start && slot->ends ? slot->bytes : end - start;
}

static void walk_and_call(void)
{
    struct vmti_region region = {.window = 1 << 20, .pid = getpid()};
    struct vmti_thread thread = {.tid = getpid()};
    struct vmti_call call = {.nr = the.nr};
    memcpy(call.args, the.args, sizeof call.args);
    walks = 0;
    vmti_walk_call(&region, &thread, &call, vmti_row(the.nr));
    outcome->result =
        vmti_syscall6(the.nr, the.args[0], the.args[1], the.args[2], the.args[3], the.args[4], the.args[5]);
#ifdef SYS_modify_ldt
    if (the.nr == SYS_modify_ldt) /* gives an unsigned int: arch/x86/kernel/ldt.c */
        outcome->result = (int32_t)outcome->result;
#endif
    for (unsigned i = 0; i < the.count; i++)
        outcome->counts[i] = count_bytes(&the.slots[i]);
    if (the.varies && outcome->result > 0)
        outcome->result = 1;
    outcome->complete = true;
}

/* Everything that a pointer leads to has pages of its own, so that nobody's mistake is hidden by a neighbour. */
static void move(struct slot *slot, unsigned char *to)
{
    size_t fits = to < guard() && to >= room ? (size_t)(guard() - to) : to == guard() ? 0 : slot->bytes;
    memcpy(to, (void *)(uintptr_t)*slot->where, fits < slot->bytes ? fits : slot->bytes);
    *slot->where = WORD(to);
}

/* The call with slot number `slot` at `to`; -1: with all in good places. */
static struct outcome attempt(int slot, unsigned char *to)
{
    memset(outcome, 0, sizeof *outcome);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(CHILD_SECONDS);
        put_self();
        if (the.prepare)
            the.prepare();
        /* What is inside goes before what it is in. */
        for (int i = (int)the.count - 1; i >= 0; i--)
            move(&the.slots[i], i == slot ? to : places + (size_t)i * ROOM_PAGES * PAGE);
        walk_and_call();
        _exit(0);
    }
    int status;
    while (waitpid(child, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    return *outcome;
}

static void refuse(void)
{
    outcome->result = -EPERM;
    outcome->complete = true;
    _exit(0);
}

__attribute__((format(printf, 2, 3))) static void complain(unsigned slot, const char *format, ...)
{
    va_list list;
    char text[200];
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    print_error("%s%s, pointer %u: %s\n", vmti_row(the.nr)->name, command_text(), slot, text);
    failures++;
}

static void judge(void)
{
    covered[the.nr] = true;
    struct outcome first = attempt(-1, NULL);
    if (!first.complete) {
        complain(0, "the call did not come back");
        return;
    }
    if (is_refused(first.result)) {
        print_message("  %s: not here: %s\n", vmti_row(the.nr)->name, strerror((int)-first.result));
        return;
    }
    if (first.result == -EFAULT) {
        complain(0, "EFAULT with good arguments");
        return;
    }
    for (unsigned i = 0; i < the.count; i++) {
        uint64_t counts = first.counts[i];
        struct outcome bad = attempt((int)i, guard());
        if (!bad.complete)
            complain(i, "did not come back from a bad page");
        else if ((bad.result == -EFAULT || bad.result < first.result) && !counts)
            complain(i, "is used, but the table says that it is not (%ld, at first %ld)", (long)bad.result,
                     (long)first.result);
        else if (bad.result != -EFAULT && counts && !(bad.result >= 0 && bad.result < first.result))
            complain(i, "is not used, but the table says that it is, %lu bytes (%ld, at first %ld)",
                     (unsigned long)counts, (long)bad.result, (long)first.result);
        if (!counts)
            continue;
        if (counts > ROOM_PAGES * PAGE) {
            complain(i, "%lu bytes are too many for this test", (unsigned long)counts);
            continue;
        }
        struct outcome tight = attempt((int)i, guard() - counts);
        if (!tight.complete || tight.result != first.result)
            complain(i, "%lu bytes are not enough (%ld, at first %ld)", (unsigned long)counts, (long)tight.result,
                     (long)first.result);
        if (the.loose)
            continue;
        struct outcome less = attempt((int)i, guard() - counts + 1);
        if (!less.complete || less.result == first.result)
            complain(i, "%lu bytes are more than are used (%ld)", (unsigned long)counts, (long)less.result);
    }
}

static int make_oracle(void **state)
{
    make_resources(state);
    outcome = mmap(NULL, sizeof *outcome, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    places = mmap(NULL, SLOTS_MAX * ROOM_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(outcome != MAP_FAILED && places != MAP_FAILED);
    return 0;
}

#endif
