/* SPDX-License-Identifier: MIT */
/* vmtrace dump: each touch of a trace, one a line. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define HASH_NONFATAL_OOM 1
#define HASH_FUNCTION(key, bytes, hash) ((hash) = (unsigned)XXH3_64bits((key), (bytes)))
#include <uthash.h>
#include <utlist.h>

#include "../harness/insight.h"
#include "cmd.h"

static const char HELP[] =
    "NAME\n"
    "    vmtrace dump - print each touch of a trace\n"
    "\n"
    "SYNOPSIS\n"
    "    vmtrace dump [--format=text|hex] FILE\n"
    "\n"
    "DESCRIPTION\n"
    "    Prints one line for each touch in FILE, in the order in which they happened. A trace that is not complete is\n"
    "    printed as far as it goes, and a sentence on stderr says why there is no more.\n"
    "\n"
    "OPTIONS\n"
    "    --format=text   columns, with a space between two (the default):\n"
    "                      1  number of the touch, from 1\n"
    "                      2  time since the start of the trace, in nanoseconds\n"
    "                      3  index of the thread, in the order in which threads were seen, from 0\n"
    "                      4  r the page was read, w it was written, - not known (the trace is without --writes)\n"
    "                      5  P by the program's own instructions, S on behalf of a system call\n"
    "                      6  address of the page, in hexadecimal\n"
    "                      7  whose page it is: #A+I is page I, from 0, of allocation A, from 1 in order of\n"
    "                         allocation; LABEL+I is page I of a labelled range; - not known\n"
    "                      8  \"evicts\" and the addresses of the pages that were closed for it, where some were\n"
    "                    Spaces, control characters and backslashes in a label are printed as \\xNN.\n"
    "    --format=hex    the address of the page alone, as 16 hexadecimal digits\n"
    "    --help          print this\n"
    "\n"
    "EXIT STATUS\n"
    "    0 success, also for a trace that is not complete; 1 FILE cannot be read, or the output not be written;\n"
    "    2 unknown option or value.\n"
    "\n"
    "EXAMPLES\n"
    "    vmtrace dump sort.vmt | awk '$5 == \"S\"' | head\n"
    "    vmtrace dump --format=hex sort.vmt | sort -u | wc -l\n";

/* ------------------------------------------------------------------------------------------- the window */

/* A page of the window. Replayed from the records: the oldest leave, so they say enough. */
struct open_page {
    uint64_t page;
    struct open_page *prev, *next; /* in order of their touches */
    UT_hash_handle hh;
};

struct window {
    struct open_page *fifo;
    struct open_page *by_page;
};

static void leave(struct window *window, struct open_page *open)
{
    DL_DELETE(window->fifo, open);
    HASH_DEL(window->by_page, open);
    free(open);
}

/* False: no memory. */
static bool enter(struct window *window, uint64_t page)
{
    struct open_page *open;
    HASH_FIND(hh, window->by_page, &page, sizeof page, open);
    if (open) /* only if the trace is not what vmtrace writes */
        leave(window, open);
    open = malloc(sizeof *open);
    if (!open)
        return false;
    open->page = page;
    HASH_ADD(hh, window->by_page, page, sizeof page, open);
    if (!open->hh.tbl) { /* uthash leaves it NULL when it could not add */
        free(open);
        return false;
    }
    DL_APPEND(window->fifo, open);
    return true;
}

static void drop(struct window *window, uint64_t page, uint64_t pages)
{
    struct open_page *open, *next;
    if (pages < HASH_COUNT(window->by_page)) {
        for (uint64_t i = 0; i < pages; i++) {
            uint64_t key = page + i;
            HASH_FIND(hh, window->by_page, &key, sizeof key, open);
            if (open)
                leave(window, open);
        }
        return;
    }
    DL_FOREACH_SAFE(window->fifo, open, next)
        if (open->page - page < pages)
            leave(window, open);
}

/* ------------------------------------------------------------------------------------------- lines */

