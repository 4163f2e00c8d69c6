#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The commands that read and inform: vmtrace report, dump, syscalls, --help, --version.
set -u
# shellcheck source=tests/integration/command.bash
. "$(dirname "${BASH_SOURCE[0]}")/command.bash"

what='making a trace'
run "$vmtrace" run -q -n 16 --content --live -o trace.vmt -- "$python" -S -c 'print(len([str(i) for i in range(20000)]))'
status 0
silent

# ------------------------------------------------------------------------------------------- report

what='report --json'
cat >keys.py <<'END'
import json, sys
report = json.load(open("json"))
documented = {
    "touches": int, "program_touches": int, "syscall_touches": int, "footprint_pages": int, "pages_written": int,
    "pages_unchanged": int, "live_bytes": int, "evictions": int, "drops": int, "upgrades": int, "window_pages": int,
    "window_raised_to": int, "evict_pages": int, "page_size": int, "scope": str, "engine": str, "track_writes": bool,
    "peak_open_pages": int, "threads": int, "threads_counted": str, "threads_detail": list, "syscalls": int,
    "syscalls_walked": int, "over_window_calls": int, "unknown_calls": int, "left_open_pages": int,
    "refused_calls": int, "complete": bool,
    "incomplete_reason": type(None), "end": str, "end_code": int, "command": list, "start_time": str,
    "duration_ns": int, "top_allocations": list, "pages_once": int, "fingerprint": str, "memory_1_percent": int,
    "miss_ratio_curve": list, "bounds_from_pages": (int, type(None)), "no_bounds_reason": (str, type(None)),
    "working_set": list, "reuse_distances": list, "by_site": list, "by_label": list, "by_thread": list, "by_phase": list,
}
assert set(report) == set(documented), set(report) ^ set(documented)
for key, kind in documented.items():
    assert type(report[key]) in (kind if type(kind) is tuple else (kind,)), (key, report[key])
help_text = open("help").read()
for key in documented:
    assert key in help_text, "--help does not name " + key
assert report["touches"] == report["program_touches"] + report["syscall_touches"] > report["footprint_pages"] > 16
assert report["touches"] == sum(thread["touches"] for thread in report["threads_detail"])
assert report["evictions"] <= report["touches"] - report["window_pages"] + report["drops"]
assert report["window_pages"] == 16 and report["scope"] == "heap" and report["track_writes"]
assert 0 < report["pages_unchanged"] < report["pages_written"] <= report["footprint_pages"] and report["page_size"] == 4096
assert 0 < report["syscalls_walked"] < report["syscalls"] and report["unknown_calls"] == 0
assert report["threads_counted"] == "all"
assert 0 < report["live_bytes"] < report["footprint_pages"] * report["page_size"]
assert report["command"][1:3] == ["-S", "-c"] and report["threads"] == 1
assert (report["end"], report["end_code"]) == ("exit", 0)
top = report["top_allocations"]
assert 0 < len(top) <= 10 and sum(a["pages"] for a in top) <= report["footprint_pages"]
assert [a["pages"] for a in top] == sorted((a["pages"] for a in top), reverse=True)
assert all(set(a) == {"allocation", "pages", "bytes", "site", "label"} and a["label"] is None for a in top)
assert len({a["allocation"] for a in top}) == len(top) and min(a["allocation"] for a in top) >= 1
END
"$vmtrace" report --help >help
run "$vmtrace" report --json trace.vmt
status 0
silent
cp out json
python3 keys.py || fail "$what"
touches=$(python3 -c 'import json; print(json.load(open("json"))["touches"])')

what='report'
run "$vmtrace" report trace.vmt
status 0
silent
grep -q "^touches  *$touches" out || fail "$what: other touches than the JSON's $touches"
grep -q '^complete  *yes$' out || fail "$what: complete?"
for word in command start duration end window scope footprint 'pages written' evictions 'system calls' threads; do
    grep -q "^$word " out || fail "$what: no line \"$word\""
done

what='report without write tracking'
run "$vmtrace" run -q -o plain.vmt -- sh -c :
json plain.vmt "r['pages_written'] is None and r['pages_unchanged'] is None and r['live_bytes'] is None and not r['track_writes'] and r['upgrades'] == 0"

