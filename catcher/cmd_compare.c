/* SPDX-License-Identifier: MIT */
/* vmtrace compare: one program on several allocators, each traced by a `vmtrace run` of its own. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../harness/config.h"
#include "../harness/insight.h"
#include "../harness/trace_read.h"
#include "allocators.h"
#include "cmd.h"
#include "compared.h"

static const char HELP[] =
    "NAME\n"
    "    vmtrace compare - trace a program on several allocators, and compare\n"
    "\n"
    "SYNOPSIS\n"
    "    vmtrace compare [--allocator NAME]... [-n PAGES] [--engine ENGINE] [--repeat K] [--tau TOUCHES]\n"
    "        [--show-output] [--json] [--] PROGRAM [ARGUMENT]...\n"
    "\n"
    "DESCRIPTION\n"
    "    Runs PROGRAM once on each allocator, under vmtrace run, with the allocator's library preloaded beneath\n"
    "    libvmt, and prints a table: one row an allocator, the best of each column marked with * (in colour too, on a\n"
    "    terminal). PROGRAM must call malloc by way of the loader: one with an allocator linked into it statically\n"
    "    keeps that. The library comes before others in LD_PRELOAD, which PROGRAM and its children see; what its\n"
    "    children touch is not counted.\n"
    "\n"
    "COLUMNS\n"
    "    footprint   distinct pages touched\n"
    "    touches     first accesses to pages that were not among those open: faults in a memory of --window pages\n"
    "    peak set    peak working set: most distinct pages among --tau consecutive touches\n"
    "    1 % misses  the smallest LRU memory, in pages, whose misses beyond the first touch of each page are at most\n"
    "                1 % of the touches\n"
    "    data        touched pages in which there is, or was, memory that malloc gave to the program\n"
    "    metadata    the other touched pages of the heap, which held no such memory: what the allocator has there for\n"
    "                itself, and in what it maps while PROGRAM runs. What it mapped at its own start is in no column\n"
    "    status      exit status of PROGRAM, or the signal that killed it\n"
    "    With --repeat each figure is the median of the runs, the lower one of two. Less is better; rows of runs that\n"
    "    failed or whose traces are not complete are not marked.\n"
    "\n"
    "OPTIONS\n"
    "        --allocator=NAME  glibc, jemalloc, mimalloc or tcmalloc, found where the loader finds libraries; or the\n"
    "                          path of a library that defines malloc, with a slash in it. May be given up to 16\n"
    "                          times; default: those of the four that are installed,\n"
    "                          and on standard error what is left out\n"
    "    -n, --window=PAGES    pages kept open: see vmtrace run\n"
    "        --engine=ENGINE   ptrace, dispatch or auto: see vmtrace run\n"
    "        --repeat=K        runs on each allocator, in turn, from 1 (the default) to 1000\n"
    "        --tau=TOUCHES     length of the working set's window, from 1; default 1024\n"
    "        --show-output     send PROGRAM's standard output to standard error; otherwise it is read and dropped (by\n"
    "                          a pipe: some programs do less if they see that it is /dev/null)\n"
    "        --json            print one JSON object with the keys below\n"
    "    -h, --help            print this\n"
    "\n"
    "    Each run reads the same standard input: a regular file is read again from where it stood; what comes from a\n"
    "    pipe or socket is first kept in a temporary file, to its end; in place of a terminal there is /dev/null.\n"
    "    Standard error is PROGRAM's in each run.\n"
    "\n"
    "JSON KEYS\n"
    "    command               program and arguments\n"
    "    window_pages, tau, repeat   as above, in pages, touches, runs\n"
    "    allocators            [{allocator, library, exit_status, signal, complete, incomplete_reason,\n"
    "                          footprint_pages, touches, peak_working_set_pages, memory_1_percent, data_pages,\n"
    "                          metadata_pages, least, most, best}]: medians, null if there is no trace; least and\n"
    "                          most have the same six of all runs; best is the list of those of the six in which no\n"
    "                          other row is better, and some is worse; exit_status or signal is null, and that of the\n"
    "                          first run that failed, if one did\n"
    "\n"
    "ENVIRONMENT\n"
    "    VMT_SIZE, VMT_ENGINE and others: see vmtrace run\n"
    "    TMPDIR                where traces and input are meanwhile; default /tmp. They are removed\n"
    "    LD_LIBRARY_PATH       where allocators are looked for first\n"
    "    NO_COLOR              not empty: no colour\n"
    "\n"
    "EXIT STATUS\n"
    "    0 PROGRAM ended with 0 each time; 1 it did not, under an allocator that is named on standard error, or the\n"
    "    output cannot be written; 2 wrong use, or an allocator is not there; 125, 126, 127 PROGRAM cannot be traced,\n"
    "    not be run, is not found: as of vmtrace run. A signal that ends vmtrace ends PROGRAM.\n"
    "\n"
    "EXAMPLES\n"
    "    vmtrace compare -- sort words.txt\n"
    "    vmtrace compare --allocator glibc --allocator ./libmine.so -n 16 --repeat 3 -- sqlite3 :memory: <script.sql\n"
    "    vmtrace compare --json -- ./prog | jq -r '.allocators | min_by(.footprint_pages).allocator'\n";

static const char OPTIONS[] = "--allocator, -n, --window, --engine, --repeat, --tau, --show-output, --json, -h "
                              "and --help";

enum { REPEAT_MAX = 1000, DEFAULT_TAU = 1024, SPOOL_PATIENCE = 2000 /* ms */ };

