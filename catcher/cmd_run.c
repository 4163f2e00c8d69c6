/* SPDX-License-Identifier: MIT */
/* vmtrace run: starts a program with libvmt preloaded, waits for it, and sums its trace up. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../harness/config.h"
#include "../harness/error.h"
#include "../harness/trace_read.h"
#include "cmd.h"

static const char HELP[] =
    "NAME\n"
    "    vmtrace run - trace a whole program\n"
    "\n"
    "SYNOPSIS\n"
    "    vmtrace run [-n PAGES] [-o FILE] [--follow] [--scope SCOPE] [--engine ENGINE] [--evict PAGES] [--writes]\n"
    "        [--content] [--live] [--stacks] [-q] [--] PROGRAM [ARGUMENT]...\n"
    "\n"
    "DESCRIPTION\n"
    "    Runs PROGRAM, looked for in PATH, and traces which of its pages it touches from before its main function to\n"
    "    its end. Its input, output, environment, signals and exit status are its own. When it has ended, the counts\n"
    "    are printed on stderr. Processes that it makes run on, untraced, and if it replaces itself by execve, the\n"
    "    trace ends there; --follow traces all of them.\n"
    "    PROGRAM must be a dynamically linked 64-bit program for this processor, or a script whose interpreter is\n"
    "    one, without set-user-ID, set-group-ID or file capabilities.\n"
    "\n"
    "    Where stderr is a terminal, a run of more than two seconds shows how far it has come: touches, footprint\n"
    "    and rate, as far as the trace's file has them. The text stands at the right end of the row that PROGRAM\n"
    "    prints in, the cursor is left where it is, and the text is erased before the counts. There is none while\n"
    "    PROGRAM has the terminal for itself (an editor, say).\n"
    "\n"
    "OPTIONS\n"
    "    -n, --window=PAGES    pages kept open, from 8 to what vm.max_map_count allows; default 64. A small window\n"
    "                          sees more and costs more\n"
    "    -o, --output=FILE     keep the trace in FILE; default: it is summed up and removed\n"
    "        --follow          trace also the processes that PROGRAM makes, and the programs that they replace\n"
    "                          themselves by, with the same options, each into a file of its own: see FOLLOWING.\n"
    "                          Needs --output\n"
    "        --scope=SCOPE     which memory is traced: heap, all that malloc gives (the default); region, the same,\n"
    "                          but only what was allocated after the trace began; ranges, what the program names\n"
    "                          by vmt_track()\n"
    "        --engine=ENGINE   what stops PROGRAM: ptrace (the default); dispatch, signals and Syscall User\n"
    "                          Dispatch, without a helper and beside debuggers (Linux 5.11, x86-64); auto, ptrace\n"
    "                          unless it is denied\n"
    "        --evict=PAGES     pages that leave a full window at once, the oldest, from 1 (the default: a strict\n"
    "                          FIFO) to 64; at least 8 must stay. With more, neighbours are closed together: a\n"
    "                          sequential walk costs less, and fewer pages than --window says may be open\n"
    "        --writes          tell pages written from pages read, at one more fault for each page written\n"
    "        --content         the same, and tell which of the pages written hold at the end what they held before;\n"
    "                          a copy and a hash of each page more, at its first write and at the end\n"
    "        --live            tell how many bytes of the pages touched were in live heap blocks, at most at once;\n"
    "                          malloc and free take longer\n"
    "        --stacks          keep the call stacks of allocations in the trace, at most 32 calls of each; needs\n"
    "                          glibc 2.35, unwind tables that are right, and --output\n"
    "    -q, --quiet           print no counts and no progress; errors are still printed\n"
    "    -h, --help            print this\n"
    "\n"
    "FOLLOWING\n"
    "    With --follow the trace of PROGRAM is FILE, and that of each further process FILE.PID, by the number that\n"
    "    getpid() gives it. What runs after an execve has a trace of its own, too, in FILE.PID; where this run has\n"
    "    a trace of that name already, and where the file is no trace, in FILE.PID.2, FILE.PID.3 and so on. Traces\n"
    "    of earlier runs are written over.\n"
    "    The counts are PROGRAM's, with a line that says how many further traces there are. Processes that run on\n"
    "    when PROGRAM has ended are traced to their own ends, and vmtrace does not wait for them.\n"
    "    What cannot be traced runs on untraced, its environment as it was: programs that are linked statically,\n"
    "    are not for this processor's 64-bit mode and glibc's loader, are privileged or may not be read; what a\n"
    "    process runs that has changed its user or, for its forked children too, has set a seccomp filter. They\n"
    "    have no trace. Where a region could not begin, because the window is too large for the process or ptrace\n"
    "    was denied, FILE.PID holds the reason (see vmtrace report) and no touches.\n"
    "\n"
    "ENVIRONMENT\n"
    "    VMT_SIZE, VMT_TRACENAME, VMT_SCOPE, VMT_ENGINE, VMT_EVICT, VMT_WRITES, VMT_CONTENT, VMT_LIVE,\n"
    "    VMT_STACKS            defaults of --window, --output, --scope, --engine, --evict, --writes, --content,\n"
    "                          --live and --stacks; the last four 0 or 1\n"
    "    TMPDIR                where the trace is while the program runs, if it is not kept; default /tmp\n"
    "    PATH                  where PROGRAM is looked for\n"
    "    LD_PRELOAD, VMT_RUN   set for PROGRAM's start; it finds them as they were\n"
    "\n"
    "FILES\n"
    "    " VMTI_LIBRARY "           is looked for beside this command, in ../lib and where it was installed\n"
    "\n"
    "EXIT STATUS\n"
    "    That of PROGRAM; if a signal killed it, vmtrace dies of the same signal. Else:\n"
    "    125 vmtrace itself failed, PROGRAM cannot be traced, or it ended with 0 but the trace that --output names\n"
    "    could not be written to its end (a full disk, say; PROGRAM goes on when that happens, and if it fails\n"
    "    itself, its own status counts); 126 PROGRAM was found but cannot be run; 127 it was not found.\n"
    "\n"
    "EXAMPLES\n"
    "    vmtrace run sort words.txt\n"
    "    vmtrace run -n 16 --writes -o sort.vmt -- sort -r words.txt\n";

static const char OPTIONS[] = "-n, --window, -o, --output, --follow, --scope, --engine, --evict, --writes, "
                              "--content, --live, --stacks, -q, --quiet, -h and --help";

/* ------------------------------------------------------------------------------------------- options */

