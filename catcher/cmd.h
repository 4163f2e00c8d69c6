/* SPDX-License-Identifier: MIT */
/* The command `vmtrace`: what its files share. */
#ifndef VMTI_CMD_H
#define VMTI_CMD_H

#include <stdio.h>

#include "../harness/types.h"

/* Exit statuses. Those of `run` are env(1)'s and timeout(1)'s. */
enum {
    VMTI_EXIT_FAILED = 1,         /* a trace cannot be read, or the output not be written */
    VMTI_EXIT_USAGE = 2,          /* unknown command, option or value */
    VMTI_EXIT_RUN_FAILED = 125,   /* `run`: vmtrace itself failed, or the program cannot be traced */
    VMTI_EXIT_NOT_RUNNABLE = 126, /* `run`: the program was found but cannot be run */
    VMTI_EXIT_NOT_FOUND = 127,    /* `run`: the program was not found */
};

/* The commands: argv[0] is the command's name. Each returns the exit status. */
VMTI_HIDDEN int vmti_cmd_run(int argc, char **argv);
VMTI_HIDDEN int vmti_cmd_report(int argc, char **argv);
VMTI_HIDDEN int vmti_cmd_dump(int argc, char **argv);
VMTI_HIDDEN int vmti_cmd_check(int argc, char **argv); /* vmt_outcome_exit_status(), or VMTI_EXIT_USAGE */
VMTI_HIDDEN int vmti_cmd_diff(int argc, char **argv);
VMTI_HIDDEN int vmti_cmd_compare(int argc, char **argv);

/* --- cmd_program.c --- */

/* Where execvp(3) finds the program; the path is to be freed. These two return 0, or the exit status after saying why
 * not. */
VMTI_HIDDEN int vmti_cmd_find_program(const char *name, char **path);

/* Can it be run, libvmt be preloaded into it, and the process be traced? Of a script its interpreter is asked. */
VMTI_HIDDEN int vmti_cmd_check_program(const char *path);

/* --- cmd_follow.c --- */

struct vmti_trace_trailer;

/* The trailer of a trace that has one. */
VMTI_HIDDEN bool vmti_cmd_last_trailer(int fd, struct vmti_trace_trailer *trailer);

/* Looks at the traces TRACE.PID that have been begun at `since` (realtime ns) or later, and says on stderr how many
 * there are, unless quiet. False, after saying why: one could not be written to its end. trace: an absolute path. */
VMTI_HIDDEN bool vmti_cmd_sum_up_followed(const char *trace, uint64_t since, bool quiet);

/* --- cmd_progress.c --- */

/* Waits until the child has ended, with a line on stderr that says how far it has come, from its third second on; only
 * where stderr is a terminal. Returns at once where it is not. trace: its file; since: as above. */
VMTI_HIDDEN void vmti_cmd_wait_with_progress(pid_t child, const char *trace, uint64_t since);

/* --- cmd_main.c --- */

/* "vmtrace COMMAND: sentence" on stderr. */
VMTI_HIDDEN VMT_PRINTF(1, 2) void vmti_cmd_error(const char *format, ...);

/* Says that no memory was left. Returns the exit status of `run` for it. */
VMTI_HIDDEN int vmti_cmd_out_of_memory(void);

/* Says what is wrong with the option for which getopt_long() has just returned '?' or ':' (which it tells apart if the
 * option string begins with ':'). allowed: the options there are, for the message. */
VMTI_HIDDEN void vmti_cmd_option_error(int result, char **argv, const char *allowed);

/* The one FILE operand that is left at optind, or NULL after saying what is wrong. */
VMTI_HIDDEN const char *vmti_cmd_file_operand(int argc, char **argv);

/* Closes stdout. 0, or VMTI_EXIT_FAILED after saying so (but not that a pipe's reader has gone: it knows). Call it
 * right after the failed output, for errno. */
VMTI_HIDDEN int vmti_cmd_close_stdout(void);

/* Writes text of a trace so that it cannot move the cursor: control characters and \ as \xNN; spaces too if `word`. */
VMTI_HIDDEN void vmti_cmd_put_text(FILE *out, const char *text, size_t bytes, bool word);

#endif
