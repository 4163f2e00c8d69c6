/* SPDX-License-Identifier: MIT */
/*
 * What tests say, in files: one JSON array, one JUnit document. Each is whole after each result: a result is written
 * over the document's end, followed by that end again, under a lock.
 *
 * Ordinary program context. Nothing here uses malloc or stdio's files: to ask for results must not change which pages
 * the next region's allocations get.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "error.h"

enum {
    STRING_BYTES = 2048,       /* of one string that go into a file */
    RESULT_BYTES = 256 * 1024, /* of one result: its strings, each byte escaped, take less */
};

/* What one entry says. Strings may be NULL. */
struct result {
    const char *test, *ctest, *check, *file, *outcome, *text;
    const char *element; /* of JUnit, that says it; NULL: it has passed */
    int line;
    const vmt_report *report;
    const vmt_verdict *verdict; /* NULL: skipped */
};

/* A kind of document. */
struct format {
    const char *variable, *head, *separator, *tail;
    void (*write)(char **at, const struct result *result);
};

/* ------------------------------------------------------------------------------------------- text */

__attribute__((format(printf, 2, 3))) static void put(char **at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    *at += vsprintf(*at, format, args);
    va_end(args);
}

/* Bytes of the UTF-8 character that `text` begins with, 0 if it is none, or one that XML forbids (RFC 3629; XML 1.0,
 * 2.2). */
static size_t utf8_bytes(const unsigned char *text)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = *text < 0xc0 ? 0 : *text < 0xe0 ? 2 : *text < 0xf0 ? 3 : *text < 0xf8 ? 4 : 0;
    if (!n)
        return *text < 0x80;
    uint32_t code = *text & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (text[i] & 0x3f);
    }
    bool surrogate = code >= 0xd800 && code < 0xe000, forbidden = (code & 0xfffe) == 0xfffe;
    return code < least[n] || code > 0x10ffff || surrogate || forbidden ? 0 : n;
}

/* The string as JSON or XML has it between quotes; bytes that are no text become U+FFFD. */
static void put_string(char **at, const char *string, bool xml)
{
    const unsigned char *text = (const unsigned char *)(string ? string : ""), *begin = text;
    while (*text && text - begin < STRING_BYTES) {
        size_t n = utf8_bytes(text);
        unsigned char c = *text;
        if (n > 1)
            put(at, "%.*s", (int)n, (const char *)text);
        else if (n == 0 || c == 0x7f || (xml && c < 0x20 && c != '\n' && c != '\t'))
            put(at, "\xef\xbf\xbd");
        else if (xml && (strchr("<>&\"'", c) || c < 0x20))
            put(at, "&#%u;", c);
        else if (!xml && (c == '"' || c == '\\' || c < 0x20))
            put(at, "\\u%04x", c);
        else
            put(at, "%c", c);
        text += n ? n : 1;
    }
}

static void put_json(char **at, const char *name, const char *string)
{
    put(at, ", \"%s\": ", name);
    if (!string) {
        put(at, "null");
        return;
    }
    put(at, "\"");
    put_string(at, string, false);
    put(at, "\"");
}

static void put_xml(char **at, const char *name, const char *string)
{
    put(at, " %s=\"", name);
    put_string(at, string, true);
    put(at, "\"");
}

/* ------------------------------------------------------------------------------------------- formats */

static void write_json(char **at, const struct result *r)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    put(at, "{\"time\": %lld.%03ld, \"process\": %ld", (long long)now.tv_sec, now.tv_nsec / 1000000, (long)getpid());
    put_json(at, "ctest", r->ctest);
    put_json(at, "test", r->test);
    put_json(at, "check", r->check);
    put_json(at, "outcome", r->outcome);
    if (r->verdict)
        put(at, ", \"budget\": %" PRIu64 ", \"actual\": %" PRIu64, r->verdict->budget, r->verdict->actual);
    else
        put(at, ", \"budget\": null, \"actual\": null");
    if (r->report)
        put(at, ", \"window_pages\": %" PRIu64 ", \"scope\": \"%s\"", vmt_report_window(r->report),
            vmti_scope_name(vmt_report_scope(r->report)));
    else
        put(at, ", \"window_pages\": null, \"scope\": null");
    put_json(at, "trace", vmt_report_trace_path(r->report));
    put_json(at, "file", r->file);
    put(at, ", \"line\": %d", r->line);
    put_json(at, "text", r->text);
    put(at, "}");
}

