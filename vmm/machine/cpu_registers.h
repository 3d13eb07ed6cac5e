// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Between a vCPU's registers and the values of other layers: what a boot loader wants set, and
// what "info registers" shows. On the vCPU's thread or while it is parked.
#pragma once

#include "vmm/base/error.h"
#include "vmm/boot/entry.h"
#include "vmm/control/types.h"
#include "vmm/kvm/kvm.h"

namespace davit::machine {

Status ApplyBootEntry(kvm::Vcpu& vcpu, const boot::BootEntry& entry);
Result<control::CpuRegisters> ReadRegisters(kvm::Vcpu& vcpu);

}  // namespace davit::machine
