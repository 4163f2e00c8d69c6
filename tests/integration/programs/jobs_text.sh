# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154 # sourced by run_program.sh, where the variables are set
#
# Sorters, filters, calculators and shells without a terminal.

need_sort() { need sort; need awk; }
job_sort() {
    awk 'BEGIN { x = 1; for (i = 0; i < 100000; i++) { x = (x * 16807) % 2147483647; print x } }' >lines
    traced sort lines
    traced sort -c lines
}

need_awk() { need awk; }
job_awk() {
    text 500 >text
    traced awk -f "$here/awk.awk" text
}

need_jq() { need jq; need awk; }
job_jq() {
    awk 'BEGIN { printf "["
        for (i = 0; i < 300; i++)
            printf "%s{\"id\": %d, \"name\": \"item %d\", \"tags\": [\"t%d\", \"u%d\"]}",
                i ? ", " : "", i, i * 7 % 300, i % 5, i % 3
        print "]" }' >items.json
    traced jq 'sort_by(.name) | map({name, tag: .tags[0]}) | group_by(.tag) | map({(.[0].tag): map(.name)}) | add' \
        items.json
    traced jq -r '.[] | select(.id % 100 == 0) | @csv "\([.id, .name])"' items.json
    traced jq . <<<'{"not": json}'
}

need_sort_threads() { need sort awk; }
job_sort_threads() { # from 131,072 lines on sort has threads
    awk 'BEGIN { x = 1; for (i = 0; i < 140000; i++) { x = (x * 16807) % 2147483647; print x } }' >lines
    traced sort --parallel=4 -S 8M -n -r lines
    traced sort --parallel=2 -S 1M -u lines -o sorted # merges temporary files
}

need_grep() { need grep awk; }
job_grep() {
    text 600 >text
    traced grep -c -E '(page|window) (heap|track).*[0-9]{9}$' text
    traced grep -n -i -w 'EVICT' text
    traced grep -o -P '(?<=pin )\w+(?= walk)' text
    mkdir folder
    cp text folder/copy
    traced grep -r -l fault folder
    traced grep -q 'no such word' text
    traced grep -E '(' text
}

need_sed() { need sed awk; }
job_sed() {
    text 500 >text
    traced sed -n -E -e 's/([a-z]+) ([a-z]+)/\2-\1/g' -e '/fault-/{H;x;s/\n/|/g;x}' -e '$!N;P;D' text
    traced sed -i.old -e '1~3d' -e 'y/abc/xyz/' text
    traced sed -e ':a' -e '$!{N;ba}' -e 's/\n/,/g' text
    traced sed -e 's/unterminated' text
}

need_diff() { need diff diff3 patch cmp awk; }
job_diff() {
    text 800 >old
    awk 'NR % 40 == 0 { next } NR % 55 == 0 { $0 = toupper($0) } NR % 90 == 0 { print "new" } { print }' old >new
    TZ=UTC touch -d 2001-02-03 old new
    traced diff -u old new >changes
    traced diff --side-by-side --suppress-common-lines old new
    traced diff3 -m old new old
    cp old patched
    traced patch -p0 patched changes
    traced cmp patched new
    traced cmp old new
    traced patch -p0 old changes --dry-run
    traced patch -p0 new changes --dry-run --batch
}

need_find() { need find xargs seq sort; }
job_find() {
    for i in $(seq 1 12); do
        mkdir -p "top/folder$((i % 4))/inner$((i % 3))"
        seq 1 "$((i * 90))" >"top/folder$((i % 4))/inner$((i % 3))/file$i"
    done
    traced find top -type f -size +1k -name 'file*' -fprintf found '%P %s %M\n'
    sort -o found found
    find top -type f -print0 | sort -z >names
    traced xargs -0 -n 2 -a names grep -c 7
    traced xargs -0 -n 1 -P 4 -a names sh -c 'sort -n -r "$0" >"$0.sorted"; exit $(($(wc -l <"$0") > 900))'
    traced find top -name '*.sorted' -exec grep -l -q 1000 {} + -o -name 'file1' -delete
    traced find no_such_folder
}

