#!/usr/bin/env bash
# Copyright the davit authors
# SPDX-License-Identifier: Apache-2.0
#
# deb.sh OUT VERSION DAVITD QMP_SHELL FILE...: the Debian package. Nothing of the machine goes into
# it but the versions of the libraries that the programs are linked with: the same input makes the
# same package.
set -euo pipefail
out=$PWD/$1 version=$2 davitd=$3 qmp_shell=$4
shift 4
declare -A files
for file in "$@"; do files[$(basename "$file")]=$file; done

# A day after all that Debian calls ancient.
export SOURCE_DATE_EPOCH=1796000000 LC_ALL=C
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
put() { install -D -m "$1" "${files[$2]}" "$root/$3"; }

install -D -m 755 -s "$davitd" "$root/usr/bin/davitd"
install -D -m 755 -s "$qmp_shell" "$root/usr/bin/qmp-shell"
# Where libvirt looks for an emulator that no domain names: a folder for its PATH.
install -d -m 755 "$root/usr/lib/davit"
ln -s ../../bin/davitd "$root/usr/lib/davit/qemu-system-x86_64"
for page in davitd.1 qmp-shell.1; do
  put 644 $page usr/share/man/man1/$page
  gzip -9n "$root/usr/share/man/man1/$page"
done
put 644 davitd.bash usr/share/bash-completion/completions/davitd
put 644 qmp-shell.bash usr/share/bash-completion/completions/qmp-shell
put 644 davit@.service lib/systemd/system/davit@.service
put 644 example.conf usr/share/doc/davit/examples/example.conf
put 644 libvirt-qemu.apparmor usr/share/doc/davit/examples/libvirt-qemu.apparmor
put 644 copyright usr/share/doc/davit/copyright
put 644 CHANGELOG.md usr/share/doc/davit/changelog
printf 'davit (%s) stable; urgency=medium\n\n  * See changelog.gz.\n\n -- %s  %s\n' "$version" \
  "$(sed -n 's/^Maintainer: //p' "${files[control.in]}")" "$(date -uRd @$SOURCE_DATE_EPOCH)" \
  >"$root/usr/share/doc/davit/changelog.Debian"
gzip -9n "$root"/usr/share/doc/davit/changelog*
install -d -m 755 "$root/etc/davit"

# dpkg-shlibdeps reads the dependencies off the programs; it wants a source package around it.
mkdir "$work/debian"
printf 'Source: davit\n\nPackage: davit\nArchitecture: any\n' >"$work/debian/control"
depends=$(cd "$work" && dpkg-shlibdeps -O root/usr/bin/davitd root/usr/bin/qmp-shell 2>"$work/log") ||
  { cat "$work/log" >&2 && exit 1; }
depends=${depends#shlibs:Depends=}

install -d -m 755 "$root/DEBIAN"
sed -e "s/@VERSION@/$version/" -e "s/@ARCH@/$(dpkg --print-architecture)/" \
  -e "s/@DEPENDS@/$depends/" -e "s/@SIZE@/$(du -sk --apparent-size "$root" | cut -f1)/" \
  "${files[control.in]}" >"$root/DEBIAN/control"
for script in postinst prerm postrm; do put 755 $script DEBIAN/$script; done
(cd "$root" && find usr lib -type f | sort | xargs -d '\n' md5sum) >"$root/DEBIAN/md5sums"
chmod 644 "$root/DEBIAN/md5sums" "$root/DEBIAN/control"
find "$root" -type d -exec chmod 755 {} +
find "$root" -exec touch -h -d @$SOURCE_DATE_EPOCH {} +
dpkg-deb --root-owner-group -Zxz --build "$root" "$out" >/dev/null
