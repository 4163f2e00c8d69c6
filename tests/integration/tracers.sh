#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tracers.sh PROGRAMS: programs that have a tracer already, strace or gdb: the ptrace engine refuses, auto takes the
# dispatch engine and says so in one line; it gives the counts that it gives without a tracer. And a kernel that has no
# dispatch.
# shellcheck source-path=SCRIPTDIR
# shellcheck disable=SC2154 # status: of command.bash
programs=${1:?"usage: VMTRACE=... ${0##*/} PROGRAMS"}
programs=$(cd "$programs" && pwd) || exit 2
. "$(dirname "$(realpath "$0")")/command.bash"
unset VMT_ENGINE
sweep=("$programs/sweep" 300 3)

counts() {
    "$vmtrace" report "$1" | grep -E '^(touches|footprint|evictions|system calls|complete)'
}

what='dispatch alone'
run "$vmtrace" run -q --engine=dispatch -o alone.vmt -- "${sweep[@]}" alone.data
status 3
counts alone.vmt >alone.counts

traced=0
if command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null; then
    traced=1
    what='ptrace under strace'
    run strace -f -o log "$vmtrace" run -q --engine=ptrace -o trace -- "${sweep[@]}" data
    status 125
    says 'traces this one already'

    what='dispatch under strace'
    run strace -f -o log "$vmtrace" run -q --engine=dispatch -o trace -- "${sweep[@]}" data
    status 3
    [ ! -s err ] || fail "$what: says something: $(head -n 3 err)"
    counts trace | cmp -s - alone.counts || fail "$what: other counts"

    what='auto under strace'
    run strace -f -o log "$vmtrace" run -q --engine=auto -o trace -- "${sweep[@]}" data
    status 3
    says 'the dispatch engine is used instead'
    [ "$(wc -l <err)" -eq 1 ] || fail "$what: $(wc -l <err) lines, not 1"
    "$vmtrace" report trace | grep -q '^engine *dispatch' || fail "$what: another engine"
    counts trace | grep -q '^complete *yes' || fail "$what: not complete"

    what='a kernel without dispatch'
    run strace -f -o log -e trace=prctl -e inject=prctl:error=EINVAL "$vmtrace" run -q --engine=dispatch -o trace -- "${sweep[@]}" data
    status 125
    says 'Linux 5.11'
fi

if command -v gdb >/dev/null; then
    traced=1
    what='a region under gdb'
    walk=$("$programs/walks_in_region" list facts >/dev/null 2>&1; echo $?)
    run env VMT_ENGINE=dispatch gdb -nx -q -batch -iex 'set debuginfod enabled off' -iex 'set startup-with-shell off' \
        -ex 'handle SIGSEGV SIGSYS nostop noprint pass' -ex run --args "$programs/walks_in_region" list facts
    if [ "$walk" -eq 0 ]; then
        grep -q 'exited normally' out || { fail "$what: did not end normally"; tail -n 5 out err; }
    else
        fail "$what: the program itself fails"
    fi
fi

[ $failed -eq 0 ] || exit 1
[ $traced -eq 1 ] || { echo 'SKIP: neither strace nor gdb can be used here'; exit 77; }
echo "$checks runs, each as it should be"
