/* SPDX-License-Identifier: MIT */
/* What a report reads in its trace: locality of all touches and of parts of them, fingerprint, bounds. All numbers are
 * exact. */
#define _GNU_SOURCE
#include "patterns.h"

#include "../unit/random.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vmt/cmocka.h>

enum { PAGES = 40, WINDOW = 8 };

static volatile char *pages;

static int map_pages(void **state)
{
    (void)state;
    pages = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return -1;
    return vmt_track((void *)pages, 20 * PAGE, "low") || vmt_track((void *)(pages + 20 * PAGE), 20 * PAGE, "high");
}

static int unmap_pages(void **state)
{
    (void)state;
    vmt_untrack((void *)pages, PAGES * PAGE);
    return munmap((void *)pages, PAGES * PAGE);
}

static void walk(int from, int to)
{
    for (int i = from; i < to; i++)
        pages[i * PAGE]++;
}

static void begin_ranges(void)
{
    vmt_config config = config_for(VMT_SCOPE_RANGES, WINDOW);
    begin(&config);
}

static const vmt_locality *all_of(const vmt_report *report)
{
    const vmt_locality *all;
    assert_int_equal(vmt_locality_of_all(report, &all), 0);
    return all;
}

static void a_loop_over_20_pages_needs_20(void **state)
{
    (void)state;
    begin_ranges();
    walk(0, 20);
    walk(0, 20);
    vmt_report *report = end();
    const vmt_locality *all = all_of(report);
    assert_int_equal(vmt_locality_touches(all), 40);
    assert_int_equal(vmt_locality_pages(all), 20);
    assert_int_equal(vmt_locality_misses(all, 0), 40);
    assert_int_equal(vmt_locality_misses(all, 19), 40);
    assert_int_equal(vmt_locality_misses(all, 20), 20);
    assert_int_equal(vmt_locality_misses(all, UINT64_MAX), 20);
    assert_int_equal(vmt_locality_hits(all, 19), 0);
    assert_int_equal(vmt_locality_hits(all, 20), 20);
    assert_int_equal(vmt_locality_memory_for(all, 0), 20);
    assert_int_equal(vmt_locality_memory_for(all, 49.9), 20);
    assert_int_equal(vmt_locality_memory_for(all, 50), 1);
    assert_int_equal(vmt_locality_memory_for(all, -1), 20);

    uint64_t tau = 5, peak, once, low, high;
    double average, exact;
    assert_int_equal(vmt_locality_working_set(all, &tau, &average), 0);
    assert_int_equal(tau, 4);
    assert_true(average == (1 + 2 + 3 + 37 * 4) / 40.0);
    assert_int_equal(vmt_report_average_working_set(report, 4, &exact), 0);
    assert_true(exact == average);
    assert_int_equal(vmt_report_average_working_set(report, 5, &exact), 0);
    assert_true(exact == (1 + 2 + 3 + 4 + 36 * 5) / 40.0);
    assert_int_equal(vmt_report_working_set(report, 5, &peak), 0);
    assert_int_equal(peak, 5);
    tau = 0;
    assert_int_equal(vmt_locality_working_set(all, &tau, &average), -EINVAL);

    assert_int_equal(vmt_report_pages_once(report, &once), 0);
    assert_int_equal(once, 0);
    assert_int_equal(vmt_report_misses_bound(report, 3 * WINDOW - 3, &low, &high), -ERANGE);
    assert_non_null(strstr(vmt_error_text(), "from 22 pages on"));
    assert_int_equal(vmt_report_misses_bound(report, 3 * WINDOW - 2, &low, &high), 0);
    assert_int_equal(low, 20);  /* misses of 29 pages */
    assert_int_equal(high, 40); /* ... of 15 */
    vmt_report_free(report);
}