struct compare {
    struct vmti_compared all;
    const char *window, *engine; /* for `run`; NULL: its defaults */
    bool show_output, json;
    char **argv;  /* of the program */
    char *folder; /* private */
    char *trace;
    int input;         /* what each run reads */
    off_t input_start; /* ... from there on; -1: it is no file */
};

/* ------------------------------------------------------------------------------------------- signals */

/* They end the comparison, once the program has been ended too. Blocked but for when this process waits. */
static const int deadly[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
enum { DEADLY = sizeof deadly / sizeof *deadly };
static volatile sig_atomic_t ended_by;
static sigset_t mask_before;

static void note_signal(int signal)
{
    ended_by = signal;
}

static void take_signals(void)
{
    sigset_t set;
    struct sigaction action = {.sa_handler = note_signal}, before, child = {.sa_handler = SIG_DFL};
    sigaction(SIGCHLD, &child, NULL); /* ignored, as a parent may have had it, it would lose statuses */
    sigemptyset(&set);
    for (int i = 0; i < DEADLY; i++) {
        sigaction(deadly[i], NULL, &before);
        if (before.sa_handler == SIG_IGN) /* nohup(1) */
            continue;
        sigaction(deadly[i], &action, NULL);
        sigaddset(&set, deadly[i]);
    }
    sigprocmask(SIG_BLOCK, &set, &mask_before);
}

/* As they were; for the child, and once nothing is to be removed any more. */
static void give_signals_back(void)
{
    for (int i = 0; i < DEADLY; i++) {
        struct sigaction action;
        sigaction(deadly[i], NULL, &action);
        if (action.sa_handler == note_signal)
            signal(deadly[i], SIG_DFL);
    }
    sigprocmask(SIG_SETMASK, &mask_before, NULL);
}

/* As poll(2), with signals let in. */
static int wait_for(struct pollfd *fds, nfds_t count, long ms)
{
    struct timespec limit = {ms / 1000, ms % 1000 * 1000000};
    return ppoll(fds, count, ms < 0 ? NULL : &limit, &mask_before);
}

/* ------------------------------------------------------------------------------------------- files */

static int fail(const char *what)
{
    vmti_cmd_error("%s: %s", what, strerror(errno));
    return VMTI_EXIT_RUN_FAILED;
}

static int make_folder(struct compare *c)
{
    const char *tmp = getenv("TMPDIR");
    if (!tmp || !*tmp)
        tmp = "/tmp";
    if (asprintf(&c->folder, "%s/vmtrace-XXXXXX", tmp) < 0) {
        c->folder = NULL;
        return fail("cannot name a folder");
    }
    if (!mkdtemp(c->folder)) {
        vmti_cmd_error("cannot make a private folder in %s: %s; set TMPDIR to a folder that can be written to", tmp,
                       strerror(errno));
        free(c->folder);
        c->folder = NULL;
        return VMTI_EXIT_RUN_FAILED;
    }
    if (asprintf(&c->trace, "%s/trace", c->folder) < 0) {
        c->trace = NULL;
        return fail("cannot name the trace");
    }
    return 0;
}

static void remove_folder(struct compare *c)
{
    if (c->trace)
        unlink(c->trace);
    if (c->folder)
        rmdir(c->folder);
    free(c->trace);
    free(c->folder);
}

static int write_all(int fd, const char *bytes, size_t count)
{
    while (count) {
        ssize_t n = write(fd, bytes, count);
        if (n < 0)
            return -1;
        bytes += n;
        count -= (size_t)n;
    }
    return 0;
}

/* Keeps what comes from standard input in a file without a name. */
static int spool_input(struct compare *c)
{
    char *path = NULL, bytes[64 * 1024];
    if (asprintf(&path, "%s/input", c->folder) < 0)
        return fail("cannot name a file for standard input");
    c->input = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (c->input >= 0)
        unlink(path);
    free(path);
    if (c->input < 0)
        return fail("cannot make a file for standard input");
    c->input_start = 0;
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    long patience = SPOOL_PATIENCE;
    for (;;) {
        int ready = wait_for(&in, 1, patience);
        if (ended_by)
            return VMTI_EXIT_RUN_FAILED;
        if (ready == 0) {
            vmti_cmd_error("waiting for the end of standard input, which is to be the same in each run; if PROGRAM "
                           "needs none: </dev/null");
            patience = -1;
        }
        ssize_t n = ready > 0 ? read(STDIN_FILENO, bytes, sizeof bytes) : 0;
        if (ready < 0 || n < 0)
            return fail("cannot read standard input");
        if (ready > 0 && n == 0)
            return 0;
        if (write_all(c->input, bytes, (size_t)n) < 0)
            return fail("cannot keep standard input in a temporary file");
    }
}

static int open_input(struct compare *c)
{
    struct stat st;
    c->input_start = -1;
    if (fstat(STDIN_FILENO, &st) == 0 && !isatty(STDIN_FILENO)) {
        if (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode))
            return spool_input(c);
        c->input = STDIN_FILENO;
        if (S_ISREG(st.st_mode))
            c->input_start = lseek(STDIN_FILENO, 0, SEEK_CUR);
        return 0;
    }
    c->input = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return c->input < 0 ? fail("cannot open /dev/null") : 0;
}

