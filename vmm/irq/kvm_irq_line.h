// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// IrqLine over KVM_IRQ_LINE: a pin of the in-kernel interrupt controllers. Any thread.
#pragma once

#include <cstdint>

#include "vmm/irq/irq_line.h"
#include "vmm/kvm/kvm.h"

namespace davit::irq {

class KvmIrqLine final : public IrqLine {
 public:
  // vm outlives the line.
  KvmIrqLine(kvm::Vm& vm, uint32_t gsi) : vm_(vm), gsi_(gsi) {}
  // KVM refuses only a GSI or a VM without interrupt controllers, which the machine has checked.
  void Set(bool level) override { (void)vm_.SetIrqLine(gsi_, level); }

 private:
  kvm::Vm& vm_;
  const uint32_t gsi_;
};

}  // namespace davit::irq
