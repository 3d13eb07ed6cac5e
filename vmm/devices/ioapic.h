// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// An I/O APIC in user space (Intel 82093AA, with the EOI register of version 0x20) for
// kernel-irqchip=split: the local APICs are KVM's, this turns pins into MSIs. Edge and level pins,
// remote IRR, EOI broadcast. Polarity is ignored: lines are active when Set(true). Any thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "vmm/bus/bus.h"
#include "vmm/irq/irq_line.h"

namespace davit::devices {

struct IoapicState {
  static constexpr unsigned kPins = 24;
  uint8_t id = 0;
  uint8_t index = 0;                      // IOREGSEL
  std::array<uint64_t, kPins> entries{};  // redirection table, with remote IRR
  uint32_t lines = 0;                     // level of each pin
};

class Ioapic final : public bus::BusDevice {
 public:
  static constexpr unsigned kPins = IoapicState::kPins;
  static constexpr uint64_t kSize = 0x1000;
  static constexpr uint32_t kHardwareVersion = 0x20;  // has the EOI register

  // What a redirection entry comes to. The address is that of the local APICs' window.
  struct Message {
    uint64_t address = 0;
    uint32_t data = 0;
    bool level = false;
    bool masked = true;
    friend bool operator==(const Message&, const Message&) = default;
  };
  // The machine's side. Both are called with the IOAPIC's lock held, on any thread: they must not
  // call back.
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void Deliver(unsigned pin, const Message& message) = 0;
    // KVM wants to know the level entries, or it will not report their EOI.
    virtual void EntryChanged(unsigned pin, const Message& message) = 0;
  };

  explicit Ioapic(Sink& sink);  // the sink outlives the IOAPIC

  irq::IrqLine& pin(unsigned n) { return *pins_[n]; }  // n < kPins
  // A local APIC has finished this vector (KVM_EXIT_IOAPIC_EOI).
  void EndOfInterrupt(uint8_t vector);
  void Reset();
  IoapicState state() const;
  Message message(unsigned pin) const;

  void Read(uint64_t offset, std::span<uint8_t> data) override;
  void Write(uint64_t offset, std::span<const uint8_t> data) override;

 private:
  class Pin final : public irq::IrqLine {
   public:
    Pin(Ioapic& ioapic, unsigned n) : ioapic_(ioapic), n_(n) {}
    void Set(bool level) override { ioapic_.SetPin(n_, level); }

   private:
    Ioapic& ioapic_;
    const unsigned n_;
  };

  void SetPin(unsigned n, bool level);
  // mutex_ held.
  uint32_t ReadRegister() const;
  void WriteRegister(uint32_t value);
  void WriteEntry(unsigned n, uint64_t value);
  void ServeLevel(unsigned n);
  void EndLocked(uint8_t vector);

  Sink& sink_;
  std::vector<std::unique_ptr<Pin>> pins_;
  mutable std::mutex mutex_;  // guards s_
  IoapicState s_;
};

}  // namespace davit::devices
