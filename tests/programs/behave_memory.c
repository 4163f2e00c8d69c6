/* SPDX-License-Identifier: MIT */
/*
 * Memory reached in other ways than by the processor: process_vm_readv and process_vm_writev, /proc/self/mem, of the
 * program itself and of its child by the parent; mappings put over malloc'd memory.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/uio.h>

#include "behave.h"

enum { PAGES = 100 };

static unsigned sum(const char *p, size_t n)
{
    unsigned value = 0;
    for (size_t i = 0; i < n; i += 64)
        value = value * 31 + (unsigned char)p[i];
    return value;
}

static char *new_pattern(int seed)
{
    char *p = new_memory(PAGES * PAGE);
    for (int i = 0; i < PAGES * PAGE; i++)
        p[i] = (char)(i * 7 + seed);
    return p;
}

static int of_itself(void)
{
    char *p = new_pattern(1);
    struct iovec local = {p, 40000}, remote = {p + 50 * PAGE, 40000};
    result("process_vm_readv", process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
    printf("%u\n", sum(p, PAGES * PAGE));
    result("process_vm_writev", process_vm_writev(getpid(), &remote, 1, &local, 1, 0));
    int fd = open("/proc/self/mem", O_RDWR);
    result("pread", pread(fd, p, 40000, (off_t)(uintptr_t)(p + 20 * PAGE)));
    result("pwrite", pwrite(fd, p + 12345, 4000, (off_t)(uintptr_t)(p + 30 * PAGE + 77)));
    printf("%u\n", sum(p, PAGES * PAGE));
    mprotect(p + 40 * PAGE, PAGE, PROT_NONE);
    remote = (struct iovec){p + 39 * PAGE, 3 * PAGE};
    local = (struct iovec){p, 3 * PAGE};
    result("into a page closed by itself", process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
    result("/proc/self/mem ignores that", pread(fd, p, 3 * PAGE, (off_t)(uintptr_t)(p + 39 * PAGE)));
    mprotect(p + 40 * PAGE, PAGE, PROT_READ | PROT_WRITE);
    printf("%u\n", sum(p, PAGES * PAGE));
    int ends[2];
    if (pipe(ends) < 0)
        return 1;
    struct iovec out = {p + 4000, 9000};
    char *copy = new_memory(3 * PAGE);
    result("vmsplice", vmsplice(ends[1], &out, 1, 0));
    result("read", read(ends[0], copy, 9000));
    printf("same %d\n", memcmp(copy, p + 4000, 9000) == 0);
    return 0;
}

static int of_child(void)
{
    char *p = new_pattern(2), *into = new_memory(20 * PAGE);
    int ends[2];
    char byte, path[64];
    if (pipe(ends) < 0)
        return 1;
    pid_t child = fork();
    if (child == 0) {
        memset(p + 10 * PAGE, 'c', 20 * PAGE);
        byte = 'r';
        if (write(ends[1], &byte, 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    result("the child is ready", read(ends[0], &byte, 1));
    struct iovec local = {into, 20 * PAGE}, remote = {p + 5 * PAGE, 20 * PAGE};
    result("process_vm_readv", process_vm_readv(child, &local, 1, &remote, 1, 0));
    printf("%u\n", sum(into, 20 * PAGE));
    local.iov_base = p;
    result("process_vm_writev", process_vm_writev(child, &local, 1, &remote, 1, 0));
    snprintf(path, sizeof path, "/proc/%d/mem", (int)child);
    int fd = open(path, O_RDWR);
    result("pread", pread(fd, into, 20 * PAGE, (off_t)(uintptr_t)(p + 5 * PAGE)));
    printf("%u %u\n", sum(into, 20 * PAGE), sum(p, PAGES * PAGE));
    kill(child, SIGKILL);
    wait_and_print("child", child);
    return 0;
}

static void map_over(char *p, int page, int count)
{
    if (mmap(p + page * PAGE, (size_t)count * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
             0) == MAP_FAILED)
        exit(1);
}

static int mappings(void)
{
    int id = shmget(IPC_PRIVATE, 16 * PAGE, 0600);
    for (int k = 0; k < 3; k++) {
        char *p = new_pattern(k);
        char *shared = shmat(id, p + 32 * PAGE, SHM_REMAP);
        printf("shmat %d %d\n", shared == p + 32 * PAGE, k ? shared[5] : 0);
        memset(shared, k + 1, 16 * PAGE);
        printf("%u\n", sum(p, PAGES * PAGE));
        result("shmdt", shmdt(shared));
        result("msync of none", msync(p + 32 * PAGE, PAGE, MS_ASYNC));
        map_over(p, 32, 16);
        int fd = memfd_create("file", 0);
        if (ftruncate(fd, 8 * PAGE) < 0)
            return 1;
        result("pwrite", pwrite(fd, p, 8 * PAGE, 0));
        char *file = mmap(p + 60 * PAGE, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
        printf("%u\n", sum(p, PAGES * PAGE));
        file[10] = 99;
        char *moved = mremap(file, 8 * PAGE, 16 * PAGE, MREMAP_MAYMOVE);
        printf("moved %d %d\n", moved != file && moved != MAP_FAILED, moved[10]);
        map_over(p, 60, 8);
        char *to = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        strcpy(to, "text");
        moved = mremap(p + 80 * PAGE, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to);
        printf("fixed %d %u\n", moved == to, sum(to, 8 * PAGE));
        map_over(p, 80, 8);
        result("mprotect with a hole", (munmap(p + 94 * PAGE, PAGE), mprotect(p + 92 * PAGE, 6 * PAGE, PROT_READ)));
        map_over(p, 92, 6);
        void *refused = mmap(p, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        result("not over it", (long)(intptr_t)refused);
        result("DONTNEED", madvise(p + 3 * PAGE, 5 * PAGE, MADV_DONTNEED));
        result("WILLNEED", madvise(p + 20 * PAGE, PAGE, MADV_WILLNEED));
        result("a bad advice", madvise(p, PAGE, 9999));
        unsigned char resident[PAGES];
        result("mincore", mincore(p, PAGES * PAGE, resident));
        printf("%u\n", sum(p, PAGES * PAGE));
        result("mlock", mlock(p, 8 * PAGE));
        result("munlock", munlock(p, 8 * PAGE));
        result("sbrk", sbrk(50 * PAGE) == (void *)-1 ? -1 : 0);
        char *end = sbrk(0);
        end[-1] = 3;
        end[-49 * PAGE] = 1;
        result("brk", brk(end - 40 * PAGE));
        char *again = sbrk(40 * PAGE);
        printf("zero %d\n", again[39 * PAGE + PAGE - 1]);
        result("brk", brk(end - 50 * PAGE));
        malloc_trim(0);
        close(fd);
    }
    shmctl(id, IPC_RMID, NULL);
    return 0;
}

/* One thread maps over pages, or discards or protects them, that others write to. */
static char *volatile pages;
static atomic_int stop;
static pthread_barrier_t round_barrier;

