# SPDX-License-Identifier: MIT
# Hashes, sorting, regular expressions, files, a pipe from a child, and an ending by die.
use strict;
use warnings;

my %words;
open(my $self, '<', $ARGV[0]) or die "cannot open: $!";
while (my $line = <$self>) {
    $words{lc $1}++ while $line =~ /([A-Za-z]+)/g;
}
close($self);
for my $word (sort { $words{$b} <=> $words{$a} || $a cmp $b } keys %words) {
    printf "%3d %s\n", $words{$word}, $word if $words{$word} > 3;
}

my @squares = map { { number => $_, square => $_ * $_ } } 1 .. 1000;
my $sum = 0;
$sum += $_->{square} for grep { $_->{number} % 3 == 0 } @squares;
print "sum $sum\n";

open(my $out, '>', 'out.txt') or die "cannot write: $!";
print $out join(',', map { $_->{number} } @squares[0 .. 99]), "\n";
close($out);
print -s 'out.txt', "\n";

open(my $pipe, '-|', 'echo one; echo two; exit 5') or die "cannot fork: $!";
print "from the child: $_" while <$pipe>;
close($pipe);
print 'status ', $? >> 8, "\n";

my $text = 'x' x 5000;
(my $changed = $text) =~ s/x{7}/y/g;
print length($changed), "\n";
die "the end\n";
