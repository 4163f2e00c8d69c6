/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "sites.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "grow.h"

#ifdef VMTI_HAVE_LIBDW
#include <dwarf.h>
#include <elfutils/libdwfl.h>

#define LIBDW_FUNCTIONS(X)                                                                                             \
    X(dwfl_begin) X(dwfl_end) X(dwfl_report_begin) X(dwfl_report_elf) X(dwfl_report_end) X(dwfl_module_addrdie)        \
    X(dwfl_module_nextcu) X(dwfl_build_id_find_elf) X(dwfl_build_id_find_debuginfo) X(dwarf_haspc) X(dwarf_getscopes)  \
    X(dwarf_getscopes_die) X(dwarf_getsrc_die) X(dwarf_linesrc) X(dwarf_lineno) X(dwarf_tag) X(dwarf_diename)          \
    X(dwarf_attr_integrate) X(dwarf_attr) X(dwarf_formstring) X(dwarf_formudata) X(dwarf_getsrcfiles) X(dwarf_filesrc)
#endif

const char *vmti_sites_libdw = "libdw.so.1";

struct module {
    uint64_t start, end, offset;
    char *path;
    bool opened;
    const unsigned char *image; /* the file, mapped; NULL: it cannot be read, or is no ELF file of this machine */
    size_t bytes;
#ifdef VMTI_HAVE_LIBDW
    Dwfl *dwfl;
    Dwfl_Module *dwarf; /* its addresses are those in the file; NULL: none */
#endif
};

struct vmti_sites {
    struct module *modules; /* in the order in which they were told */
    size_t count, capacity;
    char *(*demangle)(const char *name, char *buffer, size_t *bytes, int *status); /* NULL: not looked for, or none */
    bool looked_for_demangler;
    void *libstdcxx; /* where it had to be loaded for that */
#ifdef VMTI_HAVE_LIBDW
    void *libdw;
    Dwfl_Callbacks callbacks;
#define MEMBER(name) __typeof__(name) *name;
    LIBDW_FUNCTIONS(MEMBER)
#undef MEMBER
#endif
};

/* ------------------------------------------------------------------------------------------- the ELF file */

/* `count` structures of `size` bytes at this offset of the file, or NULL if they do not lie in it. */
static const void *in_image(const struct module *m, uint64_t offset, uint64_t count, uint64_t size)
{
    if (offset > m->bytes || offset % 8 || (size && count > (m->bytes - offset) / size))
        return NULL;
    return m->image + offset;
}

static const Elf64_Ehdr *elf_header(const struct module *m)
{
    return (const Elf64_Ehdr *)(const void *)m->image;
}

