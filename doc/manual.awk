# SPDX-License-Identifier: MIT
#
# vmtrace COMMAND --help | awk -f manual.awk -v date=2026-01-31 -v version=0.1.0 -v pages="vmtrace vmtrace-run":
# the same text as a manual page. What it takes the layout of the text to mean:
# - a line that begins at the margin is the name of a section;
# - "term  text", with two spaces or more between the two, is an item, whose text goes on in lines that begin below the
#   text. An item that begins there itself is an item within it. Several lines of terms end in commas but for the last;
# - other lines are paragraphs, with empty lines between them;
# - the lines of EXAMPLES stay as they are, and in SYNOPSIS further indentation goes on with the line before.
# For any POSIX awk.

# Text as roff has it: nothing in it is a request or an escape, and what is typed can be copied from the page.
function roff(text, typed)
{
    gsub(/\\/, "\\e", text)
    if (typed)
        gsub(/-/, "\\-", text)
    else {
        gsub(/ -/, " \\-", text)
        gsub(/--/, "\\-\\-", text)
        gsub(/\\\\-/, "\\-", text)
        sub(/^-/, "\\-", text)
    }
    gsub(/'/, "\\(aq", text)
    gsub(/`/, "\\(ga", text)
    gsub(/\^/, "\\(ha", text)
    gsub(/~/, "\\(ti", text)
    if (text ~ /^[.]/)
        text = "\\&" text
    return text
}

function leave_nested()
{
    if (nested) {
        print ".RE"
        nested = 0
    }
}

# An item's term, in bold, with what stands for a value in italics.
function term(text)
{
    text = roff(text, 1)
    if (section == "OPTIONS")
        gsub(/[A-Z][A-Z]+/, "\\fI&\\fB", text)
    print ".TP"
    print "\\fB" text "\\fR"
}

function leave_synopsis()
{
    if (in_synopsis)
        print ".YS"
    in_synopsis = 0
}

function start_section(name)
{
    if (section == "EXAMPLES")
        print ".EE"
    leave_nested()
    leave_synopsis()
    section = name
    column = begun = 0
    fresh = 1
    terms = ""
    if (name != "NAME") {
        print ".SH " (name ~ / / ? "\"" name "\"" : name)
        if (name == "EXAMPLES")
            print ".EX"
    }
}

/^[A-Z]/ {
    start_section($0)
    next
}

section == "NAME" && NF {
    split($0, parts, " - ")
    name = parts[1]
    sub(/^ +/, "", name)
    gsub(/ /, "-", name) # the page of "vmtrace run" is vmtrace-run
    printf ".TH %s 1 %s \"vmtrace %s\" \"User commands\"\n.SH NAME\n", toupper(name), date, version
    print roff(name, 1) " \\- " roff(parts[2])
    next
}

section == "SYNOPSIS" && NF {
    line = $0
    sub(/^ +/, "", line)
    if ($0 !~ /^     /) {
        leave_synopsis()
        print ".SY vmtrace"
        in_synopsis = 1
        sub(/^vmtrace /, "", line)
    }
    line = roff(line, 1)
    gsub(/[A-Z][A-Z]+/, "\\fI&\\fR", line)
    print line
    next
}

section == "EXAMPLES" && NF {
    print roff(substr($0, 5), 1)
    next
}

!NF {
    if (section != "SYNOPSIS" && section != "NAME")
        fresh = 1
    next
}

{
    match($0, /^ */)
    indent = RLENGTH
    line = substr($0, indent + 1)
    has_text = match(line, /[^ ]  +[^ ]/)
    if (has_text) { # an item
        at = indent + RSTART + RLENGTH - 2 # columns before its text
        name_of = terms substr(line, 1, RSTART)
        text = substr(line, RSTART + RLENGTH - 1)
        terms = ""
        if (column && indent >= column && !nested) {
            print ".RS"
            nested = column
            outer = column
        } else if (nested && indent < outer)
            leave_nested()
        column = at
        term(name_of)
        print roff(text)
        begun = 1
        fresh = 0
        next
    }
    if (indent == 4 && line ~ /^[A-Z_, ]+,$/) { # terms, whose text comes with the last
        terms = terms line " "
        next
    }
    if (indent < column || fresh) { # a paragraph: of the section, or behind the items in an item
        if (nested && indent >= outer) {
            leave_nested()
            column = outer
            print ".IP"
        } else if (indent < column || !column) {
            leave_nested()
            column = 0
            if (begun) # a heading begins a paragraph itself
                print ".PP"
        } else
            print ".IP"
        begun = 1
        fresh = 0
    }
    print roff(line)
}

END {
    if (section == "EXAMPLES")
        print ".EE"
    leave_nested()
    count = split(pages, others, " ")
    print ".SH \"SEE ALSO\""
    for (i = 1; i <= count; i++)
        if (others[i] != name)
            print ".BR " roff(others[i], 1) " (1),"
    print ".BR vmt (3)"
}
