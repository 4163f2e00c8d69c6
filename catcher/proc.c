/* SPDX-License-Identifier: MIT */
/* Runs in the catcher; see internal.h for what may be called. */
#include "proc.h"

#include <errno.h>
#include <string.h>

#include "../harness/os.h"

struct linux_dirent64 {
    uint64_t ino;
    int64_t off;
    uint16_t bytes;
    uint8_t type;
    char name[];
};

void vmti_proc_path(char *to, pid_t pid, pid_t tid, const char *file)
{
    to = vmti_put_text(to, "/proc/");
    to = vmti_put_number(to, (uint64_t)pid);
    if (tid) {
        to = vmti_put_text(to, "/task/");
        to = vmti_put_number(to, (uint64_t)tid);
    }
    *vmti_put_text(to, file) = '\0';
}

long vmti_proc_read(pid_t pid, pid_t tid, const char *file, char *to, size_t bytes)
{
    char path[VMTI_PROC_PATH_BYTES];
    size_t used = 0;
    vmti_proc_path(path, pid, tid, file);
    long fd = vmti_os_open(path, O_RDONLY | O_CLOEXEC, 0), n = fd;
    while (fd >= 0 && used < bytes - 1 && (n = vmti_os_read((int)fd, to + used, bytes - 1 - used)) > 0)
        used += (size_t)n;
    if (fd >= 0)
        vmti_os_close((int)fd);
    to[used] = '\0';
    return n < 0 ? n : (long)used;
}

long vmti_proc_each(const char *folder, long (*each)(void *context, pid_t number), void *context)
{
    _Alignas(8) char buffer[4096];
    long fd = vmti_os_open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0), result = fd < 0 ? fd : 0, n;
    while (!result && (n = vmti_sys(SYS_getdents64, fd, buffer, sizeof buffer, 0, 0, 0)) > 0)
        for (long at = 0; !result && at < n;) {
            const struct linux_dirent64 *entry = (const struct linux_dirent64 *)(buffer + at);
            const char *name = entry->name;
            int64_t number;
            at += entry->bytes;
            if (*name >= '0' && *name <= '9' && vmti_proc_number(&name, &number))
                result = each(context, (pid_t)number);
        }
    if (fd >= 0)
        vmti_os_close((int)fd);
    return result;
}

const char *vmti_proc_after_name(const char *stat, long bytes)
{
    while (bytes > 0 && stat[bytes - 1] != ')')
        bytes--;
    return bytes > 0 ? stat + bytes : "";
}

const char *vmti_proc_line(const char *text, const char *key)
{
    size_t n = strlen(key);
    for (const char *line = text; *line; line++) {
        if (strncmp(line, key, n) == 0)
            return line + n;
        while (*line && *line != '\n')
            line++;
        if (!*line)
            break;
    }
    return NULL;
}

bool vmti_proc_number(const char **at, int64_t *number)
{
    const char *p = *at;
    while (*p && (*p < '0' || *p > '9'))
        p++;
    if (!*p)
        return false;
    bool negative = p > *at && p[-1] == '-';
    for (*number = 0; *p >= '0' && *p <= '9'; p++)
        *number = *number * 10 + (*p - '0');
    if (negative)
        *number = -*number;
    *at = p;
    return true;
}

bool vmti_proc_hex(const char **at, uint64_t *number)
{
    const char *p = *at;
    while (*p && !(p[0] == '0' && p[1] == 'x'))
        p++;
    if (!*p)
        return false;
    *number = 0;
    for (p += 2; (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'f'); p++)
        *number = *number << 4 | (uint64_t)(*p <= '9' ? *p - '0' : *p - 'a' + 10);
    *at = p;
    return true;
}
