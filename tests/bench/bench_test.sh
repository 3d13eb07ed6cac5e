#!/usr/bin/env bash
# Copyright the davit authors
# SPDX-License-Identifier: Apache-2.0
#
# bench_test.sh BENCH DAVITD PROBE_ELF SKIP_SH EXIT_BENCH: the tables of this host; fails when a row misses its bar.
set -uo pipefail
# shellcheck source=../support/skip.sh
. "$4"
if ! { [ -r /dev/kvm ] && [ -w /dev/kvm ]; }; then
  davit_skip "/dev/kvm does not open" Bench.Host
  exit 0
fi
status=0
DAVIT_DAVITD=$2 "$1" "$3" || status=1
"$5" || status=1
exit "$status"
