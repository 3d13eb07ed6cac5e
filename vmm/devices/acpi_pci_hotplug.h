// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The registers by which a guest's ACPI code hears of PCI cards that come and go: QEMU's PCI
// hot-plug interface (docs/specs/acpi_pci_hotplug), 24 I/O ports, doublewords. A selector chooses a
// bus; the rest has a bit for each of its slots:
//
//   offset  read                                    write
//   0x00    a card came; reading forgets it
//   0x04    the card shall go
//   0x08    0: no feature beyond these              ejects the lowest slot whose bit is set
//   0x0c    its card can go
//   0x10    the selector                            selector: number of a bus
//   0x14    0: no card has an index
//
// Each event of the host raises the callback, for a GPE. Registers: any thread. The methods:
// control thread.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "vmm/bus/bus.h"

namespace davit::devices {

class AcpiPciHotplug final : public bus::BusDevice {
 public:
  static constexpr uint64_t kPorts = 0x18;
  static constexpr uint32_t kSlots = 32;  // of a bus

  // raise: the guest's ACPI code shall look at the slots. With no lock held, on the control thread.
  explicit AcpiPciHotplug(std::function<void()> raise) : raise_(std::move(raise)) {}

  // Its number: 0, 1, ... eject: the guest uses what is in the slot, if anything is, no more; it
  // must not find it there when this returns. On the thread that writes the register, with no lock
  // held; it may be called until RemoveBus().
  uint32_t AddBus(std::function<void(uint32_t slot)> eject);
  // Its bridge goes: the number reads zero and ejects nothing, and is not given again. No eject()
  // is under way when this returns. Not with a lock held that eject() takes.
  void RemoveBus(uint32_t bus);

  // Another card is there: what was asked of the one before is not asked of it.
  void Plug(uint32_t bus, uint32_t slot);
  // Asks the guest to eject the card; again: it is asked again.
  void RequestEject(uint32_t bus, uint32_t slot);
  // Power-on state: the guest finds the cards as they are, so no event is outstanding.
  void Reset();

  void Read(uint64_t offset, std::span<uint8_t> data) override;
  void Write(uint64_t offset, std::span<const uint8_t> data) override;

 private:
  struct Bus {
    std::function<void(uint32_t slot)> eject;  // empty: the bus has gone
    uint32_t came = 0, leaving = 0;            // a bit a slot
  };
  uint32_t Value(uint64_t offset);  // mutex_ held
  Bus* selected() {
    return selector_ < buses_.size() && buses_[selector_].eject ? &buses_[selector_] : nullptr;
  }

  const std::function<void()> raise_;
  std::mutex eject_mutex_;  // while eject() runs; before mutex_ and what eject() takes
  std::mutex mutex_;        // guards what follows
  std::vector<Bus> buses_;
  uint32_t selector_ = 0;
};

}  // namespace davit::devices
