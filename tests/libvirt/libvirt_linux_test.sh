#!/usr/bin/env bash
# Copyright the davit authors
# SPDX-License-Identifier: Apache-2.0
#
# libvirt_linux_test.sh CASES DAVITD INIT LAB_SH SKIP_SH: libvirt_linux_test.cc, directly on a host where KVM
# has hardware, else inside the nested lab with Debian's libvirt packed into it, else skipped.
set -uo pipefail
cases=$1 davitd=$2 init=$3 lab=$4
# shellcheck source=../guest/lab/lab.sh
. "$lab"
# shellcheck source=../support/skip.sh
. "$5"

skip() {
  davit_skip "$1" LibvirtLinuxTest.DebiansKernelFollowsItsDomain
  exit 0
}

# add_libvirt TREE: what libvirt_host.cc starts and what that loads, in Debian's places.
add_libvirt() {
  local tree=$1 file place=/usr/lib/x86_64-linux-gnu/libvirt
  for file in /usr/sbin/{libvirtd,virtlogd} /usr/bin/virsh \
    $place/connection-driver/libvirt_driver_qemu.so $place/storage-file/libvirt_storage_file_fs.so; do
    lab_add_program "$tree" "$file"
    mkdir -p "$tree$(dirname "$file")"
    mv "$tree/lab/$(basename "$file")" "$tree$file"
  done
  mkdir -p "$tree/usr/share/libvirt" "$tree/etc/libvirt" "$tree"/var/{lib,cache,log}/libvirt "$tree/run" "$tree/tmp"
  ln -s /run /run/lock "$tree/var/"
  cp -r /usr/share/libvirt/cpu_map "$tree/usr/share/libvirt/"
  getent passwd root libvirt-qemu >"$tree/etc/passwd"
  getent group root kvm libvirt libvirt-qemu >"$tree/etc/group"
}

mode=$(lab_choose)
case $mode in skip:*) skip "${mode#skip: }" ;; esac
for program in libvirtd virtlogd virsh; do
  PATH=$PATH:/usr/sbin command -v $program >/dev/null || skip "$program is not installed"
done
kernel=$(lab_kernel "$(lab_workspace "$lab")") || skip "Debian's kernel could not be fetched"
echo "guest tests: mode $mode, $(cat "$kernel/version")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
lab_initramfs "$work/initramfs" "$init" "$kernel"

if [ "$mode" = direct ]; then
  ln -s "$kernel/vmlinuz" "$work/vmlinuz"
  DAVIT_DAVITD=$davitd DAVIT_GUEST_DIR=$work "$cases" --gtest_output="xml:${XML_OUTPUT_FILE:-/dev/null}"
  exit
fi

tree=$work/tree
lab_add_program "$tree" "$cases"
lab_add_program "$tree" "$davitd"
add_libvirt "$tree"
cp -L "$work/initramfs" "$kernel/vmlinuz" "$tree/lab/"
cat >"$tree/lab/run" <<RUN
#!/bin/sh
export PATH=/lab:/bin:/usr/bin:/usr/sbin DAVIT_DAVITD=/lab/$(basename "$davitd") DAVIT_GUEST_DIR=/lab
exec ./$(basename "$cases") --gtest_color=no
RUN
chmod +x "$tree/lab/run"
# Another lab only where the outer VM itself broke (docs/testing.md).
for try in 1 2 3; do
  lab_run "$tree" "$kernel" "$work/out" 800 3G
  status=$?
  tr -d '\r' <"$work/out"
  [ "$status" = 2 ] && [ "$try" != 3 ] || exit "$status"
  echo "lab: once more"
done
