/* SPDX-License-Identifier: MIT */
/*
 * Every call of the table with pointers and lengths that are wrong, natively and in a region in which all that the call
 * points to lies in closed pages: what the program sees must be the same. Each pointer of each call, in an argument or
 * in a structure, is put
 *
 *   nowhere      on a page that is not mapped, at the end of user memory, above it, at the end of all addresses;
 *   closed       in closed pages, across the boundary of two; and there where the program may only read;
 *   running out  so that it starts in a closed page and runs into what is not mapped;
 *
 * and each length, in an argument, behind a pointer or in an iovec or msghdr, is made 0, negative, huge, and what
 * overflows when it is multiplied, with the pointer that it belongs to closed, and nowhere.
 *
 * Each time the call is made by children, natively and in a region, and result and memory are compared. Where they
 * differ, more native runs show what is never the same (times, numbers of processes), and that is left out.
 */
#define _GNU_SOURCE
#include "pointers.h"

#include "recipes_files.h"
#include "recipes_system.h"

/* Calls that say what a process or the whole system has used: their memory is not compared. */
static const struct {
    int nr;
    const char *why;
} measures[] = {
    {SYS_getrusage, "counts faults and switches, and a region has more"},
    {SYS_wait4, "the same, of a child"},
    {SYS_waitid, "the same, of a child"},
    {SYS_times, "counts the time used"},
    {SYS_sysinfo, "counts the memory and the processes of the whole system"},
};

static bool is_measure(void)
{
    for (size_t i = 0; i < sizeof measures / sizeof measures[0]; i++)
        if (measures[i].nr == the.nr)
            return true;
    return false;
}

/* ------------------------------------------------------------------------------------------- one case */

__attribute__((format(printf, 2, 3))) static void compare(int slot, const char *format, ...)
{
    unsigned where = 0;
    size_t offset = 0;
    bool differs = false;
    memset(mask, 0, sizeof mask);
    result_varies = the.varies;
    run(first, false);
    for (unsigned i = 0; i < TRIES; i++) {
        if (i) {
            usleep(5000); /* for a clock to go on */
            run(again, false);
            mask_differences(first, again);
            struct run *earlier = first; /* which may have been an odd one */
            first = again;
            again = earlier;
        }
        run(traced, true);
        differs = !same_result(first, traced) || (!is_measure() && find_difference(first, traced, &where, &offset));
        if (!differs)
            return;
    }
    va_list list;
    char text[120];
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    char name[40] = "";
    if (slot >= 0 && the.slots[slot].where >= the.args && the.slots[slot].where < the.args + 6)
        snprintf(name, sizeof name, ", %s", vmti_row(the.nr)->arg[the.slots[slot].where - the.args].name);
    else if (slot >= 0)
        snprintf(name, sizeof name, ", field %d", slot);
    print_error("%s%s%s, %s: natively %s, in a region %s", vmti_row(the.nr)->name, command_text(), name, text,
                run_text(first), run_text(traced));
    if (same_result(first, traced))
        print_error(": byte %zu of pointer %u is %#x, %#x", offset, where, first->memory[where][offset],
                    traced->memory[where][offset]);
    print_error("\n");
    failures++;
}

static void nothing_wrong(void)
{
    memset(&wrong, 0, sizeof wrong);
    wrong.slot = wrong.read_only = -1;
}

static void compare_at(int slot, uint64_t to, const char *text)
{
    nothing_wrong();
    wrong.slot = slot;
    wrong.to = to;
    compare(slot, "%s (%#lx)", text, (unsigned long)to);
}

