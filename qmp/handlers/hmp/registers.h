// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// "info registers": the architectural registers of one vCPU in QEMU's layout (x86-64).
#pragma once

#include <cstdint>
#include <string>

#include "vmm/control/types.h"

namespace davit::qmp::hmp {

std::string FormatRegisters(const control::CpuRegisters& registers);

}  // namespace davit::qmp::hmp
