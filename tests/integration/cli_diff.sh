#!/bin/bash
# SPDX-License-Identifier: MIT
#
# cli_diff.sh PROGRAMS: vmtrace diff. PROGRAMS is the folder with two_versions and brk_sweeps, whose sources say what
# they touch.
# shellcheck disable=SC2016 # programs for jq and other shells
set -u
# shellcheck source=tests/integration/command.bash
. "$(dirname "${BASH_SOURCE[0]}")/command.bash"
need jq
programs=$1

# trace FILE WORD...: of two_versions, or of the copy of it in $program.
program=$programs/two_versions
trace() {
    what="making $1"
    run "$vmtrace" run -q -n "${window:-64}" -o "$1" -- "$program" "${@:2}"
    status 0
    silent
}

# holds FILTER: of the JSON in the last run's output.
holds() {
    jq -e "$1" out >/dev/null || { fail "$what: it does not hold that $1"; jq -c . out | cut -c 1-2000; }
}

# prints TEXT: somewhere, as it stands there.
prints() {
    grep -q -F -e "$1" out || { fail "$what: does not print \"$1\", but:"; head -n 60 out; }
}

trace before.vmt
trace again.vmt
trace after.vmt worse

# ------------------------------------------------------------------------------------------- the same

what='a trace against itself'
run "$vmtrace" diff before.vmt before.vmt
status 0
silent
prints 'the same:'
grep -q 'NOT COMPARABLE' out && fail "$what: is called incomparable"

what='two runs of one program' # at other addresses, if the system places them at random
run "$vmtrace" diff --json before.vmt again.vmt
status 0
silent
holds '.same and .comparable and .notes == [] and .fingerprints_equal and .first_difference == null'
holds '.a.fingerprint == .b.fingerprint and (.a.fingerprint | test("^[0-9a-f]{16}$"))'
holds '[.figures[] | select(.difference != null and .difference != 0)] == []'
holds '[.sites, .labels, .phases | .worse, .better, .only_a, .only_b] | add == []'

# ------------------------------------------------------------------------------------------- a regression

what='a regression'
run "$vmtrace" diff --json before.vmt after.vmt
status 1
silent
holds '.same == false and .comparable'
holds '.figures.footprint_pages.difference == 40 and .figures.touches.difference == 280'
holds '.figures.touches | .percent == (.b - .a) * 100 / .a'
holds '.figures.evictions.difference == 280 and .figures.pages_once.difference == -80'
holds '.figures.memory_1_percent | .a == 100 and .b == 120'
holds '.figures.peak_working_set_64 | .a == 64 and .b == 64'
holds '.figures.peak_working_set_1024.difference == 40'
holds '.sites | .better == [] and .only_a == [] and .only_b == []'
holds '.sites.worse | length == 1 and (.[0] | .name | test("^build_index .*two_versions"))'
index='{pages_a: 80, pages_b: 120, touches_a: 80, touches_b: 360}'
holds ".sites.worse[0] | del(.name) == $index"
holds ".labels.worse == [$index + {name: \"index\"}] and .labels.better == []"
holds ".phases.worse == [$index + {name: \"look up\"}] and .phases.only_b == []"
holds '.fingerprints_equal == false'
# A has come to its end there: B walks on, to the part of the index that A's does not have.
holds '.first_difference as $f | $f.touch == .figures.touches.a + 1 and $f.a == null'
holds '.first_difference.b | .page == 80 and .bytes == 120 * 4096 and .label == "index" and .phase == "look up"'
holds '.first_difference.b | .thread == 0 and (.site | test("^build_index "))'

what='a regression, the other way round'
run "$vmtrace" diff --json after.vmt before.vmt
status 1
holds '.figures.touches.difference == -280 and .sites.worse == []'
holds '.sites.better == [{name: .sites.better[0].name, pages_a: 120, pages_b: 80, touches_a: 360, touches_b: 80}]'

what='pages of no allocation'
run "$vmtrace" run -q -n 8 -o forward.vmt -- "$programs/brk_sweeps"
run "$vmtrace" run -q -n 8 -o back.vmt -- "$programs/brk_sweeps" back
run "$vmtrace" diff --json forward.vmt back.vmt
status 1
holds '.figures.footprint_pages.difference == 0 and .figures.touches.difference == -8'
# They are named by their first touches: 20 in a row, and the next is the first page or the twelfth.
holds '.first_difference | .b.page - .a.page == 11 and .a.allocation == null and .b.allocation == null'
holds '.first_difference.touch - .first_difference.a.page == 21 and .first_difference.a.site == null'

what='a regression, for people'
run "$vmtrace" diff before.vmt after.vmt
status 1
silent
prints 'they differ'
prints 'allocation sites that got worse'
grep -q -E '^ +80 +120 +80 +360  build_index .*two_versions' out || fail "$what: does not name the site"
grep -q -E '^touches +[0-9]+ +[0-9]+ +\+280 +\+[0-9.]+ %$' out || fail "$what: not the difference in touches"
prints 'there are no more touches'
[ "$(awk 'length > 80' out | wc -l)" -eq 0 ] || { fail "$what: lines of more than 80 columns"; awk 'length > 80' out; }

