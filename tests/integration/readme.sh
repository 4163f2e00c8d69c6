#!/bin/sh
# SPDX-License-Identifier: MIT
#
# readme.sh BUILD: what README.md shows is what happens. Its example is the one that is built, the failure that it
# shows is the failure that comes, the commands that it names run, and a project is built by the lines of CMake that
# it gives.
set -eu

build=$1
# shellcheck source=tests/integration/blocks.sh
. "$(dirname "$0")/blocks.sh"

block README.md c 'A cmocka test with a budget' >"$folder/readme.c"
awk '/README: end/ { exit } inside { print } /README: begin/ { inside = 1 }' \
    "$source/examples/budget/budget_test.c" >"$folder/example.c"
[ -s "$folder/example.c" ] || fail "the example has no marked part"
diff -u "$folder/example.c" "$folder/readme.c" || fail "the README's example is not examples/budget"

# What differs from run to run is when touches come, and the file's name.
same() {
    sed -E -e 's/^(touches over )[0-9.]+ ms: [▁▂▃▄▅▆▇█]{48}$/\1…/' \
        -e 's,^trace: .*/vmt-traces-[0-9]+/budget_test\.[0-9]+\.1\.vmt$,trace: …,'
}
export LC_ALL=C.UTF-8
block README.md text 'so the test fails' | same >"$folder/readme.txt"
env -u VMT_KEEP -u VMT_TRACE_DIR TMPDIR="$folder" "$build/examples/budget/budget_test" >"$folder/out" 2>&1 &&
    fail "the README's example was expected to fail"
sed -n '/^touched/,/^to see more/p' "$folder/out" | same >"$folder/example.txt"
diff -u "$folder/readme.txt" "$folder/example.txt" || fail "the failure is not the one that the README shows"
"$build/bin/vmtrace" report "$(sed -n 's/^trace: //p' "$folder/out")" >/dev/null || fail "its trace cannot be read"

# What it tells other projects to write: the first lines build one here, the others are what tests/consumer/ builds.
for text in 'find_package(vmt 0.1 REQUIRED COMPONENTS cmocka)' \
    'FetchContent_Declare(vmt SOURCE_DIR "${VMT_SOURCE}")'; do
    for file in README.md tests/consumer/CMakeLists.txt; do
        grep -q -F "$text" "$source/$file" || fail "$file does not say: $text"
    done
done
grep -q -F 'pkg-config --cflags --libs vmt-cmocka' "$source/README.md" || fail "the README does not use vmt-cmocka"
project look_up_test.c
{
    printf 'cmake_minimum_required(VERSION 3.22)\nproject(look_ups LANGUAGES C)\n'
    block README.md cmake 'In CMake (3.22'
} >"$folder/project/CMakeLists.txt"
printf '%s\n' 'cmake -S . -B build' 'cmake --build build' \
    'ctest --test-dir build --output-on-failure --no-tests=error' >"$folder/commands"
try_project "$folder/commands"
grep -q '2/2 Test .*look_up.dispatch' "$folder/log" ||
    { cat "$folder/log"; fail "there are not two tests, one for each engine"; }

# The commands, as a reader would try them.
commands README.md >"$folder/commands"
for command in 'vmtrace run' 'vmtrace report --html' 'vmtrace dump' VMT_UPDATE_BASELINES=1 'vmtrace check' \
    'vmtrace diff' 'vmtrace compare' engine=dispatch; do
    grep -q -e "$command" "$folder/commands" || fail "the README shows no $command"
done
try README.md "$folder/commands" "$folder/out"
[ "$("$build/bin/vmtrace" dump --format=hex "$folder/checkout/sqlite3.vmt" | wc -l)" -gt 100 ] ||
    fail "the trace is empty"
for file in html folded csv; do
    [ -s "$folder/checkout/sqlite3.$file" ] || fail "the README's commands left no sqlite3.$file"
done
grep -q '^the same: ' "$folder/out" || fail "two runs of one program differ"
[ "$(wc -c <"$source/examples/report.png")" -lt 307200 ] || fail "the README's picture is large"