need_bc() { need bc dc; }
job_bc() {
    traced bc -l <<'END'
scale = 60
4 * a(1)
e(1.5)
define f(n) { if (n < 2) return (1); return (n * f(n - 1)); }
f(200)
for (i = 0; i < 20; i++) { x[i] = i ^ 20; y += x[i]; }
y
2 ^ 3000 % 1000007
1 / 0
END
    traced dc -e '[la1+dsa*pla40>y]sy 0sa1 lyx 2 1000 ^ p 17 k 2 v p [cannot] x'
}

need_ed() { need ed awk; }
job_ed() {
    text 300 >text
    printf '%s\n' '1,10p' 'g/fault/s/page/<&>/g' '20,40m0' '5t$' '/walk/,/pin/d' '$a' 'the end' . 'w out' '2,3j' u u \
        n '1,$n' 'no such command' q q >commands.ed
    traced ed -s text <commands.ed
}

need_m4() { need m4; }
job_m4() {
    traced m4 -D depth=12 <<'END'
define(`fib', `ifelse(eval($1 < 2), 1, 1, `eval(fib(decr($1)) + fib(decr(decr($1))))')')dnl
define(`forloop', `pushdef(`$1', `$2')_forloop($@)popdef(`$1')')dnl
define(`_forloop', `$4`'ifelse($1, `$3', `', `define(`$1', incr($1))$0($@)')')dnl
fib(depth)
forloop(`i', 1, 300, `i:eval(i * i) ')
divert(1)later
divert(0)translit(`sooner', a-z, A-Z) patsubst(`page fault', `\(\w+\) \(\w+\)', `\2 \1')
syscmd(`echo from a child; exit 3')sysval
format(`%08.3f %s', 3.14159, esyscmd(`echo inner'))
include(no_such_file)
m4exit(5)
END
}

need_gawk() { need gawk awk; }
job_gawk() {
    text 400 >text
    traced gawk 'BEGIN { PROCINFO["sorted_in"] = "@ind_str_asc" }
        { for (i = 1; i < NF; i++) at[$i][i]++; last = gensub(/(\w+) (\w+)/, "\\2 \\1", 1) }
        END {
            for (word in at) for (i in at[word]) print word, i, at[word][i]
            print last, strftime("%Y", 0, 1), and(12, 10), length(at)
            server = "cat -n"; print "to the other" |& server; close(server, "to")
            while ((server |& getline line) > 0) print "back:", line
            exit close(server) + 6
        }' text
}

need_groff() { need groff; }
job_groff() {
    {
        printf '.TH TEST 1\n.SH NAME\ntest \\- a page\n'
        for ((i = 0; i < 60; i++)); do
            printf '.SH SECTION %d\n.PP\n.B bold\n.I italic\n' "$i"
            printf 'Some words that are filled and adjusted, number %d of them. ' {1..9}
            printf '\n.TP\n.B \\-\\-option\nits meaning\n'
        done
    } >page.1
    traced groff -man -T utf8 page.1
    traced groff -man -T ps -Z page.1
}

need_parallel() { need parallel perl; }
job_parallel() {
    mkdir -p "$HOME/.parallel"
    touch "$HOME/.parallel/will-cite"
    traced parallel --keep-order -j 3 'echo {} $(({} * {})); exit $(({} == 4))' ::: 1 2 3 4 5
}

need_ripgrep() { need rg awk; }
job_ripgrep() {
    for i in 1 2 3 4 5 6 7 8; do
        mkdir -p "folder$((i % 3))"
        text "$((i * 40))" >"folder$((i % 3))/text$i"
    done
    traced rg --no-config -j 4 -c 'fault (\w+) pin' folder0 folder1 folder2 >counts
    sort -o counts counts
    traced rg --no-config -j 1 --sort path -n 'evict [st]' folder0
    traced rg --no-config -j 2 'no such word' folder1
}
