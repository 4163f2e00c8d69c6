#!/bin/bash
# SPDX-License-Identifier: MIT
#
# check_rows.sh: stressors.txt has a row for each stressor of the classes memory, vm, pipe, filesystem, scheduler,
# interrupt, os and network, with its classes, and no others; a row that is left out has a reason; and the table of
# README.md has the same rows. Ends with 0, 1 or 77 (another stress-ng than the table's).
set -u
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/stress-ng/rows.bash
. "$here/rows.bash"

command -v stress-ng >/dev/null || { echo "SKIP: stress-ng is not installed"; exit 77; }
work=$(mktemp -d "${TMPDIR:-/tmp}/vmt-stress.XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT

failed=0
rows | cut -d'|' -f1,2 >"$work/rows"
sort -c -t'|' -k1,1 "$work/rows" || failed=1
rows | awk -F'|' '$3 == "out" && $5 == "" { print "no reason: " $1; bad = 1 } END { exit bad }' || failed=1
# shellcheck disable=SC2016 # backquotes of Markdown
sed -n -E 's/^\| `([a-z0-9-]+)` \| ([a-z, ]+) \|.*/\1|\2/p' "$here/README.md" | tr -d ' ' >"$work/readme"
diff "$work/rows" "$work/readme" || { echo "FAIL: README.md has other rows; make_table.sh makes them"; failed=1; }
[ $failed -eq 0 ] || exit 1

version=$(stress_version)
grep -q -F -e "$version" "$here/README.md" ||
    { echo "SKIP: the rows are for another version than $version"; exit 77; }
classes | diff "$work/rows" - || { echo "FAIL: the classes of $version have other stressors"; exit 1; }
echo "$(wc -l <"$work/rows") rows, each stressor of the classes has one"
