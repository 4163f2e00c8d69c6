#!/bin/sh
# SPDX-License-Identifier: MIT
#
# fuzz.sh PROGRAM CORPUS SECONDS: runs a fuzz target on its corpus, and then on what libFuzzer makes of it for so long. What it
# finds on its way goes with the test; an input that ends the program stays beside PROGRAM, and its bytes are printed.
set -eu
program=$1 corpus=$2 seconds=$3
found=$(mktemp -d "${TMPDIR:-/tmp}/vmt-fuzz.XXXXXX")
trap 'rm -rf "$found"' EXIT
trap 'exit 143' TERM HUP INT
"$program" -max_total_time="$seconds" -max_len=2048 -len_control=0 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
    -artifact_prefix="$program." "$found" "$corpus" >"$found.log" 2>&1 || {
    tail -n 40 "$found.log"
    rm -f "$found.log"
    exit 1
}
grep -E '^stat::number_of_executed_units' "$found.log"
rm -f "$found.log"
