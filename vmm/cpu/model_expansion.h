// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What a CPU model is on this host, property by property (query-cpu-model-expansion). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/cpu/model.h"

namespace davit::cpu {

// A feature or switch, a number, a text.
using ModelValue = std::variant<bool, uint64_t, std::string>;
using ModelProperties = std::vector<std::pair<std::string, ModelValue>>;

// Each feature that -cpu can switch, and the CPU's identity, as `model` has them; full: also the
// other properties that -cpu takes, with the values that a model of this name and `given` has.
// Error: QEMU's words for a name or a type that is wrong.
Result<ModelProperties> ExpandModel(const std::string& name, const ModelProperties& given,
                                    const HostCpu& host, bool full);

}  // namespace davit::cpu
