/* SPDX-License-Identifier: MIT */
/* The program that vmtrace run is to trace: where it is, and whether it can be traced. */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cmd.h"

int vmti_cmd_find_program(const char *name, char **path)
{
    if (!*name) {
        vmti_cmd_error("the program to run is \"\": name one, as a word of its own or with its path");
        return VMTI_EXIT_NOT_FOUND;
    }
    if (strchr(name, '/')) {
        *path = strdup(name);
        return *path ? 0 : vmti_cmd_out_of_memory();
    }
    const char *folders = getenv("PATH");
    if (!folders)
        folders = "/bin:/usr/bin"; /* confstr(3), _CS_PATH */
    bool found = false;
    for (const char *at = folders, *end; at; at = *end ? end + 1 : NULL) {
        end = strchrnul(at, ':');
        int bytes = (int)(end - at); /* of an environment string: at most 128 KiB */
        struct stat st;
        if (asprintf(path, "%.*s%s%s", bytes, at, bytes ? "/" : "./", name) < 0)
            return vmti_cmd_out_of_memory();
        if (stat(*path, &st) == 0 && S_ISREG(st.st_mode)) {
            if (faccessat(AT_FDCWD, *path, X_OK, AT_EACCESS) == 0)
                return 0;
            found = true;
        }
        free(*path);
        *path = NULL;
    }
    if (found) {
        vmti_cmd_error("\"%s\" was found in PATH, but you may not execute it: see chmod +x", name);
        return VMTI_EXIT_NOT_RUNNABLE;
    }
    vmti_cmd_error("\"%s\" was not found in PATH; a program in this folder is called ./%s", name, name);
    return VMTI_EXIT_NOT_FOUND;
}

/* Can libvmt be preloaded into this ELF file, and the process be traced? 0, or the exit status after saying why. */
static int check_elf(int fd, const char *path, const struct stat *st)
{
    Elf64_Ehdr elf;
    if (pread(fd, &elf, sizeof elf, 0) != (ssize_t)sizeof elf || elf.e_ident[EI_CLASS] == ELFCLASSNONE) {
        vmti_cmd_error("%s cannot be run: its ELF header is cut off or damaged", path);
        return VMTI_EXIT_NOT_RUNNABLE;
    }
    if (elf.e_ident[EI_CLASS] != ELFCLASS64) {
        vmti_cmd_error("%s cannot be traced: it is a 32-bit program, and vmtrace traces 64-bit programs; build it "
                       "without -m32 or -mx32",
                       path);
        return VMTI_EXIT_RUN_FAILED;
    }
    if (elf.e_ident[EI_DATA] != ELFDATA2LSB || elf.e_machine != VMTI_ELF_MACHINE) {
        vmti_cmd_error("%s cannot be traced: it is a program for another processor (ELF machine %u), and this is "
                       "vmtrace for " VMTI_PROCESSOR,
                       path, elf.e_machine);
        return VMTI_EXIT_RUN_FAILED;
    }
    if ((elf.e_type != ET_EXEC && elf.e_type != ET_DYN) || elf.e_phentsize != sizeof(Elf64_Phdr)) {
        vmti_cmd_error("%s cannot be run: it is an ELF file, but not a program", path);
        return VMTI_EXIT_NOT_RUNNABLE;
    }
    bool dynamic = false;
    for (unsigned i = 0; i < elf.e_phnum && !dynamic; i++) {
        Elf64_Phdr segment;
        uint64_t at = elf.e_phoff + i * sizeof segment;
        if (at > INT64_MAX || pread(fd, &segment, sizeof segment, (off_t)at) != (ssize_t)sizeof segment) {
            vmti_cmd_error("%s cannot be run: its ELF program headers are cut off or damaged", path);
            return VMTI_EXIT_NOT_RUNNABLE;
        }
        dynamic = segment.p_type == PT_INTERP;
    }
    if (!dynamic) {
        vmti_cmd_error("%s cannot be traced: it is statically linked, and a library cannot be preloaded into it; link "
                       "it without -static and -static-pie",
                       path);
        return VMTI_EXIT_RUN_FAILED;
    }
    /* With any of these the loader ignores LD_PRELOAD (ld.so(8), secure-execution mode) and ptrace is denied. */
    const char *privilege = NULL;
    if (st->st_mode & S_ISUID)
        privilege = "the set-user-ID bit";
    else if ((st->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP)) /* without S_IXGRP it means something else */
        privilege = "the set-group-ID bit";
    else if (fgetxattr(fd, "security.capability", NULL, 0) > 0)
        privilege = "file capabilities";
    if (privilege) {
        vmti_cmd_error("%s cannot be traced: it has %s, and the system runs no foreign code in privileged programs; "
                       "trace a copy of it without them (cp makes one)",
                       path, privilege);
        return VMTI_EXIT_RUN_FAILED;
    }
    return 0;
}

enum {
    SCRIPT_LINE = 256, /* the kernel looks at as much of a file (BINPRM_BUF_SIZE) */
    SCRIPT_DEPTH = 4,  /* interpreters that are scripts: execve(2) */
};

/* The interpreter that the first line of a script names, as in fs/binfmt_script.c. False: none. */
static bool parse_script(char *line, char **interpreter)
{
    line[strcspn(line, "\n")] = '\0';
    *interpreter = line + 2 + strspn(line + 2, " \t");
    size_t bytes = strcspn(*interpreter, " \t");
    bool cut = *interpreter + bytes == line + SCRIPT_LINE; /* its name may go on */
    (*interpreter)[bytes] = '\0';
    return bytes && !cut;
}

static int check_file(const char *path, unsigned depth)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        const char *hint = errno == EACCES ? " (a program that you may not read cannot be traced either)" : "";
        bool absent = errno == ENOENT || errno == ENOTDIR;
        vmti_cmd_error("%s%s cannot be run: %s%s", depth ? "the interpreter " : "", path, strerror(errno), hint);
        return absent ? VMTI_EXIT_NOT_FOUND : VMTI_EXIT_NOT_RUNNABLE;
    }
    int status = VMTI_EXIT_NOT_RUNNABLE;
    char line[SCRIPT_LINE + 1] = "", *interpreter;
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        vmti_cmd_error("%s cannot be run: it is %s", path, S_ISDIR(st.st_mode) ? "a folder" : "not a regular file");
    else if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
        vmti_cmd_error("%s cannot be run: you may not execute it; see chmod +x", path);
    else if (pread(fd, line, SCRIPT_LINE, 0) < 0)
        vmti_cmd_error("%s cannot be run: %s", path, strerror(errno));
    else if (memcmp(line, ELFMAG, SELFMAG) == 0)
        status = check_elf(fd, path, &st);
    else if (line[0] != '#' || line[1] != '!')
        vmti_cmd_error("%s cannot be run: it is neither an ELF program nor a script with a #! line; if it is a shell "
                       "script: vmtrace run sh %s",
                       path, path);
    else if (!parse_script(line, &interpreter))
        vmti_cmd_error("%s cannot be run: its #! line names no interpreter, or a too long one", path);
    else if (depth == SCRIPT_DEPTH)
        vmti_cmd_error("%s cannot be run: more than %d interpreters in turn are scripts", path, SCRIPT_DEPTH);
    else
        status = check_file(interpreter, depth + 1);
    close(fd);
    return status;
}

int vmti_cmd_check_program(const char *path)
{
    return check_file(path, 0);
}
