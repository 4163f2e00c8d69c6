#!/bin/sh
# SPDX-License-Identifier: MIT
#
# From a clean checkout to a build, a demonstration or the tests. ./bootstrap.sh --help says more.
set -eu

usage() {
    cat <<'END'
usage: ./bootstrap.sh COMMAND

  demo    installs what is missing, builds, and shows a budget held, a budget broken, and a trace of sqlite3
  test    installs what is missing, builds with gcc, clang and UBSan, and runs every test through CTest
  build   installs what is missing and builds in build/
  deps    installs what is missing

Packages come from apt-get (Debian, Ubuntu); as an ordinary user through sudo. Nothing outside of build/ is written
but for them. Runs from any folder.
END
}

# Each word is a package; with a|b the first that the system knows is taken.
packages_to_build="build-essential cmake ninja-build pkg-config git ca-certificates libcmocka-dev uthash-dev
    libxxhash-dev libjansson-dev libdw-dev"
packages_to_demo="sqlite3"
packages_to_test="clang libclang-rt-dev|libclang-rt-14-dev|libclang-common-14-dev llvm valgrind sqlite3 jq
    xz-utils gzip perl mawk|gawk|original-awk python3 bash coreutils diffutils
    grep sed findutils patch bc dc ed m4 gawk groff-base parallel ripgrep bzip2 pigz pbzip2 lbzip2 plzip zstd lz4 tar
    cpio zip unzip openssl make flex bison binutils gdb tcl lua5.4 ruby php-cli dash busybox vim-tiny
    libpython3-testsuite|libpython3.11-testsuite|libpython3.12-testsuite|libpython3.13-testsuite|libpython3.10-testsuite
    sbcl redis-server memcached netcat-openbsd socat curl wget rsync
    libgtest-dev catch2 check libcriterion-dev|check libxml2-utils
    doxygen mandoc strace ltrace uftrace libsigsegv-dev file stress-ng
    libjemalloc2 libmimalloc2.0|libmimalloc2.1|libmimalloc3 libtcmalloc-minimal4|libtcmalloc-minimal4t64
    gcovr shellcheck lintian clang-format pre-commit meson musl-tools gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
# Ubuntu has no such packages; without them the tests of the report's page and plot are skipped, or do less.
packages_to_test_more="chromium chromium-driver gnuplot-nox"

say() {
    printf '== %s\n' "$*"
}

die() {
    printf 'bootstrap.sh: %s\n' "$*" >&2
    exit 1
}

installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# missing WORDS...: those of which no alternative is installed.
missing() {
    for word in "$@"; do
        found=no
        for package in $(printf '%s' "$word" | tr '|' ' '); do
            if installed "$package"; then
                found=yes
                break
            fi
        done
        [ $found = yes ] || printf '%s ' "$word"
    done
}

# known WORDS...: for each, the first alternative that can be installed; the word's first if none can.
known() {
    for word in "$@"; do
        alternatives=$(printf '%s' "$word" | tr '|' ' ')
        take=${word%%|*}
        for package in $alternatives; do
            if apt-cache show "$package" >/dev/null 2>&1; then
                take=$package
                break
            fi
        done
        printf '%s ' "$take"
    done
}

# deps WORDS...: installs the packages that are not installed. Words are split on purpose throughout.
# shellcheck disable=SC2086,SC2046
deps() {
    if ! command -v dpkg-query >/dev/null 2>&1; then
        say "no dpkg here; what Debian calls $* must be installed by other means"
        return 0
    fi
    absent=$(missing "$@")
    [ -n "$absent" ] || return 0
    if [ "$(id -u)" -eq 0 ]; then
        as_root=
    elif command -v sudo >/dev/null 2>&1; then
        as_root=sudo
    else
        die "packages are missing, and there is neither root nor sudo to install them. Have this done as root:
    apt-get install $(known $absent)"
    fi
    command -v apt-get >/dev/null 2>&1 || die "these packages are missing, and there is no apt-get: $absent"

    say "refreshing the lists of packages, because some are missing"
    $as_root apt-get -qq -o DPkg::Lock::Timeout=300 update ||
        say "apt-get update failed; going on with the lists that are there"
    names=$(known $absent)
    say "installing: $names"
    # What it prints is long and says nothing where it succeeds; errors go to the error stream.
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 \
        install -y --no-install-recommends $names >/dev/null ||
        die "apt-get could not install: $names
The message above says why. Without a network, install them by other means and run this again."
}

# wish PACKAGES...: those that the system offers, if this user may install any.
wish() {
    [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null 2>&1 || return 0
    offered=
    for package in "$@"; do
        if apt-cache show "$package" >/dev/null 2>&1; then
            offered="$offered $package"
        fi
    done
    # shellcheck disable=SC2086
    deps $offered
}

# configure FOLDER OPTIONS...: as the preset of that name in CMakePresets.json, which CMake older than 3.25 cannot
# read. Ninja if it is there, make if not; a build keeps what it has.
configure() {
    if [ -z "${CMAKE_GENERATOR:-}" ] && command -v ninja >/dev/null 2>&1; then
        CMAKE_GENERATOR=Ninja
        export CMAKE_GENERATOR
    fi
    folder=$1
    shift
    log=$logs/$(basename "$folder").configure.log
    cmake -S . -B "$folder" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DVMT_WERROR=ON "$@" >"$log" 2>&1 || {
        cat "$log" >&2
        die "configuring $folder failed"
    }
}

processors() {
    getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2
}

build() {
    say "building with gcc in build/"
    configure build -DCMAKE_C_COMPILER=gcc -DCMAKE_CXX_COMPILER=g++
    cmake --build build -j "$(processors)"
}

run_tests() {
    say "building with clang in build/clang-werror/"
    configure build/clang-werror -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++
    cmake --build build/clang-werror -j "$(processors)"

    say "building with UBSan in build/ubsan/, and running the unit tests there"
    configure build/ubsan -DCMAKE_C_COMPILER=gcc -DCMAKE_CXX_COMPILER=g++ -DVMT_SANITIZE=undefined
    cmake --build build/ubsan -j "$(processors)" --target unit_tests
    UBSAN_OPTIONS=print_stacktrace=1 ctest --test-dir build/ubsan --output-on-failure --no-tests=error -j2 -L '^unit$'

    say "running the tests"
    ctest --test-dir build --output-on-failure --no-tests=error -j2 -LE full
}

case ${1:-} in
demo | test | build | deps) [ $# -eq 1 ] || { usage >&2; exit 2; } ;;
-h | --help | help) usage; exit 0 ;;
*) usage >&2; exit 2 ;;
esac

cd "$(dirname "$0")"
logs=build/logs
case $1 in
deps) ;;
*)
    mkdir -p "$logs" 2>/dev/null || true
    if [ ! -w build ] || [ ! -w "$logs" ]; then
        die "build/ cannot be written to by $(id -un); if another user made it, remove it first"
    fi
    ;;
esac

# shellcheck disable=SC2086
case $1 in
deps)
    deps $packages_to_build $packages_to_demo $packages_to_test
    wish $packages_to_test_more
    ;;
build)
    deps $packages_to_build
    build
    ;;
demo)
    deps $packages_to_build $packages_to_demo
    build
    examples/demo.sh "$PWD/build"
    ;;
test)
    deps $packages_to_build $packages_to_test
    wish $packages_to_test_more
    build
    run_tests
    ;;
esac
