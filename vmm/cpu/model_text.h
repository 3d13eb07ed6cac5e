// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Inside vmm/cpu only: the text of -cpu, taken apart and checked by name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/cpu/features.h"

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

}  // namespace davit::cpu
