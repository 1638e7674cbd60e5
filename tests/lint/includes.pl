#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Holds the direction of the #include lines. Usage: includes.pl FILE...
use strict;
use warnings;

# A folder may use itself and these.
my %may = (
	'oci/base' => [],
	'oci/spec' => ['oci/base'],
	'oci/mount' => ['oci/base'],
	'oci/cgroup' => ['oci/base', 'oci/spec'], # the resources of a spec are what it applies
	'oci/state' => ['oci/base'],
	'oci/criu' => ['oci/base', 'oci/cgroup'],
	'oci/run' => ['oci/base', 'oci/spec', 'oci/mount', 'oci/cgroup', 'oci/state', 'oci/criu'],
	'oci/cli' => ['oci/base', 'oci/spec', 'oci/mount', 'oci/cgroup', 'oci/state', 'oci/run'],
	'volumes' => ['oci/base', 'oci/mount', 'oci/state'],
	'shim/ttrpc' => ['oci/base'],
	'shim/task' => ['oci/base', 'oci/spec', 'oci/mount', 'oci/cgroup', 'oci/state', 'oci/run',
		'oci/cli', 'shim/ttrpc'],
	'shim' => ['oci/base', 'oci/spec', 'oci/mount', 'oci/cgroup', 'oci/state', 'oci/run',
		'oci/cli', 'volumes', 'shim/task'],
);
# Public headers by the folder that implements them; what is not named is of oci/base.
my %home = (
	spec => 'oci/spec', mount => 'oci/mount', cgroup => 'oci/cgroup', state => 'oci/state', criu => 'oci/criu',
	run => 'oci/run', stats => 'oci/cgroup', resctrl => 'oci/cgroup', systemd => 'oci/cgroup', resources => 'oci/spec', cli => 'oci/cli', volume => 'volumes', pod => 'volumes',
	relay => 'oci/run', ttrpc => 'shim/ttrpc', shim => 'shim/task',
);

for my $file (@ARGV) {
	next if $file =~ m{^(tests|contrib)/};
	my $folder;
	if ($file =~ m{^include/kshim/(\w+)\.h$}) {
		$folder = $home{$1} // 'oci/base';
	} elsif ($file =~ m{^(.*)/[^/]+$}) {
		$folder = $1;
	}
	my %ok = map { $_ => 1 } $folder, @{ $may{$folder} // die "$file: unknown folder $folder\n" };
	open my $in, '<', $file or die "$file: $!\n";
	while (<$in>) {
		if (m{^#include <kshim/([\w-]+)\.h>}) {
			my $to = $home{$1} // 'oci/base';
			print "$file:$.: $folder must not use <kshim/$1.h> of $to\n" unless $ok{$to};
		} elsif (m{^#include "([^"]+)"}) {
			print "$file:$.: \"$1\" is not in this folder\n" if $1 =~ m{/};
		}
	}
}
