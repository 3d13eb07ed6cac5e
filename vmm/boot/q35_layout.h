// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The q35 machine's maps (Intel 82G33 MCH and ICH9): guest physical memory, I/O ports, interrupt
// pins and the values that firmware would program, as QEMU 7.2's q35 has them after SeaBIOS. One
// source for the machine and for what describes it to the guest. Constants, any thread.
#pragma once

#include <array>
#include <cstdint>

#include "vmm/boot/pc_layout.h"

namespace davit::boot {

// --- RAM ---------------------------------------------------------------------------------------

// A guest with RAM up to the PCI Express window keeps it all below; a larger one gets 2 GiB there,
// so that the PCI hole is aligned to gigabytes.
constexpr uint64_t Q35MaxRamBelow4G(uint64_t ram_bytes) {
  return ram_bytes >= 0xb0000000 ? 0x80000000 : 0xb0000000;
}
static_assert(Q35MaxRamBelow4G(2 * kGiB) >= 2 * kGiB);

// --- memory ------------------------------------------------------------------------------------

// Configuration space of 256 buses (MCFG).
inline constexpr uint64_t kQ35EcamBase = 0xb0000000;
inline constexpr uint64_t kQ35EcamSize = 256 * kMiB;
inline constexpr unsigned kQ35EcamBuses = 256;
// The PCI hole goes from the end of low RAM to the ECAM window, and from there up to here.
inline constexpr uint64_t kQ35PciHoleEnd = 0xfec00000;
// Root complex registers of the ICH9.
inline constexpr uint64_t kQ35RcbaBase = 0xfed1c000;
inline constexpr uint64_t kQ35RcbaSize = 16 * kKiB;
// The 64-bit window follows RAM, at this alignment.
inline constexpr uint64_t kQ35Hole64Align = kGiB;
inline constexpr uint64_t kQ35Hole64Size = 32 * kGiB;
inline constexpr uint64_t kVgaHoleBase = 0xa0000;
inline constexpr uint64_t kVgaHoleSize = 0x20000;

inline constexpr std::array kQ35MemoryMap = {
    MapEntry{"ram-below-4g", 0, 0xb0000000},
    MapEntry{"pcie-mmcfg", kQ35EcamBase, kQ35EcamSize},
    MapEntry{"pci-hole", kQ35EcamBase + kQ35EcamSize, kQ35PciHoleEnd - kQ35EcamBase - kQ35EcamSize},
    MapEntry{"ioapic", kIoapicBase, kIoapicSize},
    MapEntry{"rcrb", kQ35RcbaBase, kQ35RcbaSize},
    MapEntry{"apic-msi", kLapicBase, kLapicSize},
    MapEntry{"kvm-identity-map", kKvmIdentityMapBase, kPageSize},
    MapEntry{"kvm-tss", kKvmTssBase, 3 * kPageSize},
    MapEntry{"ram-above-4g", kRamAbove4GBase, (uint64_t{1} << 52) - kRamAbove4GBase},
};
static_assert(SortedAndDisjoint(kQ35MemoryMap));

// Where memory devices (DIMMs, virtio-mem) can be plugged: behind RAM, with a gibibyte more for
// each slot so that alignment costs no room.
struct DeviceMemoryWindow {
  uint64_t base = 0;
  uint64_t size = 0;      // bytes; 0: no memory can be plugged
  uint64_t capacity = 0;  // bytes of memory that can be plugged in all

