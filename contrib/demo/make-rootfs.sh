#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes a root file system with MariaDB from Debian packages, once.
# Usage: make-rootfs.sh DIR
set -eu

here=$(cd "$(dirname "$0")" && pwd)
dir=$1
stamp=$dir.stamp
want="1 $(sha256sum <"$here/make-rootfs.sh")"

if [ "$(cat "$stamp" 2>/dev/null || true)" = "$want" ]; then
	install -m 755 "$here/entrypoint.sh" "$dir/entrypoint.sh"
	exit 0
fi
rm -rf --one-file-system "$dir"
mkdir -p "$(dirname "$dir")"
mmdebstrap --quiet --variant=essential --mode=root \
	--include=mariadb-server-core,mariadb-client-core,passwd \
	--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
	--customize-hook='chroot "$1" useradd --system --home-dir /nonexistent --shell /bin/false mysql' \
	--customize-hook='mkdir -p "$1/var/lib/mysql" "$1/run/mysqld"' \
	bookworm "$dir"
install -m 755 "$here/entrypoint.sh" "$dir/entrypoint.sh"
echo "$want" >"$stamp"
