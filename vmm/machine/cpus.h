// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// All vCPUs of the VM as one: paused, resumed and reset together, and their clocks held while they
// stand still. CPUs come and go at run time; a vCPU of KVM, once made, stays as long as the VM and
// waits without a thread for its CPU to come again. Owner: control thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/boot/entry.h"
#include "vmm/control/types.h"
#include "vmm/cpu/model.h"
#include "vmm/cpu/topology.h"
#include "vmm/cpu/vcpu_thread.h"
#include "vmm/kvm/kvm.h"
#include "vmm/machine/cpu_set.h"

namespace davit::machine {

class Cpus final : public CpuSet {
 public:
  struct Options {
    bool thread_names = true;
  };
  // The first topology.cpus, parked. vm and handler outlive the result.
  static Result<std::unique_ptr<Cpus>> Create(kvm::Vm& vm, cpu::CpuModel model,
                                              const cpu::Topology& topology,
                                              cpu::ExitHandler& handler, const Options& options);

  size_t size() const { return cpus_.size(); }
  void Pause();  // returns when all are parked
  void Resume();
  // Calls fn while no vCPU is in KVM, then lets those that ran run on.
  void WhileHeld(const std::function<void()>& fn);
  // Parked: all back to power-on; vCPU 0 then gets the boot entry's state.
  Status Reset(const std::optional<boot::BootEntry>& entry);

  // Parked. Between the two, the guest's time (TSC, kvmclock) does not pass; a CPU added meanwhile
  // takes part.
  void HoldClocks();
  void ReleaseClocks();

  // Running or parked.
  Status InjectNmi();
  std::vector<Thread> Threads() const override;
  Result<std::vector<control::CpuRegisters>> Registers() override;
  Status Add(uint32_t index) override;
  void Start(uint32_t index) override;
  void Remove(uint32_t index) override;

 private:
  // A vCPU of KVM. Without a reset state it could not be set up yet.
  struct Made {
    std::unique_ptr<kvm::Vcpu> vcpu;
    std::optional<kvm::VcpuState> reset_state;
  };
  struct Cpu {
    Made* made;
    std::unique_ptr<cpu::VcpuThread> thread;
    std::optional<uint64_t> held_tsc;
  };

  Cpus(kvm::Vm& vm, cpu::CpuModel model, const cpu::Topology& topology, cpu::ExitHandler& handler,
       const Options& options)
      : vm_(vm),
        model_(std::move(model)),
        topology_(topology),
        handler_(handler),
        options_(options) {}
  // The vCPU of this index as after power-on.
  Status Prepare(uint32_t index, Made& made);

  kvm::Vm& vm_;
  const cpu::CpuModel model_;
  const cpu::Topology topology_;
  cpu::ExitHandler& handler_;
  const Options options_;
  std::map<uint32_t, Made> made_;  // by index
  std::vector<Cpu> cpus_;          // in order of creation; the first is CPU 0
  std::optional<uint64_t> held_clock_;
};

}  // namespace davit::machine
