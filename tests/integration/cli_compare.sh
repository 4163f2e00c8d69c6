#!/bin/bash
# SPDX-License-Identifier: MIT
#
# cli_compare.sh PROGRAMS: vmtrace compare. PROGRAMS is the folder with small_nodes and small_blocks.
# shellcheck disable=SC2016 # programs for jq and other shells
set -u
# shellcheck source=tests/integration/command.bash
. "$(dirname "${BASH_SOURCE[0]}")/command.bash"
need jq
programs=$1
mkdir tmp
export TMPDIR=$PWD/tmp

# holds FILTER: of the JSON in the last run's output.
holds() {
    jq -e "$1" out >/dev/null || { fail "$what: it does not hold that $1"; jq -c . out | cut -c 1-2000; }
}

# Nothing is left of a run but what it printed.
clean() {
    [ -z "$(ls -A tmp)" ] || { fail "$what: leaves $(ls -A tmp)"; rm -rf tmp/*; }
}

for allocator in glibc jemalloc mimalloc tcmalloc; do
    "$vmtrace" compare --allocator $allocator --json -- true >out 2>err || {
        grep -q 'is not installed.*apt-get install' err && { echo "SKIP: $(head -n 1 err)"; exit 77; }
        fail "$allocator: $(head -n 3 err)"
    }
done
clean
all='--allocator glibc --allocator jemalloc --allocator mimalloc --allocator tcmalloc'

# ------------------------------------------------------------------------------------------- figures

what='a list of small nodes'
# shellcheck disable=SC2086
run "$vmtrace" compare $all --json -- "$programs/small_nodes"
status 0
silent
clean
holds '[.allocators[].allocator] == ["glibc", "jemalloc", "mimalloc", "tcmalloc"]'
holds '.window_pages == 64 and .tau == 1024 and .repeat == 1 and (.command | length) == 1'
holds 'all(.allocators[]; .exit_status == 0 and .signal == null and .complete and .incomplete_reason == null)'
holds 'all(.allocators[]; .data_pages + .metadata_pages == .footprint_pages)'
# 10,000 nodes of 64 bytes, and with a header of 16 bytes each. Nothing else is much.
holds '.allocators[0] | .data_pages >= 195 and .data_pages <= 200 and .metadata_pages <= 4'
holds 'all(.allocators[]; .data_pages >= 157 and .data_pages <= 200 and .metadata_pages <= 40)'
holds 'all(.allocators[]; .touches >= .footprint_pages and .peak_working_set_pages <= .footprint_pages)'
holds 'all(.allocators[]; .memory_1_percent <= .footprint_pages and .least.touches == .touches and
    .most.touches == .touches)'
holds '([.allocators[].footprint_pages] | min) as $min |
    all(.allocators[]; (.best | index("footprint_pages") != null) == (.footprint_pages == $min))'
holds '[.allocators[].library | sub(".*/"; "")] | .[0] == "libc.so.6" and (.[1] | startswith("libjemalloc"))'
cp out small_nodes.json

what='the table'
# shellcheck disable=SC2086
run "$vmtrace" compare $all -- "$programs/small_nodes"
status 0
silent
[ "$(grep -c -E '^(glibc|jemalloc|mimalloc|tcmalloc) ' out)" -eq 4 ] || fail "$what: not four rows"
[ "$(awk '$1 == "glibc" { print $6 + 0 }' out)" = "$(jq '.allocators[0].data_pages' small_nodes.json)" ] ||
    fail "$what: other pages of data than the JSON's"
grep -q '[0-9][*]' out || fail "$what: nothing is marked"
grep -q $'\e' out && fail "$what: coloured, and no terminal"
[ "$(awk 'length > 80' out | wc -l)" -eq 0 ] || { fail "$what: lines of more than 80 columns"; cat out; }

what='the same as vmtrace run says'
run "$vmtrace" run -q -n 16 -o plain.vmt -- "$programs/small_nodes"
json plain.vmt 'r["complete"]'
touches=$(jq .touches json)
run "$vmtrace" compare --allocator glibc -n 16 --repeat 3 --tau 100 --json -- "$programs/small_nodes"
status 0
holds ".window_pages == 16 and .repeat == 3 and .tau == 100 and (.allocators | length) == 1"
holds ".allocators[0] | .touches == $touches and .peak_working_set_pages <= 100 and .best == []"
clean

what='by default'
run "$vmtrace" compare --json -- true
status 0
holds '[.allocators[].allocator] == ["glibc", "jemalloc", "mimalloc", "tcmalloc"]'

what='the path of a library'
library=$(jq -r '.allocators[1].library' small_nodes.json)
run "$vmtrace" compare --allocator "$library" --json -- "$programs/small_nodes"
status 0
holds '.allocators[0] | .allocator | startswith("libjemalloc.so")'

what='an allocator in LD_PRELOAD already'
LD_PRELOAD=$library run "$vmtrace" compare --allocator glibc --json -- "$programs/small_nodes"
status 0
holds '.allocators[0] | .data_pages >= 195 and .data_pages <= 200' # not 157

what='sqlite3'
if command -v sqlite3 >/dev/null; then
    echo 'create table t(a, b); create index i on t(b);
with recursive n(x) as (select 1 union all select x + 1 from n where x < 2000) insert into t select x, x * 7919 % 10007 from n;
select sum(a) from t where b < 5000;' >script.sql
    # shellcheck disable=SC2086
    run "$vmtrace" compare $all --json -- sqlite3 :memory: <script.sql
    status 0
    silent
    holds 'all(.allocators[]; .exit_status == 0 and .touches > .footprint_pages and .footprint_pages > 50)'
    clean
fi

# ------------------------------------------------------------------------------------------- input and output

seq 1000 >lines
three='--allocator glibc --allocator jemalloc --repeat 3'
what='input from a file'
# shellcheck disable=SC2086
run "$vmtrace" compare $three --show-output -- wc -c <lines
status 0
[ "$(grep -c '^3893$' err)" -eq 6 ] || { fail "$what: not 3893 bytes each of six times"; cat err; }
grep -q 3893 out && fail "$what: the program's output is among the table"
what='input from where a file stands'
{
    read -r _
    # shellcheck disable=SC2086
    run "$vmtrace" compare $three --show-output -- wc -c
} <lines
[ "$(grep -c '^3891$' err)" -eq 6 ] || { fail "$what: not 3891 bytes each of six times"; cat err; }
what='input from a pipe'
# shellcheck disable=SC2086
seq 100000 | timeout 60 "$vmtrace" compare $three --show-output -- wc -c >out 2>err
[ "$(grep -c '^588895$' err)" -eq 6 ] || { fail "$what: not 588895 bytes each of six times"; cat err; }
clean
what='input that is closed'
run "$vmtrace" compare --allocator glibc --show-output -- wc -c <&-
status 0
grep -q '^0$' err || fail "$what: wc read something"

what='output that is dropped'
# grep does less if its output is /dev/null.
run "$vmtrace" compare --allocator glibc -- sh -c '[ -p /dev/stdout ] || echo "not a pipe" >&2; seq 100000'
status 0
silent

# ------------------------------------------------------------------------------------------- failures

what='a program that fails'
# shellcheck disable=SC2086
run "$vmtrace" compare $all --json -- "$programs/small_blocks" # it begins a region, which cannot be: this is one
status 1
for allocator in glibc jemalloc mimalloc tcmalloc; do
    says "small_blocks ended with status 1 under $allocator"
done
holds 'all(.allocators[]; .exit_status == 1 and .best == [] and .footprint_pages > 0)'
clean
what='a program that is killed under one allocator'
run "$vmtrace" compare --allocator glibc --allocator jemalloc --json -- \
    sh -c 'case $LD_PRELOAD in *jemalloc*) kill -s SEGV $$ ;; esac'
status 1
says 'sh was killed by signal 11 under jemalloc'
grep -q 'under glibc' err && fail "$what: blames glibc"
holds '.allocators | .[0].exit_status == 0 and .[1].exit_status == null and .[1].signal == 11'
clean

what='a program that cannot be run'
run "$vmtrace" compare --allocator glibc --allocator jemalloc -- ./nowhere
status 127
[ "$(wc -l <err)" -eq 1 ] || { fail "$what: does not say it once"; cat err; }
[ ! -s out ] || fail "$what: prints a table"
run "$vmtrace" compare --allocator glibc -- "$programs/static"
status 125
says 'statically linked'
clean

what='wrong use'
run "$vmtrace" compare --allocator malloc2000 -- true
status 2
says 'option --allocator is "malloc2000": allowed are glibc, jemalloc, mimalloc, tcmalloc, and the path'
run "$vmtrace" compare --allocator ./nowhere.so -- true
status 2
says 'option --allocator is "./nowhere.so": No such file or directory'
run "$vmtrace" compare --allocator ./lines -- true
status 2
says 'is not a shared library for '
run "$vmtrace" compare --allocator glibc --allocator "$programs/small_nodes" -- true
status 2
says 'defines no malloc'
mkdir 'with blank'
cp "$library" 'with blank/libmine.so'
run "$vmtrace" compare --allocator './with blank/libmine.so' -- true
status 2
says 'there is a colon, a blank or a $ in its path'
run "$vmtrace" compare --repeat 0 -- true
status 2
says 'option --repeat is "0": allowed is a whole number of runs, from 1 to 1000'
run "$vmtrace" compare --tau x -- true
status 2
says 'option --tau is "x": allowed is a whole number of touches, from 1'
run "$vmtrace" compare --allocator glibc
status 2
says 'the program to run is missing'
run "$vmtrace" compare -n 3 -- true
status 125
says 'option --window is "3"'
run "$vmtrace" compare --allocator glibc --engine none -- true
status 125
says 'option --engine is "none": allowed are ptrace, dispatch and auto'
run "$vmtrace" compare --allocators glibc -- true
status 2
says 'unknown or ambiguous option "--allocators": allowed are --allocator, -n'
# shellcheck disable=SC2046
run "$vmtrace" compare $(printf -- '--allocator glibc %.0s' {1..17}) -- true
status 2
says 'option --allocator is given more than 16 times'
run env TMPDIR=/no/such/folder "$vmtrace" compare --allocator glibc -- true
status 125
says 'cannot make a private folder in /no/such/folder: No such file or directory; set TMPDIR to a folder'
clean

what='a program that replaces itself'
run "$vmtrace" compare --allocator glibc --engine "$VMT_ENGINE" --repeat 2 -- sh -c 'exec true'
status 0
[ "$(grep -c 'sh replaced itself by another program; what ran then is not counted' err)" -eq 1 ] ||
    { fail "$what: is not told once"; cat err; }
clean

what='input that does not come'
{ sleep 3; echo late; } | timeout 60 "$vmtrace" compare --allocator glibc --show-output -- wc -c >out 2>err
status=$?
status 0
says 'waiting for the end of standard input, which is to be the same in each run; if PROGRAM needs none: </dev/null'
grep -q '^5$' err || fail "$what: not what came in the end"
clean

what=help
run "$vmtrace" compare --help
status 0
cp out help
for key in $(jq -r 'paths | map(strings) | .[]' small_nodes.json | sort -u); do
    grep -q -w -e "$key" help || fail "help: does not name the key $key"
done

# ------------------------------------------------------------------------------------------- signals

# ended SIGNAL: of a comparison while its program runs.
ended() {
    what="ended by $1"
    rm -f started
    # setsid: a shell without job control has its background jobs ignore SIGINT.
    setsid python3 -c 'import os, signal, sys
for s in (signal.SIGINT, signal.SIGQUIT): signal.signal(s, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$vmtrace" compare --allocator glibc --repeat 5 -- \
        sh -c 'echo $$ >started; exec sleep 60' >out 2>err </dev/null &
    local job=$! tries=0
    until [ -s started ] || [ $((tries += 1)) -gt 300 ]; do sleep 0.1; done
    [ -s started ] || fail "$what: the program did not start"
    kill -s "$1" "$job"
    wait "$job"
    status=$?
    status $((128 + $2))
    kill -0 "$(cat started)" 2>/dev/null && { fail "$what: the program runs on"; kill "$(cat started)"; }
    [ ! -s out ] || fail "$what: prints a table"
    clean
}
ended INT 2
ended TERM 15
ended HUP 1

done_checking