struct run {
    vmt_config config;
    const char *evict;    /* --evict as it was given; else NULL */
    bool quiet;
    bool follow;
    char **argv;          /* of the program */
    char *program;        /* its path */
    char *library;        /* libvmt's */
    char *trace;          /* absolute */
    char *private_folder; /* that the trace is in, if it is not kept */
    uint64_t started_ns;  /* realtime clock before the program was started */
};

static int parse_window(const char *text, uint64_t *window)
{
    uint64_t limit = vmti_window_limit(vmti_mappings_limit(), 0, false);
    if (vmti_count_parse(text, window) && *window >= VMT_WINDOW_FLOOR && *window <= limit)
        return 0;
    vmti_cmd_error("option --window is \"%s\": allowed is a whole number of pages, from %u to %" PRIu64
                   " (what vm.max_map_count allows here)",
                   text, VMT_WINDOW_FLOOR, limit);
    return VMTI_EXIT_RUN_FAILED;
}

/* After all options: it depends on the window. */
static int check_evict(const struct run *run)
{
    uint64_t limit = vmti_evict_limit(run->config.window);
    if (run->config.evict && run->config.evict <= limit)
        return 0;
    vmti_cmd_error("option --evict is \"%s\": allowed is a whole number of pages, from 1 to %" PRIu64
                   " (%u of the window's %" PRIu64 " must stay open)",
                   run->evict, limit, VMT_WINDOW_FLOOR, run->config.window);
    return VMTI_EXIT_RUN_FAILED;
}

