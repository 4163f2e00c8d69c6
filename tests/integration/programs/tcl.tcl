# SPDX-License-Identifier: MIT
# Lists, dicts, strings, files, a child, events, and an error.
proc fib n { expr {$n < 2 ? 1 : [fib [expr {$n - 1}]] + [fib [expr {$n - 2}]]} }
puts [fib 14]
for {set i 0} {$i < 500} {incr i} { dict set squares "k$i" [expr {$i ** 3}] }
puts "[dict size $squares] [dict get $squares k77] [llength [lsort -decreasing [dict keys $squares]]]"
set text [string repeat "page fault touch " 300]
puts [regsub -all {(\w+) (\w+)} $text {\2-\1} changed]
puts [string range $changed 0 60]
set out [open out.txt w]
puts -nonewline $out $changed
close $out
puts [file size out.txt]
set in [open out.txt]; fconfigure $in -buffersize 512; set n 0
while {[set part [read $in 333]] ne ""} { incr n [string length $part] }
close $in
puts $n
puts [exec sort -r << "a\nc\nb"]
puts [catch {exec sh -c {echo told >&2; exit 3}} said options]
puts "$said [lindex [dict get $options -errorcode] 2]"
set pipe [open "|cat" r+]
fconfigure $pipe -buffering line
puts $pipe "through a pipe"; puts [gets $pipe]; close $pipe
after 20 { lappend events late }
after 1 { lappend events early; after 40 { set done 1 } }
vwait done
puts $events
coroutine counter apply {{} { yield; for {set i 0} 1 {incr i} { yield $i } }}
puts "[counter] [counter] [counter]"
error "the end"
