#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Runs TAP programs as prove(1) does, tells why tests were skipped, and ends
# with "N passed, N failed, N skipped". Usage: run.pl [-j JOBS] PROGRAM...
use strict;
use warnings;
use TAP::Harness;

my $jobs = 1;
if (@ARGV && $ARGV[0] eq '-j') {
	(undef, $jobs) = splice @ARGV, 0, 2;
}
die "usage: run.pl [-j JOBS] PROGRAM...\n" unless @ARGV;

my ($skipped_tests, $skipped_files, @why) = (0, 0);
my $harness = TAP::Harness->new({
	jobs => $jobs,
	timer => 1,
	failures => 1,
	comments => 1,
	color => -t STDOUT ? 1 : 0,
	# A test that hangs must not take the rest with it; it is told to clean up first.
	exec => sub { ['timeout', '--kill-after=60', $ENV{TEST_TIMEOUT} // 900, $_[1]] },
});
$harness->callback(made_parser => sub {
	my ($parser, $job) = @_;
	my $file = $job->[0];
	$parser->callback(test => sub {
		my $t = shift;
		return unless $t->has_skip;
		$skipped_tests++;
		push @why, "skipped: $file: " . $t->description . ': ' . $t->explanation;
	});
	$parser->callback(plan => sub {
		my $p = shift;
		return unless $p->has_skip;
		$skipped_files++;
		push @why, "skipped: $file: " . ($p->explanation // '');
	});
});
my $result = $harness->runtests(@ARGV);
my $failed = $result->failed;
# A program that dies, or prints less than it planned, is a failure too.
my %bad = map { $_ => 1 } $result->wait, $result->exit, $result->parse_errors;
$failed ||= keys %bad;
my $passed = $result->passed - $skipped_tests; # TAP counts a skipped test as passed
my $skipped = $skipped_tests + $skipped_files;
print "$_\n" for @why;
print "$passed passed, $failed failed, $skipped skipped\n";
exit($failed || !$result->all_passed ? 1 : 0);
