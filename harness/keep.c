/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "keep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "error.h"
#include "grow.h"
#include "report.h"
#include "trace_write.h"

enum { KEEP_FAILED, KEEP_ALL, KEEP_NONE, KEEPS };
enum { PROGRAM_BYTES = 32, WHY_BYTES = sizeof(((struct vmti_told *)0)->why_not) };

#define DEFAULT_MAX "256M"

/* ------------------------------------------------------------------------------------------- the environment */

/* KEEP_*, or -1. */
static int parse_keep(const char *value)
{
    static const char *const names[KEEPS] = {"failed", "all", "none"};
    for (int i = 0; i < KEEPS; i++)
        if (strcmp(value, names[i]) == 0)
            return i;
    return -1;
}

/* A number of bytes, with K, M or G for the powers of 1,024. */
static bool parse_bytes(const char *value, uint64_t *bytes)
{
    static const char suffixes[] = "KMG";
    char digits[32];
    size_t n = strlen(value);
    unsigned shift = 0;
    const char *suffix = n ? strchr(suffixes, value[n - 1]) : NULL;
    if (suffix) {
        shift = 10 * (unsigned)(suffix - suffixes + 1);
        n--;
    }
    if (n >= sizeof digits)
        return false;
    memcpy(digits, value, n);
    digits[n] = '\0';
    if (!vmti_count_parse(digits, bytes) || *bytes > UINT64_MAX >> shift)
        return false;
    *bytes <<= shift;
    return true;
}

static const char *variable(const char *name, const char *missing)
{
    const char *value = secure_getenv(name);
    return value ? value : missing;
}

int vmti_keep_check(void)
{
    const char *keep = variable("VMT_KEEP", "failed"), *max = variable("VMT_KEEP_MAX", DEFAULT_MAX);
    uint64_t bytes;
    if (parse_keep(keep) < 0)
        return vmti_fail(-EINVAL, "VMT_KEEP is \"%s\": allowed are failed, all and none", keep);
    if (!parse_bytes(max, &bytes))
        return vmti_fail(-EINVAL,
                         "VMT_KEEP_MAX is \"%s\": a number of bytes, with or without one of K, M and G behind it", max);
    return 0;
}

/* ------------------------------------------------------------------------------------------- the folder */

static VMT_PRINTF(2, 3) int refuse(char *why, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, WHY_BYTES, format, args);
    va_end(args);
    return -1;
}

/* A descriptor, and the folder's name without symbolic links; or -1. */
static int open_folder(char name[PATH_MAX], char *why)
{
    const char *given = secure_getenv("VMT_TRACE_DIR"), *parent = secure_getenv("TMPDIR");
    char path[PATH_MAX];
    bool ours = !given || !*given;
    int n = ours ? snprintf(path, sizeof path, "%s/vmt-traces-%u", parent && *parent ? parent : "/tmp", geteuid())
                 : snprintf(path, sizeof path, "%s", given);
    if (n >= (int)sizeof path)
        return refuse(why, "the name of the folder for it is too long");
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return refuse(why, "the folder %.160s cannot be made: %s", path, strerror(errno));
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (ours ? O_NOFOLLOW : 0));
    struct stat status;
    if (fd < 0)
        return refuse(why, "the folder %.160s cannot be opened: %s", path, strerror(errno));
    /* Anybody may have made it in /tmp before. */
    if (fstat(fd, &status) < 0 || (ours && (status.st_uid != geteuid() || status.st_mode & 022))) {
        close(fd);
        return refuse(why, "the folder %.100s is not yours alone to write to; VMT_TRACE_DIR names another", path);
    }
    if (!realpath(path, name)) {
        close(fd);
        return refuse(why, "the folder %.160s has no name: %s", path, strerror(errno));
    }
    return fd;
}

/* A file that has been kept. */
struct kept {
    char *name;
    uint64_t bytes;
    struct timespec time;
    unsigned long number;
};

