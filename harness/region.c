/* SPDX-License-Identifier: MIT */
/* vmt_begin() and vmt_end(). Ordinary program context; the heap may be closed, so nothing here uses it. */
#define _GNU_SOURCE
#include "region.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../catcher/catcher.h"
#include "../catcher/dispatch.h"
#include "arena.h"
#include "config.h"
#include "content.h"
#include "error.h"
#include "follow.h"
#include "keep.h"
#include "live.h"
#include "os.h"
#include "pagedir.h"
#include "report.h"
#include "sanitizer.h"
#include "stacks.h"
#include "window.h"
#include "wrap.h"

/* The open region. `changing` is held by a thread inside vmt_begin or vmt_end. */
static _Atomic(struct vmti_region *) current;
static atomic_flag changing = ATOMIC_FLAG_INIT;
/* Regions begun with the trace file of the environment: the second and later ones get a number. */
static unsigned traces_by_environment;
/* Realtime ns. Traces of the environment's name that were begun later are of this run of tests: of a child that was
 * forked for a test before this one, say. Of a framework that begins a program anew for each test the adapter says when
 * the run began. */
static uint64_t run_began;

__attribute__((constructor)) static void note_when_run_began(void)
{
    const char *since = secure_getenv("VMT_TRACE_SINCE");
    run_began = since ? strtoull(since, NULL, 10) : 0;
    if (!run_began)
        run_began = vmti_os_now(CLOCK_REALTIME);
}

bool vmti_os_clock_by_call;

struct vmti_region *vmti_region_current(void)
{
    struct vmti_region *r = atomic_load(&current);
    /* A child made by fork has a copy of the pointer, but it is not traced. */
    return r && r->pid == getpid() ? r : NULL;
}

bool vmt_active(void)
{
    return vmti_region_current() != NULL;
}

