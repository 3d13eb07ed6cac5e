#!/usr/bin/env bash
# Copyright the davit authors
# SPDX-License-Identifier: Apache-2.0
#
# lint.sh CHECK: runs one check of lint.py on the work tree that this runfile comes from.
set -euo pipefail
root=$(dirname "$(readlink -f README.md)")
exec python3 tests/lint/lint.py "$1" "$root"
