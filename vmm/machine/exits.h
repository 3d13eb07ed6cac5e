// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Where the exits of all vCPUs go: port and MMIO accesses to the board's buses, triple faults to a
// reset, what KVM cannot do to the run state internal-error. Called on vCPU threads, several at
// once.
//
// Writes that KVM has collected meanwhile go to their devices first, those of all vCPUs: so an
// access finds a device as it would without the ring, and no vCPU parks with a write unseen.
#pragma once

#include <mutex>

#include "vmm/base/log.h"
#include "vmm/cpu/vcpu_thread.h"
#include "vmm/machine/board.h"
#include "vmm/machine/requests.h"
#include "vmm/memory/live_memory.h"

namespace davit::machine {

class ExitDispatcher final : public cpu::ExitHandler {
 public:
  // All outlive this.
  ExitDispatcher(Board& board, const memory::LiveMemory& memory, Requests& requests)
      : board_(board), memory_(memory), requests_(requests) {}

  void HandleExit(cpu::VcpuThread& vcpu, kvm::Exit& exit) override;
  void HandleRunError(cpu::VcpuThread& vcpu, const Error& error) override;

 private:
  void TakeWrites(kvm::Vcpu& vcpu);
  void TripleFault(cpu::VcpuThread& vcpu);
  void InternalError(cpu::VcpuThread& vcpu, const kvm::InternalErrorExit& error);
  std::vector<uint8_t> BytesAtRip(kvm::Vcpu& vcpu, uint64_t rip);

  Board& board_;
  const memory::LiveMemory& memory_;
  Requests& requests_;
  LogLimiter triple_faults_;
  std::mutex writes_mutex_;  // one vCPU takes the collected writes at a time; before device locks
};

}  // namespace davit::machine
