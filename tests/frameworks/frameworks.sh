#!/bin/bash
# SPDX-License-Identifier: MIT
#
# frameworks.sh WITHOUT_PTRACE FOLDER STATIC FRAMEWORK...: the examples of each framework, in FOLDER: the budget that
# holds passes, the one that is broken fails with the verdict in the framework's output, and where nothing can be
# traced the test is skipped with the reason, and so is the program. STATIC is one of them with the static library.
set -u
# shellcheck source=tests/integration/command.bash
. "$(cd "$(dirname "$0")" && pwd)/../integration/command.bash"
without_ptrace=$1
folder=$2
static=$3
shift 3
need python3
export VMT_RESULTS_JSON=$work/results.json VMT_RESULTS_JUNIT=$work/results.xml

# results EXPRESSION: the Python expression about the entries r of the JSON file holds; the files are removed.
results() {
    python3 -c 'import json, sys, xml.etree.ElementTree as tree
r = json.load(open("results.json"))
assert len(tree.parse("results.xml").findall("testsuite")) == len(r)
sys.exit(not eval(sys.argv[1]))' "$1" || { fail "$what: it does not hold that $1"; cat results.json; }
    rm -f results.json results.xml
}

# shown TEXT: in the output, which may have its lines indented.
shown() {
    cat out err | grep -q -F -e "$1" || { fail "$what: does not show \"$1\", but:"; cat out err; }
}

# broken COMMAND...
broken() {
    run "$@"
    if [ "$status" -eq 0 ] || [ "$status" -ge 124 ]; then # 124 and more: timeout's, or a signal
        fail "$what: status $status"
    fi
    shown 'touched 40 pages, budget 10 pages: 30 over'
    shown 'window 64 pages of 4096 bytes, scope heap'
    shown '40 pages, 40 touches: new_items'
    results "[e['outcome'] for e in r if e['check'] == 'pages_at_most(SUM_BUDGET)'] == ['broken']"
}

# held COMMAND...
held() {
    run "$@"
    status 0
    results "len(r) >= 2 and all(e['outcome'] == 'held' and e['actual'] == 40 for e in r)"
}

# skipped COMMAND...
skipped() {
    "$without_ptrace" true >/dev/null || return
    VMT_SKIP_STATUS=77 run "$without_ptrace" "$@"
    status 77
    shown 'cannot trace: ptrace was denied'
    results "[e['outcome'] for e in r] == ['skipped'] and 'ptrace was denied' in r[0]['text']"
    # Nobody asked for the status: it is the framework's own. Catch2's is 4 from 3.3 on.
    run "$without_ptrace" "$@"
    [ "$status" -eq 0 ] || [[ $what == catch2* && $status -eq 4 ]] || [[ $what =~ ^(main|cpp) ]] || fail "$what: status $status, unasked"
    rm -f results.json results.xml
}

for framework in "$@"; do
    program=$folder/frameworks_$framework
    modes=(A=B)
    [ "$framework" = check ] && modes=(CK_FORK=yes CK_FORK=no)
    for mode in "${modes[@]}"; do
        what="$framework, $mode"
        held env "$mode" "${program}_held"
        broken env "$mode" "${program}_broken"
        [ "$VMT_ENGINE" = dispatch ] || skipped env "$mode" "${program}_held"
    done
done
if [ "$VMT_ENGINE" != dispatch ]; then
    what='the static library'
    held "$static"
    skipped "$static"
fi

what='a program that is no test'
VMT_SKIP_STATUS=77 run "$vmtrace" run -q -o run.vmt -- env
grep -q -x VMT_SKIP_STATUS=77 out || fail "$what: its environment is another"

done_checking
