#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# emulate.sh: a whole emulated machine with an aarch64 processor, to run tests in. Emulation of one program alone
# (qemu-user) has no ptrace, which is what the tests are about.
set -euo pipefail

usage() {
    cat <<'END'
usage: emulate.sh prepare MACHINE
       emulate.sh run MACHINE [-t SECONDS] [-s FOLDER]... [-w FOLDER] [-u] [-C CPU] COMMAND [ARGUMENT]...

prepare   fills the folder MACHINE, unless it is filled: Debian's arm64 kernel and packages, which apt-get downloads
          and checks (nothing is installed, and the system's own lists are left alone), as a system to start
          and as MACHINE/sysroot, to build for. Takes about a minute, and 400 MB.
run       starts the machine, runs COMMAND in it, and passes its output and its exit status on. 124: the time was
          over; 125: the machine failed.

  -t SECONDS  longest time, 120 unless given
  -s FOLDER   the machine has this folder, under the same name, to read from
  -w FOLDER   the same, to write to as well; COMMAND starts in the last of them, or else in a new folder
  -u          COMMAND runs as an ordinary user (1000), not as root
  -C CPU      as qemu's -cpu (max,pauth-impdef=on,lpa2=off); cortex-a72 is one without SVE and pointer authentication

Exit status 77: what it takes is not installed or cannot be downloaded; a line says what.
END
}

skip() {
    echo "SKIP: $*"
    exit 77
}

# What the tests use in the machine, and the libraries that they are built with.
packages=(busybox-static bash cmake coreutils diffutils findutils gawk grep gzip jq perl-base procps python3 sed
    sqlite3 strace util-linux xz-utils
    libc6-dev libcmocka-dev libdw-dev libjansson-dev libxxhash-dev uthash-dev)
modules=(virtio virtio_ring virtio_mmio netfs fscache 9pnet 9pnet_virtio 9p)

# The private apt's settings: it knows of arm64 alone, of no installed package, and writes only below $machine/apt.
apt_settings() {
    mkdir -p "$machine/apt/lists/partial" "$machine/apt/archives/partial"
    : >"$machine/apt/status"
    cat >"$machine/apt/apt.conf" <<END
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Sandbox::User "root";
Dir::State "$machine/apt";
Dir::State::status "$machine/apt/status";
Dir::State::lists "$machine/apt/lists";
Dir::Cache "$machine/apt";
Dir::Cache::archives "$machine/apt/archives";
END
    export APT_CONFIG=$machine/apt/apt.conf
}

prepare() {
    [ ! -e "$machine/complete" ] || return 0
    for tool in apt-get apt-cache dpkg-deb cpio xz; do
        command -v $tool >/dev/null || skip "$tool is not installed"
    done
    # Only what an earlier preparation left unfinished is removed.
    if [ -e "$machine" ] && [ ! -e "$machine/vmtrace-machine" ]; then
        echo "emulate.sh: $machine is there, and is no machine of mine; name a folder that is not there" >&2
        exit 2
    fi
    rm -rf "$machine"
    mkdir -p "$machine/kernel" "$machine/sysroot/usr/"{bin,lib,sbin}
    machine=$(cd "$machine" && pwd)
    touch "$machine/vmtrace-machine"
    apt_settings
    apt-get -qq update >"$machine/log" 2>&1 || { cat "$machine/log"; skip "no lists of arm64 packages"; }
    local kernel
    kernel=$(apt-cache depends linux-image-arm64 | sed -n 's/^ *Depends: //p')
    [ -n "$kernel" ] || skip "the package sources have no linux-image-arm64"
    {
        (cd "$machine/apt" && apt-get -qq download "$kernel")
        apt-get -qq -y --download-only --no-install-recommends install "${packages[@]}"
    } >"$machine/log" 2>&1 || { cat "$machine/log"; skip "arm64 packages cannot be downloaded"; }
    dpkg-deb -x "$machine"/apt/linux-image-*.deb "$machine/kernel"
    mv "$machine"/kernel/boot/vmlinuz-* "$machine/vmlinuz"

    # The base system has /bin and the like in /usr (Debian's package usrmerge), which no package unpacked makes so.
    local folder deb
    for folder in bin lib sbin; do
        ln -s "usr/$folder" "$machine/sysroot/$folder"
    done
    for deb in "$machine"/apt/archives/*.deb; do
        dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$machine/sysroot"
    done
    # Links from the root are to be followed inside of it by a linker too.
    find "$machine/sysroot" -type l -lname '/*' -printf '%P\t%l\n' | while IFS=$'\t' read -r link target; do
        ln -sfn --relative "$machine/sysroot$target" "$machine/sysroot/$link"
    done

    make_initrd
    rm -rf "$machine/kernel" "$machine/apt" "$machine/log"
    touch "$machine/complete"
}

# pack FOLDER: as the kernel unpacks it into its first root (Documentation/driver-api/early-userspace/buffer-format.rst:
# one archive after another, too).
pack() {
    (cd "$1" && find . -print0 | LC_ALL=C sort -z | cpio --quiet --null -o -H newc -R 0:0)
}

# The machine's root lies in its memory, and is small; its /usr is the sysroot's.
make_initrd() {
    local root=$machine/root module
    mkdir -p "$root"/{dev,proc,sys,tmp,run,root,modules,usr,var/tmp,home/user}
    chmod 1777 "$root/tmp" "$root/var/tmp"
    ln -s usr/bin usr/lib usr/sbin "$root"
    cp -a "$machine/sysroot/etc" "$root/etc"
    cp "$machine/sysroot/usr/bin/busybox" "$root/busybox"
    for module in "${modules[@]}"; do
        find "$machine/kernel" -name "$module.ko*" -exec cp {} "$root/modules/" \;
    done
    if compgen -G "$root/modules/*.xz" >/dev/null; then # since Debian 13
        xz -d "$root"/modules/*.xz
    fi
    # What the packages' scripts would do.
    ln -sf bash "$machine/sysroot/usr/bin/sh"
    ln -sf gawk "$machine/sysroot/usr/bin/awk"
    echo "root:x:0:0:root:/root:/bin/bash
user:x:1000:1000:user:/home/user:/bin/bash
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin" >"$root/etc/passwd"
    echo "root:x:0:
user:x:1000:
nogroup:x:65534:" >"$root/etc/group"
    cat >"$root/init" <<END
#!/busybox sh
# Runs first in the machine. /run.sh, of a second archive, has what to mount and to run.
b=/busybox
\$b mount -t proc proc /proc
\$b mount -t sysfs sysfs /sys
\$b mount -t devtmpfs devtmpfs /dev
\$b mkdir -p /dev/pts /dev/shm
\$b mount -t devpts devpts /dev/pts
\$b mount -t tmpfs -o mode=1777 tmpfs /dev/shm
\$b mount -t tmpfs -o mode=1777 tmpfs /tmp
\$b ln -s /proc/self/fd /dev/fd
\$b ip link set lo up
\$b stty raw -echo </dev/console
for module in ${modules[*]}; do
    [ ! -e /modules/\$module.ko ] || \$b insmod /modules/\$module.ko
done
. /run.sh
\$b poweroff -f
END
    chmod 755 "$root/init"
    pack "$root" >"$machine/initrd"
    rm -rf "$root"
}

# share MODE FOLDER PLACE: the machine has the folder at this place.
share() {
    local n=$((${#devices[@]} / 4)) readonly='' cache=mmap
    if [ "$1" = ro ]; then
        readonly=,readonly=on cache=loose
    fi
    devices+=(-fsdev "local,id=fs$n,path=${2//,/,,},security_model=none$readonly"
        -device "virtio-9p-device,fsdev=fs$n,mount_tag=fs$n")
    # With less of a cache no file can be mapped shared (Documentation/filesystems/9p.rst).
    # shellcheck disable=SC2016
    printf '$b mkdir -p %q && $b mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=%s,%s fs%d %q\n' \
        "$3" "$cache" "$1" $n "$3" >>"$scratch/root/run.sh"
}

run() {
    local seconds=120 cpu=max,pauth-impdef=on,lpa2=off user='' start='' shares=() option folder mode share
    devices=()
    while getopts t:s:w:uC: option; do
        case $option in
        t) seconds=$OPTARG ;;
        s | w)
            folder=$(cd "$OPTARG" && pwd)
            mode=ro
            if [ "$option" = w ]; then
                mode=rw start=$folder
            fi
            shares+=("$mode $folder") ;;
        u) user=1 ;;
        C) cpu=$OPTARG ;;
        *) usage >&2; exit 2 ;;
        esac
    done
    shift $((OPTIND - 1))
    [ $# -gt 0 ] || { usage >&2; exit 2; }
    command -v qemu-system-aarch64 >/dev/null ||
        skip "qemu-system-aarch64 is not installed (apt-get install qemu-system-arm)"
    [ -e "$machine/complete" ] || { echo "emulate.sh: $machine is not prepared" >&2; exit 125; }

    machine=$(cd "$machine" && pwd)
    scratch=$(mktemp -d "${TMPDIR:-/tmp}/vmt-machine.XXXXXX")
    trap 'rm -rf "$scratch"' EXIT
    mkdir -p "$scratch/root" "$scratch/out"
    share ro "$machine/sysroot/usr" /usr
    share rw "$scratch/out" /run/out
    for share in "${shares[@]}"; do
        share "${share%% *}" "${share#* }" "${share#* }"
    done
    {
        printf 'export PATH=/usr/local/bin:/usr/bin:/usr/sbin\n'
        printf 'cd %q\n' "${start:-/tmp}"
        if [ -n "$user" ]; then
            # shellcheck disable=SC2016
            printf 'export HOME=/home/user USER=user; $b chown user /home/user\n'
            printf '/usr/bin/setpriv --reuid=1000 --regid=1000 --clear-groups'
        else
            printf 'export HOME=/root USER=root\n'
        fi
        printf ' %q' "$@"
        # A session of its own, as after a login.
        printf ' </dev/null >/dev/console 2>&1\n'
        # shellcheck disable=SC2016
        printf 'echo $? >/run/out/status\n'
    } >>"$scratch/root/run.sh"
    { cat "$machine/initrd"; pack "$scratch/root"; } >"$scratch/initrd"

    local status=0
    timeout --foreground "$seconds" qemu-system-aarch64 -M virt -cpu "$cpu" -smp 2 -m 2G -nographic -no-reboot \
        -nic none -kernel "$machine/vmlinuz" -initrd "$scratch/initrd" \
        -append "console=ttyAMA0 panic=-1 quiet loglevel=0" "${devices[@]}" </dev/null || status=$?
    if [ $status -eq 124 ]; then
        echo "emulate.sh: not done in $seconds seconds" >&2
        exit 124
    fi
    if [ ! -s "$scratch/out/status" ]; then
        echo "emulate.sh: the machine ended (qemu: $status) before the command did" >&2
        exit 125
    fi
    exit "$(cat "$scratch/out/status")"
}

case ${1:-} in
-h | --help) usage; exit 0 ;;
prepare | run) [ $# -ge 2 ] || { usage >&2; exit 2; } ;;
*) usage >&2; exit 2 ;;
esac
action=$1 machine=$2
shift 2
$action "$@"
