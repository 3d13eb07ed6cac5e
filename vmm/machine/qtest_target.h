// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The machine as the qtest protocol drives it (vmm/qtest/target.h). Under KVM there is no clock to
// step and no line to watch; accesses work. Owner: control thread.
#pragma once

#include <memory>
#include <utility>

#include "vmm/machine/accel_qtest.h"
#include "vmm/machine/board.h"
#include "vmm/memory/live_memory.h"
#include "vmm/qtest/target.h"

namespace davit::machine {

class QtestTarget final : public qtest::Target {
 public:
  // accel: null under KVM; outlives this. board: the VM's, which comes and goes.
  QtestTarget(QtestAccel* accel, const std::unique_ptr<Board>& board,
              const memory::LiveMemory& memory)
      : accel_(accel), board_(board), memory_(memory) {}

  const bus::Bus* ports() override { return board_ ? &board_->ports() : nullptr; }
  const bus::Bus* mmio() override { return board_ ? &board_->mmio() : nullptr; }
  memory::GuestMemory memory() override { return memory_.Get(); }
  io::VirtualClockLoop* clock() override { return accel_ != nullptr ? &accel_->clock() : nullptr; }

  bool HasDevice(const std::string& path) override {
    if (accel_ == nullptr || board_ == nullptr) return false;
    // Where QEMU's boards have theirs: microvm, q35.
    return path == "ioapic" || path == "/machine/ioapic" || path == "/machine/q35/ioapic" ||
           path == "q35/ioapic";
  }
  irq::IrqLine* Input(const std::string&, const std::string& name, uint32_t number) override {
    if (name != "unnamed-gpio-in" || number >= devices::Ioapic::kPins) return nullptr;
    return &accel_->Line(number);
  }
  void InterceptInputs(const std::string&, LevelFn told) override {
    accel_->WatchLines(std::move(told));
  }

 private:
  QtestAccel* const accel_;
  const std::unique_ptr<Board>& board_;
  const memory::LiveMemory& memory_;
};

}  // namespace davit::machine