static int compare_age(const void *a, const void *b)
{
    const struct kept *x = a, *y = b;
    if (x->time.tv_sec != y->time.tv_sec)
        return x->time.tv_sec < y->time.tv_sec ? -1 : 1;
    if (x->time.tv_nsec != y->time.tv_nsec)
        return x->time.tv_nsec < y->time.tv_nsec ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number; /* file times go by the kernel's ticks */
}

/* "PROGRAM.PID.NUMBER.vmt"? */
static bool has_our_form(const char *name, unsigned long *number)
{
    const char *end = strstr(name, ".vmt");
    if (!end || end[4])
        return false;
    for (int numbers = 0; numbers < 2; numbers++) {
        const char *digits = end;
        while (digits > name && digits[-1] >= '0' && digits[-1] <= '9')
            digits--;
        if (digits == end || digits == name || digits[-1] != '.')
            return false;
        if (!numbers)
            *number = strtoul(digits, NULL, 10);
        end = digits - 1;
    }
    return end > name;
}

static bool is_trace(int folder, const char *name)
{
    char magic[sizeof VMTI_TRACE_MAGIC];
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    bool is =
        fd >= 0 && read(fd, magic, sizeof magic) == sizeof magic && memcmp(magic, VMTI_TRACE_MAGIC, sizeof magic) == 0;
    if (fd >= 0)
        close(fd);
    return is;
}

/* Our files in the folder. Returns how many, or -1. */
static ssize_t list_kept(int folder, struct kept **list)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    size_t count = 0, capacity = 0;
    *list = NULL;
    if (!directory) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    for (struct dirent *entry; (entry = readdir(directory));) {
        struct stat status;
        unsigned long number = 0;
        if (!has_our_form(entry->d_name, &number) || fstatat(folder, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
            !S_ISREG(status.st_mode) || status.st_uid != geteuid() || !is_trace(folder, entry->d_name))
            continue;
        void *grown = vmti_grow(*list, count, &capacity, sizeof **list);
        if (!grown)
            break;
        *list = grown;
        char *name = strdup(entry->d_name);
        if (!name)
            break;
        (*list)[count++] = (struct kept){name, (uint64_t)status.st_size, status.st_mtim, number};
    }
    closedir(directory);
    return (ssize_t)count;
}

/* Removes the oldest until there is room for so many bytes more. The folder is locked. */
static void make_room(int folder, uint64_t bytes, uint64_t max)
{
    struct kept *list;
    ssize_t count = list_kept(folder, &list);
    uint64_t all = bytes;
    for (ssize_t i = 0; i < count; i++)
        all += list[i].bytes;
    if (count > 0)
        qsort(list, (size_t)count, sizeof *list, compare_age);
    for (ssize_t i = 0; i < count; i++) {
        if (all > max && unlinkat(folder, list[i].name, 0) == 0)
            all -= list[i].bytes;
        free(list[i].name);
    }
    free(list);
}

/* ------------------------------------------------------------------------------------------- one trace */

static uint64_t trace_bytes(const struct vmti_trace *trace)
{
    return trace->header_bytes + trace->bytes;
}

