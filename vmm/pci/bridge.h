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
  Bridge* as_bridge() override { return this; }
  // --- host lock ---
  uint8_t secondary_number() const { return config().Get8(kSecondaryBus); }
  uint8_t subordinate_number() const { return config().Get8(kSubordinateBus); }
  // Whether [base, base + size) comes through, enable bits included.
  bool Forwards(bool io, uint64_t base, uint64_t size) const;

  // Whether what is behind has power: without, it answers nothing.
  virtual bool powered() const { return true; }

  struct Window {
    uint64_t base = 0, limit = 0;  // limit < base: closed
  };
  Window io_window() const;
  Window memory_window() const;
  Window prefetch_window() const;

  enum class ChildChange : uint8_t {
    kThere,    // before the guest runs, it has always been there
    kPlugged,  // came while the guest may run
    kLeaving,  // is about to leave
  };
  // On the bus behind. Control thread, no lock.
  virtual void OnChild(Function& child, ChildChange change) {
    (void)child;
    (void)change;
  }

 protected:
  void OnConfigWritten(uint32_t offset, uint32_t size) override;
  void OnConfigReset() override;
  // Resets the functions behind, as a reset or a loss of power of their bus does. Host lock.
  void ResetBehind();
  // Mappings behind follow windows and power. Host lock.
  void UpdateBehind();

 private:
  Bus secondary_;
};

}  // namespace davit::pci
