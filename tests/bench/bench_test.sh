#!/usr/bin/env bash
# Copyright the davit authors
# SPDX-License-Identifier: Apache-2.0
#
# bench_test.sh BENCH DAVITD PROBE_ELF: the table of this host; fails when a row misses its bar.
set -uo pipefail
if ! { [ -r /dev/kvm ] && [ -w /dev/kvm ]; }; then
  echo "SKIP: /dev/kvm does not open"
  exit 0
fi
DAVIT_DAVITD=$2 exec "$1" "$3"
