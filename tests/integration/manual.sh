#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# manual.sh BUILD: groff and mandoc find nothing wrong with the manual pages, each page says every word of its --help,
# the command has a page for each of its commands, and the example of vmt(3) is a program whose budget holds.
set -euo pipefail

build=$1
source=$(cd "$(dirname "$0")/../.." && pwd)
folder=$(mktemp -d "${TMPDIR:-/tmp}/vmt-manual.XXXXXX")
trap 'rm -rf "$folder"' EXIT
export LC_ALL=C.UTF-8
command -v groff >/dev/null || { echo "SKIP: groff is not installed"; exit 77; }

fail() {
    echo "FAIL: $*"
    exit 1
}

# words: one a line, without what a page sets in its own way (spaces, the heading, and how a term is divided).
words() {
    tr -s ' \n' '\n\n' | grep .
}

commands=$("$VMTRACE" --help | sed -n '/^COMMANDS/,/^OPTIONS/s/^    \([a-z][a-z]*\) .*/\1/p')
[ "$(echo "$commands" | wc -w)" -ge 7 ] || fail "the command names too few commands: $commands"
pages=$build/man/vmt.3
for command in '' $commands; do
    name=vmtrace${command:+-$command}
    page=$build/man/$name.1
    [ -f "$page" ] || fail "there is no manual page $name(1)"
    pages+=" $page"
    # shellcheck disable=SC2086
    "$VMTRACE" $command --help | sed "s/^    vmtrace $command - /    $name - /" | words | sort >"$folder/help"
    groff -man -Tutf8 -P-cbou -rLL=1000n -rHY=0 "$page" | sed -e '1d' -e '/^SEE ALSO/,$d' |
        sed 's/\xe2\x80\x90/-/g' | words | sort >"$folder/page"
    diff "$folder/help" "$folder/page" || fail "< is in --help alone, > in $name(1)"
done

for page in $pages; do
    groff -ww -man -Tutf8 -z "$page" 2>"$folder/warnings" || fail "groff refuses $page"
    [ ! -s "$folder/warnings" ] || { cat "$folder/warnings"; fail "groff warns of $page"; }
    if command -v mandoc >/dev/null; then
        mandoc -Tlint -Wwarning "$page" || fail "mandoc warns of $page"
    fi
done

groff -man -Tutf8 -P-cbou -rHY=0 "$build/man/vmt.3" | sed -n '/^EXAMPLES/,/^SEE ALSO/{/^[A-Z]/!p}' >"$folder/example.c"
grep -q 'vmt_begin(NULL)' "$folder/example.c" || fail "vmt(3) has no example"
"${CC:-cc}" -std=c11 -Wall -Wextra -Werror -I"$source/include" "$folder/example.c" -o "$folder/example" "$VMT_LIBRARY"
LD_LIBRARY_PATH=$(dirname "$VMT_LIBRARY") "$folder/example" >"$folder/out" ||
    { cat "$folder/out"; fail "its budget is broken"; }
# What it names is what there is.
for name in $(grep -o 'vmt_[a-z_]*\b' "$build/man/vmt.3" | sort -u); do
    grep -q "\\b$name" "$source"/include/vmt/*.h || fail "vmt(3) names $name, which is in no header"
done
for variable in $(grep -o '\bVMT_[A-Z_]*\b' "$build/man/vmt.3" | sort -u); do
    grep -q "\"$variable\"" "$source"/harness/*.c || grep -q "\\b$variable\\b" "$source/include/vmt/vmt.h" ||
        fail "vmt(3) names $variable, which nothing reads"
done
