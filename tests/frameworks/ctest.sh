#!/bin/bash
# SPDX-License-Identifier: MIT
#
# ctest.sh WITHOUT_PTRACE CMAKE: builds the project beside this file with vmt_add_test(), and looks at what CTest and
# the files of results say: what holds, what is broken, and what is skipped where nothing can be traced.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/command.bash
. "$here/../integration/command.bash"
without_ptrace=$1
cmake=$2
library=$3
ctest=$(dirname "$cmake")/ctest
need python3
unset VMT_ENGINE # each test says which

configure() {
    "$cmake" -S "$here/project" -DVMT_LIBRARY="$library" -DVMT_INCLUDE="$here/../../include" \
        -DVMT_CMAKE="$here/../../cmake" -DCMAKE_BUILD_TYPE=Debug "$@" >log 2>&1
}

# verdicts: each test and how it ended, from ctest's output.
verdicts() {
    sed -n 's/^ *[0-9]*\/[0-9]* Test *#[0-9]*: \([^ ]*\) \.*\** *\([A-Z][a-z]*\) .*/\1 \2/p' out | sort
}

# ended TEXT: the tests ended so.
ended() {
    diff <(echo "$1" | sort) <(verdicts) || { fail "$what: the tests ended otherwise"; tail -n 50 out; }
}

# results EXPRESSION: the Python expression about the entries r of the JSON file, and the suites x of the XML file,
# holds.
results() {
    python3 - "$1" <<'END' || fail "$what: it does not hold that $1"
import json, sys, xml.etree.ElementTree as tree
r = json.load(open("results.json"))
x = tree.parse("results.xml").getroot().findall("testsuite")
assert len(r) == len(x)
for entry, suite in zip(sorted(e["outcome"] for e in r), sorted(("held", "broken", "not measured", "skipped")[
        int(s.get("failures")) + 2 * int(s.get("errors")) + 3 * int(s.get("skipped"))] for s in x)):
    assert entry == suite, (entry, suite)
sys.exit(not eval(sys.argv[1]))
END
}

what=configure
configure -B build || { cat log; fail "$what"; exit 1; }
"$cmake" --build build >log 2>&1 || { cat log; fail "$what"; exit 1; }

what='tests side by side, many times'
export VMT_RESULTS_JSON=$work/results.json VMT_RESULTS_JUNIT=$work/results.xml
run "$ctest" --test-dir build -j 8 --schedule-random --repeat until-fail:5 -E 'over|odd|broken'
status 0
ended 'whole Passed
whole.dispatch Passed
each/walks_ten_pages Passed
each/walks_five_pages Passed
each/needs_no_region Passed'
# Five times: in whole 1 + 3 limits + 1, for each engine; one by one 1 + 2 limits, and 1.
results 'len(r) == 5 * (2 * 5 + 3 + 1) and all(e["outcome"] == "held" and e["actual"] <= e["budget"] for e in r)'
results '{e["ctest"] for e in r} == {"whole", "whole.dispatch", "each/walks_ten_pages", "each/walks_five_pages"}'
results '({e["window_pages"] for e in r if e["ctest"] == "whole"} == {32} and
    {e["test"] for e in r} == {"walks_ten_pages", "walks_five_pages"})'
results 'sum(e["file"].endswith("walks.budgets") and e["line"] in (3, 4) for e in r) == 10'
for trace in whole.vmt whole.vmt.2 whole.vmt.dispatch traces/walks_ten_pages.vmt traces/walks_five_pages.vmt; do
    "$vmtrace" report "build/$trace" >log 2>&1 || fail "$what: no trace build/$trace"
done
[ "$("$vmtrace" report --json build/traces/walks_ten_pages.vmt | grep -c '"complete": true')" -eq 1 ] || fail "$what: trace"
run "$ctest" --test-dir build -N -L 'some label'
grep -q 'Total Tests: 2' out || fail "$what: labels of whole"
run "$ctest" --test-dir build -N -L dispatch
grep -q 'Total Tests: 1' out || fail "$what: label dispatch"
run "$ctest" --test-dir build -N -L few -L many
grep -q 'Total Tests: 3' out || fail "$what: labels of one_by_one"

what='limits that break'
rm results.*
run "$ctest" --test-dir build -R 'over|odd|broken' --output-on-failure
status 8
ended 'over Failed
odd_budgets Failed
broken Failed'
for text in 'over.budgets:3: pages <= 9' 'touched 10 pages, budget 9 pages: 1 over' 'window 64 pages of 4096 bytes' \
    'and .*over.budgets:4: took 10 touches' 'odd.budgets:4: a whole number is expected, not "ten"'; do
    grep -q "$text" out || fail "$what: does not say \"$text\""
