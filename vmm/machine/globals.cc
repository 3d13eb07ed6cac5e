// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See globals.h.
#include "vmm/machine/globals.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace davit::machine {
namespace {

struct FixedProperty {
  std::string_view driver, property;
  std::array<std::string_view, 8> values;  // the spellings that are taken
};

constexpr std::array<std::string_view, 8> kSwitch = {"off", "false", "no",  "n",
                                                     "on",  "true",  "yes", "y"};
bool IsOn(const std::string& value) {
  return value == "on" || value == "true" || value == "yes" || value == "y";
}

constexpr FixedProperty kFixed[] = {
    // Registers of version 2 alone.
    {"virtio-mmio", "force-legacy", {"off", "false", "no", "n"}},
    // No sleeping state but S5.
    {"ICH9-LPC", "disable_s3", {"1"}},
    {"ICH9-LPC", "disable_s4", {"1"}},
    {"ICH9-LPC", "acpi-pci-hotplug-with-bridge-support", kSwitch},
    {"ICH9-LPC", "noreboot", kSwitch},
    {"kvm-pit", "lost_tick_policy", {"delay"}},
    {"mc146818rtc", "lost_tick_policy", {"discard", "slew"}},
};

tl::unexpected<Error> Refused(const GlobalConfig& global, const std::string& reason) {
  return Fail(fmt::format("{}: can't apply global {}.{}={}: {}", global.where, global.driver,
                          global.property, global.value, reason));
}

}  // namespace

Status CheckGlobal(const GlobalConfig& global) {
  bool driver_known = false;
  for (const FixedProperty& fixed : kFixed) {
    if (fixed.driver != global.driver) continue;
    driver_known = true;
    if (fixed.property != global.property) continue;
    const bool same = !global.value.empty() && std::find(fixed.values.begin(), fixed.values.end(),
                                                         global.value) != fixed.values.end();
    if (same) return {};
    return Refused(global, fmt::format("Property '{}.{}' doesn't take value '{}'", global.driver,
                                       global.property, global.value));
  }
  if (driver_known) {
    return Refused(global,
                   fmt::format("Property '{}.{}' not found", global.driver, global.property));
  }
  return Fail(
      fmt::format("{}: '{}' is not a valid device model name", global.where, global.driver));
}

Status ApplyGlobals(MachineConfig& config) {
  for (const GlobalConfig& global : config.globals) {
    DAVIT_TRY(CheckGlobal(global));
    if (global.driver == "mc146818rtc") config.rtc.slew = global.value == "slew";
    if (global.property == "acpi-pci-hotplug-with-bridge-support") {
      config.acpi_pci_hotplug = IsOn(global.value);
    }
    if (global.property == "noreboot") config.tco_no_reboot = IsOn(global.value);
  }
  return {};
}

}  // namespace davit::machine
