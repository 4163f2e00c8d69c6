#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A program under `vmtrace run` finds around it what it finds without: standard streams, environment, descriptors, CPUs,
# signals, limits; and its children are nobody's.
# shellcheck disable=SC2016,SC2034 # programs for other shells; what eval uses
set -u
# shellcheck source=tests/integration/command.bash
. "$(dirname "${BASH_SOURCE[0]}")/command.bash"

# alike COMMAND...: the same output, errors and status natively and traced, with the file input as standard input.
alike() {
    timeout 60 "$@" <input >expected 2>expected.err
    local native=$?
    timeout 60 "$vmtrace" run -q -o trace -- "$@" <input >out 2>err
    status=$?
    checks=$((checks + 1))
    status $native
    same expected
    cmp -s expected.err err || { fail "$what: other errors"; diff expected.err err | head -n 5; }
    json trace "r['complete']"
}

seq 1 50000 >input
what='standard input'
alike cat
alike sh -c 'read -r a; read -r b; echo "$b $a"; tail -n 1'
alike "$python" -c 'import sys; print(sum(map(int, sys.stdin)))'
: >input

what='standard streams that are closed'
count='import os; os._exit(40 + len(os.listdir("/proc/self/fd")))'
for closed in '<&-' '>&-' '2>&-'; do
    eval 'timeout 60 "$python" -c "$count"' "$closed"
    native=$?
    eval 'timeout 60 "$vmtrace" run -q -o trace -- "$python" -c "$count"' "$closed"
    status=$?
    status $native
done

# ------------------------------------------------------------------------------------------- environment

env=$(command -v env)
# environment WORDS...: env's output with exactly these variables, without the one that shells set.
environment() {
    what="the environment $*"
    env -i "$@" "$env" | grep -v '^_=' | sort >expected
    env -i "$@" "$vmtrace" run -q -o trace -- "$env" 2>err | grep -v '^_=' | sort >out
    checks=$((checks + 1))
    same expected
    silent
}
environment
environment A=b
environment A=b LD_PRELOAD=
environment A=b LD_PRELOAD=libm.so.6 Z='a b;c'
environment LD_PRELOAD='libm.so.6 libc.so.6' LD_BIND_NOW=1
environment VMT_SIZE=32 VMT_SCOPE=region VMT_WRITES=0 VMT_UNKNOWN=1
environment VMT_RUN=mine_is_not_looked_at

# The order too: a program may print it as it is.
what='the order of the environment'
env -i B=1 A=2 C=3 LD_PRELOAD=libm.so.6 D=4 "$env" >expected
run env -i B=1 A=2 C=3 LD_PRELOAD=libm.so.6 D=4 "$vmtrace" run -q -o trace -- "$env"
same expected

# ------------------------------------------------------------------------------------------- children

what='children'
alike sh -c 'env | grep -e ^LD_PRELOAD -e ^VMT_; echo "none: $?"'
alike sh -c 'grep TracerPid /proc/self/status; grep -c -e libvmt -e ---p.*heap /proc/self/maps; :'
alike sh -c '(grep TracerPid /proc/self/status); sh -c "grep TracerPid /proc/self/status; :"; :'
alike "$python" -c '
import os, subprocess
print(subprocess.run(["env"], stdout=subprocess.PIPE).stdout.count(b"VMT_RUN"))
for way in (os.fork, os.forkpty):
    pid = way() if way is os.fork else way()[0]
    if pid == 0:
        tracer = [line for line in open("/proc/self/status") if line.startswith("TracerPid")]
        os._exit(40 + int(tracer[0].split()[1] == "0") + (b"VMT_RUN" in os.environb) * 10)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
'
what='a program that replaces itself'
alike sh -c 'echo before; exec grep TracerPid /proc/self/status'
json trace "r['end'] == 'exec'"
alike sh -c 'exec env | grep -c -e VMT_RUN -e libvmt'
alike "$python" -c 'import os; os.execvpe("sh", ["sh", "-c", "exit 9"], {"PATH": os.environ["PATH"]})'
status 9

# No process more than natively, for one that looks at its family and waits for anyone.
what='the family'
alike "$python" -c '
import os, subprocess
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("no children")
child = subprocess.Popen(["sleep", "0.1"])
print(os.wait()[0] == child.pid)
try:
    os.wait()
except ChildProcessError:
    print("no more")
print(os.getpgrp() == os.getpgid(os.getppid()), os.getsid(0) == os.getsid(os.getppid()))
'

# ------------------------------------------------------------------------------------------- the process

what='descriptors'
alike ls /proc/self/fd
alike sh -c 'ls /proc/self/fd; :' 7<input
alike "$python" -c 'import os; print(sorted(os.listdir("/proc/self/fd")), os.open("/", os.O_RDONLY))'

what='CPUs'
alike nproc
alike sh -c 'nproc; nproc --all'
alike "$python" -c '
import os, subprocess
print(sorted(os.sched_getaffinity(0)), os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0))
one = {max(os.sched_getaffinity(0))}
os.sched_setaffinity(0, one)
print(sorted(os.sched_getaffinity(0)))
print(subprocess.run(["nproc"], stdout=subprocess.PIPE).stdout)
'
if command -v taskset >/dev/null; then
    alike taskset -c 0 nproc
    run taskset -c 0 "$vmtrace" run -q -- nproc
    echo 1 >expected
    same expected
fi

# Masks and dispositions as the kernel shows them are ours while the program runs; as calls show them they are its own.
what='signals'
alike "$python" -c '
import signal
print(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])))
print([(name, signal.getsignal(getattr(signal, "SIG" + name)) is signal.SIG_IGN)
       for name in ("TERM", "HUP", "INT", "QUIT", "CHLD", "SEGV", "PIPE", "USR1")])
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
print(len(signal.pthread_sigmask(signal.SIG_BLOCK, [])))
'
for ignored in INT HUP PIPE CHLD; do
    what="SIG$ignored ignored"
    alike env --ignore-signal=$ignored "$python" -c "
import signal
print(signal.getsignal(signal.SIG$ignored) is signal.SIG_IGN)"
done
what='a handler'
alike bash -c 'trap "echo caught" USR1 TERM SEGV; kill -USR1 $$; kill -TERM $$; kill -SEGV $$; echo on'
alike bash -c 'trap "" SEGV; kill -SEGV $$; echo on'

what='limits, folder, mask, names'
alike sh -c 'ulimit -a; pwd; umask; echo $0; cat /proc/self/comm'
alike "$python" -c '
import os, sys
print(sys.argv, os.readlink("/proc/self/exe"), open("/proc/self/comm").read())
' a b
mkdir sub
(cd sub && run "$vmtrace" run -q -- pwd && echo "$work/sub" >expected && cmp expected out) || fail "the folder"

what='a shell that is traced and runs a pipeline'
alike bash -c 'seq 1 100 | while read -r n; do echo $((n * n)); done | sort -n | tail -n 2; echo "${PIPESTATUS[*]}"'
what='threads'
alike "$python" -c '
import threading
done = []
threads = [threading.Thread(target=lambda i=i: done.append(sum(range(i * 1000)))) for i in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
print(sorted(done))
'
json trace "r['threads'] == 5"

done_checking