static bool write_bytes(int fd, const void *data, size_t bytes)
{
    for (const char *at = data; bytes;) {
        ssize_t n = write(fd, at, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        bytes -= (size_t)n;
    }
    return true;
}

/* As it would have been written to a file: blocks in memory have their headers. */
static bool write_trace(int fd, const struct vmti_trace *trace)
{
    bool ok = write_bytes(fd, trace->header, trace->header_bytes);
    for (const struct vmti_trace_block *block = trace->first_full; ok && block; block = block->next)
        ok = write_bytes(fd, block->data, block->bytes);
    return ok;
}

/* The program's name, of characters that need no quoting. */
static void put_program(char name[PROGRAM_BYTES], const struct vmti_region *r)
{
    const char *path = r->command_bytes ? r->command : "program", *slash = strrchr(path, '/');
    size_t n = 0;
    for (path = slash ? slash + 1 : path; *path && n < PROGRAM_BYTES - 1; path++) {
        char c = *path;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        name[n++] = plain ? c : '_';
    }
    if (!n)
        name[n++] = '_';
    name[n] = '\0';
}

/* A new file of the folder, under a name that is free; or -1. */
static int new_file(int folder, const struct vmti_region *r, char name[NAME_MAX])
{
    static _Atomic unsigned last;
    char program[PROGRAM_BYTES];
    put_program(program, r);
    for (;;) {
        unsigned number = atomic_fetch_add(&last, 1) + 1;
        snprintf(name, NAME_MAX, "%s.%ld.%u.vmt", program, (long)getpid(), number);
        int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
}

/* The path, to be freed; or NULL. */
static char *write_kept(const struct vmti_region *r, uint64_t max, char *why)
{
    char folder_name[PATH_MAX], name[NAME_MAX], *path = NULL;
    uint64_t bytes = trace_bytes(&r->trace);
    if (r->trace.error) {
        refuse(why, "it is not whole: %s", strerror(-r->trace.error));
        return NULL;
    }
    if (bytes > max) {
        refuse(why, "it takes %llu bytes, and VMT_KEEP_MAX is %s", (unsigned long long)bytes,
               variable("VMT_KEEP_MAX", DEFAULT_MAX));
        return NULL;
    }
    int folder = open_folder(folder_name, why);
    if (folder < 0)
        return NULL;
    /* Other processes make room too. Where the file system has no locks, the limit may be passed. */
    while (flock(folder, LOCK_EX) < 0 && errno == EINTR)
        ;
    make_room(folder, bytes, max);
    int fd = new_file(folder, r, name);
    bool written = fd >= 0 && write_trace(fd, &r->trace);
    int error = errno;
    if (fd >= 0 && close(fd) < 0 && written) {
        written = false;
        error = errno;
    }
    if (!written) {
        if (fd >= 0)
            unlinkat(folder, name, 0);
        refuse(why, "%.100s cannot be written to: %s", folder_name, strerror(error));
    } else if (asprintf(&path, "%s/%s", folder_name, name) < 0) {
        unlinkat(folder, name, 0);
        path = NULL;
        refuse(why, "no memory");
    }
    close(folder); /* and unlock it */
    return path;
}

/* The lock is held. */
static void decide(const vmt_report *report)
{
    struct vmti_told *told = report->told;
    const struct vmti_region *r = report->region;
    const char *keep = variable("VMT_KEEP", "failed"), *max = variable("VMT_KEEP_MAX", DEFAULT_MAX);
    uint64_t bytes;
    if (told->kept_decided)
        return;
    told->kept_decided = true;
    if (r->trace_path) {
        told->kept = realpath(r->trace_path, NULL);
        if (!told->kept)
            refuse(told->why_not, "%.160s: %s", r->trace_path, strerror(errno));
    } else if (vmti_keep_check() < 0) { /* it was allowed when the region began */
        refuse(told->why_not, "%s", vmt_error_text());
    } else if (parse_keep(keep) == KEEP_NONE) {
        refuse(told->why_not, "VMT_KEEP is none");
    } else if (parse_bytes(max, &bytes)) {
        told->kept = write_kept(r, bytes, told->why_not);
    }
}

const char *vmti_keep_trace(const vmt_report *report, const char **why)
{
    struct vmti_told *told = report->told;
    pthread_mutex_lock(&told->lock);
    decide(report);
    const char *path = told->kept;
    pthread_mutex_unlock(&told->lock);
    *why = told->why_not;
    return path;
}

void vmti_keep_if_all(const vmt_report *report)
{
    const char *why, *keep = variable("VMT_KEEP", "failed");
    if (parse_keep(keep) == KEEP_ALL && !vmti_keep_trace(report, &why))
        dprintf(STDERR_FILENO, "vmt: the trace of a region is not kept: %s\n", why);
}

const char *vmt_report_kept_trace(const vmt_report *report)
{
    if (!report)
        return NULL;
    if (report->region->trace_path)
        return report->region->trace_path;
    pthread_mutex_lock(&report->told->lock);
    const char *path = report->told->kept;
    pthread_mutex_unlock(&report->told->lock);
    return path;
}
