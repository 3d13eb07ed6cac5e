// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0

#include "pci.h"

#include "console.h"
#include "io.h"

namespace probe {
namespace {

constexpr uint16_t kAddressPort = 0xcf8;
constexpr uint16_t kDataPort = 0xcfc;
constexpr uint32_t kNobody = 0xffffffff;

// Registers (PCI 3.0, 6.1; bridges: PCI-to-PCI Bridge Architecture 1.2, 3.2).
constexpr uint32_t kCommand = 0x04;
constexpr uint32_t kHeader = 0x0c;  // its third byte is the header type
constexpr uint32_t kBars = 0x10;
constexpr uint32_t kBusNumbers = 0x18;
constexpr uint32_t kMemoryWindow = 0x20;
constexpr uint32_t kPrefetchWindow = 0x24;
constexpr uint32_t kPrefetchBaseUpper = 0x28;
constexpr uint32_t kPrefetchLimitUpper = 0x2c;
constexpr uint32_t kCapabilities = 0x34;
constexpr uint32_t kMemoryAndMaster = 6;
constexpr uint8_t kMsix = 0x11;

// Where BARs go that nobody has placed, and the share of each bridge.
constexpr uint32_t kFirstAddress = 0xe0000000;
constexpr uint32_t kBridgeShare = 0x200000;
uint32_t next_address = kFirstAddress;
uint32_t next_bus = 1;

void Select(PciAddress at, uint32_t offset) {
  Out32(kAddressPort, 0x80000000 | uint32_t{at.bus} << 16 | uint32_t{at.device} << 11 |
                          uint32_t{at.function} << 8 | (offset & ~3U));
}

uint32_t AlignUp(uint32_t value, uint32_t align) { return (value + align - 1) & ~(align - 1); }

// Bytes that a memory BAR spans.
uint32_t BarSize(PciAddress at, uint32_t offset) {
  const uint32_t before = PciRead32(at, offset);
  PciWrite32(at, offset, 0xffffffff);
  const uint32_t mask = PciRead32(at, offset) & ~15U;
  PciWrite32(at, offset, before);
  return mask == 0 ? 0 : ~mask + 1;
}

void PlaceBars(PciAddress at) {
  for (uint32_t bar = 0; bar < 6; ++bar) {
    const bool wide = (PciRead32(at, kBars + 4 * bar) & 7) == 4;
    PciBar(at, bar);
    bar += wide ? 1 : 0;  // the next is its upper half
  }
}

void ScanBus(uint8_t bus, PciBus& found);

uint8_t SecondaryBus(PciAddress bridge) { return uint8_t(PciRead32(bridge, kBusNumbers) >> 8); }

// [base, limit], in steps of 1 MiB. The prefetchable window stays shut: base above limit.
void SetWindow(PciAddress bridge, uint32_t base, uint32_t limit) {
  PciWrite32(bridge, kMemoryWindow, (limit & 0xfff00000) | base >> 16);
  PciWrite32(bridge, kPrefetchWindow, 0x0000fff0);
  PciWrite32(bridge, kPrefetchBaseUpper, 0);
  PciWrite32(bridge, kPrefetchLimitUpper, 0);
  PciEnable(bridge);
}

void SetBusNumbers(PciAddress bridge, uint32_t secondary, uint32_t subordinate) {
  const uint32_t latency = PciRead32(bridge, kBusNumbers) & 0xff000000;
  PciWrite32(bridge, kBusNumbers, latency | subordinate << 16 | secondary << 8 | bridge.bus);
}

// Numbers the bus behind a bridge, gives it a window, and looks at what is there. A bridge with no
// other behind it keeps a number, and the upper half of its window, for one that comes later.
void OpenBridge(PciAddress at, PciBus& found) {
  if (const uint8_t secondary = SecondaryBus(at)) return ScanBus(secondary, found);
  const auto secondary = uint8_t(next_bus++);
  SetBusNumbers(at, secondary, 0xff);
  next_address = AlignUp(next_address, kBridgeShare);
  const uint32_t base = next_address;
  ScanBus(secondary, found);
  for (uint32_t i = 0; i < found.functions; ++i) {
    if (found.function[i].bus == secondary) PlaceBars(found.function[i]);
  }
  if (next_bus == secondary + 1u) ++next_bus;
  SetBusNumbers(at, secondary, next_bus - 1);
  if (next_address < base + kBridgeShare) next_address = base + kBridgeShare;
  next_address = AlignUp(next_address, kBridgeShare);
  SetWindow(at, base, next_address - 1);
}

// A bridge that came behind another one gets what that one kept for it.
void OpenBehind(PciAddress bridge, PciAddress at) {
  const uint32_t numbers = PciRead32(bridge, kBusNumbers);
  const uint32_t secondary = numbers >> 8 & 0xff, subordinate = numbers >> 16 & 0xff;
  if (subordinate == secondary) return;
  SetBusNumbers(at, secondary + 1, subordinate);
  const uint32_t limit = (PciRead32(bridge, kMemoryWindow) & 0xfff00000) | 0xfffff;
  SetWindow(at, limit + 1 - kBridgeShare / 2, limit);
}

void ScanBus(uint8_t bus, PciBus& found) {
  for (uint8_t device = 0; device < 32; ++device) {
    for (uint8_t function = 0; function < 8; ++function) {
      const PciAddress at{bus, device, function};
      if (PciRead32(at, 0) == kNobody) {
        if (function == 0) break;
        continue;
      }
      if (found.functions < kMaxPciFunctions) found.function[found.functions++] = at;
      if (PciIsBridge(at)) OpenBridge(at, found);
      if (function == 0 && (PciRead8(at, kHeader + 2) & 0x80) == 0) break;
    }
  }
}

}  // namespace

uint32_t PciRead32(PciAddress at, uint32_t offset) {
  Select(at, offset);
  return In32(kDataPort);
}

uint16_t PciRead16(PciAddress at, uint32_t offset) {
  return uint16_t(PciRead32(at, offset) >> (8 * (offset & 2)));
}

uint8_t PciRead8(PciAddress at, uint32_t offset) {
  return uint8_t(PciRead32(at, offset) >> (8 * (offset & 3)));
}

void PciWrite32(PciAddress at, uint32_t offset, uint32_t value) {
  Select(at, offset);
  Out32(kDataPort, value);
}

void PciEnable(PciAddress at) {
  PciWrite32(at, kCommand, (PciRead32(at, kCommand) & 0xffff) | kMemoryAndMaster);
}

uint64_t PciBar(PciAddress at, uint32_t index) {
  const uint32_t offset = kBars + 4 * index;
  const uint32_t low = PciRead32(at, offset);
  if ((low & 1) != 0) return 0;
  const bool wide = (low & 6) == 4;
  const uint64_t high = wide ? PciRead32(at, offset + 4) : 0;
  const uint64_t base = (high << 32) | (low & ~15U);
  if (base != 0) return base < (uint64_t{1} << 32) ? base : 0;
  const uint32_t size = BarSize(at, offset);
  if (size == 0) return 0;
  next_address = AlignUp(next_address, size);
  PciWrite32(at, offset, next_address);
  if (wide) PciWrite32(at, offset + 4, 0);
  const uint64_t placed = next_address;
  next_address += size;
  PciEnable(at);
  return placed;
}

bool PciIsBridge(PciAddress at) { return (PciRead8(at, kHeader + 2) & 0x7f) == 1; }

PciAddress PciCardBehind(PciAddress bridge) { return {SecondaryBus(bridge), 0, 0}; }

uint32_t PciPlaceBehind(PciAddress bridge) {
  const uint8_t bus = SecondaryBus(bridge);
  const uint32_t before = next_address;
  next_address = PciRead32(bridge, kMemoryWindow) << 16 & 0xfff00000;
  uint32_t functions = 0;
  for (uint8_t function = 0; function < 8; ++function) {
    const PciAddress at{bus, 0, function};
    if (PciRead32(at, 0) == kNobody) continue;
    ++functions;
    PlaceBars(at);
    if (PciIsBridge(at)) OpenBehind(bridge, at);
  }
  next_address = before;
  return functions;
}

uint32_t PciCapability(PciAddress at, uint8_t id) {
  uint32_t offset = PciRead8(at, kCapabilities) & ~3U;
  for (uint32_t steps = 0; offset != 0 && steps < 48; ++steps) {
    if (PciRead8(at, offset) == id) return offset;
    offset = PciRead8(at, offset + 1) & ~3U;
  }
  return 0;
}

bool PciSetMessage(PciAddress at, uint32_t address, uint32_t data) {
  const uint32_t msix = PciCapability(at, kMsix);
  if (msix == 0) return false;
  const uint32_t where = PciRead32(at, msix + 4);  // a BAR in the lowest three bits
  const uint64_t bar = PciBar(at, where & 7);
  if (bar == 0) return false;
  const uint64_t entry = bar + (where & ~7U);
  Mmio<uint32_t>(entry) = address;
  Mmio<uint32_t>(entry + 4) = 0;
  Mmio<uint32_t>(entry + 8) = data;
  Mmio<uint32_t>(entry + 12) = 0;
  PciWrite32(at, msix, PciRead32(at, msix) | 0x80000000);
  return true;
}

bool ScanPci(PciBus& found) {
  found.functions = 0;
  Select({0, 0, 0}, 0);
  if (In32(kAddressPort) != 0x80000000) return false;
  ScanBus(0, found);
  return true;
}

void PrintPci() {
  static PciBus bus;
  if (!ScanPci(bus)) {
    Print("pci: none\n");
    return;
  }
  for (uint32_t i = 0; i < bus.functions; ++i) {
    const PciAddress at = bus.function[i];
    const uint32_t id = PciRead32(at, 0);
    Print("pci: %x:%x.%x %x:%x class %x\n", uint64_t{at.bus}, uint64_t{at.device},
          uint64_t{at.function}, uint64_t{id & 0xffff}, uint64_t{id >> 16},
          uint64_t{PciRead32(at, 8) >> 8});
  }
  Print("pci: %u functions\n", uint64_t{bus.functions});
}

}  // namespace probe
