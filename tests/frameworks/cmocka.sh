#!/bin/bash
# SPDX-License-Identifier: MIT
#
# cmocka.sh PROGRAM: runs PROGRAM (cmocka_failures.c), and looks at where cmocka shows a broken budget in each of its
# output formats, and at what an assertion on another thread does.
set -u
# shellcheck source=tests/integration/command.bash
. "$(cd "$(dirname "$0")" && pwd)/../integration/command.bash"
program=$1
need python3
unset "${!CMOCKA_@}"

# first FILE TEXT: in FILE is a line that begins so.
first() {
    grep -q -e "^$2" "$1" || { fail "$what: no line of $1 begins with \"$2\""; cat "$1"; }
}

for format in '' STDOUT SUBUNIT TAP XML; do
    what="format \"$format\""
    if [ -n "$format" ]; then
        CMOCKA_MESSAGE_OUTPUT=$format run "$program" formats
    else
        run "$program" formats
    fi
    status 2
    # In all of them, whole and by lines, on standard error.
    first err 'touched 10 pages, budget 4 pages: 6 over$'
    first err 'window 64 pages of 4096 bytes, scope heap'
    first err '  10 pages, 10 touches: '
    first err 'note: it passes$'
    cat out err | grep -q 'a sentence of fail_msg' || fail "$what: fail_msg"
    case $format in
    SUBUNIT)
        sed -n '/^failure: breaks_a_budget/,/^\]/p' out >part
        first part 'touched 10 pages, budget 4 pages: 6 over$'
        ;;
    TAP)
        sed -n '/^not ok 1 - breaks_a_budget/,/ok 2/p' out >part
        first part '\(#\|   \) touched 10 pages, budget 4 pages: 6 over' # a comment, or YAML
        ;;
    XML)
        python3 - <<'END' || { fail "$what"; cat out; }
import xml.etree.ElementTree as tree
cases = {case.get("name"): case for case in tree.parse("out").getroot().iter("testcase")}
text = cases["breaks_a_budget"].find("failure").text
lines = text.split("\n")
assert lines[0] == "touched 10 pages, budget 4 pages: 6 over" and lines[2].startswith("window 64 pages"), text
assert "10 pages, 10 touches" in text, text
assert "cmocka_failures.c:" in text, text
assert cases["passes"].find("failure") is None
END
        # fail_msg of 1.1.5 is not in it, but on standard error; later versions have it in both places, or here alone.
        grep -q 'a sentence of fail_msg' out err || fail "$what: fail_msg"
        ;;
    *)
        grep -q 'FAILED.*breaks_a_budget' out || fail "$what: not failed"
        [ "$(cat out err | grep -c 'touched 10 pages')" -eq 1 ] || fail "$what: not said once"
        ;;
    esac
done

what='XML in a file'
CMOCKA_MESSAGE_OUTPUT=XML CMOCKA_XML_FILE=$work/%g.xml run "$program" formats
status 2
grep -q 'touched 10 pages, budget 4 pages: 6 over' formats.xml || fail "$what"

what='assertions for another thread'
run "$program" for_threads
status 1
first err 'touched 1[0-9] pages, budget 4 pages: [6-9] over$'
grep -q 'OK.*passes' out || fail "$what: the next test"

# The region was open: its trace has an end all the same, and says how the process ended.
what='an assertion on another thread'
VMT_TRACENAME=$work/thread.vmt run "$program" on_threads
[ "$status" -eq 1 ] || [ "$status" -eq 255 ] || fail "$what: status $status" # the same, in two versions
grep -q passes out && fail "$what: the process goes on"
timeout 60 flock -s thread.vmt true # until the catcher, which outlives the process for a moment, has written its end
json thread.vmt "r['complete'] and r['end'] == 'exit' and r['end_code'] == $status and r['touches'] >= 10"

done_checking
