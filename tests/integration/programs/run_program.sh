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
unset "${!GIT_@}" "${!VMT_@}"

# need PROGRAM: ends with 77 if it is not installed.
need() {
    command -v "$1" >/dev/null 2>&1 || { echo "$1 is not installed"; exit 77; }
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

# ------------------------------------------------------------------------------------------- the jobs

# job_NAME runs in an empty folder; need_NAME says what must be installed. Output of helpers that are not to be traced
# goes to a file, where it is compared too.

need_sqlite3() { need sqlite3; }
job_sqlite3() {
    traced sqlite3 data.db <"$here/sqlite3.sql"
    sqlite3 data.db .dump >dump.sql
    rm -f data.db
    traced sqlite3 :memory: 'select * from no_such_table'
}

need_sort() { need sort; need awk; }
job_sort() {
    awk 'BEGIN { x = 1; for (i = 0; i < 100000; i++) { x = (x * 16807) % 2147483647; print x } }' >lines
    traced sort lines
    traced sort -c lines
}

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

need_gzip() { need gzip; need awk; need cmp; }
job_gzip() {
    text 4000 >text
    traced_without_heap gzip -c -n text >text.gz
    traced gzip -d -c text.gz >text.back
    cmp text text.back
    traced gzip -t text
}

need_xz() { need xz; need awk; need cmp; }
job_xz() {
    text 400 >text
    traced xz -0 -T1 -c text >text.xz
    traced xz -d -c text.xz >text.back
    cmp text text.back
    traced xz -t text
}

need_python3() { need /usr/bin/python3; }
job_python3() {
    # -I -S: nothing of the user's or of site-packages; -B: no bytecode files; hashes the same in both runs
    PYTHONHASHSEED=0 traced /usr/bin/python3 -S -B "$here/python3.py"
}

need_perl() { need perl; }
job_perl() { traced perl "$here/perl.pl" "$here/perl.pl"; }

need_awk() { need awk; }
job_awk() {
    text 500 >text
    traced awk -f "$here/awk.awk" text
}

need_jq() { need jq; need awk; }
job_jq() {
    awk 'BEGIN { printf "["
        for (i = 0; i < 300; i++)
            printf "%s{\"id\": %d, \"name\": \"item %d\", \"tags\": [\"t%d\", \"u%d\"]}",
                i ? ", " : "", i, i * 7 % 300, i % 5, i % 3
        print "]" }' >items.json
    traced jq 'sort_by(.name) | map({name, tag: .tags[0]}) | group_by(.tag) | map({(.[0].tag): map(.name)}) | add' \
        items.json
    traced jq -r '.[] | select(.id % 100 == 0) | @csv "\([.id, .name])"' items.json
    traced jq . <<<'{"not": json}'
}

need_git() { need git; }
job_git() {
    export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_PAGER=cat
    export GIT_AUTHOR_NAME=author GIT_AUTHOR_EMAIL=author@example.org GIT_AUTHOR_DATE='2001-02-03T04:05:06Z'
    export GIT_COMMITTER_NAME=committer GIT_COMMITTER_EMAIL=committer@example.org
    export GIT_COMMITTER_DATE='2001-02-03T04:05:06Z'
    export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=gc.auto GIT_CONFIG_VALUE_0=0 # nothing in the background
    traced git init -q -b main repository
    cd repository || return
    traced git status --short
    for i in 1 2 3 4 5 6; do
        mkdir -p "folder$((i % 3))"
        seq "$i" 60 >"folder$((i % 3))/file$i"
    done
    traced git add .
    traced git commit -m 'The first'
    seq 100 130 >folder1/file1
    traced git commit -a -m 'The second'
    traced git log --stat -p
    traced git fsck --strict
    git ls-tree -r HEAD >../tree
    cd .. || return
    rm -rf repository # its index has times and inode numbers
}

need_gcc() { need gcc; }
job_gcc() {
    cp "$here/gcc.c" .
    traced gcc -O1 -g -c gcc.c -o gcc.o
    # the driver runs the compiler in another process: that one too, by itself
    traced "$(gcc -print-prog-name=cc1)" -quiet -O1 gcc.c -o gcc.s
    traced gcc -c no_such_file.c
}

need_bash() { need bash; need seq; need sort; }
job_bash() { traced bash "$here/bash.sh"; }

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