what='an odd command line'
run "$vmtrace" run -q -o odd.vmt -- sh -c : $'\e[31m' $'\xff\xfe' 'quote"' $'tab\t'
json odd.vmt "r['command'][3:] == ['\x1b[31m', '\ufffd\ufffd', 'quote\"', 'tab\t']"
run "$vmtrace" report odd.vmt
grep -q $'\e' out && fail "$what: a control character reaches the terminal"

# ------------------------------------------------------------------------------------------- dump

what='dump --format=hex'
run "$vmtrace" dump --format=hex trace.vmt
status 0
silent
grep -v -q '^[0-9a-f]\{16\}$' out && fail "$what: a line is something else"
[ "$(wc -l <out)" -eq "$touches" ] || fail "$what: $(wc -l <out) lines, $touches touches"
json trace.vmt "r['footprint_pages'] == $(sort -u out | wc -l)"
cp out hex

what='dump'
run "$vmtrace" dump trace.vmt
status 0
silent
awk '{ printf "%16s\n", substr($6, 3) }' out | tr ' ' 0 | cmp -s - hex || fail "$what: other pages"
cat >dump.py <<'END'
import sys
open_pages, touches, evict = [], 0, int(sys.argv[1])
time = 0
for line in open("out"):
    number, ns, thread, access, by, page, whose, *evicts = line.split()
    touches += 1
    assert int(number) == touches and int(ns) >= time and thread == "0" and access in "rw" and by in "PS", line
    time = int(ns)
    assert page not in open_pages, "touched while open: " + line
    if evicts:
        word, *evicts = evicts # the oldest; what was dropped since is not told here
        assert word == "evicts" and len(evicts) == evict, line
        assert evicts == [open_page for open_page in open_pages if open_page in evicts], line
        open_pages = [open_page for open_page in open_pages if open_page not in evicts]
    open_pages.append(page)
END
python3 dump.py 1 || fail "$what"
what='dump, where several pages leave at once'
run "$vmtrace" run -q -n 20 --evict=7 --writes -o merged.vmt -- "$python" -S -c 0
"$vmtrace" dump merged.vmt >out
python3 dump.py 7 || fail "$what"
"$vmtrace" report merged.vmt | grep -q '^window  *20 pages of 4096 bytes; 7 leave it at once$' || fail "$what: the report"
json merged.vmt "r['evict_pages'] == 7 and r['evictions'] > 0 and r['evictions'] % 7 == 0"
run "$vmtrace" dump --format=text trace.vmt
status 0

# Either reader of a pipe may go away.
what='a reader that goes away'
run bash -c '"$0" dump trace.vmt | head -n 1; exit "${PIPESTATUS[0]}"' "$vmtrace"
[ "$status" -eq 1 ] || [ "$status" -eq 0 ] || fail "$what: status $status"
silent

what='a full disk'
if [ -w /dev/full ]; then
    for words in 'report trace.vmt' 'report --json trace.vmt' 'dump trace.vmt' syscalls --help --version; do
        # shellcheck disable=SC2086
        timeout 60 "$vmtrace" $words >/dev/full 2>err
        status=$?
        status 1
        says 'No space left'
    done
fi

# ------------------------------------------------------------------------------------------- files that are no traces

# unreadable FILE: by either command, which says whose fault it is.
unreadable() {
    for words in report 'report --json' dump 'dump --format=hex'; do
        # shellcheck disable=SC2086
        run "$vmtrace" $words "$1"
        status 1
        says "$1"
        [ ! -s out ] || fail "$what: prints something all the same"
    done
}
what='an empty file'
: >empty
unreadable empty
what='text'
seq 1 1000 >text
unreadable text
what='random bytes'
python3 -c 'import random, sys; sys.stdout.buffer.write(random.Random(4).randbytes(100000))' >random
unreadable random
what='a trace that is cut in its header'
for bytes in 1 8 40 56 63; do
    head -c $bytes trace.vmt >cut-header
    unreadable cut-header
