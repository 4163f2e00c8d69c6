/* SPDX-License-Identifier: MIT */
/* The command `vmtrace`: its commands, and what they share. */
#define _GNU_SOURCE
#include "cmd.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "../harness/syscalls_print.h"

static const char HELP[] =
    "NAME\n"
    "    vmtrace - record and read which memory pages a program touches\n"
    "\n"
    "SYNOPSIS\n"
    "    vmtrace run [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
    "    vmtrace report [--format=FORMAT | --json | --html] [--against OTHER] [-o OUTPUT] FILE\n"
    "    vmtrace dump [--format=text|hex] FILE\n"
    "    vmtrace check [OPTION]... FILE\n"
    "    vmtrace diff [--json] [--top N] A B\n"
    "    vmtrace compare [--allocator NAME]... [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
    "    vmtrace syscalls\n"
    "    vmtrace --help | --version | COMMAND --help\n"
    "\n"
    "DESCRIPTION\n"
    "    A traced program has at most N of its pages open at a time, the window. The first access to any other page\n"
    "    is a touch: it is recorded, the page is opened, and the page that was opened longest ago is closed for it.\n"
    "    So a trace is what a FIFO of N pages misses; accesses to open pages are not seen.\n"
    "\n"
    "COMMANDS\n"
    "    run        run a program from its start to its end under the tracer; sum up on stderr, or keep the trace\n"
    "    report     say what is in a trace: counts, the walk through memory, curves and tables, as text, as a page to\n"
    "               look at in a browser, as JSON, or for other programs\n"
    "    dump       print each touch of a trace, one a line\n"
    "    check      compare a trace with budgets, and with a baseline file\n"
    "    diff       compare two traces or reports: figures, allocation sites, labels, phases, the first other page\n"
    "    compare    run a program on several allocators, and print what each costs it in pages and touches\n"
    "    syscalls   print what is known about each system call's pointers\n"
    "\n"
    "OPTIONS\n"
    "    --help     print this, or with a command what it does and takes\n"
    "    --version  print the version\n"
    "\n"
    "EXIT STATUS\n"
    "    0 success; 1 a trace cannot be read or the output not be written; 2 unknown command, option or value.\n"
    "    Of run: that of the program, or 125, 126 or 127 (vmtrace run --help). Of check: vmtrace check --help.\n"
    "    Of diff: 0 the same, 1 they differ, 2 trouble.\n"
    "    Of compare: see vmtrace compare --help.\n"
    "\n"
    "EXAMPLES\n"
    "    vmtrace run -n 64 -o sort.vmt sort words.txt\n"
    "    vmtrace report sort.vmt\n"
    "    vmtrace report --html sort.vmt -o sort.html\n"
    "    vmtrace dump --format=hex sort.vmt | sort | uniq -c | sort -rn | head\n";

static const char SYSCALLS_HELP[] =
    "NAME\n"
    "    vmtrace syscalls - print the table of system calls\n"
    "\n"
    "SYNOPSIS\n"
    "    vmtrace syscalls\n"
    "\n"
    "DESCRIPTION\n"
    "    Prints one row for each system call that vmtrace knows: its number, its name, and for each argument what the\n"
    "    kernel reads or writes behind it. The program is halted at each call, and what its pointers reach is opened\n"
    "    before the kernel looks.\n"
    "\n"
    "EXIT STATUS\n"
    "    0 success; 1 the output could not be written; 2 unknown option.\n";

static const char *command = "";

void vmti_cmd_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "vmtrace%s%s: ", *command ? " " : "", command);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

int vmti_cmd_out_of_memory(void)
{
    vmti_cmd_error("no memory was left");
    return VMTI_EXIT_RUN_FAILED;
}

void vmti_cmd_option_error(int result, char **argv, const char *allowed)
{
    const char *word = argv[optind - 1];
    bool is_long = strncmp(word, "--", 2) == 0;
    if (result == ':')
        vmti_cmd_error("option \"%s\" needs a value", word);
    else if (optopt && is_long && strchr(word, '='))
        vmti_cmd_error("option \"%.*s\" takes no value", (int)strcspn(word, "="), word);
    else if (optopt)
        vmti_cmd_error("unknown option \"-%c\": allowed are %s", optopt, allowed);
    else
        vmti_cmd_error("unknown or ambiguous option \"%s\": allowed are %s", word, allowed);
}

const char *vmti_cmd_file_operand(int argc, char **argv)
{
    if (optind == argc)
        vmti_cmd_error("the name of a trace file is missing: vmtrace %s FILE", command);
    else if (optind + 1 < argc)
        vmti_cmd_error("one trace file at a time: \"%s\" is one too many", argv[optind + 1]);
    else if (!*argv[optind])
        vmti_cmd_error("the name of the trace file is \"\": vmtrace %s FILE", command);
    else
        return argv[optind];
    return NULL;
}

int vmti_cmd_close_stdout(void)
{
    bool failed = ferror(stdout);
    if (fclose(stdout) == 0 && !failed)
        return 0;
    if (errno != EPIPE)
        vmti_cmd_error("cannot write to standard output: %s", strerror(errno));
    return VMTI_EXIT_FAILED;
}

void vmti_cmd_put_text(FILE *out, const char *text, size_t bytes, bool word)
{
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == 0x7f || c == '\\' || (word && c == ' '))
            fprintf(out, "\\x%02x", c);
        else
            putc(c, out);
    }
}

static int print(const char *text)
{
    fputs(text, stdout);
    return vmti_cmd_close_stdout();
}

static int cmd_syscalls(int argc, char **argv)
{
    static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {0}};
    int option = getopt_long(argc, argv, ":h", options, NULL);
    if (option == 'h')
        return print(SYSCALLS_HELP);
    if (option != -1) {
        vmti_cmd_option_error(option, argv, "--help");
        return VMTI_EXIT_USAGE;
    }
    if (optind < argc) {
        vmti_cmd_error("takes no arguments, but got \"%s\"", argv[optind]);
        return VMTI_EXIT_USAGE;
    }
    vmti_syscalls_print(stdout);
    return vmti_cmd_close_stdout();
}

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    bool writes_stdout;
} commands[] = {
    {"run", vmti_cmd_run, false},
    {"report", vmti_cmd_report, true},
    {"dump", vmti_cmd_dump, true},
    {"check", vmti_cmd_check, true},
    {"diff", vmti_cmd_diff, true},
    {"compare", vmti_cmd_compare, false},
    {"syscalls", cmd_syscalls, true},
};

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs(HELP, stderr);
        return VMTI_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return print(HELP);
    if (strcmp(argv[1], "--version") == 0) {
        printf("vmtrace %s\n", vmt_version());
        return vmti_cmd_close_stdout();
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i].name) == 0) {
            command = commands[i].name;
            opterr = 0;
            /* A write to a closed pipe is an error to report, not a death. But a program that is run keeps SIGPIPE. */
            if (commands[i].writes_stdout)
                signal(SIGPIPE, SIG_IGN);
            return commands[i].run(argc - 1, argv + 1);
        }
    vmti_cmd_error(
        "unknown %s \"%s\": allowed are run, report, dump, check, diff, compare, syscalls, --help and --version",
        argv[1][0] == '-' ? "option" : "command", argv[1]);
    return VMTI_EXIT_USAGE;
}