/* A suite for each result, so that its counts are right when it is written. */
static void write_junit(char **at, const struct result *r)
{
    const char *element = r->element ? r->element : "system-out";
    bool failure = strcmp(element, "failure") == 0, error = strcmp(element, "error") == 0;
    bool skipped = strcmp(element, "skipped") == 0;
    put(at, "<testsuite");
    put_xml(at, "name", r->ctest ? r->ctest : r->test);
    put(at, " tests=\"1\" failures=\"%d\" errors=\"%d\" skipped=\"%d\"><testcase", failure, error, skipped);
    put_xml(at, "classname", r->test);
    put_xml(at, "name", r->check);
    if (r->file) {
        put_xml(at, "file", r->file);
        put(at, " line=\"%d\"", r->line);
    }
    put(at, " time=\"0\">");
    put(at, "<%s", element);
    if (r->element) {
        char first[128];
        snprintf(first, sizeof first, "%.*s", (int)strcspn(r->text, "\n"), r->text);
        put_xml(at, "message", first);
    }
    put(at, ">");
    put_string(at, r->text, true);
    put(at, "</%s>", element);
    put(at, "</testcase></testsuite>");
}

static const struct format formats[] = {
    {"VMT_RESULTS_JSON", "[\n", ",\n", "\n]\n", write_json},
    {"VMT_RESULTS_JUNIT", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"vmtrace\">\n", "\n",
     "\n</testsuites>\n", write_junit},
};

/* ------------------------------------------------------------------------------------------- files */

/* Does the file hold these bytes at `offset`? */
static bool holds(int fd, const char *bytes, off_t offset)
{
    char there[128];
    size_t n = strlen(bytes);
    return offset >= 0 && pread(fd, there, n, offset) == (ssize_t)n && memcmp(there, bytes, n) == 0;
}

/* Writes the document's new end over the old one at `offset`; if that fails, puts the old one back. */
static int write_end(int fd, const char *bytes, size_t n, off_t offset, const char *tail)
{
    size_t done = 0;
    while (done < n) {
        ssize_t wrote = pwrite(fd, bytes + done, n - done, offset + (off_t)done);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0) {
            int error = wrote < 0 ? -errno : -EIO;
            off_t size = offset ? offset + (off_t)strlen(tail) : 0;
            if (ftruncate(fd, size) < 0 || (size && pwrite(fd, tail, strlen(tail), offset) < 0))
                return error; /* the next one will find that it is no document */
            return error;
        }
        done += (size_t)wrote;
    }
    return 0;
}

static int add_to(const struct format *format, const char *path, const struct result *result)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);
    if (fd < 0)
        return vmti_fail(-errno, "%s: cannot write %s: %s", format->variable, path, strerror(errno));
    struct stat status = {0};
    int error = 0;
    while (flock(fd, LOCK_EX) < 0 && !error)
        error = errno == EINTR ? 0 : -errno;
    if (!error && fstat(fd, &status) < 0)
        error = -errno;
    off_t end = status.st_size ? status.st_size - (off_t)strlen(format->tail) : 0;
    char *buffer = mmap(NULL, RESULT_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *at = buffer;
    if (buffer == MAP_FAILED) {
        error = -ENOMEM;
    } else if (!error) {
        if (status.st_size && (!holds(fd, format->head, 0) || !holds(fd, format->tail, end)))
            error = -EEXIST;
        put(&at, "%s", status.st_size ? format->separator : format->head);
        format->write(&at, result);
        put(&at, "%s", format->tail);
        if (!error)
            error = write_end(fd, buffer, (size_t)(at - buffer), end, format->tail);
    }
    if (buffer != MAP_FAILED)
        munmap(buffer, RESULT_BYTES);
    close(fd); /* and the lock goes */
    if (error == -EEXIST)
        return vmti_fail(error, "%s: %s exists and is not a file of results; name another file or remove it",
                         format->variable, path);
    return error ? vmti_fail(error, "%s: cannot write %s: %s", format->variable, path, strerror(-error)) : 0;
}

