/* SPDX-License-Identifier: MIT */
/* Cases that run natively and in a region, each time in a child of their own with PAGES pages of memory that alone are
 * tracked, and tell what they see; both must tell the same. A test that includes this defines PAGES and WINDOW
 * before. */
#ifndef VMTI_TESTS_COMPARED_H
#define VMTI_TESTS_COMPARED_H

#include "patterns.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TEXT = 16384, SKIPPED = 77 };

static struct {
    char text[TEXT];
    size_t used;
    uint64_t touches;
    bool older_kernel; /* that does not do what the number of touches is for */
} *told; /* shared with the children */

__attribute__((format(printf, 1, 2))) static inline void tell(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int n = vsnprintf(told->text + told->used, TEXT - told->used, format, list);
    va_end(list);
    told->used += n > 0 ? (size_t)n : 0;
    if (told->used >= TEXT)
        told->used = TEXT - 1;
}

static inline long said(const char *name, long result)
{
    tell("%s %ld", name, result == -1 ? -(long)errno : result);
    return result;
}

/* What the call gives: the number that it was asked for, or an error. */
#define CALL(call) (said("\n" #call, (long)(call)))
#define CALL_MAP(call)                                                                                                 \
    do {                                                                                                               \
        long here = (long)(call);                                                                                      \
        said("\n" #call, here == -1 ? -1 : 0);                                                                         \
    } while (0)

/* ------------------------------------------------------------------------------------------- native against traced */

/* Of the test: what each child needs. */
static void prepare_child(void);

static inline void run(void (*body)(char *p), bool traced, bool writes)
{
    memset(told, 0, sizeof *told);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child) {
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
            skip();
        if (!WIFEXITED(status) || WEXITSTATUS(status))
            tell("\nended with status %#x", (unsigned)status);
        return;
    }
    prepare_child();
    char *p = mmap(NULL, (PAGES + 2) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); /* no neighbours */
    p += PAGE;
    mprotect(p, PAGES * PAGE, PROT_READ | PROT_WRITE);
    for (int i = 0; i < PAGES; i++)
        memset(p + i * PAGE, 'a' + i, PAGE);
    if (!traced) {
        body(p);
        _exit(0);
    }
    vmt_config config;
    vmt_report *report;
    vmt_config_init(&config);
    config.scope = VMT_SCOPE_RANGES;
    config.window = WINDOW;
    config.trace_path = NULL;
    config.track_writes = writes;
    if (vmt_track(p, PAGES * PAGE, NULL) || vmt_begin(&config))
        _exit(3);
    body(p);
    if (vmt_end(&report)) {
        tell("\nvmt_end: %s", vmt_error_text());
        _exit(4);
    }
    told->touches = vmt_report_touches(report);
    _exit(0);
}

struct compared_case {
    void (*body)(char *p);
    uint64_t touches; /* 0: not looked at */
};

static inline void same_as_natively(void **state)
{
    const struct compared_case *the = *state;
    static char native[TEXT];
    run(the->body, false, false);
    memcpy(native, told->text, TEXT);
    for (int writes = 0; writes < 2; writes++) {
        run(the->body, true, writes);
        if (strcmp(native, told->text) != 0)
            fail_msg("%s\n\nnatively:%s\n\nin a region:%s", writes ? "with write tracking" : "", native, told->text);
        if (the->touches && !told->older_kernel)
            assert_int_equal(told->touches, the->touches);
    }
}

#define CASE(name, n)                                                                                                  \
    {                                                                                                                  \
        #name, same_as_natively, NULL, NULL, &(struct compared_case) { name, n }                             \
    }

static inline void make_told(void)
{
    told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (told == MAP_FAILED)
        abort();
}

#endif
