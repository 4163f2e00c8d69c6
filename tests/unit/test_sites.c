/* SPDX-License-Identifier: MIT */
/* Names of this program's own code, with libdw and without. */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "maps.h"
#include "of_the_system.h"
#include "sites.h"

static void add_mapping(void *context, const struct vmti_map *map)
{
    char path[4096];
    snprintf(path, sizeof path, "%.*s", (int)map->path_bytes, map->path);
    if (map->prot & PROT_EXEC)
        assert_int_equal(vmti_sites_add(context, map->start, map->end, map->offset, path), 0);
}

static struct vmti_sites *sites_of_this_process(void)
{
    struct vmti_sites *sites = vmti_sites_new();
    assert_non_null(sites);
    assert_int_equal(vmti_maps_read(add_mapping, sites), 0);
    return sites;
}

/* Its own return address: a line of who called it. Volatile, so that the call is not its caller's last instruction. */
__attribute__((noinline)) uintptr_t here(void)
{
    return (uintptr_t)__builtin_return_address(0);
}

static unsigned line_of_call;

static __attribute__((noinline)) uintptr_t in_a_static_function(void)
{
    line_of_call = __LINE__ + 1;
    volatile uintptr_t address = here();
    return address;
}

static inline __attribute__((always_inline)) uintptr_t in_an_inlined_function(void)
{
    line_of_call = __LINE__ + 1;
    volatile uintptr_t address = here();
    return address;
}

static __attribute__((noinline)) uintptr_t into_which_headers_are_inlined(void)
{
    line_of_call = __LINE__ + 1;
    volatile uintptr_t address = insert();
    return address;
}

__attribute__((noinline)) uintptr_t of_cxx(void) __asm__("_ZN3vmt7exampleEi");
uintptr_t of_cxx(void)
{
    volatile uintptr_t address = here();
    return address;
}

static bool libdw_is_there(void)
{
#ifdef VMTI_HAVE_LIBDW
    void *libdw = dlopen("libdw.so.1", RTLD_NOW);
    if (libdw)
        dlclose(libdw);
    return libdw;
#else
    return false;
#endif
}

static void a_static_function_has_its_line(void **state)
{
    (void)state;
    if (!libdw_is_there())
        skip();
    struct vmti_sites *sites = sites_of_this_process();
    uintptr_t address = in_a_static_function();
    char text[VMTI_SITE_TEXT_BYTES], expected[VMTI_SITE_TEXT_BYTES];
    struct vmti_site site;
    vmti_sites_look_up(sites, address, &site);
    assert_string_equal(site.function, "in_a_static_function");
    assert_string_equal(site.file, "test_sites.c");
    assert_int_equal(site.line, line_of_call);
    assert_string_equal(site.module, "test_sites");
    snprintf(expected, sizeof expected, "in_a_static_function test_sites.c:%u", line_of_call);
    assert_string_equal(vmti_site_text(sites, address, text, sizeof text), expected);
    vmti_sites_free(sites);
}

static void an_inlined_function_too(void **state)
{
    (void)state;
    if (!libdw_is_there())
        skip();
    struct vmti_sites *sites = sites_of_this_process();
    uintptr_t address = in_an_inlined_function();
    struct vmti_site site;
    vmti_sites_look_up(sites, address, &site);
    assert_string_equal(site.function, "in_an_inlined_function");
    assert_int_equal(site.line, line_of_call);
    vmti_sites_free(sites);
}

/* Where the program calls them, not what the one calls that it has of the system by the other. */
static void a_header_of_the_system_is_named_by_its_caller(void **state)
{
    (void)state;
    if (!libdw_is_there())
        skip();
    struct vmti_sites *sites = sites_of_this_process();
    uintptr_t address = into_which_headers_are_inlined();
    struct vmti_site site;
    vmti_sites_look_up(sites, address, &site);
    assert_string_equal(site.function, "into_which_headers_are_inlined");
    assert_string_equal(site.file, "test_sites.c");
    assert_int_equal(site.line, line_of_call);
    vmti_sites_free(sites);
}

/* As the trace of another process has them: what was mapped where, not what is. */
static void another_process_is_named_by_its_mappings(void **state)
{
    (void)state;
    enum { ELSEWHERE = 1 << 20 };
    struct vmti_sites *here_sites = sites_of_this_process(), *sites = vmti_sites_new();
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    assert_true(length > 0);
    path[length] = '\0';
    uintptr_t address = in_a_static_function();
    struct vmti_site expected, site;
    vmti_sites_look_up(here_sites, address, &expected);
    uint64_t there = (uint64_t)0x7000 << 32;
    assert_int_equal(vmti_sites_add(sites, there, there + ELSEWHERE, 0, "/no/such/file"), 0);
    assert_int_equal(vmti_sites_add(sites, there, there + ELSEWHERE, 0, path), 0);
    vmti_sites_look_up(sites, there + expected.offset, &site);
    assert_memory_equal(&site, &expected, sizeof site);
    vmti_sites_free(sites);
    vmti_sites_free(here_sites);
}

