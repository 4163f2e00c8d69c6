/* SPDX-License-Identifier: MIT */
/*
 * Calls that change mappings, natively and in a region: what they return, and what each page lets the program and the
 * kernel do afterwards, must be the same; among them calls that fail when they have done a part of their work. Each
 * case runs in children of its own, with pages of which every second one is open when the calls come.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/uio.h>

enum { PAGES = 12, WINDOW = 64 };

#include "../older_systems.h"
#include "compared.h"

static int zero, ends[2];

static sigjmp_buf after_fault;
static volatile sig_atomic_t fault_code;

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    fault_code = info->si_code;
    siglongjmp(after_fault, 1);
}

static void prepare_child(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGSEGV, &action, NULL);
}

/* Reads and writes each page, by an instruction and by the kernel. */
static void probe_pages(volatile char *p, int pages)
{
    for (volatile int i = 0; i < pages; i++) {
        volatile char *page = p + (size_t)i * PAGE;
        tell("\n  %d:", i);
        if (!sigsetjmp(after_fault, 0))
            tell(" %d", page[0]);
        else
            tell(" fault %d", (int)fault_code);
        if (!sigsetjmp(after_fault, 0)) {
            page[1] = 1;
            tell(" written");
        } else {
            tell(" fault %d", (int)fault_code);
        }
        said(" write", write(ends[1], (char *)page, 1));
        said(" read", read(zero, (char *)page + 2, 1));
    }
}

/* ------------------------------------------------------------------------------------------- cases */

static void open_even(volatile char *p)
{
    for (int i = 0; i < PAGES; i += 2)
        p[i * PAGE + 8] = 1;
}

static void protect_up_to_a_hole(char *p)
{
    open_even(p);
    munmap(p + 5 * PAGE, PAGE);
    CALL(mprotect(p, PAGES * PAGE, PROT_READ));
    probe_pages(p, PAGES);
}

static void close_up_to_a_hole(char *p)
{
    open_even(p);
    munmap(p + 5 * PAGE, PAGE);
    CALL(mprotect(p, PAGES * PAGE, PROT_NONE));
    probe_pages(p, PAGES);
}

static void protect_from_a_hole_on(char *p)
{
    open_even(p);
    munmap(p, PAGE);
    CALL(mprotect(p, PAGES * PAGE, PROT_READ));
    CALL(syscall(SYS_pkey_mprotect, p + PAGE, 5 * PAGE, PROT_READ, -1));
    munmap(p + 8 * PAGE, PAGE);
    CALL(syscall(SYS_pkey_mprotect, p + 7 * PAGE, 4 * PAGE, PROT_READ | PROT_EXEC, -1));
    probe_pages(p, PAGES);
}

static void protect_up_to_what_refuses(char *p)
{
    int file = open("/proc/self/exe", O_RDONLY);
    open_even(p);
    CALL(mprotect(p, PAGES * PAGE, PROT_READ));
    CALL_MAP(mmap(p + 5 * PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, file, 0));
    CALL(mprotect(p, PAGES * PAGE, PROT_READ | PROT_WRITE));
    CALL(mprotect(p + 1, PAGE, PROT_NONE));
    CALL(mprotect(p, PAGE, 0x100));
    probe_pages(p, 5);
    probe_pages(p + 6 * PAGE, PAGES - 6);
    close(file);
}

static void discard_around_a_hole(char *p)
{
    open_even(p);
    munmap(p + 5 * PAGE, PAGE);
    CALL(madvise(p, PAGES * PAGE, MADV_DONTNEED));
    probe_pages(p, PAGES);
}

static void discard_up_to_what_refuses(char *p)
{
    open_even(p);
    CALL(mlock(p + 5 * PAGE, PAGE));
    CALL(madvise(p, PAGES * PAGE, MADV_DONTNEED));
    probe_pages(p, PAGES);
}

