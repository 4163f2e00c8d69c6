#!/bin/bash
# SPDX-License-Identifier: MIT
#
# left_regions.sh PROGRAM: runs PROGRAM (tests/programs/left_regions.c), whose tests fail inside regions on purpose, and
# looks at what cmocka says: the tests that must fail do, each for its reason, and the tests after them pass.
set -u

work=$(mktemp -d "${TMPDIR:-/tmp}/vmt-left.XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
engine=${VMT_ENGINE-}
unset "${!VMT_@}" "${!CMOCKA_@}"
export VMT_ENGINE=${engine:-ptrace} VMT_KEEP=none

failed=0
fail() {
    echo "FAIL: $*"
    failed=1
}

# The two streams apart: cmocka 1.1.5 writes verdicts to the one and reasons to the other.
timeout 60 "$1" >"$work/out" 2>"$work/errors"
status=$?

# Each test that ran, in order, as cmocka judged it.
verdicts=$(sed -n 's/^\[ *\(OK\|FAILED\) *\] \([a-z_]*\).*/\1 \2/p' "$work/out")
expected='FAILED fails_by_a_check
OK is_clean
FAILED fails_by_a_check
OK is_clean_after_a_begin
FAILED fails_by_an_assertion
OK is_clean
OK is_clean_of_blocked_signals
FAILED fails_by_a_signal
OK is_clean_after_a_begin
FAILED fails_by_a_crash
OK is_clean
FAILED fails_by_an_assertion
OK is_clean_after_a_begin'
# Later versions list the failed tests on the same stream once more.
case $verdicts in
"$expected" | "$expected"$'\n'*) ;;
*) fail "the verdicts differ:"; diff <(echo "$expected") <(echo "$verdicts") ;;
esac

# said TIMES REGULAR-EXPRESSION: in what cmocka said of failures.
said() {
    local times
    times=$(cat "$work/out" "$work/errors" | grep -c -E -e "$2")
    [ "$times" -eq "$1" ] || fail "\"$2\" $times times, not $1"
}
said 2 'touched 5 pages, budget 4 pages: 1 over'
said 2 "0 != (0x63|99)"
said 1 'Test failed with exception: Segmentation fault'
said 1 'Test failed with exception: Floating point exception'
said 0 'not reached'
[ "$status" -eq 6 ] || fail "status $status: as many as failed would be 6"

if [ $failed -ne 0 ]; then
    cat "$work/out" "$work/errors"
else
    echo "each test failed for its own reason, and none for another's"
fi
exit $failed