/* Misses of an LRU memory, by the definition. */
static uint64_t model_misses(const unsigned char *touches, size_t count, size_t memory)
{
    unsigned char held[PAGES];
    size_t used = 0;
    uint64_t misses = 0;
    for (size_t i = 0; i < count; i++) {
        size_t at = 0;
        while (at < used && held[at] != touches[i])
            at++;
        if (at == used) {
            misses++;
            if (used < memory)
                used++;
            at = used - 1;
        }
        memmove(held + 1, held, at);
        held[0] = touches[i];
    }
    return misses;
}

static void every_size_of_memory_has_its_misses(void **state)
{
    (void)state;
    enum { STEPS = 2000 };
    static unsigned char accesses[STEPS], touches[STEPS];
    unsigned char open[WINDOW];
    size_t count = 0;
    uint64_t random = 1;
    memset(open, 255, sizeof open);
    begin_ranges();
    for (int i = 0; i < STEPS; i++) {
        unsigned char page = (unsigned char)(next_random(&random) % PAGES);
        pages[page * PAGE]++;
        accesses[i] = page;
        if (memchr(open, page, sizeof open))
            continue;
        open[count % WINDOW] = page; /* the FIFO of the region */
        touches[count++] = page;
    }
    vmt_report *report = end();
    const vmt_locality *all = all_of(report);
    assert_int_equal(vmt_report_touches(report), count);
    for (size_t memory = 1; memory <= PAGES + 1; memory++) {
        uint64_t low, high, of_all = model_misses(accesses, STEPS, memory);
        assert_int_equal(vmt_locality_misses(all, memory), model_misses(touches, count, memory));
        int error = vmt_report_misses_bound(report, memory, &low, &high);
        assert_int_equal(error, memory < 3 * WINDOW - 2 ? -ERANGE : 0);
        assert_true(error || (low <= of_all && of_all <= high));
    }
    uint64_t memory = vmt_locality_memory_for(all, 20);
    assert_true(model_misses(touches, count, memory) - PAGES <= count / 5);
    assert_true(model_misses(touches, count, memory - 1) - PAGES > count / 5);
    vmt_report_free(report);
}

static void labels_and_sites_have_their_own(void **state)
{
    (void)state;
    begin_ranges();
    walk(0, 10);
    walk(20, 35);
    walk(0, 10);
    vmt_report *report = end();
    const vmt_locality *part;
    assert_int_equal(vmt_locality_of_label(report, "low", &part), 0);
    assert_int_equal(vmt_locality_touches(part), 20);
    assert_int_equal(vmt_locality_pages(part), 10);
    assert_int_equal(vmt_locality_misses(part, 10), 10); /* beside itself it holds nothing */
    assert_int_equal(vmt_locality_of_label(report, "high", &part), 0);
    assert_int_equal(vmt_locality_touches(part), 15);
    uint64_t once;
    assert_int_equal(vmt_report_pages_once(report, &once), 0);
    assert_int_equal(once, 15);
    assert_int_equal(vmt_locality_of_label(report, "no such label", &part), -ENOENT);
    assert_non_null(strstr(vmt_error_text(), "no such label"));
    assert_int_equal(vmt_locality_of_label(report, NULL, &part), -ENOENT);
    vmt_report_free(report);

    begin_ranges();
    walk(0, 1);
    report = end();
    assert_int_equal(vmt_locality_of_label(report, "high", &part), 0); /* known, and not touched */
    assert_int_equal(vmt_locality_touches(part), 0);
    assert_int_equal(vmt_locality_memory_for(part, 0), 0);
    vmt_report_free(report);

    char *block = aligned_alloc(PAGE, 64 * PAGE);
    assert_non_null(block);
    vmt_config config = config_for(VMT_SCOPE_HEAP, WINDOW);
    vmt_untrack((void *)pages, PAGES * PAGE);
    begin(&config);
    for (int i = 0; i < 30; i++)
        ((volatile char *)block)[(i + 1) * PAGE] = 1;
    report = end();
    vmt_page_info info;
    assert_int_equal(vmt_report_page(report, 0, &info), 0);
    assert_int_equal(vmt_locality_of_site(report, info.site, &part), 0);
    assert_int_equal(vmt_locality_pages(part), 30);
    assert_int_equal(vmt_locality_of_site(report, (const char *)info.site + 1, &part), -ENOENT);
    char text[200];
    vmt_report_site_text(report, info.site, text, sizeof text);
    assert_int_equal(strncmp(text, "labels_and_sites_have_their_own", strlen("labels_and_sites_have_their_own")), 0);
    vmt_report_site_text(report, info.site, text, 40); /* the name gives way, the line stays */
    assert_true(strlen(text) < 40);
    assert_non_null(strstr(text, ".."));
    vmt_report_free(report);
    free(block);
    assert_int_equal(vmt_track((void *)pages, 20 * PAGE, "low"), 0);
    assert_int_equal(vmt_track((void *)(pages + 20 * PAGE), 20 * PAGE, "high"), 0);
}

