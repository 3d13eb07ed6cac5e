// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A CPU model as query-cpu-model-expansion takes and gives it. A value.
#pragma once

#include <cstdint>
#include <string>

#include "vmm/control/types.h"

namespace davit::control {

struct CpuModelInfo {
  std::string name;  // as -cpu has it: "host"
  PropertyMap props;
};

enum class CpuModelExpansion : uint8_t {
  kStatic,  // what the guest sees: features and identity, on the model "base" that has none
  kFull,    // every property that -cpu takes, on the model itself
};

}  // namespace davit::control