static void pointer_cases(unsigned slot)
{
    size_t bytes = the.slots[slot].bytes;
    uint64_t end = WORD(area_end(slot));
    compare_at((int)slot, end, "not mapped");
    compare_at((int)slot, UINT64_C(0x7ffffffffff8), "at the end of user memory");
    compare_at((int)slot, UINT64_C(0xffff800000001000), "above user memory");
    compare_at((int)slot, UINT64_MAX - 3, "at the end of all addresses");
    const size_t inside[] = {1, bytes / 2 & ~(size_t)7, bytes - 1};
    for (unsigned i = 0; i < 3; i++)
        if (inside[i] && inside[i] < bytes && (i == 0 || inside[i] > inside[i - 1]))
            compare_at((int)slot, end - inside[i], "closed, running out");
    nothing_wrong();
    wrong.read_only = (int)slot;
    compare((int)slot, "closed, read-only");
}

/* ------------------------------------------------------------------------------------------- lengths */

static const uint64_t nowhere_at = UINT64_C(0x3ffffffff000);

/* A length of so many bytes at `length`, of what the pointer at `pointer` leads to: addresses, or numbers of
 * arguments. */
static void length_cases(int slot, uint64_t length, size_t bytes, uint64_t pointer, uint32_t unit, const char *name)
{
    const uint64_t values[] = {
        0,
        UINT64_MAX,
        UINT64_C(0x80000000),
        INT32_MAX,
        (uint64_t)INT64_MAX,
        UINT64_C(1) << 47,
        (uint64_t)2 * AREA_PAGES * PAGE,
        unit > 1 ? UINT64_MAX / unit + 2 : 1,
        unit > 1 ? UINT32_MAX / unit + 2 : 1,
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        if (bytes == 4 && values[i] > UINT32_MAX && values[i] != UINT64_MAX)
            continue;
        bool both = values[i] == 0 || values[i] == UINT64_MAX || values[i] == INT32_MAX;
        for (int away = 0; away < (both ? 2 : 1); away++) {
            nothing_wrong();
            wrong.length = (struct patch){length, values[i], bytes};
            if (away)
                wrong.pointer = (struct patch){pointer, nowhere_at, 8};
            compare(slot, "%s = %#lx%s", name, (unsigned long)values[i], away ? ", not mapped" : "");
        }
    }
}

