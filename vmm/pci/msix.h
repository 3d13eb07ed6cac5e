// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The MSI-X capability (PCI 3.0, 6.8.2): table and pending bits in a BAR, mask bits, interrupts
// that were masked are sent at unmask. Ways to the interrupt controllers are made when a vector is
// first unmasked. A member of the device, made before the function is attached or in Realize().
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "vmm/bus/bus.h"
#include "vmm/irq/msi.h"
#include "vmm/pci/function.h"

namespace davit::pci {

struct MsixConfig {
  uint16_t vectors = 1;  // 1 to 2048
  int bar = 0;           // of table and pending bits
  uint32_t table_offset = 0;
  uint32_t pba_offset = 0x800;
  uint32_t capability_offset = 0;  // 0: the first free place
};

class Msix final : public ConfigListener, public bus::BusDevice {
 public:
  static constexpr uint16_t kMaxVectors = 2048;

  Msix(Function& function, const MsixConfig& config);
  ~Msix() override;

  // A BAR of its own at `bar`, laid out as QEMU does: 4 KiB or more, pending bits at 0x800 or
  // behind the table. Adds the BAR (32-bit memory), served by the returned object.
  static std::unique_ptr<Msix> InOwnBar(Function& function, int bar, uint16_t vectors,
                                        uint32_t capability_offset = 0);

  uint16_t vectors() const { return config_.vectors; }
  // --- any thread, never blocks ---
  bool enabled() const { return enabled_.load(std::memory_order_acquire); }
  // Sends vector `vector`, or notes it as pending while masked. Without MSI-X enabled or bus
  // mastering nothing happens. An index out of range is ignored.
  void Trigger(uint16_t vector);

  // The BAR: offsets from its base. vCPU threads.
  void Read(uint64_t offset, std::span<uint8_t> data) override;
  void Write(uint64_t offset, std::span<const uint8_t> data) override;

  void OnConfigWritten(uint32_t offset, uint32_t size) override;
  void OnConfigReset() override;

 private:
  struct Vector {
    uint64_t address = 0;
    uint32_t data = 0;
    uint32_t control = 1;  // bit 0: masked
    bool pending = false;
    bool set = false;  // the route has this message
    std::unique_ptr<irq::MsiRoute> route;
  };
  void Send(Vector& vector);     // mutex_ held
  void Refresh(Vector& vector);  // mutex_ held: after a change of mask or message
  uint8_t ReadByte(uint64_t offset) const;

  Function& function_;
  const MsixConfig config_;
  uint32_t capability_;
  std::atomic<bool> enabled_{false};
  mutable std::mutex mutex_;
  bool function_masked_ = false;
  bool out_of_routes_ = false;  // said once
  std::vector<Vector> vectors_;
};

}  // namespace davit::pci