/* ------------------------------------------------------------------------------------------- one run */

/* In the child: does what `vmtrace run` does, in whose environment the allocator is, but not in this process itself. */
static __attribute__((noreturn)) void start_run(const struct compare *c, const struct vmti_compared_row *row,
                                                const int output[2])
{
    const char *before = getenv("LD_PRELOAD");
    char *preload = NULL;
    size_t count = 0, used = 0;
    while (c->argv[count])
        count++;
    char **argv = calloc(count + 16, sizeof *argv);
    if (!argv || asprintf(&preload, "%s%s%s", row->library, before && *before ? ":" : "", before ? before : "") < 0 ||
        setenv("LD_PRELOAD", preload, 1) < 0)
        _exit(VMTI_EXIT_RUN_FAILED);
    argv[used++] = (char *)"run";
    argv[used++] = (char *)"-q";
    argv[used++] = (char *)"-o";
    argv[used++] = c->trace;
    if (c->window) {
        argv[used++] = (char *)"-n";
        argv[used++] = (char *)c->window;
    }
    if (c->engine) {
        argv[used++] = (char *)"--engine";
        argv[used++] = (char *)c->engine;
    }
    argv[used++] = (char *)"--";
    memcpy(argv + used, c->argv, count * sizeof *argv);
    /* dup2 onto itself would leave it to be closed by the program's execve. */
    int input = c->input == STDIN_FILENO ? fcntl(STDIN_FILENO, F_SETFD, 0) : dup2(c->input, STDIN_FILENO);
    if (input < 0 || dup2(c->show_output ? STDERR_FILENO : output[1], STDOUT_FILENO) < 0)
        _exit(VMTI_EXIT_RUN_FAILED);
    close(output[0]);
    close(output[1]);
    give_signals_back();
    optind = 0; /* getopt(3): from the beginning */
    exit(vmti_cmd_run((int)(used + count), argv));
}

