/* SPDX-License-Identifier: MIT */
/*
 * `vmtrace run --follow`: execve. At the call's entry its environment is replaced by one with LD_PRELOAD and VMT_RUN,
 * as `vmtrace run` sets them for the first program (cmd_run.c), and the constructor of the preloaded library takes both
 * out again (harness/preload.c). Where the library could not be loaded into the new program, or it cannot be told, the
 * call is left as it is. Runs in the catcher; see internal.h for what may be called.
 */
#include "internal.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "../harness/config.h"
#include "../harness/follow.h"
#include "proc.h"

enum {
    PATH_BYTES = 4096,
    SCRIPT_LINE = 256,       /* the kernel looks at as much of a file (BINPRM_BUF_SIZE) */
    SCRIPT_DEPTH = 5,        /* files in turn that are scripts: fs/exec.c, exec_binprm() */
    STRING_MOST = 32 * 4096, /* of the environment: MAX_ARG_STRLEN in linux/binfmts.h */
    VARIABLES_MOST = 1 << 18,
    ORDER_BYTES = 384,       /* of VMT_RUN, without the path */
};

/* ------------------------------------------------------------------------------------------- the program's memory */

/* Reads a string, in pieces that do not cross a page. Its length, or -1: it is bad, or longer than the room. */
static long read_string(pid_t tid, uintptr_t from, char *to, size_t room)
{
    for (size_t used = 0; used < room;) {
        size_t n = VMTI_PAGE_SIZE - ((from + used) & (VMTI_PAGE_SIZE - 1));
        if (n > room - used)
            n = room - used;
        if (n > 256)
            n = 256;
        if (!vmti_program_read(tid, to + used, from + used, n))
            return -1;
        for (size_t i = 0; i < n; i++)
            if (!to[used + i])
                return (long)(used + i);
        used += n;
    }
    return -1;
}

/* Does the string begin with `text`? What cannot be read does not. */
static bool begins_with(pid_t tid, uintptr_t string, const char *text)
{
    char start[16];
    size_t n = strlen(text), first = VMTI_PAGE_SIZE - (string & (VMTI_PAGE_SIZE - 1));
    if (first > n)
        first = n;
    return vmti_program_read(tid, start, string, first) && memcmp(start, text, first) == 0 &&
           (first == n || (vmti_program_read(tid, start + first, string + first, n - first) &&
                           memcmp(start, text, n) == 0));
}

/* ------------------------------------------------------------------------------------------- the new program */

static bool put_path(char *to, size_t room, pid_t tid, const char *middle, const char *path)
{
    if (strlen(middle) + strlen(path) + 32 > room)
        return false;
    to = vmti_put_number(vmti_put_text(to, "/proc/"), (uint64_t)tid);
    *vmti_put_text(vmti_put_text(to, middle), path) = '\0';
    return true;
}

/* Opens what `path` is for process tid: it has a root and a working folder of its own, and "self" is it. */
static long open_for(pid_t tid, const char *path, long folder)
{
    static const char self[] = "/proc/self/", descriptors[] = "/dev/fd/";
    char name[PATH_BYTES + 64], middle[32];
    bool put;
    if (strncmp(path, self, sizeof self - 1) == 0) {
        put = put_path(name, sizeof name, tid, "/", path + sizeof self - 1);
    } else if (strncmp(path, descriptors, sizeof descriptors - 1) == 0) {
        put = put_path(name, sizeof name, tid, "/fd/", path + sizeof descriptors - 1);
    } else if (*path == '/') {
        put = put_path(name, sizeof name, tid, "/root", path);
    } else if (folder == AT_FDCWD) {
        put = *path && put_path(name, sizeof name, tid, "/cwd/", path);
    } else {
        char *end = vmti_put_number(vmti_put_text(middle, "/fd/"), (uint64_t)folder);
        *vmti_put_text(end, *path ? "/" : "") = '\0';
        put = folder >= 0 && put_path(name, sizeof name, tid, middle, path);
    }
    return put ? vmti_os_open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0) : -ENAMETOOLONG;
}

static bool read_at(long fd, void *to, size_t bytes, uint64_t at)
{
    return at <= INT64_MAX && vmti_sys(SYS_pread64, fd, to, bytes, at, 0, 0) == (long)bytes;
}

/* Is it glibc's loader, which knows LD_PRELOAD and can load libvmt? */
static bool is_glibc_loader(long fd, const Elf64_Phdr *segment)
{
    static const char loader[] = VMTI_LOADER;
    char path[256] = "";
    size_t bytes = segment->p_filesz < sizeof path ? segment->p_filesz : sizeof path - 1;
    if (!read_at(fd, path, bytes, segment->p_offset))
        return false;
    const char *name = path;
    for (const char *at = path; *at; at++)
        if (*at == '/')
            name = at + 1;
    return strncmp(name, loader, sizeof loader - 1) == 0;
}

