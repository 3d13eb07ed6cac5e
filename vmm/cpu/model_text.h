// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Inside vmm/cpu only: the text of -cpu, taken apart and checked by name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/cpu/features.h"
#include "vmm/cpu/model.h"

namespace davit::cpu {

struct ModelText {
  std::string name;
  // In order; what comes with + or - is applied after name=value, as QEMU does.
  std::vector<std::pair<FeatureBit, bool>> features;
  bool pmu = false;
  bool migratable = true;
  bool enforce = false;
  bool check = true;
  bool kvm_signature = true;
  std::optional<uint32_t> level, xlevel, family, model, stepping, phys_bits;
  std::optional<std::string> vendor, model_id;

  std::string type_name() const { return name + "-x86_64-cpu"; }
};

Result<ModelText> ParseModelText(const std::string& text);

// The model of this name, as it is without properties. Error: there is none.
Result<ModelText> ModelNamed(const std::string& name);
// One property with a value of its own type: a switch or feature takes a bool, a number uint64_t.
// Error: no such property, of another type, a value that it does not take.
Status SetTyped(ModelText& out, const std::string& name,
                const std::variant<bool, uint64_t, std::string>& value);
// The properties that are on or off and no feature of CPUID.
std::vector<std::pair<std::string, bool>> Switches(const ModelText& text);
// As BuildModel() of the text.
Result<CpuModel> BuildModel(const ModelText& text, const HostCpu& host);

}  // namespace davit::cpu
