#!/usr/bin/env bash
# Copyright the davit authors
# SPDX-License-Identifier: Apache-2.0
#
# linux_bench.sh BENCH DAVITD INIT LAB_SH SKIP_SH: `bench --linux` with Debian's kernel, where the guest tests would
# run it too: directly, or inside the nested lab with QEMU beside davitd.
set -uo pipefail
bench=$1 davitd=$2 init=$3 lab=$4
# shellcheck source=../guest/lab/lab.sh
. "$lab"
# shellcheck source=../support/skip.sh
. "$5"

skip() {
  davit_skip "$1" Bench.Linux
  exit 0
}

mode=$(lab_choose)
case $mode in skip:*) skip "${mode#skip: }" ;; esac
kernel=$(lab_kernel "$(lab_workspace "$lab")") || skip "Debian's kernel could not be fetched"
echo "Linux bench: mode $mode, $(cat "$kernel/version")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
lab_initramfs "$work/initramfs" "$init" "$kernel"

if [ "$mode" = direct ]; then
  cp "$kernel/vmlinuz" "$work/"
  DAVIT_DAVITD=$davitd "$bench" --linux "$work"
  exit
fi

tree=$work/tree
lab_add_program "$tree" "$bench"
lab_add_program "$tree" "$davitd"
lab_add_qemu "$tree"
cp -L "$work/initramfs" "$kernel/vmlinuz" "$tree/lab/"
cat >"$tree/lab/run" <<RUN
#!/bin/sh
export PATH=/bin:/usr/bin DAVIT_DAVITD=/lab/$(basename "$davitd")
./$(basename "$bench") --linux /lab
RUN
chmod +x "$tree/lab/run"
lab_run "$tree" "$kernel" "$work/out" 600 4G
status=$?
cat "$work/out"
exit "$status"