# ------------------------------------------------------------------------------------------- names

what='a program that was changed after its trace had been made'
cp "$programs/two_versions" ./renewed
program=./renewed
trace renewed.vmt
cp "$programs/two_versions" ./renewed
run "$vmtrace" diff --json before.vmt renewed.vmt
status 1
holds '.comparable and .notes == ["renewed was changed after B had been made: sites in it are named by their offsets at that time."]'
holds '.sites.only_b | length == 2 and all(.name | test("^renewed[+]0x[0-9a-f]+$"))'
holds '.sites.only_a | map(.name | sub(" .*"; "")) | sort == ["build_index", "load_table"]'
program=$programs/two_versions

what='--top'
run "$vmtrace" diff --json --top=1 before.vmt renewed.vmt
holds '.sites.only_b | length == 1 and .[0].touches_b == 200'
run "$vmtrace" diff --top=1 before.vmt renewed.vmt
status 1
prints ' 1 more: see --top'

# ------------------------------------------------------------------------------------------- not comparable

what='a trace that is cut off'
# Its last block is the trailer, of 208 bytes.
head -c -208 after.vmt >cut.vmt
run "$vmtrace" diff cut.vmt after.vmt
status 0
sed -n 3p out | grep -q '^NOT COMPARABLE: A is not complete: ' || fail "$what: is not said first"
run "$vmtrace" diff --json cut.vmt after.vmt
status 0
holds '.comparable == false and (.notes | length) == 1 and .a.complete == false and .b.complete'
holds '.figures.threads.a == null and .figures.threads.b == 1 and .figures.threads.difference == null'
what='a trace whose last touches are cut off'
head -c -300 after.vmt >cut.vmt
run "$vmtrace" diff --json cut.vmt after.vmt
status 1
holds '.comparable == false and .figures.touches.difference > 0 and .first_difference.a == null'

what='other windows'
window=128 trace wide.vmt
run "$vmtrace" diff wide.vmt before.vmt
status 1
sed -n 3p out | grep -q '^NOT COMPARABLE: window: 128 pages in A, 64 pages in B: ' || fail "$what: is not said first"
run "$vmtrace" diff --json wide.vmt before.vmt
holds '.comparable == false and .figures.footprint_pages.difference == 0 and .figures.touches.difference > 0'
holds '.a.settings.window_pages == "128 pages"'

what='other options'
run "$vmtrace" run -q --writes --evict=4 -n 64 -o writes.vmt -- "$programs/two_versions"
run "$vmtrace" diff --json before.vmt writes.vmt
holds '.comparable == false and .figures.pages_written.a == null and .figures.pages_written.b > 180'
holds '[.notes[] | sub(":.*"; "")] == ["evict", "write tracking"]'
run "$vmtrace" run -q --scope=ranges -n 64 -o ranges.vmt -- "$programs/two_versions"
run "$vmtrace" diff --json before.vmt ranges.vmt
holds '.comparable == false and (.notes[0] | startswith("scope: heap in A, ranges in B: no figure"))'

# ------------------------------------------------------------------------------------------- reports

what='a report beside a trace'
"$vmtrace" report --json before.vmt >before.json || fail "$what"
run "$vmtrace" diff --json before.json before.vmt
status 0
silent
holds '.same and .a.kind == "report" and .b.kind == "trace" and .comparable'
holds '.figures.touches | .a == .b and .difference == 0'
run "$vmtrace" diff --json before.json after.vmt
status 1
holds '.figures.touches.difference == 280 and .first_difference == null'
what='two reports'
"$vmtrace" report --json after.vmt >after.json || fail "$what"
run "$vmtrace" diff --json before.json after.json
status 1
holds '.figures.footprint_pages.difference == 40'
run "$vmtrace" diff --json after.json <("$vmtrace" report --json after.vmt)
status 0
run "$vmtrace" diff before.json after.json
status 1
silent

what='a report that tells sites, labels, phases and the order'
jq '. + {fingerprint: "0123456789abcdef", pages_once: 82, memory_1_percent: 100, working_set: [{tau: 64, average_pages: 5.5}],
    by_site: [{site: "build_index two_versions.c:29", pages: 30, touches: 30}, {site: "build_index two_versions.c:31",
    pages: 50, touches: 50}, {site: "old+0x12 (liba.so)", pages: 1, touches: 2}, {site: null, pages: 1, touches: 3}],
    by_label: [{label: "index", pages: 80, touches: 80}], by_phase: [{phase: "load", pages: 100, touches: 200}]}' \
    before.json >told.json
run "$vmtrace" diff --json told.json after.vmt
status 1
silent
holds '.figures.pages_once.difference == -80 and .figures.memory_1_percent.difference == 20'
holds '.figures.average_working_set_64.a == 5.5 and .figures.average_working_set_1024.a == null'
holds ".sites.worse[0] | (.name | test(\"^build_index two_versions\")) and del(.name) == $index"
holds '[.sites.only_a[].name] | index("old (liba.so)") != null'
holds ".labels.worse == [$index + {name: \"index\"}] and .phases.only_b[0].name == \"look up\""
holds '.fingerprints_equal == false and .a.fingerprint == "0123456789abcdef" and .first_difference == null'
run "$vmtrace" diff --json told.json told.json
status 0
holds '.same and .fingerprints_equal'

