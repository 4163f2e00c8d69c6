# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# For readme.sh and guide.sh, which set `build` before: what documents show, as files and commands. The folder
# `checkout` below $folder stands for a checkout in which a reader tries the commands, and what they leave behind is
# gone afterwards.
source=$(cd "$(dirname "$0")/../.." && pwd)
name=$(basename "$0")
folder=$(mktemp -d "${TMPDIR:-/tmp}/vmt-document.XXXXXX")
trap 'rm -rf "$folder"' EXIT

fail() {
    printf '%s: %s\n' "$name" "$*" >&2
    exit 1
}

# block DOCUMENT LANGUAGE PATTERN: the text between the first ```LANGUAGE and ``` after a line with PATTERN.
block() {
    awk -v language="$2" -v pattern="$3" '
        index($0, pattern) { armed = 1 }
        inside && /^```$/ { exit }
        inside { print }
        armed && $0 == "```" language { inside = 1 }' "$source/$1"
}

# commands DOCUMENT [SECTION]: all blocks that are marked sh, but for those of the section.
commands() {
    awk -v without="## ${2:-}" '
        inside && /^```$/ { inside = 0; next }
        inside { print; next }
        /^```/ { code = !code }
        !code && /^## / { skip = $0 == without }
        $0 == "```sh" && !skip { inside = 1; code = 0 }' "$source/$1"
}

# try DOCUMENT COMMANDS OUTPUT: runs the file of commands in the checkout.
try() {
    command -v sqlite3 >/dev/null || { echo "SKIP: sqlite3 is not installed"; exit 77; }
    mkdir -p "$folder/checkout" "$folder/baselines"
    # shellcheck disable=SC2154 # build: of the script that sources this
    ln -s "$source/examples" "$source/README.md" "$build" "$folder/checkout"
    [ "$(basename "$build")" = build ] || ln -s "$build" "$folder/checkout/build"
    cp "$source/examples/baseline/baselines/lookups.vmtb" "$folder/baselines"
    (
        cd "$folder/checkout"
        PATH=$build/bin:$PATH VMT_BASELINE_DIR=$folder/baselines
        export PATH VMT_BASELINE_DIR
        unset CI
        exec sh -eux "$2" >"$3" 2>"$folder/errors"
    ) || { tail -n 20 "$folder/errors"; fail "a command of $1 failed"; }
    # What is recorded with another allocator goes behind the example's own section.
    sed '/^\[allocator=jemalloc /,$d' "$folder/baselines/lookups.vmtb" >"$folder/figures"
    diff -uB "$source/examples/baseline/baselines/lookups.vmtb" "$folder/figures" ||
        fail "the example's figures are others here"
}

# project TEST: what is installed, and a folder `project` with a test that takes it, named TEST.
project() {
    for tool in cmake ctest; do
        command -v $tool >/dev/null || { echo "SKIP: $tool is not installed"; exit 77; }
    done
    mkdir "$folder/project"
    # As `cmake --install`, but for the list of what was installed, which is the build's own.
    sed "s|^file(WRITE \"$build/|file(WRITE \"$folder/|" "$build/cmake_install.cmake" >"$folder/install.cmake"
    cmake -DCMAKE_INSTALL_PREFIX="$folder/installed" -P "$folder/install.cmake" >"$folder/log" 2>&1 ||
        { cat "$folder/log"; fail "VMTRACE cannot be installed"; }
    sed s/BUDGET_PAGES/40/ "$source/tests/consumer/budget_test.c" >"$folder/project/$1"
}

# try_project COMMANDS: runs the file of commands in that folder, with VMTRACE as if it were installed on the system.
try_project() {
    (cd "$folder/project" && CMAKE_PREFIX_PATH=$folder/installed && export CMAKE_PREFIX_PATH &&
        unset CI VMT_SKIP_STATUS && sh -eu "$1" >"$folder/log" 2>&1) ||
        { cat "$folder/log"; fail "the project that it shows cannot be built and tested"; }
}
