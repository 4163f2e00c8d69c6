#!/bin/bash
# SPDX-License-Identifier: MIT
#
# make_table.sh [RESULTS]: writes README.md from its head (README.head.md), stressors.txt and the verdicts of a run of
# all rows on this machine. The run takes some minutes; its verdicts stay in RESULTS if that is given, and if RESULTS is
# there already, only the rows that it does not have are run.
# VMTRACE is the command to test. Ends with 0, 1 (a verdict differs; the table says which) or 2.
set -u

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/stress-ng/rows.bash
. "$here/rows.bash"

[ $# -le 1 ] || { echo "usage: VMTRACE=path/to/vmtrace ${0##*/} [RESULTS]" >&2; exit 2; }
: "${VMTRACE:?is to be the command vmtrace}"
work=$(mktemp -d "${TMPDIR:-/tmp}/vmt-table.XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
results=${1:-$work/results}
touch "$results" || exit 2

while IFS='|' read -r name _ where _; do
    if [ "$where" = out ] || grep -q "^$name|" "$results"; then
        continue
    fi
    VMT_STRESS_RESULTS=$results "$here/run_stressor.sh" "$name" </dev/null >"$work/said" 2>&1 ||
        [ $? -eq 77 ] || cat "$work/said"
done < <(rows)

{
    sed -e "s/@VERSION@/$(stress_version)/" -e "s/@KERNEL@/$(uname -s) $(uname -r | cut -d. -f1,2)/" \
        "$here/README.head.md"
    echo
    echo '| stressor | classes | run | operations | options | natively | 16 pages | 1024 pages | note |'
    echo '| --- | --- | --- | --- | --- | --- | --- | --- | --- |'
    rows | awk -F'|' -v results="$results" '
        BEGIN {
            while ((getline line < results) > 0) {
                split(line, field, "|")
                verdicts[field[1]] = field[2] " | " field[3] " | " field[4]
                note[field[1]] = field[5]
            }
        }
        {
            classes = $2
            gsub(",", ", ", classes)
            if ($3 == "out")
                print "| `" $1 "` | " classes " | left out | | | | | | " $5 " |"
            else
                print "| `" $1 "` | " classes " | " $3 " | " ($4 == "-" ? "by time" : $4) " | " \
                    ($5 ? "`" $5 "`" : "") " | " verdicts[$1] " | " note[$1] " |"
        }'
} | sed 's/  *|/ |/g' >"$here/README.md"

# Of rows that have gone there may be verdicts still.
! grep -q differs "$here/README.md"
