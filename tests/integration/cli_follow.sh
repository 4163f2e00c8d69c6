#!/bin/bash
# SPDX-License-Identifier: MIT
#
# cli_follow.sh PROGRAMS: `vmtrace run --follow`: what a program, its children and what they run see is what they see
# natively, and each process has a trace. PROGRAMS is the folder with processes, static and static_pie.
# shellcheck disable=SC2016 # programs for other shells
# shellcheck disable=SC2154 # variables of command.bash
set -u
programs=$(cd "$1" && pwd) || exit 2
# shellcheck source=tests/integration/command.bash
. "$(dirname "${BASH_SOURCE[0]}")/command.bash"
processes=$programs/processes

# both COMMAND...: natively and followed; same output, same errors, same status.
both() {
    rm -f t t.*
    timeout 60 "$@" >expected 2>expected.err
    local native=$?
    run "$vmtrace" run -q --follow -o t -- "$@"
    status $native
    same expected
    cmp -s expected.err err || { fail "$what: other errors"; diff expected.err err | head -n 5; }
}

# traces N EXPRESSION...: there are N further traces, all complete, with a footprint; each expression about the list R
# of all reports holds.
traces() {
    local file n=$1
    shift
    : >all
    for file in t.*; do
        [ -e "$file" ] || continue
        # The catcher of a process that has just ended, or runs on, has the file locked.
        timeout 60 flock -s "$file" "$vmtrace" report --json "$file" >>all || fail "$what: no report of $file"
    done
    python3 - "$n" "$@" <<'END' || fail "$what: the traces"
import json, sys
decoder, text, R = json.JSONDecoder(), open("all").read().strip(), []
while text:
    r, end = decoder.raw_decode(text)
    R.append(r)
    text = text[end:].strip()
commands = [r["command"] for r in R]
n = sys.argv[1]
bad = [e for e in (["len(R) == " + n] if n != "-" else []) +
       ["all(r['complete'] for r in R)", "all(r['footprint_pages'] > 0 for r in R)"] + sys.argv[2:] if not eval(e)]
if bad:
    print(bad, len(R), commands[:10], [r["incomplete_reason"] for r in R if not r["complete"]])
sys.exit(bool(bad))
END
}

# ------------------------------------------------------------------------------------------- kinds of children

what='fork, _Fork, the system calls'
both "$processes" forks 20
traces 20 "all(c[1:] == ['forks', '20'] for c in commands)" "sum(r['end_code'] for r in R) == sum(range(20))"
json t "r['complete'] and r['end'] == 'exit'"
for way in registers signals threads; do
    what="$way in forked children"
    both "$processes" $way
done
traces 20
what='a signal to a child that has just begun'
both "$processes" kills 200
traces 200
run "$vmtrace" run -q -o t -- "$processes" killed 100
status 0
what='children of children'
both "$processes" depth 12
traces 12 "sorted(r['end_code'] for r in R) == [4] * 12"
what='a daemon'
both "$processes" daemon daemon.pid
for ((i = 0; i < 1000; i++)); do
    [ -s "t.$(cat daemon.pid 2>/dev/null)" ] && break
    sleep 0.02
done
# Two run by now: the native one, and ours.
traces 2 "sorted(r['end_code'] for r in R) == [0, 12]"

what='posix_spawn'
both "$processes" spawn /bin/echo of mine
traces 1 "commands == [['/bin/echo', 'of', 'mine']]"
what='vfork'
both "$processes" vforks /bin/echo of mine
traces 1 "commands == [['/bin/echo', 'of', 'mine']]"
what='system and popen'
both "$processes" shells pwd
traces 2 "sorted(c[-1] for c in commands) == ['exit 13', 'pwd']"

# ------------------------------------------------------------------------------------------- execve

what='execve that fails, and one that does not'
both "$processes" execs /bin/echo "it's" 'a  word' ''
traces 1 "commands == [['/bin/echo', \"it's\", 'a  word', '']]"
json t "r['end'] == 'exec'"
what='a chain of programs'
both sh -c 'exec env X=1 nice -n 0 sh -c "exec sh -c \"echo \\\$X; exit 9\""'
traces 4 "[c[0] for c in commands] == ['env', 'nice', 'sh', 'sh'] or commands"
for name in t.*.2 t.*.3 t.*.4; do
    [ -e "$name" ] || fail "$what: no $name"
done
what='a fork and an execve'
both sh -c 'env -- echo one; false || true; (exit 6); echo $?'
what='a program by /proc/self/exe, a descriptor, a relative path'
cat >by.py <<'END'
import os
for how in range(4):
    child = os.fork()
    if child == 0:
        words, env = ["sh", "-c", "echo $A" + str(how)], {"A": "a"}
        os.chdir("/bin")
        fd = os.open("/bin", os.O_RDONLY)
        if how == 0:
            os.execve("sh", words, env)
        elif how == 1:
            os.execve("../bin/./sh", words, env)
        elif how == 2:
            os.execve(os.open("sh", os.O_RDONLY), words, env)
        os.execve("/proc/self/exe", ["python", "-S", "-c", "print('exe')"], env)
    os.waitpid(child, 0)
END
both "$python" -S by.py
traces 8 "sorted(r['end'] for r in R) == ['exec'] * 4 + ['exit'] * 4"

what='an environment that nearly fills its room'
cat >full.py <<'END'
import os, resource
resource.setrlimit(resource.RLIMIT_STACK, (1 << 20, 1 << 20)) # a quarter of it is for arguments and environment: execve(2)
fits, fits_not = 0, 1 << 18
def runs(n):
    child = os.fork()
    if child == 0:
        try:
            os.execve("/bin/true", ["true"], {"A%d" % i: "x" * 1000 for i in range(200)} | {"B": "x" * n})
        except OSError:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0