done
what='another version'
{ head -c 8 trace.vmt; printf '\xff\x7f'; tail -c +11 trace.vmt; } >version
unreadable version
what='a file that is missing'
unreadable no-such-file
what='a folder'
unreadable .
what='no permission'
if [ "$(id -u)" -ne 0 ]; then
    cp trace.vmt locked
    chmod 0 locked
    unreadable locked
fi

what='a trace that is cut'
size=$(stat -c %s trace.vmt)
for bytes in 1 100 129 5000 $((size / 2)); do
    [ "$bytes" -lt "$size" ] || continue
    head -c "-$bytes" trace.vmt >cut.vmt
    json cut.vmt "not r['complete'] and r['incomplete_reason'] and r['touches'] <= $touches and r['end'] is None"
    run "$vmtrace" report cut.vmt
    status 0
    grep -q '^complete  *no: ' out || fail "$what: complete?"
    run "$vmtrace" dump --format=hex cut.vmt
    status 0
    says cut.vmt
    cmp -s out <(head -n "$(wc -l <out)" hex) || fail "$what: other touches"
done

what='a trace with one byte changed'
for at in 100 1000 $((size / 2)) $((size - 60)); do
    python3 -c '
import sys
data = bytearray(open("trace.vmt", "rb").read())
data[int(sys.argv[1])] ^= 0x40
open("changed.vmt", "wb").write(data)' $at
    run "$vmtrace" report --json changed.vmt
    if [ "$status" -eq 0 ]; then
        json changed.vmt "not r['complete'] and r['incomplete_reason']"
    else
        status 1
        says changed.vmt
    fi
done

# ------------------------------------------------------------------------------------------- information

what='--version'
run "$vmtrace" --version
status 0
silent
grep -q '^vmtrace [0-9][0-9]*\.[0-9][0-9]*\.[0-9][0-9]*$' out || fail "$what: $(cat out)"

what='--help'
run "$vmtrace" --help
status 0
silent
for command in run report dump check syscalls; do
    grep -q "^    $command " out || fail "$what: no $command"
done
for command in run report dump check syscalls; do
    what="$command --help"
    run "$vmtrace" $command --help
    status 0
    silent
    for heading in NAME SYNOPSIS DESCRIPTION 'EXIT STATUS'; do
        grep -q "^$heading$" out || fail "$what: no $heading"
    done
    awk 'length > 120 { exit 1 }' out || fail "$what: lines are too long"
done
run "$vmtrace" run --help
for option in -n -o --scope --engine --evict --writes --content --live --stacks -q VMT_SIZE VMT_TRACENAME VMT_SCOPE \
    VMT_ENGINE VMT_EVICT VMT_WRITES VMT_CONTENT VMT_LIVE VMT_STACKS; do
    grep -q -e "$option" out || fail "run --help: no $option"
done

what=syscalls
run "$vmtrace" syscalls
status 0
silent
[ "$(wc -l <out)" -ge 350 ] || fail "$what: $(wc -l <out) rows"
for call in read write openat mmap futex ioctl sendmsg execve; do
    grep -q -w $call out || fail "$what: no $call"
done

what='wrong use'
# wrong WORDS...: a sentence about it, and nothing else.
wrong() {
    run "$vmtrace" "$@"
    status 2
    [ ! -s out ] || fail "$what: $*: prints something"
    [ -s err ] || fail "$what: $*: no sentence"
}
wrong
wrong no-such-command
says no-such-command
wrong --no-such-option
says --no-such-option
for command in report dump 'check --pages 3'; do
    # shellcheck disable=SC2086
    wrong $command ''
    says 'the name of the trace file is ""'
done
wrong report -o '' trace.vmt
says 'option --output needs the name of a file, not ""'
wrong report --html --against '' trace.vmt
says 'option --against needs the name of a trace, not ""'
wrong report
wrong report trace.vmt odd.vmt
wrong report --xml trace.vmt
says --xml
wrong report --json=yes trace.vmt
wrong dump
wrong dump --format=xml trace.vmt
says xml
wrong dump --format
wrong syscalls extra

what='a name that looks like an option'
cp trace.vmt ./-trace
run "$vmtrace" report -- -trace
status 0
run "$vmtrace" report ./-trace
status 0

done_checking
