// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See features.h. Bits: Intel SDM 2A "CPUID", AMD APM 3 appendix E, Linux
// Documentation/virt/kvm/x86/cpuid.rst.
#include "vmm/cpu/features.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace davit::cpu {
namespace {

using enum CpuidRegister;
constexpr const char* kNone = nullptr;

constexpr FeatureWord kWords[] = {
    {1, 0, false, kEdx, {"fpu",  "vme",   "de",   "pse",     "tsc",  "msr", "pae",  "mce",
                         "cx8",  "apic",  kNone,  "sep",     "mtrr", "pge", "mca",  "cmov",
                         "pat",  "pse36", "pn",   "clflush", kNone,  "ds",  "acpi", "mmx",
                         "fxsr", "sse",   "sse2", "ss",      "ht",   "tm",  "ia64", "pbe"}},
    {1, 0, false, kEcx, {"pni",          "pclmulqdq", "dtes64", "monitor", "ds-cpl", "vmx",
                         "smx",          "est",       "tm2",    "ssse3",   "cid",    kNone,
                         "fma",          "cx16",      "xtpr",   "pdcm",    kNone,    "pcid",
                         "dca",          "sse4.1",    "sse4.2", "x2apic",  "movbe",  "popcnt",
                         "tsc-deadline", "aes",       "xsave",  kNone,     "avx",    "f16c",
                         "rdrand",       "hypervisor"}},
    {6, 0, false, kEax, {kNone, kNone, "arat"}},
    {7, 0, true, kEbx, {"fsgsbase", "tsc-adjust", "sgx",      "bmi1",       "hle",
                        "avx2",     kNone,        "smep",     "bmi2",       "erms",
                        "invpcid",  "rtm",        kNone,      kNone,        "mpx",
                        kNone,      "avx512f",    "avx512dq", "rdseed",     "adx",
                        "smap",     "avx512ifma", "pcommit",  "clflushopt", "clwb",
                        "intel-pt", "avx512pf",   "avx512er", "avx512cd",   "sha-ni",
                        "avx512bw", "avx512vl"}},
    {7,
     0,
     true,
     kEcx,
     {kNone,        "avx512vbmi",  "umip",         "pku",       kNone,
      "waitpkg",    "avx512vbmi2", kNone,          "gfni",      "vaes",
      "vpclmulqdq", "avx512vnni",  "avx512bitalg", kNone,       "avx512-vpopcntdq",
      kNone,        "la57",        kNone,          kNone,       kNone,
      kNone,        kNone,         "rdpid",        kNone,       "bus-lock-detect",
      "cldemote",   kNone,         "movdiri",      "movdir64b", kNone,
      "sgxlc",      "pks"}},
    {7,
     0,
     true,
     kEdx,
     {kNone,
      kNone,
      "avx512-4vnniw",
      "avx512-4fmaps",
      "fsrm",
      kNone,
      kNone,
      kNone,
      "avx512-vp2intersect",
      kNone,
      "md-clear",
      kNone,
      kNone,
      kNone,
      "serialize",
      kNone,
      "tsx-ldtrk",
      kNone,
      kNone,
      "arch-lbr",
      kNone,
      kNone,
      "amx-bf16",
      "avx512-fp16",
      "amx-tile",
      "amx-int8",
      "spec-ctrl",
      "stibp",
      kNone,
      "arch-capabilities",
      "core-capability",
      "ssbd"}},
    {7, 1, true, kEax, {kNone, kNone, kNone, kNone, "avx-vnni", "avx512-bf16"}},
    {0xd, 1, true, kEax, {"xsaveopt", "xsavec", "xgetbv1", "xsaves", "xfd"}},
    {0x80000001, 0, false, kEdx, {kNone,      kNone,      kNone,     kNone,    kNone,    kNone,
                                  kNone,      kNone,      kNone,     kNone,    kNone,    "syscall",
                                  kNone,      kNone,      kNone,     kNone,    kNone,    kNone,
                                  kNone,      kNone,      "nx",      kNone,    "mmxext", kNone,
                                  kNone,      "fxsr-opt", "pdpe1gb", "rdtscp", kNone,    "lm",
                                  "3dnowext", "3dnow"}},
    {0x80000001, 0, false, kEcx, {"lahf-lm",       "cmp-legacy", "svm",     "extapic",
                                  "cr8legacy",     "abm",        "sse4a",   "misalignsse",
                                  "3dnowprefetch", "osvw",       "ibs",     "xop",
                                  "skinit",        "wdt",        kNone,     "lwp",
                                  "fma4",          "tce",        kNone,     "nodeid-msr",
                                  kNone,           "tbm",        "topoext", "perfctr-core",
                                  "perfctr-nb"}},
    {0x80000007,
     0,
     false,
     kEdx,
     {kNone, kNone, kNone, kNone, kNone, kNone, kNone, kNone, "invtsc"}},
    {0x80000008, 0, false, kEbx, {"clzero",   kNone,       "xsaveerptr", kNone,       kNone, kNone,
                                  kNone,      kNone,       kNone,        "wbnoinvd",  kNone, kNone,
                                  "ibpb",     kNone,       "ibrs",       "amd-stibp", kNone, kNone,
                                  kNone,      kNone,       kNone,        kNone,       kNone, kNone,
                                  "amd-ssbd", "virt-ssbd", "amd-no-ssb"}},
    {0x8000000a, 0, false, kEdx, {"npt",          "lbrv",       "svm-lock",     "nrip-save",
                                  "tsc-scale",    "vmcb-clean", "flushbyasid",  "decodeassists",
                                  kNone,          kNone,        "pause-filter", kNone,
                                  "pfthreshold",  "avic",       kNone,          "v-vmsave-vmload",
                                  "vgif",         kNone,        kNone,          kNone,
                                  kNone,          kNone,        kNone,          kNone,
                                  kNone,          kNone,        kNone,          kNone,
                                  "svme-addr-chk"}},
    {0x40000001,
     0,
     false,
     kEax,
     {"kvmclock",
      "kvm-nopiodelay",
      "kvm-mmu",
      "kvmclock",
      "kvm-asyncpf",
      "kvm-steal-time",
      "kvm-pv-eoi",
      "kvm-pv-unhalt",
      kNone,
      "kvm-pv-tlb-flush",
      kNone,
      "kvm-pv-ipi",
      "kvm-poll-control",
      "kvm-pv-sched-yield",
      "kvm-asyncpf-int",
      "kvm-msi-ext-dest-id",
      kNone,
      kNone,
      kNone,
      kNone,
      kNone,
      kNone,
      kNone,
      kNone,
      "kvmclock-stable-bit"}},
    {0x40000001, 0, false, kEdx, {"kvm-hint-dedicated"}},
};

constexpr std::pair<std::string_view, std::string_view> kAliases[] = {
    {"sse3", "pni"}, {"pclmuldq", "pclmulqdq"}, {"sse4-1", "sse4.1"}, {"sse4-2", "sse4.2"},
    {"xd", "nx"},    {"ffxsr", "fxsr-opt"},     {"i64", "lm"},
};

}  // namespace

