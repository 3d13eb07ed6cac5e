// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See model_expansion.h.
#include "vmm/cpu/model_expansion.h"

#include <cstring>

#include "vmm/cpu/features.h"
#include "vmm/cpu/model_text.h"

namespace davit::cpu {
namespace {

using Table = std::vector<kvm::CpuidEntry>;

std::string VendorOf(const kvm::CpuidEntry& leaf) {
  std::string vendor(12, '\0');
  std::memcpy(vendor.data(), &leaf.ebx, 4);
  std::memcpy(vendor.data() + 4, &leaf.edx, 4);
  std::memcpy(vendor.data() + 8, &leaf.ecx, 4);
  return vendor;
}

std::string BrandOf(Table& table) {
  std::string brand;
  for (uint32_t function : {0x80000002U, 0x80000003U, 0x80000004U}) {
    const kvm::CpuidEntry* leaf = FindLeaf(table, function);
    if (leaf == nullptr) break;
    for (const uint32_t word : {leaf->eax, leaf->ebx, leaf->ecx, leaf->edx}) {
      for (unsigned shift = 0; shift < 32; shift += 8) brand += static_cast<char>(word >> shift);
    }
  }
  return brand.substr(0, brand.find('\0'));
}

// Intel SDM 2A, CPUID, figure 3-6.
void AddIdentity(Table& table, ModelProperties& out) {
  const uint32_t version = FindLeaf(table, 1)->eax;
  uint64_t family = version >> 8 & 15;
  if (family == 15) family += version >> 20 & 0xff;
  out.emplace_back("family", family);
  out.emplace_back("model", uint64_t{(version >> 4 & 15) | (version >> 12 & 0xf0)});
  out.emplace_back("stepping", uint64_t{version & 15});
  out.emplace_back("vendor", VendorOf(*FindLeaf(table, 0)));
  out.emplace_back("model-id", BrandOf(table));
}

}  // namespace

Result<ModelProperties> ExpandModel(const std::string& name, const ModelProperties& given,
                                    const HostCpu& host, bool full) {
  DAVIT_ASSIGN(ModelText text, ModelNamed(name));
  for (const auto& [property, value] : given) DAVIT_TRY(SetTyped(text, property, value));
  DAVIT_ASSIGN(CpuModel model, BuildModel(text, host));
  ModelProperties out;
  for (const std::string& feature : FeatureNames()) {
    out.emplace_back(feature, HasFeature(model.cpuid, *FindFeature(feature)));
  }
  AddIdentity(model.cpuid, out);
  if (!full) return out;
  for (auto& [flag, on] : Switches(text)) out.emplace_back(flag, on);
  out.emplace_back("level", uint64_t{FindLeaf(model.cpuid, 0)->eax});
  out.emplace_back("xlevel", uint64_t{FindLeaf(model.cpuid, 0x80000000)->eax});
  out.emplace_back("phys-bits", uint64_t{text.phys_bits.value_or(0)});
  return out;
}

}  // namespace davit::cpu
