#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Runs TAP programs as prove(1) does, tells why tests were skipped, and ends
# with "N passed, N failed, N skipped". Usage: run.pl [-j JOBS] PROGRAM...
# When the whole machine stood still meanwhile, as one that is suspended does, what failed is run
# once more: a limit that a test has for waiting may have been over at once.
use strict;
use warnings;
use POSIX ();
use TAP::Harness;
use Time::HiRes qw(clock_gettime CLOCK_BOOTTIME);

use constant STILL => 10; # seconds after which a process that sleeps for one was not just slow

my $jobs = 1;
if (@ARGV && $ARGV[0] eq '-j') {
	(undef, $jobs) = splice @ARGV, 0, 2;
}
die "usage: run.pl [-j JOBS] PROGRAM...\n" unless @ARGV;

# A process that writes the seconds of each standstill to the pipe that is returned.
sub watch_clock {
	pipe(my $from, my $to) or die "pipe: $!";
	$from->blocking(0);
	my $pid = fork() // die "fork: $!";
	return ($pid, $from) if $pid;
	my ($parent, $seen) = (getppid(), clock_gettime(CLOCK_BOOTTIME));
	while (getppid() == $parent) {
		sleep 1;
		my $now = clock_gettime(CLOCK_BOOTTIME);
		# How long, and when it was over.
		syswrite $to, sprintf("%d %d\n", $now - $seen, time) if $now - $seen > STILL;
		$seen = $now;
	}
	POSIX::_exit(0);
}

# Runs the programs; counts, the programs that failed, and why tests were skipped.
sub run_programs {
	my ($skipped, %ran, @why) = (0);
	my $harness = TAP::Harness->new({
		jobs => $jobs,
		timer => 1,
		failures => 1,
		comments => 1,
		color => -t STDOUT ? 1 : 0,
		# A test that hangs must not take the rest with it; it is told to clean up first.
		exec => sub { ['timeout', '--kill-after=60', $ENV{TEST_TIMEOUT} // 900, $_[1]] },
	});
	my $passed_skips = 0; # TAP counts a skipped test as passed
	$harness->callback(made_parser => sub {
		my ($parser, $job) = @_;
		my $file = $job->[0];
		$parser->callback(test => sub {
			my $t = shift;
			return unless $t->has_skip;
			$passed_skips++;
			push @why, "skipped: $file: " . $t->description . ': ' . $t->explanation;
		});
		$parser->callback(plan => sub {
			my $p = shift;
			return unless $p->has_skip;
			$skipped++;
			push @why, "skipped: $file: " . ($p->explanation // '');
		});
	});
	$harness->callback(after_test => sub {
		my ($job, $parser) = @_;
		$ran{$job->[0]} = [$parser->start_time, $parser->end_time, scalar $parser->passed];
	});
	my $result = $harness->runtests(@_);
	# A program that dies, or prints less than it planned, is a failure too.
	my %died = map { $_ => 1 } $result->wait, $result->exit, $result->parse_errors;
	my %bad = (%died, map { $_ => 1 } $result->failed);
	my $failed = $result->failed || keys %died;
	return {
		passed => $result->passed - $passed_skips,
		failed => $failed || ($result->all_passed ? 0 : 1),
		skipped => $skipped + $passed_skips,
		bad => [grep { $bad{$_} } @_],
		ran => \%ran,
		why => \@why,
	};
}

my ($watcher, $stood_still) = watch_clock();
my $all = run_programs(@ARGV);
my @still = map { [split] } <$stood_still>;
# Those that failed, and that ran while it stood still: [seconds, end] against [start, end].
my @again = grep {
	my $t = $all->{ran}{$_};
	$t && grep { $t->[0] <= $_->[1] && $t->[1] >= $_->[1] - $_->[0] } @still;
} @{$all->{bad}};
if (@again) {
	print "# the machine stood still for @{[map { $_->[0] } @still]} s: once more: @again\n";
	my $second = run_programs(@again);
	$all->{failed} = $second->{failed} || @{$all->{bad}} - @again;
	$all->{passed} += $second->{passed};
	$all->{passed} -= $all->{ran}{$_}[2] for @again;
	push @{$all->{why}}, @{$second->{why}};
}
kill 'TERM', $watcher;
waitpid $watcher, 0;
print "$_\n" for @{$all->{why}};
print "$all->{passed} passed, $all->{failed} failed, $all->{skipped} skipped\n";
exit($all->{failed} ? 1 : 0);