/* 0, or the exit status after saying why. */
static int parse_option(struct run *run, int option, char **argv)
{
    switch (option) {
    case 'n':
        return parse_window(optarg, &run->config.window);
    case 'o':
        run->config.trace_path = optarg;
        if (*optarg)
            return 0;
        vmti_cmd_error("option --output needs the name of a file, not \"\"");
        return VMTI_EXIT_RUN_FAILED;
    case 's':
        if (vmti_scope_parse(optarg, &run->config.scope))
            return 0;
        vmti_cmd_error("option --scope is \"%s\": allowed are heap, region and ranges", optarg);
        return VMTI_EXIT_RUN_FAILED;
    case 'e':
        if (vmti_engine_parse(optarg, &run->config.engine))
            return 0;
        vmti_cmd_error("option --engine is \"%s\": allowed are ptrace, dispatch and auto", optarg);
        return VMTI_EXIT_RUN_FAILED;
    case 'v':
        run->evict = optarg;
        if (!vmti_count_parse(optarg, &run->config.evict))
            run->config.evict = 0; /* not allowed: see check_evict() */
        return 0;
    case 'w':
        run->config.track_writes = true;
        return 0;
    case 'c':
        run->config.track_content = run->config.track_writes = true;
        return 0;
    case 'l':
        run->config.live_bytes = true;
        return 0;
    case 't':
        run->config.stacks = true;
        return 0;
    case 'f':
        run->follow = true;
        return 0;
    case 'q':
        run->quiet = true;
        return 0;
    default:
        vmti_cmd_option_error(option, argv, OPTIONS);
        return VMTI_EXIT_RUN_FAILED;
    }
}

/* ------------------------------------------------------------------------------------------- library and files */

static bool is_library(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, R_OK) == 0;
}

/* The name of the library for LD_PRELOAD. A colon, a blank or a $ would end or change it there (ld.so(8)): a file with
 * one in its path is named by our descriptor of it, which stays open as long as the program may look it up. */
static int name_library(const char *path, char **library)
{
    *library = realpath(path, NULL);
    if (!*library)
        return vmti_cmd_out_of_memory();
    if (!strpbrk(*library, ": $"))
        return 0;
    int fd = open(*library, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        vmti_cmd_error("cannot read %s: %s", *library, strerror(errno));
        return VMTI_EXIT_RUN_FAILED;
    }
    free(*library);
    return asprintf(library, "/proc/%ld/fd/%d", (long)getpid(), fd) < 0 ? vmti_cmd_out_of_memory() : 0;
}

/* 0, or the exit status after saying where libvmt was looked for. */
static int find_library(char **library)
{
    char exe[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe);
    if (n < 0 || n == (ssize_t)sizeof exe) {
        vmti_cmd_error("cannot tell where this command is: /proc/self/exe: %s", strerror(n < 0 ? errno : ENAMETOOLONG));
        return VMTI_EXIT_RUN_FAILED;
    }
    while (n > 0 && exe[n - 1] != '/')
        n--;
    /* Beside the command first, so that a build tree uses its own. */
    static const char *const folders[] = {
        "../lib/",
        "",
#ifdef VMTI_INSTALLED_LIB_FROM_BIN
        VMTI_INSTALLED_LIB_FROM_BIN "/",
#endif
#ifdef VMTI_LIBDIR
        VMTI_LIBDIR "/",
#endif
    };
    char places[3 * PATH_MAX] = "";
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char path[2 * PATH_MAX];
        snprintf(path, sizeof path, "%.*s%s" VMTI_LIBRARY, *folders[i] == '/' ? 0 : (int)n, exe, folders[i]);
        if (is_library(path))
            return name_library(path, library);
        size_t used = strlen(places);
        snprintf(places + used, sizeof places - used, "%s%s", used ? ", " : "", path);
    }
    vmti_cmd_error(VMTI_LIBRARY " was not found: looked for %s; install VMTRACE again, or keep command and library "
                                "together",
                   places);
    return VMTI_EXIT_RUN_FAILED;
}

/* `path` as an absolute one; malloc'd. NULL: errno says why. */
static char *absolute_path(const char *path)
{
    if (*path == '/')
        return strdup(path);
    char *folder = getcwd(NULL, 0), *absolute = NULL;
    if (folder && asprintf(&absolute, "%s/%s", folder, path) < 0)
        absolute = NULL;
    free(folder);
    return absolute;
}

