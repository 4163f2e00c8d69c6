/* SPDX-License-Identifier: MIT */
/* Ranges that the test names, write tracking across system calls, and where the trace of a region goes. */
#define _GNU_SOURCE
#include "patterns.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static char *map_pages(size_t pages, int prot, int flags)
{
    char *p = mmap(NULL, pages * PAGE, prot, flags | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(p, MAP_FAILED);
    return p;
}

static void assert_refused(const void *ptr, size_t len, const char *label, const char *reason)
{
    assert_int_equal(vmt_track(ptr, len, label), -EINVAL);
    if (!strstr(vmt_error_text(), reason))
        fail_msg("\"%s\" does not say \"%s\"", vmt_error_text(), reason);
}

static void what_cannot_be_tracked_is_refused(void **state)
{
    (void)state;
    char on_stack[PAGE];
    static __thread char in_tls[64];
    char *private = map_pages(4, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    char *shared = map_pages(1, PROT_READ | PROT_WRITE, MAP_SHARED);
    char *closed = map_pages(1, PROT_NONE, MAP_PRIVATE);
    munmap(private + 2 * PAGE, PAGE);
    char long_label[100];
    memset(long_label, 'x', sizeof long_label);
    long_label[99] = '\0';

    assert_refused(NULL, 10, "x", "not a range");
    assert_refused(private, 0, "x", "not a range");
    assert_refused(private, SIZE_MAX, "x", "not a range");
    assert_refused(private, 3 * PAGE, "x", "not mapped");
    assert_refused(shared, 1, "x", "shared");
    assert_refused(closed, 1, "x", "not readable");
    assert_refused(on_stack, sizeof on_stack, "x", "stack");
    assert_refused(in_tls, sizeof in_tls, "x", "thread-local");
    assert_refused(private, 1, long_label, "longer than 63");
    assert_int_equal(vmt_untrack(NULL, 1), -EINVAL);
    munmap(private, 4 * PAGE);
    munmap(shared, PAGE);
    munmap(closed, PAGE);
}

/* Inside a region, too; and only what is named, by whole pages. */
static void ranges_come_and_go_inside_a_region(void **state)
{
    (void)state;
    volatile char *p = map_pages(30, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    vmt_config config = config_for(VMT_SCOPE_RANGES, 64);
    begin(&config);
    for (int i = 0; i < 30; i++)
        p[i * PAGE] = 1; /* not tracked yet */
    int first = vmt_track((void *)(p + 5 * PAGE + 100), 10 * PAGE, "ten and a bit"); /* 11 pages */
    int second = vmt_track((void *)(p + 20 * PAGE), 1, "one");
    for (int i = 0; i < 30; i++)
        p[i * PAGE] = 2;
    vmt_untrack((void *)(p + 20 * PAGE), 1);
    madvise((void *)p, 30 * PAGE, MADV_DONTNEED); /* a touch again for what is tracked still */
    for (int i = 0; i < 30; i++)
        p[i * PAGE] = 3;
    vmt_report *report = end();
    assert_int_equal(first, 0);
    assert_int_equal(second, 0);
    assert_int_equal(vmt_report_footprint(report), 12);
    assert_int_equal(vmt_report_label_pages(report, "ten and a bit"), 11);
    assert_int_equal(vmt_report_label_pages(report, "one"), 1);
    assert_int_equal(vmt_report_touches(report), 12 + 11);
    assert_true(vmt_report_has_label(report, "one"));
    assert_false(vmt_report_has_label(report, "two"));
    vmt_verdict verdict;
    assert_true(vmt_check_label_at_most(report, "one", 1, &verdict));
    assert_false(vmt_check_label_at_most(report, "ten and a bit", 10, &verdict));
    assert_int_equal(verdict.outcome, VMT_BROKEN);
    assert_false(vmt_check_label_at_most(report, "two", 10, &verdict));
    assert_int_equal(verdict.outcome, VMT_NOT_MEASURED);
    vmt_report_free(report);
    vmt_untrack((void *)p, 30 * PAGE);
    munmap((void *)p, 30 * PAGE);
}

static void *wait_for_end(void *barrier)
{
    pthread_barrier_wait(barrier);
    pthread_barrier_wait(barrier);
    return NULL;
}

/* Its thread-local memory is at the end of the stack, and the kernel reaches that at any moment; but not what is beside
 * it. */
static void pages_beside_a_thread_are_tracked(void **state)
{
    (void)state;
    enum { BELOW = 20, STACK = 40, ABOVE = 20 }; /* PTHREAD_STACK_MIN is 128 KiB on aarch64 */
    char *p = map_pages(BELOW + STACK + ABOVE, PROT_READ | PROT_WRITE, MAP_PRIVATE),
         *above = p + (BELOW + STACK) * PAGE;
    pthread_attr_t attributes;
    pthread_barrier_t barrier;
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_attr_init(&attributes);
    assert_int_equal(pthread_attr_setstack(&attributes, p + BELOW * PAGE, STACK * PAGE), 0);
    assert_int_equal(pthread_create(&thread, &attributes, wait_for_end, &barrier), 0);
    pthread_barrier_wait(&barrier);
    assert_int_equal(vmt_track(p, BELOW * PAGE, "below"), 0);
    assert_int_equal(vmt_track(above, ABOVE * PAGE, "above"), 0);
    vmt_config config = config_for(VMT_SCOPE_RANGES, 64);
    begin(&config);
    for (int i = 0; i < BELOW; i++)
        p[i * PAGE]++;
    for (int i = 0; i < ABOVE; i++)
        above[i * PAGE]++;
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    vmt_report *report = end();
    assert_int_equal(vmt_report_label_pages(report, "below"), BELOW);
    assert_int_equal(vmt_report_label_pages(report, "above"), ABOVE);
    vmt_report_free(report);
    vmt_untrack(p, BELOW * PAGE);
    vmt_untrack(above, ABOVE * PAGE);
    munmap(p, (BELOW + STACK + ABOVE) * PAGE);
    pthread_attr_destroy(&attributes);
    pthread_barrier_destroy(&barrier);
}

/* A static array is not of the heap; named, it is tracked like it. */
static char array[40 * PAGE] __attribute__((aligned(PAGE)));

static void static_arrays_can_be_named(void **state)
{
    (void)state;
    vmt_config config = config_for(VMT_SCOPE_HEAP, 16);
    assert_int_equal(vmt_track(array, sizeof array, "array"), 0);
    begin(&config);
    for (int i = 0; i < 40; i++)
        array[i * PAGE]++;
    vmt_report *report = end();
    assert_int_equal(vmt_report_label_pages(report, "array"), 40);
    vmt_report_free(report);
    assert_int_equal(vmt_untrack(array, sizeof array), 0);
    begin(&config);
    array[0]++;
    report = end();
    assert_int_equal(vmt_report_footprint(report), 0);
    vmt_report_free(report);
}

static void calls_write_what_they_say(void **state)
{
    (void)state;
    char *p = map_pages(20, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(vmt_track(p, 20 * PAGE, NULL), 0);
    vmt_config config = config_for(VMT_SCOPE_RANGES, 64);
    config.track_writes = true;
    begin(&config);
    ssize_t out = write(ends[1], p, 3 * PAGE);         /* reads 3 pages */
    ssize_t in = read(ends[0], p + 10 * PAGE, 5 * PAGE); /* writes 3, though it may write 5 */
    (void)*(volatile char *)(p + 10 * PAGE);           /* open */
    *(volatile char *)p = 1;                           /* upgrade */
    vmt_report *report = end();
    assert_int_equal(out, 3 * PAGE);
    assert_int_equal(in, 3 * PAGE);
    assert_int_equal(vmt_report_touches(report), 6);
    assert_int_equal(vmt_report_syscall_touches(report), 6);
    assert_int_equal(vmt_report_pages_written(report), 4);
    vmt_report_free(report);
    close(ends[0]);
    close(ends[1]);
    vmt_untrack(p, 20 * PAGE);
    munmap(p, 20 * PAGE);
}

/* ------------------------------------------------------------------------------------------- the trace file */

static void each_region_has_its_trace(void **state)
{
    (void)state;
    char folder[] = "/tmp/vmt-test-XXXXXX", name[64], other[80];
    assert_non_null(mkdtemp(folder));
    snprintf(name, sizeof name, "%s/trace", folder);
    char *p = map_pages(20, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    assert_int_equal(vmt_track(p, 20 * PAGE, NULL), 0);
    setenv("VMT_TRACENAME", name, 1);
    setenv("VMT_SCOPE", "ranges", 1);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(vmt_begin(NULL), 0);
        for (int j = 0; j < 20; j++)
            p[j * PAGE]++;
        vmt_report *report = end();
        uint64_t peak = 0;
        snprintf(other, sizeof other, i == 1 ? "%s" : "%s.%d", name, i);
        assert_string_equal(vmt_report_trace_path(report), other);
        assert_int_equal(vmt_report_working_set(report, 100, &peak), 0); /* read back from the file */
        assert_int_equal(peak, 20);
        struct stat status;
        assert_int_equal(stat(other, &status), 0);
        assert_int_equal(status.st_mode & 0777, 0600);
        unlink(other);
        assert_int_not_equal(vmt_report_working_set(report, 100, &peak), 0); /* gone */
        assert_non_null(strstr(vmt_error_text(), other));
        vmt_report_free(report);
    }
    unsetenv("VMT_TRACENAME");
    unsetenv("VMT_SCOPE");
    rmdir(folder);
    vmt_untrack(p, 20 * PAGE);
    munmap(p, 20 * PAGE);
}

static void files_that_are_no_traces_are_left_alone(void **state)
{
    (void)state;
    char folder[] = "/tmp/vmt-test-XXXXXX", name[64], link_name[64], missing[80];
    assert_non_null(mkdtemp(folder));
    snprintf(name, sizeof name, "%s/letter", folder);
    snprintf(link_name, sizeof link_name, "%s/link", folder);
    snprintf(missing, sizeof missing, "%s/no/such/folder", folder);
    FILE *letter = fopen(name, "w");
    fputs("Dear all,", letter);
    fclose(letter);
    assert_int_equal(symlink(name, link_name), 0);
    vmt_config config = config_for(VMT_SCOPE_HEAP, 64);
    config.trace_path = name;
    assert_int_equal(vmt_begin(&config), -EEXIST);
    assert_non_null(strstr(vmt_error_text(), name));
    config.trace_path = link_name;
    assert_int_equal(vmt_begin(&config), -ELOOP);
    config.trace_path = missing;
    assert_int_equal(vmt_begin(&config), -ENOENT);
    config.trace_path = folder;
    assert_int_equal(vmt_begin(&config), -EISDIR);
    assert_false(vmt_active());
    char text[32] = "";
    letter = fopen(name, "r");
    assert_non_null(fgets(text, sizeof text, letter));
    fclose(letter);
    assert_string_equal(text, "Dear all,");
    unlink(name);
    unlink(link_name);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_tracked_is_refused),
        cmocka_unit_test(ranges_come_and_go_inside_a_region),
        cmocka_unit_test(pages_beside_a_thread_are_tracked),
        cmocka_unit_test(static_arrays_can_be_named),
        cmocka_unit_test(calls_write_what_they_say),
        cmocka_unit_test(each_region_has_its_trace),
        cmocka_unit_test(files_that_are_no_traces_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
