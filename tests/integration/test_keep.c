/* SPDX-License-Identifier: MIT */
/* Where the trace of a failed check is kept, and for how long. */
#define _GNU_SOURCE
#include "patterns.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "trace_read.h"

enum { PAGES = 40 };

static volatile char *pages;
static char folder[64];

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/vmt-test-XXXXXX");
    pages = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED || vmt_track((void *)pages, PAGES * PAGE, NULL) || !mkdtemp(folder))
        return -1;
    setenv("VMT_TRACE_DIR", folder, 1);
    unsetenv("VMT_KEEP");
    unsetenv("VMT_KEEP_MAX");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    DIR *directory = opendir(folder);
    for (struct dirent *entry; (entry = readdir(directory));)
        unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
    vmt_untrack((void *)pages, PAGES * PAGE);
    munmap((void *)pages, PAGES * PAGE);
    return rmdir(folder);
}

static uint64_t files_in(const char *path, uint64_t *bytes)
{
    uint64_t count = 0;
    DIR *directory = opendir(path);
    assert_non_null(directory);
    if (bytes)
        *bytes = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        struct stat status;
        if (fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(status.st_mode))
            continue;
        count++;
        if (bytes)
            *bytes += (uint64_t)status.st_size;
    }
    closedir(directory);
    return count;
}

static vmt_report *region(void)
{
    vmt_config config = config_for(VMT_SCOPE_RANGES, 8);
    begin(&config);
    for (int i = 0; i < PAGES; i++)
        pages[i * PAGE]++;
    return end();
}

/* Touches of a whole trace. */
static uint64_t touches_of(const char *path)
{
    struct vmti_trace_reader reader;
    struct vmti_event event;
    assert_int_equal(vmti_trace_read_file(&reader, path), 0);
    while (vmti_trace_read_next(&reader, &event))
        ;
    assert_true(reader.complete);
    uint64_t touches = reader.touches;
    vmti_trace_read_close(&reader);
    return touches;
}

static void a_failed_check_keeps_it_once(void **state)
{
    (void)state;
    vmt_report *report = region();
    vmt_verdict verdict;
    assert_true(vmt_check_pages_at_most(report, PAGES, &verdict));
    assert_null(vmt_report_kept_trace(report));
    assert_int_equal(files_in(folder, NULL), 0);

    assert_false(vmt_check_pages_at_most(report, 1, &verdict));
    const char *path = vmt_report_kept_trace(report);
    assert_non_null(path);
    char expected[200];
    snprintf(expected, sizeof expected, "%s/test_keep.%ld.", folder, (long)getpid());
    assert_int_equal(strncmp(path, expected, strlen(expected)), 0);
    snprintf(expected, sizeof expected, "\ntrace: %s\nto see more: ", path);
    assert_non_null(strstr(verdict.text, expected));
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(touches_of(path), PAGES);

    assert_false(vmt_check_touches_at_most(report, 1, &verdict));
    assert_non_null(strstr(verdict.text, expected));
    assert_int_equal(files_in(folder, NULL), 1);
    char copy[200];
    snprintf(copy, sizeof copy, "%s", path);
    vmt_report_free(report);
    assert_int_equal(access(copy, F_OK), 0);

    report = region();
    assert_false(vmt_check_pages_at_most(report, 1, &verdict));
    assert_string_not_equal(vmt_report_kept_trace(report), copy);
    vmt_report_free(report);
    assert_int_equal(files_in(folder, NULL), 2);
}

static void all_are_kept_or_none(void **state)
{
    (void)state;
    vmt_verdict verdict;
    setenv("VMT_KEEP", "all", 1);
    vmt_report *report = region();
    assert_int_equal(files_in(folder, NULL), 1);
    assert_int_equal(touches_of(vmt_report_kept_trace(report)), PAGES);
    vmt_report_free(report);
    setenv("VMT_KEEP", "none", 1);
    report = region();
    assert_false(vmt_check_pages_at_most(report, 1, &verdict));
    assert_non_null(strstr(verdict.text, "\ntrace not kept: VMT_KEEP is none"));
    assert_null(vmt_report_kept_trace(report));
    vmt_report_free(report);
    assert_int_equal(files_in(folder, NULL), 1);
}

static void a_named_file_is_where_it_is(void **state)
{
    (void)state;
    char path[100], expected[120];
    snprintf(path, sizeof path, "%s/mine", folder);
    vmt_config config = config_for(VMT_SCOPE_RANGES, 8);
    config.trace_path = path;
    setenv("VMT_KEEP", "none", 1);
    begin(&config);
    pages[0]++;
    vmt_report *report = end();
    vmt_verdict verdict;
    assert_string_equal(vmt_report_kept_trace(report), path);
    assert_false(vmt_check_pages_at_most(report, 0, &verdict));
    snprintf(expected, sizeof expected, "\ntrace: %s\n", path);
    assert_non_null(strstr(verdict.text, expected));
    vmt_report_free(report);
    assert_int_equal(files_in(folder, NULL), 1);
}

