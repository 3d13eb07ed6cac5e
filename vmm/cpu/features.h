// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The names of CPUID feature bits that -cpu takes, as QEMU spells them, and where each bit lies.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vmm/kvm/types.h"

namespace davit::cpu {

enum class CpuidRegister : uint8_t { kEax, kEbx, kEcx, kEdx };

// One 32-bit register of one CPUID leaf.
struct FeatureWord {
  uint32_t function;
  uint32_t index;
  bool has_index;
  CpuidRegister reg;
  const char* names[32];  // nullptr: the bit has no name
};

struct FeatureBit {
  const FeatureWord* word = nullptr;
  unsigned bit = 0;
};

std::span<const FeatureWord> FeatureWords();

// "sse4_1", "SSE4.1" is not, "sse4.1" and the alias "sse4-1" are the same bit.
std::optional<FeatureBit> FindFeature(std::string_view name);
// "CPUID.01H:ECX.popcnt [bit 23]"
std::string Describe(FeatureBit feature);
std::vector<std::string> FeatureNames();  // sorted, once each

uint32_t& RegisterOf(kvm::CpuidEntry& entry, CpuidRegister reg);
// The leaf in a table, or nullptr.
kvm::CpuidEntry* FindLeaf(std::vector<kvm::CpuidEntry>& table, uint32_t function,
                          uint32_t index = 0);
bool HasFeature(std::vector<kvm::CpuidEntry>& table, FeatureBit feature);
void SetFeature(std::vector<kvm::CpuidEntry>& table, FeatureBit feature, bool on);

}  // namespace davit::cpu
