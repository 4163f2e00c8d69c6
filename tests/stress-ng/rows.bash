# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What the scripts of this folder share; sourced with the folder in $here.
# shellcheck disable=SC2154

# rows: the rows of stressors.txt, without blanks around the fields.
rows() {
    sed -e '/^#/d' -e 's/ *| */|/g' -e 's/ *$//' "$here/stressors.txt"
}

stress_version() {
    stress-ng --version | sed -E 's/^(stress-ng), version ([0-9.]+).*/\1 \2/'
}

# classes: NAME|CLASS,CLASS... of each stressor of this stress-ng in the classes looked at.
classes() {
    local class
    for class in memory vm pipe filesystem scheduler interrupt os network; do
        stress-ng --class "$class?" 2>&1 | sed -n "s/^class '.*' stressors: //p" | tr ' ' '\n' | sed "s/\$/|$class/"
    done | awk -F'|' '$1 { of[$1] = of[$1] (of[$1] ? "," : "") $2 } END { for (s in of) print s "|" of[s] }' | LC_ALL=C sort -t'|' -k1,1
}
