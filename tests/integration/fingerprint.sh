#!/bin/sh
# SPDX-License-Identifier: MIT
#
# fingerprint.sh PROGRAM: the same program with the same input has one fingerprint, wherever its memory lies, with
# either engine.
set -eu

program=$1
runs=100
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() {
    printf 'fingerprint.sh: %s\n' "$*" >&2
    exit 1
}

[ "$(cat /proc/sys/kernel/randomize_va_space)" = 0 ] && {
    echo "SKIP: the system does not randomise addresses"
    exit 77
}
for engine in ptrace dispatch; do
    i=0
    while [ $i -lt $runs ]; do
        VMT_ENGINE=$engine "$program" >>"$folder/$engine" || fail "run $i failed ($engine)"
        i=$((i + 1))
    done
    addresses=$(cut -d' ' -f3 "$folder/$engine" | sort -u | wc -l)
    [ "$addresses" -gt 1 ] || fail "the addresses were the same in all runs"
done
cut -d' ' -f1,2 "$folder/ptrace" "$folder/dispatch" | sort | uniq -c >"$folder/all"
[ "$(wc -l <"$folder/all")" -eq 1 ] || fail "several fingerprints, each with its number: $(cat "$folder/all")"
[ "$(awk '{ print $1 }' "$folder/all")" -eq $((2 * runs)) ] || fail "not all runs have been counted"
[ "$(awk '{ print $3 }' "$folder/all")" -gt 300 ] || fail "hardly any touches: $(cat "$folder/all")"
