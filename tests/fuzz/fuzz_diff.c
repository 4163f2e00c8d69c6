/* SPDX-License-Identifier: MIT */
/*
 * vmtrace diff on any file, beside a report that is as it should be. First byte: 1 set, as JSON; 2 set, the file comes
 * second. Linked without cmd_main.c, whose functions this has in its own way.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cmd.h"
#include "fuzz.h"

static const char REPORT[] =
    "{\"touches\": 40, \"footprint_pages\": 12, \"pages_written\": null, \"window_pages\": 64, \"scope\": \"heap\","
    "\"track_writes\": false, \"complete\": true, \"command\": [\"a\", \"b\"], \"fingerprint\": \"0123456789abcdef\","
    "\"working_set\": [{\"tau\": 64, \"average_pages\": 5.25, \"peak_pages\": 9}],"
    "\"by_site\": [{\"site\": \"main a.c:3\", \"pages\": 7, \"touches\": 30},"
    "{\"site\": null, \"pages\": 5, \"touches\": 10}],"
    "\"by_label\": [{\"label\": \"index\", \"pages\": 7, \"touches\": 30}], \"by_phase\": []}";

static int output, errors;

void vmti_cmd_error(const char *format, ...)
{
    (void)format;
    errors++;
}

void vmti_cmd_option_error(int result, char **argv, const char *allowed)
{
    (void)result, (void)argv, (void)allowed;
    abort();
}

int vmti_cmd_close_stdout(void)
{
    return fflush(stdout) ? VMTI_EXIT_FAILED : 0;
}

void vmti_cmd_put_text(FILE *out, const char *text, size_t bytes, bool word)
{
    (void)word;
    fwrite(text, 1, bytes, out);
}

static int new_file(const void *data, size_t bytes, char name[32])
{
    int fd = memfd_create("file", 0);
    if (fd < 0 || write(fd, data, bytes) != (ssize_t)bytes)
        abort();
    snprintf(name, 32, "/proc/self/fd/%d", fd);
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static char report[32];
    char name[32];
    if (!output) {
        output = open("/dev/null", O_WRONLY);
        if (output < 0 || dup2(output, STDOUT_FILENO) < 0)
            abort();
        new_file(REPORT, sizeof REPORT - 1, report);
    }
    if (!bytes)
        return 0;
    int fd = new_file(data + 1, bytes - 1, name);
    bool second = *data & 2, json = *data & 1;
    char *argv[] = {(char *)"diff", (char *)(json ? "--json" : "--top=3"), second ? report : name,
                    second ? name : report, NULL};
    optind = 0;
    errors = 0;
    int status = vmti_cmd_diff(4, argv);
    if (status < 0 || status > 2 || (status == 2) != (errors > 0)) /* trouble is told, and nothing else is */
        abort();
    fuzz_accepted(status < 2);
    close(fd);
    return 0;
}
