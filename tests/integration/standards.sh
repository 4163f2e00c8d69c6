#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# standards.sh HEADERS: the public headers compile in each standard of C from C99 and of C++ from C++11, with gcc and
# with clang, where a project has more warnings on than ours, as errors. C90 is refused in a sentence.
set -euo pipefail

headers=$1
export LC_ALL=C
folder=$(mktemp -d "${TMPDIR:-/tmp}/vmt-standards.XXXXXX")
trap 'rm -rf "$folder"' EXIT
failed=0 compiled=0

# One source for both languages.
cat >"$folder/test.c" <<'END'
#include <vmt/main.h>
#ifdef __cplusplus
#include <vmt/vmt.hpp>
#endif

int main(void)
{
    vmt_report *report;
    vmt_begin_or_skip(NULL);
    vmt_end_or_fail(&report);
    vmt_assert_pages_at_most(report, 10);
    vmt_assert_label_at_most(report, "label", 10);
    vmt_assert_memory_for_at_most(report, 1, 10);
    vmt_assert_baseline(report, "name");
    vmt_assert_budgets(report);
    VMT_EXPECT(working_set_at_most, report, 64, 10);
    vmt_report_free(report);
    return vmt_main_status();
}
END

warnings="-Wall -Wextra -pedantic -Wshadow -Wconversion -Wsign-conversion -Wcast-qual -Wundef -Wunused-macros
    -Wredundant-decls -Wformat=2 -Wmissing-declarations -Wswitch-default -Wswitch-enum -Wvla -Wdouble-promotion -Werror"
c_warnings="-Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wold-style-definition"
cxx_warnings="-Wnon-virtual-dtor -Woverloaded-virtual -Wextra-semi"

# compiles COMPILER LANGUAGE STANDARD MORE_WARNINGS
# shellcheck disable=SC2086
compiles() {
    # A compiler that is older than the standard is no failure of ours.
    echo 'int main(void) { return 0; }' >"$folder/empty.c"
    "$1" -x "$2" -std="$3" -fsyntax-only "$folder/empty.c" 2>/dev/null || return 0
    compiled=$((compiled + 1))
    "$1" -x "$2" -std="$3" $warnings $4 -I"$headers" -fsyntax-only "$folder/test.c" >"$folder/log" 2>&1 ||
        { echo "FAIL: $1 -std=$3"; cat "$folder/log"; failed=1; }
}

for compiler in gcc clang; do
    command -v "$compiler" >/dev/null || continue
    for standard in c99 gnu99 c11 c17 c2x gnu2x; do
        compiles "$compiler" c "$standard" "$c_warnings"
    done
    for standard in c90 gnu90; do
        if "$compiler" -std="$standard" -I"$headers" -fsyntax-only "$folder/test.c" >"$folder/log" 2>&1 ||
            ! grep -m 1 'error:' "$folder/log" | grep -q 'need C99 or newer: .*-std=gnu99'; then
            echo "FAIL: $compiler -std=$standard is not refused with the reason first"
            cat "$folder/log"
            failed=1
        fi
    done
    # The driver for C parses C++ as well; whether the library's headers are there, it says itself.
    echo '#include <new>' >"$folder/new.c"
    "$compiler" -x c++ -fsyntax-only "$folder/new.c" 2>/dev/null || continue
    for standard in c++11 c++14 c++17 c++20 c++2b; do
        compiles "$compiler" c++ "$standard" "$cxx_warnings"
    done
done

[ "$compiled" -gt 0 ] || { echo "SKIP: neither gcc nor clang is installed"; exit 77; }
exit $failed
