// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See requests.h.
#include "vmm/machine/requests.h"

#include <utility>

#include "vmm/cpu/vcpu_thread.h"

namespace davit::machine {

using control::RunState;
using control::ShutdownCause;

Requests::Requests(io::EventLoop& loop, std::function<void()> serve)
    : loop_(loop), serve_(std::make_shared<std::function<void()>>(std::move(serve))) {}

void Requests::Ask(const std::function<void(Pending&)>& change, bool park) {
  // Before the control loop can know: it may resume this vCPU as soon as it has served.
  cpu::VcpuThread* vcpu = cpu::VcpuThread::Current();
  if (park && vcpu != nullptr) vcpu->ParkSelf();
  std::lock_guard lock(mutex_);
  change(pending_);
  if (std::exchange(posted_, true)) return;
  loop_.Post([weak = std::weak_ptr(serve_)] {
    if (auto serve = weak.lock()) (*serve)();
  });
}

// The first cause is the one that is told.
void Requests::Reset(ShutdownCause cause) {
  Ask(
      [cause](Pending& p) {
        if (p.reset == ShutdownCause::kNone) p.reset = cause;
      },
      true);
}

void Requests::Shutdown(ShutdownCause cause) {
  Ask([cause](Pending& p) { p.shutdown = p.shutdown.value_or(cause); }, true);
}

void Requests::Quit(ShutdownCause cause) {
  Ask(
      [cause](Pending& p) {
        if (!p.quit) p.shutdown = cause;
        p.quit = true;
      },
      true);
}

void Requests::Powerdown() {
  Ask([](Pending& p) { p.powerdown = true; }, false);
}

void Requests::Panicked() {
  Ask([](Pending& p) { p.panicked = true; }, true);
}

void Requests::CrashLoaded() {
  Ask([](Pending& p) { p.crash_loaded = true; }, false);
}

void Requests::WatchdogExpired() {
  Ask([](Pending& p) { p.watchdog = true; }, false);
}

void Requests::Stop(RunState state) {
  Ask([state](Pending& p) { p.stop = p.stop.value_or(state); }, true);
}

Requests::Pending Requests::Take() {
  std::lock_guard lock(mutex_);
  posted_ = false;
  return std::exchange(pending_, {});
}

}  // namespace davit::machine
