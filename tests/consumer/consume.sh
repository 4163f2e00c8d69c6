#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# consume.sh WAY CC CXX BUILD: another project configures, builds and runs its tests, with VMTRACE in this WAY: package
# and pkgconfig take what BUILD installs, moved elsewhere after that; make and meson do so without CMake; fetch and
# subdirectory take the sources. All in folders with blanks in their names.
set -euo pipefail

way=$1 cc=$2 cxx=$3 build=$4
source=$(cd "$(dirname "$0")/../.." && pwd)
unset "${!VMT_@}" LD_PRELOAD LD_LIBRARY_PATH CFLAGS CXXFLAGS LDFLAGS DESTDIR MAKEFLAGS
for tool in "$cc" "$cxx" pkg-config; do
    command -v "$tool" >/dev/null || { echo "SKIP: $tool is not installed"; exit 77; }
done

folder=$(mktemp -d "${TMPDIR:-/tmp}/vmt consumer.XXXXXX")
trap 'rm -rf "$folder"' EXIT
trap 'exit 143' TERM HUP INT

# quietly COMMAND...: its output only if it fails.
quietly() {
    "$@" >"$folder/log" 2>&1 || { cat "$folder/log"; echo "FAIL: $*"; exit 1; }
}

# Installed in one place, moved to another: nothing in it may know the first.
install_and_move() {
    # As `cmake --install`, but for the list of what was installed, which is the build's own.
    sed "s|^file(WRITE \"$build/|file(WRITE \"$folder/|" "$build/cmake_install.cmake" >"$folder/install.cmake"
    quietly cmake -DCMAKE_INSTALL_PREFIX="$folder/first" -P "$folder/install.cmake"
    mv "$folder/first" "$folder/the prefix"
    ! grep -rlF -e "$folder/first" -e "$build" "$folder/the prefix" --include='*.cmake' --include='*.pc' ||
        { echo "FAIL: what is installed names the folder of the build, or the one that it was installed in"; exit 1; }
    libraries=("$folder/the prefix"/lib*/pkgconfig "$folder/the prefix"/lib/*/pkgconfig)
    for pkgconfig in "${libraries[@]}"; do
        [ ! -d "$pkgconfig" ] || export PKG_CONFIG_PATH="$pkgconfig"
    done
}

# Only what a project that takes VMTRACE in needs: neither tests nor examples.
copy_sources() {
    mkdir "$folder/the sources"
    cp -R "$source"/{CMakeLists.txt,LICENSE,README.md,cmake,include,harness,catcher} "$folder/the sources"
}

build_and_test() {
    generator=()
    command -v ninja >/dev/null && generator=(-G Ninja)
    quietly cmake -S "$source/tests/consumer" -B "$folder/the build" "${generator[@]}" -DWAY="$way" \
        -DCMAKE_BUILD_TYPE=Debug \
        -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_PREFIX_PATH="$folder/the prefix" \
        -DVMT_SOURCE="$folder/the sources"
    quietly cmake --build "$folder/the build"
    quietly ctest --test-dir "$folder/the build" --output-on-failure --no-tests=error
    grep '^100% tests passed' "$folder/log"
    quietly cmake --install "$folder/the build" --prefix "$folder/installed"
    files=$(cd "$folder/installed" && find . -type f)
    [ "$files" = ./share/consumer/budget_test.c ] ||
        { echo "FAIL: the consumer installs files that are not its own:"; echo "$files"; exit 1; }
}

# make PACKAGES: with the library that these pkg-config modules name.
with_make() {
    mkdir "$folder/the make"
    cp "$source"/tests/consumer/{Makefile,budget_test.c} "$folder/the make"
    quietly make -C "$folder/the make" CC="$cc" packages="$1"
    library_path=$(pkg-config --variable=libdir vmt | tr -d '\\') # before a blank is one, as make's shell wants it
    quietly env LD_LIBRARY_PATH="$library_path" "$folder/the make/held"
    if LD_LIBRARY_PATH="$library_path" "$folder/the make/broken" >"$folder/log" 2>&1 ||
        ! grep -q 'touched 40 pages, budget 39 pages: 1 over' "$folder/log"; then
        cat "$folder/log"
        echo "FAIL: the budget of 39 pages was to be broken"
        exit 1
    fi
    ldd "$folder/the make/held" >"$folder/ldd"
    rm -r "$folder/the make"
}

with_meson() {
    command -v meson >/dev/null || { echo "SKIP: meson is not installed"; exit 77; }
    mkdir "$folder/the meson"
    cp "$source"/tests/consumer/{meson.build,budget_test.c} "$folder/the meson"
    quietly env CC="$cc" meson setup "$folder/the build" "$folder/the meson"
    quietly meson compile -C "$folder/the build"
    quietly meson test -C "$folder/the build" --print-errorlogs
    for result in 'Ok: *2' 'Expected Fail: *2' 'Skipped: *0'; do
        grep -q "^$result *$" "$folder/log" || { cat "$folder/log"; echo "FAIL: no line '$result'"; exit 1; }
    done
}

case $way in
package | pkgconfig)
    install_and_move
    build_and_test
    ;;
fetch | subdirectory)
    copy_sources
    build_and_test
    ;;
make)
    install_and_move
    with_make vmt-cmocka
    grep -q libvmt "$folder/ldd" || { echo "FAIL: vmt-cmocka does not link with the shared library"; exit 1; }
    with_make "vmt-static cmocka"
    ! grep libvmt "$folder/ldd" || { echo "FAIL: vmt-static links with the shared library"; exit 1; }
    quietly pkg-config --exact-version="$(sed -n 's/^set(PACKAGE_VERSION "\(.*\)")/\1/p' \
        "$folder/the prefix"/lib*/{,*/}cmake/vmt/vmt-config-version.cmake 2>/dev/null)" vmt
    ;;
meson)
    install_and_move
    with_meson
    ;;
*)
    echo "consume.sh: '$way' is not package, pkgconfig, make, meson, fetch or subdirectory" >&2
    exit 2
    ;;
esac