std::span<const FeatureWord> FeatureWords() { return kWords; }

std::optional<FeatureBit> FindFeature(std::string_view text) {
  std::string name(text);
  std::replace(name.begin(), name.end(), '_', '-');
  for (const auto& [alias, target] : kAliases) {
    if (name == alias) name = target;
  }
  for (const FeatureWord& word : kWords) {
    for (unsigned bit = 0; bit < 32; ++bit) {
      if (word.names[bit] != nullptr && name == word.names[bit]) return FeatureBit{&word, bit};
    }
  }
  return std::nullopt;
}

std::string Describe(FeatureBit feature) {
  static constexpr const char* kRegisters[] = {"EAX", "EBX", "ECX", "EDX"};
  return fmt::format("CPUID.{:02X}H:{}.{} [bit {}]", feature.word->function,
                     kRegisters[static_cast<int>(feature.word->reg)],
                     feature.word->names[feature.bit], feature.bit);
}

std::vector<std::string> FeatureNames() {
  std::vector<std::string> names;
  for (const FeatureWord& word : kWords) {
    for (const char* name : word.names) {
      if (name != nullptr) names.emplace_back(name);
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

uint32_t& RegisterOf(kvm::CpuidEntry& entry, CpuidRegister reg) {
  switch (reg) {
    case kEax:
      return entry.eax;
    case kEbx:
      return entry.ebx;
    case kEcx:
      return entry.ecx;
    case kEdx:
      break;
  }
  return entry.edx;
}

kvm::CpuidEntry* FindLeaf(std::vector<kvm::CpuidEntry>& table, uint32_t function, uint32_t index) {
  for (kvm::CpuidEntry& entry : table) {
    if (entry.function == function && (!entry.significant_index || entry.index == index)) {
      return &entry;
    }
  }
  return nullptr;
}

bool HasFeature(std::vector<kvm::CpuidEntry>& table, FeatureBit feature) {
  kvm::CpuidEntry* leaf = FindLeaf(table, feature.word->function, feature.word->index);
  return leaf != nullptr && (RegisterOf(*leaf, feature.word->reg) >> feature.bit & 1) != 0;
}

void SetFeature(std::vector<kvm::CpuidEntry>& table, FeatureBit feature, bool on) {
  kvm::CpuidEntry* leaf = FindLeaf(table, feature.word->function, feature.word->index);
  if (leaf == nullptr) return;
  // A name may stand for several bits of its word (kvmclock).
  uint32_t mask = 0;
  for (unsigned bit = 0; bit < 32; ++bit) {
    const char* name = feature.word->names[bit];
    if (name != nullptr && std::string_view(name) == feature.word->names[feature.bit]) {
      mask |= 1U << bit;
    }
  }
  uint32_t& reg = RegisterOf(*leaf, feature.word->reg);
  reg = on ? reg | mask : reg & ~mask;
}

}  // namespace davit::cpu