  constexpr uint64_t end() const { return base + size; }
};
constexpr DeviceMemoryWindow Q35DeviceMemory(uint64_t ram_bytes, uint64_t max_bytes,
                                             uint64_t slots) {
  const RamSplit ram = SplitRam(ram_bytes, Q35MaxRamBelow4G(ram_bytes));
  const uint64_t base = AlignUp(kRamAbove4GBase + ram.above_4g, kGiB);
  if (max_bytes <= ram_bytes) return {base, 0, 0};
  return {base, max_bytes - ram_bytes + slots * kGiB, max_bytes - ram_bytes};
}
static_assert(Q35DeviceMemory(5 * kGiB, 12 * kGiB, 3).base == 0x1c0000000);
static_assert(Q35DeviceMemory(5 * kGiB, 12 * kGiB, 3).end() == 0x440000000);

constexpr uint64_t Q35Hole64Base(const DeviceMemoryWindow& window) {
  return AlignUp(window.end(), kQ35Hole64Align);
}
static_assert(Q35Hole64Base(Q35DeviceMemory(6 * kGiB, 6 * kGiB, 0)) == 8 * kGiB);

// --- I/O ports ---------------------------------------------------------------------------------

inline constexpr uint16_t kPort92 = 0x92;
inline constexpr uint16_t kApmPorts = 0xb2;
inline constexpr uint16_t kSerial2Port = 0x2f8;
inline constexpr uint16_t kSerial3Port = 0x3e8;
inline constexpr uint16_t kSerial4Port = 0x2e8;
inline constexpr uint16_t kFwCfgPort = 0x510;
inline constexpr uint16_t kFwCfgDmaPort = 0x514;
inline constexpr uint16_t kQ35PmBase = 0x600;
inline constexpr uint16_t kQ35PmSize = 0x80;
inline constexpr uint16_t kQ35MemoryHotplugPorts = 0xa00;
inline constexpr uint16_t kQ35MemoryHotplugSize = 0x18;
inline constexpr unsigned kQ35MemoryHotplugGpe = 3;
inline constexpr uint64_t kQ35MaxMemorySlots = 256;
// CPU hot-plug (vmm/devices/acpi_cpu_hotplug.h), and what of it stays when the guest knows it.
inline constexpr uint16_t kQ35CpuHotplugPort = 0xcd8;
inline constexpr uint16_t kQ35CpuHotplugPorts = 32;
inline constexpr uint8_t kQ35CpuHotplugModernPorts = 12;
inline constexpr unsigned kQ35CpuHotplugGpe = 2;
// PCI hot-plug by ACPI (vmm/devices/acpi_pci_hotplug.h), where that was chosen.
inline constexpr uint16_t kQ35PciHotplugPort = 0xcc0;
inline constexpr uint16_t kQ35PciHotplugPorts = 0x18;
inline constexpr unsigned kQ35PciHotplugGpe = 1;
inline constexpr uint16_t kPciConfigPorts = 0xcf8;
inline constexpr uint16_t kResetControlPort = 0xcf9;  // inside the former

// Offsets in the PM block (ICH9 data book, 13.8.3).
inline constexpr uint16_t kPm1EventOffset = 0x00;
inline constexpr uint16_t kPm1ControlOffset = 0x04;
inline constexpr uint16_t kPmTimerOffset = 0x08;
inline constexpr uint16_t kGpe0Offset = 0x20;
inline constexpr uint16_t kGpe0Size = 0x10;

inline constexpr std::array kQ35PortMap = {
    MapEntry{"pic", kPicPrimaryPort, 2},
    MapEntry{"pit", kPitPort, 4},
    MapEntry{"i8042-data", kI8042DataPort, 1},
    MapEntry{"system-control-b", kSystemControlPort, 1},
    MapEntry{"i8042-cmd", kI8042CommandPort, 1},
    MapEntry{"rtc", kRtcPort, 2},
    MapEntry{"port92", kPort92, 1},
    MapEntry{"pic2", kPicSecondaryPort, 2},
    MapEntry{"apm", kApmPorts, 2},
    MapEntry{"debugcon", kDebugPort, 1},
    MapEntry{"serial4", kSerial4Port, kSerialPorts},
    MapEntry{"serial2", kSerial2Port, kSerialPorts},
    MapEntry{"serial3", kSerial3Port, kSerialPorts},
    MapEntry{"serial", kSerialPort, kSerialPorts},
    MapEntry{"elcr", kElcrPort, 2},
    MapEntry{"fwcfg", kFwCfgPort, 2},
    MapEntry{"fwcfg-dma", kFwCfgDmaPort, 8},
    MapEntry{"pm", kQ35PmBase, kQ35PmSize},
    MapEntry{"memory-hotplug", kQ35MemoryHotplugPorts, kQ35MemoryHotplugSize},
    MapEntry{"pci-hotplug", kQ35PciHotplugPort, kQ35PciHotplugPorts},
    MapEntry{"cpu-hotplug", kQ35CpuHotplugPort, kQ35CpuHotplugPorts},
    MapEntry{"pci-config", kPciConfigPorts, 8},
};
static_assert(SortedAndDisjoint(kQ35PortMap));
static_assert(kQ35PortMap.back().end() <= 0x10000);
static_assert(kQ35PmBase % kQ35PmSize == 0);

struct SerialPlace {
  uint16_t port;
  uint8_t irq;
};
inline constexpr std::array<SerialPlace, 4> kQ35Serials = {
    {{kSerialPort, 4}, {kSerial2Port, 3}, {kSerial3Port, 4}, {kSerial4Port, 3}}};

// --- interrupt pins (GSI) ----------------------------------------------------------------------

inline constexpr uint32_t kSciGsi = 9;
inline constexpr uint32_t kPirqs = 8;          // PIRQA to PIRQH
inline constexpr uint32_t kFirstPirqGsi = 16;  // PIRQA at the IOAPIC
static_assert(kFirstPirqGsi + kPirqs == kIoapicPins);

// Which PIRQ (0 = A) pin `pin` (0 = INTA) of root-bus device `slot` has at reset.
constexpr uint32_t Q35Pirq(uint32_t slot, uint32_t pin) {
  if (slot == 30) return 4 + pin;
  if (slot >= 25) return pin;
  return 4 + (slot + pin) % 4;
}

}  // namespace davit::boot