/* Where the trace goes. 0, or the exit status after saying why. */
static int choose_trace(struct run *run)
{
    if (run->config.trace_path) {
        run->trace = absolute_path(run->config.trace_path);
        if (run->trace && strlen(run->trace) < PATH_MAX)
            return 0;
        vmti_cmd_error("cannot use the path of the trace %s: %s", run->config.trace_path,
                       strerror(run->trace ? ENAMETOOLONG : errno));
        return VMTI_EXIT_RUN_FAILED;
    }
    /* A folder of its own: the file is for the tracer to make, and nobody else can put another one there. */
    const char *tmp = getenv("TMPDIR");
    char *folder = absolute_path(tmp && *tmp ? tmp : "/tmp"), *template = NULL;
    if (!folder || asprintf(&template, "%s/vmtrace-XXXXXX", folder) < 0 || !mkdtemp(template)) {
        vmti_cmd_error("cannot make a private folder for the trace in %s: %s; set TMPDIR to a folder that can be "
                       "written to, or use --output",
                       folder ? folder : "TMPDIR", strerror(errno));
        free(template);
        free(folder);
        return VMTI_EXIT_RUN_FAILED;
    }
    free(folder);
    run->private_folder = template;
    return asprintf(&run->trace, "%s/trace", template) < 0 ? vmti_cmd_out_of_memory() : 0;
}

static void remove_private(struct run *run)
{
    if (!run->private_folder)
        return;
    unlink(run->trace);
    rmdir(run->private_folder);
    free(run->private_folder);
    run->private_folder = NULL;
}

/* ------------------------------------------------------------------------------------------- start and wait */

/* The environment with what libvmt's constructor looks for, and takes out again: LD_PRELOAD with the library in front,
 * VMT_RUN with how many bytes that added (preload=-1: there was no LD_PRELOAD). NULL: no memory. */
static char **make_environment(const struct run *run)
{
    static const char PRELOAD[] = "LD_PRELOAD=", RUN[] = "VMT_RUN=";
    size_t count = 0, used = 0;
    while (environ[count])
        count++;
    char **env = calloc(count + 3, sizeof *env);
    char *preload = NULL, *order = NULL;
    long added = -1;
    if (!env)
        return NULL;
    used = 1; /* ours comes first, before one that the user may have */
    for (size_t i = 0; i < count; i++) {
        if (strncmp(environ[i], PRELOAD, sizeof PRELOAD - 1) != 0) {
            env[used++] = environ[i];
        } else if (!preload) { /* the first one counts: getenv(3) */
            if (asprintf(&preload, "%s%s:%s", PRELOAD, run->library, environ[i] + sizeof PRELOAD - 1) < 0)
                return NULL;
            added = (long)strlen(run->library) + 1;
            env[used++] = preload;
        }
    }
    if (!preload) {
        if (asprintf(&preload, "%s%s", PRELOAD, run->library) < 0)
            return NULL;
        env[used++] = preload;
    }
    const vmt_config *config = &run->config;
    if (asprintf(&order,
                 "%s1;window=%" PRIu64 ";evict=%" PRIu64 ";scope=%s;engine=%s;writes=%d;content=%d;live=%d;stacks=%d;"
                 "preload=%ld;follow=%s;since=%" PRIu64 ";catcher=0;trace=%s",
                 RUN, config->window, config->evict, vmti_scope_name(config->scope), vmti_engine_name(config->engine),
                 config->track_writes, config->track_content, config->live_bytes, config->stacks, added,
                 run->follow ? "first" : "0", run->started_ns, run->trace) < 0)
        return NULL;
    env[0] = order;
    return env;
}

/* SIGTERM and SIGHUP are the program's; SIGINT and SIGQUIT come from the terminal, which sends them to both. */
static const int forwarded[] = {SIGTERM, SIGHUP}, ignored[] = {SIGINT, SIGQUIT};
enum { FORWARDED = sizeof forwarded / sizeof *forwarded, IGNORED = sizeof ignored / sizeof *ignored };

static volatile sig_atomic_t forward_to;

static void forward(int signal)
{
    int error = errno;
    kill((pid_t)forward_to, signal);
    errno = error;
}

struct dispositions {
    struct sigaction forwarded[FORWARDED], ignored[IGNORED];
};

