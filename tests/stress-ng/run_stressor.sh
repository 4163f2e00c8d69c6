#!/bin/bash
# SPDX-License-Identifier: MIT
#
# run_stressor.sh NAME: runs the stressor NAME of stress-ng as its row in stressors.txt says, natively and then under
# `vmtrace run --follow` with a small and with a large window. The verdict must be the same: the exit status, what
# stress-ng says of the run (numbers aside), and whether the bogus operations that were asked for were done; and the
# traces must be those of the processes that did the work.
#
# The target is an ordinary user: as root everything runs as nobody, but with VMT_STRESS_AS_ROOT=1.
# VMTRACE is the command to test. VMT_STRESS_NATIVE=1 runs natively each time, to test the rows themselves.
# VMT_STRESS_WINDOWS are other windows. VMT_STRESS_RESULTS is a file that gets one line with the verdicts
# (make_table.sh). Ends with 0 (same), 1 (different), 2 (wrong use) or 77 (not installed, or stress-ng skips it; the
# line says why).
set -u

here=$(cd "$(dirname "$0")" && pwd)

usage() {
    echo "usage: VMTRACE=path/to/vmtrace ${0##*/} NAME" >&2
    exit 2
}

[ $# -eq 1 ] || usage
name=$1
vmtrace=${VMTRACE:-}
all_native=${VMT_STRESS_NATIVE:-0}
[ "$all_native" = 1 ] || [ -x "$vmtrace" ] || usage
read -r -a windows <<<"${VMT_STRESS_WINDOWS:-16 1024}"
results=${VMT_STRESS_RESULTS:-}
as_root=${VMT_STRESS_AS_ROOT:-0}
seconds=150 # a run that takes longer hangs

# shellcheck source=tests/stress-ng/rows.bash
. "$here/rows.bash"
IFS='|' read -r _ _ where operations options < <(rows | grep "^$name|")
[ -n "${where:-}" ] || { echo "stressors.txt has no row for $name" >&2; exit 2; }
[ "$where" != out ] || { echo "SKIP: $name is left out: $options"; exit 77; }
command -v stress-ng >/dev/null || { echo "SKIP: stress-ng is not installed"; exit 77; }
stress-ng --stressors | tr ' ' '\n' | grep -q -x -e "$name" ||
    { echo "SKIP: $(stress_version) has no stressor $name"; exit 77; }

work=$(mktemp -d "${TMPDIR:-/tmp}/vmt-stress.XXXXXX") || exit 2
export VMT_STRESS_WORK=$work LC_ALL=C TMPDIR=$work
unset LD_PRELOAD "${!VMT_SIZE@}" "${!VMT_SCOPE@}" "${!VMT_WRITES@}" "${!VMT_TRACENAME@}"

# The processes that have the name of this folder in their environment, if only in the path of their trace. This script
# itself got it there only later, so it is not one of them.
left_processes() (
    unset VMT_STRESS_WORK TMPDIR HOME
    grep -l -F -s -e "$work" /proc/[0-9]*/environ | cut -d/ -f3
)

# Ends what a run that hung left behind, and says so. stress-ng does not wait for all that its workers made; what ends
# by itself soon is not left behind.
end_left_processes() {
    local processes round
    local -a left
    for ((round = 0; round < 50; round++)); do
        processes=$(left_processes)
        [ -n "$processes" ] || return 0
        sleep 0.1
    done
    mapfile -t left <<<"$processes"
    kill -KILL "${left[@]}" 2>/dev/null
    echo "left behind: ${left[*]}"
}

trap 'chattr -R -i -a "$work/place" 2>/dev/null; chmod -R u+rwx "$work" 2>/dev/null; rm -rf "$work"' EXIT
trap 'end_left_processes; exit 130' INT
trap 'end_left_processes; exit 143' TERM HUP

as_user=()
if [ "$(id -u)" -eq 0 ] && [ "$as_root" != 1 ]; then
    command -v setpriv >/dev/null || { echo "SKIP: setpriv (util-linux) is not installed"; exit 77; }
    as_user=(setpriv --reuid=65534 --regid=65534 --clear-groups --)
    # The build may lie where nobody may not look.
    if [ "$all_native" != 1 ]; then
        library=${VMT_LIBRARY:-$(dirname "$vmtrace")/../lib/libvmt.so.0}
        cp -L "$vmtrace" "$work/vmtrace" && cp -L "$library" "$work/libvmt.so.0" || exit 2
        vmtrace=$work/vmtrace
    fi
    chown 65534:65534 "$work" || exit 2
    export HOME=$work
fi

# ------------------------------------------------------------------------------------------- one run

# verdict OUTPUT STATUS: in a word or two what the run came to.
verdict() {
    if grep -q -a -E 'No stress workers invoked|skipping stress|will be skipped|skipping this' "$1"; then
        echo skipped
    else
        case $2 in
        0) echo passed ;;
        2) echo failed ;;
        3) echo 'no resources' ;;
        124) echo 'no end' ;;
        *) echo "status $2" ;;
        esac
    fi
}

