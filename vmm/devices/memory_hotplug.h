// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The registers by which a guest's ACPI code hears of DIMMs that come and go: QEMU's memory
// hot-plug interface (docs/specs/acpi_mem_hotplug), 24 I/O ports. A selector chooses a slot; the
// rest speaks of that slot:
//
//   offset  read                               write
//   0x00    base address, low 32 bits          selector
//   0x04    base address, high 32 bits         _OST: source event
//   0x08    size in bytes, low 32 bits         _OST: status code (this one is reported)
//   0x0c    size in bytes, high 32 bits
//   0x10    proximity domain
//   0x14    bit 0: there is a DIMM             bit 1, 2: the event is dealt with
//           bit 1: it came, bit 2: it shall go bit 3: eject it
//
// A selector that is beyond the slots reads 0 and takes no writes, as QEMU's. Registers: any
// thread. The methods: control thread.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "vmm/bus/bus.h"

namespace davit::devices {

class MemoryHotplug final : public bus::BusDevice {
 public:
  static constexpr uint64_t kPorts = 0x18;
  static constexpr uint32_t kMaxSlots = 256;

  struct Dimm {
    std::string id;  // of the device, for reports; may be empty
    uint64_t base = 0;
    uint64_t size = 0;  // bytes
    uint32_t node = 0;  // proximity domain
    // The guest uses it no more, and does not find it in its slot from now on; Unplug() follows. As
    // the callbacks below.
    std::function<void()> ejected = {};
    // The guest, which was asked to, will not give it up: RequestEject() is forgotten. May be
    // empty.
    std::function<void()> refused = {};
  };
  struct Report {
    uint32_t slot = 0;
    std::string id;       // of what is in the slot
    uint32_t source = 0;  // ACPI 6.4, 6.3.5: 3: ejection request
    uint32_t status = 0;  // 0: success
  };
  // raise: the guest's ACPI code shall look at the slots. report: a status code was written. On any
  // thread, which they must not wait for; no lock is held.
  struct Callbacks {
    std::function<void()> raise;
    std::function<void(const Report&)> report;
  };
  MemoryHotplug(uint32_t slots, Callbacks callbacks);

  uint32_t slots() const { return static_cast<uint32_t>(slots_.size()); }
  // By slot: whether something was plugged there. What the guest has ejected is there until
  // Unplug().
  std::vector<bool> taken() const;
  // An empty slot below slots(). announce: the guest runs and is told; else it finds it by itself.
  void Plug(uint32_t slot, Dimm dimm, bool announce);
  // Asks the guest to give the DIMM up: ejected() follows, or a report, or nothing. Until the guest
  // reports that it will not, the next Reset() ejects the DIMM. Again: it is asked again.
  void RequestEject(uint32_t slot);
  // The DIMM is gone. What the guest reported stays.
  void Unplug(uint32_t slot);
  // Power-on state: the guest finds the slots as they are, so no event is outstanding.
  void Reset();
  // By slot.
  std::vector<Report> reports() const;

  void Read(uint64_t offset, std::span<uint8_t> data) override;
  void Write(uint64_t offset, std::span<const uint8_t> data) override;

 private:
  struct Slot {
    bool taken = false, enabled = false, inserting = false, removing = false;
    bool asked = false;  // to eject it, and the guest has not refused
    Dimm dimm;
    uint32_t source = 0, status = 0;
  };
  // mutex_ held.
  uint32_t Value(uint64_t offset) const;
  Report ReportOf(uint32_t slot) const;

  const Callbacks callbacks_;
  mutable std::mutex mutex_;  // guards what follows
  std::vector<Slot> slots_;   // the count never changes
  uint32_t selector_ = 0;
};

}  // namespace davit::devices
