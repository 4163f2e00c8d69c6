/* SPDX-License-Identifier: MIT */
/* The call stacks of allocations, in the trace. */
#define _GNU_SOURCE
#include "patterns.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trace_read.h"

enum { MOST = 64, BLOCKS = 20, BLOCK_PAGES = 3 };

/* What backtrace(3) says in the function that allocates: from its caller on. */
struct seen {
    void *frames[MOST];
    int count;
};

static __attribute__((noinline)) char *allocate(size_t bytes, struct seen *seen)
{
    if (seen)
        seen->count = backtrace(seen->frames, MOST);
    char *p = malloc(bytes);
    __asm__ volatile("" ::: "memory");
    return p;
}

static __attribute__((noinline)) char *one_way(size_t bytes, struct seen *seen)
{
    char *p = allocate(bytes, seen);
    __asm__ volatile("" ::: "memory");
    return p;
}

static __attribute__((noinline)) char *another_way(unsigned depth, size_t bytes, struct seen *seen)
{
    char *p = depth ? another_way(depth - 1, bytes, seen) : allocate(bytes, seen);
    __asm__ volatile("" ::: "memory");
    return p;
}

static vmt_config config_with_stacks(const char *trace)
{
    vmt_config config = config_for(VMT_SCOPE_HEAP, 64);
    config.stacks = true;
    config.trace_path = trace;
    return config;
}

static void name_trace(char name[32])
{
    strcpy(name, "/tmp/vmt-stacks-XXXXXX");
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    close(fd);
}

/* Reads the owners of the trace, and removes it. */
static struct vmti_page_owners read_owners(const char *name)
{
    struct vmti_trace_reader reader;
    struct vmti_trace_summary summary;
    assert_int_equal(vmti_trace_read_file(&reader, name), 0);
    assert_true(reader.header.flags & VMTI_TRACE_HAS_STACKS);
    assert_int_equal(vmti_trace_summarize(&reader, &summary), 0);
    assert_string_equal(summary.reason, "");
    struct vmti_page_owners owners = summary.owners;
    memset(&summary.owners, 0, sizeof summary.owners);
    vmti_trace_summary_free(&summary);
    vmti_trace_read_close(&reader);
    unlink(name);
    return owners;
}

/* The stack of the block's page has the frames of `seen`, but for the first, where allocate() goes on. */
static void expect_stack(const struct vmti_page_owners *owners, const char *page, const struct seen *seen)
{
    const struct vmti_trace_owner *owner = vmti_page_owners_find(owners, (uintptr_t)page / PAGE);
    assert_non_null(owner);
    assert_non_null(owner->stack);
    assert_true(owner->stack->frames[0] == owner->site);
    int count = seen->count < VMTI_TRACE_STACK_MAX ? seen->count : VMTI_TRACE_STACK_MAX;
    assert_int_equal(owner->stack->count, count);
    for (int i = 1; i < count; i++)
        assert_true(owner->stack->frames[i] == (uintptr_t)seen->frames[i]);
}

/* ------------------------------------------------------------------------------------------- tests */

static void a_page_has_the_stack_of_its_allocation(void **state)
{
    (void)state;
    char name[32], *blocks[BLOCKS];
    static struct seen seen[BLOCKS];
    name_trace(name);
    vmt_config config = config_with_stacks(name);
    begin(&config);
    for (unsigned i = 0; i < BLOCKS; i++) {
        size_t bytes = BLOCK_PAGES * PAGE + 100 * i;
        blocks[i] = i % 2 ? one_way(bytes, &seen[i]) : another_way(2 * i, bytes, &seen[i]);
        memset(blocks[i], 1, bytes);
    }
    vmt_report_free(end());
    struct vmti_page_owners owners = read_owners(name);
    for (unsigned i = 0; i < BLOCKS; i++)
        expect_stack(&owners, blocks[i] + PAGE, &seen[i]);
    assert_true(seen[BLOCKS - 2].count > VMTI_TRACE_STACK_MAX); /* else nothing was cut */
    vmti_page_owners_free(&owners);
    for (unsigned i = 0; i < BLOCKS; i++)
        free(blocks[i]);
}

