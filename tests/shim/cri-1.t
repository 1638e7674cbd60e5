#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
V=1
. "$(dirname "$0")/cri.sh"
