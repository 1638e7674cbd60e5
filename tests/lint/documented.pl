#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Every function of a public header is named by a comment above it. Usage: documented.pl FILE...
use strict;
use warnings;

for my $file (@ARGV) {
	open my $in, '<', $file or die "$file: $!\n";
	my $text = do { local $/; <$in> };
	my %named;
	while ($text =~ m{/\*\*(.*?)\*/}gs) {
		my $c = $1;
		$named{$1} = 1 while $c =~ /\b(ks_\w+)\(\)/g;
	}
	my $plain = $text =~ s{/\*.*?\*/}{}gsr;
	$plain =~ s/^#.*(?:\\\n.*)*//gm;
	while ($plain =~ /^(?:[\w\s\*]*?)\b(ks_\w+)\([^{;]*\)[^{;]*;/gm) {
		my $f = $1;
		# A pair, such as open and close, may share one comment.
		next if $named{$f} || $f =~ /_done$/ || $f =~ /^ks_(json_put|loop_done|store_close|ns_)/;
		print "$file: $f() is not documented\n";
	}
}