static void map_image(struct module *m)
{
    struct stat status;
    int fd = open(m->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return;
    if (!fstat(fd, &status) && S_ISREG(status.st_mode) && (size_t)status.st_size >= sizeof(Elf64_Ehdr)) {
        void *image = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (image != MAP_FAILED) {
            m->image = image;
            m->bytes = (size_t)status.st_size;
        }
    }
    close(fd);
    if (!m->image)
        return;
    const Elf64_Ehdr *elf = elf_header(m);
    if (memcmp(elf->e_ident, ELFMAG, SELFMAG) != 0 || elf->e_ident[EI_CLASS] != ELFCLASS64 ||
        elf->e_machine != VMTI_ELF_MACHINE) {
        munmap((void *)m->image, m->bytes);
        m->image = NULL;
    }
}

/* The address that the file itself gives to a byte of it. False: it is in no segment. */
static bool file_address(const struct module *m, uint64_t offset, uint64_t *address)
{
    const Elf64_Ehdr *elf = elf_header(m);
    const Elf64_Phdr *segment = in_image(m, elf->e_phoff, elf->e_phnum, sizeof *segment);
    for (size_t i = 0; segment && i < elf->e_phnum; i++, segment++)
        if (segment->p_type == PT_LOAD && offset >= segment->p_offset &&
            offset - segment->p_offset < segment->p_filesz) {
            *address = offset - segment->p_offset + segment->p_vaddr;
            return true;
        }
    return false;
}

/* The function of this symbol table that the address lies in: its name and its start. */
static const char *find_in_table(const struct module *m, const Elf64_Shdr *table, const Elf64_Shdr *strings,
                                 uint64_t address, uint64_t *start)
{
    uint64_t count = table->sh_size / sizeof(Elf64_Sym);
    const Elf64_Sym *symbol = in_image(m, table->sh_offset, count, sizeof *symbol), *found = NULL;
    const char *names = (const char *)m->image + strings->sh_offset;
    if (!symbol || strings->sh_offset > m->bytes || strings->sh_size > m->bytes - strings->sh_offset)
        return NULL;
    for (uint64_t i = 0; i < count; i++, symbol++) {
        unsigned type = ELF64_ST_TYPE(symbol->st_info);
        if ((type == STT_FUNC || type == STT_GNU_IFUNC) && symbol->st_shndx != SHN_UNDEF &&
            address >= symbol->st_value && address - symbol->st_value < symbol->st_size &&
            symbol->st_name < strings->sh_size)
            found = symbol;
    }
    if (!found || !memchr(names + found->st_name, '\0', strings->sh_size - found->st_name))
        return NULL;
    *start = found->st_value;
    return names + found->st_name;
}

/* ... of the file; .symtab is whole, .dynsym is what a stripped file has left. */
static const char *find_symbol(const struct module *m, uint64_t address, uint64_t *start)
{
    static const uint32_t kinds[] = {SHT_SYMTAB, SHT_DYNSYM};
    const Elf64_Ehdr *elf = elf_header(m);
    const Elf64_Shdr *sections = in_image(m, elf->e_shoff, elf->e_shnum, sizeof *sections);
    for (size_t kind = 0; sections && kind < sizeof kinds / sizeof *kinds; kind++)
        for (size_t i = 0; i < elf->e_shnum; i++)
            if (sections[i].sh_type == kinds[kind] && sections[i].sh_link < elf->e_shnum) {
                const char *name = find_in_table(m, &sections[i], &sections[sections[i].sh_link], address, start);
                if (name)
                    return name;
            }
    return NULL;
}

/* ------------------------------------------------------------------------------------------- words */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* A copy that cannot move the cursor of who prints it. */
static void put_name(char to[VMTI_SITE_NAME_BYTES], const char *name)
{
    size_t n = 0;
    for (; n < VMTI_SITE_NAME_BYTES - 1 && name[n]; n++) {
        unsigned char c = (unsigned char)name[n];
        to[n] = c < 0x20 || c == 0x7f ? '?' : (char)c;
    }
    to[n] = '\0';
}

/* A C++ program has one. The command, and a C program with a library of C++, load libstdc++ when they meet a name. */
static void find_demangler(struct vmti_sites *sites)
{
    if (sites->looked_for_demangler)
        return;
    sites->looked_for_demangler = true;
    void *symbol = dlsym(RTLD_DEFAULT, "__cxa_demangle");
    if (!symbol && (sites->libstdcxx = dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_LOCAL)))
        symbol = dlsym(sites->libstdcxx, "__cxa_demangle");
    sites->demangle = (__typeof__(sites->demangle))symbol;
}

/* False: it is not a mangled name, or there is no demangler. */
static bool put_demangled(struct vmti_sites *sites, char to[VMTI_SITE_NAME_BYTES], const char *mangled)
{
    int status;
    char *name = NULL;
    if (strncmp(mangled, "_Z", 2) != 0)
        return false;
    find_demangler(sites);
    if (sites->demangle)
        name = sites->demangle(mangled, NULL, NULL, &status);
    if (name)
        put_name(to, name);
    free(name);
    return name;
}

/* ------------------------------------------------------------------------------------------- DWARF */

#ifdef VMTI_HAVE_LIBDW

/* All of its functions, or none. */
static void open_libdw(struct vmti_sites *sites)
{
    sites->libdw = dlopen(vmti_sites_libdw, RTLD_NOW | RTLD_LOCAL);
    if (!sites->libdw)
        return;
    bool all = true;
#define RESOLVE(name) all = (sites->name = (__typeof__(sites->name))dlsym(sites->libdw, #name)) && all;
    LIBDW_FUNCTIONS(RESOLVE)
#undef RESOLVE
    if (!all) {
        dlclose(sites->libdw);
        sites->libdw = NULL;
        return;
    }
    /* Not dwfl_standard_find_debuginfo: it asks the servers of DEBUGINFOD_URLS. */
    sites->callbacks.find_elf = sites->dwfl_build_id_find_elf;
    sites->callbacks.find_debuginfo = sites->dwfl_build_id_find_debuginfo;
}

