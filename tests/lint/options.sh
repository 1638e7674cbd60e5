#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The verbs and options of --help against the man page and the bash completion.
# Usage: options.sh KSHIM
set -eu
K=$1
man=docs/man/kshim.8
comp=contrib/completions/kshim.bash

missing() { # WORD FILE WHERE
	grep -qF -- "${1//-/\\-}" "$2" || grep -qF -- "$1" "$2" || echo "$2: $1 ($3) is missing"
}

"$K" --help | sed -n 's/^  \([a-z][a-z ]*[a-z]\)  .*/\1/p' | while read -r verb; do
	missing "$verb" "$man" "verb"
	missing "${verb##* }" "$comp" "verb"
	# shellcheck disable=SC2086 # a verb may be two words
	"$K" $verb --help | grep -oE -- '--[a-z][a-z-]+' | sort -u | while read -r opt; do
		missing "$opt" "$man" "$verb"
		missing "$opt" "$comp" "$verb"
	done
done
"$K" --help | grep -oE -- '--[a-z][a-z-]+' | sort -u | while read -r opt; do
	missing "$opt" "$man" "global"
	missing "$opt" "$comp" "global"
done
