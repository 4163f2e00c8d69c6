#!/bin/sh
# SPDX-License-Identifier: MIT
#
# demo.sh BUILD: a budget held, a budget broken, and a trace of sqlite3, with the programs in the folder BUILD.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
cd "$1"
mkdir -p demo
# Of the budget that is broken.
export VMT_TRACE_DIR="$PWD/demo"

say() {
    printf '\n== %s\n' "$*"
}

show() {
    printf '\n$ %s\n' "$*"
    "$@"
}

# The same for a command that is expected to fail, but not to crash.
show_failure() {
    status=0
    show "$@" || status=$?
    if [ $status -eq 0 ] || [ $status -ge 126 ]; then
        printf 'demo.sh: %s was expected to fail, and ended with status %s\n' "$1" "$status" >&2
        exit 1
    fi
}

say "a budget that holds: look-ups in an array and in a list (examples/lookup)"
show examples/lookup/lookup_held

say "the same test after the table became a list: its budget is broken"
show_failure examples/lookup/lookup_broken

command -v sqlite3 >/dev/null || {
    say "sqlite3 is not installed; the demonstration ends here"
    exit 0
}
say "a whole program: sqlite3 fills, indexes and joins three tables"
script=$here/examples/demo.sql
printf '\n$ bin/vmtrace run -n 64 -o demo/sqlite3.vmt -- sqlite3 :memory: <examples/demo.sql\n'
bin/vmtrace run -n 64 -o demo/sqlite3.vmt -- sqlite3 :memory: <"$script"
show bin/vmtrace report demo/sqlite3.vmt
printf '\n$ bin/vmtrace report --json demo/sqlite3.vmt | head -n 40\n'
bin/vmtrace report --json demo/sqlite3.vmt | sed -n '1,40p'
show bin/vmtrace report --html demo/sqlite3.vmt -o demo/sqlite3.html
printf '\n$ bin/vmtrace dump demo/sqlite3.vmt | head\n'
bin/vmtrace dump demo/sqlite3.vmt | sed -n '1,10p'
say "the demonstration is over; the trace is $1/demo/sqlite3.vmt, and $1/demo/sqlite3.html the page to look at"
