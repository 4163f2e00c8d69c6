#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tools.sh TOOL [COMPILER]: builds tool_region.c as a user would, with libvmt shared and static, and runs it under the
# tool with both engines: the counts of a region are right, and the tool still finds what it is for. The tools: none,
# address, thread, memory, undefined and leak (sanitizers), coverage, valgrind, gdb, strace, ltrace, uftrace. What is
# not installed is skipped.
# shellcheck disable=SC2317,SC2016 # functions are called through each; $1 is gdb's
# VMTRACE: the command; VMT_LIBRARY: libvmt.so; VMT_STATIC: libvmt.a; SOURCE: the project; LINK: what a link with
# libvmt.a needs.
tool=${1:?"usage: ${0##*/} TOOL [COMPILER]"}
compiler=${2:-cc}
command=${VMTRACE:?} library=${VMT_LIBRARY:?} archive=${VMT_STATIC:?} source=${SOURCE:?} link=${LINK-}
work=$(mktemp -d "${TMPDIR:-/tmp}/vmt-tools.XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 143' TERM HUP INT
cd "$work" || exit 2
unset "${!VMT_@}" LD_PRELOAD
unset ASAN_OPTIONS LSAN_OPTIONS MSAN_OPTIONS TSAN_OPTIONS UBSAN_OPTIONS LLVM_PROFILE_FILE GCOV_PREFIX
export LC_ALL=C
failed=0 checks=0

fail() {
    echo "FAIL: $what: $*"
    head -n 12 out
    failed=1
}

need() {
    command -v "$1" >/dev/null 2>&1 || { echo "SKIP: $1 is not installed"; exit 77; }
}

# build OPTIONS...: ./shared and ./static.
build() {
    local options=(-g -O1 -std=gnu11 -Wno-unused "$@" "-I$source/include" "$source/tests/tools/tool_region.c")
    if ! "$compiler" "${options[@]}" -o shared "$library" "-Wl,-rpath,$(dirname "$library")" -Wl,-z,now -pthread ||
        ! "$compiler" "${options[@]}" -o static "$archive" ${link:+"$link"} -Wl,-z,now -pthread -ldl; then
        echo "FAIL: the program cannot be built"
        exit 1
    fi
}

# run STATUS COMMAND...: into the file out.
run() {
    local wanted=$1 status
    shift
    timeout 60 "$@" >out 2>&1
    status=$?
    checks=$((checks + 1))
    [ "$wanted" = any ] || [ $status -eq "$wanted" ] || fail "status $status, not $wanted"
}

says() {
    grep -q -a -E -e "$1" out || fail "does not say \"$1\""
}

# each COMMAND...: for both libraries and both engines, with $program.
each() {
    local engine
    for engine in ptrace dispatch; do
        for program in ./shared ./static; do
            what="$tool, $compiler, $program, $engine${VARIANT:+, $VARIANT}"
            export VMT_ENGINE=$engine
            "$@"
        done
    done
}

region() {
    run 0 "$program" region
    says '^footprint'
    run 0 "$program" left
    says '^left'
}

# baseline ALLOCATOR: a test and the command have a section of that name for its figures, and agree on them.
baseline() {
    rm -f region.vmtb
    VMT_UPDATE_BASELINES=1 VMT_BASELINE_DIR=. CI='' run 0 "$program" region region.vmt
    grep -q "^\[allocator=$1 " region.vmtb || fail "the baseline is of $(grep '^\[' region.vmtb)"
    run 0 "$command" check --baseline region.vmtb region.vmt
}

# mistake WHAT STATUS TEXT: it is made inside a region, and found.
mistake() {
    run "$2" "$program" "$1"
    says "$3"
}

# Can this compiler build with these options, and does what it builds run?
can() {
    need "$compiler"
    echo 'int main(void) { return 0; }' >can.c
    "$compiler" "$@" can.c -o can 2>can.err || { echo "SKIP: $compiler $* does not work: $(head -n 1 can.err)"; exit 77; }
    ./can >can.err 2>&1 || { echo "SKIP: what $compiler $* builds does not run here: $(head -n 1 can.err)"; exit 77; }
}

# sanitized SANITIZER NAME [OPTION]...: a region is right under it, and a baseline has a section for its allocator.
sanitized() {
    can "-fsanitize=$1"
    build "-fsanitize=$1" "${@:3}"
    each region
    each baseline "$2"
}

case $tool in
none)
    can
    build
    each region
    each baseline glibc
    # The heap begins right behind the variables, and those of libvmt.a are among these.
    fixed() {
        run 0 setarch -R "$program" region
        says '^footprint'
    }
    if setarch -R true 2>/dev/null; then
        each fixed
    fi
    ;;
