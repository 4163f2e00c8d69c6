# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Pipes, subshells, substitutions, arrays, here-documents, background jobs, signals and traps.
set -o pipefail

seq 1 300 | while read -r i; do
    ((i % 50 == 0)) && echo "line $i"
done | sort -r
echo "pipe: $? ${PIPESTATUS[*]}"

declare -A squares
for ((i = 0; i < 200; i++)); do
    squares[$i]=$((i * i))
done
echo "${#squares[@]} ${squares[14]}"

outer=1
(
    outer=2
    (
        outer=3
        echo "inner: $outer"
        exit 4
    )
    echo "status: $? outer: $outer"
)
echo "outer: $outer"

text=$(printf '%s\n' one two three | tr a-z A-Z)
echo "$text" | { read -r first; echo "first: $first"; cat; }
diff <(seq 1 5) <(seq 2 6)
cat <<END
here: $((6 * 7)) $(echo nested "$(echo deeper)")
END

(sleep 0.05; exit 6) &
wait $!
echo "background: $?"

trap 'echo caught' USR1
kill -USR1 $$
(kill -TERM "$BASHPID")
echo "killed: $?"

printf '%s\n' {1..400} >numbers
mapfile -t numbers <numbers
echo "${#numbers[@]} ${numbers[399]}"
long=$(head -c 20000 /dev/zero | tr '\0' z)
echo "${#long} ${long//zz/y}" | cut -c 1-20
false | true
echo "pipefail: $?"
no_such_command_here
echo "missing: $?"
exit 8
