// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The microvm board: serial port, keyboard controller for reset, ACPI generic event device, RTC,
// at the places of vmm/boot/microvm_layout.h; boots a kernel directly. Its interrupt controllers
// are the accelerator's.
#pragma once

#include <memory>

#include "vmm/backend/char/registry.h"
#include "vmm/base/error.h"
#include "vmm/cpu/topology.h"
#include "vmm/machine/accel.h"
#include "vmm/machine/board.h"
#include "vmm/machine/config.h"
#include "vmm/machine/machine_options.h"
#include "vmm/machine/requests.h"
#include "vmm/memory/guest_memory.h"

namespace davit::machine {

// All outlive the board.
struct MicrovmDeps {
  Accel& accel;
  memory::GuestMemory memory;
  backend::ChardevRegistry* chardevs;  // may be null when no serial port has a back end
  Requests& requests;
};

// Error: a file that cannot be opened, a chardev that is not there or in use, an option that
// contradicts another.
Result<std::unique_ptr<Board>> MakeMicrovm(const MicrovmDeps& deps, const MachineConfig& config,
                                           const MachineOptions& options,
                                           const cpu::Topology& topology);

}  // namespace davit::machine