static void symbols_do_where_libdw_is_absent(void **state)
{
    (void)state;
    const char *libdw = vmti_sites_libdw;
    vmti_sites_libdw = "libdw-that-is-not-there.so.1";
    struct vmti_sites *sites = sites_of_this_process();
    vmti_sites_libdw = libdw;
    uintptr_t address = in_a_static_function();
    char text[VMTI_SITE_TEXT_BYTES], expected[VMTI_SITE_TEXT_BYTES];
    snprintf(expected, sizeof expected, "in_a_static_function+0x%zx (test_sites)",
             (size_t)(address - (uintptr_t)in_a_static_function));
    assert_string_equal(vmti_site_text(sites, address, text, sizeof text), expected);
    vmti_sites_free(sites);
}

/* Here as in the command nothing else has loaded a demangler, but for the runtime of UBSan, which is C++. */
static void names_of_cxx_are_demangled(void **state)
{
    (void)state;
    assert_true(!dlsym(RTLD_DEFAULT, "__cxa_demangle") || dlsym(RTLD_DEFAULT, "__ubsan_handle_type_mismatch_v1"));
    void *libstdcxx = dlopen("libstdc++.so.6", RTLD_LAZY);
    if (!libstdcxx)
        skip();
    dlclose(libstdcxx);
    const char *libdw = vmti_sites_libdw;
    vmti_sites_libdw = "libdw-that-is-not-there.so.1";
    struct vmti_sites *sites = sites_of_this_process();
    vmti_sites_libdw = libdw;
    struct vmti_site site;
    vmti_sites_look_up(sites, of_cxx(), &site);
    assert_string_equal(site.function, "vmt::example(int)");
    vmti_sites_free(sites);
}

static void what_is_not_known_is_a_number(void **state)
{
    (void)state;
    char path[] = "/tmp/vmt-test-XXXXXX", text[VMTI_SITE_TEXT_BYTES], expected[64];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 8192), 0); /* no ELF file */
    close(fd);
    struct vmti_sites *sites = vmti_sites_new();
    assert_int_equal(vmti_sites_add(sites, 0x10000, 0x20000, 0x1000, "/no/such/fi\nle"), 0);
    assert_int_equal(vmti_sites_add(sites, 0x20000, 0x30000, 0, path), 0);
    assert_string_equal(vmti_site_text(sites, 0, text, sizeof text), "unknown site");
    assert_string_equal(vmti_site_text(sites, 0x10000, text, sizeof text), "0x10000"); /* the call ended before it */
    assert_string_equal(vmti_site_text(sites, 0x10010, text, sizeof text), "fi?le+0x1010");
    snprintf(expected, sizeof expected, "%s+0x1000", path + strlen("/tmp/"));
    assert_string_equal(vmti_site_text(sites, 0x21000, text, sizeof text), expected);
    assert_string_equal(vmti_site_text(sites, 0x30001, text, sizeof text), "0x30001");
    vmti_sites_free(sites);
    unlink(path);
}

/* Every prefix of an ELF file, and one with each of its header's bytes changed: names or none, but no fault. */
static void damaged_files_are_no_harm(void **state)
{
    (void)state;
    char path[] = "/tmp/vmt-test-XXXXXX", text[VMTI_SITE_TEXT_BYTES];
    int fd = mkstemp(path);
    FILE *program = fopen("/proc/self/exe", "r");
    assert_true(fd >= 0);
    assert_non_null(program);
    static unsigned char bytes[1 << 20];
    size_t size = fread(bytes, 1, sizeof bytes, program);
    fclose(program);
    uint64_t offset = 0x1100;
    for (unsigned i = 0; i < 64 + 64; i++) {
        unsigned char was = bytes[i % 64];
        size_t length = i < 64 ? size * i / 64 : size;
        bytes[i % 64] = i < 64 ? was : (unsigned char)~was;
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(pwrite(fd, bytes, length, 0), (ssize_t)length);
        bytes[i % 64] = was;
        struct vmti_sites *sites = vmti_sites_new();
        assert_int_equal(vmti_sites_add(sites, 0x10000, 0x10000 + sizeof bytes, 0, path), 0);
        assert_true(*vmti_site_text(sites, 0x10000 + offset, text, sizeof text));
        vmti_sites_free(sites);
    }
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_static_function_has_its_line),
        cmocka_unit_test(an_inlined_function_too),
        cmocka_unit_test(a_header_of_the_system_is_named_by_its_caller),
        cmocka_unit_test(another_process_is_named_by_its_mappings),
        cmocka_unit_test(symbols_do_where_libdw_is_absent),
        cmocka_unit_test(names_of_cxx_are_demangled),
        cmocka_unit_test(what_is_not_known_is_a_number),
        cmocka_unit_test(damaged_files_are_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
