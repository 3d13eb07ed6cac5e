// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The two transports of virtio as a driver over qtest uses them (virtio 1.2, 4.1 and 4.2). Tests of
// devices go through FindVirtio(); tests of the transports themselves use these. Owner: the thread
// of the test.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "tests/support/virtio/pci.h"
#include "tests/support/virtio/virtio.h"

namespace davit::qtest {

// --- virtio-mmio, version 2: the slots of microvm -----------------------------------------------

// Base addresses of the slots that have a device with this id.
std::vector<uint64_t> MmioSlotsOf(Machine& machine, uint16_t id);

class VirtioMmio final : public Virtio {
 public:
  VirtioMmio(Machine& machine, uint64_t base) : Virtio(machine), base_(base) {}

  uint64_t base() const { return base_; }
  uint32_t Register(uint32_t offset) { return machine_.Read32(base_ + offset); }
  void SetRegister(uint32_t offset, uint32_t value) { machine_.Write32(base_ + offset, value); }

  bool TakeConfigInterrupt() override { return TakeStatus(2); }
  uint64_t OfferedFeatures() override;
  void AcceptFeatures(uint64_t features) override;
  uint8_t Status() override;
  void SetStatus(uint8_t status) override;
  uint8_t Generation() override;
  uint64_t ReadConfig(uint32_t offset, unsigned size) override;
  void WriteConfig(uint32_t offset, unsigned size, uint64_t value) override;
  uint16_t QueueMax(uint16_t index) override;
  void EnableQueue(uint16_t index, const Ring& ring) override;
  bool QueueReady(uint16_t index) override;
  void ResetQueue(uint16_t index) override;
  void Notify(uint16_t index) override;
  bool TakeQueueInterrupt(uint16_t) override { return TakeStatus(1); }
  const char* transport() const override { return "mmio"; }

 private:
  bool TakeStatus(uint32_t bit);

  const uint64_t base_;
  uint32_t taken_ = 0;  // interrupt status bits seen and not asked for yet
};

// --- virtio-pci, modern -------------------------------------------------------------------------

std::vector<Bdf> PciFunctionsOf(Machine& machine, uint16_t id);

class VirtioPci final : public Virtio {
 public:
  // msix: queue n has vector n + 1 and the configuration vector 0, as far as there are; else INTx.
  VirtioPci(Machine& machine, Bdf bdf, bool msix);

  PciFunction& function() { return function_; }
  bool msix() const { return msix_; }
  // In memory. Of cfg_type 1 to 4; ends the program when the capability is missing.
  uint64_t Structure(uint8_t cfg_type) const { return structures_.at(cfg_type); }
  uint64_t NotifyAddress(uint16_t index);

  bool TakeConfigInterrupt() override;
  uint64_t OfferedFeatures() override;
  void AcceptFeatures(uint64_t features) override;
  uint8_t Status() override;
  void SetStatus(uint8_t status) override;
  uint8_t Generation() override;
  uint64_t ReadConfig(uint32_t offset, unsigned size) override;
  void WriteConfig(uint32_t offset, unsigned size, uint64_t value) override;
  uint16_t QueueMax(uint16_t index) override;
  void EnableQueue(uint16_t index, const Ring& ring) override;
  bool QueueReady(uint16_t index) override;
  void ResetQueue(uint16_t index) override;
  void Notify(uint16_t index) override;  // at the port, where there is one
  bool TakeQueueInterrupt(uint16_t index) override;
  const char* transport() const override { return msix_ ? "pci" : "pci-intx"; }

 private:
  uint64_t Common(uint32_t offset, unsigned size) {
    return machine_.Read(Structure(1) + offset, size);
  }
  void SetCommon(uint32_t offset, unsigned size, uint64_t value) {
    machine_.Write(Structure(1) + offset, size, value);
  }
  void Select(uint16_t index);
  size_t VectorOf(uint16_t index) const;
  bool TakeIsr(uint8_t bit);

  PciFunction function_;
  bool msix_ = false;
  std::array<uint64_t, 6> structures_{};
  uint32_t notify_multiplier_ = 0;
  uint64_t notify_port_ = 0;             // 0: none
  std::map<uint16_t, uint64_t> notify_;  // by queue
  uint8_t taken_ = 0;                    // ISR bits seen and not asked for yet
};

}  // namespace davit::qtest
