/* SPDX-License-Identifier: MIT */
/*
 * Names for addresses of code: function, source file and line, of this process or of the one that a trace is of. The
 * modules' files are read as they are now, so one that has been built anew since gives the names of its new code.
 *
 * Lines, and functions that were inlined, come from DWARF by way of elfutils' libdw. It is opened by vmti_sites_new()
 * and not linked, so that it comes into no program that does not ask. Debuginfo in files of their own is found by build
 * id under /usr/lib/debug, and never fetched from a network. Without libdw, or without DWARF, names come from the
 * symbol tables. C++ names are demangled where the process has a demangler (libstdc++ or libc++abi).
 *
 * Runs in ordinary program context: may call malloc. One thread at a time for each struct vmti_sites.
 */
#ifndef VMTI_SITES_H
#define VMTI_SITES_H

#include "types.h"

struct vmti_sites; /* modules of one process, as it or its trace knows them */

/* The name under which libdw is opened; a test says another. */
extern VMTI_HIDDEN const char *vmti_sites_libdw;

/* NULL: no memory. */
VMTI_HIDDEN struct vmti_sites *vmti_sites_new(void);

/* An executable mapping [start, end) of `path` from file offset `offset` on; it hides older ones there. 0 or
 * -ENOMEM. */
VMTI_HIDDEN int vmti_sites_add(struct vmti_sites *sites, uint64_t start, uint64_t end, uint64_t offset,
                               const char *path);

enum { VMTI_SITE_NAME_BYTES = 64, VMTI_SITE_TEXT_BYTES = 160 };

/* "" and 0 are what is not known; a longer name is cut. */
struct vmti_site {
    char function[VMTI_SITE_NAME_BYTES];
    char file[VMTI_SITE_NAME_BYTES]; /* without its folder */
    unsigned line;
    char module[VMTI_SITE_NAME_BYTES]; /* without its folder */
    uint64_t offset;                   /* of the address in the module's file */
    uint64_t into;                     /* ... behind the start of `function`, where there is no line */
};

/*
 * What lies there. The address is that of a return: the call is what is looked up, one byte before. Of functions that
 * were inlined it is the innermost that does not come from a header of the system: who called std::vector, not what
 * allocates in there.
 */
VMTI_HIDDEN void vmti_sites_look_up(struct vmti_sites *sites, uint64_t address, struct vmti_site *site);

/* "function file.c:123", else "function+0x12 (module)", "module+0x1234" (an offset in its file), or "0x1234"; "unknown
 * site" for 0. VMTI_SITE_TEXT_BYTES are enough; with fewer it is the function's name that is shortened. Returns
 * text. */
VMTI_HIDDEN const char *vmti_site_text(struct vmti_sites *sites, uint64_t address, char *text, size_t bytes);

/* NULL is allowed. */
VMTI_HIDDEN void vmti_sites_free(struct vmti_sites *sites);

#endif
