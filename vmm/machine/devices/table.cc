// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The devices that can be made, one row each (row.h). Order: by name.
#include <algorithm>
#include <array>

#include "vmm/machine/devices/row.h"

namespace davit::machine {
namespace {

constexpr std::array<DeviceRow, 0> kRows = {};

// "virtio-rng-pci" -> "virtio-rng".
std::string_view WithoutTransport(std::string_view driver) {
  for (const std::string_view suffix : {"-non-transitional", "-pci", "-device"}) {
    if (driver.starts_with("virtio-") || driver.starts_with("vhost-")) {
      if (driver.ends_with(suffix)) driver.remove_suffix(suffix.size());
    }
  }
  return driver;
}

}  // namespace

std::span<const DeviceRow> DeviceRows() { return kRows; }

const DeviceRow* FindDeviceRow(std::string_view driver) {
  const std::string_view name = WithoutTransport(driver);
  const auto it = std::find_if(kRows.begin(), kRows.end(),
                               [&](const DeviceRow& row) { return row.name == name; });
  return it == kRows.end() ? nullptr : &*it;
}

}  // namespace davit::machine