while fits_not - fits > 1:
    half = (fits + fits_not) // 2
    fits, fits_not = (half, fits_not) if runs(half) else (fits, half)
print(fits)
END
both "$python" -S full.py

# ------------------------------------------------------------------------------------------- programs

for program in static static_pie; do
    [ -x "$programs/$program" ] || continue
    what="the statically linked program $program"
    both sh -c '(:); "$0"; echo $?' "$programs/$program"
    json t "r['complete'] and r['end'] == 'exit'"
    both env -i A=1 "$programs/$program"
done
what='a script'
printf '#!/bin/sh\necho "script $1"\nexit 4\n' >script
chmod +x script
both sh -c './script "of mine"; echo $?; cd /; exec "$0/script" other' "$work"
traces - "['/bin/sh', './script', 'of mine'] in commands"
what='programs that cannot be run'
printf 'no program\n' >text
printf '#!/no/such/interpreter\n' >orphan
head -c 100 /bin/sh >damaged
chmod +x text orphan damaged
both sh -c 'for program in ./text ./orphan ./damaged /etc /etc/passwd ./missing; do $program; echo $?; done'
what='a program with the set-user-ID bit'
cp "$(type -P env)" privileged
chmod 4755 privileged
[ -u privileged ] && both env A=1 ./privileged
what='a program that may be executed, but not read'
chmod 711 privileged
both env A=1 ./privileged

# ------------------------------------------------------------------------------------------- environment

for variables in A=1 LD_PRELOAD= "LD_PRELOAD=libc.so.6" "LD_PRELOAD=libc.so.6 VMT_SIZE=9" VMT_RUN=mine "B=1 A= C"; do
    what="the environment of children: $variables"
    # shellcheck disable=SC2086
    both env $variables sh -c 'env; env -i env; env -u HOME Z="a b" env; exec env'
done
what='no environment at all'
both "$python" -S -c 'import os; os.execve("/usr/bin/env", ["env"], {})'
cat >order.py <<'END'
import os
os.execve("/usr/bin/env", ["env"], {"Z": "1", "LD_PRELOAD": "libc.so.6", "A": "2", "VMT": "3", "LD_PRELOADED": "4"})
END
what='the order of the environment'
both "$python" -S order.py

# ------------------------------------------------------------------------------------------- options

what='--follow without -o'
run "$vmtrace" run --follow -- true
status 125
says '--output'
what='options are inherited'
rm -f t t.*
run "$vmtrace" run -q --follow -n 33 --evict=5 --scope region --content --live --stacks -o t -- sh -c '(:); /bin/echo'
status 0
traces - "len(R) > 1" "all(r['window_pages'] == 33 and r['evict_pages'] == 5 and r['scope'] == 'region' and r['pages_unchanged'] is not None and r['live_bytes'] for r in R)"
what='the summary'
rm -f t t.*
run "$vmtrace" run --follow -o t -- "$processes" forks 3
status 0
says "3 further traces in $work/t.PID"
what='a signal'
rm -f t t.*
run sh -c '"$0" run -q --follow -o t -- sh -c "(kill -SEGV \$(exec sh -c \"echo \\\$PPID\")); echo \$?; kill -KILL \$\$"; exit $?' "$vmtrace"
status 137
what='a window that is too large for a child'
rm -f t t.*
run "$vmtrace" run --follow -n 8 -o t -- "$processes" threads
status 0

what='files of earlier runs, and of others'
rm -f t t.*
cat >files.py <<'END'
import os
for n in range(3):
    open("t.%d" % os.getpid() + (".%d" % (n + 1) if n else ""), "w").write("precious")
os.symlink("elsewhere", "t.%d.4" % os.getpid())
os.execv("/bin/echo", ["echo", "ran"])
END
run "$vmtrace" run -q --follow -o t -- "$python" -S files.py
status 0
echo ran >expected
same expected
grep -ls precious t.* | wc -l >out
echo 3 >expected
same expected
[ ! -e elsewhere ] || fail "$what: a symbolic link was followed"
json "$(ls t.*.5)" "r['command'] == ['echo', 'ran'] and r['complete']"

# ------------------------------------------------------------------------------------------- as a whole

what='vmtrace under vmtrace'
rm -f t t.*
run "$vmtrace" run -q --follow -o t -- "$vmtrace" run -q -o inner -- sh -c 'echo inside; exit 7'
status 7
echo inside >expected
same expected
json inner "r['complete'] and r['command'][0] == 'sh'"

what='a shell that makes hundreds of processes'
both sh -c 'i=0; while [ $i -lt 150 ]; do x=$(echo $i | sed s/1/2/) && echo "$x"; i=$((i + 1)); done | sort | cksum'
traces -

if command -v make >/dev/null && command -v gcc >/dev/null; then
    what='make -j2'
    mkdir native followed
    for folder in native followed; do
        for i in 1 2 3 4; do
            echo "int f$i(int x) { return x * $i; }" >$folder/f$i.c
        done
        printf 'all: lib.o\nlib.o: f1.o f2.o f3.o f4.o\n\tld -r -o $@ $^\n%%.o: %%.c\n\tgcc -O2 -c $< -o $@\n' >$folder/Makefile
    done
    (cd native && make -s -j2) || fail "$what: natively"
    rm -f t t.*
    run "$vmtrace" run -q --follow -o t -- make -s -j2 -C followed
    status 0
    silent
    for file in native/*; do
        cmp "$file" "followed/${file#*/}" || fail "$what: $file"
    done
    traces - "sum('cc1' in c[0] for c in commands) == 4"
fi

done_checking