# ------------------------------------------------------------------------------------------- trouble

what='wrong use'
run "$vmtrace" diff
status 2
says 'needs two files'
run "$vmtrace" diff before.vmt
status 2
says 'needs two files, traces or JSON reports, and got 1'
run "$vmtrace" diff before.vmt after.vmt again.vmt
status 2
run "$vmtrace" diff --top=0 before.vmt after.vmt
status 2
says 'option --top is "0": allowed is a whole number of names, from 1'
run "$vmtrace" diff --topp before.vmt after.vmt
status 2
says 'unknown or ambiguous option'
what='files that are neither'
run "$vmtrace" diff missing.vmt nowhere.vmt
status 2
says 'cannot read missing.vmt: No such file or directory'
says 'cannot read nowhere.vmt: No such file or directory'
printf 'VMTRAC' >short.vmt
run "$vmtrace" diff before.vmt short.vmt
status 2
says 'short.vmt is neither a trace nor a report'
echo '{"pages": 3}' >other.json
run "$vmtrace" diff other.json before.vmt
status 2
says 'other.json is JSON, but no report'
run "$vmtrace" diff . before.vmt
status 2
says 'cannot read .: it is a folder'
head -c 40 before.vmt >header.vmt
run "$vmtrace" diff header.vmt before.vmt
status 2
says 'cannot read header.vmt: '
for words in '"" before.vmt' 'before.vmt ""'; do
    eval "run \"\$vmtrace\" diff $words"
    status 2
    says 'file is "": vmtrace diff A B'
done

# wrong KEYS TEXT: a report with these keys is refused, and TEXT says why; in text or JSON, on either side.
wrong() {
    echo '{"touches": 5, "footprint_pages": 1}' | jq -c ". + $1" >wrong.json || fail "$what: $1"
    for words in '--json wrong.json before.vmt' 'before.vmt wrong.json'; do
        # shellcheck disable=SC2086
        run "$vmtrace" diff $words
        status 2
        says "$2"
        [ ! -s out ] || fail "$what: $1: prints something all the same"
    done
}
what='reports with figures that no report has'
wrong '{touches: -5}' 'cannot read wrong.json: "touches" is -5 in it; in a report it is null or a whole number from 0 to 9007199254740992'
wrong '{footprint_pages: 1e300}' 'wrong.json is JSON, but no report'
wrong '{pages_once: 1e300}' '"pages_once" is 1.0000000000000001e300 in it'
wrong '{pages_once: 1.5}' '"pages_once" is 1.5 in it'
wrong '{threads: "3"}' '"threads" is "3" in it'
wrong '{syscalls: {a: "much text that is not told to its end, for it is long"}}' '"syscalls" is {"a":"much text that is not told to its ... in it'
wrong '{working_set: [{tau: 64, average_pages: -0.5}]}' '"average_pages" is -0.5 in it; in a report it is null or a number from 0'
wrong '{working_set: [{tau: 1024, peak_pages: 2.5}]}' '"peak_pages" is 2.5 in it'
wrong '{by_site: [{site: "a", pages: -1, touches: 2}]}' '"pages" is -1 in it'
wrong '{by_label: [{label: "a", pages: 1, touches: true}]}' '"touches" is true in it'
wrong '{by_phase: [{phase: "a", pages: 1}]}' '"by_phase" has an entry without pages and touches'
wrong '{by_phase: [3]}' '"by_phase" has an entry without pages and touches'
wrong '{fingerprint: "0123456789abcdef0"}' '"fingerprint" is "0123456789abcdef0" in it; in a report it is null or has 16 digits'
wrong '{fingerprint: "0123456789ABCDEF"}' '"fingerprint" is "0123456789ABCDEF" in it'
echo '{"touches": 9007199254740993, "footprint_pages": 1}' >wrong.json # no double is that
run "$vmtrace" diff wrong.json before.vmt
status 2
says '"touches" is 9007199254740993 in it'

what='a percentage beyond all numbers'
echo '{"touches": 5, "footprint_pages": 1, "working_set": [{"tau": 64, "average_pages": 1e-308}]}' >least.json
run "$vmtrace" diff --json least.json before.vmt
status 1
silent
holds '.figures.average_working_set_64 | .a < 1e-300 and .b > 1 and .percent == null'

what='help'
run "$vmtrace" diff --help
status 0
cp out help
run "$vmtrace" diff --json before.vmt after.vmt
for key in $(jq -r 'paths | map(strings) | .[]' out | sort -u); do
    grep -q -w -e "$key" help || fail "$what: does not name the key $key"
done

what='output that cannot be written'
"$vmtrace" diff before.vmt before.vmt >/dev/full 2>err
[ $? -eq 2 ] || fail "$what: not status 2"
says 'cannot write to standard output'

done_checking