/* Reads what the program writes until `vmtrace run` has ended. */
static void watch_run(pid_t child, int pidfd, int output)
{
    char bytes[64 * 1024];
    struct pollfd fds[] = {{.fd = pidfd, .events = POLLIN}, {.fd = output, .events = POLLIN}};
    bool told = false;
    while (!(fds[0].revents & POLLIN)) {
        int ready = wait_for(fds, 2, -1);
        if (ended_by && !told) {
            kill(child, SIGTERM); /* which passes it on */
            told = true;
        }
        if (ready < 0)
            fds[0].revents = 0;
        else if (fds[1].revents && read(output, bytes, sizeof bytes) <= 0)
            fds[1].fd = -1; /* all of its writers have closed it */
    }
}

/* 0 and the status as waitpid(2) gives it, or the exit status after saying why. */
static int run_once(const struct compare *c, const struct vmti_compared_row *row, int *status)
{
    int output[2];
    unlink(c->trace);
    if (c->input_start >= 0 && lseek(c->input, c->input_start, SEEK_SET) < 0)
        return fail("cannot read standard input again");
    if (pipe2(output, O_CLOEXEC) < 0)
        return fail("cannot make a pipe");
    fflush(stderr);
    pid_t child = fork();
    if (child == 0)
        start_run(c, row, output);
    close(output[1]);
    int pidfd = child < 0 ? -1 : (int)syscall(SYS_pidfd_open, child, 0);
    if (pidfd >= 0)
        watch_run(child, pidfd, output[0]);
    else if (child >= 0)
        kill(child, SIGTERM);
    int error = errno;
    close(output[0]);
    while (child > 0 && waitpid(child, status, 0) < 0 && errno == EINTR)
        ;
    if (pidfd < 0) {
        errno = error;
        return fail("cannot start a process");
    }
    close(pidfd);
    return ended_by ? VMTI_EXIT_RUN_FAILED : 0;
}

/* ------------------------------------------------------------------------------------------- its figures */

static bool is_loaded(const struct vmti_trace_summary *summary, const char *library)
{
    for (size_t i = 0; i < summary->module_count; i++)
        if (strcmp(summary->modules[i].path, library) == 0)
            return true;
    return false;
}

/* 0, -ENOMEM, or another error of reading. */
static int measure(struct vmti_trace_reader *reader, const struct vmti_trace_summary *s, uint64_t tau,
                   uint64_t figures[VMTI_COMPARED_FIGURES])
{
    struct vmti_insight insight;
    int error = vmti_insight_read(reader, 0, &insight);
    figures[VMTI_COMPARED_MEMORY] = error && error != -EIO ? 0 : vmti_memory_for_percent(&insight.all, 1);
    vmti_insight_free(&insight);
    if (error && error != -EIO) /* -EIO: not complete, which the row says */
        return error;
    error = vmti_trace_working_set(reader, tau, &figures[VMTI_COMPARED_PEAK]);
    figures[VMTI_COMPARED_FOOTPRINT] = s->footprint;
    figures[VMTI_COMPARED_TOUCHES] = s->touches;
    for (size_t i = 0; i < s->owners.count; i++)
        figures[VMTI_COMPARED_DATA] += s->owners.owners[i].touched;
    figures[VMTI_COMPARED_METADATA] = s->footprint - figures[VMTI_COMPARED_DATA];
    return error == -EIO ? 0 : error;
}

