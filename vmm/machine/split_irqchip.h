// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// kernel-irqchip=split: the IOAPIC of vmm/devices over KVM's local APICs. Its entries become MSIs;
// KVM is told the level ones as GSI routes, since it reports the end of interrupt only for vectors
// that it finds there. Called with the IOAPIC's lock held, on any thread.
#pragma once

#include <array>

#include "vmm/devices/ioapic.h"
#include "vmm/irq/gsi_table.h"
#include "vmm/kvm/kvm.h"

namespace davit::machine {

class SplitIrqchipSink final : public devices::Ioapic::Sink {
 public:
  // Both outlive the sink.
  SplitIrqchipSink(kvm::Vm& vm, irq::GsiTable& table) : vm_(vm), table_(table) {}
  void Deliver(unsigned pin, const devices::Ioapic::Message& message) override;
  void EntryChanged(unsigned pin, const devices::Ioapic::Message& message) override;

 private:
  kvm::Vm& vm_;
  irq::GsiTable& table_;
  std::array<devices::Ioapic::Message, devices::Ioapic::kPins> entries_{};
};

}  // namespace davit::machine
