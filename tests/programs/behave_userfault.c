/* SPDX-License-Identifier: MIT */
/*
 * userfaultfd over memory that malloc gave, several pages at a time: the kernel takes a range only if one mapping has
 * all of it. See behave.h.
 */
#define _GNU_SOURCE
#include "behave.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

enum { PAGES = 64, BLOCK = 4, SKIPPED = 77 };

static int faults;
static char *memory, *source;

/* Memory whose next accesses are told on `faults`, and what is to be there. False: there is no userfaultfd for us. */
static bool new_missing_memory(void)
{
    enum { USER_MODE_ONLY = 1 }; /* what an ordinary user may have: Linux 5.11 */
    faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC | USER_MODE_ONLY);
    struct uffdio_api api = {.api = UFFD_API};
    if (faults < 0 || ioctl(faults, UFFDIO_API, &api) < 0) {
        puts("no userfaultfd");
        return false;
    }
    memory = new_memory(PAGES * PAGE);
    source = new_memory(PAGES * PAGE);
    for (int i = 0; i < PAGES; i++) {
        memset(memory + i * PAGE, 77, PAGE);
        memset(source + i * PAGE, i + 1, PAGE);
    }
    result("discard", madvise(memory, PAGES * PAGE, MADV_DONTNEED));
    struct uffdio_register where = {.range = {(uintptr_t)memory, PAGES * PAGE}, .mode = UFFDIO_REGISTER_MODE_MISSING};
    result("register", ioctl(faults, UFFDIO_REGISTER, &where));
    return true;
}

static void print_sum(void)
{
    long sum = 0;
    for (int i = PAGES - 1; i >= 0; i--)
        sum += memory[i * PAGE + i];
    result("sum", sum);
}

static long copy(int page, int count)
{
    struct uffdio_copy copy = {
        .dst = (uintptr_t)memory + page * PAGE, .src = (uintptr_t)source + page * PAGE, .len = (unsigned)count * PAGE};
    int error = ioctl(faults, UFFDIO_COPY, &copy);
    return error ? error : copy.copy;
}

static void *fill_blocks(void *none)
{
    for (int blocks = 0; blocks < PAGES / BLOCK; blocks++) {
        struct uffd_msg fault;
        if (read(faults, &fault, sizeof fault) != sizeof fault || fault.event != UFFD_EVENT_PAGEFAULT)
            return none;
        int block = (int)((fault.arg.pagefault.address - (uintptr_t)memory) / (BLOCK * PAGE));
        say("fault in block %d\n", block);
        if (copy(block * BLOCK, BLOCK) < 0) {
            say("copy: %s\n", strerrorname_np(errno));
            _exit(1);
        }
    }
    return none;
}

static int by_thread(void)
{
    pthread_t thread;
    if (!new_missing_memory())
        return SKIPPED;
    pthread_create(&thread, NULL, fill_blocks, NULL);
    print_sum();
    pthread_join(thread, NULL);
    print_sum();
    return 0;
}

static int at_once(void)
{
    if (!new_missing_memory())
        return SKIPPED;
    struct uffdio_zeropage zero = {.range = {(uintptr_t)memory + 30 * PAGE, (PAGES - 30) * PAGE}};
    result("copied", copy(0, 30));
    result("zero", ioctl(faults, UFFDIO_ZEROPAGE, &zero));
    result("zeroed", (long)zero.zeropage);
    result("again", copy(0, 30));
    print_sum();
    return 0;
}

/* What the program itself has made two mappings is no range for the kernel. */
static int of_two_mappings(void)
{
    if (!new_missing_memory())
        return SKIPPED;
    result("protect", mprotect(memory + 10 * PAGE, 10 * PAGE, PROT_READ));
    result("over both", copy(8, 4));
    result("before", copy(0, 10));
    result("behind", copy(20, PAGES - 20));
    result("protected", copy(10, 10));
    print_sum();
    return 0;
}

#ifdef UFFDIO_MOVE
#define MOVE UFFDIO_MOVE
#else
#define MOVE 0xc028aa05 /* Linux 6.8 */
#endif

static int moved(void)
{
    if (!new_missing_memory())
        return SKIPPED;
    struct {
        uint64_t to, from, length, mode;
        int64_t moved;
    } move = {(uintptr_t)memory + 4 * PAGE, (uintptr_t)source + 4 * PAGE, 50 * PAGE, 0, 0};
    if (ioctl(faults, MOVE, &move) < 0 && errno == EINVAL) {
        puts("no UFFDIO_MOVE");
        return SKIPPED;
    }
    result("moved", move.moved);
    result("the source", source[4 * PAGE] + source[53 * PAGE] + source[54 * PAGE]);
    result("copied", copy(0, 4));
    result("copied", copy(54, PAGES - 54));
    print_sum();
    return 0;
}

BEHAVIOURS({"by_thread", by_thread}, {"at_once", at_once}, {"of_two_mappings", of_two_mappings}, {"moved", moved})
