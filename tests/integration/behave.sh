#!/bin/bash
# SPDX-License-Identifier: MIT
#
# behave.sh PROGRAMS NAME WINDOW [RUNS]: every case of PROGRAMS/behave_NAME natively and under `vmtrace run` with WINDOW
# pages, RUNS times (default 2): standard output, standard error and exit status must be the same byte for byte. The
# native run is made twice: a case that differs from itself tests nothing.
#
# VMTRACE is the command to test. BEHAVE_CASE names the one case to run. Ends with 0 (same), 1 (different) or 2 (wrong
# use); 77 if every case was skipped, by ending with 77 natively.
set -u

[ $# -ge 3 ] && [ -x "${VMTRACE:-}" ] && [ -x "$1/behave_$2" ] || {
    echo "usage: VMTRACE=path/to/vmtrace ${0##*/} PROGRAMS NAME WINDOW [RUNS]" >&2
    exit 2
}
program=$(cd "$1" && pwd)/behave_$2
vmtrace=$(realpath "$VMTRACE")
window=$3
runs=${4:-2}
seconds=60 # more is a hang

engine=${VMT_ENGINE-}
unset "${!VMT_@}"
export VMT_ENGINE=${engine:-ptrace}
export LC_ALL=C TZ=UTC
work=$(mktemp -d "${TMPDIR:-/tmp}/vmtrace-behave.XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# observe NAME COMMAND...: output and status of the command into $work/NAME. In an empty folder, and in a shell of its
# own that says nothing about signals; nor does what timeout says get into the output.
observe() {
    local name=$1
    shift
    rm -rf "$work/place"
    mkdir "$work/place"
    (cd "$work/place" && timeout -v -k 2 "$seconds" sh -c 'exec "$@" 2>"$0"' "$work/err" "$@" >"$work/out" </dev/null
        echo "status $?" >"$work/status") 2>"$work/hung"
    { cat "$work/out"; echo "--- standard error"; cat "$work/err"; echo "--- $(cat "$work/status")"; } >"$work/$name"
    grep 'sending signal' "$work/hung" >>"$work/$name"
}

cases=$("$program" list) || { echo "FAIL: $program has no list of cases"; exit 1; }
failed=0 skipped=0 count=0
for case in ${BEHAVE_CASE:-$cases}; do
    count=$((count + 1))
    observe native "$program" "$case"
    if grep -q -x -e '--- status 77' "$work/native"; then
        echo "skipped $case: $(head -n 1 "$work/native")"
        skipped=$((skipped + 1))
        continue
    fi
    observe again "$program" "$case"
    cmp -s "$work/native" "$work/again" || {
        echo "FAIL: $case differs natively from run to run"
        diff -a -u "$work/native" "$work/again" | head -n 20
        failed=1
        continue
    }
    for ((run = 1; run <= runs; run++)); do
        observe traced "$vmtrace" run -q -n "$window" -o "$work/trace" -- "$program" "$case"
        cmp -s "$work/native" "$work/traced" || {
            echo "FAIL: $case at $window pages, run $run of $runs, differs from the native run"
            diff -a -u "$work/native" "$work/traced" | head -n 30
            failed=1
            break
        }
        # Who traces itself cannot say that it was killed, nor trace on where it has forbidden itself nearly all calls.
        [ "$VMT_ENGINE" = dispatch ] && case $case in processor|killed_by_filter|strict*) continue ;; esac
        "$vmtrace" report --json "$work/trace" | tr -d ' \t\n' | grep -q '"complete":true' || {
            echo "FAIL: $case: the trace is not complete"
            failed=1
        }
    done
done
[ "$count" -gt 0 ] || { echo "FAIL: no cases"; failed=1; }
[ $failed -eq 0 ] || exit 1
[ "$skipped" -lt "$count" ] || exit 77
echo "same: behave_$2, $count cases at $window pages, $skipped skipped"
