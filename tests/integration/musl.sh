#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# musl.sh INCLUDES SOURCES...: libvmt's files compile without a warning against musl's headers, link with musl alone,
# and a region with threads is traced there by both engines. INCLUDES are the folders of uthash and xxHash, with :
# between them. (The command is not built: there is no jansson for musl beside the one for glibc.)
set -euo pipefail

IFS=: read -r -a headers <<<"$1"
shift
source=$(cd "$(dirname "$0")/../.." && pwd)
command -v musl-gcc >/dev/null || { echo "SKIP: musl-gcc is not installed (Debian: musl-tools)"; exit 77; }
unset "${!VMT_@}" LD_PRELOAD
folder=$(mktemp -d "${TMPDIR:-/tmp}/vmt-musl.XXXXXX")
trap 'rm -rf "$folder"' EXIT

# The kernel's headers and those of the two libraries, without glibc's that lie beside them.
mkdir "$folder/include"
for headers_folder in /usr/include /usr/include/x86_64-linux-gnu; do
    for name in linux asm asm-generic; do
        [ ! -d "$headers_folder/$name" ] || ln -sfn "$headers_folder/$name" "$folder/include/$name"
    done
done
for headers_folder in "${headers[@]}"; do
    for header in "$headers_folder"/{ut*,xxhash}.h; do
        [ ! -f "$header" ] || ln -sf "$header" "$folder/include/"
    done
done

# As in cmake/VmtTargets.cmake; without exceptions, for the unwinder that is here is glibc's.
flags=(-std=gnu11 -O1 -Wall -Wextra -Werror -fPIC -fvisibility=hidden -fno-plt -fno-stack-protector
    -ftls-model=initial-exec -fno-omit-frame-pointer
    -fno-builtin-malloc -fno-builtin-calloc -fno-builtin-realloc -fno-builtin-free
    -I"$source/include" -I"$source/harness" -I"$source/catcher" -idirafter "$folder/include")
objects=()
for file in "$@"; do
    object=$folder/${#objects[@]}.o
    musl-gcc "${flags[@]}" -c "$file" -o "$object" || { echo "FAIL: $file does not compile"; exit 1; }
    objects+=("$object")
done
musl-gcc -shared -o "$folder/libvmt.so.0" "${objects[@]}" -Wl,-soname,libvmt.so.0 -Wl,-z,now -Wl,-z,defs \
    -Wl,--version-script="$source/harness/libvmt.map" || { echo "FAIL: libvmt does not link"; exit 1; }
musl-gcc -std=c11 -Wall -Wextra -Werror -I"$source/include" "$source/tests/programs/labelled.c" -o "$folder/labelled" \
    "$folder/libvmt.so.0" -Wl,-z,now -pthread
for engine in ptrace dispatch; do
    VMT_ENGINE=$engine LD_LIBRARY_PATH=$folder timeout 60 "$folder/labelled" || { echo "FAIL: engine $engine"; exit 1; }
done
