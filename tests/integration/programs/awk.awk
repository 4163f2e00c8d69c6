# SPDX-License-Identifier: MIT
# Counts words in arrays, and talks to a child through a pipe.
{
    for (i = 1; i < NF; i++)
        count[$i]++
    sum += $NF
    longest = length($0) > length(longest) ? $0 : longest
    last[NR % 50] = $0
}
END {
    sorter = "sort -k2,2nr -k1,1"
    for (word in count)
        print word, count[word] | sorter
    close(sorter)
    print NR, sum, toupper(substr(longest, 1, 40))
    for (i = 0; i < 50; i++)
        gsub(/page|heap/, "<&>", last[i])
    print last[7]
    while (("echo a line; echo another" | getline line) > 0)
        print "read:", line
    print "on the error stream" > "/dev/stderr"
    exit 9
}