/* As CTest finds them in a test's output (ctest(1), "Additional Test Measurements"). */
static int measure(const struct result *r)
{
    const char *value = secure_getenv("VMT_CTEST_MEASUREMENTS");
    if (!value || strcmp(value, "0") == 0)
        return 0;
    if (strcmp(value, "1") != 0)
        return vmti_fail(-EINVAL, "VMT_CTEST_MEASUREMENTS is \"%s\": allowed are 0 and 1", value);
    if (!r->verdict || r->verdict->outcome == VMT_NOT_MEASURED)
        return 0;
    char name[6 * STRING_BYTES + 1], *at = name; /* escaped */
    put_string(&at, r->check, true);
    fflush(stdout);
    dprintf(STDOUT_FILENO, "<CTestMeasurement type=\"numeric/double\" name=\"%s\">%" PRIu64 "</CTestMeasurement>\n",
            name, r->verdict->actual);
    if (!vmt_report_trace_path(r->report))
        return 0;
    at = name;
    put_string(&at, vmt_report_trace_path(r->report), true);
    dprintf(STDOUT_FILENO, "<CTestMeasurementFile type=\"file\" name=\"trace\">%s</CTestMeasurementFile>\n", name);
    return 0;
}

static int add(const struct result *result)
{
    static atomic_flag said = ATOMIC_FLAG_INIT;
    int error = measure(result);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        const char *path = secure_getenv(formats[i].variable);
        int failed = path && *path ? add_to(&formats[i], path, result) : 0;
        error = error ? error : failed;
    }
    if (error && !atomic_flag_test_and_set(&said))
        dprintf(STDERR_FILENO, "vmt: %s\n", vmt_error_text());
    return error;
}

/* ------------------------------------------------------------------------------------------- interface */

/* What an outcome is called, and the element of JUnit for it. One line each. */
static const struct outcome {
    const char *name, *element;
} outcomes[] = {
    [VMT_HELD] = {"held", NULL},
    [VMT_BROKEN] = {"broken", "failure"},
    [VMT_NOT_MEASURED] = {"not measured", "error"},
    [VMT_BETTER] = {"better", NULL},
    [VMT_NO_BASELINE] = {"no baseline", "error"},
};

int vmt_result_add(const vmt_report *report, const vmt_verdict *verdict, const char *check, const char *test,
                   const char *file, int line)
{
    if (!verdict || !check || !test)
        return vmti_fail(-EINVAL, "vmt_result_add: verdict, check and test may not be NULL");
    if ((unsigned)verdict->outcome >= sizeof outcomes / sizeof *outcomes)
        return vmti_fail(-EINVAL, "vmt_result_add: the verdict's outcome is %d: it is none", (int)verdict->outcome);
    const struct outcome *outcome = &outcomes[verdict->outcome];
    struct result result = {
        .test = test,
        .ctest = secure_getenv("VMT_CTEST_NAME"),
        .check = check,
        .file = file,
        .line = line,
        .outcome = outcome->name,
        .element = outcome->element,
        .text = verdict->text,
        .report = report,
        .verdict = verdict,
    };
    return add(&result);
}

int vmt_result_skip(const char *reason, const char *test, const char *file, int line)
{
    if (!reason || !test)
        return vmti_fail(-EINVAL, "vmt_result_skip: reason and test may not be NULL");
    char why[1024]; /* the reason may be vmt_error_text(), which changes */
    snprintf(why, sizeof why, "%s", reason);
    struct result result = {
        .test = test,
        .ctest = secure_getenv("VMT_CTEST_NAME"),
        .check = "region",
        .file = file,
        .line = line,
        .outcome = "skipped",
        .element = "skipped",
        .text = why,
    };
    vmt_end_as_skipped(0);
    dprintf(STDERR_FILENO, "SKIP: %s: %s\n", test, why);
    int error = add(&result);
    vmti_fail(error, "%s", why);
    return error;
}
