# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154 # sourced by run_program.sh, where the variables are set
#
# What builds software.

need_git() { need git; }
job_git() {
    export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_PAGER=cat
    export GIT_AUTHOR_NAME=author GIT_AUTHOR_EMAIL=author@example.org GIT_AUTHOR_DATE='2001-02-03T04:05:06Z'
    export GIT_COMMITTER_NAME=committer GIT_COMMITTER_EMAIL=committer@example.org
    export GIT_COMMITTER_DATE='2001-02-03T04:05:06Z'
    export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=gc.auto GIT_CONFIG_VALUE_0=0 # nothing in the background
    traced git init -q -b main repository
    cd repository || return
    traced git status --short
    for i in 1 2 3 4 5 6; do
        mkdir -p "folder$((i % 3))"
        seq "$i" 60 >"folder$((i % 3))/file$i"
    done
    traced git add .
    traced git commit -m 'The first'
    seq 100 130 >folder1/file1
    traced git commit -a -m 'The second'
    traced git log --stat -p
    traced git fsck --strict
    git ls-tree -r HEAD >../tree
    cd .. || return
    rm -rf repository # its index has times and inode numbers
}

need_gcc() { need gcc; }
job_gcc() {
    cp "$here/gcc.c" .
    traced gcc -O1 -g -c gcc.c -o gcc.o
    # the driver runs the compiler in another process: that one too, by itself
    traced "$(gcc -print-prog-name=cc1)" -quiet -O1 gcc.c -o gcc.s
    traced gcc -c no_such_file.c
}

# Threads: those of the delta search, of grep and of the index.
need_git_threads() { need git; }
job_git_threads() {
    export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_PAGER=cat
    export GIT_AUTHOR_NAME=author GIT_AUTHOR_EMAIL=author@example.org GIT_AUTHOR_DATE='2001-02-03T04:05:06Z'
    export GIT_COMMITTER_NAME=committer GIT_COMMITTER_EMAIL=committer@example.org
    export GIT_COMMITTER_DATE='2001-02-03T04:05:06Z'
    git init -q -b main repository
    cd repository || return
    git config gc.auto 0
    for ((i = 0; i < 60; i++)); do
        mkdir -p "folder$((i % 5))"
        seq "$i" $((i + 200)) >"folder$((i % 5))/file$i"
    done
    git add .
    git commit -q -m 'The first'
    traced git grep --threads=4 -c -e 99
    git rev-list --objects HEAD | cut -d ' ' -f 1 >../objects
    # Who finds which delta depends on the threads; what is in the pack does not.
    traced git pack-objects -q --threads=4 --window=5 "$work/pack" <../objects >"$work/name"
    traced git index-pack --threads=3 -o "$work/pack.idx" "$work"/pack-*.pack >"$work/name"
    git show-index <"$work/pack.idx" | cut -d ' ' -f 2 >../packed
    rm "$work"/pack*
    traced git diff --stat 4b825dc642cb6eb9a060e54bf8d69288fbee4904 HEAD
    cd ..
    rm -rf repository
}

need_make() { need make; }
job_make() {
    cat >Makefile <<'END'
numbers := 1 2 3 4 5 6 7 8
all: $(foreach n,$(numbers),out$(n)) total
out%: in%
	@sed 's/^/$* /' $< >$@
in%:
	@echo $(shell expr $* \* $*) >$@
total: $(numbers:%=out%)
	@cat $(sort $^) >$@; echo $(words $^) parts
.PHONY: all broken
broken:
	@echo breaking; exit 3
END
    traced make --no-print-directory
    traced make --no-print-directory -j 3 -O -B
    traced make --no-print-directory broken
    traced make --no-print-directory -n no_such_target
}

need_cmake() { need cmake ninja gcc; }
job_cmake() {
    cp "$here/gcc.c" .
    cat >CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.16)
project(small NONE)
foreach(i RANGE 20)
    math(EXPR square "${i} * ${i}")
    list(APPEND squares ${square})
endforeach()
string(REPLACE ";" ", " text "${squares}")
message(STATUS "${text}")
configure_file(gcc.c copy.c COPYONLY)
add_custom_command(OUTPUT gcc.o COMMAND gcc -c ${CMAKE_CURRENT_SOURCE_DIR}/gcc.c -o gcc.o DEPENDS gcc.c)
add_custom_target(object ALL DEPENDS gcc.o)
END
    traced cmake -S . -B build -G Ninja
    traced ninja -C build -j 2
    traced ninja -C build -j 2
    traced ninja -C build no_such_target
    rm -rf build # logs with times
}

need_flex() { need flex bison m4; }
job_flex() {
    traced flex -o calc.c "$here/calc.l"
    traced bison -o calc.tab.c -d -v "$here/calc.y"
    traced bison -o none.c no_such_file.y
}

need_clang() { need clang; }
job_clang() {
    cp "$here/gcc.c" .
    # no process of its own for the compiler
    traced clang -fintegrated-cc1 -O1 -c gcc.c -o gcc.o
    echo 'int broken(void) { return missing }' >broken.c
    traced clang -fintegrated-cc1 -c broken.c
}

need_binutils() { need gcc as ld objdump readelf strip; }
job_binutils() {
    gcc -O1 -S "$here/gcc.c" -o gcc.s
    traced as --gdwarf-5 gcc.s -o gcc.o
    traced ld -r gcc.o -o linked.o
    traced ld -shared gcc.o -o linked.so
    traced ld gcc.o no_such_file.o -o linked
    traced objdump -d -r -t gcc.o
    traced readelf -a -W linked.so
    traced strip -g linked.so -o stripped.so
}

# These load plug-ins, and with them the library of C++.
need_archives() { need gcc ar nm; }
job_archives() {
    gcc -O1 -c "$here/gcc.c" -o gcc.o
    traced nm -n gcc.o
    traced ar rcD all.a gcc.o
    traced nm -s all.a
    traced ar t no_such_file.a
}

# gdb starts a program, stops it and looks into it: a tracer under the tracer.
need_gdb() { need gdb gcc; }
job_gdb() {
    cat >debugged.c <<'END'
#include <stdio.h>
#include <stdlib.h>
static int sum(const int *numbers, int count)
{
    int result = 0;
    for (int i = 0; i < count; i++)
        result += numbers[i];
    return result;
}
int main(void)
{
    int *numbers = calloc(1000, sizeof *numbers);
    for (int i = 0; i < 1000; i++)
        numbers[i] = i;
    printf("%d\n", sum(numbers, 1000));
    return numbers[7];
}
END
    gcc -g -O0 debugged.c -o "$work/debugged" || return
    traced gdb -nx -q -batch -iex 'set debuginfod enabled off' -iex 'set auto-load off' \
        -ex 'set startup-with-shell off' -ex 'set disable-randomization on' -ex 'break sum' -ex run \
        -ex 'print count' -ex 'print numbers[1] + numbers[999]' -ex 'watch result if result > 5' -ex continue \
        -ex 'backtrace' -ex 'delete' -ex 'finish' -ex 'print $_exitcode' -ex continue -ex 'print $_exitcode' \
        "$work/debugged" >"$work/said"
    sed 's/(process [0-9]*)/(process)/' "$work/said"
    traced gdb -nx -q -batch -iex 'set debuginfod enabled off' -ex 'info functions sum' -ex 'disassemble sum' \
        -ex 'info no_such_thing' "$work/debugged"
    rm "$work/debugged"
}
