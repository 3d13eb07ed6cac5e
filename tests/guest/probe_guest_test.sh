#!/usr/bin/env bash
# Copyright the davit authors
# SPDX-License-Identifier: Apache-2.0
#
# probe_guest_test.sh CASES DAVITD PROBE_ELF: the cases of the probe guest on this host's /dev/kvm. They
# skip themselves where it does not open; in CI that is a failure.
set -uo pipefail
if [ -n "${CI:-}" ] && ! { [ -r /dev/kvm ] && [ -w /dev/kvm ]; }; then
  echo "In CI the guest tests must run, and /dev/kvm does not open."
  exit 1
fi
# GoogleTest writes $XML_OUTPUT_FILE by itself.
DAVIT_DAVITD=$2 DAVIT_PROBE_DIR=$(dirname "$3") exec "$1" --gtest_filter='ProbeGuest*:Boards/ProbeGuest*'
