// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Inside vmm/kvm only: the plain register structs of types.h and the kernel's.
#pragma once

#include "vmm/kvm/kernel.h"
#include "vmm/kvm/types.h"

namespace davit::kvm {

Registers FromKernel(const kvm_regs& regs);
kvm_regs ToKernel(const Registers& registers);
SpecialRegisters FromKernel(const kvm_sregs& sregs);
// The pending-interrupt bitmap is empty.
kvm_sregs ToKernel(const SpecialRegisters& registers);

}  // namespace davit::kvm
