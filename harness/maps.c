/* SPDX-License-Identifier: MIT */
/* Runs in the catcher: async-signal-safe, raw system calls only. */
#include "maps.h"

#include <errno.h>
#include <string.h>

#include "os.h"

static uint64_t take_hex(const char **at)
{
    uint64_t value = 0;
    for (;; (*at)++) {
        char c = **at;
        if (c >= '0' && c <= '9')
            value = value << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (uint64_t)(c - 'a' + 10);
        else
            return value;
    }
}

static bool name_is(const struct vmti_map *map, const char *name)
{
    size_t n = strlen(name);
    return map->path_bytes >= n && memcmp(map->path, name, n) == 0;
}

/* "start-end rwxp offset major:minor inode   path" */
static void parse_line(const char *line, const char *end, struct vmti_map *map)
{
    const char *at = line;
    memset(map, 0, sizeof *map);
    map->start = take_hex(&at);
    at++;
    map->end = take_hex(&at);
    at++;
    map->prot = (at[0] == 'r' ? PROT_READ : 0) | (at[1] == 'w' ? PROT_WRITE : 0) | (at[2] == 'x' ? PROT_EXEC : 0);
    map->is_private = at[3] == 'p';
    at += 5;
    map->offset = take_hex(&at);
    for (int field = 0; field < 3; field++) { /* device, inode, blanks */
        while (at < end && *at != ' ')
            at++;
        while (at < end && *at == ' ')
            at++;
    }
    map->path = at;
    map->path_bytes = (size_t)(end - at);
    map->brk_heap = name_is(map, "[heap]");
    map->anonymous = map->is_private && (map->path_bytes == 0 || map->brk_heap || name_is(map, "[anon:"));
    map->huge = name_is(map, "/anon_hugepage");
    map->special = map->path_bytes && map->path[0] == '[' && !map->anonymous;
}

int vmti_maps_read(void (*each)(void *context, const struct vmti_map *map), void *context)
{
    char buffer[8192]; /* a line is at most PATH_MAX long, and some */
    size_t used = 0;
    long fd = vmti_os_open("/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return (int)fd;
    for (;;) {
        long n = vmti_os_read((int)fd, buffer + used, sizeof buffer - used);
        if (n == -EINTR)
            continue;
        if (n < 0 || (n == 0 && used)) {
            vmti_os_close((int)fd);
            return n < 0 ? (int)n : -EIO;
        }
        if (n == 0)
            break;
        used += (size_t)n;
        char *line = buffer, *newline;
        while ((newline = memchr(line, '\n', used - (size_t)(line - buffer)))) {
            struct vmti_map map;
            parse_line(line, newline, &map);
            each(context, &map);
            line = newline + 1;
        }
        used -= (size_t)(line - buffer);
        memmove(buffer, line, used);
    }
    vmti_os_close((int)fd);
    return 0;
}
