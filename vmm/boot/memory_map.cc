// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// E820 from the region table.
#include "vmm/boot/memory_map.h"

#include <fmt/format.h>

#include <algorithm>

#include "vmm/boot/pc_layout.h"

namespace davit::boot {
namespace {

constexpr uint64_t kLowMemoryEnd = 0xa0000;

}  // namespace

std::vector<MemoryRange> RamRanges(const memory::GuestMemory& memory) {
  std::vector<MemoryRange> ram;
  for (const memory::Region& region : memory.regions()) {
    if (!ram.empty() && ram.back().end() == region.base.value) {
      ram.back().size += region.size;
    } else {
      ram.push_back({region.base.value, region.size, MemoryType::kRam});
    }
  }
  return ram;
}

std::vector<MemoryRange> BuildMemoryMap(const memory::GuestMemory& memory,
                                        std::span<const MemoryRange> reserved) {
  std::vector<MemoryRange> map;
  const auto add = [&map](uint64_t base, uint64_t end, MemoryType type) {
    if (base < end) map.push_back({base, end - base, type});
  };
  for (const MemoryRange& ram : RamRanges(memory)) {
    const uint64_t high = std::max(ram.base, kHighMemoryStart);
    add(ram.base, std::min(ram.end(), kEbdaStart), MemoryType::kRam);
    if (ram.base == 0 && ram.end() >= kHighMemoryStart) {
      add(kEbdaStart, kLowMemoryEnd, MemoryType::kReserved);
      add(kAcpiTablesBase, kHighMemoryStart, MemoryType::kReserved);
    }
    add(high, ram.end(), MemoryType::kRam);
  }
  map.insert(map.end(), reserved.begin(), reserved.end());
  std::sort(map.begin(), map.end(),
            [](const MemoryRange& a, const MemoryRange& b) { return a.base < b.base; });
  return map;
}

uint64_t LowRamEnd(const memory::GuestMemory& memory) {
  const std::vector<MemoryRange> ram = RamRanges(memory);
  return ram.empty() || ram.front().base != 0 ? 0 : ram.front().end();
}

Status CheckLowMemory(const memory::GuestMemory& memory) {
  const uint64_t end = LowRamEnd(memory);
  if (end >= 2 * kHighMemoryStart) return {};
  return Fail(fmt::format("not enough RAM to boot: the machine has {} KiB, at least {} KiB needed",
                          end / kKiB, 2 * kHighMemoryStart / kKiB));
}

}  // namespace davit::boot
