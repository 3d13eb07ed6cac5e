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

#include "vmm/boot/pc_layout.h"

namespace davit::boot {

// RAM up to this size lies from 0 up; the rest starts at kRamAbove4GBase.
inline constexpr uint64_t kMicrovmMaxRamBelow4G = 0xc0000000;

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

inline constexpr uint64_t kIoapic2Base = 0xfec10000;

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
    MapEntry{"ram-above-4g", kRamAbove4GBase, (uint64_t{1} << 52) - kRamAbove4GBase},
};
static_assert(SortedAndDisjoint(kMicrovmMemoryMap));

// --- I/O ports ---------------------------------------------------------------------------------

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

}  // namespace davit::boot
