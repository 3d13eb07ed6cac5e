// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The vCPUs of a machine whose accelerator runs none (qtest): threads that wait, named
// "CPU n/DUMMY" as in QEMU, so that queries show what they show there. Owner: control thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/control/types.h"
#include "vmm/cpu/topology.h"
#include "vmm/machine/cpu_set.h"

namespace davit::machine {

class IdleCpus final : public CpuSet {
 public:
  // The first topology.cpus. Error: the host has no more threads.
  static Result<std::unique_ptr<IdleCpus>> Create(const cpu::Topology& topology, bool thread_names);
  ~IdleCpus() override;
  IdleCpus(const IdleCpus&) = delete;
  IdleCpus& operator=(const IdleCpus&) = delete;

  std::vector<Thread> Threads() const override;
  // All are as after power-on.
  Result<std::vector<control::CpuRegisters>> Registers() override;
  Status Add(uint32_t index) override;
  void Start(uint32_t) override {}
  void Remove(uint32_t index) override;

 private:
  struct Cpu {
    uint32_t index = 0;
    int64_t thread_id = 0;  // 0: not running yet
    bool ends = false;
    std::thread thread;
  };
  explicit IdleCpus(bool thread_names) : thread_names_(thread_names) {}
  void Wait(Cpu& cpu);
  void End(Cpu& cpu);  // and joins

  const bool thread_names_;
  std::mutex mutex_;  // guards thread_id and ends of each
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Cpu>> cpus_;  // in order of creation
};

}  // namespace davit::machine
