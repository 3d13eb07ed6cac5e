// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Inside vmm/kvm only: how the real classes make one another.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "vmm/base/unique_fd.h"
#include "vmm/kvm/kvm.h"

namespace davit::kvm {

// system_fd outlives the call only. run_size: bytes of a vCPU's run page mapping. ring_page: where
// in it the ring of collected writes is; 0: nowhere.
Result<std::unique_ptr<Vm>> MakeVm(UniqueFd vm_fd, int system_fd, size_t run_size);
Result<std::unique_ptr<Vcpu>> MakeVcpu(UniqueFd vcpu_fd, size_t run_size,
                                       std::vector<uint32_t> msr_list, int nested_state_size,
                                       bool has_lapic, int ring_page);

}  // namespace davit::kvm
