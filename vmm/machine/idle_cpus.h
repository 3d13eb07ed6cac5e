// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The vCPUs of a machine whose accelerator runs none (qtest): threads that wait, named
// "CPU n/DUMMY" as in QEMU, so that queries show what they show there. Owner: control thread.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/control/types.h"
#include "vmm/cpu/topology.h"

namespace davit::machine {

class IdleCpus {
 public:
  // Error: the host has no more threads.
  static Result<std::unique_ptr<IdleCpus>> Create(const cpu::Topology& topology, bool thread_names);
  ~IdleCpus();
  IdleCpus(const IdleCpus&) = delete;
  IdleCpus& operator=(const IdleCpus&) = delete;

  std::vector<control::CpuInfo> Infos() const;
  // All are as after power-on.
  std::vector<control::CpuRegisters> Registers() const;

 private:
  explicit IdleCpus(const cpu::Topology& topology) : topology_(topology) {}
  void Wait(size_t index, bool thread_name);

  const cpu::Topology topology_;
  std::mutex mutex_;  // guards ends_, tids_
  std::condition_variable changed_;
  bool ends_ = false;
  std::vector<int64_t> tids_;  // 0: not running yet
  std::vector<std::thread> threads_;
};

}  // namespace davit::machine
