#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# cross.sh INCLUDES: libvmt is built for aarch64 by the toolchain file, warnings being errors, and a program links with
# it; the command and the tests, which need libraries for that processor to link, compile. INCLUDES are folders of
# uthash and xxHash, with : between them.
set -euo pipefail

IFS=: read -r -a headers <<<"$1"
source=$(cd "$(dirname "$0")/../.." && pwd)
compiler=aarch64-linux-gnu-gcc
command -v $compiler >/dev/null ||
    { echo "SKIP: $compiler is not installed (Debian: gcc-aarch64-linux-gnu, libc6-dev-arm64-cross)"; exit 77; }
unset "${!VMT_@}" CC CXX CFLAGS CXXFLAGS LDFLAGS
folder=$(mktemp -d "${TMPDIR:-/tmp}/vmt-cross.XXXXXX")
trap 'rm -rf "$folder"' EXIT

fail() {
    echo "FAIL: $*"
    exit 1
}

# The headers of the libraries are the same for each processor; without libc's that lie beside them.
include=$folder/root/usr/include
mkdir -p "$include"
for headers_folder in "${headers[@]}" /usr/include; do
    for header in "$headers_folder"/{ut*,xxhash,jansson*,cmocka*}.h; do
        [ ! -f "$header" ] || [ -e "$include/${header##*/}" ] || ln -s "$header" "$include/"
    done
done

cmake -S "$source" -B "$folder/build" -DCMAKE_TOOLCHAIN_FILE="$source/cmake/aarch64-linux-gnu.cmake" \
    -DCMAKE_FIND_ROOT_PATH="$folder/root" -DCMAKE_BUILD_TYPE=Debug -DVMT_WERROR=ON \
    -DVMT_BUILD_TOOLS=OFF -DVMT_BUILD_TESTS=OFF -DVMT_BUILD_EXAMPLES=OFF >"$folder/log" 2>&1 ||
    { cat "$folder/log"; fail "it is not configured"; }
cmake --build "$folder/build" -j2 --target vmt vmt_static >"$folder/log" 2>&1 ||
    { cat "$folder/log"; fail "it does not build"; }
readelf -h "$folder/build/lib/libvmt.so.0" | grep -q 'Machine: *AArch64' || fail "libvmt is for another processor"
for library in "$folder/build/lib/libvmt.so.0" "$folder/build/lib/libvmt.a"; do
    $compiler -std=c11 -Wall -Wextra -Werror -I"$source/include" "$source/tests/programs/labelled.c" \
        -o "$folder/labelled" "$library" -pthread || fail "no program links with ${library##*/}"
done

flags=(-std=gnu11 -O1 -Wall -Wextra -Werror -fsyntax-only -I"$source/include" -I"$source/harness" -I"$source/catcher"
    -isystem "$include" -DVMTI_LIBRARY='""' -DVMTI_INSTALLED_LIB_FROM_BIN='""')
files=("$source"/tests/{programs,soak}/*.c)
if [ -f "$include/jansson.h" ]; then
    files+=("$source"/catcher/{cmd,report}_*.c "$source"/catcher/{allocators,compared,figures,json,study,study_walk}.c)
fi
if [ -f "$include/cmocka.h" ]; then
    files+=("$source"/tests/{unit,integration}/test_*.c)
fi
printf '%s\0' "${files[@]}" | xargs -0 -P2 -n8 $compiler "${flags[@]}" ||
    fail "a file of the command or of the tests does not compile"
echo "libvmt built for aarch64; ${#files[@]} files of the command and the tests compiled"
