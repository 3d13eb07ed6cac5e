// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The thread that runs one vCPU. The control thread asks (pause, resume, work), the vCPU
// thread obeys between two KVM_RUNs: a kick sets the immediate-exit flag and sends a signal, so
// that neither a guest that never exits nor the moment before KVM_RUN can delay it. Before it
// parks, a port or MMIO access that the guest has begun is finished, so that the registers are
// those of an instruction boundary.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "vmm/base/error.h"
#include "vmm/kvm/kvm.h"

namespace davit::cpu {

class VcpuThread;

// What a vCPU does with its exits. Called on the vCPU thread; must not block on I/O nor wait for
// the control thread.
class ExitHandler {
 public:
  virtual ~ExitHandler() = default;
  // Before the guest runs on, and before the vCPU parks (InterruptedExit). The handler may call
  // vcpu.ParkSelf().
  virtual void HandleExit(VcpuThread& vcpu, kvm::Exit& exit) = 0;
  // KVM_RUN itself failed; the vCPU is parked afterwards.
  virtual void HandleRunError(VcpuThread& vcpu, const Error& error) = 0;
};

class VcpuThread {
 public:
  // The thread starts parked. vcpu and handler outlive this. thread_name empty: unnamed.
  VcpuThread(uint32_t index, kvm::Vcpu& vcpu, ExitHandler& handler, std::string thread_name);
  // Joins. A vCPU that is to run again on another thread must be parked first.
  ~VcpuThread();
  VcpuThread(const VcpuThread&) = delete;
  VcpuThread& operator=(const VcpuThread&) = delete;

  uint32_t index() const { return index_; }
  pid_t thread_id() const { return thread_id_; }
  // Owner of the state while parked; else the vCPU thread.
  kvm::Vcpu& vcpu() { return vcpu_; }

  // --- control thread ---
  void RequestPause();  // returns at once
  void WaitParked();    // until it stands still
  void Resume();
  // A stand for a moment that changes nothing of the above: what parked or will park the vCPU
  // stays so after Release(). WaitParked() waits for it.
  void Hold();
  void Release();
  // Runs fn on the vCPU thread, between two KVM_RUNs or while parked, and waits for it.
  void RunOn(const std::function<void(kvm::Vcpu&)>& fn);

  // --- vCPU thread ---
  // The guest does not run on after this exit until Resume().
  void ParkSelf();
  // The VcpuThread of the calling thread, or nullptr.
  static VcpuThread* Current();

 private:
  void Loop();
  void Kick();
  // Serves requests; false: the thread ends.
  bool ServeRequests(bool unfinished);

  const uint32_t index_;
  kvm::Vcpu& vcpu_;
  ExitHandler& handler_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  bool pause_ = true;
  bool held_ = false;
  bool parked_ = false;
  bool quit_ = false;
  const std::function<void(kvm::Vcpu&)>* work_ = nullptr;

  pid_t thread_id_ = 0;
  std::thread thread_;
};

}  // namespace davit::cpu
