#!/usr/bin/env bash
# Copyright the davit authors
# SPDX-License-Identifier: Apache-2.0
#
# linux_bench.sh BENCH DAVITD INIT LAB_SH SKIP_SH LOAD_INIT: `bench --linux` and `bench --devices` with Debian's
# kernel, where the guest tests would run it too: directly, or inside the nested lab with QEMU beside davitd.
# $DAVIT_BENCH_TABLES: "linux", "devices" or both (default). $DAVIT_BENCH_ROWS: rows of "devices" that hold this.
# $DAVIT_BENCH_COUNTERS set: KVM's counters a request, too.
set -uo pipefail
bench=$1 davitd=$2 init=$3 lab=$4 load_init=$6
tables=${DAVIT_BENCH_TABLES:-linux devices}
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
lab_initramfs "$work/device-initramfs" "$load_init" "$kernel"

# The lines that run the tables in folder $1; $2 and $3 are the disks.
# shellcheck disable=SC2016  # the shell that runs them expands them
run_lines() {
  local table
  echo 'status=0'
  for table in $tables; do
    case $table in
      linux) echo "\"\$bench\" --linux '$1' || status=1" ;;
      devices) echo "\"\$bench\" --devices '$1' '$2' '$3' || status=1" ;;
      *) echo "echo 'no table $table'; status=1" ;;
    esac
  done
  echo 'exit $status'
}

if [ "$mode" = direct ]; then
  cp "$kernel/vmlinuz" "$work/"
  truncate -s 1G "$work/disk0" "$work/disk1"
  export DAVIT_DAVITD=$davitd bench
  sh -c "$(run_lines "$work" "$work/disk0" "$work/disk1")"
  exit
fi

tree=$work/tree
lab_add_program "$tree" "$bench"
lab_add_program "$tree" "$davitd"
lab_add_qemu "$tree"
cp -L "$work/initramfs" "$work/device-initramfs" "$kernel/vmlinuz" "$tree/lab/"
{
  cat <<RUN
#!/bin/sh
export PATH=/bin:/usr/bin DAVIT_DAVITD=/lab/$(basename "$davitd")
# What takes a second on hardware takes a minute here, and a request its time.
export DAVIT_BENCH_BALLOON_MIB=32 DAVIT_BENCH_POLL_NS=${DAVIT_BENCH_POLL_NS:-1000000}
bench=./$(basename "$bench")
mount -t debugfs debugfs /sys/kernel/debug
RUN
  [ -z "${DAVIT_BENCH_ROWS:-}" ] || echo "export DAVIT_BENCH_ROWS='$DAVIT_BENCH_ROWS'"
  [ -z "${DAVIT_BENCH_COUNTERS:-}" ] || echo "export DAVIT_BENCH_COUNTERS=1"
  echo 'truncate -s 256M /dev/shm/disk0 /dev/shm/disk1'
  run_lines /lab /dev/shm/disk0 /dev/shm/disk1
} >"$tree/lab/run"
chmod +x "$tree/lab/run"
lab_run "$tree" "$kernel" "$work/out" 600 4G
status=$?
cat "$work/out"
exit "$status"
