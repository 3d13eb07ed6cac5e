# shellcheck shell=bash
# Copyright the davit authors
# SPDX-License-Identifier: Apache-2.0
#
# Sourced. The nested lab (docs/testing.md): a VM of QEMU's TCG, which emulates AMD SVM, boots Debian's
# kernel with its kvm-amd; a VMM started inside has a hardware-like /dev/kvm. Everything travels in an
# initramfs, results come back over the second serial port.
#
#   lab_workspace FILE         the source tree that FILE (a runfile) belongs to
#   lab_kernel ROOT            makes sure of .cache/guest, prints the folder
#   lab_choose                 prints "direct", "lab" or "skip: REASON"
#   lab_add_program DIR FILE   copies a program and the libraries it loads into a tree for the lab
#   lab_add_qemu DIR           copies Debian's QEMU with its firmware, to compare with
#   lab_initramfs OUT INIT KERNEL_DIR   the initramfs of the guests under test
#   lab_run TREE KERNEL_DIR OUT SECONDS MEMORY   runs TREE/lab/run inside, its output to OUT
#                              ($DAVIT_LAB_ARGS: more options for the outer QEMU, a monitor say)

lab_workspace() { dirname "$(realpath "$1")" | sed 's|/tests/guest/lab$||'; }

lab_kernel() {
  "$1/tests/guest/lab/fetch" --have || "$1/tests/guest/lab/fetch"
}

lab_choose() {
  if ! [ -x /bin/busybox ]; then
    echo "skip: no busybox-static, which the guests' programs are"
  elif [ -n "${DAVIT_GUEST_MODE:-}" ]; then
    echo "$DAVIT_GUEST_MODE"
  elif [ -r /dev/kvm ] && [ -w /dev/kvm ] && grep -qwE '^flags.*(vmx|svm)' /proc/cpuinfo; then
    echo direct
  elif ! command -v qemu-system-x86_64 >/dev/null; then
    echo "skip: no KVM with hardware under it here, and no qemu-system-x86_64 for the lab"
  else
    echo lab
  fi
}

lab_add_program() {
  local tree=$1 program=$2 library
  mkdir -p "$tree/lab"
  cp -L "$program" "$tree/lab/"
  # "libx.so.1 => /path (0x...)" and "/lib64/ld-linux-x86-64.so.2 (0x...)"; static programs have none.
  for library in $(ldd "$program" 2>/dev/null | grep -oE '/[^ ]+'); do
    [ -e "$tree$library" ] && continue
    mkdir -p "$tree$(dirname "$library")"
    cp -L "$library" "$tree$library"
  done
}

lab_add_qemu() {
  local tree=$1 file
  lab_add_program "$tree" "$(command -v qemu-system-x86_64)"
  mkdir -p "$tree/usr/bin" "$tree/usr/share/qemu" "$tree/usr/share/seabios"
  mv "$tree/lab/qemu-system-x86_64" "$tree/usr/bin/"
  for file in qemu/{bios-microvm,kvmvapic,linuxboot_dma,pvh}.bin qemu/qboot.rom \
    seabios/bios{,-256k,-microvm}.bin; do
    [ ! -e "/usr/share/$file" ] || cp -L "/usr/share/$file" "$tree/usr/share/$file"
  done
}

lab_cpio() { (cd "$1" && find . | cpio -o -H newc --quiet -R 0:0); }

# Our init, the modules, and busybox with one account: root, whose password is "open-sesame".
lab_initramfs() {
  local out=$1 init=$2 kernel=$3 tree program
  tree=$(mktemp -d)
  mkdir -p "$tree/modules" "$tree/bin" "$tree/etc" "$tree/mnt"
  cp -L "$init" "$tree/init"
  cp /bin/busybox "$tree/bin/"
  for program in sh login; do ln -s busybox "$tree/bin/$program"; done
  # shellcheck disable=SC2016
  echo 'root:$5$davit$5Ea/h.sM3oXiMmxaSP8u/v/DG.czcKDvkzhK1wLxof.:0:0::/:/bin/sh' >"$tree/etc/passwd"
  cp "$kernel"/modules/{button,cdrom,evdev,failover,net_failover,s[dr]_mod,scsi_*,virtio*,vsock,vmw_vsock_*}.ko \
    "$tree/modules/"
  lab_cpio "$tree" >"$out"
  rm -rf "$tree"
}

