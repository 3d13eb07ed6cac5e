// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See vcpu_thread.h.
#include "vmm/cpu/vcpu_thread.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <utility>
#include <variant>

namespace davit::cpu {
namespace {

constexpr int kKickSignal = SIGUSR1;

thread_local VcpuThread* current = nullptr;

// KVM_RUN must return EINTR: a handler that does nothing, without SA_RESTART.
void InstallKickHandler() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    sigemptyset(&action.sa_mask);
    sigaction(kKickSignal, &action, nullptr);
  });
}

// Signals of the process are the control thread's business; SIGBUS is the thread's own
// (memory::MissingPages).
void BlockAllButKick() {
  sigset_t set;
  sigfillset(&set);
  sigdelset(&set, SIGBUS);
  sigdelset(&set, kKickSignal);
  pthread_sigmask(SIG_SETMASK, &set, nullptr);
}

}  // namespace

VcpuThread* VcpuThread::Current() { return current; }

VcpuThread::VcpuThread(uint32_t index, kvm::Vcpu& vcpu, ExitHandler& handler,
                       std::string thread_name)
    : index_(index), vcpu_(vcpu), handler_(handler) {
  InstallKickHandler();
  thread_ = std::thread([this, name = std::move(thread_name)] {
    BlockAllButKick();
    if (!name.empty()) pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
    current = this;
    {
      std::lock_guard lock(mutex_);
      thread_id_ = gettid();
      changed_.notify_all();
    }
    Loop();
  });
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return thread_id_ != 0; });
}

VcpuThread::~VcpuThread() {
  {
    std::lock_guard lock(mutex_);
    quit_ = true;
    changed_.notify_all();
  }
  Kick();
  thread_.join();
}

void VcpuThread::Kick() {
  vcpu_.SetImmediateExit(true);
  pthread_kill(thread_.native_handle(), kKickSignal);
}

void VcpuThread::RequestPause() {
  {
    std::lock_guard lock(mutex_);
    if (pause_ && parked_) return;
    pause_ = true;
  }
  Kick();
}

void VcpuThread::WaitParked() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return parked_; });
}

void VcpuThread::Resume() {
  std::lock_guard lock(mutex_);
  pause_ = false;
  changed_.notify_all();
}

void VcpuThread::Hold() {
  {
    std::lock_guard lock(mutex_);
    held_ = true;
    if (parked_) return;
  }
  Kick();
}

void VcpuThread::Release() {
  std::lock_guard lock(mutex_);
  held_ = false;
  changed_.notify_all();
}

void VcpuThread::RunOn(const std::function<void(kvm::Vcpu&)>& fn) {
  {
    std::lock_guard lock(mutex_);
    work_ = &fn;
    changed_.notify_all();
  }
  Kick();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return work_ == nullptr; });
}

void VcpuThread::ParkSelf() {
  std::lock_guard lock(mutex_);
  pause_ = true;
}

bool VcpuThread::ServeRequests(bool unfinished) {
  std::unique_lock lock(mutex_);
  const bool asked = pause_ || held_ || quit_ || work_ != nullptr;
  if (asked && unfinished && !quit_) {
    // One more KVM_RUN, which finishes the access and comes back before the next instruction.
    vcpu_.SetImmediateExit(true);
    return true;
  }
  // A kick that comes from here on is meant for the next KVM_RUN: cleared under the lock, in which
  // its request was made.
  vcpu_.SetImmediateExit(false);
  for (;;) {
    if (quit_) return false;
    if (work_ != nullptr) {
      const auto* work = work_;
      lock.unlock();
      (*work)(vcpu_);
      lock.lock();
      work_ = nullptr;
      changed_.notify_all();
      continue;
    }
    if (!pause_ && !held_) break;
    if (!parked_) {
      parked_ = true;
      changed_.notify_all();
    }
    changed_.wait(lock);
  }
  parked_ = false;
  // A kick may have set the flag while this thread was parked: its request has been served.
  vcpu_.SetImmediateExit(false);
  return true;
}

void VcpuThread::Loop() {
  bool unfinished = false;
  while (ServeRequests(unfinished)) {
    Result<kvm::Exit> exit = vcpu_.Run();
    if (!exit) {
      handler_.HandleRunError(*this, exit.error());
      ParkSelf();
      unfinished = false;
      continue;
    }
    unfinished =
        std::holds_alternative<kvm::IoExit>(*exit) || std::holds_alternative<kvm::MmioExit>(*exit);
    handler_.HandleExit(*this, *exit);
  }
  std::lock_guard lock(mutex_);
  parked_ = true;
  changed_.notify_all();
}

}  // namespace davit::cpu
