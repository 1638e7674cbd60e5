#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what building, testing and the demo need on Debian 12 and later.
# Quick when all of it is there. Usage: install-deps.sh [build|test|demo|vm|all]
set -eu

build="gcc make pkg-config libc6-dev libyajl-dev libseccomp-dev libcap-dev libmount-dev libblkid-dev
	protobuf-c-compiler libprotobuf-c-dev"
run="e2fsprogs xfsprogs util-linux mount libmount1"
test="crun runc busybox-static jq perl python3 hyperfine clang clang-format clang-tidy cppcheck
	libclang-rt-14-dev shellcheck codespell git valgrind time containerd podman conmon
	docker.io procps iproute2 uidmap strace python3-grpcio debian-archive-keyring"
demo="mmdebstrap"
vm="mmdebstrap qemu-system-x86 cpio xz-utils python3 linux-headers-cloud-amd64"

case "${1:-all}" in
build) want="$build $run" ;;
test) want="$build $run $test" ;;
demo) want="$build $run $demo" ;;
vm) want="$build $run $vm" ;;
all) want="$build $run $test $demo $vm" ;;
*)
	echo "usage: $0 [build|test|demo|vm|all]" >&2
	exit 2
	;;
esac

missing=""
for p in $want; do
	state=$(dpkg-query -W -f '${db:Status-Abbrev}' "$p" 2>/dev/null || true)
	case "$state" in
	ii*) ;;
	*) missing="$missing $p" ;;
	esac
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
	echo "$0: these packages are missing, and only root can install them:$missing" >&2
	exit 1
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086 # a list of words
apt-get install -y -qq --no-install-recommends $missing >/dev/null
