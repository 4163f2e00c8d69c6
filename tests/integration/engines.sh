#!/bin/bash
# SPDX-License-Identifier: MIT
#
# engines.sh PROGRAMS: both engines trace the same programs, with the same input and without address space
# randomization: all touches, in order, with thread, kind, allocation and page in it, and the report, must be the same.
# Programs whose course depends on time, on the scheduler or on random numbers (Debian's jq seeds its tables by
# arc4random) are not here.
# shellcheck source-path=SCRIPTDIR
programs=${1:?"usage: VMTRACE=... ${0##*/} PROGRAMS"}
programs=$(cd "$programs" && pwd) || exit 2
. "$(dirname "$(realpath "$0")")/command.bash"
[ ${#engines[@]} -gt 1 ] || { echo "SKIP: there is one engine here, ${engines[*]}"; exit 77; }
unset VMT_ENGINE
export PYTHONHASHSEED=0 PERL_HASH_SEED=0

setarch -R true 2>/dev/null || { echo "SKIP: the addresses cannot be fixed here (setarch -R)"; exit 77; }
for ((i = 0; i < 3000; i++)); do echo "$((i * 7919 % 10007)) line $i"; done >lines
echo 'create table t(a, b); create index i on t(b);
with recursive n(x) as (select 1 union all select x + 1 from n where x < 3000) insert into t select x, x * 7919 % 10007 from n;
select sum(a) from t where b < 5000;' >script.sql

# trace ENGINE WINDOW OPTION COMMAND...: into ENGINE.touches and ENGINE.report.
trace() {
    local engine=$1 window=$2 option=$3
    shift 3
    rm -f data
    setarch -R timeout 60 "$vmtrace" run -q -n "$window" $option --engine="$engine" -o "$engine.vmt" -- "$@" \
        <script.sql >"$engine.out" 2>&1
    echo "status $?" >>"$engine.out"
    # Without the time and the address: what the library itself has mapped differs.
    "$vmtrace" dump "$engine.vmt" | awk '{ print $3, $4, $5, $7, (NF > 7) }' >"$engine.touches"
    # ... nor the picture, which is in order of addresses.
    "$vmtrace" report "$engine.vmt" | grep -v -E '^(trace|process|start|duration|engine) |, tid |\|.*\|$|^one touch in a place' >"$engine.report"
}

# same WINDOW OPTION COMMAND...
same() {
    command -v "$3" >/dev/null || { echo "not here: $3"; return; }
    local engine part
    for engine in ptrace dispatch; do
        trace $engine "$@"
    done
    for part in out touches report; do
        cmp -s ptrace.$part dispatch.$part || {
            fail "${*:3} at $1 pages $2: the engines differ in the $part"
            diff ptrace.$part dispatch.$part | head -n 10
        }
    done
    grep -q '^complete *yes' dispatch.report || fail "${*:3}: the trace is not complete"
    echo "$(wc -l <ptrace.touches) touches: ${*:3}"
    checks=$((checks + 1))
}

for window in 8 64; do
    for option in '' --writes; do
        [ "$window$option" != 8--writes ] || continue # long
        same $window "$option" "$programs/sweep" 300 3 data
        same $window "$option" "$programs/processes" fork
        same $window "$option" sort -n lines
        same $window "$option" awk '{ a[$1] = $3 } END { print length(a) }' lines
        same $window "$option" sqlite3 :memory:
        same $window "$option" gzip -c lines
        same $window "$option" xz -c -0 lines
        same $window "$option" bzip2 -c lines
        same $window "$option" perl -ne '$a{$1} = $. if /(\d+)/; END { print scalar(keys %a), "\n" }' lines
        same $window "$option" python3 -S -c 'print(sum(len(l) for l in open("lines")))'
        same $window "$option" git --no-pager diff --no-index --stat lines script.sql
        same $window "$option" bash -c 'x=$(wc -l <lines); echo "$x"'
        same $window "$option" sed 's,\(.*\) line,line \1,' lines
    done
done

[ $failed -eq 0 ] || exit 1
echo "$checks traces, each the same by both engines"