/* Each phase touches what it finds closed: of the pages that the one before used last, the window has some open. */
static void phases_have_their_own(void **state)
{
    (void)state;
    begin_ranges();
    walk(0, 3);
    int marked = vmt_mark("build");
    walk(5, 25);
    marked |= vmt_mark("look up");
    walk(24, 34); /* 24 is open */
    marked |= vmt_mark("build");
    walk(5, 10);
    marked |= vmt_mark("nothing");
    marked |= vmt_mark(NULL);
    walk(39, 40);
    vmt_report *report = end();
    assert_int_equal(marked, 0);
    const vmt_locality *part;
    assert_int_equal(vmt_locality_of_phase(report, "build", &part), 0);
    assert_int_equal(vmt_locality_pages(part), 20);
    assert_int_equal(vmt_locality_touches(part), 25);
    assert_int_equal(vmt_locality_of_phase(report, "look up", &part), 0);
    assert_int_equal(vmt_locality_pages(part), 9);
    assert_int_equal(vmt_locality_of_phase(report, "nothing", &part), 0);
    assert_int_equal(vmt_locality_pages(part), 0);
    assert_int_equal(vmt_locality_of_phase(report, "another", &part), -ENOENT);
    assert_non_null(strstr(vmt_error_text(), "'another'"));
    assert_int_equal(vmt_locality_of_phase(report, "", &part), -ENOENT);
    assert_int_equal(vmt_locality_pages(all_of(report)), 3 + 29 + 1);
    vmt_report_free(report);
}

static void budgets_of_parts(void **state)
{
    (void)state;
    begin_ranges();
    walk(0, 20);
    int marked = vmt_mark("again");
    walk(0, 20);
    vmt_report *report = end();
    assert_int_equal(marked, 0);
    uint64_t fingerprint;
    assert_int_equal(vmt_report_fingerprint(report, &fingerprint), 0);
    vmt_assert_phase_at_most(report, "again", 20);
    vmt_assert_thread_at_most(report, 0, 20);
    vmt_assert_misses_at_most(report, 20, 20);
    vmt_assert_memory_for_at_most(report, 0, 20);
    vmt_assert_fingerprint(report, fingerprint);
    vmt_verdict v;
    assert_false(vmt_check_phase_at_most(report, "again", 19, &v));
    assert_int_equal(v.outcome, VMT_BROKEN);
    assert_int_equal(v.actual, 20);
    assert_non_null(strstr(v.text, "\n  20 pages, 20 touches: 'low'\n"));
    assert_false(vmt_check_thread_at_most(report, 0, 19, &v));
    assert_int_equal(v.outcome, VMT_BROKEN);
    assert_non_null(strstr(v.text, "\nmost pages of this part"));
    assert_non_null(strstr(v.text, "\n  20 pages, 40 touches: 'low'\n"));
    assert_false(vmt_check_misses_at_most(report, 19, 39, &v));
    assert_int_equal(v.actual, 40);
    assert_false(vmt_check_misses_at_most(report, 22, 19, &v));
    assert_non_null(strstr(v.text, "\nAll accesses of the program take 20 to 40 of them.\n"));
    assert_false(vmt_check_memory_for_at_most(report, 49, 19, &v));
    assert_int_equal(v.actual, 20);
    assert_false(vmt_check_fingerprint(report, fingerprint + 1, &v));
    assert_int_equal(v.outcome, VMT_BROKEN);
    assert_false(vmt_check_phase_at_most(report, "never", 100, &v));
    assert_int_equal(v.outcome, VMT_NOT_MEASURED);
    assert_false(vmt_check_thread_at_most(report, 1, 100, &v));
    assert_int_equal(v.outcome, VMT_NOT_MEASURED);
    vmt_report_free(report);
}

