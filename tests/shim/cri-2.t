#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
V=2
. "$(dirname "$0")/cri.sh"
