/* SPDX-License-Identifier: MIT */
/*
 * The floor of a fault: floor_faults untraced|stopped BYTES WINDOW COUNT PATTERN...
 * untraced: a SIGSEGV handler that opens the page and closes the oldest by two mprotect calls, nobody tracing.
 * stopped: nobody handles it; the smallest helper makes the two calls at the one stop and resumes with signal 0.
 */
#define _GNU_SOURCE
#include "helper.h"

static uintptr_t heap_start, heap_end;
static uintptr_t *ring; /* the pages that are open, oldest at head */
static size_t window, head;

/* Opens the page at address and closes the oldest; false if that is not the heap. */
static inline bool answer_fault(uintptr_t address)
{
    if (address < heap_start || address >= heap_end)
        return false;
    uintptr_t page = address & ~(uintptr_t)(PAGE - 1);
    raw_call(SYS_mprotect, (long)page, PAGE, PROT_READ | PROT_WRITE, 0);
    if (ring[head])
        raw_call(SYS_mprotect, (long)ring[head], PAGE, PROT_NONE, 0);
    ring[head] = page;
    head = head + 1 == window ? 0 : head + 1;
    return true;
}

static void handle_fault(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    if (!answer_fault((uintptr_t)info->si_addr))
        signal(SIGSEGV, SIG_DFL);
}

static long answer_stop(pid_t program, long number)
{
    siginfo_t info;
    if (number != SIGSEGV || raw_call(SYS_ptrace, PTRACE_GETSIGINFO, program, 0, (long)&info) < 0)
        return number;
    return answer_fault((uintptr_t)info.si_addr) ? 0 : number;
}

int main(int argc, char **argv)
{
    if (argc < 6)
        die("usage: floor_faults untraced|stopped BYTES WINDOW COUNT PATTERN...");
    bool stopped = strcmp(argv[1], "stopped") == 0;
    size_t bytes = parse_number(argv[2]), count = parse_number(argv[4]);
    window = parse_number(argv[3]);
    bind_to_cpu();
    char *heap = make_heap(bytes);
    heap_start = (uintptr_t)heap;
    heap_end = heap_start + bytes;
    ring = map_own(window * sizeof *ring);
    struct helper helper = {.resume = PTRACE_CONT, .answer = answer_stop};
    if (stopped) {
        int error = start_helper(&helper);
        if (error) {
            for (int i = 5; i < argc; i++)
                printf("%s - ptrace is refused: %s\n", argv[i], strerror(-error));
            return 0;
        }
    } else {
        struct sigaction action = {.sa_sigaction = handle_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
        sigaction(SIGSEGV, &action, NULL);
    }
    for (int i = 5; i < argc; i++) {
        struct order order = make_order(argv[i], bytes / PAGE, window, count);
        memset(ring, 0, window * sizeof *ring);
        head = 0;
        if (mprotect(heap, bytes, PROT_NONE))
            die("mprotect: %m");
        warm_up(heap, &order);
        time_accesses(heap, &order);
        mprotect(heap, bytes, PROT_READ | PROT_WRITE);
        print_batches(argv[i], 1);
        drop_order(&order);
    }
    return 0;
}
