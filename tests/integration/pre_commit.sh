#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# pre_commit.sh: the hooks of .pre-commit-config.yaml pass for all files, in a clone, with nothing downloaded; and they
# do find a script that is wrong and a line that is out of style.
set -euo pipefail

source=$(cd "$(dirname "$0")/../.." && pwd)
for tool in git pre-commit shellcheck git-clang-format; do
    command -v $tool >/dev/null || { echo "SKIP: $tool is not installed"; exit 77; }
done
# The checkout may be another user's.
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
git -C "$source" rev-parse HEAD >/dev/null 2>&1 || { echo "SKIP: $source is no checkout of git"; exit 77; }
folder=$(mktemp -d "${TMPDIR:-/tmp}/vmt-pre-commit.XXXXXX")
trap 'rm -rf "$folder"' EXIT
trap 'exit 143' TERM HUP INT
unset "${!GIT_DIR@}" "${!GIT_INDEX@}" "${!GIT_WORK@}"
export PRE_COMMIT_HOME=$folder/home HOME=$folder
git clone -q --shared "$source" "$folder/clone"
cd "$folder/clone"
git -C "$source" diff --binary HEAD >"$folder/change"
if [ -s "$folder/change" ]; then
    git apply --index "$folder/change"
    git -c user.name=test -c user.email=test@localhost commit -q -m "What is not committed yet"
fi

pre-commit run --all-files >"$folder/log" 2>&1 || { cat "$folder/log"; echo "FAIL: pre-commit"; exit 1; }
[ "$(grep -c 'Passed$' "$folder/log")" -eq 2 ] || { cat "$folder/log"; echo "FAIL: not both hooks have run"; exit 1; }

wrong() {
    ! pre-commit run >"$folder/log" 2>&1 && grep -q "^$1.*Failed" "$folder/log" ||
        { cat "$folder/log"; echo "FAIL: $1 does not find what is wrong"; exit 1; }
    git reset -q --hard
}
# shellcheck disable=SC2016 # it is for the file
printf '#!/bin/sh\necho $(($1 + $nothing)) | cat $undefined_name >>"$1" <$1 && [ $2 == x ]\n' >wrong.sh
git add wrong.sh
wrong shellcheck
sed -i 's/^    return/  return   /' harness/skip.c
git add harness/skip.c
wrong clang-format
