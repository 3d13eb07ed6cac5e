#!/usr/bin/env bash
# Copyright the davit authors
# SPDX-License-Identifier: Apache-2.0
#
# probe_hotplug_soak_test.sh CASES DAVITD: the random operations of probe_hotplug_test.cc, 10,000 of them.
set -uo pipefail
DAVIT_DAVITD=$2 DAVIT_HOTPLUG_OPERATIONS=${DAVIT_HOTPLUG_OPERATIONS:-10000} exec "$1" \
  --gtest_filter='ProbeGuestRandomHotplug.OperationsLeaveNothingBehind'
