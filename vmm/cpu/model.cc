// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See model.h: the table that all vCPUs share. Leaves are passed on by a list: what KVM reports
// beyond it (TSC and bus frequencies, RDT, SGX, PT) would describe the host, not the guest's
// machine.
#include "vmm/cpu/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "vmm/cpu/features.h"
#include "vmm/cpu/model_text.h"

namespace davit::cpu {
namespace {

using Table = std::vector<kvm::CpuidEntry>;

constexpr uint32_t kKvmSignature = 0x40000000;

bool Passed(const kvm::CpuidEntry& entry, const ModelText& text) {
  switch (entry.function) {
    case 0xa:
      return text.pmu;
    case kKvmSignature:
    case kKvmSignature + 1:
      return text.kvm_signature;
    case 0:
    case 1:
    case 2:
    case 4:
    case 6:
    case 7:
    case 0xd:
    case 0x1d:
    case 0x1e:
    case 0x80000000:
    case 0x80000001:
    case 0x80000002:
    case 0x80000003:
    case 0x80000004:
    case 0x80000005:
    case 0x80000006:
    case 0x80000007:
    case 0x80000008:
    case 0x8000000a:
    case 0x8000001d:
    case 0x8000001e:
    case 0x80000021:
      return true;
    default:
      return false;
  }
}

FeatureBit Bit(const char* name) { return *FindFeature(name); }

// What KVM provides though its list does not say so, and what it lists but a guest must not see.
void AdjustSupported(Table& table, const HostCpu& host) {
  SetFeature(table, Bit("hypervisor"), true);
  SetFeature(table, Bit("tsc-deadline"), host.local_apic_in_kernel && host.tsc_deadline);
  SetFeature(table, Bit("x2apic"), host.local_apic_in_kernel);
  if (!host.local_apic_in_kernel) SetFeature(table, Bit("kvm-pv-unhalt"), false);
  SetFeature(table, Bit("monitor"), host.mwait);
  SetFeature(table, Bit("kvm-hint-dedicated"), false);
  for (kvm::CpuidEntry& entry : table) {
    switch (entry.function) {
      case 1:
        entry.ecx &= ~(1U << 27);  // OSXSAVE follows CR4
        break;
      case 6:
        entry = {6, 0, false, 1U << 2, 0, 0, 0};  // ARAT alone: no sensors, no turbo
        break;
      case 7:
        if (entry.index == 0) {
          entry.ebx &= ~(1U << 2);                 // SGX has its own memory and options
          entry.ebx &= ~(1U << 25);                // PT likewise
          entry.ecx &= ~((1U << 4) | (1U << 30));  // OSPKE follows CR4; SGX launch control
        }
        break;
      default:
        break;
    }
  }
}

// AMD mirrors the low bits of 1.EDX.
void MirrorAmdFeatures(Table& table) {
  constexpr uint32_t kMirrored = 0x0183f3ff;
  kvm::CpuidEntry* basic = FindLeaf(table, 1);
  kvm::CpuidEntry* extended = FindLeaf(table, 0x80000001);
  const kvm::CpuidEntry* vendor = FindLeaf(table, 0);
  constexpr uint32_t kAuth = 0x68747541, kHygo = 0x6f677948;  // Auth(enticAMD), Hygo(nGenuine)
  if (basic == nullptr || extended == nullptr || vendor == nullptr) return;
  const bool amd = vendor->ebx == kAuth || vendor->ebx == kHygo;
  extended->edx = (extended->edx & ~kMirrored) | (amd ? basic->edx & kMirrored : 0);
}

// Leaf 0xD lists the save areas of features that the model has.
void TrimXsave(Table& table) {
  kvm::CpuidEntry* main = FindLeaf(table, 0xd, 0);
  if (main == nullptr) return;
  uint64_t components = main->eax | uint64_t{main->edx} << 32;
  const struct {
    uint64_t mask;
    const char* feature;
  } kNeeds[] = {
      {1 << 2, "avx"}, {3 << 3, "mpx"}, {7 << 5, "avx512f"}, {1 << 9, "pku"}, {3 << 17, "amx-tile"},
  };
  for (const auto& need : kNeeds) {
    if (!HasFeature(table, Bit(need.feature))) components &= ~need.mask;
  }
  if (!HasFeature(table, Bit("xsave"))) components = 0;
  main->eax = static_cast<uint32_t>(components);
  main->edx = static_cast<uint32_t>(components >> 32);
  uint32_t size = components == 0 ? 0 : 576;  // legacy area and header
  for (kvm::CpuidEntry& entry : table) {
    if (entry.function != 0xd || entry.index < 2) continue;
    const bool supervisor = (entry.ecx & 1) != 0;
    if (!supervisor && (components >> entry.index & 1) != 0) {
      size = std::max(size, entry.eax + entry.ebx);
    }
  }
  main->ecx = size;
  std::erase_if(table, [&](const kvm::CpuidEntry& entry) {
    return entry.function == 0xd && entry.index >= 2 && (entry.ecx & 1) == 0 &&
           (components >> (entry.index & 63) & 1) == 0;
  });
}

void SetString(Table& table, uint32_t function, const char* text) {
  kvm::CpuidEntry* leaf = FindLeaf(table, function);
  if (leaf == nullptr) return;
  uint32_t words[4];
  std::memcpy(words, text, sizeof(words));
  leaf->eax = words[0];
  leaf->ebx = words[1];
  leaf->ecx = words[2];
  leaf->edx = words[3];
}

void SetBrand(Table& table, const ModelText& text, const std::string& host_brand) {
  std::string brand = text.model_id.value_or(host_brand);
  if (brand.empty()) return;
  brand.resize(48);
  for (uint32_t i = 0; i < 3; ++i) SetString(table, 0x80000002 + i, brand.c_str() + size_t{16} * i);
}

void SetIdentity(Table& table, const ModelText& text) {
  if (text.vendor) {
    if (kvm::CpuidEntry* leaf = FindLeaf(table, 0)) {
      std::memcpy(&leaf->ebx, text.vendor->data(), 4);
      std::memcpy(&leaf->edx, text.vendor->data() + 4, 4);
      std::memcpy(&leaf->ecx, text.vendor->data() + 8, 4);
      if (kvm::CpuidEntry* extended = FindLeaf(table, 0x80000000)) {
        extended->ebx = leaf->ebx;
        extended->ecx = leaf->ecx;
        extended->edx = leaf->edx;
      }
    }
  }
  kvm::CpuidEntry* version = FindLeaf(table, 1);
  if (version != nullptr) {
    uint32_t eax = version->eax;
    if (text.family) {
      const uint32_t base = std::min<uint32_t>(*text.family, 15);
      eax = (eax & ~0x0ff00f00U) | base << 8 | (*text.family - base) << 20;
    }
    if (text.model) eax = (eax & ~0xf00f0U) | (*text.model & 15) << 4 | (*text.model >> 4) << 16;
    if (text.stepping) eax = (eax & ~15U) | *text.stepping;
    version->eax = eax;
    if (kvm::CpuidEntry* extended = FindLeaf(table, 0x80000001);
        extended != nullptr && extended->eax) {
      extended->eax = eax;
    }
  }
  if (kvm::CpuidEntry* sizes = FindLeaf(table, 0x80000008); sizes != nullptr && text.phys_bits) {
    sizes->eax = (sizes->eax & ~0xffU) | *text.phys_bits;
  }
}

// Leaf 0 and 0x80000000 say how far the table goes.
void SetLevels(Table& table, const ModelText& text) {
  uint32_t basic = 0xd, extended = 0x80000008;
  for (const kvm::CpuidEntry& entry : table) {
    if (entry.function < kKvmSignature) basic = std::max(basic, entry.function);
    if (entry.function >= 0x80000000) extended = std::max(extended, entry.function);
  }
  if (kvm::CpuidEntry* leaf = FindLeaf(table, 0)) leaf->eax = text.level.value_or(basic);
  if (kvm::CpuidEntry* leaf = FindLeaf(table, 0x80000000)) {
    leaf->eax = text.xlevel.value_or(extended);
  }
}

Status ApplyFeatures(CpuModel& model, Table& supported, const ModelText& text) {
  bool lacking = false;
  for (const auto& [feature, on] : text.features) {
    if (on && !HasFeature(supported, feature)) {
      lacking = true;
      if (text.check || text.enforce) {
        model.warnings.push_back("host doesn't support requested feature: " + Describe(feature));
      }
      continue;
    }
    SetFeature(model.cpuid, feature, on);
  }
  if (lacking && text.enforce) {
    std::string message = "Host doesn't support requested features";
    for (const std::string& warning : model.warnings) message += "\n" + warning;
    return Fail(std::move(message));
  }
  return {};
}

}  // namespace

Result<CpuModel> BuildModel(const std::string& argument, const HostCpu& host) {
  DAVIT_ASSIGN(const ModelText text, ParseModelText(argument));
  return BuildModel(text, host);
}

Result<CpuModel> BuildModel(const ModelText& text, const HostCpu& host) {
  Table supported;
  for (const kvm::CpuidEntry& entry : host.supported) {
    if (Passed(entry, text)) supported.push_back(entry);
  }
  if (FindLeaf(supported, 0) == nullptr || FindLeaf(supported, 1) == nullptr) {
    return Fail("kvm: the host's CPUID table has no basic leaves");
  }
  // Leaves whose bits davit sets itself, where an old kernel does not list them.
  for (uint32_t function : {6U, 0x80000000U, 0x80000001U, 0x80000002U, 0x80000003U, 0x80000004U,
                            0x80000007U, 0x80000008U}) {
    if (FindLeaf(supported, function) == nullptr) supported.push_back({.function = function});
  }
  AdjustSupported(supported, host);
  if (!text.pmu) SetFeature(supported, Bit("pdcm"), false);

  CpuModel model;
  model.name = text.name;
  model.type_name = text.type_name();
  model.cpuid = supported;
  // A guest that sees an invariant TSC must not be moved to another host: only when asked for.
  if (text.migratable) SetFeature(model.cpuid, Bit("invtsc"), false);
  DAVIT_TRY(ApplyFeatures(model, supported, text));
  SetIdentity(model.cpuid, text);
  SetBrand(model.cpuid, text, host.brand);
  MirrorAmdFeatures(model.cpuid);
  TrimXsave(model.cpuid);
  SetLevels(model.cpuid, text);
  return model;
}

}  // namespace davit::cpu
