#!/usr/bin/env python3
# Copyright the davit authors
# SPDX-License-Identifier: Apache-2.0
"""virtinst_guest.py NAME EMULATOR DISK: virt-manager's library builds a domain and starts it."""

import sys

sys.path.insert(0, "/usr/share/virt-manager")

import virtinst  # noqa: E402 (it is in no folder that python3 knows)


def main():
    name, emulator, path = sys.argv[1:]
    connection = virtinst.VirtinstConnection("qemu:///system")
    connection.open(None, None)
    guest = virtinst.Guest(connection)
    guest.name = name
    guest.type = "kvm"
    guest.emulator = emulator
    guest.os.arch = "x86_64"
    guest.os.machine = "q35"
    guest.os.os_type = "hvm"
    guest.memory = 64 << 10
    guest.currentMemory = 64 << 10
    guest.vcpus = 1
    guest.cpu.mode = "host-passthrough"
    guest.skip_default_graphics = True
    guest.skip_default_sound = True
    guest.skip_default_usbredir = True
    guest.set_os_name("generic")
    usb = virtinst.DeviceController(connection)
    usb.type = "usb"
    usb.model = "none"
    guest.add_device(usb)
    disk = virtinst.DeviceDisk(connection)
    disk.set_source_path(path)
    disk.driver_type = "raw"
    disk.bus = "virtio"
    guest.add_device(disk)
    installer = virtinst.Installer(connection, no_install=True)
    guest.set_defaults(None)
    installer.start_install(guest)
    domain = connection.lookupByName(name)
    print(name, "is", "running" if domain.isActive() else "not running")


if __name__ == "__main__":
    main()
