// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The properties of -machine and -accel, checked by machine type. Pure. A property that QEMU's
// machine has and davit's does not implement is refused with that reason, not taken and ignored.
#pragma once

#include <optional>
#include <string>

#include "vmm/base/error.h"
#include "vmm/machine/config.h"

namespace davit::machine {

enum class OnOffAuto : uint8_t { kAuto, kOn, kOff };
enum class IrqchipMode : uint8_t { kOn, kSplit };

struct MachineOptions {
  // Every machine.
  std::string memory_backend;
  std::string dumpdtb;  // write the device tree here and end
  bool mem_merge = true;
  bool dump_guest_core = true;
  IrqchipMode irqchip = IrqchipMode::kOn;
  // microvm and q35.
  OnOffAuto acpi = OnOffAuto::kAuto;
  OnOffAuto pit = OnOffAuto::kAuto;
  OnOffAuto pic = OnOffAuto::kAuto;
  // q35.
  bool i8042 = true;
  // microvm.
  OnOffAuto rtc = OnOffAuto::kAuto;
  bool isa_serial = true;
  bool auto_kernel_cmdline = true;  // without ACPI, virtio-mmio devices on the command line
};

enum class MachineType : uint8_t { kMicrovm, kQ35, kNone };

// Also applies the properties that stand for options of their own (kernel=, ...) to `config`.
Result<MachineOptions> ParseMachineOptions(MachineType type, MachineConfig& config);

// The properties of the accelerators that are asked for. Which one is taken: accel_choice.h.
// Error: a property that does not exist.
Status CheckAccelProperties(const MachineConfig& config, MachineOptions& options);

// -boot: microvm boots what -kernel names; there is no boot order.
Status CheckBoot(const MachineConfig& config);

}  // namespace davit::machine
