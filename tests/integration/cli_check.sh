#!/bin/bash
# SPDX-License-Identifier: MIT
#
# cli_check.sh PROGRAMS EXAMPLE BASELINES [EXAMPLE-WITH-JEMALLOC]: vmtrace check, each of its exit statuses, and
# baselines that several programs, engines and allocators share. EXAMPLE is examples/baseline, BASELINES the folder of
# its baselines.
set -u
programs=$1
example=$2
baselines=$(cd "$3" && pwd) || exit 2
with_jemalloc=${4-}
# shellcheck source=tests/integration/command.bash
. "$(dirname "${BASH_SOURCE[0]}")/command.bash"
unset CI

# prints TEXT: somewhere in the output of the last run.
prints() {
    grep -q -F -e "$1" out || { fail "$what: does not print \"$1\", but:"; cat out; }
}

# check STATUS ARGUMENTS...: vmtrace check, with this status, no line too long, and nothing on stderr unless it is 2 or
# 5.
check() {
    local expected=$1
    shift
    run "$vmtrace" check "$@"
    status "$expected"
    case $expected in
    2) [ -s err ] || fail "$what: $*: no sentence" ;;
    5) [ -s err ] || [ -s out ] || fail "$what: $*: no sentence" ;;
    *) silent ;;
    esac
    awk 'length > 100 { exit 1 }' out || { fail "$what: $*: a line of more than 100 columns"; cat out; }
    [ "$(wc -l <out)" -le 20 ] || { fail "$what: $*: more than 20 lines"; cat out; }
}

# trace FILE PAGES [OPTION...]: a sweep over so many pages, three times.
trace() {
    local file=$1 pages=$2
    shift 2
    timeout 60 "$vmtrace" run -q "$@" -o "$file" -- "$programs/sweep" "$pages" 3 facts >sum
    [ $? -eq 3 ] || fail "$what: the sweep did not end as it does"
}

what='traces'
trace a.vmt 100
trace more.vmt 140
trace less.vmt 60
read -r pages touches < <("$vmtrace" report --json a.vmt |
    python3 -c 'import json, sys; r = json.load(sys.stdin); print(r["footprint_pages"], r["touches"])')
[ "$pages" -ge 100 ] && [ "$touches" -ge 300 ] || fail "$what: $pages pages and $touches touches"

# ------------------------------------------------------------------------------------------- budgets

what='0: budgets that hold'
check 0 --pages "$pages" a.vmt
prints "touched $pages pages, budget $pages pages: held"
check 0 --touches "$touches" --pages 18446744073709551615 a.vmt
check 0 --misses "$pages:$pages" a.vmt
check 0 --misses "1:$touches" a.vmt
check 0 --working-set "1:1" --working-set "1000000:$pages" a.vmt
check 0 --memory-for "100:1" a.vmt
check 0 --memory-for "0:$pages" --memory-for "1.5:$pages" a.vmt

what='1: budgets that do not'
check 1 --pages $((pages - 1)) a.vmt
prints "touched $pages pages, budget $((pages - 1)) pages: 1 over"
prints 'window 64 pages of 4096 bytes, scope heap'
check 1 --touches 0 a.vmt
prints "took $touches touches (faults at this window), budget 0 touches: $touches over"
check 1 --misses "64:$pages" a.vmt
check 1 --working-set "64:63" a.vmt
prints 'working set peaked at 64 pages of 64 touches in a row, budget 63 pages: 1 over'
check 1 --memory-for 1:50 a.vmt
what='all budgets are judged, and the worst counts'
check 1 --pages 1 --touches 1000000 --working-set 64:1 a.vmt
[ "$(grep -c over out)" -eq 2 ] && [ "$(grep -c ': held$' out)" -eq 1 ] || fail "$what: $(cat out)"
check 1 --pages 1 --baseline no-such-file.vmtb a.vmt
prints 'no baseline: no-such-file has no file'

what='2: wrong use'
check 2
check 2 a.vmt
says 'nothing to check'
check 2 --pages 5
check 2 --pages 5 a.vmt more.vmt
check 2 --update a.vmt
says '--update needs --baseline'
check 2 --baseline a --baseline b a.vmt
check 2 --baseline '' a.vmt
check 2 --no-such-option a.vmt
check 2 --pages
for value in '' -1 +1 1.5 1e3 x 18446744073709551616 1:2; do
    check 2 --pages "$value" a.vmt
    says "\"$value\""