done
results '[e["outcome"] for e in r if e["ctest"] == "over"] == ["held", "broken", "broken", "held", "held"]'
results '[e["outcome"] for e in r if e["ctest"] == "odd_budgets"] == ["held", "not measured", "held"]'

what='where ptrace is denied'
rm results.*
"$without_ptrace" true >/dev/null || { echo "SKIP: no seccomp filter"; exit 77; }
run "$without_ptrace" "$ctest" --test-dir build -V
status 8
# whole has a test that needs no region, and was skipped all the same; broken has one that failed, and was not.
ended 'whole Skipped
whole.dispatch Passed
each/walks_ten_pages Skipped
each/walks_five_pages Skipped
each/needs_no_region Passed
over Skipped
odd_budgets Skipped
broken Failed'
grep -q 'SKIP: walks_ten_pages: cannot trace: ptrace was denied' out || fail "$what: no reason"
results 'sum(e["outcome"] == "skipped" and "ptrace was denied" in e["text"] and e["budget"] is None for e in r) == 10'
results 'len(r) == 15' # and those of whole.dispatch

what='files of results'
unset VMT_RESULTS_JUNIT
echo '{}' >results.json
run ./build/whole
status 0
says "$work/results.json exists and is not a file of results"
[ "$(grep -c 'not a file of results' err)" -eq 1 ] || fail "$what: said more than once"
[ "$(cat results.json)" = '{}' ] || fail "$what: overwritten"
VMT_RESULTS_JSON=no/such/folder run ./build/whole
says 'cannot write no/such/folder: No such file'
if [ -w /dev/full ]; then
    VMT_RESULTS_JSON=/dev/full run ./build/whole
    status 0
    says 'cannot write /dev/full'
fi
rm results.json
# The first results fit into 1,024 bytes, later ones do not.
(ulimit -f 1; trap '' XFSZ; for _ in 1 2 3; do ./build/whole >/dev/null; done) 2>err
says 'File too large'
python3 -c 'import json; assert len(json.load(open("results.json"))) >= 1' || fail "$what: not whole after a full disk"
unset VMT_RESULTS_JSON

what='measurements'
VMT_CTEST_MEASUREMENTS=1 run "$ctest" --test-dir build -T Test -R 'whole$'
status 0
grep -q -r -A1 'NamedMeasurement type="numeric/double" name="pages_at_most(10)"' build/Testing/*/Test.xml ||
    fail "$what: not in Test.xml"
VMT_CTEST_MEASUREMENTS=yes run ./build/whole
says 'VMT_CTEST_MEASUREMENTS is "yes": allowed are 0 and 1'
run ./build/whole
grep -q Measurement out && fail "$what: unasked"

what='a main() that cannot list its tests'
configure -B another -DANOTHER_MAIN=ON || { cat log; fail "$what: configure"; }
"$cmake" --build another >log 2>&1 && fail "$what: the build succeeds"
tr -s ' \n' ' ' <log | grep -q 'did not list its tests' || fail "$what: $(tail -n 20 log)"

what='wrong arguments'
# wrong SENTENCE ARGUMENTS: of vmt_add_test().
wrong() {
    echo "cmake_minimum_required(VERSION 3.22)
include(\"$here/../../cmake/VmtAddTest.cmake\")
vmt_add_test($2)" >wrong.cmake
    run "$cmake" -P wrong.cmake
    [ "$status" -ne 0 ] || fail "$what: $2 is allowed"
    tr -s ' \n' ' ' <err | grep -q -F -e "$1" || { fail "$what: does not say \"$1\""; cat err; }
}
wrong 'NAME is missing' 'SOURCES a.c'
wrong 'SOURCES is missing' 'NAME a'
wrong 'WINDOW is "many"' 'NAME a SOURCES a.c WINDOW many'
wrong 'allowed are ptrace, dispatch, auto and both' 'NAME a SOURCES a.c ENGINE none'
wrong '"COLOUR;red" is not one of its arguments' 'COLOUR red NAME a SOURCES a.c'
wrong 'BUDGETS has no value' 'NAME a SOURCES a.c BUDGETS'
wrong 'give one of them' 'NAME a SOURCES a.c BUDGETS b BUDGET "pages <= 1"'

done_checking