static void lock(void)
{
    while (atomic_flag_test_and_set_explicit(&changing, memory_order_acquire))
        vmti_sys(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
}

static void unlock(void)
{
    atomic_flag_clear_explicit(&changing, memory_order_release);
}

static char *arena_string(struct vmti_arena *arena, const char *text, const char *suffix)
{
    size_t n = strlen(text), m = strlen(suffix);
    char *copy = vmti_arena_alloc(arena, n + m + 1);
    if (copy) {
        memcpy(copy, text, n);
        memcpy(copy + n, suffix, m + 1);
    }
    return copy;
}

/* FILE for the first region whose trace file the environment names, FILE.2, FILE.3, … for the next: see
 * vmti_catcher_open_region_trace(). */
static char *name_trace(struct vmti_region *r, const char *path)
{
    const char *environment = secure_getenv("VMT_TRACENAME");
    if (!environment || strcmp(environment, path) != 0)
        return arena_string(&r->arena, path, "");
    char *name = arena_string(&r->arena, path, ".0123456789");
    if (name)
        name[strlen(path)] = '\0';
    r->trace_number = ++traces_by_environment;
    r->trace_since = run_began;
    return name;
}

/* FILE.PID, with room for another number: see vmti_follow_open_trace(). */
static char *name_followed(struct vmti_arena *arena, const char *path, pid_t pid)
{
    char suffix[] = ".0123456789.0123456789", digits[10];
    size_t n = 0, at = 1;
    for (unsigned rest = (unsigned)pid; rest; rest /= 10)
        digits[n++] = (char)('0' + rest % 10);
    char *name = arena_string(arena, path, suffix);
    if (!name)
        return NULL;
    char *end = name + strlen(path);
    while (n)
        end[at++] = digits[--n];
    end[at] = '\0';
    return name;
}

static void read_command(struct vmti_region *r)
{
    long fd = vmti_os_open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return;
    long n = vmti_os_read((int)fd, r->command, sizeof r->command);
    vmti_os_close((int)fd);
    r->command_bytes = n > 0 ? (size_t)n : 0;
    if (r->command_bytes)
        r->command[r->command_bytes - 1] = '\0'; /* also where a long command was cut */
}

/* Of the program's last segment, to the end of its page (elf(5), getauxval(3)). */
static uintptr_t find_program_end(void)
{
    const ElfW(Phdr) *headers = (const ElfW(Phdr) *)getauxval(AT_PHDR);
    uintptr_t base = 0, end = 0;
    for (unsigned long i = 0; headers && i < getauxval(AT_PHNUM); i++) {
        if (headers[i].p_type == PT_PHDR)
            base = (uintptr_t)headers - headers[i].p_vaddr;
        if (headers[i].p_type == PT_LOAD && headers[i].p_vaddr + headers[i].p_memsz > end)
            end = headers[i].p_vaddr + headers[i].p_memsz;
    }
    return (base + end + VMTI_PAGE_SIZE - 1) & ~(VMTI_PAGE_SIZE - 1);
}

static struct vmti_region *new_region(const vmt_config *config, bool whole_program, uint64_t mappings_limit)
{
    struct vmti_arena arena = {0};
    struct vmti_region *r = vmti_arena_alloc(&arena, sizeof *r);
    if (!r)
        return NULL;
    r->arena = arena;
    r->window = config->window;
    r->evict = config->evict;
    r->scope = config->scope;
    r->track_content = config->track_content;
    r->live_bytes = config->live_bytes;
    r->stacks = config->stacks;
    r->sanitizer = vmti_sanitizer();
    r->track_writes = config->track_writes || r->track_content;
    r->this_thread_alone = config->threads == VMT_THREADS_THIS;
    r->whole_program = whole_program;
    r->followed = whole_program && vmti_following.on && vmti_following.further;
    r->mappings_limit = mappings_limit;
    r->pid = getpid();
    r->begin_tid = vmti_own_tid();
    r->allocator_depth_offset = (uintptr_t)&vmti_allocator_depth - vmti_thread_pointer();
    const ptrdiff_t *rseq = dlsym(RTLD_DEFAULT, "__rseq_offset"); /* glibc 2.35 */
    r->rseq_offset = rseq ? (uintptr_t)*rseq : 0;
    r->sigframe_bytes = vmti_sigframe_bytes();
    r->program_end = find_program_end();
    bool ok = vmti_window_make_room(r, r->window) && (!r->track_content || vmti_content_start(r));
    if (config->trace_path && *config->trace_path)
        ok = ok && (r->trace_path = r->followed ? name_followed(&r->arena, config->trace_path, r->pid)
                                                : name_trace(r, config->trace_path));
    if (!ok) {
        arena = r->arena; /* it lies in itself */
        vmti_arena_free(&arena);
        return NULL;
    }
    read_command(r);
    return r;
}

static void free_region(struct vmti_region *r)
{
    struct vmti_arena arena = r->arena; /* it lies in itself */
    vmti_arena_free(&arena);
}

/* Ends the open region and gives it back, with r->state telling how it ended. */
static struct vmti_region *end_current(struct vmti_region *r)
{
    if (vmti_is_dispatched(r))
        vmti_dispatch_stop(r);
    else
        vmti_catcher_stop(r);
    atomic_store(&current, NULL);
    return r;
}

/* Starts the engine; auto: the one that this process can have. 0, or a negative errno with its sentence. */
static int start(struct vmti_region *r, vmt_engine engine)
{
    static bool without_ptrace; /* known, and said */
    if (engine != VMT_ENGINE_DISPATCH && !without_ptrace) {
        if (!vmti_catcher_start(r))
            return 0;
        int error = vmti_fail_region(r);
        if (!VMTI_HAS_DISPATCH || engine != VMT_ENGINE_AUTO ||
            (r->error_step != VMTI_STEP_SEIZE && r->error_step != VMTI_STEP_CLONE))
            return error;
        const char *why = vmt_error_text(); /* and what to do, after a semicolon: that is done here */
        dprintf(STDERR_FILENO, "vmt: %.*s; the dispatch engine is used instead\n", (int)strcspn(why, ";"), why);
        without_ptrace = true;
        vmti_following.config.engine = VMT_ENGINE_DISPATCH;
    }
    r->threads = r->thread_free = NULL;
    r->counts = (struct vmti_counts){0};
    r->error_step = VMTI_STEP_NONE;
    if (!VMTI_HAS_DISPATCH) {
        r->error = -ENOSYS;
        r->error_step = VMTI_STEP_DISPATCH;
        return vmti_fail_region(r);
    }
    r->dispatched = true;
    return vmti_dispatch_start(r) < 0 ? vmti_fail_region(r) : 0;
}

/* At the program's end, where its tracer would be in the way. */
static void end_left_region(void)
{
    lock();
    struct vmti_region *r = vmti_region_current();
    if (r)
        free_region(end_current(r));
    unlock();
}

static int begin_locked(const vmt_config *config, bool whole_program)
{
    if (vmti_on_valgrind())
        return vmti_fail(-ENOTSUP, "vmt_begin: this process runs under Valgrind, where pages cannot be traced; run it "
                                   "without, or skip the test");
    if (vmti_sanitizer_check())
        return -ENOTSUP;
    if (vmti_check_page_size(getauxval(AT_PAGESZ)))
        return -ENOTSUP;
    if (!vmti_wrap_sees_blocks())
        return vmti_fail(-EINVAL, "malloc does not reach libvmt: another definition comes first in symbol order; link "
                                  "libvmt before other allocators, or preload it before them: "
                                  "LD_PRELOAD='libvmt.so.0 libother.so'");
    vmti_wrap_start();
    if (config->live_bytes && vmti_sanitizer())
        return vmti_fail(-ENOTSUP,
                         "vmt_config.live_bytes is true, but this program has the malloc of %s, whose blocks cannot be "
                         "counted; build it without, or skip the test",
                         vmti_sanitizer_name(vmti_sanitizer()));
    if (config->live_bytes && !vmti_live_on)
        return vmti_fail(
            -EINVAL, "vmt_config.live_bytes is true, but this process was not started with VMT_LIVE=1: each block must "
                     "be counted from its start; set it in the environment of the program");
    int no_stacks = config->stacks ? vmti_stacks_start() : 0;
    if (no_stacks)
        return no_stacks;
    uint64_t dropped = 0;
    struct vmti_region *open = vmti_region_current();
    if (open) {
        if (open->whole_program)
            return vmti_fail(-EBUSY, "vmt_begin: this whole program is traced by `vmtrace run` already");
        pid_t tid = vmti_own_tid();
        if (open->begin_tid != tid)
            return vmti_fail(-EBUSY, "vmt_begin: thread %ld has a region open; end it with vmt_end first",
                             (long)open->begin_tid);
        dropped = open->dropped_regions + 1;
        free_region(end_current(open));
    }
    if (vmti_sanitizer())
        vmti_os_clock_by_call = true;
    if (!whole_program)
        vmti_sanitizer_before_leaks(end_left_region);
    struct vmti_region *r = new_region(config, whole_program, vmti_mappings_limit());
    if (!r)
        return vmti_fail(-ENOMEM, "vmt_begin: no memory for a window of %llu pages",
                         (unsigned long long)config->window);
    r->dropped_regions = dropped;
    int error = start(r, config->engine);
    if (error) {
        free_region(r);
        return error;
    }
    atomic_store(&current, r);
    return 0;
}

int vmti_region_begin(const vmt_config *config, bool whole_program)
{
    vmt_config defaults;
    int error;
    if (!config) {
        if ((error = vmt_config_init(&defaults)))
            return error;
        config = &defaults;
    }
    if ((error = vmti_config_check(config)))
        return error;
    lock();
    error = begin_locked(config, whole_program);
    unlock();
    return error;
}

void vmti_region_begin_in_copy(void)
{
    struct vmti_region *copied = atomic_load(&current), *r;
    uint64_t mappings_limit = copied ? copied->mappings_limit : vmti_mappings_limit();
    atomic_store(&current, NULL);
    atomic_flag_clear(&changing); /* a thread that is not here may have held it */
    uint64_t page = 0, length;
    uint32_t marks = VMTI_DIR_TRACKED | VMTI_DIR_KNOWN | VMTI_DIR_PROT | VMTI_DIR_LEAVING;
    while ((length = vmti_dir_next_run(&page, UINT64_MAX, marks, 0))) {
        vmti_dir_set(page, page + length - 1, marks, 0);
        page += length;
    }
    if (copied)
        free_region(copied);
    r = new_region(&vmti_following.config, true, mappings_limit);
    if (!r)
        return;
    if (start(r, vmti_following.config.engine))
        free_region(r);
    else
        atomic_store(&current, r);
}

int vmt_begin(const vmt_config *config)
{
    int error = vmti_keep_check();
    return error ? error : vmti_region_begin(config, false);
}

/* Once in a process: a gap in our table is not the test's fault, but it may be why a call failed. */
static void warn_of_unknown_calls(const struct vmti_region *r)
{
    static bool warned;
    char text[256];
    if (!r->counts.unknown_calls || warned)
        return;
    warned = true;
    vmti_unknown_text(text, sizeof text, r->counts.unknown_calls, r->first_unknown, r->first_unknown_command);
    dprintf(STDERR_FILENO, "vmt: %s\n", text);
}

static void warn_of_refused_calls(const struct vmti_region *r)
{
    static bool warned;
    char text[256];
    if (!r->counts.refused_calls || warned)
        return;
    warned = true;
    vmti_refused_text(text, sizeof text, r->counts.refused_calls);
    dprintf(STDERR_FILENO, "vmt: %s\n", text);
}

int vmt_end(vmt_report **report)
{
    if (report) {
        *report = NULL;
        vmti_stored(report, sizeof *report);
    }
    lock();
    struct vmti_region *r = vmti_region_current();
    if (!r || r->whole_program) {
        unlock();
        return vmti_fail(-EINVAL, r ? "vmt_end: the open region is the whole program's, of `vmtrace run`"
                                    : "vmt_end: no region is open in this process; vmt_begin starts one");
    }
    end_current(r);
    warn_of_unknown_calls(r);
    warn_of_refused_calls(r);
    unlock();
    int error = 0;
    if (r->state != VMTI_ENDED) {
        error = vmti_fail_region(r);
    } else if (report) {
        *report = vmti_report_new(r);
        if (!*report)
            error = vmti_fail(-ENOMEM, "vmt_end: no memory for the report");
        else if (r->trace.error)
            error = vmti_fail(-EIO, "the trace %s could not be written to its end: %s; the report itself is whole",
                              r->trace_path, strerror(-r->trace.error));
        if (*report)
            return error;
    }
    free_region(r);
    return error;
}
