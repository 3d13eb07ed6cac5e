// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The table of devices: disk, balloon and network of a q35 with a Linux guest, davitd beside QEMU,
// both up all the time and measured by turns.
#pragma once

#include <string>

namespace davit::bench {

// dir: vmlinuz, and device-initramfs with the guest of tests/bench/guest. The disks: block devices
// or files of equal kind, one for each VMM, overwritten. Prints the rows; 0: all bars are met.
int RunDevices(const std::string& dir, const std::string& davit_disk, const std::string& qemu_disk);

}  // namespace davit::bench
