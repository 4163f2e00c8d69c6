# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# For the tests of the command: sourced by cli_*.sh, which run in a folder of their own that goes with them. VMTRACE is
# the command to test. A test says in `what` what it looks at.
# shellcheck disable=SC2154,SC2034

vmtrace=${VMTRACE:?}
work=$(mktemp -d "${TMPDIR:-/tmp}/vmt-cli.XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 143' TERM HUP INT
cd "$work" || exit 2
engine=${VMT_ENGINE-}
unset "${!VMT_@}" LD_PRELOAD
export VMT_ENGINE=${engine:-ptrace} VMT_KEEP=none
export LC_ALL=C
engines=(ptrace dispatch)
[ "$(uname -m)" = x86_64 ] || engines=(ptrace) # Linux has Syscall User Dispatch on x86 alone

failed=0
checks=0

fail() {
    echo "FAIL: $*"
    failed=1
}

# run COMMAND...: its status in $status, its streams in the files out and err.
run() {
    timeout 60 "$@" >out 2>err
    status=$?
    checks=$((checks + 1))
}

# status N: of the last run.
status() {
    [ "$status" -eq "$1" ] || { fail "$what: status $status, not $1"; head -n 5 err; }
}

# says TEXT: somewhere on the error stream of the last run.
says() {
    grep -q -F -e "$1" err || { fail "$what: does not say \"$1\", but:"; head -n 5 err; }
}

silent() {
    [ ! -s err ] || { fail "$what: says"; head -n 5 err; }
}

# same FILE: the last run's output is FILE's content.
same() {
    cmp -s "$1" out || { fail "$what: other output"; diff "$1" out | head -n 10; }
}

# json FILE EXPRESSION: the Python expression about the report r of FILE holds.
json() {
    timeout 60 "$vmtrace" report --json "$1" >json || { fail "$what: no report of $1"; return; }
    python3 -c 'import json, sys; r = json.load(open("json")); sys.exit(not eval(sys.argv[1]))' "$2" ||
        fail "$what: it does not hold that $2"
}

need() {
    command -v "$1" >/dev/null 2>&1 || { echo "SKIP: $1 is not installed"; exit 77; }
}

# The interpreter itself: python3 may be a script that replaces itself by it, and a trace ends there.
need python3
python=$(python3 -c 'import sys; print(sys.executable)')

done_checking() {
    [ $failed -eq 0 ] && echo "$checks runs, each as it should be"
    exit $failed
}