static void *write_pages(void *seed)
{
    unsigned x = (unsigned)(uintptr_t)seed * 77 + 1;
    for (;;) {
        pthread_barrier_wait(&round_barrier);
        if (stop)
            return NULL;
        volatile char *p = pages;
        for (int i = 0; i < 300; i++) {
            x = x * 1103515245 + 12345;
            p[(x >> 16) % 32 * PAGE + 64]++;
        }
        pthread_barrier_wait(&round_barrier);
    }
}

static int under_threads(void)
{
    pthread_t threads[2];
    pthread_barrier_init(&round_barrier, NULL, 3);
    for (uintptr_t i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, write_pages, (void *)i);
    for (int round = 0; round < 60; round++) {
        char *p = pages = memset(new_memory(32 * PAGE), 1, 32 * PAGE);
        pthread_barrier_wait(&round_barrier);
        for (int i = 0; i < 32; i++) {
            stack_t stack = {.ss_sp = p + i * PAGE, .ss_size = 4 * PAGE};
            if (round % 4 == 0)
                map_over(p, i, 1);
            else if (round % 4 == 1)
                madvise(p + i * PAGE, PAGE, MADV_DONTNEED);
            else if (round % 4 == 2)
                mprotect(p + i * PAGE, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
            else
                sigaltstack(&stack, NULL);
            ((volatile char *)p)[i * PAGE + 64]++;
        }
        stack_t none = {.ss_flags = SS_DISABLE};
        sigaltstack(&none, NULL);
        pthread_barrier_wait(&round_barrier);
        free(p);
    }
    stop = 1;
    pthread_barrier_wait(&round_barrier);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    puts("done");
    return 0;
}

/* After this call no page becomes executable that is not. */
static int no_new_code(void)
{
    enum { PAGES = 40, SET_MDWE = 65, REFUSE_EXEC_GAIN = 1, RETURN = 0xc3 };
    char *code = memset(new_memory(PAGES * PAGE), RETURN, PAGES * PAGE);
    result("executable", mprotect(code, PAGES * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC));
    touch_heap();
    if (prctl(SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0)) {
        puts("no PR_SET_MDWE");
        return 77;
    }
    touch_heap();
    for (int i = 0; i < PAGES; i++) {
        uintptr_t at = (uintptr_t)code + (uintptr_t)i * PAGE;
        ((void (*)(void))at)();
        code[i * PAGE + 1]++;
    }
    result("more", mprotect(new_memory(PAGE), PAGE, PROT_READ | PROT_EXEC));
    pid_t child = fork();
    if (!child) {
        ((void (*)(void))(uintptr_t)code)();
        _exit(touch_heap() ? 3 : 4);
    }
    wait_and_print("child", child);
    return 0;
}

BEHAVIOURS({"of_itself", of_itself}, {"of_child", of_child}, {"mappings", mappings}, {"under_threads", under_threads},
           {"no_new_code", no_new_code})