static bool is_dynamic(long fd)
{
    Elf64_Ehdr elf;
    if (!read_at(fd, &elf, sizeof elf, 0) || elf.e_ident[EI_CLASS] != ELFCLASS64 ||
        elf.e_ident[EI_DATA] != ELFDATA2LSB || elf.e_machine != VMTI_ELF_MACHINE ||
        elf.e_phentsize != sizeof(Elf64_Phdr))
        return false;
    for (unsigned i = 0; i < elf.e_phnum; i++) {
        Elf64_Phdr segment;
        if (!read_at(fd, &segment, sizeof segment, elf.e_phoff + i * sizeof segment))
            return false;
        if (segment.p_type == PT_INTERP)
            return is_glibc_loader(fd, &segment);
    }
    return false;
}

/* A program that gains privileges: the loader ignores LD_PRELOAD then (ld.so(8)), and ptrace is denied. */
static bool is_privileged(long fd, const struct stat *st)
{
    return (st->st_mode & S_ISUID) || (st->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) ||
           vmti_sys(SYS_fgetxattr, fd, "security.capability", 0, 0, 0, 0) > 0;
}

/* The interpreter that the first line of a script names, as in fs/binfmt_script.c. NULL: none. */
static const char *parse_script(char *line, long bytes)
{
    char *end = line + 2, *name;
    while (*end == ' ' || *end == '\t')
        end++;
    name = end;
    while (*end && *end != '\n' && *end != ' ' && *end != '\t')
        end++;
    if (end == name || end == line + bytes) /* or it is cut off */
        return NULL;
    *end = '\0';
    return name;
}

/* Can libvmt be preloaded into what process tid would run? */
static bool can_follow(pid_t tid, const char *path, long folder, unsigned depth)
{
    char line[SCRIPT_LINE + 1];
    struct stat st;
    long fd = open_for(tid, path, folder);
    if (fd < 0)
        return false;
    long n = -1;
    bool can = false;
    if (vmti_sys(SYS_fstat, fd, &st, 0, 0, 0, 0) == 0 && S_ISREG(st.st_mode) && !is_privileged(fd, &st))
        n = vmti_sys(SYS_pread64, fd, line, SCRIPT_LINE, 0, 0, 0);
    if (n >= SELFMAG && memcmp(line, ELFMAG, SELFMAG) == 0)
        can = is_dynamic(fd);
    vmti_os_close((int)fd);
    if (n < 2 || line[0] != '#' || line[1] != '!' || depth == SCRIPT_DEPTH)
        return can;
    line[n] = '\0';
    const char *interpreter = parse_script(line, n);
    return interpreter && can_follow(tid, interpreter, AT_FDCWD, depth + 1);
}

static bool can_follow_call(struct vmti_thread *t)
{
    char path[PATH_BYTES];
    bool at = t->call.nr == SYS_execveat;
    long fd;
    if (read_string(t->tid, t->call.args[at ? 1 : 0], path, sizeof path) < 0 ||
        !can_follow(t->tid, path, at ? (int)t->call.args[0] : AT_FDCWD, 0))
        return false;
    /* libvmt must be there for the process too. */
    if ((fd = open_for(t->tid, vmti_following.library, AT_FDCWD)) < 0)
        return false;
    vmti_os_close((int)fd);
    return true;
}

/* ------------------------------------------------------------------------------------------- the environment */

static const char PRELOAD[] = "LD_PRELOAD=", RUN[] = "VMT_RUN=";

struct environment {
    uintptr_t array;    /* the program's */
    size_t count;
    size_t preload;     /* index of its LD_PRELOAD; count: none */
    char *value;        /* of that one, in ... */
    size_t value_bytes;
};

/* Looks the program's environment through. False: it is bad, or not one that ours goes into. */
static bool look_through(pid_t tid, uintptr_t array, struct environment *env)
{
    *env = (struct environment){.array = array, .preload = SIZE_MAX};
    for (; array && env->count < VARIABLES_MOST; env->count++) {
        uint64_t variable;
        if (!vmti_program_read(tid, &variable, array + env->count * sizeof variable, sizeof variable))
            return false;
        if (!variable)
            break;
        if (begins_with(tid, variable, RUN)) /* the order of another `vmtrace run`, which traces it then */
            return false;
        if (!begins_with(tid, variable, PRELOAD))
            continue;
        if (env->preload != SIZE_MAX) /* the loader takes the last, getenv the first */
            return false;
        env->preload = env->count;
    }
    return env->count < VARIABLES_MOST;
}