static void take_signals(pid_t child, struct dispositions *before)
{
    struct sigaction pass = {.sa_handler = forward, .sa_flags = SA_RESTART}, ignore = {.sa_handler = SIG_IGN};
    forward_to = child;
    for (int i = 0; i < FORWARDED; i++) {
        sigaction(forwarded[i], NULL, &before->forwarded[i]);
        if (before->forwarded[i].sa_handler != SIG_IGN) /* nohup(1) */
            sigaction(forwarded[i], &pass, NULL);
    }
    for (int i = 0; i < IGNORED; i++)
        sigaction(ignored[i], &ignore, &before->ignored[i]);
}

static void give_signals_back(const struct dispositions *before)
{
    for (int i = 0; i < FORWARDED; i++)
        sigaction(forwarded[i], &before->forwarded[i], NULL);
    for (int i = 0; i < IGNORED; i++)
        sigaction(ignored[i], &before->ignored[i], NULL);
}

/* Runs the program to its end. 0 and its status as waitpid(2) gives it; or the exit status after saying why. */
static int run_program(const struct run *run, char **env, pid_t *pid, int *status)
{
    int failure[2], error = 0; /* of execve in the child; nothing comes if it succeeds */
    if (pipe2(failure, O_CLOEXEC) < 0) {
        vmti_cmd_error("cannot start %s: pipe: %s", run->program, strerror(errno));
        return VMTI_EXIT_RUN_FAILED;
    }
    /* No signal is handled between the fork and the moment when both sides are ready for it. SIGCHLD must not be
     * ignored, as a parent may have had it, or the status is lost. */
    sigset_t all, mask;
    struct sigaction child_default = {.sa_handler = SIG_DFL}, child_before;
    struct dispositions before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &mask);
    sigaction(SIGCHLD, &child_default, &child_before);
    pid_t child = fork();
    if (child == 0) {
        sigaction(SIGCHLD, &child_before, NULL);
        sigprocmask(SIG_SETMASK, &mask, NULL);
        execve(run->program, run->argv, env);
        error = errno;
        ssize_t written = write(failure[1], &error, sizeof error);
        _exit(written == sizeof error ? VMTI_EXIT_NOT_RUNNABLE : VMTI_EXIT_RUN_FAILED);
    }
    error = errno;
    if (child > 0)
        take_signals(child, &before);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    close(failure[1]);
    if (child < 0) {
        close(failure[0]);
        vmti_cmd_error("cannot start %s: fork: %s", run->program, strerror(error));
        return VMTI_EXIT_RUN_FAILED;
    }
    ssize_t n;
    while ((n = read(failure[0], &error, sizeof error)) < 0 && errno == EINTR)
        ;
    close(failure[0]);
    /* The child stays a zombie until no handler can send a signal to its number any more. */
    siginfo_t info;
    if (!run->quiet && n == 0)
        vmti_cmd_wait_with_progress(child, run->trace, run->started_ns);
    while (waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR)
        ;
    give_signals_back(&before);
    while (waitpid(child, status, 0) < 0 && errno == EINTR)
        ;
    *pid = child;
    if (n != sizeof error)
        return 0;
    vmti_cmd_error("%s cannot be run: %s", run->program, strerror(error));
    return error == ENOENT ? VMTI_EXIT_NOT_FOUND : VMTI_EXIT_NOT_RUNNABLE;
}

/* Ends as the program did, without a second core file. */
static int end_like(int status)
{
    if (!WIFSIGNALED(status))
        return WEXITSTATUS(status);
    int number = WTERMSIG(status);
    struct rlimit none = {0, 0};
    struct sigaction deadly = {.sa_handler = SIG_DFL};
    sigset_t set;
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* the limit does not hold for core_pattern's pipes: core(5) */
    sigaction(number, &deadly, NULL);
    sigemptyset(&set);
    sigaddset(&set, number);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    raise(number);
    return 128 + number; /* not reached: the signal killed the program by default too */
}

/* ------------------------------------------------------------------------------------------- summary */

/* What the kernel works on after its calls. */
static void print_outliving(const struct vmti_trace_trailer *trailer)
{
    char text[256];
    if (trailer->left_open) {
        vmti_left_open_text(text, sizeof text, trailer->left_open);
        fprintf(stderr, "vmtrace: %s\n", text);
    }
    if (trailer->refused_calls) {
        vmti_refused_text(text, sizeof text, trailer->refused_calls);
        fprintf(stderr, "vmtrace: %s\n", text);
    }
}