/* Reads the run's trace into the row. 0, or the exit status after saying why. */
static int take_trace(struct compare *c, struct vmti_compared_row *row)
{
    struct vmti_trace_reader reader;
    struct vmti_trace_summary summary = {0};
    uint64_t figures[VMTI_COMPARED_FIGURES] = {0};
    int status = VMTI_EXIT_RUN_FAILED, error;
    if (vmti_trace_read_file(&reader, c->trace) < 0)
        vmti_cmd_error("cannot read the trace under %s: %s", row->name, reader.reason);
    else if (vmti_trace_summarize(&reader, &summary) < 0)
        vmti_cmd_error("cannot read the trace under %s: %s", row->name, summary.reason);
    else if (!is_loaded(&summary, row->library))
        vmti_cmd_error("%s was not loaded into %s, so nothing can be said of %s", row->library, c->argv[0], row->name);
    else if ((error = measure(&reader, &summary, c->all.tau, figures)) < 0)
        vmti_cmd_error("cannot read the trace under %s: %s", row->name, strerror(-error));
    else
        status = 0;
    if (status == 0) {
        c->all.window = reader.header.window;
        if (!summary.complete && row->complete) {
            row->complete = false;
            memcpy(row->reason, summary.reason, sizeof row->reason);
        }
        if (summary.has_trailer && summary.trailer.end == VMTI_END_EXEC && !c->all.replaced) {
            c->all.replaced = true;
            vmti_cmd_error("%s replaced itself by another program; what ran then is not counted", c->argv[0]);
        }
        status = vmti_compared_add(row, figures) < 0 ? VMTI_EXIT_RUN_FAILED : 0;
    }
    vmti_trace_summary_free(&summary);
    vmti_trace_read_close(&reader);
    return status;
}

/* A row keeps the status of the first run that failed. */
static void take_status(struct vmti_compared_row *row, const char *program, int status)
{
    if (status == 0)
        return;
    if (row->status == 0)
        row->status = status;
    if (WIFSIGNALED(status))
        vmti_cmd_error("%s was killed by signal %d under %s", program, WTERMSIG(status), row->name);
    else
        vmti_cmd_error("%s ended with status %d under %s", program, WEXITSTATUS(status), row->name);
}

static int compare_once(struct compare *c, struct vmti_compared_row *row, unsigned run)
{
    int status;
    if (c->show_output)
        fprintf(stderr, "vmtrace compare: %s, run %u of %u\n", row->name, run, c->all.repeat);
    int failed = run_once(c, row, &status);
    if (failed)
        return failed;
    if (access(c->trace, F_OK) == 0)
        failed = take_trace(c, row);
    else if (WIFEXITED(status) && WEXITSTATUS(status) >= VMTI_EXIT_RUN_FAILED &&
             WEXITSTATUS(status) <= VMTI_EXIT_NOT_FOUND)
        return WEXITSTATUS(status); /* `vmtrace run` has said why */
    take_status(row, c->argv[0], status);
    return failed;
}

static int compare_all(struct compare *c)
{
    int status = make_folder(c);
    if (!status)
        status = open_input(c);
    for (unsigned run = 1; run <= c->all.repeat && !status; run++)
        for (size_t i = 0; i < c->all.count && !status; i++)
            status = compare_once(c, &c->all.rows[i], run);
    if (c->input > STDIN_FILENO)
        close(c->input);
    remove_folder(c);
    give_signals_back();
    if (ended_by)
        raise(ended_by);
    if (status)
        return status;
    signal(SIGPIPE, SIG_IGN);
    vmti_compared_conclude(&c->all);
    status = c->json ? vmti_compared_print_json(&c->all, c->argv) : vmti_compared_print(&c->all);
    for (size_t i = 0; i < c->all.count && !status; i++)
        status = c->all.rows[i].status ? VMTI_EXIT_FAILED : 0;
    return status;
}