address)
    sanitized address AddressSanitizer
    each mistake overflow 1 'AddressSanitizer: heap-buffer-overflow.*make_mistake'
    for VARIANT in allow_user_segv_handler=0 handle_segv=2; do
        ASAN_OPTIONS=$VARIANT each region
    done
    VARIANT=
    if [ "$(cat /proc/sys/kernel/yama/ptrace_scope 2>/dev/null || echo 0)" -le 1 ]; then
        each mistake leak 1 'LeakSanitizer: detected memory leaks'
    fi
    ;;
leak)
    sanitized leak LeakSanitizer -DNO_SITES
    each mistake leak 23 'LeakSanitizer: detected memory leaks'
    ;;
thread)
    sanitized thread ThreadSanitizer -DNO_SITES
    each mistake race 66 'ThreadSanitizer: data race.*tool_region'
    ;;
memory)
    sanitized memory MemorySanitizer -DNO_SITES
    each mistake uninitialised 1 'MemorySanitizer: use-of-uninitialized-value.*make_mistake'
    ;;
undefined)
    can -fsanitize=undefined
    build -fsanitize=undefined -fno-sanitize-recover=all
    each region
    each mistake undefined 1 'signed integer overflow'
    ;;
coverage)
    # The lines that a region ran are counted, once for each of the two regions.
    can --coverage
    build --coverage
    gcov=(gcov)
    if "$compiler" --version | grep -q clang; then
        gcov=(llvm-cov gcov)
        major=$("$compiler" -dumpversion | cut -d. -f1)
        command -v llvm-cov >/dev/null || gcov=("llvm-cov-$major" gcov)
    fi
    need "${gcov[0]}"
    counted() {
        rm -f ./*.gcda ./*.gcov
        run 0 "$program" region
        local data
        data=$(echo ./*.gcda)
        [ -f "$data" ] || { fail "no .gcda file was written"; return; }
        "${gcov[@]}" "$data" >gcov.out 2>&1
        grep -q -E '^ +40:.*block\[i \* PAGE \+ 8\]\+\+' tool_region.c.gcov || fail "the lines of the regions are not counted"
    }
    each counted
    ;;
valgrind)
    need valgrind
    need "$compiler"
    build
    refused() {
        local of
        for of in memcheck none; do
            run 77 valgrind -q --tool="$of" --error-exitcode=9 "$program" region
            says '^SKIP: .*under Valgrind'
        done
    }
    each refused
    # Also where nothing in the environment says so.
    what='valgrind, without its preloading'
    run 77 valgrind -q --tool=none --trace-children=yes env -u LD_PRELOAD ./shared region
    says '^SKIP: .*under Valgrind'
    ;;
gdb)
    need gdb
    need "$compiler"
    build
    export VMT_ENGINE=ptrace # examples/gdbinit says otherwise
    debug=(gdb -nx -q -batch -iex 'set debuginfod enabled off' -iex 'set startup-with-shell off')
    for program in ./shared ./static; do
        what="gdb, $program"
        run any "${debug[@]}" -x "$source/examples/gdbinit" -ex 'break make_mistake' -ex run -ex 'print block[8]' \
            -ex backtrace -ex delete -ex continue --args "$program" region
        says '^Breakpoint 1, |hit Breakpoint 1'
        says '^\$1 = 1 ' # of a page that is open
        says '^#[0-9]+ .* main '
        says '^footprint'
        says 'exited normally'
        what="gdb, $program, without examples/gdbinit"
        run any "${debug[@]}" -ex run --args "$program" region
        says 'traces this one already'
    done
    ;;
strace | ltrace)
    need "$tool"
    need "$compiler"
    build
    "$tool" -o log true 2>/dev/null || { echo "SKIP: $tool cannot trace here"; exit 77; }
    # ltrace ends with 0, whatever the program does.
    refused=1
    [ "$tool" = strace ] || refused=0
    for program in ./shared ./static; do
        what="$tool, $program"
        VMT_ENGINE=dispatch run 0 "$tool" -f -o log "$program" region
        says '^footprint'
        VMT_ENGINE=auto run 0 "$tool" -f -o log "$program" region
        says 'the dispatch engine is used instead'
        says '^footprint'
        VMT_ENGINE=ptrace run $refused "$tool" -f -o log "$program" region
        says 'traces this one already'
    done
    ;;
uftrace)
    need uftrace
    need "$compiler"
    build -pg -DNO_SITES
    traced() {
        rm -rf data
        run 0 uftrace record -d data "$program" region
        says '^footprint'
        uftrace replay -d data -F in_thread 2>/dev/null | grep -q 'in_thread' || fail 'uftrace did not see the thread'
    }
    each traced
    ;;
*)
    echo "no such tool: $tool"
    exit 2
    ;;
esac
[ $failed -eq 0 ] && echo "$checks runs, each as it should be"
exit $failed
