// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What the q35's SMBIOS tables say: davit's own names, the machine's shape, and what -smbios gives
// instead. Reads CPUID, else pure.
#pragma once

#include "vmm/boot/smbios/smbios.h"
#include "vmm/cpu/topology.h"
#include "vmm/machine/config.h"
#include "vmm/memory/guest_memory.h"

namespace davit::machine {

boot::SmbiosConfig Q35Smbios(const MachineConfig& config, const cpu::Topology& topology,
                             const memory::GuestMemory& memory);

}  // namespace davit::machine
