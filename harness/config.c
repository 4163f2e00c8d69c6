/* SPDX-License-Identifier: MIT */
/* Configuration: defaults, environment, limits. */
#define _GNU_SOURCE
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "sanitizer.h"

#define STRING_(x) #x
#define STRING(x) STRING_(x)

const char *vmt_version(void)
{
    return STRING(VMT_VERSION_MAJOR) "." STRING(VMT_VERSION_MINOR) "." STRING(VMT_VERSION_PATCH);
}

/* The index of the name, or -1. */
static int find_name(const char *const *names, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return i;
    return -1;
}

static const char *const scope_names[] = {"heap", "region", "ranges"};
enum { SCOPES = sizeof scope_names / sizeof *scope_names };

const char *vmti_scope_name(vmt_scope scope)
{
    return (unsigned)scope < SCOPES ? scope_names[scope] : "?";
}

bool vmti_scope_parse(const char *name, vmt_scope *scope)
{
    int i = find_name(scope_names, SCOPES, name);
    if (i >= 0)
        *scope = (vmt_scope)i;
    return i >= 0;
}

static const char *const engine_names[] = {"ptrace", "dispatch", "auto"};
enum { ENGINES = sizeof engine_names / sizeof *engine_names };

const char *vmti_engine_name(vmt_engine engine)
{
    return (unsigned)engine < ENGINES ? engine_names[engine] : "?";
}

const char *vmti_sanitizer_name(enum vmti_sanitizer sanitizer)
{
    static const char *const names[VMTI_SANITIZERS] = {
        [VMTI_NO_SANITIZER] = "none",
        [VMTI_ADDRESS_SANITIZER] = "AddressSanitizer",
        [VMTI_HWADDRESS_SANITIZER] = "HWAddressSanitizer",
        [VMTI_THREAD_SANITIZER] = "ThreadSanitizer",
        [VMTI_MEMORY_SANITIZER] = "MemorySanitizer",
        [VMTI_LEAK_SANITIZER] = "LeakSanitizer",
    };
    return names[sanitizer];
}

bool vmti_engine_parse(const char *name, vmt_engine *engine)
{
    int i = find_name(engine_names, ENGINES, name);
    if (i >= 0)
        *engine = (vmt_engine)i;
    return i >= 0;
}

/* Mappings that the program, its libraries and the harness may still make while the window is full. */
enum { MAPPINGS_RESERVE = 1024 };

uint64_t vmti_mappings_limit(void)
{
    uint64_t most = 65530; /* the kernel's default (include/linux/mm.h), if it cannot be read */
    char buffer[32];
    int fd = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t n = read(fd, buffer, sizeof buffer - 1);
        close(fd);
        if (n > 0) {
            buffer[n] = '\0';
            most = strtoull(buffer, NULL, 10);
        }
    }
    return most > MAPPINGS_RESERVE ? most - MAPPINGS_RESERVE : 0;
}

static uint64_t window_limit(vmt_threads threads)
{
    return vmti_window_limit(vmti_mappings_limit(), 0, threads == VMT_THREADS_THIS);
}

static int window_range(const char *source, const char *value, vmt_threads threads)
{
    return vmti_fail(
        -EINVAL,
        "%s is \"%s\": the window is a whole number of pages, from %u (one instruction can need that many at "
        "once) to %llu (what vm.max_map_count allows here)",
        source, value, VMT_WINDOW_FLOOR, (unsigned long long)window_limit(threads));
}

static int evict_range(const char *source, const char *value, uint64_t window)
{
    return vmti_fail(
        -EINVAL,
        "%s is \"%s\": a whole number of pages, from 1 to %llu, may leave a full window of %llu pages at once, for "
        "%u must stay open",
        source, value, (unsigned long long)vmti_evict_limit(window), (unsigned long long)window, VMT_WINDOW_FLOOR);
}

/* In decimal digits, at the end of `buffer`. */
static const char *count_text(uint64_t n, char buffer[24])
{
    char *at = buffer + 23;
    *at = '\0';
    do
        *--at = (char)('0' + n % 10);
    while (n /= 10);
    return at;
}

bool vmti_count_parse(const char *text, uint64_t *value)
{
    if (!*text || strspn(text, "0123456789") != strlen(text))
        return false;
    errno = 0;
    *value = strtoull(text, NULL, 10);
    return errno == 0;
}