static void put_file(const char *name, const char *text)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void the_oldest_of_ours_make_room(void **state)
{
    (void)state;
    enum { REGIONS = 7, ROOM = 3 };
    put_file("notes", "0123456789");
    put_file("letter.1.2.vmt", "0123456789"); /* our form, and no trace */
    put_file("trace.vmt", "VMTRACE");         /* not our form */
    char kept[REGIONS][200], max[32];
    uint64_t bytes = 0;
    for (int i = 0; i < REGIONS; i++) {
        vmt_report *report = region();
        vmt_verdict verdict;
        assert_false(vmt_check_pages_at_most(report, 1, &verdict));
        assert_non_null(vmt_report_kept_trace(report));
        snprintf(kept[i], sizeof kept[i], "%s", vmt_report_kept_trace(report));
        vmt_report_free(report);
        struct stat status;
        assert_int_equal(stat(kept[i], &status), 0);
        if (!bytes) {
            bytes = (uint64_t)status.st_size; /* equal but for a few times */
            snprintf(max, sizeof max, "%llu", (unsigned long long)(ROOM * bytes + bytes / 2));
            setenv("VMT_KEEP_MAX", max, 1);
        }
    }
    for (int i = 0; i < REGIONS; i++)
        assert_int_equal(access(kept[i], F_OK), i < REGIONS - ROOM ? -1 : 0);
    assert_int_equal(files_in(folder, NULL), ROOM + 3);
}

static void one_that_is_too_large_is_not_kept(void **state)
{
    (void)state;
    vmt_verdict verdict;
    setenv("VMT_KEEP_MAX", "100", 1);
    vmt_report *report = region();
    assert_false(vmt_check_pages_at_most(report, 1, &verdict));
    assert_non_null(strstr(verdict.text, "\ntrace not kept: it takes "));
    assert_non_null(strstr(verdict.text, "VMT_KEEP_MAX is 100"));
    vmt_report_free(report);
    setenv("VMT_KEEP_MAX", "1K", 1);
    report = region();
    assert_false(vmt_check_pages_at_most(report, 1, &verdict));
    assert_non_null(vmt_report_kept_trace(report));
    vmt_report_free(report);
}