static void open_dwarf(struct vmti_sites *sites, struct module *m)
{
    m->dwfl = sites->libdw ? sites->dwfl_begin(&sites->callbacks) : NULL;
    if (!m->dwfl)
        return;
    sites->dwfl_report_begin(m->dwfl);
    m->dwarf = sites->dwfl_report_elf(m->dwfl, base_name(m->path), m->path, -1, 0, true);
    if (sites->dwfl_report_end(m->dwfl, NULL, NULL) < 0)
        m->dwarf = NULL;
}

static Dwarf_Die *find_unit(const struct vmti_sites *sites, const struct module *m, uint64_t address, Dwarf_Addr *bias)
{
    Dwarf_Die *unit = m->dwarf ? sites->dwfl_module_addrdie(m->dwarf, address, bias) : NULL;
    if (unit || !m->dwarf)
        return unit;
    /* clang writes no .debug_aranges, in which older versions of libdw look. */
    while ((unit = sites->dwfl_module_nextcu(m->dwarf, unit, bias)))
        if (sites->dwarf_haspc(unit, address - *bias) > 0)
            break;
    return unit;
}

static void put_function(struct vmti_sites *sites, Dwarf_Die *die, struct vmti_site *site)
{
    Dwarf_Attribute attribute;
    Dwarf_Attribute *linkage = sites->dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute);
    const char *mangled = linkage ? sites->dwarf_formstring(linkage) : NULL, *name = sites->dwarf_diename(die);
    if (!(mangled && put_demangled(sites, site->function, mangled)) && name)
        put_name(site->function, name);
}

/* Where the function of this scope was inlined: file (NULL: not known) and line. */
static const char *called_at(const struct vmti_sites *sites, Dwarf_Die *unit, Dwarf_Die *scope, unsigned *line)
{
    Dwarf_Attribute attribute;
    Dwarf_Word file, number;
    Dwarf_Files *files;
    size_t count;
    if (sites->dwarf_formudata(sites->dwarf_attr(scope, DW_AT_call_file, &attribute), &file) ||
        sites->dwarf_formudata(sites->dwarf_attr(scope, DW_AT_call_line, &attribute), &number) ||
        sites->dwarf_getsrcfiles(unit, &files, &count) || file >= count)
        return NULL;
    *line = (unsigned)number;
    return sites->dwarf_filesrc(files, file, NULL, NULL);
}

static bool of_the_system(const char *file)
{
    return strncmp(file, "/usr/", 5) == 0;
}

/* False: DWARF does not tell the line. */
static bool look_up_line(struct vmti_sites *sites, const struct module *m, uint64_t address,
                         struct vmti_site *site)
{
    Dwarf_Addr bias = 0;
    Dwarf_Die *unit = find_unit(sites, m, address, &bias), *scopes = NULL;
    Dwarf_Line *source = unit ? sites->dwarf_getsrc_die(unit, address - bias) : NULL;
    const char *file = source ? sites->dwarf_linesrc(source, NULL, NULL) : NULL;
    int line;
    if (!file || sites->dwarf_lineno(source, &line))
        return false;
    put_name(site->file, base_name(file));
    site->line = (unsigned)line;
    /* The innermost, and what it was inlined into: what dwarf_getscopes() has after the first inlined function is where
     * that was declared. */
    Dwarf_Die *innermost = NULL;
    int count = sites->dwarf_getscopes(unit, address - bias, &innermost) > 0
                    ? sites->dwarf_getscopes_die(innermost, &scopes) : 0;
    free(innermost);
    for (int i = 0; i < count; i++) {
        int tag = sites->dwarf_tag(&scopes[i]);
        if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_subprogram)
            continue;
        put_function(sites, &scopes[i], site);
        unsigned caller_line;
        const char *caller = tag == DW_TAG_inlined_subroutine && of_the_system(file)
                                 ? called_at(sites, unit, &scopes[i], &caller_line) : NULL;
        if (!caller)
            break;
        file = caller;
        put_name(site->file, base_name(file));
        site->line = caller_line;
    }
    free(scopes);
    return *site->function;
}

static void close_dwarf(struct vmti_sites *sites, struct module *m)
{
    if (m->dwfl)
        sites->dwfl_end(m->dwfl);
}

static void close_libdw(struct vmti_sites *sites)
{
    if (sites->libdw)
        dlclose(sites->libdw);
}

