#!/bin/bash
# SPDX-License-Identifier: MIT
#
# cli_run.sh PROGRAMS: options, refusals, exit statuses and files of `vmtrace run`. PROGRAMS is the folder with static,
# static_pie and small_nodes.
# shellcheck disable=SC2016 # programs for other shells
set -u
programs=$(cd "$1" && pwd) || exit 2
# shellcheck source=tests/integration/command.bash
. "$(dirname "${BASH_SOURCE[0]}")/command.bash"

# ------------------------------------------------------------------------------------------- exit statuses

for code in 0 1 3 125 255; do
    what="a program that ends with $code"
    run "$vmtrace" run -q -o trace -- sh -c "exit $code"
    status $code
    silent
    json trace "r['complete'] and r['end'] == 'exit' and r['end_code'] == $code"
done
for signal in TERM SEGV KILL; do
    number=$(kill -l $signal)
    what="a program killed by $signal"
    # In a shell of its own: it would say that the signal killed vmtrace.
    run sh -c '"$0" run -q -o trace -- sh -c "kill -$1 \$\$; echo not reached"; exit $?' "$vmtrace" $signal
    status $((128 + number))
    json trace "r['complete'] and r['end'] == 'signal' and r['end_code'] == $number"
done

what='a reader that goes away'
run bash -c '"$0" run -q -- yes | head -n 3; exit "${PIPESTATUS[0]}"' "$vmtrace"
status $((128 + $(kill -l PIPE)))

what='SIGTERM to vmtrace'
run bash -c '"$0" run -q -o trace -- sh -c "trap \"exit 5\" TERM; echo ready >ready; while :; do sleep 0.05; done" &
    while [ ! -s ready ]; do sleep 0.02; done
    kill -TERM $!
    wait $!' "$vmtrace"
status 5

# ------------------------------------------------------------------------------------------- the summary

what='the summary'
run "$vmtrace" run -- sh -c 'echo out; echo err >&2'
status 0
for text in touches footprint 'window 64 pages' walked err; do
    says "$text"
done
echo out >expected
same expected

what='-q'
run "$vmtrace" run -q -- sh -c 'echo out; echo err >&2'
echo err | cmp -s - err || fail "$what: says more than the program"
same expected

# ------------------------------------------------------------------------------------------- options

# refused VALUE: as a number of pages, by the option and by the environment.
refused() {
    what="a window of \"$1\""
    run "$vmtrace" run -n "$1" -- true
    status 125
    says "\"$1\""
    says 'from 8 to '
    run "$vmtrace" run "--window=$1" -- true
    status 125
    run env "VMT_SIZE=$1" "$vmtrace" run -- true
    status 125
    says "VMT_SIZE is \"$1\""
    says 'from 8 '
}
for value in 0 -5 abc 7 1000000000 '' ' 64' 64k 0x40 99999999999999999999; do
    refused "$value"
done

for setting in VMT_SCOPE=heaps VMT_WRITES=yes VMT_CONTENT=2 VMT_LIVE=yes VMT_STACKS=3 VMT_ENGINE=magic VMT_EVICT=0 VMT_EVICT=65; do
    what=$setting
    run env "$setting" "$vmtrace" run -- true
    status 125
    says "${setting%=*} is \"${setting#*=}\""
done

what='--engine'
run "$vmtrace" run --engine rr -- true
status 125
says '"rr"'
says 'ptrace, dispatch and auto'
for engine in "${engines[@]}"; do
    run "$vmtrace" run -q --engine $engine -o trace -- sh -c :
    silent
    json trace "r['complete'] and r['engine'] == '$engine'"
done
run "$vmtrace" run -q --engine auto -o trace -- sh -c :
silent
json trace "r['complete'] and r['engine'] == 'ptrace'"

what='--evict'
for value in 0 -1 abc '' 58 65; do
    run "$vmtrace" run --evict "$value" -- true
    status 125
    says "\"$value\""
    says 'from 1 to 57 '
    says "the window's 64 must stay open"
done
run "$vmtrace" run --evict=17 -n 23 -- true
status 125
says 'from 1 to 16 '
run "$vmtrace" run -q --evict 16 -n 23 -o trace -- "$python" -S -c 0
silent
json trace "r['evict_pages'] == 16 and r['evictions'] > 0 and r['evictions'] % 16 == 0"
run env VMT_EVICT=4 "$vmtrace" run -q -o trace -- sh -c :
silent
json trace "r['evict_pages'] == 4 and r['complete']"

