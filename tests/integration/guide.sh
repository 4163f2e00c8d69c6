#!/bin/sh
# SPDX-License-Identifier: MIT
#
# guide.sh BUILD: what doc/guide.md shows is what happens. Its commands run, what it shows of files and outputs is
# what they are, its project is built and tested by the commands that it gives, and its CI jobs have these commands
# and no others.
set -eu

build=$1
# shellcheck source=tests/integration/blocks.sh
. "$(dirname "$0")/blocks.sh"
guide=doc/guide.md

block $guide text '## Baselines' >"$folder/guide.vmtb"
diff -u "$source/examples/baseline/baselines/lookups.vmtb" "$folder/guide.vmtb" ||
    fail "the guide's baseline is not that of examples/baseline"
commands $guide 'In CI' >"$folder/commands"
for command in 'vmtrace run -n 16' --against --follow VMT_UPDATE_BASELINES=1 'vmtrace check'; do
    grep -q -e "$command" "$folder/commands" || fail "the guide shows no $command"
done
try $guide "$folder/commands" "$folder/out"
if ldconfig -p 2>/dev/null | grep -q libjemalloc.so.2; then
    grep -q '^\[allocator=jemalloc ' "$folder/baselines/lookups.vmtb" || fail "nothing is recorded for jemalloc"
fi
footprint() {
    "$build/bin/vmtrace" report "$folder/checkout/$1" | sed -n 's/^footprint *//p'
}
[ "$(footprint small.vmt)" = "$(footprint large.vmt)" ] || fail "the footprint depends on the window"
[ -s "$folder/checkout/difference.html" ] || fail "there is no difference.html"

block $guide text 'of what it says of two' | sed -n 1,3p >"$folder/guide.txt"
for version in '' worse; do
    # shellcheck disable=SC2086
    "$build/bin/vmtrace" run -q -o "$folder/version$version.vmt" -- "$build/tests/programs/two_versions" $version
done
"$build/bin/vmtrace" diff "$folder/version.vmt" "$folder/versionworse.vmt" >"$folder/out" &&
    fail "two versions are the same"
sed -n '/^allocation sites that got worse/,/build_index/p' "$folder/out" >"$folder/example.txt"
diff -u "$folder/guide.txt" "$folder/example.txt" || fail "the difference is not the one that the guide shows"

# Meson's lines are those of a project that is built so (tests/consumer/).
block $guide meson '## Meson' | sed -n "s/^test('budget_test', budget_test, env: //p" | tr -d ')' >"$folder/meson"
[ -s "$folder/meson" ] || fail "there is no test in the lines for Meson"
grep -qF -f "$folder/meson" "$source/tests/consumer/meson.build" ||
    fail "tests/consumer/meson.build sets another environment"

# The project, and the jobs.
project budget_test.c
block $guide cmake '## In CI' >"$folder/project/CMakeLists.txt"
block $guide sh '## In CI' >"$folder/ci"
[ "$(wc -l <"$folder/ci")" -eq 3 ] || fail "a project is not built by three commands"
try_project "$folder/ci"
grep -q '<testcase' "$folder/project/vmt.xml" || fail "there are no results in vmt.xml"
for section in '### GitHub Actions' '### GitLab CI' '### Docker'; do
    block $guide yaml "$section" |
        sed -E -n 's/^ *(- )?(run: )?(([A-Z_]+=[^ ]+ )*(cmake|ctest) .*)$/\3/p' |
        sed 's/\$\$/$/g' >"$folder/job"
    diff -u "$folder/ci" "$folder/job" || fail "the commands of '$section' are not those that were run"
done
