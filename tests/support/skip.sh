# shellcheck shell=bash
# Copyright the davit authors
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by tests that are scripts: leaves their cases as skipped, with the reason, in the test.xml
# that Bazel asks for. Without it a script that ends early counts as one case that passed.

# davit_skip REASON SUITE.CASE...
davit_skip() {
  local reason=$1 name
  shift
  echo "SKIP: $reason"
  # Quoted: a bare & in a replacement is what was matched.
  reason=${reason//&/'&amp;'}
  reason=${reason//</'&lt;'}
  reason=${reason//\"/'&quot;'}
  {
    echo '<testsuites><testsuite name="skipped">'
    for name in "$@"; do
      echo "<testcase classname=\"${name%%.*}\" name=\"${name#*.}\"><skipped message=\"$reason\"/></testcase>"
    done
    echo '</testsuite></testsuites>'
  } >"${XML_OUTPUT_FILE:-/dev/null}"
}
