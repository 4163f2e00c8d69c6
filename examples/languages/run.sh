#!/bin/sh
# SPDX-License-Identifier: MIT
#
# run.sh LANGUAGE LIBRARY: builds the example in a folder that goes with it, and runs it with this libvmt.so. Without a
# toolchain it is skipped.
set -eu
language=$1 library=$2
source=$(cd "$(dirname "$0")" && pwd)
include=$source/../../include
folder=$(mktemp -d "${TMPDIR:-/tmp}/vmt-languages.XXXXXX")
trap 'rm -rf "$folder"' EXIT
trap 'exit 143' TERM HUP INT
libraries=$(dirname "$library")

# need TOOL OPTION: it is there, and runs.
need() {
    "$1" "$2" >/dev/null 2>&1 || {
        echo "SKIP: $1 is not installed"
        exit 77
    }
}

cd "$folder"
case $language in
python)
    need python3 --version
    VMT_LIBRARY=$library LD_PRELOAD=$library python3 "$source/python/budget.py"
    ;;
rust)
    need rustc --version
    rustc -O -o budget "$source/rust/budget.rs" -L "$libraries" -l vmt -C link-args="-Wl,-rpath,$libraries -Wl,-z,now"
    ./budget
    ;;
go)
    need go version
    need cc --version
    cp "$source/go/budget.go" .
    export GOCACHE="$folder/cache" GO111MODULE=off CGO_ENABLED=1
    export CGO_CFLAGS="-I$include" CGO_LDFLAGS="-L$libraries -lvmt -Wl,-rpath,$libraries -Wl,-z,now"
    export CGO_LDFLAGS_ALLOW='-Wl,-z,now'
    go build -o budget budget.go
    ./budget
    ;;
*)
    echo "no such language: $language" >&2
    exit 2
    ;;
esac