static bool names_a_length(const char *name)
{
    static const char *const names[] = {"len",   "length",     "size",    "count",     "optlen", "addrlen",
                                        "argsz", "nr_args",    "plen",    "bytecount", "msgsz",  "sigsetsize",
                                        "vlen",  "nr_futexes", "riovcnt", "nr_segs",   "nr"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* Lengths inside of what an argument leads to: of struct iovec, of struct msghdr. */
static void inner_length_cases(unsigned slot, const struct vmti_arg *a)
{
    static const struct inner {
        const char *name;
        size_t at, bytes, pointer;
    } iovec[] = {{"iov_len of the first", 8, 8, 0}, {"iov_len of the second", 24, 8, 16}},
      msghdr[] = {{"msg_namelen", 8, 4, 0}, {"msg_iovlen", 24, 8, 16}, {"msg_controllen", 40, 8, 32}};
    const struct inner *inner = NULL;
    size_t count = 0;
    bool by_iovec = a->kind == VMTI_ARG_BY && (a->by == VMTI_RULE_process_vm || a->by == VMTI_RULE_vmsplice);
    if (a->kind == VMTI_ARG_IOV_IN || a->kind == VMTI_ARG_IOV_OUT || by_iovec) {
        inner = iovec;
        count = the.slots[slot].bytes / VMTI_SIZEOF_iovec;
    } else if (a->kind >= VMTI_ARG_MSG_IN && a->kind <= VMTI_ARG_MMSG_OUT) {
        inner = msghdr;
        count = 3;
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t at = WORD(good_place(slot));
        length_cases((int)slot, at + inner[i].at, inner[i].bytes, at + inner[i].pointer, 1, inner[i].name);
    }
}

/* The lengths that belong to the pointer in argument `arg`. */
static void lengths_of(unsigned slot, unsigned arg)
{
    const struct vmti_row *row = vmti_row(the.nr);
    const struct vmti_arg *a = &row->arg[arg];
    inner_length_cases(slot, a);
    if (a->kind == VMTI_ARG_BY || a->kind == VMTI_ARG_WITH) {
        for (unsigned i = 0; i < row->args; i++)
            if (row->arg[i].kind == VMTI_ARG_VALUE && names_a_length(row->arg[i].name))
                length_cases((int)slot, i, 8, arg, a->unit, row->arg[i].name);
        return;
    }
    if (a->len == VMTI_LEN_PTR) {
        for (unsigned i = 0; i < the.count; i++)
            if (the.slots[i].where == &the.args[a->arg])
                length_cases((int)slot, WORD(good_place(i)), 4, arg, 1, row->arg[a->arg].name);
        return;
    }
    bool has_length = a->kind == VMTI_ARG_SIGSET || (a->kind >= VMTI_ARG_IOV_IN && a->kind <= VMTI_ARG_MMSG_OUT);
    has_length |= a->kind >= VMTI_ARG_IN && a->kind <= VMTI_ARG_INOUT && a->len != VMTI_LEN_FIXED;
    if (has_length && a->kind != VMTI_ARG_MSG_IN && a->kind != VMTI_ARG_MSG_OUT)
        length_cases((int)slot, a->arg, 8, arg, a->kind >= VMTI_ARG_IOV_IN ? 16 : a->unit, row->arg[a->arg].name);
}

/* ------------------------------------------------------------------------------------------- one call */

static void judge(void)
{
    covered[the.nr] = true;
    nothing_wrong();
    run(first, false);
    if (first->stage == COMPLETE && is_refused(first->result))
        print_message("  %s: not here: %s\n", vmti_row(the.nr)->name, strerror((int)-first->result));
    compare(-1, "all closed");
    for (unsigned i = 0; i < the.count; i++) {
        pointer_cases(i);
        if (the.slots[i].where >= the.args && the.slots[i].where < the.args + 6)
            lengths_of(i, (unsigned)(the.slots[i].where - the.args));
    }
}

static void *shared_pages(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(p != MAP_FAILED);
    return p;
}

static int make_areas(void **state)
{
    /* getcpu tells where it was called: the same each time, whatever the engine does to a thread's CPUs. */
    cpu_set_t here;
    CPU_ZERO(&here);
    CPU_SET((unsigned)sched_getcpu(), &here);
    assert_int_equal(sched_setaffinity(0, sizeof here, &here), 0);
    make_resources(state);
    first = shared_pages(sizeof *first);
    again = shared_pages(sizeof *again);
    traced = shared_pages(sizeof *traced);
    for (unsigned i = 0; i < SLOTS_MAX; i++) {
        void *p = mmap(area(i), AREA_PAGES * PAGE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        assert_ptr_equal(p, area(i));
        memset(p, 0x5a, AREA_PAGES * PAGE);
        assert_int_equal(vmt_track(p, AREA_PAGES * PAGE, NULL), 0);
    }
    assert_int_equal(vmt_track(room, ROOM_PAGES * PAGE, NULL), 0);
    vmt_config config;
    assert_int_equal(vmt_config_init(&config), 0);
    int error = vmt_begin(&config);
    if (error == -EPERM || error == -ENOSYS || error == -ENOTSUP) {
        print_message("SKIP: %s\n", vmt_error_text());
        remove_resources(state);
        exit(77);
    }
    assert_int_equal(error, 0);
    assert_int_equal(vmt_end(NULL), 0);
    return 0;
}

static int remove_areas(void **state)
{
    print_message("%u calls, %u of them in a region\n", runs, regions);
    return remove_resources(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {RECIPES_FILES, RECIPES_SYSTEM,
                                       cmocka_unit_test(every_call_with_pointers_was_issued_or_has_a_reason)};
    return cmocka_run_group_tests_name("pointers", tests, make_areas, remove_areas);
}
