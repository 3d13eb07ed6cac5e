// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What the q35's SMBIOS tables say: davit's own names, the machine's shape, and what -smbios gives
// instead. Reads CPUID and the
// files that -smbios names.
#pragma once

#include "vmm/base/error.h"
#include "vmm/boot/smbios/smbios.h"
#include "vmm/cpu/topology.h"
#include "vmm/machine/config.h"
#include "vmm/memory/guest_memory.h"

namespace davit::machine {

// Error: begins with the option; a file that cannot be read, or has a zero byte.
Result<boot::SmbiosConfig> Q35Smbios(const MachineConfig& config, const cpu::Topology& topology,
                                     const memory::GuestMemory& memory);

}  // namespace davit::machine
