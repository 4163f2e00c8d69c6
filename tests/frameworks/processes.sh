#!/bin/bash
# SPDX-License-Identifier: MIT
#
# processes.sh PROGRAM...: each has four tests, of 11 to 14 pages, in a process each. With one VMT_TRACENAME for all
# there is a trace of each, also where they run at once, and the next run writes over them.
set -u
# shellcheck source=tests/integration/command.bash
. "$(cd "$(dirname "$0")" && pwd)/../integration/command.bash"

# traced COMMAND...
traced() {
    VMT_TRACENAME=$work/file.vmt run "$@"
    status 0
    files=$(echo file.vmt*)
    [ "$files" = 'file.vmt file.vmt.2 file.vmt.3 file.vmt.4' ] || fail "$what: the files are $files"
    for file in $files; do
        "$vmtrace" report "$file" | sed -n 's/^\(complete\|footprint\) *//p' | paste -s
    done | sort >traces
    printf 'yes\t%s pages (%s KiB)\n' 11 44 12 48 13 52 14 56 | diff - traces ||
        fail "$what: < is expected, > is what the traces tell"
}

for program in "$@"; do
    for mode in -j4 -j1; do
        what="$(basename "$program"), $mode"
        traced "$program" $mode
        what="$what, again"
        traced "$program" $mode
        rm -f file.vmt*
    done
done

if [ $# -gt 0 ]; then
    what='a file that is no trace'
    echo 'of the user' >file.vmt
    VMT_TRACENAME=$work/file.vmt run "$1"
    [ "$status" -ne 0 ] || fail "$what: status 0"
    cat out err | grep -q 'exists and is not a trace' || fail "$what: it is not said"
    [ "$(cat file.vmt*)" = 'of the user' ] || fail "$what: it is written over, or there are others"
fi
done_checking
