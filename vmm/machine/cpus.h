// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// All vCPUs of the VM as one: made, paused, resumed and reset together, and their clocks held
// while they stand still. Owner: control thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/boot/entry.h"
#include "vmm/control/types.h"
#include "vmm/cpu/model.h"
#include "vmm/cpu/topology.h"
#include "vmm/cpu/vcpu_thread.h"
#include "vmm/kvm/kvm.h"

namespace davit::machine {

// The row of query-cpus-fast.
control::CpuInfo InfoOf(const cpu::Topology& topology, uint32_t index, int64_t thread_id);

class Cpus {
 public:
  struct Options {
    bool thread_names = true;
  };
  // The threads start parked. vm and handler outlive the result.
  static Result<std::unique_ptr<Cpus>> Create(kvm::Vm& vm, const cpu::CpuModel& model,
                                              const cpu::Topology& topology,
                                              cpu::ExitHandler& handler, const Options& options);

  size_t size() const { return threads_.size(); }
  void Pause();  // returns when all are parked
  void Resume();
  // Parked: all back to power-on; vCPU 0 then gets the boot entry's state.
  Status Reset(const std::optional<boot::BootEntry>& entry);

  // Parked. Between the two, the guest's time (TSC, kvmclock) does not pass.
  void HoldClocks();
  void ReleaseClocks();

  // Running or parked.
  Status InjectNmi();
  std::vector<control::CpuInfo> Infos() const;
  Result<std::vector<control::CpuRegisters>> Registers();

 private:
  Cpus(kvm::Vm& vm, cpu::Topology topology) : vm_(vm), topology_(topology) {}

  kvm::Vm& vm_;
  cpu::Topology topology_;
  std::vector<kvm::VcpuState> reset_states_;
  std::vector<std::unique_ptr<cpu::VcpuThread>> threads_;
  std::optional<uint64_t> held_clock_;
  std::vector<std::optional<uint64_t>> held_tscs_;
};

}  // namespace davit::machine