# The init of the lab's outer VM.
lab_init() {
  cat <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /tmp
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
ip link set lo up
for module in irqbypass kvm kvm-amd tun tap vhost_iotlb vhost vhost_net vsock vmw_vsock_virtio_transport_common \
  vhost_vsock; do
  insmod /modules/$module.ko
done
(while :; do echo "lab: beat $(cut -d' ' -f1 /proc/uptime)"; sleep 5; done) >/dev/ttyS0 &
exec >/dev/ttyS1 2>&1 </dev/null
echo "lab: up after $(cut -d' ' -f1 /proc/uptime) s, $(uname -r), $(ls /dev/kvm)"
cd /lab
# A VM with a CPU that never runs, for as long as the lab lasts. It keeps KVM's static keys as they are
# (notifiers in use, a local APIC off), which the kernel would else patch with each VM that comes and goes;
# TCG can miss such a patch made by another CPU, and then spins in int3 for ever.
[ ! -x davitd ] || ./davitd -machine microvm -accel kvm -S -m 16 -nodefaults -display none &
./run
echo "lab: status $? after $(cut -d' ' -f1 /proc/uptime) s"
sync
poweroff -f
INIT
}

# Follows the outer VM to its end: 0 it ended, 1 out of time, 2 its heartbeat stopped for a minute.
lab_follow() {
  local pid=$1 console=$2 seconds=$3 start=$SECONDS size=-1 now last=$SECONDS
  while kill -0 "$pid" 2>/dev/null; do
    timeout 5 tail --pid="$pid" -f /dev/null
    now=$(stat -c %s "$console" 2>/dev/null || echo 0)
    [ "$now" = "$size" ] || { size=$now last=$SECONDS; }
    [ $((SECONDS - last)) -lt 60 ] || return 2
    [ $((SECONDS - start)) -lt "$seconds" ] || return 1
  done
}

# The frequency of this host's TSC, which is the outer VM's, too, as a parameter of its kernel. Calibrated
# on a busy host, its clock was seen to run at four times its rate, and every deadline with it. Empty where
# "cpu MHz" is the momentary frequency of a core instead.
lab_tsc() {
  grep -qw aperfmperf /proc/cpuinfo && return
  awk -F: '/^cpu MHz/ { printf "tsc_early_khz=%d", $2 * 1000; exit }' /proc/cpuinfo
}

# 0: "run" succeeded. 1: it failed or did not end. 2: the outer VM itself froze, or its kernel panicked or
# fell over (TCG's SVM is young); only that is worth another try of the whole.
lab_run() {
  local tree=$1 kernel=$2 out=$3 seconds=$4 memory=$5 work pid status
  work=$(mktemp -d)
  mkdir -p "$tree/bin" "$tree/modules" "$tree/root"
  cp /bin/busybox "$tree/bin/busybox"
  cp "$kernel"/modules/{irqbypass,kvm,kvm-amd,tun,tap,vhost_iotlb,vhost,vhost_{net,vsock},vsock,vmw_vsock_*}.ko \
    "$tree/modules/"
  lab_init >"$tree/init"
  chmod +x "$tree/init"
  lab_cpio "$tree" >"$work/initrd"
  : >"$out"
  # shellcheck disable=SC2086
  qemu-system-x86_64 -machine q35 -accel tcg,thread=multi -cpu max -smp 2 \
    -m "$memory" -nodefaults -no-user-config -no-reboot -display none \
    -serial "file:$out.console" -serial "file:$out" ${DAVIT_LAB_ARGS:-} \
    -kernel "$kernel/vmlinuz" -initrd "$work/initrd" \
    -append "console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable $(lab_tsc) nowatchdog" </dev/null &
  pid=$!
  lab_follow "$pid" "$out.console" "$seconds"
  status=$?
  case $status in
    1) echo "lab: no end within $seconds s" ;;
    2) echo "lab: the outer VM froze" ;;
  esac
  kill "$pid" 2>/dev/null
  wait "$pid"
  rm -rf "$work"
  if ! grep -q '^lab: status 0' "$out"; then
    if grep -q 'Kernel panic' "$out.console"; then
      echo "lab: the outer kernel panicked:"
      grep -m1 -A30 'BUG:\|Oops\|guard page\|general protection' "$out.console"
      status=2
    elif [ "$status" = 0 ] && ! grep -q '^lab: status' "$out"; then
      echo "lab: the outer VM ended by itself, as it does at a triple fault"
      status=2
    fi
    echo "lab: the end of the outer VM's console:"
    grep -v '^lab: beat' "$out.console" | tail -n 40
    [ "$status" != 0 ] || status=1
  fi
  return "$status"
}
