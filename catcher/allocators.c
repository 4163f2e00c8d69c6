/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "allocators.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"

/* The names that packages gave the libraries over time, the preferred one first. */
static const struct known {
    const char *name;
    const char *packages; /* Debian's and Ubuntu's: the rest of a sentence */
    const char *files[8];
} known[VMTI_ALLOCATORS_KNOWN] = {
    {"glibc", "libc6", {"libc.so.6"}},
    {"jemalloc", "libjemalloc2", {"libjemalloc.so.2", "libjemalloc.so.1"}},
    {"mimalloc", "libmimalloc2.0 or libmimalloc3",
     {"libmimalloc.so.3", "libmimalloc.so.2", "libmimalloc.so.2.2", "libmimalloc.so.2.1", "libmimalloc.so.2.0"}},
    {"tcmalloc", "libtcmalloc-minimal4 or libtcmalloc-minimal4t64", {"libtcmalloc_minimal.so.4", "libtcmalloc.so.4"}},
};

const char *vmti_known_allocator(unsigned i)
{
    return known[i].name;
}

/* ------------------------------------------------------------------------------------------- where libraries are */

static char *find_in(const char *folder, const char *file)
{
    char *path = NULL, *real = NULL;
    if (asprintf(&path, "%s/%s", folder, file) >= 0)
        real = realpath(path, NULL);
    free(path);
    return real;
}

/* In the folders where the loader looks for this process's libraries: LD_LIBRARY_PATH, the system's. NULL: nowhere. */
static char *find_file(const char *file)
{
    static const char *const more[] = {"/usr/local/lib", "/usr/local/lib/" VMTI_MULTIARCH}; /* ld.so.conf has them */
    char *path = NULL;
#ifdef __GLIBC__ /* musl's loader does not tell */
    Dl_serinfo size, *folders = NULL;
    void *self = dlopen(NULL, RTLD_LAZY);
    if (self && dlinfo(self, RTLD_DI_SERINFOSIZE, &size) == 0 && (folders = malloc(size.dls_size))) {
        *folders = size;
        if (dlinfo(self, RTLD_DI_SERINFOSIZE, folders) == 0 && dlinfo(self, RTLD_DI_SERINFO, folders) == 0)
            for (unsigned i = 0; i < folders->dls_cnt && !path; i++)
                path = find_in(folders->dls_serpath[i].dls_name, file);
    }
    free(folders);
    if (self)
        dlclose(self);
#endif
    for (size_t i = 0; i < sizeof more / sizeof *more && !path; i++)
        path = find_in(more[i], file);
    return path;
}

static char *find_known(const struct known *k)
{
    char *path = NULL;
    for (size_t i = 0; i < sizeof k->files / sizeof *k->files && k->files[i] && !path; i++)
        path = find_file(k->files[i]);
    return path;
}

bool vmti_allocator_installed(unsigned i, const char **packages)
{
    char *path = find_known(&known[i]);
    *packages = known[i].packages;
    free(path);
    return path;
}

/* ------------------------------------------------------------------------------------------- what a library is */

/* `count` structures of `size` bytes at this offset, or NULL if they do not lie in the file. */
static const void *in_image(const unsigned char *image, uint64_t bytes, uint64_t offset, uint64_t count, uint64_t size)
{
    return offset > bytes || offset % 4 || count > (bytes - offset) / size ? NULL : image + offset;
}

static bool has_malloc(const unsigned char *image, uint64_t bytes, const Elf64_Shdr *table, const Elf64_Shdr *strings)
{
    const Elf64_Sym *symbols =
        in_image(image, bytes, table->sh_offset, table->sh_size / sizeof *symbols, sizeof *symbols);
    if (!symbols || strings->sh_offset > bytes || strings->sh_size > bytes - strings->sh_offset)
        return false;
    static const char name[] = "malloc";
    for (uint64_t i = 0; i < table->sh_size / sizeof *symbols; i++)
        if (symbols[i].st_shndx != SHN_UNDEF && symbols[i].st_name < strings->sh_size &&
            strings->sh_size - symbols[i].st_name >= sizeof name &&
            memcmp(image + strings->sh_offset + symbols[i].st_name, name, sizeof name) == 0)
            return true;
    return false;
}

/* NULL, or why this file is not an allocator: the rest of a sentence. */
static const char *find_fault(const unsigned char *image, uint64_t bytes)
{
    const Elf64_Ehdr *elf = in_image(image, bytes, 0, 1, sizeof *elf);
    if (!elf || memcmp(elf->e_ident, ELFMAG, SELFMAG) != 0 || elf->e_ident[EI_CLASS] != ELFCLASS64 ||
        elf->e_machine != VMTI_ELF_MACHINE || elf->e_type != ET_DYN)
        return "is not a shared library for " VMTI_PROCESSOR;
    const Elf64_Shdr *sections = in_image(image, bytes, elf->e_shoff, elf->e_shnum, sizeof *sections);
    for (unsigned i = 0; sections && i < elf->e_shnum; i++)
        if (sections[i].sh_type == SHT_DYNSYM && sections[i].sh_link < elf->e_shnum &&
            has_malloc(image, bytes, &sections[i], &sections[sections[i].sh_link]))
            return NULL;
    return "defines no malloc, so it is not an allocator";
}

static int check_library(const char *path)
{
    struct stat st;
    /* ld.so(8): the first two end a name in LD_PRELOAD, and the third begins a token. */
    if (strpbrk(path, ": $")) {
        vmti_cmd_error("%s cannot be preloaded: there is a colon, a blank or a $ in its path; copy it to another "
                       "folder",
                       path);
        return -1;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) < 0) {
        vmti_cmd_error("cannot read %s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    size_t bytes = S_ISREG(st.st_mode) ? (size_t)st.st_size : 0;
    void *image = bytes ? mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    const char *fault = image == MAP_FAILED ? "is not a shared library for " VMTI_PROCESSOR : find_fault(image, bytes);
    if (image != MAP_FAILED)
        munmap(image, bytes);
    close(fd);
    if (fault)
        vmti_cmd_error("%s %s", path, fault);
    return fault ? -1 : 0;
}

/* ------------------------------------------------------------------------------------------- either */

int vmti_allocator_find(const char *given, struct vmti_allocator *found)
{
    *found = (struct vmti_allocator){.name = given};
    if (strchr(given, '/')) {
        found->path = realpath(given, NULL);
        if (!found->path) {
            vmti_cmd_error("option --allocator is \"%s\": %s", given, strerror(errno));
            return -1;
        }
        found->name = strrchr(given, '/') + 1;
        return check_library(found->path);
    }
    for (size_t i = 0; i < VMTI_ALLOCATORS_KNOWN; i++) {
        if (strcmp(given, known[i].name) != 0)
            continue;
        found->name = known[i].name;
        found->path = find_known(&known[i]);
        if (found->path)
            return check_library(found->path);
        vmti_cmd_error("%s is not installed: its library %s is in no folder of the loader's; on Debian and Ubuntu: "
                       "apt-get install %s. Or give the path of a library",
                       given, known[i].files[0], known[i].packages);
        return -1;
    }
    vmti_cmd_error("option --allocator is \"%s\": allowed are glibc, jemalloc, mimalloc, tcmalloc, and the path of a "
                   "shared library, with a slash in it",
                   given);
    return -1;
}
