/* SPDX-License-Identifier: MIT */
/* The files of catcher/page/, which are built into the command. */
#ifndef VMTI_PAGE_H
#define VMTI_PAGE_H

#include "../harness/types.h"

extern VMTI_HIDDEN const char vmti_page_html[], vmti_page_html_end[];
extern VMTI_HIDDEN const char vmti_page_css[], vmti_page_css_end[];
extern VMTI_HIDDEN const char vmti_page_js[], vmti_page_js_end[];

#endif
