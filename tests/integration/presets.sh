#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# presets.sh: each preset of CMakePresets.json configures, and each workflow's steps are presets that there are. What
# they build is for the developer to run; nothing is built here.
set -euo pipefail

source=$(cd "$(dirname "$0")/../.." && pwd)
cmake_version=$(cmake --version | sed -n '1s/[^0-9]*//p')
[ "$(printf '3.25\n%s\n' "$cmake_version" | sort -V | head -n 1)" = 3.25 ] ||
    { echo "SKIP: CMake $cmake_version cannot read version 6 of presets"; exit 77; }
unset "${!VMT_@}" CFLAGS CXXFLAGS LDFLAGS CC CXX
folder=$(mktemp -d "${TMPDIR:-/tmp}/vmt-presets.XXXXXX")
trap 'rm -rf "$folder"' EXIT
cd "$source"

checked=0
for preset in $(cmake --list-presets=configure | sed -n 's/^ *"\([^"]*\)".*/\1/p'); do
    case $preset in
    clang*) command -v clang++ >/dev/null || { echo "clang is not installed: $preset is not checked"; continue; } ;;
    esac
    cmake --preset "$preset" -B "$folder/$preset" >"$folder/log" 2>&1 ||
        { cat "$folder/log"; echo "FAIL: preset $preset"; exit 1; }
    checked=$((checked + 1))
done
[ $checked -ge 6 ] || { echo "FAIL: only $checked presets"; exit 1; }

# CMake itself refuses a file of presets in which a step names none.
for workflow in dev release sanitizers coverage; do
    cmake --list-presets=workflow | grep -q "\"$workflow\"" || { echo "FAIL: no workflow $workflow"; exit 1; }
done
