#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# packages.sh contents BUILD: the Debian packages of this build have the files that they are to have, and work where
# they are unpacked. packages.sh release BUILD: those of a release, built anew, pass lintian without an error, can be
# installed into a folder of their own, and leave nothing there when they are removed.
set -euo pipefail

what=$1 build=$2
source=$(cd "$(dirname "$0")/../.." && pwd)
export LC_ALL=C
unset "${!VMT_@}" LD_PRELOAD CFLAGS CXXFLAGS LDFLAGS DESTDIR MAKEFLAGS
for tool in cpack dpkg dpkg-deb dpkg-shlibdeps dpkg-gensymbols file gzip pkg-config; do
    command -v $tool >/dev/null || { echo "SKIP: $tool is not installed"; exit 77; }
done
folder=$(mktemp -d "${TMPDIR:-/tmp}/vmt-packages.XXXXXX")
trap 'rm -rf "$folder"' EXIT
trap 'exit 143' TERM HUP INT

fail() {
    echo "FAIL: $*"
    exit 1
}

# quietly COMMAND...: its output only if it fails.
quietly() {
    "$@" >"$folder/log" 2>&1 || { cat "$folder/log"; fail "$*"; }
}

setting() {
    sed -n "s/^$1:[A-Z]*=//p" "$build/CMakeCache.txt"
}

# expect FILE: equal to standard input.
expect() {
    diff - "$1" || fail "< is expected, > is ($1)"
}

contents() {
    local lib deb part root=$folder/root
    lib=usr/$(setting CMAKE_INSTALL_LIBDIR)
    mkdir "$root"
    for part in dev:libvmt-dev runtime:libvmt0 tools:vmtrace; do
        deb=$(echo "$folder/packages/${part#*:}"_*.deb)
        part=${part%:*}
        [ -f "$deb" ] || fail "there is no package $deb"
        dpkg-deb -c "$deb" | awk '!/^d/ { sub(/^\.\//, "", $6); print $6 }' | sort >"$folder/$part"
        dpkg -x "$deb" "$root"
        dpkg-deb -e "$deb" "$folder/$part.control"
    done
    expect "$folder/runtime" <<END
$lib/libvmt.so.0
$lib/libvmt.so.$version
usr/share/doc/libvmt0/changelog.Debian.gz
usr/share/doc/libvmt0/copyright
END
    { grep -v 'usr/include/\|/cmake/vmt/' "$folder/dev" || true; } >"$folder/dev.some"
    expect "$folder/dev.some" <<END
$lib/libvmt.a
$lib/libvmt.so
$lib/pkgconfig/vmt-cmocka.pc
$lib/pkgconfig/vmt-static.pc
$lib/pkgconfig/vmt.pc
usr/share/doc/libvmt-dev/CHANGELOG.md
usr/share/doc/libvmt-dev/README.md
usr/share/doc/libvmt-dev/changelog.Debian.gz
usr/share/doc/libvmt-dev/copyright
usr/share/doc/libvmt-dev/guide.md
usr/share/man/man3/vmt.3.gz
END
    (cd "$root/usr/include" && find vmt -name '*.h*' | sort) >"$folder/headers"
    (cd "$source/include" && find vmt -name '*.h*' | sort) | expect "$folder/headers"
    { grep -v '/cmake/vmt/' "$folder/tools" || true; } >"$folder/tools.some"
    expect "$folder/tools.some" <<END
usr/bin/vmtrace
usr/share/doc/vmtrace/changelog.Debian.gz
usr/share/doc/vmtrace/copyright
usr/share/man/man1/vmtrace-check.1.gz
usr/share/man/man1/vmtrace-compare.1.gz
usr/share/man/man1/vmtrace-diff.1.gz
usr/share/man/man1/vmtrace-dump.1.gz
usr/share/man/man1/vmtrace-report.1.gz
usr/share/man/man1/vmtrace-run.1.gz
usr/share/man/man1/vmtrace-syscalls.1.gz
usr/share/man/man1/vmtrace.1.gz
END
    for file in vmt-config.cmake vmt-config-version.cmake vmt-shared.cmake vmt-static.cmake; do
        grep -q "/cmake/vmt/$file\$" "$folder/dev" || fail "libvmt-dev has no $file"
    done
    grep -q '/cmake/vmt/vmt-tools.cmake$' "$folder/tools" || fail "vmtrace has no vmt-tools.cmake"

    grep -q '^Depends:.*libc6' "$folder/runtime.control/control" || fail "libvmt0 does not depend on libc6"
    grep -q "^Depends:.*libvmt0 (= $version-1)" "$folder/dev.control/control" ||
        fail "libvmt-dev does not depend on its libvmt0"
    grep -q "^Depends:.*libvmt0 (= $version-1).*libjansson4" "$folder/tools.control/control" ||
        fail "vmtrace does not depend on its libvmt0 and on jansson"
    grep -q '^libvmt 0 libvmt0' "$folder/runtime.control/shlibs" || fail "the shlibs do not name libvmt0"
    grep -q '^ vmt_begin@VMT_0.1 ' "$folder/runtime.control/symbols" || fail "the symbols do not name vmt_begin@VMT_0.1"
    grep -q '^ malloc@Base ' "$folder/runtime.control/symbols" || fail "the symbols do not name malloc@Base"
    grep -q ldconfig "$folder/runtime.control/triggers" || fail "ldconfig is not called"
    gzip -dc "$root/usr/share/doc/libvmt0/changelog.Debian.gz" | head -n 1 | grep -q "^vmtrace ($version-1)" ||
        fail "the changelog does not begin with $version-1"

    # They work where they are unpacked.
    quietly "$root/usr/bin/vmtrace" run -n 64 -- sort "$0"
    grep -q 'vmtrace: footprint [1-9]' "$folder/log" || fail "vmtrace does not trace"
    mkdir "$folder/consumer"
    cp "$source"/tests/consumer/{Makefile,budget_test.c} "$folder/consumer"
    PKG_CONFIG_PATH=$root/$lib/pkgconfig quietly make -C "$folder/consumer" held
    LD_LIBRARY_PATH=$root/$lib quietly "$folder/consumer/held"
}