static void values_that_are_not_allowed_are_named(void **state)
{
    (void)state;
    static const struct { const char *name, *value; } bad[] = {
        {"VMT_KEEP", ""},          {"VMT_KEEP", "al"},       {"VMT_KEEP", "Failed"},
        {"VMT_KEEP_MAX", ""},      {"VMT_KEEP_MAX", "K"},    {"VMT_KEEP_MAX", "1T"},
        {"VMT_KEEP_MAX", "-1"},    {"VMT_KEEP_MAX", "1.5M"}, {"VMT_KEEP_MAX", "99999999999G"},
        {"VMT_KEEP_MAX", "256MB"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        setenv(bad[i].name, bad[i].value, 1);
        assert_int_equal(vmt_begin(NULL), -EINVAL);
        char expected[64];
        snprintf(expected, sizeof expected, "%s is \"%s\"", bad[i].name, bad[i].value);
        assert_non_null(strstr(vmt_error_text(), expected));
        unsetenv(bad[i].name);
    }
    assert_false(vmt_active());
}

/* The folder of our own, in $TMPDIR, is made for this user alone; what somebody else could have put there is
 * refused. */
static void only_a_folder_of_our_own_is_used(void **state)
{
    (void)state;
    char ours[100], elsewhere[100], expected[200];
    vmt_verdict verdict;
    snprintf(ours, sizeof ours, "%s/vmt-traces-%u", folder, geteuid());
    snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", folder);
    unsetenv("VMT_TRACE_DIR");
    setenv("TMPDIR", folder, 1);

    vmt_report *report = region();
    assert_false(vmt_check_pages_at_most(report, 1, &verdict));
    struct stat status;
    assert_int_equal(stat(ours, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    assert_int_equal(files_in(ours, NULL), 1);
    assert_int_equal(unlink(vmt_report_kept_trace(report)), 0);
    vmt_report_free(report);

    assert_int_equal(chmod(ours, 0777), 0);
    report = region();
    assert_false(vmt_check_pages_at_most(report, 1, &verdict));
    assert_non_null(strstr(verdict.text, "\ntrace not kept: the folder "));
    assert_null(vmt_report_kept_trace(report));
    vmt_report_free(report);
    assert_int_equal(rmdir(ours), 0);

    assert_int_equal(mkdir(elsewhere, 0700), 0);
    assert_int_equal(symlink(elsewhere, ours), 0);
    report = region();
    assert_false(vmt_check_pages_at_most(report, 1, &verdict));
    snprintf(expected, sizeof expected, "\ntrace not kept: the folder ");
    assert_non_null(strstr(verdict.text, expected));
    vmt_report_free(report);
    assert_int_equal(files_in(elsewhere, NULL), 0);
    rmdir(elsewhere);
    unsetenv("TMPDIR");
    setenv("VMT_TRACE_DIR", "/no/such/folder", 1);
    report = region();
    assert_false(vmt_check_pages_at_most(report, 1, &verdict));
    assert_non_null(strstr(verdict.text, "/no/such/folder"));
    vmt_report_free(report);
}

/* A region whose trace is to be kept, and what the library says of it on stderr. */
static void region_that_says(char *text, size_t bytes)
{
    int before = dup(STDERR_FILENO), file = memfd_create("stderr", 0);
    assert_true(before >= 0 && file >= 0);
    assert_int_equal(dup2(file, STDERR_FILENO), STDERR_FILENO);
    vmt_report_free(region());
    dup2(before, STDERR_FILENO);
    close(before);
    ssize_t n = pread(file, text, bytes - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    close(file);
}

static void what_cannot_be_kept_is_told(void **state)
{
    static const char told[] = "vmt: the trace of a region is not kept: ";
    char text[1024], long_name[5000];
    (void)state;
    setenv("VMT_KEEP", "all", 1);
    region_that_says(text, sizeof text);
    assert_string_equal(text, "");
    assert_int_equal(files_in(folder, NULL), 1);

    /* Half of a trace is removed again. */
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 100;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    vmt_report *report = NULL;
    vmt_verdict verdict;
    setenv("VMT_KEEP", "failed", 1);
    report = region();
    vmt_check_pages_at_most(report, 1, &verdict);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);
    assert_non_null(strstr(verdict.text, "\ntrace not kept: "));
    assert_non_null(strstr(verdict.text, "cannot be written to: File too large"));
    assert_int_equal(files_in(folder, NULL), 1);
    vmt_report_free(report);

    memset(long_name, 'x', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    setenv("VMT_KEEP", "all", 1);
    setenv("VMT_TRACE_DIR", long_name, 1);
    region_that_says(text, sizeof text);
    assert_int_equal(strncmp(text, told, sizeof told - 1), 0);
    assert_non_null(strstr(text, "the name of the folder for it is too long"));

    /* It was allowed when the region began. */
    setenv("VMT_KEEP", "none", 1);
    report = region();
    setenv("VMT_KEEP", "some", 1);
    assert_false(vmt_check_pages_at_most(report, 1, &verdict));
    assert_non_null(strstr(verdict.text, "\ntrace not kept: VMT_KEEP is \"some\": allowed are failed, all and none"));
    vmt_report_free(report);
}

/* All at once, with room for three traces: that many are left, and each is whole. */
static void processes_share_the_folder(void **state)
{
    (void)state;
    enum { PROCESSES = 8, REGIONS = 6, ROOM = 3 };
    vmt_verdict verdict;
    uint64_t bytes;
    vmt_report *report = region();
    assert_false(vmt_check_pages_at_most(report, 1, &verdict));
    vmt_report_free(report);
    assert_int_equal(files_in(folder, &bytes), 1);
    char max[32];
    snprintf(max, sizeof max, "%llu", (unsigned long long)(ROOM * bytes + bytes / 2));
    setenv("VMT_KEEP_MAX", max, 1);
    for (int i = 0; i < PROCESSES; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child)
            continue;
        bool kept = true;
        for (int j = 0; j < REGIONS; j++) {
            vmt_config config;
            if (vmt_config_init(&config))
                _exit(2);
            config.scope = VMT_SCOPE_RANGES;
            config.window = 8;
            if (vmt_begin(&config))
                _exit(3);
            for (int k = 0; k < PAGES; k++)
                pages[k * PAGE]++;
            if (vmt_end(&report))
                _exit(4);
            kept = !vmt_check_pages_at_most(report, 1, &verdict) && vmt_report_kept_trace(report) && kept;
            vmt_report_free(report);
        }
        _exit(kept ? 0 : 1);
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    uint64_t left;
    assert_int_equal(files_in(folder, &left), ROOM);
    assert_true(left <= ROOM * bytes + bytes / 2);
    DIR *directory = opendir(folder);
    for (struct dirent *entry; (entry = readdir(directory));)
        if (entry->d_type == DT_REG) {
            char path[400];
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
            assert_int_equal(touches_of(path), PAGES);
        }
    closedir(directory);
}

#define KEEP_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        KEEP_TEST(a_failed_check_keeps_it_once),      KEEP_TEST(all_are_kept_or_none),
        KEEP_TEST(a_named_file_is_where_it_is),       KEEP_TEST(the_oldest_of_ours_make_room),
        KEEP_TEST(one_that_is_too_large_is_not_kept), KEEP_TEST(values_that_are_not_allowed_are_named),
        KEEP_TEST(only_a_folder_of_our_own_is_used),  KEEP_TEST(what_cannot_be_kept_is_told),
        KEEP_TEST(processes_share_the_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
