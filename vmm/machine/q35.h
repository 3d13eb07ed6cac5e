// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The q35 board: PCI Express host with MCH and ICH9 LPC bridge, up to four serial ports, clock,
// keyboard controller for reset, fw_cfg, full ACPI, at the places of vmm/boot/q35_layout.h; boots a
// kernel directly, with the chipset programmed as firmware would.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "vmm/backend/char/registry.h"
#include "vmm/base/error.h"
#include "vmm/cpu/topology.h"
#include "vmm/devices/acpi_cpu_hotplug.h"
#include "vmm/devices/memory_hotplug.h"
#include "vmm/machine/accel.h"
#include "vmm/machine/board.h"
#include "vmm/machine/config.h"
#include "vmm/machine/machine_options.h"
#include "vmm/machine/numa.h"
#include "vmm/machine/requests.h"
#include "vmm/memory/live_memory.h"

namespace davit::machine {

// All outlive the board.
struct Q35Deps {
  Accel& accel;
  memory::GuestMemory memory;  // what the machine starts with: where the kernel is loaded
  const memory::LiveMemory& live_memory;
  const Numa& numa;                    // complete
  backend::ChardevRegistry* chardevs;  // may be null when no serial port has a back end
  Requests& requests;
  // What the guest says of a DIMM slot. Any thread, which it must not wait for.
  std::function<void(const devices::MemoryHotplug::Report&)> memory_report = {};
  // The guest has ejected a CPU, or reported on one. Any thread, which they do not wait for.
  std::function<void(uint32_t index)> cpu_ejected = {};
  std::function<void(uint32_t index, const devices::AcpiCpuHotplug::Cpu& cpu)> cpu_reported = {};
  std::function<void(uint32_t index)> cpu_refused = {};  // to eject it, as it was asked
};

// Error: a file that cannot be opened, a chardev that is not there or in use, an option that
// contradicts another.
Result<std::unique_ptr<Board>> MakeQ35(const Q35Deps& deps, const MachineConfig& config,
                                       const MachineOptions& options,
                                       const cpu::Topology& topology);

}  // namespace davit::machine