static pid_t thread_tid;

static void *walk_high(void *arg)
{
    (void)arg;
    thread_tid = (pid_t)syscall(SYS_gettid);
    walk(20, 32);
    return NULL;
}

static void threads_have_their_own(void **state)
{
    (void)state;
    pthread_t thread;
    begin_ranges();
    walk(0, 5);
    int created = pthread_create(&thread, NULL, walk_high, NULL);
    pthread_join(thread, NULL);
    vmt_report *report = end();
    assert_int_equal(created, 0);
    const vmt_locality *part;
    assert_int_equal(vmt_locality_of_thread(report, 0, &part), 0);
    assert_int_equal(vmt_locality_pages(part), 5);
    assert_int_equal(vmt_locality_of_thread(report, (pid_t)syscall(SYS_gettid), &part), 0);
    assert_int_equal(vmt_locality_pages(part), 5);
    assert_int_equal(vmt_locality_of_thread(report, thread_tid, &part), 0);
    assert_int_equal(vmt_locality_pages(part), 12);
    assert_int_equal(vmt_locality_of_thread(report, thread_tid + 1000, &part), -ENOENT);
    vmt_report_free(report);

    begin_ranges();
    report = end();
    assert_int_equal(vmt_locality_of_thread(report, 0, &part), 0); /* known, and touched nothing */
    assert_int_equal(vmt_locality_touches(part), 0);
    vmt_report_free(report);
}

static vmt_report *region_of(int from, int to)
{
    begin_ranges();
    walk(0, 20);
    walk(from, to);
    return end();
}

static void fingerprints_are_of_the_pages_in_order(void **state)
{
    (void)state;
    vmt_report *a = region_of(20, 30), *same = region_of(20, 30);
    vmt_report *longer = region_of(20, 31), *other = region_of(21, 31);
    uint64_t x, y, touch;
    assert_int_equal(vmt_report_fingerprint(a, &x), 0);
    assert_int_equal(vmt_report_fingerprint(same, &y), 0);
    assert_int_equal(x, y);
    assert_int_equal(vmt_report_first_difference(a, same, &touch), 0);
    assert_int_equal(touch, 0);
    assert_int_equal(vmt_report_fingerprint(longer, &y), 0);
    assert_int_not_equal(x, y);
    assert_int_equal(vmt_report_first_difference(a, longer, &touch), 0);
    assert_int_equal(touch, 31);
    assert_int_equal(vmt_report_first_difference(longer, a, &touch), 0);
    assert_int_equal(touch, 31);
    assert_int_equal(vmt_report_first_difference(a, other, &touch), 0);
    assert_int_equal(touch, 21);
    assert_int_equal(vmt_report_first_difference(a, NULL, &touch), -EINVAL);
    vmt_report_free(a);
    vmt_report_free(same);
    vmt_report_free(longer);
    vmt_report_free(other);
}