static void discard_by_process_madvise(char *p)
{
    int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    struct iovec three[3] = {{p, 3 * PAGE}, {p + 4 * PAGE, 3 * PAGE}, {p + 8 * PAGE, 2 * PAGE}};
    open_even(p);
    CALL(syscall(SYS_process_madvise, self, three, 3, MADV_DONTNEED, 0));
    probe_pages(p, PAGES);
    munmap(p + 5 * PAGE, PAGE);
    CALL(syscall(SYS_process_madvise, self, three, 3, MADV_DONTNEED, 0));
    probe_pages(p, PAGES);
    CALL(syscall(SYS_process_madvise, self, three + 1, 2, MADV_DONTNEED, 0));
    CALL(syscall(SYS_process_madvise, -10000, three + 2, 1, MADV_DONTNEED, 0));
    CALL(syscall(SYS_process_madvise, -20000, three, 1, MADV_COLD, 0));
    CALL(syscall(SYS_process_madvise, -20000, three, 1, 23 /* MADV_POPULATE_WRITE */, 0));
    CALL(syscall(SYS_process_madvise, self, three, 1, 22 /* MADV_POPULATE_READ */, 0));
    CALL(syscall(SYS_process_madvise, self, three, 3, MADV_DONTNEED, 1));
    CALL(syscall(SYS_process_madvise, -1, three, 3, MADV_DONTNEED, 0));
    probe_pages(p, PAGES);
    close(self);
    /* Before Linux 6.13 only harmless advice is allowed. */
    told->older_kernel = !strstr(told->text, "MADV_DONTNEED, 0) 32768");
}

static void advise_another_process(char *p)
{
    pid_t child = fork();
    if (!child) {
        for (;;)
            pause();
    }
    int other = (int)syscall(SYS_pidfd_open, child, 0);
    struct iovec all = {p, PAGES * PAGE};
    open_even(p);
    CALL(syscall(SYS_process_madvise, other, &all, 1, MADV_COLD, 0));
    CALL(syscall(SYS_process_madvise, other, &all, 1, MADV_DONTNEED, 0));
    probe_pages(p, PAGES);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(other);
}

static void guard(char *p)
{
    open_even(p);
    CALL(madvise(p + 2 * PAGE, 4 * PAGE, 102 /* MADV_GUARD_INSTALL */));
    probe_pages(p, PAGES);
    CALL(madvise(p + 2 * PAGE, 2 * PAGE, 103 /* MADV_GUARD_REMOVE */));
    probe_pages(p, PAGES);
}

static void advise(char *p)
{
    static const int advice[] = {MADV_COLD,
                                 MADV_PAGEOUT,
                                 MADV_HUGEPAGE,
                                 MADV_NOHUGEPAGE,
                                 MADV_REMOVE,
                                 MADV_MERGEABLE,
                                 MADV_RANDOM,
                                 MADV_WILLNEED,
                                 MADV_SEQUENTIAL,
                                 MADV_DONTDUMP,
                                 22,
                                 23,
                                 24,
                                 25,
                                 9999};
    open_even(p);
    for (size_t i = 0; i < sizeof advice / sizeof *advice; i++) {
        tell("\nadvice %d", advice[i]);
        CALL(madvise(p + PAGE, 6 * PAGE, advice[i]));
    }
    probe_pages(p, PAGES);
    CALL(madvise(p, PAGES * PAGE, MADV_FREE));
    for (int i = 0; i < PAGES; i++)
        p[i * PAGE] = (char)i; /* what is written now is kept */
    probe_pages(p, PAGES);
}

static void fork_with_advice(char *p)
{
    open_even(p);
    CALL(madvise(p, 3 * PAGE, MADV_DONTFORK));
    CALL(madvise(p + 4 * PAGE, 4 * PAGE, MADV_WIPEONFORK));
    if (!fork()) {
        probe_pages(p, PAGES);
        _exit(0);
    }
    CALL(wait(NULL) > 0);
    probe_pages(p, PAGES);
}