done
for value in '' 1 1: :1 0:1 1:2:3 x:1 18446744073709551616:1 99999999999999999999999999999:1; do
    check 2 --misses "$value" a.vmt
    check 2 --working-set "$value" a.vmt
    says "\"$value\""
done
for value in '' 1 101:1 100.01:1 -1:1 1.:1 .5:1 1e1:1 nan:1 0.123456789012345:1 1:x; do
    check 2 --memory-for "$value" a.vmt
    says "\"$value\""
done

what='5: what cannot be measured'
check 5 --pages 1000 no-such-file.vmt
says no-such-file.vmt
check 5 --pages 1000 facts
head -c -10 a.vmt >cut.vmt
check 5 --pages 0 cut.vmt
says 'not complete'
[ ! -s out ] || fail "$what: judges it all the same"
if [ -w /dev/full ]; then
    timeout 60 "$vmtrace" check --pages 1000 a.vmt >/dev/full 2>err
    status=$?
    status 5
    says 'No space left'
fi

# ------------------------------------------------------------------------------------------- baselines

what='4: no baseline'
check 4 --baseline folder/a.vmtb a.vmt
prints 'no baseline: a has no file'
prints 'vmtrace check --update --baseline folder/a.vmtb a.vmt'
[ ! -e folder ] || fail "$what: makes a folder"
what='recording'
check 0 --update --baseline folder/a.vmtb a.vmt
prints 'metrics recorded'
prints "footprint: new -> $pages"
grep -q "^footprint = $pages +-1 +-2%$" folder/a.vmtb || fail "$what: $(cat folder/a.vmtb)"
grep -q '0x\|fingerprint' folder/a.vmtb && fail "$what: an address or a fingerprint in $(cat folder/a.vmtb)"
cp folder/a.vmtb recorded
what='0: a baseline that holds'
check 0 --baseline folder/a.vmtb a.vmt
prints 'baseline a: 9 metrics held'
check 0 --update --baseline folder/a.vmtb a.vmt
prints 'nothing to record'
cmp -s recorded folder/a.vmtb || fail "$what: the file has changed"
what='1: over the baseline'
check 1 --baseline folder/a.vmtb more.vmt
prints 'metrics do not hold'
prints "footprint: $((pages + 40)), baseline $pages +-1 +-2%"
what='3: better than the baseline'
check 3 --baseline folder/a.vmtb less.vmt
prints "footprint: $((pages - 40)), baseline $pages +-1 +-2%"
prints 'vmtrace check --update --baseline folder/a.vmtb less.vmt'
check 3 --pages 1000 --baseline folder/a.vmtb less.vmt
check 1 --pages 1 --baseline folder/a.vmtb less.vmt
what='tightening'
sed 's/^footprint = .*/footprint = 999 +-3 # why/' recorded >b.vmtb
check 0 --update --baseline b.vmtb a.vmt
prints "footprint: 999 -> $pages"
sed "s/^footprint = .*/footprint = $pages +-3 # why/" recorded | cmp -s - b.vmtb || fail "$what: $(diff recorded b.vmtb)"

what='5: a damaged baseline'
sed 's/^touches = /touches == /' recorded >damaged.vmtb
line=$(grep -n '^touches' damaged.vmtb | cut -d: -f1)
cp damaged.vmtb before
check 5 --baseline damaged.vmtb a.vmt
prints "damaged.vmtb:$line: found"
check 5 --update --baseline damaged.vmtb a.vmt
cmp -s before damaged.vmtb || fail "$what: is written over"
what='5: a metric that the run does not have'
{ cat recorded && echo 'label "gone" pages = 5'; } >gone.vmtb
check 5 --baseline gone.vmtb a.vmt
prints 'label "gone" pages: not measured'
check 5 --baseline recorded cut.vmt

what='another window, pages that leave at once, writes'
for options in '-n 32' '--evict 8' --writes '--scope region'; do
    # shellcheck disable=SC2086
    trace other.vmt 100 $options
    check 4 --baseline folder/a.vmtb other.vmt
    prints 'has no section for this run'
    cp folder/a.vmtb before
    check 0 --update --baseline folder/a.vmtb other.vmt
    check 0 --baseline folder/a.vmtb other.vmt
    check 0 --baseline folder/a.vmtb a.vmt
    diff before folder/a.vmtb | grep -q '^<' && fail "$what: $options: a line of another section has changed"
