#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# other_systems.sh: where VMTRACE cannot run, configuring it ends with a sentence that says where it does, and where
# this is.
set -euo pipefail

source=$(cd "$(dirname "$0")/../.." && pwd)
unset "${!VMT_@}" CFLAGS CXXFLAGS LDFLAGS
folder=$(mktemp -d "${TMPDIR:-/tmp}/vmt-systems.XXXXXX")
trap 'rm -rf "$folder"' EXIT
for system in "FreeBSD amd64" "FreeBSD aarch64" "Linux riscv64" "Linux aarch64_be" "Darwin arm64"; do
    name=${system% *} processor=${system#* }
    if cmake -S "$source" -B "$folder/$name-$processor" -DCMAKE_SYSTEM_NAME="$name" \
        -DCMAKE_SYSTEM_PROCESSOR="$processor" >"$folder/log" 2>&1; then
        echo "FAIL: $name on $processor is configured"
        exit 1
    fi
    sentence="VMTRACE runs on Linux on x86-64 and aarch64 only; this is $name on $processor"
    tr -s ' \n' ' ' <"$folder/log" | grep -q "$sentence" ||
        { cat "$folder/log"; echo "FAIL: $name on $processor is not refused by name"; exit 1; }
done
