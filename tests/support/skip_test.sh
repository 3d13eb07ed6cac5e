#!/usr/bin/env bash
# Copyright the davit authors
# SPDX-License-Identifier: Apache-2.0
#
# skip_test.sh SKIP_SH SUMMARY_PY: what davit_skip leaves is counted as skipped, reason and all; a
# case of GoogleTest that recorded "again" is counted and told.
set -euo pipefail
# shellcheck source=skip.sh
. "$1"
xml=$TEST_TMPDIR/test.xml
XML_OUTPUT_FILE=$xml davit_skip 'no "kvm" <here> & there' Bench.Host Bench.Linux
cat >"$TEST_TMPDIR/log" <<LOG
{"id": {"testResult": {"label": "//a:b"}}, "testResult": {"status": "PASSED", "testActionOutput": [{"name": "test.xml", "uri": "file://$xml"}]}}
LOG
# Nothing ran: summary.py itself says so by its status.
got=$(python3 "$2" "$TEST_TMPDIR/log") && { echo "skipped cases alone were a success"; exit 1; }
want='skipped: //a:b Bench.Host: no "kvm" <here> & there
skipped: //a:b Bench.Linux: no "kvm" <here> & there
0 passed, 0 failed, 2 skipped'
[ "$got" = "$want" ] || { printf 'expected:\n%s\ngot:\n%s\n' "$want" "$got"; exit 1; }

printf '<testsuites><testcase name="C" classname="S" status="run">%s</testcase></testsuites>' \
  '<properties><property name="again" value="2"/></properties>' >"$xml"
got=$(python3 "$2" "$TEST_TMPDIR/log")
want='passed in a later run only: //a:b S.C
1 passed, 0 failed, 0 skipped'
[ "$got" = "$want" ] || { printf 'expected:\n%s\ngot:\n%s\n' "$want" "$got"; exit 1; }