# run MODE WINDOW: MODE is native or traced. Leaves in $work/MODE.WINDOW.said what was said, with numbers, times and
# repetitions taken out; in .verdict the verdict, and in .status the exit status.
run() {
    local place=$work/place file=$work/$1.$2 tracer=() status done_operations reached
    local limits=(--"$name" 1)
    [ "$operations" = - ] || limits+=(--"$name"-ops "$operations")
    [ "$1" = native ] || [ "$all_native" = 1 ] ||
        tracer=("$vmtrace" run -q --follow -n "$2" -o "$work/traces/trace" --)
    rm -rf "$work/traces"
    "${as_user[@]}" mkdir -p "$place" "$work/traces"
    (
        cd "$place" || exit 2
        # The same numbers each time; --verify checks them. $options are words.
        # shellcheck disable=SC2086
        exec timeout -k 5 $seconds "${as_user[@]}" "${tracer[@]}" stress-ng "${limits[@]}" \
            --temp-path . --no-rand-seed --verify --metrics --verbose --timeout 140 $options
    ) >"$file.output" 2>&1 </dev/null &
    wait $! # a signal to this script does not wait for the run
    status=$?
    end_left_processes >"$file.left"
    chattr -R -i -a "$place" 2>/dev/null
    chmod -R u+rwx "$place" 2>/dev/null
    rm -rf "$place"

    done_operations=$(awk -v name="$name" '$2 == "metrc:" && $4 == name && $5 ~ /^[0-9]+$/ { print $5; exit }' \
        "$file.output")
    reached=-
    if [ "$operations" != - ] && [ -n "$done_operations" ]; then
        reached=$([ "$done_operations" -ge "$operations" ] && echo all || echo "fewer")
    fi
    verdict "$file.output" "$status" >"$file.verdict"
    echo "$status" >"$file.status"
    {
        echo "status $status: $(cat "$file.verdict"), operations done: $reached"
        # Lines of the run itself, numbers aside, once each. What resched and syscall measured, and whether the SIGKILL
        # of shm ("OOM") and sigq comes before their children's end, is up to the scheduler; the number of dentries is
        # that of the whole system.
        grep -a '^stress-ng: ' "$file.output" |
            grep -a -v -E ': metrc:|invoked with|run completed in|resched: prio|shm: (OOM|assuming)|dentry: [0-9]+ dentries' |
            grep -a -v -E 'sigq: (child got|exited on)|info: +(\[[0-9]+\] +)?syscall: +[a-z_0-9]+ +[0-9]' |
            sed -E 's/ \[[0-9]+\]//; s/[0-9]+(\.[0-9]+)?/N/g; s/ +/ /g' | sort -u
        [ ! -s "$file.left" ] || echo "processes left behind"
    } >"$file.said"
}

# touches FILE: of a complete trace; nothing if it is not that.
touches() {
    "$vmtrace" report --json "$1" 2>/dev/null | tr -d ' \t\n' | grep -F '"complete":true' |
        sed -n -E 's/.*"touches":([0-9]+).*/\1/p'
}

# ------------------------------------------------------------------------------------------- native against traced

failed=0
verdicts=
run native 0
native=$(cat "$work/native.0.verdict")

for window in "${windows[@]}"; do
    run traced "$window"
    verdicts+="|$(cat "$work/traced.$window.verdict")"
    if ! diff -a -u "$work/native.0.said" "$work/traced.$window.said" >"$work/difference"; then
        echo "FAIL: $name at $window pages differs from the native run"
        head -n 40 "$work/difference"
        failed=1
        verdicts+=" (differs)"
    fi
    if [ "$all_native" = 1 ] || [ "$native" != passed ]; then
        continue
    fi
    # The main process has a trace, and each process that it made another. Those of processes that were killed are not
    # complete; the worker's is.
    complete=0
    cut=0
    all_touches=0
    for trace in "$work"/traces/*; do
        [ -e "$trace" ] || continue
        n=$(touches "$trace")
        if [ -n "$n" ]; then
            complete=$((complete + 1))
            all_touches=$((all_touches + n))
        else
            cut=$((cut + 1))
        fi
    done
    echo "$name at $window pages: $complete complete traces and $cut cut ones, $all_touches touches"
    [ "$complete" -ge 2 ] || {
        echo "FAIL: $name at $window pages: no worker was traced to its end"
        failed=1
    }
done

case $native in
passed | skipped | 'no resources') ;;
*)
    echo "FAIL: $name does not pass natively"
    tail -n 5 "$work/native.0.output"
    failed=1
    ;;
esac

why=$(grep -a -h -E 'will be skipped|skipping|insufficient|out of system resources|permission|finished prematurely' "$work/native.0.output" |
    sed -E 's/^stress-ng: [a-z]+: *(\[[0-9]+\])? *//; s/process \[[0-9]+\]/process/' | tr '|' / | head -n 1)
[ -z "$results" ] || printf '%s|%s%s|%s\n' "$name" "$native" "$verdicts" "$why" >>"$results"

[ $failed -eq 0 ] || exit 1
[ "$native" != skipped ] || { echo "SKIP: stress-ng skips $name here, natively and traced: $why"; exit 77; }
echo "same: $name, $(head -n 1 "$work/native.0.said")"