/* What was measured for --content and --live. */
static void print_on_request(const struct vmti_trace_reader *reader, const struct vmti_trace_summary *s)
{
    if (reader->header.flags & VMTI_TRACE_HAS_CONTENT)
        fprintf(stderr, "vmtrace: %" PRIu64 " of %" PRIu64 " pages written hold what they held before\n",
                s->trailer.pages_unchanged, s->pages_written);
    if (!(reader->header.flags & VMTI_TRACE_HAS_LIVE))
        return;
    if (s->trailer.live_bytes == VMTI_TRACE_NO_LIVE_BYTES)
        fprintf(stderr, "vmtrace: live heap bytes were not counted: the allocator's operators new do not call "
                        "malloc, or there was no memory\n");
    else
        fprintf(stderr, "vmtrace: live heap bytes %" PRIu64 " of %" PRIu64 " that these pages hold\n",
                s->trailer.live_bytes, s->footprint * reader->header.page_size);
}

static void print_summary(const struct run *run, const struct vmti_trace_reader *reader,
                          const struct vmti_trace_summary *s)
{
    fprintf(stderr, "vmtrace: %" PRIu64 " touches: %" PRIu64 " by the program, %" PRIu64 " by system calls\n",
            s->touches, s->program_touches, s->syscall_touches);
    fprintf(stderr, "vmtrace: footprint %" PRIu64 " pages (%" PRIu64 " KiB); window %" PRIu64 " pages, scope %s\n",
            s->footprint, s->footprint * (reader->header.page_size / 1024), reader->header.window,
            vmti_scope_name((vmt_scope)reader->header.scope));
    if (s->has_trailer)
        print_on_request(reader, s);
    if (s->has_trailer)
        fprintf(stderr, "vmtrace: %" PRIu64 " system calls halted, %" PRIu64 " walked\n", s->trailer.syscalls,
                s->trailer.syscalls_walked);
    if (s->has_trailer && s->trailer.unknown_calls) {
        char text[256];
        vmti_unknown_text(text, sizeof text, s->trailer.unknown_calls, s->trailer.first_unknown,
                          s->trailer.first_unknown_command);
        fprintf(stderr, "vmtrace: %s\n", text);
    }
    if (s->has_trailer)
        print_outliving(&s->trailer);
    if (s->has_trailer && s->trailer.end == VMTI_END_EXEC)
        fprintf(stderr, "vmtrace: the program replaced itself by execve; what ran then is not in the trace%s\n",
                run->follow ? ", but has one of its own" : "; see --follow");
    if (!s->complete)
        fprintf(stderr, "vmtrace: the trace is not complete: %s\n", s->reason);
    if (run->config.trace_path)
        fprintf(stderr, "vmtrace: trace in %s\n", run->trace);
}

/* Not what an earlier run left in the file, or another one writes. */
static bool is_of(const struct run *run, pid_t pid, const struct vmti_trace_header *header)
{
    return header->pid == (uint32_t)pid && header->start_realtime_ns >= run->started_ns;
}

/* Opens the trace of process `pid`, once its catcher has written it. False: there is none. */
static bool open_trace(const struct run *run, pid_t pid, int fd, struct vmti_trace_reader *reader)
{
    struct vmti_trace_header header; /* is there from the region's begin on */
    *reader = (struct vmti_trace_reader){0};
    if (pread(fd, &header, sizeof header, 0) != (ssize_t)sizeof header || !is_of(run, pid, &header))
        return false;
    /* The catcher holds a lock on the file until it has written everything. */
    while (flock(fd, LOCK_SH) < 0 && errno == EINTR)
        ;
    return vmti_trace_read_fd(reader, fd) == 0 && is_of(run, pid, &reader->header);
}

/* Could the trace be written to its end? False, after saying why. */
static bool is_written(const struct run *run, int fd)
{
    struct vmti_trace_trailer trailer;
    if (!vmti_cmd_last_trailer(fd, &trailer) || trailer.end != VMTI_END_UNWRITTEN)
        return true;
    vmti_cmd_error("the trace %s could not be written to its end: %s", run->trace, strerror(-trailer.end_code));
    return false;
}