/* ------------------------------------------------------------------------------------------- options */

static int add_allocator(struct compare *c, const char *given)
{
    struct vmti_allocator found;
    if (c->all.count == VMTI_COMPARED_ROWS) {
        vmti_cmd_error("option --allocator is given more than %d times", VMTI_COMPARED_ROWS);
        return VMTI_EXIT_USAGE;
    }
    if (vmti_allocator_find(given, &found) < 0)
        return VMTI_EXIT_USAGE;
    c->all.rows[c->all.count++] =
        (struct vmti_compared_row){.name = found.name, .library = found.path, .complete = true};
    return 0;
}

static int add_installed(struct compare *c)
{
    int status = 0;
    const char *packages;
    for (unsigned i = 0; i < VMTI_ALLOCATORS_KNOWN && !status; i++)
        if (vmti_allocator_installed(i, &packages))
            status = add_allocator(c, vmti_known_allocator(i));
        else
            vmti_cmd_error("%s is left out, for it is not installed (on Debian and Ubuntu: apt-get install %s)",
                           vmti_known_allocator(i), packages);
    return status;
}

static int parse_count(const char *option, const char *what, uint64_t limit, uint64_t *value)
{
    if (vmti_count_parse(optarg, value) && *value && *value <= limit)
        return 0;
    if (limit == UINT64_MAX)
        vmti_cmd_error("option --%s is \"%s\": allowed is a whole number of %s, from 1", option, optarg, what);
    else
        vmti_cmd_error("option --%s is \"%s\": allowed is a whole number of %s, from 1 to %" PRIu64, option, optarg,
                       what, limit);
    return VMTI_EXIT_USAGE;
}

static int parse_option(struct compare *c, int option, char **argv)
{
    uint64_t count = 0;
    int status = 0;
    switch (option) {
    case 'a':
        return add_allocator(c, optarg);
    case 'n':
        c->window = optarg;
        return 0;
    case 'e':
        c->engine = optarg;
        return 0;
    case 'r':
        status = parse_count("repeat", "runs", REPEAT_MAX, &count);
        c->all.repeat = (unsigned)count;
        return status;
    case 't':
        return parse_count("tau", "touches", UINT64_MAX, &c->all.tau);
    case 's':
        c->show_output = true;
        return 0;
    case 'j':
        c->json = true;
        return 0;
    default:
        vmti_cmd_option_error(option, argv, OPTIONS);
        return VMTI_EXIT_USAGE;
    }
}

int vmti_cmd_compare(int argc, char **argv)
{
    static const struct option options[] = {
        {"allocator", required_argument, NULL, 'a'},
        {"window", required_argument, NULL, 'n'},
        {"engine", required_argument, NULL, 'e'},
        {"repeat", required_argument, NULL, 'r'},
        {"tau", required_argument, NULL, 't'},
        {"show-output", no_argument, NULL, 's'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    struct compare c = {.all = {.tau = DEFAULT_TAU, .repeat = 1}};
    int option, status = 0;
    /* "+": what follows the program's name is the program's. */
    while (!status && (option = getopt_long(argc, argv, "+:n:h", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(HELP, stdout);
            return vmti_cmd_close_stdout();
        }
        status = parse_option(&c, option, argv);
    }
    if (!status && optind == argc) {
        vmti_cmd_error("the program to run is missing: vmtrace compare [OPTION]... PROGRAM [ARGUMENT]...");
        status = VMTI_EXIT_USAGE;
    }
    if (!status && !c.all.count)
        status = add_installed(&c);
    if (!status) {
        c.argv = argv + optind;
        take_signals();
        status = compare_all(&c);
    }
    vmti_compared_free(&c.all);
    return status;
}
