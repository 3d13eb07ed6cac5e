// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The guest's physical memory map as firmware would report it (E820; PVH uses the same types).
// Derived from the RAM that is really there. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "vmm/memory/guest_memory.h"

namespace davit::boot {

enum class MemoryType : uint32_t { kRam = 1, kReserved = 2, kAcpi = 3 };

struct MemoryRange {
  uint64_t base = 0;
  uint64_t size = 0;
  MemoryType type = MemoryType::kRam;

  uint64_t end() const { return base + size; }
  friend bool operator==(const MemoryRange&, const MemoryRange&) = default;
};

// Sorted and disjoint. Adjacent RAM regions are one range; the first MiB is usable up to the EBDA,
// then reserved where the loaders and ACPI put their tables. `reserved`: what else the platform
// takes, outside of RAM.
std::vector<MemoryRange> BuildMemoryMap(const memory::GuestMemory& memory,
                                        std::span<const MemoryRange> reserved = {});

// All RAM, adjacent regions merged: what a device tree's memory nodes say.
std::vector<MemoryRange> RamRanges(const memory::GuestMemory& memory);

// End of the RAM that starts at address 0 without a hole.
uint64_t LowRamEnd(const memory::GuestMemory& memory);

// Error when there is not even room for the boot structures: "... has only 640 KiB".
Status CheckLowMemory(const memory::GuestMemory& memory);

}  // namespace davit::boot
