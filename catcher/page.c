/* SPDX-License-Identifier: MIT */
#include "page.h"

/* The assembler finds the files in the folder that CMakeLists.txt names to it. */
/* clang-format off */
#define EMBED(name, files)                                                                                             \
    __asm__(".pushsection .rodata, \"a\", @progbits\n"                                                                 \
            ".globl " #name "\n.hidden " #name "\n" #name ":\n" files                                                 \
            ".globl " #name "_end\n.hidden " #name "_end\n" #name "_end:\n"                                            \
            ".byte 0\n"                                                                                                \
            ".popsection\n")
/* clang-format on */
#define PART(name) ".incbin \"" name "\"\n"

EMBED(vmti_page_html, PART("report.html"));
EMBED(vmti_page_css, PART("report.css"));
EMBED(vmti_page_js, PART("data.js") PART("walk.js") PART("charts.js") PART("report.js"));