/* A variable that is 0 or 1, where it is set. */
static int read_switch(const char *name, bool *on)
{
    const char *value = secure_getenv(name);
    if (value && strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
        return vmti_fail(-EINVAL, "%s is \"%s\": allowed are 0 and 1", name, value);
    *on = value && *value == '1';
    return 0;
}

int vmt_config_init(vmt_config *config)
{
    if (!config)
        return vmti_fail(-EINVAL, "vmt_config_init: config is NULL");
    memset(config, 0, sizeof *config);
    vmti_stored(config, sizeof *config);
    config->size = sizeof *config;
    config->window = VMT_WINDOW_DEFAULT;
    config->evict = 1;

    const char *value = secure_getenv("VMT_THREADS");
    if (value && strcmp(value, "all") != 0 && strcmp(value, "this") != 0)
        return vmti_fail(-EINVAL, "VMT_THREADS is \"%s\": allowed are all and this", value);
    config->threads = value && *value == 't' ? VMT_THREADS_THIS : VMT_THREADS_ALL;
    value = secure_getenv("VMT_SIZE");
    if (value && (!vmti_count_parse(value, &config->window) || config->window < VMT_WINDOW_FLOOR ||
                  config->window > window_limit(config->threads)))
        return window_range("VMT_SIZE", value, config->threads);
    value = secure_getenv("VMT_EVICT");
    if (value && (!vmti_count_parse(value, &config->evict) || !config->evict || config->evict > VMT_EVICT_MAX))
        return evict_range("VMT_EVICT", value, config->window);
    value = secure_getenv("VMT_SCOPE");
    if (value && !vmti_scope_parse(value, &config->scope))
        return vmti_fail(-EINVAL, "VMT_SCOPE is \"%s\": allowed are heap, region and ranges", value);
    value = secure_getenv("VMT_TRACENAME");
    if (value && *value)
        config->trace_path = value;
    if (read_switch("VMT_WRITES", &config->track_writes) || read_switch("VMT_CONTENT", &config->track_content) ||
        read_switch("VMT_LIVE", &config->live_bytes) || read_switch("VMT_STACKS", &config->stacks))
        return -EINVAL;
    config->track_writes |= config->track_content;
    value = secure_getenv("VMT_ENGINE");
    if (value && !vmti_engine_parse(value, &config->engine))
        return vmti_fail(-EINVAL, "VMT_ENGINE is \"%s\": allowed are ptrace, dispatch and auto", value);
    return 0;
}

int vmti_config_check(const vmt_config *config)
{
    if (config->size != sizeof *config)
        return vmti_fail(-EINVAL, "vmt_config.size is %zu, not %zu: fill the structure with vmt_config_init() first",
                         config->size, sizeof *config);
    if ((unsigned)config->threads > VMT_THREADS_THIS)
        return vmti_fail(-EINVAL, "vmt_config.threads is %d: allowed are VMT_THREADS_ALL and VMT_THREADS_THIS",
                         (int)config->threads);
    if (config->window < VMT_WINDOW_FLOOR || config->window > window_limit(config->threads)) {
        char buffer[24];
        return window_range("vmt_config.window", count_text(config->window, buffer), config->threads);
    }
    if (!config->evict || config->evict > vmti_evict_limit(config->window)) {
        char buffer[24];
        return evict_range("vmt_config.evict", count_text(config->evict, buffer), config->window);
    }
    if ((unsigned)config->scope >= SCOPES)
        return vmti_fail(-EINVAL, "vmt_config.scope is %d: allowed are VMT_SCOPE_HEAP, VMT_SCOPE_REGION and "
                                  "VMT_SCOPE_RANGES", (int)config->scope);
    if ((unsigned)config->engine >= ENGINES)
        return vmti_fail(-EINVAL, "vmt_config.engine is %d: allowed are VMT_ENGINE_PTRACE, VMT_ENGINE_DISPATCH and "
                                  "VMT_ENGINE_AUTO", (int)config->engine);
    return 0;
}

int vmti_check_page_size(unsigned long bytes)
{
    if (bytes == VMTI_PAGE_SIZE)
        return 0;
    return vmti_fail(-ENOTSUP,
                     "cannot trace: this system has pages of %lu bytes, and VMTRACE traces pages of %lu bytes; use a "
                     "kernel with these, or skip the test",
                     bytes, (unsigned long)VMTI_PAGE_SIZE);
}