# Into a folder of its own, with a database of its own; scripts run outside of it, and find no ldconfig that would
# write.
install_and_remove() {
    local root=$folder/installed
    mkdir -p "$root/var/lib/dpkg/updates" "$root/var/lib/dpkg/info" "$folder/bin"
    touch "$root/var/lib/dpkg/status"
    ln -s /bin/true "$folder/bin/ldconfig"
    dpkg=(env "PATH=$folder/bin:$PATH:/usr/sbin:/sbin" dpkg --root="$root" --log=/dev/null
        --force-script-chrootless --force-not-root --force-depends)
    quietly "${dpkg[@]}" -i "$folder"/packages/*.deb
    quietly "$root/usr/bin/vmtrace" --version
    [ "$("${dpkg[@]}" -l | grep -c '^ii.*vmt')" = 3 ] || fail "not all three packages are installed"
    quietly "${dpkg[@]}" --purge vmtrace libvmt-dev libvmt0
    [ -z "$(find "$root" -path "$root/var/lib/dpkg" -prune -o ! -type d -print)" ] || fail "files are left behind"
    [ ! -e "$root/usr" ] || [ -z "$(find "$root/usr" -name '*vmt*')" ] || fail "folders are left behind"
}

case $what in
contents) ;;
release)
    command -v lintian >/dev/null || { echo "SKIP: lintian is not installed"; exit 77; }
    build=$folder/build
    # lintian asks whether the address can be one.
    quietly cmake -S "$source" -B "$build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=/usr \
        -DVMT_BUILD_TESTS=OFF -DVMT_BUILD_EXAMPLES=OFF -DVMT_PACKAGE_CONTACT="A Maintainer <maintainer@debian.org>"
    quietly cmake --build "$build" -j2
    ;;
*)
    echo "packages.sh: '$what' is not contents or release" >&2
    exit 2
    ;;
esac
version=$(setting CMAKE_PROJECT_VERSION)
umask 022
# From a copy of the script that installs, which lists what it installed beside itself and not in the build. For the
# generator Ninja cpack does not build once more before; for make it would, in the folder of the copy.
mkdir "$folder/tree"
sed "s|^file(WRITE \"$build/|file(WRITE \"$folder/tree/|" "$build/cmake_install.cmake" \
    >"$folder/tree/cmake_install.cmake"
quietly cpack --config "$build/CPackConfig.cmake" -G DEB -B "$folder/packages" \
    -D CPACK_INSTALL_CMAKE_PROJECTS="$folder/tree;vmtrace;ALL;/" -D CPACK_CMAKE_GENERATOR=Ninja
contents
if [ "$what" = release ]; then
    install_and_remove
    as_root=()
    [ "$(id -u)" -ne 0 ] || as_root=(--allow-root)
    lintian "${as_root[@]}" --fail-on error "$folder"/packages/*.deb || fail "lintian finds errors"
fi
