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

# Its collector has write barriers by mprotect and its own handler for SIGSEGV, and stops threads by signals.
need_sbcl() { need sbcl; }
job_sbcl() {
    cat >work.lisp <<'END'
(defun names (i) (loop for k below 200 collect (format nil "~r" (* i k))))
(defun work (n) (loop for i below n sum (length (sort (names i) #'string<))))
(print (work 60))
(gc :full t)
(print (handler-case (labels ((f (n) (1+ (f (1+ n))))) (f 0)) (storage-condition () "stack exhausted")))
(print (handler-case (sb-sys:sap-ref-8 (sb-sys:int-sap 8) 0) (error () "memory fault")))
(print (mapcar #'sb-thread:join-thread
               (loop repeat 4 collect (sb-thread:make-thread (lambda () (loop repeat 3 do (gc)) (work 20))))))
(print (with-output-to-string (s) (sb-ext:run-program "/bin/echo" '("a child") :output s)))
(print (handler-case (sb-ext:with-timeout 0.1 (loop)) (sb-ext:timeout () "timeout")))
(sb-ext:exit :code 3)
END
    traced sbcl --noinform --non-interactive --no-sysinit --no-userinit --load work.lisp 2>/dev/null # has addresses
}

# Null pointers and full stacks are its SIGSEGVs.
need_java() { need java javac; }
job_java() {
    cat >Work.java <<'END'
import java.util.*;
import java.util.concurrent.*;

public class Work {
    static int deep(int n) { return deep(n + 1) + 1; }

    public static void main(String[] arguments) throws Exception {
        Map<String, Integer> map = new TreeMap<>();
        for (int i = 0; i < 20000; i++)
            map.merge("k" + i * 7919 % 1009, i, Integer::sum);
        System.out.println(map.size() + " " + map.get("k5"));
        int caught = 0;
        for (int i = 0; i < 50000; i++) {
            String text = i % 1000 == 0 ? null : "x";
            try { caught += text.length(); } catch (NullPointerException e) { caught += 7; }
        }
        System.out.println(caught);
        try { deep(0); } catch (StackOverflowError e) { System.out.println("stack overflow"); }
        ExecutorService threads = Executors.newFixedThreadPool(4);
        List<Future<Integer>> sums = new ArrayList<>();
        for (int i = 1; i <= 20; i++) {
            final int size = i;
            sums.add(threads.submit(() -> {
                int sum = 0;
                for (int j = 0; j < 10000; j++)
                    sum += new int[size].length;
                return sum;
            }));
        }
        int total = 0;
        for (Future<Integer> sum : sums)
            total += sum.get();
        System.out.println(total);
        threads.shutdown();
        Process child = new ProcessBuilder("echo", "a child").start();
        System.out.print(new String(child.getInputStream().readAllBytes()));
        System.exit(3);
    }
}
END
    javac -J-XX:-UsePerfData -d "$work/classes" Work.java
    traced java -Xmx64m -XX:-UsePerfData -cp "$work/classes" Work
    traced java -Xmx64m -Xint -XX:+UseParallelGC -XX:-UsePerfData -cp "$work/classes" Work
}

need_mono() { need mono mcs; }
job_mono() {
    cat >work.cs <<'END'
using System;
using System.Collections.Generic;
using System.Threading;

class Work {
    static int Main() {
        var map = new Dictionary<string, int>();
        for (int i = 0; i < 20000; i++) map["k" + i % 1009] = i;
        Console.WriteLine(map.Count);
        int caught = 0;
        for (int i = 0; i < 2000; i++) {
            string text = i % 2 == 0 ? null : "x";
            try { caught += text.Length; } catch (NullReferenceException) { caught += 2; }
        }
        Console.WriteLine(caught);
        int total = 0;
        var threads = new Thread[4];
        for (int k = 0; k < 4; k++) {
            threads[k] = new Thread(() => {
                for (int i = 0; i < 50000; i++) Interlocked.Add(ref total, new byte[100].Length);
            });
            threads[k].Start();
        }
        foreach (var thread in threads) thread.Join();
        GC.Collect();
        Console.WriteLine(total);
        return 3;
    }
}
END
    mcs -out:"$work/work.exe" work.cs
    traced mono "$work/work.exe"
}

need_erlang() { need erlc erl; }
job_erlang() {
    cat >work.erl <<'END'
-module(work).
-export([main/0]).
main() ->
    Self = self(),
    [spawn(fun() -> Self ! {N, lists:sum(lists:seq(1, N * 1000))} end) || N <- lists:seq(1, 50)],
    io:format("~p~n", [lists:sum([receive {N, Sum} -> Sum end || N <- lists:seq(1, 50)])]),
    Table = ets:new(table, [ordered_set]),
    [ets:insert(Table, {I * 7919 rem 10007, I}) || I <- lists:seq(1, 10000)],
    io:format("~p~n", [ets:info(Table, size)]),
    io:format("~s", [os:cmd("echo a child")]),
    halt(3).
END
    erlc work.erl
    traced erl -noshell +S 2:2 -s work main
    rm -f work.beam
}

need_ocaml() { need ocaml; }
job_ocaml() {
    traced ocaml -e 'let () =
        let table = Hashtbl.create 7 in
        for i = 1 to 20000 do Hashtbl.replace table (string_of_int i) i done;
        print_int (Hashtbl.length table); print_newline ();
        (try ignore (List.hd []) with Failure text -> print_endline text);
        let rec deep n = 1 + deep (n + 1) in
        (try ignore (deep 0) with Stack_overflow -> print_endline "stack overflow");
        exit 3'
}

need_swipl() { need swipl; }
job_swipl() {
    traced swipl -q -g 'numlist(1, 200, L), foldl([X, A, B]>>(B is A + X), L, 0, S), writeln(S),
        thread_create(writeln(thread), Id), thread_join(Id),
        catch(atom_length(_, _), _, writeln(caught)),
        length(Q, 500), maplist([Y]>>(Y = f(_, _)), Q), term_to_atom(Q, At), atom_length(At, Len),
        (Len > 500 -> writeln(long) ; true), garbage_collect, halt(4)' </dev/null
}

need_octave() { need octave-cli; }
job_octave() {
    traced octave-cli --norc --no-history -q --eval 'A = hilb(60) + eye(60); [q, r] = qr(A);
        disp(norm(q * r - A) < 1e-9); x = fft(sin(1:2000)); printf("%.4f\n", sum(abs(x)));
        try; error("thrown"); catch e; disp(e.message); end; exit(3)'
}

need_r() { need R; }
job_r() {
    traced R --vanilla --no-echo -e 'set.seed(1); x <- rnorm(2000); y <- 2 * x + rnorm(2000); print(coef(lm(y ~ x)))
        print(sum(sort(x))); print(tryCatch(stop("thrown"), error = conditionMessage))
        deep <- function(n) deep(n + 1); print(class(tryCatch(deep(1), error = identity))[1]); quit(status = 3)'
}

need_emacs() { need emacs; }
job_emacs() {
    traced emacs --batch -Q --eval '(progn
        (dotimes (i 300) (with-temp-buffer (insert (make-string (1+ i) ?a)) (goto-char 1) (re-search-forward "a+")))
        (garbage-collect)
        (princ (length (split-string (shell-command-to-string "seq 100"))))
        (let ((thread (make-thread (lambda () (princ " thread"))))) (thread-join thread))
        (kill-emacs 3))'
}