/* Sums the trace up on stderr. False: the program was not traced. */
static bool sum_up(struct run *run, pid_t pid, bool *written)
{
    int fd = open(run->trace, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    remove_private(run); /* the open file is enough, and nothing can end this process with the folder left there */
    if (fd < 0)
        return false;
    struct vmti_trace_reader reader;
    struct vmti_trace_summary summary;
    bool traced = open_trace(run, pid, fd, &reader);
    if (traced && !run->quiet) {
        if (vmti_trace_summarize(&reader, &summary) < 0)
            vmti_cmd_error("cannot read the trace %s: %s", run->trace, summary.reason);
        else
            print_summary(run, &reader, &summary);
        vmti_trace_summary_free(&summary);
    }
    if (traced && run->config.trace_path)
        *written = is_written(run, fd);
    vmti_trace_read_close(&reader);
    close(fd);
    return traced;
}

static int trace_program(struct run *run)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    run->started_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    char **env = make_environment(run);
    if (!env)
        return vmti_cmd_out_of_memory();
    pid_t pid;
    int status;
    int failed = run_program(run, env, &pid, &status);
    if (failed)
        return failed;
    bool written = true, traced = sum_up(run, pid, &written);
    if (traced && run->follow)
        written &= vmti_cmd_sum_up_followed(run->trace, run->started_ns, run->quiet);
    if (!traced && WIFEXITED(status) && WEXITSTATUS(status) == VMTI_EXIT_RUN_FAILED)
        vmti_cmd_error("%s was not traced: there is no trace", run->program); /* libvmt has said why */
    else if (!traced)
        vmti_cmd_error("%s was not traced, and there is no trace: the loader did not load %s into it, or it ended "
                       "before its start was over",
                       run->program, run->library);
    /* What the program says of itself comes first. */
    if (!written && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return VMTI_EXIT_RUN_FAILED;
    return end_like(status);
}

int vmti_cmd_run(int argc, char **argv)
{
    static const struct option options[] = {
        {"window", required_argument, NULL, 'n'},
        {"output", required_argument, NULL, 'o'},
        {"scope", required_argument, NULL, 's'},
        {"engine", required_argument, NULL, 'e'},
        {"evict", required_argument, NULL, 'v'},
        {"writes", no_argument, NULL, 'w'},
        {"content", no_argument, NULL, 'c'},
        {"live", no_argument, NULL, 'l'},
        {"stacks", no_argument, NULL, 't'},
        {"follow", no_argument, NULL, 'f'},
        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    struct run run = {0};
    int option, status = 0;
    bool environment_is_valid = vmt_config_init(&run.config) == 0;
    /* "+": what follows the program's name is the program's. */
    while ((option = getopt_long(argc, argv, "+:n:o:qh", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(HELP, stdout);
            return vmti_cmd_close_stdout();
        }
        if ((status = parse_option(&run, option, argv)))
            return status;
    }
    if (run.evict && (status = check_evict(&run)))
        return status;
    if (!environment_is_valid || vmti_config_check(&run.config) < 0) {
        vmti_cmd_error("%s", vmt_error_text());
        return VMTI_EXIT_RUN_FAILED;
    }
    if (run.follow && !run.config.trace_path) {
        vmti_cmd_error("option --follow needs --output=FILE: each further process writes a trace of its own, FILE.PID");
        return VMTI_EXIT_RUN_FAILED;
    }
    if (run.config.stacks && !run.config.trace_path) {
        vmti_cmd_error("option --stacks needs --output=FILE: the stacks are in the trace alone");
        return VMTI_EXIT_RUN_FAILED;
    }
    if (optind == argc) {
        vmti_cmd_error("the program to run is missing: vmtrace run [OPTION]... PROGRAM [ARGUMENT]...");
        return VMTI_EXIT_RUN_FAILED;
    }
    run.argv = argv + optind;
    if (!(status = vmti_cmd_find_program(run.argv[0], &run.program)) &&
        !(status = vmti_cmd_check_program(run.program)) && !(status = find_library(&run.library)) &&
        !(status = choose_trace(&run)))
        status = trace_program(&run);
    remove_private(&run);
    free(run.trace);
    free(run.library);
    free(run.program);
    return status;
}