static char *put_order(char *to, struct vmti_catcher *c, struct vmti_thread *t, long added)
{
    struct vmti_following *f = &vmti_following;
    to = vmti_put_number(vmti_put_text(vmti_put_text(to, RUN), "1;window="), f->config.window);
    to = vmti_put_number(vmti_put_text(to, ";evict="), f->config.evict);
    to = vmti_put_text(vmti_put_text(to, ";scope="), vmti_scope_name(f->config.scope));
    to = vmti_put_text(vmti_put_text(to, ";engine="), vmti_engine_name(f->config.engine));
    to = vmti_put_text(vmti_put_text(to, ";writes="), f->config.track_writes ? "1" : "0");
    to = vmti_put_text(vmti_put_text(to, ";content="), f->config.track_content ? "1" : "0");
    to = vmti_put_text(vmti_put_text(to, ";live="), f->config.live_bytes ? "1" : "0");
    to = vmti_put_text(vmti_put_text(to, ";stacks="), f->config.stacks ? "1" : "0");
    to = vmti_put_text(to, added < 0 ? ";preload=-1" : ";preload=");
    if (added >= 0)
        to = vmti_put_number(to, (uint64_t)added);
    to = vmti_put_number(vmti_put_text(to, ";follow=next;since="), f->since);
    /* The catcher is a child of the process that it traces. */
    to = vmti_put_number(vmti_put_text(to, ";catcher="),
                         t->other_process || vmti_is_dispatched(c->r) ? 0 : (uint64_t)c->r->catcher);
    to = vmti_put_text(vmti_put_text(to, ";trace="), f->file);
    *to++ = '\0';
    return to;
}

/* Makes the new environment in memory that is never tracked. False: no memory. */
static bool make_environment(struct vmti_catcher *c, struct vmti_thread *t, const struct environment *env)
{
    struct vmti_following *f = &vmti_following;
    size_t library = strlen(f->library), value = 0;
    uint64_t old = 0;
    if (env->preload != SIZE_MAX) {
        if (!vmti_program_read(t->tid, &old, env->array + env->preload * sizeof old, sizeof old))
            return false;
        value = STRING_MOST;
    }
    size_t bytes = (env->count + 3) * sizeof(uint64_t) + ORDER_BYTES + sizeof f->file + sizeof PRELOAD + library + 1 +
                   value;
    bytes = (bytes + VMTI_PAGE_SIZE - 1) & ~(VMTI_PAGE_SIZE - 1);
    if (!(t->exec_room = vmti_os_map(bytes)))
        return false;
    t->exec_bytes = bytes;
    uint64_t *array = t->exec_room;
    char *text = (char *)(array + env->count + 3), *preload;
    array[0] = (uintptr_t)text; /* in front of one that the user may have */
    preload = put_order(text, c, t, old ? (long)library + 1 : -1);
    if (env->count && !vmti_program_read(t->tid, array + 1, env->array, env->count * sizeof *array))
        return false;
    text = vmti_put_text(vmti_put_text(preload, PRELOAD), f->library);
    if (old) {
        array[1 + env->preload] = (uintptr_t)preload;
        *text++ = ':';
        return read_string(t->tid, old + sizeof PRELOAD - 1, text, STRING_MOST) >= 0;
    }
    array[1 + env->count] = (uintptr_t)preload;
    return true;
}

static unsigned environment_argument(const struct vmti_thread *t)
{
    return t->call.nr == SYS_execveat ? 3 : 2;
}

void vmti_follow_exec_before(struct vmti_catcher *c, struct vmti_thread *t)
{
    struct environment env;
    bool alone = t->exec_alone;
    t->exec_alone = false;
    if (!vmti_following.on || alone || !vmti_follow_is_like_us(t->tid, true) || !can_follow_call(t) ||
        !look_through(t->tid, t->call.args[environment_argument(t)], &env))
        return;
    if (!make_environment(c, t, &env) || vmti_set_arg(t, environment_argument(t), (uintptr_t)t->exec_room))
        vmti_follow_exec_forget(t);
}

void vmti_follow_exec_after(struct vmti_catcher *c, struct vmti_thread *t, int64_t result)
{
    vmti_regs regs;
    vmti_set_arg(t, environment_argument(t), t->call.args[environment_argument(t)]);
    vmti_follow_exec_forget(t);
    /* Perhaps it is our words that were too many: once more, without them. */
    if (result != -E2BIG || vmti_get_regs(t, &regs))
        return;
    vmti_regs_rerun(&regs, t->call.args[0]);
    if (vmti_set_regs(t, &regs))
        return;
    t->exec_alone = true;
    c->r->counts.syscalls--; /* it is one call */
}

void vmti_follow_exec_forget(struct vmti_thread *t)
{
    if (t->exec_room)
        vmti_os_unmap(t->exec_room, t->exec_bytes);
    t->exec_room = NULL;
}
