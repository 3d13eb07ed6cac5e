// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The accelerator qtest: no vCPU runs. Lines end at an IOAPIC of this process and can be watched by
// the test client; an MSI is a write to guest memory where its address is RAM, and else goes
// nowhere; there are no doorbells; devices follow a clock that the client steps. Owner: control
// thread; lines and routes on any.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <mutex>

#include "vmm/devices/ioapic.h"
#include "vmm/io/virtual_clock.h"
#include "vmm/machine/accel.h"
#include "vmm/memory/live_memory.h"

namespace davit::machine {

class QtestAccel final : public Accel, public memory::LiveMemory::Listener {
 public:
  explicit QtestAccel(io::EventLoop& loop);

  irq::IrqLine& Line(uint32_t gsi) override;
  devices::Ioapic* ioapic() override { return &ioapic_; }
  irq::MsiController& msi() override { return msi_; }
  bus::DoorbellHost& doorbells() override { return doorbells_; }
  io::EventLoop& device_loop() override { return clock_; }
  kvm::Vm* kvm() override { return nullptr; }
  void OnRunning(bool running) override { clock_.HoldTimers(!running); }

  io::VirtualClockLoop& clock() { return clock_; }
  // Where MSIs are written to.
  Status OnMemory(const memory::GuestMemory& next) override {
    msi_.SetMemory(next);
    return {};
  }
  // `told` hears what each line is set to, on the thread that sets it. Once.
  using LevelFn = std::function<void(uint32_t gsi, bool level)>;
  void WatchLines(LevelFn told);

 private:
  // IOAPIC messages go to local APICs, of which there are none.
  class Nowhere final : public devices::Ioapic::Sink {
   public:
    void Deliver(unsigned, const devices::Ioapic::Message&) override {}
    void EntryChanged(unsigned, const devices::Ioapic::Message&) override {}
  };
  class WatchedLine final : public irq::IrqLine {
   public:
    WatchedLine(QtestAccel& accel, uint32_t gsi) : accel_(accel), gsi_(gsi) {}
    void Set(bool level) override { accel_.SetLine(gsi_, level); }

   private:
    QtestAccel& accel_;
    const uint32_t gsi_;
  };
  class MemoryMsi final : public irq::MsiController {
   public:
    Result<std::unique_ptr<irq::MsiRoute>> NewRoute() override;
    void SetMemory(memory::GuestMemory memory);
    void Send(const irq::MsiMessage& message);

   private:
    std::mutex mutex_;  // guards memory_
    memory::GuestMemory memory_;
  };
  class NoDoorbells final : public bus::DoorbellHost {
   public:
    Status Bind(const bus::Doorbell&, int) override {
      return Fail("the accelerator qtest has no doorbells");
    }
    void Unbind(const bus::Doorbell&, int) override {}
  };

  void SetLine(uint32_t gsi, bool level);

  io::VirtualClockLoop clock_;
  MemoryMsi msi_;
  NoDoorbells doorbells_;
  Nowhere nowhere_;
  devices::Ioapic ioapic_{nowhere_};
  std::array<std::unique_ptr<WatchedLine>, devices::Ioapic::kPins> lines_;
  std::mutex mutex_;  // guards told_
  LevelFn told_;
};

}  // namespace davit::machine
