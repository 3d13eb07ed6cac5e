// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// ACPI generic event device and the registers of a hardware-reduced platform (ACPI 6.4, 4.8.3.7,
// 5.6.9), laid out as QEMU's microvm has them: an event select register that says and clears what
// has happened, and sleep control, sleep status and reset as three byte registers. Two register
// windows, hence two BusDevices. Registers: any thread; so are the methods.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>

#include "vmm/bus/bus.h"
#include "vmm/irq/irq_line.h"

namespace davit::devices {

class AcpiGed {
 public:
  // Bits of the event select register; the DSDT's _EVT method dispatches on them.
  static constexpr uint32_t kEventMemoryHotplug = 1;
  static constexpr uint32_t kEventPowerButton = 2;
  static constexpr uint64_t kEventSize = 4;
  static constexpr uint64_t kRegsSize = 3;
  static constexpr uint8_t kResetValue = 0x42;
  static constexpr uint8_t kSleepTypeS5 = 5;

  // Called on the vCPU thread that wrote the register, with no lock held: they must not wait for
  // it.
  struct Callbacks {
    std::function<void()> power_off;  // the guest has entered S5
    std::function<void()> reset;
  };
  // The line outlives the device; each new event is one edge on it.
  AcpiGed(irq::IrqLine& irq, Callbacks callbacks);

  bus::BusDevice& event_window() { return event_window_; }
  bus::BusDevice& regs_window() { return regs_window_; }

  void PressPowerButton() { Signal(kEventPowerButton); }
  void Signal(uint32_t events);
  void Reset();
  uint32_t pending() const;

 private:
  class EventWindow final : public bus::BusDevice {
   public:
    explicit EventWindow(AcpiGed& ged) : ged_(ged) {}
    void Read(uint64_t offset, std::span<uint8_t> data) override;
    void Write(uint64_t offset, std::span<const uint8_t> data) override;

   private:
    AcpiGed& ged_;
  };
  class RegsWindow final : public bus::BusDevice {
   public:
    explicit RegsWindow(AcpiGed& ged) : ged_(ged) {}
    void Read(uint64_t offset, std::span<uint8_t> data) override;
    void Write(uint64_t offset, std::span<const uint8_t> data) override;

   private:
    AcpiGed& ged_;
  };

  irq::IrqLine& irq_;
  const Callbacks callbacks_;
  EventWindow event_window_{*this};
  RegsWindow regs_window_{*this};
  mutable std::mutex mutex_;  // guards pending_
  uint32_t pending_ = 0;
};

}  // namespace davit::devices
