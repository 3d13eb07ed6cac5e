// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// MsiController over KVM: a message is sent with KVM_SIGNAL_MSI, which needs no route in KVM's
// table; only a route that is asked for its eventfd gets a GSI and an irqfd. Any thread. The
// controller outlives its routes.
#pragma once

#include <memory>

#include "vmm/irq/gsi_table.h"
#include "vmm/irq/msi.h"
#include "vmm/kvm/kvm.h"

namespace davit::irq {

class KvmMsi final : public MsiController {
 public:
  // Both outlive the controller.
  KvmMsi(kvm::Vm& vm, GsiTable& table) : vm_(vm), table_(table) {}
  Result<std::unique_ptr<MsiRoute>> NewRoute() override;

 private:
  kvm::Vm& vm_;
  GsiTable& table_;
};

}  // namespace davit::irq
