#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every check of the text; each prints what it found, and the last line counts.
# Usage: lint.sh [NAME...]: only these checks.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
failed=0
want=" $* "

mapfile -t C < <(git ls-files 'oci/*.c' 'volumes/*.c' 'shim/*.c')
mapfile -t ALL_C < <(git ls-files '*.c' '*.h')
mapfile -t SH < <(git ls-files '*.sh' '*.t' .ci/run)

check() { # NAME FUNCTION
	local out
	case $want in "  " | *" $1 "*) ;; *) return ;; esac
	out=$($2 2>&1)
	if [ -n "$out" ]; then
		printf 'not ok - %s\n%s\n' "$1" "$out"
		failed=$((failed + 1))
	else
		echo "ok - $1"
	fi
}

# clang-format decides how a line looks.
format() {
	local f
	for f in "${ALL_C[@]}"; do
		clang-format "$f" | cmp -s - "$f" || echo "$f: make format"
	done
}

tidy() {
	printf '%s\n' "${C[@]}" | xargs -P 2 -n 8 clang-tidy -p . --quiet 2>/dev/null | grep -E -A3 '(error|warning):'
}

cpp_check() {
	cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
		--suppress=missingIncludeSystem --suppress=nullPointerArithmeticRedundantCheck \
		--error-exitcode=0 -D__GNUC__ -D_GNU_SOURCE -Iinclude "${C[@]}" 2>&1
}

shell() { shellcheck -x -S warning "${SH[@]}"; }

spelling() {
	git ls-files | grep -vE '^tests/(fuzz/corpus|data)/|^LICENSE' | xargs codespell -q 3 -L iput,unmount,inh,ro,fo,te,parms,mke,ans,statics,bu
}

# oci/base <- oci/{spec,mount,cgroup,state} <- oci/run <- oci/cli; base, mount, state <- volumes;
# all <- shim. A header of include/kshim belongs to the folder that implements it.
includes() { tests/lint/includes.pl "${ALL_C[@]}"; }

# The libraries that only one place may know. Messages of protobuf-c stay below shim/, and criu's
# with who speaks to it.
libraries() {
	grep -lE '#include <yajl' -- "${ALL_C[@]}" | grep -v '^oci/base/json'
	grep -lE '#include <seccomp\.h>' -- "${ALL_C[@]}" | grep -vE '^(oci/run|tests/unit)/(test_)?seccomp'
	grep -lE '#include <sys/capability\.h>' -- "${ALL_C[@]}" | grep -v '^oci/run/caps\.c'
	grep -lE '#include <libmount' -- "${ALL_C[@]}" | grep -v '^oci/mount/'
	grep -lE '#include <blkid' -- "${ALL_C[@]}" | grep -v '^volumes/fs\.c'
	grep -lE '#include <(pb/|protobuf-c)' -- "${ALL_C[@]}" | grep -vE '^(shim|tests|oci/criu)/|^oci/run/checkpoint\.h'
	grep -nE '\bsyscall\(' -- "${C[@]}" include/kshim/*.h | grep -vE '^(include/kshim/compat.h|oci/run/(child|caps)|oci/cgroup/devices-bpf)'
}

length() {
	wc -l "${ALL_C[@]}" "${SH[@]}" | awk '$2 != "total" && $1 > 600 { print $2 ": " $1 " lines, more than 600" }'
}

# What is no source has no place here: a package, a build, an image.
binaries() {
	git ls-files -z | xargs -0 -r -n1 sh -c '[ -L "$1" ] || [ ! -s "$1" ] || grep -Iq . "$1" || echo "$1 is no text"' sh | grep -v '^tests/fuzz/corpus/'
}

banned() {
	grep -nE '\b(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|system|popen|alloca|rand|strtok|setjmp)\(' -- "${C[@]}"
	grep -nE '\bexit\(' -- "${C[@]}" | grep -vE '_exit\(|^shim/main\.c|^oci/base/process'
}

spdx() {
	local f license
	for f in "${ALL_C[@]}" "${SH[@]}" Makefile tests/tests.mk; do
		case $f in
		tests/vm/resctrl/*) license=MIT ;; # a kernel module
		*) license=Apache-2.0 ;;
		esac
		head -3 "$f" | grep -q "SPDX-License-Identifier: $license" || echo "$f: no SPDX line"
	done
}

# Between clone and exec: no allocation, no stdio, no locale, no NSS.
child() {
	nm -u "$BUILD"/obj/oci/run/child*.o "$BUILD"/obj/oci/run/hooks.o "$BUILD"/obj/oci/base/fmt.o \
		"$BUILD"/obj/oci/base/channel.o "$BUILD"/obj/oci/base/path.o 2>&1 |
		grep -E '\bU (malloc|calloc|realloc|free|printf|v?s?n?printf|__[a-z_]*printf_chk|fopen|fputs|puts|perror|strerror|getpw|getgr|setlocale|syslog|exit|qsort|strdup|asprintf|ks_arena_[a-z]+|ks_buf_[a-z]+)$'
}

# Every prototype of a public header has its words in front of it.
documented() { tests/lint/documented.pl include/kshim/*.h; }

# Every verb and option of --help stands in the man page and in the completion.
options() { tests/lint/options.sh "$BUILD/kshim"; }

# What is hidden in a text: names of this machine or of tools that are nobody's business.
machine() { git grep -nE '(^|[^[:alnum:]_])/(work|root|home)/[a-z]' -- . ':!tests/lint' ':!LICENSE' ':!tests/unit' ':!tests/cli/found.t' ':!tests/lib/lib.sh' ':!tests/fuzz' ':!tests/cli/peers.t' ':!oci/run' | head; }

# Each demand of the specification has a test that is there.
spec_table() { tests/lint/spec-table.py; }

check format format
check clang-tidy tidy
check cppcheck cpp_check
check shellcheck shell
check codespell spelling
check include-direction includes
check libraries libraries
check length length
check banned banned
check binaries binaries
check spdx spdx
check child-symbols child
check documented documented
check options options
check machine-paths machine
check runtime-spec spec_table
[ "$failed" = 0 ] || { echo "$failed checks failed"; exit 1; }
