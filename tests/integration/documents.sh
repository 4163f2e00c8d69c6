#!/bin/sh
# SPDX-License-Identifier: MIT
#
# documents.sh: the documents name what there is. Every variable and option that they name is read by something, their
# links lead somewhere, and the parts in ARCHITECTURE.md are the project's files, all of them.
set -eu

cd "$(dirname "$0")/../.."
documents="README.md ARCHITECTURE.md CHANGELOG.md CONTRIBUTING.md doc/guide.md"
failed=0

fail() {
    echo "FAIL: $*"
    failed=1
}

# (Outcomes have such names too, and are of the header.)
# shellcheck disable=SC2086
for variable in $(grep -o -h '`VMT_[A-Z_]*[`=]' $documents | tr -d '`=' | sort -u); do
    grep -q "\"$variable\"" harness/*.c catcher/*.c include/vmt/*.h ||
        grep -q "^    $variable = [0-9]" include/vmt/vmt.h ||
        fail "$variable is named, which nothing reads"
done
# shellcheck disable=SC2086
for option in $(grep -o -h -e '-DVMT_[A-Z_]*' $documents | sed 's/-D//' | sort -u); do
    grep -q -E "(option|set)\($option " CMakeLists.txt cmake/*.cmake || fail "-D$option is named, which is no option"
done

for document in $documents; do
    for link in $(grep -o '](\([^)h][^)]*\|h[^t)][^)]*\))' "$document" | sed 's/^](\(.*\))$/\1/'); do
        file=${link%%#*}
        file=${file:+$(dirname "$document")/$file}
        [ -e "${file:-$document}" ] || fail "$document links to $link, which is not there"
        case $link in
        *#*) # as GitHub names headings
            grep '^#' "${file:-$document}" | sed 's/^#* //' | tr 'A-Z ' 'a-z-' | tr -d '`,.:?' |
                grep -q -x -e "${link#*#}" ||
                fail "$document links to $link, and there is no such heading" ;;
        esac
    done
done

parts=$(sed -n '/^## Parts/,/^## Why/p' ARCHITECTURE.md |
    sed -n 's/^| \(`[^|]*\) |.*/\1/p' | tr ',; ' '\n\n\n' | tr -d '`')
[ -n "$parts" ] || fail "ARCHITECTURE.md has no parts"
set -f
for file in $(set +f; ls harness/*.c harness/*.def catcher/*.c); do
    named=no
    for part in $parts; do
        # shellcheck disable=SC2254
        case ${file##*/} in
        ${part##*/}) named=yes ;;
        esac
    done
    [ $named = yes ] || fail "$file is not among the parts in ARCHITECTURE.md"
done
set +f
for part in $parts; do
    case $part in
    *.c | *.h | *.hpp | *.def | *.cmake | */)
        found=no
        for folder in . harness catcher include include/vmt cmake; do
            for file in $folder/$part; do
                [ ! -e "$file" ] || found=yes
            done
        done
        [ $found = yes ] || fail "ARCHITECTURE.md has a part $part, which is not there" ;;
    esac
done
exit $failed
