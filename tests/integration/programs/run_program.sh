#!/bin/bash
# SPDX-License-Identifier: MIT
#
# run_program.sh NAME WINDOW: runs the program NAME on a small job, natively and then under `vmtrace run` with WINDOW
# pages. Standard output, standard error, exit statuses and the files that the job leaves must be the same byte for
# byte, and each trace must be complete and not empty.
#
# VMTRACE is the command to test. VMT_PROGRAMS_NATIVE=1 runs natively both times, to test the jobs themselves.
# Ends with 0 (same), 1 (different), 2 (wrong use) or 77 (the program is not installed).
# shellcheck disable=SC2317,SC2094 # functions are called by name; the function text and the file text are two things
set -u

here=$(cd "$(dirname "$0")" && pwd)

usage() {
    echo "usage: VMTRACE=path/to/vmtrace ${0##*/} NAME WINDOW" >&2
    exit 2
}

[ $# -eq 2 ] || usage
name=$1
window=$2
vmtrace=${VMTRACE:-}
native=${VMT_PROGRAMS_NATIVE:-0}
[ "$native" = 1 ] || [ -x "$vmtrace" ] || usage

work=$(mktemp -d "${TMPDIR:-/tmp}/vmtrace-programs.XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
place=$work/place # both runs take place here: the path may appear in what a program prints

export LC_ALL=C TZ=UTC HOME=$work/home
unset PYTHONPATH PYTHONHOME PERL5LIB PERL5OPT GREP_OPTIONS BASH_ENV ENV CDPATH
engine=${VMT_ENGINE-}
unset "${!GIT_@}" "${!VMT_@}"
export VMT_ENGINE=${engine:-ptrace}

# need PROGRAMS...: ends with 77 if one is not installed.
need() {
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null 2>&1 || { echo "SKIP: $program is not installed"; exit 77; }
    done
}

# traced PROGRAM ARGUMENTS...: one command of a job, natively or under the tracer. Its standard streams are those of
# the caller; its status is noted. Not in a pipeline, which would count it in a subshell.
traced() {
    local status
    commands=$((commands + 1))
    if [ "$mode" = native ] || [ "$native" = 1 ]; then
        "$@"
    else
        "$vmtrace" run -q -n "$window" -o "$work/trace.$commands" -- "$@"
    fi
    status=$?
    echo "$1: $status" >>"$place/statuses"
    return "$status"
}

# The same for a command that works in static arrays: it may end without a touch of the heap.
traced_without_heap() {
    touch "$work/no-heap.$((commands + 1))"
    traced "$@"
}

# start PROGRAM ARGUMENTS...: the same in the background, for servers; one at a time. Ended by finish; if the job
# ends before that, by ours.
start() {
    commands=$((commands + 1))
    server_name=$1
    if [ "$mode" = native ] || [ "$native" = 1 ]; then
        "$@" &
    else
        "$vmtrace" run -q -n "$window" -o "$work/trace.$commands" -- "$@" &
    fi
    server=$!
    trap 'kill "$server" && sleep 1; kill -KILL "$server"' EXIT
}

# The same for a server that is not to be traced, because its client is.
start_native() {
    "$@" &
    server=$!
    server_name=
    trap 'kill "$server" && sleep 1; kill -KILL "$server"' EXIT
}

# finish SIGNAL: asks the server to end; notes the status that it ends with.
finish() {
    local status
    kill -s "$1" "$server"
    { wait "$server"; } 2>/dev/null
    status=$?
    trap - EXIT
    [ -z "$server_name" ] || echo "$server_name: $status" >>"$place/statuses"
}

# until_true COMMAND...: waits until the command succeeds, for a minute at most: then the server hangs.
until_true() {
    local i
    for ((i = 0; i < 1200; i++)); do
        "$@" >/dev/null 2>&1 && return 0
        kill -0 "$server" 2>/dev/null || break
        sleep 0.05
    done
    echo "waited in vain for: $*"
    return 1
}

# ------------------------------------------------------------------------------------------- the jobs

# job_NAME runs in an empty folder; need_NAME says what must be installed. Output of helpers that are not to be traced
# goes to a file, where it is compared too. What a job may not leave the same goes to $work.

# Text that compresses, but not to nothing.
text() {
    awk -v lines="$1" 'BEGIN {
        split("page window fault touch evict walk pin scope heap region track report", word, " ")
        x = 7
        for (i = 0; i < lines; i++) {
            line = ""
            for (j = 0; j < 8; j++) { x = (x * 16807) % 2147483647; line = line word[x % 12 + 1] " " }
            print line x
        }
    }'
}

for family in "$here"/jobs_*.sh; do
    # shellcheck source=/dev/null
    . "$family"
done

# ------------------------------------------------------------------------------------------- native against traced

declare -F "job_$name" >/dev/null || { echo "no such job: $name" >&2; exit 2; }
"need_$name"

# run_job MODE: runs the job and keeps what it left in $work/MODE.
run_job() {
    mode=$1
    commands=0
    mkdir -p "$HOME" "$place"
    (
        cd "$place" || exit 2
        "job_$name"
        echo "$commands" >commands
    ) >"$work/stdout" 2>"$work/stderr" </dev/null
    mv "$work/stdout" "$work/stderr" "$place"
    mv "$place" "$work/$mode"
}

failed=0
run_job native
run_job traced

if ! diff -r -q "$work/native" "$work/traced"; then
    echo "FAIL: $name at $window pages differs from the native run"
    for file in statuses stderr stdout; do
        diff -a -u "$work/native/$file" "$work/traced/$file" | head -n 20
    done
    failed=1
fi

# A job that ran nothing compares equal too.
commands=$(cat "$work/native/commands" 2>/dev/null || echo 0)
[ "$commands" -gt 0 ] || { echo "FAIL: the job ran no command"; failed=1; }

# has REGULAR-EXPRESSION FILE: in the JSON of FILE, blanks aside.
has() {
    tr -d ' \t\n' <"$2" | grep -E -q "$1"
}

if [ "$native" != 1 ]; then
    for ((i = 1; i <= commands; i++)); do
        trace=$work/trace.$i
        if ! "$vmtrace" report --json "$trace" >"$trace.json"; then
            echo "FAIL: vmtrace report fails on the trace of command $i"
            failed=1
            continue
        fi
        [ -e "$work/no-heap.$i" ] || has '"touches":[1-9]' "$trace.json" || {
            echo "FAIL: command $i: no touches"
            failed=1
        }
        has '"complete":true' "$trace.json" || { echo "FAIL: command $i: not complete"; failed=1; }
        has "\"window_pages\":${window}[,}]" "$trace.json" || { echo "FAIL: command $i: other window"; failed=1; }
    done
fi

[ $failed -eq 0 ] && echo "same: $name, $commands commands at $window pages"
exit $failed
