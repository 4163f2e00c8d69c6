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
engines='ptrace dispatch'
[ "$(uname -m)" = x86_64 ] || engines=ptrace # Linux has Syscall User Dispatch on x86 alone
for engine in $engines; do
    i=0
    while [ $i -lt $runs ]; do
        VMT_ENGINE=$engine "$program" >>"$folder/$engine" || fail "run $i failed ($engine)"
        i=$((i + 1))
    done
    addresses=$(cut -d' ' -f3 "$folder/$engine" | sort -u | wc -l)
    [ "$addresses" -gt 1 ] || fail "the addresses were the same in all runs"
done
for engine in $engines; do
    cut -d' ' -f1,2 "$folder/$engine"
done | sort | uniq -c >"$folder/all"
[ "$(wc -l <"$folder/all")" -eq 1 ] || fail "several fingerprints, each with its number: $(cat "$folder/all")"
[ "$(awk '{ print $1 }' "$folder/all")" -eq $(($(echo "$engines" | wc -w) * runs)) ] || fail "not all runs have been counted"
[ "$(awk '{ print $3 }' "$folder/all")" -gt 300 ] || fail "hardly any touches: $(cat "$folder/all")"
