#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# exports.sh SHARED STATIC HEADERS COMMAND: what libvmt exports is its public functions, with a version, and the malloc
# family with operator new and delete, without one (harness/libvmt.map says why), and nothing else; its soname is
# libvmt.so.0. What it and the command need of glibc, 2.31 has.
set -euo pipefail

shared=$1 static=$2 headers=$3 command=$4
command -v readelf >/dev/null || { echo "SKIP: readelf is not installed"; exit 77; }
export LC_ALL=C
folder=$(mktemp -d "${TMPDIR:-/tmp}/vmt-exports.XXXXXX")
trap 'rm -rf "$folder"' EXIT
failed=0

# The functions that the headers declare VMT_API; a declaration is up to a semicolon.
cat "$headers"/*.h | tr '\n' ' ' | grep -o 'VMT_API [^;(]*(' | grep -o 'vmt_[a-z0-9_]*($' | tr -d '(' |
    sort -u >"$folder/public"
[ "$(wc -l <"$folder/public")" -gt 20 ] || { echo "FAIL: the headers declare too few functions"; exit 1; }
# What stands for libc's and libstdc++'s. All of it must be there: one that is not would give memory that nothing
# tracks.
cat >"$folder/family" <<'END'
_Znam
_ZnamRKSt9nothrow_t
_ZnamSt11align_val_t
_ZnamSt11align_val_tRKSt9nothrow_t
_Znwm
_ZnwmRKSt9nothrow_t
_ZnwmSt11align_val_t
_ZnwmSt11align_val_tRKSt9nothrow_t
aligned_alloc
calloc
free
malloc
malloc_usable_size
memalign
posix_memalign
pvalloc
realloc
reallocarray
valloc
END

# Fields of readelf: 5 binding, 6 visibility, 7 section, 8 name. A version's own name is a symbol of the kind ABS.
readelf --dyn-syms -W "$shared" | awk '$5 ~ /GLOBAL|WEAK/ && $7 != "UND" && $7 != "ABS" { print $8 }' |
    sort >"$folder/exported"
sed 's/$/@@VMT_0.1/' "$folder/public" | cat - "$folder/family" | sort >"$folder/expected"
diff "$folder/expected" "$folder/exported" || { echo "FAIL: < is to be exported, > is"; failed=1; }

# In the static library the same names without versions; what its files use of each other is hidden.
readelf -s -W "$static" | awk '$5 ~ /GLOBAL|WEAK/ && $6 == "DEFAULT" && $7 ~ /^[0-9]+$/ { print $8 }' |
    sort -u >"$folder/exported"
sort -u "$folder/public" "$folder/family" >"$folder/expected"
diff "$folder/expected" "$folder/exported" || { echo "FAIL: < is to be visible in the static library, > is"; failed=1; }

readelf -d "$shared" | grep -q 'SONAME.*\[libvmt\.so\.0\]' || { echo "FAIL: the soname is not libvmt.so.0"; failed=1; }

# A version after 2.31 only where a later glibc gave an old function a new one: by moving it from libdl, libpthread or
# librt into libc (2.34), from a wrapper in libc_nonshared.a (2.33), or by another name for C2x (2.38).
for file in "$shared" "$command"; do
    readelf --dyn-syms -W "$file" | sed -n 's/.* UND \([^@ ]*\)@\(GLIBC_[0-9.]*\).*/\2 \1/p' | sort -V >"$folder/needed"
    [ -s "$folder/needed" ] || { echo "FAIL: $file needs nothing of glibc?"; failed=1; }
    while read -r version name; do
        [ "$(printf '%s\n' GLIBC_2.31 "$version" | sort -V | tail -n 1)" != GLIBC_2.31 ] || continue
        case $name in
        dl* | pthread_* | sem_* | timer_* | stat | fstat | lstat | fstatat | mknod | __libc_start_main | __isoc23_*) ;;
        *) echo "FAIL: $file needs $name of $version; glibc 2.31 has no such function"; failed=1 ;;
        esac
    done <"$folder/needed"
done
exit $failed
