/* SPDX-License-Identifier: MIT */
/* vmt_check_baseline(): which file, which allocator, and what to type to record. */
#define _GNU_SOURCE /* dladdr, RTLD_NEXT */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "baseline.h"
#include "report.h"
#include "sanitizer.h"
#include "verdict.h"
#include "vmt/vmt.h"

#define EXTENSION ".vmtb"
enum { NAME_MAX_BYTES = 200, COMMAND_BYTES = 1200 };

/* Folders and a file of letters, digits, '.', '_' and '-', none of them hidden or "..". */
static bool is_name(const char *name)
{
    size_t bytes = strlen(name);
    if (!bytes || bytes > NAME_MAX_BYTES)
        return false;
    for (const char *at = name, *part = name; *at; at++) {
        bool plain = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9') ||
                     *at == '_' || *at == '-' || (*at == '.' && at > part) || (*at == '/' && at > part);
        if (!plain)
            return false;
        if (*at == '/')
            part = at + 1;
    }
    return name[bytes - 1] != '/';
}

/* The command that ran the test, as it would record: with what the environment says of the folder, and of what changes
 * the key. "" if it is too long. */
static void write_command(const struct vmti_trace_reader *reader, char command[static COMMAND_BYTES])
{
    static const char *const variables[] = {"VMT_BASELINE_DIR", "VMT_SIZE",   "VMT_SCOPE",   "VMT_EVICT",
                                            "VMT_THREADS",      "VMT_WRITES", "LD_PRELOAD"};
    *command = '\0';
    bool ok = vmti_command_add(command, COMMAND_BYTES, "VMT_UPDATE_BASELINES=1");
    for (size_t i = 0; ok && i < sizeof variables / sizeof *variables; i++) {
        const char *value = secure_getenv(variables[i]);
        char word[COMMAND_BYTES];
        if (value && *value)
            ok = snprintf(word, sizeof word, "%s=%s", variables[i], value) < COMMAND_BYTES &&
                 vmti_command_add(command, COMMAND_BYTES, word);
    }
    const char *at = reader->command, *end = at + reader->header.command_bytes;
    for (; ok && at < end; at += strlen(at) + 1)
        ok = vmti_command_add(command, COMMAND_BYTES, at);
    if (!ok)
        *command = '\0';
}

/* That of the library that malloc comes from, beneath this one. */
static void own_allocator(char name[static VMTI_ALLOCATOR_BYTES])
{
    Dl_info info;
    if (dladdr(dlsym(RTLD_NEXT, "malloc"), &info) && info.dli_fname)
        vmti_allocator_name(info.dli_fname, name);
    else
        snprintf(name, VMTI_ALLOCATOR_BYTES, "unknown");
}

static bool has_label(const void *report, const char *label)
{
    return vmt_report_has_label(report, label);
}

static bool check(const vmt_report *report, const char *folder, const char *name, bool update, vmt_verdict *verdict)
{
    char path[PATH_MAX + NAME_MAX_BYTES + 16], allocator[VMTI_ALLOCATOR_BYTES], command[COMMAND_BYTES];
    struct vmti_trace_reader reader;
    struct vmti_metrics metrics = {0};
    bool held;
    snprintf(path, sizeof path, "%s/%s" EXTENSION, folder, name);
    own_allocator(allocator);
    int error = vmti_report_reader(report, &reader);
    if (!error)
        error = vmti_metrics_read(&reader, allocator, &metrics);
    if (error) {
        const char *why = *metrics.reason ? metrics.reason : *reader.reason ? reader.reason : strerror(-error);
        held = vmti_baseline_not_measured(verdict, name, "the trace%s%s cannot be read: %s",
                                          vmt_report_trace_path(report) ? " " : "",
                                          vmt_report_trace_path(report) ? vmt_report_trace_path(report) : "", why);
    } else {
        write_command(&reader, command);
        struct vmti_baseline_request request = {
            .name = name,
            .path = path,
            .record = *command ? command : NULL,
            .how_to_record = "run the test again with VMT_UPDATE_BASELINES=1 in its environment",
            .update = update,
            .has_label = has_label,
            .context = report,
        };
        held = vmti_baseline_check(&request, &metrics, verdict);
    }
    vmti_metrics_free(&metrics);
    vmti_trace_read_close(&reader);
    return held;
}

static bool check_in(const vmt_report *report, const char *folder, const char *name, vmt_verdict *verdict)
{
    const char *environment = secure_getenv("VMT_BASELINE_DIR"), *update = secure_getenv("VMT_UPDATE_BASELINES");
    if (!name || !is_name(name))
        return vmti_baseline_not_measured(
            verdict, name ? "" : "(NULL)",
            "its name is \"%.200s\": allowed are at most %d letters, digits, \".\", \"_\", \"-\", and \"/\" "
            "between folders; no part begins with \".\"",
            name ? name : "", NAME_MAX_BYTES);
    if (!report)
        return vmti_baseline_not_measured(verdict, name, "there is no report (did vmt_begin or vmt_end fail? see "
                                                         "vmt_error_text)");
    if (update && *update && strcmp(update, "0") != 0 && strcmp(update, "1") != 0)
        return vmti_baseline_not_measured(verdict, name, "VMT_UPDATE_BASELINES is \"%.40s\": allowed are 0 and 1",
                                          update);
    if (environment && *environment)
        folder = environment;
    else if (!folder || !*folder)
        folder = "baselines";
    if (strlen(folder) >= PATH_MAX)
        return vmti_baseline_not_measured(verdict, name, "the folder's name has %zu bytes; a path has at most %d",
                                          strlen(folder), PATH_MAX - 1);
    return check(report, folder, name, update && strcmp(update, "1") == 0, verdict);
}

bool vmt_check_baseline_in(const vmt_report *report, const char *folder, const char *name, vmt_verdict *verdict)
{
    vmti_sanitizer_pass_over(true);
    bool held = check_in(report, folder, name, verdict);
    vmti_sanitizer_pass_over(false);
    vmti_stored(verdict, sizeof *verdict);
    return held;
}

/* Not by the macro: for callers that load the library. */
bool (vmt_check_baseline)(const vmt_report *report, const char *name, vmt_verdict *verdict)
{
    return vmt_check_baseline_in(report, NULL, name, verdict);
}
