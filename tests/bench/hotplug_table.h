// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The rows of hot-plug: how long from device_add until a Linux guest has a disk, a CPU or a memory
// module, and from device_del until DEVICE_DELETED; davitd beside QEMU, with PCI Express slots
// served by their own registers and by ACPI in both.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "tests/bench/device_load.h"

namespace davit::bench {

using Values = std::array<std::vector<double>, 2>;  // davitd, QEMU; a round each

struct HotplugRows {
  std::array<std::string, 2> programs;  // davitd, QEMU
  std::string dir;                      // as for RunDevices()
  // Whether the row is wanted; what prints it, milliseconds, and says whether the bar was met; what
  // tells of an error and returns false.
  std::function<bool(const std::string& name)> wanted;
  std::function<bool(const std::string& name, const Values& values)> print;
  std::function<bool(const std::string& what, const Error& error)> failed;
};

// True: all bars are met.
bool RunHotplug(const HotplugRows& rows);

}  // namespace davit::bench
