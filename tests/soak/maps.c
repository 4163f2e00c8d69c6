/* SPDX-License-Identifier: MIT */
/* Operations on the address space: mappings of the program's own, and what it does to pages that malloc gave. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../older_systems.h"
#include "soak.h"

static unsigned char *map(size_t pages, int protection, int flags)
{
    void *p = mmap(NULL, pages * PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    CHECK(p != MAP_FAILED);
    return p;
}

/* Pages of the program's own, or from malloc: what they are asked to do has the same effect. */
static unsigned char *some_pages(size_t pages, bool heap)
{
    if (!heap)
        return map(pages, PROT_READ | PROT_WRITE, one_in(4) ? MAP_POPULATE : 0);
    unsigned char *p = aligned_alloc(PAGE, pages * PAGE);
    CHECK(p != NULL);
    memset(p, 0, pages * PAGE);
    return p;
}

static void release(unsigned char *p, size_t pages, bool heap)
{
    if (heap)
        free(p);
    else
        CHECK_IS(munmap(p, pages * PAGE), 0);
}

/* ------------------------------------------------------------------------------------------- a model of some pages */

enum { MODEL = 24, GONE = -1 };

struct model {
    unsigned char *memory;
    size_t pages;
    int protection[MODEL]; /* or GONE */
    uint64_t key[MODEL];   /* of the contents; 0: zeroes */
};

static bool is_zero(const unsigned char *p)
{
    for (size_t i = 0; i < PAGE; i++)
        if (p[i])
            return false;
    return true;
}

static void check_page(struct model *m, size_t i)
{
    unsigned char *p = m->memory + i * PAGE, *at = p + below(PAGE);
    int protection = m->protection[i];
    int expected = protection == GONE ? SEGV_MAPERR : protection == PROT_NONE ? SEGV_ACCERR : 0;
    CHECK_IS(touch(at, false), expected);
    CHECK_IS(touch(at, true), expected ? expected : protection & PROT_WRITE ? 0 : SEGV_ACCERR);
    if (!expected)
        CHECK(m->key[i] ? filled(p, PAGE, m->key[i]) : is_zero(p));
}

