# SPDX-License-Identifier: MIT
#
# The public headers as Doxygen wants them: its input filter. The first comment of a file after the licence's is the
# file's; a comment before a declaration is that one's, and of those that follow it without an empty line and without a
# comment of their own; one at the end of a declaration's line is that declaration's. What prose has of Doxygen's and
# HTML's own characters is only that. For any POSIX awk.

# One line of a comment. What stands four columns in is an example, to be left alone.
function prose(text)
{
    if (text ~ /^ *\*     /)
        return text
    gsub(/\\/, "\\\\", text)
    gsub(/[<>#@&%]/, "\\\\&", text)
    return text
}

function emit(line)
{
    comment = comment line "\n"
}

# A line of code with a comment that begins in it or not.
function code(line, at)
{
    at = index(line, "/*")
    if (at > 1 && substr(line, 1, at - 1) ~ /[;,(] *$/ && line !~ /\\$/) {
        comment = ""
        print substr(line, 1, at - 1) "/**<" prose(substr(line, at + 2))
        in_trailing = line !~ /\*\//
        return
    }
    # Another declaration of those that the last comment was for.
    if (line ~ /^(VMT_API|#define| +(explicit |operator |const |region\()).*[;0-9}]$/ &&
        comment != "" && declarations++)
        printf "%s", comment
    print line
}

# A comment with an empty line behind it is about more than one declaration; a file's own comment is its.
function end_comment(general)
{
    if (comment != "" && !declarations) {
        if (general && comment !~ /@file/)
            sub(/\/\*\*/, "/*", comment)
        printf "%s", comment
    }
    if (general)
        comment = ""
}

FNR == 1 {
    files = 0
}

/SPDX-License-Identifier/ || /^\/\* -----/ {
    print ""
    next
}

in_trailing {
    print prose($0)
    in_trailing = !/\*\//
    next
}

in_comment {
    emit(prose($0))
    in_comment = !/\*\//
    next
}

/^ *\/\*/ {
    comment = ""
    declarations = held = 0
    in_comment = 1
    match($0, /\/\*/)
    emit(substr($0, 1, RSTART - 1) "/**" (files++ ? "" : " @file\n *") prose(substr($0, RSTART + 2)))
    in_comment = !/\*\//
    next
}

{
    if (!held++)
        end_comment(/^ *$/ || /^#(ifndef|ifdef|if) /)
    if (/^ *$/)
        comment = ""
    code($0)
}
