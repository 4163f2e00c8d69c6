/* SPDX-License-Identifier: MIT */
/* How test_pointers.c makes a call natively and in a region, and compares the two. */
#ifndef VMTI_TESTS_POINTERS_H
#define VMTI_TESTS_POINTERS_H

#include <vmt/vmt.h>

#include "../older_systems.h"
#include "calls.h"

enum {
    AREA_PAGES = 8,      /* of one pointer: mapped and tracked */
    AREA_STEP = 1 << 24, /* bytes from one area to the next; what is between is not mapped */
    WINDOW = 8,
    BLOCK = 8,           /* bytes that are masked together */
    TRIES = 4,           /* runs of each kind before a difference is one */
    STOPPED_SECONDS = 2, /* a call that takes longer waits for ever */
};

/* Far from where the kernel puts what a region maps: what is not mapped here stays so. */
static unsigned char *const areas = (unsigned char *)UINT64_C(0x200000000000);

static unsigned char *area(unsigned slot)
{
    return areas + (size_t)slot * AREA_STEP;
}

static unsigned char *area_end(unsigned slot)
{
    return area(slot) + AREA_PAGES * PAGE;
}

/* One word to be changed before the call. */
struct patch {
    uint64_t where; /* an address, or the number of an argument */
    uint64_t value;
    size_t bytes; /* 0: none */
};

/* What is wrong about the call this time. */
static struct {
    int slot;      /* the pointer that is put ... */
    uint64_t to;   /* ... there; -1: none */
    int read_only; /* the area of this pointer may not be written; -1: none */
    struct patch length, pointer;
} wrong;

/* What a run was seen to do; shared with the child that makes it. */
struct run {
    enum { NO_CALL, NO_REGION, CALLED, BROKEN, COMPLETE } stage;
    int status;     /* that the child ended with */
    int error;      /* of vmt_begin and vmt_end */
    int64_t result; /* a negative errno if it failed */
    unsigned char memory[SLOTS_MAX][AREA_PAGES * PAGE];
};
static struct run *first, *again, *traced;

static struct run *running; /* in the child */
static uint64_t mask[SLOTS_MAX][AREA_PAGES * PAGE / BLOCK / 64];
static bool result_varies;
static unsigned runs, regions;

static void refuse(void)
{
    running->result = -EPERM;
    running->stage = COMPLETE;
    _exit(0);
}

/* Pipes, queues and files as they were at first. */
static void restore_resources(void)
{
    int left, yes = 1, no = 0;
    static char away[PAGE];
    lseek(file, 0, SEEK_SET);
    lseek(other_file, 0, SEEK_SET);
    lseek(folder_fd, 0, SEEK_SET);
    if (ftruncate(other_file, 0))
        return;
    while (ioctl(pipe_out, FIONREAD, &left) == 0 && left > 0)
        if (read(pipe_out, away, sizeof away) <= 0)
            break;
    ioctl(full_pipe, FIONBIO, &no);
    ioctl(pipe_out, FIONBIO, &yes);
    while (recv(datagram, away, 1, MSG_DONTWAIT) >= 0)
        ;
    while (mq_receive(queue, away, sizeof away, NULL) >= 0)
        ;
    while (messages >= 0 && msgrcv(messages, away, sizeof away - sizeof(long), 0, IPC_NOWAIT | MSG_NOERROR) >= 0)
        ;
}

static void apply(const struct patch *patch)
{
    if (patch->bytes && patch->where < 6)
        the.args[patch->where] = patch->value;
    else if (patch->bytes)
        memcpy((void *)(uintptr_t)patch->where, &patch->value, patch->bytes);
}

/* The pointers of the call lie across the first boundary of pages in their areas, but keep the alignment of a word. */
static unsigned char *good_place(unsigned slot)
{
    return area(slot) + PAGE - (the.slots[slot].bytes / 2 % PAGE & ~(size_t)7);
}

static void place(unsigned i, uint64_t to)
{
    struct slot *slot = &the.slots[i];
    uint64_t start = WORD(area(i)), end = WORD(area_end(i));
    if (to >= start && to < end)
        memcpy((void *)(uintptr_t)to, (void *)(uintptr_t)*slot->where, end - to < slot->bytes ? end - to : slot->bytes);
    *slot->where = to;
}

