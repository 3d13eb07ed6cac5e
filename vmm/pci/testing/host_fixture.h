// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A PCI hierarchy for tests: buses of ports and MMIO, recorded MSIs and interrupt lines (line n is
// (slot + pin) mod 4), 1 MiB of RAM at 0x100000 that no BAR may cover, ECAM at 0xb0000000 with 256
// buses. Accesses go the way a vCPU's do. One thread.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <vector>

#include "vmm/base/endian.h"
#include "vmm/bus/bus.h"
#include "vmm/irq/recording_irq_line.h"
#include "vmm/irq/recording_msi.h"
#include "vmm/pci/host_bridge.h"
#include "vmm/pci/intx_lines.h"

namespace davit::pci {

class HostFixture : public testing::Test {
 protected:
  static constexpr uint64_t kEcam = 0xb0000000;
  static constexpr uint64_t kRam = 0x100000, kRamSize = 0x100000;

  HostFixture() {
    EXPECT_TRUE(host_.ClaimPorts());
    host_.LockedSetEcam(kEcam, 256);
  }

  static constexpr uint64_t EcamAddress(uint8_t bus, uint8_t devfn, uint32_t offset) {
    return kEcam + (uint64_t{bus} << 20) + (uint64_t{devfn} << 12) + offset;
  }
  uint64_t Load(bus::Bus& bus, uint64_t address, size_t size) {
    std::array<uint8_t, 8> data{};
    bus.Read(address, std::span(data).first(size));
    return LoadLe(data.data(), size);
  }
  void Store(bus::Bus& bus, uint64_t address, size_t size, uint64_t value) {
    std::array<uint8_t, 8> data{};
    StoreLe(data.data(), size, value);
    bus.Write(address, std::span(data).first(size));
  }
  uint32_t ConfigLoad(uint8_t bus, uint8_t devfn, uint32_t offset, size_t size = 4) {
    return static_cast<uint32_t>(Load(mmio_, EcamAddress(bus, devfn, offset), size));
  }
  void ConfigStore(uint8_t bus, uint8_t devfn, uint32_t offset, uint64_t value, size_t size = 4) {
    Store(mmio_, EcamAddress(bus, devfn, offset), size, value);
  }
  bool Line(int n) const { return lines_[static_cast<size_t>(n)].level(); }

  bus::Bus ports_{"I/O port"};
  bus::Bus mmio_{"MMIO"};
  irq::RecordingMsi msi_;
  std::array<irq::RecordingIrqLine, 4> lines_;
  IntxLines intx_{{&lines_[0], &lines_[1], &lines_[2], &lines_[3]},
                  [](uint8_t slot, uint8_t pin) { return (slot + pin) % 4u; }};
  HostBridge host_{{.ports = ports_,
                    .mmio = mmio_,
                    .msi = msi_,
                    .intx = intx_,
                    .reserved =
                        [](uint64_t base, uint64_t size) {
                          return base < kRam + kRamSize && base + (size - 1) >= kRam;
                        }},
                   "pcie.0"};
};

}  // namespace davit::pci
