// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A PCI-to-PCI bridge (header type 1, PCI-to-PCI Bridge 1.2, section 3.2): bus numbers, and windows
// that let accesses through to the devices behind. A BAR behind it decodes only where it lies
// inside a window whole (windows have 1 MiB and 4 KiB steps; a larger BAR half inside decodes
// nowhere).
#pragma once

#include <cstdint>
#include <string>

#include "vmm/pci/bus.h"
#include "vmm/pci/function.h"

namespace davit::pci {

class Bridge : public Function {
 public:
  // bus_name: of the bus behind (the device's id).
  Bridge(const Identity& identity, FunctionOptions options, HostBridge& host, std::string bus_name);
  ~Bridge() override;

  Bus& secondary() { return secondary_; }
  // --- host lock ---
  uint8_t secondary_number() const { return config().Get8(kSecondaryBus); }
  uint8_t subordinate_number() const { return config().Get8(kSubordinateBus); }
  // Whether [base, base + size) comes through, enable bits included.
  bool Forwards(bool io, uint64_t base, uint64_t size) const;

  struct Window {
    uint64_t base = 0, limit = 0;  // limit < base: closed
  };
  Window io_window() const;
  Window memory_window() const;
  Window prefetch_window() const;

  // A function came to the bus behind, or is about to leave. Control thread, no lock.
  virtual void OnChild(Function& child, bool present) {
    (void)child;
    (void)present;
  }

 protected:
  void OnConfigWritten(uint32_t offset, uint32_t size) override;

 private:
  Bus secondary_;
  bool in_bus_reset_ = false;
};

}  // namespace davit::pci