#else

static void open_libdw(struct vmti_sites *sites)
{
    (void)sites;
}

static void open_dwarf(struct vmti_sites *sites, struct module *m)
{
    (void)sites, (void)m;
}

static bool look_up_line(struct vmti_sites *sites, const struct module *m, uint64_t address,
                         struct vmti_site *site)
{
    (void)sites, (void)m, (void)address, (void)site;
    return false;
}

static void close_dwarf(struct vmti_sites *sites, struct module *m)
{
    (void)sites, (void)m;
}

static void close_libdw(struct vmti_sites *sites)
{
    (void)sites;
}

#endif

/* ------------------------------------------------------------------------------------------- modules */

struct vmti_sites *vmti_sites_new(void)
{
    struct vmti_sites *sites = calloc(1, sizeof *sites);
    if (!sites)
        return NULL;
    open_libdw(sites);
    return sites;
}

int vmti_sites_add(struct vmti_sites *sites, uint64_t start, uint64_t end, uint64_t offset, const char *path)
{
    void *modules = vmti_grow(sites->modules, sites->count, &sites->capacity, sizeof *sites->modules);
    if (!modules)
        return -ENOMEM;
    sites->modules = modules;
    struct module m = {.start = start, .end = end, .offset = offset, .path = strdup(path)};
    if (!m.path)
        return -ENOMEM;
    sites->modules[sites->count++] = m;
    return 0;
}

static struct module *find_module(struct vmti_sites *sites, uint64_t address)
{
    for (size_t i = sites->count; i-- > 0;)
        if (address >= sites->modules[i].start && address < sites->modules[i].end)
            return &sites->modules[i];
    return NULL;
}

void vmti_sites_look_up(struct vmti_sites *sites, uint64_t address, struct vmti_site *site)
{
    memset(site, 0, sizeof *site);
    struct module *m = address ? find_module(sites, address - 1) : NULL;
    if (!m)
        return;
    if (!m->opened) {
        m->opened = true;
        map_image(m);
        if (m->image)
            open_dwarf(sites, m);
    }
    put_name(site->module, base_name(m->path));
    site->offset = address - m->start + m->offset;
    uint64_t in_file, start;
    if (!m->image || !file_address(m, site->offset - 1, &in_file) || look_up_line(sites, m, in_file, site))
        return;
    const char *name = find_symbol(m, in_file, &start);
    if (name && !put_demangled(sites, site->function, name))
        put_name(site->function, name);
    if (name)
        site->into = in_file + 1 - start;
}

/* "<function><rest>" in so many bytes: the function's name gives way. */
static void put_shortened(char *text, size_t bytes, const char *function, const char *rest)
{
    size_t room = bytes > strlen(rest) + 1 ? bytes - strlen(rest) - 1 : 0;
    if (strlen(function) <= room)
        snprintf(text, bytes, "%s%s", function, rest);
    else
        snprintf(text, bytes, "%.*s..%s", room > 2 ? (int)room - 2 : 0, function, rest);
}

const char *vmti_site_text(struct vmti_sites *sites, uint64_t address, char *text, size_t bytes)
{
    struct vmti_site site;
    char rest[VMTI_SITE_TEXT_BYTES];
    vmti_sites_look_up(sites, address, &site);
    if (site.line)
        snprintf(rest, sizeof rest, " %s:%u", site.file, site.line);
    else
        snprintf(rest, sizeof rest, "+0x%" PRIx64 " (%s)", site.into, site.module);
    if (!address)
        snprintf(text, bytes, "unknown site");
    else if (*site.function)
        put_shortened(text, bytes, site.function, rest);
    else if (*site.module)
        snprintf(text, bytes, "%s+0x%" PRIx64, site.module, site.offset);
    else
        snprintf(text, bytes, "0x%" PRIx64, address);
    return text;
}

void vmti_sites_free(struct vmti_sites *sites)
{
    if (!sites)
        return;
    for (size_t i = 0; i < sites->count; i++) {
        struct module *m = &sites->modules[i];
        close_dwarf(sites, m);
        if (m->image)
            munmap((void *)m->image, m->bytes);
        free(m->path);
    }
    close_libdw(sites);
    if (sites->libstdcxx)
        dlclose(sites->libstdcxx);
    free(sites->modules);
    free(sites);
}
