// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The MSI capability (PCI 3.0, 6.8.1) with 64-bit addresses and, on demand, a mask bit for each
// vector. A member of the device, made before the function is attached or in Realize().
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "vmm/irq/msi.h"
#include "vmm/pci/function.h"

namespace davit::pci {

struct MsiConfig {
  uint8_t vectors = 1;  // 1, 2, 4, ..., 32
  bool address64 = true;
  bool maskable = false;
  uint32_t capability_offset = 0;  // 0: the first free place
};

class Msi final : public ConfigListener {
 public:
  Msi(Function& function, const MsiConfig& config);
  ~Msi() override;

  // --- any thread, never blocks ---
  bool enabled() const { return enabled_.load(std::memory_order_acquire); }
  // As Msix::Trigger; a vector beyond those that the driver enabled is sent as vector 0.
  void Trigger(uint8_t vector);

  // Before software reads the pending bits (the function's OnConfigRead). Host lock.
  void RefreshPending();
  void OnConfigWritten(uint32_t offset, uint32_t size) override;
  void OnConfigReset() override;

 private:
  void Send(uint8_t vector);  // mutex_ held
  void SetRoutes();           // mutex_ held
  uint32_t Size() const;
  uint32_t DataOffset() const;
  uint32_t MaskOffset() const;

  Function& function_;
  const MsiConfig config_;
  uint32_t capability_;
  std::atomic<bool> enabled_{false};
  std::mutex mutex_;
  irq::MsiMessage message_;
  uint8_t granted_ = 1;
  uint32_t mask_ = 0, pending_ = 0;
  bool out_of_routes_ = false;
  std::vector<std::unique_ptr<irq::MsiRoute>> routes_;
};

}  // namespace davit::pci
