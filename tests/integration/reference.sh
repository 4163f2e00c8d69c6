#!/bin/sh
# SPDX-License-Identifier: MIT
#
# reference.sh BUILD: Doxygen makes the reference of the public headers without a warning, which means that each
# function and field has words of its own or of its neighbours, and that no name in them is one that there is not.
set -eu

build=$1
command -v doxygen >/dev/null || { echo "SKIP: doxygen is not installed"; exit 77; }
folder=$(mktemp -d "${TMPDIR:-/tmp}/vmt-reference.XXXXXX")
trap 'rm -rf "$folder"' EXIT

sed "s,\"$build/reference,\"$folder," "$build/reference/Doxyfile" >"$folder/Doxyfile"
doxygen "$folder/Doxyfile"
[ ! -s "$folder/warnings" ] || { cat "$folder/warnings"; echo "FAIL: Doxygen warns"; exit 1; }
# The words are there, and those of a comment for several functions are at each.
for words in '-EBUSY another thread has a region open' 'all malloc.d memory, whenever it was allocated'; do
    grep -q -e "$words" "$folder/html/vmt_8h.html" || { echo "FAIL: the reference lacks: $words"; exit 1; }
done
[ "$(grep -c 'Each stores the locality of' "$folder/html/vmt_8h.html")" -ge 5 ] ||
    { echo "FAIL: only one function of several has their comment"; exit 1; }