what='--scope'
run "$vmtrace" run --scope heaps -- true
status 125
says '"heaps"'
says 'heap, region and ranges'
for scope in heap region ranges; do
    run "$vmtrace" run -q --scope $scope -o trace -- sh -c :
    status 0
    json trace "r['scope'] == '$scope' and r['complete']"
done

what='an option without its value'
run "$vmtrace" run -n
status 125
says '-n'
what='an unknown option'
run "$vmtrace" run --no-such-option -- true
status 125
says '--no-such-option'
what='no program'
for words in '' '--' '-q --'; do
    # shellcheck disable=SC2086
    run "$vmtrace" run $words
    status 125
    says 'program'
done

what='an empty name of a trace'
run "$vmtrace" run -o '' -- true
status 125

what='the environment'
run env VMT_SIZE=100 VMT_TRACENAME=by-environment VMT_SCOPE=region VMT_WRITES=1 "$vmtrace" run -q -- sh -c :
status 0
silent
json by-environment "r['window_pages'] == 100 and r['scope'] == 'region' and r['track_writes'] and r['complete']"

what='options before the environment'
run env VMT_SIZE=100 VMT_TRACENAME=not-this VMT_SCOPE=region "$vmtrace" run -q -n 50 --scope heap -o this -- sh -c :
status 0
json this "r['window_pages'] == 50 and r['scope'] == 'heap' and not r['track_writes']"
[ ! -e not-this ] || fail "$what: both traces were written"

what='--writes'
run "$vmtrace" run -q --writes -o trace -- sh -c :
json trace "r['track_writes'] and 0 < r['pages_written'] <= r['footprint_pages']"

what='--content'
rewrite='import os, sys
pages = bytearray(1 << 22) # 1,024 pages of zeros, a mapping of its own
for i in range(4096, len(pages) - 4096, 4096):
    pages[i] = int(sys.argv[1])
os._exit(0) # before they are unmapped: that counts as a change'
run "$vmtrace" run -q --content -o trace -- "$python" -S -c "$rewrite" 0
json trace "r['track_writes'] and 1022 <= r['pages_unchanged'] <= r['pages_written'] - 50"
run "$vmtrace" run -q --content -o trace -- "$python" -S -c "$rewrite" 1
json trace "r['pages_unchanged'] + 1022 <= r['pages_written']"
run env VMT_CONTENT=1 "$vmtrace" run -q -o trace -- sh -c :
json trace "r['track_writes'] and r['pages_unchanged'] is not None and r['complete']"

what='--live'
half='import ctypes, os, sys
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
blocks = [libc.malloc(ctypes.c_size_t(2040)) for i in range(2000)]
for block in blocks[int(sys.argv[1])::2]:
    libc.free(ctypes.c_void_p(block))
print([v for v in os.environ if v.startswith("VMT_") or v == "LD_PRELOAD"])
os._exit(0)'
"$python" -S -c "$half" 0 >expected
for since in 2000 0; do
    run "$vmtrace" run -q --live -o trace -- "$python" -S -c "$half" $since
    status 0
    silent
    same expected
    json trace "r['complete'] and 2000 * 2040 * 0.99 < r['live_bytes'] < r['footprint_pages'] * 4096"
done
run env VMT_LIVE=1 "$vmtrace" run -q -o trace -- "$python" -S -c 'import os; print(os.environ["VMT_LIVE"])'
echo 1 | cmp -s - out || fail "$what: the environment is not as it was"
json trace "r['live_bytes'] > 0"

what='the summary of --content and --live'
run "$vmtrace" run --content --live -- "$programs/allocations"
status 0
grep -q '^vmtrace: [0-9]* of [0-9]* pages written hold what they held before$' err || fail "$what: $(cat err)"
grep -q '^vmtrace: live heap bytes [0-9]* of [0-9]* that these pages hold$' err || fail "$what: $(cat err)"

