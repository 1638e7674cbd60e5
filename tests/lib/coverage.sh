#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Lines that the suite has run, for each file. What runs between clone and exec
# is not counted: its counters go with exec. Usage: coverage.sh BUILD-DIR
set -eu
cd "$(dirname "$0")/../.."
find "$1/obj" -name '*.gcda' | while read -r data; do
	gcov --no-output --relative-only --object-directory "$(dirname "$data")" "$data" 2>/dev/null
done | awk '
	/^File / { gsub(/\047/, "", $2); file = $2 }
	/^Lines executed/ && file ~ /\.c$/ {
		split($2, part, ":"); sub(/%/, "", part[2])
		share[file] = part[2]; lines[file] = $4; file = ""
	}
	END {
		for (f in share) { printf "%6.1f %% of %4d  %s\n", share[f], lines[f], f; hit += share[f] * lines[f]; all += lines[f] }
		printf "%6.1f %% of %d lines\n", all ? hit / all : 0, all
	}' | sort -k6
