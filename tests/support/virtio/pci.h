// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What firmware and a PCI driver do, over qtest on q35: configuration space by ports 0xcf8/0xcfc
// and by ECAM, buses behind root ports, BARs, capabilities, MSI-X with its messages in guest RAM.
// Owner: the thread of the test.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <vector>

#include "tests/support/virtio/machine.h"

namespace davit::qtest {

struct Bdf {
  uint8_t bus = 0, device = 0, function = 0;
  friend auto operator<=>(const Bdf&, const Bdf&) = default;
};

// Type 0 and 1 configuration registers, PCI 3.0 chapter 6.
inline constexpr uint32_t kPciVendor = 0x00, kPciDevice = 0x02, kPciCommand = 0x04,
                          kPciStatus = 0x06, kPciClass = 0x0a, kPciHeader = 0x0e, kPciBar0 = 0x10,
                          kPciBuses = 0x18, kPciMemoryWindow = 0x20, kPciPrefetchWindow = 0x24,
                          kPciSubsystem = 0x2e, kPciCapabilities = 0x34, kPciIrqLine = 0x3c,
                          kPciIrqPin = 0x3d;
inline constexpr uint8_t kPciCapMsi = 0x05, kPciCapVendor = 0x09, kPciCapExpress = 0x10,
                         kPciCapMsix = 0x11;

// By the ports.
uint32_t PciRead(Machine& machine, Bdf bdf, uint32_t offset, unsigned size);
void PciWrite(Machine& machine, Bdf bdf, uint32_t offset, unsigned size, uint32_t value);
// By ECAM, which is switched on if it is not (MCH, PCIEXBAR): the address of a register.
uint64_t EcamAddress(Machine& machine, Bdf bdf, uint32_t offset);

// Every function; buses behind bridges get numbers and windows at the first call.
std::vector<Bdf> PciScan(Machine& machine);
// The functions with these ids, in the order of the scan.
std::vector<Bdf> PciFind(Machine& machine, uint16_t vendor, uint16_t device);

class PciFunction {
 public:
  // Gives addresses to the BARs and switches decoding and bus mastering on.
  PciFunction(Machine& machine, Bdf bdf);

  Machine& machine() { return machine_; }
  Bdf bdf() const { return bdf_; }
  uint32_t Read(uint32_t offset, unsigned size) { return PciRead(machine_, bdf_, offset, size); }
  void Write(uint32_t offset, unsigned size, uint32_t value) {
    PciWrite(machine_, bdf_, offset, size, value);
  }
  // Offset of the nth capability with this id; nullopt: there is none.
  std::optional<uint8_t> Capability(uint8_t id, size_t nth = 0);
  uint64_t bar(size_t n) const { return bars_[n].base; }  // memory address or port; 0: none
  bool port(size_t n) const { return bars_[n].port; }
  uint64_t bar_size(size_t n) const { return bars_[n].size; }

  // MSI-X with message n = `n + 1` written to a word of RAM of its own. False: no capability.
  bool EnableMsix();
  size_t vectors() const { return vectors_; }
  uint64_t MessageAddress(size_t vector) const { return messages_ + 4 * vector; }
  // Whether the message has come since the last call.
  bool TakeMessage(size_t vector);
  void MaskVector(size_t vector, bool masked);
  bool Pending(size_t vector);  // PBA
  // The IOAPIC pin of INTx as the q35's routing has it.
  unsigned IntxGsi();

 private:
  struct Bar {
    uint64_t base = 0, size = 0;
    bool port = false;
  };
  void AssignBars();
  uint64_t TableEntry(size_t vector) const { return table_ + 16 * vector; }

  Machine& machine_;
  const Bdf bdf_;
  std::array<Bar, 6> bars_{};
  size_t vectors_ = 0;
  uint64_t table_ = 0, pba_ = 0, messages_ = 0;
};

}  // namespace davit::qtest
