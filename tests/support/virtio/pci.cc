// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See pci.h.
#include "tests/support/virtio/pci.h"

#include <algorithm>
#include <map>
#include <utility>

namespace davit::qtest {

struct PciPlaces {
  std::array<uint64_t, 16> memory{};                                 // bytes used, by bus
  uint32_t ports = 0;                                                // bytes used
  std::map<Bdf, std::array<std::pair<uint64_t, uint64_t>, 6>> bars;  // base, size
};

namespace {

constexpr uint16_t kAddressPort = 0xcf8, kDataPort = 0xcfc;
constexpr uint32_t kPciexbar = 0x60;  // of the MCH
constexpr uint64_t kEcamBase = 0xb0000000;
constexpr uint16_t kDecodeAndMaster = 0x7;

// Where functions go. One megabyte of memory and 4 KiB of ports a bus are what a bridge forwards.
constexpr uint64_t kMemoryBase = 0xe0000000;
constexpr uint64_t kMemoryOfBus = 0x1000000;
constexpr uint32_t kPortsBase = 0xc000;

uint64_t MemoryOf(uint8_t bus) { return kMemoryBase + kMemoryOfBus * bus; }

uint32_t AddressOf(Bdf bdf, uint32_t offset) {
  return 0x80000000U | uint32_t{bdf.bus} << 16 | uint32_t{bdf.device} << 11 |
         uint32_t{bdf.function} << 8 | (offset & 0xfc);
}

// Numbers what lies behind a bridge, and forwards that bus's memory to it.
void OpenBridge(Machine& machine, Bdf bridge, uint8_t bus) {
  PciWrite(machine, bridge, kPciBuses, 4,
           uint32_t{bridge.bus} | uint32_t{bus} << 8 | uint32_t{bus} << 16);
  const auto first = static_cast<uint32_t>(MemoryOf(bus) >> 16);
  const auto last = static_cast<uint32_t>((MemoryOf(bus) + kMemoryOfBus - 1) >> 16);
  PciWrite(machine, bridge, kPciMemoryWindow, 4, (first & 0xfff0) | (last & 0xfff0) << 16);
  PciWrite(machine, bridge, kPciPrefetchWindow, 4, 0x0000fff0);  // none: limit below base
  PciWrite(machine, bridge, kPciCommand, 2, kDecodeAndMaster);
}

void ScanBus(Machine& machine, uint8_t bus, uint8_t& next_bus, std::vector<Bdf>& found) {
  for (uint8_t device = 0; device < 32; ++device) {
    for (uint8_t function = 0; function < 8; ++function) {
      const Bdf bdf{bus, device, function};
      if (PciRead(machine, bdf, kPciVendor, 2) == 0xffff) {
        if (function == 0) break;
        continue;
      }
      found.push_back(bdf);
      const uint32_t header = PciRead(machine, bdf, kPciHeader, 1);
      if ((header & 0x7f) == 1) {
        auto behind = static_cast<uint8_t>(PciRead(machine, bdf, kPciBuses, 4) >> 8);
        if (behind == 0) {
          behind = next_bus;
          OpenBridge(machine, bdf, behind);
        }
        next_bus = static_cast<uint8_t>(std::max<int>(next_bus, behind) + 1);
        ScanBus(machine, behind, next_bus, found);
      }
      if (function == 0 && (header & 0x80) == 0) break;
    }
  }
}

}  // namespace

uint32_t PciRead(Machine& machine, Bdf bdf, uint32_t offset, unsigned size) {
  machine.Out(kAddressPort, 4, AddressOf(bdf, offset));
  return machine.In(static_cast<uint16_t>(kDataPort + (offset & 3)), size);
}

void PciWrite(Machine& machine, Bdf bdf, uint32_t offset, unsigned size, uint32_t value) {
  machine.Out(kAddressPort, 4, AddressOf(bdf, offset));
  machine.Out(static_cast<uint16_t>(kDataPort + (offset & 3)), size, value);
}

uint64_t EcamAddress(Machine& machine, Bdf bdf, uint32_t offset) {
  uint32_t base = PciRead(machine, {}, kPciexbar, 4);
  if ((base & 1) == 0) {
    PciWrite(machine, {}, kPciexbar + 4, 4, 0);
    PciWrite(machine, {}, kPciexbar, 4, kEcamBase | 1);
    base = PciRead(machine, {}, kPciexbar, 4);
  }
  return (base & 0xf0000000U) + (uint64_t{bdf.bus} << 20 | uint64_t{bdf.device} << 15 |
                                 uint64_t{bdf.function} << 12 | offset);
}

std::vector<Bdf> PciScan(Machine& machine) {
  std::vector<Bdf> found;
  uint8_t next_bus = 1;
  ScanBus(machine, 0, next_bus, found);
  return found;
}

std::vector<Bdf> PciFind(Machine& machine, uint16_t vendor, uint16_t device) {
  std::vector<Bdf> found = PciScan(machine);
  std::erase_if(found, [&](Bdf bdf) {
    return PciRead(machine, bdf, kPciVendor, 4) != (vendor | uint32_t{device} << 16);
  });
  return found;
}

PciFunction::PciFunction(Machine& machine, Bdf bdf) : machine_(machine), bdf_(bdf) {
  AssignBars();
  Write(kPciCommand, 2, Read(kPciCommand, 2) | kDecodeAndMaster);
}

void PciFunction::AssignBars() {
  if (!machine_.pci_places()) machine_.pci_places() = std::make_shared<PciPlaces>();
  PciPlaces& places = *machine_.pci_places();
  Write(kPciCommand, 2, 0);
  auto& given = places.bars[bdf_];
  const size_t count = (Read(kPciHeader, 1) & 0x7f) == 1 ? 2 : 6;
  for (size_t i = 0; i < count; ++i) {
    const auto at = static_cast<uint32_t>(kPciBar0 + 4 * i);
    Write(at, 4, 0xffffffff);
    const uint32_t low = Read(at, 4);
    if (low == 0) continue;
    const bool port = (low & 1) != 0, wide = !port && (low & 6) == 4;
    uint64_t mask = port ? (low & ~uint32_t{3}) | 0xffffffffffff0000U
                         : (low & ~uint32_t{15}) | 0xffffffff00000000U;
    if (wide) {
      Write(at + 4, 4, 0xffffffff);
      mask = (mask & 0xffffffff) | uint64_t{Read(at + 4, 4)} << 32;
    }
    const uint64_t size = ~mask + 1;
    uint64_t base = given[i].first;
    if (base == 0 && port) {
      base = places.ports = static_cast<uint32_t>((places.ports + size - 1) / size * size);
      places.ports += static_cast<uint32_t>(size);
      base += kPortsBase;
    } else if (base == 0) {
      uint64_t& used = places.memory.at(bdf_.bus);
      used = (used + size - 1) / size * size;
      base = MemoryOf(bdf_.bus) + used;
      used += size;
    }
    Write(at, 4, static_cast<uint32_t>(base));
    if (wide) Write(at + 4, 4, static_cast<uint32_t>(base >> 32));
    bars_[i] = {base, size, port};
    given[i] = {base, size};
    if (wide) ++i;
  }
}

std::optional<uint8_t> PciFunction::Capability(uint8_t id, size_t nth) {
  uint32_t at = Read(kPciCapabilities, 1) & 0xfc;
  for (int i = 0; at != 0 && i < 48; ++i) {
    if (Read(at, 1) == id && nth-- == 0) return static_cast<uint8_t>(at);
    at = Read(at + 1, 1) & 0xfc;
  }
  return std::nullopt;
}

bool PciFunction::EnableMsix() {
  const auto capability = Capability(kPciCapMsix);
  if (!capability) return false;
  const uint32_t control = Read(*capability + 2U, 2);
  const uint32_t table = Read(*capability + 4U, 4), pba = Read(*capability + 8U, 4);
  vectors_ = (control & 0x7ff) + 1;
  table_ = bars_.at(table & 7).base + (table & ~7U);
  pba_ = bars_.at(pba & 7).base + (pba & ~7U);
  messages_ = machine_.Allocate(4 * vectors_, 4096);
  machine_.Fill(messages_, 4 * vectors_, 0);
  Write(*capability + 2U, 2, (control & ~0x4000U) | 0x8000U);
  for (size_t i = 0; i < vectors_; ++i) {
    machine_.Write32(TableEntry(i), static_cast<uint32_t>(MessageAddress(i)));
    machine_.Write32(TableEntry(i) + 4, static_cast<uint32_t>(MessageAddress(i) >> 32));
    machine_.Write32(TableEntry(i) + 8, static_cast<uint32_t>(i + 1));
    machine_.Write32(TableEntry(i) + 12, 0);
  }
  return true;
}

bool PciFunction::TakeMessage(size_t vector) {
  const uint32_t value = machine_.Read32(MessageAddress(vector));
  if (value == 0) return false;
  if (value != vector + 1) machine_.Die("an MSI-X message of another vector");
  machine_.Write32(MessageAddress(vector), 0);
  return true;
}

void PciFunction::MaskVector(size_t vector, bool masked) {
  machine_.Write32(TableEntry(vector) + 12, masked ? 1 : 0);
}

bool PciFunction::Pending(size_t vector) {
  return (machine_.Read32(pba_ + vector / 32 * 4) >> vector % 32 & 1) != 0;
}

// Slots 0 to 24 go around PIRQE to PIRQH, the chipset's own slots have PIRQA on; behind a root port
// the pins keep their order on the port's lines.
unsigned PciFunction::IntxGsi() {
  const unsigned pin = Read(kPciIrqPin, 1);
  if (pin == 0) machine_.Die("the function has no INTx");
  return bdf_.device < 25 ? 20 + (bdf_.device + pin - 1) % 4 : 16 + (pin - 1) % 4;
}

}  // namespace davit::qtest