static void print_touch(const struct vmti_trace_reader *reader, const struct vmti_event *event,
                        const struct vmti_owners_told *owners, const struct window *window)
{
    uint64_t page_size = reader->header.page_size;
    char access = reader->header.flags & VMTI_TRACE_HAS_WRITES ? event->write ? 'w' : 'r' : '-';
    printf("%" PRIu64 " %" PRIu64 " %" PRIu32 " %c %c 0x%" PRIx64 " ", event->touch, event->time_ns, event->thread,
           access, event->syscall ? 'S' : 'P', event->page * page_size);
    const struct vmti_trace_owner *owner = vmti_owners_told_find(owners, event->page);
    if (!owner) {
        putchar('-');
    } else {
        if (*owner->label)
            vmti_cmd_put_text(stdout, owner->label, strlen(owner->label), true);
        else
            printf("#%" PRIu32, owner->index);
        printf("+%" PRIu64, event->page - owner->first_page);
    }
    if (event->evicts)
        printf(" evicts");
    const struct open_page *oldest = window->fifo;
    for (unsigned i = 0; i < event->evicts; i++) {
        if (!oldest) { /* only if the trace is not what vmtrace writes */
            printf(" ?");
            break;
        }
        printf(" 0x%" PRIx64, oldest->page * page_size);
        oldest = oldest->next;
    }
    putchar('\n');
}

/* 0, or -ENOMEM. Stops where stdout fails. */
static int dump_text(struct vmti_trace_reader *reader)
{
    struct vmti_owners_told owners;
    struct window window = {0};
    struct vmti_event event;
    int error = vmti_owners_told_read(&owners, reader);
    while (!error && !ferror(stdout) && vmti_trace_read_next(reader, &event)) {
        switch (event.kind) {
        case VMTI_REC_TOUCH:
            print_touch(reader, &event, &owners, &window);
            for (; event.evicts && window.fifo; event.evicts--)
                leave(&window, window.fifo);
            if (!enter(&window, event.page))
                error = -ENOMEM;
            break;
        case VMTI_REC_DROP:
            drop(&window, event.page, event.pages);
            break;
        case VMTI_REC_OWNER:
            error = vmti_owners_told_add(&owners, &event);
            break;
        default:
            break;
        }
    }
    int output = errno; /* of stdout, for the caller */
    while (window.fifo)
        leave(&window, window.fifo);
    vmti_owners_told_free(&owners);
    errno = output;
    return error;
}

static int dump_hex(struct vmti_trace_reader *reader)
{
    struct vmti_event event;
    while (!ferror(stdout) && vmti_trace_read_next(reader, &event))
        if (event.kind == VMTI_REC_TOUCH)
            printf("%016" PRIx64 "\n", event.page * reader->header.page_size);
    return 0;
}

int vmti_cmd_dump(int argc, char **argv)
{
    static const struct option options[] = {
        {"format", required_argument, NULL, 'f'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    int (*dump)(struct vmti_trace_reader *) = dump_text;
    int option;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(HELP, stdout);
            return vmti_cmd_close_stdout();
        }
        if (option != 'f') {
            vmti_cmd_option_error(option, argv, "--format and --help");
            return VMTI_EXIT_USAGE;
        }
        if (strcmp(optarg, "text") == 0) {
            dump = dump_text;
        } else if (strcmp(optarg, "hex") == 0) {
            dump = dump_hex;
        } else {
            vmti_cmd_error("option --format is \"%s\": allowed are text and hex", optarg);
            return VMTI_EXIT_USAGE;
        }
    }
    const char *path = vmti_cmd_file_operand(argc, argv);
    if (!path)
        return VMTI_EXIT_USAGE;

    struct vmti_trace_reader reader;
    int status = VMTI_EXIT_FAILED;
    if (vmti_trace_read_file(&reader, path) < 0) {
        vmti_cmd_error("cannot read %s: %s", path, reader.reason);
    } else {
        int error = dump(&reader);
        status = vmti_cmd_close_stdout();
        if (!status && error) {
            vmti_cmd_error("cannot read %s to its end: no memory was left", path);
            status = VMTI_EXIT_FAILED;
        } else if (!status && !reader.complete) {
            vmti_cmd_error("%s is not complete: %s", path, reader.reason);
            status = reader.error ? VMTI_EXIT_FAILED : 0;
        }
    }
    vmti_trace_read_close(&reader);
    return status;
}
