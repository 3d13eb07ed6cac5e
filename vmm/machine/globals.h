// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// -global for devices that -device does not make: those of the boards. What can be chosen there is
// applied, what managers set to the value that davit has anyway is taken, all else is refused.
// Pure.
#pragma once

#include "vmm/base/error.h"
#include "vmm/machine/config.h"

namespace davit::machine {

Status CheckGlobal(const GlobalConfig& global);
// Checks all and writes what they choose into `config`.
Status ApplyGlobals(MachineConfig& config);

}  // namespace davit::machine
