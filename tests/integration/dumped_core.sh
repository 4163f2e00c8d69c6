#!/bin/bash
# SPDX-License-Identifier: MIT
#
# dumped_core.sh PROGRAMS WINDOW: the core file of a traced program opens in gdb like that of the same program run
# natively, with the same backtrace and the same memory. Needs gdb, and core files that go to the working folder
# (core(5)).
#
# VMTRACE is the command to test. Ends with 0 (same), 1 (different), 2 (wrong use) or 77 (cannot be tested here).
set -u

[ $# -eq 2 ] && [ -x "${VMTRACE:-}" ] && [ -x "$1/behave_core" ] || {
    echo "usage: VMTRACE=path/to/vmtrace ${0##*/} PROGRAMS WINDOW" >&2
    exit 2
}
program=$(cd "$1" && pwd)/behave_core
vmtrace=$(realpath "$VMTRACE")
command -v gdb >/dev/null || { echo "SKIP: gdb is not installed"; exit 77; }
ulimit -c unlimited 2>/dev/null || { echo "SKIP: the limit of core files cannot be raised"; exit 77; }

engine=${VMT_ENGINE-}
unset "${!VMT_@}"
export VMT_ENGINE=${engine:-ptrace}
work=$(mktemp -d "${TMPDIR:-/tmp}/vmtrace-core.XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
cd "$work" || exit 2

# look NAME COMMAND...: what gdb says of the core that COMMAND leaves, addresses aside.
look() {
    local name=$1 core
    shift
    mkdir "$name"
    (cd "$name" && timeout -k 2 60 "$@" >/dev/null 2>&1 </dev/null
        echo "status $?") >"$name.text" 2>/dev/null
    core=$(find "$name" -name 'core*' -size +0)
    [ -n "$core" ] || return 1
    gdb -nx -q -batch -iex 'set debuginfod enabled off' -iex 'set print address off' -ex 'info symbol $pc' \
        -ex 'backtrace -frame-arguments none' -ex 'print *remembered@3' -ex 'output pages_sum' \
        -ex 'print remembered[99 * 4096]' -ex 'print $_siginfo.si_signo' "$program" "$core" 2>&1 |
        grep -v -E 'LWP|^(Core was|warning: |Using host|\[Thread debug)' >>"$name.text"
}

look native "$program" faults || { echo "SKIP: core files do not go to the working folder"; exit 77; }
look traced "$vmtrace" run -q -n "$2" -o "$work/trace" -- "$program" faults || {
    echo "FAIL: the traced program left no core"
    exit 1
}
grep -q 'faults' native.text && grep -q '= 3' native.text || { echo "FAIL: gdb says too little"; cat native.text; exit 1; }
diff -a -u native.text traced.text || { echo "FAIL: the cores differ"; exit 1; }
echo "same: the core at $2 pages"