static void no_bound_without_a_strict_fifo(void **state)
{
    (void)state;
    uint64_t low, high;
    vmt_config config = config_for(VMT_SCOPE_RANGES, 16);
    config.evict = 4;
    begin(&config);
    walk(0, 40);
    vmt_report *report = end();
    assert_int_equal(vmt_report_misses_bound(report, 1000, &low, &high), -ERANGE);
    assert_non_null(strstr(vmt_error_text(), "evict"));
    vmt_report_free(report);

    config = config_for(VMT_SCOPE_RANGES, WINDOW);
    int null[2];
    assert_int_equal(pipe(null), 0);
    begin(&config);
    ssize_t written = write(null[1], (const void *)pages, 12 * PAGE); /* all of it is open at once */
    report = end();
    assert_int_equal(written, 12 * PAGE);
    assert_int_equal(vmt_report_misses_bound(report, 1000, &low, &high), -ERANGE);
    assert_non_null(strstr(vmt_error_text(), "system calls"));
    vmt_report_free(report);
    close(null[0]);
    close(null[1]);
}

/* Half of the touches, then a pause that is longer than all else. */
static void time_has_its_parts(void **state)
{
    (void)state;
    begin_ranges();
    walk(0, 20);
    usleep(100000);
    walk(20, 40);
    vmt_report *report = end();
    uint64_t counts[3], duration;
    assert_int_equal(vmt_report_touches_by_time(report, counts, 3, &duration), 0);
    assert_int_equal(counts[0] + counts[1] + counts[2], 40);
    assert_true(duration >= 100000000);
    assert_int_equal(vmt_report_touches_by_time(report, counts, 1, NULL), 0);
    assert_int_equal(counts[0], 40);
    assert_int_equal(vmt_report_touches_by_time(report, counts, 0, NULL), -EINVAL);
    vmt_report_free(report);
}

static void *ask(void *report)
{
    const vmt_locality *part;
    uint64_t sum = 0;
    if (vmt_locality_of_all(report, &part) == 0)
        sum += vmt_locality_misses(part, 10);
    if (vmt_locality_of_label(report, "low", &part) == 0)
        sum += vmt_locality_pages(part);
    if (vmt_locality_of_thread(report, 0, &part) == 0)
        sum += vmt_locality_touches(part);
    return (void *)(uintptr_t)sum;
}

static void any_thread_may_ask(void **state)
{
    (void)state;
    enum { THREADS = 8 };
    pthread_t threads[THREADS];
    vmt_report *report = region_of(20, 40);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask, report), 0);
    for (int i = 0; i < THREADS; i++) {
        void *sum;
        pthread_join(threads[i], &sum);
        assert_int_equal((uintptr_t)sum, 40 + 20 + 40);
    }
    vmt_report_free(report);
}

/* A trace file that a later region has overwritten is not taken for this one's. */
static void another_regions_file_is_refused(void **state)
{
    (void)state;
    char folder[] = "/tmp/vmt-test-XXXXXX", name[64];
    assert_non_null(mkdtemp(folder));
    snprintf(name, sizeof name, "%s/trace", folder);
    vmt_config config = config_for(VMT_SCOPE_RANGES, WINDOW);
    config.trace_path = name;
    begin(&config);
    walk(0, 20);
    vmt_report *first = end();
    begin(&config);
    walk(0, 30);
    vmt_report *second = end();
    const vmt_locality *all;
    assert_int_equal(vmt_locality_of_all(first, &all), -ESTALE);
    assert_non_null(strstr(vmt_error_text(), "another region"));
    assert_int_equal(vmt_locality_pages(all_of(second)), 30);
    vmt_report_free(first);
    vmt_report_free(second);
    unlink(name);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_over_20_pages_needs_20),
        cmocka_unit_test(every_size_of_memory_has_its_misses),
        cmocka_unit_test(labels_and_sites_have_their_own),
        cmocka_unit_test(phases_have_their_own),
        cmocka_unit_test(budgets_of_parts),
        cmocka_unit_test(threads_have_their_own),
        cmocka_unit_test(fingerprints_are_of_the_pages_in_order),
        cmocka_unit_test(no_bound_without_a_strict_fifo),
        cmocka_unit_test(time_has_its_parts),
        cmocka_unit_test(any_thread_may_ask),
        cmocka_unit_test(another_regions_file_is_refused),
    };
    return cmocka_run_group_tests(tests, map_pages, unmap_pages);
}
