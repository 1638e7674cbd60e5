#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A small entry point for MariaDB in the manner of the mysql image: on an empty
# data directory it makes the system tables, the root password, a database and
# a user, from MYSQL_ROOT_PASSWORD, MYSQL_DATABASE, MYSQL_USER, MYSQL_PASSWORD.
set -eu

data=/var/lib/mysql
run=/run/mysqld

# A quote in a password must not end the string that it stands in.
quote() {
	printf "'%s'" "$(printf '%s' "$1" | sed "s/\\\\/\\\\\\\\/g; s/'/\\\\'/g")"
}

# A name may hold anything but a backtick.
name() {
	printf '`%s`' "$(printf '%s' "$1" | tr -d '`')"
}

sql() {
	printf 'FLUSH PRIVILEGES;\n'
	printf "ALTER USER 'root'@'localhost' IDENTIFIED BY %s;\n" "$(quote "$MYSQL_ROOT_PASSWORD")"
	[ -z "${MYSQL_DATABASE:-}" ] || printf 'CREATE DATABASE IF NOT EXISTS %s;\n' "$(name "$MYSQL_DATABASE")"
	if [ -n "${MYSQL_USER:-}" ]; then
		printf "CREATE USER IF NOT EXISTS %s@'%%' IDENTIFIED BY %s;\n" \
			"$(quote "$MYSQL_USER")" "$(quote "${MYSQL_PASSWORD:-}")"
		[ -z "${MYSQL_DATABASE:-}" ] ||
			printf "GRANT ALL ON %s.* TO %s@'%%';\n" "$(name "$MYSQL_DATABASE")" "$(quote "$MYSQL_USER")"
	fi
}

mkdir -p "$run"
chown mysql:mysql "$run"
# -h: a link in the data directory is changed itself, never what it points to.
chown -Rh mysql:mysql "$data"

if [ ! -d "$data/mysql" ]; then
	: "${MYSQL_ROOT_PASSWORD:?must be set for a new data directory}"
	# In a directory beside it, renamed when it is whole: a kill in between starts afresh.
	rm -rf "$data/.kshim-init"
	mkdir "$data/.kshim-init"
	chown mysql:mysql "$data/.kshim-init"
	# --force: it need not look up this host's name.
	mariadb-install-db --force --user=mysql --datadir="$data/.kshim-init" --skip-test-db \
		--auth-root-authentication-method=normal >/tmp/install.log 2>&1 || {
		cat /tmp/install.log >&2
		exit 1
	}
	sql | mariadbd --bootstrap --user=mysql --datadir="$data/.kshim-init" --skip-networking
	for f in "$data/.kshim-init"/*; do
		[ "$(basename "$f")" = mysql ] || mv -f "$f" "$data/"
	done
	mv "$data/.kshim-init/mysql" "$data/mysql"
	rm -rf "$data/.kshim-init"
fi

exec mariadbd --user=mysql --datadir="$data" "$@"
