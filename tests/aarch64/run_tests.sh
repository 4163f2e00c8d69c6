#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# run_tests.sh FOLDER [CTEST_OPTION]...: builds VMTRACE for aarch64 and runs its tests in an emulated machine
# (emulate.sh): all of the labels unit and integration that need no compiler there, or those that the options name.
# FOLDER keeps the machine and the build for the next time.
set -euo pipefail

[ $# -ge 1 ] || { echo "usage: ${0##*/} FOLDER [CTEST_OPTION]..." >&2; exit 2; }
source=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
shift
unset "${!VMT_@}" LD_PRELOAD CFLAGS CXXFLAGS LDFLAGS CC CXX
for tool in qemu-system-aarch64:qemu-system-arm aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu; do
    command -v "${tool%:*}" >/dev/null ||
        { echo "SKIP: ${tool%:*} is not installed (apt-get install ${tool#*:})"; exit 77; }
done
"$source/tests/aarch64/emulate.sh" prepare "$folder/machine"

if [ -z "${CMAKE_GENERATOR:-}" ] && command -v ninja >/dev/null; then
    export CMAKE_GENERATOR=Ninja
fi
# shellcheck disable=SC2015 # one step after another
cmake -S "$source" -B "$folder/build" --toolchain "$source/cmake/aarch64-linux-gnu.cmake" \
    -DCMAKE_SYSROOT="$folder/machine/sysroot" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DVMT_WERROR=ON \
    -DVMT_BUILD_EXAMPLES=OFF -DVMT_TEST_PATIENCE=10 >"$folder/build.log" 2>&1 &&
    cmake --build "$folder/build" -j2 >>"$folder/build.log" 2>&1 ||
    { tail -n 30 "$folder/build.log"; echo "FAIL: the build for aarch64"; exit 1; }

# These build, read the documents, or are about tools that have nothing to do with the processor.
others='documents|guide|readme|reference|manual|presets|packages|other_systems|exports|frameworks|ctest|cli_page'
others="$others|tracers|cross"
[ $# -gt 0 ] || set -- -L '^(unit|integration)$' -LE '^(dispatch|full)$' -E "^consumer|^integration\.($others)"
"$source/tests/aarch64/emulate.sh" run "$folder/machine" -t 3000 -s "$source" -w "$folder/build" \
    ctest --test-dir "$folder/build" -j2 --output-on-failure --no-tests=error "$@"
