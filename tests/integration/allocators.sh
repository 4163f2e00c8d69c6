#!/bin/bash
# SPDX-License-Identifier: MIT
#
# allocators.sh NAME PROGRAMS: with the allocator NAME (libc, jemalloc, mimalloc, tcmalloc) underneath, whole programs
# do under `vmtrace run` what they do without it, and a region sees the pages that hold blocks. PROGRAMS is the folder
# with small_blocks and allocations.
#
# VMTRACE is the command to test, VMT_LIBRARY its library. Ends with 0, 1, 2 (wrong use) or 77 (not installed).
# shellcheck disable=SC2016 # programs for other shells
set -u

name=$1
programs=$2
vmtrace=${VMTRACE:?}
library=${VMT_LIBRARY:?}

work=$(mktemp -d "${TMPDIR:-/tmp}/vmt-allocators.XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
engine=${VMT_ENGINE-}
unset "${!VMT_@}" LD_PRELOAD
export VMT_ENGINE=${engine:-ptrace}
export LC_ALL=C

# The names that the package gave the library over time.
case $name in
libc) candidates= ;;
jemalloc) candidates='libjemalloc.so.2' ;;
mimalloc) candidates='libmimalloc.so.2.0 libmimalloc.so.2.1 libmimalloc.so.2.2 libmimalloc.so.2 libmimalloc.so.3' ;;
tcmalloc) candidates='libtcmalloc_minimal.so.4' ;;
*) echo "no such allocator: $name" >&2; exit 2 ;;
esac
allocator=
for candidate in $candidates; do
    # The loader says on the error stream what it cannot preload, and goes on.
    [ -n "$(LD_PRELOAD=$candidate sh -c : 2>&1)" ] || { allocator=$candidate; break; }
done
[ -n "$allocator" ] || [ "$name" = libc ] || { echo "SKIP: $name is not installed"; exit 77; }

failed=0
fail() {
    echo "FAIL: $name: $*"
    failed=1
}

# ------------------------------------------------------------------------------------------- a region

# run_preloaded LIBRARIES PROGRAM: its output, its errors and its status.
run_preloaded() {
    if [ -n "$1" ]; then
        LD_PRELOAD=$1 timeout 60 "$2" 2>&1
    else
        timeout 60 "$2" 2>&1
    fi
    echo "status $?"
}

output=$(run_preloaded "${allocator:+$library $allocator}" "$programs/small_blocks")
[ "${output##*status }" = 0 ] || fail "small_blocks: $output"

# The other way round malloc does not reach libvmt, and vmt_begin says so.
if [ -n "$allocator" ]; then
    output=$(run_preloaded "$allocator" "$programs/small_blocks")
    case $output in
    *"symbol order"*"LD_PRELOAD='libvmt.so.0 "*"status 1") ;;
    *) fail "small_blocks with the allocator in front of libvmt: $output" ;;
    esac
fi

# ------------------------------------------------------------------------------------------- whole programs

# compare WHAT WINDOW PROGRAM ARGUMENTS...: native against traced, standard input from $work/input.
compare() {
    local what=$1 window=$2 status native
    shift 2
    if [ -n "$allocator" ]; then
        export LD_PRELOAD=$allocator
    fi
    timeout 60 "$@" <"$work/input" >"$work/native" 2>"$work/native.errors"
    native=$?
    timeout 100 "$vmtrace" run -q -n "$window" -o "$work/trace" -- "$@" <"$work/input" >"$work/traced" \
        2>"$work/traced.errors"
    status=$?
    unset LD_PRELOAD
    [ "$status" -eq "$native" ] || fail "$what at $window pages: status $status, not $native"
    cmp "$work/native" "$work/traced" || fail "$what at $window pages: other output"
    cmp "$work/native.errors" "$work/traced.errors" || {
        fail "$what at $window pages: other errors"
        head -5 "$work/traced.errors"
    }
    "$vmtrace" report --json "$work/trace" | tr -d ' \n' >"$work/json"
    grep -q '"touches":[1-9]' "$work/json" || fail "$what at $window pages: no touches"
    grep -q '"complete":true' "$work/json" || fail "$what at $window pages: not complete"
    rm -f "$work/trace"
}

: >"$work/input"
for window in 16 64 4096; do
    compare allocations "$window" "$programs/allocations"
done
# Children have the environment that the user gave.
compare environment 64 /bin/sh -c 'echo "$LD_PRELOAD"; env | grep -c "^VMT_"'

if command -v sort >/dev/null; then
    awk 'BEGIN { x = 1; for (i = 0; i < 20000; i++) { x = (x * 16807) % 2147483647; print x } }' >"$work/input"
    compare sort 64 sort --parallel=2
fi
if command -v sqlite3 >/dev/null; then
    {
        echo 'CREATE TABLE t (a INTEGER, b TEXT); BEGIN;'
        for ((i = 0; i < 500; i++)); do
            echo "INSERT INTO t VALUES ($((i * 7919 % 1000)), 'text $i');"
        done
        echo 'COMMIT; CREATE INDEX i ON t (a); SELECT count(*), sum(x.a) FROM t AS x JOIN t AS y ON x.a = y.a;'
    } >"$work/input"
    compare sqlite3 64 sqlite3 :memory:
fi

# live PROGRAM ARGUMENTS...: the value of live_bytes.
live() {
    LD_PRELOAD=$allocator timeout 100 "$vmtrace" run -q --live -o "$work/trace" -- "$@" >"$work/traced" 2>&1 ||
        fail "$1 with --live: status $?"
    "$vmtrace" report --json "$work/trace" | tr -d ' \n' | grep -o '"live_bytes":[^,]*'
    rm -f "$work/trace"
}
case $(live "$programs/allocations") in
'"live_bytes":'[1-9]*[0-9][0-9][0-9][0-9][0-9]) ;;
*) fail "allocations with --live: $(live "$programs/allocations")" ;;
esac
# Its own operators new pass malloc by, and so does the delete that nothing of ours sees: no count rather than a wrong
# one.
python=$(python3 -c 'import sys; print(sys.executable)' 2>/dev/null)
if [ -n "$allocator" ] && [ -n "$python" ]; then
    told=$(live "$python" -S -c 'import ctypes; ctypes.CDLL(None)._Znwm(ctypes.c_size_t(100))')
    [ "$told" = '"live_bytes":null' ] || fail "operator new with --live: $told"
fi

[ $failed -eq 0 ] && echo "$name: regions and programs are as they should be"
exit $failed
