# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A criu that works on this kernel: the one of the system, or that of a later
# suite, unpacked beside it. After lib.sh: criu_use puts it into the PATH, or
# fails with the reason in $no_criu.

criu_use() {
	local root ld
	no_criu=
	criu check >/dev/null 2>&1 && return
	if ! command -v apt-get >/dev/null; then
		no_criu="needs criu, or apt-get"
		return 1
	fi
	flock "$BUILD" "$TOP/tests/lib/later.sh" sid "$BUILD/criu" criu libcompel1 libbsd0 libmd0 libc6 libgnutls30t64 \
		libp11-kit0 libidn2-0 libunistring5 libtasn1-6 libnettle8t64 libhogweed6t64 libgmp10 libnet9 libnftables1 \
		libnftnl11 libmnl0 libjansson4 libxtables12 libnl-3-200 libprotobuf-c1 libuuid1 libffi8 >"$T/later.log" 2>&1 ||
		no_criu="no criu: $(tail -1 "$T/later.log")"
	[ -z "$no_criu" ] || return
	root=$BUILD/criu/root
	ld=$(find "$root" -name 'ld-linux*.so.*' | head -1)
	mkdir -p "$T/bin"
	printf '#!/bin/sh\nexec %q --library-path %q %q "$@"\n' "$ld" "$(dirname "$(find "$root" -name libc.so.6 | head -1)")" \
		"$root/usr/sbin/criu" >"$T/bin/criu"
	chmod 755 "$T/bin/criu"
	PATH=$T/bin:$PATH
	criu check >/dev/null 2>&1 && return
	no_criu="criu does not work on this kernel: $(criu check 2>&1 | tail -1)"
	return 1
}
