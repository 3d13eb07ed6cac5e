// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The accelerator KVM: lines are KVM_IRQ_LINE or pins of an IOAPIC in this process (split irqchip),
// MSIs and doorbells KVM's, and the clock of devices is the control loop's. Owner: control thread;
// lines, routes and doorbells on any.
#pragma once

#include <array>
#include <memory>
#include <optional>

#include "vmm/devices/ioapic.h"
#include "vmm/irq/gsi_table.h"
#include "vmm/irq/kvm_irq_line.h"
#include "vmm/irq/kvm_msi.h"
#include "vmm/kvm/kvm.h"
#include "vmm/machine/accel.h"
#include "vmm/machine/split_irqchip.h"

namespace davit::machine {

class KvmAccel final : public Accel {
 public:
  enum class Irqchip : uint8_t { kInKernel, kSplit };
  // vm has its interrupt controllers; both outlive the accelerator.
  KvmAccel(kvm::Vm& vm, io::EventLoop& loop, Irqchip irqchip);

  irq::IrqLine& Line(uint32_t gsi) override;
  devices::Ioapic* ioapic() override { return ioapic_ ? &*ioapic_ : nullptr; }
  irq::MsiController& msi() override { return msi_; }
  bus::DoorbellHost& doorbells() override { return doorbells_; }
  io::EventLoop& device_loop() override { return loop_; }
  kvm::Vm* kvm() override { return &vm_; }
  void CollectWrites(const kvm::WriteZone& zone) override;

 private:
  class Doorbells final : public bus::DoorbellHost {
   public:
    explicit Doorbells(kvm::Vm& vm) : vm_(vm) {}
    Status Bind(const bus::Doorbell& doorbell, int event_fd) override;
    void Unbind(const bus::Doorbell& doorbell, int event_fd) override;

   private:
    kvm::Vm& vm_;
  };

  kvm::Vm& vm_;
  io::EventLoop& loop_;
  irq::GsiTable table_;
  irq::KvmMsi msi_;
  Doorbells doorbells_;
  std::array<std::optional<irq::KvmIrqLine>, devices::Ioapic::kPins> lines_;
  std::optional<SplitIrqchipSink> ioapic_sink_;
  std::optional<devices::Ioapic> ioapic_;
};

}  // namespace davit::machine
