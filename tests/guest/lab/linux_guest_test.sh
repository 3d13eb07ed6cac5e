#!/usr/bin/env bash
# Copyright the davit authors
# SPDX-License-Identifier: Apache-2.0
#
# linux_guest_test.sh CASES DAVITD INIT PROBE_ELF FILTER SKIP_SH: runs the guest cases that FILTER (gtest) names,
# directly on a host where KVM has hardware, else inside the nested lab, else skips and says why. In CI
# ($CI) a skip is a failure. $DAVIT_GUEST_MODE=direct|lab and $DAVIT_GUEST_FILTER override.
set -uo pipefail
cases=$1 davitd=$2 init=$3 probe=$4
here=$(dirname "$0")
# shellcheck source=lab.sh
. "$here/lab.sh"
# shellcheck source=../../support/skip.sh
. "$6"
filter=${DAVIT_GUEST_FILTER:-$5}
xml=${XML_OUTPUT_FILE:-/dev/null}

skip() {
  local names
  names=$("$cases" --gtest_list_tests --gtest_filter="$filter" | awk '/^  /{ print suite $1 } !/^  /{ suite = $1 }')
  # One case a line, wanted split.
  # shellcheck disable=SC2086
  davit_skip "$1" $names
  [ -z "${CI:-}" ] || { echo "In CI the guest tests must run."; exit 1; }
  exit 0
}

mode=$(lab_choose)
case $mode in skip:*) skip "${mode#skip: }" ;; esac
kernel=$(lab_kernel "$(lab_workspace "$here/lab.sh")") || skip "Debian's kernel could not be fetched"
echo "guest tests: mode $mode, $(cat "$kernel/version")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
lab_initramfs "$work/initramfs" "$init" "$kernel"

if [ "$mode" = direct ]; then
  mkdir "$work/guest"
  ln -s "$kernel/vmlinuz" "$kernel/vmlinux" "$work/initramfs" "$work/guest/"
  DAVIT_DAVITD=$davitd DAVIT_GUEST_DIR=$work/guest DAVIT_PROBE_DIR=$(dirname "$probe") \
    "$cases" --gtest_filter="$filter" --gtest_output="xml:$xml"
  exit
fi

tree=$work/tree
for program in "$cases" "$davitd" "$(command -v dtc)" "$(command -v mke2fs)" "$(command -v debugfs)"; do
  lab_add_program "$tree" "$program"
done
cp -L "$(dirname "$probe")"/probe.{elf,bzImage} "$work/initramfs" "$kernel/vmlinuz" "$kernel/vmlinux" "$tree/lab/"

# run_cases FILTER OUT XML: the cases in a lab of their own; in another one, and a third, where the outer
# VM broke.
run_cases() {
  local filter=$1 out=$2 xml=$3 status try
  cat >"$tree/lab/run" <<RUN
#!/bin/sh
export PATH=/lab:/bin DAVIT_DAVITD=/lab/$(basename "$davitd") DAVIT_GUEST_DIR=/lab DAVIT_PROBE_DIR=/lab
./$(basename "$cases") --gtest_color=no --gtest_filter='$filter' --gtest_output=xml:/lab/result.xml
status=\$?
echo "lab: xml"
cat /lab/result.xml
echo "lab: xml end"
exit \$status
RUN
  chmod +x "$tree/lab/run"
  for try in 1 2 3; do
    # On a quiet host three minutes do for the longest; beside other work eight were seen.
    lab_run "$tree" "$kernel" "$out" 900 9G
    status=$?
    [ "$status" = 2 ] && [ "$try" != 3 ] || break
    echo "lab: once more; what it had done:"
    tail -n 5 "$out"
  done
  tr -d '\r' <"$out" | sed '/^lab: xml$/,/^lab: xml end$/d'
  tr -d '\r' <"$out" | sed '1,/^lab: xml$/d; /^lab: xml end$/,$d' >"$xml"
  return "$status"
}

run_cases "$filter" "$work/out" "$work/result.xml"
status=$?
# The lab emulates a processor that emulates a processor, and a guest in it can stand still for ever
# (docs/testing.md). A case that fails in two labs has failed; where waiting for such a guest took all
# the time, no case has a result, and all are run again.
failed=
if [ "$status" != 0 ]; then
  failed=$filter
  [ ! -s "$work/result.xml" ] || failed=$(python3 "$here/again.py" failed "$work/result.xml")
fi
if [ -n "$failed" ]; then
  echo "lab: failed, again in a fresh lab: $failed"
  run_cases "$failed" "$work/out2" "$work/again.xml"
  status=$?
  if [ ! -s "$work/result.xml" ]; then
    mv "$work/again.xml" "$work/result.xml"
  elif [ -s "$work/again.xml" ]; then
    python3 "$here/again.py" merge "$work/result.xml" "$work/again.xml" >"$work/merged.xml" &&
      mv "$work/merged.xml" "$work/result.xml"
  fi
fi
[ ! -s "$work/result.xml" ] || cp "$work/result.xml" "$xml"
exit "$status"
