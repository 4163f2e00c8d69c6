#!/bin/sh
# SPDX-License-Identifier: MIT
#
# coverage.sh SOURCE BUILD: runs the tests with the labels unit, integration, examples, tools and soak of a build with
# VMT_COVERAGE, and tells which lines of harness/ and catcher/ ran: a table here, with the total at its end, each line
# in BUILD/coverage/index.html. Fails where the total is less than LEAST. The catcher counts in the program's memory.
# What ends by a signal or an execve, and programs that may not write here, leave no counts.
set -eu
source=$1 build=$2
LEAST=90 # percent
command -v gcovr >/dev/null || {
    echo "coverage.sh: gcovr is not installed (apt-get install gcovr)" >&2
    exit 1
}
find "$build" -name '*.gcda' -exec rm -f {} +
export GCOV_ERROR_FILE=/dev/null
# Counts are written when a program ends, inside of a region perhaps: tests that compare two traces to the last touch
# may see it, and so do those of limits and privileges, where the files cannot be written. Tests that fail are told for
# the reader: the gate is the share of lines. consumer.*: projects that link libvmt.a know nothing of counters.
ctest --test-dir "$build" -j2 -L '^(unit|integration|examples|tools|soak)$' -LE 'full' -E '^consumer[.]' \
    --output-on-failure >"$build/coverage.log" || sed -n '/The following tests FAILED/,$p' "$build/coverage.log"
mkdir -p "$build/coverage"
status=0
gcovr --root "$source" --object-directory "$build" --filter "$source/harness/" --filter "$source/catcher/" \
    --exclude-unreachable-branches --html-details "$build/coverage/index.html" --txt "$build/coverage/summary.txt" \
    --fail-under-line "$LEAST" || status=$?
cat "$build/coverage/summary.txt"
[ $status -eq 0 ] || echo "coverage.sh: less than $LEAST % of the lines ran"
exit $status