/* Small blocks of one call and several ways to it do not share an owner; those of one way do. */
static void small_blocks_are_told_apart_by_their_stacks(void **state)
{
    (void)state;
    enum { SMALL = 200, EACH = 100 }; /* five pages each way */
    char name[32], *first[2], *last[2];
    name_trace(name);
    vmt_config config = config_with_stacks(name);
    begin(&config);
    for (int way = 0; way < 2; way++)
        for (int i = 0; i < EACH; i++) {
            char *p = way ? another_way(3, SMALL, NULL) : one_way(SMALL, NULL);
            *p = 1; /* kept to the end of the process */
            if (i == EACH / 2)
                first[way] = p;
            last[way] = p;
        }
    vmt_report_free(end());
    struct vmti_page_owners owners = read_owners(name);
    for (int way = 0; way < 2; way++) {
        const struct vmti_trace_owner *a = vmti_page_owners_find(&owners, (uintptr_t)first[way] / PAGE);
        const struct vmti_trace_owner *b = vmti_page_owners_find(&owners, (uintptr_t)last[way] / PAGE);
        assert_non_null(a->stack);
        assert_ptr_equal(a->stack, b->stack);
        assert_true(a->stack->count > 2 && a->stack->frames[0] == a->site);
    }
    assert_true(vmti_page_owners_find(&owners, (uintptr_t)last[0] / PAGE)->stack !=
                vmti_page_owners_find(&owners, (uintptr_t)last[1] / PAGE)->stack);
    vmti_page_owners_free(&owners);
}

static void without_the_request_there_are_none(void **state)
{
    (void)state;
    char name[32];
    name_trace(name);
    vmt_config config = config_with_stacks(name);
    config.stacks = false;
    begin(&config);
    char *p = one_way(BLOCK_PAGES * PAGE, NULL);
    memset(p, 1, BLOCK_PAGES * PAGE);
    vmt_report_free(end());
    struct vmti_trace_reader reader;
    struct vmti_event event;
    assert_int_equal(vmti_trace_read_file(&reader, name), 0);
    assert_false(reader.header.flags & VMTI_TRACE_HAS_STACKS);
    while (vmti_trace_read_next(&reader, &event))
        assert_true(event.kind != VMTI_REC_STACK && event.stack == 0);
    assert_true(reader.complete);
    vmti_trace_read_close(&reader);
    unlink(name);
    free(p);
}

static void *allocate_in_thread(void *blocks)
{
    for (int i = 0; i < BLOCKS; i++) {
        char *p = ((char **)blocks)[i] = another_way((unsigned)i, BLOCK_PAGES * PAGE, NULL);
        memset(p, 1, BLOCK_PAGES * PAGE);
        /* The loader's lock is taken and malloc called with it, while the others unwind. */
        void *library = dlopen("libm.so.6", RTLD_NOW);
        if (library)
            dlclose(library);
    }
    return NULL;
}

static void threads_unwind_beside_the_loader(void **state)
{
    (void)state;
    enum { THREADS = 3 };
    static char *blocks[THREADS][BLOCKS];
    pthread_t threads[THREADS];
    char name[32];
    name_trace(name);
    vmt_config config = config_with_stacks(name);
    begin(&config);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, allocate_in_thread, blocks[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    vmt_report_free(end());
    struct vmti_page_owners owners = read_owners(name);
    for (int i = 0; i < THREADS; i++)
        for (int k = 0; k < BLOCKS; k++) {
            const struct vmti_trace_owner *owner = vmti_page_owners_find(&owners, (uintptr_t)blocks[i][k] / PAGE + 1);
            const struct vmti_trace_owner *other = vmti_page_owners_find(&owners, (uintptr_t)blocks[0][k] / PAGE + 1);
            assert_non_null(owner->stack);
            assert_true(owner->stack->count >= (uint32_t)k + 3);
            /* The same stack, but for what the two threads may have come with at the same moment. */
            assert_memory_equal(owner->stack->frames, other->stack->frames, (size_t)(k + 3) * sizeof(uint64_t));
            free(blocks[i][k]);
        }
    vmti_page_owners_free(&owners);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_blocks_are_told_apart_by_their_stacks), /* first: their pages must be new */
        cmocka_unit_test(a_page_has_the_stack_of_its_allocation),
        cmocka_unit_test(without_the_request_there_are_none),
        cmocka_unit_test(threads_unwind_beside_the_loader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
