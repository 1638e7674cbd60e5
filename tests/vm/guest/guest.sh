# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What a guest's tests have beside tests/lib/lib.sh.
. "$(dirname "$0")/../../lib/lib.sh"

# Asks the driver for something: see tests/vm/vm.py. Needs the serial line of the driver.
host() { echo "#host $*" >/dev/ttyS1; }

KERNEL=$(uname -r)
kernel_at_least() { [ "$(printf '%s\n' "$1" "$KERNEL" | sort -V | head -1)" = "$1" ]; }
