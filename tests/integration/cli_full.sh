#!/bin/bash
# SPDX-License-Identifier: MIT
#
# cli_full.sh PROGRAMS: `vmtrace run` where the disk is full. PROGRAMS is the folder with sweep and processes.
# The full disk is a tmpfs of a mount namespace of this script's own.
set -u
programs=$(cd "$1" && pwd) || exit 2
if [ -z "${VMT_IN_NAMESPACE-}" ]; then
    if ! unshare -Urm sh -c 'd=$(mktemp -d) && mount -t tmpfs -o size=4k none "$d" && umount "$d" && rmdir "$d"' 2>/dev/null
    then
        echo "SKIP: unshare -Urm or a mount of a tmpfs in it is not allowed here"
        exit 77
    fi
    VMT_IN_NAMESPACE=1 exec unshare -Urm "$0" "$@"
fi
unset VMT_IN_NAMESPACE
# shellcheck source=tests/integration/command.bash
. "$(dirname "${BASH_SOURCE[0]}")/command.bash"
mkdir disk
trap 'umount "$work/disk" 2>/dev/null; rm -rf "$work"' EXIT

# on SIZE: a fresh disk of this size.
on() {
    umount disk 2>/dev/null
    mount -t tmpfs -o "size=$1" none disk || exit 2
}

sum='13738241677661187912' # what sweep prints
printf '%s\n' $sum >expected
# The header and nothing else; one block of records, and not the second; two.
for size in 4k 68k 72k 100k 132k; do
    what="a disk of $size"
    on $size
    run "$vmtrace" run -n 8 -o disk/t -- "$programs/sweep" 3000 30 facts
    status 3 # its own failure comes first
    same expected
    says "$work/disk/t could not be written to its end: No space left on device"
    says 'not complete'
    json disk/t "not r['complete'] and r['end'] == 'unwritten' and r['end_code'] < 0"
    json disk/t "'No space left on device' in r['incomplete_reason']"
done

what='a program that succeeds'
on 4k
run "$vmtrace" run -n 8 -q -o disk/t -- "$programs/processes" kilobytes 30000
status 125
echo 'done' >expected
same expected
says "$work/disk/t could not be written to its end: No space left on device"
what='no room for the beginning'
on 4k
head -c 4096 /dev/zero >disk/zeroes
run "$vmtrace" run -o disk/t -- echo not run
status 125
says 'No space left on device'
[ ! -s out ] || fail "$what: the program was run all the same"
what='a signal'
on 4k
run sh -c '"$0" run -n 8 -q -o disk/t -- sh -c "\"\$0\" kilobytes 30000; kill -KILL \$\$" "$1"; exit $?' "$vmtrace" "$programs/processes"
status 137
what='a further trace'
on 8k
run "$vmtrace" run -n 8 -q --follow -o disk/t -- sh -c '"$0" kilobytes 30000; true' "$programs/processes"
status 125
says "$work/disk/t.PID could not be written"
what='room enough'
on 1m
run "$vmtrace" run -n 8 -q -o disk/t -- "$programs/processes" kilobytes 30000
status 0
silent
json disk/t "r['complete'] and r['touches'] > 5000"

done_checking