static void collapse(char *p)
{
    enum { HUGE = 2 << 20 };
    (void)p;
    char *area = mmap(NULL, 3 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *huge = (char *)(((uintptr_t)area + HUGE - 1) / HUGE * HUGE);
    memset(area, 7, 3 * HUGE);
    vmt_track(huge, HUGE, NULL);
    for (int i = 0; i < 100; i += 2)
        huge[i * PAGE] = 8;
    CALL(madvise(huge, HUGE, 25 /* MADV_COLLAPSE */));
    probe_pages(huge, PAGES);
    vmt_untrack(huge, HUGE);
    munmap(area, 3 * HUGE);
}

static void move_and_keep_the_old_range(char *p)
{
    open_even(p);
    char *q = mremap(p, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
    tell("\nmoved %d", q != MAP_FAILED && q != p);
    if (q == MAP_FAILED)
        return;
    probe_pages(q, PAGES);
    probe_pages(p, PAGES);
    munmap(q, PAGES * PAGE);
}

static char *room_for(size_t pages)
{
    return mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* Linux 6.17 and later move several mappings at once. */
static void move_several(char *p)
{
    char *q = room_for(PAGES);
    open_even(p);
    CALL(mprotect(p + 4 * PAGE, 4 * PAGE, PROT_READ));
    munmap(p + 9 * PAGE, PAGE);
    CALL_MAP(mremap(p, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q));
    probe_pages(p, PAGES);
    probe_pages(q, 9);
    munmap(q, PAGES * PAGE);
}

static void resize(char *p)
{
    open_even(p);
    CALL_MAP(mremap(p, PAGES * PAGE, 8 * PAGE, 0));
    CALL_MAP(mremap(p, 8 * PAGE, 10 * PAGE, 0));
    CALL_MAP(mremap(p, 8 * PAGE, 10 * PAGE, 0x100));
    CALL_MAP(mremap(p + 1, 8 * PAGE, 10 * PAGE, 0));
    CALL_MAP(mremap(p, 10 * PAGE, 10 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + 5 * PAGE)); /* overlaps */
    munmap(p + 3 * PAGE, PAGE);
    CALL_MAP(mremap(p, 8 * PAGE, 2 * PAGE, MREMAP_MAYMOVE));
    CALL_MAP(mremap(p, 8 * PAGE, 20 * PAGE, MREMAP_MAYMOVE));
    probe_pages(p, PAGES);
}

static void move_onto_tracked(char *p)
{
    char *q = room_for(3);
    memset(q, 'q', 3 * PAGE);
    open_even(p);
    CALL_MAP(mremap(q, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + 4 * PAGE));
    CALL_MAP(mremap(q, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + 8 * PAGE));
    CALL_MAP(mremap(p, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + 9 * PAGE));
    probe_pages(p, PAGES);
}

static void map_over_and_fail(char *p)
{
    int file = open("/dev/null", O_WRONLY);
    open_even(p);
    CALL_MAP(mmap(p, 4 * PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, file, 0));
    CALL_MAP(mmap(p + 4 * PAGE, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, ends[0], 0));
    CALL_MAP(mmap(p + 6 * PAGE, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, -1, 0));
    CALL_MAP(mmap(p, SIZE_MAX / 2, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    CALL_MAP(mmap(p, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
    probe_pages(p, PAGES);
    CALL_MAP(mmap(p + 3 * PAGE, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    probe_pages(p, PAGES);
    close(file);
}

static void unmap_parts(char *p)
{
    open_even(p);
    CALL(munmap(p + PAGE, 3 * PAGE));
    CALL(munmap(p, 6 * PAGE));
    CALL(munmap(p + 1, PAGE));
    CALL(munmap(p + 7 * PAGE, 1));
    CALL(munmap(p, 0));
    probe_pages(p, PAGES);
}

static void attach_over(char *p)
{
    int id = shmget(IPC_PRIVATE, 3 * PAGE, 0600);
    open_even(p);
    CALL_MAP(shmat(id, p + 2 * PAGE, 0));
    CALL_MAP(shmat(id, p + 2 * PAGE, SHM_REMAP));
    CALL_MAP(shmat(id, p + 8 * PAGE + 5, SHM_REMAP | SHM_RND | SHM_RDONLY));
    probe_pages(p, PAGES);
    CALL(shmdt(p + 2 * PAGE));
    CALL(shmdt(p));
    probe_pages(p, PAGES);
    shmctl(id, IPC_RMID, NULL);
}

static void residency(const char *when, char *p)
{
    unsigned char pages[PAGES];
    tell("\n%s: mincore %d", when, mincore(p, PAGES * PAGE, pages));
    for (int i = 0; i < PAGES; i++)
        tell(" %d", pages[i] & 1);
}

static void lock(char *p)
{
    open_even(p);
    residency("at first", p);
    CALL(madvise(p, 4 * PAGE, MADV_DONTNEED));
    residency("discarded", p);
    CALL(mlock(p, PAGE));
    CALL(syscall(SYS_mlock2, p + PAGE, PAGE, 1 /* MLOCK_ONFAULT */));
    residency("two locked", p);
    CALL(munlock(p, PAGES * PAGE));
    CALL(mlockall(MCL_CURRENT | 4 /* MCL_ONFAULT */));
    residency("all locked on fault", p);
    CALL(mlockall(MCL_CURRENT));
    residency("all locked", p);
    CALL(munlockall());
    CALL(msync(p, PAGES * PAGE, MS_SYNC));
    munmap(p + 5 * PAGE, PAGE);
    CALL(mlock(p, PAGES * PAGE));
    CALL(msync(p, PAGES * PAGE, MS_ASYNC));
    CALL(munlock(p, PAGES * PAGE));
    CALL(syscall(SYS_remap_file_pages, p, PAGE, 0, 0, 0));
    probe_pages(p, PAGES);
}

/* Where the processor has no keys, pkey_alloc says so in both runs. */
static void protect_with_keys(char *p)
{
    open_even(p);
    long key = syscall(SYS_pkey_alloc, 0, 2 /* PKEY_DISABLE_WRITE */);
    tell("\nkey %d", key > 0);
    CALL(syscall(SYS_pkey_mprotect, p, 4 * PAGE, PROT_READ | PROT_WRITE, key));
    CALL(syscall(SYS_pkey_mprotect, p + 4 * PAGE, 2 * PAGE, PROT_EXEC, -1));
    probe_pages(p, PAGES);
    if (key > 0)
        CALL(syscall(SYS_pkey_free, key));
}

static void protect_up_to_a_seal(char *p)
{
    open_even(p);
    CALL(syscall(462 /* mseal, Linux 6.10 */, p + 5 * PAGE, PAGE, 0));
    CALL(mprotect(p, PAGES * PAGE, PROT_READ));
    CALL(mprotect(p + 2 * PAGE, 5 * PAGE, PROT_NONE));
    CALL(madvise(p + 4 * PAGE, 4 * PAGE, MADV_DONTNEED));
    CALL(munmap(p + 4 * PAGE, 4 * PAGE));
    CALL_MAP(mmap(p + 4 * PAGE, 4 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    CALL_MAP(mremap(p + 4 * PAGE, 4 * PAGE, 2 * PAGE, MREMAP_MAYMOVE));
    probe_pages(p, PAGES);
}

/* Memory that the kernel does not reach. */
static void map_secret_memory(char *p)
{
    open_even(p);
    int secret = (int)syscall(SYS_memfd_secret, 0);
    tell("\nsecret %d, truncated %d", secret >= 0, ftruncate(secret, 2 * PAGE));
    CALL_MAP(mmap(p + 3 * PAGE, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, secret, 0));
    if (secret >= 0)
        probe_pages(p, PAGES);
    close(secret);
}

int main(void)
{
    zero = open("/dev/zero", O_RDONLY);
    if (zero < 0 || pipe2(ends, O_NONBLOCK))
        return 1;
    make_told();
    const struct CMUnitTest tests[] = {
        CASE(protect_up_to_a_hole, 11),
        CASE(close_up_to_a_hole, 0),
        CASE(protect_from_a_hole_on, 12),
        CASE(protect_up_to_what_refuses, 11),
        CASE(discard_around_a_hole, 6 + 11),
        CASE(discard_up_to_what_refuses, 0),
        CASE(discard_by_process_madvise, 6 + 11 + 5 + 4),
        CASE(advise_another_process, 12),
        CASE(guard, 0),
        CASE(advise, 0),
        CASE(fork_with_advice, 12),
        CASE(collapse, 0),
        CASE(move_and_keep_the_old_range, 6 + 12 + 12),
        CASE(move_several, 0),
        CASE(resize, 0),
        CASE(move_onto_tracked, 0),
        CASE(map_over_and_fail, 0),
        CASE(unmap_parts, 0),
        CASE(attach_over, 0),
        CASE(lock, 0),
        CASE(protect_with_keys, 0),
        CASE(protect_up_to_a_seal, 0),
        CASE(map_secret_memory, 0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
