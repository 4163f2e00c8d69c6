#!/bin/bash
# SPDX-License-Identifier: MIT
#
# results.sh PROGRAM: PROGRAM (results.c) adds results of many processes and threads at once; both files are documents
# then, and hold all of them with their texts.
set -u
# shellcheck source=tests/integration/command.bash
. "$(cd "$(dirname "$0")" && pwd)/../integration/command.bash"
program=$1
need python3
export VMT_RESULTS_JSON=$work/results.json VMT_RESULTS_JUNIT=$work/results.xml

what='many at once'
run "$program" 6 4 25
status 0
silent
python3 - <<'END' || fail "$what"
import collections, json, xml.etree.ElementTree as tree
text = "<a b=\"c\" d='e'>&amp;]]>\\\n\ttab"
entries = json.load(open("results.json"))
suites = tree.parse("results.xml").getroot().findall("testsuite")
assert len(entries) == len(suites) == 600
for entry in entries:
    assert entry["text"].startswith(text + "\x01\x1b\ufffd \ufffd\ufffd"), entry
    assert " \u00e9\u2588\U0001f600 \ufffd" in entry["text"], entry
    assert entry["check"] == 'check("<&>")' and entry["file"] == 'a "file".c', entry
    assert entry["budget"] == 2 ** 64 - 1 and entry["actual"] == 1 and entry["outcome"] == "broken"
    assert entry["process"] == int(entry["test"].split("/")[0]) and entry["ctest"] is None and entry["trace"] is None
for suite in suites:
    case = suite.find("testcase")
    failure = case.find("failure")
    assert failure.text.startswith(text + "\ufffd\ufffd\ufffd \ufffd"), failure.text
    assert "\u00e9\u2588\U0001f600" in failure.text and failure.get("message").startswith("<a b=")
    assert case.get("name") == 'check("<&>")' and case.get("file") == 'a "file".c'
# Each thread's are all there, in its order.
lines = collections.defaultdict(list)
for entry in entries:
    lines[entry["test"]].append(entry["line"])
assert len(lines) == 24 and all(numbers == list(range(25)) for numbers in lines.values())
END
if command -v jq >/dev/null; then
    [ "$(jq length results.json)" = 600 ] || fail "$what: jq"
fi
if command -v xmllint >/dev/null; then
    xmllint --noout results.xml || fail "$what: xmllint"
fi

done_checking
