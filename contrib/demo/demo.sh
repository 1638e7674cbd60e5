#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The story that kshim is for, played with a real database: what a pod writes
# to an emptyDir is gone with the pod; what it writes to its claim comes back.
# Usage: demo.sh KSHIM CACHE_DIR
set -euo pipefail

kshim_bin=$(realpath "$1")
cache=$(realpath "$2")
rootfs=$cache/rootfs
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "$cache/run.XXXXXX")
export KSHIM_ROOT=$work/run KSHIM_STATE_DIR=$work/state
pod=catalog/catalog-mysql-0

kshim() { "$kshim_bin" "$@"; }

cleanup() {
	local id ok=1
	for id in mysql-1 mysql-2 mysql-3 mysql-4 other; do
		kshim delete --force "$id" || ok=0
	done
	kshim volume delete -n catalog data-catalog-mysql-0 2>/dev/null || true
	# A keeper that is still at work holds its locks in there.
	[ "$ok" = 1 ] && rm -rf --one-file-system "$work"
}
trap cleanup EXIT

bold() { printf '\n\033[1m%s\033[0m\n' "$*"; }
say() { printf '\n# %s\n' "$*"; }

show_only() { # prints a command as a user would type it
	local word
	printf '$'
	for word in "$@"; do
		case $word in
		*[!A-Za-z0-9_./:=,@%+-]*) printf " '%s'" "$word" ;;
		*) printf ' %s' "$word" ;;
		esac
	done
	printf '\n'
}

show() { # prints it, and runs it
	show_only "$@"
	"$@"
}

fail() {
	printf '\ndemo: FAILED: %s\n' "$*" >&2
	exit 1
}

expect_exit() { # CODE COMMAND…: the exit code is part of the story
	local want=$1 got=0
	shift
	show "$@" || got=$?
	echo "(exit code $got)"
	[ "$got" = "$want" ] || fail "expected exit code $want"
}

start_mysql() { # ID VOLUME-OPTION…
	local id=$1
	shift
	local cmd=(kshim run --detach --rootfs "$rootfs" --read-only --pod "$pod" "$@"
		--empty-dir run:/run/mysqld:medium=Memory --empty-dir tmp:/tmp:medium=Memory
		--env MYSQL_ROOT_PASSWORD=my-secret-pw --env MYSQL_DATABASE=catalog
		--env MYSQL_USER=catalog_user --env MYSQL_PASSWORD=default_password
		"$id" -- /entrypoint.sh --ignore-db-dirs=lost+found)
	show_only "${cmd[@]}"
	"${cmd[@]}" >"$work/$id.log" 2>&1 </dev/null || fail "start of $id: $(tail -3 "$work/$id.log")"
	wait_mysql "$id"
}

wait_mysql() {
	local i
	for i in $(seq 600); do
		if kshim exec "$1" mariadb -ucatalog_user -pdefault_password -e 'SELECT 1' catalog \
			>/dev/null 2>&1; then
			echo "(the database answers)"
			return
		fi
		kshim state "$1" | grep -q '"status": "running"' || break
		sleep 0.1
	done
	tail -5 "$work/$1.log" >&2
	fail "the database of $1 does not answer"
}

delete_pod() {
	show kshim kill "$1" TERM
	local i
	for i in $(seq 300); do
		kshim state "$1" | grep -q '"status": "stopped"' && break
		sleep 0.1
	done
	show kshim delete "$1"
}

sql() {
	local id=$1
	shift
	show kshim exec "$id" mariadb -ucatalog_user -pdefault_password -t catalog -e "$*"
}

uuid() { kshim volume inspect -n catalog data-catalog-mysql-0 | sed -n 's/.*"fsUuid": "\(.*\)".*/\1/p'; }

"$here/make-rootfs.sh" "$rootfs"

bold "1. A pod on an emptyDir: the file is gone with the pod"
start_mysql mysql-1 --empty-dir data:/var/lib/mysql
show kshim exec mysql-1 bash -c 'echo 123 > /var/lib/mysql/test.txt'
show kshim exec mysql-1 ls -la /var/lib/mysql/test.txt
say "Delete the pod, and make it again under its name."
delete_pod mysql-1
start_mysql mysql-2 --empty-dir data:/var/lib/mysql
expect_exit 1 kshim exec mysql-2 cat /var/lib/mysql/test.txt
delete_pod mysql-2
kshim pod forget "$pod"

bold "2. The same pod with a claim of 1 GiB: the disk comes back with the name"
start_mysql mysql-3 --volume-claim-template data:1Gi:/var/lib/mysql
show kshim exec mysql-3 bash -c 'echo 123 > /var/lib/mysql/test.txt'
sql mysql-3 "CREATE TABLE products (id INT PRIMARY KEY, name VARCHAR(40)); INSERT INTO products VALUES (1, 'watch'), (2, 'pocket knife')"
show kshim exec mysql-3 df -h /var/lib/mysql
show kshim volume list
host_before=$(kshim exec mysql-3 hostname)
uuid_before=$(uuid)

say "Nobody else can be catalog-mysql-0 while it runs."
expect_exit 1 kshim run --rootfs "$rootfs" --pod "$pod" other -- true

say "Delete the pod, and make it again under its name."
delete_pod mysql-3
show kshim volume list
start_mysql mysql-4 --volume-claim-template data:1Gi:/var/lib/mysql
expect_exit 0 kshim exec mysql-4 cat /var/lib/mysql/test.txt
sql mysql-4 "SELECT * FROM products"
rows=$(kshim exec mysql-4 mariadb -ucatalog_user -pdefault_password -N catalog -e 'SELECT COUNT(*) FROM products')
[ "$rows" = 2 ] || fail "expected 2 rows, found $rows"
expect_exit 0 kshim exec mysql-4 hostname
[ "$(kshim exec mysql-4 hostname)" = "$host_before" ] || fail "the host name changed"
[ "$(uuid)" = "$uuid_before" ] || fail "the file system's UUID changed"
echo "file system UUID before and after: $uuid_before"
delete_pod mysql-4

bold "The pod is gone, its claim is not:"
show kshim volume list
show kshim pod list
printf '\ndemo: OK\n'
