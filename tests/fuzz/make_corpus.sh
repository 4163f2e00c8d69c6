#!/bin/sh
# SPDX-License-Identifier: MIT
#
# make_corpus.sh BUILD SECONDS [TARGET]...: makes corpus/TARGET new, by default each of them: when the format of what a
# target reads has changed, or the target found what its corpus should keep. For traces and reports it starts from those
# of small programs that it runs, and these stay in the corpus whole (seed-*). All others are fuzzed for so long and
# merged, so that what remains is small. BUILD needs the target fuzz_records.
set -eu
folder=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd)
seconds=$2
shift 2
[ $# -gt 0 ] || set -- trace walk baseline budget diff
work=$(mktemp -d "${TMPDIR:-/tmp}/vmt-corpus.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 143' TERM HUP INT
# Traces name the files that were mapped: those of a folder that says nothing of who made the corpus.
mkdir "$work/bin" "$work/lib"
cp "$build/bin/vmtrace" "$build/tests/fuzz/fuzz_records" "$build/tests/programs/made_trace" "$work/bin"
cp "$build/lib"/libvmt.so.0 "$work/lib"
vmtrace=$work/bin/vmtrace
export VMT_KEEP=none

# record NAME VARIABLE=VALUE...: the trace of a region with every kind of record.
record() {
    name=$1
    shift
    env "$@" VMT_TRACENAME="$work/traces/$name" LD_PRELOAD="$work/lib/libvmt.so.0" "$work/bin/fuzz_records"
}

# traces: some of each kind that there is, in $work/traces.
traces() {
    [ ! -d "$work/traces" ] || return 0
    mkdir "$work/traces"
    record all VMT_SIZE=8 VMT_STACKS=1 VMT_LIVE=1 VMT_CONTENT=1
    record evict VMT_SIZE=16 VMT_EVICT=5 VMT_WRITES=1
    record thread VMT_SIZE=9 VMT_THREADS=this VMT_ENGINE=dispatch
    record ranges VMT_SCOPE=ranges VMT_STACKS=1
    record region VMT_SCOPE=region VMT_LIVE=1
    cd "$work/traces"
    "$vmtrace" run -q -n 8 --follow -o follow -- sh -c 'sh -c "exit 3"; exec true'
    # In a shell of its own: it would say that the signal killed vmtrace.
    sh -c '"$0" run -q -n 8 --writes -o killed -- sh -c "kill -KILL \$\$"; exit 0' "$vmtrace" 2>/dev/null
    "$work/bin/made_trace" one one
    "$work/bin/made_trace" empty empty
    "$work/bin/made_trace" mixed mixed 150 200
    "$work/bin/made_trace" hostile hostile 60 200
    i=0
    for followed in follow.*; do
        i=$((i + 1))
        mv "$followed" "followed-$i"
    done
    # The names of files are most of it, and no two machines have the same.
    for trace in *; do
        [ "$(wc -c <"$trace")" -le 2047 ] || { echo "make_corpus.sh: $trace is too long" >&2; exit 1; }
    done
    cd "$folder"
}

# seeds TARGET: inputs of the form that the target takes, in $work/TARGET/seeds.
seeds() {
    mkdir -p "$work/$1/seeds" "$work/$1/found" "$work/$1/merged"
    case $1 in
    trace)
        traces
        for trace in "$work"/traces/*; do
            { printf '\002'; cat "$trace"; } >"$work/trace/seeds/seed-$(basename "$trace")"
        done
        { printf '\000'; cat "$work/traces/all"; } >"$work/trace/seeds/seed-as-it-is"
        ;;
    diff)
        traces
        for trace in all evict followed-1; do
            printf '\003' >"$work/diff/seeds/seed-$trace.json"
            "$vmtrace" report --json "$work/traces/$trace" | jq -c 'del(.miss_ratio_curve, .reuse_distances)' \
                >>"$work/diff/seeds/seed-$trace.json"
        done
        { printf '\000'; cat "$work/traces/all"; } >"$work/diff/seeds/seed-trace"
        ;;
    *) cp "$folder/corpus/$1"/seed-* "$work/$1/seeds" 2>/dev/null || true ;; # written by hand
    esac
}

for target in "$@"; do
    seeds "$target"
    program=$build/tests/fuzz/fuzz_$target corpus=$folder/corpus/$target
    mkdir -p "$corpus"
    set --
    [ ! -f "$folder/$target.dict" ] || set -- "-dict=$folder/$target.dict"
    "$program" "$@" -max_len=2048 -len_control=0 -timeout=10 -max_total_time="$seconds" "$work/$target/found" \
        "$work/$target/seeds" "$corpus" >"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; exit 1; }
    # The seeds first: what they reach needs no other input.
    cp "$work/$target/seeds"/* "$work/$target/merged" 2>/dev/null || true
    "$program" -max_len=2048 -timeout=10 -use_counters=0 -merge=1 "$work/$target/merged" "$work/$target/found" \
        "$corpus" >"$work/log" 2>&1 ||
        { tail -n 40 "$work/log" >&2; exit 1; }
    rm -f "$corpus"/*
    i=0
    for input in "$work/$target/merged"/*; do
        case ${input##*/} in
        seed-*) cp "$input" "$corpus" ;;
        *) i=$((i + 1)) && cp "$input" "$corpus/$(printf '%03d' $i)" ;;
        esac
    done
    echo "$target: $(find "$corpus" -type f | wc -l) inputs, $(cat "$corpus"/* | wc -c) bytes"
done