what='--stacks'
run "$vmtrace" run --stacks -- true
status 125
says '--output'
plain='import os; print([v for v in os.environ if v.startswith("VMT_") or v == "LD_PRELOAD"])'
"$python" -S -c "$plain" >expected
run "$vmtrace" run -q --stacks -o trace -- "$python" -S -c "$plain"
if [ "$(printf '%s\n' 'glibc 2.35' "$(getconf GNU_LIBC_VERSION)" | sort -V | head -n 1)" = 'glibc 2.35' ]; then
    status 0
    silent
    same expected
    json trace "r['complete'] and r['touches'] > 0"
    run "$vmtrace" run -q --stacks --live --content -n 16 -o trace -- "$programs/allocations"
    status 0
    "$programs/allocations" >expected
    same expected
    json trace "r['complete'] and r['live_bytes'] > 0 and r['pages_unchanged'] is not None"
else
    status 125
    says 'need glibc 2.35'
fi

# What follows the program's name is the program's, and -- ends the options.
what='words for the program'
echo '-q -n 3 -- x' >expected
run "$vmtrace" run -q -- echo -q -n 3 -- x
same expected
run "$vmtrace" run -q echo -q -n 3 -- x
status 0
same expected
echo '-- y' >expected
run "$vmtrace" run -q -- echo -- y
same expected
run "$vmtrace" run -q -o trace sh -c 'printf "%s;" "$0" "$@"' 'a b' '' '*' $'new\nline'
printf '%s;' 'a b' '' '*' $'new\nline' >expected
same expected
json trace "r['command'][3:] == ['a b', '', '*', 'new\nline']"

what='whose the pages of small blocks are'
# Its 10,000 nodes of 64 bytes need 157 pages or more, all of them from one call.
run "$vmtrace" run -q -o nodes.vmt -- "$programs/small_nodes"
status 0
json nodes.vmt "r['top_allocations'][0]['pages'] >= 157 and 'small_nodes' in r['top_allocations'][0]['site']"

# ------------------------------------------------------------------------------------------- programs

what='a program that is missing'
for program in no-such-program-anywhere ./no-such-program-here /no/such/folder/program ''; do
    run "$vmtrace" run -- "$program"
    status 127
    says "$program"
done
says 'the program to run is "": name one, as a word of its own or with its path'

what='a folder'
mkdir folder
for program in ./folder "$work" /; do
    run "$vmtrace" run -- "$program"
    status 126
    says "$program"
done

what='a file that may not be executed'
echo 'echo no' >not-executable
run "$vmtrace" run -- ./not-executable
status 126
says ./not-executable
run env PATH="$work:$PATH" "$vmtrace" run -- not-executable
status 126

what='neither ELF nor script'
echo text >text
chmod +x text
run "$vmtrace" run -- ./text
status 126
says ./text

what='an ELF file that is cut off'
head -c 100 /bin/sh >./damaged
chmod +x damaged
run "$vmtrace" run -- ./damaged
status 126
says ./damaged

for program in static static_pie; do
    what="the statically linked program $program"
    if [ ! -x "$programs/$program" ]; then
        echo "left out: $program was not built"
        continue
    fi
    "$programs/$program" >expected || fail "$what does not run natively"
    run "$vmtrace" run -o trace-of-static -- "$programs/$program"
    status 125
    says "$programs/$program"
    says 'statically linked'
    [ ! -s out ] || fail "$what was run all the same"
    [ ! -e trace-of-static ] || fail "$what: there is a trace"
done

# The bit alone counts, whoever the owner is.
what='a program with the set-user-ID bit'
cp "$(type -P true)" privileged
chmod 4755 privileged
if [ -u privileged ]; then
    run "$vmtrace" run -- ./privileged
    status 125
    says ./privileged
    says 'set-user-ID'
    chmod 2755 privileged
    run "$vmtrace" run -- ./privileged
    status 125
    says 'set-group-ID'
fi
chmod 755 privileged
run "$vmtrace" run -q -- ./privileged
status 0

what='a script'
printf '#!/bin/sh\necho "script $1"\nexit 4\n' >script
chmod +x script
echo 'script of mine' >expected
run "$vmtrace" run -q -o trace -- ./script 'of mine'
status 4
same expected
json trace "r['touches'] > 0 and r['complete']"
run env PATH="$work:$PATH" "$vmtrace" run -q -- script 'of mine'
status 4
same expected
what='a script of a script'
printf '#!%s/script\n' "$work" >outer
chmod +x outer
echo "script ./outer" >expected
run "$vmtrace" run -q -- ./outer
status 4
same expected
what='a script whose interpreter is missing'
printf '#!/no/such/interpreter\n' >orphan
chmod +x orphan
run "$vmtrace" run -- ./orphan
status 127
says /no/such/interpreter

