#!/bin/bash
# SPDX-License-Identifier: MIT
#
# soak.sh [OPTION]... [-- OPTION-OF-SOAK...]: runs the random program (soak.c) with many seeds, each natively and under
# `vmtrace run`, with the options that the seed says. Output, error stream and exit status must be the same, byte for
# byte, and the trace must be readable. Each seed is printed; a difference is printed with the commands that replay it.
#
#   --program FILE     the program; default build/tests/programs/soak
#   --seed SEED        this seed; may be given several times
#   --seeds A-B        these seeds
#   --seconds N        then fresh ones, at random, until so many seconds have passed
#   --tracing OPTIONS  of vmtrace run, not as the seed says
#   --times N          each seed so often
#   --native           natively both times, to test the random program itself
#   --limit N          a run that takes so many seconds hangs; default 180
#
# VMTRACE is the command to test; default build/bin/vmtrace. Options after -- reduce a seed: see soak.c.
# Ends with 0 (all the same), 1 (a difference) or 2 (wrong use).
set -u

here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$here/../.." && pwd)/build
vmtrace=${VMTRACE:-$build/bin/vmtrace}
program=$build/tests/programs/soak
seeds=()
seconds=0
tracing=
times=1
native=0
limit=180

usage() {
    sed -n 's/^# \{0,1\}//; 3,20p' "$0" >&2
    exit 2
}

while [ $# -gt 0 ]; do
    case $1 in
    --native) native=1 ;;
    --) shift; break ;;
    --program | --seed | --seeds | --seconds | --tracing | --times | --limit)
        [ $# -ge 2 ] || usage
        case $1 in
        --program) program=$2 ;;
        --seed) seeds+=("$2") ;;
        --seeds) mapfile -t -O ${#seeds[@]} seeds < <(seq "${2%-*}" "${2#*-}") ;;
        --seconds) seconds=$2 ;;
        --tracing) tracing=$2 ;;
        --times) times=$2 ;;
        --limit) limit=$2 ;;
        esac
        shift
        ;;
    *) usage ;;
    esac
    shift
done
options=("$@")
[ -x "$program" ] || { echo "no such program: $program" >&2; exit 2; }
[ -x "$vmtrace" ] || { echo "no such command: $vmtrace" >&2; exit 2; }

work=$(mktemp -d "${TMPDIR:-/tmp}/vmtrace-soak.XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
export TMPDIR=$work LC_ALL=C
engine=${VMT_ENGINE-}
unset "${!VMT_@}"
export VMT_ENGINE=${engine:-ptrace}

# run NAME COMMAND...: its streams and its status go to $work/NAME.*
run() {
    local name=$1
    shift
    # The braces: bash tells of signals on its own error stream.
    { timeout -v -k 5 "$limit" "$@" >"$work/$name.out" 2>"$work/$name.err" </dev/null; } 2>/dev/null
    echo $? >"$work/$name.status"
    grep -q '^timeout: sending signal' "$work/$name.err" && echo "$name: hangs after $limit seconds"
    rm -rf "$work"/soak.??????
}

# What a run that failed has left running: this run's folder is in its environment.
end_leftovers() {
    local environment pid
    for environment in /proc/[0-9]*/environ; do
        pid=${environment#/proc/}
        pid=${pid%/environ}
        [ "$pid" = $$ ] || ! grep -q -s -z "^TMPDIR=$work\$" "$environment" || kill -KILL "$pid"
    done 2>/dev/null
}

runs=0
different=0

compare() {
    local seed=$1 with=${tracing:-$("$program" --tracing "$1")} failed=0 name
    local first=(env "TMPDIR=/tmp" "$program" "${options[@]}" "$seed")
    local second=("${first[@]}")
    if [ $native -eq 0 ]; then
        # shellcheck disable=SC2206 # words
        second=("$vmtrace" run -q $with -o /tmp/soak.vmt -- "$program" "${options[@]}" "$seed")
    fi
    run native "${first[@]/#TMPDIR=*/TMPDIR=$work}"
    run traced "${second[@]//\/tmp\/soak.vmt/$work/trace}"
    runs=$((runs + 1))
    for name in native traced; do
        case $(cat "$work/$name.status") in
        9[6-9] | 12[4-7]) failed=1 ;;
        esac
        [ ! -s "$work/$name.err" ] || failed=1
    done
    for name in out err status; do
        cmp -s "$work/native.$name" "$work/traced.$name" || failed=1
    done
    if [ $native -eq 0 ] && ! "$vmtrace" report --json "$work/trace" >/dev/null 2>"$work/report"; then
        failed=1
        cat "$work/report"
    fi
    if [ $failed -eq 0 ]; then
        rm -f "$work/trace"
        echo "seed $seed, $with: same, status $(cat "$work/native.status")"
        return
    fi
    different=$((different + 1))
    end_leftovers
    echo "FAIL: seed $seed, $with"
    echo "  natively: ${first[*]}"
    echo "  replay:   ${second[*]}"
    echo "  status $(cat "$work/native.status") natively, $(cat "$work/traced.status") traced"
    head -n 5 "$work/native.err" | sed 's/^/  native error stream: /'
    head -n 5 "$work/traced.err" | sed 's/^/  traced error stream: /'
    diff -a -u "$work/native.out" "$work/traced.out" | sed 's/^/  /' | head -n 40
    [ $native -ne 0 ] || show_trace
    rm -f "$work/trace"
}

# What the trace knows of a run that cannot be had again: how it ended, its last touches, and those of the pages that
# the error stream names.
show_trace() {
    local page
    "$vmtrace" report "$work/trace" 2>&1 | head -n 25 | sed 's/^/  report: /'
    "$vmtrace" dump "$work/trace" >"$work/dump" 2>/dev/null
    tail -n 15 "$work/dump" | sed 's/^/  last: /'
    for page in $(grep -a -o '0x[0-9a-f]*[0-9a-f]\{3\}\>' "$work/traced.err" | sed 's/...$/000/' | sort -u | head -n 3); do
        grep -n "$page" "$work/dump" | tail -n 15 | sed "s/^/  page $page: /"
    done
}

end=$((SECONDS + seconds))
for seed in "${seeds[@]}"; do
    for ((i = 0; i < times; i++)); do
        compare "$seed"
    done
done
while [ $SECONDS -lt $end ]; do
    compare $((RANDOM << 30 | RANDOM << 15 | RANDOM))
done
[ $runs -gt 0 ] || usage
echo "$runs runs, $different different"
[ $different -eq 0 ]
