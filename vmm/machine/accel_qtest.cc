// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See accel_qtest.h.
#include "vmm/machine/accel_qtest.h"

#include <optional>
#include <utility>

#include "vmm/base/check.h"
#include "vmm/base/endian.h"

namespace davit::machine {

QtestAccel::QtestAccel(io::EventLoop& loop) : clock_(loop) {
  clock_.HoldTimers(true);
  for (uint32_t gsi = 0; gsi < lines_.size(); ++gsi) {
    lines_[gsi] = std::make_unique<WatchedLine>(*this, gsi);
  }
}

irq::IrqLine& QtestAccel::Line(uint32_t gsi) {
  DAVIT_CHECK(gsi < lines_.size());
  return *lines_[gsi];
}

void QtestAccel::SetLine(uint32_t gsi, bool level) {
  ioapic_.pin(gsi).Set(level);
  const std::lock_guard lock(mutex_);
  if (told_) told_(gsi, level);
}

void QtestAccel::WatchLines(LevelFn told) {
  const std::lock_guard lock(mutex_);
  told_ = std::move(told);
}

void QtestAccel::MemoryMsi::SetMemory(memory::GuestMemory memory) {
  const std::lock_guard lock(mutex_);
  memory_ = std::move(memory);
}

void QtestAccel::MemoryMsi::Send(const irq::MsiMessage& message) {
  memory::GuestMemory memory;
  {
    const std::lock_guard lock(mutex_);
    memory = memory_;
  }
  // Not RAM: the local APICs' window, or nothing.
  (void)memory.Write({message.address}, le32(message.data));
}

Result<std::unique_ptr<irq::MsiRoute>> QtestAccel::MemoryMsi::NewRoute() {
  class Route final : public irq::MsiRoute {
   public:
    explicit Route(MemoryMsi& owner) : owner_(owner) {}
    Status Set(irq::MsiMessage message) override {
      const std::lock_guard lock(mutex_);
      message_ = message;
      return {};
    }
    void Trigger() override {
      std::optional<irq::MsiMessage> message;
      {
        const std::lock_guard lock(mutex_);
        message = message_;
      }
      if (message) owner_.Send(*message);
    }
    Result<int> event_fd() override { return Fail("the accelerator qtest has no irqfd"); }

   private:
    MemoryMsi& owner_;
    std::mutex mutex_;  // guards message_
    std::optional<irq::MsiMessage> message_;
  };
  return std::make_unique<Route>(*this);
}

}  // namespace davit::machine