done
[ "$(grep -c '^\[' folder/a.vmtb)" -eq 5 ] || fail "$what: not five sections: $(cat folder/a.vmtb)"

what='both engines'
for engine in "${engines[@]}"; do
    trace engine.vmt 100 --engine=$engine
    check 0 --baseline recorded engine.vmt
done

what='in CI nothing is recorded'
for value in true 1; do
    CI=$value check 5 --update --baseline ci.vmtb a.vmt
    prints 'CI is set'
    [ ! -e ci.vmtb ] || fail "$what"
done
CI=true check 0 --baseline recorded a.vmt
CI=false check 0 --update --baseline ci.vmtb a.vmt

what='a folder that cannot be written'
check 5 --update --baseline facts/a.vmtb a.vmt
prints 'facts/a.vmtb cannot be read: Not a directory'
check 5 --update --baseline /proc/no-such-folder/a.vmtb a.vmt
prints 'cannot be written'
if [ "$(id -u)" -ne 0 ]; then
    mkdir read-only
    chmod 555 read-only
    check 5 --update --baseline read-only/a.vmtb a.vmt
    prints 'Permission denied'
    prints 'read-only/a.vmtb'
fi

what='many that record into one file'
for ((i = 8; i < 24; i++)); do
    trace "w$i.vmt" 10 -n $i
done
for ((i = 8; i < 24; i++)); do
    timeout 60 "$vmtrace" check --update --baseline many.vmtb "w$i.vmt" >/dev/null 2>&1 &
done
wait
for ((i = 8; i < 24; i++)); do
    check 0 --baseline many.vmtb "w$i.vmt"
done
[ "$(grep -c '^\[' many.vmtb)" -eq 16 ] || fail "$what: $(grep '^\[' many.vmtb)"
[ ! -e many.vmtb.new ] || fail "$what: leaves a file behind"

# ------------------------------------------------------------------------------------------- another allocator

what='another allocator under vmtrace run'
jemalloc=libjemalloc.so.2
if [ -z "$(LD_PRELOAD=$jemalloc sh -c : 2>&1)" ]; then
    LD_PRELOAD=$jemalloc trace jemalloc.vmt 100
    check 4 --baseline recorded jemalloc.vmt
    prints '  line 4 is for allocator=glibc'
    cp recorded both.vmtb
    check 0 --update --baseline both.vmtb jemalloc.vmt
    check 0 --baseline both.vmtb jemalloc.vmt
    check 0 --baseline both.vmtb a.vmt
    grep -q '^\[allocator=jemalloc ' both.vmtb || fail "$what: $(cat both.vmtb)"
    diff recorded both.vmtb | grep -q '^<' && fail "$what: a line of the other's has changed"
fi

# compare STATUS PROGRAM: the example's test with the baselines in the folder baselines.
compare() {
    run env VMT_BASELINE_DIR="$work/baselines" "$2"
    [ "$1" -eq "$((status != 0))" ] || { fail "$what: status $status"; cat out err; }
}

what='the example, under both engines'
cp -r "$baselines" baselines
for engine in "${engines[@]}"; do
    VMT_ENGINE=$engine compare 0 "$example"
    # The command reads the trace of a test's region as the test does.
    VMT_ENGINE=$engine VMT_TRACENAME=$PWD/region.vmt compare 0 "$example"
    check 0 --baseline baselines/lookups.vmtb region.vmt
    VMT_ENGINE=$engine VMT_UPDATE_BASELINES=1 compare 0 "$example"
done
diff -r "$baselines" baselines || fail "$what: the recorded figures are others here"
what='the example, with another window'
VMT_SIZE=32 compare 1 "$example"
grep -q "VMT_SIZE=32" err || grep -q "VMT_SIZE=32" out || fail "$what: does not say what to type"
what='the example, in CI'
CI=1 VMT_UPDATE_BASELINES=1 compare 1 "$example"
if [ -n "$with_jemalloc" ]; then
    what='the example, linked with another allocator'
    compare 1 "$with_jemalloc"
    VMT_UPDATE_BASELINES=1 compare 0 "$with_jemalloc"
    compare 0 "$with_jemalloc"
    compare 0 "$example"
    grep -q '^\[allocator=jemalloc ' baselines/lookups.vmtb || fail "$what: $(cat baselines/lookups.vmtb)"
    diff "$baselines/lookups.vmtb" baselines/lookups.vmtb | grep -q '^<' && fail "$what: a line of the other's has changed"
fi

done_checking
