#!/bin/sh
# SPDX-License-Identifier: MIT
#
# fuzz.sh PROGRAM CORPUS SECONDS: runs a fuzz target on its corpus, which must still get to what the target is for, and
# then on what libFuzzer makes of it for so long. What it finds on its way goes with the test; an input that ends the
# program stays beside PROGRAM, and its bytes are printed.
set -eu
program=$1 corpus=$2 seconds=$3
found=$(mktemp -d "${TMPDIR:-/tmp}/vmt-fuzz.XXXXXX")
trap 'rm -rf "$found"' EXIT
trap 'exit 143' TERM HUP INT
log=$found/log
mkdir "$found/corpus"

# run ARGUMENT...: the target, and what it prints only if it fails.
run() {
    "$program" -max_len=2048 -timeout=10 -rss_limit_mb=1024 -artifact_prefix="$program." "$@" >"$log" 2>&1 || {
        tail -n 40 "$log"
        exit 1
    }
}

# What is refused at its beginning tests nothing behind that: so it was with the corpus of an older trace format. Of the
# whole inputs (seed-*), which are right but for what one of them is there for, half must be accepted, and one at least.
run -runs=0 "$found/corpus" "$corpus"
inputs=$(find "$corpus" -type f | wc -l)
least=$((($(find "$corpus" -type f -name 'seed-*' | wc -l) + 1) / 2))
[ $least -gt 0 ] || least=1
accepted=$(sed -n 's/^accepted: //p' "$log")
if [ "${accepted:-0}" -lt $least ]; then
    echo "fuzz.sh: the target accepts $accepted of the $inputs inputs of $corpus, not $least:"
    echo "make a new corpus by make_corpus.sh"
    exit 1
fi
echo "accepted: $accepted of $inputs inputs of the corpus"

dictionary=$(dirname "$0")/$(basename "$corpus").dict
set --
[ ! -f "$dictionary" ] || set -- "-dict=$dictionary"
run "$@" -len_control=0 -max_total_time="$seconds" -print_final_stats=1 "$found/corpus" "$corpus"
grep -E '^stat::number_of_executed_units' "$log"
