#!/bin/sh
# SPDX-License-Identifier: MIT
#
# readme.sh BUILD: what README.md shows is what happens. Its example is the one that is built, the failure that it shows is
# the failure that comes, and the commands that it names run.
set -eu

source=$(cd "$(dirname "$0")/../.." && pwd)
build=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() {
    printf 'readme.sh: %s\n' "$*" >&2
    exit 1
}

# The text between the first ```LANGUAGE and ``` after line PATTERN.
block() {
    awk -v language="$1" -v pattern="$2" '
        index($0, pattern) { armed = 1 }
        inside && /^```$/ { exit }
        inside { print }
        armed && $0 == "```" language { inside = 1 }' "$source/README.md"
}

block c '## Ten lines' >"$folder/readme.c"
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
block text 'so the test fails' | same >"$folder/readme.txt"
env -u VMT_KEEP -u VMT_TRACE_DIR TMPDIR="$folder" "$build/examples/budget/budget_test" >"$folder/out" 2>&1 &&
    fail "the README's example was expected to fail"
sed -n '/^touched/,/^to see more/p' "$folder/out" | same >"$folder/example.txt"
diff -u "$folder/readme.txt" "$folder/example.txt" || fail "the failure is not the one that the README shows"
"$build/bin/vmtrace" report "$(sed -n 's/^trace: //p' "$folder/out")" >/dev/null || fail "its trace cannot be read"

# What it tells other projects to write is what tests/consumer/ builds, but for the names of their targets.
for text in 'find_package(vmt 0.1 REQUIRED COMPONENTS cmocka)' 'FetchContent_Declare(vmt SOURCE_DIR "${VMT_SOURCE}")'; do
    for file in README.md tests/consumer/CMakeLists.txt; do
        grep -q -F "$text" "$source/$file" || fail "$file does not say: $text"
    done
done
grep -q -F 'pkg-config --cflags --libs vmt-cmocka' "$source/README.md" || fail "the README does not use vmt-cmocka"

# The commands, each from the checkout as a reader would, with the file going elsewhere.
command -v sqlite3 >/dev/null || {
    echo "sqlite3 is not installed"
    exit 77
}
cd "$source"
block sh '## A whole program' | sed "s,sqlite3\.vmt,$folder/&,g" >"$folder/commands"
grep -q 'vmtrace run' "$folder/commands" || fail "the README shows no vmtrace run"
PATH=$build/bin:$PATH sh -eu "$folder/commands" >"$folder/out" || fail "a command of the README failed"
[ "$("$build/bin/vmtrace" dump --format=hex "$folder/sqlite3.vmt" | wc -l)" -gt 100 ] || fail "the trace is empty"

# Baselines: the file is the one that the example has, and what is recorded is recorded elsewhere.
block text '## Baselines' >"$folder/readme.vmtb"
diff -u "$source/examples/baseline/baselines/lookups.vmtb" "$folder/readme.vmtb" ||
    fail "the README's baseline is not that of examples/baseline"
mkdir "$folder/baselines"
cp "$folder/readme.vmtb" "$folder/baselines/lookups.vmtb"
block sh '## Baselines' | sed "s,build/,$build/," >"$folder/commands"
grep -q 'VMT_UPDATE_BASELINES=1' "$folder/commands" || fail "the README shows no recording"
env -u CI VMT_BASELINE_DIR="$folder/baselines" sh -eu "$folder/commands" >"$folder/out" 2>&1 ||
    fail "a command of the README failed: $(cat "$folder/out")"
diff -u "$folder/readme.vmtb" "$folder/baselines/lookups.vmtb" || fail "the example's figures are others here"
block sh 'The same for whole programs, and budgets' | sed "s,sqlite3\.vmt,$folder/&,g" >"$folder/commands"
grep -q 'vmtrace check' "$folder/commands" || fail "the README shows no vmtrace check"
PATH=$build/bin:$PATH env -u CI sh -eu "$folder/commands" >"$folder/out" || fail "a command failed: $(cat "$folder/out")"

block sh '## A report to look at' | sed "s,sqlite3\.,$folder/&,g" >"$folder/commands"
grep -q 'report --html' "$folder/commands" || fail "the README shows no report to look at"
PATH=$build/bin:$PATH sh -eu "$folder/commands" >"$folder/out" || fail "a command of the README failed"
for file in html difference.html trace.json folded csv; do
    [ -s "$folder/sqlite3.$file" ] || fail "the README's commands left no sqlite3.$file"
done
[ "$(wc -c <"$source/examples/report.png")" -lt 307200 ] || fail "the README's picture is large"

block sh '## Two engines' >"$folder/commands"
grep -q 'engine=dispatch' "$folder/commands" || fail "the README shows no dispatch engine"
PATH=$build/bin:$PATH sh -eu "$folder/commands" >"$folder/out" || fail "a command of the README failed"

block sh '## Comparing' | sed "s,[a-z]*\.vmt,$folder/&,g" >"$folder/commands"
grep -q 'vmtrace diff' "$folder/commands" || fail "the README shows no vmtrace diff"
PATH=$build/bin:$PATH sh -eu "$folder/commands" >"$folder/out" || fail "a command of the README failed"
grep -q '^the same: ' "$folder/out" || fail "two runs of one program differ"
block text 'The end of what it says' | sed -n 1,3p >"$folder/readme.txt"
for version in '' worse; do
    # shellcheck disable=SC2086
    "$build/bin/vmtrace" run -q -o "$folder/version$version.vmt" -- "$build/tests/programs/two_versions" $version
done
"$build/bin/vmtrace" diff "$folder/version.vmt" "$folder/versionworse.vmt" >"$folder/out" &&
    fail "two versions are the same"
sed -n '/^allocation sites that got worse/,/build_index/p' "$folder/out" >"$folder/example.txt"
diff -u "$folder/readme.txt" "$folder/example.txt" || fail "the difference is not the one that the README shows"

# Every option is one that the library or the command reads. (Outcomes have such names too, and are of the header.)
for variable in $(grep -o '`VMT_[A-Z_]*[`=]' README.md | tr -d '`=' | sort -u); do
    grep -q "\"$variable\"" harness/*.c catcher/*.c || grep -q "^    $variable = [0-9]" include/vmt/vmt.h ||
        fail "README names $variable, which nothing reads"
done
