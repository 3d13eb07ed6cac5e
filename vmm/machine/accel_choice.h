// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Which accelerator of the list runs the machine: the first that works, as QEMU takes it, with
// QEMU's words about those before it. Control thread.
#pragma once

#include <memory>

#include "vmm/base/error.h"
#include "vmm/kvm/kvm.h"
#include "vmm/machine/config.h"

namespace davit::machine {

struct AccelChoice {
  bool qtest = false;
  // Opened for the choice of KVM; null: `given` is used, or a machine without CPUs does without.
  std::unique_ptr<kvm::System> system;
};

// given: the KVM of tests, else nullptr. needs_kvm: the machine has CPUs.
// Error: none of them works.
Result<AccelChoice> ChooseAccel(const MachineConfig& config, kvm::System* given, bool needs_kvm);

}  // namespace davit::machine
