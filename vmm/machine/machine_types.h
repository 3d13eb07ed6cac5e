// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The table of machine types.
#pragma once

#include <string>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/control/types.h"
#include "vmm/machine/machine_options.h"
#include "vmm/machine/qom/qom_node.h"

namespace davit::machine {

struct MachineTypeRow {
  MachineType type;
  control::MachineTypeInfo info;
  uint64_t default_ram = 0;  // bytes
  // Of a machine with so much RAM, how much lies below 4 GiB at most.
  uint64_t (*max_ram_below_4g)(uint64_t ram_bytes) = nullptr;
  bool has_cpus = false;
};

const std::vector<MachineTypeRow>& MachineTypeRows();
// By name or alias; empty: the default. Error: QEMU's wording.
Result<const MachineTypeRow*> FindMachineType(const std::string& name);

// Of "/machine": names and types, and with their values. `ram` is the id of the object that is the
// main memory; empty: there is none.
std::vector<control::QomProperty> MachineObjectProperties(MachineType type);
void AddMachineProperties(MachineType type, const MachineConfig& config,
                          const MachineOptions& options, const std::string& ram, QomNode& machine);

}  // namespace davit::machine