# ------------------------------------------------------------------------------------------- the trace file

what='-o to a file that is no trace'
for content in 'precious text' 'VMTR' ''; do
    printf '%s' "$content" >file
    cp -p file before
    run "$vmtrace" run -o file -- sh -c 'echo ran'
    if [ -n "$content" ]; then
        status 125
        says file
        cmp -s file before || fail "$what: the file was changed"
        [ ! -s out ] || fail "$what: the program was run all the same"
    else
        status 0 # nothing is lost
    fi
done

what='-o to an older trace'
run "$vmtrace" run -q -o trace -- sh -c 'exit 1'
run "$vmtrace" run -q -o trace -n 33 -- sh -c 'exit 2'
status 2
json trace "r['window_pages'] == 33 and r['end_code'] == 2 and r['complete']"

what='-o in a folder that is missing'
run "$vmtrace" run -o missing/trace -- sh -c 'echo ran'
status 125
says missing/trace
[ ! -s out ] || fail "$what: the program was run all the same"

what='-o to a folder'
run "$vmtrace" run -o folder -- true
status 125
says folder

what='-o to a device'
run "$vmtrace" run -o /dev/null -- true
status 125
says /dev/null
[ -c /dev/null ] || fail "$what: it is gone"

what='-o through a symbolic link'
ln -s elsewhere link
run "$vmtrace" run -o link -- true
status 125
[ ! -e elsewhere ] || fail "$what: it was followed"
says "cannot write the trace: $work/link is a symbolic link, and a trace is not written through one; name the file"

what='a program that changes its folder'
run "$vmtrace" run -q -o here -- sh -c 'cd / && pwd'
status 0
json here "r['complete']"

what='a trace is for its owner alone'
[ "$(stat -c %a here)" = 600 ] || fail "$what: mode $(stat -c %a here)"

what='two runs at the same time'
"$vmtrace" run -q -o first -- sh -c 'for i in 1 2 3 4 5; do sleep 0.1; done; echo 1' >first.out &
first=$!
run "$vmtrace" run -q -o second -- sh -c 'for i in 1 2 3 4; do sleep 0.1; done; echo 2'
status 0
wait $first || fail "$what: the first ends with $?"
echo 1 | cmp -s - first.out || fail "$what: the first's output"
json first "r['complete'] and r['touches'] > 0"
json second "r['complete'] and r['touches'] > 0"

what='two runs with the same file'
"$vmtrace" run -q -o both -- sh -c 'echo ready >both.ready; until [ -e both.done ]; do sleep 0.1; done; exit 6' &
first=$!
while [ ! -s both.ready ]; do sleep 0.02; done
run "$vmtrace" run -o both -- sh -c 'echo ran'
status 125
says both
: >both.done
wait $first
[ $? -eq 6 ] || fail "$what: the first was disturbed"
json both "r['complete'] and r['end_code'] == 6"

what='no -o'
mkdir temporary
for command in 'exit 0' 'kill -KILL $$'; do
    run sh -c 'TMPDIR=$1 "$0" run -- sh -c "$2"; exit $?' "$vmtrace" "$work/temporary" "$command"
    says touches
    [ -z "$(ls -A temporary)" ] || fail "$what: $(ls temporary) is left"
done
run env TMPDIR="$work/no-such-folder" "$vmtrace" run -- true
status 125
says no-such-folder

what='an allocator on huge pages'
free=$(awk '/^HugePages_Free/ { print $2 }' /proc/meminfo)
if [ "${free:-0}" -ge 16 ]; then
    run env GLIBC_TUNABLES=glibc.malloc.hugetlb=2 "$vmtrace" run -n 8 -o huge -- "$python" -S -c 'import threading
def work():
    for _ in range(20):
        lists = [list(range(3000)) for _ in range(5)]
        text = bytearray(300000)
        text += bytes(4000000)
work()
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print("done")'
    status 0
    echo 'done' | cmp -s - out || fail "$what: other output"
    json huge "r['complete']"
fi

what='a program that asks for another tracer'
run "$vmtrace" run -o asked -- "$python" -S -c 'import ctypes
print(ctypes.CDLL(None).ptrace(0, 0, 0, 0), sum(len(str(i)) for i in range(10000)))'
status 0
says 'not complete'
echo 0 38890 | cmp -s - out || fail "$what: other output"

done_checking