static void change_pages(struct model *m, bool heap)
{
    static const int protections[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE};
    size_t from = below(m->pages), n = between(1, m->pages - from);
    unsigned char *p = m->memory + from * PAGE;
    uint64_t what = below(10);
    mix(what * 1000 + from * 30 + n);
    for (size_t i = from; i < from + n; i++)
        if (m->protection[i] == GONE && what != 2)
            return; /* mprotect over a hole changes the pages before it */
    switch (what) {
    case 0:
    case 1: {
        int protection = protections[below(4)];
        CHECK_IS(mprotect(p, n * PAGE, protection), 0);
        for (size_t i = from; i < from + n; i++)
            m->protection[i] = protection;
        break;
    }
    case 2: { /* over whatever is there */
        int protection = protections[below(4)];
        CHECK(mmap(p, n * PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p);
        for (size_t i = from; i < from + n; i++) {
            m->protection[i] = protection;
            m->key[i] = 0;
        }
        break;
    }
    case 3:
    case 4:
        CHECK_IS(madvise(p, n * PAGE, MADV_DONTNEED), 0);
        for (size_t i = from; i < from + n; i++)
            m->key[i] = 0;
        break;
    case 5:
        CHECK_IS(madvise(p, n * PAGE, one_in(2) ? MADV_WILLNEED : MADV_RANDOM), 0);
        break;
    case 6: /* holes would be given to other threads */
        if (soak.threads > 1 || heap)
            break;
        CHECK_IS(munmap(p, n * PAGE), 0);
        for (size_t i = from; i < from + n; i++) {
            m->protection[i] = GONE;
            m->key[i] = 0;
        }
        break;
    default:
        for (size_t i = from; i < from + n; i++) {
            if (m->protection[i] != (PROT_READ | PROT_WRITE))
                continue;
            m->key[i] = draw() | 1;
            fill(m->memory + i * PAGE, PAGE, m->key[i]);
        }
    }
}

static void model(bool heap)
{
    struct model m = {.pages = between(2, MODEL)};
    m.memory = some_pages(m.pages, heap);
    for (size_t i = 0; i < m.pages; i++)
        m.protection[i] = PROT_READ | PROT_WRITE;
    for (uint64_t n = between(5, 20); n; n--) {
        change_pages(&m, heap);
        for (uint64_t checks = 3; checks; checks--)
            check_page(&m, below(m.pages));
    }
    for (size_t i = 0; i < m.pages; i++)
        check_page(&m, i);
    if (heap)
        CHECK_IS(mprotect(m.memory, m.pages * PAGE, PROT_READ | PROT_WRITE), 0);
    release(m.memory, m.pages, heap);
}

static void pieces(void)
{
    model(false);
}
static void heap_pieces(void)
{
    model(true);
}

/* ------------------------------------------------------------------------------------------- write barriers */

static bool open_page(void *address)
{
    return mprotect((void *)((uintptr_t)address & -(uintptr_t)PAGE), PAGE, PROT_READ | PROT_WRITE) == 0;
}

/* As a garbage collector finds the pages that were written. */
static void barrier(void)
{
    bool heap = one_in(2);
    size_t pages = between(2, 30);
    unsigned char *p = some_pages(pages, heap);
    for (size_t i = 0; i < pages; i++)
        fill(p + i * PAGE, PAGE, i + 1);
    for (int round = 0; round < 3; round++) {
        int closed = one_in(3) ? PROT_NONE : PROT_READ;
        CHECK_IS(mprotect(p, pages * PAGE, closed), 0);
        bool seen[32] = {false};
        unsigned expected = 0;
        begin_mending(open_page);
        for (uint64_t n = between(1, 40); n; n--) {
            size_t page = below(pages);
            volatile unsigned char *at = p + page * PAGE + below(PAGE);
            if (one_in(3) && closed == PROT_READ) {
                mix(*at);
                continue;
            }
            *at = *at;
            expected += !seen[page];
            seen[page] = true;
        }
        CHECK_IS(end_mending(), expected);
        mix(expected);
    }
    CHECK_IS(mprotect(p, pages * PAGE, PROT_READ | PROT_WRITE), 0);
    for (size_t i = 0; i < pages; i++)
        CHECK(filled(p + i * PAGE, PAGE, i + 1));
    release(p, pages, heap);
}

/* Reserved first, made accessible piece by piece, as arenas do. */
static void reserve(void)
{
    size_t pages = between(10, 200), now = 0;
    unsigned char *p = map(pages, PROT_NONE, MAP_NORESERVE);
    while (now < pages) {
        size_t n = between(1, 40);
        n = n > pages - now ? pages - now : n;
        CHECK_IS(touch(p + now * PAGE, one_in(2)), SEGV_ACCERR);
        CHECK_IS(mprotect(p + now * PAGE, n * PAGE, PROT_READ | PROT_WRITE), 0);
        fill(p + now * PAGE, PAGE, now);
        now += n;
        mix(now);
    }
    CHECK(filled(p, PAGE, 0));
    CHECK_IS(madvise(p, pages * PAGE / 2, one_in(2) ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) * 0, 0);
    CHECK_IS(munmap(p, pages * PAGE), 0);
}

/* ------------------------------------------------------------------------------------------- mremap */

static void remap(void)
{
    size_t pages = between(2, 20);
    unsigned char *p = map(pages, PROT_READ | PROT_WRITE, 0);
    fill(p, pages * PAGE, 11);
    for (int i = 0; i < 5; i++) {
        size_t now = between(2, 40), kept = now < pages ? now : pages;
        unsigned char *q;
        if (one_in(3)) {
            unsigned char *target = map(now, PROT_NONE, 0);
            q = mremap(p, pages * PAGE, now * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target);
            CHECK(q == target);
        } else if (one_in(3)) {
            now = kept = pages;
            q = mremap(p, pages * PAGE, pages * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
            CHECK(q != MAP_FAILED && q != p);
            CHECK(is_zero(p) && is_zero(p + (pages - 1) * PAGE));
            CHECK_IS(munmap(p, pages * PAGE), 0);
        } else
            q = mremap(p, pages * PAGE, now * PAGE, MREMAP_MAYMOVE);
        CHECK(q != MAP_FAILED);
        CHECK(filled(q, kept * PAGE, 11));
        for (size_t page = kept; page < now; page++)
            CHECK(is_zero(q + page * PAGE));
        fill(q, now * PAGE, 11);
        p = q;
        pages = now;
        mix(pages);
    }
    if (one_in(2)) { /* in place */
        CHECK(mremap(p, pages * PAGE, (pages - 1) * PAGE, 0) == p);
        pages--;
    }
    CHECK_IS(munmap(p, pages * PAGE), 0);
}

/* Pages from malloc change places with others, and with a file. One by one: a heap may be several mappings to the
 * kernel, of which mremap takes one. */
static void heap_remap(void)
{
    size_t pages = between(1, 12);
    unsigned char *p = some_pages(pages, true);
    fill(p, pages * PAGE, 21);
    for (size_t i = 0; i < pages; i++) {
        unsigned char *q = mremap(p + i * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
        CHECK(q != MAP_FAILED);
        CHECK(filled(q, PAGE, 21 + i * PAGE));
        CHECK(is_zero(p + i * PAGE));
        fill(p + i * PAGE, PAGE, 22);
        if (one_in(2)) {
            CHECK(mremap(q, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + i * PAGE) == p + i * PAGE);
            CHECK(filled(p + i * PAGE, PAGE, 21 + i * PAGE));
        } else
            CHECK_IS(munmap(q, PAGE), 0);
    }
    int fd = memfd_create("soak", MFD_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_IS(ftruncate(fd, PAGE), 0);
    CHECK(mmap(p, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == p);
    fill(p, PAGE, 23);
    unsigned char *bytes = get(PAGE);
    CHECK_IS(pread(fd, bytes, PAGE, 0), PAGE);
    CHECK(filled(bytes, PAGE, 23));
    free(bytes);
    CHECK(mmap(p, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p);
    close(fd);
    CHECK(is_zero(p));
    free(p);
}

/* Some pages in the middle of a block that is a mapping of its own. */
static void heap_remap_many(void)
{
    if (!soak.fixed_threshold)
        return;
    size_t pages = between(40, 60), from = between(2, 10), n = between(2, 20);
    unsigned char *block = get(pages * PAGE);
    if (!(((size_t *)(void *)block)[-1] & 2)) { /* IS_MMAPPED: not from what an arena had */
        free(block);
        return;
    }
    unsigned char *p = (unsigned char *)(((uintptr_t)block + PAGE - 1) & -(uintptr_t)PAGE);
    for (size_t i = 0; i + 1 < pages; i += between(1, 3))
        fill(p + i * PAGE, PAGE, i);
    p += from * PAGE;
    fill(p, n * PAGE, 25);
    unsigned char *q = mremap(p, n * PAGE, n * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
    CHECK(q != MAP_FAILED);
    CHECK(filled(q, n * PAGE, 25));
    for (size_t i = 0; i < n; i++)
        CHECK(is_zero(p + i * PAGE));
    CHECK_IS(munmap(q, n * PAGE), 0);
    free(block);
}

/* ------------------------------------------------------------------------------------------- shared memory */

static void alias(void)
{
    size_t pages = between(1, 10);
    int fd = memfd_create("soak", MFD_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_IS(ftruncate(fd, (off_t)(pages * PAGE)), 0);
    unsigned char *a = mmap(NULL, (pages + 1) * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    unsigned char *b = mmap(NULL, pages * PAGE, PROT_READ, one_in(2) ? MAP_SHARED : MAP_SHARED | MAP_POPULATE, fd, 0);
    CHECK(a != MAP_FAILED && b != MAP_FAILED);
    fill(a, pages * PAGE, 31);
    CHECK(filled(b, pages * PAGE, 31));
    CHECK_IS(touch(b + below(pages * PAGE), true), SEGV_ACCERR);
    CHECK_IS(touch(a + pages * PAGE + below(PAGE), one_in(2)), BUS_ADRERR);
    CHECK_IS(msync(a, pages * PAGE, one_in(2) ? MS_SYNC : MS_ASYNC), 0);
    CHECK_IS(ftruncate(fd, 0), 0);
    CHECK_IS(touch(a, false), BUS_ADRERR);
    CHECK_IS(munmap(a, (pages + 1) * PAGE), 0);
    CHECK_IS(munmap(b, pages * PAGE), 0);
    close(fd);
}

static void system_v(void)
{
    size_t bytes = between(1, 5) * PAGE;
    int id = shmget(IPC_PRIVATE, bytes, IPC_CREAT | 0600);
    CHECK(id >= 0);
    unsigned char *a = shmat(id, NULL, 0), *b = shmat(id, NULL, SHM_RDONLY);
    CHECK(a != (void *)-1 && b != (void *)-1);
    fill(a, bytes, 41);
    CHECK(filled(b, bytes, 41));
    CHECK_IS(touch(b, true), SEGV_ACCERR);
    struct shmid_ds *info = get(sizeof *info);
    CHECK_IS(shmctl(id, IPC_STAT, info), 0);
    CHECK(info->shm_nattch >= 2); /* a child of another thread has them too */
    CHECK_IS(info->shm_segsz, bytes);
    free(info);
    CHECK_IS(shmdt(b), 0);
    CHECK_IS(shmctl(id, IPC_RMID, NULL), 0);
    CHECK(filled(a, bytes, 41));
    CHECK_IS(shmdt(a), 0);
}

/* ------------------------------------------------------------------------------------------- advice, locks, tables */

static int status_of(pid_t child)
{
    int status;
    pid_t got;
    do
        got = waitpid(child, &status, 0);
    while (got < 0 && errno == EINTR && soak_retry_eintr);
    CHECK_IS(got, child);
    return status;
}

/* What a child does not get, or gets empty. */
static void advise_children(void)
{
    bool heap = one_in(2);
    size_t pages = between(2, 8);
    unsigned char *p = some_pages(pages, heap);
    fill(p, pages * PAGE, 51);
    CHECK_IS(madvise(p, PAGE, MADV_WIPEONFORK), 0);
    if (!heap)
        CHECK_IS(madvise(p + PAGE, PAGE, MADV_DONTFORK), 0);
    pid_t child = fork();
    if (child == 0) {
        int wrong = !is_zero(p);
        if (!heap)
            wrong += touch(p + PAGE, false) != SEGV_MAPERR;
        for (size_t i = 2; i < pages; i++)
            wrong += !filled(p + i * PAGE, PAGE, 51 + i * PAGE);
        _exit(wrong);
    }
    CHECK(child > 0);
    CHECK_IS(status_of(child), 0);
    CHECK(filled(p, pages * PAGE, 51));
    CHECK_IS(madvise(p, PAGE, MADV_KEEPONFORK), 0);
    CHECK_IS(madvise(p + PAGE, PAGE, MADV_DOFORK), 0);
    release(p, pages, heap);
}

static void lock(void)
{
    bool heap = one_in(2);
    size_t pages = between(2, 6);
    unsigned char *p = some_pages(pages, heap), *resident = get(pages);
    fill(p, pages * PAGE, 61);
    CHECK_IS(mlock(p, pages * PAGE), 0);
    CHECK_IS(mincore(p, pages * PAGE, resident), 0);
    for (size_t i = 0; i < pages; i++)
        CHECK_IS(resident[i] & 1, 1);
    CHECK_IS(munlock(p, pages * PAGE), 0);
    if (one_in(2)) {
        CHECK_IS(mlock2(p, PAGE, MLOCK_ONFAULT), 0);
        CHECK_IS(munlock(p, PAGE), 0);
    }
    if (!heap) {
        CHECK_IS(madvise(p, PAGE, MADV_DONTNEED), 0);
        CHECK_IS(mincore(p, PAGE, resident), 0);
        CHECK_IS(resident[0] & 1, 0);
    }
    errno = 0;
    CHECK_IS(mlock(NULL, PAGE), -1);
    CHECK_IS(errno, ENOMEM);
    free(resident);
    CHECK_IS(msync(p, pages * PAGE, MS_ASYNC), 0);
    release(p, pages, heap);
}

/* The program looks at its memory from outside. By the thread's number: the main thread may have ended. */
static void look(void)
{
    size_t bytes = between(100, 5 * PAGE);
    unsigned char *p = get(bytes), *q = get(bytes);
    fill(p, bytes, 71);
    if (one_in(2)) {
        int fd = open("/proc/thread-self/mem", O_RDWR | O_CLOEXEC);
        CHECK(fd >= 0);
        CHECK_IS(pread(fd, q, bytes, (off_t)(uintptr_t)p), bytes);
        CHECK(filled(q, bytes, 71));
        fill(q, bytes, 72);
        CHECK_IS(pwrite(fd, q, bytes, (off_t)(uintptr_t)p), bytes);
        CHECK(filled(p, bytes, 72));
        close(fd);
    } else {
        struct iovec *local = get(2 * sizeof *local), *remote = get(2 * sizeof *remote);
        local[0] = (struct iovec){q, bytes / 2};
        local[1] = (struct iovec){q + bytes / 2, bytes - bytes / 2};
        remote[0] = (struct iovec){p, bytes / 3};
        remote[1] = (struct iovec){p + bytes / 3, bytes - bytes / 3};
        CHECK_IS(process_vm_readv((pid_t)syscall(SYS_gettid), local, 2, remote, 2, 0), bytes);
        CHECK(filled(q, bytes, 71));
        fill(q, bytes, 73);
        CHECK_IS(process_vm_writev((pid_t)syscall(SYS_gettid), local, 2, remote, 2, 0), bytes);
        CHECK(filled(p, bytes, 73));
        free(local);
        free(remote);
    }
    free(p);
    free(q);
}

static void refused(void)
{
    unsigned char *p = map(4, PROT_READ | PROT_WRITE, 0);
    CHECK(mmap(p, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED);
    CHECK_IS(errno, EEXIST);
    CHECK_FAILS(munmap(p + 1, PAGE), EINVAL);
    CHECK_FAILS(munmap(p, 0), EINVAL);
    CHECK_FAILS(mprotect(p + 1, PAGE, PROT_READ), EINVAL);
    CHECK_FAILS(mprotect(p, PAGE, 0x1000), EINVAL);
    CHECK_FAILS(madvise(p, PAGE, 12345), EINVAL);
    CHECK_FAILS(msync(p, PAGE, 77), EINVAL);
    CHECK(mremap(p, PAGE, 0, MREMAP_MAYMOVE) == MAP_FAILED);
    CHECK_IS(errno, EINVAL);
    CHECK(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
    CHECK_IS(errno, EINVAL);
    CHECK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, -1, 0) == MAP_FAILED);
    CHECK_IS(errno, EBADF);
    CHECK_IS(touch((unsigned char *)8, one_in(2)), SEGV_MAPERR);
    CHECK_IS(munmap(p, 4 * PAGE), 0);
}

/* The brk moves under malloc. */
static void move_brk(void)
{
    size_t bytes = between(1, 5) * PAGE;
    unsigned char *before = sbrk((intptr_t)bytes);
    CHECK(before != (void *)-1);
    CHECK(sbrk(0) == before + bytes);
    fill(before, bytes, 81);
    unsigned char *p = get(100000); /* malloc sees that the brk was moved */
    fill(p, 100000, 82);
    CHECK(filled(before, bytes, 81));
    CHECK(filled(p, 100000, 82));
    free(p);
    if (sbrk(0) == before + bytes) {
        CHECK_IS(brk(before), 0);
        CHECK(sbrk(0) == before);
        CHECK(sbrk((intptr_t)bytes) == before);
        for (size_t i = 0; i + PAGE <= bytes; i += PAGE)
            CHECK(is_zero(before + i) || (uintptr_t)before % PAGE);
    }
}

/* A mapping that grows as a stack does. */
static void grow_down(void)
{
    size_t pages = 600; /* the kernel keeps 256 free below it */
    unsigned char *room = map(pages, PROT_NONE, 0), *top = room + pages * PAGE - 2 * PAGE;
    CHECK_IS(munmap(room, pages * PAGE), 0);
    CHECK(mmap(top, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_GROWSDOWN, -1,
               0) == top);
    for (size_t i = 1; i < 5; i++)
        CHECK_IS(touch(top - i * PAGE + below(PAGE), one_in(2)), 0);
    CHECK_IS(munmap(top - 4 * PAGE, 5 * PAGE), 0);
}

/* Several threads mend what they all write to. */
static unsigned char *common;
static size_t common_pages;

static void *write_common(void *argument)
{
    (void)argument;
    begin_mending(open_page);
    for (int i = 0; i < 60; i++)
        atomic_fetch_add((atomic_uint *)(void *)(common + below(common_pages) * PAGE + 64), 1);
    end_mending();
    return NULL;
}

static void barrier_of_threads(void)
{
    bool heap = one_in(2);
    common_pages = between(1, 20);
    common = some_pages(common_pages, heap);
    CHECK_IS(mprotect(common, common_pages * PAGE, one_in(2) ? PROT_READ : PROT_NONE), 0);
    struct soak_helper helpers[3];
    size_t n = between(1, 3);
    for (size_t i = 0; i < n; i++)
        start_helper(&helpers[i], write_common, NULL, NULL);
    write_common(NULL);
    for (size_t i = 0; i < n; i++)
        join_helper(&helpers[i]);
    CHECK_IS(mprotect(common, common_pages * PAGE, PROT_READ | PROT_WRITE), 0);
    unsigned sum = 0;
    for (size_t i = 0; i < common_pages; i++)
        sum += *(unsigned *)(void *)(common + i * PAGE + 64);
    CHECK_IS(sum, 60 * (n + 1));
    release(common, common_pages, heap);
}

static const struct soak_operation operations[] = {
    {"maps.pieces", 15, 0, pieces},
    {"maps.heap-pieces", 15, 0, heap_pieces},
    {"maps.barrier", 12, 0, barrier},
    {"maps.barrier-of-threads", 5, SOAK_EXCLUSIVE, barrier_of_threads},
    {"maps.reserve", 6, 0, reserve},
    {"maps.remap", 10, 0, remap},
    {"maps.heap-remap", 8, 0, heap_remap},
    {"maps.heap-remap-many", 4, 0, heap_remap_many},
    {"maps.alias", 6, 0, alias},
    {"maps.system-v", 4, 0, system_v},
    {"maps.advise-children", 4, SOAK_FORKS, advise_children},
    {"maps.lock", 5, 0, lock},
    {"maps.look", 5, 0, look},
    {"maps.refused", 4, 0, refused},
    {"maps.brk", 8, SOAK_ALONE, move_brk},
    {"maps.grow-down", 4, SOAK_ALONE, grow_down},
};
const struct soak_group soak_maps = SOAK_GROUP(operations);
