#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Unpacks packages of a later Debian suite beside the system, from the mirror
# that apt uses; nothing is installed. Usage: later.sh SUITE DIR PACKAGE…
# Kept in DIR; a second call with the same words does nothing.
set -euo pipefail
mkdir -p "$2"
suite=$1 dir=$(cd "$2" && pwd)
shift 2
[ "$(cat "$dir/.have" 2>/dev/null || true)" != "$suite $*" ] || exit 0
site=$(apt-get indextargets --format '$(ORIGIN) $(SITE)' | awk '$1 == "Debian" && !/security/ { print $2; exit }')
[ -n "$site" ] || { echo "apt has no Debian mirror" >&2; exit 1; }
work=$(mktemp -d "$dir/work.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
mkdir -p "$work"/{lists/partial,cache/archives/partial,root}
chmod -R 755 "$work"
chmod 1777 "$work" # apt downloads as a user of its own
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site $suite main" >"$work/sources.list"
: >"$work/status"
opts=(-qq -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$work/lists"
	-o "Dir::Cache=$work/cache" -o "Dir::State::status=$work/status" -o APT::Get::List-Cleanup=0)
apt-get "${opts[@]}" update >/dev/null
(cd "$work" && apt-get "${opts[@]}" download "$@" >/dev/null)
for deb in "$work"/*.deb; do dpkg-deb -x "$deb" "$work/root"; done
rm -rf --one-file-system "$dir/root"
mv "$work/root" "$dir/root"
echo "$suite $*" >"$dir/.have"