/* Not an argument: a child that the call looks into would have it in a register. */
static volatile bool in_region;

static void make_call(void)
{
    alarm(STOPPED_SECONDS);
    restore_resources();
    put_self();
    if (the.prepare)
        the.prepare();
    /* What is inside goes before what it is in. */
    for (int i = (int)the.count - 1; i >= 0; i--)
        place((unsigned)i, i == wrong.slot ? wrong.to : WORD(good_place((unsigned)i)));
    apply(&wrong.pointer);
    apply(&wrong.length);
    if (wrong.read_only >= 0)
        mprotect(area((unsigned)wrong.read_only), AREA_PAGES * PAGE, PROT_READ);
    vmt_config config;
    vmt_config_init(&config);
    config.window = WINDOW;
    config.scope = VMT_SCOPE_RANGES;
    config.trace_path = NULL;
    if (in_region && (running->error = vmt_begin(&config))) {
        running->stage = NO_REGION;
        _exit(0);
    }
    running->result =
        vmti_syscall6(the.nr, the.args[0], the.args[1], the.args[2], the.args[3], the.args[4], the.args[5]);
    running->stage = CALLED;
    if (in_region && (running->error = vmt_end(NULL))) {
        running->stage = BROKEN;
        _exit(0);
    }
#ifdef SYS_modify_ldt
    if (the.nr == SYS_modify_ldt) /* gives an unsigned int: arch/x86/kernel/ldt.c */
        running->result = (int32_t)running->result;
#endif
    for (unsigned i = 0; i < the.count; i++)
        memcpy(running->memory[i], area(i), AREA_PAGES * PAGE);
    running->stage = COMPLETE;
    _exit(0);
}

static void run(struct run *to, bool region)
{
    in_region = region;
    running = to;
    to->stage = NO_CALL;
    to->result = to->error = 0;
    runs++;
    regions += region;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        make_call();
    while (waitpid(child, &to->status, 0) < 0)
        assert_int_equal(errno, EINTR);
}

/* ------------------------------------------------------------------------------------------- comparing */

/* What differs between two native runs may differ in a region too. */
static void mask_differences(const struct run *a, const struct run *b)
{
    result_varies |= a->result != b->result && a->result > 0 && b->result > 0;
    for (unsigned i = 0; i < the.count; i++)
        for (size_t at = 0; at < sizeof a->memory[i]; at += BLOCK)
            if (memcmp(a->memory[i] + at, b->memory[i] + at, BLOCK) != 0)
                mask[i][at / BLOCK / 64] |= UINT64_C(1) << at / BLOCK % 64;
}

/* The first block that differs and is not masked; false: none. */
static bool find_difference(const struct run *a, const struct run *b, unsigned *slot, size_t *offset)
{
    for (unsigned i = 0; i < the.count; i++) {
        if (memcmp(a->memory[i], b->memory[i], sizeof a->memory[i]) == 0)
            continue;
        for (size_t at = 0; at < sizeof a->memory[i]; at += BLOCK)
            if (memcmp(a->memory[i] + at, b->memory[i] + at, BLOCK) != 0 &&
                !(mask[i][at / BLOCK / 64] >> at / BLOCK % 64 & 1)) {
                *slot = i;
                *offset = at;
                return true;
            }
    }
    return false;
}

static bool same_result(const struct run *a, const struct run *b)
{
    return a->stage == b->stage && a->status == b->status &&
           (a->result == b->result || (result_varies && a->result > 0 && b->result > 0));
}

static const char *run_text(const struct run *r)
{
    static char texts[2][120];
    static unsigned next;
    char *text = texts[next++ % 2];
    if (r->stage == NO_REGION || r->stage == BROKEN)
        snprintf(text, sizeof texts[0], "%s gave %s", r->stage == BROKEN ? "vmt_end" : "vmt_begin",
                 strerror(-r->error));
    else if (r->stage != COMPLETE)
        snprintf(text, sizeof texts[0], "%s, status %#x",
                 r->stage == CALLED ? "came back, then died" : "did not come back", (unsigned)r->status);
    else if (r->result < 0 && r->result >= -4095)
        snprintf(text, sizeof texts[0], "%s", strerrorname_np((int)-r->result));
    else
        snprintf(text, sizeof texts[0], "%ld", (long)r->result);
    return text;
}

#endif
