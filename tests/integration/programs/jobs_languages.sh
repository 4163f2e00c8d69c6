# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154 # sourced by run_program.sh, where the variables are set
#
# Interpreters, shells among them.

need_python3() { need /usr/bin/python3; }
job_python3() {
    # -I -S: nothing of the user's or of site-packages; -B: no bytecode files; hashes the same in both runs
    PYTHONHASHSEED=0 traced /usr/bin/python3 -S -B "$here/python3.py"
}

need_perl() { need perl; }
job_perl() { traced perl "$here/perl.pl" "$here/perl.pl"; }

need_bash() { need bash; need seq; need sort; }
job_bash() { traced bash "$here/bash.sh"; }

need_tclsh() { need tclsh; }
job_tclsh() { traced tclsh "$here/tcl.tcl"; }

need_lua() { need lua5.4; }
job_lua() { traced lua5.4 "$here/lua.lua"; }

need_ruby() { need ruby; }
job_ruby() { traced ruby --disable=gems -W0 "$here/ruby.rb"; }

need_node() { need node; }
job_node() { traced node --single-threaded-gc --no-opt "$here/node.js"; }

need_php() { need php; }
job_php() { traced php -n "$here/php.php"; }

need_guile() { need guile; }
job_guile() {
    traced guile --no-auto-compile -q -c '(use-modules (srfi srfi-1))
        (define (fib n) (if (< n 2) 1 (+ (fib (- n 1)) (fib (- n 2)))))
        (display (map fib (iota 15))) (newline)
        (display (fold * 1 (iota 40 1))) (newline)
        (let ((table (make-hash-table)))
          (do ((i 0 (+ i 1))) ((= i 300)) (hashq-set! table i (number->string (* i i))))
          (display (hashq-ref table 299)) (newline))
        (display (catch (quote misc-error) (lambda () (error "thrown" 1)) (lambda (key . rest) rest))) (newline)
        (gc)
        (exit 6)'
}

need_dash() { need dash seq sort; }
job_dash() {
    traced dash -c 'set -e
        for i in $(seq 1 40); do echo "$((i * i % 37)) $i"; done | sort -n | while read -r a b; do
            case $a in (1?) echo "$b: teen" ;; (?) echo "$b: digit" ;; esac
        done
        trap "echo caught" USR1; kill -USR1 $$
        f() { local x=$1; [ "$x" -eq 0 ] || { echo "f $x"; f $((x - 1)); }; }
        f 6
        (exit 7) || echo "status $?"
        sleep 0.05 & wait $!; echo "waited $?"
        cat <<END
text ${0} $(echo inner)
END
        exec 3>file; echo to a file >&3; exec 3>&-; cat file
        kill -TERM $$'
}

need_busybox() { need busybox awk; }
job_busybox() {
    text 300 >text
    traced busybox ash -c 'sort -r text | head -n 3; i=0; while [ $i -lt 200 ]; do i=$((i + 1)); done; echo $i'
    traced busybox sort -k 2 text
    traced busybox awk '{ n[$1]++ } END { for (w in n) print n[w], w | "sort" }' text
    traced busybox gzip -c text >text.gz
    traced busybox tar -c -f all.tar --numeric-owner no_such_file
    traced busybox vi -h
    rm -f all.tar
}

need_vim() { need vi awk; }
job_vim() {
    text 200 >text
    cat >commands.vim <<'END'
%s/\v(fault) (\w+)/\2 <\1>/ge
10,60sort n
normal gg3ddGp
let n = 0
g/page/let n += 1
put =n
let x = system("echo from a child")
put =x
undo
redo
w! written
cquit 5
END
    traced vi -u NONE -i NONE -n -es -S commands.vim text
}

# Tests that python3 has of itself, one line a test. What they print about time is left out by the runner.
# tests_of_python3 MODULES...
tests_of_python3() {
    traced /usr/bin/python3 -S -B "$here/python3_tests.py" "$@" 2>"$work/python3_tests.$mode"
}
need_tests_of_python3() {
    need /usr/bin/python3
    /usr/bin/python3 -S -c 'import test.test_mmap' 2>/dev/null && return
    echo 'SKIP: the tests of python3 (libpython3-testsuite) are not installed'
    exit 77
}

need_python3_tests_memory() { need_tests_of_python3; }
job_python3_tests_memory() { tests_of_python3 test_mmap test_list test_struct; }

need_python3_tests_files() { need_tests_of_python3; }
job_python3_tests_files() { tests_of_python3 test_fileio test_pipes test_epoll test_fcntl test_pty test_bufio; }

need_python3_tests_threads() { need_tests_of_python3; }
job_python3_tests_threads() { tests_of_python3 test_thread.LockTests test_thread.BarrierTest test_threading_local; }

need_python3_tests_processes() { need_tests_of_python3; }
job_python3_tests_processes() { tests_of_python3 test_popen test_posix; }

need_python3_tests_signals() { need_tests_of_python3; }
job_python3_tests_signals() {
    tests_of_python3 test_signal.PosixTests test_signal.WakeupFDTests test_signal.RaiseSignalTest \
        test_signal.SiginterruptTest.test_siginterrupt_on
}

need_python3_tests_network() { need_tests_of_python3; }
job_python3_tests_network() { tests_of_python3 test_socketserver test_asynchat; }
