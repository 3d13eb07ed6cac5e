// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The microvm machine's maps: guest physical memory, I/O ports and interrupt pins, as QEMU 7.2's
// microvm documents and shows them ("info mtree"). One source for the machine (which claims the
// ranges) and for what describes them to the guest (ACPI, device tree, E820). Tables are constexpr
// and checked "sorted, disjoint" at compile time. No state, any thread.
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

// RAM up to this size lies from 0 up; the rest starts at 4 GiB.
inline constexpr uint64_t kMicrovmMaxRamBelow4G = 0xc0000000;
inline constexpr uint64_t kMicrovmRamAbove4GBase = 4 * kGiB;

struct RamSplit {
  uint64_t below_4g = 0;  // bytes from address 0
  uint64_t above_4g = 0;  // bytes from kMicrovmRamAbove4GBase
};

constexpr RamSplit SplitRam(uint64_t ram_bytes) {
  if (ram_bytes <= kMicrovmMaxRamBelow4G) return {ram_bytes, 0};
  return {kMicrovmMaxRamBelow4G, ram_bytes - kMicrovmMaxRamBelow4G};
}

// --- MMIO --------------------------------------------------------------------------------------

// Generic event device (ACPI 6.4, 5.6.9): event select register, and the hardware-reduced
// sleep control (+0), sleep status (+1) and reset (+2) registers.
inline constexpr uint64_t kGedEventBase = 0xfea00000;
inline constexpr uint64_t kGedEventSize = 4;
inline constexpr uint64_t kGedRegsBase = 0xfea00200;
inline constexpr uint64_t kGedRegsSize = 3;
inline constexpr uint64_t kGedSleepControl = kGedRegsBase + 0;
inline constexpr uint64_t kGedSleepStatus = kGedRegsBase + 1;
inline constexpr uint64_t kGedReset = kGedRegsBase + 2;
inline constexpr uint8_t kGedResetValue = 0x42;
// Sleep type of S5; the guest writes (type << 2) | (1 << 5) to sleep control.
inline constexpr uint8_t kGedSleepTypeS5 = 5;
// Bit of the event select register: the power button was pressed.
inline constexpr uint32_t kGedEventPowerButton = 2;

inline constexpr uint64_t kVirtioMmioBase = 0xfeb00000;
inline constexpr uint64_t kVirtioMmioStride = 512;
inline constexpr size_t kVirtioMmioMaxSlots = 24;

inline constexpr uint64_t kIoapicBase = 0xfec00000;
inline constexpr uint64_t kIoapic2Base = 0xfec10000;
inline constexpr uint64_t kIoapicSize = 4 * kKiB;
inline constexpr uint32_t kIoapicPins = 24;
inline constexpr uint64_t kLapicBase = 0xfee00000;
inline constexpr uint64_t kLapicSize = kMiB;  // with the MSI window
// Three pages that KVM wants for its real-mode TSS, and one for the identity map.
inline constexpr uint64_t kKvmIdentityMapBase = 0xfeffc000;
inline constexpr uint64_t kKvmTssBase = 0xfeffd000;

inline constexpr std::array kMicrovmMemoryMap = {
    MapEntry{"ram-below-4g", 0, kMicrovmMaxRamBelow4G},
    MapEntry{"acpi-ged", kGedEventBase, kGedEventSize},
    MapEntry{"acpi-ged-regs", kGedRegsBase, kGedRegsSize},
    MapEntry{"virtio-mmio", kVirtioMmioBase, kVirtioMmioStride* kVirtioMmioMaxSlots},
    MapEntry{"ioapic", kIoapicBase, kIoapicSize},
    MapEntry{"ioapic2", kIoapic2Base, kIoapicSize},
    MapEntry{"apic-msi", kLapicBase, kLapicSize},
    MapEntry{"kvm-identity-map", kKvmIdentityMapBase, kPageSize},
    MapEntry{"kvm-tss", kKvmTssBase, 3 * kPageSize},
    MapEntry{"ram-above-4g", kMicrovmRamAbove4GBase, (uint64_t{1} << 52) - kMicrovmRamAbove4GBase},
};
static_assert(SortedAndDisjoint(kMicrovmMemoryMap));

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

inline constexpr std::array kMicrovmPortMap = {
    MapEntry{"pic", kPicPrimaryPort, 2},
    MapEntry{"pit", kPitPort, 4},
    MapEntry{"i8042-data", kI8042DataPort, 1},
    MapEntry{"system-control-b", kSystemControlPort, 1},
    MapEntry{"i8042-cmd", kI8042CommandPort, 1},
    MapEntry{"rtc", kRtcPort, 2},
    MapEntry{"pic2", kPicSecondaryPort, 2},
    MapEntry{"debugcon", kDebugPort, 1},
    MapEntry{"serial", kSerialPort, kSerialPorts},
    MapEntry{"elcr", kElcrPort, 2},
};
static_assert(SortedAndDisjoint(kMicrovmPortMap));
static_assert(kMicrovmPortMap.back().end() <= 0x10000);

// --- interrupt pins (GSI) ----------------------------------------------------------------------

inline constexpr uint32_t kPitGsi = 0;
inline constexpr uint32_t kPicCascadeGsi = 2;
inline constexpr uint32_t kSerialGsi = 4;
inline constexpr uint32_t kRtcGsi = 8;
inline constexpr uint32_t kGedGsi = 9;

// Where the virtio-mmio slots' interrupts go depends on ACPI and on the second IOAPIC.
struct VirtioMmioMap {
  uint32_t first_gsi = 0;
  size_t slots = 0;

  constexpr uint64_t SlotBase(size_t slot) const {
    return kVirtioMmioBase + slot * kVirtioMmioStride;
  }
  constexpr uint32_t SlotGsi(size_t slot) const { return first_gsi + static_cast<uint32_t>(slot); }
};

constexpr VirtioMmioMap MicrovmVirtioMmioMap(bool acpi, bool ioapic2) {
  if (!acpi) return {5, 8};
  if (!ioapic2) return {16, 8};
  return {kIoapicPins, kVirtioMmioMaxSlots};
}

// GSIs as ranges, in the three configurations: sorted, disjoint, within the IOAPICs' pins. With
// ACPI off the slots share the legacy pins with the RTC, as in QEMU; there is then no GED.
constexpr bool GsiMapIsSound(bool ioapic2) {
  const VirtioMmioMap virtio = MicrovmVirtioMmioMap(true, ioapic2);
  const std::array map = {
      MapEntry{"pit", kPitGsi, 1},       MapEntry{"cascade", kPicCascadeGsi, 1},
      MapEntry{"serial", kSerialGsi, 1}, MapEntry{"rtc", kRtcGsi, 1},
      MapEntry{"ged", kGedGsi, 1},       MapEntry{"virtio-mmio", virtio.first_gsi, virtio.slots},
  };
  return SortedAndDisjoint(map) && map.back().end() <= kIoapicPins * (ioapic2 ? 2 : 1);
}
static_assert(GsiMapIsSound(false) && GsiMapIsSound(true));
static_assert(MicrovmVirtioMmioMap(true, true).slots <= kVirtioMmioMaxSlots);

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
