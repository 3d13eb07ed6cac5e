#!/usr/bin/env bash
# Copyright the davit authors
# SPDX-License-Identifier: Apache-2.0
#
# package_install_test.sh DEB: a Debian of its own (a chroot that mmdebstrap makes) in which apt
# installs the package, upgrades it under a machine that runs, removes it and leaves nothing but what
# was not the package's; AppArmor takes its snippet, and virt-install starts a guest on it with no other
# emulator there.
set -euo pipefail
deb=$1
# shellcheck source=tests/support/skip.sh
. tests/support/skip.sh
case=PackageInstall.ComesGoesAndServesVirtInstall
[ "$(id -u)" = 0 ] || { davit_skip "a chroot needs root" $case && exit 0; }
command -v mmdebstrap >/dev/null || { davit_skip "no mmdebstrap" $case && exit 0; }

root=$(mktemp -d "${TEST_TMPDIR:-/tmp}/debian.XXXXXX")
davitd=
cleanup() {
  [ -z "$davitd" ] || kill "$davitd" 2>/dev/null || true
  rm -rf "$root"
}
trap cleanup EXIT
fail() { echo "FAIL: $*" && exit 1; }
inside() { chroot "$root" env DEBIAN_FRONTEND=noninteractive LC_ALL=C "$@"; }
# What packages own, and what their scripts make: without apt's and dpkg's own records.
files() {
  (cd "$root" && find . -xdev \( -path ./proc -o -path ./run -o -path ./tmp -o -path ./var/cache -o \
    -path ./var/log -o -path ./var/lib/apt -o -path ./var/lib/dpkg \) -prune -o -print | sort)
}

mmdebstrap --quiet --variant=minbase bookworm "$root"
inside apt-get update -qq
# What the package needs, so that the difference is the package alone.
inside apt-get satisfy -qq --no-install-recommends "$(dpkg-deb -f "$deb" Depends)" >/dev/null
files >"$root/tmp/before"

cp "$deb" "$root/tmp/davit.deb"
dpkg-deb -R "$deb" "$root/tmp/older"
sed -i 's/^Version: .*/Version: 0.0.1-1/' "$root/tmp/older/DEBIAN/control"
dpkg-deb --root-owner-group --build "$root/tmp/older" "$root/tmp/older.deb" >/dev/null
rm -r "$root/tmp/older"
inside apt-get install -qq --no-install-recommends /tmp/older.deb >/dev/null
inside davitd -version
[ "$(inside id -un davit)" = davit ] || fail "no user davit"
inside sh -c 'cd / && md5sum --quiet -c /var/lib/dpkg/info/davit.md5sums'
echo '# the administrator has written it' >"$root/etc/davit/web.conf"

# A machine that runs outlives the upgrade, and the new shell talks to it.
if [ -w /dev/kvm ]; then
  [ -e "$root/dev/kvm" ] || mknod "$root/dev/kvm" c 10 232
  inside davitd -display none -serial null -qmp unix:/tmp/qmp,server=on,wait=off \
    -pidfile /tmp/pid -daemonize
  davitd=$(cat "$root/tmp/pid")
fi
inside apt-get install -qq --no-install-recommends /tmp/davit.deb >/dev/null
[ "$(inside dpkg-query -W -f '${Version}' davit)" = "$(dpkg-deb -f "$deb" Version)" ] || fail "no upgrade"
inside sh -c 'cd / && md5sum --quiet -c /var/lib/dpkg/info/davit.md5sums'
if [ -n "$davitd" ]; then
  printf 'query-status\nquit\nwait-event SHUTDOWN\n' | inside qmp-shell /tmp/qmp
  tail --pid="$davitd" -f /dev/null
  davitd=
  rm "$root/dev/kvm"
fi

inside apt-get install -qq --reinstall /tmp/davit.deb >/dev/null
inside apt-get remove -qq davit >/dev/null
[ ! -e "$root/usr/bin/davitd" ] || fail "apt remove left davitd"
[ -e "$root/etc/davit/web.conf" ] || fail "apt remove took what the administrator wrote"
inside apt-get purge -qq davit >/dev/null
rm "$root/etc/davit/web.conf" && rmdir --ignore-fail-on-non-empty "$root/etc/davit"
files >"$root/tmp/after"
# The user stays, as Debian's policy has it, and adduser keeps copies of what it changed.
diff <(grep -v -e '^./etc/.*-$' "$root/tmp/before") <(grep -v -e '^./etc/.*-$' "$root/tmp/after") ||
  fail "apt purge left something behind"

[ -w /dev/kvm ] || { echo "PASS, but for virt-install: no /dev/kvm" && exit 0; }
inside apt-get install -qq --no-install-recommends /tmp/davit.deb libvirt-daemon-system \
  libvirt-clients virtinst >/dev/null
# AppArmor's own compiler, loading nothing: what libvirt gives each machine includes the snippet.
inside apt-get install -qq --no-install-recommends apparmor >/dev/null
profile=$'include <tunables/global>\nprofile machine { include <abstractions/libvirt-qemu> }'
compile() { printf '%s\n' "$profile" | inside apparmor_parser --skip-kernel-load --skip-cache "$@"; }
! compile --preprocess | grep davitd >/dev/null || fail "libvirt's profile knows davitd without the snippet"
mkdir -p "$root/etc/apparmor.d/local/abstractions"
cp "$root/usr/share/doc/davit/examples/libvirt-qemu.apparmor" "$root/etc/apparmor.d/local/abstractions/libvirt-qemu"
compile || fail "AppArmor does not take the snippet"
compile --preprocess | grep '^ */usr/bin/davitd rmix,' >/dev/null || fail "the snippet is not in the profile"

cat >"$root/tmp/virt-install" <<'END'
set -euo pipefail
# As the root of a mount namespace, which libvirt's own start from; devices that a host has.
mount -t proc proc /proc
umount -l /old
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /dev
mkdir /dev/pts /dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts /dev/pts
ln -s pts/ptmx /dev/ptmx
while read -r name major minor; do mknod -m 666 "/dev/$name" c "$major" "$minor"; done <<'NODES'
null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
kvm 10 232
NODES
# davitd is the one emulator of this host.
export PATH=/usr/lib/davit:/usr/sbin:/usr/bin:/sbin:/bin
virtlogd -d
libvirtd -d
virt-install --connect qemu:///system --name guest --memory 128 --vcpus 1 --import --disk none \
  --osinfo generic --network none --graphics none --noautoconsole --controller usb,model=none \
  --virt-type kvm --machine q35 --boot emulator=/usr/bin/davitd
[ "$(virsh -c qemu:///system domstate guest)" = running ]
[[ $(virsh -c qemu:///system qemu-monitor-command guest --hmp info version) == *davit* ]]
virsh -c qemu:///system destroy guest
[ "$(virsh -c qemu:///system domstate guest)" = "shut off" ]
grep -q 'terminating on signal 15 from pid .* (libvirtd)' /var/log/libvirt/qemu/guest.log
END
# The namespaces end with the script, and with them all that it has started.
timeout 120 unshare --mount --pid --fork --propagation private bash -c '
  mount --bind "$1" "$1" && cd "$1" && mkdir old && pivot_root . old && cd / && exec bash /tmp/virt-install' \
  -- "$root" || fail "virt-install in the chroot"
echo "PASS"
