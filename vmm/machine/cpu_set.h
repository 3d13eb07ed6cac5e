// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The vCPUs of a VM as what runs them sees them, by index: KVM's (cpus.h) or those of a machine
// whose accelerator runs none (idle_cpus.h). Owner: control thread.
#pragma once

#include <cstdint>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/control/types.h"

namespace davit::machine {

class CpuSet {
 public:
  struct Thread {
    uint32_t index = 0;
    int64_t id = 0;  // of the host
  };
  virtual ~CpuSet() = default;

  // In order of creation.
  virtual std::vector<Thread> Threads() const = 0;
  virtual Result<std::vector<control::CpuRegisters>> Registers() = 0;
  // One more, as after power-on and parked. The index is below maxcpus and has none. Error: the
  // host gives no vCPU or no thread; nothing is left behind that a later Add() would not use.
  virtual Status Add(uint32_t index) = 0;
  // An added CPU runs.
  virtual void Start(uint32_t index) = 0;
  // The one of this index goes, running or parked; its thread has ended on return.
  virtual void Remove(uint32_t index) = 0;
};

}  // namespace davit::machine
