// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What all PC-like machines have at the same place: interrupt controllers, legacy ports and pins,
// the pages that KVM takes, and low memory as the kernel loaders use it. The machines' own maps:
// microvm_layout.h, q35_layout.h. Constants, any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "vmm/base/units.h"

namespace davit::boot {

// A half-open range [base, base + size) of an address space.
struct MapEntry {
  std::string_view name;
  uint64_t base;
  uint64_t size;

  constexpr uint64_t end() const { return base + size; }
};

template <size_t N>
constexpr bool SortedAndDisjoint(const std::array<MapEntry, N>& map) {
  for (size_t i = 0; i < N; ++i) {
    if (map[i].size == 0 || map[i].end() < map[i].base) return false;
    if (i > 0 && map[i - 1].end() > map[i].base) return false;
  }
  return true;
}

// --- RAM ---------------------------------------------------------------------------------------

// RAM that a machine has no room for below 4 GiB starts there.
inline constexpr uint64_t kRamAbove4GBase = 4 * kGiB;

struct RamSplit {
  uint64_t below_4g = 0;  // bytes from address 0
  uint64_t above_4g = 0;  // bytes from kRamAbove4GBase
};

constexpr RamSplit SplitRam(uint64_t ram_bytes, uint64_t max_below_4g) {
  if (ram_bytes <= max_below_4g) return {ram_bytes, 0};
  return {max_below_4g, ram_bytes - max_below_4g};
}

// --- MMIO --------------------------------------------------------------------------------------

inline constexpr uint64_t kIoapicBase = 0xfec00000;
inline constexpr uint64_t kIoapicSize = 4 * kKiB;
inline constexpr uint32_t kIoapicPins = 24;
inline constexpr uint64_t kLapicBase = 0xfee00000;
inline constexpr uint64_t kLapicSize = kMiB;  // with the MSI window
// Three pages that KVM wants for its real-mode TSS, and one for the identity map.
inline constexpr uint64_t kKvmIdentityMapBase = 0xfeffc000;
inline constexpr uint64_t kKvmTssBase = 0xfeffd000;

// --- I/O ports ---------------------------------------------------------------------------------

inline constexpr uint16_t kPicPrimaryPort = 0x20;
inline constexpr uint16_t kPitPort = 0x40;
inline constexpr uint16_t kI8042DataPort = 0x60;
inline constexpr uint16_t kSystemControlPort = 0x61;  // NMI status, PIT channel 2 gate
inline constexpr uint16_t kI8042CommandPort = 0x64;
inline constexpr uint16_t kRtcPort = 0x70;
inline constexpr uint16_t kPicSecondaryPort = 0xa0;
inline constexpr uint16_t kDebugPort = 0xe9;  // -debugcon
inline constexpr uint16_t kSerialPort = 0x3f8;
inline constexpr uint16_t kSerialPorts = 8;
inline constexpr uint16_t kElcrPort = 0x4d0;

// --- interrupt pins (GSI) ----------------------------------------------------------------------

inline constexpr uint32_t kPitGsi = 0;
inline constexpr uint32_t kPicCascadeGsi = 2;
inline constexpr uint32_t kSerialGsi = 4;
inline constexpr uint32_t kRtcGsi = 8;

// --- low memory: what the loaders put where -----------------------------------------------------

inline constexpr uint64_t kBootGdt = 0x500;
inline constexpr uint64_t kBootGdtSize = 0x40;
inline constexpr uint64_t kBootStartInfo = 0x6000;  // PVH start info, memory map, module list
inline constexpr uint64_t kBootStartInfoSize = 0x1000;
inline constexpr uint64_t kBootZeroPage = 0x7000;    // Linux boot_params
inline constexpr uint64_t kBootStackTop = 0x9000;    // 4 KiB below it; no protocol needs it
inline constexpr uint64_t kBootPageTables = 0x9000;  // PML4, PDPT, 4 PDs: 4 GiB by 2 MiB pages
inline constexpr uint64_t kBootPageTablesSize = 6 * kPageSize;
inline constexpr uint64_t kBootCmdline = 0x20000;
inline constexpr uint64_t kBootCmdlineMax = 0x10000;  // with the final NUL
inline constexpr uint64_t kEbdaStart = 0x9fc00;       // end of usable low memory
inline constexpr uint64_t kAcpiTablesBase = 0xe0000;  // RSDP first, on the legacy search path
inline constexpr uint64_t kAcpiTablesSize = 0x20000;
inline constexpr uint64_t kHighMemoryStart = kMiB;  // kernels from here up

inline constexpr std::array kBootLowMemoryMap = {
    MapEntry{"gdt", kBootGdt, kBootGdtSize},
    MapEntry{"pvh-start-info", kBootStartInfo, kBootStartInfoSize},
    MapEntry{"boot-params", kBootZeroPage, kPageSize},
    MapEntry{"boot-stack", kBootStackTop - kPageSize, kPageSize},
    MapEntry{"page-tables", kBootPageTables, kBootPageTablesSize},
    MapEntry{"cmdline", kBootCmdline, kBootCmdlineMax},
    MapEntry{"reserved", kEbdaStart, 0xa0000 - kEbdaStart},
    MapEntry{"acpi-tables", kAcpiTablesBase, kAcpiTablesSize},
};
static_assert(SortedAndDisjoint(kBootLowMemoryMap));
static_assert(kBootLowMemoryMap.back().end() == kHighMemoryStart);

}  // namespace davit::boot
