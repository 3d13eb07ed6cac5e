// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See model.h: the leaves that tell a vCPU who and where it is. Intel SDM 2A "CPUID" leaves 1, 4,
// 0xB, 0x1F; AMD APM 3 appendix E leaves 0x80000008, 0x8000001D, 0x8000001E.
#include <algorithm>

#include "vmm/cpu/features.h"
#include "vmm/cpu/model.h"

namespace davit::cpu {
namespace {

using Table = std::vector<kvm::CpuidEntry>;

enum LevelType : uint32_t { kInvalid = 0, kSmt = 1, kCore = 2, kDie = 5 };

void BasicLeaf(kvm::CpuidEntry& leaf, const Topology& topology, uint32_t apic_id) {
  constexpr uint32_t kClflush = 8U << 8;  // 64 bytes
  const uint32_t threads = std::min<uint32_t>(topology.threads_per_socket(), 255);
  leaf.ebx = apic_id << 24 | kClflush;
  constexpr uint32_t kHtt = 1U << 28;
  leaf.edx &= ~kHtt;
  if (threads > 1) {
    leaf.ebx |= threads << 16;
    leaf.edx |= kHtt;
  }
}

// How many APIC ids below `shift`, minus one: the field's encoding.
uint32_t Ids(uint32_t shift) { return (1U << shift) - 1; }

// A cache description of leaf 4 or 0x8000001D: level 3 is shared by a die, the others by a core.
void CacheLeaf(kvm::CpuidEntry& leaf, const Topology& topology, bool cores_field) {
  const uint32_t type = leaf.eax & 31, level = leaf.eax >> 5 & 7;
  if (type == 0) return;
  const uint32_t sharing = Ids(level >= 3 ? topology.die_shift() : topology.core_shift());
  leaf.eax = (leaf.eax & 0x3fff) | sharing << 14;
  if (cores_field) {
    leaf.eax |= std::min<uint32_t>(Ids(topology.socket_shift() - topology.core_shift()), 63) << 26;
  }
}

void AddLevels(Table& table, uint32_t function, const Topology& topology, uint32_t apic_id,
               bool dies) {
  uint32_t index = 0;
  const auto add = [&](uint32_t shift, uint32_t count, LevelType type) {
    table.push_back({function, index, true, shift, count, index | type << 8U, apic_id});
    ++index;
  };
  add(topology.core_shift(), topology.threads, kSmt);
  if (dies) {
    add(topology.die_shift(), topology.cores * topology.threads, kCore);
    add(topology.socket_shift(), topology.threads_per_socket(), kDie);
  } else {
    add(topology.socket_shift(), topology.threads_per_socket(), kCore);
  }
  add(0, 0, kInvalid);
}

void AmdLeaf(kvm::CpuidEntry& leaf, const Topology& topology, const ThreadId& id,
             uint32_t apic_id) {
  switch (leaf.function) {
    case 0x80000001: {
      constexpr uint32_t kCmpLegacy = 1U << 1;
      leaf.ecx = topology.threads_per_socket() > 1 ? leaf.ecx | kCmpLegacy : leaf.ecx & ~kCmpLegacy;
      break;
    }
    case 0x80000008:
      leaf.ecx = topology.socket_shift() << 12 |
                 (std::min<uint32_t>(topology.threads_per_socket(), 256) - 1);
      break;
    case 0x8000001d:
      CacheLeaf(leaf, topology, false);
      break;
    case 0x8000001e:
      leaf.eax = apic_id;
      leaf.ebx = (topology.threads - 1) << 8 | ((id.die * topology.cores + id.core) & 0xff);
      leaf.ecx = (topology.dies - 1) << 8 | ((id.socket * topology.dies + id.die) & 0xff);
      leaf.edx = 0;
      break;
    default:
      break;
  }
}

}  // namespace

std::vector<kvm::CpuidEntry> CpuidOf(const CpuModel& model, const Topology& topology,
                                     uint32_t index) {
  Table table = model.cpuid;
  const uint32_t apic_id = topology.ApicIdOf(index);
  const ThreadId id = topology.IdOf(index);
  constexpr uint32_t kAuth = 0x68747541, kHygo = 0x6f677948;
  kvm::CpuidEntry* vendor = FindLeaf(table, 0);
  const bool amd = vendor != nullptr && (vendor->ebx == kAuth || vendor->ebx == kHygo);
  if (vendor != nullptr) {
    vendor->eax = std::max<uint32_t>(vendor->eax, topology.dies > 1 ? 0x1f : 0xb);
  }
  for (kvm::CpuidEntry& leaf : table) {
    if (leaf.function == 1) BasicLeaf(leaf, topology, apic_id);
    if (leaf.function == 4) CacheLeaf(leaf, topology, true);
    if (amd) AmdLeaf(leaf, topology, id, apic_id);
    // Intel has no core count here.
    if (!amd && leaf.function == 0x80000008) leaf.ecx = 0;
  }
  AddLevels(table, 0xb, topology, apic_id, false);
  if (topology.dies > 1) AddLevels(table, 0x1f, topology, apic_id, true);
  return table;
}

}  // namespace davit::cpu
